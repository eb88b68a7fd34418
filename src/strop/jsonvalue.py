"""JSON values: their type, their one canonical text, and digests of it.

Spec ids, cache keys and the ledger's chain are digests of canonical JSON, so this file is the one
place that decides what "the same value" means. It does not know what the values mean.

Next file: `task.py`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeGuard, Union

from strop.errors import BadInput

__all__ = [
    "RECORD_LEVELS",
    "Json",
    "JsonObject",
    "as_text",
    "canonical",
    "checked",
    "checked_text",
    "digest",
    "is_object",
    "json_lines",
    "salvaged",
]

# `Union`, because `|` with a name that is not defined yet fails when the module is imported.
Json: TypeAlias = Union[None, bool, int, float, str, Sequence["Json"], Mapping[str, "Json"]]  # noqa: UP007, RUF036
JsonObject: TypeAlias = Mapping[str, Json]

# Far above what people write and far below where an interpreter's recursion gives out, so that what
# is a value does not depend on the Python version or on how deep the caller stands.
_LEVELS = 100
RECORD_LEVELS = 150
"""Levels of nesting in a record (a run, a ledger entry): those of a value, and those around it."""
_MAX_REPR = 10_000
_MAX_BITS = 13_000  # 3,913 digits; from 4,300 on Python refuses to write or read an integer


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Whether `value` is a JSON object (a mapping)."""
    # A dict first: asking the abstract class takes five times as long.
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101


def checked(  # noqa: C901 - a case per type
    value: object, *, where: str = "value", levels: int = _LEVELS
) -> Json:
    """A private copy of `value` made of plain dicts, lists and scalars.

    Tuples become lists, so that a value equals what it is after a trip through JSON.

    Raises:
        BadInput: It holds something JSON cannot: another type, NaN or infinity, a key that is not
            a string, or text that is not valid Unicode (a lone surrogate). `where` names the spot.
            Or it holds what parsers give up on: more than `levels` of nesting, or an integer of
            more than 3,900 digits.
    """
    if levels < 0:
        raise BadInput("nested too deeply (100 levels are allowed)", where=f"{where[:60]}...")
    match value:
        case None | bool():
            return value
        case int():
            if value.bit_length() > _MAX_BITS:
                raise BadInput("an integer of thousands of digits; write it as text", where=where)
            return value
        case float():
            if not math.isfinite(value):
                raise BadInput(
                    f"{value!r} is not a JSON number; use null or leave it out", where=where
                )
            return value
        case str():
            return checked_text(value, where=where)
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise BadInput(f"key {key!r} is not a string", where=where)
                checked_text(key, where=where)
            return {
                key: checked(item, where=f"{where}.{key}", levels=levels - 1)
                for key, item in value.items()
            }
        case list() | tuple():
            return [
                checked(item, where=f"{where}[{i}]", levels=levels - 1)
                for i, item in enumerate(value)
            ]
        case _:
            raise BadInput(f"{type(value).__name__} is not a JSON value", where=where)


def checked_text(text: str, *, where: str = "text") -> str:
    """`text`, which is valid Unicode.

    Raises:
        BadInput: It holds a lone surrogate, which no file and no database can keep.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"text is not valid Unicode ({error.reason})", where=where) from None
    return text


def salvaged(value: object, *, levels: int = _LEVELS) -> Json:
    """As much of `value` as JSON can hold, for records: they must not fail because a value is odd.

    Whatever `checked` would refuse becomes text: other types, NaN and deep nesting by their `repr`,
    keys by `str`; a lone surrogate becomes a question mark.
    """
    match value:
        case None | bool():
            return value
        case str():
            return value.encode("utf-8", "replace").decode()
        case Mapping() if levels > 0:
            return {
                str(salvaged(str(key))): salvaged(item, levels=levels - 1)
                for key, item in value.items()
            }
        case list() | tuple() if levels > 0:
            return [salvaged(item, levels=levels - 1) for item in value]
        case int() | float():
            try:
                return checked(value)
            except BadInput:
                return repr(value) if isinstance(value, float) else hex(value)
        case _:
            return salvaged(_repr(value))


def _repr(value: object) -> str:
    try:
        return repr(value)[:_MAX_REPR]
    except Exception as error:  # noqa: BLE001 - a `repr` of somebody else's may raise anything
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def canonical(value: Json) -> str:
    """The one text of a JSON value: keys sorted by code point, no spaces, UTF-8 as it is.

    The same on every Python version and in every process: `json` writes the shortest `repr` of a
    float, which CPython has held stable since 3.1. `1` and `1.0` are different values here.

    Raises:
        BadInput: See `checked`.
    """
    return _compact(checked(value, levels=RECORD_LEVELS))


# Made once: `json.dumps` makes an encoder at each call that is not by its defaults.
_compact = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
_readable = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def json_lines(path: Path, *, what: str) -> Iterator[tuple[str, object]]:
    """The values of a JSON-lines file, one at a time, each with its ``file:line``.

    Blank lines and byte order marks do no harm: some editors begin a file with one, and `cat` then
    carries it to any line.

    Raises:
        BadInput: No such file (`what` says what it should hold), or a line that does not parse.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadInput(f"cannot read {what}: {error.strerror}", where=str(path)) from None
    with file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            try:
                text = line.decode("utf-8-sig")
                if text.strip():
                    yield where, json.loads(text)
            except UnicodeDecodeError:
                raise BadInput("not UTF-8; save the file as UTF-8", where=where) from None
            except (ValueError, RecursionError) as error:
                raise BadInput(f"not JSON: {error}", where=where) from None
            except OSError as error:
                raise BadInput(f"cannot read {what}: {error.strerror}", where=where) from None


def digest(value: Json) -> str:
    """SHA-256 of `canonical(value)`, as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def as_text(value: Json) -> str:
    """How a value reads inside a prompt: strings as they are, anything else as compact JSON."""
    return value if isinstance(value, str) else _readable(value)
