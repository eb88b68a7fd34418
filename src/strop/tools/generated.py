"""Arguments made from a parameter schema, the same ones each time.

They show what a tool does with input that nobody has given it yet: empty and long, negative and
large, from other alphabets. They say nothing of what it should give back. What is made is held to
the schema and dropped where it does not fit, so rare keywords cost inputs, never correctness.

Written here because `hypothesis-jsonschema` 0.23.1 fails on objects under current Hypothesis.

Next file: `tools/same.py`.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from strop.jsonvalue import Json, JsonObject, canonical, is_object
from strop.tools.schemas import Parameters, plain_schema

__all__ = ["generated_args"]

_TRIES = 6  # draws per input asked for: some repeat, some do not fit
_MAX_LEVEL = 6
_MAX_LONG = 2_000

_TEXTS = (
    *("", "a", "0", "abc", "hello world", " padded ", "12", "3.5", "-7", "a,b,c", "a=1;b=2"),
    *("two\nlines", "tab\there", "{}", "[1, 2]", "null", '{"a": 1}', "a/b/c", "name@example.com"),
    *(
        "Zoë",
        "naïve café",
        "Ω≈ç√",
        "日本語",
        "שלום",
        "🙂",
        "e\u0301",
        "'quoted'",
        '"',
        "\\",
        "x" * 500,
    ),
)
_FORMATS = {
    "date": ("2024-02-29", "1999-12-31", "2026-01-01"),
    "date-time": ("2024-02-29T23:59:59Z", "1999-12-31T00:00:00+02:00"),
    "time": ("00:00:00", "23:59:59"),
    "email": ("a@example.com", "first.last+tag@example.org"),
    "uri": ("https://example.com/", "http://example.org/a?b=c#d"),
    "uuid": ("00000000-0000-4000-8000-000000000000",),
    "ipv4": ("127.0.0.1", "255.255.255.255"),
    "ipv6": ("::1",),
    "hostname": ("example.com",),
}
# None so large that honest code, which makes a list of that length, runs out of time or memory.
_INTEGERS = (0, 1, -1, 2, 3, 7, 10, 42, 100, -100, 999, 1_000, 65_536, -65_536)
_NUMBERS = (0.0, 1.0, -1.0, 0.5, 0.1, -2.5, 3.14159, 1e-9, 99.99, 1e6, -1e6)
_SIMPLE = ("string", "integer", "number", "boolean", "null")


def generated_args(schema: JsonObject, count: int, *, seed: int = 0) -> tuple[JsonObject, ...]:
    """At most `count` different arguments that fit a schema, the shortest first.

    Args:
        schema: Of the parameters, as a tool item has it; patterns in it are not followed.
        count: How many; fewer come where the schema allows no more, or is hard to fit.
        seed: Another seed gives others.

    Raises:
        BadInput: It is no schema that arguments can be held to.
    """
    plain, parameters = plain_schema(schema), Parameters.of(schema)
    found: dict[str, JsonObject] = {}
    for number in range(count * _TRIES):
        if len(found) >= count:
            break
        # A generator for each, so that asking for more inputs keeps those there were.
        made = _value(plain, random.Random(f"{seed}:{number}"), 0)
        if is_object(made) and parameters.problem(made) is None:
            found.setdefault(canonical(made), made)
    return tuple(found[text] for text in sorted(found, key=lambda text: (len(text), text)))


def _value(schema: Json, rng: random.Random, level: int) -> Json:
    """A value that a schema probably takes."""
    if not is_object(schema):
        return _simple(rng)
    if "const" in schema:
        return schema["const"]
    options = schema.get("enum")
    if isinstance(options, list) and options:
        return cast("Json", rng.choice(options))
    for key in ("anyOf", "oneOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and choices:
            chosen = rng.choice(choices)
            return _value(_merged(schema, [chosen], key), rng, level)
    parts = schema.get("allOf")
    if isinstance(parts, list):
        return _value(_merged(schema, parts, "allOf"), rng, level)
    make = _MAKERS.get(_type_of(schema, rng))
    return make(schema, rng, level) if make is not None else _simple(rng)


def _merged(schema: JsonObject, parts: Sequence[Json], without: str) -> dict[str, Json]:
    """A schema with others laid over it."""
    merged = {key: value for key, value in schema.items() if key != without}
    for part in parts:
        for key, value in part.items() if is_object(part) else ():
            held = merged.get(key)
            if key == "properties" and is_object(held) and is_object(value):
                merged[key] = {**held, **value}
            elif key == "required" and isinstance(held, list) and isinstance(value, list):
                merged[key] = [*held, *value]
            else:
                merged[key] = value
    return merged


def _type_of(schema: JsonObject, rng: random.Random) -> str:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return str(rng.choice(kind))
    if isinstance(kind, str):
        return kind
    for key, meant in (("properties", "object"), ("items", "array"), ("maxLength", "string")):
        if key in schema:
            return meant
    return "number" if "minimum" in schema or "maximum" in schema else "any"


def _simple(rng: random.Random) -> Json:
    """Any scalar."""
    return _MAKERS[rng.choice(_SIMPLE)]({}, rng, 0)


def _size(schema: JsonObject, low: str, high: str, rng: random.Random, most: int) -> int:
    least, limit = _number(schema.get(low), 0), _number(schema.get(high), most)
    return rng.randint(min(int(least), most), max(int(least), min(int(limit), most)))


def _number(value: Json, otherwise: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return otherwise


def _text(schema: JsonObject, rng: random.Random, level: int) -> Json:  # noqa: ARG001 - a maker
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return rng.choice(known)
    least = int(min(_number(schema.get("minLength"), 0), _MAX_LONG))
    text = rng.choice(_TEXTS)
    while len(text) < least:
        text += rng.choice("abc 012é")
    most = schema.get("maxLength")
    return text[: int(_number(most, len(text)))]


def _between(schema: JsonObject, edges: Sequence[float], rng: random.Random) -> float:
    """One of the edges that are within bounds, or a number between the bounds."""
    low = max(
        _number(schema.get("minimum"), -math.inf),
        _number(schema.get("exclusiveMinimum"), -math.inf),
    )
    high = min(
        _number(schema.get("maximum"), math.inf), _number(schema.get("exclusiveMaximum"), math.inf)
    )
    # Bounds themselves are where code goes wrong; an exclusive one is dropped by the schema.
    fits = [edge for edge in (*edges, low, high) if low <= edge <= high and math.isfinite(edge)]
    if fits:
        return rng.choice(fits)
    return (low + high) / 2


def _integer(schema: JsonObject, rng: random.Random, level: int) -> Json:  # noqa: ARG001 - a maker
    near = round(_between(schema, _INTEGERS, rng)) + rng.choice((0, 0, 1, -1))
    step = _number(schema.get("multipleOf"), 1)
    return near - near % int(step) if step >= 1 else near


def _real(schema: JsonObject, rng: random.Random, level: int) -> Json:  # noqa: ARG001 - a maker
    value = float(_between(schema, _NUMBERS, rng))
    step = _number(schema.get("multipleOf"), 0)
    return round(value / step) * step if step > 0 else value


def _array(schema: JsonObject, rng: random.Random, level: int) -> Json:
    first = schema.get("prefixItems")
    heads = [_value(part, rng, level + 1) for part in first] if isinstance(first, list) else []
    each = schema.get("items")
    if each is False or level >= _MAX_LEVEL:
        return heads
    size = _size(schema, "minItems", "maxItems", rng, 5)
    made = [*heads, *(_value(each, rng, level + 1) for _ in range(size - len(heads)))]
    if schema.get("uniqueItems") is True:
        return list({canonical(value): value for value in made}.values())
    return made


def _object(schema: JsonObject, rng: random.Random, level: int) -> Json:
    properties = schema.get("properties")
    properties = properties if is_object(properties) else {}
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    made: dict[str, Json] = {}
    for name, part in properties.items():
        if name in needed or (level < _MAX_LEVEL and rng.random() < 0.5):
            made[name] = _value(part, rng, level + 1)
    more = schema.get("additionalProperties", level > 0 and not properties)
    if more not in (False, None) and level < _MAX_LEVEL:
        for name in rng.sample(("a", "key", "Zoë", "x y"), rng.randint(0, 2)):
            made.setdefault(name, _value(more, rng, level + 1))
    return made


def _flag(schema: JsonObject, rng: random.Random, level: int) -> Json:  # noqa: ARG001 - a maker
    return rng.random() < 0.5


def _null(schema: JsonObject, rng: random.Random, level: int) -> Json:  # noqa: ARG001 - a maker
    return None


_MAKERS: Mapping[str, Callable[[JsonObject, random.Random, int], Json]] = {
    "string": _text,
    "integer": _integer,
    "number": _real,
    "boolean": _flag,
    "null": _null,
    "array": _array,
    "object": _object,
}
