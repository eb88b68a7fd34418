"""The released tools over MCP: in process, over HTTP on loopback and over a real `strop mcp`."""

import socket
import sys
import threading

import anyio
import pytest
import uvicorn
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from strop import SelfImprovingAgent
from strop.errors import UserMistake
from strop.permission import Level, Permissions
from strop.release import Action, Release
from strop.serving import http_app, tool_server
from strop.settle import settle
from strop.spec import Add, Item, Kind, Provenance, Trust, apply
from strop.tools import code_digest

pytestmark = pytest.mark.anyio

CONFIG = """
name: stockroom
model: test
tools: ["shelves:shelf_of"]
scorer: exact
embedder: static
"""
SHELVES = '''
def shelf_of(thing: str) -> str:
    """The shelf where a thing lies."""
    print("looking for", thing)
    return {"bolt": "A1", "nut": "A2"}[thing]
'''


def tool(name, body, *, description="Adds.", params=("a", "b"), **more):
    parameters = {
        "type": "object",
        "properties": {p: {"type": "integer" if name == "add" else "string"} for p in params},
        "required": list(params),
        "additionalProperties": False,
    }
    return Item(
        id=f"tool-{name}",
        kind=Kind.TOOL,
        content={
            "name": name,
            "description": description,
            "parameters": parameters,
            "body": body,
            **more,
        },
        provenance=Provenance(by="mined:snippets", trust=Trust.EVIDENCE),
    )


ADD = tool(
    "add",
    {
        "kind": "code",
        "source": 'def add(a, b):\n    """Add."""\n    return {"sum": a + b}\n',
        "function": "add",
        "imports": [],
    },
)
FETCH = tool(
    "fetch",
    {
        "kind": "code",
        "source": 'def fetch(a):\n    """Fetch."""\n    return a\n',
        "function": "fetch",
        "imports": [],
    },
    params=("a",),
    needs=Permissions(level=Level.FULL, hosts=("example.org:443",)).to_json(),
)
CHAIN = tool(
    "both_shelves",
    {
        "kind": "chain",
        "steps": [
            {"tool": "shelf_of", "args": {"thing": {"param": "a"}}},
            {"tool": "shelf_of", "args": {"thing": {"param": "b"}}},
        ],
        "returns": "all",
    },
    description="Two shelves at once.",
)


@pytest.fixture
def agent(tmp_path, monkeypatch):
    (tmp_path / "shelves.py").write_text(SHELVES)
    (tmp_path / "strop.yaml").write_text(CONFIG)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shelves", raising=False)
    with SelfImprovingAgent(tmp_path / "strop.yaml") as agent:
        release(agent.parts, ADD, FETCH, CHAIN)
        yield agent


def release(parts, *items):
    spec = settle(parts.base, parts.store)
    grown = apply(spec, [Add(item=item) for item in items])
    parts.store.append_release(
        Release(
            spec=grown.id,
            previous=spec.id,
            origin=parts.base.id,
            action=Action.PROMOTE,
            summary="tools",
            by="gate",
        ),
        grown,
    )


async def test_lists_what_the_agent_would_be_offered(agent):
    async with Client(tool_server(agent.parts)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"shelf_of", "add", "both_shelves"}  # `fetch` waits for its grant
    assert tools["add"].input_schema["required"] == ["a", "b"]
    assert tools["add"].annotations.read_only_hint is True
    assert tools["add"].annotations.open_world_hint is False
    assert tools["shelf_of"].annotations is None  # nobody knows what a function does
    assert tools["shelf_of"].description == "The shelf where a thing lies."


async def test_calls_run_and_are_kept_as_uses(agent):
    async with Client(tool_server(agent.parts)) as client:
        added = await client.call_tool("add", {"a": 2, "b": 40})
        shelves = await client.call_tool("both_shelves", {"a": "bolt", "b": "nut"})
        wrong = await client.call_tool("add", {"a": "two", "b": 40})
        failed = await client.call_tool("both_shelves", {"a": "bolt", "b": "spoon"})
        with pytest.raises(MCPError, match="no tool 'fetch'"):
            await client.call_tool("fetch", {"a": "x"})
    assert added.structured_content == {"sum": 42}
    assert shelves.structured_content == {"shelf_of": "A1", "shelf_of_2": "A2"}
    assert wrong.is_error
    assert "was not called" in wrong.content[0].text
    assert failed.is_error
    assert "spoon" in failed.content[0].text
    uses = agent.parts.grants.use_record(code_digest(ADD))
    assert (uses.uses, uses.successes) == (1, 1)
    chained = agent.parts.grants.use_record(code_digest(CHAIN))
    assert (chained.uses, chained.successes) == (1, 1)  # a step that fails is not the chain's fault


async def test_what_is_granted_meanwhile_is_in_the_next_listing(agent):
    from strop.approvals import approve

    async with Client(tool_server(agent.parts)) as client:
        before = {tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools}
        approve(agent.parts.grants, "fetch", by="ann")
        after = {tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools}
        fetched = await client.call_tool("fetch", {"a": "x"})
    assert after - before == {"fetch"}
    assert fetched.content[0].text == "x"


async def test_over_http_on_loopback(agent):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = http_app(agent.parts, host="127.0.0.1")
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="on")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        with anyio.fail_after(20):
            while not server.started:  # noqa: ASYNC110 - a flag is all that uvicorn sets
                await anyio.sleep(0.02)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            result = await client.call_tool("add", {"a": 1, "b": 1})
        assert result.structured_content == {"sum": 2}
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def test_no_other_machine_is_served(agent):
    with pytest.raises(UserMistake, match="callers are not told apart yet"):
        http_app(agent.parts, host="0.0.0.0")


async def test_strop_mcp_over_standard_input_and_output(agent, tmp_path):
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "strop.cli", "mcp"], cwd=str(tmp_path)
    )
    async with Client(command) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        # What the function prints goes to stderr, not between the protocol's lines.
        found = await client.call_tool("shelf_of", {"thing": "nut"})
        added = await client.call_tool("add", {"a": 20, "b": 3})
    assert names == {"shelf_of", "add", "both_shelves"}
    assert found.content[0].text == "A2"
    assert added.structured_content == {"sum": 23}
