"""Chains from recurring calls: what is found, how it is mapped, and above all what is not claimed."""

import json
import random
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import json_values
from strop.chain import Chain, run_chain
from strop.mine import ChainMiner, mine_chains
from strop.mine.calls import calls_of
from strop.mine.chains import ChainRules, only_reads
from strop.mine.chains.leaves import places
from strop.mine.chains.wording import name_of
from strop.run import CodeRun, Run, Score, ScoredRun, ToolCall
from strop.task import Split


def attempt(task, calls, value=1.0, *, run=None):
    """A run of calls, each a tool, its arguments and its result."""
    steps = tuple(
        ToolCall(tool=t, args=a, result=r) if not isinstance(t, CodeRun) else t for t, a, r in calls
    )
    made = Run(id=run or f"{task}/r", task=task, input="do it", split=Split.TRAIN, steps=steps)
    return ScoredRun(run=made, score=None if value is None else Score(name="s", value=value))


def customer(n, **more):
    """A record of customer n; no two share a telling value."""
    return {"id": f"cus-{n:03}", "name": f"Name{n:03}", "plan": {"sub": f"sub-{n:03}"}, **more}


def looked_up(n, **more):
    """Look up a customer, then the subscription in what came back."""
    return [
        ("get_customer", {"email": f"c{n}@example.com"}, json.dumps(customer(n, **more))),
        ("get_subscription", {"subscription_id": f"sub-{n:03}"}, {"state": "paid", "n": n}),
    ]


def only(findings):
    (finding,) = findings
    return finding


def steps(finding):
    return finding.data["tool"]["body"]["steps"]


def test_a_value_handed_on_becomes_a_chain():
    found = only(mine_chains(attempt(f"t{n}", looked_up(n)) for n in range(5)))
    assert found.data["tool"] == {
        "name": "get_customer_subscription",
        "description": "get_customer, get_subscription in one call.",
        "parameters": {
            "type": "object",
            "properties": {"email": {"type": "string"}},
            "required": ["email"],
        },
        "body": {
            "kind": "chain",
            "steps": [
                {"tool": "get_customer", "args": {"email": {"param": "email"}}},
                {
                    "tool": "get_subscription",
                    "args": {"subscription_id": {"step": 0, "path": ["plan", "sub"]}},
                },
            ],
            "returns": "last",
        },
    }
    assert found.data["support"] == {"tasks": 5, "runs": 5, "successes": 5, "failures": 0}
    assert found.data["instances"][0] == {
        "run": "t0/r",
        "task": "t0",
        "positions": [0, 1],
        "args": {"email": "c0@example.com"},
    }
    assert (found.data["verified"], found.data["saves"]) == (1.0, 5)


def test_support_counts_tasks_and_not_runs():
    runs = [attempt(f"t{n % 2}", looked_up(n), run=f"r{n}") for n in range(20)]
    assert mine_chains(runs) == ()
    assert mine_chains(runs, threshold=2)


@pytest.mark.parametrize("odd", range(4))
def test_a_field_that_agrees_by_accident_is_told_apart_by_one_instance(odd):
    def calls(n):
        decoy = f"sub-{n:03}" if n != odd else "sub-other"
        return looked_up(n, current=decoy, subscription_id=decoy)  # shorter, and of the right name

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(12)))
    assert steps(found)[1]["args"]["subscription_id"] == {"step": 0, "path": ["plan", "sub"]}


def test_of_fields_that_always_agree_the_one_of_the_right_name_is_taken():
    def calls(n):
        return looked_up(n, aaa=f"sub-{n:03}", subscription_id=f"sub-{n:03}")

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(5)))
    assert steps(found)[1]["args"]["subscription_id"]["path"] == ["subscription_id"]


def test_a_mapping_that_fails_on_tasks_held_back_is_not_proposed():
    # Every task but the few held back agrees; those go on with a value from elsewhere in it.
    def calls(n, *, wrong):
        first, second = looked_up(n, spare=f"spare-{n}")
        args = {"subscription_id": f"spare-{n}"} if wrong else second[1]
        return [first, (second[0], args, second[2])]

    for seed in range(20):
        draw = random.Random(seed)
        wrong = set(draw.sample(range(20), 4))
        assert (
            mine_chains(attempt(f"{seed}-{n}", calls(n, wrong=n in wrong)) for n in range(20)) == ()
        )


def test_texts_with_a_value_in_them():
    def calls(n):
        return [
            ("find_order", {"phone": f"555-{n:04}"}, {"order": {"number": 7000 + n}}),
            ("search_mail", {"query": f"Order #{7000 + n} (open)"}, []),
        ]

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(4)))
    assert steps(found)[1]["args"]["query"] == {
        "text": ["Order #", {"step": 0, "path": ["order", "number"]}, " (open)"]
    }


def trip(n, called, *, items=3):
    ids = [f"R{n:02}X{i}" for i in range(items)]
    yield "get_user", {"user_id": f"user-{n:02}"}, json.dumps({"bookings": ids, "n": n})
    for i in called:
        yield "get_booking_details", {"booking_id": ids[i]}, {"booking": ids[i]}


def test_the_same_call_for_each_item_of_a_list():
    found = only(mine_chains(attempt(f"t{n}", trip(n, range(1 + n % 3))) for n in range(9)))
    assert found.data["tool"]["name"] == "get_user_bookings"
    assert steps(found)[1] == {
        "tool": "get_booking_details",
        "args": {"booking_id": {"item": []}},
        "each": {"step": 0, "path": ["bookings"]},
    }
    assert found.data["items"] == {"called": 18, "listed": 27}
    assert found.data["saves"] == 18


def test_always_the_same_item_is_one_call():
    found = only(mine_chains(attempt(f"t{n}", trip(n, [0], items=6)) for n in range(6)))
    assert "each" not in steps(found)[1]
    assert steps(found)[1]["args"] == {"booking_id": {"step": 0, "path": ["bookings", 0]}}


def test_a_list_that_agents_hardly_look_into_is_not_gone_through():
    assert mine_chains(attempt(f"t{n}", trip(n, [n % 12], items=12)) for n in range(12)) == ()


def test_items_of_objects_and_arguments_that_all_calls_share():
    def calls(n):
        rooms = [{"room": {"key": f"k{n}-{i}"}, "floor": i} for i in range(2)]
        yield "get_hotel", {"hotel": f"hotel-{n}", "day": f"2026-01-{n + 10}"}, {"rooms": rooms}
        for room in rooms:
            args = {"key": room["room"]["key"], "day": f"2026-01-{n + 10}"}
            yield "get_price", args, {"price": n}

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(6)))
    assert steps(found)[1]["args"] == {
        "key": {"item": ["room", "key"]},
        "day": {"param": "day"},
    }


def test_objects_and_lists_are_explained_by_their_leaves_or_as_a_whole():
    def calls(n):
        legs = [{"number": f"HA{n:03}", "day": f"2026-02-{n + 10}", "price": 90 + n}]
        people = [{"first": f"Ann{n}"}, {"first": f"Bob{n}"}]
        yield "get_trip", {"trip": f"trip-{n:03}"}, {"legs": legs, "people": people}
        flights = [{"number": legs[0]["number"], "day": legs[0]["day"]}]
        yield "check_seats", {"flights": flights, "people": people}, "yes"

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(6)))
    assert steps(found)[1]["args"] == {
        "flights": {
            "list": [
                {
                    "object": {
                        "number": {"step": 0, "path": ["legs", 0, "number"]},
                        "day": {"step": 0, "path": ["legs", 0, "day"]},
                    }
                }
            ]
        },
        "people": {"step": 0, "path": ["people"]},
    }


def test_what_nothing_explains_is_a_parameter_and_what_never_changes_is_constant():
    def calls(n):
        first, (tool, args, result) = looked_up(n)
        return [first, (tool, {**args, "limit": 10, "note": f"w{n * 7919 % 1000}"}, result)]

    schema = {
        "type": "object",
        "properties": {
            "subscription_id": {"type": "string"},
            "note": {"type": "string", "description": "What to look for."},
        },
        "required": ["subscription_id", "note"],
    }
    found = only(
        mine_chains(
            (attempt(f"t{n}", calls(n)) for n in range(8)), tools={"get_subscription": schema}
        )
    )
    assert steps(found)[1]["args"]["limit"] == {"const": 10}
    assert steps(found)[1]["args"]["note"] == {"param": "note"}
    parameters = found.data["tool"]["parameters"]
    assert parameters["properties"]["note"] == schema["properties"]["note"]
    assert parameters["required"] == ["email", "note"]
    assert found.data["instances"][1]["args"] == {"email": "c1@example.com", "note": "w919"}


def test_arguments_that_are_given_at_times_are_optional():
    def calls(n):
        first, (tool, args, result) = looked_up(n)
        return [first, (tool, {**args, **({"at": n} if n % 2 else {})}, result)]

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(8)))
    assert steps(found)[1]["args"]["at"] == {"param": "at"}
    assert found.data["tool"]["parameters"]["required"] == ["email"]
    assert found.data["tool"]["parameters"]["properties"]["at"]["type"] == "integer"


def test_what_only_sometimes_follows_is_a_decision():
    def runs(follows):
        for n in range(10):
            yield attempt(f"t{n}", looked_up(n)[: 1 + (n < follows)])

    assert mine_chains(runs(4)) == ()
    found = only(mine_chains(runs(7)))
    assert (found.data["follows"], found.data["begun"], found.data["occurrences"]) == (0.7, 10, 7)


def test_one_task_with_many_runs_does_not_make_a_habit():
    often = [attempt("t0", looked_up(n), run=f"r{n}") for n in range(50)]
    seldom = [attempt(f"t{n}", looked_up(n)[: 1 + (n < 3)]) for n in range(1, 10)]
    assert mine_chains([*often, *seldom]) == ()


def closing(n, *, after=True, reason=None):
    yield "get_order", {"number": f"no-{n:03}"}, {"order_id": f"ord-{n:03}"}
    if after:
        args = {"order_id": f"ord-{n:03}"} | ({"reason": reason} if reason else {})
        yield "close_order", args, {"closed": f"ord-{n:03}"}


def test_a_call_that_changes_something_only_where_it_always_follows_and_is_all_explained():
    always = [attempt(f"t{n}", closing(n)) for n in range(12)]
    assert [s["tool"] for s in steps(only(mine_chains(always)))] == ["get_order", "close_order"]
    assert mine_chains(always[:9]) == ()  # too few tasks to say always
    once_not = attempt("t99", closing(99, after=False))
    assert mine_chains([*always, once_not]) == ()
    chosen = [attempt(f"t{n}", closing(n, reason=f"reason{n}")) for n in range(12)]
    assert mine_chains(chosen) == ()


def test_a_search_that_is_repeated_with_guesses_is_no_chain():
    def calls(n):
        yield "get_trip", {"trip": f"trip-{n:03}"}, {"origin": f"AP{n:03}", "to": f"TO{n:03}"}
        for guess in ("x", "y", "z"):
            args = {"origin": f"AP{n:03}", "destination": f"{guess}{n:03}", "day": "2026-05-20"}
            yield "search_direct_flight", args, f"none for {n} {guess}"

    for found in mine_chains(attempt(f"t{n}", calls(n), 0.5) for n in range(12)):
        assert [s["tool"] for s in steps(found)].count("search_direct_flight") <= 1
    assert mine_chains(attempt(f"t{n}", list(calls(n))[1:]) for n in range(12)) == ()


def test_chains_of_runs_that_fail_are_not_proposed():
    lost = [attempt(f"t{n}", looked_up(n), 0.0) for n in range(12)]
    won = [attempt(f"w{n}", [("ping", {}, "pong")], 1.0) for n in range(12)]
    assert mine_chains([*lost, *won]) == ()
    unscored = [attempt(f"t{n}", looked_up(n), None) for n in range(12)]
    assert mine_chains(unscored)
    mixed = [attempt(f"t{n}", looked_up(n), float(n % 2)) for n in range(12)]
    support = only(mine_chains([*mixed, *won])).data["support"]
    assert (support["successes"], support["failures"]) == (6, 6)
    rare = [attempt(f"t{n}", looked_up(n), float(n == 0)) for n in range(30)]
    won += [attempt(f"v{n}", [("ping", {}, "pong")], 1.0) for n in range(30)]
    assert mine_chains([*rare, *won]) == ()  # surely worse than the rest


def test_steps_whose_calls_fail_are_not_proposed():
    def calls(n):
        first, second = looked_up(n)
        return [first, second if n % 3 else (*second[:2], "Error: no such subscription")]

    assert mine_chains(attempt(f"t{n}", calls(n)) for n in range(12)) == ()


def test_the_longest_chain_is_told_and_not_its_parts():
    def calls(n):
        yield from looked_up(n)[:1]
        yield "get_subscription", {"subscription_id": f"sub-{n:03}"}, {"invoice": f"inv-{n:03}"}
        yield "get_invoice", {"invoice": f"inv-{n:03}", "customer": f"cus-{n:03}"}, f"paid {n}"

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(5)))
    assert [s["tool"] for s in steps(found)] == ["get_customer", "get_subscription", "get_invoice"]
    assert steps(found)[2]["args"] == {
        "invoice": {"step": 1, "path": ["invoice"]},
        "customer": {"step": 0, "path": ["id"]},
    }
    assert found.data["saves"] == 10


def test_all_results_are_returned_where_an_earlier_one_is_used_later():
    def calls(n):
        yield from looked_up(n)
        yield "note", {"to": f"Name{n:03}", "text": "hello"}, "ok"

    assert (
        only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(5))).data["tool"]["body"][
            "returns"
        ]
        == "all"
    )


def test_the_same_parameter_goes_to_several_steps():
    def calls(n):
        yield "get_profile", {"user": f"user-{n:03}"}, {"mail": f"m{n:03}"}
        yield "list_orders", {"user": f"user-{n:03}", "mail": f"m{n:03}"}, []

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(5)))
    assert steps(found)[1]["args"] == {
        "user": {"param": "user"},
        "mail": {"step": 0, "path": ["mail"]},
    }
    assert list(found.data["tool"]["parameters"]["properties"]) == ["user"]


def test_results_that_are_wrapped_and_other_calls_in_between():
    def calls(n):
        inner = json.dumps({"found": {"sub": f"sub-{n:03}"}})
        yield "find_customer", {"mail": f"c{n:03}"}, [{"type": "text", "text": inner}]
        yield "wait", {"seconds": n}, None
        yield CodeRun(source="1 + 1", output="2"), None, None
        yield "get_subscription", {"subscription_id": f"sub-{n:03}"}, "fine"

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(5)))
    assert steps(found)[1]["args"]["subscription_id"] == {
        "step": 0,
        "path": [0, "text", "found", "sub"],
    }
    assert found.data["instances"][0]["positions"] == [0, 3]


def test_the_order_of_runs_makes_no_difference_to_the_tool():
    runs = [attempt(f"t{n}", trip(n, range(1 + n % 3))) for n in range(9)]
    runs += [attempt(f"u{n}", looked_up(n)) for n in range(7)]
    told = [found.data["tool"] for found in mine_chains(runs)]
    for seed in range(3):
        random.Random(seed).shuffle(runs)
        assert [found.data["tool"] for found in mine_chains(runs)] == told


def test_of_very_many_runs_a_sample_of_tasks_is_kept():
    def runs():
        for n in range(2_600):
            yield attempt(f"t{n}", looked_up(n))

    whole, kept = ChainMiner(), ChainMiner(most=300)
    for scored in runs():
        calls = calls_of(scored.run)
        whole.add(scored, calls)
        kept.add(scored, calls)
    assert only(whole.findings()).data["support"]["tasks"] == 2_600
    assert only(kept.findings()).data["support"]["tasks"] == 300
    assert only(kept.findings()).data["tool"] == only(whole.findings()).data["tool"]


@pytest.mark.parametrize(
    ("args", "result"),
    [
        ("text", "x"),
        (None, {"a": 1}),
        ({"a": ["\udcff", "\0"]}, '{"a": "unfinished'),
        ({"q": "x" * 300_000}, "y" * 10_000_000),
        ({"q": {"deep": [[[[[[[["v" * 5]]]]]]]]}}, None),
        ({"": float("inf")}, "[" * 100_000),
    ],
)
def test_odd_calls_do_no_harm(args, result):
    odd = [("odd_tool", args, result), ("odd_tool", args, result)]
    runs = [attempt(f"t{n}", [*odd, *looked_up(n), *odd]) for n in range(5)]
    assert [s["tool"] for s in steps(only(mine_chains(runs)))] == [
        "get_customer",
        "get_subscription",
    ]


calls_of_anything = st.lists(
    st.tuples(st.sampled_from(("get_a", "get_b", "put_c")), json_values, json_values), max_size=6
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcd"), calls_of_anything), max_size=8))
def test_anything_may_be_recorded(runs):
    made = [attempt(task, calls, run=f"r{n}") for n, (task, calls) in enumerate(runs)]
    for found in mine_chains(made, threshold=1, rules=ChainRules(follows=0.1)):
        Chain.from_json(found.data["tool"]["body"])


@st.composite
def worlds(draw):
    """Where the second tool's arguments come from in the first one's result, and a decoy."""
    keys = st.sampled_from(["id", "ref", "key", "owner", "link"])
    paths = st.lists(st.one_of(keys, st.integers(0, 2)), min_size=1, max_size=3)
    return draw(st.dictionaries(keys, paths, min_size=1, max_size=3)), draw(st.booleans())


def placed(value, path):
    """A value of objects and lists with another at a path."""
    for part in reversed(path):
        value = {part: value, "size": 3} if isinstance(part, str) else [*[0] * part, value, 1]
    return value


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_what_is_mined_gives_the_recorded_calls_again(world):
    wired, as_text = world

    def result(n):
        whole = {name: placed(f"{name}-{n:04}", path) for name, path in wired.items()}
        return json.dumps(whole) if as_text else whole

    def calls(n):
        yield "get_first", {"start": f"start-{n:04}"}, result(n)
        yield "get_second", {name: f"{name}-{n:04}" for name in wired}, f"end {n}"

    found = only(mine_chains(attempt(f"t{n}", calls(n)) for n in range(6)))
    chain = Chain.from_json(found.data["tool"]["body"])
    made = []

    async def call(tool, args):
        made.append((tool, args))
        return result(int(args["start"][-4:])) if tool == "get_first" else "end"

    anyio.run(run_chain, chain, {"start": "start-0042"}, call)  # a task that it never saw
    assert made == [(t, a) for t, a, _ in calls(42)]


@pytest.mark.parametrize(
    ("tool", "reads"),
    [
        ("get_user_details", True),
        ("getUser", True),
        ("crm.get_order", True),
        ("list_transfers", True),
        ("search-flights", True),
        ("get_or_create_user", False),
        ("find_and_book", False),
        ("update_reservation", False),
        ("book_flight", False),
        ("delete_get_cache", False),
        ("think", False),
        ("", False),
        ("42", False),
    ],
)
def test_which_tools_only_read(tool, reads):
    assert only_reads(tool) is reads
    assert only_reads(tool, {tool})


@pytest.mark.parametrize(
    ("calls", "name"),
    [
        (
            [("get_user_details", False), ("get_reservation_details", True)],
            "get_user_reservations",
        ),
        ([("searchOrders", False), ("get_order_info", False)], "search_orders_then_get_order"),
        ([("get_box", False), ("get_company", True)], "get_box_companies"),
        ([("list", False), ("list", False)], "list_then_list"),
        ([("§§", False), ("get_x", False)], "call_then_get_x"),
    ],
)
def test_names_are_phrases(calls, name):
    assert name_of(calls) == name
    assert len(name_of([(tool * 9, many) for tool, many in calls])) <= 60


def test_the_places_of_a_value_are_the_plainest_first():
    result = {
        "list": [{"v": "abc"}],
        "deep": {"er": {"v": "abc"}},
        "v": "abc",
        "k9999": {"v": "abc"},
    }
    _, found, _ = places(result, {"abc"})
    assert found == {"abc": [("v",), ("list", 0, "v"), ("deep", "er", "v")]}


@pytest.mark.realdata
def test_real_runs_show_one_chain_and_no_loop():
    root = Path(__file__).resolve().parents[1]
    if not (root.parent / "shared" / "data" / "tau_airline").is_dir():
        pytest.skip("needs ../shared/data/tau_airline beside the checkout")
    sys.path.append(str(root))  # the benchmarks are beside the tests
    try:
        from bench.tools import chains as bench
    finally:
        sys.path.remove(str(root))
    report = bench.measure(quick=True)
    assert [chain["tool"]["name"] for chain in report["chains"]] == ["get_user_reservations"]
    assert report["tried"]["right_share"] == 1.0
    assert report["targets"]["replays_exactly"]["met"]
    assert report["targets"]["no_failure_loop"]["met"]
