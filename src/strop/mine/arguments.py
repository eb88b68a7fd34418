"""Which argument of a call an error blames, and for what.

Errors of the usual validators are read exactly (Pydantic, JSON Schema, Python's own calls); in any
other, an argument is blamed only where the error names it, or quotes the value of exactly one. An
error's text may be anybody's: whoever uses what it says checks it against calls that succeeded.

Next file: `mine/values.py`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from strop.jsonvalue import Json
from strop.mine.failures.diff import Flat

__all__ = ["Blame", "Fault", "blamed", "root_of"]

_HEAD = 3_000  # characters of an error that are read
_NAMES = 10  # arguments that one form of words names
_VALUES = 60  # values of a call that are looked for in its error
_LONG = 60  # characters from which a value is a text and not a name


class Fault(StrEnum):
    """What was wrong with an argument."""

    MISSING = "missing"
    """It was not given."""
    UNKNOWN = "unknown"
    """The tool does not take it."""
    RENAMED = "renamed"
    """It goes by another name."""
    TYPE = "type"
    """A value of another type."""
    VALUE = "value"
    """A value of another kind or form, or none of those that are allowed."""
    SOURCE = "source"
    """A value that was not taken from where right ones come from."""
    SUM = "sum"
    """Numbers that must add up to something."""


class Blame(NamedTuple):
    """One argument that an error blames: its path, list indices as ``[]``; and the fault."""

    path: str
    fault: Fault


_PYDANTIC_HEAD = re.compile(r"\d+ validation errors? for \S+\s*")
_PYDANTIC = re.compile(r"(?:^|\s)([A-Za-z_][\w.]{0,80})\s+[A-Z][^\[\]]{0,300}\[type=(\w+)")
_PYDANTIC_JSON = re.compile(
    r"[\"']type[\"']:\s*[\"'](\w+)[\"'],\s*[\"']loc[\"']:\s*[\[(]([^\])]{1,200})[\])]"
)
_LOCATED = re.compile(
    r"(?:^|[:;]) ?([A-Za-z_][\w.]{0,80}): (?:[^:;]{0,100}?)"
    r"(Field required|Missing required|Unexpected|Extra inputs|Input should|is not of type|"
    r"is not one of|is too|does not match|is not valid)"
)
_LOCATED_FAULTS = {"field": "missing", "missing": "missing", "unexpected": "unexpected"}
_LOCATED_FAULTS |= {"extra": "unexpected", "input": "any_type"}
_BARE = re.compile(
    r" (?:is not of type|is not one of|does not match|is not a |is too |is not valid)"
)
_QUOTED = re.compile(r"['\"`](\w{1,80})['\"`]")
_ARGUMENT = r"(?:argument|parameter|field|property|option|input)s?"
_NAME = r"['\"`]?(\w{1,80})['\"`]?"
_COMPLAINT = r"(?:must|should|has to|needs to|cannot be|is invalid|is not (?:an?|one))"
_SAID = tuple(
    (re.compile(pattern, re.IGNORECASE), fault)
    for pattern, fault in (
        (r"missing \d+ required (?:\S+ )?arguments?: ([^\n.]{1,200})", Fault.MISSING),
        (r"(['\"`]\w{1,80}['\"`]) is a required property", Fault.MISSING),
        (rf"\b(?:missing|requires?)(?: required)? {_ARGUMENT}:? {_NAME}", Fault.MISSING),
        (r"\bneeds ('\w{1,80}'(?:, '\w{1,80}'){0,9})", Fault.MISSING),
        (r"\bdoes not take ('\w{1,80}')", Fault.UNKNOWN),
        (rf"{_NAME} (?:is required|is missing|was not (?:given|provided))", Fault.MISSING),
        (r"unexpected keyword arguments? (['\"`]\w{1,80}['\"`])", Fault.UNKNOWN),
        (r"additional properties are not allowed \(([^)]{1,200})", Fault.UNKNOWN),
        (rf"\b(?:unknown|unexpected|unrecogni[sz]ed) {_ARGUMENT}:? {_NAME}", Fault.UNKNOWN),
        (
            rf"\b(?:invalid|bad|wrong|malformed) (?:value (?:for|of) )?(?:{_ARGUMENT} )?{_NAME}",
            Fault.VALUE,
        ),
        (rf"{_NAME} {_COMPLAINT}\b", Fault.VALUE),
    )
)
_TYPED = re.compile(
    r"is not of type|(?:expected|must be|should be) (?:an? )?"
    r"(?:str|int|float|num|bool|list|arr|obj|dict)"
)


def blamed(error: str, flat: Flat) -> tuple[Blame, ...]:
    """The arguments that an error blames, each once, in the order in which it does.

    Whether the tool takes an argument that is said to be missing (or not to be known) is for the
    caller to check.

    Args:
        error: The error's text; its first 3,000 characters are read.
        flat: The failed call's arguments by path (`diff.args_of`).
    """
    head = " ".join(error[:_HEAD].split())
    found = dict.fromkeys(_checked(_validated(head), flat))
    if not found:
        found = dict.fromkeys(_checked(_said(head), flat))
    if not found:
        found = dict.fromkeys(_quoted(head, flat))
    return tuple(found)


def _validated(head: str) -> Iterator[Blame]:
    """What Pydantic says, as text or as JSON; and ``argument: what is wrong``, as tools here do."""
    body = _PYDANTIC_HEAD.sub("", head)
    for name, kind in _PYDANTIC.findall(body):
        yield Blame(_path(name.split(".")), _fault(kind))
    for kind, where in _PYDANTIC_JSON.findall(body):
        parts = [part.strip(" '\"") for part in where.split(",")]
        parts = [part for part in parts if part and part not in ("body", "query", "args")]
        yield Blame(_path(parts), _fault(kind))
    for name, said in _LOCATED.findall(body):
        first = said.partition(" ")[0].lower()
        kind = "any_type" if said == "is not of type" else _LOCATED_FAULTS.get(first, "value")
        yield Blame(_path(name.split(".")), _fault(kind))


def _path(parts: list[str]) -> str:
    """A location as the path of an argument: ``items.0.name`` is ``items[].name``."""
    return (
        ".".join(parts).replace("..", ".") if not any(map(str.isdigit, parts)) else _listed(parts)
    )


def _listed(parts: list[str]) -> str:
    out = ""
    for part in parts:
        out += "[]" if part.isdigit() else f".{part}" if out else part
    return out


def _fault(kind: str) -> Fault:
    """The fault behind a Pydantic error type (docs.pydantic.dev, "Validation Errors")."""
    if kind.startswith("missing"):
        return Fault.MISSING
    if kind.startswith("unexpected") or kind == "extra_forbidden":
        return Fault.UNKNOWN
    dated = kind.startswith(("date", "time", "url", "uuid"))
    if not dated and (kind.endswith(("_type", "_parsing")) or kind == "int_from_float"):
        return Fault.TYPE
    return Fault.VALUE


def _said(head: str) -> Iterator[Blame]:
    """What other errors say of arguments by name."""
    value = _of_value(head)
    for form, fault in _SAID:
        for match in islice(form.finditer(head), _NAMES):
            text = match.group(1)
            for name in _QUOTED.findall(text) or [text]:
                yield Blame(name, value if fault is Fault.VALUE else fault)


def _of_value(head: str) -> Fault:
    """Whether an error is about a value's type or about the value itself."""
    return Fault.TYPE if _TYPED.search(head) else Fault.VALUE


def _checked(blames: Iterator[Blame], flat: Flat) -> Iterator[Blame]:
    """Only those that fit the call: what is missing is absent, and the rest was passed."""
    for path, fault in blames:
        passed = [p for p in flat if p == path or root_of(p) == path]
        ends = [p for p in flat if p.rpartition(".")[2].removesuffix("[]") == path]
        if fault is Fault.MISSING:
            if not passed:
                yield Blame(path, fault)
        elif fault is Fault.UNKNOWN:
            if passed:
                yield Blame(path, fault)
        elif len(passed or ends) == 1:
            yield Blame((passed or ends)[0], fault)


def _quoted(head: str, flat: Flat) -> Iterator[Blame]:
    """The one argument whose value stands in the error; nobody where several do."""
    bare = _BARE.search(head)
    before = head[: bare.start()] if bare else ""  # JSON Schema's messages begin with the value
    held = set()
    left = _VALUES
    for path, values in flat.items():
        if any(_is_quoted(value, head, before) for value in values[:left]):
            held.add(path)
        left = max(0, left - len(values))
    if len(held) == 1:
        yield Blame(held.pop(), _of_value(head))


def _is_quoted(value: Json, head: str, before: str) -> bool:
    """Whether an error quotes a value: as a whole word, or as what its complaint is about."""
    text = str(value)
    if before and re.search(rf"(?<![\w.]){re.escape(repr(value)[:_HEAD])}$", before):
        return True
    telling = isinstance(value, str) and 2 < len(text) <= _LONG
    return telling and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", head) is not None


def root_of(path: str) -> str:
    """The top-level argument of a path."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]
