"""`Window`: one occurrence of recurring statements, and how its names hang together.

Two windows of one gram differ in what is a literal, a name from outside or a name of their own. The
*pattern* says which is which, in order, with own names numbered by first occurrence
(alpha-equivalence); windows of one pattern differ in values only, which is what `unify.py` needs.
Also told: which names the rest of the block reads afterwards.

Next file: `mine/snippets/templates.py`.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from strop.mine.snippets.normal import Unit
from strop.mine.snippets.results import opaque_names
from strop.mine.snippets.trees import BUILTINS, OWN_NAMES, binders_of, children, is_open_call
from strop.mine.snippets.values import kind_of

__all__ = ["Window", "is_hole", "read_window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One occurrence.

    Attributes:
        stmts: The statements, in normal form.
        unit: The block they are from.
        block: Number of the block.
        task: Number of its task.
        own: Names that the statements bind, with their numbers.
        pattern: See the module; equal for windows that differ in values only.
        live: Numbers of own names that are read afterwards.
        opaque: Those of them whose values are no JSON, as far as one can tell.
        bare: Whether it could run alone: nothing from outside is read.
    """

    stmts: tuple[ast.stmt, ...] = field(hash=False)
    unit: Unit = field(hash=False)
    block: int
    task: int
    own: dict[str, int] = field(hash=False)
    pattern: tuple[object, ...]
    live: frozenset[int]
    opaque: frozenset[int]
    bare: bool

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line in the block, from 1."""
        return self.stmts[0].lineno, self.stmts[-1].end_lineno or self.stmts[-1].lineno


def is_hole(node: ast.AST, unit: Unit, own: dict[str, int]) -> bool:
    """Whether a node is something that a caller could give: a literal, or a name from outside."""
    if node.__class__ is ast.Name:
        name = node.id
        return name not in own and not _is_fixed(name, unit)
    return kind_of(node) is not None


def _is_fixed(name: str, unit: Unit) -> bool:
    return name in unit.imports or (name not in unit.bound and name in BUILTINS)


def read_window(
    stmts: Sequence[ast.stmt],
    unit: Unit,
    *,
    block: int,
    task: int,
    following: Sequence[ast.stmt],
) -> Window | None:
    """Read one occurrence; `None` where its statements cannot stand alone as a function.

    That is where a name is read before it is bound (it was bound before, to something unknown), and
    where a function of its own is called with keywords, since its parameters are renamed.

    Args:
        stmts: The statements.
        unit: The block.
        block: Its number.
        task: That of its task.
        following: What may run after them, in order.
    """
    reader = _Reader(unit)
    for stmt in stmts:
        reader.bind(stmt)
    for stmt in stmts:
        reader.read(stmt)
    if reader.broken:
        return None
    later = _read_later(following, set(reader.own), unit)
    opaque = opaque_names(stmts, unit) if later else set()
    return Window(
        stmts=tuple(stmts),
        unit=unit,
        block=block,
        task=task,
        own=reader.own,
        pattern=tuple(reader.pattern),
        live=frozenset(reader.own[name] for name in later),
        opaque=frozenset(reader.own[name] for name in later & opaque),
        bare=not reader.outside,
    )


class _Reader:
    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._stored: set[str] = set()
        self._bound_yet: set[str] = set()
        self._functions: set[str] = set()
        self.own: dict[str, int] = {}
        self.pattern: list[object] = []
        self.outside = False
        self.broken = False

    def bind(self, stmt: ast.stmt) -> None:
        """Learn which names the statements bind."""
        found = binders_of(stmt, self._unit)
        self._stored |= found.names
        self._functions |= found.functions
        if self._stored & self._unit.imports.keys():
            self.broken = True

    def read(self, node: ast.AST, *, later: bool = False) -> None:
        """Go through a node in the order of evaluation; `later`: inside a function's body."""
        cls = node.__class__
        if cls is ast.Name:
            self._name(cast("ast.Name", node), later=later)
            return
        if cls is ast.FunctionDef:
            self._own(cast("ast.FunctionDef", node).name)
        if kind_of(node) is not None:
            self.pattern.append("hole")
            return
        if cls is ast.Call:
            func = cast("ast.Call", node).func
            if isinstance(func, ast.Name) and func.id in self._functions:
                self.broken |= bool(cast("ast.Call", node).keywords)
        if cls in OWN_NAMES and cls is not ast.FunctionDef:
            name = getattr(node, OWN_NAMES[cls])
            if name is not None:
                self._own(name)
        loose = cls is ast.Call and is_open_call(cast("ast.Call", node), self._unit)
        within = later or cls is ast.FunctionDef or cls is ast.Lambda
        for child in children(node):
            if not (loose and isinstance(child, ast.keyword) and kind_of(child.value) is not None):
                self.read(child, later=within)

    def _own(self, name: str) -> None:
        self._bound_yet.add(name)
        self.pattern.append(self.own.setdefault(name, len(self.own)))

    def _name(self, node: ast.Name, *, later: bool) -> None:
        name = node.id
        if not isinstance(node.ctx, ast.Load):
            self._own(name)
        elif name in self._stored:
            if name not in self._bound_yet and not later:
                self.broken = True
            self.pattern.append(self.own.setdefault(name, len(self.own)))
        elif not _is_fixed(name, self._unit):
            self.outside = True
            self.pattern.append("hole")


def _read_later(following: Sequence[ast.stmt], names: set[str], unit: Unit) -> set[str]:
    """Those of `names` that are read before they are bound anew."""
    found: set[str] = set()
    waiting = set(names)
    for stmt in following:
        events = unit.known.get(id(stmt))
        if not isinstance(events, dict):
            events = unit.known[id(stmt)] = _events(stmt)
        for name in waiting & events.keys():
            waiting.discard(name)
            if events[name]:
                found.add(name)
        if not waiting:
            break
    return found


def _events(stmt: ast.stmt) -> dict[str, bool]:
    """For each name in a statement, whether it is read there before it is bound."""
    found: dict[str, bool] = {}
    stack: list[ast.AST] = [stmt]
    while stack:
        node = stack.pop()
        if node.__class__ is ast.Name:
            found.setdefault(node.id, node.ctx.__class__ is ast.Load)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found.setdefault(node.target.id, True)
            stack.append(node.value)
        elif node.__class__ is not ast.Constant:
            stack += reversed(children(node))
    return found
