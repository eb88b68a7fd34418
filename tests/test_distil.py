"""Lessons into rules: `mine/texts/imperative.py`, `names.py`, `lesson_text.py`, `distil.py`."""

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strop.embed import resolve_embedder
from strop.mine.texts.distil import assignments, distil, duplicates
from strop.mine.texts.imperative import base, imperative
from strop.mine.texts.names import Names
from strop.mine.texts.plans import keys, plan, shared_advice

CLEAN = [
    f"I was stuck in a loop in which I continually tried to take {thing} {n} from {place} {n}. "
    f"I should have taken {thing} {n} from {place} {n}, then cleaned it with sinkbasin 1, then put "
    f"it in cabinet {n}. It did not help. I will try to execute a different action if I am stuck."
    for n, (thing, place) in enumerate(
        [("cup", "shelf"), ("plate", "desk"), ("cup", "drawer"), ("pan", "shelf"), ("pan", "desk")],
        start=1,
    )
]
SEARCH = [
    f"I assumed that the name was right. Next time I will search for the {thing} by its number "
    f"before answering."
    for thing in ("order", "invoice", "customer", "order form", "parcel")
]


def embedded(texts: list[str]) -> NDArray[np.float32]:
    return anyio.run(resolve_embedder("static").embed, texts)


@pytest.mark.parametrize(
    ("participle", "verb"),
    [
        ("taken", "take"),
        ("placed", "place"),
        ("stopped", "stop"),
        ("tried", "try"),
        ("examined", "examine"),
        ("heated", "heat"),
        ("filled", "fill"),
        ("created", "create"),
        ("returned", "return"),
        ("bed", "bed"),
    ],
)
def test_base_form(participle: str, verb: str) -> None:
    assert base(participle) == verb


@pytest.mark.parametrize(
    ("said", "instruction"),
    [
        (
            "I should have taken the cup, then gone to the sink and cleaned it.",
            "Take the cup, then go to the sink and clean it.",
        ),
        ("In the next trial, I will try to open the box first", "Open the box first."),
        ("I should not have trusted my first answer.", "Do not trust your first answer."),
        ("I will not ask twice if I am sure.", "Do not ask twice if you are sure."),
        ("Check the stock before refunding.", "Check the stock before refunding."),
        ("A new plan would be to search the college.", "Search the college."),
        ("", ""),
    ],
)
def test_imperative(said: str, instruction: str) -> None:
    assert imperative(said) == instruction


@given(st.text(max_size=200))
def test_imperative_takes_any_text(text: str) -> None:
    assert len(imperative(text)) <= 3 * len(text) + 40


def test_plan_is_what_to_do() -> None:
    assert plan("The box was shut. I should open it. It is red.") == ("I should open it.",)
    assert plan("The box was shut. It is red.") == ("The box was shut.", "It is red.")


def test_keys_mask_what_is_of_one_task() -> None:
    found = keys(CLEAN)
    assert all("1" not in key and "4" not in key for key in found)
    assert all("stuck in a loop" not in key or "should" in key for key in found)
    assert "sinkbasin" in found[0]  # five lessons have it: it is what they are about
    many = [*CLEAN, *(f"{text} ({n})" for text in SEARCH for n in range(9))]
    assert "pan 4" in many[3]
    assert "pan" not in keys(many)[3].replace("cabinet", "")


def test_numbers_that_count_are_no_names() -> None:
    texts = ["Wait 30 seconds and retry.", "Wait 30 seconds, then give up.", "Take cup 3 from 2."]
    assert Names.of(texts).things == frozenset()
    assert Names.of([*texts, "Take cup 9, then go."]).things == {"cup"}


def test_advice_that_many_share() -> None:
    ((rule, members),) = [found for found in shared_advice(CLEAN + SEARCH) if "action" in found[0]]
    assert rule == "Execute a different action if you are stuck."
    assert members == (0, 1, 2, 3, 4)


def test_clusters_and_their_rules() -> None:
    texts = CLEAN + SEARCH
    found = distil(texts, embedded(list(keys(texts))), at_most=2)
    assert {cluster.members for cluster in found} == {(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)}
    rules = {cluster.members[0]: cluster.rule for cluster in found}
    assert rules[0].startswith("Take the ")
    assert "clean it with the sinkbasin" in rules[0]
    assert not any(digit in rules[0] for digit in "12345")
    assert rules[5].startswith("Search for the ")
    assert all(0 < cluster.cohesion <= 1.000001 for cluster in found)


def test_weights_decide_the_medoid_and_the_order() -> None:
    texts = ["Always check the stock level.", "Always check the stock count.", "Paint it blue."]
    rows = np.array([[1, 0, 0], [0.9, np.sqrt(1 - 0.81), 0], [0, 0, 1]], dtype=np.float32)
    light = distil(texts, rows, at_most=2, weights=[9, 1, 1])
    assert [c.members for c in light] == [(0, 1), (2,)]
    assert light[0].medoid == 0
    heavy = distil(texts, rows, at_most=2, weights=[1, 9, 50])
    assert [c.members for c in heavy] == [(2,), (0, 1)]
    assert heavy[1].medoid == 1


def test_what_is_unlike_stays_apart_below_the_limit() -> None:
    texts = ["Alpha one.", "Beta two.", "Gamma three."]
    assert len(distil(texts, np.eye(3, dtype=np.float32), at_most=3)) == 3
    assert len(distil(texts, np.eye(3, dtype=np.float32), at_most=1)) == 1


def test_duplicates_need_the_same_words() -> None:
    texts = [
        "Check the stock before you refund.",
        "check the stock, before you refund!",
        "Do not check the stock before you refund.",
        "Check the stock before refund 5.",
        "Refund before you check the stock.",
    ]
    same = np.ones((len(texts), 1), dtype=np.float32)
    assert duplicates(texts, same) == ((0, 1), (2,), (3,), (4,))
    far = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [1, 0]], dtype=np.float32)
    assert (1, 0) not in duplicates(texts, far)
    assert len(duplicates(texts, far)) == 5


def test_evidence_of_duplicates_adds_up() -> None:
    texts = ["Open the box.", "Close the lid.", "Open the box.", "Open the box."]
    rows = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], dtype=np.float32)
    first = distil(texts, rows, at_most=4, weights=[1, 2, 1, 1])[0]
    assert first.members == (0, 2, 3)


def test_more_than_the_tree_takes() -> None:
    rng = np.random.default_rng(3)
    rows = np.repeat(np.eye(4, dtype=np.float32), 300, axis=0)
    rows += rng.normal(0, 0.02, rows.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    texts = [f"Lesson number {n} says to do it." for n in range(len(rows))]
    labels = assignments(distil(texts, rows, at_most=6), len(texts))
    assert [set(labels[at : at + 300]) for at in range(0, 1200, 300)] == [
        {labels[at]} for at in range(0, 1200, 300)
    ]
    assert len(set(labels)) == 4


def test_refuses_what_does_not_fit() -> None:
    rows = np.eye(2, dtype=np.float32)
    for bad in ({"at_most": 0}, {"at_most": 1, "weights": [1.0]}):
        with pytest.raises(ValueError, match="at_most"):
            distil(["a", "b"], rows, **bad)
    assert distil([], np.zeros((0, 0), dtype=np.float32), at_most=3) == ()


_POOL = CLEAN + SEARCH + ["Never guess.", "never guess", "Ask a person when unsure.", "..."]
_VECTORS = dict(zip(_POOL, embedded(list(keys(_POOL))), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(_POOL), min_size=1, max_size=14), st.randoms(), st.integers(1, 6))
def test_every_lesson_in_one_cluster_whatever_the_order(texts, random, at_most) -> None:  # type: ignore[no-untyped-def]
    def clusters(order: list[int]) -> set[tuple[str, tuple[int, ...], float]]:
        said = [texts[i] for i in order]
        rows = np.stack([_VECTORS[text] for text in said])
        found = distil(said, rows, at_most=at_most)
        assert sorted(i for c in found for i in c.members) == list(range(len(said)))
        assert len(found) <= at_most
        return {
            (c.rule, tuple(sorted(order[i] for i in c.members)), round(c.cohesion, 6))
            for c in found
        }

    order = list(range(len(texts)))
    as_given = clusters(order)
    random.shuffle(order)
    assert clusters(order) == as_given


@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_texts(texts: list[str]) -> None:
    assert len(keys(texts)) == len(texts)
    rows = np.ones((len(texts), 1), dtype=np.float32)
    found = distil(texts, rows, at_most=2)
    assert sum(len(c.members) for c in found) == len(texts)


def test_long_texts_are_read_in_part() -> None:
    text = "I will " + "take cup 3 from the shelf, " * 200_000
    assert len(keys([text, "x"])[0]) < 20_000
