"""From a JSON schema to a GBNF grammar of exactly one way to write each value.

llama.cpp translates schemas itself, but leaves white space free, and a small model loses its way
there; here every value is written as `json.dumps` writes it, so that what a model reads in its
history is what it may write. A subset of JSON Schema: what the subset does not know (`pattern`,
`not`, bounds of numbers other than the sign) is left free, never refused, and texts and lists are
bounded. Nothing is validated here.

Source: GBNF, llama.cpp, grammars/README.md; JSON Schema draft 2020-12.

Next file: `models/constrain.py`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strop.jsonvalue import Json, JsonObject, is_object

__all__ = ["Rules", "in_order", "literal"]

_STRING = 400  # characters of a text at most where the schema has no bound of its own
_LONGEST = 1000  # and where it has: the rule of a text is as long as its bound
_ITEMS = 16  # items of a list, members of an object of free keys
_LAST_OF_FOUR_DIGITS = 0xFFFF

_ANY = "any"
_FREE = {
    "char": r'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "whole": '"0" | [1-9] [0-9]{0,14}',
    "string": f'"\\"" char{{0,{_STRING}}} "\\""',
    "integer": '"-"? whole',
    "number": '"-"? whole ("." [0-9]{1,9})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "list": f'"[" ({_ANY} (", " {_ANY}){{0,{_ITEMS - 1}}})? "]"',
    "object": f'"{{" (pair (", " pair){{0,{_ITEMS - 1}}})? "}}"',
    "pair": f'string ": " {_ANY}',
    _ANY: "string | number | boolean | null | list | object",
}
"""The rules of values that no schema says anything about."""
_NAMED = {"string", "integer", "number", "boolean", "null", "object"}


def literal(text: str) -> str:
    """A GBNF literal that matches exactly `text`."""
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04X}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08X}"


def in_order(schema: JsonObject) -> tuple[tuple[str, JsonObject, bool], ...]:
    """An object's properties as the grammar has them written: name, schema, whether required.

    Those that are required come first, otherwise as in the schema.
    """
    properties, required = schema.get("properties"), schema.get("required")
    if not is_object(properties):
        return ()
    needed = set(required) if isinstance(required, list | tuple) else set()
    found = [(n, s if is_object(s) else {}, n in needed) for n, s in properties.items()]
    return tuple(sorted(found, key=lambda each: not each[2]))


@dataclass(slots=True)
class Rules:
    """A grammar as it grows; equal rules are kept once."""

    _bodies: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _whole: Json = None  # the schema that references are looked up in
    _references: dict[str, str] = field(default_factory=dict)  # those of that schema

    def text(self, root: str) -> str:
        """The grammar whose texts are those of the expression `root`."""
        lines = [f"root ::= {root}"]
        lines += [f"{name} ::= {body}" for name, body in self._bodies.items()]
        return "\n".join([*lines, *(f"{name} ::= {body}" for name, body in _FREE.items())])

    def value(self, schema: Json) -> str:
        """An expression of the values of a whole schema; of any value, where it says nothing."""
        self._whole, self._references = schema, {}
        return self._value(schema)

    def arguments(self, schema: JsonObject) -> str:
        """An expression of the objects that a tool with these parameters takes."""
        self._whole, self._references = schema, {}
        return self._object(schema)

    def _value(self, schema: Json) -> str:
        if not is_object(schema):
            return _ANY
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._referred(reference)
        if "const" in schema:
            return literal(_written(schema["const"]))
        options = schema.get("enum")
        if isinstance(options, list | tuple) and options:
            return self._rule(" | ".join(literal(_written(option)) for option in options))
        for name in ("anyOf", "oneOf"):
            options = schema.get(name)
            if isinstance(options, list | tuple) and options:
                return self._either([self._value(option) for option in options])
        every = schema.get("allOf")
        if isinstance(every, list | tuple) and len(every) == 1:
            return self._value(every[0])
        kinds = schema.get("type")
        if isinstance(kinds, list | tuple) and kinds:
            return self._either([self._of_type(schema, kind) for kind in kinds])
        return self._of_type(schema, kinds)

    def _object(self, schema: JsonObject) -> str:
        """An expression of an object with the properties of a schema, in the order of `in_order`.

        Properties that are not required may be left out.
        """
        properties = in_order(schema)
        if not properties:
            more = schema.get("additionalProperties")
            return self._map(self._value(more)) if is_object(more) else literal("{}")
        pairs = [
            (literal(f"{_written(name)}: ") + " " + self._value(each), required)
            for name, each, required in properties
        ]
        needed = [pair for pair, required in pairs if required]
        optional = [pair for pair, required in pairs if not required]
        if needed:
            inside = ' ", " '.join(needed) + _tail(optional)
        else:
            # Whichever comes first has no comma before it.
            starts = [first + _tail(optional[i + 1 :]) for i, first in enumerate(optional)]
            inside = f"({' | '.join(starts)})?"
        return self._rule(f'"{{" {inside} "}}"')

    def _of_type(self, schema: JsonObject, kind: Json) -> str:
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            unsigned = _least(schema) >= 0
            if not unsigned:
                return str(kind)
            return "whole" if kind == "integer" else self._rule('whole ("." [0-9]{1,9})?')
        if kind == "array":
            return self._list(schema)
        if kind == "object" or (kind is None and is_object(schema.get("properties"))):
            more = schema.get("additionalProperties", True)
            if not schema.get("properties") and more is not False and not is_object(more):
                return "object"
            return self._object(schema)
        return kind if isinstance(kind, str) and kind in _NAMED else _ANY

    def _string(self, schema: JsonObject) -> str:
        least, most = _count(schema, "minLength", 0), _count(schema, "maxLength", _STRING)
        if (least, most) == (0, _STRING):
            return "string"
        most = min(max(most, least), _LONGEST)
        return self._rule(f'"\\"" char{{{min(least, most)},{most}}} "\\""')

    def _list(self, schema: JsonObject) -> str:
        least, most = _count(schema, "minItems", 0), _count(schema, "maxItems", _ITEMS)
        most = min(max(most, least), max(_ITEMS, least))
        if most == 0:
            return literal("[]")
        item = self._value(schema.get("items"))
        some = f'{item} (", " {item}){{{max(0, least - 1)},{most - 1}}}'
        return self._rule(f'"[" {some} "]"' if least else f'"[" ({some})? "]"')

    def _map(self, value: str) -> str:
        pair = f'string ": " {value}'
        return self._rule(f'"{{" ({pair} (", " {pair}){{0,{_ITEMS - 1}}})? "}}"')

    def _either(self, options: Sequence[str]) -> str:
        return self._rule(" | ".join(dict.fromkeys(options)))

    def _referred(self, reference: str) -> str:
        """The rule of a reference, made once: a schema may refer to itself."""
        if reference not in self._references:
            found = self._whole
            for step in reference.removeprefix("#").strip("/").split("/"):
                plain = step.replace("~1", "/").replace("~0", "~")
                found = found.get(plain) if is_object(found) else None
            name = f"ref{len(self._bodies)}"
            self._references[reference] = name
            self._bodies[name] = _ANY  # its place; a schema that is nothing but itself stays so
            body = self._value(found)
            self._bodies[name] = _ANY if body == name else body
        return self._references[reference]

    def _rule(self, body: str) -> str:
        if body not in self._names:
            self._names[body] = f"r{len(self._names)}"
            self._bodies[self._names[body]] = body
        return self._names[body]


def _tail(pairs: Sequence[str]) -> str:
    return "".join(f' (", " {pair})?' for pair in pairs)


def _written(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _count(schema: Mapping[str, Json], name: str, default: int) -> int:
    given = schema.get(name)
    fits = isinstance(given, int) and not isinstance(given, bool) and given >= 0
    return given if fits and isinstance(given, int) else default


def _least(schema: JsonObject) -> float:
    """The least number that a schema allows, as far as its sign goes."""
    for name in ("minimum", "exclusiveMinimum"):
        given = schema.get(name)
        if isinstance(given, int | float) and not isinstance(given, bool):
            return float(given)
    return float("-inf")
