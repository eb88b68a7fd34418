"""Every name of a block: how often it is bound, where it is read, what imports bind it.

One walk over the syntax tree, which everything in `normal.py` is decided by. It also leaves away
mode ``"r"`` of `open`, since it comes by. Scopes are not told apart: a name that is bound in a
function counts as bound everywhere, which errs on the safe side.

Next file: `mine/snippets/normal.py`.
"""

import ast
import builtins
from dataclasses import dataclass
from typing import TypeAlias, cast

__all__ = ["Imported", "Names", "Use"]

_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Imported:
    """What an import binds: a module (`name` empty), or a name in it.

    Attributes:
        module: Dotted; for ``import a.b`` it is ``a``, which is what the statement binds.
        name: Name in the module, or empty.
        also: Submodules loaded by the same name: ``a.b``.
    """

    module: str
    name: str = ""
    also: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """``module:name``, or ``module``."""
        return f"{self.module}:{self.name}" if self.name else self.module


@dataclass(slots=True)
class Use:
    """One place where a name is read."""

    parent: ast.AST
    field: str
    index: int | None
    line: int
    shared: bool  # in a loop, a function or a comprehension: may be read several times

    def put(self, node: ast.expr) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


_REPEATS = frozenset(
    (
        ast.For,
        ast.While,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.AsyncFor,
        ast.Lambda,
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
    )
)
_LEAVES = frozenset(
    (ast.Constant, ast.Pass, ast.Break, ast.Continue, None.__class__, str, int, bool)
)
_TEXTS = frozenset(("ctx", "op", "ops", "id", "attr", "type_comment", "kind", "lineno", "level"))
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


def _fields(cls: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a class of nodes in which names can be."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple(name for name in cls._fields if name not in _TEXTS)
    return known


# The fields of `Use`: making a plain tuple takes a fifth of the time, and most are never looked at.
_Row: TypeAlias = tuple[ast.AST, str, int | None, int, bool]


class Names:
    """Every name of a block: how often it is bound, where it is read, what imports bind it."""

    def __init__(self) -> None:
        self.bound: dict[str, int] = {}
        self.uses: dict[str, list[_Row]] = {}
        self.imports: dict[str, set[Imported]] = {}
        self.star: set[str] = set()
        self.lists: list[tuple[ast.AST, list[ast.stmt], bool]] = []
        self.functions: set[str] = set()

    def gather(self, tree: ast.Module) -> None:  # noqa: C901, PLR0912 - a case per type; hot
        bound, uses = self.bound, self.uses
        stack: list[tuple[ast.AST, bool]] = [(tree, False)]
        while stack:
            node, shared = stack.pop()
            cls = node.__class__
            if cls is ast.Import or cls is ast.ImportFrom:
                self._import(cast("ast.Import | ast.ImportFrom", node))
                continue
            if cls in _BINDERS:
                name = getattr(node, _BINDERS[cls])
                if name is not None:
                    bound[name] = bound.get(name, 0) + 1
                    if cls is ast.FunctionDef:
                        self.functions.add(name)
            elif cls is ast.Global or cls is ast.Nonlocal:
                for name in cast("ast.Global", node).names:
                    bound[name] = bound.get(name, 0) + 2
            elif cls is ast.Call:
                _without_default_mode(cast("ast.Call", node))
            shared = shared or cls in _REPEATS
            for name in _FIELDS.get(cls) or _fields(cls):
                value = getattr(node, name)
                kind = value.__class__
                if kind in _LEAVES:
                    continue
                if kind is ast.Name:
                    if value.ctx.__class__ is not ast.Load:
                        times = 2 if cls is ast.AugAssign else 1
                        bound[value.id] = bound.get(value.id, 0) + times
                    elif value.id in uses:
                        uses[value.id].append((node, name, None, value.lineno, shared))
                    else:
                        uses[value.id] = [(node, name, None, value.lineno, shared)]
                elif kind is not list:
                    stack.append((value, shared))
                elif value:
                    if name in _BODIES and isinstance(value[0], ast.stmt):
                        self.lists.append((node, value, shared))
                    for index, item in enumerate(value):
                        kind = item.__class__
                        if kind in _LEAVES:
                            continue
                        if kind is not ast.Name:
                            stack.append((item, shared))
                        elif item.ctx.__class__ is not ast.Load:
                            bound[item.id] = bound.get(item.id, 0) + 1
                        elif item.id in uses:
                            uses[item.id].append((node, name, index, item.lineno, shared))
                        else:
                            uses[item.id] = [(node, name, index, item.lineno, shared)]

    def reads(self, name: str) -> list[Use]:
        """Where a name is read."""
        return [Use(*row) for row in self.uses.get(name, ())]

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    self.star.add(module)
                else:
                    held = self.imports.setdefault(alias.asname or alias.name, set())
                    held.add(Imported(module=module, name=alias.name))
            return
        for alias in node.names:
            root = alias.name.partition(".")[0]
            if alias.asname:
                found = Imported(module=alias.name)
            else:
                also = (alias.name,) if alias.name != root else ()
                found = Imported(module=root, also=also)
            self.imports.setdefault(alias.asname or root, set()).add(found)

    def resolved(self) -> dict[str, Imported]:
        """Names that stand for one import wherever they are read."""
        out = {}
        for name, found in self.imports.items():
            paths = {imported.path for imported in found}
            if len(paths) == 1 and not self.bound.get(name):
                also = tuple(sorted({a for imported in found for a in imported.also}))
                first = min(found)
                out[name] = Imported(module=first.module, name=first.name, also=also)
        if len(self.star) == 1:
            (module,) = self.star
            for name in self.uses:
                if name not in out and not self.bound.get(name) and name not in _BUILTINS:
                    out[name] = Imported(module=module, name=name)
        return {name: found for name, found in out.items() if not found.module.startswith(".")}


_BODIES = frozenset(("body", "orelse", "finalbody"))
_BINDERS = {
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
    ast.arg: "arg",
}


def _without_default_mode(call: ast.Call) -> None:
    """``open(path, "r")`` is ``open(path)``."""
    if call.func.__class__ is ast.Name and call.func.id == "open":
        mode = call.args[1] if len(call.args) == 2 else None
        if isinstance(mode, ast.Constant) and mode.value == "r":
            call.args.pop()
