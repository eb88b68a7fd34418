"""Static checks of a code tool: what is wrong with it before anything is run.

It parses, defines its function, takes what its schema says, is documented, is of a size that a
person can read, and uses nothing that its level does not allow. It does not say that code is safe:
the sandbox holds it, whatever it says.

Source: cyclomatic complexity after McCabe, "A Complexity Measure" (1976): one, and one for each
decision.

Next file: `tools/generated.py`.
"""

import ast
import builtins
from collections.abc import Collection, Iterator

from strop.errors import BadInput
from strop.jsonvalue import JsonObject
from strop.permission import Level
from strop.tools.effects import Effect, effects_of
from strop.tools.ready import name_problem
from strop.tools.schemas import Parameters
from strop.tools.source import FunctionNode, Problem, function_in, parse, signature_problems

__all__ = ["MAX_COMPLEXITY", "MAX_LINES", "MAX_NESTING", "Problem", "check_code", "check_name"]

MAX_LINES = 200
MAX_SOURCE = 16 * 2**10
"""Bytes."""
MAX_NESTING = 6
MAX_COMPLEXITY = 25

_BLOCKS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar),
    *(ast.Match, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)
_DOES = (ast.Expr, ast.For, ast.While, ast.With, ast.Delete, ast.Raise, ast.Assert, ast.AugAssign)
_DECISIONS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.Assert),
    *(ast.comprehension, ast.match_case),
)


def check_code(
    source: str, function: str, parameters: JsonObject, *, level: Level
) -> tuple[Problem, ...]:
    """What is wrong with code, by line; empty where nothing is.

    Args:
        source: Python source.
        function: Name of the function that is called.
        parameters: JSON schema of its arguments.
        level: What it is to run at.
    """
    size = len(source.encode("utf-8", "replace"))
    if size > MAX_SOURCE:
        return (Problem(line=0, message=f"is {size} bytes long; {MAX_SOURCE} are allowed"),)
    try:
        tree = parse(source)
        taken = Parameters.of(parameters)
        node = function_in(tree, function)
    except (BadInput, RecursionError) as error:
        return (Problem(line=0, message=str(error) or "it is nested too deeply"),)
    problems = [
        *signature_problems(node, taken),
        *_written(source, tree, node),
        *_loose(tree),
        *(_forbidden(effect) for effect in effects_of(tree) if _is_beyond(effect, level)),
    ]
    return tuple(sorted(set(problems), key=lambda p: (p.line, p.message)))


def check_name(name: str, taken: Collection[str] = ()) -> str | None:
    """Why a new tool should not have a name; `None` where it may.

    Args:
        name: The name.
        taken: Names of the tools that are there already.
    """
    problem = name_problem(name)
    if problem is not None:
        return problem
    if name in taken:
        return f"there is a tool {name!r} already"
    if hasattr(builtins, name):
        return f"its name {name!r} is that of a function built into Python"
    return None


def _written(source: str, tree: ast.Module, node: FunctionNode) -> Iterator[Problem]:
    """How it is written: documentation, size, nesting, decisions."""
    if not (ast.get_docstring(node) or "").strip():
        yield Problem(line=node.lineno, message=f"{node.name} has no docstring")
    lines = source.count("\n") + 1
    if lines > MAX_LINES:
        yield Problem(line=0, message=f"has {lines} lines; {MAX_LINES} are allowed")
    if _deepest(tree) > MAX_NESTING:
        yield Problem(line=0, message=f"is nested deeper than {MAX_NESTING} levels")
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef):
            paths = 1 + sum(_decisions(inner) for inner in ast.walk(part))
            if paths > MAX_COMPLEXITY:
                message = f"{part.name} has {paths} paths; {MAX_COMPLEXITY} are allowed"
                yield Problem(line=part.lineno, message=message)
    for part in _own(node):
        if isinstance(part, ast.Yield | ast.YieldFrom):
            message = f"{node.name} is a generator; return a list instead"
            yield Problem(line=part.lineno, message=message)


def _loose(tree: ast.Module) -> Iterator[Problem]:
    """Statements that do something when the module is loaded, instead of defining."""
    for statement in tree.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if isinstance(statement, _DOES) and not is_text:
            message = "does something when it is loaded; put it in the function"
            yield Problem(line=statement.lineno, message=message)


def _deepest(tree: ast.AST) -> int:
    """Blocks in blocks; an ``elif`` is no deeper than its ``if``."""
    deepest = 0
    waiting: list[tuple[ast.AST, int]] = [(tree, -1)]  # the function itself is no level
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        for child in ast.iter_child_nodes(node):
            chained = (
                isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
            )
            waiting.append((child, level + (isinstance(child, _BLOCKS) and not chained)))
    return deepest


def _decisions(node: ast.AST) -> int:
    """How many ways more there are through code because of a node."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    return int(isinstance(node, _DECISIONS))


def _own(function: FunctionNode) -> Iterator[ast.AST]:
    """What a function does itself: not what functions in it do."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _is_beyond(effect: Effect, level: Level) -> bool:
    return effect.level is None or effect.level.rank > level.rank


def _forbidden(effect: Effect) -> Problem:
    if effect.level is None:
        return Problem(line=effect.line, message=f"{effect.what}, which no level allows")
    return Problem(
        line=effect.line, message=f"{effect.what}; that needs level {effect.level.value!r}"
    )
