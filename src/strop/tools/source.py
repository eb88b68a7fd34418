"""A code tool's source, read: it parses, defines its function, and takes what its schema says.

Reading only: the source is parsed and never compiled or run. What it uses is told in
`tools/effects.py`, how it is written in `tools/checks.py`.

Next file: `tools/ready.py`.
"""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from strop.errors import BadInput
from strop.tools.schemas import Parameters

__all__ = ["MAX_BYTES", "FunctionNode", "Problem", "function_in", "parse", "signature_problems"]

MAX_BYTES = 64 * 2**10
"""Of source that is looked at, at all."""

FunctionNode = ast.FunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with source, and where.

    Attributes:
        line: Of the source, from 1; 0 where it is about the whole.
        message: One sentence, for people and for a model that is to mend it.
    """

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


def parse(source: str) -> ast.Module:
    """The syntax tree of source.

    Raises:
        BadInput: It is too long, nested too deeply, or does not parse.
    """
    if len(source.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadInput(f"its code is longer than {MAX_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes: they are no business of the user's
            return ast.parse(source)
    except SyntaxError as error:
        raise BadInput(f"its code does not parse, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; brackets by thousands
        raise BadInput(f"its code does not parse: {error or 'nested too deeply'}") from None


def function_in(tree: ast.Module, name: str) -> FunctionNode:
    """The function that a module defines under a name: the last of them, as Python has it.

    Raises:
        BadInput: It defines none, or something else that cannot be called for a result.
    """
    for node in reversed(tree.body):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name:
            raise BadInput(f"{name!r} is an async function; it must be a plain one")
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise BadInput(f"its code defines no function {name[:80]!r}")


def signature_problems(function: FunctionNode, parameters: Parameters) -> tuple[Problem, ...]:
    """Where a function does not take what its schema says; it is called by keyword."""
    return tuple(
        Problem(line=function.lineno, message=message)
        for message in _mismatches(function.args, parameters)
    )


def _mismatches(args: ast.arguments, parameters: Parameters) -> Iterator[str]:
    if args.posonlyargs:
        yield "parameters before '/' cannot be given by name"
    for star, rest in (("*", args.vararg), ("**", args.kwarg)):
        if rest is not None and not parameters.open:
            yield f"{star}{rest.arg} takes arguments that the schema does not name"
    if args.kwarg is None and parameters.open:
        yield "the schema allows more properties than the function takes; it needs **kwargs"
    taken = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    for name in parameters.names if args.kwarg is None else ():
        if name not in taken:
            yield f"the schema's {name!r} is no parameter of the function"
    for name in taken:
        if name not in parameters.required and name not in _with_default(args):
            known = name in parameters.names
            yield (
                f"parameter {name!r} has no default, and the schema does not require it"
                if known
                else f"parameter {name!r} is not in the schema"
            )


def _with_default(args: ast.arguments) -> set[str]:
    """Names of the parameters that have a default."""
    before = [*args.posonlyargs, *args.args]
    last = before[len(before) - len(args.defaults) :]
    named = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return {arg.arg for arg in last} | {arg.arg for arg, default in named if default is not None}
