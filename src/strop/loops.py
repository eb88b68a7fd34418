"""The two loops: `serve_once` (production) and `improve_once` (improvement).

The only place that composes the stages with a store. Each function reads top to bottom as the flow
it carries out; everything they call is a stage of its own with its own file.

Next file: `bootstrap/__init__.py`.
"""

from dataclasses import replace
from functools import partial
from typing import cast

from strop.agent import execute, failing_backend
from strop.context import select
from strop.cycle import Cycle
from strop.errors import BadInput, ChangeRefused, ModelFailed
from strop.evaluation import Budget, Evaluator, Progress, silent
from strop.evidence import Evidence, gather
from strop.grading import Disputes, by_own_criteria, disputes
from strop.jsonvalue import Json, JsonObject
from strop.mine import Finding
from strop.parts import Parts
from strop.propose import Aim, Brief
from strop.propose.curation import Curation
from strop.release import Action, Release, rollback_target
from strop.resolution import is_table
from strop.run import Score, ScoredRun, ScoreFailure
from strop.score import Judge, score
from strop.settle import planned, rebased, settle
from strop.spec import AgentSpec, Kind
from strop.store import ReleaseConflict
from strop.task import Split, Task, in_split
from strop.trial import tried
from strop.verdicts import (
    nothing_learned,
    out_of_budget,
    overtaken,
    task_set,
    terms_of,
    tried_before,
)

__all__ = [
    "evaluate_split",
    "hear_once",
    "improve_once",
    "plan_cycle",
    "roll_back",
    "serve_once",
]


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
    scorer = by_own_criteria(parts.scorer, spec)
    backend = parts.backend(spec)
    try:
        context = await parts.libraries.context(spec, task, now=parts.clock())
        context = context.without(parts.inert(spec))
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
    result = await score(scorer, task, run, seconds=parts.limits.seconds)
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
    parts = _grading_by(spec, parts)
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
    parts = _grading_by(spec, parts)
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
    parts = _grading_by(spec, parts)
    parts.store.put_tasks(parts.tasks)
    return await _heard(parts, spec, parts.evaluator(budget or Budget(), progress))


def _grading_by(spec: AgentSpec, parts: Parts) -> Parts:
    """The parts with a judge that grades by the released criteria, both sides of a comparison."""
    return replace(parts, scorer=by_own_criteria(parts.scorer, spec))


async def _heard(parts: Parts, spec: AgentSpec, evaluator: Evaluator) -> Cycle:
    """Every proposer, one after the other."""
    budget = evaluator.budget
    learned = await _learned(parts, spec)
    disputed = await _disputed(parts, learned)
    cycle = Cycle(parent=spec, findings=learned.findings)
    for proposer in parts.proposers:
        if not budget.may_ask():
            return replace(cycle, stopped=out_of_budget(str(budget.spent_by)))
        try:
            proposal = await proposer(_brief(parts, spec, learned, disputed))
            failures = _accounted(parts, budget)
            attempt = None
            if proposal is not None:
                attempt = await tried(parts, spec, proposal, evaluator)
        except (ModelFailed, ChangeRefused) as error:
            attempt, failures = None, [str(error)]
        except ReleaseConflict as error:
            return replace(cycle, stopped=overtaken(str(error)))
        told = tuple((proposer.name, why) for why in failures)
        cycle = replace(cycle, failures=(*cycle.failures, *told))
        if attempt is None:
            continue
        cycle = replace(cycle, attempts=(*cycle.attempts, attempt))
        if budget.spent_by is not None:
            return replace(cycle, stopped=out_of_budget(budget.spent_by))
        if attempt.release is not None and attempt.candidate is not None:
            spec = attempt.candidate
            # What comes next is judged by the criteria that hold now.
            parts = _grading_by(spec, parts)
            evaluator = parts.evaluator(budget, evaluator.progress)
    return replace(cycle, findings=(*cycle.findings, *await _reviewed(parts, spec, learned)))


async def _reviewed(parts: Parts, spec: AgentSpec, learned: Evidence) -> tuple[Finding, ...]:
    """Memories that contradict one another, for a person to settle; nobody else does."""
    found: list[Finding] = []
    for proposer in parts.proposers:
        if isinstance(proposer, Curation):
            found += await proposer.review(_brief(parts, spec, learned, Disputes()))
    for finding in found:
        parts.store.put_document("finding", finding.id, finding.to_json())
    return tuple(found)


def _accounted(parts: Parts, budget: Budget) -> list[str]:
    """Take what a proposer's model cost from the budget; why it gave no usable answer, if so."""
    reflections = list(parts.reflections)
    parts.reflections.clear()
    for reflection in reflections:
        budget.spend(reflection.usage)
    return list(dict.fromkeys(r.failure for r in reflections if r.failure is not None))


async def _learned(parts: Parts, spec: AgentSpec) -> Evidence:
    """Findings in the runs so far, for the levers that will be proposed."""
    return await gather(
        parts.store,
        parts.tasks,
        scorer=parts.scorer,
        embed=partial(parts.libraries.embed, spec),
        embedder=spec.selection.embedder,
        levers={lever for by, lever in _names(parts) if by not in _BRINGING},
        tools={
            str(tool.content["name"]): cast("JsonObject", tool.content["parameters"])
            for tool in spec.of_kind(Kind.TOOL)
            if not is_table(tool)
        },
        floor=parts.floor,
        unseen=parts.unseen,
        good=parts.good,
        poor=parts.poor,
    )


# Who brings what is proposed along: there is nothing to mine for them.
_BRINGING = {"person", "model", "transfer"}


def _names(parts: Parts) -> list[tuple[str, str]]:
    """Who proposes, and for which lever."""
    parted = [proposer.name.partition(":") for proposer in parts.proposers]
    return [(by, lever) for by, _, lever in parted]


async def _disputed(parts: Parts, learned: Evidence) -> Disputes:
    """What people and the judge disagree on; nothing where no criteria will be proposed."""
    wanted = any(proposer.name.endswith(":criteria") for proposer in parts.proposers)
    if not wanted or not isinstance(parts.scorer, Judge):
        return Disputes()
    return await disputes(
        parts.store,
        learned.tasks,
        judge=parts.scorer,
        seed=parts.seed,
        seconds=parts.limits.seconds,
    )


def _brief(parts: Parts, spec: AgentSpec, learned: Evidence, disputed: Disputes) -> Brief:
    """What a proposer may see: the spec as it is now, and nothing of held-out tasks."""
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    terms = {
        terms_of(parts.policy, parts.scorer.version, parts.trials, validation, aim=aim)
        for aim in Aim
    }
    return Brief(
        spec=spec,
        findings=learned.findings,
        tasks=learned.tasks,
        embed=partial(parts.libraries.embed, spec),
        runs=learned.runs,
        tried=tried_before(parts.store, terms=terms),
        judged=disputed.runs,
        human=disputed.human,
        good=parts.good,
        poor=parts.poor,
        now=parts.clock(),
    )


def roll_back(parts: Parts, *, to: str | None = None, by: str = "person") -> Release:
    """Release the spec before the current one (or `to`) again.

    Raises:
        UserMistake: There is nothing to roll back to; see `rollback_target`.
    """
    current = settle(parts.base, parts.store)
    target = rollback_target(parts.store.releases(), to=to)
    # What was learned goes back; what the configuration says stays as it says today.
    back = rebased(parts.store.spec(target.origin), parts.base, parts.store.spec(target.spec))
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
    judged = sum(1 for _, lever in _names(parts) if lever != "criteria")  # people judge those
    todo = {
        "train": evaluator.missing(spec, train, trials=1),
        "baseline": evaluator.missing(spec, validation, trials=parts.trials),
        "candidate": len(validation) * parts.trials * judged,
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
