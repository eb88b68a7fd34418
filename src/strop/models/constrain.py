"""Schemas: holding a model to one while it writes, and reading an answer by one afterwards.

`constrain` turns a JSON schema into what forces the local model to obey it, token by token: a GBNF
grammar for a choice of labels, llama.cpp's own translation for anything else. It makes no requests.

Source: GBNF, llama.cpp, grammars/README.md.

Next file: `models/ask.py`.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from strop.errors import BadInput, ModelFailed
from strop.jsonvalue import Json, JsonObject, canonical, checked

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["LOCAL_SYSTEM", "constrain", "grammar_of", "labels_of", "obeys_schema", "read_answer"]

LOCAL_SYSTEM = "llama.cpp"
"""What `Model.system` says for a model run in process; wrappers of a model pass it on."""


def obeys_schema(model: "Model") -> bool:
    """Whether `constrain` makes it impossible for the model to break a schema."""
    return model.system == LOCAL_SYSTEM


def constrain(model: "Model", schema: JsonObject | None) -> dict[str, Any]:
    """Extra model settings that force `model` to obey `schema`; empty where it cannot be forced.

    A choice of labels (see `labels_of`) comes back as the bare label; anything else as JSON text.
    `read_answer` reads both. Do not combine it with tools: llama.cpp takes one grammar per request.
    """
    if schema is None or not obeys_schema(model):
        return {}
    labels = labels_of(schema)
    if labels:
        return {"extra_body": {"grammar": grammar_of(labels)}}
    wanted = {"name": "answer", "schema": checked(schema, where="schema")}
    return {"extra_body": {"response_format": {"type": "json_schema", "json_schema": wanted}}}


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
    return "root ::= " + " | ".join(f'"{_escaped(label)}"' for label in labels)


_LAST_OF_FOUR_DIGITS = 0xFFFF


def _escaped(text: str) -> str:
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04X}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08X}"


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
