"""Tasks: JSON lines in and out, splits, and what would spoil a measurement."""

import json
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import bare_task_lists, splits, task_lists, tasks, texts
from strop.errors import BadInput
from strop.task import (
    Split,
    Task,
    assign_splits,
    find_problems,
    in_split,
    load_tasks,
    normalised,
    save_tasks,
)

SHARES = {Split.TRAIN: 0.5, Split.VALIDATION: 0.25, Split.TEST: 0.25}
shares = st.dictionaries(splits, st.floats(0.05, 10), min_size=1)


def task(id="a", input="hello", **given):  # noqa: A002
    return Task(id=id, input=input, **given)


def by_id(many):
    return {each.id: each.split for each in many}


# --- the value -----------------------------------------------------------------------------------


@given(tasks())
def test_a_task_survives_json(made):
    again = Task.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert again.digest == made.digest


@given(tasks())
def test_the_digest_is_of_what_decides_a_result(made):
    other = replace(made, split=Split.TEST, group="other", critical=not made.critical)
    assert other.digest == made.digest


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"input": "bye"},
        {"expected": "x"},
        {"category": "x"},
        {"metadata": {"weight": 1}},
    ],
)
def test_the_digest_tells_tasks_apart(change):
    assert task(**change).digest != task().digest


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a JSON object"),
        ({"input": "x"}, "'id' is missing or empty"),
        ({"id": "", "input": "x"}, "'id' is missing or empty"),
        ({"id": "a"}, "'input' is missing or empty"),
        ({"id": "a", "input": ""}, "'input' is missing or empty"),
        ({"id": 1, "input": "x"}, "'id' must be a string"),
        ({"id": "a", "input": "x", "critical": 1}, "'critical' must be a boolean"),
        ({"id": "a", "input": "x", "group": 1}, "'group' must be a string"),
        ({"id": "a", "input": "x", "metadata": []}, "'metadata' must be a JSON object"),
        ({"id": "a", "input": "x", "split": "dev"}, "no split 'dev'; the splits are train, valid"),
        ({"id": "a", "input": "x", "lable": 1}, "unknown field 'lable'; the fields are id, input"),
        ({"id": "a", "input": "x", 1: 1, "b": 2}, "unknown field '1'"),
        ({"id": "a", "input": float("nan")}, "nan is not a JSON number"),
        ({"id": "a\ud800", "input": "x"}, "task.id: text is not valid Unicode"),
        ({"id": "a", "input": "x", "group": "\ud800"}, "task.group: text is not valid Unicode"),
        ({"id": "a", "input": "x", "category": "\ud800"}, "task.category: text is not valid"),
        ({"id": "a", "input": "x", "metadata": {"k": "\ud800"}}, "a.metadata.k: text is not"),
    ],
)
def test_what_is_no_task_is_refused_with_its_place(value, message):
    with pytest.raises(BadInput, match=message) as caught:
        Task.from_json(value, where="f:7")
    assert str(caught.value).startswith("f:7: ")


@pytest.mark.parametrize("input", [0, False, [], {}])
def test_an_input_may_be_falsy(input):  # noqa: A002
    assert Task.from_json({"id": "a", "input": input}).input == input


# --- files ---------------------------------------------------------------------------------------


@given(task_lists(split=st.none(), group=st.none()))
def test_tasks_survive_a_file(tmp_path_factory, many):
    path = tmp_path_factory.getbasetemp() / "tasks.jsonl"
    save_tasks(many, path)
    assert load_tasks(path) == tuple(many)
    assert not path.with_name("tasks.jsonl.part").exists()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("%s\n%s\n", "utf-8"),
        ("%s\n%s", "utf-8"),
        ("\n\n%s\n  \n%s\n\t\n", "utf-8"),
        ("%s\r\n\r\n%s\r\n", "utf-8"),
        ("%s\r\n%s\r\n", "utf-8-sig"),
        ("\n%s\n%s\n", "utf-8-sig"),
        ("%s\n\ufeff%s\n", "utf-8-sig"),  # two files put together
    ],
)
def test_line_ends_and_byte_order_marks_do_no_harm(tmp_path, text, encoding):
    path = tmp_path / "t.jsonl"
    lines = ('{"id": "a", "input": "é\u2028"}', '{"id": "b", "input": {"k": [1]}}')
    path.write_bytes((text % lines).encode(encoding))
    assert load_tasks(path) == (task("a", "é\u2028"), task("b", {"k": [1]}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not JSON: "),
        (b'{"id": "c", "input": "x"} {}', "not JSON: Extra data"),
        (b"[1]", "expected a JSON object"),
        (b'"text"', "expected a JSON object"),
        (b"null", "expected a JSON object"),
        (b'{"id": "c"}', "field 'input' is missing or empty"),
        (b'{"id": "c", "input": NaN}', "c.input: nan is not a JSON number"),
        (b'{"id": "c", "input": 1e999}', "c.input: inf is not a JSON number"),
        (b'{"id": "c", "input": "\\ud800"}', "c.input: text is not valid Unicode"),
        (b'{"id": "c", "input": "\xe9"}', "not UTF-8; save the file as UTF-8"),
        ('{"id": "c", "input": "x"}'.encode("utf-16"), "not UTF-8; save the file as UTF-8"),
        (b'{"id": "c", "input": ' + b"9" * 5000 + b"}", "not JSON: .*digits"),
        (b'{"id": "c", "input": ' + b"[" * 200 + b"]" * 200 + b"}", "nested too deeply"),
        (b'{"id": "c", "input": ' + b"[" * 99_999 + b"]" * 99_999 + b"}", "(not JSON|nested)"),
        (b'{"id": "a", "input": "y"}', "task id 'a' was used at .*t.jsonl:1; ids must be unique"),
        (
            b'{"id": "a", "input": "y", "split": "test"}',
            r"is in two splits \(train, test\); ids must be unique",
        ),
        (
            b'{"id": "c", "input": "y", "split": "test", "group": "g"}',
            "group 'g' is in split test here and in train at .*t.jsonl:1; keep a group in one",
        ),
    ],
    ids=range(17),
)
def test_every_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "t.jsonl"
    first = b'{"id": "a", "input": "x", "group": "g", "split": "train"}\n\n'
    path.write_bytes(first + line + b'\n{"id": "z", "input": "z"}\n')
    with pytest.raises(BadInput, match=message) as caught:
        load_tasks(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert len(str(caught.value)) < 400


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(BadInput, match="cannot read tasks") as caught:
            load_tasks(path)
        assert str(path) in str(caught.value)


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "t.jsonl"
    save_tasks([task()], path)
    with pytest.raises(BadInput, match="cannot write tasks"):
        save_tasks([task("b")], tmp_path / "none" / "t.jsonl")
    with pytest.raises(BadInput, match="cannot write tasks"):
        save_tasks([task("b")], path / "t.jsonl")  # a file where a folder should be
    (tmp_path / "t.jsonl.part").mkdir()
    with pytest.raises(BadInput, match="cannot write tasks"):
        save_tasks([task("b")], path)
    assert load_tasks(path) == (task(),)


def test_ten_thousand_tasks_load_fast(tmp_path):
    path = tmp_path / "t.jsonl"
    save_tasks(
        (
            task(f"t{i}", f"message {i} " * 10, expected="refund", metadata={"source": "made"})
            for i in range(10_000)
        ),
        path,
    )
    began = time.process_time()
    assert len(load_tasks(path)) == 10_000
    assert time.process_time() - began < 3  # 0.3 s when alone


# --- splits --------------------------------------------------------------------------------------


@given(bare_task_lists(split=st.none()), shares, st.integers(0, 3), st.randoms())
def test_the_order_of_tasks_and_shares_does_not_matter(many, shares, seed, random):
    once = by_id(assign_splits(many, shares=shares, seed=seed))
    random.shuffle(many)
    other = dict(sorted(shares.items()))
    assert by_id(assign_splits(many, shares=other, seed=seed)) == once


@given(bare_task_lists(split=st.none()), shares, st.integers(0, 3))
def test_splits_are_dealt_whole_groups_and_nothing_else_changes(many, shares, seed):
    dealt = assign_splits(many, shares=shares, seed=seed)
    assert [each.to_json() | {"split": None} for each in dealt] == [
        each.to_json() | {"split": None} for each in many
    ]
    assert {each.split for each in dealt} <= set(shares)
    of_group = {(each.group, each.split) for each in dealt if each.group is not None}
    assert len(of_group) == len({group for group, _ in of_group})


@given(bare_task_lists(split=st.none()), bare_task_lists(split=st.none()), shares)
def test_tasks_added_later_move_none(many, more, shares):
    first = assign_splits(many, shares=shares)
    known = {each.id for each in first}
    added = [each for each in more if each.id not in known]
    second = assign_splits([*added, *first], shares=shares)
    after = by_id(second)
    assert {each.id: after[each.id] for each in first} == by_id(first)
    of_group = {(each.group, each.split) for each in second if each.group is not None}
    assert len(of_group) == len({group for group, _ in of_group})


@given(bare_task_lists(), shares)
def test_dealing_twice_is_dealing_once(many, shares):
    once = assign_splits(many, shares=shares)
    assert assign_splits(once, shares=shares) == once


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=60),
    st.dictionaries(splits, st.floats(0.1, 1), min_size=1),
    st.integers(0, 9),
)
def test_a_category_is_near_its_shares(sizes, shares, seed):
    """Nobody gets a whole group too much; with two splits, nobody lacks one either."""
    many = [
        task(f"{i}-{j}", group=f"g{i}", category="c")
        for i, size in enumerate(sizes)
        for j in range(size)
    ]
    counts = Counter(by_id(assign_splits(many, shares=shares, seed=seed)).values())
    for split, share in shares.items():
        extra = counts[split] - len(many) * share / sum(shares.values())
        assert extra < max(sizes)
        assert extra > -max(sizes) * max(1, len(shares) - 1)


def test_tasks_that_come_one_by_one_are_shared_out_as_well():
    many = ()
    for i in range(40):
        many = assign_splits([*many, task(f"t{i}")], shares=SHARES)
    counts = Counter(by_id(many).values())
    assert counts == {Split.TRAIN: 20, Split.VALIDATION: 10, Split.TEST: 10}


def test_an_assignment_is_held():
    many = [task(f"t{i}", category="dc"[i % 2], group=f"g{i // 3}") for i in range(18)]
    dealt = assign_splits(many, shares=SHARES)
    assert "".join(each.split.value[1] for each in dealt) == "aaarrrrrrrrreeeaaa"
    assert by_id(assign_splits(many[::-1], shares=SHARES)) == by_id(dealt)
    other = assign_splits(many, shares=SHARES, seed=1)
    assert by_id(other) != by_id(dealt)


@pytest.mark.parametrize(
    "shares",
    [
        {},
        {Split.TRAIN: 0},
        {Split.TRAIN: 1, Split.TEST: -1},
        {Split.TRAIN: float("nan")},
        {Split.TRAIN: float("inf")},
    ],
)
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(BadInput, match="every split needs a share above 0"):
        assign_splits([task()], shares=shares)


def test_an_empty_split_is_never_another_one():
    many = (task("a", split=Split.TRAIN), task("b"))
    assert in_split(many, split=Split.TRAIN) == many[:1]
    with pytest.raises(BadInput, match="no tasks in split 'validation'; assign splits with"):
        in_split(many, split=Split.VALIDATION)


# --- the same text twice -------------------------------------------------------------------------


@given(texts)
def test_normalising_twice_is_normalising_once(text):
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Where is my parcel?", "where  is my parcel"),
        ("“Hello”, he said.", '"hello" he said'),
        ("Re-send the e-mail", "re send the e mail"),
        ("caf\u00e9", "cafe\u0301"),
        ("ＡＢＣ", "abc"),  # noqa: RUF001
        ("Straße", "STRASSE"),
        ("你好！", "你好"),  # noqa: RUF001
        ("It costs 5.", "it costs 5"),
    ],
)
def test_the_same_text_written_twice(a, b):
    assert normalised(a) == normalised(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3 + 4", "3 - 4"),
        ("3*4", "3/4"),
        ("1.5 kg", "15 kg"),
        ("1,500", "1500"),
        ("10:30", "1030"),
        ("!!!", "???"),
        ("👍", "👎"),
        ("कि", "की"),  # two words that differ in a vowel sign
        ("C", "C++"),
    ],
)
def test_texts_that_only_look_alike(a, b):
    assert normalised(a) != normalised(b)


def test_problems_are_sentences():
    assert find_problems(
        [
            task("a", "Hello!", split=Split.TRAIN, expected="x"),
            task("b", "hello", split=Split.VALIDATION, expected="y"),
            task("c", "other"),
        ]
    ) == (
        "the same input stands in several splits (train, validation): a, b",
        "the same input has different expected answers: a, b",
        "1 tasks have no split; run `strop tasks split`",
        "no task is in split 'test'",
        "1 tasks have no expected answer; only a judge can score them",
    )


def test_clean_tasks_have_no_problems():
    many = [
        task(split.value, f"{split.value} input", split=split, expected=1)
        for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)
    ]
    assert find_problems(many) == ()


def test_a_share_too_small_for_any_category_is_met_over_all():
    many = [task(f"{c}-{i}", category=f"c{c:02}") for c in range(40) for i in range(10)]
    dealt = assign_splits(many, shares={Split.TRAIN: 0.95, Split.VALIDATION: 0.05})
    held_out = [each.category for each in dealt if each.split is Split.VALIDATION]
    assert len(held_out) == 20
    assert len(set(held_out)) == 20  # never two from one category
