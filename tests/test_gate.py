"""The gate: comparing, judging, and what no verdict may ever do."""

import random
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from strategies import comparisons, grades, policies
from strop.errors import BadInput
from strop.gate import Comparison, Decision, MarginPolicy, Pair, compare, interval, judge
from strop.run import Run, Score, ScoredRun, ScoreFailure, Usage
from strop.spec import AgentSpec
from strop.task import Split, Task

BASE = AgentSpec(name="n", model="m")
CANDIDATE = replace(BASE, settings={"temperature": 0})
POLICY = MarginPolicy(min_tasks=4)


def pair(baseline, candidate, *, task="t", category=None, critical=False):
    return Pair(
        task=task, category=category, critical=critical, baseline=baseline, candidate=candidate
    )


def comparison(*pairs, trials=1):
    return Comparison(
        baseline="b", candidate="c", split=Split.VALIDATION, pairs=pairs, looks=1, trials=trials
    )


def equal_pairs(count, baseline, candidate, **given):
    return [pair((baseline,), (candidate,), task=f"t{i}", **given) for i in range(count)]


def decision(*pairs, policy=POLICY, trials=1):
    return judge(comparison(*pairs, trials=trials), policy).decision


def swapped(given):
    return replace(
        given,
        pairs=tuple(replace(p, baseline=p.candidate, candidate=p.baseline) for p in given.pairs),
    )


# --- judge: laws ---------------------------------------------------------------------------------


@given(comparisons(), policies)
def test_a_verdict_is_a_pure_function(given_, policy):
    again = replace(given_, pairs=tuple(given_.pairs))
    assert judge(given_, policy) == judge(again, policy)
    assert judge(given_, policy).reasons


@given(comparisons(), policies, st.randoms())
def test_the_order_of_tasks_does_not_matter(given_, policy, random):
    pairs = random.sample(given_.pairs, len(given_.pairs))
    mixed = judge(replace(given_, pairs=tuple(pairs)), policy)
    assert mixed.decision is judge(given_, policy).decision


@given(comparisons(), policies)
def test_two_specs_are_never_both_better(given_, policy):
    verdicts = {judge(given_, policy).decision, judge(swapped(given_), policy).decision}
    assert verdicts != {Decision.ACCEPT}


@given(comparisons(complete=True), policies)
def test_equal_scores_are_never_accepted(given_, policy):
    same = tuple(replace(p, candidate=p.baseline) for p in given_.pairs)
    assert judge(replace(given_, pairs=same), policy).decision is not Decision.ACCEPT


@given(comparisons(complete=True), policies)
def test_what_is_accepted_is_better_where_it_matters(given_, policy):
    if judge(given_, policy).decision is Decision.ACCEPT:
        assert given_.effect > 0
        assert given_.effect >= policy.min_effect
        assert len(given_.scored) >= policy.min_tasks
        for part in given_.by_category().values():
            if any(p.critical for p in part.pairs):
                assert part.effect >= -policy.max_critical_drop - 1e-9


def better(draw, of):
    """A comparison that is mostly good for the candidate: what may be accepted is worth testing."""
    count, trials = draw(st.integers(4, 14)), draw(st.integers(1, 2))
    side = st.lists(grades, min_size=trials, max_size=trials).map(tuple)
    pairs = []
    for i in range(count):
        bad = draw(st.integers(0, 9)) == 0
        ones, zeros = (1.0,) * trials, (0.0,) * trials
        baseline, candidate = (draw(side), draw(side)) if bad else (zeros, ones)
        category = draw(st.sampled_from((None, "x", "y")))
        pairs.append(pair(baseline, candidate, task=f"t{i}", category=category, critical=bad))
    return of(*pairs, trials=trials)


@st.composite
def losses(draw):
    """A complete comparison, and the same one with some scores lost."""
    whole = better(draw, comparison)

    def lose(side):
        return side[draw(st.integers(0, len(side))) :] if draw(st.integers(0, 3)) == 0 else side

    lost = tuple(
        replace(p, baseline=lose(p.baseline), candidate=lose(p.candidate)) for p in whole.pairs
    )
    return whole, replace(whole, pairs=lost)


@given(losses(), policies)
def test_a_missing_score_never_helps(both, policy):
    whole, lost = both
    if judge(lost, policy).decision is Decision.ACCEPT:
        assert judge(whole, policy).decision is not Decision.REJECT
        assert whole.effect >= policy.min_effect


@given(comparisons(), policies, st.integers(0, 5))
def test_a_drop_in_a_critical_category_always_rejects(given_, policy, others):
    worse = [
        pair((1.0,), (0.9,), task="t", category="vital", critical=True),
        *equal_pairs(others, 0.5, 0.5, category="vital"),
    ]
    effect = -0.1 / len(worse)
    assume(effect < -policy.max_critical_drop - 1e-6)
    verdict = judge(replace(given_, pairs=(*given_.pairs, *worse)), policy)
    codes = {reason.code for reason in verdict.reasons}
    if codes == {"missing_scores"}:  # an outage: told before anything else, and it may be run again
        assert verdict.decision is Decision.INCONCLUSIVE
        return
    assert verdict.decision is Decision.REJECT
    assert codes == {"critical_drop"}
    assert "vital" in {reason.data["category"] for reason in verdict.reasons}


# --- judge: cases --------------------------------------------------------------------------------


def test_verdicts_in_words():
    mixed = [pair((0.5,), (0.9,), task="u"), pair((0.9,), (0.5,), task="v")]
    cases = {
        "better": equal_pairs(20, 0.0, 1.0),
        "worse": equal_pairs(20, 1.0, 0.0),
        "same": equal_pairs(20, 0.5, 0.5),
        "close": [*equal_pairs(4, 0.5, 0.6), *mixed],
        "few": equal_pairs(3, 0.0, 1.0),
        "out of reach": [pair((1.0,), ()), *equal_pairs(3, 0.0, 1.0)],
        "critical": [pair((1.0,), (0.0,), critical=True), *equal_pairs(99, 0.0, 1.0)],
    }
    words = {}
    for name, pairs in cases.items():
        verdict = judge(comparison(*pairs), POLICY)
        (reason,) = verdict.reasons
        words[name] = f"{verdict.decision}: {reason.code}: {reason.message}"
    assert words == snapshot(
        {
            "better": "accept: better: mean difference +1.000 (interval +0.978 to +1.000, 20 tasks)",
            "worse": "reject: worse: the candidate is worse: mean difference -1.000 (interval -1.000 to -0.978, 20 tasks)",
            "same": "reject: not_better: the candidate is not better: mean difference +0.000 (interval -0.022 to +0.022, 20 tasks)",
            "close": "inconclusive: too_close: mean difference +0.067 (interval -0.144 to +0.277, 6 tasks): more held-out tasks are needed to tell",
            "few": "inconclusive: too_few_tasks: 3 tasks were scored under both specs; the policy asks for 4",
            "out of reach": "inconclusive: missing_scores: scores are missing for 1 of 4 tasks; run again to fill them",
            "critical": "reject: critical_drop: critical tasks without a category: the score changes by -1.000",
        }
    )


def test_one_lucky_task_in_many_is_not_enough():
    assert decision(pair((0.0,), (1.0,)), *equal_pairs(19, 0.5, 0.5)) is Decision.INCONCLUSIVE


def test_missing_scores_beyond_the_bound_are_undecided():
    good = equal_pairs(20, 0.0, 1.0)
    lost = [replace(p, candidate=()) for p in good]
    assert decision(*good[:18], *lost[:2]) is Decision.ACCEPT
    assert decision(*good[:17], *lost[:3]) is Decision.INCONCLUSIVE
    assert judge(comparison(*lost), POLICY).reasons[0].code == "missing_scores"


def test_lost_trials_count_as_missing():
    whole = [pair((0.0,) * 4, (1.0,) * 4, task=f"t{i}") for i in range(20)]
    half = [replace(p, candidate=(1.0, 1.0)) for p in whole]
    assert decision(*whole, trials=4) is Decision.ACCEPT
    assert decision(*half, trials=4) is Decision.INCONCLUSIVE


def test_a_candidate_does_not_profit_from_the_tasks_it_breaks():
    slightly_better = equal_pairs(19, 0.5, 0.6)
    assert decision(*slightly_better, pair((1.0,), (0.0,))) is not Decision.ACCEPT
    assert decision(*slightly_better, pair((1.0,), ())) is Decision.INCONCLUSIVE
    assert decision(*slightly_better, pair((), (0.0,))) is Decision.INCONCLUSIVE


def test_a_critical_category_without_scores_is_not_passed_over():
    good = equal_pairs(30, 0.0, 1.0)
    vital = pair((1.0,), (), category="vital", critical=True)
    assert decision(*good, vital) is Decision.INCONCLUSIVE
    assert decision(*good, replace(vital, candidate=(1.0,))) is Decision.ACCEPT


def test_a_critical_task_needs_no_category():
    good = equal_pairs(30, 0.0, 1.0)
    vital = pair((1.0,), (0.9,), critical=True)
    verdict = judge(comparison(*good, vital), POLICY)
    assert verdict.decision is Decision.REJECT
    assert (
        verdict.reasons[0].message
        == "critical tasks without a category: the score changes by -0.100"
    )


def test_one_critical_task_makes_its_whole_category_critical():
    good = equal_pairs(30, 0.0, 1.0)
    vital = [
        pair((1.0,), (1.0,), category="vital", critical=True),
        pair((1.0,), (0.5,), category="vital"),
    ]
    assert decision(*good, *vital) is Decision.REJECT
    assert decision(*good, *vital, policy=replace(POLICY, max_critical_drop=0.3)) is Decision.ACCEPT


def test_a_critical_drop_is_told_also_when_little_else_is_known():
    vital = pair((1.0,), (0.0,), critical=True)
    assert decision(vital) is Decision.REJECT
    outage = [pair((1.0,), ()) for _ in range(9)]
    assert decision(vital, *outage) is Decision.INCONCLUSIVE  # one pair in ten is no evidence


def test_rounding_is_no_critical_drop():
    shares = [(0.6, 0.9), (0.5, 0.2)]  # +0.30000000000000004 and -0.3, then the other way round
    vital = [pair((a,), (b,), category="vital", critical=True) for a, b in shares]
    back = [pair((b,), (a,), category="vital", critical=True) for a, b in shares]
    good = equal_pairs(30, 0.0, 1.0)
    assert decision(*good, *vital) is Decision.ACCEPT
    assert decision(*good, *back) is Decision.ACCEPT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_effect", -0.1),
        ("min_effect", float("nan")),
        ("standard_errors", float("inf")),
        ("max_missing", -1),
        ("max_critical_drop", -0.01),
        ("min_tasks", 1),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(field, value):
    with pytest.raises(BadInput, match=f"policy.{field}: must be"):
        MarginPolicy(**{field: value})


# --- comparisons and intervals -------------------------------------------------------------------


@given(comparisons())
def test_means_are_of_the_same_pairs(given_):
    if given_.effect is None:
        assert given_.baseline_mean is None
        assert given_.candidate_mean is None
    else:
        assert given_.effect == pytest.approx(given_.candidate_mean - given_.baseline_mean)
        assert len(given_.differences) == len(given_.scored)


@given(comparisons())
def test_categories_share_out_the_pairs(given_):
    parts = given_.by_category()
    assert sum(len(part.pairs) for part in parts.values()) == sum(
        1 for p in given_.pairs if p.category is not None
    )
    assert all(p.category == name for name, part in parts.items() for p in part.pairs)


@given(st.lists(grades, min_size=1, max_size=30), st.floats(0, 5))
def test_an_interval_brackets_the_mean(values, z):
    low, high = interval(values, z=z)
    assert 0.0 <= low <= sum(values) / len(values) + 1e-12
    assert sum(values) / len(values) - 1e-12 <= high <= 1.0


@given(st.sampled_from((0.0, 1.0)), st.integers(1, 500), st.floats(0.1, 5))
def test_an_interval_of_equal_scores_holds_them_to_the_last_digit(value, count, z):
    low, high = interval([value] * count, z=z)
    assert low <= value <= high
    assert low < high


@given(st.lists(st.sampled_from((0.0, 1.0)), min_size=1, max_size=20))
def test_more_of_the_same_narrows_an_interval(values):
    (low, high), (inner_low, inner_high) = interval(values), interval(values * 4)
    assert inner_high - inner_low < high - low


def test_ten_successes_in_ten_leave_much_open():
    assert interval([1.0] * 10) == (pytest.approx(0.722, abs=1e-3), 1.0)
    assert interval([]) is None


# --- compare -------------------------------------------------------------------------------------


def tasks(count, **given):
    return [
        Task(id=f"t{i}", input=i + 1, category="x", split=Split.VALIDATION, **given)
        for i in range(count)
    ]


def result(task, spec, *, trial=0, value=None, error=False):
    run = Run(
        id=f"{spec.short_id}-{task.id}-{trial}",
        task=task.id,
        input=task.input,
        split=Split.VALIDATION,
        trial=trial,
        spec=spec.id,
        usage=Usage(input_tokens=10),
    )
    score = ScoreFailure(name="s", error="broke") if error else Score(name="s", value=value)
    return ScoredRun(run=run, score=score)


def evaluator(seen, values):
    """Scores by spec; keeps what was asked for, and answers in another order."""

    async def evaluate(spec, asked, trials):
        seen.append((spec.id, [task.id for task in asked], trials))
        made = [
            result(
                task, spec, trial=trial, value=values[spec.id], error=task.id == "t1" and trial == 1
            )
            for task in asked
            for trial in range(trials)
        ]
        random.Random(0).shuffle(made)
        return made

    return evaluate


@pytest.mark.anyio
async def test_compare_pairs_the_same_tasks():
    seen = []
    values = {BASE.id: 0.25, CANDIDATE.id: 1}
    made = await compare(
        BASE,
        CANDIDATE,
        tasks(5, critical=True),
        split=Split.VALIDATION,
        evaluate=evaluator(seen, values),
        looks=3,
        trials=2,
        seed=7,
    )
    (base, asked, trials), (candidate, asked_again, _) = seen
    assert (base, candidate, trials) == (BASE.id, CANDIDATE.id, 2)
    assert asked == asked_again
    assert sorted(asked) == [f"t{i}" for i in range(5)]
    assert [p.task for p in made.pairs] == asked
    by_task = {p.task: p for p in made.pairs}
    assert by_task["t0"].baseline == (0.25, 0.25)
    assert by_task["t1"].candidate == (1.0,)
    assert by_task["t1"].critical
    assert (made.looks, made.trials, made.split) == (3, 2, Split.VALIDATION)
    assert made.candidate_usage == Usage(input_tokens=100)


@pytest.mark.anyio
async def test_the_seed_alone_decides_the_order():
    async def order(seed):
        seen = []
        await compare(
            BASE,
            CANDIDATE,
            tasks(8),
            split=Split.VALIDATION,
            evaluate=evaluator(seen, {BASE.id: 0, CANDIDATE.id: 0}),
            looks=1,
            seed=seed,
        )
        return seen[0][1]

    assert await order(1) == await order(1)
    assert await order(1) != await order(2)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given_", "split", "message"),
    [
        (tasks(2), Split.TRAIN, "a gate compares on validation tasks, not on 'train'"),
        (tasks(2), Split.TEST, "not on 'test'"),
        (tasks(2), Split.PRODUCTION, "not on 'production'"),
        ([], Split.VALIDATION, "no validation tasks"),
        ([Task(id="a", input=1, split=Split.TRAIN)], Split.VALIDATION, "'a' is not a validation"),
        ([Task(id="a", input=1)], Split.VALIDATION, "'a' is not a validation task"),
        ([*tasks(2), *tasks(1)], Split.VALIDATION, "a task stands twice"),
    ],
)
async def test_only_held_out_tasks_are_compared_on(given_, split, message):
    async def evaluate(spec, asked, trials):
        pytest.fail("nothing may be run")

    with pytest.raises(BadInput, match=message):
        await compare(BASE, CANDIDATE, given_, split=split, evaluate=evaluate, looks=1)
