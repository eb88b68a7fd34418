"""One text and one digest for every JSON value, and a clear no to everything else."""

import json
from enum import StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import json_values, shuffled, texts
from strop.errors import BadInput
from strop.jsonvalue import as_text, canonical, checked, digest


def nested(levels, wrap):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


WRAPS = [lambda inner: [inner], lambda inner: {"k": inner}]


@given(json_values)
def test_canonical_is_json_of_the_same_value(value):
    again = json.loads(canonical(value))
    assert again == value
    assert canonical(again) == canonical(value)


@given(json_values, st.randoms())
def test_the_order_of_keys_does_not_matter(value, random):
    other = shuffled(value, random)
    assert canonical(value) == canonical(other)
    assert digest(value) == digest(other)


@given(json_values, json_values)
def test_different_texts_have_different_digests(a, b):
    assert (canonical(a) == canonical(b)) == (digest(a) == digest(b))


def test_the_text_is_held():
    value = {
        "b": [1, 1.0, 1e-7, 1e16, -0.0, True, None],
        "a": 'é\u2028\n"',
        "Z": {},
        "😀": (),
        "": 0,
    }
    assert canonical(value) == (
        '{"":0,"Z":{},"a":"é\u2028\\n\\"","b":[1,1.0,1e-07,1e+16,-0.0,true,null],"😀":[]}'
    )
    assert digest({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_keys_are_sorted_by_code_point_not_by_utf16():
    assert canonical({"\U00010000": 1, "\uffff": 2}) == '{"\uffff":2,"\U00010000":1}'


@given(json_values)
def test_checked_gives_an_equal_private_copy(value):
    copy = checked(value)
    assert copy == value
    assert canonical(copy) == canonical(value)


def test_a_copy_does_not_change_with_the_original():
    inner = [1]
    copy = checked({"a": inner})
    inner.append(2)
    assert copy == {"a": [1]}


def test_tuples_and_other_mappings_become_plain():
    assert checked(MappingProxyType({"a": (1, (2,))})) == {"a": [1, [2]]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "v: nan is not a JSON number"),
        ({"a": [1, float("inf")]}, r"v\.a\[1\]: inf is not"),
        (float("-inf"), "-inf"),
        ("\ud800", "v: text is not valid Unicode"),
        ({"a": {"\udfff": 1}}, r"v\.a: text is not valid Unicode"),
        ({1: "x"}, "v: key 1 is not a string"),
        ({None: "x"}, "key None"),
        ({"a": {1, 2}}, r"v\.a: set is not a JSON value"),
        (b"x", "bytes is not"),
        (object(), "object is not"),
        pytest.param(10**5000, "integer of thousands of digits", id="large"),
        pytest.param(-(10**5000), "integer of thousands of digits", id="negative"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value, message):
    with pytest.raises(BadInput, match=message):
        checked(value, where="v")
    with pytest.raises(BadInput):
        canonical(value)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("levels", [151, 5000, 100_000])
def test_deep_nesting_is_the_users_mistake(wrap, levels):
    for function in (checked, canonical, digest):
        with pytest.raises(BadInput, match="nested too deeply") as caught:
            function(nested(levels, wrap))
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("wrap", WRAPS)
def test_nesting_that_people_write_is_fine(wrap):
    value = checked(nested(100, wrap))
    record = {"run": {"steps": [{"args": value}]}}
    assert json.loads(canonical(record)) == record


def test_a_value_that_holds_itself_is_the_users_mistake():
    loop = []
    loop.append(loop)
    with pytest.raises(BadInput, match="nested too deeply"):
        checked(loop)


def test_long_integers_survive():
    big = -(10**3900)
    assert json.loads(canonical(big)) == big


def test_enumerations_of_text_read_as_their_text():
    class Colour(StrEnum):
        RED = "red"

    assert canonical({"c": Colour.RED}) == '{"c":"red"}'


@given(texts)
def test_text_reads_as_it_is(text):
    assert as_text(text) == text


@given(json_values, st.randoms())
def test_everything_reads_the_same_whatever_the_order_of_keys(value, random):
    assert as_text(shuffled(value, random)) == as_text(value)
