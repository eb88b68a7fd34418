"""`strop tools test`: a code tool tried in the sandbox, on what runs recorded and on made-up input.

Next file: `cli/review.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from rich.console import RenderableType

from strop.cli.output import block, heading, note, show, text
from strop.cli.standing import opened_grants, permissions_text
from strop.errors import UserMistake
from strop.jsonvalue import Json, JsonObject, canonical, is_object
from strop.ladder_tools import LadderTool, find_tool
from strop.sandbox.resolve import best_sandbox
from strop.spec import Item
from strop.store import Store
from strop.tools.identity import body_kind
from strop.tools.validation import Instance, Validation, validate

__all__ = ["recorded_of", "try_tool"]


def try_tool(config: Path, *, name: str, generated: int, seed: int, as_json: bool) -> int:
    """Try a tool; 1 when something went wrong."""
    with opened_grants(config) as grants:
        tool = _code_tool(find_tool(grants, name))
        recorded = tuple(recorded_of(grants.store, tool.item))
    granted = tool.standing.permissions
    # As it would serve, or as a new tool where it may not: what it lacks then shows.
    permissions = granted.narrowed(tool.need) if not tool.lacks else granted
    sandbox = best_sandbox()
    note(
        f"trying {tool.name} in {sandbox.name} with {permissions_text(permissions)}: "
        f"{len(recorded)} recorded calls, {generated} made up"
    )
    try:
        found = validate(
            tool.item,
            recorded,
            sandbox=sandbox,
            permissions=permissions,
            generated=generated,
            seed=seed,
        )
    finally:
        sandbox.close()
    value: dict[str, Json] = {
        "schema": "strop.validation/1",
        "tool": tool.name,
        "digest": tool.digest,
        "sandbox": sandbox.name,
        "permissions": permissions.to_json(),
        "recorded": len(recorded),
        "ok": found.ok,
        **found.to_json(),
    }
    show(value, *_blocks(tool, found, len(recorded)), as_json=as_json)
    return 0 if found.ok else 1


def recorded_of(store: Store, item: Item) -> Iterator[Instance]:
    """The calls that the findings behind a tool recorded, each once."""
    body, seen = canonical(item.content["body"]), set()
    for _, finding in store.documents("finding"):
        data = finding.get("data")
        tool = data.get("tool") if is_object(data) else None
        if not is_object(tool) or canonical(tool.get("body")) != body:
            continue
        for each in cast("list[JsonObject]", cast("JsonObject", data).get("instances") or []):
            args = each.get("args")
            if is_object(args) and canonical(args) not in seen:
                seen.add(canonical(args))
                yield Instance(args=args, result=each.get("result"), known="result" in each)


def _code_tool(tool: LadderTool) -> LadderTool:
    if body_kind(tool.item) != "code":
        raise UserMistake(
            f"{tool.name!r} is a chain, which only calls other tools; test those that are code"
        )
    return tool


def _blocks(tool: LadderTool, found: Validation, recorded: int) -> list[RenderableType]:
    told = [f"{found.tried} different arguments tried"]
    if recorded:
        told.append(f"{found.agreed} recorded results given again")
    if found.declined:
        told.append(f"{found.declined} made-up arguments refused, as it may")
    mark, style = ("✓", "green") if found.ok else ("✗", "red")
    said = "works" if found.ok else "does not do what it should"
    out: list[RenderableType] = [
        text(f"{mark} {tool.name} {said}", f"bold {style}"),
        block(text("; ".join(told), "dim")),
    ]
    out += [block(heading(failure.check, failure.message)) for failure in found.failures]
    if tool.lacks:
        need = permissions_text(tool.need)
        out.append(block(text(f"tried with less than it needs, which is {need}", "yellow")))
    if not recorded:
        out.append(block(text("no finding in the store holds calls of it", "dim")))
    return out
