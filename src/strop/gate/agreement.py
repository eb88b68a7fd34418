"""The gate for evaluation criteria: does the judge agree better with people's scores?

Criteria decide what counts as good, so the agent's own score cannot judge them: a criterion that is
easily met would always win. Here only scores that people gave count, of runs whose tasks taught
nothing. Pure: grades come in ready-made, and randomness from a seed.

Next file: `release.py`.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strop.errors import BadInput
from strop.gate.kappa import Agreement, agreement, binned, kappas, moments, resampled, tail
from strop.gate.policy import Decision, Reason, Verdict
from strop.jsonvalue import Json, JsonObject
from strop.run import Score, ScoredRun, ScoreFailure
from strop.score import by_person
from strop.task import Split, Task

__all__ = [
    "Agreement",
    "AgreementPolicy",
    "Graded",
    "agreement",
    "grades_of",
    "judge_criteria",
    "split_human",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A held-out run with a person's score and a judge's.

    Attributes:
        run: The run's id.
        task: Its task's id.
        human: What a person gave, in [0, 1].
        judge: What the judge gave by some criteria; `None` where it failed to.
    """

    run: str
    task: str
    human: float
    judge: float | None

    def __post_init__(self) -> None:
        for name in ("human", "judge"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise BadInput(f"a score lies in [0, 1], not {value!r}", where=f"{name} {self.run}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementPolicy:
    """When changed criteria may replace the old ones.

    Attributes:
        min_gain: The gain in kappa must credibly exceed this.
        alpha: Chance of accepting criteria that are no better, over all looks at the held-out runs.
        min_runs: Fewer runs graded by both are inconclusive.
        min_tasks: So are fewer distinct tasks: runs of one task are no independent evidence.
        max_missing: The candidate may lack this much larger a share of grades than the baseline.
        levels: Levels that scores are binned to.
        seed: Of the bootstrap.
    """

    min_gain: float = 0.0
    alpha: float = 0.05
    min_runs: int = 20
    min_tasks: int = 10
    max_missing: float = 0.1
    levels: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise BadInput("must lie between 0 and 0.5", where="policy.alpha")
        for name in ("min_gain", "max_missing"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"must be a number from 0, not {value!r}", where=f"policy.{name}")
        for name in ("min_runs", "min_tasks", "levels"):
            if getattr(self, name) < 2:
                raise BadInput("must be 2 or more", where=f"policy.{name}")


def split_human(
    runs: Iterable[ScoredRun],
    seed: int,
    *,
    tasks: Mapping[str, Task] | None = None,
    share: float = 0.5,
) -> tuple[tuple[ScoredRun, ...], tuple[ScoredRun, ...]]:
    """The runs that people scored, dealt by task: those that may teach, and those that judge.

    A stable hash of the task (of its group, where `tasks` tells one) decides, so a run never moves
    from one side to the other as more come in. Runs of the sealed `test` split are in neither, and
    validation runs never teach.

    Args:
        runs: Scored runs; those without a person's score are passed over.
        seed: Another seed gives another deal.
        tasks: Tasks by id, for their groups.
        share: Of the tasks that may teach.
    """
    teach: list[ScoredRun] = []
    held_out: list[ScoredRun] = []
    for scored in runs:
        if not by_person(scored.score) or scored.run.split is Split.TEST:
            continue
        task = (tasks or {}).get(scored.run.task)
        key = f"group:{task.group}" if task and task.group else f"id:{scored.run.task}"
        drawn = int(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:12], 16) / 16**12
        learns = drawn < share and scored.run.split is not Split.VALIDATION
        (teach if learns else held_out).append(scored)
    return tuple(teach), tuple(held_out)


def grades_of(
    held_out: Iterable[ScoredRun], grades: Mapping[str, Score | ScoreFailure]
) -> tuple[Graded, ...]:
    """Pair people's scores with a judge's grades.

    Args:
        held_out: Runs that people scored.
        grades: What the judge said, by run id; a run that is not there has no grade.

    Raises:
        BadInput: A run whose score is no person's: agreeing with a machine's score proves nothing.
    """
    found = []
    for scored in held_out:
        if not by_person(scored.score) or scored.value is None:
            raise BadInput("its score is not by a person", where=f"run {scored.run.id!r}")
        grade = grades.get(scored.run.id)
        found.append(
            Graded(
                run=scored.run.id,
                task=scored.run.task,
                human=scored.value,
                judge=grade.value if isinstance(grade, Score) else None,
            )
        )
    return tuple(found)


def judge_criteria(
    before: Sequence[Graded],
    after: Sequence[Graded],
    policy: AgreementPolicy | None = None,
    *,
    looks: int = 1,
) -> Verdict:
    """Whether changed criteria make the judge agree better with people.

    The gain in kappa is taken on the same runs, with a one-sided lower bound by a paired bootstrap
    over tasks. A missing grade is no zero. But it never helps the candidate either: many more of
    them than under the old criteria are inconclusive, and what is accepted would be accepted also
    if each were as far from the person's score as can be.

    Args:
        before: The held-out runs, graded by the criteria in force.
        after: The same runs, graded by the changed criteria.
        policy: What is asked for.
        looks: How many changes these held-out runs have judged so far, this one included. Look k
            may err with chance alpha / (k (k + 1)), which adds up to alpha.

    Raises:
        BadInput: The two are not of the same runs and human scores, or a run stands twice.
    """
    policy = policy or AgreementPolicy()
    if looks < 1:
        raise BadInput("must be 1 or more; this look counts", where="looks")
    pairs = _paired(before, after)
    lacks = [sum(g.judge is None for g in side) for side in (before, after)]
    if pairs and (lacks[1] - lacks[0]) / len(pairs) > policy.max_missing:
        return _missing(lacks, len(pairs))
    both = [(b, a) for b, a in pairs if b.judge is not None and a.judge is not None]
    tasks = len({b.task for b, _ in both})
    if len(both) < policy.min_runs <= len(pairs):
        message = f"the judge failed on {lacks[0]} of {len(pairs)} runs that people scored"
        return _undecided("judge_failed", message, {"failed": lacks[0], "runs": len(pairs)})
    if len(both) < policy.min_runs or tasks < policy.min_tasks:
        message = (
            f"{len(both)} held-out runs of {tasks} tasks have a person's score and both grades; "
            f"the policy asks for {policy.min_runs} of {policy.min_tasks}"
        )
        figures: JsonObject = {"runs": len(both), "tasks": tasks, "needed": policy.min_runs}
        return _undecided("too_few_human_scores", message, figures)
    verdict = _by_gain(both, policy, looks)
    if verdict.decision is Decision.ACCEPT and lacks[1]:
        filled = [(b, a) for b, a in pairs if b.judge is not None]
        if _by_gain(filled, policy, looks).decision is not Decision.ACCEPT:
            return _missing(lacks, len(pairs))
    return verdict


def _paired(before: Sequence[Graded], after: Sequence[Graded]) -> list[tuple[Graded, Graded]]:
    by_run = {graded.run: graded for graded in after}
    if len({g.run for g in before}) < len(before) or len(by_run) < len(after):
        raise BadInput("a run stands twice among the graded runs; it would count twice")
    if by_run.keys() != {graded.run for graded in before}:
        raise BadInput("the two sets of criteria have not graded the same runs")
    pairs = [(graded, by_run[graded.run]) for graded in before]
    for b, a in pairs:
        if (b.human, b.task) != (a.human, a.task):
            raise BadInput("the person's score differs between the two", where=f"run {b.run!r}")
    return pairs


def _by_gain(
    pairs: Sequence[tuple[Graded, Graded]], policy: AgreementPolicy, looks: int
) -> Verdict:
    """The verdict on pairs of grades; a missing grade after is as far off as it can be."""
    human = binned([b.human for b, _ in pairs], policy.levels)
    old = binned([b.judge or 0.0 for b, _ in pairs], policy.levels)
    farthest = [float(b.human < 0.5) for b, _ in pairs]
    given = [
        far if a.judge is None else a.judge for (_, a), far in zip(pairs, farthest, strict=True)
    ]
    new = binned(given, policy.levels)
    names = {task: i for i, task in enumerate(sorted({b.task for b, _ in pairs}))}
    owner = np.array([names[b.task] for b, _ in pairs])
    sums = [moments(human, grades, owner) for grades in (old, new)]
    old_kappa, new_kappa = (float(kappas(m.sum(axis=0)[None])[0]) for m in sums)
    if math.isnan(old_kappa) or math.isnan(new_kappa):
        message = "people gave all held-out runs the same score: agreement is undefined"
        return _undecided("no_variation", message, {"runs": len(pairs)})
    gain = new_kappa - old_kappa
    draws = resampled(len(names), policy.seed)
    # A resample in which all human scores are equal says nothing about either: no gain.
    drawn = np.nan_to_num(kappas(draws @ sums[1]) - kappas(draws @ sums[0]), nan=0.0)
    at = tail(policy.alpha / (looks * (looks + 1)), len(names))
    low, high = (float(v) for v in np.quantile(drawn, [at, 1 - at]))
    data: dict[str, Json] = {
        "before": old_kappa,
        "after": new_kappa,
        "gain": gain,
        "low": min(low, gain),
        "high": max(high, gain),
        "runs": len(pairs),
        "tasks": len(names),
        "looks": looks,
    }
    return _decided(data, gain=gain, low=low, high=high, policy=policy)


def _decided(
    data: JsonObject, *, gain: float, low: float, high: float, policy: AgreementPolicy
) -> Verdict:
    figures = (
        f"weighted kappa with people's scores goes from {data['before']:.3f} to "
        f"{data['after']:.3f} (gain {low:+.3f} to {high:+.3f}, {data['tasks']} tasks)"
    )
    if min(low, gain) > policy.min_gain:
        reason = Reason(code="agrees_better", message=figures, data=data)
        return Verdict(decision=Decision.ACCEPT, reasons=(reason,))
    if gain <= 0 or high <= policy.min_gain:
        code = "agrees_worse" if high < 0 else "agrees_no_better"
        reason = Reason(code=code, message=figures, data=data)
        return Verdict(decision=Decision.REJECT, reasons=(reason,))
    message = f"{figures}: more human scores are needed to tell"
    return _undecided("too_close", message, data)


def _missing(lacks: Sequence[int], runs: int) -> Verdict:
    message = (
        f"the judge failed on {lacks[1]} of {runs} held-out runs under the changed criteria "
        f"({lacks[0]} under the old ones); grade again to fill them"
    )
    figures: JsonObject = {"before": lacks[0], "after": lacks[1], "runs": runs}
    return _undecided("missing_grades", message, figures)


def _undecided(code: str, message: str, data: JsonObject) -> Verdict:
    reason = Reason(code=code, message=message, data=data)
    return Verdict(decision=Decision.INCONCLUSIVE, reasons=(reason,))
