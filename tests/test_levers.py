"""Levers from end to end: what runs taught is proposed, judged on held-out tasks, and shown."""

from dataclasses import dataclass, replace

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from strop import Budget, Kind, SelfImprovingAgent, trial
from strop.errors import BadInput
from strop.gate import Decision
from strop.levers import DEFAULT, LEVERS, resolve_levers
from strop.models import ScriptedModel
from strop.propose import Aim, Proposal
from strop.propose.curation import CurationPolicy
from strop.propose.reflect.reflector import Reflection, Reflector
from strop.run import Usage
from strop.spec import Add, Item, Remove, Revise, apply
from strop.store import ReleaseConflict


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
    for i, split in enumerate(["train"] * 12 + ["validation"] * 24):
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
    desk.parts = replace_proposers(desk, ("clauses",), ScriptedModel(["nonsense"] * 9))
    budget = Budget()
    cycle = desk.improve(budget=budget)
    assert budget._used.requests >= 3
    assert cycle.attempts == ()
    assert [name for name, _ in cycle.failures] == ["reflected:clauses"]


def replace_proposers(desk, levers, model):
    reflections = []
    reflector = Reflector(model, record=reflections.append)
    proposers = resolve_levers(levers, reflector=reflector)
    return replace(desk.parts, proposers=proposers, reflections=reflections)


def test_levers_by_name():
    names = [proposer.name for proposer in resolve_levers(DEFAULT)]
    assert len(names) == len(set(names))
    of_tools = {"chains", "snippets", "descriptions"}
    assert {name.partition(":")[2] for name in names} <= {*LEVERS, *of_tools}
    tools = {proposer.name for proposer in resolve_levers(["tools"])}
    assert tools == {f"mined:{made}" for made in of_tools}
    with pytest.raises(BadInput, match="did you mean 'lessons'"):
        resolve_levers(["lesson"])
    assert {p.name for p in resolve_levers(["clauses"])} == set()
    reflector = Reflector(ScriptedModel([]))
    assert [p.name for p in resolve_levers(["clauses"], reflector=reflector)] == [
        "reflected:clauses"
    ]
    (distils,) = resolve_levers(
        ["curation"], reflector=reflector, curation=CurationPolicy(mode="distil")
    )
    assert distils.distiller is not None
    assert resolve_levers(["curation"], reflector=reflector)[0].distiller is None
    assert [p.name for p in resolve_levers(["gepa"], reflector=reflector)] == ["gepa:clauses"]


def test_levers_named_for_one_cycle_are_pulled_as_the_configuration_has_them(tmp_path):
    with SelfImprovingAgent(
        name="clerk",
        model=FunctionModel(clerk),
        embedder="static",
        curation={"mode": "window", "window": 3},
        reflect_model=f"file:{tmp_path / 'asked'}",
        store=str(tmp_path / "s.db"),
    ) as agent:
        (curation,) = agent.parts.pull(["curation"])
        assert (curation.policy.mode, curation.policy.window) == ("window", 3)
        assert [p.name for p in agent.parts.pull(["clauses"])] == ["reflected:clauses"]


@dataclass(frozen=True)
class Proposes:
    """A proposer that says what it is told to."""

    changes: tuple
    name: str = "test:memories"
    aim: Aim = Aim.LEANER

    async def __call__(self, brief):
        return Proposal(
            parent=brief.spec.id,
            changes=self.changes,
            findings=(),
            proposer=self.name,
            summary="as told",
            aim=self.aim,
        )


def note(name, text="Mind the gap.", **content):
    return Item(id=name, kind=Kind.MEMORY, content={"text": text, **content})


def hear(desk, *proposers):
    desk.parts = replace(desk.parts, proposers=proposers)
    return desk.improve()


def test_more_text_is_not_leaner(desk):
    (attempt,) = hear(desk, Proposes((Add(item=note("m", "word " * 500)),))).attempts
    assert attempt.proposal.aim is Aim.BETTER
    assert attempt.verdict.decision is Decision.REJECT


def test_less_text_is_leaner_and_a_rollback_of_it_holds(desk):
    desk.parts = replace(desk.parts, base=apply(desk.parts.base, [Add(item=note("m"))]))
    remove = Proposes((Remove(item_id="m"),))
    (attempt,) = hear(desk, remove).attempts
    assert (attempt.proposal.aim, attempt.verdict.decision) == (Aim.LEANER, Decision.ACCEPT)
    desk.rollback()
    assert [item.id for item in desk.spec.of_kind(Kind.MEMORY)] == ["m"]
    (attempt,) = hear(desk, remove).attempts
    assert attempt.verdict.reasons[0].code == "rolled_back"
    assert [item.id for item in desk.spec.of_kind(Kind.MEMORY)] == ["m"]


def test_half_of_a_merge_is_never_released(desk):
    both = [Add(item=note("a", about=["x"])), Add(item=note("b", "Mind the other gap."))]
    desk.parts = replace(desk.parts, base=apply(desk.parts.base, both))
    merged = Revise(item_id="a", item=note("a", "Mind it.", about=["x", "y"]))
    merge = Proposes((Remove(item_id="b"), merged))
    assert hear(desk, merge).released
    desk.rollback()
    assert not hear(desk, merge).released
    assert {item.id for item in desk.spec.of_kind(Kind.MEMORY)} == {"a", "b"}


def test_somebody_elses_release_ends_the_cycle_with_what_it_has(desk):
    original = trial._promoted

    def overtaken(*_):
        raise ReleaseConflict("another release was made meanwhile")

    trial._promoted = overtaken
    try:
        cycle = desk.improve()
    finally:
        trial._promoted = original
    assert cycle.stopped.reasons[0].code == "overtaken"


def test_a_spent_budget_asks_no_more_models(desk):
    class Asks(Proposes):
        async def __call__(self, brief):
            desk.parts.reflections.append(Reflection(value=None, failure="no", usage=Usage(cost=1)))

    cycle_parts = (Asks((), name="a:clauses"), Asks((), name="b:clauses"))
    desk.parts = replace(desk.parts, proposers=cycle_parts)
    cycle = desk.improve(budget=Budget(cost=0.5))
    assert list(dict(cycle.failures)) == ["a:clauses"]
    assert cycle.stopped.reasons[0].code == "budget"


def test_a_rollback_keeps_what_the_configuration_says_now(desk):
    assert desk.improve().released
    clause = Item(id="prices", kind=Kind.CLAUSE, content={"text": "Never reveal prices."})
    desk.parts = replace(desk.parts, base=apply(desk.parts.base, [Add(item=clause)]))
    desk.run("Book me on flight F1")
    desk.rollback(to="original")
    assert [item.text for item in desk.spec.of_kind(Kind.CLAUSE)] == ["Never reveal prices."]
    assert desk.spec.of_kind(Kind.MEMORY) == ()
