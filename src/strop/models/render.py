"""Conversations as plain text, for models that are a program or a person.

`render_messages` writes everything a request holds (instructions, turns, tools and how to call
them); `response_parts` reads what came back. The text is the whole interface, so a snapshot test
holds it. It sends nothing. Files and images are named, not shown.

Next file: `models/actions.py`.
"""

import json
from collections.abc import Iterator, Sequence

from pydantic_ai.messages import (
    BaseToolCallPart,
    BaseToolReturnPart,
    CachePoint,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponsePart,
    RetryFeedbackPart,
    RetryPromptPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ToolCallPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from strop.jsonvalue import as_text

__all__ = [
    "estimated_usage",
    "render_messages",
    "response_parts",
    "shown_instructions",
    "user_text",
]

CHARACTERS_PER_TOKEN = 4  # English prose under common tokenizers; a rough figure by nature

_HOW_TO_CALL = """\
To call tools, answer with one JSON object and nothing else:
{"tool_calls": [{"name": "...", "args": {...}}]}
Their results are given to you, and you answer again."""
_MUST_CALL = "Your answer must be such a call."
_MAY_CALL = "Answer with text where no tool is needed."
_CLOSING = "Write the assistant's next answer, and nothing else."


def render_messages(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters | None = None
) -> str:
    """The whole request as one text.

    Args:
        messages: The conversation, oldest first.
        parameters: Tools and output mode, as `Model.prepare_request` returns them.
    """
    parameters = parameters or ModelRequestParameters()
    blocks: list[str] = []
    instructions = shown_instructions(messages, parameters)
    if instructions:
        blocks.append(_block("instructions", instructions))
    tools = [*parameters.declared_function_tools, *parameters.output_tools]
    if tools:
        rule = _MAY_CALL if parameters.allow_text_output else _MUST_CALL
        listed = "\n\n".join(_tool(tool) for tool in tools)
        blocks.append(_block("tools", f"{listed}\n\n{_HOW_TO_CALL}\n{rule}"))
    if parameters.output_mode == "native" and parameters.output_object is not None:
        blocks.append(_block("answer_schema", as_text(parameters.output_object.json_schema)))
    for message in messages:
        blocks.extend(_turns(message))
    return "\n\n".join([*blocks, _CLOSING]) + "\n"


def response_parts(text: str, parameters: ModelRequestParameters) -> list[ModelResponsePart]:
    """The answer as parts: tool calls where tools were offered and it is such a call, else text."""
    calls = _calls(text) if parameters.function_tools or parameters.output_tools else None
    if calls:
        return [ToolCallPart(name, args) for name, args in calls]
    return [TextPart(text)]


def estimated_usage(prompt: str, answer: str) -> RequestUsage:
    """Tokens by length, so that token budgets hold for models that report none."""
    return RequestUsage(
        input_tokens=-(-len(prompt) // CHARACTERS_PER_TOKEN),
        output_tokens=-(-len(answer) // CHARACTERS_PER_TOKEN),
        details={"estimated": 1},
    )


def shown_instructions(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters
) -> str | None:
    """What stands outside the turns: given with this request, or else on the latest message.

    `None` where there is nothing.
    """
    if parameters.instruction_parts is not None:
        return "\n\n".join(part.content.strip() for part in parameters.instruction_parts)
    for message in reversed(messages):
        if isinstance(message, ModelRequest) and message.instructions is not None:
            return message.instructions
    return None


def _tool(tool: ToolDefinition) -> str:
    lines = [tool.name]
    if tool.description:
        lines.append(tool.description)
    lines.append(f"args: {json.dumps(tool.parameters_json_schema, ensure_ascii=False)}")
    return "\n".join(lines)


def _turns(message: ModelMessage) -> Iterator[str]:
    if isinstance(message, ModelRequest):
        for part in message.parts:
            yield from _request_part(part)
        return
    for said in message.parts:
        if isinstance(said, TextPart):
            yield _block("assistant", said.content)
        elif isinstance(said, BaseToolCallPart):
            yield _block("tool_call", said.args_as_json_str(), name=said.tool_name)
        # Thinking and the like are the provider's own; they are not part of the conversation.


def _request_part(part: ModelRequestPart) -> Iterator[str]:
    if isinstance(part, SystemPromptPart):
        yield _block("system", part.content)
    elif isinstance(part, UserPromptPart):
        yield _block("user", user_text(part.content))
    elif isinstance(part, BaseToolReturnPart):
        yield _block("tool_result", part.model_response_str(), name=part.tool_name)
    elif isinstance(part, RetryFeedbackPart | RetryPromptPart):
        # Feedback on an unusable answer; an agent run has made it a user turn before it gets here.
        yield _block("user", part.model_response())


def user_text(content: str | Sequence[UserContent]) -> str:
    """What a user said, as text; files are named."""
    if isinstance(content, str):
        return content
    pieces = []
    for item in content:
        if isinstance(item, str):
            pieces.append(item)
        elif isinstance(item, TextContent):
            pieces.append(item.content)
        elif not isinstance(item, CachePoint):
            pieces.append(f"[{item.kind}, not shown]")
    return "\n".join(pieces)


def _block(tag: str, text: str, *, name: str | None = None) -> str:
    opening = tag if name is None else f'{tag} name="{name}"'
    return f"<{opening}>\n{text.strip()}\n</{tag}>"


def _calls(text: str) -> list[tuple[str, dict[str, object]]] | None:
    """The calls in ``{"tool_calls": [...]}``, fenced or bare; `None` for any other text."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match value:
        case {"tool_calls": [_, *_] as calls}:
            pass
        case _:
            return None
    found = []
    for call in calls:
        match call:
            case {"name": str(name), "args": dict(args)}:
                found.append((name, args))
            case {"name": str(name), **rest} if not rest:
                found.append((name, {}))
            case _:
                return None
    return found
