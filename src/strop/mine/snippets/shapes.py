"""Shapes: a statement without its literals and its own names, as one number.

Two statements have the same shape where they differ only in literals, in the names of variables, in
which of the two stands somewhere, and in which keyword arguments with literal values an imported
function is given. What is called, which attributes and operators: those are kept. Hashing subtrees
to find clones is from Baxter et al., "Clone Detection Using Abstract Syntax Trees" (ICSM 1998).

Next file: `mine/snippets/grams.py`.
"""

import ast
from dataclasses import dataclass
from typing import cast

from strop.mine.snippets.normal import Unit, statements_in
from strop.mine.snippets.trees import (
    BUILTINS,
    FIELDS,
    OWN_NAMES,
    PLAIN,
    fields_of,
    is_open_call,
    keeps_mode,
)
from strop.mine.snippets.values import kind_of

__all__ = ["Shape", "shapes_of"]

# What a function of its own cannot do as the script did, or must not do.
_BANNED = frozenset(
    (  # noqa: SIM905 - words
        "exec eval compile globals locals vars input breakpoint exit quit super help dir"
        " __file__ __name__ __import__"
    ).split()
)
_BANNED_CALLS = frozenset(("sys:exit", "os:_exit", "sys.exit", "os._exit"))
_BODIES = frozenset(("body", "orelse", "finalbody"))
_LOOPS = frozenset((ast.For, ast.While))
_OUTWARD = frozenset(
    (
        ast.Yield,
        ast.YieldFrom,
        ast.Await,
        ast.AsyncFor,
        ast.AsyncWith,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Global,
        ast.Nonlocal,
        ast.Delete,
    )
)
_LITERALS = frozenset((ast.Constant, ast.List, ast.Dict, ast.UnaryOp))
_ATOM, _TARGET, _FLAG = hash("atom"), hash("target"), hash("flag")


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of one statement.

    Attributes:
        key: The same for statements of one shape, within one process; never 0.
        size: Nodes in it; a literal counts as one.
        works: Whether it does something: calls anything but `print`, or puts something into another
            thing.
        tells: Whether it is a `print` of what is worked out; last of all, that is the result.
    """

    key: int
    size: int
    works: bool
    tells: bool = False


def shapes_of(unit: Unit) -> list[list[Shape | None]]:
    """The shapes of each list of statements in a unit; `None` for one that no function can hold."""
    shaper = _Shaper(unit)
    for stmt in unit.tree.body:
        shaper.statement(stmt)
    return [[shaper.known[id(stmt)] for stmt in body] for body in statements_in(unit.tree)]


class _Shaper:
    """Shapes of one unit. Every node is gone through once, whatever it is inside of."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.known: dict[int, Shape | None] = {}
        # Of the statement in hand.
        self._size = 0
        self._bad = False
        self._works = False
        self._leaves_loop = False
        self._leaves_scope = False

    def statement(self, stmt: ast.stmt) -> int:
        size, bad, works = self._size, self._bad, self._works
        loop, scope = self._leaves_loop, self._leaves_scope
        self._size, self._bad, self._works = 0, False, False
        self._leaves_loop = self._leaves_scope = False
        key = self._of(stmt) or 1
        if self._bad or self._leaves_loop or self._leaves_scope:
            self.known[id(stmt)] = None
        else:
            size_ = min(self._size, 60_000)
            self.known[id(stmt)] = Shape(key, size_, self._works, _tells(stmt))
        self._size += size
        self._bad |= bad
        self._works |= works
        self._leaves_loop |= loop
        self._leaves_scope |= scope
        return key

    def _of(self, node: ast.AST) -> int:  # noqa: C901, PLR0912 - the one hot loop of mining code
        self._size += 1
        cls = node.__class__
        if cls is ast.Name:
            return self._name(cast("ast.Name", node))
        if cls in _LITERALS:
            kind = kind_of(node)
            if kind is not None:
                return _FLAG if kind in "bz" else _ATOM
            if cls is ast.Constant:
                return hash(repr(cast("ast.Constant", node).value))
        elif cls is ast.Attribute:
            owner = cast("ast.Attribute", node)
            return hash((cls, self._of(owner.value), owner.attr))
        elif cls is ast.Call:
            return self._call(cast("ast.Call", node))
        elif cls is ast.Subscript:
            self._works |= cast("ast.Subscript", node).ctx.__class__ is ast.Store
        elif cls is ast.Return:
            self._leaves_scope = True
        elif cls is ast.Break or cls is ast.Continue:
            self._leaves_loop = True
        elif cls in _OUTWARD:
            self._bad = True
        parts: list[object] = [cls]
        own = OWN_NAMES.get(cls)
        for name in FIELDS.get(cls) or fields_of(cls):
            value = getattr(node, name, None)
            if value.__class__ is list:
                parts.append(len(value))
                if name in _BODIES and value and isinstance(value[0], ast.stmt):
                    parts += map(self.statement, value)
                else:
                    parts += [self._of(i) if isinstance(i, ast.AST) else i for i in value]
            elif value.__class__ in PLAIN:
                parts.append(_TARGET if name == own and value is not None else value)
            else:
                child = cast("ast.AST", value)
                parts.append(self._of(child) if child._fields else child.__class__)
        if cls in _LOOPS:
            self._leaves_loop = False
        elif cls is ast.FunctionDef:
            self._leaves_scope = False
        return hash(tuple(parts))

    def _name(self, node: ast.Name) -> int:
        name = node.id
        found = self._unit.imports.get(name)
        if found is not None:
            self._bad |= found.path in _BANNED_CALLS
            return hash(found.path)
        if node.ctx.__class__ is not ast.Load:
            return _TARGET
        if name not in self._unit.bound and name in BUILTINS:
            self._bad |= name in _BANNED
            return hash(name)
        return _ATOM

    def _is_unknown(self, name: str) -> bool:
        """Whether a name that is called is neither known everywhere nor a function of the block."""
        unit = self._unit
        if name in unit.functions or name in unit.imports:
            return False
        return name in unit.bound or name not in BUILTINS

    def _call(self, call: ast.Call) -> int:
        func = call.func
        if func.__class__ is not ast.Name or func.id != "print":
            self._works = True
            if func.__class__ is ast.Name:
                self._bad |= self._is_unknown(func.id)
        parts: list[object] = [ast.Call, self._of(func)]
        if func.__class__ is ast.Attribute and isinstance(func.value, ast.Name):
            found = self._unit.imports.get(func.value.id)
            if found is not None and f"{found.path}.{func.attr}" in _BANNED_CALLS:
                self._bad = True
        parts += [self._of(item) for item in call.args]
        if keeps_mode(call) and isinstance(call.args[1], ast.Constant):
            parts.append(repr(call.args[1].value))
        loose = is_open_call(call, self._unit)
        for keyword in call.keywords:
            if not loose or kind_of(keyword.value) is None:
                parts += (keyword.arg, self._of(keyword.value))
        return hash(tuple(parts))


def _tells(stmt: ast.stmt) -> bool:
    """Whether a statement is a `print`; those of literals only are no longer there."""
    call = stmt.value if isinstance(stmt, ast.Expr) else None
    func = call.func if isinstance(call, ast.Call) else None
    return isinstance(func, ast.Name) and func.id == "print"
