"""Every name of a block: how often it is bound, where it is read, what imports bind it.

One walk over the syntax tree, which everything in `normal.py` is decided by. It also leaves away
mode ``"r"`` of `open`, since it comes by. Scopes are not told apart: a name that is bound in a
function counts as bound everywhere, which errs on the safe side.

Next file: `mine/snippets/normal.py`.
"""

import ast
import builtins
from collections import Counter
from dataclasses import dataclass
from typing import cast

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
_LEAVES = frozenset((ast.Constant, ast.Pass, ast.Break, ast.Continue))
_TEXTS = frozenset(("ctx", "op", "ops", "id", "attr", "type_comment", "kind", "lineno", "level"))
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


def _fields(cls: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a class of nodes in which names can be."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple(name for name in cls._fields if name not in _TEXTS)
    return known


class Names:
    """Every name of a block: how often it is bound, where it is read, what imports bind it."""

    def __init__(self) -> None:
        self.bound: Counter[str] = Counter()
        self.uses: dict[str, list[Use]] = {}
        self.imports: dict[str, set[Imported]] = {}
        self.star: set[str] = set()
        self.lists: list[tuple[ast.AST, list[ast.stmt], bool]] = []
        self.functions: set[str] = set()

    def gather(self, tree: ast.Module) -> None:  # noqa: C901, PLR0912 - a case per type; hot
        bound = self.bound
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
                    bound[name] += 1
                    if cls is ast.FunctionDef:
                        self.functions.add(name)
            elif cls is ast.Global or cls is ast.Nonlocal:
                for name in cast("ast.Global", node).names:
                    bound[name] += 2
            elif cls is ast.Call:
                _without_default_mode(cast("ast.Call", node))
            shared = shared or cls in _REPEATS
            for name in _FIELDS.get(cls) or _fields(cls):
                value = getattr(node, name)
                kind = value.__class__
                if kind in _LEAVES or value is None:
                    continue
                if kind is list:
                    if name in _BODIES and value and isinstance(value[0], ast.stmt):
                        self.lists.append((node, value, shared))
                    for index, item in enumerate(value):
                        if item.__class__ is ast.Name:
                            self._name(item, node, name, index, shared=shared)
                        elif item.__class__ not in _LEAVES and isinstance(item, ast.AST):
                            stack.append((item, shared))
                elif kind is ast.Name:
                    self._name(value, node, name, None, shared=shared)
                elif isinstance(value, ast.AST):
                    stack.append((value, shared))

    def _name(
        self, node: ast.Name, parent: ast.AST, name: str, index: int | None, *, shared: bool
    ) -> None:
        if node.ctx.__class__ is ast.Load:
            self.uses.setdefault(node.id, []).append(Use(parent, name, index, node.lineno, shared))
        else:
            self.bound[node.id] += 1
            if parent.__class__ is ast.AugAssign:
                self.bound[node.id] += 1

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
            if len(paths) == 1 and not self.bound[name]:
                also = tuple(sorted({a for imported in found for a in imported.also}))
                first = min(found)
                out[name] = Imported(module=first.module, name=first.name, also=also)
        if len(self.star) == 1:
            (module,) = self.star
            for name in self.uses:
                if name not in out and not self.bound[name] and name not in _BUILTINS:
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
