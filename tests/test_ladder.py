"""The permission ladder as a policy: what a record earns, and what it loses. Pure, so by properties."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.config import load_config
from strop.errors import BadInput
from strop.permission import Level, Permissions
from strop.tools.ladder import (
    LadderPolicy,
    Move,
    UseRecord,
    at_level,
    below,
    decide,
    wilson_lower,
)

POLICY = LadderPolicy()
SANDBOX = Permissions()
RESTRICTED = Permissions(level=Level.RESTRICTED)
FULL = Permissions(level=Level.FULL, hosts=("example.com:443",))
WRITES = Permissions(level=Level.RESTRICTED, write=("/data",))


def record(*marks: bool, window: int = POLICY.window) -> UseRecord:
    """A record of uses, oldest first."""
    newest = tuple(reversed(marks))[:window]
    return UseRecord(uses=len(marks), successes=sum(marks), newest=newest, last=len(marks))


def of(good: int, bad: int = 0) -> UseRecord:
    """Failures first, so that neither the breaker nor the way down is in question."""
    return record(*[False] * bad, *[True] * good)


policies = st.builds(
    lambda uses, low, mid, high, bound, full, write, breaker: LadderPolicy(
        uses=uses,
        demote_below=low,
        restricted=mid,
        full=high,
        bound=bound,
        approve_full=full,
        approve_write=write,
        breaker=breaker,
    ),
    st.integers(1, 30),
    st.floats(0, 0.8),
    st.floats(0.8, 1),
    st.floats(0.8, 1),
    st.none() | st.floats(0, 1),
    st.booleans(),
    st.booleans(),
    st.integers(1, 6),
)
permissions = st.sampled_from([SANDBOX, RESTRICTED, WRITES, FULL, Permissions(read=("/r",))])
histories = st.lists(st.booleans(), max_size=120)


# --- the interval --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "n", "lower"),
    [(10, 10, 0.7225), (0, 10, 0.0), (9, 10, 0.5958), (95, 100, 0.8882), (381, 381, 0.9900)],
)
def test_wilsons_lower_bound_as_in_tables(good, n, lower):
    assert wilson_lower(good, n) == pytest.approx(lower, abs=5e-5)


@given(st.integers(1, 5000), st.data())
def test_the_bound_lies_under_the_rate_and_grows_with_evidence(n, data):
    good = data.draw(st.integers(0, n))
    lower = wilson_lower(good, n)
    assert 0 <= lower <= good / n
    assert wilson_lower(good + 1, n + 1) > lower - 1e-12
    assert wilson_lower(good, n + 1) <= lower + 1e-12
    # Its definition: the share from which what was seen is just 1.96 standard errors away.
    if good:
        spread = math.sqrt(lower * (1 - lower) / n)
        assert good / n - lower == pytest.approx(1.959964 * spread, abs=1e-6)


@pytest.mark.parametrize(("good", "n"), [(0, 0), (2, 1), (-1, 3)])
def test_what_is_no_share_has_no_bound(good, n):
    with pytest.raises(ValueError, match="is no share"):
        wilson_lower(good, n)


# --- the ladder ----------------------------------------------------------------------------------


def test_a_new_tool_earns_restricted_by_ten_good_uses():
    assert decide(POLICY, SANDBOX, SANDBOX, of(9)) is None
    step = decide(POLICY, SANDBOX, SANDBOX, of(10))
    assert step is not None
    assert (step.move, step.before, step.after) == (Move.PROMOTE, SANDBOX, RESTRICTED)
    assert step.record.rate == 1
    assert step.reason == "10 of 10 uses succeeded, at least 95%; the 95 % lower bound is 0.72"
    assert decide(POLICY, SANDBOX, SANDBOX, of(18, 1)) is None
    assert decide(POLICY, SANDBOX, SANDBOX, of(19, 1)) is not None


def test_the_network_waits_for_a_person_unless_the_policy_says_otherwise():
    assert decide(POLICY, RESTRICTED, FULL, of(500)) is None
    lax = LadderPolicy(approve_full=False)
    assert decide(lax, RESTRICTED, FULL, of(98, 1)) is None
    step = decide(lax, RESTRICTED, FULL, of(99, 1))
    assert step is not None
    assert step.after == FULL  # the hosts that it declares, no others
    assert decide(lax, RESTRICTED, RESTRICTED, of(500)) is None  # nobody asked for it
    assert decide(lax, FULL, FULL, of(500)) is None


def test_writing_outside_scratch_waits_for_a_person_unless_the_policy_says_otherwise():
    assert decide(POLICY, SANDBOX, WRITES, of(500)) is None
    step = decide(LadderPolicy(approve_write=False), SANDBOX, WRITES, of(10))
    assert step is not None
    assert step.after == WRITES


def test_a_policy_may_ask_for_the_bound_as_well():
    strict = LadderPolicy(bound=0.9)
    assert decide(strict, SANDBOX, SANDBOX, of(34)) is None
    assert decide(strict, SANDBOX, SANDBOX, of(35)) is not None
    loose = LadderPolicy(bound=0.1)  # no way round the rate
    assert decide(loose, SANDBOX, SANDBOX, of(18, 2)) is None


def test_three_failures_in_a_row_open_the_breaker_whatever_came_before():
    good = [True] * 500
    for grant in (SANDBOX, RESTRICTED, FULL):
        assert decide(POLICY, grant, grant, record(*good, False, False)) is None or grant == SANDBOX
        step = decide(POLICY, grant, grant, record(*good, False, False, False))
        assert step is not None
        assert (step.move, step.before, step.after) == (Move.OPEN, grant, grant)
        assert step.reason == "3 failures in a row"


def test_a_tool_that_gets_worse_goes_a_rung_down():
    worse = [True] * 50 + [False, True, True] * 3 + [True]
    assert sum(worse[-10:]) == 7
    for grant, after in ((FULL, RESTRICTED), (WRITES, SANDBOX), (RESTRICTED, SANDBOX)):
        step = decide(POLICY, grant, grant, record(*worse))
        assert step is not None
        assert (step.move, step.after) == (Move.DEMOTE, after)
        assert step.reason == "7 of the newest 10 uses succeeded, less than 80%"
    assert decide(POLICY, SANDBOX, SANDBOX, record(*worse)) is None  # there is nothing lower
    assert decide(POLICY, FULL, FULL, record(*worse[-9:])) is None  # too few on this rung


@given(policies, permissions, permissions, histories)
def test_nothing_is_promoted_below_the_thresholds(policy, granted, need, history):
    step = decide(policy, granted, need, record(*history, window=policy.window))
    if step is None or step.move is not Move.PROMOTE:
        return
    share = {Level.RESTRICTED: policy.restricted, Level.FULL: policy.full}[step.after.level]
    assert len(history) >= policy.uses
    assert sum(history) / len(history) >= share
    assert policy.bound is None or wilson_lower(sum(history), len(history)) >= policy.bound
    # One rung at a time, and never a folder or the network without leave.
    assert step.after.level is granted.level.above()
    assert step.after.read == granted.read
    assert set(step.after.write) <= {*granted.write, *need.write}
    if policy.approve_write:
        assert step.after.write == granted.write
        assert set(need.write) <= set(granted.write)
    if step.after.level is Level.FULL:
        assert not policy.approve_full
        assert step.after.hosts == need.hosts


@given(policies, permissions, permissions, histories, st.data())
def test_a_success_never_costs_anything(policy, granted, need, history, data):
    order = {Move.PROMOTE: 3, None: 2, Move.DEMOTE: 1, Move.OPEN: 0}

    def worth(marks):
        step = decide(policy, granted, need, record(*marks, window=policy.window))
        return order[None if step is None else step.move]

    bad = [at for at, ok in enumerate(history) if not ok]
    if bad:
        at = data.draw(st.sampled_from(bad))
        assert worth([*history[:at], True, *history[at + 1 :]]) >= worth(history)
    if len(history) >= policy.uses:  # before that, one more use is also more evidence against it
        assert worth([*history, True]) >= worth(history)


@given(policies, permissions, permissions, histories)
def test_failures_in_a_row_always_end_in_an_open_breaker(policy, granted, need, history):
    marks = [*history, *[False] * policy.breaker]
    step = decide(policy, granted, need, record(*marks, window=policy.window))
    assert step is not None
    assert step.move is Move.OPEN


@given(policies, permissions, histories, st.integers(0, 6))
def test_what_is_carried_over_a_step_counts_for_the_breaker_only(policy, granted, marks, carried):
    now = record(*marks, window=policy.window)
    with_it = replace(now, carried=carried)
    step = decide(policy, granted, granted, with_it)
    if True in now.newest:
        assert with_it.streak == now.streak
    else:
        assert with_it.streak == now.streak + carried
    if with_it.streak < policy.breaker:
        without = decide(policy, granted, granted, now)
        assert (step and step.after) == (without and without.after)
    else:
        assert step is not None
        assert step.move is Move.OPEN


@given(policies, permissions, histories)
def test_the_way_down_never_grants_anything(policy, granted, history):
    step = decide(policy, granted, granted, record(*history, window=policy.window))
    if step is not None and step.move is Move.DEMOTE:
        assert granted.covers(step.after) or step.after.read == granted.read
        assert step.after.level is below(granted.level)
        assert set(step.after.write) <= set(granted.write)


def test_what_is_left_at_a_lower_level():
    whole = Permissions(level=Level.FULL, read=("/r",), write=("/w",), hosts=("h:1",))
    assert at_level(whole, Level.RESTRICTED).to_json() == {
        "level": "restricted",
        "read": ["/r"],
        "write": ["/w"],
        "hosts": [],
    }
    assert at_level(whole, Level.SANDBOX) == Permissions(read=("/r",))
    assert [below(level) for level in Level] == [None, Level.SANDBOX, Level.RESTRICTED]


# --- the policy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"uses": 0}, "ladder.uses: must be 1 or more"),
        ({"breaker": 0}, "ladder.breaker: must be 1 or more"),
        ({"full": 1.1}, "ladder.full: must be a share"),
        ({"bound": -0.1}, "ladder.bound: must be a share"),
        ({"demote_below": 0.97}, "ladder.demote_below: must not be above"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong, says):
    with pytest.raises(BadInput, match=says):
        LadderPolicy(**wrong)


def test_the_configuration_has_the_same_defaults(tmp_path):
    path = tmp_path / "strop.yaml"
    path.write_text("name: a")
    assert load_config(path).ladder_policy == POLICY
    path.write_text("ladder: {uses: 20, bound: 0.8, approve_full: false}")
    assert load_config(path).ladder_policy == LadderPolicy(uses=20, bound=0.8, approve_full=False)
    path.write_text("ladder: {demote_below: 1}")
    with pytest.raises(BadInput, match="up and down for ever"):
        _ = load_config(path).ladder_policy
