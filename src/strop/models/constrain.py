"""Schemas: holding a model to one while it writes, and reading an answer by one afterwards.

`constrain` says by which schema the local model is to be held, token by token; `forced` turns it
into what llama.cpp takes: a GBNF grammar for a choice of labels, its own translation for anything
else. With tools, the schema is that of the answer among other actions (`models/actions.py`). It
makes no requests.

Next file: `models/render.py`.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from strop.errors import BadInput, ModelFailed
from strop.jsonvalue import Json, JsonObject, canonical, checked
from strop.models.grammar import literal

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = [
    "ANSWER_SCHEMA",
    "LOCAL_SYSTEM",
    "constrain",
    "forced",
    "grammar_of",
    "labels_of",
    "obeys_schema",
    "read_answer",
]

LOCAL_SYSTEM = "llama.cpp"
"""What `Model.system` says for a model run in process; wrappers of a model pass it on."""


ANSWER_SCHEMA = "strop_answer_schema"
"""The model setting that carries the schema to `LocalModel`; no other model reads it."""


def obeys_schema(model: "Model") -> bool:
    """Whether `constrain` makes it impossible for the model to break a schema."""
    return model.system == LOCAL_SYSTEM


def constrain(model: "Model", schema: JsonObject | None) -> dict[str, Any]:
    """Extra model settings that force `model` to obey `schema`; empty where it cannot be forced.

    A choice of labels (see `labels_of`) comes back as the bare label; anything else as JSON text.
    `read_answer` reads both. A model that is given tools may call them before it answers.
    """
    if schema is None or not obeys_schema(model):
        return {}
    return {ANSWER_SCHEMA: checked(schema, where="schema")}


def forced(schema: JsonObject) -> dict[str, Json]:
    """What llama.cpp's server takes, beside OpenAI's protocol, to force an answer by a schema."""
    labels = labels_of(schema)
    if labels:
        return {"grammar": grammar_of(labels)}
    wanted: dict[str, Json] = {"name": "answer", "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


def labels_of(schema: JsonObject) -> tuple[str, ...]:
    """The labels of ``{"type": "string", "enum": [...]}``; empty for any other schema."""
    options = schema.get("enum")
    if schema.get("type", "string") != "string" or not isinstance(options, list | tuple):
        return ()
    if not all(isinstance(option, str) for option in options):
        return ()
    return tuple(dict.fromkeys(str(option) for option in options))


def grammar_of(labels: tuple[str, ...]) -> str:
    """A GBNF grammar that accepts exactly these texts."""
    return "root ::= " + " | ".join(literal(label) for label in labels)


_FENCE = re.compile(r"^```[a-zA-Z]*\s*\n(.*?)\n?```$", re.DOTALL)


def read_answer(text: str, schema: JsonObject | None) -> Json:
    """The value in a model's answer: the text itself without a schema, else what the schema asks.

    A choice of labels may stand bare or in quotes. JSON may stand in a Markdown code fence.

    Raises:
        ModelFailed: Not JSON, or JSON that breaks the schema; the message is fit to show the model.
    """
    text = text.strip()
    if schema is None:
        return text
    labels = labels_of(schema)
    if text in labels:
        return text
    fenced = _FENCE.match(text)
    try:
        value = checked(json.loads(fenced.group(1) if fenced else text), where="answer")
    except (ValueError, RecursionError, BadInput) as error:
        if labels:
            raise ModelFailed(f"{_short(text)} is none of: {', '.join(labels)}") from None
        raise ModelFailed(f"the answer is not JSON ({error}): {_short(text)}") from None
    problem = _problem(value, schema)
    if problem:
        raise ModelFailed(f"the answer breaks the schema, {problem}")
    return value


def _problem(value: Json, schema: JsonObject) -> str | None:
    import jsonschema  # loads 60 modules; only answers under a schema need it

    validator = jsonschema.Draft202012Validator(json.loads(canonical(schema)))
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    return None if error is None else f"{error.json_path}: {_short(error.message)}"


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
