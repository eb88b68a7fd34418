"""The scorer `json_subset`: whether the output contains what was expected, and how much of it.

For agents with structured output, where the expected answer names only the fields that matter. It
does not compare texts by meaning: leaves are equal as `exact` has it, or they are not.

Next file: `function.py`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeGuard

from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.run import Run, Score
from strop.score.base import MAX_DEPTH, expected_of, result, show, version_of
from strop.score.match import same
from strop.task import Task

__all__ = ["JsonSubset", "contains", "leaves", "matched"]

# Comparing every element with every other takes (size of expected) x (size of output) steps. Beyond
# this many (about a second) only what takes one pass is done.
_MAX_STEPS = 1_000_000

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSubset:
    """The output contains the expected value.

    Objects by key, recursively; other keys of the output do not count. An output that is text is
    read as JSON (in a Markdown fence, too) unless text is expected.

    Attributes:
        lists: ``ordered``: the elements of an expected list appear in the output's list in the same
            order, with others between them. ``set``: each appears somewhere; order and number do
            not count.
        graded: Score the share of expected leaves that were found, instead of all or nothing.

    Raises:
        BadInput: An option that is not one of these.
    """

    lists: Literal["ordered", "set"] = "ordered"
    graded: bool = False

    def __post_init__(self) -> None:
        if self.lists not in ("ordered", "set"):
            raise BadInput(f"must be ordered or set, not {self.lists!r}", where="json_subset.lists")
        if not isinstance(self.graded, bool):
            raise BadInput("must be true or false", where="json_subset.graded")

    @property
    def name(self) -> str:
        return "json_subset"

    @property
    def version(self) -> str:
        return version_of(self, "json_subset/1")

    async def __call__(self, task: Task, run: Run) -> Score:
        expected, output = expected_of(task, self), run.output
        if isinstance(output, str) and not isinstance(expected, str):
            try:
                output = _parsed(output)
            except (ValueError, RecursionError):
                return result(self, 0.0, f"the output is not JSON: {show(output)}")
        ordered = self.lists == "ordered"
        large = leaves(expected) * leaves(output) > _MAX_STEPS
        if large and not ordered:
            return result(self, 0.0, "the output is too large to compare as sets")
        if contains(expected, output, ordered=ordered):
            return result(self, 1.0, "contains all that was expected")
        if not self.graded or large:
            return result(self, 0.0, f"does not contain {show(expected)}: {show(output)}")
        found, total = matched(expected, output, ordered=ordered), leaves(expected)
        return result(self, found / total, f"{found} of {total} expected values found")


def _parsed(text: str) -> Json:
    """The JSON value that a text holds.

    Raises:
        ValueError: It holds none, or one nested deeper than an output may be.
    """
    fenced = _FENCED.search(text)

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    value: Json = json.loads(fenced[1] if fenced else text, parse_constant=refuse)
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for parent in level for item in _inside(parent)]
    if level:
        raise ValueError("nested too deep")
    return value


def _inside(value: Json) -> list[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if _is_list(value) else []


def _is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    return isinstance(value, list | tuple)


def leaves(value: Json) -> int:
    """How many scalars a value holds; an empty list or object counts as one."""
    return sum(map(leaves, inside)) if (inside := _inside(value)) else 1


def contains(expected: Json, output: Json, *, ordered: bool = True) -> bool:
    """Whether `output` contains `expected`; reflexive, and adding to `output` never undoes it.

    In order, taking the first element that fits is as good as any other choice, so one pass does.
    """
    if isinstance(expected, Mapping):
        return isinstance(output, Mapping) and all(
            key in output and contains(value, output[key], ordered=ordered)
            for key, value in expected.items()
        )
    if not _is_list(expected):
        return same(expected, output)
    if not _is_list(output):
        return False
    if ordered:
        rest = iter(output)
        return all(any(contains(e, o) for o in rest) for e in expected)
    return all(any(contains(e, o, ordered=False) for o in output) for e in expected)


def matched(expected: Json, output: Json, *, ordered: bool = True) -> int:
    """How many leaves of `expected` are found in `output`: from 0 to `leaves(expected)`.

    In order, the pairing of the two lists with the most matching leaves is found by dynamic
    programming (the longest common subsequence, weighted; Wagner & Fischer 1974).
    """
    if not _inside(expected):
        return int(contains(expected, output, ordered=ordered))
    if isinstance(expected, Mapping):
        if not isinstance(output, Mapping):
            return 0
        return sum(
            matched(value, output[key], ordered=ordered)
            for key, value in expected.items()
            if key in output
        )
    assert _is_list(expected)  # noqa: S101 - nothing else has anything inside
    if not _is_list(output):
        return 0
    if not ordered:
        return sum(max((matched(e, o, ordered=False) for o in output), default=0) for e in expected)
    best = [0] * (len(output) + 1)  # best[j]: most leaves with the first j elements of the output
    for e in expected:
        gains = [matched(e, o) for o in output]
        row = [0]
        for gain, (before, above) in zip(gains, pairwise(best), strict=True):
            row.append(max(row[-1], above, before + gain))
        best = row
    return best[-1]
