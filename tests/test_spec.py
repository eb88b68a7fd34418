"""Specs, their identity, and the changes that lead from one to another."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import bare_items, bare_specs, changes, fitting_changes, items, shuffled, specs
from strop.errors import BadInput, ChangeRefused
from strop.jsonvalue import canonical
from strop.spec import (
    Add,
    AgentSpec,
    Item,
    Kind,
    Provenance,
    Remove,
    Revise,
    Selection,
    Trust,
    apply,
    change_from_json,
    diff,
)

# One spec with something in every field: were its id ever another, every stored release would
# point nowhere.
FIXED = {
    "schema": "strop.spec/1",
    "name": "support",
    "model": "local",
    "settings": {"temperature": 0.1, "max_tokens": 64, "stop": ["\n"]},
    "output": {"type": "string", "enum": ["ja", "nein", "é😀"]},
    "selection": {"embedder": "static", "examples": 4, "memories": 8, "tokens": 1500},
    "items": [
        {
            "id": "clause-1",
            "kind": "clause",
            "content": {"text": "Be brief."},
            "protected": True,
            "provenance": {"by": "person", "runs": [], "trust": "person", "corrected": False},
        },
        {
            "id": "example-1",
            "kind": "example",
            "content": {"input": {"q": [1, 2.5, None]}, "output": "ja", "task": "t1"},
            "protected": False,
            "provenance": {
                "by": "mined:examples",
                "runs": ["r1"],
                "trust": "evidence",
                "corrected": True,
            },
        },
    ],
}
FIXED_ID = "46bbc1aaba553631f1ca1a44cccca8e0f44f68a6a4850d6324c24ffc6189facf"


def clause(id, text="", **given):  # noqa: A002
    return Item(id=id, kind=Kind.CLAUSE, content={"text": text or id}, **given)


def spec_of(*ids, **given):
    return AgentSpec(name="n", model="m", items=tuple(map(clause, ids)), **given)


def order(spec):
    return "".join(item.id for item in spec.items)


# --- identity ------------------------------------------------------------------------------------


def test_the_id_of_a_spec_is_held():
    assert AgentSpec.from_json(FIXED).id == FIXED_ID


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_the_id_is_the_same_in_every_process(seed):
    code = "import json, sys; from strop.spec import AgentSpec; print(AgentSpec.from_json(json.load(sys.stdin)).id)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(FIXED),
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == FIXED_ID


@given(specs, st.randoms())
def test_the_order_of_keys_is_no_part_of_the_id(spec, random):
    assert AgentSpec.from_json(shuffled(spec.to_json(), random)).id == spec.id


@given(specs)
def test_a_spec_survives_json(spec):
    again = AgentSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.id == spec.id
    assert canonical(again.to_json()) == canonical(spec.to_json())


@given(bare_specs)
def test_provenance_is_carried_along_but_is_no_part_of_the_id(spec):
    other = Provenance(by="somebody else", runs=("r9",), trust=Trust.UNTRUSTED)
    moved = replace(spec, items=tuple(replace(item, provenance=other) for item in spec.items))
    assert moved.id == spec.id
    assert [item.digest for item in moved.items] == [item.digest for item in spec.items]
    assert not spec.items or moved.to_json() != spec.to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"model": "other"},
        {"settings": {"temperature": 0.2}},
        {"output": {"type": "string"}},
        {"selection": Selection(examples=5)},
        {"selection": Selection(embedder="minilm")},
        {"items": (clause("b"), clause("a"))},
        {"items": (clause("a", protected=True), clause("b"))},
        {"items": (clause("a", "another text"), clause("b"))},
        {"items": (clause("a"),)},
    ],
)
def test_everything_that_decides_behaviour_is_part_of_the_id(change):
    spec = spec_of("a", "b")
    assert replace(spec, **change).id != spec.id


def test_a_spec_is_immutable_and_shares_nothing():
    settings = {"stop": ["x"]}
    spec = AgentSpec(name="n", model="m", settings=settings, items=[clause("a")])
    before = spec.id
    settings["stop"].append("y")
    assert replace(spec).id == before
    with pytest.raises(AttributeError):
        spec.name = "other"
    with pytest.raises(AttributeError):
        spec.items[0].id = "other"


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clause(""), "clause: an item needs a non-empty id"),
        (lambda: clause("\ud800"), "text is not valid Unicode"),
        (lambda: Item(id="a", kind=Kind.CLAUSE, content={}), "clause 'a': content needs 'text'"),
        (lambda: Item(id="a", kind=Kind.CLAUSE, content=["text"]), "content is a JSON object"),
        (lambda: Item(id="a", kind=Kind.CLAUSE, content={"text": 1}), "'text' has the wrong type"),
        (
            lambda: Item(id="a", kind=Kind.CLAUSE, content={"text": "x", "when": "y"}),
            "content does not take 'when'",
        ),
        (
            lambda: Item(id="a", kind=Kind.EXAMPLE, content={"input": 1}),
            "example 'a': content needs 'output'",
        ),
        (
            lambda: Item(id="a", kind=Kind.MEMORY, content={"text": "x", "pinned": "yes"}),
            "'pinned' has the wrong type",
        ),
        (
            lambda: Item(id="a", kind=Kind.CRITERION, content={"text": "x", "weight": "1"}),
            "'weight' has the wrong type",
        ),
        (
            lambda: Item(id="a", kind=Kind.EXAMPLE, content={"input": float("nan"), "output": 1}),
            r"example 'a'\.input: nan",
        ),
        (lambda: spec_of("a", "a"), "spec 'n': item id 'a' is used twice"),
        (lambda: AgentSpec(name="", model="m"), "spec.name: must not be empty"),
        (lambda: AgentSpec(name="n", model=""), "spec.model: must not be empty"),
        (lambda: AgentSpec(name="n", model="\ud800"), "spec.model: text is not valid Unicode"),
        (lambda: AgentSpec(name="n", model="m", settings={"t": object()}), r"spec\.settings\.t"),
        (lambda: Selection(examples=-1), "selection.examples: must be 0 or more"),
        (lambda: change_from_json({"change": "rename"}), "no change 'rename'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()


# --- changes -------------------------------------------------------------------------------------


@given(changes(items()))
def test_changes_survive_json(change):
    assert change_from_json(json.loads(json.dumps(change.to_json()))) == change


@given(bare_specs, bare_specs)
def test_diff_leads_from_any_items_to_any_others(a, b):
    made = apply(a, diff(a, b), by_person=True)
    assert made.items == b.items
    assert made == replace(a, items=b.items)  # and leaves the rest of the spec alone


@given(bare_specs, st.randoms())
def test_moving_items_is_a_diff_too(a, random):
    b = replace(a, items=tuple(random.sample(a.items, len(a.items))))
    assert apply(a, diff(a, b), by_person=True).items == b.items


@given(bare_specs)
def test_nothing_to_change_is_no_change(spec):
    assert diff(spec, spec) == ()
    assert apply(spec, ()) == spec


@given(bare_specs, st.data())
def test_apply_is_taking_changes_one_after_the_other(spec, data):
    made = data.draw(fitting_changes(spec))
    before = canonical(spec.to_json())
    at_once = apply(spec, made, by_person=True)
    one_by_one = spec
    for change in made:
        one_by_one = apply(one_by_one, [change], by_person=True)
    assert at_once == one_by_one
    assert canonical(spec.to_json()) == before


@given(bare_specs, st.lists(changes(bare_items()), max_size=5))
def test_changes_apply_or_are_refused_and_protected_items_stay(spec, made):
    try:
        after = apply(spec, made)
    except ChangeRefused:
        return
    held = {item.id: item for item in after.items}
    for item in spec.items:
        if item.protected:
            assert done_by(held[item.id]) == done_by(item)


def done_by(item):
    """An item without what of a tool is only read."""
    read = {"description", "parameters"} if item.kind is Kind.TOOL else set()
    content = {name: value for name, value in item.content.items() if name not in read}
    return {**item.behaviour(), "content": content}


@given(bare_items(protected=st.just(True)), bare_items())
def test_no_change_touches_a_protected_item(item, other):
    spec = AgentSpec(name="n", model="m", items=(item,))
    content = other.content if other.kind is item.kind else item.content
    if item.kind is Kind.TOOL:
        content = {**content, "name": f"{item.content['name']}x"}
    revised = replace(item, content=content)
    for change in (Remove(item_id=item.id), Revise(item_id=item.id, item=revised)):
        with pytest.raises(ChangeRefused, match="is protected; edit the configuration"):
            apply(spec, [change])
        apply(spec, [change], by_person=True)


PARAMETERS = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "description": "When."},
        "description": {"type": "string", "enum": ["a", "b"]},
        "people": {"type": "array", "items": {"type": "object", "properties": {"age": {}}}},
    },
    "required": ["day"],
}
NATIVE = Item(
    id="tool-book",
    kind=Kind.TOOL,
    content={
        "name": "book",
        "description": "Books.",
        "parameters": PARAMETERS,
        "body": {"kind": "native", "target": "m:book"},
    },
    protected=True,
)


def reworded(path, **keywords):
    """The native tool with other keywords in the schema at a path."""
    content = json.loads(json.dumps(NATIVE.content))
    at = content["parameters"]
    for name in path:
        at = at[name]
    at.update(keywords)
    return replace(NATIVE, content=content)


DAY = ("properties", "day")
AGE = ("properties", "people", "items", "properties", "age")


@pytest.mark.parametrize(
    "revised",
    [
        replace(NATIVE, content={**NATIVE.content, "description": "Books a room. Not a table."}),
        replace(NATIVE, provenance=Provenance(by="mined:descriptions", trust=Trust.EVIDENCE)),
        reworded(DAY, description="When, as YYYY-MM-DD.", examples=["2024-05-01"], format="date"),
        reworded(DAY, enum=["monday", "friday"], pattern="[a-z]+"),
        reworded(AGE, description="In years."),
        reworded((), description="All of it."),
    ],
)
def test_a_protected_tool_may_be_described_in_other_words(revised):
    spec = AgentSpec(name="n", model="m", items=(NATIVE,))
    assert apply(spec, [Revise(item_id=NATIVE.id, item=revised)]).items == (revised,)


@pytest.mark.parametrize(
    "revised",
    [
        replace(NATIVE, protected=False),
        *(
            replace(NATIVE, content={**NATIVE.content, **changed})
            for changed in (
                {"name": "look"},
                {"body": {"kind": "native", "target": "os:system"}},
                {"body": {"kind": "code", "source": "", "function": "book", "imports": []}},
                {"body": {**NATIVE.content["body"], "description": "x"}},
                {"needs": {"level": "full"}},
                {"returns": {}},
                {"parameters": {}},
            )
        ),
        reworded(DAY, type="integer"),
        reworded(DAY, default="monday"),
        reworded(("properties", "description"), enum=["a"]),
        reworded(("properties",), description={"type": "integer"}),
        reworded(("properties",), more={"type": "string"}),
        reworded(("properties",), examples=["x"]),
        reworded((), required=[]),
        reworded((), additionalProperties=True),
    ],
)
def test_what_a_protected_tool_does_stays(revised):
    spec = AgentSpec(name="n", model="m", items=(NATIVE,))
    with pytest.raises(ChangeRefused, match="is protected; edit the configuration"):
        apply(spec, [Revise(item_id=NATIVE.id, item=revised)])
    apply(spec, [Revise(item_id=NATIVE.id, item=revised)], by_person=True)


def test_an_item_added_before_another_stands_there():
    spec = spec_of("a", "c")
    assert order(apply(spec, [Add(item=clause("b"), before="c")])) == "abc"
    assert order(apply(spec, [Add(item=clause("b"), before="a"), Add(item=clause("d"))])) == "bacd"


def test_an_addition_stays_where_it_was_put():
    b = clause("b")
    put_again = [Add(item=b, before="c"), Remove(item_id="b"), Add(item=b, before="a")]
    assert order(apply(spec_of("a", "c"), put_again)) == "bac"
    neighbour_goes = [Add(item=b, before="c"), Remove(item_id="c")]
    assert order(apply(spec_of("a", "c", "d"), neighbour_goes)) == "abd"
    each_before_the_other = [
        Add(item=clause("z"), before="a"),
        Add(item=b, before="z"),
        Remove(item_id="z"),
        Add(item=clause("z"), before="b"),
    ]
    assert order(apply(spec_of("a"), each_before_the_other)) == "zba"


def test_thousands_of_changes_take_no_recursion_and_little_time():
    ids = [f"i{n}" for n in range(3000)]
    backwards = [
        Add(item=clause(item_id), before=before)
        for item_id, before in zip(ids, [None, *ids], strict=False)
    ]
    spec = apply(spec_of("x"), backwards)
    assert [item.id for item in spec.items] == ["x", *reversed(ids)]
    assert apply(spec, [Remove(item_id=item_id) for item_id in ids]).items == spec_of("x").items


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Add(item=clause("a")), "add 'a': the spec already has this item"),
        (Add(item=clause("b"), before="c"), "add before 'c': the spec has no such item"),
        (Add(item=clause("b"), before="b"), "add before 'b': the spec has no such item"),
        (Remove(item_id="c"), "change 'c': the spec has no such item"),
        (Revise(item_id="c", item=clause("c")), "change 'c': the spec has no such item"),
        (Revise(item_id="a", item=clause("b")), "revise 'a': a revision keeps the item's id"),
        (
            Revise(item_id="a", item=Item(id="a", kind=Kind.HEURISTIC, content={"text": "x"})),
            "revise 'a': a revision keeps the item's id and kind",
        ),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change, message):
    with pytest.raises(ChangeRefused, match=message):
        apply(spec_of("a"), [change])


def test_an_edit_is_a_revision_and_a_move_leaves_the_others_alone():
    spec = spec_of("a", "b", "c")
    edited = replace(spec, items=(clause("a"), clause("b", "other"), clause("c")))
    assert diff(spec, edited) == (Revise(item_id="b", item=clause("b", "other")),)
    moved = replace(spec, items=(clause("b"), clause("c"), clause("a")))
    assert diff(spec, moved) == (Remove(item_id="a"), Add(item=clause("a")))


@given(bare_specs, bare_specs)
def test_a_diff_says_each_thing_once(a, b):
    touched = [(type(change), change.item_id) for change in diff(a, b)]
    assert bool(touched) == (a.items != b.items)
    assert len(touched) == len(set(touched))
