"""The normal form of a piece of code, in which the same work written differently looks the same.

Done to the syntax tree: imports are taken out (and remembered), documentation and `pass` dropped,
`if __name__ == "__main__":` opened up, mode ``"r"`` of `open` left away, and names that only stand
for a literal replaced by it (constant propagation; Aho, Lam, Sethi and Ullman, *Compilers*, 2nd
ed., 9.4). So ``path = "a.py"`` far above ``open(path)`` is ``open("a.py")`` in both. The name is
remembered: it is what the agent called the value. Left out as well, since what follows does not
depend on them: status lines (``print("done")``) and checks that only ever stop the script. Nothing
is run.

Next file: `mine/snippets/trees.py`.
"""

import ast
import builtins
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from strop.mine.snippets.values import kind_of

__all__ = ["Imported", "Unit", "normal", "origin_of", "statements_in"]

_MOST = 60_000  # characters of a block; longer ones are data more than code
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A block in normal form.

    Attributes:
        tree: The module, changed in place.
        imports: What each imported name stands for.
        bound: Names that the block binds other than by an import.
        functions: Those of them that are functions.
        known: Room for what is worked out once per statement, by its `id`.
    """

    tree: ast.Module
    imports: dict[str, Imported]
    bound: frozenset[str]
    functions: frozenset[str]
    known: dict[int, object] = field(default_factory=dict)


def normal(source: str) -> Unit | None:
    """The normal form of a block; `None` where it does not parse, or is too long or too deep."""
    if len(source) > _MOST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts: they are the agent's business
            tree = ast.parse(source)
        names = _Names()
        names.gather(tree)
        return _normalised(tree, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def origin_of(node: ast.AST) -> str | None:
    """The name that the agent had given a literal, if it was one's value."""
    found = vars(node).get("_origin")
    return found if isinstance(found, str) else None


@dataclass(slots=True)
class _Use:
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


class _Names:
    """Every name of a block: how often it is bound, where it is read, what imports bind it."""

    def __init__(self) -> None:
        self.bound: Counter[str] = Counter()
        self.uses: dict[str, list[_Use]] = {}
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
            self.uses.setdefault(node.id, []).append(_Use(parent, name, index, node.lineno, shared))
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


def _normalised(tree: ast.Module, names: _Names) -> Unit:
    for parent, body, _ in names.lists:
        if parent.__class__ is ast.Module:
            _open_guard(body)
    # Outer lists come before the lists inside them, and constants before what uses them.
    for parent, body, shared in names.lists:
        kept = [stmt for stmt in body if not _idle(stmt)]
        if parent.__class__ in (ast.Module, ast.FunctionDef):
            own = shared and parent.__class__ is not ast.FunctionDef
            kept = [stmt for stmt in kept if own or not _propagated(stmt, names)]
        body[:] = kept or ([] if parent.__class__ is ast.Module else [ast.Pass()])
    return Unit(
        tree=tree,
        imports=names.resolved(),
        bound=frozenset(name for name, times in names.bound.items() if times),
        functions=frozenset(names.functions),
    )


def _open_guard(body: list[ast.stmt]) -> None:
    for index, stmt in enumerate(body):
        if isinstance(stmt, ast.If) and not stmt.orelse and _is_guard(stmt.test):
            body[index : index + 1] = stmt.body
            stmt.body = []
            return


def _is_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )


def _idle(stmt: ast.stmt) -> bool:
    """Whether a statement does nothing that another could need."""
    cls = stmt.__class__
    if cls is ast.Expr:
        value = cast("ast.Expr", stmt).value
        return value.__class__ is ast.Constant or _is_status(value)
    if cls is ast.If:
        return _is_check(cast("ast.If", stmt))
    return cls is ast.Import or cls is ast.ImportFrom or cls is ast.Pass


def _is_status(value: ast.expr) -> bool:
    """``print("Done.")``: it says the same whatever happened."""
    if value.__class__ is not ast.Call:
        return False
    call = value
    func = call.func
    if func.__class__ is not ast.Name or func.id != "print":
        return False
    return not call.keywords and all(kind_of(arg) == "s" for arg in call.args)


def _is_check(stmt: ast.If) -> bool:
    """``if lines[3] != "...": print("..."); sys.exit(1)``: where it does nothing, nothing changes.

    Left out so that edits with and without such a check are one; the tool does not check.
    """
    last = stmt.body[-1]
    if stmt.orelse or not all(isinstance(inner, ast.Expr) for inner in stmt.body):
        return False
    call = last.value if isinstance(last, ast.Expr) else None
    func = call.func if isinstance(call, ast.Call) else None
    leaves = (
        func.id in ("exit", "quit")
        if isinstance(func, ast.Name)
        else isinstance(func, ast.Attribute) and func.attr in ("exit", "_exit")
    )
    return leaves and not any(isinstance(node, ast.NamedExpr) for node in ast.walk(stmt.test))


def _propagated(stmt: ast.stmt, names: _Names) -> bool:
    """Whether a statement only names a literal; if so, its readers now hold the literal."""
    if isinstance(stmt, ast.Assign):
        target = stmt.targets[0] if len(stmt.targets) == 1 else None
    elif isinstance(stmt, ast.AnnAssign):
        target = stmt.target
    else:
        return False
    if not isinstance(target, ast.Name) or stmt.value is None or names.bound[target.id] != 1:
        return False
    if target.id in names.imports:
        return False
    value = stmt.value
    kind = kind_of(value)
    uses = names.uses.get(target.id, [])
    if kind is None or not uses or any(use.line < stmt.lineno for use in uses):
        return False
    if kind in "ld" and (len(uses) > 1 or uses[0].shared or not _leaves_alone(uses[0])):
        return False
    vars(value)["_origin"] = target.id
    for use in uses:
        use.put(value)
    names.bound[target.id] = 0
    return True


def _leaves_alone(use: _Use) -> bool:
    """Whether the reader of a list cannot change it where others would see that."""
    return not isinstance(use.parent, ast.Attribute | ast.Subscript | ast.Starred | ast.Assign) or (
        use.field == "slice" or (isinstance(use.parent, ast.Assign) and _into_slice(use.parent))
    )


def _into_slice(assign: ast.Assign) -> bool:
    return all(isinstance(target, ast.Subscript) for target in assign.targets)


def statements_in(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Every list of statements, outer before inner, in the order of the text; not those of classes.

    Their number in this order is how a sequence is found again in a later reading.
    """
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        found: list[ast.AST] = []
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            items = getattr(node, name, None)
            if not isinstance(items, list):
                continue
            if name in _BODIES and not isinstance(node, ast.ClassDef) and items:
                yield items
            found += items
        stack += reversed(found)
