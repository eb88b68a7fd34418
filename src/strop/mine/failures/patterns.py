"""Recurring failures: the errors of calls and runs, clustered by their template.

One pass over the runs; what is kept is a few lines for each template and the ids of its tasks. What
mended a failure is not its business (`repairs.py`).

Next file: `mine/arguments.py`.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from strop.jsonvalue import Json, salvaged
from strop.mine.calls import Call
from strop.mine.failures.templates import (
    Template,
    cause_lines,
    error_lines,
    generalised,
    template_of,
)
from strop.mine.failures.trust import Sources, quotable, safe_text
from strop.mine.finding import Finding
from strop.mine.stream import mine_stream
from strop.run import CodeRun, ErrorStep, Message, ModelCall, ScoredRun, Step, ToolCall
from strop.task import Task

__all__ = ["mine_failures"]

_MOST_TEMPLATES = 50_000
_MOST_NAMES = 1_000  # distinct names kept for one template
_MOST_TASKS = 50  # ids of tasks and runs in a finding
_EXAMPLES = 3
_TAIL, _ERROR, _BEFORE = 4, 400, 200  # steps before a failure; characters of it, and of each step
_SHOWN_NAMES = 10


class _Key(NamedTuple):
    tool: str
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    run: str
    task: str
    error: str
    before: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Cluster:
    """What is kept of one template."""

    times: int = 0
    runs: int = 0
    well: int = 0
    badly: int = 0
    tasks: dict[str, str] = field(default_factory=dict)  # task -> its first run by id
    names: Counter[str] = field(default_factory=Counter)
    own: set[str] = field(default_factory=set)
    examples: dict[tuple[int, str], _Example] = field(default_factory=dict)
    cause: str = ""

    def merge(self, other: "_Cluster") -> None:
        self.times += other.times
        self.runs += other.runs
        self.well += other.well
        self.badly += other.badly
        for task, run in other.tasks.items():
            self.tasks[task] = min(run, self.tasks.get(task, run))
        self.names.update(other.names)
        self.own |= other.own
        self.examples |= other.examples


class _Failure(NamedTuple):
    """One failure in one run."""

    key: _Key
    template: Template
    error: str
    position: int
    call: Call | None


def mine_failures(
    runs: Iterable[ScoredRun],
    *,
    tasks: Mapping[str, Task] | None = None,
    min_tasks: int = 1,
    good: float = 0.8,
) -> tuple[Finding, ...]:
    """Errors that recur, by tool and template (see `templates.py`), the most widespread first.

    Args:
        runs: Scored runs in any order; read once, none is kept.
        tasks: Tasks by id, for their categories.
        min_tasks: Distinct tasks in which a template must occur.
        good: Score from which a run counts as having ended well; runs without a score are neither.

    Returns:
        Findings of kind ``failure``. `data` holds the ``template`` as far as it may be shown, its
        ``key`` (digest of the whole), ``tool`` (`None` where it was no call), ``count``,
        ``n_runs``, ``well``, ``badly``, ``tasks`` (at most 50), ``n_tasks``, ``categories``,
        ``names`` (what was masked, with counts), ``cause`` and at most three ``examples``, whose
        text is as it came: not to be shown to an agent.

    Above 50,000 different templates those seen in one task are dropped while mining; only then
    does the order of the runs matter.
    """
    return mine_stream(runs, [FailureMiner(tasks=tasks, min_tasks=min_tasks, good=good)])


class FailureMiner:
    """`mine_failures`, one run at a time."""

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task] | None = None,
        min_tasks: int = 1,
        good: float = 0.8,
    ) -> None:
        self._tasks, self._min_tasks, self._good = tasks or {}, min_tasks, good
        self._held: dict[_Key, _Cluster] = {}

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls."""
        held = self._held
        _take(scored, calls, held, self._good)
        if len(held) > _MOST_TEMPLATES:
            for key in [key for key, cluster in held.items() if len(cluster.tasks) == 1]:
                del held[key]

    def findings(self) -> tuple[Finding, ...]:
        """The errors that recur in the runs so far."""
        clusters = [
            (key, cluster)
            for key, cluster in _merged(self._held).items()
            if len(cluster.tasks) >= self._min_tasks
        ]
        clusters.sort(key=lambda kc: (-len(kc[1].tasks), -kc[1].times, kc[0]))
        return tuple(_finding(key, cluster, self._tasks) for key, cluster in clusters)


def _take(
    scored: ScoredRun, calls: tuple[Call, ...], held: dict[_Key, _Cluster], good: float
) -> None:
    """Add one run's failures to what is held."""
    run = scored.run
    sources: Sources | None = None
    seen: set[_Key] = set()
    for failure in _failures(scored, calls):
        cluster = held.get(failure.key)
        if cluster is None:
            cluster = held[failure.key] = _Cluster(cause=failure.template.cause)
        cluster.times += 1
        if failure.key not in seen:
            seen.add(failure.key)
            cluster.runs += 1
            cluster.well += scored.value is not None and scored.value >= good
            cluster.badly += scored.value is not None and scored.value < good
            cluster.tasks[run.task] = min(run.id, cluster.tasks.get(run.task, run.id))
            _keep_example(cluster, failure, scored)
        for name in dict.fromkeys(failure.template.names):
            if name in cluster.names or len(cluster.names) < _MOST_NAMES:
                cluster.names[name] += 1
            telling = name[:1].isalpha() and name in cluster.names and name not in cluster.own
            if failure.call is not None and telling:
                sources = sources or Sources(run=run, calls=calls)
                if sources.own(name, upto=failure.position):
                    cluster.own.add(name)


def _failures(scored: ScoredRun, calls: tuple[Call, ...]) -> Iterator[_Failure]:
    """Every error of a run, each line that says something else on its own."""
    run = scored.run
    for call in calls:
        if call.error is not None:
            found = error_lines(_whole(run.steps[call.position], call.error))
        else:
            found = cause_lines(call.result)
        for line, template in _distinct(found):
            yield _Failure(_Key(call.tool, template.text), template, line, call.position, call)
    said: set[str] = set()
    for position, step in enumerate(run.steps):
        if isinstance(step, ErrorStep):
            for line, template in _distinct(error_lines(step.message)):
                said.add(template.text)
                key = _Key(f":{step.type}", template.text)
                yield _Failure(key, template, line, position, None)
    if run.error is not None:
        for line, template in _distinct(error_lines(run.error.message)[-1:]):
            if template.text not in said:  # the last step says the same
                key = _Key(f":{run.error.type}", template.text)
                yield _Failure(key, template, line, len(run.steps), None)


def _whole(step: Step, error: str) -> str:
    """All of what a failed command put out, of which the error is one line."""
    if isinstance(step, ToolCall) and step.error is None and isinstance(step.result, Mapping):
        output = step.result.get("output", step.result.get("stderr"))
        if isinstance(output, str) and output.strip():
            return output
    return error


def _distinct(lines: Iterable[str]) -> list[tuple[str, Template]]:
    """Lines with their templates, each template once."""
    found: dict[str, tuple[str, Template]] = {}
    for line in lines:
        template = template_of(line)
        if template.text:
            found.setdefault(template.text, (line, template))
    return list(found.values())


def _keep_example(cluster: _Cluster, failure: _Failure, scored: ScoredRun) -> None:
    """Keep a failure as an example if it is among those that any order of runs would keep."""
    run = scored.run
    rank = (zlib.crc32(run.id.encode("utf-8", "replace")), run.id)
    if len(cluster.examples) >= _EXAMPLES and rank > max(cluster.examples):
        return
    cluster.examples[rank] = _Example(
        run=run.id,
        task=run.task,
        error=failure.error[:_ERROR],
        before=tuple(
            _brief(step)
            for step in run.steps[max(0, failure.position + 1 - _TAIL) : failure.position + 1]
        ),
    )
    if len(cluster.examples) > _EXAMPLES:
        del cluster.examples[max(cluster.examples)]


def _brief(step: Step) -> str:
    """One step on one line, cut."""
    match step:
        case ToolCall():
            text = f"{step.tool}({_cut(step.args)}) -> {_cut(step.error or step.result)}"
        case CodeRun():
            text = f"code: {step.source[:_BEFORE]} -> {(step.error or step.output)[:_BEFORE]}"
        case Message():
            text = f"{step.role}: {step.content[:_BEFORE]}"
        case ModelCall():
            text = f"model {step.model}"
        case ErrorStep():
            text = f"{step.type}: {step.message[:_BEFORE]}"
    return " ".join(text.split())[: 2 * _BEFORE]


def _cut(value: Json) -> str:
    return value[:_BEFORE] if isinstance(value, str) else str(salvaged(value))[:_BEFORE]


def _merged(held: Mapping[_Key, _Cluster]) -> dict[_Key, _Cluster]:
    """Clusters whose templates differ in one word only, as one (see `templates.generalised`)."""
    by_tool: dict[str, dict[str, int]] = {}
    for key, cluster in held.items():
        by_tool.setdefault(key.tool, {})[key.template] = cluster.times
    merged: dict[_Key, _Cluster] = {}
    for tool, texts in sorted(by_tool.items()):
        general = generalised(texts)
        for text in sorted(texts):
            cluster = held[_Key(tool, text)]
            of = merged.setdefault(_Key(tool, general[text]), _Cluster(cause=cluster.cause))
            of.merge(cluster)
            if general[text] != text:
                at = general[text].split(" ").index("<*>")
                of.names[text.split(" ")[at]] += cluster.times
    for cluster in merged.values():
        cluster.examples = dict(sorted(cluster.examples.items())[:_EXAMPLES])
    return merged


def _finding(key: _Key, cluster: _Cluster, tasks: Mapping[str, Task]) -> Finding:
    ids = sorted(cluster.tasks)
    names = sorted(cluster.names.items(), key=lambda nc: (-nc[1], nc[0]))[:_SHOWN_NAMES]
    # A claim names only what the agent itself had spoken of: an error's text may be anybody's.
    told = [f"`{n}` {c}" for n, c in names if c > 1 and n in cluster.own and quotable(n)][:3]
    data: dict[str, Json] = {
        "template": safe_text(key.template),
        "key": f"{zlib.crc32(repr(key).encode('utf-8', 'replace')):08x}",
        "tool": None if key.tool.startswith(":") else key.tool,
        "cause": cluster.cause,
        "count": cluster.times,
        "n_runs": cluster.runs,
        "well": cluster.well,
        "badly": cluster.badly,
        "tasks": ids[:_MOST_TASKS],
        "n_tasks": len(ids),
        "categories": sorted({tasks[t].category or "" for t in ids if t in tasks} - {""})[:10],
        "names": [{"name": name, "count": count} for name, count in names],
        "examples": [
            {"run": e.run, "task": e.task, "error": e.error, "before": list(e.before)}
            for e in cluster.examples.values()
        ],
    }
    about = f" (most often {', '.join(told)})" if told else ""
    scored = cluster.well + cluster.badly
    ends = f"; {cluster.badly} of {scored} scored runs ended badly" if scored else ""
    claim = (
        f"{_who(key.tool)} failed {_count(cluster.times, 'time')} in {_count(cluster.runs, 'run')} "
        f"of {_count(len(ids), 'task')} with {_what(key.template)}{about}{ends}"
    )
    return Finding(
        kind="failure",
        claim=str(salvaged(claim)),
        runs=tuple(str(salvaged(cluster.tasks[t])) for t in ids[:_MOST_TASKS]),
        data=salvaged(data),  # type: ignore[arg-type]
    )


def _who(tool: str) -> str:
    if tool.startswith(":"):
        return f"Outside of calls, runs ({quotable(tool[1:]) or 'error'})"
    return f"`{quotable(tool) or 'a tool'}`"


def _what(template: str) -> str:
    text = safe_text(template)
    return f"`{text}`" if text else "an error whose text is not shown: it reads as an instruction"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
