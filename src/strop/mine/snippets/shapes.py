"""Shapes: a statement without its literals and its own names, as one number.

Two statements have the same shape where they differ only in literals, in the names of variables, in
which of the two stands somewhere, and in which keyword arguments with literal values an imported
function is given. What is called, which attributes and operators: those are kept. Hashing subtrees
to find clones is from Baxter et al., "Clone Detection Using Abstract Syntax Trees" (ICSM 1998).

Next file: `mine/snippets/grams.py`.
"""

import ast
from typing import NamedTuple, cast

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
# What `kind_of` would say of most constants.
_CONSTANTS: dict[type, int] = {str: _ATOM, bool: _FLAG, None.__class__: _FLAG}


class Shape(NamedTuple):
    """What is known of one statement.

    Attributes:
        key: The same for statements of one shape, within one process; 0 for a statement that no
            function can hold.
        size: Nodes in it; a literal counts as one.
        works: Whether it does something: calls anything but `print`, or puts something into another
            thing.
        tells: Whether it only prints what is worked out; last of all, that is the result.
    """

    key: int
    size: int
    works: bool
    tells: bool = False


_UNFIT = Shape(key=0, size=0, works=False)


def shapes_of(unit: Unit) -> list[list[Shape]]:
    """The shapes of each list of statements in a unit; key 0 for one that no function can hold."""
    shaper = _Shaper(unit)
    for stmt in unit.tree.body:
        shaper.statement(stmt)
    return [[shaper.known[id(stmt)] for stmt in body] for body in statements_in(unit.tree)]


class _Shaper:
    """Shapes of one unit. Every node is gone through once, whatever it is inside of."""

    __slots__ = (
        *("_bad", "_bound", "_imports", "_leaves_loop", "_leaves_scope", "_size", "_unit"),
        *("_works", "known"),
    )

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._imports = unit.imports
        self._bound = unit.bound
        self.known: dict[int, Shape] = {}
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
            self.known[id(stmt)] = _UNFIT
        else:
            large = min(self._size, 60_000)
            self.known[id(stmt)] = Shape(key, large, self._works, _tells(stmt))
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
        if cls is ast.Attribute:
            owner = cast("ast.Attribute", node)
            return hash((cls, self._of(owner.value), owner.attr))
        if cls is ast.Call:
            return self._call(cast("ast.Call", node))
        if cls in _LITERALS:
            if cls is ast.Constant:
                known = _CONSTANTS.get(cast("ast.Constant", node).value.__class__)
                if known is not None:
                    return known
            kind = kind_of(node)
            if kind is not None:
                return _FLAG if kind in "bz" else _ATOM
            if cls is ast.Constant:
                return hash(repr(cast("ast.Constant", node).value))
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
            kind_ = value.__class__
            if kind_ is ast.Name:  # as `_of` would, without the call
                self._size += 1
                parts.append(self._name(cast("ast.Name", value)))
            elif kind_ is list:
                items = cast("list[object]", value)
                parts.append(len(items))
                if name in _BODIES and items and isinstance(items[0], ast.stmt):
                    parts += map(self.statement, cast("list[ast.stmt]", items))
                else:
                    parts += [self._of(i) if isinstance(i, ast.AST) else i for i in items]
            elif kind_ in PLAIN:
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
        found = self._imports.get(name)
        if found is not None:
            self._bad |= found.path in _BANNED_CALLS
            return hash(found.path)
        if node.ctx.__class__ is not ast.Load:
            return _TARGET
        if name not in self._bound and name in BUILTINS:
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
            found = self._imports.get(func.value.id)
            if found is not None and f"{found.path}.{func.attr}" in _BANNED_CALLS:
                self._bad = True
        parts += map(self._of, call.args)
        if len(call.args) > 1 and keeps_mode(call) and isinstance(call.args[1], ast.Constant):
            parts.append(repr(call.args[1].value))
        loose = bool(call.keywords) and is_open_call(call, self._unit)
        for keyword in call.keywords:
            if not loose or kind_of(keyword.value) is None:
                parts += (keyword.arg, self._of(keyword.value))
        return hash(tuple(parts))


def _tells(stmt: ast.stmt) -> bool:
    """Whether a statement is a `print` of anything but literals, or a loop or branch of such."""
    if isinstance(stmt, ast.For | ast.If):
        return all(map(_tells, (*stmt.body, *stmt.orelse)))
    call = stmt.value if isinstance(stmt, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return False
    return call.func.id == "print" and not all(kind_of(arg) is not None for arg in call.args)
