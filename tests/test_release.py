"""Releases, where a rollback goes, and the chain of the ledger."""

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strategies import IDS, json_values, ledgers, release, texts
from strop.errors import UserMistake
from strop.release import (
    GENESIS,
    Action,
    Channel,
    LedgerEntry,
    Release,
    chain,
    first_break,
    rollback_target,
)

releases = st.builds(
    Release,
    spec=texts,
    previous=st.none() | texts,
    origin=texts,
    action=st.sampled_from(Action),
    summary=texts,
    by=texts,
    channel=st.sampled_from(Channel),
)


def history(*steps):
    """Releases from "a" (promoted), "<a" (rolled back to) and "=a" (configured)."""
    out = []
    for step in steps:
        action = {"<": Action.ROLLBACK, "=": Action.CONFIGURE}.get(step[0], Action.PROMOTE)
        out.append(release(step.lstrip("<="), out[-1].spec if out else None, action=action))
    return out


def rolled_back(past, to=None):
    target = rollback_target(past, to=to)
    return [*past, release(target.spec, past[-1].spec, action=Action.ROLLBACK)]


# --- rollback ------------------------------------------------------------------------------------


def test_rolling_back_twice_goes_back_two_steps():
    past = history("a", "b", "c")
    once = rolled_back(past)
    assert once[-1].spec == "b"
    assert rolled_back(once)[-1].spec == "a"
    with pytest.raises(UserMistake, match="the current spec replaced none"):
        rollback_target(rolled_back(once))


@pytest.mark.parametrize(
    ("past", "target"),
    [
        ("a b", "a"),
        ("a b c <b d", "b"),
        ("a b c <a d", "a"),
        ("a b c <b <a =d e <d", "a"),
        ("a b =a", "b"),  # a person went back by hand: that is a step of its own
        ("a b =a <b", "a"),
        ("a b c <a <c", "a"),  # forward again: what was replaced is a
        ("a b =b", "a"),  # a release of what served already is no step
    ],
)
def test_a_rollback_goes_to_what_the_current_spec_replaced(past, target):
    assert rollback_target(history(*past.split())).spec == target


@given(st.lists(st.sampled_from(IDS[:4]) | st.none(), min_size=1, max_size=12))
def test_rolling_back_comes_to_an_end(steps):
    """However much was released and rolled back (`None`), the way back is finite and never stands."""
    past = history("a")
    for step in steps:
        if step is None:
            try:
                past = rolled_back(past)
            except UserMistake:
                assert past[-1].spec == "a"
        else:
            past = [*past, release(step, past[-1].spec)]
    for _ in range(len(past)):
        try:
            after = rolled_back(past)
        except UserMistake:
            break
        assert after[-1].spec != past[-1].spec
        past = after
    assert past[-1].spec == "a"
    with pytest.raises(UserMistake):
        rollback_target(past)


def test_a_spec_is_named_by_the_beginning_of_its_id():
    past = history("abc", "abd", "xyz")
    assert rollback_target(past, to="abc").spec == "abc"
    assert rollback_target(past, to="original").spec == "abc"
    assert rollback_target(rolled_back(past, to="abc"), to="x").spec == "xyz"


@pytest.mark.parametrize(
    ("past", "to", "message"),
    [
        ("", None, "nothing was released yet"),
        ("", "original", "nothing was released yet"),
        ("abc", None, "the current spec replaced none; `strop log` shows"),
        ("abc", "original", "'abc' serves already"),
        ("abc abd x", "ab", "'ab' is the beginning of several ids; `strop log` shows what was"),
        ("abc abd", "q", "'q' was never released; `strop log` shows what was"),
        ("abc abd", "abd", "'abd' serves already"),
    ],
)
def test_where_no_rollback_goes(past, to, message):
    with pytest.raises(UserMistake, match=message):
        rollback_target(history(*past.split()), to=to)


# --- the ledger ----------------------------------------------------------------------------------


@given(releases)
def test_a_release_survives_json(made):
    value = json.loads(json.dumps(made.to_json()))
    assert Release.from_json(value) == made
    entry = chain(None, kind="release", body=value, at=1.5)
    assert entry.release == made
    assert chain(entry, kind="verdict", body=value, at=2.0).release is None


@given(ledgers())
def test_an_entry_survives_json_with_its_hash(entries):
    for entry, stored in entries:
        value = json.loads(json.dumps(entry.to_json()))
        assert value["hash"] == stored
        again = LedgerEntry.from_json(value)
        assert again == entry
        assert again.hash == stored


@given(ledgers())
def test_a_whole_chain_is_whole_and_so_is_its_beginning(entries):
    assert first_break(entries) is None
    for length in range(len(entries)):
        # That the newest entries are gone cannot be seen from within.
        assert first_break(entries[:length]) is None
    assert [entry.seq for entry, _ in entries] == list(range(1, len(entries) + 1))
    assert not entries or entries[0][0].previous == GENESIS


edits = st.one_of(
    st.tuples(st.just("seq"), st.integers(0, 9)),
    st.tuples(st.just("kind"), texts),
    st.tuples(st.just("at"), st.floats(0, 10) | st.integers(0, 10)),
    st.tuples(st.just("body"), st.dictionaries(texts, json_values, max_size=2)),
    st.tuples(st.just("previous"), st.sampled_from((GENESIS, "f" * 64))),
)


@given(ledgers(min_size=1), st.data(), edits)
def test_any_edit_shows(entries, data, edit):
    at = data.draw(st.integers(0, len(entries) - 1))
    entry, stored = entries[at]
    edited = replace(entry, **dict([edit]))
    assume(edited.hash != entry.hash)
    assert first_break([*entries[:at], (edited, stored), *entries[at + 1 :]]) == at + 1
    rehashed = [*entries[:at], (edited, edited.hash), *entries[at + 1 :]]
    if edit[0] in ("seq", "previous"):
        assert first_break(rehashed) == at + 1
    elif at + 1 < len(entries):
        assert first_break(rehashed) == at + 2  # the next one still says what stood here


@given(ledgers(min_size=2), st.data())
def test_any_drop_but_of_the_newest_shows(entries, data):
    at = data.draw(st.integers(0, len(entries) - 2))
    assert first_break([*entries[:at], *entries[at + 1 :]]) == at + 1


@given(ledgers(min_size=2), st.data())
def test_any_swap_shows(entries, data):
    i, j = sorted(data.draw(st.permutations(range(len(entries))))[:2])
    mixed = list(entries)
    mixed[i], mixed[j] = mixed[j], mixed[i]
    assert first_break(mixed) == i + 1


@given(ledgers(min_size=1), st.data())
def test_any_repeat_and_any_insertion_shows(entries, data):
    at = data.draw(st.integers(0, len(entries) - 1))
    assert first_break([*entries[: at + 1], *entries[at:]]) == at + 2
    other = chain(None, kind="alert", body={"not": "ours"}, at=0.5)
    assume(other.hash != entries[0][1])
    assert first_break([*entries[:at], (other, other.hash), *entries[at:]]) is not None


def test_a_chain_that_begins_in_the_middle_is_broken():
    first = chain(None, kind="a", body={}, at=1.0)
    second = chain(first, kind="b", body={}, at=2.0)
    assert first_break([(second, second.hash)]) == 1
