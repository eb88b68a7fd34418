"""`strop.yaml`: what does not hold is told by file and field, in words of the file's own language."""

import functools

import pytest

from strop.config import base_spec, load_config
from strop.errors import BadInput
from strop.tools import native_function, native_item

REFUSED = {
    "a key that is a number": ("1: x", "the name of a field must be text, not 1"),
    "a key that is a boolean": ("on: x", "the name of a field must be text, not True"),
    "no timestamp": (
        "name: a\nmodel: 2020-13-45",
        ":2: not YAML: this cannot be read as timestamp",
    ),
    "no whole number": ("seed: !!int ''", ":1: not YAML: this cannot be read as int"),
    "too many digits": (f"seed: {'9' * 5000}", ":1: not YAML: this cannot be read as int"),
    "too deep": ("[" * 3000, "not YAML: nested too deeply"),
    "too deep in itself": ("settings: &a {x: *a}", "nested too deeply"),
    "text for a list": ("instructions: text", "field 'instructions': must be a list"),
    "text for tools": ("tools: a:b", "field 'tools': must be a list"),
    "text for labels": ("output: text", "field 'output': must be a list or an object"),
    "booleans for labels": (
        "output: [yes, no]",
        "field 'output.0': must be text; quote the labels: ",
    ),
    "dates for labels": ("output: [2020-01-01, a]", "'output.0': must be text; quote the labels"),
    "a key in a schema": ("output: {1: x}", "field 'output.1': a key must be text"),
    "a key in a group": ("selection: {1: 2}", "field 'selection.1': a key must be text"),
    "a number for a clause": (
        "instructions: [a, 5]",
        "'instructions.1': must be text or an object; ",
    ),
    "a clause's unknown field": (
        "memory: [{text: a, abuot: b}]",
        "'memory.0.abuot'; did you mean 'about'?",
    ),
    "a clause without text": ("memory: [{about: b}]", "field 'memory.0.text': is missing"),
    "an unknown field in a group": ("limits: {step: 1}", "'limits.step'; did you mean 'steps'?"),
    "an unknown field like a type": ("str: 1", "unknown field 'str'; "),
    "a number for a group": ("limits: 5", "field 'limits': must be an object"),
    "out of range": ("good: 2", "field 'good': must be less than or equal to 1"),
    "no name": ("name: ''", "field 'name': must not be empty"),
    "a name with spaces": ("name: a b", "field 'name': may hold only letters, digits"),
    "a tool that is a number": ("tools: [5]", "tools: expected functions as 'module:function'"),
    "a tool that is no function": ("tools: ['math:pi']", "tools: 'math:pi' is not a function"),
    "a tool that is not there": (
        "tools: ['math:nonesuch']",
        "tools: 'math:nonesuch' has no 'nonesuch'",
    ),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_hold_is_told_in_one_sentence(text, says, tmp_path):
    path = tmp_path / "strop.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        base_spec(load_config(path), embedder="static")
    message = str(caught.value)
    assert says in message
    assert not any(word in message for word in ("tuple", "dict", "TextItem", "Input should"))


def test_quoted_labels_are_labels(tmp_path):
    path = tmp_path / "strop.yaml"
    path.write_text("output: ['yes', 'no']")
    spec = base_spec(load_config(path), embedder="static")
    assert spec.output == {"type": "string", "enum": ["yes", "no"]}


@pytest.mark.parametrize("source", ["import sys; sys.exit(0)", "raise SystemExit"])
def test_a_tool_module_that_ends_the_process_is_refused(source, tmp_path, monkeypatch):
    (tmp_path / "leaving.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match=r"tools: cannot import 'leaving' .*SystemExit"):
        native_item("leaving:tool")


def test_a_tool_without_a_name_is_refused():
    with pytest.raises(BadInput, match="not a value of type 'partial'"):
        native_item(functools.partial(int, base=2))


def test_a_tool_is_found_again_by_its_name():
    item = native_item("textwrap:dedent")
    function = native_function(item, {})
    assert function("  a") == "a"
    assert native_function(item, {"textwrap:dedent": len}) is len
