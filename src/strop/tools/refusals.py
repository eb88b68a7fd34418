"""Whether code that raised has refused an input or is broken: one rule, for trials and in service.

A schema seldom says all that code expects: text that holds a date, a list that is not empty. So
code may say of an input that it has no value for it. Such a refusal is no defect when the code is
tried (`tools/validation.py`), and none when a model calls it (`tools/toolbox.py`).

Next file: `tools/toolbox.py`.
"""

import ast
from functools import lru_cache

from strop.errors import BadInput
from strop.sandbox.base import Failure, What
from strop.tools.source import parse

__all__ = ["raised_on_purpose", "refuses"]

# What says that a value was not to be had from this input, or that it does not mean anything.
_INPUT = {
    *("ValueError", "KeyError", "IndexError", "LookupError", "UnicodeDecodeError"),
    *("UnicodeEncodeError", "UnicodeError", "JSONDecodeError", "StopIteration"),
    *("ZeroDivisionError", "OverflowError", "ArithmeticError", "FloatingPointError"),
    *("InvalidOperation", "DivisionByZero", "StatisticsError", "ParserError", "ParseError"),
}
_TYPES = {"TypeError", "AttributeError"}


@lru_cache(maxsize=256)
def raised_on_purpose(source: str) -> frozenset[str]:
    """Names of the exceptions that code raises itself, or defines; none where it does not parse."""
    try:
        tree = parse(source)
    except BadInput:
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
                names.add(name)
            case ast.Raise(exc=ast.Attribute(attr=name) | ast.Call(func=ast.Attribute(attr=name))):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
    return frozenset(names)


def refuses(failure: Failure, raised: frozenset[str], *, proven: bool = False) -> bool:
    """Whether a failed call is a refusal of its arguments, and no defect.

    Code refuses by an exception that it raises itself, by those that Python raises for a value
    that cannot be used or found, or by finding nothing (`None`) and going on. Where it is proven on
    what runs used, a wrong type is a refusal too: JSON in a text may hold anything. Everything else
    is a defect: a name that is not defined, a forbidden call, a time-out, a crash. See
    docs/decisions/tool-bodies.md.

    Args:
        failure: What became of the call.
        raised: What the code raises on purpose (`raised_on_purpose`).
        proven: Whether it has given a result for arguments that a run used.
    """
    if failure.what is not What.RAISED:
        return False
    name = failure.message.partition(":")[0].strip().rpartition(".")[2]
    fine = name in raised or name in _INPUT or (proven and name in _TYPES)
    return fine or "'NoneType' object" in failure.message
