"""`execute`: whatever an agent does, a run is recorded."""

import sys
import time
from dataclasses import replace

import anyio
import pytest
from inline_snapshot import snapshot
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel

from strop import Limits, ScriptedModel, Split, Task
from strop.agent import Trace, execute, function_backend
from strop.agent_pydantic import ContextCapability, pydantic_backend
from strop.context import Chosen, Context, Demonstration, select
from strop.models import tool_call
from strop.resolution import Resolution
from strop.run import ErrorStep, Message, ModelCall, ToolCall
from strop.spec import AgentSpec, Item, Kind
from strop.store import open_store
from strop.tools import Toolbox, native_item

pytestmark = pytest.mark.anyio

TASK = Task(id="t1", input="How many seeds are in the box?")
SPEC = AgentSpec(
    name="desk",
    model="scripted",
    items=(Item(id="c1", kind=Kind.CLAUSE, content={"text": "Be brief."}),),
)


async def attempt(backend, spec=SPEC, task=TASK, context=None, **options):
    return await execute(
        spec,
        task,
        split=Split.TRAIN,
        context=context or select(spec, task),
        backend=backend,
        **options,
    )


async def test_a_plain_async_function_is_an_agent():
    async def agent(task, context):
        return {"answer": task.text, "saw": context.instructions}

    run = await attempt(function_backend(agent))
    assert run.output == {"answer": TASK.text, "saw": "Be brief."}
    assert run.error is None
    assert (run.task, run.spec, run.split, run.shown) == ("t1", SPEC.id, Split.TRAIN, ("c1",))


async def test_a_plain_sync_function_is_an_agent_too():
    run = await attempt(function_backend(lambda task, context: 42))
    assert run.output == 42


async def _raises(task, context):
    raise ValueError("no such\nseed")


async def _exits(task, context):
    sys.exit(3)


async def _sleeps(task, context):
    await anyio.sleep(60)


def _blocks(task, context):
    time.sleep(3)


async def _returns_rubbish(task, context):
    return object()


async def _returns_nan(task, context):
    return {"value": float("nan")}


async def _returns_nothing(task, context):
    return None


async def _times_out_by_itself(task, context):
    raise TimeoutError("the database did not answer")


@pytest.mark.parametrize(
    ("agent", "kind", "message"),
    [
        (_raises, "agent", "ValueError: no such seed"),
        (_exits, "agent", "SystemExit: 3"),
        (_sleeps, "timeout", "no answer within 0.2 s"),
        (_blocks, "timeout", "no answer within 0.2 s"),
        (_times_out_by_itself, "agent", "TimeoutError: the database did not answer"),
        (_returns_rubbish, "output", "the agent's output: object is not a JSON value"),
        (
            _returns_nan,
            "output",
            "the agent's output.value: nan is not a JSON number; use null or leave it out",
        ),
        (_returns_nothing, "output", "the agent returned nothing (None)"),
    ],
)
async def test_a_failing_agent_leaves_a_failed_run(agent, kind, message):
    run = await attempt(function_backend(agent), limits=Limits(seconds=0.2))
    assert run.error is not None
    assert (run.error.type, run.error.message) == (kind, message)
    assert run.output is None
    assert run.steps[-1] == ErrorStep(type=kind, message=message)


async def test_cancellation_from_outside_is_not_swallowed():
    finished = False
    with anyio.move_on_after(0.1) as scope:
        await attempt(function_backend(_sleeps))
        finished = True
    assert scope.cancelled_caught
    assert not finished


# --- Pydantic AI -----------------------------------------------------------------------------


async def test_the_model_sees_instructions_then_demonstrations_then_the_task():
    model = ScriptedModel(["12"])
    context = Context(
        instructions="Be brief.",
        demonstrations=(Demonstration(item="e1", input="How many boxes?", output="3"),),
        notes=("A box holds 12 seeds.",),
        input=TASK.text,
    )
    run = await attempt(pydantic_backend(SPEC, model), context=context)
    assert run.output == "12"
    assert model.prompts[0] == snapshot("""\
<instructions>
Be brief.
</instructions>

<user>
How many boxes?
</user>

<assistant>
3
</assistant>

<user>
Keep in mind:
- A box holds 12 seeds.

How many seeds are in the box?
</user>

Write the assistant's next answer, and nothing else.
""")
    assert [step for step in run.steps if isinstance(step, Message)] == [
        Message(role="assistant", content="12")
    ]
    assert run.usage.requests == 1
    assert run.usage.tokens > 0


async def test_answers_outside_the_schema_are_asked_again_then_fail():
    spec = AgentSpec(
        name="desk", model="scripted", output={"type": "string", "enum": ["yes", "no"]}
    )
    model = ScriptedModel(["maybe", "yes"])
    run = await attempt(pydantic_backend(spec, model), spec=spec)
    assert (run.output, run.error, model.calls) == ("yes", None, 2)
    assert "yes\nno" in model.prompts[0]

    run = await attempt(pydantic_backend(spec, ScriptedModel(["maybe", "perhaps"])), spec=spec)
    assert run.error is not None
    assert run.error.type == "output"
    assert "none of: yes, no" in run.error.message
    assert sum(isinstance(step, ModelCall) for step in run.steps) == 2


async def test_an_object_schema_is_parsed():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    spec = AgentSpec(name="desk", model="scripted", output=schema)
    run = await attempt(
        pydantic_backend(spec, ScriptedModel(['```json\n{"n": 12}\n```'])), spec=spec
    )
    assert run.output == {"n": 12}


async def test_an_unreachable_model_is_no_fault_of_the_agent():
    run = await attempt(pydantic_backend(SPEC, ScriptedModel([])))
    assert run.error is not None
    assert run.error.type == "model"


def count_seeds(box: str, layers: int = 1) -> int:
    """Seeds in a box.

    Args:
        box: Name of the box.
        layers: How many layers to count.
    """
    if box == "lost":
        raise LookupError("no box of that name")
    return 12 * layers


TOOL_SPEC = AgentSpec(name="desk", model="scripted", items=(native_item(count_seeds),))


async def test_native_tools_are_called_and_recorded():
    model = ScriptedModel([tool_call("count_seeds", box="spring", layers=2), "24"])
    run = await attempt(pydantic_backend(TOOL_SPEC, model), spec=TOOL_SPEC)
    assert run.output == "24"
    calls = [step for step in run.steps if isinstance(step, ToolCall)]
    assert calls == [
        ToolCall(tool="count_seeds", args={"box": "spring", "layers": 2}, result=24, error=None)
    ]
    assert run.usage.tool_calls == 1
    assert "tool-count_seeds" in run.shown


async def test_a_tool_that_raises_is_told_to_the_model():
    model = ScriptedModel(
        [tool_call("count_seeds", box="lost"), tool_call("count_seeds", box="spring"), "12"]
    )
    run = await attempt(pydantic_backend(TOOL_SPEC, model), spec=TOOL_SPEC)
    assert run.output == "12"
    calls = [step for step in run.steps if isinstance(step, ToolCall)]
    assert [call.error for call in calls] == ["LookupError: no box of that name", None]
    assert "no box of that name" in model.prompts[1]


async def test_wrong_arguments_are_recorded_as_a_failed_call():
    model = ScriptedModel([tool_call("count_seeds", crate="spring"), "I do not know"])
    run = await attempt(pydantic_backend(TOOL_SPEC, model), spec=TOOL_SPEC)
    (call,) = [step for step in run.steps if isinstance(step, ToolCall)]
    assert call.error is not None
    assert "box" in call.error
    assert run.output == "I do not know"


async def test_a_revised_description_is_what_the_model_reads():
    item = native_item(count_seeds)
    content = {**item.content, "description": "Counts. Needs the exact box name."}
    spec = AgentSpec(
        name="desk", model="scripted", items=(Item(id=item.id, kind=item.kind, content=content),)
    )
    model = ScriptedModel(["ok"])
    await attempt(pydantic_backend(spec, model), spec=spec)
    assert "Needs the exact box name." in model.prompts[0]


async def test_limits_on_steps_and_tokens_end_a_run():
    endless = ScriptedModel(lambda prompt: tool_call("count_seeds", box="spring"))
    run = await attempt(
        pydantic_backend(TOOL_SPEC, endless), spec=TOOL_SPEC, limits=Limits(steps=3)
    )
    assert run.error is not None
    assert run.error.type == "limit"
    assert sum(isinstance(step, ModelCall) for step in run.steps) == 3

    run = await attempt(
        pydantic_backend(TOOL_SPEC, ScriptedModel(["x" * 4000])), limits=Limits(tokens=100)
    )
    assert run.error is not None
    assert run.error.type == "limit"


async def test_any_pydantic_ai_model_works():
    run = await attempt(pydantic_backend(SPEC, TestModel(custom_output_text="hello")))
    assert run.output == "hello"


def odd_result() -> dict[str, object]:
    """Says odd things."""
    return {"nan": float("nan"), "half": "\ud83d", "self": object, "n": 10**5000}


async def test_an_odd_tool_result_does_not_lose_the_run(tmp_path):
    spec = AgentSpec(name="desk", model="scripted", items=(native_item(odd_result),))
    model = ScriptedModel([tool_call("odd_result", why="\ud83d"), tool_call("odd_result"), "ok"])
    run = await attempt(pydantic_backend(spec, model), spec=spec)
    with open_store(str(tmp_path / "s.db"), agent="desk") as store:
        store.put_run(run)
        assert store.run(run.id).run == run


async def test_a_demonstration_shows_its_tool_calls_as_the_provider_has_them():
    shown = Demonstration(
        item="e1",
        input="How many in the spring box?",
        output="24",
        steps=({"tool": "count_seeds", "args": {"box": "spring"}, "result": 24},),
    )
    seen = await asked_with(shown, TOOL_SPEC.items)
    assert kinds(seen) == [
        "UserPromptPart",
        "ToolCallPart",
        "ToolReturnPart",
        "TextPart",
        "UserPromptPart",
    ]
    assert seen[1].parts[0].args == {"box": "spring"}
    assert seen[2].parts[0].content == 24
    # Providers refuse tool turns where there are no tools.
    assert kinds(await asked_with(shown, ())) == ANSWERED


@pytest.mark.parametrize(
    "odd",
    [
        {"tool": "count_seeds", "args": [1], "result": 24},
        {"tool": "count_seeds", "args": '{"box": "spring"}', "result": 24},
        {"tool": "weigh_seeds", "args": {"box": "spring"}, "result": 24},
    ],
)
async def test_a_demonstration_with_a_call_that_cannot_be_sent_is_question_and_answer(odd):
    good = {"tool": "count_seeds", "args": None, "result": 24}
    shown = Demonstration(item="e1", input="How many?", output="24", steps=(good, odd))
    assert kinds(await asked_with(shown, TOOL_SPEC.items)) == ANSWERED
    shown = Demonstration(item="e1", input="How many?", output="24", steps=(good,))
    seen = await asked_with(shown, TOOL_SPEC.items)
    assert seen[1].parts[0].args_as_dict() == {}


async def test_tools_that_an_agent_has_besides_its_context_may_be_demonstrated():
    steps = ({"tool": "count_seeds", "args": {"box": "spring"}, "result": 24},)
    shown = Demonstration(item="e1", input="How many?", output="24", steps=steps)
    context = Context(instructions="", demonstrations=(shown,), input=TASK.text)
    seen = []

    async def look(messages, info):
        seen.extend(messages)
        return ModelResponse(parts=[TextPart(content="12")])

    around = Agent(
        FunctionModel(look),
        tools=[count_seeds],
        capabilities=[ContextCapability(context=context, trace=Trace())],
    )
    await around.run(TASK.text)
    assert "ToolCallPart" in kinds(seen)


ANSWERED = ["UserPromptPart", "TextPart", "UserPromptPart"]


def kinds(messages):
    return [type(part).__name__ for message in messages for part in message.parts]


async def asked_with(shown, tools):
    """The messages that a model with these tools gets when this is demonstrated."""
    context = Context(instructions="", demonstrations=(shown,), input=TASK.text, tools=tuple(tools))
    seen = []

    async def look(messages, info):
        seen.extend(messages)
        return ModelResponse(parts=[TextPart(content="12")])

    run = await attempt(pydantic_backend(TOOL_SPEC, FunctionModel(look)), context=context)
    assert run.output == "12"
    return seen


async def test_what_the_table_knows_is_answered_without_the_agent():
    def never(task, context):
        raise AssertionError("the agent was asked")

    known = Resolution(output="refund", confidence=0.99, item="resolutions", label=0)
    sure = Chosen(item="resolutions", similarity=0.99, tokens=0)
    context = Context(instructions="", input=TASK.text, chosen=(sure,), resolution=known)
    run = await attempt(function_backend(never), context=context)
    assert (run.output, run.error, run.usage.tokens) == ("refund", None, 0)
    assert run.shown == ("resolutions",)
    assert [(s.tool, s.result) for s in run.steps] == [("resolutions", "refund")]


async def test_a_call_of_a_tool_that_is_not_there_is_recorded(tmp_path):
    spec = AgentSpec(name="a", model="test")
    model = ScriptedModel([tool_call("look_up", word="moss"), "a plant"])
    backend = pydantic_backend(spec, model)
    task = Task(id="t", input="what is moss")
    run = await execute(spec, task, split=Split.TRAIN, context=select(spec, task), backend=backend)
    assert run.output == "a plant"
    (call,) = [step for step in run.steps if isinstance(step, ToolCall)]
    assert (call.tool, call.args) == ("look_up", {"word": "moss"})
    assert call.error == "Unknown tool name: 'look_up'"


def look(email: str) -> str:
    """Look somebody up."""
    return f"id of {email}"


def plan(customer: str) -> str:
    """Their plan."""
    return f"plan of {customer}"


async def test_a_chain_is_offered_instead_of_the_tools_that_it_stands_for():
    parts = [native_item(f) for f in (look, plan)]
    chain = Item(
        id="tool-look_plan",
        kind=Kind.TOOL,
        content={
            "name": "look_plan",
            "description": "look, plan in one call.",
            "parameters": {
                "type": "object",
                "properties": {"email": {"type": "string"}},
                "required": ["email"],
            },
            "body": {
                "kind": "chain",
                "steps": [
                    {"tool": "look", "args": {"email": {"param": "email"}}},
                    {"tool": "plan", "args": {"customer": {"step": 0, "path": []}}},
                ],
                "returns": "last",
            },
            "instead_of": ["look", "plan"],
        },
    )
    functions = {f"{f.__module__}:{f.__qualname__}": f for f in (look, plan)}

    async def answered(*items):
        spec = replace(SPEC, items=items)
        model = ScriptedModel([tool_call(str(items[-1].content["name"]), email="a@b"), "done"])
        backend = pydantic_backend(spec, model, toolbox=Toolbox(functions=functions))
        run = await attempt(backend, spec=spec)
        lines = model.prompts[0].splitlines()
        offered = {name for name in ("look", "plan", "look_plan") if name in lines}
        return offered, [step for step in run.steps if isinstance(step, ToolCall)]

    offered, (call,) = await answered(*parts, chain)
    assert offered == {"look_plan"}
    assert call.result == "plan of id of a@b"
    gone = replace(chain, content={**chain.content, "body": {**chain.content["body"], "steps": []}})
    offered, _ = await answered(gone, *parts[::-1])
    assert offered == {"look", "plan"}  # where the chain cannot be called, its parts can
