"""What came back from a call, as data, and as one short line where it is worth keeping.

A result is kept only where it is data: short values, rows of them, objects of them. Sentences never
are: what a tool returned would otherwise speak to later tasks as an instruction. Nor is a value of
several words that reads as one (`mine.failures.trust.safe_text`). What this cannot tell: a single
word that is written as a name (``approve_all_refunds_always``) looks like any other name, as do the
words of an instruction that are spread over several values.

Next file: `mine/facts/evidence.py`.
"""

import ast
import json
import re
from collections.abc import Sequence

from strop.context import count_tokens
from strop.jsonvalue import Json, JsonObject, is_object
from strop.mine.failures.trust import safe_text

__all__ = ["compacted", "instructs", "is_data", "listed", "parsed"]

_RESULT = 20_000  # characters of a result that are read; longer ones are no facts
_VALUE = 60  # characters of one value
_WORDS = 4  # words of one value
_ROWS = 200  # rows and values that are looked at

_MADE = re.compile(r"(?<=[\[(, ])[A-Za-z_][\w.]{0,60}\(('[^'\n]*'|[^()'\"\n]{0,80})\)")
_ROLE = re.compile(r"\s*(?:system|assistant|user|developer|human|tool)\s*:", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
_ENDS = " .,;:!?-([{|\u2013\u2014"  # marks at its end do not make a text an instruction
# Words that speak to a reader. Two of them in one result, and it is no data.
_ADDRESS = frozenset(
    [
        "ignore",
        "disregard",
        "forget",
        "obey",
        "override",
        "instruction",
        "instructions",
        "prompt",
        "assistant",
        "system",
        "you",
        "your",
        "yours",
        "must",
        "should",
        "shall",
        "always",
        "never",
        "please",
        "previous",
        "above",
        "prior",
        "instead",
        "remember",
        "note",
        "important",
        "warning",
        "do",
        "not",
        "dont",
        "don",
        "reply",
        "respond",
        "answer",
        "say",
        "tell",
        "follow",
        "execute",
    ]
)


def is_data(result: Json) -> bool:
    """Whether a result looks like data rather than like a text, without reading it."""
    if isinstance(result, str):
        return result[:20].lstrip()[:1] in ("[", "{", "(")
    return result is not None


def parsed(result: Json) -> Json:
    """A result as data: JSON or a Python literal that came as text is read; else it is itself.

    ``Decimal('1')`` and its like stand for what is in their brackets. A text that is longer than
    20,000 characters, or that begins as data and does not end as such, gives `None`.
    """
    if not isinstance(result, str):
        return result
    text = result.strip()
    if len(text) > _RESULT or not text:
        return None
    if text[0] not in "[{(":
        return text
    try:
        value: Json = json.loads(text)
        return value
    except (ValueError, RecursionError):
        pass
    try:
        return _plain(ast.literal_eval(_MADE.sub(_quoted, text)))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _quoted(match: re.Match[str]) -> str:
    return repr(match[1].strip("'"))


def _plain(value: object) -> Json:
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def listed(value: Json) -> tuple[str, ...] | None:
    """The names that a result lists, or `None` where it lists no names.

    Texts; the first column of rows of equal length; the ``name`` of objects, or the first field
    that differs between all of them.
    """
    if is_object(value) and len(value) == 1:
        value = next(iter(value.values()))
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _ROWS:
        return None
    names: list[Json]
    if all(isinstance(row, list | tuple) and row for row in value):
        names = [row[0] for row in value if isinstance(row, list | tuple)]
    elif all(is_object(row) and row for row in value):
        names = _telling([row for row in value if is_object(row)])
    else:
        names = list(value)
    texts = [name for name in names if isinstance(name, str) and _is_name(name)]
    if not texts or len(texts) != len(value) or len({t.casefold() for t in texts}) != len(texts):
        return None
    return None if _speaks(texts) else tuple(texts)


def _telling(rows: Sequence[JsonObject]) -> list[Json]:
    """The values of the field that tells objects apart: ``name`` where that does."""
    for field in sorted(rows[0], key=lambda name: (name != "name", "name" not in name)):
        column = [row.get(field) for row in rows]
        if len({str(value) for value in column}) == len(rows):
            return column
    return []


def _is_name(text: str) -> bool:
    return (
        0 < len(text) <= _VALUE and not re.search(r"\s", text) and _LETTERS.search(text) is not None
    )


def compacted(value: Json, *, tokens: int) -> str | None:
    """A result as one line, or `None` where it is no data, is empty or does not fit.

    A value stands as it is; rows and lists in order; an object as its fields with their values,
    nested ones by their fields alone.

    Args:
        value: The result; see `parsed`.
        tokens: What the line may take (`context.count_tokens`).
    """
    if value is None or (isinstance(value, str) and not _is_name(value)):
        return None  # a text on its own may be a sentence; one word is none
    line = _line(value)
    if line is None or count_tokens(line) > tokens:
        return None
    return line


def _line(value: Json) -> str | None:
    texts = _leaves(value)
    if not texts or _speaks(texts):
        return None
    if is_object(value):
        return ", ".join(_field(name, part) for name, part in value.items())
    if isinstance(value, list | tuple):
        if any(_is_nested(row) for row in value):
            return None
        rows = [row for row in value if is_object(row)]
        if rows and len(rows) == len(value):
            return "; ".join(", ".join(_field(n, v) for n, v in row.items()) for row in rows)
        return ", ".join(_cell(part) for part in value)
    return _scalar(value)


def _field(name: str, value: Json) -> str:
    if is_object(value):
        return f"{name} ({', '.join(value)})" if value else name
    return name if _is_nested(value) else f"{name}: {_cell(value)}"


def _is_nested(value: Json) -> bool:
    return isinstance(value, list | tuple) and any(
        is_object(part) or isinstance(part, list | tuple) for part in value
    )


def _cell(value: Json) -> str:
    if isinstance(value, list | tuple):
        inner = ", ".join(_scalar(part) for part in value)
        return inner if len(value) == 1 else f"({inner})"
    return _scalar(value)


def _scalar(value: Json) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case _:
            return ""


def _leaves(value: Json, depth: int = 4) -> list[str]:
    """All names and values in a result as text; empty where one of them is no short value."""
    if is_object(value):
        if depth == 0 or len(value) > _ROWS:
            return []
        inside = [leaf for part in value.values() for leaf in _leaves(part, depth - 1) or [""]]
        return [] if "" in inside or not all(map(_is_name, value)) else [*value, *inside]
    if isinstance(value, list | tuple):
        if depth == 0 or len(value) > _ROWS:
            return []
        inside = [leaf for part in value for leaf in _leaves(part, depth - 1) or [""]]
        return [] if "" in inside else inside
    text = _scalar(value)
    return [text] if _is_short(text) else []


def _is_short(text: str) -> bool:
    return (
        0 < len(text) <= _VALUE
        and len(text.split()) <= _WORDS
        and "\n" not in text
        and not text.rstrip().endswith(("!", "?"))
        and not instructs(text)
    )


def instructs(text: str) -> bool:
    """Whether a text of several words reads as an instruction; a single word is a name."""
    words = text.replace("`", "'").split()
    if len(words) < 2:
        return False
    line = " ".join(words).rstrip(_ENDS)
    return safe_text(line, most=len(line)) != line


def _speaks(texts: Sequence[str]) -> bool:
    """Whether texts speak to a reader rather than name things."""
    if any(_ROLE.match(text) for text in texts):
        return True
    words = {word.casefold() for text in texts[:_ROWS] for word in _LETTERS.findall(text)}
    return len(words & _ADDRESS) >= 2
