"""Runs as sequences of tool names, and which runs show a pattern of steps.

One pass over the runs keeps a few bytes a call: a run's texts and results are let go of. A pattern
is only looked for in runs that had the occasion for it, so that a run which merely went on longer
does not show more patterns. Which of them separate success from failure is `orders.py`'s business.

Next file: `mine/orders/strata.py`.
"""

import re
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strop.mine.calls import CODE, Call, calls_of
from strop.run import ScoredRun

__all__ = ["NameOf", "Pattern", "Sequences", "Shape", "tool_name"]

Bools = NDArray[np.bool_]
Shape: TypeAlias = Literal["early", "repeated", "before", "after_failure"]
NameOf: TypeAlias = Callable[[Call], str | None]

IN_A_ROW = 3
_MAX_CALLS = 256  # of a run; what comes after is not looked at
_MAX_STEPS = 4 * _MAX_CALLS
_MAX_TOOLS = 40  # those that most runs call
_NEVER = 32_000
# A name becomes part of an instruction, so it must read as a name: one word, or two ("sed -i").
_NAME = re.compile(r"\w[\w.:/+-]{0,63}(?: [\w.:/+-]{1,24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern of steps.

    Attributes:
        shape: ``early``: the tool is called within the first `within` calls. ``repeated``: it is
            called three times in a row. ``before``: the first tool is called before the second.
            ``after_failure``: the first tool is the very next call after the second first failed.
        tools: One name, or two.
        within: For ``early``: how many calls.
    """

    shape: Shape
    tools: tuple[str, ...]
    within: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    run: str
    task: str
    spec: str
    good: bool
    calls: bytes  # an array of 2 * tool + failed


def tool_name(call: Call) -> str | None:
    """The name that a call goes by: its tool's. Code that the agent wrote has none of its own."""
    return None if call.tool == CODE else call.tool


class Sequences:
    """The runs that succeeded or failed, as arrays with a row per run.

    Args:
        runs: Scored runs, oldest first.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure; those between are passed over.
        name_of: What a call goes by; `None` leaves it out.
        newest: Of more runs than this, only the newest are kept, so that memory is bounded.
    """

    def __init__(
        self,
        runs: Iterable[ScoredRun],
        *,
        good: float,
        poor: float,
        name_of: NameOf = tool_name,
        newest: int = 200_000,
    ) -> None:
        codes: dict[str, int] = {}
        rows: deque[_Row] = deque(maxlen=newest)
        for scored in runs:
            if scored.value is None or poor <= scored.value < good:
                continue
            run = scored.run
            if len(run.steps) > _MAX_STEPS:
                run = replace(run, steps=run.steps[:_MAX_STEPS])
            rows.append(
                _Row(
                    run=run.id,
                    task=run.task,
                    spec=run.spec or "",
                    good=scored.value >= good,
                    calls=_encoded(calls_of(run), codes, name_of),
                )
            )
        self.runs = [row.run for row in rows]
        self.tasks = [row.task for row in rows]
        self.specs = [row.spec for row in rows]
        self.good: Bools = np.array([row.good for row in rows], dtype=bool)
        self._fill([row.calls for row in rows], list(codes))

    def _fill(self, rows: list[bytes], names: list[str]) -> None:
        """Per run and tool: where it first comes, how often, whether in a row, what follows it."""
        whole = [array("H", calls) for calls in rows]
        often = Counter(tool for calls in whole for tool in {code // 2 for code in calls})
        kept = sorted(often, key=lambda tool: (-often[tool], names[tool]))[:_MAX_TOOLS]
        column = {tool: i for i, tool in enumerate(kept)}
        self.tools = [names[tool] for tool in kept]
        shape = (len(rows), len(kept))
        self.length = np.array([len(calls) for calls in whole], dtype=np.int16)
        self.first = np.full(shape, _NEVER, dtype=np.int16, order="F")
        self.count = np.zeros(shape, dtype=np.int16, order="F")
        self.in_a_row = np.zeros(shape, dtype=bool, order="F")
        self.next = np.full(
            shape, -1, dtype=np.int16, order="F"
        )  # after the first failure; -1: none
        self.failed_at = np.full(shape, _NEVER, dtype=np.int16, order="F")
        for row, calls in enumerate(whole):
            streak = 0
            for at, code in enumerate(calls):
                tool, failed = divmod(code, 2)
                streak = streak + 1 if at and calls[at - 1] // 2 == tool else 1
                i = column.get(tool)
                if i is None:
                    continue
                if not self.count[row, i]:
                    self.first[row, i] = at
                self.count[row, i] += 1
                if streak >= IN_A_ROW:
                    self.in_a_row[row, i] = True
                if failed and at + 1 < len(calls) and self.failed_at[row, i] == _NEVER:
                    self.failed_at[row, i] = at
                    self.next[row, i] = column.get(calls[at + 1] // 2, -1)

    def patterns(self) -> Iterator[Pattern]:
        """Every pattern there is between the tools, the most telling shapes first."""
        for shape in ("after_failure", "before"):
            for i, tool in enumerate(self.tools):
                if shape == "after_failure" and (self.failed_at[:, i] == _NEVER).all():
                    continue
                for other in self.tools:
                    if shape == "after_failure" or other != tool:
                        yield Pattern(shape=shape, tools=(other, tool))
        for tool in self.tools:
            yield Pattern(shape="repeated", tools=(tool,))
        for i, tool in enumerate(self.tools):
            first = self.first[:, i]
            at = int(np.median(first[first < _NEVER])) + 1
            yield Pattern(shape="early", tools=(tool,), within=at)

    def seen(self, pattern: Pattern) -> tuple[Bools, Bools]:
        """Which runs had the occasion for a pattern, and which show it; shape (runs,) each.

        ``early`` looks at runs that went on beyond the calls in question, as a landmark analysis
        does: a run that broke off sooner never had the chance (J. R. Anderson, K. C. Cain and R. D.
        Gelber, "Analysis of survival by tumor response", J. Clin. Oncol. 1 (1983)). ``before``
        looks at runs that come to the second tool, ``repeated`` at runs that call the tool, and
        ``after_failure`` at runs in which the failed call was not the last.
        """
        i = self.tools.index(pattern.tools[0])
        match pattern.shape:
            case "early":
                return self.length > pattern.within, self.first[:, i] < pattern.within
            case "repeated":
                return self.count[:, i] > 0, self.in_a_row[:, i]
            case "before":
                second = self.first[:, self.tools.index(pattern.tools[1])]
                return second < _NEVER, self.first[:, i] < second
            case "after_failure":
                j = self.tools.index(pattern.tools[1])
                return self.failed_at[:, j] < _NEVER, self.next[:, j] == i

    def elapsed(self, pattern: Pattern) -> NDArray[np.float64]:
        """How long each run had gone on where the pattern could come up, the pattern apart.

        Three columns, so that chances that grow straight or bend with length are allowed for:
        calls, their root and their logarithm.
        """
        i = self.tools.index(pattern.tools[0])
        match pattern.shape:
            case "early":
                calls = np.zeros(len(self.length))
            case "repeated":
                calls = (self.length - self.count[:, i]).astype(float)
            case "before":
                second = self.first[:, self.tools.index(pattern.tools[1])]
                calls = second - (self.first[:, i] < second).astype(float)
            case "after_failure":
                calls = self.failed_at[:, self.tools.index(pattern.tools[1])].astype(float)
        calls = np.maximum(calls, 0.0)
        return np.stack([calls, np.sqrt(calls), np.log1p(calls)], axis=1)


def _encoded(calls: Iterable[Call], codes: dict[str, int], name_of: NameOf) -> bytes:
    out = array("H")
    for call in calls:
        name = name_of(call)
        if name is None:
            continue
        code = codes.get(name)
        if code is None and (code := _new_code(name, codes)) is None:
            continue
        out.append(2 * code + (call.error is not None))
        if len(out) == _MAX_CALLS:
            break
    return out.tobytes()


def _new_code(name: str, codes: dict[str, int]) -> int | None:
    """The number that is to stand for a name; names made up per call must not fill the memory."""
    if len(codes) >= _NEVER or len(name) >= 100 or not _NAME.fullmatch(name):
        return None
    code = codes[name] = len(codes)
    return code
