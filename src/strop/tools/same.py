"""Whether a tool's result is the one that a trace recorded.

Traces hold results as they were printed, shortened or turned into JSON, so equal does not mean
equal text. Values are compared, nothing is run.

Next file: `tools/validation.py`.
"""

import ast
import json
import math
from contextlib import suppress
from typing import cast

from strop.jsonvalue import Json, is_object

__all__ = ["agrees"]

_MAX_READ = 100_000  # characters of a recorded text that are read as a value
_CLOSE = 1e-9


def agrees(got: Json, recorded: Json) -> bool:
    """Whether a result is what was recorded.

    Numbers agree to nine digits; texts without the space around them. A recorded text agrees with
    a value that is no text if it reads as that value, as JSON or as Python prints it.
    """
    if _same(got, recorded):
        return True
    if not isinstance(recorded, str) or isinstance(got, str):
        return False
    return any(_same(got, value) for value in _readings(recorded))


def _same(one: Json, other: Json) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    if isinstance(one, int | float) and isinstance(other, int | float):
        try:
            return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=1e-12)
        except OverflowError:
            return False
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if is_object(one) and is_object(other):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one is None and other is None


def _readings(text: str) -> list[Json]:
    """The values that a text may be the print of."""
    found: list[Json] = []
    if len(text) > _MAX_READ:
        return found
    with suppress(ValueError, RecursionError):  # not JSON; perhaps Python's
        found.append(cast("Json", json.loads(text)))
    try:
        found.append(_plain(ast.literal_eval(text.strip())))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return found
    return found


def _plain(value: object) -> Json:
    """A value of Python's as JSON would have it: tuples as lists, sets as sorted lists."""
    match value:
        case tuple() | list():
            return [_plain(part) for part in value]
        case set() | frozenset():
            return sorted((_plain(part) for part in value), key=repr)
        case dict():
            return {str(key): _plain(part) for key, part in value.items()}
        case None | bool() | int() | float() | str():
            return value
    return repr(value)
