"""Values of an argument over many calls: what they look like, and which may be shown.

A value is quoted only where it recurs over tasks; of others only the look is told, with digits as
``#``: somebody's number is no example. A value that a tool's prose told the agent of is not kept.

Next file: `mine/misuse_words.py`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from strop.jsonvalue import Json, salvaged
from strop.mine.calls import Call
from strop.mine.failures.trust import Sources, quotable
from strop.run import ScoredRun

__all__ = ["Clean", "Values", "format_of", "look", "shown"]

_LONG = 60  # characters from which a value is a text and not a name
_MOST_VALUES = 500  # different values held of one argument
_MOST_TASKS = 1_000  # tasks held of one value; more says nothing more
_CHECKS = 300  # values of one run that are checked for taint
_WORDS = 12  # different values from which an argument is not of a closed set
_TWICE = 2  # tasks in which a value must recur to be quoted
_STRONG = 10  # tasks from which a set of values is taken to be closed
_SHOWN = 4

_FORMATS = (
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("date-time", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?[\d.:+Z-]{0,12}")),
    ("time", re.compile(r"\d\d:\d\d(?::\d\d)?")),
    ("email", re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")),
    ("uri", re.compile(r"[a-z][a-z+]{1,9}://\S+")),
)
_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def format_of(text: str) -> str:
    """Which of JSON Schema's formats a text is in: ``date``, ``email`` and so on; or ``""``."""
    return next((name for name, form in _FORMATS if form.fullmatch(text)), "")


def look(value: Json) -> str:
    """What a value looks like, so that values of one kind look the same.

    The type of what is no text; ``date``, ``email`` and so on where a text is one; a text with
    digits with these masked, runs of them as one (``credit_card_#``); else whether it is in
    capitals, and how many words it has, up to three.
    """
    if not isinstance(value, str):
        return _TYPES.get(type(value), "a list or an object")
    if len(value) > _LONG:
        return "long text"
    if format_of(value):
        return format_of(value)
    if any(char.isdigit() for char in value):
        return re.sub(r"\d+", "#", value)
    # Codes have a length (three letters for an airport); words have not.
    if value.isupper() and len(value) <= 5:
        return f"{len(value)} capitals"
    return f"{min(3, len(value.split()))} words"


@dataclass(slots=True, kw_only=True)
class Values:
    """Values of one argument, as JSON, each with the tasks that it was seen in.

    Attributes:
        seen: The values that may be shown.
        more: Whether there were others.
        texts: Whether there were texts that may not be shown.
    """

    seen: dict[str, set[str]] = field(default_factory=dict)
    more: bool = False
    texts: bool = False

    def put(self, value: Json, task: str, *, clean: bool) -> None:
        """One more value; where it is not `clean`, only that there was one."""
        text = json.dumps(salvaged(value), ensure_ascii=False) if clean else ""
        if not clean or (text not in self.seen and len(self.seen) >= _MOST_VALUES):
            self.more = True
            self.texts = self.texts or (not clean and isinstance(value, str))
            return
        held = self.seen.setdefault(text, set())
        if len(held) < _MOST_TASKS:
            held.add(task)

    @property
    def tasks(self) -> set[str]:
        """The tasks of all of them."""
        return set().union(*self.seen.values())

    @property
    def looks(self) -> set[str]:
        """What they look like."""
        return {look(json.loads(text)) for text in self.seen}

    @property
    def types(self) -> set[str]:
        """Of which types they are, in words."""
        found = {_TYPES.get(type(json.loads(text)), "text") for text in self.seen}
        return found | {"text"} if self.texts else found

    @property
    def format(self) -> str:
        """The format that all are in, or ``""``."""
        found = {format_of(str(json.loads(text))) for text in self.seen}
        return found.pop() if len(found) == 1 and not self.more else ""

    @property
    def closed(self) -> bool:
        """Whether they are few names that recur, as cabins do and the numbers of bookings do not.

        At most twelve, each in two tasks or more, in ten tasks together, and no others.
        """
        few = 1 < len(self.seen) <= _WORDS and not self.more
        named = all(isinstance(json.loads(text), str) for text in self.seen)
        often = all(len(tasks) >= _TWICE for tasks in self.seen.values())
        return few and named and often and len(self.tasks) >= _STRONG


def shown(seen: Mapping[str, set[str]], *, closed: bool = False) -> list[str]:
    """How values may be shown, the most widespread first: at most four, or all where `closed`.

    A text with digits by its look; another where it recurs.
    """
    kinds: dict[str, set[str]] = {}
    for text, tasks in seen.items():
        value = json.loads(text)
        masked = isinstance(value, str) and re.search(r"\d", value)
        if masked:
            name = re.sub(r"\d", "#", value) if format_of(value) else look(value)
        elif len(tasks) >= _TWICE and (name := quotable(value) or ""):
            pass
        else:
            continue
        kinds.setdefault(name, set()).update(tasks)
    names = sorted(kinds, key=lambda name: (-len(kinds[name]), name))
    return names if closed else names[:_SHOWN]


class Clean:
    """Which values of one run may be shown.

    Args:
        scored: The run.
        calls: Its calls.
    """

    def __init__(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        self._sources = Sources(run=scored.run, calls=calls)
        self._known: dict[str, bool] = {}

    def may_show(self, value: Json, position: int) -> bool:
        """Whether a value is short and not what a tool's prose told the agent.

        Args:
            value: What was passed.
            position: The step that passed it.
        """
        if not isinstance(value, str):
            return True
        # Where a word came from is decided by its first mention: the same at every later one.
        if value not in self._known:
            if len(self._known) >= _CHECKS:
                return False
            ok = quotable(value) is not None and not self._sources.tainted(value, before=position)
            self._known[value] = ok
        return self._known[value]
