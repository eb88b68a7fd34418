"""`Strop(...)` in an existing Pydantic AI agent: what was learned is shown, runs are recorded."""

import json

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from strop import ScriptedModel, SelfImprovingAgent, Split, Strop
from strop.models import tool_call
from strop.release import Action, Release
from strop.run import ToolCall
from strop.settle import settle
from strop.spec import Add, Item, Kind, apply

pytestmark = pytest.mark.anyio

CONFIG = """
name: helper
model: test
instructions: ["Answer in one word."]
memory: ["Boxes leave on Fridays."]
scorer: exact
embedder: static
tasks: tasks.jsonl
"""


@pytest.fixture
def project(tmp_path):
    tasks = [
        {"id": f"t{i}", "input": f"when does box {i} leave", "expected": "Friday", "split": split}
        for i, split in enumerate(["train"] * 12 + ["validation"] * 12)
    ]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(t) + "\n" for t in tasks))
    (tmp_path / "strop.yaml").write_text(CONFIG)

    def learner(task, context):
        return context.demonstrations[-1].output if context.demonstrations else "Monday"

    with SelfImprovingAgent(tmp_path / "strop.yaml", agent=learner) as agent:
        assert agent.improve().released
    return tmp_path / "strop.yaml"


async def test_an_existing_agent_gets_what_was_released(project):
    model = ScriptedModel(["Friday"])
    capability = Strop(project)
    agent = Agent(model, instructions="You work at a seed shop.", capabilities=[capability])
    result = await agent.run("when does my box leave")
    assert result.output == "Friday"
    (prompt,) = model.prompts
    assert "You work at a seed shop." in prompt
    assert "Answer in one word." in prompt
    assert "Boxes leave on Fridays." in prompt
    assert prompt.count("Friday\n") == 4
    assert len(result.all_messages()) == 2  # demonstrations are shown, not added to the history

    (scored,) = capability.parts.store.runs(split=Split.PRODUCTION)
    assert scored.run.output == "Friday"
    assert scored.run.spec == capability.parts.store.released().spec
    assert len(scored.run.shown) == 6
    assert scored.run.usage.requests == 1
    capability.parts.store.close()


async def test_a_failing_agent_is_recorded_and_still_fails(project):
    capability = Strop(project)
    agent = Agent(ScriptedModel([RuntimeError("the model is on fire")]), capabilities=[capability])
    with pytest.raises(RuntimeError, match="on fire"):
        await agent.run("when does my box leave")
    (scored,) = capability.parts.store.runs(split=Split.PRODUCTION)
    assert scored.run.error.message == "RuntimeError: the model is on fire"
    capability.parts.store.close()


async def test_the_agents_own_tools_are_recorded(project):
    capability = Strop(project)
    model = ScriptedModel([tool_call("next_truck", depot="north"), "Friday"])
    agent = Agent(model, capabilities=[capability])

    @agent.tool_plain
    def next_truck(depot: str) -> str:
        """When the next truck leaves."""
        return f"Friday from {depot}"

    await agent.run("when does my box leave")
    (scored,) = capability.parts.store.runs(split=Split.PRODUCTION)
    (call,) = [step for step in scored.run.steps if isinstance(step, ToolCall)]
    assert call.result == "Friday from north"
    capability.parts.store.close()


async def test_structured_output_and_conversations_are_recorded(project):
    capability = Strop(project)
    agent = Agent(TestModel(), output_type=dict[str, int], capabilities=[capability])
    first = await agent.run("count the boxes")
    await agent.run("count again", message_history=first.all_messages())
    runs = list(capability.parts.store.runs(split=Split.PRODUCTION))
    assert [scored.run.input for scored in runs] == ["count the boxes", "count again"]
    assert all(isinstance(scored.run.output, dict) for scored in runs)
    capability.parts.store.close()


async def test_one_capability_serves_many_runs_at_once(project):
    capability = Strop(project)
    agent = Agent(TestModel(custom_output_text="Friday"), capabilities=[capability])
    import anyio

    async with anyio.create_task_group() as group:
        for i in range(20):
            group.start_soon(agent.run, f"when does box number {i} leave")
    runs = list(capability.parts.store.runs(split=Split.PRODUCTION))
    assert len({scored.run.input for scored in runs}) == 20
    capability.parts.store.close()


async def test_an_agents_own_tool_comes_before_a_learned_one_of_its_name(project, caplog):
    capability = Strop(project)
    spec = settle(capability.parts.base, capability.parts.store)
    learned = Item(
        id="tool-next_truck",
        kind=Kind.TOOL,
        content={
            "name": "next_truck",
            "description": "Learned.",
            "parameters": {"type": "object", "properties": {}},
            "body": {
                "kind": "code",
                "source": 'def next_truck():\n    """Learned."""\n    return "never"\n',
                "function": "next_truck",
                "imports": [],
            },
        },
    )
    grown = apply(spec, [Add(item=learned)])
    capability.parts.store.append_release(
        Release(
            spec=grown.id,
            previous=spec.id,
            origin=capability.parts.base.id,
            action=Action.PROMOTE,
            summary="a tool",
            by="gate",
        ),
        grown,
    )
    model = ScriptedModel([tool_call("next_truck", depot="north"), "Friday"])
    agent = Agent(model, capabilities=[capability])

    @agent.tool_plain
    def next_truck(depot: str) -> str:
        return f"at noon from {depot}"

    assert (await agent.run("when does my box leave")).output == "Friday"
    (scored,) = capability.parts.store.runs(split=Split.PRODUCTION)
    (call,) = [step for step in scored.run.steps if isinstance(step, ToolCall)]
    assert call.result == "at noon from north"
    assert "the agent has one of that name" in caplog.text
    capability.parts.store.close()
