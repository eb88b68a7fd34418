"""`strop review` and what people decide about tools: approve, deny, promote, demote, retire.

Next file: `cli/explaining.py`.
"""

from pathlib import Path
from typing import cast

from rich.console import RenderableType
from rich.text import Text

from strop.approvals import Decided, approve, demote, deny, promote
from strop.cli.output import block, clock, heading, show, text
from strop.cli.showing import find_spec
from strop.cli.standing import (
    code_of,
    facts_table,
    opened_grants,
    permissions_text,
    standing_facts,
)
from strop.cli.visible import visible
from strop.errors import UserMistake
from strop.grants import Grants
from strop.jsonvalue import Json
from strop.ladder_tools import Asked, LadderTool, find_tool, waiting
from strop.memories import retire
from strop.permission import Level
from strop.spec import AgentSpec, Item, Kind
from strop.tools import tools_by_name
from strop.tools.identity import body_kind
from strop.tools.ready import read_tool
from strop.tools.rendering import render_tool

__all__ = ["approve_tool", "deny_tool", "list_waiting", "move", "retire_tool"]

_WHY = {
    "grant": "it needs more than it is granted",
    "breaker": "its breaker is open",
}


def list_waiting(config: Path, *, as_json: bool) -> int:
    """What waits for a person."""
    with opened_grants(config) as grants:
        found = waiting(grants)
        release = grants.store.released()
        spec = None if release is None else grants.store.spec(release.spec)
        tools = {} if spec is None else tools_by_name(spec.items)
        value: dict[str, Json] = {
            "schema": "strop.review/1",
            "waiting": [_waiting_json(each, grants, tools) for each in found],
        }
        blocks: list[RenderableType] = [
            each for tool in found for each in _waiting_blocks(tool, grants, tools)
        ]
    if not found:
        blocks = [text("nothing waits for a person", "dim")]
    else:
        some = "one waits" if len(found) == 1 else f"{len(found)} wait"
        blocks.insert(0, block(text(f"{some} for a person", "bold"), left=0, top=0))
        blocks.insert(1, Text())
        blocks.append(
            text(
                "approving grants a tool what it needs; a proposed one still has to pass the gate",
                "dim",
            )
        )
    show(value, *blocks, as_json=as_json)
    return 0


def _waiting_json(tool: LadderTool, grants: Grants, tools: dict[str, Item]) -> dict[str, Json]:
    request = tool.standing.request
    body = {} if request is None else request.body
    return {
        "name": tool.name,
        "digest": tool.digest,
        "kind": body_kind(tool.item),
        "why": tool.waits,
        "reason": tool.standing.halted,
        "serves": tool.serves,
        "needs": tool.need.to_json(),
        "granted": tool.standing.permissions.to_json(),
        "by": body.get("by", tool.item.provenance.by),
        "findings": body.get("findings", []),
        "summary": body.get("summary", ""),
        "asked_at": None if request is None else request.at,
        "record": grants.store.use_record(tool.digest).to_json(),
        "item": tool.item.to_json(),
        "code": render_tool(tool.item, tools),
    }


def _waiting_blocks(
    tool: LadderTool, grants: Grants, tools: dict[str, Item]
) -> list[RenderableType]:
    request, origin = tool.standing.request, tool.item.provenance
    why = _WHY[str(tool.waits)]
    if tool.standing.halted is not None:
        why += f": {tool.standing.halted}"
    by = f"{origin.by}, {origin.trust.value}"
    facts = [("waits", why), *standing_facts(tool, grants)]
    facts.append(("by", by if request is None else f"{by}; asked for on {clock(request.at)}"))
    if request is not None:
        findings = cast("list[str]", request.body.get("findings") or [])
        facts.append(("findings", ", ".join(findings)))
        facts.append(("proposal", str(request.body.get("summary") or "")))
    facts.append(("from runs", str(len(origin.runs)) if origin.runs else ""))
    # By its digest, so that what is approved is what is read here.
    facts += [(word, f"strop review {word} {tool.label} --by WHO") for word in ("approve", "deny")]
    state = "serves" if tool.serves else "proposed"
    return [
        heading(visible(tool.name), f"{body_kind(tool.item)} tool, {state}, {tool.digest[:10]}"),
        block(text(visible(str(tool.item.content["description"])))),
        block(facts_table(facts), top=1),
        block(code_of(tool.item, tools), top=1),
        Text(),
    ]


# --- what people decide --------------------------------------------------------------------------


def approve_tool(
    config: Path, *, name: str, by: str, asked: Asked, reason: str, as_json: bool
) -> int:
    """Grant a tool what it asks for, or close its breaker."""
    with opened_grants(config) as grants:
        decided = approve(grants, name, by=by, asked=asked, reason=reason)
    tool = decided.tool
    after = (
        "it serves with that from now on"
        if tool.serves
        else "it has passed no gate yet: the next `strop improve` tries it"
    )
    closed = decided.entry.body.get("closes")
    said = visible(f"its breaker is closed ({closed})") if closed else ""
    return _show(decided, "approved", "green", said, after, as_json=as_json)


def deny_tool(config: Path, *, name: str, by: str, reason: str, as_json: bool) -> int:
    """Say no to a tool."""
    with opened_grants(config) as grants:
        decided = deny(grants, name, by=by, reason=reason)
    after = "it stays inert, and this code does not ask again"
    return _show(decided, "denied", "yellow", "", after, as_json=as_json)


def move(
    config: Path,
    *,
    name: str,
    up: bool,
    by: str,
    to: Level | None,
    reason: str,
    as_json: bool,
) -> int:
    """Grant a tool a higher or a lower level."""
    with opened_grants(config) as grants:
        decided = (promote if up else demote)(grants, name, by=by, to=to, reason=reason)
    lacks = decided.tool.lacks
    after = "it needs more than that, so it is inert" if lacks else "it may do all that it needs"
    did, style = ("promoted", "green") if up else ("demoted", "yellow")
    return _show(decided, did, style, "", after, as_json=as_json)


def _show(decided: Decided, did: str, style: str, said: str, after: str, *, as_json: bool) -> int:
    tool, entry = decided.tool, decided.entry
    value: dict[str, Json] = {
        "schema": "strop.decision/1",
        **decided.to_json(),
        "active": not tool.lacks and tool.standing.halted is None,
    }
    who = str(entry.body["by"]).partition(":")[2]
    when = "" if decided.fresh else f" already, by {who} on {clock(entry.at)}"
    first = Text.assemble(
        ("● ", style),
        (visible(tool.name), "bold"),
        visible(f" {did}{when}"),
        (f"  {tool.digest[:10]}", "dim"),
    )
    granted = permissions_text(tool.standing.permissions)
    blocks: list[RenderableType] = [first, block(text(visible(f"granted: {granted}")))]
    blocks += [block(text(said))] if said else []
    blocks.append(block(text(after, "dim")))
    show(value, *blocks, as_json=as_json)
    return 0


def retire_tool(config: Path, *, name: str, by: str, reason: str, as_json: bool) -> int:
    """Take a tool out of what serves."""
    with opened_grants(config) as grants:
        spec = find_spec(grants.store, "current")
        found = _served(grants, spec, name)
        item, release = retire(grants.store, found.id, by=by, reason=reason)
    callers = _callers(spec, item)
    value: dict[str, Json] = {
        "schema": "strop.release/1",
        **release.to_json(),
        "item": item.to_json(),
        "inert": list(callers),
    }
    blocks: list[RenderableType] = [
        Text.assemble(("●", "green"), (f" {release.spec[:10]}", "bold"), " serves without it"),
        block(text(visible(f"{item.content['name']}: {item.content['description']}"))),
    ]
    if callers:
        blocks.append(block(text(visible(f"inert without it: {', '.join(callers)}"), "yellow")))
    blocks.append(
        block(text("it will not be proposed again; `strop rollback` brings it back", "dim"))
    )
    show(value, *blocks, as_json=as_json)
    return 0


def _served(grants: Grants, spec: AgentSpec, name: str) -> Item:
    """The tool of a spec with this name, id or digest.

    Raises:
        UserMistake: There is none.
    """
    for item in spec.of_kind(Kind.TOOL):
        if name in (item.content["name"], item.id):
            return item
    found = find_tool(grants, name)
    if not found.serves:
        raise UserMistake(
            f"{found.name!r} does not serve, so there is nothing to take out; "
            f"`strop review deny {found.name} --by NAME` says no to it"
        )
    return found.item


def _callers(spec: AgentSpec, item: Item) -> tuple[str, ...]:
    """Names of the chains that call a tool."""
    found = []
    for each in spec.of_kind(Kind.TOOL):
        chain = read_tool(each).chain
        if chain is not None and item.content["name"] in chain.tools:
            found.append(str(each.content["name"]))
    return tuple(found)
