"""How the files here go through a syntax tree: which fields count, and in which order.

The order is that of evaluation, so that a name is bound before it is read: the value of an
assignment before its target, the loops of a comprehension before its element. Annotations and
comments on types are left out.

Next file: `mine/snippets/shapes.py`.
"""

import ast
import builtins
from dataclasses import dataclass
from typing import cast

from strop.mine.snippets.normal import Unit

__all__ = [
    "BUILTINS",
    "FIELDS",
    "OWN_NAMES",
    "PLAIN",
    "Binders",
    "binders_of",
    "children",
    "fields_of",
    "is_open_call",
    "keeps_mode",
    "root_of",
]

BUILTINS = frozenset(dir(builtins))

_ORDER: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Assign: ("value", "targets"),
    ast.AugAssign: ("value", "op", "target"),
    ast.AnnAssign: ("value", "target"),
    ast.NamedExpr: ("value", "target"),
    ast.For: ("iter", "target", "body", "orelse"),
    ast.ListComp: ("generators", "elt"),
    ast.SetComp: ("generators", "elt"),
    ast.GeneratorExp: ("generators", "elt"),
    ast.DictComp: ("generators", "key", "value"),
    ast.comprehension: ("iter", "target", "ifs", "is_async"),
}
_LEFT_OUT = frozenset(("ctx", "type_comment", "annotation", "returns", "kind", "type_params"))
FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
"""What `fields_of` has worked out; the hot loop looks here first."""

OWN_NAMES: dict[type[ast.AST], str] = {
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
    ast.arg: "arg",
}
"""Where a node binds a name that is a text, not a node."""


def fields_of(cls: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a class of nodes that count, in the order of evaluation."""
    known = FIELDS.get(cls)
    if known is None:
        known = _ORDER.get(cls) or tuple(name for name in cls._fields if name not in _LEFT_OUT)
        FIELDS[cls] = known
    return known


def children(node: ast.AST) -> list[ast.AST]:
    """A node's children, in the order of evaluation."""
    found: list[ast.AST] = []
    cls = node.__class__
    for name in FIELDS.get(cls) or fields_of(cls):
        value = getattr(node, name, None)
        kind = value.__class__
        if kind is list:
            found += [item for item in cast("list[object]", value) if isinstance(item, ast.AST)]
        elif kind not in PLAIN:
            found.append(cast("ast.AST", value))
    return found


PLAIN = frozenset((None.__class__, str, int, bool, float, complex, bytes, Ellipsis.__class__))
"""The classes of what stands in a field and is no node."""


@dataclass(frozen=True, slots=True)
class Binders:
    """What binds names in a statement.

    Attributes:
        names: The names.
        functions: Those of functions.
        nodes: The nodes that bind them, outer before inner.
        binary: Whether it opens something whose `read` gives bytes: a URL, a file in mode ``rb``.
    """

    names: frozenset[str]
    functions: frozenset[str]
    nodes: tuple[ast.AST, ...]
    binary: bool


def binders_of(stmt: ast.stmt, unit: Unit) -> Binders:
    """What binds names in a statement of a unit; worked out once."""
    held = unit.known.get(-id(stmt))
    if isinstance(held, Binders):
        return held
    names: set[str] = set()
    functions: set[str] = set()
    nodes: list[ast.AST] = []
    binary = False
    stack: list[ast.AST] = [stmt]
    while stack:
        node = stack.pop()
        cls = node.__class__
        if cls is ast.Name:
            if node.ctx.__class__ is not ast.Load:  # type: ignore[attr-defined]
                names.add(node.id)  # type: ignore[attr-defined]
            continue
        if cls in OWN_NAMES:
            name = getattr(node, OWN_NAMES[cls])
            if name is not None:
                names.add(name)
            if isinstance(node, ast.FunctionDef):
                functions.add(node.name)
            nodes.append(node)
        elif cls in _BINDING:
            nodes.append(node)
        elif isinstance(node, ast.Call):
            binary = binary or _reads_bytes(node)
        stack += [c for c in reversed(children(node)) if c.__class__ is not ast.Constant]
    made = Binders(frozenset(names), frozenset(functions), tuple(nodes), binary)
    unit.known[-id(stmt)] = made
    return made


def _reads_bytes(call: ast.Call) -> bool:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if name == "open":
        modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
        return any(not isinstance(m, ast.Constant) or "b" in str(m.value) for m in modes)
    return name in ("urlopen", "check_output", "recv", "read_bytes")


_BINDING = frozenset(
    (
        ast.Assign,
        ast.AugAssign,
        ast.AnnAssign,
        ast.NamedExpr,
        ast.For,
        ast.comprehension,
        ast.withitem,
    )
)


def root_of(node: ast.AST) -> ast.Name | None:
    """The name that a dotted expression begins with: ``a`` of ``a.b.c``."""
    while node.__class__ is ast.Attribute:
        node = node.value
    return node if isinstance(node, ast.Name) else None


def is_open_call(call: ast.Call, unit: Unit) -> bool:
    """Whether a call's literal keywords may differ: it is of something imported."""
    root = root_of(call.func)
    if root is None or root.id not in unit.imports:
        return False
    return all(keyword.arg is not None for keyword in call.keywords)


def keeps_mode(call: ast.Call) -> bool:
    """Whether a call is ``open(path, mode)``: another mode is other work, not another argument."""
    func = call.func
    return func.__class__ is ast.Name and func.id == "open" and len(call.args) > 1
