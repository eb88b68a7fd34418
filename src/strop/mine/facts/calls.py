"""What a call asked: the same call whatever its spelling, and whether it only reads.

Next file: `mine/facts/results.py`.
"""

import re
from collections.abc import Mapping, Sequence

from strop.jsonvalue import Json, as_text, is_object
from strop.mine.facts.hints import SQL, Hints
from strop.mine.facts.names import words_of

__all__ = [
    "call_text",
    "cannot_read",
    "normal_call",
    "opening",
    "reads_only",
    "spoken",
    "template",
]

_CALL = 600  # characters of a call's text
_PART = re.compile(r"('[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`)")
_QUOTES = frozenset("'\"`")
_FIRST = re.compile(r"[\s(]*([^\W\d_]+)")
_MASKED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|\d[\w.]*|[^\W\d][\w$.\-]*")
_LETTERS = re.compile(r"[^\W\d_]+")
_SPOKEN = 160  # characters of a call that a memory can repeat
_OPENING = re.compile(r"[\s(`]*([^\W\d_]+)\s")


def call_text(args: Json) -> str:
    """A call's arguments as text: the only text among them, or all of them as JSON."""
    if isinstance(args, str):
        return args[:_CALL]
    if is_object(args):
        values = [value for value in args.values() if value is not None]
        if len(values) == 1 and isinstance(values[0], str):
            return values[0][:_CALL]
    if args is None or (isinstance(args, Sequence | Mapping) and not args):
        return ""
    return as_text(args)[:_CALL]


def normal_call(text: str) -> str:
    """A call's text without what makes no difference: spacing, case of words, the last mark.

    What is quoted keeps its case. Arguments by name are as `call_text` wrote them: in one way only.
    """
    if text.startswith('{"'):
        return text
    text = text.rstrip(";. \n\t")
    if _QUOTES.isdisjoint(text):
        return " ".join(text.casefold().split())
    parts = _PART.split(text)  # text, what is quoted, text, ...
    return "".join(
        part if at % 2 else " ".join(f".{part}.".casefold().split())[1:-1]
        for at, part in enumerate(parts)
    ).strip()


def template(call: str, hints: Hints = SQL) -> str:
    """What calls of one family have in common: names and values masked, words of grammar kept."""
    return _MASKED.sub(lambda m: m.group() if m.group() in hints.known else "_", call)


def reads_only(tool: str, call: str, hints: Hints = SQL) -> bool:
    """Whether tool and call are named like something that changes nothing.

    A tool named so (``get_user``) whose call does not begin with a word that changes something; or
    any tool whose call begins with a reading word (``SELECT``). A hint only: `mine_facts` asks for
    results that agree as well.
    """
    match = _FIRST.match(call)
    first = match[1].casefold() if match else ""
    if first in hints.writers:
        return False
    if first not in hints.readers:
        named = _LETTERS.match(tool)
        if named is None or named.group().casefold() not in hints.readers:
            return False
    if ";" in call or first == "with":  # a second statement, or one behind a clause
        return not any(word in hints.writers for word in words_of(call))
    return True


def cannot_read(tool: str, args: Json, hints: Hints = SQL) -> bool:
    """What `reads_only` says of several arguments by name, before they are written out as text."""
    if not is_object(args) or len([v for v in args.values() if v is not None]) < 2:
        return False
    named = _LETTERS.match(tool)
    return named is None or named.group().casefold() not in hints.readers


def opening(text: str) -> str:
    """The first word of a text of several words, lower case; empty for others."""
    match = _OPENING.match(text)
    return match[1].casefold() if match else ""


def spoken(tool: str, text: str) -> str | None:
    """A call as a memory repeats it; `None` where it is too long for that."""
    text = " ".join(text.split()).rstrip(";")
    if len(text) > _SPOKEN:
        return None
    # A call that is a sentence of its own needs no tool before it.
    return text if opening(text) else f"{tool}({text})"
