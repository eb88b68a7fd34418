"""What a person edits and what was learned are laid over each other, and neither is lost."""

from dataclasses import replace
from itertools import count
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import bare_specs, fitting_changes
from strop.release import Action, Release, first_break, rollback_target
from strop.settle import settle
from strop.spec import Add, AgentSpec, Item, Kind, Provenance, Remove, Revise, Trust, apply
from strop.store import open_store

numbers = count()  # an agent of its own for every example


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="n", clock=lambda: 1.0) as opened:
        yield opened


def clause(text, id=None, **given):  # noqa: A002
    """A clause as the configuration makes it: without an id of its own, its text is its id."""
    return Item(id=id or text, kind=Kind.CLAUSE, content={"text": text}, **given)


def example(text):
    return Item(
        id=f"example-{text}",
        kind=Kind.EXAMPLE,
        content={"input": text, "output": "yes"},
        provenance=Provenance(by="mined:examples", runs=("r",), trust=Trust.EVIDENCE),
    )


def base(*items, **given):
    given = {"name": "n", "model": "m"} | given
    return AgentSpec(
        items=tuple(clause(item) if isinstance(item, str) else item for item in items), **given
    )


def learn(store, *changes):
    """A release of the gate on top of what serves."""
    release = store.released()
    served = store.spec(release.spec)
    candidate = apply(served, changes)
    store.append_release(
        Release(
            spec=candidate.id,
            previous=served.id,
            origin=release.origin,
            action=Action.PROMOTE,
            summary="learned",
            by="gate",
        ),
        candidate,
    )
    return candidate


def texts_of(spec):
    return [item.text for item in spec.of_kind(Kind.CLAUSE)]


def examples_of(spec):
    return [item.id for item in spec.of_kind(Kind.EXAMPLE)]


def test_the_first_release_is_the_agent_as_configured(store):
    spec = base("a", "b")
    assert settle(spec, store) == spec
    (release,) = store.releases()
    assert release == Release(
        spec=spec.id,
        previous=None,
        origin=spec.id,
        action=Action.INITIAL,
        summary="the agent as configured",
        by="configuration",
    )
    assert store.spec(spec.id) == spec


def test_nothing_changed_is_no_release(store):
    spec = base("a", "b")
    settle(spec, store)
    learned = learn(store, Add(item=example("x")))
    for _ in range(3):
        assert settle(spec, store) == learned
    assert len(store.releases()) == 2


def test_another_provenance_is_no_change(store):
    settle(base("a"), store)
    settle(base(clause("a", provenance=Provenance(by="elsewhere"))), store)
    assert len(store.releases()) == 1


def test_an_edited_clause_and_learned_examples_are_both_kept(store):
    settle(base("a", "b", "c"), store)
    learn(store, Add(item=example("x")), Add(item=example("y")))
    made = settle(base("a", "B!", "c"), store)
    assert texts_of(made) == ["a", "B!", "c"]
    assert examples_of(made) == ["example-x", "example-y"]
    newest = store.released()
    assert (newest.action, newest.by) == (Action.CONFIGURE, "configuration")
    assert newest.spec == made.id
    assert newest.origin == base("a", "B!", "c").id
    assert newest.summary == "the configuration changed: 2 items"
    assert settle(base("a", "B!", "c"), store) == made
    assert len(store.releases()) == 3


def test_a_clause_edited_under_its_own_id_keeps_its_place(store):
    settle(base(clause("a", "1"), clause("b", "2"), clause("c", "3")), store)
    learn(store, Add(item=example("x")))
    made = settle(base(clause("a", "1"), clause("B!", "2"), clause("c", "3")), store)
    assert texts_of(made) == ["a", "B!", "c"]
    assert examples_of(made) == ["example-x"]
    assert store.released().summary == "the configuration changed: 1 items"


@pytest.mark.parametrize(
    "edited",
    ["abXc", "Xabc", "abcX", "ac", "b", "", "cab", "cXaY", "XYZ"],
    ids=lambda text: text or "none",
)
def test_clauses_end_up_as_configured_with_what_was_learned_beside_them(store, edited):
    settle(base("a", "b", "c"), store)
    learn(store, Add(item=example("x")))
    learn(store, Add(item=clause("learned", provenance=Provenance(by="reflected"))))
    made = settle(base(*edited), store)
    assert [text for text in texts_of(made) if text != "learned"] == list(edited)
    assert "learned" in texts_of(made)
    assert examples_of(made) == ["example-x"]


def test_edit_after_edit(store):
    settle(base("a"), store)
    learn(store, Add(item=example("x")))
    for clauses in ("ab", "cab", "cb", "b"):
        made = settle(base(*clauses), store)
        assert "".join(texts_of(made)) == clauses
        assert examples_of(made) == ["example-x"]
    actions = [release.action for release in store.releases()]
    assert actions == [Action.INITIAL, Action.PROMOTE, *[Action.CONFIGURE] * 4]
    assert first_break(store.ledger()) is None


def test_another_model_keeps_what_was_learned(store):
    settle(base("a"), store)
    learn(store, Add(item=example("x")))
    made = settle(base("a", model="k", settings={"temperature": 1}), store)
    assert (made.model, made.settings) == ("k", {"temperature": 1})
    assert examples_of(made) == ["example-x"]
    assert store.released().summary == "the configuration changed: model, settings"


def test_a_number_written_in_another_way_is_named(store):
    settle(base("a", settings={"temperature": 1}), store)
    settle(base("a", settings={"temperature": 1.0}), store)
    assert store.released().summary == "the configuration changed: settings"


def test_a_person_may_edit_what_is_protected(store):
    settle(base(clause("a", "1", protected=True)), store)
    made = settle(base(clause("b", "1")), store)
    assert texts_of(made) == ["b"]
    assert not made.items[0].protected


def test_a_person_who_edits_a_clause_overrides_what_was_learned_of_it(store):
    settle(base(clause("a", "1"), clause("b", "2")), store)
    learn(store, Revise(item_id="1", item=clause("learned", "1")), Remove(item_id="2"))
    made = settle(base(clause("A!", "1"), clause("B!", "2")), store)
    assert texts_of(made) == ["A!", "B!"]


def test_what_a_person_did_not_touch_stays_as_learned(store):
    settle(base(clause("a", "1"), clause("b", "2"), clause("c", "3")), store)
    learn(store, Revise(item_id="1", item=clause("learned", "1")), Remove(item_id="2"))
    made = settle(base(clause("a", "1"), clause("b", "2"), clause("C!", "3")), store)
    assert texts_of(made) == ["learned", "C!"]


def test_what_only_moved_stays_as_learned(store):
    settle(base(clause("a", "1"), clause("b", "2"), clause("c", "3")), store)
    learn(store, Revise(item_id="1", item=clause("learned", "1")), Remove(item_id="2"))
    made = settle(base(clause("c", "3"), clause("b", "2"), clause("a", "1")), store)
    assert sorted(texts_of(made)) == ["c", "learned"]


def test_a_new_clause_takes_its_id_back_from_what_was_learned(store):
    settle(base("a"), store)
    learn(store, Add(item=clause("learned", "1")))
    made = settle(base("a", clause("mine", "1")), store)
    assert texts_of(made) == ["a", "mine"]
    kind = Item(id="1", kind=Kind.HEURISTIC, content={"text": "think"})
    made = settle(base("a", kind), store)
    assert [item.id for item in made.of_kind(Kind.HEURISTIC)] == ["1"]


def test_an_edit_that_learning_made_already_is_no_step_back(store):
    settle(base("a", "b"), store)
    learned = learn(store, Remove(item_id="b"))
    made = settle(base("a"), store)
    assert made == learned
    assert store.released().summary == "the configuration changed: to what was learned already"
    assert texts_of(store.spec(rollback_target(store.releases()).spec)) == ["a", "b"]
    settle(base("a"), store)
    assert len(store.releases()) == 3


@given(bare_specs, bare_specs, st.data())
def test_whatever_is_learned_the_edit_is_what_it_is(tmp_path_factory, origin, edited, data):
    """Items the person changed are as the person says; items only learning knows are as learned."""
    learned = data.draw(fitting_changes(origin))
    path = tmp_path_factory.getbasetemp() / "settle.db"
    with open_store(str(path), agent=f"agent-{next(numbers)}", clock=lambda: 1.0) as opened:
        settle(origin, opened)
        served = apply(origin, learned, by_person=True)
        if served.id != origin.id:
            opened.append_release(
                Release(
                    spec=served.id,
                    previous=origin.id,
                    origin=origin.id,
                    action=Action.PROMOTE,
                    summary="",
                    by="gate",
                ),
                served,
            )
        made = settle(edited, opened)
        assert settle(edited, opened).id == made.id
    before, after = ({i.id: i.digest for i in spec.items} for spec in (origin, edited))
    had, has = ({i.id: i.digest for i in spec.items} for spec in (served, made))
    for item_id in before | after | had | has:
        if before.get(item_id) != after.get(item_id):
            assert has.get(item_id) == after.get(item_id)
        else:
            assert has.get(item_id) == had.get(item_id)
    assert replace(made, items=()) == replace(edited, items=())


def test_processes_that_start_at_once_agree(tmp_path):
    """Every worker of a server settles when it starts; one release comes of it, and no error."""
    url, workers = str(tmp_path / "s.db"), 6
    spec, start = base("a"), Barrier(workers)
    served, errors = [], []
    open_store(url, agent="n").close()

    def work():
        with open_store(url, agent="n") as opened:
            start.wait()
            try:
                served.append(settle(spec, opened).id)
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    threads = [Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert served == [spec.id] * workers
    with open_store(url, agent="n") as opened:
        assert len(opened.releases()) == 1
