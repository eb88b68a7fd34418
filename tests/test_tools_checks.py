"""What is said of code before it runs: its form, its effects, what it seems to need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from strop.errors import BadInput
from strop.permission import Level, Permissions
from strop.tools.checks import check_code, check_name
from strop.tools.effects import effects_of, infer_needs
from strop.tools.generated import generated_args
from strop.tools.schemas import Parameters, plain_schema
from strop.tools.source import parse

NONE = {"type": "object", "properties": {}}


def schema(*required, **optional):
    names = {name: {"type": "string"} for name in required}
    return {"type": "object", "properties": {**names, **optional}, "required": list(required)}


def told(source, parameters=NONE, level=Level.SANDBOX, function="f"):
    return [str(problem) for problem in check_code(source, function, parameters, level=level)]


def body(*lines):
    return 'def f():\n    """Does it."""\n' + "\n".join(f"    {line}" for line in lines) + "\n"


def test_good_code_has_no_problems():
    source = '''"""Slugs."""

import json
import re
from collections import Counter

WORD = re.compile(r"\\w+")


def f(text: str, *, sep: str = "-") -> str:
    """Words joined."""
    words = [word for word in WORD.findall(text) if word]
    if not words:
        raise ValueError("no words")
    return sep.join(words) + json.dumps(Counter(words))
'''
    assert told(source, schema("text", sep={"type": "string"})) == []


@pytest.mark.parametrize(
    ("arguments", "parameters", "problems"),
    [
        ("a, b=1", schema("a", b={}), []),
        ("a=0, b=1", schema("a", b={}), []),
        ("a, c=1", schema("a"), []),
        ("*, a", schema("a"), []),
        ("**more", {"properties": {"a": {}}, "additionalProperties": True}, []),
        ("a, **more", {**schema("a"), "additionalProperties": {"type": "string"}}, []),
        ("a", schema(), ["parameter 'a' is not in the schema"]),
        ("", schema("a"), ["the schema's 'a' is no parameter of the function"]),
        ("a", schema(a={}), ["parameter 'a' has no default, and the schema does not require it"]),
        ("a, /", schema("a"), ["parameters before '/' cannot be given by name"]),
        ("a, *rest", schema("a"), ["*rest takes arguments that the schema does not name"]),
        ("a, **rest", schema("a"), ["**rest takes arguments that the schema does not name"]),
        (
            "a",
            {**schema("a"), "additionalProperties": True},
            ["the schema allows more properties than the function takes; it needs **kwargs"],
        ),
    ],
)
def test_the_signature_must_take_what_the_schema_says(arguments, parameters, problems):
    source = f'def f({arguments}):\n    """Does it."""\n    return 1\n'
    assert told(source, parameters) == [f"line 1: {problem}" for problem in problems]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def f(:", "its code does not parse, line 1: invalid syntax"),
        ("def g(): ...", "its code defines no function 'f'"),
        ("f = print", "its code defines no function 'f'"),
        ("def f():\n    return 1", "line 1: f has no docstring"),
        ('def f():\n    "  "\n    return 1', "line 1: f has no docstring"),
        (body("yield 1"), "line 3: f is a generator; return a list instead"),
        (body("return 1") + "print(f())", "line 4: does something when it is loaded"),
        (body("return 1") + "\n" * 200, "has 204 lines; 200 are allowed"),
        (body(f"return {'x' * 17_000!r}"), "16384 are allowed"),
        (body(*[f"if {n}: pass" for n in range(30)]), "f has 31 paths; 25 are allowed"),
        (body("return " + " or ".join("abcdefghijklmnopqrstuvwxyzA")), "f has 27 paths"),
        (
            body(*["    " * n + "if 1:" for n in range(7)], "    " * 7 + "pass"),
            "is nested deeper than 6 levels",
        ),
    ],
)
def test_how_code_is_written(source, problem):
    (said,) = told(source)
    assert problem in said


def test_an_inner_generator_is_fine_and_elif_is_not_deeper():
    inner = body("def g():", "    yield 1", "return list(g())")
    chosen = body("if 0: pass", *[f"elif {n}: pass" for n in range(20)])
    assert told(inner) == told(chosen) == []


@pytest.mark.parametrize(
    ("line", "lowest"),
    [
        ("import math", Level.SANDBOX),
        ("from urllib.parse import quote", Level.SANDBOX),
        ("from http import HTTPStatus", Level.SANDBOX),
        ("import os; os.path.join('a', 'b')", Level.SANDBOX),
        ("open('a.txt').read()", Level.SANDBOX),
        ("open('a.txt', 'rb')", Level.SANDBOX),
        ("open('a.txt', 'w')", Level.RESTRICTED),
        ("open('a.txt', mode='r+')", Level.RESTRICTED),
        ("import io; io.open('a.txt', 'x')", Level.RESTRICTED),
        ("from pathlib import Path; Path('a').write_text('b')", Level.RESTRICTED),
        ("from pathlib import Path; Path('a').open('a')", Level.RESTRICTED),
        ("import os as o; o.remove('a')", Level.RESTRICTED),
        ("from shutil import rmtree as gone; gone('a')", Level.RESTRICTED),
        ("import tempfile", Level.RESTRICTED),
        ("import socket", Level.FULL),
        ("import urllib.request", Level.FULL),
        ("from urllib import request", Level.FULL),
        ("import requests as r; r.get('https://example.com')", Level.FULL),
        ("import http.client", Level.FULL),
        ("import subprocess", None),
        ("from os import fork", None),
        ("import os; os.execv('a', [])", None),
        ("import ctypes.util", None),
        ("eval('1')", None),
        ("__import__('os')", None),
        ("().__class__.__base__.__subclasses__()", None),
        ("import sys; sys.modules['os']", None),
    ],
)
def test_what_code_uses_and_from_which_level_on_it_may(line, lowest):
    source = body(line, "return 1")
    for level in Level:
        allowed = lowest is not None and level.rank >= lowest.rank
        said = told(source, level=level)
        assert bool(said) is not allowed, said
        assert all(problem.startswith("line 3: ") for problem in said)
    expected = Level.SANDBOX if lowest is None else lowest
    assert infer_needs(source).level is expected


def test_messages_name_the_line_and_the_reason():
    source = body("import socket", "import subprocess", "open('a', 'w')")
    assert told(source) == snapshot(
        [
            "line 3: uses the network (socket); that needs level 'full'",
            "line 4: starts or ends processes (subprocess), which no level allows",
            "line 5: writes files (open); that needs level 'restricted'",
        ]
    )


def test_needs_name_hosts_and_folders_that_stand_in_the_code():
    source = body(
        "import requests",
        "rates = open('/srv/rates/today.csv').read()",
        "open('/var/out/report.txt', 'w').write(rates)",
        "open('/scratch/x', 'w')",
        "requests.get('https://api.example.com/v1?x=1')",
        "requests.get('http://localhost:8080/')",
        "'ftp://[broken' and 'https://{host}/' and 'https://x:99999/'",
    )
    assert infer_needs(source) == Permissions(
        level=Level.FULL,
        read=("/srv/rates",),
        write=("/var/out",),
        hosts=("api.example.com:443", "localhost:8080"),
    )
    assert infer_needs(body("return 'https://example.com/'")) == Permissions()
    with pytest.raises(BadInput):
        infer_needs("def")


@given(st.text(max_size=200))
def test_any_text_is_checked_without_an_exception(source):
    check_code(source, "f", NONE, level=Level.SANDBOX)


@pytest.mark.parametrize("source", ["-" * 15_000 + "1", "[" * 15_000, "a." * 7_000 + "a", "\ud83d"])
def test_hostile_text_is_checked_without_an_exception(source):
    check_code(source, "f", NONE, level=Level.SANDBOX)


def test_effects_are_told_once_and_in_order():
    found = effects_of(parse("import os\nos.remove('a'); os.remove('b')\nimport socket"))
    assert [(e.line, e.level) for e in found] == [(2, Level.RESTRICTED), (3, Level.FULL)]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("good_name", None),
        ("match", None),
        ("find", "there is a tool 'find' already"),
        ("len", "its name 'len' is that of a function built into Python"),
        ("for", "its name 'for' is a word of Python's"),
        ("2nd", "its name '2nd' is not made of letters, digits and underscores"),
        ("", "its name '' is not made of letters, digits and underscores"),
    ],
)
def test_names(name, problem):
    assert check_name(name, {"find"}) == problem


# --- schemas and arguments made from them --------------------------------------------------------

leaves = st.sampled_from(
    [
        {},
        {"type": "string"},
        {"type": "string", "minLength": 2, "maxLength": 5},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 3, "maximum": 9},
        {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5},
        {"type": "number", "exclusiveMaximum": 1},
        {"type": ["boolean", "null"]},
        {"enum": ["a", 2, None]},
        {"const": {"a": [1]}},
        {"$ref": "#/$defs/word"},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        {"allOf": [{"type": "integer"}, {"minimum": 2}]},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda each: {"type": "array", "items": each, "minItems": 1}, inner),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda each: {"type": "object", "properties": each, "required": sorted(each)[:1]}
        ),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["x", "y", "pattern"]), schemas, max_size=3))
def test_generated_arguments_fit_and_are_the_same_each_time(properties):
    whole = {
        "type": "object",
        "properties": properties,
        "required": sorted(properties)[:1],
        "$defs": {"word": {"type": "string", "pattern": "^[a-z]+$"}},
    }
    made = generated_args(whole, 6)
    assert made
    assert made == generated_args(whole, 6)
    parameters = Parameters.of(whole)
    assert all(parameters.problem(args) is None for args in made)
    assert set(map(str, generated_args(whole, 3))) <= set(map(str, made))


def test_what_no_value_fits_gives_no_arguments():
    never = {"type": "integer", "minimum": 3, "maximum": 1}
    assert generated_args(schema("a", b=never), 5) != ()
    impossible = {"type": "object", "properties": {"b": never}, "required": ["b"]}
    assert generated_args(impossible, 5) == ()
    assert generated_args(NONE, 5) == ({},)
    assert generated_args(schema("a"), 0) == ()


def test_a_schema_is_written_out_without_references_and_patterns():
    whole = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "pattern": "a+"},
            "word": {"$ref": "#/$defs/a~1b", "description": "A word."},
            "kind": {"enum": [{"$ref": "kept, it is a value"}]},
        },
        "$defs": {"a/b": {"type": "string"}},
    }
    assert plain_schema(whole) == snapshot(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "pattern": {"type": "string"},
                "word": {"allOf": [{"type": "string"}], "description": "A word."},
                "kind": {"enum": [{"$ref": "kept, it is a value"}]},
            },
        }
    )
