"""`tool_server`: the tools of the released spec for any agent that speaks MCP.

Lists what the agent itself would be offered, and runs calls the same way: code in the sandbox under
what its record has earned, each call kept as a use. What is released or granted while the server
runs is in the next listing. It grants nothing by annotations: they are hints for the client.

Model Context Protocol, https://modelcontextprotocol.io/specification/2026-07-28/server/tools;
earlier clients are served too (the `mcp` package speaks both).

Next file: `demo/__init__.py`.
"""

from collections.abc import Mapping
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from strop.errors import ToolCallFailed, UserMistake
from strop.jsonvalue import Json, as_text, is_object
from strop.parts import Parts
from strop.permission import Level, Permissions
from strop.resolution import is_table
from strop.settle import settle
from strop.spec import AgentSpec, Item, Kind
from strop.tools import needs_of

__all__ = ["http_app", "serve_stdio", "tool_server"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def tool_server(parts: Parts) -> Server[Any]:
    """An MCP server over an agent's released tools.

    Args:
        parts: The agent.
    """

    def serving() -> dict[str, Item]:
        return _offered(settle(parts.base, parts.store), parts)

    async def list_tools(_ctx: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
        tools = serving()
        return ListToolsResult(tools=[_described(item, tools) for item in tools.values()])

    async def call_tool(_ctx: Any, params: CallToolRequestParams) -> CallToolResult:
        tools = serving()
        if params.name not in tools:
            there = ", ".join(tools) or "none"
            raise MCPError(
                INVALID_PARAMS, f"there is no tool {params.name!r}; the tools are: {there}"
            )
        args = cast("Mapping[str, Json]", params.arguments or {})
        try:
            value = await parts.toolbox.call(params.name, args, items=tuple(tools.values()))
        except ToolCallFailed as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        return _result(value)

    return Server(
        parts.base.name,
        instructions="Tools that this agent has learned, beside those it was given.",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def serve_stdio(parts: Parts) -> None:
    """Serve on standard input and output until the client closes them."""
    anyio.run(_over_stdio, tool_server(parts))


async def _over_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def http_app(parts: Parts, *, host: str) -> Any:
    """A Starlette application that serves MCP over streamable HTTP at ``/mcp``.

    Requests with another `Host` than this machine's are refused, so that no web page can reach it
    by rebinding a name.

    Args:
        parts: The agent.
        host: The address it will listen on.

    Raises:
        UserMistake: Another machine could reach it: there is nothing yet that tells callers apart.
    """
    if host not in _LOOPBACK:
        raise UserMistake(
            f"{host!r} can be reached from other machines, and callers are not told apart yet; "
            "serve on 127.0.0.1, behind a proxy that does"
        )
    return tool_server(parts).streamable_http_app(host=host, stateless_http=True)


def _offered(spec: AgentSpec, parts: Parts) -> dict[str, Item]:
    """The tools that may run as things are now, by name; a table answers tasks, not calls."""
    inert = parts.inert(spec)
    return {
        str(item.content["name"]): item
        for item in spec.of_kind(Kind.TOOL)
        if item.id not in inert and not is_table(item)
    }


def _described(item: Item, tools: Mapping[str, Item]) -> Tool:
    """A tool as MCP tells of it; what it may do is known for code and chains only."""
    content = item.content
    return Tool(
        name=str(content["name"]),
        description=str(content["description"]),
        input_schema=cast("dict[str, Any]", content["parameters"]),
        annotations=_hints(item, needs_of(item, tools)),
    )


def _hints(item: Item, need: Permissions) -> ToolAnnotations | None:
    """Hints about a tool that runs in the sandbox; about a native function nothing is known."""
    body = item.content["body"]
    if not is_object(body) or body.get("kind") != "code":
        return None
    return ToolAnnotations(
        read_only_hint=not need.write and need.level is not Level.FULL,
        destructive_hint=bool(need.write) or need.level is Level.FULL,
        open_world_hint=need.level is Level.FULL,
    )


def _result(value: Json) -> CallToolResult:
    """A result as text, and as it is where it is an object, which every client takes."""
    return CallToolResult(
        content=[TextContent(text=as_text(value))],
        structured_content=dict(value) if is_object(value) else None,
    )
