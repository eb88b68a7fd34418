"""What an agent remembers, where it was shown, and a person's taking it out for good."""

from dataclasses import replace

import pytest

from strop import Run, Score, ScoredRun, Split
from strop.errors import ChangeRefused, UserMistake
from strop.gate import Decision
from strop.memories import evidence_of, find_item, memories_of, retire, type_of, uses
from strop.propose import Proposal
from strop.release import Action, Release
from strop.settle import settle
from strop.spec import Add, AgentSpec, Item, Kind, Provenance, Revise, Trust, apply
from strop.store import open_store
from strop.verdicts import rolled_back_before, without_rolled_back

LEARNED = Provenance(by="mined:lessons", runs=("run-1", "gone-2"), trust=Trust.EVIDENCE)


def memory(item_id, text, kind=Kind.MEMORY, **more):
    return Item(id=item_id, kind=kind, content={"text": text, **more}, provenance=LEARNED)


OWN = Item(id="clause-own", kind=Kind.CLAUSE, content={"text": "Be kind."})
LESSON = memory("lesson-aaaa", "Ask for the number.", type="lesson")
FACT = memory("fact-bbbb", "Shops close at six.", type="fact")
HABIT = memory("heuristic-aacc", "Look twice.", kind=Kind.HEURISTIC)
BASE = AgentSpec(name="n", model="m", items=(OWN,))
LEARNT = replace(BASE, items=(OWN, FACT, HABIT, LESSON))


def release(store, spec, action=Action.PROMOTE):
    now = store.released()
    given = Release(
        spec=spec.id,
        previous=None if now is None else now.spec,
        origin=BASE.id,
        action=action,
        summary="x",
        by="gate",
    )
    store.append_release(given, spec)


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="n", clock=lambda: 1.0) as opened:
        settle(BASE, opened)
        release(opened, LEARNT)
        yield opened


def run(run_id, split, *shown, score=None):
    made = Run(id=run_id, task=f"t-{run_id}", input="hello", split=split, shown=shown)
    return ScoredRun(run=made, score=None if score is None else Score(name="s", value=score))


def proposed(*items, change=None):
    changes = [change(item) if change else Add(item=item) for item in items]
    return Proposal(
        parent=BASE.id, changes=tuple(changes), findings=(), proposer="mined:lessons", summary="x"
    )


def left_of(store, *items, change=None):
    kept, refused = without_rolled_back(proposed(*items, change=change), store)
    assert refused + len(kept.changes) == len(items)
    return [each.item.id for each in kept.changes]


def test_memories_come_by_type_and_by_name():
    assert [item.id for item in memories_of(LEARNT)] == [
        "lesson-aaaa",
        "fact-bbbb",
        "heuristic-aacc",
    ]
    assert memories_of(LEARNT, only="heuristic") == (HABIT,)
    assert [type_of(item) for item in (LESSON, memory("x", "y"), HABIT, OWN)] == [
        *("lesson", "lesson", "heuristic", "clause")
    ]
    with pytest.raises(UserMistake, match="no type 'dream'"):
        memories_of(LEARNT, only="dream")
    for name in ("lesson-aaaa", "less", "aaa"):
        assert find_item(LEARNT, name) == LESSON
    with pytest.raises(UserMistake, match="2 items begin with 'aa'"):
        find_item(LEARNT, "aa")
    for name in ("zz", ""):
        with pytest.raises(UserMistake, match="no item"):
            find_item(LEARNT, name)


def test_where_an_item_was_shown_leaves_the_sealed_split_out(store):
    store.put_runs(
        [
            run("run-1", Split.TRAIN, LESSON.id, score=1.0),
            run("run-2", Split.VALIDATION, LESSON.id, FACT.id, score=0.5),
            run("run-3", Split.PRODUCTION, LESSON.id),
            run("run-4", Split.TEST, LESSON.id, score=0.0),
        ]
    )
    used = uses(store, (LESSON, FACT, HABIT))
    assert used[LESSON.id].to_json() == {"shown": 3, "scored": 2, "score": 0.75}
    assert used[LESSON.id].runs == ("run-1", "run-2", "run-3")
    assert used[HABIT.id].mean is None
    assert uses(store, ()) == {}
    behind = evidence_of(store, LESSON)
    assert [(run_id, found is not None) for run_id, found in behind] == [
        *(("run-1", True), ("gone-2", False))
    ]


def test_a_person_takes_an_item_out_and_it_stays_out(store):
    item, made = retire(store, "lesson", by="ana", reason="it is wrong")
    assert item == LESSON
    assert (made.action, made.by) == (Action.RETIRE, "person:ana")
    assert "it is wrong" in made.summary
    assert settle(BASE, store).items == (OWN, FACT, HABIT)

    # The same again; with more evidence; another proposer's words for it; a fresh id.
    grown = replace(LESSON, content={**LESSON.content, "about": ["where is it"]})
    renamed = replace(LESSON, id="lesson-zzzz", content={"text": "ask for the  NUMBER"})
    reworded = replace(LESSON, content={"text": "Do ask for it."})
    assert left_of(store, LESSON, grown, renamed, reworded, FACT) == [FACT.id]
    assert left_of(store, reworded, change=lambda i: Revise(item_id=i.id, item=i)) == []
    other = memory("heuristic-x", LESSON.text, kind=Kind.HEURISTIC)
    assert left_of(store, other) == ["heuristic-x"]  # another lever may still say it
    verdict = rolled_back_before(1)
    assert verdict.decision is Decision.REJECT


def test_a_rollback_brings_it_back_and_allows_it_again(store):
    retire(store, LESSON.id, by="ana")
    release(store, LEARNT, Action.ROLLBACK)
    assert left_of(store, LESSON) == [LESSON.id]
    retire(store, LESSON.id, by="ana")
    assert left_of(store, LESSON) == []
    release(store, apply(settle(BASE, store), [Add(item=memory("m", "New."))]))
    assert left_of(store, LESSON) == []


def test_what_is_not_to_be_retired_says_why(store, tmp_path):
    with pytest.raises(ChangeRefused, match="from the configuration"):
        retire(store, OWN.id, by="ana")
    release(store, replace(LEARNT, items=(OWN, replace(LESSON, protected=True))))
    with pytest.raises(ChangeRefused, match="from the configuration"):
        retire(store, LESSON.id, by="ana")
    with pytest.raises(UserMistake, match="say who"):
        retire(store, LESSON.id, by=" ")
    with (
        open_store(str(tmp_path / "empty.db"), agent="n") as empty,
        pytest.raises(UserMistake, match="nothing was released"),
    ):
        retire(empty, LESSON.id, by="ana")
