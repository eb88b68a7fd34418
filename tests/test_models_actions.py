"""Actions: a request with tools as a conversation that a grammar holds; without any model."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition

from strop.models.actions import as_actions, read_action
from strop.models.grammar import Rules, in_order

FIND = ToolDefinition(
    name="find_customer",
    description="Find a customer\n    by email.",
    parameters_json_schema={
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "minimum": 1},
            "email": {"type": "string", "description": "As it stands in the message."},
        },
        "required": ["email"],
    },
)
SET = ToolDefinition(
    name="set_plan",
    parameters_json_schema={
        "type": "object",
        "properties": {
            "plan": {"enum": ["seedling", "orchard"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["plan", "tags", "note"],
    },
)
OFFERED = ModelRequestParameters(function_tools=[FIND, SET])


def written(messages):
    """The turns as text, a line each."""
    names = {SystemPromptPart: "system", UserPromptPart: "user", TextPart: "model"}
    return [f"{names[type(p)]}: {p.content}" for m in messages for p in m.parts]


def test_a_conversation_is_written_as_the_model_may_write():
    messages = [
        ModelRequest(parts=[UserPromptPart("Who is bo@x.org?")], instructions="Be brief."),
        ModelResponse(
            parts=[
                TextPart("Let me look."),
                ToolCallPart("find_customer", {"limit": 1, "email": "bo@x.org"}, "a"),
                ToolCallPart("find_customer", '{"email": "al@x.org"}', "b"),
            ]
        ),
        ModelRequest(
            parts=[
                ToolReturnPart("find_customer", {"name": "Al"}, "b"),
                ToolReturnPart("find_customer", "no such address", "a", outcome="failed"),
                UserPromptPart("And?"),
            ]
        ),
        ModelResponse(parts=[TextPart("Bo.")]),
    ]
    assert written(as_actions(messages, OFFERED).messages) == snapshot(
        [
            """\
system: Be brief.

Answer with one JSON object: {"tool": name, "args": {...}} to call a tool, or {"answer": ...} when you know it. Tools:
find_customer(email, limit?: integer) Find a customer by email.
  email: As it stands in the message.
set_plan(plan: "seedling"|"orchard", tags: [string], note: string|null)\
""",
            "user: Who is bo@x.org?",
            'model: {"answer": "Let me look."}',
            'model: {"tool": "find_customer", "args": {"email": "bo@x.org", "limit": 1}}',
            'user: find_customer returned {"error":"no such address"}',
            'model: {"tool": "find_customer", "args": {"email": "al@x.org"}}',
            'user: find_customer returned {"name":"Al"}',
            "user: And?",
            'model: {"answer": "Bo."}',
        ]
    )


def test_what_comes_first_is_the_same_for_every_task():
    heads = [
        as_actions(
            [ModelRequest(parts=[SystemPromptPart("Help."), UserPromptPart(text)])], OFFERED
        ).messages[0]
        for text in ("one", "two " * 1000)
    ]
    assert written(heads[:1]) == written(heads[1:])
    assert written(heads[:1])[0].startswith("system: Help.\n\nAnswer with one JSON object")


def test_long_results_are_cut():
    messages = [
        ModelResponse(parts=[ToolCallPart("find_customer", {}, "a")]),
        ModelRequest(parts=[ToolReturnPart("find_customer", "x" * 10_000_000, "a")]),
    ]
    assert max(len(turn) for turn in written(as_actions(messages, OFFERED).messages)) < 2_000


def test_an_enumeration_of_thousands_is_told_in_part_and_held_in_full():
    values = [f"value {n}" for n in range(5_000)]
    tool = ToolDefinition(
        name="pick",
        parameters_json_schema={"type": "object", "properties": {"v": {"enum": values}}},
    )
    actions = as_actions([], ModelRequestParameters(function_tools=[tool]))
    assert len(written(actions.messages)[0]) < 500
    assert '\\"value 4999\\"' in actions.grammar


def test_tools_that_must_be_called_leave_no_answer():
    offered = ModelRequestParameters(output_tools=[SET], allow_text_output=False)
    actions = as_actions([ModelRequest(parts=[UserPromptPart("Go.")])], offered)
    assert "answer" not in actions.grammar
    assert '{"answer"' not in written(actions.messages)[0]


def test_an_answer_has_the_schema_of_the_request():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    offered = ModelRequestParameters(
        function_tools=[FIND],
        output_mode="native",
        output_object=OutputObjectDefinition(json_schema=schema),
    )
    messages = [ModelResponse(parts=[TextPart('{"n": 3}')])]
    actions = as_actions(messages, offered)
    assert written(actions.messages)[1] == 'model: {"answer": {"n": 3}}'
    assert r'"{\"answer\": "' in actions.grammar
    rules = Rules()
    assert accepted(rules.value(schema), '{"n": 3}', rules)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            '{"tool": "find_customer", "args": {"email": "a"}}',
            [("find_customer", {"email": "a"})],
        ),
        ('{"answer": "KB-1"}', ["KB-1"]),
        ('{"answer": {"n": 1}}', ['{"n": 1}']),
        ('{"answer": null}', ["null"]),
        # What broke off: an unfinished call stays one, so that Pydantic AI tells why.
        ('{"tool": "find_customer", "args": {"ema', [("find_customer", '{"ema')]),
        ('{"answer": "so far', ["so far"]),
        ('{"answer": "a \\u00e', ["a "]),
        ('{"answer": [1, 2', ["[1, 2"]),
        # What no grammar lets through, from a server that ignores it.
        ('{"tool": "no_such", "args": {}}', ['{"tool": "no_such", "args": {}}']),
        ("Hello.", ["Hello."]),
        ("", [""]),
    ],
)
def test_actions_are_read(text, parts):
    found = [
        (part.tool_name, part.args) if isinstance(part, ToolCallPart) else part.content
        for part in read_action(text, OFFERED)
    ]
    assert found == parts


# --- grammars --------------------------------------------------------------------------------------


def accepted(root: str, text: str, rules: Rules | None = None) -> bool:
    """Whether a grammar accepts a text, by a small interpreter of the GBNF that `Rules` writes."""
    lines = (rules or Rules()).text(root).splitlines()
    bodies = dict(line.split(" ::= ", 1) for line in lines)
    parsed = {name: _alternatives(_Tokens(body)) for name, body in bodies.items()}
    return len(text) in _ends(parsed, parsed["root"], text, 0)


_TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+,\d+\}|[a-z]\w*|[()|?*+])', re.DOTALL
)


class _Tokens:
    def __init__(self, body):
        self.left = _TOKEN.findall(body)

    def peek(self):
        return self.left[0] if self.left else None

    def take(self):
        return self.left.pop(0)


def _alternatives(tokens):
    options = [_sequence(tokens)]
    while tokens.peek() == "|":
        tokens.take()
        options.append(_sequence(tokens))
    return ("or", options)


def _sequence(tokens):
    out = []
    while tokens.peek() not in (None, "|", ")"):
        token = tokens.take()
        if token == "(":
            item = _alternatives(tokens)
            assert tokens.take() == ")"
        elif token[0] == '"':
            item = ("text", json.loads(token.replace("\\x", "\\u00")) if "\\U" not in token else "")
        elif token[0] == "[":
            item = ("class", re.compile(token))
        else:
            item = ("rule", token)
        after = tokens.peek()
        if after == "?":
            tokens.take()
            item = ("times", item, 0, 1)
        elif after and after[0] == "{":
            low, high = tokens.take()[1:-1].split(",")
            item = ("times", item, int(low), int(high))
        elif after == "*":
            tokens.take()
            item = ("times", item, 0, 10_000)
        out.append(item)
    return ("seq", out)


def _ends(rules, node, text, at):  # noqa: C901 - a case per kind of node
    """Positions where a match of the node that begins at `at` may end."""
    match node:
        case ("or", options):
            return set().union(*(_ends(rules, option, text, at) for option in options))
        case ("seq", items):
            ends = {at}
            for item in items:
                ends = set().union(*(_ends(rules, item, text, end) for end in ends))
            return ends
        case ("times", item, low, high):
            ends, found = {at}, set()
            for count in range(high + 1):
                if count >= low:
                    found |= ends
                ends = set().union(*(_ends(rules, item, text, end) for end in ends)) - found
                if not ends:
                    break
            return found
        case ("text", literal):
            return {at + len(literal)} if text.startswith(literal, at) else set()
        case ("class", pattern):
            return {at + 1} if at < len(text) and pattern.match(text[at]) else set()
        case ("rule", name):
            return _ends(rules, rules[name], text, at)
    raise AssertionError(node)


def test_an_action_is_one_of_the_tools_calls_or_an_answer():
    rules = Rules()
    root = as_actions([], OFFERED).grammar.splitlines()[0].removeprefix("root ::= ")
    for tool in (FIND, SET):
        rules.arguments(tool.parameters_json_schema)
    rules.value({"type": "string"})
    for text in (
        '{"tool": "find_customer", "args": {"email": "a@b"}}',
        '{"tool": "find_customer", "args": {"email": "", "limit": 20}}',
        '{"tool": "set_plan", "args": {"plan": "orchard", "tags": ["x", "y"], "note": null}}',
        '{"answer": "say \\"no\\""}',
    ):
        assert accepted(root, text, rules), text
    for text in (
        '{"tool": "find_customer", "args": {}}',
        '{"tool": "find_customer", "args": {"limit": 2, "email": "a"}}',  # another order
        '{"tool": "find_customer", "args": {"email": "a", "limit": -2}}',
        '{"tool": "find_customer","args":{"email":"a"}}',  # other white space
        '{"tool": "set_plan", "args": {"plan": "forest", "tags": [], "note": null}}',
        '{"tool": "drop", "args": {}}',
        '{"answer": 3}',
        '{"answer": "two\nlines"}',
        "hello",
    ):
        assert not accepted(root, text, rules), text


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "maxLength": 3},
            {"type": "integer"},
            {"type": "integer", "minimum": 0},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["integer", "null"]},
            {"const": {"a": [1, '\u00e4"\\']}},
            {"enum": ["red", 2, None, True]},
            {},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda items, low, more: {
                "type": "array",
                "items": items,
                "minItems": low,
                "maxItems": low + more,
            },
            inner,
            st.integers(0, 2),
            st.integers(0, 2),
        ),
        st.builds(
            lambda properties, required: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & set(properties)),
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
            st.sets(st.sampled_from("abc")),
        ),
        st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


TEXTS = st.text(max_size=3).filter(lambda text: "\x7f" not in text)


def values(schema):  # noqa: C901 - a case per type
    """Values of a schema, members in the order in which the grammar writes them."""
    if "anyOf" in schema:
        return st.one_of(*(values(option) for option in schema["anyOf"]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    whole = st.integers(0 if "minimum" in schema else -(10**9), 10**9)
    match schema.get("type"):
        case "string":
            return TEXTS
        case "integer":
            return whole
        case "number":
            return whole | st.sampled_from([0.5, -1.25, 3.0])
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case ["integer", "null"]:
            return whole | st.none()
        case "array":
            items = values(schema["items"])
            return st.lists(items, min_size=schema["minItems"], max_size=schema["maxItems"])
        case "object" if "properties" in schema:
            known = in_order(schema)
            needed = {name: values(s) for name, s, required in known if required}
            more = {name: values(s) for name, s, required in known if not required}
            found = st.fixed_dictionaries(needed, optional=more)
            return found.map(lambda v: {name: v[name] for name, _, _ in known if name in v})
        case "object":
            return st.dictionaries(TEXTS, values(schema["additionalProperties"]), max_size=3)
    scalars = st.none() | st.booleans() | whole | TEXTS
    return st.recursive(
        scalars, lambda v: st.lists(v, max_size=2) | st.dictionaries(TEXTS, v, max_size=2)
    )


@given(st.data())
def test_a_grammar_accepts_what_its_schema_does(data):
    schema = data.draw(SCHEMAS)
    value = data.draw(values(schema))
    rules = Rules()
    root = rules.value(schema)
    text = json.dumps(value, ensure_ascii=False)
    if len(text) < 300:
        assert accepted(root, text, rules), text


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/gone"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "nonsense"},
        {"type": []},
        {"enum": []},
        {"enum": "abc"},
        {"anyOf": [True, {"type": "string"}]},
        {"type": "array", "items": [{"type": "string"}], "maxItems": -1},
        {"type": "string", "maxLength": True, "minLength": 10**9},
        {"type": "array", "maxItems": 0},
        {"type": "object", "properties": "abc", "required": 3},
    ],
)
def test_odd_schemas_still_have_a_grammar(schema):
    rules = Rules()
    grammar = rules.text(rules.value(schema))
    names = {line.split(" ::= ")[0] for line in grammar.splitlines()}
    used = set(
        re.findall(r"[a-z]\w*", re.sub(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]', "", grammar))
    )
    assert used <= names
    assert max(map(int, re.findall(r",(\d+)\}", grammar))) <= 1000


def test_a_schema_that_refers_to_itself():
    tree = {
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                },
                "required": ["name"],
            }
        },
        "$ref": "#/$defs/tree",
    }
    rules = Rules()
    root = rules.value(tree)
    assert accepted(root, '{"name": "a", "children": [{"name": "b"}]}', rules)
    assert not accepted(root, '{"name": "a", "children": [{}]}', rules)
