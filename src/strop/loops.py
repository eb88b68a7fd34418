"""The two loops: `serve_once` (production) and `improve_once` (improvement).

The only place that composes the stages with a store. Each function reads top to bottom as the flow
it carries out; everything they call is a stage of its own with its own file.

Next file: `config.py`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from strop.agent import Backend, Limits, execute, failing_backend
from strop.context import select
from strop.cycle import Attempt, Cycle
from strop.errors import BadInput, ModelFailed
from strop.evaluation import Budget, Evaluator, Progress, silent
from strop.evidence import Evidence, gather
from strop.gate import Comparison, Decision, MarginPolicy, compare, judge
from strop.jsonvalue import Json
from strop.libraries import Libraries
from strop.propose import Brief, MinedExamples, Proposal, Proposer
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
    tried_before,
    without_rolled_back,
)

__all__ = [
    "Parts",
    "evaluate_split",
    "hear_once",
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
        proposers: Who may propose in a cycle, in the order they are heard.
        good: Score from which an answer is worth showing.
        poor: Score under which a run counts as a failure.
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
    proposers: tuple[Proposer, ...] = (MinedExamples(),)
    good: float = 0.8
    poor: float = 0.7
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
        context = await parts.libraries.context(spec, task, now=parts.clock())
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
    """The improvement loop, once: runs, findings, then every proposal on held-out tasks.

    Each proposal is made for, and compared with, the spec as the ones before it left it.

    Raises:
        BadInput: There are no train or no validation tasks.
    """
    train = in_split(parts.tasks, split=Split.TRAIN)
    in_split(parts.tasks, split=Split.VALIDATION)  # missing, it is missed before anything is run
    spec = settle(parts.base, parts.store)
    parts.store.put_tasks(parts.tasks)
    evaluator = parts.evaluator(budget or Budget(), progress)
    warmed = await evaluator.evaluate(spec, train, split=Split.TRAIN, trials=1)
    undecided = nothing_learned(warmed, evaluator.budget)
    if undecided is not None:
        return Cycle(parent=spec, stopped=undecided)
    return await _heard(parts, spec, evaluator)


async def hear_once(
    parts: Parts, *, budget: Budget | None = None, progress: Progress = silent
) -> Cycle:
    """The second half of `improve_once`: proposals from what there is, without train runs first.

    What people or other agents bring (`strop seed`, `strop transfer`) needs no runs of this agent
    to be proposed; it takes the same gate.

    Raises:
        BadInput: There are no validation tasks.
    """
    in_split(parts.tasks, split=Split.VALIDATION)
    spec = settle(parts.base, parts.store)
    parts.store.put_tasks(parts.tasks)
    return await _heard(parts, spec, parts.evaluator(budget or Budget(), progress))


async def _heard(parts: Parts, spec: AgentSpec, evaluator: Evaluator) -> Cycle:
    """Every proposer, one after the other."""
    learned = await _learned(parts, spec)
    cycle = Cycle(parent=spec, findings=learned.findings)
    for proposer in parts.proposers:
        try:
            proposal = await proposer(_brief(parts, spec, learned))
        except ModelFailed as error:
            cycle = replace(cycle, failures=(*cycle.failures, (proposer.name, str(error))))
            continue
        if proposal is None:
            continue
        evaluator.budget.spend(proposal.cost)
        attempt = await _tried(parts, spec, proposal, evaluator)
        cycle = replace(cycle, attempts=(*cycle.attempts, attempt))
        if evaluator.budget.spent_by is not None:
            return replace(cycle, stopped=out_of_budget(evaluator.budget.spent_by))
        if attempt.release is not None and attempt.candidate is not None:
            spec = attempt.candidate
    return cycle


async def _learned(parts: Parts, spec: AgentSpec) -> Evidence:
    """Findings in the runs so far, for the levers that will be proposed."""
    return await gather(
        parts.store,
        parts.tasks,
        scorer=parts.scorer,
        embed=partial(parts.libraries.embed, spec),
        levers={proposer.name.partition(":")[2] for proposer in parts.proposers},
        good=parts.good,
        poor=parts.poor,
    )


def _brief(parts: Parts, spec: AgentSpec, learned: Evidence) -> Brief:
    """What a proposer may see: the spec as it is now, and nothing of held-out tasks."""
    return Brief(
        spec=spec,
        findings=learned.findings,
        tasks=learned.tasks,
        embed=partial(parts.libraries.embed, spec),
        runs=learned.runs,
        tried=tried_before(parts.store),
        good=parts.good,
        poor=parts.poor,
        now=parts.clock(),
    )


async def _tried(
    parts: Parts, spec: AgentSpec, proposal: Proposal, evaluator: Evaluator
) -> Attempt:
    """One proposal on held-out tasks; released if it is better there."""
    for finding in proposal.made:
        parts.store.put_document("finding", finding.id, finding.to_json())
    proposal, refused = without_rolled_back(proposal, parts.store)
    if not proposal.changes:
        return Attempt(proposal=proposal, verdict=rolled_back_before(refused))
    candidate = apply(spec, proposal.changes)
    parts.store.put_spec(candidate)
    parts.store.put_document("proposal", candidate.id, proposal.to_json())

    validation = in_split(parts.tasks, split=Split.VALIDATION)
    terms = terms_of(parts.policy, parts.scorer.version, parts.trials, validation, aim=proposal.aim)
    verdict = standing_verdict(parts.store, spec, candidate, terms=terms)
    comparison: Comparison | None = None
    if verdict is None:
        comparison = await _compared(parts, spec, candidate, evaluator)
        if evaluator.budget.spent_by is not None:
            stopped = out_of_budget(evaluator.budget.spent_by)
            return Attempt(proposal=proposal, candidate=candidate, verdict=stopped)
        verdict = judge(comparison, parts.policy, aim=proposal.aim)
        record_verdict(parts.store, proposal, comparison, verdict, validation, terms=terms)
    accepted = verdict.decision is Decision.ACCEPT
    return Attempt(
        proposal=proposal,
        candidate=candidate,
        comparison=comparison,
        verdict=verdict,
        release=_promoted(parts, spec, candidate, proposal) if accepted else None,
    )


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

    What will be proposed is not known before the train runs are in, so the evaluations of a
    candidate count in full for each proposer.
    """
    train = in_split(parts.tasks, split=Split.TRAIN)
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    spec = planned(parts.base, parts.store)
    evaluator = parts.evaluator(Budget(), silent)
    todo = {
        "train": evaluator.missing(spec, train, trials=1),
        "baseline": evaluator.missing(spec, validation, trials=parts.trials),
        "candidate": len(validation) * parts.trials * len(parts.proposers),
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
