"""`ask`: one question outside any agent, answered under a schema or not at all.

Judges and proposers use it. An answer that breaks the schema goes back to the model with what is
wrong; after the retries it is a `ModelFailed`, never a guess. It calls no tools.

Next file: `sandbox/__init__.py`.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strop.errors import BadInput, ModelFailed
from strop.jsonvalue import Json, JsonObject, canonical, checked, is_object
from strop.models.constrain import LOCAL_SYSTEM, constrain, labels_of, obeys_schema, read_answer
from strop.models.resolve import resolve_model
from strop.run import Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters

__all__ = ["Answer", "ask", "usage_of"]

_WRAPPED = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said.

    Attributes:
        value: The text, or the JSON value that the schema asked for.
        usage: What it took, failed attempts included.
        model: The model's name, as ``system:name``.
    """

    value: Json = field(hash=False)
    usage: Usage
    model: str


async def ask(
    model: "str | Model",
    *,
    instructions: str,
    prompt: str,
    schema: JsonObject | None = None,
    retries: int = 2,
) -> Answer:
    """Ask one question.

    Args:
        model: A name (see `resolve_model`) or a model.
        instructions: What is the same for every question of this kind; providers cache it.
        prompt: The question.
        schema: A JSON schema (draft 2020-12) of the answer; `None` for plain text.
        retries: How often a malformed answer is sent back.

    Raises:
        ModelFailed: The model cannot be reached, refuses, or never keeps to the schema.
        BadInput, NotInstalled: See `resolve_model`; BadInput also for a schema that is none.
    """
    # Lazy: Pydantic AI takes longer to import than all of Strop may.
    from pydantic_ai.messages import ModelRequest

    if schema is not None:
        schema = _checked_schema(schema)
    chosen = resolve_model(model)
    settings, parameters, wrapped = _arrange(chosen, instructions, schema)
    messages: list[ModelMessage] = [
        ModelRequest.user_text_prompt(prompt, instructions=instructions)
    ]
    usage = Usage()
    problem = ""
    for _ in range(retries + 1):
        response, used = await _request(chosen, messages, settings, parameters)
        usage += used
        try:
            text = _text(response)
            value = _unwrapped(text, schema) if wrapped and schema else read_answer(text, schema)
            return Answer(value=value, usage=usage, model=chosen.model_id)
        except ModelFailed as error:
            problem = str(error)
        correction = f"That answer cannot be used: {problem}. Answer again, as asked."
        if response.parts:  # providers refuse an empty turn in the history
            messages.append(response)
        messages.append(ModelRequest.user_text_prompt(correction, instructions=instructions))
    raise ModelFailed(
        f"{chosen.model_id} gave no usable answer in {retries + 1} attempts; the last problem: "
        f"{problem}"
    )


def usage_of(response: "ModelResponse", *, seconds: float = 0.0) -> Usage:
    """The usage of one model response; `cost` is 0 for local models, `None` where not known."""
    used = response.usage
    return Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=used.cache_read_tokens,
        requests=1,
        cost=_cost(response),
        seconds=seconds,
    )


def _cost(response: "ModelResponse") -> float | None:
    if response.provider_name == LOCAL_SYSTEM:
        return 0.0
    if response.usage.cost is not None:
        return float(response.usage.cost)  # what the provider itself reported
    if not response.model_name:
        return None
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError):
        return None  # no known price, or a response that left its usage out


def _checked_schema(schema: JsonObject) -> JsonObject:
    import jsonschema  # loads 60 modules; only questions with a schema need it

    plain = checked(schema, where="schema")
    assert isinstance(plain, dict)  # noqa: S101 - `checked` makes a mapping a dict
    try:
        jsonschema.Draft202012Validator.check_schema(plain)
    except jsonschema.SchemaError as error:
        raise BadInput(f"not a JSON schema: {error.message}", where="schema") from None
    return plain


def _arrange(
    model: "Model", instructions: str, schema: JsonObject | None
) -> tuple[dict[str, Any], "ModelRequestParameters", bool]:
    """Settings, parameters, and whether the answer comes wrapped in an object.

    A grammar where there is one; else the provider's own structured output; else the schema is
    written into the instructions. Providers take only objects for schemas, so others are wrapped.
    """
    from pydantic_ai.messages import InstructionPart  # lazy, as in `ask`
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition

    said = [InstructionPart(content=instructions)] if instructions else []
    if schema is None or obeys_schema(model):
        return constrain(model, schema), ModelRequestParameters(instruction_parts=said), False
    if not model.profile.get("supports_json_schema_output", False):
        labels = labels_of(schema)
        told = _LABELS + "\n".join(labels) if labels else _SCHEMA + canonical(schema)
        said = [*said, InstructionPart(content=told)]
        return {}, ModelRequestParameters(instruction_parts=said), False
    wrapped = schema.get("type") != "object"
    sent = dict(_object_of(schema) if wrapped else schema)
    parameters = ModelRequestParameters(
        instruction_parts=said,
        output_mode="native",
        output_object=OutputObjectDefinition(json_schema=sent, name="answer"),
    )
    return {}, parameters, wrapped


_LABELS = "Answer with one of these labels, exactly as written, and nothing else:\n"
_SCHEMA = "Answer with one JSON value that fits this JSON schema, and nothing else:\n"


def _object_of(schema: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": {_WRAPPED: schema},
        "required": [_WRAPPED],
        "additionalProperties": False,
    }


def _unwrapped(text: str, schema: JsonObject) -> Json:
    value = read_answer(text, _object_of(schema))
    assert is_object(value)  # noqa: S101 - the schema just checked says so
    return value[_WRAPPED]


async def _request(
    model: "Model",
    messages: "list[ModelMessage]",
    settings: dict[str, Any],
    parameters: "ModelRequestParameters",
) -> "tuple[ModelResponse, Usage]":
    from pydantic_ai.direct import model_request  # lazy, as in `ask`
    from pydantic_ai.exceptions import AgentRunError, UserError

    start = time.perf_counter()
    try:
        response = await model_request(
            model,
            messages,
            model_settings=settings or None,  # type: ignore[arg-type]
            model_request_parameters=parameters,
        )
    except AgentRunError as error:
        raise ModelFailed(f"{model.model_id} gave no answer: {_line(error)}") from error
    except UserError as error:
        raise BadInput(_line(error), where=model.model_id) from error
    return response, usage_of(response, seconds=time.perf_counter() - start)


def _text(response: "ModelResponse") -> str:
    text = response.text
    if text is None or not text.strip():
        raise ModelFailed("the answer holds no text")
    return text


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
