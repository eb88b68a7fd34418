"""Capability gaps: tools that runs asked for and that do not exist.

Only exact signals count: a call of a tool that is not there, or an error that names one as missing.
That an agent *says* it has no way to do something is not read here: words are a model's business
(`propose/reflect/tools.py`). A misspelt name of a tool that exists is no gap, nor is a call that
another tool answered with the same arguments.

Next file: `mine/facts/__init__.py`.
"""

import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from strop.jsonvalue import Json, JsonObject, canonical, is_object, salvaged
from strop.mine.calls import CODE, Call
from strop.mine.failures.trust import Sources, quotable, structured
from strop.mine.finding import Finding
from strop.mine.stream import mine_stream
from strop.run import ErrorStep, ScoredRun
from strop.task import Task

__all__ = ["GapMiner", "mine_gaps"]

_HEAD = 2_000  # characters of an error that are read
_MOST_TASKS = 50  # ids of tasks and runs in a finding
_MOST_KEPT = 5_000  # different names held while mining
_EXAMPLES = 5
_EXAMPLE = 2_000  # characters of one example's arguments as JSON
_ARGS = 12
_FAILURES = 40  # failures of one run that are looked at
_ALIKE = 0.85  # from which a name is taken for a misspelt one

# As Pydantic AI, MCP servers, LangChain, LlamaIndex and the OpenAI SDKs word it.
_QUOTED = r"['\"`]?([A-Za-z_][\w.-]{0,63})['\"`]?"
_TOOL = r"(?:tool|function)"
_GONE = r"(?:not (?:found|exist|available|registered|defined)|unknown)"
_MISSING = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:unknown|unrecogni[sz]ed|invalid|no such) {_TOOL}(?: name| call)?:?\s+{_QUOTED}",
        rf"\bno {_TOOL} (?:named|called|with (?:the )?name) {_QUOTED}",
        rf"\b{_TOOL}(?: with name| named)? {_QUOTED} (?:is |was |does )?{_GONE}\b",
        rf"(?:^|\s){_QUOTED} is not a (?:valid|known|registered) {_TOOL}\b",
    )
)


@dataclass(slots=True, kw_only=True)
class _Gap:
    """What is kept of one missing tool."""

    names: Counter[str] = field(default_factory=Counter)
    args: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, str] = field(default_factory=dict)  # not ended well: task -> first run by id
    runs: int = 0
    well: int = 0
    badly: int = 0
    examples: dict[tuple[int, str], JsonObject] = field(default_factory=dict)


class _Miss(NamedTuple):
    """One request for a tool that is not there."""

    name: str
    args: Json
    position: int


def mine_gaps(
    runs: Iterable[ScoredRun],
    *,
    tools: Collection[str] | None = None,
    tasks: Mapping[str, Task] | None = None,
    good: float = 0.8,
    poor: float = 0.7,
    threshold: int = 3,
) -> tuple[Finding, ...]:
    """Tools that are missing, the most asked for first.

    Args:
        runs: Scored runs in any order; read once, none is kept.
        tools: Names of the tools that the agent has. `None` or none where nobody knows, as of
            traces from elsewhere: then only an error that says so makes a tool missing. A tool that
            any run called with success exists, whatever this says.
        tasks: Tasks by id, for their categories.
        good: Score from which a run counts as having ended well: such a run lacked nothing.
        poor: Score under which it counts as having ended badly.
        threshold: Distinct tasks of runs that did not end well in which it must be asked for.

    Returns:
        Findings of kind ``gap``. `data` holds ``asked_for`` (by name as it was asked for: ``name``,
        ``count``, ``args``, the names of arguments), ``examples`` (at most five: ``run``, ``task``,
        ``args``), ``tasks`` (at most 50), ``categories`` and ``support`` (``tasks``, ``runs``,
        ``successes``, ``failures``). A name that only a tool's result had told the agent of is not
        counted. The arguments are as they came: untrusted.
    """
    miner = GapMiner(tools=tools, tasks=tasks, good=good, poor=poor, threshold=threshold)
    return mine_stream(runs, [miner])


class GapMiner:
    """`mine_gaps`, one run at a time."""

    def __init__(
        self,
        *,
        tools: Collection[str] | None = None,
        tasks: Mapping[str, Task] | None = None,
        good: float = 0.8,
        poor: float = 0.7,
        threshold: int = 3,
    ) -> None:
        self._tools, self._tasks = frozenset(tools) if tools else None, tasks or {}
        self._good, self._poor, self._threshold = good, poor, threshold
        self._works: set[str] = set()
        self._held: dict[str, _Gap] = {}

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls."""
        self._works.update(c.tool for c in calls if c.error is None and c.result is not None)
        sources: Sources | None = None
        seen: set[str] = set()
        for miss in _misses(scored, calls, self._tools):
            if miss.name in self._works or quotable(miss.name) is None:
                continue
            sources = sources or Sources(run=scored.run, calls=calls)
            if sources.tainted(miss.name, before=miss.position):
                continue
            key = _plain(miss.name)
            gap = self._held.setdefault(key, _Gap())
            self._count(gap, miss, scored, first=key not in seen)
            seen.add(key)
        if len(self._held) > _MOST_KEPT:
            # Only beyond this does the order of the runs matter.
            self._held = {k: gap for k, gap in self._held.items() if len(gap.tasks) > 1}

    def _count(self, gap: _Gap, miss: _Miss, scored: ScoredRun, *, first: bool) -> None:
        run, value = scored.run, scored.value
        gap.names[miss.name] += 1
        args = miss.args
        if is_object(args):
            gap.args.update(name for name in args if quotable(name) is not None)
            rank = (zlib.crc32(run.id.encode("utf-8", "replace")), run.id)
            kept = salvaged(dict(args))
            if len(canonical(kept)) <= _EXAMPLE:
                gap.examples.setdefault(rank, {"run": run.id, "task": run.task, "args": kept})
            gap.examples = dict(sorted(gap.examples.items())[:_EXAMPLES])
        if first:
            gap.runs += 1
            gap.well += value is not None and value >= self._good
            gap.badly += value is not None and value < self._poor
            if value is None or value < self._good:
                gap.tasks[run.task] = min(run.id, gap.tasks.get(run.task, run.id))

    def findings(self) -> tuple[Finding, ...]:
        """The tools that are missing, by the runs so far."""
        there = sorted({*(self._tools or ()), *self._works})
        close_to = [_plain(name) for name in there]
        found = []
        for key, gap in sorted(self._held.items()):
            if len(gap.tasks) < self._threshold or gap.well > gap.badly:
                continue
            if key in close_to or get_close_matches(key, close_to, n=1, cutoff=_ALIKE):
                continue  # a tool that exists, by another spelling
            found.append(_finding(gap, self._tasks))
        return tuple(sorted(found, key=lambda f: (-len(f.runs), f.claim)))


def _misses(
    scored: ScoredRun, calls: tuple[Call, ...], tools: frozenset[str] | None
) -> Iterator[_Miss]:
    """What a run asked for in vain, in order."""
    failed = [at for at, call in enumerate(calls) if call.error is not None and call.tool != CODE]
    for at in failed[:_FAILURES]:
        call = calls[at]
        absent = tools is not None and call.tool not in tools
        named = call.tool in _named(call.error or "")
        if (absent or (named and tools is None)) and not _answered(calls, at):
            yield _Miss(call.tool, _object(call.args), call.position)
    said: set[str] = set()
    steps = scored.run.steps
    broke = [(at, step.message) for at, step in enumerate(steps) if isinstance(step, ErrorStep)]
    if scored.run.error is not None:
        broke.append((len(steps), scored.run.error.message))
    called = {call.tool for call in calls}
    for at, message in broke[-_FAILURES:]:
        for name in _named(message):
            known = tools is not None and name in tools
            if not known and name not in said and name not in called:
                said.add(name)
                yield _Miss(name, None, at)


def _named(error: str) -> list[str]:
    """The tools that an error says are not there."""
    head = " ".join(error[:_HEAD].split())
    if "tool" not in head.lower() and "function" not in head.lower():
        return []  # most errors; the forms below are slower than this
    found = (match.group(1).strip(".-") for form in _MISSING for match in form.finditer(head))
    return list(dict.fromkeys(found))


def _answered(calls: tuple[Call, ...], at: int) -> bool:
    """Whether another tool took the same arguments later on: the name was wrong, no more."""
    args = _object(calls[at].args)
    if not args:
        return False
    return any(
        call.error is None and call.tool != calls[at].tool and _object(call.args) == args
        for call in calls[at + 1 : at + 1 + _FAILURES]
    )


def _object(args: Json) -> Json:
    """Arguments as an object; text that holds one is read."""
    return structured(args) if isinstance(args, str) else args


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()) or name


def _finding(gap: _Gap, tasks: Mapping[str, Task]) -> Finding:
    ids = sorted(gap.tasks)
    names = sorted(gap.names.items(), key=lambda nc: (-nc[1], nc[0]))
    args = [name for name, _ in sorted(gap.args.items(), key=lambda nc: (-nc[1], nc[0]))[:_ARGS]]
    scored = gap.well + gap.badly
    ends = f"; {gap.badly} of {scored} scored runs ended badly" if scored else ""
    many = f"{len(ids)} task" + "s" * (len(ids) != 1)
    data: dict[str, Json] = {
        "asked_for": [{"name": name, "count": count, "args": list(args)} for name, count in names],
        "examples": list(gap.examples.values()),
        "tasks": ids[:_MOST_TASKS],
        "categories": sorted({tasks[t].category or "" for t in ids if t in tasks} - {""})[:10],
        "support": {
            "tasks": len(ids),
            "runs": gap.runs,
            "successes": gap.well,
            "failures": gap.badly,
        },
    }
    return Finding(
        kind="gap",
        claim=f"There is no tool `{names[0][0]}`, and runs of {many} asked for it{ends}",
        runs=tuple(str(salvaged(gap.tasks[task])) for task in ids[:_MOST_TASKS]),
        data=salvaged(data),  # type: ignore[arg-type]
    )
