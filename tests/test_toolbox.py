"""Tool items called by name: code, chains and native functions; and those that are not offered."""

import subprocess
import sys
import threading
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ToolCallPart

from strop import ScriptedModel, Split, Task
from strop.agent import Trace, execute
from strop.agent_pydantic import ContextCapability, pydantic_backend
from strop.context import select
from strop.errors import BadInput, ToolCallFailed
from strop.models import tool_call
from strop.models.scripted import Turn
from strop.permission import Level, Permissions
from strop.run import ToolCall
from strop.sandbox.base import Bounds, Failure, Outcome, What
from strop.sandbox.fake import FakeSandbox
from strop.sandbox.resolve import best_sandbox
from strop.spec import AgentSpec, Item, Kind, Provenance, Trust
from strop.tools import Toolbox, code_digest, native_item, needs_of, tools_by_name
from strop.tools.ready import read_tool
from strop.tools.rendering import render_tool

pytestmark = pytest.mark.anyio

SLUG = '''def slug(text: str, sep: str = "-") -> str:
    """Words joined."""
    return sep.join(text.split())
'''
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TWO_TEXTS = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "sep": {"type": "string"}},
    "required": ["text"],
}


def tool(name, body, parameters=TEXT, **more):
    content = {"name": name, "description": f"Does {name}.", "parameters": parameters, "body": body}
    return Item(
        id=f"tool-{name}",
        kind=Kind.TOOL,
        content={**content, **more},
        provenance=Provenance(by="mined:snippets", trust=Trust.EVIDENCE),
    )


def code(name="slug", source=SLUG, function="slug", parameters=TWO_TEXTS, **more):
    body = {"kind": "code", "source": source, "function": function, "imports": []}
    return tool(name, body, parameters, **more)


def chain(name, *steps, returns="last", parameters=TEXT):
    return tool(name, {"kind": "chain", "steps": list(steps), "returns": returns}, parameters)


def step(name, **args):
    return {"tool": name, "args": args}


def find_order(order_id: str) -> dict[str, object]:
    """An order.

    Args:
        order_id: Its number.
    """
    if order_id == "gone":
        raise KeyError(order_id)
    return {"id": order_id, "customer": "c7", "lines": ["l1", "l2"]}


async def find_customer(customer_id: str, ctx: int = 0) -> dict[str, object]:
    """A customer."""
    return {"id": customer_id, "name": "Zoë"}


def describe_line(line: str, times: int = 1) -> str:
    """A line."""
    return f"{line}!" * times


def who_asks(ctx: RunContext[object]) -> str:
    """The prompt."""
    return str(ctx.prompt)


NATIVE = tuple(native_item(f) for f in (find_order, find_customer, describe_line))
ORDER = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
WHOSE = chain(
    "whose_order",
    step("find_order", order_id={"param": "order"}),
    step("find_customer", customer_id={"step": 0, "path": ["customer"]}),
    parameters=ORDER,
)
LINES = chain(
    "order_lines",
    step("find_order", order_id={"param": "order"}),
    {
        "tool": "describe_line",
        "args": {"line": {"item": []}},
        "each": {"step": 0, "path": ["lines"]},
    },
    returns="all",
    parameters=ORDER,
)


@dataclass
class Bench:
    """A toolbox on a fake sandbox, with what it recorded."""

    box: Toolbox
    sandbox: FakeSandbox
    uses: list

    async def call(self, name, items, **args):
        return await self.box.call(name, args, items=items)


def bench(script=None, **options):
    uses = []
    sandbox = FakeSandbox(script or (lambda program, args: Outcome(value=sorted(args))))
    box = Toolbox(sandbox=lambda: sandbox, record=uses.append, clock=lambda: 5.0, **options)
    return Bench(box=box, sandbox=sandbox, uses=uses)


# --- code --------------------------------------------------------------------------------------


async def test_code_runs_in_the_sandbox_in_a_thread_and_is_recorded():
    threads = []

    def script(program, args):
        threads.append(threading.current_thread())
        return Outcome(value=args["text"].upper())

    at = bench(script, bounds=Bounds(seconds=1.0))
    assert await at.call("slug", [code()], text="a b") == "A B"
    assert threads[0] is not threading.main_thread()
    (asked,) = at.sandbox.calls
    assert (asked.program.function, asked.args) == ("slug", {"text": "a b"})
    assert (asked.permissions, asked.bounds.seconds) == (Permissions(), 1.0)
    (use,) = at.uses
    assert (use.tool, use.digest, use.ok, use.at) == ("slug", code_digest(code()), True, 5.0)
    assert (use.level, use.what) == (Level.SANDBOX, None)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "slug was not called: it needs 'text'"),
        (
            {"text": "a", "sap": "b"},
            "slug was not called: it does not take 'sap'; it takes: text, sep",
        ),
        ({"text": 5}, "slug was not called: text: 5 is not of type 'string'"),
        (
            {"text": ["x" * 900]},
            """slug was not called: text: does not fit 'type': "string\"""",
        ),
    ],
)
async def test_arguments_that_do_not_fit_are_told_and_held_against_nobody(args, message):
    at = bench()
    with pytest.raises(ToolCallFailed) as caught:
        await at.box.call("slug", args, items=[code()])
    assert str(caught.value) == message
    assert at.sandbox.calls == at.uses == []


@pytest.mark.parametrize("what", What)
async def test_a_failed_call_says_what_to_do_and_counts(what):
    failure = Failure(what=what, message="NameError: no\nword in it", line=3)
    at = bench(lambda program, args: Outcome(failure=failure))
    with pytest.raises(ToolCallFailed, match="slug failed: NameError: no word in it"):
        await at.call("slug", [code()], text="")
    (use,) = at.uses
    assert (use.ok, use.what) == (False, what.value)


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("ValueError: no word in it", "declined"),
        ("json.decoder.JSONDecodeError: Expecting value", "declined"),
        ("NoWordError: it is empty", "declined"),  # the code raises it by name
        ("AttributeError: 'NoneType' object has no attribute 'group'", "declined"),
        ("TypeError: can only join an iterable", "raised"),
        ("NameError: name 'txt' is not defined", "raised"),
        ("AttributeError: 'str' object has no attribute 'splitt'", "raised"),
    ],
)
async def test_code_that_refuses_its_arguments_is_not_blamed(message, what):
    item = code(source=SLUG + "\ndef other():\n    raise NoWordError('it is empty')\n")
    failure = Failure(what=What.RAISED, message=message)
    at = bench(lambda program, args: Outcome(failure=failure))
    with pytest.raises(ToolCallFailed, match="slug failed"):
        await at.call("slug", [item], text="")
    assert [(use.ok, use.what, use.message) for use in at.uses] == [(False, what, message)]


async def test_a_call_runs_with_the_grant_that_it_was_let_through_with():
    wide = Permissions(level=Level.FULL, hosts=("example.com:443",))
    item = code(needs={"level": "full"})
    answers, asked = [wide, Permissions(level=Level.FULL)], []

    def granted(digest):
        asked.append(digest)
        return answers.pop(0)  # another one at each look

    at = bench(granted=granted)
    await at.call("slug", [item], text="a")
    assert [call.permissions for call in at.sandbox.calls] == [wide]
    assert asked == [code_digest(item)]

    # A chain asks for each tool once, and each step's call once for itself.
    plain = code("plain", source=SLUG + "# other\n")
    twice = chain("twice", *[step("plain", text={"param": "text"})] * 2)
    asked.clear()
    answers.extend([None] * 3)
    await at.call("twice", [plain, twice], text="a")
    assert asked == [code_digest(plain)] * 3


async def test_a_result_that_no_model_can_be_shown_is_a_failure():
    at = bench(lambda program, args: Outcome(value="x" * 2_000), longest=1_000)
    with pytest.raises(ToolCallFailed, match="gave 2000 characters; 1000 can be shown"):
        await at.call("slug", [code()], text="")
    assert at.uses[0].what == "too large"
    # A step of a chain the model is not shown.
    inner = chain("count", step("slug", text={"param": "text"}), step("n", x={"step": 0}))
    at = bench(
        lambda program, args: Outcome(value="x" * 2_000 if program.function == "slug" else 2_000),
        longest=1_000,
    )
    size = "def n(x):\n    return len(x)"
    schema = {"type": "object", "properties": {"x": {}}, "required": ["x"]}
    items = [code(), code("n", size, "n", schema), inner]
    assert await at.call("count", items, text="") == 2_000


async def test_code_gets_what_it_needs_and_never_more_than_its_grant():
    needs = {"level": "full", "hosts": ["example.com:443"]}
    item = code(needs=needs)
    grants = {}
    at = bench(granted=grants.get)
    assert at.box.inert([item]) == {
        "tool-slug": "it needs level 'full' and has 'sandbox'; it waits in `strop review`"
    }
    with pytest.raises(ToolCallFailed, match="waits in `strop review`"):
        await at.call("slug", [item], text="a")

    grants[code_digest(item)] = Permissions(level=Level.FULL, hosts=("other.org:443",))
    assert "folders or hosts" in at.box.inert([item])["tool-slug"]

    grants[code_digest(item)] = Permissions(level=Level.FULL)
    assert at.box.inert([item]) == {}
    await at.call("slug", [item], text="a")
    assert at.sandbox.calls[-1].permissions == Permissions.from_json(needs)
    assert at.uses[-1].level is Level.FULL

    # A tool that was granted more than it needs runs at what it needs.
    grants[code_digest(code())] = Permissions(level=Level.FULL)
    await at.call("slug", [code()], text="a")
    assert at.sandbox.calls[-1].permissions == Permissions()

    # A grant is for the code that was looked at.
    changed = code(source=SLUG + "# changed\n", needs=needs)
    assert "waits in" in at.box.inert([changed])["tool-slug"]


async def test_a_halted_tool_waits():
    at = bench(halted=lambda digest: "its breaker is open")
    assert at.box.inert([code(), *NATIVE]) == {"tool-slug": "its breaker is open"}


async def test_a_record_that_cannot_be_kept_does_not_lose_the_result():
    def full(use):
        raise BadInput("the disk is full")

    sandbox = FakeSandbox({"slug": Outcome(value="a")})
    box = Toolbox(sandbox=lambda: sandbox, record=full)
    assert await box.call("slug", {"text": "a"}, items=[code()]) == "a"


# --- chains ------------------------------------------------------------------------------------


async def test_a_chain_calls_native_functions_with_checked_arguments():
    at = bench()
    items = [*NATIVE, WHOSE, LINES]
    assert at.box.inert(items) == {}
    assert await at.call("whose_order", items, order="o1") == {"id": "c7", "name": "Zoë"}
    assert await at.call("order_lines", items, order="o1") == {
        "find_order": {"id": "o1", "customer": "c7", "lines": ["l1", "l2"]},
        "describe_line": ["l1!", "l2!"],
    }
    assert [(use.tool, use.ok) for use in at.uses] == [("whose_order", True), ("order_lines", True)]


async def test_every_result_of_a_chain_comes_on_request():
    at = bench()
    args = {"order": "o1", "intermediate_results": True}
    result = await at.box.call("whose_order", args, items=[*NATIVE, WHOSE])
    assert list(result) == ["find_order", "find_customer"]
    declared = {**ORDER["properties"], "intermediate_results": {"type": "boolean"}}
    item = replace(
        WHOSE, content={**WHOSE.content, "parameters": {**ORDER, "properties": declared}}
    )
    result = await at.box.call("whose_order", args, items=[*NATIVE, item])
    assert list(result) == ["find_order", "find_customer"]


async def test_a_failing_step_stops_the_chain_and_tells_what_was_done():
    at = bench()
    with pytest.raises(ToolCallFailed) as caught:
        await at.call("whose_order", [*NATIVE, WHOSE], order="gone")
    assert str(caught.value) == snapshot(
        "whose_order stopped at step 1 of 2, find_order: KeyError: 'gone'"
    )
    wrong = chain(
        "whose_order",
        step("find_order", order_id={"param": "order"}),
        step("find_customer", customer_id={"step": 0, "path": ["lines"]}),
        parameters=ORDER,
    )
    with pytest.raises(ToolCallFailed) as caught:
        await at.call("whose_order", [*NATIVE, wrong], order="o1")
    assert str(caught.value) == snapshot(
        """\
whose_order stopped at step 2 of 2, find_customer: find_customer: customer_id: Input should be a valid string
find_order gave: {"customer": "c7", "id": "o1", "lines": ["l1", "l2"]}\
"""
    )
    assert [(use.ok, use.what) for use in at.uses] == [(False, "step"), (False, "step")]


async def test_defaults_of_a_chains_schema_are_filled_in():
    parameters = {
        "type": "object",
        "properties": {"line": {"type": "string"}, "times": {"type": "integer", "default": 3}},
        "required": ["line"],
    }
    item = chain(
        "shout",
        step("describe_line", line={"param": "line"}, times={"param": "times"}),
        parameters=parameters,
    )
    at = bench()
    assert await at.call("shout", [*NATIVE, item], line="a") == "a!a!a!"
    assert await at.call("shout", [*NATIVE, item], line="a", times=1) == "a!"


async def test_chains_in_chains_and_their_bounds():
    outer = chain("outer", step("whose_order", order={"param": "text"}))
    at = bench()
    items = [*NATIVE, WHOSE, outer]
    assert await at.call("outer", items, text="o1") == {"id": "c7", "name": "Zoë"}
    assert [use.tool for use in at.uses] == ["whose_order", "outer"]

    loop = chain("loop", step("back", text={"param": "text"}))
    back = chain("back", step("loop", text={"param": "text"}))
    reasons = at.box.inert([loop, back])
    assert reasons == snapshot(
        {
            "tool-loop": "its tool 'back' cannot be used: its tool 'loop' cannot be used: it calls itself: loop -> back -> loop",
            "tool-back": "its tool 'loop' cannot be used: its tool 'back' cannot be used: it calls itself: back -> loop -> back",
        }
    )
    with pytest.raises(ToolCallFailed, match="calls itself"):
        await at.call("loop", [loop, back], text="a")

    deep = [chain(f"d{n}", step(f"d{n + 1}", text={"param": "text"})) for n in range(5)]
    deep.append(chain("d5", step("describe_line", line={"param": "text"})))
    reasons = at.box.inert([*NATIVE, *deep])
    assert set(reasons) == {"tool-d0", "tool-d1"}
    assert reasons["tool-d1"].endswith("it is a chain in chains more than 4 deep")
    assert await at.call("d2", [*NATIVE, *deep], text="a") == "a!"


async def test_fan_outs_in_fan_outs_end():
    lists = {"type": "object", "properties": {"of": {"type": "array"}}, "required": ["of"]}
    each = {"tool": "describe_line", "args": {"line": {"item": []}}, "each": {"param": "of"}}
    inner = tool("inner", {"kind": "chain", "steps": [each]}, lists)
    twice = {"tool": "inner", "args": {"of": {"param": "of"}}, "each": {"param": "of"}}
    outer = tool("outer", {"kind": "chain", "steps": [twice]}, lists)
    at = bench()
    items = [*NATIVE, inner, outer]
    assert len(await at.call("outer", items, of=["a"] * 15)) == 15
    with pytest.raises(ToolCallFailed, match="stopped after 400 calls"):
        await at.call("outer", items, of=["a"] * 60)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([WHOSE], "step 1 calls 'find_order', which is not there (any more)"),
        (
            [
                NATIVE[1],
                replace(NATIVE[0], content={**NATIVE[0].content, "parameters": TEXT}),
                WHOSE,
            ],
            "step 1 does not fit 'find_order' (any more): it needs 'text'",
        ),
        (
            [
                NATIVE[1],
                replace(
                    NATIVE[0],
                    content={
                        **NATIVE[0].content,
                        "parameters": {"type": "object", "properties": {"number": {}}},
                    },
                ),
                WHOSE,
            ],
            "step 1 does not fit 'find_order' (any more): it does not take 'order_id'",
        ),
        (
            [code(needs={"level": "full"}), chain("c", step("slug", text={"param": "text"}))],
            "its tool 'slug' cannot be used: it needs level 'full' and has 'sandbox'; it waits in `strop review`",
        ),
        (
            [code(), chain("c", step("slug", text={"const": 5}))],
            "step 1 does not fit 'slug' (any more): 'text': 5 is not of type 'string'",
        ),
        (
            [code(), chain("c", step("slug", text={"param": "words"}))],
            "it reads 'words', which its parameters do not name",
        ),
        (
            [tool("t", {"kind": "table"}), chain("c", step("t", text={"param": "text"}))],
            "step 1 calls 't', which is a table and cannot be called",
        ),
    ],
)
async def test_a_chain_that_no_longer_fits_is_inert(items, reason):
    at = bench()
    last = items[-1]
    assert at.box.inert(items)[last.id] == reason
    name = str(last.content["name"])
    with pytest.raises(ToolCallFailed, match="cannot be used"):
        await at.box.call(name, {"order": "o1", "text": "a"}, items=items)
    assert at.uses == []


async def test_a_grant_taken_back_ends_a_chain_while_it_runs():
    grants = {code_digest(code(needs={"level": "restricted"})): Permissions(level=Level.RESTRICTED)}
    item = code(needs={"level": "restricted"})
    twice = chain("twice", step("slug", text={"param": "text"}), step("slug", text={"step": 0}))

    def script(program, args):
        grants.clear()
        return Outcome(value="a")

    at = bench(script, granted=grants.get)
    with pytest.raises(ToolCallFailed, match=r"step 2 of 2, slug: slug cannot be used"):
        await at.call("twice", [item, twice], text="a")


async def test_a_function_that_takes_the_run_context_gets_it_in_a_chain():
    asks = chain("asks", step("who_asks"), parameters={"type": "object", "properties": {}})
    spec = AgentSpec(name="desk", model="scripted", items=(native_item(who_asks), asks))
    run = await attempt(spec, [tool_call("asks"), "ok"], bench())
    assert calls(run) == [ToolCall(tool="asks", args={}, result="How many?")]
    with pytest.raises(ToolCallFailed, match="needs a run around it"):
        await bench().call("asks", spec.items)


# --- damaged items -----------------------------------------------------------------------------

DAMAGED = [
    (code(source="def slug(text:"), "its code does not parse, line 1: '(' was never closed"),
    (code(source="x = 1"), "its code defines no function 'slug'"),
    (code(source="(" * 9_000), "its code does not parse"),
    (code(source="a\0b"), "its code does not parse"),
    (code(source="#" * 70_000), "its code is longer than 65536 bytes"),
    (code(source="async def slug(text, sep=''): ..."), "'slug' is an async function"),
    (
        code(source="def slug(words): ..."),
        "its code does not fit its schema, line 1: the schema's 'text' is no parameter",
    ),
    (code(parameters={"type": "array"}), "parameters: must be a JSON schema of type 'object'"),
    (
        code(parameters={"type": "object", "properties": {"text": {"type": "txt"}}}),
        "parameters: is no JSON schema",
    ),
    (code(parameters={"properties": {"text": {"$ref": "http://127.0.0.1/x"}}}), "nothing at"),
    (code(parameters={"properties": {"text": {"$ref": "#"}}}), "refers to itself"),
    (code(name="class"), "its name 'class' is a word of Python's"),
    (code(name="rm -rf"), "is not made of letters, digits and underscores"),
    (code(name="größe"), "is not made of letters, digits and underscores"),
    (code(name="x" * 65), "its name is longer than 64 characters"),
    (code(needs={"level": "root"}), "there is no level 'root'"),
    (tool("t", {"kind": "code", "source": 5}), "code needs 'source' and 'function'"),
    (tool("t", {"kind": "wasm"}), "its body is of no known kind: 'wasm'"),
    (tool("t", {"kind": "chain", "steps": []}), "chain.steps: must be 1 to 16 steps"),
    (chain("t", step("t", text={"parm": 1})), "an expression is one of"),
]


@pytest.mark.parametrize(("item", "reason"), DAMAGED)
async def test_a_damaged_tool_is_left_out_and_the_agent_serves(item, reason):
    at = bench()
    assert reason in at.box.inert([item])[item.id]
    spec = AgentSpec(name="desk", model="scripted", items=(*NATIVE, code("other"), item))
    run = await attempt(spec, [tool_call("other", text="a"), "done"], at)
    assert (run.output, run.error) == ("done", None)
    assert calls(run) == [ToolCall(tool="other", args={"text": "a"}, result=["text"])]


async def test_references_that_grow_without_end_are_refused_at_once():
    bomb = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(20)}
    schema = {"type": "object", "properties": {"text": {"$ref": "#/$defs/d0"}}, "$defs": bomb}
    assert (
        "refers to itself, or is too large"
        in bench().box.inert([code(parameters=schema)])["tool-slug"]
    )


async def test_a_pattern_is_shown_and_not_enforced():
    slow = {"type": "object", "properties": {"text": {"type": "string", "pattern": "^(a+)+$"}}}
    at = bench()
    one = 'def slug(text=""): ...'
    await at.call("slug", [code(source=one, parameters=slow)], text="a" * 60 + "b")
    assert len(at.uses) == 1
    # A parameter may be called so.
    named = {"type": "object", "properties": {"pattern": {"type": "string"}}}
    item = code(source='def slug(pattern=""): ...', parameters=named)
    with pytest.raises(ToolCallFailed, match="pattern: 5 is not of type"):
        await at.call("slug", [item], pattern=5)


async def test_of_two_tools_with_one_name_the_persons_is_kept():
    other = replace(code("find_order"), id="tool-zzz")
    reasons = bench().box.inert([other, *NATIVE])
    assert reasons == {"tool-zzz": "its name 'find_order' is taken by 'tool-find_order'"}
    again = replace(code(), id="tool-slug-2")
    assert set(bench().box.inert([code(), again])) == {"tool-slug-2"}
    assert tools_by_name([other, *NATIVE])["find_order"] is NATIVE[0]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "a", "#/$defs/a", "def f(): 1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "required",
                    "$ref",
                    "$defs",
                    "a",
                    "items",
                    "enum",
                    "const",
                    "allOf",
                    "kind",
                    "steps",
                    "tool",
                    "args",
                    "each",
                    "param",
                    "path",
                    "step",
                    "item",
                    "text",
                    "object",
                    "list",
                    "source",
                    "function",
                    "imports",
                    "level",
                    "hosts",
                    "additionalProperties",
                    "default",
                    "returns",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
kinds = st.sampled_from(["code", "chain", "native", "table", 5])
bodies = st.builds(
    lambda kind, body: {**body, "kind": kind},
    kinds,
    st.fixed_dictionaries({"steps": st.lists(json_values, max_size=2), "source": json_values})
    | st.fixed_dictionaries({"source": st.just("def f(a): 1"), "function": st.just("f")}),
)
objects = st.dictionaries(
    st.sampled_from(["type", "properties", "required", "$ref", "$defs", "level", "read"]),
    json_values,
    max_size=3,
)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b c", "d"]), bodies, objects, objects), max_size=3)
)
def test_no_item_however_odd_stops_an_agent(drawn):
    items = [
        replace(tool(name, body, parameters, needs=needs), id=f"tool-{number}")
        for number, (name, body, parameters, needs) in enumerate(drawn)
    ]
    items.append(chain("last", step("a", a={"param": "text"}), step("d")))
    inert = Toolbox().inert(items)
    assert set(inert) <= {item.id for item in items}
    assert all(inert.values())
    for item in items:
        assert len(code_digest(item)) == 64
        assert render_tool(item, tools_by_name(items)).endswith("\n")


# --- in an agent -------------------------------------------------------------------------------

TASK = Task(id="t1", input="How many?")


async def attempt(spec, script, at):
    return await execute(
        spec,
        TASK,
        split=Split.TRAIN,
        context=select(spec, TASK),
        backend=pydantic_backend(spec, ScriptedModel(script), toolbox=at.box),
    )


def calls(run):
    return [each for each in run.steps if isinstance(each, ToolCall)]


async def test_the_model_is_offered_every_kind_and_steps_are_recorded():
    at = bench({"slug": Outcome(value="a-b")})
    items = (*NATIVE, code(), WHOSE, chain("dead", step("nowhere")))
    spec = AgentSpec(name="desk", model="scripted", items=items)
    model = ScriptedModel(
        [
            tool_call("slug", text="a b"),
            tool_call("whose_order", order="o1"),
            tool_call("whose_order", order="gone"),
            tool_call("slug", txt="a b"),
            "done",
        ]
    )
    run = await execute(
        spec,
        TASK,
        split=Split.TRAIN,
        context=select(spec, TASK),
        backend=pydantic_backend(spec, model, toolbox=at.box),
    )
    assert (run.output, run.error) == ("done", None)
    assert calls(run) == snapshot(
        [
            ToolCall(tool="slug", args={"text": "a b"}, result="a-b"),
            ToolCall(tool="whose_order", args={"order": "o1"}, result={"id": "c7", "name": "Zoë"}),
            ToolCall(
                tool="whose_order",
                args={"order": "gone"},
                error="whose_order stopped at step 1 of 2, find_order: KeyError: 'gone'",
            ),
            ToolCall(
                tool="slug",
                args={"txt": "a b"},
                error="slug was not called: it needs 'text'",
            ),
        ]
    )
    assert "Does slug." in model.prompts[0]
    assert "dead" not in model.prompts[0]
    assert "slug was not called: it needs 'text'" in model.prompts[4]


async def test_a_learned_tool_that_fails_does_not_end_the_run_of_an_existing_agent():
    """Without `mend_tool_errors`: there, a tool of the agent's own that raises ends the run."""
    failure = Outcome(failure=Failure(what=What.DIED, message="killed"))
    at = bench({"slug": failure})
    spec = AgentSpec(name="desk", model="scripted", items=(code(),))
    shown = ContextCapability(context=select(spec, TASK), trace=Trace(), toolbox=at.box)
    model = ScriptedModel([tool_call("slug", text="a"), "went on"])
    result = await Agent(model, capabilities=[shown]).run("How many?")
    assert result.output == "went on"
    (step,) = [each for each in shown.trace.steps if isinstance(each, ToolCall)]
    assert step.error == "slug failed: killed; do without it"


async def test_an_agent_outlives_tools_that_hang_fork_and_flood():
    """In the real sandbox."""
    sandbox = best_sandbox()
    if sandbox.levels != frozenset(Level):
        pytest.skip("no sandbox here that holds all levels")
    uses = []
    box = Toolbox(sandbox=lambda: sandbox, record=uses.append, bounds=Bounds(seconds=1.5))
    bodies = {
        "hangs": "while True: pass",
        "forks": "import os; os.fork(); return 1",
        "floods": "print('x' * 200_000_000); return 'x' * 200_000_000",
        "loops": "a = []; a.append(a); return a",
        "works": "return text.upper()",
    }
    tools = [
        code(name, f"def {name}(text):\n    {body}", name, TEXT) for name, body in bodies.items()
    ]
    both = chain("both", step("works", text={"param": "text"}), step("hangs", text={"step": 0}))
    dead = chain("dead", step("gone"))
    spec = AgentSpec(name="desk", model="scripted", items=(*tools, both, dead))
    script = [tool_call(name, text="a") for name in (*bodies, "both", "dead")]
    run = await attempt(spec, [*script, "done"], Bench(box=box, sandbox=None, uses=uses))
    assert (run.output, run.error) == ("done", None)
    errors = {call.tool: call.error for call in calls(run)}
    assert errors.pop("works") is None
    assert errors.pop("both").endswith("do without it\nworks gave: A")
    assert all(errors.values())
    assert [use.tool for use in uses] == [*bodies, "works", "hangs", "both"]
    assert [use.ok for use in uses if use.tool == "works"] == [True, True]


async def test_arguments_may_be_named_like_anything():
    names = ("self", "ctx", "name", "args", "tool", "run", "items")
    parameters = {"type": "object", "properties": {n: {"type": "string"} for n in names}}
    source = f"def slug({', '.join(f'{n}=None' for n in names)}): ..."
    spec = AgentSpec(
        name="desk", model="scripted", items=(code(source=source, parameters=parameters),)
    )
    at = bench()
    asked = Turn(calls=(ToolCallPart("slug", dict.fromkeys(names, "x")),))
    run = await attempt(spec, [asked, "ok"], at)
    assert calls(run)[0].result == sorted(names)


# --- identity ----------------------------------------------------------------------------------


def test_a_digest_is_of_behaviour_only():
    described = {**TWO_TEXTS, "properties": {**TWO_TEXTS["properties"]}}
    described["properties"]["text"] = {"type": "string", "description": "Words.", "title": "T"}
    same = [
        code(),
        code(name="other"),
        code(parameters=described),
        code(needs={}),
        code(needs={"level": "sandbox", "read": []}),
        replace(code(), provenance=Provenance(), protected=True),
    ]
    assert len({code_digest(item) for item in same}) == 1
    named = {"type": "object", "properties": {"title": {}, "description": {}}}
    other = [
        code(source=SLUG + "\n"),
        code(parameters=TEXT),
        code(needs={"level": "full"}),
        code(parameters=named),
        code(parameters={**named, "properties": {"title": {}}}),
    ]
    assert len({code_digest(item) for item in (code(), *other)}) == 6


def referring(definition, under="title", **beside):
    """A schema whose parameter is defined elsewhere, by default under what reads as a note."""
    text = {"$ref": f"#/$defs/a/{under}", **beside}
    return {"properties": {"text": text}, "$defs": {"a": {under: definition}}}


def test_a_digest_covers_what_is_enforced_behind_a_reference():
    only, any_text = {"enum": ["safe"]}, {"type": "string"}
    source = "def slug(text=''): ..."
    same = [
        code(source=source, parameters=schema)
        for schema in (
            referring(only),
            referring(only, under="x"),
            referring({**only, "description": "Only this."}),
            referring(only, title="T"),
            {"properties": {"text": only}},
            {"properties": {"text": {**only, "pattern": "shown, and not enforced"}}},
        )
    ]
    assert len({code_digest(item) for item in same}) == 1
    other = code(source=source, parameters=referring(any_text))
    assert code_digest(other) != code_digest(same[0])
    problems = [read_tool(item).parameters.problem({"text": "rm -rf"}) for item in (*same, other)]
    assert [problem is None for problem in problems] == [False] * 6 + [True]


@given(st.dictionaries(st.sampled_from(["type", "enum", "items"]), st.none(), max_size=2))
def test_a_schema_that_nothing_can_be_held_to_has_a_digest_of_its_own(part):
    bad = {"type": "object", "properties": {"text": {"$ref": "#/nowhere", **part}}}
    good = {"type": "object", "properties": {"text": {}}}
    assert code_digest(code(parameters=bad)) != code_digest(code(parameters=good))


def test_a_schema_that_is_a_reference_to_no_object_is_refused():
    odd = code(parameters={"$ref": "#/$defs/a", "$defs": {"a": [1]}})
    assert "must be a JSON schema of type 'object'" in Toolbox().inert([odd])["tool-slug"]


def test_a_chain_needs_what_its_tools_need():
    reads = code("reads", needs={"level": "restricted", "read": ["/a"], "write": ["/b"]})
    asks = code("asks", needs={"level": "full", "hosts": ["h:1"]})
    anyone = code("anyone", needs={"level": "full"})
    both = chain("both", step("reads"), step("asks"), step("find_order"), step("gone"))
    around = chain("around", step("both"), step("around"))
    tools = tools_by_name([reads, asks, anyone, both, around, *NATIVE])
    needed = Permissions(level=Level.FULL, read=("/a",), write=("/b",), hosts=("h:1",))
    assert needs_of(both, tools) == needs_of(around, tools) == needed
    assert needs_of(both) == needs_of(NATIVE[0]) == Permissions()
    wide = chain("wide", step("asks"), step("anyone"))
    assert needs_of(wide, tools).hosts == ()


def test_importing_tools_loads_nothing_heavy():
    heavy = "pydantic_ai pydantic jsonschema hypothesis pydantic_monty"
    program = f"import sys, strop.tools; print([m for m in {heavy!r}.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.split() == [b"[]"]
