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
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from strop.mine.snippets.names import Imported, Names, Use
from strop.mine.snippets.values import kind_of

__all__ = ["Unit", "normal", "origin_of", "statements_in"]

_BODIES = frozenset(("body", "orelse", "finalbody"))
_MOST = 60_000  # characters of a block; longer ones are data more than code


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A block in normal form.

    Attributes:
        tree: The module, changed in place.
        imports: What each imported name stands for.
        bound: Names that the block binds other than by an import.
        functions: Those of them that are functions.
        prints: How often it says `print`, with what is left out.
        known: Room for what is worked out once per statement, by its `id`.
    """

    tree: ast.Module
    imports: dict[str, Imported]
    bound: frozenset[str]
    functions: frozenset[str]
    prints: int = 0
    known: dict[int, object] = field(default_factory=dict)


def normal(source: str) -> Unit | None:
    """The normal form of a block; `None` where it does not parse, or is too long or too deep."""
    if len(source) > _MOST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts: they are the agent's business
            tree = ast.parse(source)
        names = Names()
        names.gather(tree)
        return _normalised(tree, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def origin_of(node: ast.AST) -> str | None:
    """The name that the agent had given a literal, if it was one's value."""
    found = vars(node).get("_origin")
    return found if isinstance(found, str) else None


def _normalised(tree: ast.Module, names: Names) -> Unit:
    for parent, body, _ in names.lists:
        if parent.__class__ is ast.Module:
            _open_guard(body)
    # Outer lists come before the lists inside them, and constants before what uses them.
    for parent, body, shared in names.lists:
        kept = [stmt for stmt in body if stmt.__class__ not in _MAYBE_IDLE or not _idle(stmt)]
        if parent.__class__ in (ast.Module, ast.FunctionDef):
            own = shared and parent.__class__ is not ast.FunctionDef
            kept = [stmt for stmt in kept if own or not _propagated(stmt, names)]
        body[:] = kept or ([] if parent.__class__ is ast.Module else [ast.Pass()])
    return Unit(
        tree=tree,
        imports=names.resolved(),
        bound=frozenset(name for name, times in names.bound.items() if times),
        functions=frozenset(names.functions),
        prints=len(names.uses.get("print", ())),
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


_MAYBE_IDLE = frozenset((ast.Expr, ast.If, ast.Import, ast.ImportFrom, ast.Pass))


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


def _propagated(stmt: ast.stmt, names: Names) -> bool:
    """Whether a statement only names a literal; if so, its readers now hold the literal."""
    if isinstance(stmt, ast.Assign):
        target = stmt.targets[0] if len(stmt.targets) == 1 else None
    elif isinstance(stmt, ast.AnnAssign):
        target = stmt.target
    else:
        return False
    if not isinstance(target, ast.Name) or stmt.value is None or names.bound.get(target.id) != 1:
        return False
    if target.id in names.imports:
        return False
    value = stmt.value
    kind = kind_of(value)
    uses = names.reads(target.id) if kind is not None else []
    if kind is None or not uses or any(use.line < stmt.lineno for use in uses):
        return False
    if kind in "ld" and (len(uses) > 1 or uses[0].shared or not _leaves_alone(uses[0])):
        return False
    vars(value)["_origin"] = target.id
    for use in uses:
        use.put(value)
    names.bound[target.id] = 0
    return True


def _leaves_alone(use: Use) -> bool:
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
        cls = node.__class__
        lists = _LISTS.get(cls)
        if lists is None:
            lists = _LISTS[cls] = tuple(name for name in _IN_ORDER if name in cls._fields)
        if not lists:
            continue
        found: list[ast.AST] = []
        for name in lists:
            items = getattr(node, name, None)
            if not isinstance(items, list):
                continue
            if name in _BODIES and cls is not ast.ClassDef and items:
                yield items
            found += items
        stack += reversed(found)


_IN_ORDER = ("body", "handlers", "orelse", "finalbody", "cases")
_LISTS: dict[type[ast.AST], tuple[str, ...]] = {}
"""Which of these a class of nodes has, as it is worked out."""
