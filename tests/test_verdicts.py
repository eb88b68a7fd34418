"""Which verdict stands on a candidate, how often held-out tasks were looked at, what was taken back."""

from dataclasses import replace

import pytest

from strop.gate import Comparison, Decision, MarginPolicy, Pair, Reason, Verdict
from strop.propose import Aim, Proposal
from strop.release import Action, Release
from strop.spec import Add, AgentSpec, Item, Kind, Remove
from strop.store import open_store
from strop.task import Split, Task
from strop.verdicts import (
    looks,
    record_verdict,
    standing_verdict,
    task_set,
    terms_of,
    without_rolled_back,
)

ONE = Item(id="one", kind=Kind.CLAUSE, content={"text": "One."})
TWO = Item(id="two", kind=Kind.CLAUSE, content={"text": "Two."})
BASE = AgentSpec(name="n", model="m")
CANDIDATE = replace(BASE, items=(ONE,))
TASKS = tuple(Task(id=id_, input=id_, split=Split.VALIDATION) for id_ in "abc")
PROPOSAL = Proposal(
    parent=BASE.id,
    changes=(Add(item=ONE), Add(item=TWO)),
    findings=(),
    proposer="mined:examples",
    summary="two clauses",
)


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="n", clock=lambda: 1.0) as opened:
        yield opened


def record(store, decision, *codes, tasks=TASKS):
    reasons = tuple(Reason(code=code, message=f"because {code}") for code in codes)
    comparison = Comparison(
        baseline=BASE.id,
        candidate=CANDIDATE.id,
        split=Split.VALIDATION,
        pairs=(Pair(task="a", category=None, critical=False, baseline=(0.0,), candidate=(1.0,)),),
        looks=looks(store, task_set(tasks)) + 1,
    )
    verdict = Verdict(decision=decision, reasons=reasons)
    record_verdict(
        store,
        PROPOSAL,
        CANDIDATE,
        verdict,
        tasks=task_set(tasks),
        terms=terms(tasks),
        looks=comparison.looks,
        comparison=comparison,
    )


POLICY = MarginPolicy()


def terms(tasks=TASKS, policy=POLICY, scorer="exact/1", trials=1):
    return terms_of(policy, scorer, trials, tasks, aim=Aim.BETTER)


def standing(store, tasks=TASKS, **other):
    return standing_verdict(store, BASE, CANDIDATE, terms=terms(tasks, **other))


@pytest.mark.parametrize(
    "other", [{"policy": MarginPolicy(min_tasks=5)}, {"scorer": "exact/2"}, {"trials": 2}]
)
def test_on_other_terms_no_verdict_stands(store, other):
    record(store, Decision.REJECT, "worse")
    assert standing(store) is not None
    assert standing(store, **other) is None
    critical = [replace(task, critical=True) for task in TASKS]
    assert standing(store, critical) is None


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (Decision.REJECT, "worse"),
        (Decision.INCONCLUSIVE, "too_close"),
        (Decision.INCONCLUSIVE, "too_few_tasks"),
        (Decision.ACCEPT, "better"),
    ],
)
def test_a_verdict_stands_on_the_same_candidate_and_tasks(store, decision, code):
    assert standing(store) is None
    record(store, decision, code)
    held = standing(store, TASKS[::-1])
    assert held.decision is decision
    (reason,) = held.reasons
    assert reason.message == f"judged before on the same tasks: because {code}"
    assert standing_verdict(store, CANDIDATE, BASE, terms=terms()) is None
    assert standing(store, TASKS[:2]) is None


def test_an_outage_does_not_bar_a_candidate_for_ever(store):
    record(store, Decision.INCONCLUSIVE, "missing_scores")
    assert standing(store) is None
    record(store, Decision.REJECT, "worse")
    record(store, Decision.INCONCLUSIVE, "missing_scores")
    assert standing(store).decision is Decision.REJECT


def test_every_look_at_the_same_tasks_counts(store):
    for _ in range(3):
        record(store, Decision.INCONCLUSIVE, "missing_scores")
    record(store, Decision.REJECT, "worse", tasks=TASKS[:2])
    assert looks(store, task_set(TASKS[::-1])) == 3
    assert looks(store, task_set(TASKS[:2])) == 1
    assert looks(store, task_set(TASKS[:1])) == 0


def test_a_set_of_tasks_is_what_decides_their_results():
    assert task_set(TASKS) == task_set(TASKS[::-1])
    assert task_set(TASKS) == task_set([replace(task, group="x") for task in TASKS])
    assert task_set(TASKS) != task_set([replace(task, expected="x") for task in TASKS])


def release(store, spec, action):
    current = store.released()
    previous = None if current is None else current.spec
    made = Release(
        spec=spec.id, previous=previous, origin=BASE.id, action=action, summary="", by="person"
    )
    store.append_release(made, spec)


def test_what_a_rollback_took_back_is_not_proposed_again(store):
    assert without_rolled_back(PROPOSAL, store) == (PROPOSAL, 0)
    release(store, BASE, Action.INITIAL)
    release(store, CANDIDATE, Action.PROMOTE)
    release(store, BASE, Action.ROLLBACK)
    kept, refused = without_rolled_back(PROPOSAL, store)
    assert ([change.item for change in kept.changes], refused) == ([TWO], 1)
    removal = replace(PROPOSAL, changes=(Remove(item_id="one"),))
    assert without_rolled_back(removal, store) == (removal, 0)
    release(store, CANDIDATE, Action.ROLLBACK)  # forward again: a person wants it after all
    assert without_rolled_back(PROPOSAL, store) == (PROPOSAL, 0)
