"""Chains as values: round trips, evaluation, going through lists, stopping, refusing."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import json_objects, json_values, names, texts
from strop.chain import Chain, ChainStep, arguments, run_chain
from strop.errors import BadInput
from strop.expression import PathMissing, check, evaluate, params_of

paths = st.lists(st.one_of(names, st.integers(-3, 3)), max_size=3)


def expressions(*, before, item):
    """Expressions for a step with so many before it."""
    leaves = [
        json_values.map(lambda value: {"const": value}),
        st.builds(lambda name, path: {"param": name, "path": path}, names, paths),
    ]
    if before:
        leaves.append(
            st.builds(lambda n, p: {"step": n, "path": p}, st.integers(0, before - 1), paths)
        )
    if item:
        leaves.append(paths.map(lambda path: {"item": path}))
    return st.recursive(
        st.one_of(leaves),
        lambda inner: st.one_of(
            st.lists(st.one_of(texts, inner), max_size=3).map(lambda parts: {"text": parts}),
            st.lists(inner, max_size=3).map(lambda parts: {"list": parts}),
            st.dictionaries(names, inner, max_size=3).map(lambda parts: {"object": parts}),
        ),
        max_leaves=4,
    )


@st.composite
def chains(draw):
    made = []
    for number in range(draw(st.integers(1, 4))):
        each = None
        if draw(st.booleans()):
            each = draw(expressions(before=number, item=False))
        of = expressions(before=number, item=each is not None)
        args = draw(st.dictionaries(names, of, max_size=3))
        made.append(ChainStep(tool=draw(names), args=args, each=each))
    return Chain(steps=tuple(made), returns=draw(st.sampled_from(("last", "all"))))


def run(chain, args, call):
    return anyio.run(run_chain, chain, args, call)


@given(chains())
def test_json_and_back(chain):
    again = Chain.from_json(chain.to_json())
    assert again == chain
    assert again.to_json() == chain.to_json()


@given(chains(), json_objects)
def test_running_ends_in_results_or_in_a_failed_step(chain, args):
    seen = []

    async def call(tool, given):
        seen.append(tool)
        return {"of": tool, "given": given}

    done = run(chain, args, call)
    if done.failed is None:
        assert len(done.results) == len(chain.steps)
        assert done.error is None
    else:
        assert len(done.results) == done.failed
        assert done.error
    assert set(seen) <= set(chain.tools)


@given(chains())
def test_names_are_one_for_each_step(chain):
    assert len(chain.names) == len(chain.steps)
    assert set(chain.params) == {
        p
        for step in chain.steps
        for e in (*step.args.values(), step.each)
        if e is not None
        for p in params_of(e)
    }


def test_names_of_one_tool_are_numbered():
    steps = (ChainStep(tool="get", args={}), ChainStep(tool="put", args={}))
    assert Chain(steps=(*steps, steps[0])).names == ("get", "put", "get_2")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"const": [1, None]}, [1, None]),
        ({"param": "who"}, {"id": 7}),
        ({"param": "who", "path": ["id"]}, 7),
        ({"step": 0, "path": ["rows", -1, "n"]}, 2),
        ({"step": 1, "path": ["inner", "deep"]}, "x"),  # JSON as text, twice
        ({"item": ["k"]}, "v"),
        ({"text": ["#", {"param": "who", "path": ["id"]}, "/", {"item": ["k"]}]}, "#7/v"),
        ({"object": {"a": {"const": 1}, "b": {"item": []}}}, {"a": 1, "b": {"k": "v"}}),
        ({"list": [{"const": 1}, {"step": 0, "path": ["rows", 0, "n"]}]}, [1, 1]),
    ],
)
def test_evaluation(expression, value):
    results = [{"rows": [{"n": 1}, {"n": 2}]}, '{"inner": "{\\"deep\\": \\"x\\"}"}']
    assert evaluate(expression, {"who": {"id": 7}}, results, item={"k": "v"}) == value


@pytest.mark.parametrize(
    "expression",
    [
        {"param": "nobody"},
        {"step": 3},
        {"step": 0, "path": ["b"]},
        {"step": 0, "path": ["a", 0]},
        {"step": 0, "path": ["list", 1]},
        {"step": 0, "path": ["list", -2]},
        {"step": 0, "path": ["text", "in"]},
        {"item": ["k"]},
    ],
)
def test_a_path_that_leads_nowhere_is_told(expression):
    results = [{"a": {"b": 1}, "list": [1], "text": "{not json"}]
    with pytest.raises(PathMissing):
        evaluate(expression, {}, results)


def chain_of(*steps):
    return Chain(steps=tuple(ChainStep(**step) for step in steps))


def test_one_call_per_item_in_order():
    chain = chain_of(
        {"tool": "list", "args": {}},
        {
            "tool": "get",
            "args": {"id": {"item": ["id"]}, "day": {"param": "day"}},
            "each": {"step": 0, "path": ["rows"]},
        },
    )
    calls = []

    async def call(tool, args):
        calls.append((tool, args))
        return '{"rows": [{"id": 3}, {"id": 1}]}' if tool == "list" else args["id"] * 10

    assert run(chain, {"day": "mon"}, call).results[1] == [30, 10]
    assert calls[1:] == [("get", {"id": 3, "day": "mon"}), ("get", {"id": 1, "day": "mon"})]
    # A parameter that was not given is left out.
    assert arguments(chain.steps[1], {}, [{"rows": [{"id": 5}]}]) == [{"id": 5}]
    assert arguments(chain.steps[1], {}, [{"rows": []}]) == []


@pytest.mark.parametrize("rows", ["no list", {"a": 1}, None, list(range(101))])
def test_what_is_no_list_to_go_through_is_a_failed_step(rows):
    chain = chain_of(
        {"tool": "list", "args": {}},
        {"tool": "get", "args": {"id": {"item": []}}, "each": {"step": 0}},
    )

    async def call(tool, args):
        assert tool == "list"
        return rows

    done = run(chain, {}, call)
    assert (done.failed, done.results) == (1, (rows,))
    assert done.error


def test_it_stops_at_the_first_step_that_fails():
    chain = chain_of(*({"tool": tool, "args": {}} for tool in ("one", "two", "three")))
    calls = []

    async def call(tool, args):
        calls.append(tool)
        if tool == "two":
            raise ValueError("no\nsuch thing")
        return tool

    done = run(chain, {}, call)
    assert (done.results, done.failed, done.error) == (("one",), 1, "no such thing")
    assert calls == ["one", "two"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        "chain",
        {"kind": "code", "steps": []},
        {"kind": "chain"},
        {"kind": "chain", "steps": []},
        {"kind": "chain", "steps": ["get"]},
        {"kind": "chain", "steps": [{"tool": "", "args": {}}]},
        {"kind": "chain", "steps": [{"tool": "get", "args": []}]},
        {"kind": "chain", "steps": [{"tool": "get", "args": {}, "each": "all"}]},
        {"kind": "chain", "steps": [{"tool": "get", "args": {}}] * 17},
        {"kind": "chain", "steps": [{"tool": "get", "args": {}}], "returns": "first"},
        {"kind": "chain", "steps": [{"tool": "get", "args": {"a": {"step": 0}}}]},
        {"kind": "chain", "steps": [{"tool": "get", "args": {"a": {"item": []}}}]},
        {"kind": "chain", "steps": [{"tool": "get", "args": {"a": "plain"}}]},
    ],
)
def test_what_is_no_chain_is_refused(body):
    with pytest.raises(BadInput):
        Chain.from_json(body)


@pytest.mark.parametrize(
    "expression",
    [
        None,
        {},
        {"const": 1, "param": "x"},
        {"param": 3},
        {"step": True},
        {"step": "0"},
        {"step": -1},
        {"step": 0, "path": "a"},
        {"step": 0, "path": [True]},
        {"step": 0, "path": [1.5]},
        {"item": "a"},
        {"text": "plain"},
        {"list": {}},
        {"object": []},
        {"list": [{"step": 5}]},
        {"text": ["ok", {"nothing": 1}]},
        {"object": {"a": {"list": [{"const": object()}]}}},
    ],
)
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(BadInput):
        check(expression, before=1, item=True, where="here")
