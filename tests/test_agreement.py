"""The gate for evaluation criteria: agreement with people's held-out scores, and nothing else."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from sklearn.metrics import cohen_kappa_score

from strategies import unit
from strop.errors import BadInput
from strop.gate import Decision
from strop.gate.agreement import (
    AgreementPolicy,
    Graded,
    agreement,
    grades_of,
    judge_criteria,
    split_human,
)
from strop.run import Run, Score, ScoredRun, ScoreFailure
from strop.score import human_score
from strop.task import Split, Task

LEVELS = [0.0, 0.25, 0.5, 0.75, 1.0]


def scored(task, value=0.5, *, run=None, split=Split.TRAIN, by="ann"):
    made = Run(id=run or f"run-{task}", task=task, input=task, split=split)
    score = human_score(value, by=by) if by else Score(name="judge", value=value, scorer="judge/1")
    return ScoredRun(run=made, score=score)


def graded(human, judge, *, per_task=1):
    return [
        Graded(run=f"r{i}", task=f"t{i // per_task}", human=float(h), judge=j)
        for i, (h, j) in enumerate(zip(human, judge, strict=True))
    ]


def noisy(seed, n, *noises):
    """Human scores, and a judge's of each noise."""
    rng = np.random.default_rng(seed)
    human = rng.choice(LEVELS, n)
    return human, *(np.clip(human + rng.normal(0, s, n), 0, 1).tolist() for s in noises)


# Kappa.


@given(st.lists(st.tuples(unit, unit), min_size=1, max_size=40), st.integers(2, 7))
@settings(deadline=None, max_examples=60)
def test_kappa_is_scikit_learns(pairs, levels):
    human, judge = zip(*pairs, strict=True)
    found = agreement(human, judge, levels=levels)
    binned = [[math.floor(v * (levels - 1) + 0.5) for v in side] for side in (human, judge)]
    if len(set(binned[0])) == 1:
        assert (found.kappa, found.low, found.high) == (None, None, None)
        return
    wanted = cohen_kappa_score(*binned, weights="quadratic", labels=list(range(levels)))
    assert found.kappa == pytest.approx(wanted, abs=1e-9)
    assert found.low <= found.kappa <= found.high
    assert found.n == len(pairs)


def test_the_textbook_extremes():
    assert agreement(LEVELS, LEVELS).kappa == 1.0
    assert agreement(LEVELS, LEVELS[::-1]).kappa == -1.0
    assert agreement([0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]).kappa == 0.0
    assert agreement([], []).kappa is None


def test_the_interval_covers_the_truth():
    human, judge = noisy(0, 200_000, 0.35)
    whole = _kappa(human, np.array(judge))
    covered = 0
    for k in range(200):
        rows = slice(40 * k, 40 * (k + 1))
        found = agreement(human[rows].tolist(), judge[rows], seed=k)
        covered += found.low <= whole <= found.high
    assert covered / 200 >= 0.9


def _kappa(human, judge):
    bins = [np.floor(np.asarray(side) * 4 + 0.5).astype(int) for side in (human, judge)]
    return cohen_kappa_score(*bins, weights="quadratic")


@pytest.mark.parametrize(
    ("human", "judge", "levels"),
    [([0.5], [], 5), ([1.5], [0.5], 5), ([0.5], [math.nan], 5), ([0.5], [0.5], 1)],
)
def test_what_cannot_be_compared_is_refused(human, judge, levels):
    with pytest.raises(BadInput):
        agreement(human, judge, levels=levels)


# The verdict.


def test_criteria_that_agree_better_are_accepted():
    human, old, new = noisy(1, 60, 0.5, 0.1)
    verdict = judge_criteria(graded(human, old), graded(human, new))
    assert verdict.decision is Decision.ACCEPT
    assert verdict.reasons[0].code == "agrees_better"
    data = verdict.reasons[0].data
    assert data["before"] == pytest.approx(_kappa(human, old))
    assert data["after"] == pytest.approx(_kappa(human, new))
    assert 0 < data["low"] <= data["gain"] <= data["high"]
    assert verdict.reasons[0].message == snapshot(
        "weighted kappa with people's scores goes from 0.659 to 0.968 (gain +0.171 to +0.479, 60 tasks)"
    )
    assert verdict == judge_criteria(graded(human, old), graded(human, new))


def test_criteria_that_agree_worse_are_rejected():
    human, old, new = noisy(1, 60, 0.1, 0.5)
    verdict = judge_criteria(graded(human, old), graded(human, new))
    assert verdict.decision is Decision.REJECT
    assert verdict.reasons[0].code == "agrees_worse"


def test_the_same_grades_are_no_gain():
    human, old = noisy(1, 60, 0.3)
    verdict = judge_criteria(graded(human, old), graded(human, old))
    assert (verdict.decision, verdict.reasons[0].code) == (Decision.REJECT, "agrees_no_better")


def test_a_lenient_judge_gains_nothing_by_leniency():
    """Criteria that give every run full marks raise the agent's score and agree with nobody."""
    human, old = noisy(1, 60, 0.3)
    verdict = judge_criteria(graded(human, old), graded(human, [1.0] * 60))
    assert verdict.decision is Decision.REJECT


def test_a_small_gain_on_few_runs_is_inconclusive():
    human, old, new = noisy(4, 24, 0.3, 0.25)
    verdict = judge_criteria(graded(human, old), graded(human, new))
    assert (verdict.decision, verdict.reasons[0].code) == (Decision.INCONCLUSIVE, "too_close")


@pytest.mark.parametrize("per_task", [1, 10])
def test_too_few_runs_or_tasks_are_inconclusive(per_task):
    human, old, new = noisy(1, 19 if per_task == 1 else 60, 0.5, 0.05)
    verdict = judge_criteria(
        graded(human, old, per_task=per_task), graded(human, new, per_task=per_task)
    )
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.reasons[0].code == "too_few_human_scores"
    assert judge_criteria([], []).decision is Decision.INCONCLUSIVE


def test_people_who_give_one_score_to_all_say_nothing():
    verdict = judge_criteria(graded([0.5] * 30, [0.1] * 30), graded([0.5] * 30, [0.5] * 30))
    assert (verdict.decision, verdict.reasons[0].code) == (Decision.INCONCLUSIVE, "no_variation")


def test_missing_grades_are_no_zeros_but_never_help():
    human, old, new = noisy(1, 60, 0.5, 0.1)
    worst = np.argsort(-np.abs(human - np.array(new)))
    holes = [None if i in worst[:9] else value for i, value in enumerate(new)]
    verdict = judge_criteria(graded(human, old), graded(human, holes))
    assert (verdict.decision, verdict.reasons[0].code) == (Decision.INCONCLUSIVE, "missing_grades")
    assert verdict.reasons[0].data == {"before": 0, "after": 9, "runs": 60}
    few = [None if i == 0 else value for i, value in enumerate(new)]
    assert judge_criteria(graded(human, old), graded(human, few)).decision is Decision.ACCEPT
    both = judge_criteria(
        graded(human, [None] * 20 + old[20:]), graded(human, [None] * 20 + new[20:])
    )
    assert both.reasons[0].data["runs"] == 40


def test_a_gain_that_rests_on_missing_grades_is_not_accepted():
    """As good as before where it answers, silent on the five runs it would have got wrong."""
    human, old = noisy(2, 60, 0.15)
    old = [1.0 - h if i < 5 else g for i, (h, g) in enumerate(zip(human, old, strict=True))]
    new = [
        None if i < 5 else (h + 3 * g) / 4 for i, (h, g) in enumerate(zip(human, old, strict=True))
    ]
    verdict = judge_criteria(graded(human, old), graded(human, new))
    assert verdict.decision is not Decision.ACCEPT


@pytest.mark.parametrize("per_task", [1, 3])
def test_criteria_that_are_no_better_are_seldom_accepted(per_task):
    """Two judges of the same noise; at a first look at most alpha / 2 may pass, on average."""
    accepted = 0
    for seed in range(300):
        human, old, new = noisy(seed, 36, 0.4, 0.4)
        accepted += (
            judge_criteria(
                graded(human, old, per_task=per_task), graded(human, new, per_task=per_task)
            ).decision
            is Decision.ACCEPT
        )
    assert accepted <= 18  # 7.5 expected; more than 18 would happen less than once in 2,000 times


def test_each_further_look_asks_for_more():
    human, old, new = noisy(7, 40, 0.35, 0.2)
    lows = [
        judge_criteria(graded(human, old), graded(human, new), looks=k).reasons[0].data["low"]
        for k in (1, 2, 10)
    ]
    assert lows == sorted(lows, reverse=True)
    assert lows[0] > lows[-1]
    with pytest.raises(BadInput):
        judge_criteria([], [], looks=0)


def test_only_the_same_runs_and_scores_are_compared():
    human, old, new = noisy(1, 30, 0.3, 0.3)
    one, other = graded(human, old), graded(human, new)
    assert judge_criteria(one, other[::-1]) == judge_criteria(one, other)
    with pytest.raises(BadInput, match="same runs"):
        judge_criteria(one, other[1:])
    with pytest.raises(BadInput, match="twice"):
        judge_criteria(one, [*other, other[0]])
    with pytest.raises(BadInput, match="differs"):
        judge_criteria(one, graded(1.0 - human, new))
    with pytest.raises(BadInput):
        Graded(run="r", task="t", human=2.0, judge=None)


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"min_gain": -1}, {"min_runs": 1}, {"max_missing": math.nan}]
)
def test_a_policy_refuses_nonsense(wrong):
    with pytest.raises(BadInput):
        AgreementPolicy(**wrong)


@given(st.integers(0, 10_000), st.floats(0, 0.6), st.floats(0, 0.6), st.floats(0, 0.2))
@settings(deadline=None, max_examples=30)
def test_whatever_is_accepted_had_the_gain_that_was_asked_for(seed, before, after, min_gain):
    human, old, new = noisy(seed, 30, before, after)
    policy = AgreementPolicy(min_gain=min_gain)
    verdict = judge_criteria(graded(human, old), graded(human, new), policy)
    data = verdict.reasons[0].data
    assert data["low"] <= data["gain"] <= data["high"]
    assert (verdict.decision is Decision.ACCEPT) == (data["low"] > min_gain)


# The split.


@given(st.lists(st.sampled_from([f"t{i}" for i in range(30)]), max_size=40), st.integers(0, 5))
def test_no_task_teaches_and_judges(tasks, seed):
    runs = [scored(task, run=str(i)) for i, task in enumerate(tasks)]
    teach, held_out = split_human(runs, seed)
    assert not {s.run.task for s in teach} & {s.run.task for s in held_out}
    assert sorted(s.run.id for s in (*teach, *held_out)) == sorted(s.run.id for s in runs)
    early = split_human(runs[: len(runs) // 2], seed)
    assert set(early[0]) <= set(teach)
    assert set(early[1]) <= set(held_out)


def test_the_split_deals_to_both_and_by_seed():
    runs = [scored(f"t{i}") for i in range(200)]
    teach, held_out = split_human(runs, 0)
    assert 70 < len(teach) < 130
    assert split_human(runs, 1)[0] != teach
    assert len(split_human(runs, 0, share=0.1)[0]) < len(held_out)


def test_paraphrases_stay_together_and_held_out_splits_do_not_teach():
    tasks = {f"t{i}": Task(id=f"t{i}", input="x", group=f"g{i % 10}") for i in range(100)}
    teach, held_out = split_human([scored(t) for t in tasks], 3, tasks=tasks)
    groups = [{tasks[s.run.task].group for s in side} for side in (teach, held_out)]
    assert not groups[0] & groups[1]
    judged = split_human([scored(f"v{i}", split=Split.VALIDATION) for i in range(50)], 0)
    assert (len(judged[0]), len(judged[1])) == (0, 50)
    assert split_human([scored(f"v{i}", split=Split.TEST) for i in range(50)], 0) == ((), ())


def test_only_scores_by_people_count():
    assert split_human([scored("t", by=None), ScoredRun(run=scored("t").run)], 0) == ((), ())
    grades = {
        "run-a": Score(name="judge", value=0.25),
        "run-b": ScoreFailure(name="judge", error="no answer"),
    }
    found = grades_of([scored("a", 1.0), scored("b", 0.0), scored("c", 0.5)], grades)
    assert [(g.human, g.judge) for g in found] == [(1.0, 0.25), (0.0, None), (0.5, None)]
    with pytest.raises(BadInput, match="not by a person"):
        grades_of([scored("a", by=None)], grades)
