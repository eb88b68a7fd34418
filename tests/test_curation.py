"""Contradictions and curation: `mine/texts/contradictions.py`, `propose/curation*.py`."""

from collections.abc import Sequence
from dataclasses import replace

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop.context import count_tokens
from strop.embed import resolve_embedder
from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.mine.texts.contradictions import Contradiction, contradictions
from strop.propose.brief import Brief, Tried
from strop.propose.curation import Curation, CurationPolicy
from strop.propose.curation_rules import accepted_rules
from strop.propose.proposal import Aim, Proposal
from strop.run import Run, ScoredRun
from strop.spec import Add, AgentSpec, Item, Kind, Provenance, Remove, Revise, Trust, apply
from strop.task import Split, Task

EMBED = resolve_embedder("static").embed
BASE = AgentSpec(
    name="desk",
    model="local",
    items=(Item(id="c1", kind=Kind.CLAUSE, content={"text": "Help the customer."}),),
)
LESSONS = [
    f"I should have taken {thing} {n} from {place} {n}, then cleaned it with sinkbasin 1, then put "
    f"it in cabinet {n}. I will try another action if I am stuck."
    for n, (thing, place) in enumerate(
        [("cup", "shelf"), ("plate", "desk"), ("cup", "drawer"), ("pan", "shelf"), ("pan", "desk")]
    )
] + [
    f"Next time I will search for the {thing} by its number before answering."
    for thing in ("order", "invoice", "customer", "order form", "parcel")
]


def note(
    item_id: str,
    text: str,
    *,
    runs: Sequence[str] = ("r0",),
    trust: Trust = Trust.EVIDENCE,
    kind: Kind = Kind.MEMORY,
    protected: bool = False,
    **content: Json,
) -> Item:
    return Item(
        id=item_id,
        kind=kind,
        content={"text": text, **content},
        provenance=Provenance(by="mined:lessons", runs=tuple(runs), trust=trust),
        protected=protected,
    )


def lessons(texts: Sequence[str] = LESSONS) -> list[Item]:
    return [note(f"m{n}", text, runs=(f"r{n}",)) for n, text in enumerate(texts)]


def brief(items: Sequence[Item], *, now: float = 0.0, tried: tuple[Tried, ...] = ()) -> Brief:
    tasks = {f"t{n}": Task(id=f"t{n}", input=f"Task number {n}") for n in range(20)}
    runs = tuple(
        ScoredRun(run=Run(id=f"r{n}", task=f"t{n}", input="", split=Split.TRAIN)) for n in range(20)
    )
    return Brief(
        spec=replace(BASE, items=(*BASE.items, *items)),
        findings=(),
        tasks=tasks,
        runs=runs,
        embed=EMBED,
        now=now,
        tried=tried,
    )


def curate(told: Brief, **policy: object) -> Proposal | None:
    return anyio.run(Curation(policy=CurationPolicy(**policy)), told)  # type: ignore[arg-type]


def after(told: Brief, proposal: Proposal | None) -> dict[str, Item]:
    assert proposal is not None
    made = apply(told.spec, proposal.changes)
    return {item.id: item for item in made.items if item.kind is not Kind.CLAUSE}


def disagreements(*texts: str, **content: Json) -> list[tuple[str, str, str]]:
    items = [note(f"m{n}", text, **content) for n, text in enumerate(texts)]  # type: ignore[arg-type]
    rows = anyio.run(EMBED, list(texts))
    return [(c.one, c.other, c.why) for c in contradictions(items, rows)]


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("`orders.id` is `int`.", "`orders.id` is `text`.", "value"),
        ("The refund limit is 50 dollars.", "The refund limit is now 100 dollars.", "value"),
        ("Refund in full.", "Never refund in full.", "negation"),
        ("Always check the stock first.", "Don't check the stock first.", "negation"),
        ("Always ask for the order number.", "Never ask for the order number.", "negation"),
        ("Be kind. Avoid naming other shops.", "Name other shops.", "negation"),
        ("Sort the rows ascending by date.", "Sort the rows descending by date.", "opposites"),
        ("Ask for the number before the search.", "Ask for the number after the search.",
         "opposites"),
    ],
)  # fmt: skip
def test_contradictions(one: str, other: str, why: str) -> None:
    assert disagreements(one, other) == [("m0", "m1", why)]
    assert disagreements(other, one) == [("m0", "m1", why)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("`orders.id` is `int`.", "`users.id` is `int`."),
        ("`orders.id` is `int`.", "`orders.id` is `int`!"),
        ("Ann is tall.", "Ann is kind."),
        ("Check the invoice before a refund.", "Do not refund before you check the invoice."),
        ("Refund gold members in full.", "Do not refund silver members in full."),
        ("Include the tax.", "Do not exclude the tax."),
        ("Refund in full.", "Refund in full if the parcel is lost. Not otherwise."),
        ("The limit is 50 dollars.", "The limit is 3 days."),
        ("Never.", "Always."),
    ],
)
def test_no_contradictions(one: str, other: str) -> None:
    assert disagreements(one, other) == []


def test_other_categories_do_not_meet() -> None:
    rows = np.ones((2, 1), dtype=np.float32)
    pair = [note("a", "Refund in full."), note("b", "Never refund in full.")]
    scoped = [replace(i, content={**i.content, "categories": [i.id]}) for i in pair]
    assert len(contradictions(pair, rows)) == 1
    assert contradictions(scoped, rows) == ()


@given(st.lists(st.text(max_size=80), max_size=6))
def test_contradictions_of_any_texts(texts: list[str]) -> None:
    items = [note(f"m{n}", text) for n, text in enumerate(texts)]
    found = contradictions(items, np.ones((len(texts), 1), dtype=np.float32))
    assert all(c.one != c.other for c in found)


def test_a_finding_needs_no_runs() -> None:
    written = Contradiction(one="a", other="b", why="value", claim="They disagree.")
    assert written.finding.runs == ("item:a", "item:b")
    assert replace(written, runs=("r1",)).finding.runs == ("r1",)


def test_contradictions_go_to_review_and_both_sides_stay() -> None:
    items = [
        note("new", "Refund in full.", runs=("r9",)),
        note("old", "Never refund in full.", runs=("r1",)),
        note("twin", "Refund, in full!", runs=("r2",)),
        *lessons(),
    ]
    told = brief(items)
    found = anyio.run(Curation().review, told)
    assert {tuple(f.data["items"]) for f in found} >= {("new", "old")}  # type: ignore[arg-type]
    assert {f.kind for f in found} == {"contradiction"}
    for policy in ({"mode": "window", "window": 1}, {"mode": "distil", "at_most": 2}):
        proposal = curate(told, tokens=0, **policy)
        assert {"new", "old"} <= after(told, proposal).keys()
        assert proposal is not None
        assert proposal.made == found


def test_nothing_to_do() -> None:
    for mode in ("window", "retrieval", "distil"):
        assert curate(brief(lessons()), mode=mode) is None
        assert curate(brief([]), mode=mode) is None


def test_expired_ones_go() -> None:
    items = [note("a", "Fact one.", expires=10.0), note("b", "Fact two.", expires=30.0)]
    told = brief(items, now=20.0)
    assert after(told, curate(told)).keys() == {"b"}


def test_duplicates_merge_with_their_evidence() -> None:
    items = [
        note("a", "Check the stock.", runs=("r1",), about=["one"], expires=5.0),
        note("b", "check the stock!", runs=("r2", "r3"), about=["two"], categories=["x"]),
        note("c", "Check the stock.", runs=("r3",), type="preference"),
    ]
    told = brief(items)
    made = after(told, curate(told))
    assert made.keys() == {"b", "c"}
    assert made["b"].provenance.runs == ("r1", "r2", "r3")
    assert made["b"].content == {"text": "check the stock!", "about": ["two", "one"]}


def test_window_keeps_the_newest_by_evidence() -> None:
    items = [note("late", "Lesson one.", runs=("r3", "r9")), *lessons(LESSONS[5:8])]
    items.append(note("fact", "`a` is `b`.", type="fact"))
    told = brief(items)
    assert after(told, curate(told, mode="window", window=2)).keys() == {"late", "m2", "fact"}


def test_window_falls_back_on_the_order_of_items() -> None:
    items = [note(f"x{n}", f"Lesson on {word}.", runs=()) for n, word in enumerate("abcd")]
    told = brief(items)
    assert after(told, curate(told, mode="window", window=2)).keys() == {"x2", "x3"}


def test_distil_puts_rules_in_the_place_of_lessons() -> None:
    told = brief(lessons())
    proposal = curate(told, mode="distil", at_most=2)
    made = after(told, proposal)
    assert proposal is not None
    assert proposal.aim is Aim.LEANER
    assert len(made) == 2
    evidence = {item.provenance.runs for item in made.values()}
    assert evidence == {tuple(f"r{n}" for n in range(5)), tuple(f"r{n}" for n in range(5, 10))}
    assert all(i.provenance.trust is Trust.EVIDENCE for i in made.values())
    assert all(i.content["type"] == "lesson" for i in made.values())
    # What many say in the same words becomes a rule of its own, where there is room.
    roomy = after(told, curate(told, mode="distil", at_most=4))
    assert "Try another action if you are stuck." in {item.text for item in roomy.values()}
    assert len(roomy) <= 4


def test_rules_keep_what_their_lessons_were_found_by() -> None:
    items = [
        replace(i, content={**i.content, "about": [f"input {n}"], "touches": [f"t{n % 2}"]})
        for n, i in enumerate(lessons())
    ]
    told = brief(items)
    for rule in after(told, curate(told, mode="distil", at_most=2)).values():
        assert rule.content["about"][0] == rule.text  # type: ignore[index]
        assert len(rule.content["about"]) == 6  # type: ignore[arg-type]
        assert set(rule.content["touches"]) == {"t0", "t1"}  # type: ignore[arg-type]


def test_untrusted_lessons_make_no_trusted_rule() -> None:
    items = [replace(i, provenance=replace(i.provenance, trust=Trust.UNTRUSTED)) for i in lessons()]
    told = brief(items)
    made = after(told, curate(told, mode="distil", at_most=2))
    assert {item.provenance.trust for item in made.values()} == {Trust.UNTRUSTED}


def test_evidence_is_bounded_to_the_newest() -> None:
    items = [
        note("a", "Check the stock.", runs=[f"old{n:03}" for n in range(300)]),
        note("b", "Check the stock.", runs=["r5"]),
    ]
    told = brief(items)
    (made,) = after(told, curate(told)).values()
    assert len(made.provenance.runs) == 200
    assert made.provenance.runs[-1] == "r5"


def test_the_least_supported_go_over_the_budget() -> None:
    items = [
        note("rare", "Lesson on parcels.", runs=("r1", "r1b")),
        note("often", "Lesson on refunds.", runs=("r2", "r3", "r4")),
        note("person", "Lesson on manners.", trust=Trust.PERSON, runs=()),
    ]
    told = brief(items)
    budget = sum(count_tokens(item.text) for item in items[1:])
    assert after(told, curate(told, tokens=budget)).keys() == {"often", "person"}
    assert after(told, curate(told, tokens=0)).keys() == {"person"}


def test_protected_and_personal_ones_stay() -> None:
    fixed = [
        note("p", LESSONS[0], protected=True, expires=1.0),
        note("q", LESSONS[0], trust=Trust.PERSON, expires=1.0),
    ]
    told = brief([*fixed, *lessons()], now=9.0)
    for policy in ({"mode": "window", "window": 1}, {"mode": "distil", "at_most": 1}):
        proposal = curate(told, tokens=0, **policy)
        made = after(told, proposal)
        assert [made["p"], made["q"]] == fixed


def test_the_earlier_spec_still_has_every_item() -> None:
    told = brief(lessons())
    versions = {told.spec.id: told.spec}
    proposal = curate(told, mode="distil", at_most=2)
    assert proposal is not None
    made = apply(told.spec, proposal.changes)
    versions[made.id] = made
    assert proposal.parent in versions
    kept = {item.id: item for item in versions[proposal.parent].items}
    removed = [change.item_id for change in proposal.changes if isinstance(change, Remove)]
    assert removed
    assert [kept[i].text for i in removed] == [LESSONS[int(i[1:])] for i in removed]


def test_what_was_refused_is_not_proposed_again() -> None:
    told = brief(lessons())
    proposal = curate(told, mode="distil", at_most=2)
    assert proposal is not None
    texts = tuple(c.item.text for c in proposal.changes if isinstance(c, Add))
    refused = Tried(
        proposer="mined:curation", summary="", texts=texts, decision="reject", message=""
    )
    assert curate(replace(told, tried=(refused,)), mode="distil", at_most=2) is None
    assert curate(replace(told, tried=(refused,)), mode="distil", at_most=4) is not None


RULES = [("Clean things in the sink.", (0, 1, 2, 3, 4)), ("Search by number.", (5, 6, 7, 8, 9))]


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (RULES, True),
        ([RULES[0], ("Search by number.", (5, 6, 7, 8))], True),  # one lesson stays as it is
        ([RULES[0], ("Search by number.", (5, 6, 7))], False),  # two of them: four in all
        ([RULES[0], ("Search by number.", (4, 5, 6, 7, 8, 9))], False),
        ([RULES[0], ("Search by number.", (5, 5, 6, 7, 8, 9))], False),
        ([RULES[0], ("Search by number.", (5, 6, 7, 8, 9, 10))], False),
        ([RULES[0], (" ", (5, 6, 7, 8, 9))], False),
        ([RULES[0], ("word " * 60, (5, 6, 7, 8, 9))], False),
        ([RULES[0], ("Where is the parcel that I sent to my aunt in May?", (5, 6, 7, 8, 9))],
         False),
        ([], False),
    ],
)  # fmt: skip
def test_a_models_rules_are_checked(
    answer: list[tuple[str, tuple[int, ...]]], *, good: bool
) -> None:
    async def distiller(texts: Sequence[str], at_most: int) -> list[tuple[str, tuple[int, ...]]]:
        assert (list(texts), at_most) == (LESSONS, 3)
        return answer

    told = brief(lessons())
    secret = Task(id="s", input="Where is the parcel that I sent to my aunt in May?")
    told = replace(told, tasks={**told.tasks, "s": secret})
    policy = CurationPolicy(mode="distil", at_most=3)
    proposal = anyio.run(Curation(policy=policy, distiller=distiller), told)
    made = after(told, proposal)
    reflected = {i.text for i in made.values() if i.provenance.by == "reflected:curation"}
    assert reflected == ({rule for rule, _ in answer} if good else set())
    assert len(made) <= 3
    evidence = {run for item in made.values() for run in item.provenance.runs}
    assert evidence == {f"r{n}" for n in range(10)}


def test_lessons_may_say_what_they_say() -> None:
    rule = "Where is the parcel that I sent to my aunt in May is no question."
    task = Task(id="s", input="Where is the parcel that I sent to my aunt in May?")
    for texts, good in (([rule, "b"], True), (["a", "b"], False)):
        found = accepted_rules([(rule, (0, 1))], texts=texts, at_most=1, spec=BASE, tasks=[task])
        assert (found is not None) is good


@pytest.mark.parametrize(
    "policy", [{"mode": "forget"}, {"window": 0}, {"at_most": 0}, {"tokens": -1}]
)
def test_policies_that_mean_nothing(policy: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=f"curation.{next(iter(policy))}"):
        CurationPolicy(**policy)  # type: ignore[arg-type]


_POOL = (*LESSONS, "Refund in full.", "Never refund in full.", "Refund in full!")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_POOL), st.sampled_from(list(Trust)), st.booleans()), max_size=9
    ),
    st.sampled_from(["window", "retrieval", "distil"]),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(0, 200)),
)
def test_changes_always_apply(notes, mode, bound, tokens) -> None:  # type: ignore[no-untyped-def]
    items = [
        note(f"m{n}", text, runs=(f"r{n}",), trust=trust, protected=protected)
        for n, (text, trust, protected) in enumerate(notes)
    ]
    told = brief(items)
    proposal = curate(told, mode=mode, window=bound, at_most=bound, tokens=tokens)
    if proposal is None:
        return
    made = apply(told.spec, proposal.changes)
    fixed = [i for i in items if i.protected or i.provenance.trust is Trust.PERSON]
    assert all(item in made.items for item in fixed)
    assert not any(
        isinstance(change, Revise) and change.item == told.spec.items[0]
        for change in proposal.changes
    )
    if tokens is None:  # nothing is lost but by a bound
        shown = {run for item in made.items for run in item.provenance.runs}
        assert mode == "window" or shown == {run for i in items for run in i.provenance.runs}
