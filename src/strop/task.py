"""`Task` and `Split`: what there is to do, and which part of the evidence a task belongs to.

Reads and checks task files (JSON lines) and assigns splits by a stable hash. It does not run tasks.

Next file: `heldout.py`.
"""

import hashlib
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from strop.errors import BadInput
from strop.jsonvalue import (
    Json,
    JsonObject,
    as_text,
    canonical,
    checked,
    checked_text,
    digest,
    json_lines,
)

__all__ = [
    "Split",
    "Task",
    "assign_splits",
    "find_problems",
    "in_split",
    "load_tasks",
    "normalised",
    "refuse_clashes",
    "save_tasks",
]


class Split(StrEnum):
    """Which part of the evidence a task belongs to. Always passed explicitly, never defaulted."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to do.

    Attributes:
        id: Unique within an agent.
        input: What the agent is given: text, or any JSON value.
        expected: The right answer, or `None` where it is not known.
        category: What verdicts are broken down by.
        critical: Whether a drop on this task's category must block a release.
        group: Tasks that say the same thing in other words share a group; a group never spans two
            splits and never serves as an example for its own members.
        split: `None` until assigned (`strop tasks split`).
        metadata: Anything else; kept, not interpreted.
    """

    id: str
    input: Json = field(hash=False)
    expected: Json = field(default=None, hash=False)
    category: str | None = None
    critical: bool = False
    group: str | None = None
    split: Split | None = None
    metadata: JsonObject = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise BadInput("a task needs a non-empty string 'id'", where="task.id")
        if self.input is None or self.input == "":
            raise BadInput("a task needs an 'input'", where=f"task {self.id!r}")
        for name in ("id", "category", "group"):
            checked_text(getattr(self, name) or "", where=f"task.{name}")
        for name in ("input", "expected", "metadata"):
            object.__setattr__(self, name, checked(getattr(self, name), where=f"{self.id}.{name}"))

    @property
    def text(self) -> str:
        """The input as it stands in a prompt."""
        return as_text(self.input)

    @property
    def digest(self) -> str:
        """SHA-256 of what an agent or a scorer may read: all but split, group and `critical`."""
        return digest(
            {
                "id": self.id,
                "input": self.input,
                "expected": self.expected,
                "category": self.category,
                "metadata": self.metadata,
            }
        )

    def to_json(self) -> dict[str, Json]:
        """The task as one JSON object; fields that hold nothing are left out."""
        out: dict[str, Json] = {"id": self.id, "input": self.input}
        if self.expected is not None:
            out["expected"] = self.expected
        if self.category is not None:
            out["category"] = self.category
        if self.critical:
            out["critical"] = True
        if self.group is not None:
            out["group"] = self.group
        if self.split is not None:
            out["split"] = self.split.value
        if self.metadata:
            out["metadata"] = self.metadata
        return out

    @classmethod
    def from_json(cls, value: object, *, where: str = "task") -> "Task":
        """The inverse of `to_json`.

        Raises:
            BadInput: Not an object, an unknown or missing field, or a field of the wrong type.
        """
        if not isinstance(value, Mapping):
            raise BadInput("expected a JSON object", where=where)
        unknown = sorted(map(str, set(value) - _FIELDS.keys()))
        if unknown:
            known = ", ".join(_FIELDS)
            raise BadInput(
                f"unknown field {unknown[0]!r}; the fields are {known} "
                "(put your own under 'metadata')",
                where=where,
            )
        for name in ("id", "input"):
            if value.get(name) in (None, ""):
                raise BadInput(f"field {name!r} is missing or empty", where=where)
        for name, kind in _FIELDS.items():
            if kind and value.get(name) is not None and not isinstance(value[name], kind):
                raise BadInput(f"field {name!r} must be a {_TYPE_NAMES[kind]}", where=where)
        given = {name: item for name, item in value.items() if item is not None}
        if "split" in given:
            given["split"] = parse_split(given["split"], where=where)
        try:
            return cls(**given)
        except BadInput as error:
            raise BadInput(str(error), where=where) from None


_FIELDS: dict[str, type | None] = {
    "id": str,
    "input": None,
    "expected": None,
    "category": str,
    "critical": bool,
    "group": str,
    "split": str,
    "metadata": dict,
}
_TYPE_NAMES: dict[type, str] = {str: "string", bool: "boolean", dict: "JSON object"}


def parse_split(name: str, *, where: str = "split") -> Split:
    """`Split` by its name.

    Raises:
        BadInput: No such split.
    """
    try:
        return Split(name)
    except ValueError:
        names = ", ".join(Split)
        raise BadInput(f"there is no split {name!r}; the splits are {names}", where=where) from None


def load_tasks(path: Path) -> tuple[Task, ...]:
    """The tasks of a JSON-lines file, in file order; blank lines and byte order marks do no harm.

    Raises:
        BadInput: No such file, a line that does not parse or is no task, an id used twice, or a
            group or id that stands in two splits. The message starts with ``file:line``.
    """
    tasks: list[Task] = []
    places: list[str] = []
    for where, value in json_lines(path, what="tasks"):
        tasks.append(Task.from_json(value, where=where))
        places.append(where)
    refuse_clashes(tasks, places)
    return tuple(tasks)


def save_tasks(tasks: Iterable[Task], path: Path) -> None:
    """Write tasks as JSON lines, whole or not at all (a temporary file, then a rename)."""
    partial = path.with_name(path.name + ".part")
    try:
        text = "".join(json.dumps(t.to_json(), ensure_ascii=False) + "\n" for t in tasks)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise BadInput(f"cannot write tasks: {error.strerror}", where=str(path)) from None


def refuse_clashes(tasks: Sequence[Task], where: Sequence[str] | None = None) -> None:
    """Refuse an id used twice and a group that stands in two splits.

    Args:
        tasks: All tasks of an agent.
        where: File and line of each, for the message; by default its number.

    Raises:
        BadInput: See above.
    """
    where = where or [f"task number {i}" for i in range(1, len(tasks) + 1)]
    first: dict[str, int] = {}
    group_at: dict[str, int] = {}
    for i, task in enumerate(tasks):
        if task.id in first:
            earlier = tasks[first[task.id]]
            note = (
                f" and is in two splits ({earlier.split}, {task.split})"
                if None not in (earlier.split, task.split) and earlier.split != task.split
                else ""
            )
            raise BadInput(
                f"task id {task.id!r} was used at {where[first[task.id]]}{note}; "
                "ids must be unique",
                where=where[i],
            )
        first[task.id] = i
        if task.group is None or task.split is None:
            continue
        j = group_at.setdefault(task.group, i)
        if tasks[j].split != task.split:
            raise BadInput(
                f"group {task.group!r} is in split {task.split} here and in {tasks[j].split} at "
                f"{where[j]}; keep a group in one split (`strop tasks split` does)",
                where=where[i],
            )


def in_split(tasks: Iterable[Task], *, split: Split) -> tuple[Task, ...]:
    """The tasks of one split.

    Raises:
        BadInput: There is none: an empty split never silently becomes another one.
    """
    found = tuple(task for task in tasks if task.split is split)
    if not found:
        raise BadInput(
            f"no tasks in split {split.value!r}; assign splits with `strop tasks split FILE` "
            'or give tasks a "split" field'
        )
    return found


def assign_splits(
    tasks: Iterable[Task], *, shares: Mapping[Split, float], seed: int = 0
) -> tuple[Task, ...]:
    """Give every task without a split one, by a stable hash of its group (or id).

    Stratified by category: within each category, groups are ordered by the hash of
    ``seed:group`` and dealt so that each split comes nearest to its share of the *tasks*, those
    that have a split already counted. What a split is owed at the end of a category it gets first
    in the next, so that a small share is met over all where no category is large enough for it.
    Adding tasks later moves none that already has a split. The order of the tasks does not matter.

    Args:
        tasks: All tasks of the agent.
        shares: Positive weights per split; they need not add up to one.
        seed: Another seed gives another assignment.

    Raises:
        BadInput: A share that is not positive, or no shares.
    """
    tasks = tuple(tasks)
    if not shares or any(not 0 < share < math.inf for share in shares.values()):
        raise BadInput("every split needs a share above 0, for example train=0.5", where="shares")
    settled = {_group(t): t.split for t in tasks if t.split is not None}
    strata: dict[str, list[Task]] = {}
    for task in tasks:
        strata.setdefault(task.category or "", []).append(task)
    owed = dict.fromkeys(shares, 0.0)
    for _, stratum in sorted(strata.items()):  # a group may stand in two categories
        _deal(stratum, shares, settled, owed, seed)
    return tuple(t if t.split is not None else replace(t, split=settled[_group(t)]) for t in tasks)


def _group(task: Task) -> str:
    return task.group or f"id:{task.id}"


def _deal(
    stratum: Sequence[Task],
    shares: Mapping[Split, float],
    settled: dict[str, Split],
    owed: dict[Split, float],
    seed: int,
) -> None:
    """Deal the groups of one category, the most starved split first.

    Fills `settled` in place, and adds to `owed` what the splits are owed from this category.
    """
    total = math.fsum(shares.values())
    order = [split for split in Split if split in shares]
    dealt = Counter(task.split for task in stratum if task.split in shares)
    sizes = Counter(_group(task) for task in stratum if task.split is None)
    done = dealt.total()
    for key in sorted(sizes, key=lambda k: hashlib.sha256(f"{seed}:{k}".encode()).hexdigest()):
        done += sizes[key]
        if key not in settled:
            settled[key] = max(order, key=lambda s: shares[s] / total * done - dealt[s] + owed[s])
        dealt[settled[key]] += sizes[key]
    given = Counter(settled[_group(task)] for task in stratum if task.split is None)
    for split in order:
        owed[split] += shares[split] / total * given.total() - given[split]


# What changes no meaning: spaces, marks of a sentence, a hyphen in a word. Not the signs of numbers
# and formulas (1.5 is not 15, 3 + 4 is not 3 - 4), and no letter's own marks (vowels, in Hindi).
_NOISE = re.compile(
    r"""(?: [\s_;!?"'¿¡…‘’‚“”„«»、。！？；] | [.,:](?!\d) | (?<=[^\W\d])[-‐](?=[^\W\d]) )+""",  # noqa: RUF001
    re.VERBOSE,
)


def normalised(text: str) -> str:
    """Text without case, sentence marks and spacing, for finding the same text written twice."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOISE.sub(" ", folded).strip() or folded


def find_problems(tasks: Sequence[Task]) -> tuple[str, ...]:
    """What would spoil a measurement on these tasks, a sentence each; empty when nothing does.

    Looks for the same input in two splits (the answer would leak), the same input with two
    expected answers, splits that are missing or empty, and tasks without an expected answer.
    """
    problems: list[str] = []
    by_input: dict[str, list[Task]] = {}
    for task in tasks:
        by_input.setdefault(normalised(task.text), []).append(task)
    for same in by_input.values():
        ids = ", ".join(t.id for t in same[:5])
        if len({t.split for t in same}) > 1:
            splits = ", ".join(sorted({str(t.split) for t in same}))
            problems.append(f"the same input stands in several splits ({splits}): {ids}")
        if len({canonical(t.expected) for t in same if t.expected is not None}) > 1:
            problems.append(f"the same input has different expected answers: {ids}")
    counts = Counter(t.split for t in tasks)
    if counts[None]:
        problems.append(f"{counts[None]} tasks have no split; run `strop tasks split`")
    problems += [
        f"no task is in split {split.value!r}"
        for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)
        if not counts[split]
    ]
    blind = sum(1 for t in tasks if t.expected is None)
    if blind:
        problems.append(f"{blind} tasks have no expected answer; only a judge can score them")
    return tuple(problems)
