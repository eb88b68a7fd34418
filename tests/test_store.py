"""The store's contract, on SQLite and on Postgres; and what each does when things go wrong.

Databases, processes, kills, locks and full disks are real. Next file: `../src/strop/store/store.py`.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, update

import strop.store
from postgres import new_database, postgres, sql  # noqa: F401 - a fixture
from strop.errors import BadInput, NotInstalled, StoreUnavailable, UserMistake
from strop.release import Action, Channel, Release, first_break
from strop.run import (
    CodeRun,
    ErrorStep,
    Message,
    ModelCall,
    Run,
    RunError,
    Score,
    ScoredRun,
    ScoreFailure,
    ToolCall,
    Usage,
)
from strop.spec import Add, AgentSpec, Item, Kind, apply
from strop.store import EvaluationKey, ReleaseConflict, Store, open_store
from strop.store.migrations import config, upgrade
from strop.store.tables import SCHEMA, VERSION_TABLE, ledger, metadata
from strop.task import Split, Task

SRC = str(Path(__file__).parents[1] / "src")
TOKYO = "東京 \x00 \\0 \\u0000 😀 '\"%_"
EACH_ON_ITS_OWN = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """A database that nobody has opened yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "deep" / "folder" / "strop.db")
    else:
        yield request.getfixturevalue("database")


@pytest.fixture
def database(postgres):  # noqa: F811 - a fixture is asked for by its name
    """URL of a Postgres database that nobody has opened yet."""
    with new_database(postgres) as fresh:
        yield fresh


@pytest.fixture
def store(url):
    clock = iter(range(1_000_000)).__next__
    with open_store(url, agent="router", clock=clock) as opened:
        yield opened


@pytest.fixture
def path(tmp_path):
    return tmp_path / "strop.db"


def spec_with(*texts: str) -> AgentSpec:
    items = [Item(id=f"c{i}", kind=Kind.CLAUSE, content={"text": t}) for i, t in enumerate(texts)]
    return AgentSpec(
        name="router", model="frozen-1", settings={"temperature": 0.0}, items=tuple(items)
    )


def a_run(run_id="run-0001", **changes) -> Run:
    run = Run(
        id=run_id, task="t1", input={"text": TOKYO}, split=Split.TRAIN, spec="s" * 64, output="x"
    )
    return replace(run, **changes)


FULL = a_run(
    steps=(
        ModelCall(model="m", usage=Usage(input_tokens=3, cost=0.1, seconds=0.25)),
        Message(role="user", content=TOKYO),
        ToolCall(tool="t", args={"b": 1, "a": [1.5, None, TOKYO]}, result=[2**70], error=None),
        CodeRun(source="1\n", output="1", error="e"),
        ErrorStep(type="agent", message=TOKYO),
    ),
    error=RunError(type="agent", message=TOKYO),
    shown=("a", "b"),
    withheld=("c",),
    at=1e9 + 1 / 3,
    trial=2,
)


def key(task="d" * 64, **changes) -> EvaluationKey:
    return replace(
        EvaluationKey(spec="s" * 64, task=task, trial=0, model="m", scorer="exact@1"), **changes
    )


def release_of(spec, previous=None, **changes) -> Release:
    base = Release(
        spec=spec.id,
        previous=previous and previous.id,
        origin=spec.id,
        action=Action.PROMOTE,
        summary=TOKYO,
        by="gate",
    )
    return replace(base, **changes)


# --- specs, tasks, documents, settings ----------------------------------------------------------


def test_a_spec_comes_back_whole_by_id_or_prefix(store):
    spec = spec_with("Answer with one label.", TOKYO)
    store.put_spec(spec)
    store.put_spec(spec)
    assert store.spec(spec.id) == spec
    assert store.spec(spec.id[:4]) == spec
    assert store.spec(spec.id).id == spec.id


@pytest.mark.parametrize(
    "wrong", ["", "ab", "abc", "nope", "zzzzzzzz", "%%%%", "____", "\x00\x00\x00\x00"]
)
def test_an_unknown_spec_is_a_mistake(store, wrong):
    store.put_spec(spec_with("x"))
    with pytest.raises(UserMistake, match="spec"):
        store.spec(wrong)


def test_an_id_wins_over_the_ids_it_begins_and_several_are_named(store):
    for run_id in ("abcd", "abcd1", "abcd2", "ABCD3"):
        store.put_run(a_run(run_id))
    assert store.run("abcd").run.id == "abcd"
    assert store.run("ABCD").run.id == "ABCD3"
    store.put_run(a_run("other-1"))
    store.put_run(a_run("other-2"))
    with pytest.raises(UserMistake, match="other-1, other-2"):
        store.run("othe")


def test_tasks_keep_their_order_and_may_be_corrected(store):
    tasks = [Task(id=f"t{i}", input=f"q{i}", split=Split.TRAIN) for i in range(3)]
    tasks.append(Task(id="t3", input=TOKYO, expected=[TOKYO], split=None, metadata={"a": TOKYO}))
    store.put_tasks(iter(tasks))
    corrected = replace(tasks[0], expected="a", split=Split.VALIDATION)
    store.put_tasks([corrected])
    assert store.tasks(split=None) == (corrected, *tasks[1:])
    assert store.tasks(split=Split.TRAIN) == tuple(tasks[1:3])
    assert store.tasks(split=Split.VALIDATION) == (corrected,)
    assert store.tasks(split=Split.TEST) == ()
    assert store.task("t0") == corrected
    assert store.task("none") is None
    store.put_tasks([])


def test_more_tasks_than_one_query_takes(store):
    tasks = tuple(Task(id=f"t{i}", input="q", split=Split.TEST) for i in range(1203))
    store.put_tasks(tasks)
    assert store.tasks(split=Split.TEST) == tasks


def test_documents(store):
    for i in range(450):
        store.put_document("finding", f"f{i}", {"claim": TOKYO, "n": i})
    store.put_document("proposal", "f0", {"other": True})
    store.put_document("finding", "f0", {"claim": "a second one does not replace the first"})
    assert store.document("finding", "f0") == {"claim": TOKYO, "n": 0}
    assert [(key, body["n"]) for key, body in store.documents("finding")] == [
        (f"f{i}", i) for i in range(450)
    ]
    assert list(store.documents("comparison")) == []
    with pytest.raises(UserMistake, match="no finding 'f999'"):
        store.document("finding", "f999")


def test_settings(store):
    assert store.get_meta("k") is None
    store.set_meta("k", "v")
    store.set_meta("k", TOKYO)
    assert store.get_meta("k") == TOKYO


# --- runs and scores ----------------------------------------------------------------------------


def test_a_run_comes_back_whole(store):
    store.put_run(FULL, Score(name="exact", value=0.5, reason=TOKYO, scorer="exact@1"))
    back = store.run(FULL.id)
    assert back.run == FULL
    assert back.run.steps == FULL.steps
    assert back.run.input == FULL.input
    assert back.score == Score(name="exact", value=0.5, reason=TOKYO, scorer="exact@1")


@EACH_ON_ITS_OWN
@given(data=st.data())
def test_any_text_survives(store, data):
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    names = st.text(min_size=1)  # lone surrogates too: a namespace and a setting may be anything
    run = a_run(
        data.draw(text) + str(time.monotonic_ns()),
        task=data.draw(text),
        spec=data.draw(text),
        input=data.draw(text),
        steps=(Message(role="user", content=data.draw(text)),),
    )
    score = Score(name=data.draw(text), value=0.25, reason=data.draw(text), scorer=data.draw(text))
    where = key(task=data.draw(text) + str(time.monotonic_ns()), model=data.draw(text))
    store.put_run(run, score, key=where)
    assert store.evaluation(where) == ScoredRun(run=run, score=score) == store.run(run.id)
    assert run in [each.run for each in store.runs(split=Split.TRAIN, spec=run.spec)]
    name, value = data.draw(names), data.draw(names)
    store.set_meta(name, value)
    assert store.get_meta(name) == value


def test_a_run_id_is_used_once(store):
    store.put_run(a_run(), Score(name="exact", value=1.0))
    with pytest.raises(BadInput, match="'run-0001' is in the store already"):
        store.put_run(a_run(output="other"), key=key())
    assert store.run("run-0001").run.output == "x"
    assert store.evaluation(key()) is None


def test_a_run_that_is_no_json_is_refused_with_the_spot(store):
    with pytest.raises(BadInput, match=r"NaN|nan"):
        store.put_run(a_run(steps=(ToolCall(tool="t", result=float("nan")),)))
    assert store.count_runs()[Split.TRAIN] == 0


def test_a_persons_score_counts_more_and_the_newest_counts_most(store):
    def counts():
        return store.run("run-0001").score

    store.put_run(a_run())
    assert counts() is None
    store.put_run(a_run("run-0002"), Score(name="exact", value=0.9))
    store.add_score("run-0001", Score(name="exact", value=0.1))
    store.add_score("run-0001", Score(name="judge", value=0.2))
    assert counts() == Score(name="judge", value=0.2)
    store.add_score("run-0001", Score(name="human", value=0.3))
    store.add_score("run-0001", Score(name="exact", value=0.4))
    assert counts() == Score(name="human", value=0.3)
    store.add_score("run-0001", Score(name="human", value=0.5, reason="looked again"))
    assert counts() == Score(name="human", value=0.5, reason="looked again")
    assert store.run("run-0002").value == 0.9
    with pytest.raises(UserMistake, match="run 'run-9999'"):
        store.add_score("run-9999", Score(name="human", value=0.5))


def test_runs_are_streamed_in_order_by_split_and_spec(store):
    for i in range(450):
        split = Split.VALIDATION if i % 3 == 0 else Split.TRAIN
        score = (
            ScoreFailure(name="judge", error="no answer") if i % 2 else Score(name="e", value=1.0)
        )
        store.put_run(a_run(f"run-{i:04}", split=split, spec=f"spec{i % 5}", at=-float(i)), score)
    train = [i for i in range(450) if i % 3]
    back = list(store.runs(split=Split.TRAIN))
    assert [each.run.id for each in back] == [f"run-{i:04}" for i in train]
    assert all(
        isinstance(each.score, ScoreFailure) == bool(i % 2)
        for each, i in zip(back, train, strict=True)
    )
    of_spec = [f"run-{i:04}" for i in train if i % 5 == 2]
    assert [e.run.id for e in store.runs(split=Split.TRAIN, spec="spec2")] == of_spec
    assert [e.run.id for e in store.runs(split=Split.TRAIN, spec="spec2", limit=7)] == of_spec[-7:]
    assert len(list(store.runs(split=Split.TRAIN, limit=250))) == 250
    assert len(list(store.runs(split=Split.TRAIN, limit=10_000))) == len(train)
    assert list(store.runs(split=Split.TRAIN, limit=0)) == []
    assert list(store.runs(split=Split.PRODUCTION)) == []
    assert list(store.runs(split=Split.TRAIN, spec="spec")) == []
    assert store.count_runs() == {
        Split.TRAIN: 300,
        Split.VALIDATION: 150,
        Split.TEST: 0,
        Split.PRODUCTION: 0,
    }


def test_a_full_page_is_the_last_one(store):
    store.put_runs(ScoredRun(run=a_run(f"r{i:05}")) for i in range(400))
    assert len(list(store.runs(split=Split.TRAIN))) == 400
    assert len(list(store.runs(split=Split.TRAIN, limit=400))) == 400


def test_runs_may_be_stored_while_they_are_streamed(store):
    store.put_runs(ScoredRun(run=a_run(f"r{i:05}")) for i in range(300))
    seen = 0
    for each in store.runs(split=Split.TRAIN, limit=300):
        store.put_run(a_run(f"copy-{each.run.id}"))
        seen += 1
    assert seen == 300


def test_import_is_all_or_nothing(store):
    scored = [
        ScoredRun(run=a_run(f"r{i:05}"), score=Score(name="e", value=0.5)) for i in range(1300)
    ]
    assert store.put_runs(iter(scored)) == 1300
    assert list(store.runs(split=Split.TRAIN)) == scored
    assert store.put_runs([]) == 0
    fresh = [ScoredRun(run=a_run(f"new{i:05}")) for i in range(1200)]
    with pytest.raises(BadInput, match="'r00007' is in the store already"):
        store.put_runs([*fresh, scored[7]])
    with pytest.raises(BadInput, match="'new00003'"):
        store.put_runs([*fresh, fresh[3]])
    with pytest.raises(BadInput, match="'new00003' is used twice"):
        store.put_runs([*fresh[:5], fresh[3]])
    assert store.count_runs()[Split.TRAIN] == 1300


def test_a_failing_source_imports_nothing_and_a_slow_one_blocks_nobody(store):
    def source():
        for i in range(700):
            yield ScoredRun(run=a_run(f"r{i:05}"))
        store.put_run(a_run("another writer"))
        raise BadInput("line 701 is no run")

    with pytest.raises(BadInput, match="701"):
        store.put_runs(source())
    assert [each.run.id for each in store.runs(split=Split.TRAIN)] == ["another writer"]


@pytest.mark.slow
def test_streaming_takes_little_memory(url):
    with open_store(url, agent="a") as store:
        store.put_runs(ScoredRun(run=a_run(f"r{i:06}", input="x" * 4000)) for i in range(20_000))
    code = """
import resource
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with open_store(url, agent="a") as store:
    assert len(list(store.runs(split=Split.TRAIN, limit=200))) == 200
    before = peak()
    assert sum(1 for _ in store.runs(split=Split.TRAIN)) == 20_000
    print(peak() - before)
"""
    grown = float(child(code, url).communicate(timeout=120)[0])
    assert grown < 8, f"{grown:.1f} MB for 80 MB of runs"


# --- the cache of evaluations -------------------------------------------------------------------


def test_an_evaluation_is_cached_with_its_run_and_score(store):
    score = Score(name="exact", value=1.0)
    assert store.evaluation(key()) is None
    store.put_run(a_run(), score, key=key())
    assert store.evaluation(key()) == ScoredRun(run=a_run(), score=score)
    for other in ({"spec": "o"}, {"task": "o"}, {"trial": 1}, {"model": "o"}, {"scorer": "o"}):
        assert store.evaluation(replace(key(), **other)) is None


def test_what_is_not_final_is_stored_but_tried_again(store):
    store.put_run(
        a_run("r1", error=RunError(type="model", message="unreachable")),
        Score(name="exact", value=0.0),
        key=key(),
    )
    store.put_run(a_run("r2"), ScoreFailure(name="judge", error="malformed"), key=key())
    assert store.evaluation(key()) is None
    assert store.count_runs()[Split.TRAIN] == 2
    failed = a_run("r3", error=RunError(type="timeout", message="30 s"))
    store.put_run(failed, Score(name="exact", value=0.0), key=key())
    assert store.evaluation(key()).run == failed


def test_the_first_evaluation_stays(store):
    store.put_run(a_run("r1"), Score(name="exact", value=1.0), key=key())
    store.put_run(a_run("r2"), Score(name="exact", value=0.0), key=key())
    assert store.evaluation(key()).run.id == "r1"
    assert store.run("r2").value == 0.0


def test_many_evaluations_in_few_queries(store):
    keys = [
        key(task=f"{t:064}", spec=spec * 64, trial=trial)
        for spec in "ab"
        for t in range(600)
        for trial in range(2)
    ]
    for i, each in enumerate(keys[::2]):
        store.put_run(a_run(f"r{i}"), Score(name="exact", value=i / len(keys)), key=each)
    with queries(store) as seen:
        found = store.evaluations([*keys, *keys[:5]])
    assert list(found) == keys[::2]
    assert [found[k].run.id for k in keys[::2]] == [f"r{i}" for i in range(len(keys) // 2)]
    assert [found[k].value for k in keys[::2]] == [i / len(keys) for i in range(len(keys) // 2)]
    assert len(seen) <= 10
    assert store.evaluations([]) == {}


@contextlib.contextmanager
def queries(store):
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    event.listen(store._database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(store._database.engine, "before_cursor_execute", note)


# --- the ledger ---------------------------------------------------------------------------------


def test_the_ledger_is_a_whole_chain(store):
    entries = [store.append("verdict", {"n": i, "text": TOKYO, "x": (0.1, 1)}) for i in range(405)]
    kept = list(store.ledger())
    assert [entry.seq for entry, _ in kept] == list(range(1, 406))
    assert [entry.hash for entry, _ in kept] == [entry.hash for entry in entries]
    assert [stored for _, stored in kept] == [entry.hash for entry in entries]
    assert first_break(kept) is None


def test_a_release_is_made_only_on_top_of_the_one_it_was_decided_on(store):
    one, two, three = spec_with("1"), spec_with("2"), spec_with("3")
    assert store.released() is None
    assert store.releases() == ()
    store.append_release(release_of(one, action=Action.INITIAL), one)
    assert store.spec(one.id) == one
    with pytest.raises(ReleaseConflict, match=r"someone else released meanwhile.*run again"):
        store.append_release(release_of(two), two)
    with pytest.raises(UserMistake, match="no spec"):
        store.spec(two.id)
    store.append("verdict", {"verdict": "accept"})
    store.append_release(release_of(two, one), two)
    with pytest.raises(ReleaseConflict):
        store.append_release(release_of(three, one), three)
    store.append_release(release_of(one, two, action=Action.ROLLBACK), one)
    assert [each.spec for each in store.releases()] == [one.id, two.id, one.id]
    assert store.released() == release_of(one, two, action=Action.ROLLBACK)
    assert first_break(store.ledger()) is None


def test_channels_do_not_mix(store):
    one, two = spec_with("1"), spec_with("2")
    store.append_release(release_of(one), one)
    store.append_release(release_of(two, channel=Channel.CANARY), two)
    assert store.released().spec == one.id
    assert store.released(Channel.CANARY).spec == two.id
    assert len(store.releases(Channel.CANARY)) == 1


def test_a_release_names_the_spec_that_comes_with_it(store):
    with pytest.raises(BadInput, match="names spec"):
        store.append_release(release_of(spec_with("1")), spec_with("2"))


def test_a_release_that_comes_between_two_looks_is_seen(database, monkeypatch):
    """Postgres only: on SQLite nobody can write between the looks of a writer."""
    mine, theirs = spec_with("mine"), spec_with("theirs")
    with open_store(database, agent="a") as store, open_store(database, agent="a") as other:
        late = [lambda: other.append_release(release_of(theirs), theirs)]

        def then_the_other(look):
            def looked(*args):
                seen = look(*args)
                if late:
                    late.pop()()
                return seen

            return looked

        for look in ("_head", "released"):
            original = getattr(strop.store.ledger, look)
            monkeypatch.setattr(strop.store.ledger, look, then_the_other(original))
        with pytest.raises(ReleaseConflict):
            store.append_release(release_of(mine), mine)
        assert [each.spec for each in store.releases()] == [theirs.id]
        assert first_break(store.ledger()) is None


EDITS = {
    "kind": "other",
    "at": 5e9,
    "previous": "f" * 64,
    "hash": "e" * 64,
}
BODIES = [
    '{"n":-1}',
    "not JSON",
    '{"n":NaN}',
    '["a list"]',
    "{}",
    '{"n": 0}',
    '"\\ud800"',
    "[" * 50_000,
]


@EACH_ON_ITS_OWN
@given(data=st.data())
def test_a_tampered_ledger_is_found(url, data):
    agent = f"tampered {time.monotonic_ns()}"
    with open_store(url, agent=agent, clock=lambda: 1.5) as store:
        n = data.draw(st.integers(2, 6))
        for i in range(n):
            store.append("verdict", {"n": i})
        assert first_break(store.ledger()) is None
        at = data.draw(st.integers(1, n))
        with store._write() as scope:
            mine = ledger.c.agent == agent
            change = data.draw(st.sampled_from([*EDITS, "body", "delete", "swap", "move"]))
            if change == "delete":
                at = min(at, n - 1)
                scope.connection.execute(ledger.delete().where(mine, ledger.c.seq == at))
            elif change == "swap":
                other = data.draw(st.integers(1, n).filter(lambda i: i != at))
                swap(scope.connection, mine, at, other)
                at = min(at, other)
            else:
                values = EDITS | {"body": data.draw(st.sampled_from(BODIES)), "move": 0}
                column = "seq" if change == "move" else change
                one = update(ledger).where(mine, ledger.c.seq == at)
                scope.connection.execute(one.values({column: values[change]}))
        found = first_break(store.ledger())
    assert found == (1 if change == "move" else at)


def swap(connection, mine, one, other):
    """Exchange all that two entries hold, but not their places."""
    kept = ["kind", "at", "body", "previous", "hash"]
    columns = [ledger.c[name] for name in kept]
    rows = {
        seq: connection.execute(select(*columns).where(mine, ledger.c.seq == seq)).one()
        for seq in (one, other)
    }
    for to, source in ((one, other), (other, one)):
        values = dict(zip(kept, rows[source], strict=True))
        connection.execute(update(ledger).where(mine, ledger.c.seq == to).values(values))


# --- vectors ------------------------------------------------------------------------------------


def test_vectors_of_different_embedders_never_mix(store):
    rng = np.random.default_rng(0)
    texts = [f"text {i}" for i in range(1100)] + [TOKYO, "", "\ud800"]
    given = {text: rng.normal(size=8).astype(np.float32) for text in texts}
    store.put_vectors("minilm", given)
    store.put_vectors("static", {TOKYO: np.ones(3, dtype=np.float64)})
    store.put_vectors("static", {TOKYO: np.zeros(3)})
    back = store.vectors("minilm", [*texts, "never seen"])
    assert back.keys() == given.keys()
    assert all(np.array_equal(back[text], given[text]) for text in texts)
    assert all(v.dtype == np.float32 and v.flags.writeable for v in back.values())
    assert store.vectors("static", texts)[TOKYO].tolist() == [1.0, 1.0, 1.0]
    assert store.count_vectors() == {"minilm": 1103, "static": 1}
    assert store.drop_vectors(keep="static") == 1103
    assert store.drop_vectors(keep="static") == 0
    assert store.vectors("minilm", texts) == {}
    assert store.count_vectors() == {"static": 1}


@pytest.mark.parametrize("bad", [[[1.0, 2.0]], [], 1.0, [float("nan")], [float("inf")]])
def test_only_rows_of_numbers_are_vectors(store, bad):
    with pytest.raises(BadInput, match="finite numbers"):
        store.put_vectors("static", {"a": np.ones(2), "b": np.array(bad)})
    assert store.count_vectors() == {}


# --- namespaces, threads, processes -------------------------------------------------------------


def test_another_agents_rows_are_invisible(url):
    spec = spec_with("1")
    with open_store(url, agent="one") as one, open_store(url, agent="two") as two:
        one.put_spec(spec)
        one.put_tasks([Task(id="t", input="q")])
        one.put_run(a_run(), Score(name="exact", value=1.0), key=key())
        one.append_release(release_of(spec), spec)
        one.put_document("finding", "f", {})
        one.put_vectors("static", {"a": np.ones(2)})
        one.set_meta("k", "v")
        assert_empty(two, spec)
        # Nor are they in the way: the same ids are free.
        two.put_run(a_run(output="two"), Score(name="exact", value=0.0), key=key())
        two.append("verdict", {})
        assert two.drop_vectors(keep="other") == 0
        assert one.evaluation(key()).value == 1.0
        assert two.evaluation(key()).value == 0.0
        assert one.count_vectors() == {"static": 1}
        assert len(list(one.ledger())) == len(list(two.ledger())) == 1


def assert_empty(store, spec):
    for ask in (
        lambda: store.spec(spec.id),
        lambda: store.run("run-0001"),
        lambda: store.document("finding", "f"),
        lambda: store.add_score("run-0001", Score(name="human", value=1.0)),
    ):
        with pytest.raises(UserMistake):
            ask()
    assert store.tasks(split=None) == ()
    assert store.task("t") is None
    assert list(store.runs(split=Split.TRAIN)) == []
    assert not any(store.count_runs().values())
    assert store.evaluation(key()) is None
    assert list(store.documents("finding")) == []
    assert list(store.ledger()) == []
    assert store.releases() == ()
    assert store.vectors("static", ["a"]) == {}
    assert store.count_vectors() == {}
    assert store.get_meta("k") is None


def test_threads_share_a_store(store):
    mistakes = []

    def work(name):
        try:
            for i in range(25):
                store.put_run(
                    a_run(f"{name}-{i:04}"), Score(name="e", value=1.0), key=key(task=f"{i}")
                )
                store.append("verdict", {"by": name, "n": i})
                store.evaluation(key(task=f"{i}"))
        except Exception as error:  # noqa: BLE001 - shown below, in the test's own thread
            mistakes.append(error)

    threads = [threading.Thread(target=work, args=(f"thread{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mistakes == []
    assert store.count_runs()[Split.TRAIN] == 200
    assert len(list(store.ledger())) == 200
    assert first_break(store.ledger()) is None


PREAMBLE = """
import sys, time
import strop.store.migrations  # so that nothing slow comes after the start
from strop.errors import *; from strop.release import *; from strop.run import *
from strop.spec import *; from strop.store import *; from strop.task import *
url, start, me = sys.argv[1], float(sys.argv[2]), sys.argv[3]
def at_once(after=0.0):
    while time.time() < start + after: pass
"""


def child(code, url, *, start=None, me="1", **options):
    start = time.time() if start is None else start
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, url, repr(start), me],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SRC},
        **options,
    )


def race(code, url, *, among=2):
    """What each of several processes prints that begin at the same moment."""
    start = time.time() + 2.5
    children = [child(code, url, start=start, me=str(i)) for i in range(among)]
    outputs = [each.communicate(timeout=120)[0].split() for each in children]
    assert [each.returncode for each in children] == [0] * among
    return outputs


def test_processes_open_a_fresh_store_at_once(url):
    outputs = race(
        """
at_once()
with open_store(url, agent="a") as store:
    store.put_run(Run(id="run-" + me, task="t", input="q", split=Split.TRAIN))
    print("ok")
""",
        url,
        among=3,
    )
    assert outputs == [["ok"]] * 3
    with open_store(url, agent="a") as store:
        assert store.count_runs()[Split.TRAIN] == 3


def test_threads_open_fresh_stores_at_once(tmp_path):
    opened = []

    def work(i):
        with open_store(str(tmp_path / f"{i}.db"), agent="a") as store:
            store.set_meta("k", "v")
            opened.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [0, 1, 2, 3]


def test_processes_racing_to_append_keep_the_chain_whole(url):
    open_store(url, agent="a").close()
    race(
        """
with open_store(url, agent="a", timeout=30) as store:
    at_once()
    for i in range(150):
        store.append("verdict", {"by": me, "n": i})
""",
        url,
    )
    with open_store(url, agent="a") as store:
        entries = list(store.ledger())
        assert first_break(entries) is None
        for me in "01":
            assert [e.body["n"] for e, _ in entries if e.body["by"] == me] == list(range(150))


def test_of_two_racing_releases_exactly_one_wins(url):
    open_store(url, agent="a").close()
    outputs = race(
        """
stores = [open_store(url, agent=f"a{i}", timeout=30) for i in range(10)]
spec = AgentSpec(name="a", model="m", items=(Item(id="c", kind=Kind.CLAUSE, content={"text": me}),))
release = Release(spec=spec.id, previous=None, origin=spec.id, action=Action.INITIAL, summary="", by=me)
for i, store in enumerate(stores):
    store.put_spec(spec) if i % 2 else store.released()  # connected before the start
    at_once(i / 10)
    try:
        store.append_release(release, spec)
        print("won")
    except ReleaseConflict:
        print("lost")
""",
        url,
    )
    assert [set(pair) for pair in zip(*outputs, strict=True)] == [{"won", "lost"}] * 10
    for i in range(10):
        with open_store(url, agent=f"a{i}") as store:
            assert len(store.releases()) == 1
            assert first_break(store.ledger()) is None


WRITER = """
import itertools
store = open_store(url, agent="a", timeout=30)
print("ready", flush=True)
score = Score(name="exact", value=1.0)
for i in itertools.count():
    id = f"{me}-{i:06}"
    key = EvaluationKey(spec="s", task=id, trial=0, model="m", scorer="e")
    store.put_run(Run(id=id, task="t", input="q" * 3000, split=Split.TRAIN, spec="s"), score, key=key)
    print("run", id, flush=True)
    if i % 5 == 0:
        print("entry", store.append("verdict", {"run": id}).seq, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_stored(url):
    rng = random.Random(0)
    promised, entries = [], 0
    for round_ in range(5):
        writer = child(WRITER, url, me=f"w{round_}")
        assert writer.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.0, 0.4))
        writer.send_signal(signal.SIGKILL)
        lines = writer.communicate(timeout=30)[0].splitlines(keepends=True)
        said = [line.split() for line in lines if line.endswith("\n")]
        promised += [what for kind, what in said if kind == "run"]
        entries = max([entries, *(int(what) for kind, what in said if kind == "entry")])
        with open_store(url, agent="a") as store:
            there = {each.run.id: each for each in store.runs(split=Split.TRAIN)}
            assert there.keys() >= set(promised)
            assert all(each.value == 1.0 for each in there.values())
            keys = [key(spec="s", task=run_id, scorer="e") for run_id in there]
            assert len(store.evaluations(keys)) == len(there)
            ledger_now = list(store.ledger())
            assert first_break(ledger_now) is None
            assert len(ledger_now) >= entries
    assert len(promised) > 20


# --- when the database cannot be used -----------------------------------------------------------


def test_a_locked_store_says_so_after_the_timeout(url):
    with open_store(url, agent="a", timeout=0.6) as store:
        store.put_run(a_run())
        with locked(url):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="locked by another process"):
                store.put_run(a_run("run-0002"))
            assert 0.5 < time.monotonic() - began < 3
        store.put_run(a_run("run-0002"))


@contextlib.contextmanager
def locked(url):
    """The database, locked by another process."""
    lock, module, how = (
        ("LOCK TABLE strop_runs IN EXCLUSIVE MODE", "psycopg", "")
        if "://" in url
        else ("BEGIN EXCLUSIVE", "sqlite3", ", isolation_level=None")
    )
    code = f"""
import {module}
connection = {module}.connect(url{how})
connection.execute("{lock}")
print("locked", flush=True)
sys.stdin.read()
"""
    other = child(code, url, stdin=subprocess.PIPE)
    assert other.stdout.readline() == "locked\n"
    yield
    other.communicate()


def test_a_locked_sqlite_can_still_be_read(path):
    with open_store(str(path), agent="a", timeout=0.2) as store:
        store.put_run(a_run())
        with locked(str(path)), open_store(str(path), agent="a", timeout=0.2) as reader:
            assert store.run("run-0001") == reader.run("run-0001")


def test_a_fresh_sqlite_that_is_locked(path):
    sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close()
    with locked(str(path)), pytest.raises(StoreUnavailable, match="locked by another process"):
        open_store(str(path), agent="a", timeout=0.3)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if (
        os.geteuid() != 0
        or shutil.which("mount") is None
        or subprocess.run(mount, check=False).returncode
    ):
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_was_stored(small_disk):
    with open_store(str(small_disk / "strop.db"), agent="a") as store:
        check_full(store)


def test_a_file_that_may_not_grow_keeps_what_was_stored(path):
    """The same for everyone: the kernel refuses to let the process write larger files."""
    code = f"""
import resource, signal
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import check_full
store = open_store(url, agent="a")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
check_full(store, "disk")
print("kept")
"""
    assert child(code, str(path)).communicate(timeout=60)[0] == "kept\n"


def test_a_full_postgres_keeps_what_was_stored(database):
    with open_store(database, agent="a") as store:
        sql(
            database,
            """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF (SELECT count(*) FROM strop_scores) >= 50 THEN
                 RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100';
               END IF; RETURN NEW; END $$""",
            "CREATE TRIGGER full_disk BEFORE INSERT ON strop_scores FOR EACH ROW EXECUTE FUNCTION full_disk()",
        )
        check_full(store)


def check_full(store, message="disk is full"):
    """Fill the store until it refuses; all that was stored is there and nothing of what was not."""
    kept = []
    with pytest.raises(StoreUnavailable, match=message):
        fill(store, kept)
    there = list(store.runs(split=Split.TRAIN))
    assert len(kept) > 10
    assert [each.run.id for each in there] == kept
    assert all(each.value == 1.0 for each in there)
    assert len(store.evaluations([key(task=f"r{i:05}") for i in range(3000)])) == len(kept)


def fill(store, kept):
    for i in range(3000):
        run = a_run(f"r{i:05}", input="x" * 2000)
        store.put_run(run, Score(name="e", value=1.0), key=key(task=run.id))
        kept.append(run.id)


def test_a_read_only_file(path):
    with open_store(str(path), agent="a") as store:
        store.put_run(a_run())
    with (
        as_reader(path),
        pytest.raises(StoreUnavailable, match=r"read-only|cannot be opened"),
        open_store(str(path), agent="a") as store,
    ):
        store.put_run(a_run("run-0002"))
    with open_store(str(path), agent="a") as store:
        assert store.count_runs()[Split.TRAIN] == 1


@contextlib.contextmanager
def as_reader(path):
    """A moment in which this process may read the file's folder but not write."""
    path.chmod(0o444)
    path.parent.chmod(0o555)
    above = [(p, p.stat().st_mode) for p in path.parent.parents if p.stat().st_uid == os.getuid()]
    root = os.geteuid() == 0
    if root:  # whom permissions do not stop
        for folder, mode in above[:2]:
            folder.chmod(mode | 0o055)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
            for folder, mode in above[:2]:
                folder.chmod(mode)
        path.parent.chmod(0o755)
        path.chmod(0o644)


def test_a_read_only_postgres(database):
    open_store(database, agent="a").close()
    name = database.rsplit("/", 1)[1]
    sql(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with (
        open_store(database, agent="a") as store,
        pytest.raises(StoreUnavailable, match="read-only"),
    ):
        store.put_run(a_run())


@pytest.mark.parametrize("content", [b"not a database, but long enough " * 40, b"x" * 4096])
def test_a_file_that_is_something_else(path, content):
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="is not a Strop database"):
        open_store(str(path), agent="a")
    assert path.read_bytes() == content


def test_a_damaged_file(path):
    with open_store(str(path), agent="a") as store:
        store.put_runs(ScoredRun(run=a_run(f"r{i:05}")) for i in range(500))
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = bytes(len(damaged) - 4096)
    path.write_bytes(damaged)
    with (
        pytest.raises(StoreUnavailable, match=r"damaged|not a Strop"),
        open_store(str(path), agent="a") as store,
    ):
        list(store.runs(split=Split.TRAIN))


def test_a_folder_and_a_path_below_a_file_cannot_be_opened(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        open_store(str(tmp_path), agent="a")
    with pytest.raises(StoreUnavailable, match="cannot create the folder"):
        open_store(str(tmp_path / "file" / "strop.db"), agent="a")


def test_a_newer_schema_is_left_alone(url):
    with open_store(url, agent="a") as store, store._write() as scope:
        scope.connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0099'")
    with pytest.raises(StoreUnavailable, match=r"newer Strop.*0099.*pip install -U strop"):
        open_store(url, agent="a")


def test_no_server_and_no_database(postgres):  # noqa: F811
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        open_store("postgresql://strop:secret@127.0.0.1:1/strop", agent="a")
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreUnavailable, match=r"cannot be reached.*does not exist|createdb"):
        open_store(f"{postgres}/nowhere", agent="a")


def test_a_connection_that_the_server_closed_is_replaced(database):
    with open_store(database, agent="a") as store:
        store.put_run(a_run())
        sql(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert store.run("run-0001").run == a_run()


def test_a_missing_driver_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotInstalled, match=r"pip install 'strop\[postgres\]'"):
        open_store("postgresql://localhost/strop", agent="a")


@pytest.mark.parametrize(
    "wrong",
    [
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        ":memory:",
        "",
        "postgres://h:port/x",
        "://",
    ],
)
def test_a_url_of_another_kind_is_a_mistake(wrong):
    with pytest.raises(UserMistake):
        open_store(wrong, agent="a")


def test_a_store_needs_an_agent(path):
    with pytest.raises(UserMistake, match="agent"):
        open_store(str(path), agent="")
    assert not path.exists()


# --- the tables ---------------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_code_uses(store):
    with store._database.transaction(write=False) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        assert ScriptDirectory.from_config(config(connection)).get_current_head() == SCHEMA


def test_a_migration_that_breaks_off_leaves_nothing_behind(url, monkeypatch):
    def half(connection):
        upgrade(connection)
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("strop.store.migrations.upgrade", half)
        with pytest.raises(RuntimeError, match="killed"):
            open_store(url, agent="a")
    with open_store(url, agent="a") as store:
        store.put_run(a_run())
        assert store.run("run-0001").run == a_run()


def test_an_empty_file_becomes_a_store_and_other_tables_are_let_be(path):
    path.touch()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE runs (theirs)")
        other.execute("CREATE TABLE alembic_version (version_num)")
        other.execute("INSERT INTO alembic_version VALUES ('theirs')")
        other.commit()
    with open_store(f"sqlite:///{path}", agent="a") as store:
        store.put_run(a_run())
        assert store.run("run-0001").run == a_run()


def test_alembic_is_loaded_only_for_a_migration(path):
    open_store(str(path), agent="a").close()
    code = "import sys; from strop.store import open_store; open_store(sys.argv[1], agent='a'); "
    code += "print([m for m in ('alembic', 'psycopg', 'sqlalchemy.orm') if m in sys.modules])"
    printed = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": SRC},
    )
    assert printed.stdout.strip() == "[]"


def test_sqlite_is_a_log_file_that_checks_references(path):
    with open_store(str(path), agent="a") as store, store._write() as scope:
        ask = scope.connection.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar() == "wal"
        assert ask("PRAGMA foreign_keys").scalar() == 1
        assert ask("PRAGMA synchronous").scalar() == 1


def test_the_store_is_exported():
    names = {"EvaluationKey", "LedgerMoved", "ReleaseConflict", "Store", "open_store"}
    assert set(strop.store.__all__) == names
    assert isinstance(Store, type)
    assert apply(spec_with(), [Add(item=spec_with("x").items[0])]) == spec_with("x")
