"""Findings of facts into memories: added, revised, removed, and otherwise left alone."""

from dataclasses import replace

import anyio
import numpy as np

from strop.mine.facts.miner import mine_facts
from strop.propose.brief import Brief, Tried
from strop.propose.facts import KeptFacts, MinedFacts, fact_item
from strop.propose.proposal import Aim
from strop.run import Run, ScoredRun, ToolCall
from strop.spec import Add, AgentSpec, Item, Kind, Remove, Revise, Trust, apply
from strop.task import Split, Task

DAY = 86_400.0
ASKED = "SELECT COUNT(*) FROM people"
TASKS = {f"t{n}": Task(id=f"t{n}", input=f"question {n}", category="poker") for n in range(200)}


def run(number, result="[(7,)]", asked=ASKED, at=None):
    return ScoredRun(
        run=Run(
            id=f"r{number}",
            task=f"t{number}",
            input=f"question {number}",
            split=Split.TRAIN,
            steps=(ToolCall(tool="sql", args={"query": asked}, result=result),),
            at=at,
        )
    )


async def embed(texts):
    return np.zeros((len(texts), 2), dtype=np.float32)


def brief(spec, runs, now=0.0, tried=()):
    findings = mine_facts(runs, tasks=TASKS)
    return Brief(spec=spec, findings=findings, tasks=TASKS, embed=embed, now=now, tried=tried)


def empty():
    return AgentSpec(name="a", model="m")


def learned(runs, now=0.0, spec=None):
    spec = spec or empty()
    for proposer in (KeptFacts(), MinedFacts()):
        proposal = proposer.propose(brief(spec, runs, now))
        spec = spec if proposal is None else apply(spec, proposal.changes)
    return spec


def unchanged(spec, runs, now=0.0):
    return all(p.propose(brief(spec, runs, now)) is None for p in (KeptFacts(), MinedFacts()))


def told(proposal, decision="reject"):
    """An earlier proposal as proposers are told of it."""
    changes = proposal.changes
    return Tried(
        proposer=proposal.proposer,
        summary=proposal.summary,
        texts=tuple(c.item.text for c in changes if not isinstance(c, Remove)),
        decision=decision,
        message="",
        added=tuple(c.item_id for c in changes if isinstance(c, Add)),
        removed=tuple(c.item_id for c in changes if isinstance(c, Remove)),
    )


def counted(spec):
    return [i for i in spec.of_kind(Kind.MEMORY) if i.text.startswith("SELECT")]


def test_a_fact_becomes_a_memory_that_says_where_it_is_from():
    proposal = anyio.run(MinedFacts(), brief(empty(), [run(1, at=DAY), run(2, at=2 * DAY)]))
    assert proposal.proposer == "mined:facts" == MinedFacts().name
    (item,) = [c.item for c in proposal.changes if c.item.text.startswith("SELECT")]
    assert item.text == "SELECT COUNT(*) FROM people in poker gives: 7"
    assert item.content["type"] == "fact"
    assert item.content["touches"] == ["sql", "people"]
    assert sorted(item.content["about"]) == ["question 1", "question 2"]
    assert item.content["categories"] == ["poker"]
    assert item.content["expires"] == 32 * DAY
    assert item.provenance.by == "mined:facts"
    assert item.provenance.trust is Trust.EVIDENCE
    assert set(item.provenance.runs) == {"r1", "r2"}
    assert len(proposal.findings) == len(proposal.changes)


def test_evidence_is_bounded():
    spec = learned([run(n) for n in range(120)])
    (item,) = counted(spec)
    assert len(item.provenance.runs) == 50
    assert len(item.content["about"]) == 32


def test_what_is_unchanged_is_left_alone():
    runs = [run(n, at=n * 60.0) for n in range(8)]
    spec = learned(runs)
    assert unchanged(spec, runs)
    runs.append(run(8, at=8 * 60.0))  # one more task, one input in nine: no new version for that
    assert unchanged(spec, runs)


def test_a_fact_found_by_many_new_inputs_is_revised():
    spec = learned([run(1), run(2)])
    proposal = KeptFacts().propose(brief(spec, [run(n) for n in (1, 2, 3)]))
    assert {type(change) for change in proposal.changes} == {Revise}


def test_a_contradicted_fact_is_removed_and_comes_back_when_it_agrees_again():
    runs = [run(1), run(2)]
    spec = learned(runs)
    (item,) = counted(spec)
    runs.append(run(3, "[(8,)]"))
    proposal = KeptFacts().propose(brief(spec, runs))
    assert Remove(item_id=item.id) in proposal.changes
    spec = apply(spec, proposal.changes)
    assert counted(spec) == []
    runs.append(run(4, "[(8,)]"))
    (again,) = counted(learned(runs, spec=spec))
    assert again.id == item.id
    assert again.text.endswith("gives: 8")


def test_a_changed_fact_is_revised_in_place():
    spec = learned([run(1), run(2)])
    runs = [run(1), run(2), run(3, "[(8,)]"), run(4, "[(8,)]")]
    proposal = KeptFacts().propose(brief(spec, runs))
    (change,) = [c for c in proposal.changes if c.item_id == counted(spec)[0].id]
    assert isinstance(change, Revise)
    assert change.item.text.endswith("gives: 8")


def test_an_expired_fact_is_removed_and_an_old_one_never_added():
    runs = [run(1, at=0.0), run(2, at=DAY)]
    spec = learned(runs)
    assert counted(spec)
    late = KeptFacts().propose(brief(spec, runs, now=40 * DAY))
    assert {type(change) for change in late.changes} == {Remove}
    assert counted(apply(spec, late.changes)) == []
    forgotten = Brief(spec=spec, findings=(), tasks=TASKS, embed=embed, now=40 * DAY)
    assert {type(c) for c in KeptFacts().propose(forgotten).changes} == {Remove}
    assert unchanged(empty(), runs, now=40 * DAY)


def test_a_renewed_fact_is_revised_only_when_its_time_runs_out():
    runs = [run(n, at=n * DAY) for n in range(8)]
    spec = learned(runs, now=8 * DAY)
    soon = [*runs, run(8, at=9 * DAY)]
    assert KeptFacts().propose(brief(spec, soon, now=9 * DAY)) is None
    later = [*runs, run(8, at=30 * DAY)]
    proposal = KeptFacts().propose(brief(spec, later, now=30 * DAY))
    assert {type(change) for change in proposal.changes} == {Revise}


def test_a_proposal_is_bounded_and_takes_what_was_asked_most():
    often = [run(n, asked="SELECT COUNT(*) FROM often") for n in range(10)]
    rest = [
        run(n, f"[({k},)]", asked=f"SELECT COUNT(*) FROM rare{k}")
        for k in range(30)
        for n in (1, 2)
    ]
    proposal = MinedFacts(limit=10).propose(brief(empty(), [*often, *rest]))
    assert len(proposal.changes) == 10
    assert any("often" in change.item.text for change in proposal.changes)


def test_a_protected_fact_and_other_peoples_memories_are_left_alone():
    runs = [run(1), run(2)]
    (item,) = counted(learned(runs))
    mine = Item(id=item.id, kind=Kind.MEMORY, content={"text": "seven"}, protected=True)
    spec = AgentSpec(name="a", model="m", items=(mine,))
    proposal = KeptFacts().propose(brief(spec, [*runs, run(3, "[(8,)]")]))
    assert proposal is None or all(change.item_id != item.id for change in proposal.changes)
    others = AgentSpec(name="a", model="m", items=(replace(mine, protected=False),))
    for proposer in (KeptFacts(), MinedFacts()):
        proposal = proposer.propose(brief(others, runs))
        assert proposal is None or all(change.item_id != item.id for change in proposal.changes)


def test_what_the_gate_refused_is_not_proposed_again():
    runs = [run(1), run(2)]
    first = MinedFacts().propose(brief(empty(), runs))
    tried = told(first)
    assert MinedFacts().propose(brief(empty(), runs, tried=(tried,))) is None
    for other in (
        replace(tried, proposer="kept:facts"),  # another proposer's
        replace(tried, added=()),  # it had revised them
        replace(tried, decision="inconclusive"),
        replace(tried, texts=()),  # it said something else of them
    ):
        again = MinedFacts().propose(brief(empty(), runs, tried=(other,)))
        assert again.changes == first.changes


def test_ids_do_not_depend_on_what_the_fact_says():
    one, two = (
        next(f for f in mine_facts(runs) if f.data["form"] == "result")
        for runs in ([run(1), run(2)], [run(3, "[(9,)]"), run(4, "[(9,)]")])
    )
    assert fact_item(one).id == fact_item(two).id
    assert all(
        isinstance(c, Add) for c in MinedFacts().propose(brief(empty(), [run(1), run(2)])).changes
    )


def test_what_is_wrong_is_mended_apart_from_what_is_new_and_need_not_raise_the_score():
    spec = learned([run(1), run(2)])
    runs = [run(1), run(2), run(3, "[(8,)]"), run(4, "[(8,)]")]
    runs += [run(n, asked="SELECT COUNT(*) FROM shops") for n in (5, 6)]
    kept, mined = KeptFacts().propose(brief(spec, runs)), MinedFacts().propose(brief(spec, runs))
    assert (kept.proposer, kept.aim) == ("kept:facts", Aim.LEANER)
    assert KeptFacts().name == "kept:facts"
    assert not any(isinstance(change, Add) for change in kept.changes)
    assert (mined.proposer, mined.aim) == ("mined:facts", Aim.BETTER)
    assert all(isinstance(change, Add) for change in mined.changes)
    again = brief(spec, runs, tried=(told(kept),))
    assert KeptFacts().propose(again).changes == kept.changes  # what is wrong stays wrong
    after = apply(apply(spec, kept.changes), mined.changes)
    assert {item.text.partition("gives: ")[2] for item in counted(after)} == {"8", "7"}
    assert unchanged(after, runs)


def test_parts_of_a_list_stay_until_the_whole_list_is_there():
    listing = "[('people',)]", "SHOW TABLES"
    columns = "[('id', 'int'), ('name', 'text')]", "DESCRIBE people"
    runs = [run(n, *asked) for n in (1, 2) for asked in (columns, ("[(7,)]", ASKED))]
    spec = learned(runs)
    (part,) = [i for i in spec.of_kind(Kind.MEMORY) if i.text.startswith("Columns of people")]
    runs += [run(n, *listing) for n in (3, 4)]
    (whole,) = [
        fact_item(f) for f in mine_facts(runs, tasks=TASKS) if f.data["form"] == "containers"
    ]
    assert "people (id, name)" in whole.text
    without = replace(spec, items=tuple(i for i in spec.items if i.id != whole.id))
    kept = KeptFacts().propose(brief(without, runs))
    assert kept is None or Remove(item_id=part.id) not in kept.changes
    assert Remove(item_id=part.id) in KeptFacts().propose(brief(spec, runs)).changes
