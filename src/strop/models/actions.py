"""Tools for a model that is held by a grammar: each of its turns is one action, as JSON.

An action is ``{"tool": name, "args": {...}}`` or ``{"answer": ...}``. `as_actions` writes a request
with tools as a conversation of actions and results, the history and the demonstrations in it
exactly as the model may write, and gives the grammar of what it may write next; `read_action` reads
what it wrote. What does not depend on the task stands first and stays as it is, so that its
evaluation is reused. Nothing is sent here, and no tool is called.

Next file: `models/scripted.py`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pydantic_ai.messages import (
    BaseToolCallPart,
    BaseToolReturnPart,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from strop.jsonvalue import Json, JsonObject, is_object
from strop.models.grammar import Rules, in_order, literal
from strop.models.render import shown_instructions, user_text

__all__ = ["Actions", "as_actions", "read_action"]

_MOST_RESULT = 1500  # characters of a result that the model is shown
_MOST_TOLD = 300  # characters of a tool's description, and
_MOST_OF_PARAMETER = 100  # of a parameter's

_FORM = 'Answer with one JSON object: {"tool": name, "args": {...}} to call a tool'
_OR_ANSWER = '{"answer": ...} when you know it'


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """A request with tools, for a model that knows none.

    Attributes:
        messages: One system prompt, then turns of the user and of the model.
        grammar: GBNF of the next action.
    """

    messages: tuple[ModelMessage, ...]
    grammar: str


def as_actions(
    messages: Sequence[ModelMessage],
    parameters: ModelRequestParameters,
    *,
    answer: JsonObject | None = None,
) -> Actions:
    """A request with tools as a conversation of actions.

    Args:
        messages: The conversation, oldest first.
        parameters: Tools and output mode, as `Model.prepare_request` returns them.
        answer: JSON schema of the answer; `None` for that of the request, or text.
    """
    tools = _tools(parameters)
    if answer is None and parameters.output_object is not None:
        answer = cast("JsonObject", parameters.output_object.json_schema)
    by_name = {tool.name: tool for tool in tools}
    told = [*_system(messages), shown_instructions(messages, parameters)]
    head = _head([text for text in told if text], tools, parameters)
    turns = list(_turns(messages, by_name, answer))
    first = ModelRequest(parts=[SystemPromptPart(head)])
    return Actions(
        messages=(first, *turns),
        grammar=_grammar(tools, answer if parameters.allow_text_output else None, parameters),
    )


def read_action(text: str, parameters: ModelRequestParameters) -> list[ModelResponsePart]:
    """The action in what the model wrote, as the parts of a response.

    One that breaks off in the middle (the bound on tokens was reached) is an unfinished call, which
    Pydantic AI refuses with that reason, or the text of the answer so far.
    """
    names = {tool.name for tool in _tools(parameters)}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [_broken_off(text, names)]
    match value:
        case {"tool": str(name), "args": dict(args)} if name in names:
            return [ToolCallPart(name, args)]
        case {"answer": str(said)}:
            return [TextPart(said)]
        case {"answer": said}:
            return [TextPart(_written(said))]
        case _:
            return [TextPart(text)]


def _broken_off(text: str, names: set[str]) -> ModelResponsePart:
    for name in sorted(names):
        start = _start_of_call(name)
        if text.startswith(start):
            return ToolCallPart(name, text.removeprefix(start))
    start = '{"answer": '
    said = text.removeprefix(start)
    if text.startswith(start + '"'):
        for end in range(len(said), max(0, len(said) - 6), -1):  # an escape may be cut in two
            try:
                return TextPart(str(json.loads(said[:end] + '"')))
            except ValueError:
                continue
    return TextPart(said)


def _tools(parameters: ModelRequestParameters) -> list[ToolDefinition]:
    return [*parameters.declared_function_tools, *parameters.output_tools]


# --- what is told, and what may be written -------------------------------------------------------


def _head(
    instructions: Sequence[str],
    tools: Sequence[ToolDefinition],
    parameters: ModelRequestParameters,
) -> str:
    form = f"{_FORM}, or {_OR_ANSWER}." if parameters.allow_text_output else f"{_FORM}."
    listed = "\n".join(_told(tool) for tool in tools)
    return "\n\n".join([*instructions, f"{form} Tools:\n{listed}"])


def _system(messages: Sequence[ModelMessage]) -> Iterator[str]:
    for message in messages:
        for part in message.parts if isinstance(message, ModelRequest) else ():
            if isinstance(part, SystemPromptPart):
                yield part.content


def _told(tool: ToolDefinition) -> str:
    """A tool as a line, ``name(parameter: type, other?: type) description``, and its parameters.

    A parameter without a type is text.
    """
    properties = in_order(cast("JsonObject", tool.parameters_json_schema))
    inside = [
        f"{name}{'' if needed else '?'}" + ("" if _is_text(schema) else f": {_kind(schema)}")
        for name, schema, needed in properties
    ]
    lines = [f"{tool.name}({', '.join(inside)}) {_line(tool.description, _MOST_TOLD)}".rstrip()]
    for name, schema, _ in properties:
        about = _line(schema.get("description"), _MOST_OF_PARAMETER)
        if about:
            lines.append(f"  {name}: {about}")
    return "\n".join(lines)


def _line(text: Json, most: int) -> str:
    line = " ".join(text.split()) if isinstance(text, str) else ""
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _is_text(schema: JsonObject) -> bool:
    return _kind(schema) == "string"


def _kind(schema: JsonObject) -> str:
    """What a parameter takes, in a word or a few."""
    options = schema.get("enum")
    if isinstance(options, list | tuple):
        return _line("|".join(_written(option) for option in options), _MOST_OF_PARAMETER)
    if "const" in schema:
        return _written(schema["const"])
    for name in ("anyOf", "oneOf"):
        either = schema.get(name)
        if isinstance(either, list | tuple):
            return "|".join(dict.fromkeys(_kind(e) for e in either if is_object(e)))
    kind, items = schema.get("type"), schema.get("items")
    if kind == "array":
        return f"[{_kind(items)}]" if is_object(items) else "[]"
    if isinstance(kind, list | tuple):
        return "|".join(str(each) for each in kind)
    return str(kind) if kind else "any"


def _grammar(
    tools: Sequence[ToolDefinition], answer: JsonObject | None, parameters: ModelRequestParameters
) -> str:
    rules = Rules()
    options = [
        literal(_start_of_call(tool.name))
        + " "
        + rules.arguments(cast("JsonObject", tool.parameters_json_schema))
        for tool in tools
    ]
    if parameters.allow_text_output:
        options.append(literal('{"answer": ') + " " + rules.value(answer or {"type": "string"}))
    return rules.text(f"({' | '.join(options)}) {literal('}')}")


def _start_of_call(name: str) -> str:
    return f'{{"tool": {_written(name)}, "args": '


# --- the conversation ----------------------------------------------------------------------------


def _turns(
    messages: Sequence[ModelMessage],
    tools: Mapping[str, ToolDefinition],
    answer: JsonObject | None,
) -> Iterator[ModelMessage]:
    """Turns of user and model; every call is followed by its own result, if there is one."""
    results = _results(messages)
    for message in messages:
        if isinstance(message, ModelResponse):
            for part in message.parts:
                if isinstance(part, TextPart):
                    yield _said(_answer(part.content, answer))
                elif isinstance(part, BaseToolCallPart):
                    yield _said(_call(part, tools.get(part.tool_name)))
                    if part.tool_call_id in results:
                        yield _told_back(results[part.tool_call_id])
            continue
        for asked in message.parts:
            if isinstance(asked, UserPromptPart):
                yield _told_back(user_text(asked.content))
            elif isinstance(asked, RetryFeedbackPart | RetryPromptPart) and not _of_call(asked):
                yield _told_back(asked.model_response())


def _said(text: str) -> ModelMessage:
    return ModelResponse(parts=[TextPart(text)])


def _told_back(text: str) -> ModelMessage:
    return ModelRequest(parts=[UserPromptPart(text)])


def _of_call(part: object) -> bool:
    return isinstance(part, RetryPromptPart) and part.tool_name is not None


def _results(messages: Sequence[ModelMessage]) -> dict[str, str]:
    """What came back for each call, by the call's id."""
    found: dict[str, str] = {}
    for message in messages:
        for part in message.parts if isinstance(message, ModelRequest) else ():
            if isinstance(part, BaseToolReturnPart):
                found[part.tool_call_id] = _returned(part.tool_name, part.model_response_str())
            elif isinstance(part, RetryPromptPart) and part.tool_name is not None:
                found[part.tool_call_id] = _returned(part.tool_name, part.model_response())
    return found


def _returned(tool: str, text: str) -> str:
    """A result as the user's turn that it becomes; its beginning tells it from a question.

    Measured: without the beginning the small model takes a question for a result, and answers at
    once (docs/decisions/actions-under-a-grammar.md).
    """
    cut = text if len(text) <= _MOST_RESULT else text[: _MOST_RESULT - 1] + "…"
    return f"{tool} returned {cut}"


def _answer(said: str, schema: JsonObject | None) -> str:
    """An answer as the grammar has it; the text of one that is not text is JSON."""
    value: Json = said
    if schema is not None and schema.get("type", "string") != "string":
        try:
            value = json.loads(said)
        except (ValueError, RecursionError):
            value = said
    return f'{{"answer": {_written(value)}}}'


def _call(part: BaseToolCallPart, tool: ToolDefinition | None) -> str:
    """A call as the grammar has it: arguments in the order of the parameters."""
    args: Mapping[str, Json] = part.args_as_dict()
    known = in_order(cast("JsonObject", tool.parameters_json_schema)) if tool else ()
    ordered = {name: args[name] for name, _, _ in known if name in args}
    return _start_of_call(part.tool_name) + _written({**ordered, **args}) + "}"


def _written(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
