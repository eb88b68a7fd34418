"""The two loops: `serve_once` (production) and `improve_once` (improvement).

The only place that composes the stages with a store. Each function reads top to bottom as the flow
it carries out; everything they call is a stage of its own with its own file.

Next file: `config.py`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from strop import evidence
from strop.agent import Backend, Limits, execute, failing_backend
from strop.context import select
from strop.errors import BadInput, ModelFailed
from strop.evaluation import Budget, Evaluator, Progress, silent
from strop.gate import Comparison, Decision, MarginPolicy, Verdict, compare, judge
from strop.jsonvalue import Json
from strop.libraries import Libraries
from strop.mine import Finding
from strop.propose import Proposal, propose_examples
from strop.release import Action, Release, rollback_target
from strop.run import Score, ScoredRun, ScoreFailure
from strop.score import Scorer, score
from strop.settle import planned, settle
from strop.spec import AgentSpec, apply
from strop.store import Store
from strop.task import Split, Task, in_split
from strop.verdicts import (
    looks,
    nothing_learned,
    out_of_budget,
    record_verdict,
    rolled_back_before,
    standing_verdict,
    task_set,
    terms_of,
    without_rolled_back,
)

__all__ = [
    "Cycle",
    "Parts",
    "evaluate_split",
    "improve_once",
    "plan_cycle",
    "roll_back",
    "serve_once",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An agent's working parts, assembled once.

    Attributes:
        base: The spec that the configuration alone gives.
        store: Where runs, specs and the ledger are kept.
        libraries: Specs' retrievable items with their vectors.
        scorer: Says how good a run is.
        backend: Makes what answers tasks for a spec.
        tasks: All tasks with a split.
        policy: Decides on candidates.
        limits: Bounds of one run.
        pins: What else decides a result and is not in the spec: the version of the agent's code, of
            its tools and of the model's file. Part of every cache key.
        trials: Runs per held-out task and spec.
        concurrency: Runs at a time.
        good: Score from which an answer is worth showing.
        seed: Of everything that is drawn at random.
        clock: Seconds since the epoch.
    """

    base: AgentSpec
    store: Store
    libraries: Libraries
    scorer: Scorer
    backend: Callable[[AgentSpec], Backend]
    tasks: tuple[Task, ...] = ()
    policy: MarginPolicy = MarginPolicy()
    limits: Limits = Limits()
    pins: str = ""
    trials: int = 1
    concurrency: int = 4
    good: float = 0.8
    seed: int = 0
    clock: Callable[[], float] = time.time

    def evaluator(self, budget: Budget, progress: Progress) -> Evaluator:
        """What runs and scores many tasks."""
        return Evaluator(
            store=self.store,
            libraries=self.libraries,
            scorer=self.scorer,
            backend=self.backend,
            limits=self.limits,
            pins=self.pins,
            concurrency=self.concurrency,
            clock=self.clock,
            budget=budget,
            progress=progress,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one improvement cycle did.

    Attributes:
        parent: The spec released when it began.
        findings: What was found in the runs.
        proposal: What was proposed; `None` when nothing was.
        comparison: The held-out comparison; `None` when there was none, or it stands from before.
        verdict: The decision; `None` when nothing was proposed.
        release: The release that came of it, or `None`.
    """

    parent: AgentSpec
    findings: tuple[Finding, ...] = ()
    proposal: Proposal | None = None
    candidate: AgentSpec | None = None
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    release: Release | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "schema": "strop.cycle/1",
            "parent": self.parent.id,
            "candidate": None if self.candidate is None else self.candidate.id,
            "findings": [finding.to_json() for finding in self.findings],
            "proposal": None if self.proposal is None else self.proposal.to_json(),
            "comparison": None if self.comparison is None else self.comparison.to_json(),
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "release": None if self.release is None else self.release.to_json(),
        }


async def serve_once(parts: Parts, task: Task, *, split: Split) -> ScoredRun:
    """The production loop, once: select, execute, score, store.

    Raises:
        BadInput: A task of the sealed test split: `evaluate_split` opens it, and records that.
    """
    if any(t.id == task.id and t.split is Split.TEST for t in parts.tasks):
        raise BadInput(
            f"task {task.id!r} is sealed; evaluate the test split as a whole, which is recorded"
        )
    spec = settle(parts.base, parts.store)
    backend = parts.backend(spec)
    try:
        context = await parts.libraries.context(spec, task)
    except ModelFailed as error:  # the embedder is out of reach: a failed run, not a lost one
        context, backend = select(spec, task), failing_backend(error)
    run = await execute(
        spec,
        task,
        split=split,
        context=context,
        backend=backend,
        limits=parts.limits,
        clock=parts.clock,
    )
    result: Score | ScoreFailure | None
    result = await score(parts.scorer, task, run, seconds=parts.limits.seconds)
    if isinstance(result, ScoreFailure) and task.expected is None:
        result = None  # nobody knows the right answer yet; a person may score the run later
    parts.store.put_run(run, result, task=replace(task, split=split))
    return ScoredRun(run=run, score=result)


async def evaluate_split(
    parts: Parts,
    spec: AgentSpec,
    *,
    split: Split,
    budget: Budget | None = None,
    progress: Progress = silent,
) -> tuple[ScoredRun, ...]:
    """Run and score `spec` on every task of a split; finished evaluations are not repeated.

    Opening the sealed `test` split is an event of the ledger.
    """
    tasks = in_split(parts.tasks, split=split)
    if split is Split.TEST:
        body: dict[str, Json] = {"spec": spec.id, "tasks": task_set(tasks), "count": len(tasks)}
        parts.store.append("test_opened", body)
    parts.store.put_spec(spec)
    evaluator = parts.evaluator(budget or Budget(), progress)
    return await evaluator.evaluate(spec, tasks, split=split, trials=parts.trials)


async def improve_once(
    parts: Parts, *, budget: Budget | None = None, progress: Progress = silent
) -> Cycle:
    """The improvement loop, once: runs, findings, proposal, held-out comparison, verdict, release.

    Raises:
        BadInput: There are no train or no validation tasks.
    """
    train = in_split(parts.tasks, split=Split.TRAIN)
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    spec = settle(parts.base, parts.store)
    parts.store.put_tasks(parts.tasks)
    evaluator = parts.evaluator(budget or Budget(), progress)
    warmed = await evaluator.evaluate(spec, train, split=Split.TRAIN, trials=1)
    undecided = nothing_learned(warmed, evaluator.budget)
    if undecided is not None:
        return Cycle(parent=spec, verdict=undecided)

    teaching = evidence.sources(parts.store, parts.tasks)
    findings = await evidence.find(parts.store, teaching, scorer=parts.scorer, good=parts.good)
    cycle = Cycle(parent=spec, findings=findings)
    proposal = propose_examples(spec, findings, teaching)
    if proposal is None:
        return cycle
    proposal, refused = without_rolled_back(proposal, parts.store)
    cycle = replace(cycle, proposal=proposal)
    if not proposal.changes:
        return replace(cycle, verdict=rolled_back_before(refused))
    candidate = apply(spec, proposal.changes)
    cycle = replace(cycle, candidate=candidate)
    parts.store.put_spec(candidate)
    parts.store.put_document("proposal", candidate.id, proposal.to_json())

    terms = terms_of(parts.policy, parts.scorer.version, parts.trials, validation)
    verdict = standing_verdict(parts.store, spec, candidate, terms=terms)
    if verdict is None:
        comparison = await _compared(parts, spec, candidate, evaluator)
        if evaluator.budget.spent_by is not None:
            return replace(cycle, verdict=out_of_budget(evaluator.budget.spent_by))
        verdict = judge(comparison, parts.policy)
        cycle = replace(cycle, comparison=comparison)
        record_verdict(parts.store, proposal, comparison, verdict, validation, terms=terms)
    cycle = replace(cycle, verdict=verdict)
    if verdict.decision is not Decision.ACCEPT:
        return cycle
    return replace(cycle, release=_promoted(parts, spec, candidate, proposal))


async def _compared(
    parts: Parts, spec: AgentSpec, candidate: AgentSpec, evaluator: Evaluator
) -> Comparison:
    """Both specs on the validation tasks."""
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    return await compare(
        spec,
        candidate,
        validation,
        split=Split.VALIDATION,
        evaluate=lambda s, t, n: evaluator.evaluate(s, t, split=Split.VALIDATION, trials=n),
        looks=looks(parts.store, validation) + 1,
        trials=parts.trials,
        seed=parts.seed,
    )


def _promoted(parts: Parts, spec: AgentSpec, candidate: AgentSpec, proposal: Proposal) -> Release:
    release = Release(
        spec=candidate.id,
        previous=spec.id,
        origin=parts.base.id,
        action=Action.PROMOTE,
        summary=proposal.summary,
        by="gate",
    )
    parts.store.append_release(release, candidate)
    return release


def roll_back(parts: Parts, *, to: str | None = None, by: str = "person") -> Release:
    """Release the spec before the current one (or `to`) again.

    Raises:
        UserMistake: There is nothing to roll back to; see `rollback_target`.
    """
    current = settle(parts.base, parts.store)
    target = rollback_target(parts.store.releases(), to=to)
    # What was learned goes back; the model and its settings stay as the configuration says today.
    back = replace(current, items=parts.store.spec(target.spec).items)
    release = Release(
        spec=back.id,
        previous=current.id,
        origin=parts.base.id,
        action=Action.ROLLBACK,
        summary=f"back from {current.short_id} to {target.spec[:10]}",
        by=by,
    )
    parts.store.append_release(release, back)
    return release


def plan_cycle(parts: Parts) -> dict[str, Json]:
    """What one improvement cycle would run and cost, from what is cached and what past runs took.

    The candidate is not known before the train runs are in, so its evaluations count in full.
    """
    train = in_split(parts.tasks, split=Split.TRAIN)
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    spec = planned(parts.base, parts.store)
    evaluator = parts.evaluator(Budget(), silent)
    todo = {
        "train": evaluator.missing(spec, train, trials=1),
        "baseline": evaluator.missing(spec, validation, trials=parts.trials),
        "candidate": len(validation) * parts.trials,
    }
    runs = sum(todo.values())
    mean = evaluator.mean_usage(spec, [*train, *validation])
    return {
        "schema": "strop.plan/1",
        "spec": spec.id,
        "runs": {**todo, "total": runs},
        "tokens": None if mean is None else round(mean.tokens * runs),
        "cost": None if mean is None or mean.cost is None else round(mean.cost * runs, 6),
        "seconds": None
        if mean is None
        else round(mean.seconds * runs / max(1, parts.concurrency), 1),
    }
