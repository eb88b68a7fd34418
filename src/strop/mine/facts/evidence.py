"""What speaks for a fact: in which runs it was seen, for which tasks it mattered, and when.

Next file: `mine/facts/answers.py`.
"""

from collections import deque
from dataclasses import dataclass, field

from strop.notes import SKETCH, sketch_key

__all__ = ["Evidence", "Sighting"]

_KEY_TEXT = 2_000  # characters of an input that serve as a key
_TASKS = 1_024  # tasks of one fact that are told apart
_RUNS = 50  # runs that are named as evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """In which run something was seen.

    Attributes:
        task: The task's id.
        run: The run's id.
        text: The task's input, cut to 2,000 characters.
        key: `sketch_key` of it.
        at: When; `None` where not known.
    """

    task: str
    run: str
    text: str
    key: bytes
    at: float | None

    @classmethod
    def of(cls, *, task: str, run: str, text: str, at: float | None) -> "Sighting":
        text = text[:_KEY_TEXT]
        return cls(task=task, run=run, text=text, key=sketch_key(text), at=at)


@dataclass(slots=True)
class Evidence:
    """What speaks for a fact: distinct tasks, runs, when, and the inputs it is found by.

    The inputs are a bottom-k sketch (Cohen & Kaplan, "Summarizing data using bottom-k sketches",
    PODC 2007): of more than 32 those with the smallest hashes, so that facts which matter to the
    same tasks keep the same ones.
    """

    _tasks: set[str] = field(default_factory=set)
    _more: int = 0
    runs: deque[str] = field(default_factory=lambda: deque(maxlen=_RUNS))
    first: float | None = None
    last: float | None = None
    calls: int = 0
    _last: str = ""
    _seen: Sighting | None = None
    _about: dict[bytes, str] = field(default_factory=dict)
    _largest: bytes = b""

    def add(self, seen: Sighting) -> None:
        """One more sighting."""
        self.calls += 1
        if seen is self._seen:
            return
        self._seen = seen
        if not self.runs or self.runs[-1] != seen.run:
            self.runs.append(seen.run)
        if seen.at is not None:
            self.first = seen.at if self.first is None else min(self.first, seen.at)
            self.last = seen.at if self.last is None else max(self.last, seen.at)
        self.vouch(seen.task)
        if seen.key in self._about or (len(self._about) >= SKETCH and seen.key > self._largest):
            return
        if seen.text:
            self._about[seen.key] = seen.text
            if len(self._about) > SKETCH:
                del self._about[self._largest]
            self._largest = max(self._about)

    def merge(self, other: "Evidence") -> None:
        """What speaks for something else speaks for this as well."""
        for task in sorted(other._tasks):  # noqa: SLF001 - of the same class
            self.vouch(task)
        self.calls += other.calls
        self.runs.extend(run for run in other.runs if run not in self.runs)
        times = [at for at in (self.first, self.last, other.first, other.last) if at is not None]
        if times:
            self.first, self.last = min(times), max(times)
        self._about |= other._about  # noqa: SLF001 - of the same class
        for key in sorted(self._about)[SKETCH:]:
            del self._about[key]
        self._largest = max(self._about, default=b"")

    def vouch(self, task: str) -> None:
        """One more task, of whose run nothing else is known."""
        if task in self._tasks or task == self._last:
            return
        self._last = task
        if len(self._tasks) < _TASKS:
            self._tasks.add(task)
        else:
            self._more += 1  # a task that comes again later counts again

    def has(self, task: str) -> bool:
        """Whether this task is among those that are remembered."""
        return task in self._tasks

    @property
    def support(self) -> int:
        """Distinct tasks; exact up to 1,024, an upper bound from there on."""
        return len(self._tasks) + self._more

    @property
    def about(self) -> tuple[str, ...]:
        """The inputs, in the order of their hashes."""
        return tuple(text for _, text in sorted(self._about.items()))
