"""`strop eval`: a spec on all tasks of a split, with intervals, by category, and what it took.

Next file: `cli/improving.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import anyio
from rich.console import RenderableType
from rich.text import Text

from strop.cli.assembling import opened_agent
from strop.cli.output import (
    block,
    duration,
    heading,
    note,
    points,
    show,
    spread,
    table,
    text,
    took,
)
from strop.cli.progress import shown_progress
from strop.gate import interval
from strop.jsonvalue import Json
from strop.loops import evaluate_split
from strop.run import ScoredRun, Usage
from strop.settle import settle
from strop.task import Split, Task

__all__ = ["evaluate"]


def evaluate(config: Path, *, split: Split, spec: str | None, as_json: bool) -> int:
    """Run and score a spec on every task of a split."""
    with opened_agent(config, needs=[split]) as parts:
        which = settle(parts.base, parts.store) if spec is None else parts.store.spec(spec)
        with shown_progress() as progress:

            async def work() -> tuple[ScoredRun, ...]:
                return await evaluate_split(parts, which, split=split, progress=progress)

            runs = anyio.run(work)
        openings: int | None = None
        if split is Split.TEST:
            openings = sum(1 for entry, _ in parts.store.ledger() if entry.kind == "test_opened")
    report = _Report(
        spec=which.id,
        split=split,
        tasks=tuple(task for task in parts.tasks if task.split is split),
        runs=runs,
    )
    show({**report.to_json(), "openings": openings}, *report.blocks(), as_json=as_json)
    if openings:
        note(f"the sealed test split was opened, and the ledger says so (opening {openings})")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """Mean score over tasks with its 95 % interval."""

    count: int
    mean: float | None
    bounds: tuple[float, float] | None

    @classmethod
    def of(cls, tasks: Sequence[Task], runs: Sequence[ScoredRun]) -> "_Scores":
        """Trials of one task count as one task: they are no independent evidence."""
        values: dict[str, list[float]] = {task.id: [] for task in tasks}
        for scored in runs:
            if scored.value is not None and scored.run.task in values:
                values[scored.run.task].append(scored.value)
        means = [fmean(of_task) for of_task in values.values() if of_task]
        return cls(count=len(means), mean=fmean(means) if means else None, bounds=interval(means))

    def to_json(self) -> dict[str, Json]:
        return {
            "scored": self.count,
            "score": self.mean,
            "interval": None if self.bounds is None else list(self.bounds),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """One spec on one split."""

    spec: str
    split: Split
    tasks: tuple[Task, ...]
    runs: tuple[ScoredRun, ...]

    @property
    def scores(self) -> _Scores:
        return _Scores.of(self.tasks, self.runs)

    @property
    def usage(self) -> Usage:
        return sum((scored.run.usage for scored in self.runs), Usage())

    @property
    def failures(self) -> Counter[str]:
        """Failed runs by type."""
        return Counter(s.run.error.type for s in self.runs if s.run.error is not None)

    @property
    def unscored(self) -> int:
        return sum(1 for scored in self.runs if scored.value is None)

    @property
    def categories(self) -> dict[str, list[Task]]:
        out: dict[str, list[Task]] = {}
        for task in sorted(self.tasks, key=lambda task: task.category or ""):
            if task.category is not None:
                out.setdefault(task.category, []).append(task)
        return out

    def to_json(self) -> dict[str, Json]:
        categories = {n: _Scores.of(of, self.runs).to_json() for n, of in self.categories.items()}
        return {
            "schema": "strop.evaluation/1",
            "spec": self.spec,
            "split": self.split.value,
            "tasks": len(self.tasks),
            **self.scores.to_json(),
            "categories": categories,
            "usage": self.usage.to_json(),
            "failures": dict(self.failures),
            "unscored": self.unscored,
            "runs": [
                {
                    "id": scored.run.id,
                    "task": scored.run.task,
                    "trial": scored.run.trial,
                    "score": scored.value,
                    "error": None if scored.run.error is None else scored.run.error.to_json(),
                }
                for scored in self.runs
            ],
        }

    def blocks(self) -> list[RenderableType]:
        scores = self.scores
        where = f"{scores.count} {self.split.value} tasks, spec {self.spec[:10]}"
        out: list[RenderableType] = [
            heading(f"score {points(scores.mean)}", f"{spread(scores.bounds)}  ({where})")
        ]
        if self.categories:
            out.append(block(self._table(), top=1))
        out.append(block(text(self._took(), "dim"), top=1))
        if self.failures:
            told = ", ".join(f"{count} {kind}" for kind, count in self.failures.most_common())
            out.append(block(text(f"failed runs: {told}", "red")))
        if self.unscored:
            out.append(block(text(f"runs without a score: {self.unscored}", "yellow")))
        return out

    def _table(self) -> RenderableType:
        rows: list[list[str | Text]] = []
        for name, tasks in self.categories.items():
            part = _Scores.of(tasks, self.runs)
            critical = any(task.critical for task in tasks)
            label = text(name) + text(" critical" if critical else "", "yellow")
            rows.append([label, str(part.count), points(part.mean), spread(part.bounds)])
        columns = ("category", "tasks", "score", "95 % interval")
        return table(columns, rows, right=columns[1:])

    def _took(self) -> str:
        usage, count = self.usage, len(self.runs)
        each = f"{duration(usage.seconds / count)} a run" if count else ""
        return ", ".join(
            part for part in (f"{count} runs", took(usage.tokens, usage.cost, None), each) if part
        )
