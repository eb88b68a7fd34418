"""Grants in the ledger, on SQLite and on Postgres: steps by record, words of people, and races."""

import threading
import time
from dataclasses import replace
from tempfile import TemporaryDirectory

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from postgres import new_database, postgres  # noqa: F401 - a fixture
from strop.approvals import approve, demote, deny, promote
from strop.errors import StoreUnavailable, ToolCallFailed, UserMistake
from strop.grants import Grants
from strop.jsonvalue import canonical
from strop.ladder_tools import Asked, find_tool, ladder_tools, waiting
from strop.permission import Level, Permissions
from strop.release import Action, Release, first_break
from strop.sandbox.base import What
from strop.sandbox.resolve import backends
from strop.spec import AgentSpec, Item, Kind
from strop.store import LedgerMoved, open_store
from strop.store.migrations import config
from strop.store.tables import ledger
from strop.store.uses import KEPT
from strop.tools import Toolbox
from strop.tools.identity import code_digest
from strop.tools.ladder import LadderPolicy, Move
from strop.tools.uses import STEP_FAILED, Use

RESTRICTED = Permissions(level=Level.RESTRICTED)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """A database that nobody has opened yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "strop.db")
    else:
        with new_database(request.getfixturevalue("postgres")) as fresh:
            yield fresh


@pytest.fixture
def store(url):
    clock = iter(range(1_000_000)).__next__
    with open_store(url, agent="a", clock=clock) as opened:
        yield opened
        assert first_break(opened.ledger()) is None


@pytest.fixture
def grants(store):
    return Grants(store)


def tool(name="pad", *, source="return x", needs=None, **more):
    content = {
        "name": name,
        "description": "Pads.",
        "parameters": {"type": "object", "properties": {"x": {}}, "required": ["x"]},
        "body": {
            "kind": "code",
            "source": f"def {name}(x):\n    {source}\n",
            "function": name,
            "imports": [],
        },
        **more,
    }
    if needs is not None:
        content["needs"] = needs.to_json()
    return Item(id=f"tool-{name}", kind=Kind.TOOL, content=content)


def chain(name="both", step="pad"):
    body = {
        "kind": "chain",
        "steps": [{"tool": step, "args": {"x": {"param": "x"}}}],
        "returns": "last",
    }
    return replace(tool(name), content={**tool(name).content, "body": body})


PAD = tool()
SAVE = tool("save", source="open('f', 'w')", needs=RESTRICTED)
FETCH = tool("fetch", needs=Permissions(level=Level.FULL))
SEND = tool("send", needs=Permissions(level=Level.FULL, hosts=("a.org:443", "b.org:443")))
DUMP = tool("dump", needs=Permissions(level=Level.RESTRICTED, read=("/in",), write=("/out",)))


def release(store, *items):
    spec = AgentSpec(name="a", model="m", items=items)
    now = store.released()
    made = Release(
        spec=spec.id,
        previous=None if now is None else now.spec,
        origin=spec.id,
        action=Action.PROMOTE,
        summary="x",
        by="gate",
    )
    store.append_release(made, spec)


def use(item, ok=True, what=What.RAISED, at=0.0):
    failed = {} if ok else {"what": what, "message": "ValueError: no"}
    return Use(tool=str(item.content["name"]), digest=code_digest(item), ok=ok, at=at, **failed)


def used(grants, item, *marks):
    return [step for step in (grants.record(use(item, ok)) for ok in marks) if step is not None]


def entries(store, *kinds):
    return [(entry.kind, entry.body) for entry, _ in store.ledger(kinds=kinds)]


# --- the ledger and the store --------------------------------------------------------------------


def test_an_entry_comes_right_after_the_one_it_rests_on_or_not_at_all(store):
    assert store.head() == 0
    first = store.append("alert", {"n": 1}, after=0)
    assert (store.head(), first.seq) == (1, 1)
    with pytest.raises(LedgerMoved, match="at entry 1, no longer at 0"):
        store.append("alert", {"n": 2}, after=0)
    store.append("verdict", {"n": 3})
    store.append("alert", {"n": 4}, after=2)
    assert [body["n"] for _, body in entries(store, "alert")] == [1, 4]
    assert [entry.seq for entry, _ in store.ledger(after=1)] == [2, 3]
    assert [entry.seq for entry, _ in store.ledger(after=1, kinds=["alert"])] == [3]


def test_uses_come_back_whole_newest_first_and_count_from_where_asked(store, url):
    odd = replace(
        use(PAD, ok=False, at=3.5),
        message="東京 \x00 \ud800" + "m" * 600,
        run="run-1",
        level=Level.RESTRICTED,
        seconds=0.25,
    )
    first = store.put_use(use(PAD, at=1.0), window=5)
    assert (first.uses, first.successes, first.newest, first.last_at) == (1, 1, (True,), 1.0)
    second = store.put_use(odd, window=5)
    assert (second.uses, second.newest, second.streak) == (2, (False, True), 1)
    assert store.uses(odd.digest, limit=9) == (
        replace(odd, message=odd.message[:500]),
        use(PAD, at=1.0),
    )
    later = store.use_record(odd.digest, since=first.last, window=1)
    assert (later.uses, later.successes, later.rate, later.last) == (1, 0, 0.0, second.last)
    none = store.use_record(odd.digest, since=second.last, window=5)
    assert (none.uses, none.rate, none.bound, none.last) == (0, None, None, second.last)
    assert store.use_record("f" * 64).last == 0
    with open_store(url, agent="other") as other:
        assert other.use_record(odd.digest).uses == 0
        assert other.uses(odd.digest, limit=1) == ()


def test_only_failures_of_its_own_making_count_against_a_tool(store):
    for what in (*What, STEP_FAILED):
        store.put_use(use(PAD, ok=False, what=what))
    record = store.put_use(use(PAD), window=20)
    assert (record.uses, record.successes) == (7, 1)
    assert record.newest == (True, *[False] * 6)
    assert record.by_what == dict.fromkeys(sorted([*What, STEP_FAILED]), 1)


def test_uses_are_kept_within_bounds(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="a") as store:
        store.put_use(use(SAVE))
        for at in range(KEPT + 250):
            record = store.put_use(use(PAD, at=float(at)))
        assert KEPT <= record.uses <= KEPT + 100
        kept = store.uses(code_digest(PAD), limit=10 * KEPT)
        assert [each.at for each in kept] == [
            float(at) for at in range(KEPT + 249, KEPT + 249 - record.uses, -1)
        ]
        assert store.use_record(code_digest(SAVE)).uses == 1


@pytest.mark.slow
def test_a_use_is_recorded_in_little_time(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="a") as store:
        grants = Grants(store, LadderPolicy(bound=1.0))
        for _ in range(KEPT):
            grants.record(use(PAD))
        took = []
        for _ in range(100):
            start = time.perf_counter()
            grants.record(use(PAD))
            took.append(time.perf_counter() - start)
        assert sorted(took)[50] < 0.01  # 1 ms where nothing else runs


# --- the ladder in the ledger --------------------------------------------------------------------


def test_a_tool_earns_a_rung_and_the_ledger_says_by_what(store, grants):
    digest = code_digest(PAD)
    assert (grants.granted(digest), grants.halted(digest)) == (None, None)
    assert used(grants, PAD, *[True] * 9) == []
    (step,) = used(grants, PAD, True)
    assert (step.move, step.after) == (Move.PROMOTE, RESTRICTED)
    assert grants.granted(digest) == RESTRICTED
    ((kind, body),) = entries(store)
    assert kind == "promotion"
    assert body["bound"] == pytest.approx(0.7225, abs=1e-4)
    assert {k: v for k, v in body.items() if k != "bound"} == {
        "by": "ladder",
        "digest": digest,
        "tool": "pad",
        "from": Permissions().to_json(),
        "to": RESTRICTED.to_json(),
        "reason": step.reason,
        "uses": 10,
        "successes": 10,
        "rate": 1.0,
        "streak": 0,
        "since": 10,
    }
    assert Grants(store).granted(digest) == RESTRICTED  # from the ledger alone


def test_evidence_is_fresh_at_every_rung_and_code_that_changes_starts_again(store):
    grants = Grants(store, LadderPolicy(approve_full=False))
    release(store, FETCH)
    steps = used(grants, FETCH, *[True] * 20)
    assert [step.after.level for step in steps] == [Level.RESTRICTED, Level.FULL]
    assert [step.record.uses for step in steps] == [10, 10]
    revised = tool("fetch", source="return [x]", needs=Permissions(level=Level.FULL))
    assert grants.granted(code_digest(revised)) is None
    described = tool("fetch", needs=Permissions(level=Level.FULL), description="Fetches well.")
    assert grants.granted(code_digest(described)) == steps[-1].after


def test_a_breaker_opens_stays_open_and_a_person_closes_it(store, grants):
    release(store, PAD)
    digest = code_digest(PAD)
    used(grants, PAD, *[True] * 10)
    (step,) = used(grants, PAD, False, False, False)
    assert step.move is Move.OPEN
    assert "3 failures in a row" in grants.halted(digest)
    assert grants.granted(digest) == RESTRICTED  # what it has when the breaker is closed
    assert used(grants, PAD, *[True] * 40) == []  # whoever still calls it changes nothing
    (asked,) = waiting(grants)
    assert (asked.name, asked.waits, asked.serves) == ("pad", "breaker", True)

    decided = approve(grants, "pad", by="ana", reason="the input was odd")
    assert decided.fresh
    assert decided.entry.body["closes"] == "3 failures in a row"
    assert (grants.halted(digest), grants.granted(digest)) == (None, RESTRICTED)
    assert waiting(grants) == ()
    assert used(grants, PAD, False, False) == []  # the old failures are not counted again
    (again,) = used(grants, PAD, False)
    assert again.move is Move.OPEN
    assert [each.name for each in waiting(grants)] == ["pad"]  # nor does the old word hold


def test_wrong_arguments_and_a_refusing_sandbox_open_no_breaker(grants):
    for _ in range(10):
        assert grants.record(use(PAD, ok=False, what=What.REFUSED)) is None
    assert grants.halted(code_digest(PAD)) is None


def test_a_tool_that_gets_worse_goes_down_and_asks_again(store, grants):
    release(store, SAVE)
    assert [each.waits for each in waiting(grants)] == ["grant"]
    approve(grants, "save", by="ana")
    assert waiting(grants) == ()
    steps = used(grants, SAVE, *[True, False, True, False, True] * 2)
    assert [step.move for step in steps] == [Move.DEMOTE]
    assert grants.granted(code_digest(SAVE)) == Permissions()
    (asked,) = waiting(grants)
    assert (asked.waits, asked.lacks, asked.standing.word) == ("grant", True, None)


def test_a_ledger_that_was_written_into_grants_nothing_more(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="a") as store:
        release(store, PAD, SAVE)
        used(Grants(store), PAD, *[True] * 10, *[False] * 3)
        running = Grants(store)
        assert "breaker is open" in running.halted(code_digest(PAD))
        store.append("approval", {"digest": "junk", "tool": "x", "by": "person:mallory"})
        assert store.head() == 4
        for grants in (running, Grants(store)):
            unreadable(grants, at=4)


def unreadable(grants, *, at):
    """Nobody is used, granted or decided about, and everybody who asks is told."""
    says = "the ledger cannot be read: `strop audit verify`"
    assert grants.as_of_now().unreadable == at
    for digest in (code_digest(PAD), code_digest(SAVE), code_digest(FETCH)):
        assert (grants.granted(digest), grants.halted(digest)) == (None, says)
    box = Toolbox(granted=grants.granted, halted=grants.halted)
    assert box.inert([PAD, SAVE]) == {"tool-pad": says, "tool-save": says}
    head = grants.store.head()
    assert used(grants, tool("other", source="return 2"), *[True] * 20, *[False] * 5) == []
    assert grants.request(FETCH, by="x") is None
    for act in (ladder_tools, waiting):
        with pytest.raises(UserMistake, match=rf"cannot be read: .*\(entry {at}\)"):
            act(grants)
    for act in (approve, deny, promote, demote):
        with pytest.raises(UserMistake, match="cannot be read"):
            act(grants, "pad", by="ana")
    with pytest.raises(UserMistake, match="cannot be read"):
        grants.amend(code_digest(PAD), lambda standing: ("denial", {"tool": "pad", "by": "x"}))
    assert grants.store.head() == head


def test_a_well_formed_entry_that_was_altered_is_not_believed(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="a") as store:
        release(store, PAD)
        used(Grants(store), PAD, *[True] * 10)
        (promoted,) = [entry for entry, _ in store.ledger(kinds=["promotion"])]
        assert Grants(store).granted(code_digest(PAD)) == RESTRICTED
        body = {**promoted.body, "to": Permissions(level=Level.FULL).to_json()}
        with store._write() as scope:
            row = update(ledger).where(ledger.c.seq == promoted.seq)
            scope.connection.execute(row.values(body=canonical(body)))
        unreadable(Grants(store), at=promoted.seq)
        with store._write() as scope:
            row = update(ledger).where(ledger.c.seq == promoted.seq)
            scope.connection.execute(row.values(body=canonical(promoted.body)))
        assert Grants(store).granted(code_digest(PAD)) == RESTRICTED  # put right again


def test_a_chain_holds_no_grant_so_no_record_moves_it(store, grants):
    release(store, PAD, chain())
    both = replace(use(chain()), chain=True)
    assert [grants.record(both) for _ in range(30)] == [None] * 30
    assert entries(store, "promotion", "demotion") == []
    failed = replace(use(chain(), ok=False), chain=True)
    steps = [grants.record(failed) for _ in range(3)]
    assert [step and step.move for step in steps] == [None, None, Move.OPEN]


def test_failures_in_a_row_are_counted_across_a_step_down(store):
    grants = Grants(store, LadderPolicy(uses=3, breaker=3))
    release(store, SAVE)
    approve(grants, "save", by="ana")
    steps = [grants.record(use(SAVE, ok)) for ok in (True, False, False, False)]
    assert [step and step.move for step in steps] == [None, None, Move.DEMOTE, Move.OPEN]
    assert steps[-1].reason == "3 failures in a row"
    assert Grants(store).halted(code_digest(SAVE)).startswith("its breaker is open: 3 failures")
    approve(grants, "save", by="ana")  # a person's word ends the row
    assert used(grants, SAVE, False, False) == []


def test_one_success_after_a_step_down_ends_the_row(store):
    grants = Grants(store, LadderPolicy(uses=3, breaker=3))
    release(store, SAVE)
    approve(grants, "save", by="ana")
    assert [step.move for step in used(grants, SAVE, True, False, False)] == [Move.DEMOTE]
    assert grants.use_record(code_digest(SAVE)).streak == 2
    assert used(grants, SAVE, True, False, False) == []
    assert grants.use_record(code_digest(SAVE)).streak == 2


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.booleans(), max_size=30),
    st.integers(1, 6),
    st.integers(1, 5),
    st.booleans(),
)
def test_so_many_failures_in_a_row_always_halt_a_tool(marks, uses, breaker, full):
    policy = LadderPolicy(uses=uses, breaker=breaker)
    item = FETCH if full else SAVE
    with TemporaryDirectory() as folder, open_store(f"{folder}/s.db", agent="a") as store:
        grants = Grants(store, policy)
        release(store, item)
        approve(grants, str(item.content["name"]), by="ana")
        row = 0
        for ok in (*marks, *[False] * breaker):
            grants.record(use(item, ok))
            row = 0 if ok else row + 1
            halted = grants.halted(code_digest(item)) is not None
            assert halted == (row >= breaker)
            if halted:
                break
        assert halted


# --- requests and people -------------------------------------------------------------------------


def test_what_is_proposed_and_needs_more_asks_once(store, grants):
    entry = grants.request(SAVE, by="mined:snippets", findings=["f1"], summary="saves")
    assert entry.kind == "request"
    assert entry.body == {
        "tool": "save",
        "digest": code_digest(SAVE),
        "by": "mined:snippets",
        "needs": RESTRICTED.to_json(),
        "findings": ["f1"],
        "summary": "saves",
    }
    assert grants.request(SAVE, by="mined:snippets") is None
    assert grants.request(PAD, by="mined:snippets") is None  # it needs nothing
    assert grants.request(tool("bad", source="return ("), by="x") is None  # it could not run
    assert (
        grants.request(replace(SAVE, content={**SAVE.content, "needs": {"level": "god"}}), by="x")
        is None
    )
    (asked,) = waiting(grants)
    assert (asked.item, asked.need, asked.serves) == (SAVE, RESTRICTED, False)
    approve(grants, "save", by="ana")
    assert grants.granted(code_digest(SAVE)) == RESTRICTED
    assert grants.request(SAVE, by="mined:snippets") is None
    assert waiting(grants) == ()
    assert [each.name for each in ladder_tools(grants)] == ["save"]


def test_a_request_whose_code_was_changed_is_not_shown(tmp_path):
    with open_store(str(tmp_path / "s.db"), agent="a") as store:
        store.put_document("tool", code_digest(SAVE), tool("save", source="evil()").to_json())
        grants = Grants(store)
        assert grants.request(SAVE, by="x").kind == "request"
        assert waiting(grants) == ()
        with pytest.raises(UserMistake, match="no code or chain tool"):
            approve(grants, "save", by="ana")


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_nobody_decides_nothing(grants, store, blank):
    release(store, SAVE)
    for act in (approve, deny, promote, demote):
        with pytest.raises(UserMistake, match="say who decides: --by NAME"):
            act(grants, "save", by=blank)
    assert entries(store, "approval", "denial", "promotion", "demotion") == []


def test_what_a_name_stands_for_is_never_guessed(store, grants):
    """Who has read one tool does not approve another one that bears its name."""
    other = tool("save", source="evil()", needs=RESTRICTED)
    grants.request(SAVE, by="x")
    (read,) = waiting(grants)
    deny(grants, "save", by="ben")
    grants.request(other, by="x")
    labels = [f"save@{code_digest(each)[:8]}" for each in (SAVE, other)]
    for act in (approve, deny, promote, demote):
        with pytest.raises(UserMistake, match="'save' stands for 2 tools") as caught:
            act(grants, "save", by="ana")
        assert all(label in str(caught.value) for label in labels)
    assert grants.granted(code_digest(other)) == Permissions()
    with pytest.raises(UserMistake, match="ben denied 'save'"):
        approve(grants, read.label, by="ana")
    assert approve(grants, labels[1], by="ana").tool.item == other


def test_a_name_that_looks_like_anothers_digest_takes_nobody_in(store, grants):
    posing = replace(FETCH, id=code_digest(SAVE)[:10])
    release(store, SAVE, posing)
    with pytest.raises(UserMistake, match="stands for 2 tools"):
        approve(grants, code_digest(SAVE)[:10], by="ana")
    assert approve(grants, code_digest(SAVE)[:12], by="ana").tool.item == SAVE


def test_a_breaker_that_opens_on_trial_can_be_closed(store, grants):
    """The tool serves nowhere, so it comes to people by the request alone."""
    digest = code_digest(PAD)
    used(grants, PAD, False, False, False)
    assert waiting(grants) == ()
    entry = grants.request(PAD, by="mined:snippets", summary="pads")
    assert entry.kind == "request"
    assert grants.request(PAD, by="mined:snippets") is None
    (asked,) = waiting(grants)
    assert (asked.item, asked.waits, asked.serves) == (PAD, "breaker", False)
    assert approve(grants, "pad", by="ana").entry.body["closes"] == "3 failures in a row"
    assert (grants.halted(digest), waiting(grants)) == (None, ())
    used(grants, PAD, False, False, False)  # and again
    assert [each.waits for each in waiting(grants)] == ["breaker"]


def test_a_person_promotes_past_a_denial_and_an_open_breaker(store, grants):
    release(store, PAD, FETCH, chain())
    digest = code_digest(PAD)
    used(grants, PAD, False, False, False)
    deny(grants, "pad", by="ben", reason="broken")
    assert grants.halted(digest).endswith("`strop tools promote` closes it")
    with pytest.raises(UserMistake, match=r"ben denied 'pad'.*promote pad.*closes its breaker"):
        approve(grants, "pad", by="ana")
    body = promote(grants, "pad", by="ana").entry.body
    assert (body["closes"], body["lifts"]) == ("3 failures in a row", "ben denied 'pad' (broken)")
    assert (grants.halted(digest), grants.granted(digest)) == (None, Permissions())
    body = promote(grants, "pad", by="ana").entry.body  # nothing in its way: the next rung
    assert (body["closes"], body["lifts"], body["to"]) == (None, None, RESTRICTED.to_json())

    deny(grants, "fetch", by="ben")
    promote(grants, "fetch", by="ana")
    assert not find_tool(grants, "fetch").lacks  # the level that it needs, not the next one

    for _ in range(3):
        grants.record(replace(use(chain(), ok=False), chain=True))
    deny(grants, "both", by="ben")
    with pytest.raises(UserMistake, match="'both' is a chain"):
        promote(grants, "both", by="ana", to=Level.FULL)
    promote(grants, "both", by="ana")
    assert grants.halted(code_digest(chain())) is None


def test_nothing_but_a_promotion_by_a_person_takes_a_denial_back(store, grants):
    release(store, FETCH)
    deny(grants, "fetch", by="ben")
    digest = code_digest(FETCH)
    # One that still ran when it was denied, and fails.
    grants.amend(digest, lambda standing: ("promotion", {**step_body(), "by": "ladder"}))
    demote(grants, "fetch", by="ana")
    used(grants, FETCH, False, False, False)
    assert grants.standing(digest).denied
    assert waiting(grants) == ()
    with pytest.raises(UserMistake, match="ben denied 'fetch'"):
        approve(grants, "fetch", by="ana")
    promote(grants, "fetch", by="ana")
    assert not grants.standing(digest).denied
    assert grants.halted(digest) is None


def step_body():
    return {"tool": "fetch", "to": RESTRICTED.to_json(), "since": 0}


def test_a_word_is_said_once(store, grants):
    release(store, SAVE)
    first = approve(grants, "save", by=" ana  b ", reason="fine")
    again = approve(grants, "save", by="ben")
    assert (first.fresh, again.fresh, again.entry) == (True, False, first.entry)
    assert first.entry.body["by"] == "person:ana b"
    with pytest.raises(UserMistake, match=r"ana b approved 'save' \(fine\) already"):
        deny(grants, "save", by="ben")

    release(store, SAVE, FETCH)
    no = deny(grants, "fetch", by="ana", reason="too much")
    assert deny(grants, "fetch", by="ben").entry == no.entry
    with pytest.raises(UserMistake, match=r"ana denied 'fetch' \(too much\); `strop tools promote"):
        approve(grants, "fetch", by="ben")
    assert waiting(grants) == ()
    assert grants.granted(code_digest(FETCH)) == Permissions()
    assert grants.request(FETCH, by="mined:snippets") is None
    assert len(entries(store, "approval", "denial")) == 2


def test_approving_grants_what_is_asked_for_and_hosts_may_be_narrowed(store, grants):
    release(store, FETCH, SEND, DUMP, PAD)
    with pytest.raises(UserMistake, match="'pad' waits for nothing: it has all that it needs"):
        approve(grants, "pad", by="ana")
    with pytest.raises(UserMistake, match="'pad' waits for nothing; `strop tools demote`"):
        deny(grants, "pad", by="ana")
    for name, asked, says in (
        ("dump", Asked(read=("/etc",)), "does not ask for --read /etc"),
        ("dump", Asked(hosts=("a.org:443",)), "does not ask for --host a.org:443"),
        ("dump", Asked(level=Level.FULL), "asks for level 'restricted'"),
        ("send", Asked(hosts=("a.org:443",)), "without --host b.org:443, 'send' stays inert"),
        ("fetch", Asked(hosts=("nowhere",)), "must be host:port"),
    ):
        with pytest.raises(UserMistake, match=says):
            approve(grants, name, by="ana", asked=asked)
    assert entries(store, "approval") == []

    approve(grants, "fetch", by="ana", asked=Asked(hosts=("c.org:80",), level=Level.FULL))
    approve(grants, "dump", by="ana", asked=Asked(write=("/out",)))
    approve(grants, "send", by="ana")
    assert [grants.granted(code_digest(item)) for item in (FETCH, DUMP, SEND)] == [
        Permissions(level=Level.FULL, hosts=("c.org:80",)),
        Permissions(level=Level.RESTRICTED, read=("/in",), write=("/out",)),
        Permissions(level=Level.FULL, hosts=("a.org:443", "b.org:443")),
    ]
    # Closing a breaker later does not widen what was narrowed.
    used(grants, FETCH, False, False, False)
    approve(grants, "fetch", by="ben")
    assert grants.granted(code_digest(FETCH)).hosts == ("c.org:80",)


def test_a_person_moves_a_tool_up_and_down(store, grants):
    release(store, DUMP, PAD, chain())
    assert promote(grants, "pad", by="ana").entry.body["to"] == RESTRICTED.to_json()
    assert promote(grants, "pad", by="ana", to=Level.RESTRICTED).fresh is False
    with pytest.raises(UserMistake, match="'pad' is at 'restricted' already"):
        promote(grants, "pad", by="ana", to=Level.SANDBOX)
    demote(grants, "pad", by="ana", reason="no")
    with pytest.raises(UserMistake, match="`strop tools retire pad` takes it out"):
        demote(grants, "pad", by="ana")

    deny(grants, "dump", by="ana")
    promote(grants, "dump", by="ben")  # a person may think again
    assert not find_tool(grants, "dump").lacks
    promote(grants, "dump", by="ben")
    with pytest.raises(UserMistake, match="'dump' is at 'full' already"):
        promote(grants, "dump", by="ben")
    demote(grants, "dump", by="ana", to=Level.SANDBOX)
    assert grants.granted(code_digest(DUMP)) == Permissions()  # its folders are taken back, too
    assert waiting(grants) == ()  # a person said so
    approve(grants, "dump", by="ana")
    assert not find_tool(grants, "dump").lacks
    for act in (promote, demote):
        with pytest.raises(UserMistake, match="'both' is a chain"):
            act(grants, "both", by="ana")


def test_tools_are_found_by_name_id_and_digest(store, grants):
    newer = tool("save", source="return 1", needs=RESTRICTED)
    release(store, SAVE, PAD, chain(step="save"))
    grants.request(newer, by="x")
    assert [(each.name, each.serves) for each in ladder_tools(grants)] == [
        ("save", True),
        ("pad", True),
        ("both", True),
        ("save", False),
    ]
    assert find_tool(grants, "both").need == RESTRICTED  # what its steps need
    assert not find_tool(grants, "both").lacks
    for name in ("tool-pad", "pad", code_digest(PAD)[:8]):
        assert find_tool(grants, name).item == PAD
    labels = [each.label for each in ladder_tools(grants) if each.name == "save"]
    assert labels == [f"save@{code_digest(each)[:8]}" for each in (SAVE, newer)]
    for item, label in zip((SAVE, newer), labels, strict=True):
        for name in (label, f"tool-{label}", code_digest(item), code_digest(item)[:8]):
            assert find_tool(grants, name).item == item
    for name in ("nothing", "", code_digest(PAD)[:3], labels[0].replace("save", "pad"), "save@"):
        with pytest.raises(UserMistake, match="no code or chain tool is called"):
            find_tool(grants, name)


# --- several at once -----------------------------------------------------------------------------


def at_once(*acts):
    """What each act gave or raised, all begun at the same moment."""
    results = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def run(number, act):
        barrier.wait()
        try:
            results[number] = act()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            results[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_people_who_decide_at_once_the_second_is_told(url, store):
    with open_store(url, agent="a") as second:
        for number in range(8):
            item = tool(f"save{number}", source=f"return {number}", needs=RESTRICTED)
            Grants(store).request(item, by="x")
            name = f"save{number}"
            yes, no = at_once(
                lambda name=name: approve(Grants(store), name, by="ana"),
                lambda name=name: deny(Grants(second), name, by="ben"),
            )
            told = yes if isinstance(yes, Exception) else no
            assert isinstance(told, UserMistake)
            assert ("ben denied" if told is yes else "ana approved") in str(told)
    assert len(entries(store, "approval", "denial")) == 8


def test_many_approve_at_once_and_one_entry_comes_of_it(store, grants):
    release(store, SAVE)
    decided = at_once(*[lambda: approve(grants, "save", by="ana")] * 6)
    assert sum(each.fresh for each in decided) == 1
    assert len({each.entry.seq for each in decided}) == 1
    assert len(entries(store, "approval")) == 1


def test_uses_from_many_threads_and_stores_lead_to_one_step(url, store):
    with open_store(url, agent="a", timeout=30) as second:
        both = [Grants(store), Grants(second)]

        def work(number):
            for _ in range(5):
                both[number % 2].record(use(PAD))
                both[number % 2].store.append("verdict", {"n": number})

        assert at_once(*[lambda n=n: work(n) for n in range(8)]) == [None] * 8
        assert len(entries(store, "promotion")) == 1
        assert store.use_record(code_digest(PAD)).uses == 40
        for grants in both:
            assert grants.granted(code_digest(PAD)) == RESTRICTED


def test_many_questions_take_one_look_at_the_ledger(store, grants):
    release(store, SAVE)
    before = grants.as_of_now()
    approve(grants, "save", by="ana")
    used(grants, PAD, False, False, False)
    digest = code_digest(SAVE)
    assert (before.granted(digest), grants.as_of_now().granted(digest)) == (None, RESTRICTED)
    assert before.halted(code_digest(PAD)) is None
    assert "breaker is open" in grants.as_of_now().halted(code_digest(PAD))


def test_what_one_process_takes_back_another_no_longer_has(url, store, grants):
    release(store, SAVE)
    with open_store(url, agent="a") as other:
        approve(Grants(other), "save", by="ana")
        assert grants.granted(code_digest(SAVE)) == RESTRICTED
        demote(Grants(other), "save", by="ana")
        assert grants.granted(code_digest(SAVE)) == Permissions()


# --- the table -----------------------------------------------------------------------------------


def test_a_store_from_before_uses_were_kept_gains_them_and_loses_nothing(url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "strop.store.migrations.upgrade",
            lambda connection: command.upgrade(config(connection), "0001"),
        )
        with open_store(url, agent="a") as old:
            old.append("verdict", {"n": 1})
            with pytest.raises((DBAPIError, StoreUnavailable)):
                old.put_use(use(PAD))
    with open_store(url, agent="a") as new:
        assert entries(new) == [("verdict", {"n": 1})]
        used(Grants(new), PAD, *[True] * 10)
        assert [kind for kind, _ in entries(new)] == ["verdict", "promotion"]
        assert first_break(new.ledger()) is None


# --- with the toolbox ----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_calls_in_the_sandbox_lead_up_the_ladder_and_off_it(store, grants):
    if not any(each.available for each in backends()):
        pytest.skip("no sandbox works on this machine")
    half = tool("half", source="return 100 // x if x < 100 else nothing")
    box = Toolbox(granted=grants.granted, halted=grants.halted, record=grants.record)

    async def call(item, x):
        return await box.call(str(item.content["name"]), {"x": x}, items=[half, SAVE])

    for _ in range(10):
        assert await call(half, 50) == 2
    assert grants.granted(code_digest(half)) == RESTRICTED
    with pytest.raises(ToolCallFailed, match="was not called"):
        await box.call("half", {"y": 1}, items=[half])  # the caller's mistake
    for _ in range(4):
        with pytest.raises(ToolCallFailed, match="ZeroDivisionError"):
            await call(half, 0)  # it refuses, which is no fault of its own
    for _ in range(3):
        with pytest.raises(ToolCallFailed, match="NameError"):
            await call(half, 100)
    with pytest.raises(ToolCallFailed, match="breaker is open: 3 failures in a row"):
        await call(half, 50)
    record = store.use_record(code_digest(half))
    assert (record.uses, record.by_what) == (13, {"declined": 4, "raised": 3})
    assert set(box.inert([half, SAVE])) == {"tool-half", "tool-save"}
    release(store, half, SAVE)
    approve(grants, "half", by="ana")
    approve(grants, "save", by="ana")
    assert box.inert([half, SAVE]) == {}
    assert await call(half, 25) == 4
