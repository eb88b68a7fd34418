"""Python that a tool call was given as an argument: ``run_python(code="...")``.

Only what parses and does something counts. Many texts parse (``yes``, ``not found``,
``due (late)``, ``import duty``), and other languages look alike (``console.log(x);``), so at least
one statement must assign, define, or call what is known. Nothing is run.

Next file: `mine/snippets/blocks.py`.
"""

import ast
import builtins
import warnings

from strop.jsonvalue import Json, is_object

__all__ = ["python_argument"]

_MOST = 60_000  # characters; more is data
_ARGUMENTS = ("code", "source", "script", "python", "program")
_LANGUAGES = ("language", "lang")
_BUILTINS = frozenset(dir(builtins))
_ASSIGNS = (ast.Assign, ast.AugAssign, ast.NamedExpr)
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def python_argument(tool: str, args: Json) -> str | None:
    """The Python that is the argument of a call; `None` where none is, or more than one.

    That is an argument named ``code``, ``source``, ``script``, ``python`` or ``program``, or the
    only text that is given to a tool with ``python`` or ``code`` in its name.
    """
    given: list[str] = []
    if is_object(args):
        for name in _LANGUAGES:
            said = args.get(name)
            if isinstance(said, str) and not said.lower().startswith("py"):
                return None
        given = [text for name in _ARGUMENTS if isinstance(text := args.get(name), str)]
    if not given and ("python" in tool.lower() or "code" in tool.lower()):
        values = args.values() if is_object(args) else (args,)
        given = [value for value in values if isinstance(value, str)]
    return given[0] if len(given) == 1 and _is_code(given[0]) else None


def _is_code(text: str) -> bool:
    if len(text) > _MOST or not any(mark in text for mark in "(="):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = list(ast.walk(tree))
    known = _BUILTINS | {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return any(
        isinstance(node, (*_ASSIGNS, *_DEFINES))
        or (isinstance(node, ast.AnnAssign) and node.value is not None)
        or (isinstance(node, ast.Call) and _root(node.func) in known)
        for node in nodes
    )


def _root(func: ast.expr) -> str:
    """The name that what is called begins with; ``str`` for a method of a text."""
    while isinstance(func, ast.Attribute | ast.Subscript | ast.Call):
        func = func.func if isinstance(func, ast.Call) else func.value
    if isinstance(func, ast.Constant | ast.JoinedStr):
        return "str"
    return func.id if isinstance(func, ast.Name) else ""
