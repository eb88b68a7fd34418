"""`Evaluator`: one spec on many tasks, cached, bounded in concurrency and budget, with progress.

A finished evaluation is kept under (spec, task, trial, model, scorer) the moment it is scored, so a
process killed half-way goes on where it stopped and a baseline is never paid twice.

Next file: `settle.py`.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TypeAlias

import anyio

from strop.agent import Backend, Limits, execute
from strop.context import Context
from strop.errors import BadInput
from strop.jsonvalue import Json, digest
from strop.libraries import Libraries
from strop.run import Run, Score, ScoredRun, ScoreFailure, Usage
from strop.score import Scorer, score
from strop.spec import AgentSpec
from strop.store import EvaluationKey, Store
from strop.task import Split, Task

__all__ = ["Budget", "Evaluator", "Progress", "ProgressEvent", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """How far an evaluation has come.

    Attributes:
        stage: What is being evaluated, for people.
        done: Evaluations finished, cached ones included.
        total: Evaluations in all.
        cached: How many were there before.
        score: Mean score so far; `None` while nothing is scored.
        cost: US dollars so far; `None` where no price is known.
        tokens: Tokens so far.
        seconds: Since this stage began.
    """

    stage: str
    done: int
    total: int
    cached: int
    score: float | None
    cost: float | None
    tokens: int
    seconds: float

    @property
    def eta(self) -> float | None:
        """Seconds left at the pace so far; `None` before the first result."""
        fresh = self.done - self.cached
        return None if not fresh else self.seconds / fresh * (self.total - self.done)


Progress: TypeAlias = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Progress for nobody."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """What may be spent; `None` is no bound. Shared by all evaluations of a cycle.

    Attributes:
        runs: Agent runs.
        tokens: Input and output tokens.
        cost: US dollars, of runs whose price is known.
        minutes: Wall-clock time since the budget was made.
    """

    runs: int | None = None
    tokens: int | None = None
    cost: float | None = None
    minutes: float | None = None
    _runs: int = 0
    _used: Usage = field(default_factory=Usage)
    _since: float = field(default_factory=time.monotonic)
    _hit: str | None = None

    def __post_init__(self) -> None:
        for name in ("runs", "tokens", "cost", "minutes"):
            bound = getattr(self, name)
            if bound is not None and not bound > 0:
                raise BadInput("must be above 0", where=f"budget.{name}")

    @property
    def spent_by(self) -> str | None:
        """The bound that kept something from being run, or `None`."""
        return self._hit

    def reserve(self) -> bool:
        """Take one run from the budget before it starts; False when there is none left."""
        if not (self._has("runs", self.runs, self._runs) and self.may_ask()):
            return False
        self._runs += 1
        return True

    def may_ask(self) -> bool:
        """Whether anything but runs is left: what a proposer's model may be asked for."""
        minutes = (time.monotonic() - self._since) / 60
        return (
            self._has("tokens", self.tokens, self._used.tokens)
            and self._has("cost", self.cost, self._used.cost or 0.0)
            and self._has("minutes", self.minutes, minutes)
        )

    def _has(self, name: str, bound: float | None, used: float) -> bool:
        if bound is not None and used >= bound:
            self._hit = f"{name}: {bound:g}"
            return False
        return True

    def spend(self, usage: Usage) -> None:
        """Account for what a run took."""
        self._used += usage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    task: Task
    key: EvaluationKey
    context: Context
    inert: frozenset[str]  # tools that could not be called when it was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Runs and scores one spec on many tasks. See `Parts` for the fields."""

    store: Store
    libraries: Libraries
    scorer: Scorer
    backend: Callable[[AgentSpec], Backend]
    limits: Limits
    pins: str
    inert: Callable[[AgentSpec], Mapping[str, str]]
    concurrency: int
    clock: Callable[[], float]
    budget: Budget
    progress: Progress

    async def evaluate(
        self, spec: AgentSpec, tasks: Sequence[Task], *, split: Split, trials: int = 1
    ) -> tuple[ScoredRun, ...]:
        """Scored runs of `spec` on `tasks`, `trials` each; what is cached is not run again.

        When the budget runs out, what was finished is returned and `budget.spent_by` says why. A
        run during which a tool was granted or halted is of neither agent: it is kept, not returned.
        """
        inert = self.inert(spec)
        keys = self._keys(spec, tasks, trials, inert)
        found = self.store.evaluations([key for _, key in keys])
        todo = [(task, key) for task, key in keys if key not in found]
        meter = _Meter(f"{split.value} {spec.short_id}", len(keys), found.values(), self.progress)
        contexts = await self.libraries.contexts(spec, [task for task, _ in todo])
        jobs = [
            _Job(task=task, key=key, context=context.without(inert), inert=frozenset(inert))
            for (task, key), context in zip(todo, contexts, strict=True)
        ]
        fresh = await self._run_all(spec, jobs, split, meter)
        results = {**found, **fresh}
        return tuple(results[key] for _, key in keys if key in results)

    def missing(self, spec: AgentSpec, tasks: Sequence[Task], *, trials: int) -> int:
        """How many of these evaluations are not cached."""
        keys = [key for _, key in self._keys(spec, tasks, trials, self.inert(spec))]
        return len(keys) - len(self.store.evaluations(keys))

    def mean_usage(self, spec: AgentSpec, tasks: Sequence[Task]) -> Usage | None:
        """What a run of `spec` took on average, from its cached runs; `None` without any."""
        keys = [key for _, key in self._keys(spec, tasks, 1, self.inert(spec))]
        runs = list(self.store.evaluations(keys).values())
        if not runs:
            return None
        costs = [r.run.usage.cost for r in runs if r.run.usage.cost is not None]
        return Usage(
            input_tokens=round(fmean(r.run.usage.input_tokens for r in runs)),
            output_tokens=round(fmean(r.run.usage.output_tokens for r in runs)),
            cost=fmean(costs) if costs else None,
            seconds=fmean(r.run.usage.seconds for r in runs),
        )

    def _keys(
        self, spec: AgentSpec, tasks: Sequence[Task], trials: int, inert: Collection[str]
    ) -> list[tuple[Task, EvaluationKey]]:
        # Other limits, another experiment: what timed out under the old ones may not under these.
        rests_on: list[Json] = [self.pins, asdict(self.limits)]
        if inert:  # a tool that is allowed later makes another agent
            rests_on.append(sorted(inert))
        model = f"{spec.model} {digest(rests_on)[:12]}"
        return [
            (
                task,
                EvaluationKey(
                    spec=spec.id,
                    task=task.digest,
                    trial=trial,
                    model=model,
                    scorer=self.scorer.version,
                ),
            )
            for task in tasks
            for trial in range(trials)
        ]

    async def _run_all(
        self, spec: AgentSpec, jobs: Sequence[_Job], split: Split, meter: "_Meter"
    ) -> dict[EvaluationKey, ScoredRun]:
        """Work through the jobs with a bounded number of workers, in order."""
        results: dict[EvaluationKey, ScoredRun] = {}
        backend, queue = self.backend(spec), iter(jobs)

        async def work() -> None:
            for job in queue:
                if not self.budget.reserve():
                    return
                scored = await self._run(spec, job, split, backend)
                if scored is not None:
                    results[job.key] = scored
                    meter.count(scored)

        try:
            async with anyio.create_task_group() as group:
                for _ in range(min(self.concurrency, len(jobs))):
                    group.start_soon(work)
        except ExceptionGroup as failed:
            raise _first(failed) from None
        return results

    async def _run(
        self, spec: AgentSpec, job: _Job, split: Split, backend: Backend
    ) -> ScoredRun | None:
        """One evaluation, stored; `None` where a tool was granted or halted meanwhile."""
        run = await execute(
            spec,
            job.task,
            split=split,
            context=job.context,
            backend=backend,
            limits=self.limits,
            trial=job.key.trial,
            clock=self.clock,
        )
        self.budget.spend(run.usage)
        scored = ScoredRun(run=run, score=await self._score(job.task, run))
        same = job.inert == self.inert(spec).keys()
        self.store.put_run(run, scored.score, key=job.key if same else None)
        return scored if same else None

    async def _score(self, task: Task, run: Run) -> Score | ScoreFailure:
        return await score(self.scorer, task, run, seconds=self.limits.seconds)


def _first(error: Exception) -> Exception:
    """What the first worker raised: all fail alike (a full disk), and callers catch it by type."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class _Meter:
    """Counts results and tells a `Progress` about them."""

    def __init__(
        self, stage: str, total: int, found: Iterable[ScoredRun], progress: Progress
    ) -> None:
        self._stage, self._total, self._progress = stage, total, progress
        self._began = time.monotonic()
        self._scores: list[float] = []
        self._usage = Usage()
        self._done = self._cached = 0
        for scored in found:
            self._take(scored)
            self._cached += 1
        if self._cached:
            self._tell()

    def count(self, scored: ScoredRun) -> None:
        self._take(scored)
        self._usage += scored.run.usage
        self._tell()

    def _take(self, scored: ScoredRun) -> None:
        self._done += 1
        if scored.value is not None:
            self._scores.append(scored.value)

    def _tell(self) -> None:
        self._progress(
            ProgressEvent(
                stage=self._stage,
                done=self._done,
                total=self._total,
                cached=self._cached,
                score=fmean(self._scores) if self._scores else None,
                cost=self._usage.cost,
                tokens=self._usage.tokens,
                seconds=time.monotonic() - self._began,
            )
        )
