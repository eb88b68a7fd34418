"""What runs did next after a failure, against how often they do that anyway.

A failure of the environment (a missing module, a command that is not there, settings that are not
configured) is rarely mended by another argument: runs get past it by doing something else. This
counts, for every failure, what the next successful calls were; what is common there and rare
elsewhere is worth saying.

Next file: `mine/failures/table.py`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from strop.jsonvalue import is_object
from strop.mine.calls import Call
from strop.mine.failures.diff import COMMANDS
from strop.mine.failures.trust import Sources

__all__ = ["Aftermath", "Habits", "Step", "deeds"]

WINDOW = 3  # successful calls after a failure that count as what the run did next
_MOST_HABITS = 200_000
_LINE = 300
_SEGMENT = re.compile(r"\s*(?:&&|\|\||[;|])\s*")
_ASSIGNMENT = re.compile(r"\w+=\S*")
_WORD = re.compile(r"[\w./+:@-]+")


def deeds(call: Call) -> tuple[str, ...]:
    """What a call does, in words that can recur: its tool; of a command, its first words.

    ``cd /x && python -m pytest -q t.py`` gives ``python`` and ``python -m pytest``. Only the
    first line of a text argument is read.
    """
    text = _command(call)
    if text is None:
        return (call.tool,)
    found: dict[str, None] = {}
    for segment in _SEGMENT.split(text.strip().partition("\n")[0][:_LINE])[:6]:
        words = [w for w in segment.split() if not _ASSIGNMENT.fullmatch(w)]
        if not words or not _WORD.fullmatch(words[0]) or words[0] == "cd":
            continue
        found[words[0]] = None
        rest = iter(words[1:])
        for word in rest:
            if word == "-m":
                module = next(rest, "")
                if _WORD.fullmatch(module):
                    found[f"{words[0]} -m {module}"] = None
                break
            if not word.startswith("-"):
                if _WORD.fullmatch(word):
                    found[f"{words[0]} {word}"] = None
                break
    return tuple(found)


def _command(call: Call) -> str | None:
    """The text of a call that is a command, a query or code; `None` for other calls."""
    args = call.args
    if isinstance(args, str):
        return args if not args.lstrip().startswith("{") else None
    if is_object(args):
        given = (args[name] for name in COMMANDS if isinstance(args.get(name), str))
        return str(next(given, "")) or None
    return None


class Habits:
    """How often each deed is done at all, and in which tasks it succeeded."""

    def __init__(self) -> None:
        self.calls = 0
        self._held: dict[str, list[int]] = {}
        self._worked: dict[str, set[str]] = {}
        self.commands: set[str] = set()
        """First words of commands, as opposed to names of tools."""

    def count(self, calls: Sequence[Call], task: str) -> None:
        """Take in a run's calls."""
        for call in calls:
            self.calls += 1
            done = deeds(call)
            if done and done[0] != call.tool and len(self.commands) < _MOST_HABITS:
                self.commands.update(deed for deed in done if _is_bare(deed))
            for deed in done:
                held = self._held.get(deed)
                if held is None:
                    held = self._held[deed] = [0]
                held[0] += 1
                if call.error is None:
                    self._worked.setdefault(deed, set()).add(task)
        if len(self._held) > _MOST_HABITS:
            # What was seen once is no habit; only beyond this does the order of runs matter.
            self._held = {deed: held for deed, held in self._held.items() if held[0] > 1}
            self._worked = {d: tasks for d, tasks in self._worked.items() if d in self._held}

    def rate(self, deed: str) -> float:
        """The chance that a deed is among any `WINDOW` calls."""
        share = self._held.get(deed, [0])[0] / max(1, self.calls)
        return 1.0 - (1.0 - share) ** WINDOW

    def worked(self, word: str) -> frozenset[str]:
        """Tasks in which a command that names `word` succeeded."""
        found: set[str] = set()
        for deed in (word, *(f"{shell} -m {word}" for shell in ("python", "python3"))):
            found |= self._worked.get(deed, set())
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that runs did next: how often, and why that is worth saying."""

    deed: str
    tasks: int
    share: float
    lift: float


@dataclass(slots=True, kw_only=True)
class Aftermath:
    """What followed one failure, over runs.

    Attributes:
        past: Tasks in which the run went on to a successful call.
        done: By deed, the tasks in which it was among the next successful calls.
        clean: By deed, those of them where no result had told the agent to.
    """

    past: set[str] = field(default_factory=set)
    done: dict[str, set[str]] = field(default_factory=dict)
    clean: dict[str, set[str]] = field(default_factory=dict)

    def add(self, failed: Call, following: Sequence[Call], task: str, sources: Sources) -> None:
        """Take in what followed one failed call."""
        after = list(islice((c for c in following if c.error is None), WINDOW))
        if not after:
            return
        self.past.add(task)
        before = set(deeds(failed))
        for call in after:
            for deed in deeds(call):
                if deed in before:
                    continue
                self.done.setdefault(deed, set()).add(task)
                if task in self.clean.get(deed, ()):
                    continue
                if not any(sources.tainted(w, before=call.position) for w in _telling(deed)):
                    self.clean.setdefault(deed, set()).add(task)

    def merge(self, other: "Aftermath") -> None:
        """Take in what followed the same failure under another template."""
        self.past |= other.past
        for deed, tasks in other.done.items():
            self.done.setdefault(deed, set()).update(tasks)
        for deed, tasks in other.clean.items():
            self.clean.setdefault(deed, set()).update(tasks)

    def steps(self, habits: Habits, *, min_tasks: int) -> tuple[Step, ...]:
        """At most two things worth saying: common next, and at least twice as common as elsewhere.

        Of a deed and a more precise form of it (``python`` and ``python t.py``), the precise one.
        """
        found = []
        for deed in self.done:
            clean = len(self.clean.get(deed, ()))
            share = clean / max(1, len(self.past))
            lift = share / max(habits.rate(deed), 1e-9)
            if _is_bare(deed) and deed in habits.commands:
                continue
            if clean >= max(min_tasks, _FEWEST) and share >= _SHARE and lift >= _LIFT:
                found.append(Step(deed=deed, tasks=clean, share=share, lift=lift))
        found.sort(key=lambda s: (-s.tasks, -len(s.deed), s.deed))
        precise = [
            s for s in found if not any(o.deed.startswith(f"{s.deed} ") for o in found if o != s)
        ]
        return tuple(precise[:2])


def _is_bare(deed: str) -> bool:
    """Whether a deed is a command without what it was given: everybody uses `ls` and `cat`."""
    return " " not in deed and "/" not in deed


_FEWEST, _SHARE, _LIFT = 3, 0.35, 2.0


def _telling(deed: str) -> Iterator[str]:
    """The words of a deed that could have been put into the agent's mouth."""
    yield deed
    yield from (word for word in deed.split()[1:] if not word.startswith("-"))
