"""The Pydantic AI backend: a context rendered into a real agent, its steps recorded.

`ContextCapability` is the one place where a `Context` becomes instructions, demonstration turns and
tools of a Pydantic AI agent, and where what happens becomes steps; both the backend here and the
public `strop.Strop` capability use it.

Next file: `mine/__init__.py`.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError
from pydantic_ai import Agent, ModelRetry, RunContext, StructuredDict, Tool
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import (
    AgentRunError,
    ToolFailed,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import FunctionToolset
from pydantic_ai.usage import UsageLimits

from strop.agent import Backend, LimitReached, Limits, OutputRefused, Trace
from strop.context import Context, Demonstration
from strop.errors import ModelFailed, ToolCallFailed
from strop.jsonvalue import Json, JsonObject, canonical, salvaged
from strop.models.ask import usage_of
from strop.models.constrain import constrain, labels_of, read_answer
from strop.run import Message, ModelCall, ToolCall
from strop.spec import AgentSpec, Item
from strop.task import Task
from strop.tools import Toolbox, native_function
from strop.tools.identity import body_kind
from strop.tools.native import as_json

__all__ = ["ContextCapability", "pydantic_backend"]

logger = logging.getLogger(__name__)

_PLAIN = Toolbox()


def pydantic_backend(spec: AgentSpec, model: Model, *, toolbox: Toolbox = _PLAIN) -> Backend:
    """A backend that runs `spec` as a Pydantic AI agent.

    Args:
        spec: Settings and output schema are taken from it; what the model sees, from the context.
        model: The frozen model.
        toolbox: What tools are called with.
    """

    async def answer(task: Task, context: Context, trace: Trace, limits: Limits) -> Any:
        forced = constrain(model, spec.output)
        agent = Agent(
            model,
            output_type=_output_type(spec.output, tools=bool(context.tools), forced=bool(forced)),
            instructions=None if forced else _format_note(spec.output),
            capabilities=[
                ContextCapability(
                    context=context, trace=trace, toolbox=toolbox, mend_tool_errors=True
                )
            ],
            model_settings=cast("ModelSettings", {"temperature": 0.0, **forced, **spec.settings}),
            retries=1,
        )
        agent.output_validator(_checked_by(spec.output))
        bounds = UsageLimits(request_limit=limits.steps, total_tokens_limit=limits.tokens)
        with _failures():
            result = await agent.run(context.prompt, usage_limits=bounds)
        return result.output

    return answer


@contextmanager
def _failures() -> Iterator[None]:
    """Tell Pydantic AI's exceptions as the kinds of failure that a run records."""
    try:
        yield
    except UsageLimitExceeded as error:
        raise LimitReached(str(error)) from error
    except UnexpectedModelBehavior as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise OutputRefused(f"{error.message}{cause}") from error
    except AgentRunError as error:
        raise ModelFailed(str(error)) from error


def _output_type(schema: JsonObject | None, *, tools: bool, forced: bool) -> Any:
    """What Pydantic AI is asked for: text, or an object where the schema is of one.

    Without tools the answer is text that `read_answer` parses, so that demonstrations, which are
    text, show exactly what is wanted.
    """
    if schema is None or forced or not tools or schema.get("type") != "object":
        return str
    return StructuredDict(dict(schema), name=str(schema.get("title", "answer")))


def _format_note(schema: JsonObject | None) -> str | None:
    """What tells a model that cannot be forced which answers will do."""
    if schema is None:
        return None
    labels = labels_of(schema)
    if labels:
        return "Answer with exactly one of these, and nothing else:\n" + "\n".join(labels)
    return f"Answer with JSON that fits this schema, and nothing else:\n{canonical(schema)}"


def _checked_by(schema: JsonObject | None) -> Callable[[Any], Any]:
    """A validator of answers: what does not fit is told to the model, which may try again."""

    def check(value: Any) -> Any:
        try:
            return read_answer(value if isinstance(value, str) else canonical(value), schema)
        except ModelFailed as error:
            raise ModelRetry(str(error)) from error

    return check


@dataclass
class ContextCapability(AbstractCapability[Any]):
    """A `Context` as a Pydantic AI capability that records what happens.

    Attributes:
        context: What to show.
        trace: Where steps go.
        toolbox: What tools are called with. Those that it says are inert are not offered.
        mend_tool_errors: Tell the model when a tool raises, so that it can try something else;
            off, the exception ends the run, which is what Pydantic AI does by itself.
    """

    context: Context
    trace: Trace
    toolbox: Toolbox = _PLAIN
    mend_tool_errors: bool = False

    def get_instructions(self) -> str | None:
        return self.context.instructions or None

    def get_toolset(self) -> FunctionToolset[Any] | None:
        tools = self.context.tools
        inert = self.toolbox.inert(tools)
        for item_id, reason in inert.items():
            logger.info("%s is not offered: %s", item_id, reason)
        able = [item for item in tools if item.id not in inert]
        spared = {name for item in able for name in _texts(item.content.get("instead_of"))}
        offered = [
            _tool(item, tools, self.toolbox) for item in able if item.content["name"] not in spared
        ]
        return FunctionToolset(offered) if offered else None

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Put the demonstrations in front, as turns of an earlier conversation."""
        # The agent around it may have tools that the context knows nothing of.
        offered = request_context.model_request_parameters.function_tools
        tools = {tool.name for tool in offered}
        turns: list[ModelMessage] = []
        for shown in self.context.demonstrations:
            turns += _turns(shown, tools)
        return replace(request_context, messages=[*turns, *request_context.messages])

    async def after_model_request(
        self,
        ctx: RunContext[Any],
        *,
        request_context: ModelRequestContext,
        response: ModelResponse,
    ) -> ModelResponse:
        name = response.model_name or request_context.model.model_name
        self.trace.add(ModelCall(model=name, usage=usage_of(response)))
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
        if text:
            self.trace.add(Message(role="assistant", content=str(salvaged(text))))
        self._add_unknown(request_context, response)
        return response

    def _add_unknown(self, asked: ModelRequestContext, response: ModelResponse) -> None:
        """Calls of tools that there are none of: Pydantic AI answers those itself, unseen."""
        parameters = asked.model_request_parameters
        offered = {t.name for t in (*parameters.function_tools, *parameters.output_tools)}
        for part in response.parts:
            if isinstance(part, ToolCallPart) and part.tool_name not in offered:
                self.trace.add(
                    ToolCall(
                        tool=part.tool_name,
                        args=salvaged(part.args),
                        error=f"Unknown tool name: {part.tool_name!r}",
                    )
                )

    async def after_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        result: Any,
    ) -> Any:
        self.trace.add(ToolCall(tool=call.tool_name, args=salvaged(args), result=as_json(result)))
        return result

    async def on_tool_execute_error(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        error: Exception,
    ) -> Any:
        learned = isinstance(error, ToolCallFailed)
        message = str(salvaged(str(error) if learned else f"{type(error).__name__}: {error}"))
        self.trace.add(ToolCall(tool=call.tool_name, args=salvaged(args), error=message))
        # A learned tool that fails is told to the model in any agent: it must not end a run.
        if learned or (self.mend_tool_errors and not isinstance(error, ModelRetry | ToolFailed)):
            raise ToolFailed(message) from error
        raise error

    async def on_tool_validate_error(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: str | dict[str, Any],
        error: ValidationError | ModelRetry,
    ) -> dict[str, Any]:
        message = str(salvaged(" ".join(str(error).split())))
        self.trace.add(ToolCall(tool=call.tool_name, args=salvaged(args), error=message))
        raise error


def _texts(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _turns(shown: Demonstration, tools: Collection[str]) -> list[ModelMessage]:
    """A demonstration as turns of a conversation; its tool calls as the provider would see them.

    Only question and answer where a call is of a tool that the model does not have, or its
    arguments are no object: providers refuse such turns.
    """
    turns: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(content=shown.input)])]
    may_call = all(
        step["tool"] in tools and isinstance(step.get("args"), dict | None) for step in shown.steps
    )
    for number, step in enumerate(shown.steps if may_call else (), start=1):
        name, call = str(step["tool"]), f"{shown.item}-{number}"
        args = cast("dict[str, Any]", step.get("args") or {})
        turns.append(
            ModelResponse(parts=[ToolCallPart(tool_name=name, args=args, tool_call_id=call)])
        )
        back = ToolReturnPart(tool_name=name, content=step.get("result"), tool_call_id=call)
        turns.append(ModelRequest(parts=[back]))
    return [*turns, ModelResponse(parts=[TextPart(content=shown.output)])]


def _tool(item: Item, tools: tuple[Item, ...], toolbox: Toolbox) -> Tool[Any]:
    """A tool item as a Pydantic AI tool.

    Name, description and schema shown to the model are the item's, which may have been revised.
    """
    content = item.content
    name, description = str(content["name"]), str(content["description"])
    schema = cast("dict[str, Any]", content["parameters"])
    if body_kind(item) == "native":

        async def as_in_item(ctx: RunContext[Any], definition: ToolDefinition) -> ToolDefinition:
            return replace(definition, parameters_json_schema=schema)

        # Arguments are checked by the function's own types.
        function = native_function(item, toolbox.functions)
        return Tool(function, name=name, description=description, prepare=as_in_item)

    async def call(ctx: RunContext[Any], /, **args: Any) -> Any:
        return await toolbox.call(name, args, items=tools, ctx=ctx)

    return Tool.from_schema(call, name, description, schema, takes_ctx=True)
