"""Arguments held to a tool's parameter schema, which may be written by a model.

A schema is not harmless: a reference may be fetched from the network, references in references
grow without end, and a pattern may match for hours. So references are written out within a bound,
and patterns are shown to the model but not enforced. Nothing is called here.

Source: JSON Schema 2020-12, validated by `jsonschema`.

Next file: `tools/identity.py`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, canonical, is_object

__all__ = ["ANYTHING", "Parameters", "plain_schema"]

_MAX_BYTES = 64 * 2**10
_MAX_PARTS = 5_000
_MAX_LEVELS = 40
_SHOWN = 300  # characters of a message about an argument
_PATTERNS = {"pattern", "patternProperties", "$ref", "$dynamicRef", "$recursiveRef"}
_NAMES = {"properties", "dependentSchemas"}
_VALUES = {"const", "enum", "default", "examples", "required", "dependentRequired"}
_NOT_NEEDED = {"$defs", "definitions", "$schema", "$id", "$anchor", "$dynamicAnchor"}

Validate: TypeAlias = Callable[[Json], str | None]


def plain_schema(schema: Json) -> dict[str, Json]:
    """A parameter schema as it is enforced: references written out, patterns left out, closed.

    Arguments that it does not name are refused unless it says ``additionalProperties`` itself.

    Raises:
        BadInput: It is no object schema, too large, or refers to itself or to another document.
    """
    if not is_object(schema) or schema.get("type", "object") != "object":
        raise BadInput("must be a JSON schema of type 'object'", where="parameters")
    if len(canonical(schema)) > _MAX_BYTES:
        raise BadInput(f"is larger than {_MAX_BYTES} bytes", where="parameters")
    if not is_object(schema.get("properties", {})):
        raise BadInput("'properties' must be an object", where="parameters")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise BadInput("'required' must be a list of names", where="parameters")
    written = _Writer(root=schema).out(schema, 0)
    if not is_object(written):  # it is a reference to something else
        raise BadInput("must be a JSON schema of type 'object'", where="parameters")
    return {"type": "object", "additionalProperties": False, **written}


@dataclass(slots=True)
class _Writer:
    """Writes a schema out, and counts its parts."""

    root: JsonObject
    parts: int = 0

    def out(self, schema: Json, level: int) -> Json:
        """A schema without references and patterns.

        Raises:
            BadInput: See `plain_schema`.
        """
        self.parts += 1
        if self.parts > _MAX_PARTS or level > _MAX_LEVELS:
            raise BadInput("refers to itself, or is too large", where="parameters")
        if isinstance(schema, list):
            return [self.out(part, level + 1) for part in schema]
        if not is_object(schema):
            return schema
        plain = {
            key: self._field(key, value, level)
            for key, value in schema.items()
            if key not in _PATTERNS and key not in _NOT_NEEDED
        }
        reference = schema.get("$ref")
        if reference is None:
            return plain
        meant = self.out(self._found(reference), level + 1)
        return {"allOf": [meant], **plain} if plain and is_object(meant) else meant

    def _field(self, key: str, value: Json, level: int) -> Json:
        if key in _VALUES:
            self.parts += len(canonical(value)) // 20
            return value
        if key in _NAMES and is_object(value):
            return {name: self.out(part, level + 1) for name, part in value.items()}
        return self.out(value, level + 1)

    def _found(self, reference: Json) -> Json:
        steps = str(reference).split("/")
        found: Json = self.root
        for step in steps[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if is_object(found) else None
        if steps[0] != "#" or found is None:
            raise BadInput(f"there is nothing at {str(reference)[:80]!r}", where="parameters")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """A tool's parameters, ready to hold arguments to.

    Attributes:
        names: Of all parameters, in order.
        required: Of those that must be given.
        open: Whether arguments with other names are taken too.
        defaults: What the schema says a parameter is where it is not given.
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    open: bool
    defaults: JsonObject = field(hash=False)
    _each: Mapping[str, Validate] = field(hash=False, repr=False)
    _whole: Validate = field(hash=False, repr=False)

    @classmethod
    def of(cls, schema: Json) -> "Parameters":
        """The parameters that a tool item's schema describes.

        Raises:
            BadInput: It is no schema that arguments can be held to.
        """
        plain = plain_schema(schema)
        properties = cast("Mapping[str, Json]", plain.get("properties", {}))
        defaults = {
            n: p["default"] for n, p in properties.items() if is_object(p) and "default" in p
        }
        return cls(
            names=tuple(properties),
            required=tuple(cast("list[str]", plain.get("required", []))),
            open=plain["additionalProperties"] is not False,
            defaults=defaults,
            _each={name: _validator(part) for name, part in properties.items()},
            _whole=_validator(plain),
        )

    def problem(self, args: JsonObject) -> str | None:
        """What is wrong with arguments, naming the parameter; `None` where they fit."""
        missing = [name for name in self.required if name not in args]
        if missing:
            return f"it needs {', '.join(map(repr, missing))}"
        if not self.open:
            unknown = [name for name in args if name not in self.names]
            if unknown:
                takes = ", ".join(self.names) or "no arguments"
                return f"it does not take {str(unknown[0])[:80]!r}; it takes: {takes}"
        return self._whole(args)

    def refuses(self, name: str, value: Json) -> str | None:
        """Why a parameter does not take a value; `None` where it does."""
        check = self._each.get(name)
        return check(value) if check is not None else None


def _no_check(value: Json) -> None:
    """Every value fits."""


ANYTHING = Parameters(names=(), required=(), open=True, defaults={}, _each={}, _whole=_no_check)
"""Parameters that take whatever comes."""


def _validator(schema: Json) -> Validate:
    """What says why a value does not fit a schema.

    Raises:
        BadInput: It is no JSON schema.
    """
    import jsonschema  # loads 60 modules; only code and chain tools need it
    from referencing import Registry

    # By value: `jsonschema` takes plain dicts and lists only.
    plain = json.loads(canonical(schema))
    try:
        jsonschema.Draft202012Validator.check_schema(plain)
    except jsonschema.SchemaError as error:
        raise BadInput(f"is no JSON schema: {error.message[:_SHOWN]}", where="parameters") from None
    registry: Registry[Any] = Registry()  # of its own accord it would fetch what is referred to
    validator = jsonschema.Draft202012Validator(plain, registry=registry)

    def check(value: Json) -> str | None:
        # Asked first because it is twice as fast as looking for errors.
        if validator.is_valid(value):
            return None
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is None:
            return None
        spot = ".".join(map(str, error.absolute_path))
        message = error.message if len(error.message) <= _SHOWN else _short(error)
        return f"{spot}: {message}" if spot else message

    return check


def _short(error: Any) -> str:
    """A message without the value itself, which may be megabytes."""
    wanted = json.dumps(error.validator_value)[:_SHOWN]
    return f"does not fit {error.validator!r}: {wanted}"
