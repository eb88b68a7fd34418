"""Tools as Python for people: snapshots, and chains that run as they read."""

import ast

import anyio
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from strop.chain import Chain, run_chain
from strop.spec import Item, Kind
from strop.tools import tools_by_name
from strop.tools.rendering import render_tool


def tool(name, body, parameters=None, description="Does it.", **more):
    return Item(
        id=f"tool-{name}",
        kind=Kind.TOOL,
        content={
            "name": name,
            "description": description,
            "parameters": parameters or {"type": "object", "properties": {}},
            "body": body,
            **more,
        },
    )


SLUG = '''
def slugged(text, sep="-"):
    """Words joined."""
    return sep.join(text.split())
'''


def test_code_is_shown_as_it_is_with_what_it_needs():
    needs = {"level": "full", "read": ["/srv/rates"], "hosts": ["example.com:443"]}
    item = tool("slug", {"kind": "code", "source": SLUG, "function": "slugged"}, needs=needs)
    assert render_tool(item) == snapshot(
        '''\
# needs level 'full'; reads /srv/rates; hosts example.com:443
# tool 'slug' calls 'slugged'
def slugged(text, sep="-"):
    """Words joined."""
    return sep.join(text.split())
'''
    )


CANCEL = tool(
    "cancel_everything",
    {
        "kind": "chain",
        "steps": [
            {"tool": "get_user", "args": {"user_id": {"param": "user_id"}}},
            {
                "tool": "get_order",
                "each": {"step": 0, "path": ["orders"]},
                "args": {"order_id": {"item": ["id"]}, "full": {"const": True}},
            },
            {
                "tool": "send_note",
                "args": {
                    "to": {"step": 0, "path": ["emails", -1]},
                    "text": {"text": ["Dear ", {"step": 0, "path": ["name"]}, ", it's over."]},
                    "about": {"object": {"orders": {"step": 1}, "why": {"param": "reason"}}},
                    "tags": {"list": [{"const": "end"}, {"param": "reason"}]},
                },
            },
        ],
        "returns": "all",
    },
    {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "default": "other"},
            "user_id": {"type": "string"},
            "note": {"type": ["string", "null"]},
        },
        "required": ["user_id"],
    },
    description='Cancels all\nof a user\'s "orders"',
)


def test_a_chain_is_shown_as_straight_code():
    needy = tool("get_user", {"kind": "code", "source": SLUG, "function": "slugged"})
    content = {**needy.content, "needs": {"level": "restricted"}}
    needy = Item(id=needy.id, kind=needy.kind, content=content)
    assert render_tool(CANCEL, tools_by_name([needy])) == snapshot(
        '''\
# needs level 'restricted'
def cancel_everything(user_id: str, reason: str = "other", note: object | None = None):
    """Cancels all
    of a user's "orders" """
    get_user_result = get_user(user_id=user_id)
    get_order_result = []
    for item in get_user_result["orders"]:
        get_order_result.append(get_order(order_id=item["id"], full=True))
    send_note_result = send_note(
        to=get_user_result["emails"][-1],
        text="Dear " + str(get_user_result["name"]) + ", it's over.",
        about={"orders": get_order_result, "why": reason},
        tags=["end", reason],
    )
    return {
        "get_user": get_user_result,
        "get_order": get_order_result,
        "send_note": send_note_result,
    }
'''
    )


def test_native_tools_tables_and_damaged_ones_are_shown_too():
    native = tool("find", {"kind": "native", "target": "shop:find"}, {"properties": {"n": {}}})
    table = tool("answers", {"kind": "table", "rows": 2})
    broken = tool("broken", {"kind": "chain", "steps": []})
    assert "".join(map(render_tool, (native, table, broken))) == snapshot(
        '''\
def find(n: object | None = None):
    """Does it."""
    return ...  # shop:find
# answers: Does it.
# {
#   "kind": "table",
#   "rows": 2
# }
# cannot be used: chain.steps: must be 1 to 16 steps
# {
#   "kind": "chain",
#   "steps": []
# }
'''
    )


def test_names_that_python_does_not_take_are_changed():
    steps = [{"tool": "get-it", "args": {"no.": {"param": "class"}}}]
    item = tool("2do", {"kind": "chain", "steps": steps}, {"properties": {"class": {}}})
    assert render_tool(item) == snapshot('''\
def _2do(class_: object | None = None):
    """Does it."""
    get_it_result = get_it(**{"no.": class_})
    return get_it_result
''')


# --- a rendered chain does what the chain does -------------------------------------------------

texts = st.text("ab\"'\\\n{é", max_size=4)
values = st.none() | st.booleans() | st.integers(-5, 5) | texts
PATHS = ([], ["list"], ["list", -1], ["list", 0], ["o", "k'e\"y"])


@st.composite
def expressions(draw, before, item, level=0):
    forms = ["const", "param", *(["step"] if before else []), *(["item"] if item else [])]
    form = draw(st.sampled_from([*forms, *(["text", "object", "list"] if level < 2 else [])]))
    inner = expressions(before, item, level + 1)
    match form:
        case "const":
            return {"const": draw(values)}
        case "param":
            return {"param": draw(st.sampled_from("xy")), "path": draw(st.sampled_from(PATHS))}
        case "step":
            steps = st.integers(0, before - 1)
            return {"step": draw(steps), "path": draw(st.sampled_from(PATHS[1:2]))}
        case "item":
            return {"item": []}
        case "text":
            words = texts | st.builds(lambda part: {"const": part}, texts)
            return {"text": draw(st.lists(words, max_size=3))}
        case "object":
            return {"object": draw(st.dictionaries(texts, inner, max_size=2))}
    return {"list": draw(st.lists(inner, max_size=2))}


@st.composite
def chains(draw):
    steps = []
    for number in range(draw(st.integers(1, 4))):
        each = draw(st.booleans()) and all("each" not in step for step in steps)
        names = draw(st.lists(st.sampled_from(["a", "b", "class"]), max_size=2, unique=True))
        # What goes through a list gives a list, which has no "list" in it: only the last may.
        args = {name: draw(expressions(number, each)) for name in names}
        step = {"tool": draw(st.sampled_from(["find", "send"])), "args": args}
        steps.append({**step, "each": {"param": "x", "path": ["list"]}} if each else step)
        if each:
            break
    return {"kind": "chain", "steps": steps, "returns": draw(st.sampled_from(["last", "all"]))}


PARAMS = {"x": {"list": [1, "a"], "o": {"k'e\"y": 2}}, "y": {"list": ["b"], "o": {"k'e\"y": None}}}


@given(chains())
def test_a_rendered_chain_does_what_the_chain_does(body):
    parameters = {"type": "object", "properties": {"x": {}, "y": {}}, "required": ["x", "y"]}
    source = render_tool(tool("whole", body, parameters, description='It\\s """odd"""'))
    ast.parse(source)

    def find(**args):
        return {"list": [sorted(args.items(), key=str)]}

    def send(**args):
        return {"list": [len(args), args]}

    async def call(name, args):
        return {"find": find, "send": send}[name](**args)

    scope = {"find": find, "send": send}
    exec(source, scope)  # a rendered chain of ours, in a test
    expected = anyio.run(run_chain, Chain.from_json(body), PARAMS, call)
    assert expected.failed is None, expected.error
    chain = Chain.from_json(body)
    whole = dict(zip(chain.names, expected.results, strict=True))
    got = scope["whole"](**PARAMS)
    assert got == (whole if chain.returns == "all" else expected.results[-1])
