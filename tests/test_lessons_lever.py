"""The memory lever from runs to what a task is shown, without a model."""

import anyio
import numpy as np
import pytest

from strop.mine.failures.repairs import mine_repairs
from strop.notes import Notes
from strop.propose.brief import Brief, Tried
from strop.propose.lessons import MinedLessons, lesson_item
from strop.run import Run, ScoredRun, ToolCall
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust, apply
from strop.task import Split, Task

SPEC = AgentSpec(name="desk", model="scripted:x")


async def _embed(texts):
    raise AssertionError("lessons need no vectors")


def _pair(task: str, tool: str = "book", trial: int = 0) -> ScoredRun:
    steps = (
        ToolCall(tool=tool, args={"id": "c1", "room": 7}, error="Error: unexpected argument"),
        ToolCall(tool=tool, args={"payment_id": "c1", "room": 7}, result="ok"),
    )
    return ScoredRun(
        run=Run(
            id=f"{task}-{tool}-{trial}",
            task=task,
            input="x",
            split=Split.TRAIN,
            trial=trial,
            steps=steps,
        )
    )


def _tasks(*names: str, category: str | None = None) -> dict[str, Task]:
    return {n: Task(id=n, input=f"please do {n}", category=category) for n in names}


def _propose(spec: AgentSpec, runs, tasks, tried=(), **options):
    findings = mine_repairs(runs, tasks=tasks)
    brief = Brief(spec=spec, findings=findings, tasks=tasks, embed=_embed, tried=tried)

    async def ask():
        return await MinedLessons(**options)(brief)

    return anyio.run(ask)


def _items(changes: tuple[Change, ...]) -> list[Item]:
    return [change.item for change in changes if isinstance(change, Add | Revise)]


def test_a_repair_becomes_a_lesson() -> None:
    tasks = _tasks("a", "b", category="rooms")
    proposal = _propose(SPEC, [_pair("a"), _pair("b")], tasks)
    assert proposal is not None
    assert (proposal.proposer, proposal.parent) == ("mined:lessons", SPEC.id)
    (item,) = _items(proposal.changes)
    assert item.kind is Kind.MEMORY
    assert item.content["type"] == "lesson"
    assert "`payment_id`, not `id`" in item.text
    assert {"book", "id", "payment_id"} == set(item.content["touches"])
    assert sorted(item.content["about"]) == ["please do a", "please do b"]
    assert item.content["categories"] == ["rooms"]
    assert item.provenance == Provenance(
        by="mined:lessons", runs=("a-book-0", "b-book-0"), trust=Trust.EVIDENCE
    )
    assert len(proposal.findings) == 1
    assert item.id in {i.id for i in apply(SPEC, proposal.changes).items}


def test_nothing_to_learn_is_no_proposal() -> None:
    assert _propose(SPEC, [_pair("a")], _tasks("a")) is None


def test_more_evidence_changes_neither_id_nor_text_and_is_not_proposed() -> None:
    runs = [_pair("a"), _pair("b")]
    first = _propose(SPEC, runs, _tasks("a", "b"))
    spec = apply(SPEC, first.changes)
    more = [*runs, _pair("c"), _pair("a", trial=1)]
    assert _propose(spec, more, _tasks("a", "b", "c")) is None
    (again,) = _items(_propose(SPEC, more, _tasks("a", "b", "c")).changes)
    assert (again.id, again.text) == (_items(first.changes)[0].id, _items(first.changes)[0].text)


def test_an_item_whose_text_changed_is_revised_unless_a_person_protects_it() -> None:
    runs, tasks = [_pair("a"), _pair("b")], _tasks("a", "b")
    (item,) = _items(_propose(SPEC, runs, tasks).changes)
    old = Item(id=item.id, kind=Kind.MEMORY, content={**item.content, "text": "in other words"})
    spec = AgentSpec(name="desk", model="scripted:x", items=(old,))
    (change,) = _propose(spec, runs, tasks).changes
    assert isinstance(change, Revise)
    kept = Item(id=item.id, kind=Kind.MEMORY, content=old.content, protected=True)
    assert _propose(AgentSpec(name="d", model="scripted:x", items=(kept,)), runs, tasks) is None


def test_what_the_spec_says_already_is_not_said_again() -> None:
    runs, tasks = [_pair("a"), _pair("b")], _tasks("a", "b")
    (item,) = _items(_propose(SPEC, runs, tasks).changes)
    same = Item(id="mine", kind=Kind.CLAUSE, content={"text": item.text.upper()})
    assert _propose(AgentSpec(name="d", model="scripted:x", items=(same,)), runs, tasks) is None


def test_what_the_gate_refused_is_not_proposed_again() -> None:
    runs, tasks = [_pair("a"), _pair("b")], _tasks("a", "b")
    (item,) = _items(_propose(SPEC, runs, tasks).changes)
    refused = Tried(
        proposer="mined:lessons", summary="", texts=(item.text,), decision="reject", message=""
    )
    assert _propose(SPEC, runs, tasks, tried=(refused,)) is None


def test_at_most_the_limit_and_the_best_supported_first() -> None:
    runs = [
        _pair(f"t{i}", tool) for tool, n in (("one", 2), ("two", 4), ("six", 3)) for i in range(n)
    ]
    tasks = _tasks(*(f"t{i}" for i in range(4)))
    proposal = _propose(SPEC, runs, tasks, limit=2)
    assert [i.content["touches"][0] for i in _items(proposal.changes)] == ["two", "six"]
    rest = _propose(apply(SPEC, proposal.changes), runs, tasks, limit=2)
    assert [i.content["touches"][0] for i in _items(rest.changes)] == ["one"]


def test_evidence_and_inputs_are_bounded_and_do_not_depend_on_order() -> None:
    runs = [_pair(f"t{i:03}") for i in range(200)]
    tasks = _tasks(*(r.run.task for r in runs))
    (finding,) = mine_repairs(runs, tasks=tasks)
    item = lesson_item(finding, tasks)
    assert len(item.content["about"]) == 16
    assert len(item.provenance.runs) == 50
    (other,) = mine_repairs(runs[::-1], tasks=dict(reversed(tasks.items())))
    assert lesson_item(other, dict(reversed(tasks.items()))) == item


@pytest.mark.parametrize("category", ["rooms", "cars"])
def test_a_lesson_comes_to_tasks_like_those_it_would_have_helped(category: str) -> None:
    tasks = _tasks("a", "b", category="rooms")
    (item,) = _items(_propose(SPEC, [_pair("a"), _pair("b")], tasks).changes)
    vector = np.array([1.0, 0.0], dtype=np.float32)
    notes = Notes([item], dict.fromkeys(item.content["about"], vector))
    found = list(notes.ranked(vector, task=Task(id="n", input="new", category=category)))
    assert [at for at, _ in found] == ([0] if category == "rooms" else [])
