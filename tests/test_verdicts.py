"""Which verdict stands on a candidate, how often held-out tasks were looked at, what was taken back."""

from dataclasses import replace

import pytest

from strop.gate import Comparison, Decision, Pair, Reason, Verdict
from strop.propose import Proposal
from strop.release import Action, Release
from strop.spec import Add, AgentSpec, Item, Kind, Remove
from strop.store import open_store
from strop.task import Split, Task
from strop.verdicts import looks, record_verdict, standing_verdict, task_set, without_rolled_back

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
        looks=looks(store, tasks) + 1,
    )
    record_verdict(store, PROPOSAL, comparison, Verdict(decision=decision, reasons=reasons), tasks)


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
    assert standing_verdict(store, BASE, CANDIDATE, TASKS) is None
    record(store, decision, code)
    standing = standing_verdict(store, BASE, CANDIDATE, TASKS[::-1])
    assert standing.decision is decision
    (reason,) = standing.reasons
    assert reason.message == f"judged before on the same tasks: because {code}"
    assert standing_verdict(store, CANDIDATE, BASE, TASKS) is None
    assert standing_verdict(store, BASE, CANDIDATE, TASKS[:2]) is None


def test_an_outage_does_not_bar_a_candidate_for_ever(store):
    record(store, Decision.INCONCLUSIVE, "missing_scores")
    assert standing_verdict(store, BASE, CANDIDATE, TASKS) is None
    record(store, Decision.REJECT, "worse")
    record(store, Decision.INCONCLUSIVE, "missing_scores")
    assert standing_verdict(store, BASE, CANDIDATE, TASKS).decision is Decision.REJECT


def test_every_look_at_the_same_tasks_counts(store):
    for _ in range(3):
        record(store, Decision.INCONCLUSIVE, "missing_scores")
    record(store, Decision.REJECT, "worse", tasks=TASKS[:2])
    assert looks(store, TASKS[::-1]) == 3
    assert looks(store, TASKS[:2]) == 1
    assert looks(store, TASKS[:1]) == 0


def test_a_set_of_tasks_is_what_decides_their_results():
    assert task_set(TASKS) == task_set(TASKS[::-1])
    assert task_set(TASKS) == task_set([replace(task, category="x") for task in TASKS])
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
