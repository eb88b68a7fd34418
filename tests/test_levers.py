"""Levers from end to end: what runs taught is proposed, judged on held-out tasks, and shown."""

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from strop import Kind, SelfImprovingAgent
from strop.errors import BadInput
from strop.gate import Decision
from strop.levers import DEFAULT, LEVERS, resolve_levers
from strop.models import ScriptedModel
from strop.propose.reflect.reflector import Reflector


def book(flight: str, **wanted: str) -> str:
    """Book a flight."""
    if "payment_id" not in wanted:
        raise TypeError("book needs payment_id")
    return "booked"


async def clerk(messages, info):
    """Tries `card` first, unless it is told better; an answer on the second try is a late one."""
    parts = [part for message in messages for part in message.parts]
    asked = str(parts[[type(p).__name__ for p in parts].index("UserPromptPart")].content)
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    done = any(p.content == "booked" for p in parts if isinstance(p, ToolReturnPart))
    if done:
        return ModelResponse(parts=[TextPart(content="late" if len(calls) > 1 else "at once")])
    told = "payment_id" in asked or bool(calls)
    wanted = {"payment_id": "p1"} if told else {"card": "p1"}
    args = {"flight": asked.rsplit(maxsplit=1)[-1], "wanted": wanted}
    return ModelResponse(parts=[ToolCallPart(tool_name="reserve", args=args)])


def reserve(flight: str, wanted: dict[str, str]) -> str:
    """Reserve a seat on a flight."""
    if "payment_id" not in wanted:
        raise ValueError("unknown field 'card'")
    return "booked"


def tasks():
    for i, split in enumerate(["train"] * 12 + ["validation"] * 16):
        yield {
            "id": f"t{i}",
            "input": f"Book me on flight F{i}",
            "expected": "at once",
            "split": split,
        }


@pytest.fixture
def desk(tmp_path):
    with SelfImprovingAgent(
        name="clerk",
        model=FunctionModel(clerk),
        tools=[reserve],
        tasks=list(tasks()),
        scorer="exact",
        embedder="static",
        levers=("lessons",),
        store=str(tmp_path / "strop.db"),
    ) as agent:
        yield agent


def test_a_repair_becomes_a_lesson_that_makes_later_runs_right(desk):
    cycle = desk.improve()
    assert [a.verdict.decision for a in cycle.attempts] == [Decision.ACCEPT]
    (lesson,) = desk.spec.of_kind(Kind.MEMORY)
    assert "payment_id" in lesson.text
    assert "card" in lesson.text
    assert len(lesson.provenance.runs) == 12
    run = desk.run("Book me on flight F99")
    assert (run.output, lesson.id in run.run.shown) == ("at once", True)
    assert desk.improve().attempts == ()
    desk.rollback()
    assert desk.run("Book me on flight F98").output == "late"
    assert desk.improve().attempts[0].verdict.reasons[0].code == "rolled_back"


def test_a_model_out_of_reach_is_told_and_the_others_go_on(desk):
    desk.parts = replace_proposers(desk, ("lessons", "clauses"), ScriptedModel([]))
    cycle = desk.improve()
    assert "reflected:lessons" in dict(cycle.failures)
    assert [a.proposal.proposer for a in cycle.released] == ["mined:lessons"]


def test_what_a_model_costs_is_taken_from_the_budget(desk):
    from strop.evaluation import Budget

    desk.parts = replace_proposers(desk, ("clauses",), ScriptedModel(["nonsense"] * 9))
    budget = Budget()
    cycle = desk.improve(budget=budget)
    assert budget._used.requests >= 3
    assert cycle.attempts == ()
    assert [name for name, _ in cycle.failures] == ["reflected:clauses"]


def replace_proposers(desk, levers, model):
    from dataclasses import replace

    reflections = []
    reflector = Reflector(model, record=reflections.append)
    proposers = resolve_levers(levers, reflector=reflector)
    return replace(desk.parts, proposers=proposers, reflections=reflections)


def test_levers_by_name():
    names = [proposer.name for proposer in resolve_levers(DEFAULT)]
    assert len(names) == len(set(names))
    assert {name.partition(":")[2] for name in names} <= set(LEVERS)
    with pytest.raises(BadInput, match="did you mean 'lessons'"):
        resolve_levers(["lesson"])
    assert {p.name for p in resolve_levers(["clauses"])} == set()
    reflector = Reflector(ScriptedModel([]))
    assert [p.name for p in resolve_levers(["clauses"], reflector=reflector)] == [
        "reflected:clauses"
    ]
