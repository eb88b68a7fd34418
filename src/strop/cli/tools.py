"""`strop tools list` and `show`: what tools are, what they need and have, and how they did.

Next file: `cli/trying.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from rich.console import RenderableType
from rich.text import Text

from strop.approvals import told
from strop.cli.output import NONE, block, clock, counted, heading, points, show, table, text
from strop.cli.showing import find_spec
from strop.cli.standing import (
    Edits,
    code_of,
    edits_of,
    facts_table,
    inert_of,
    opened_grants,
    parameters_text,
    permissions_text,
    standing_facts,
)
from strop.cli.visible import visible
from strop.grants import Grants, laddered
from strop.jsonvalue import Json, JsonObject
from strop.ladder_tools import LadderTool, find_tool, ladder_tools, waiting
from strop.permission import Permissions
from strop.release import LedgerEntry
from strop.spec import AgentSpec, Item, Kind
from strop.standing import KINDS
from strop.store import Store
from strop.tools import tools_by_name
from strop.tools.identity import body_kind
from strop.tools.rendering import render_tool
from strop.tools.uses import Use

__all__ = ["list_tools", "show_tool"]

_USES = 5  # newest failures that people are shown
_RUNS = 12  # runs that people are shown
_LONG = 160  # characters of a reason in a list


# --- list ----------------------------------------------------------------------------------------


def list_tools(config: Path, *, as_json: bool) -> int:
    """The tools of what serves."""
    with opened_grants(config) as grants:
        spec = find_spec(grants.store, "current")
        by_item = {each.item.id: each for each in ladder_tools(grants) if each.serves}
        edits = edits_of(config, spec)
        inert = inert_of(grants, spec, edits)
        tools = [
            _tool_json(item, by_item.get(item.id), grants, inert)
            for item in spec.of_kind(Kind.TOOL)
        ]
        asked = len(waiting(grants))
    value: dict[str, Json] = {
        "schema": "strop.tools/1",
        "spec": spec.id,
        "tools": tools,
        "removed": list(edits.removed),
        "added": list(edits.added),
        "waiting": asked,
    }
    show(value, *_list_blocks(spec, tools, asked, edits), as_json=as_json)
    return 0


def _tool_json(
    item: Item, placed: LadderTool | None, grants: Grants, inert: Mapping[str, str]
) -> dict[str, Json]:
    """A tool that serves, and where it stands; what nobody knows of it is null."""
    reason = _why_inert(placed, inert.get(item.id))
    value: dict[str, Json] = {
        "id": item.id,
        "name": str(item.content["name"]),
        "kind": body_kind(item),
        "state": "inert" if reason else "active",
        "reason": reason,
        "digest": None,
        "needs": None,
        "granted": None,
        "level": None,
        "record": None,
        "since_step": None,
    }
    if placed is None:
        return value
    level = None if reason else placed.need.level.value
    return value | {
        "digest": placed.digest,
        "needs": placed.need.to_json(),
        "granted": None if placed.is_chain else placed.standing.permissions.to_json(),
        "level": level,
        "record": grants.store.use_record(placed.digest).to_json(),
        "since_step": grants.use_record(placed.digest).to_json(),
    }


def _why_inert(placed: LadderTool | None, reason: str | None) -> str | None:
    """Why a tool is not offered: what a person said comes before what the toolbox sees."""
    if reason is None or placed is None or placed.standing.word is None or not placed.lacks:
        return reason
    return f"it needs {permissions_text(placed.need)}; {told(placed.standing.word)}"


def _list_blocks(
    spec: AgentSpec, tools: Sequence[JsonObject], asked: int, edits: Edits
) -> list[RenderableType]:
    out: list[RenderableType] = [heading(counted(len(tools), "tool"), f"spec {spec.short_id}")]
    rows: list[list[str | Text]] = []
    reasons: list[RenderableType] = []
    for tool in tools:
        inert = tool["state"] == "inert"
        state = text(tool["state"], "yellow" if inert else "green")
        record = cast("JsonObject | None", tool["record"]) or {}
        uses = record.get("uses")
        rows.append(
            [
                text(visible(str(tool["name"])), "bold"),
                visible(str(tool["kind"])),
                _level_of(tool["needs"]),
                _level_of(tool["granted"]),
                NONE if uses is None else str(uses),
                points(cast("float | None", record.get("rate"))),
                points(cast("float | None", record.get("bound"))),
                state,
            ]
        )
        if inert:
            reasons.append(_reason(str(tool["name"]), str(tool["reason"])))
    columns = ("tool", "kind", "needs", "granted", "uses", "rate", "bound", "state")
    if rows:
        out.append(block(table(columns, rows, right=columns[4:7]), left=0, top=1))
    if reasons:
        out += [block(text("inert, so the agent serves without them", "dim"), left=0, top=1)]
        out += reasons
    out.append(block(text(_FOOT, "dim"), left=0, top=1))
    if edits.added:
        joins = f"the next run adds {', '.join(edits.added)}, which the configuration names"
        out.append(block(text(visible(joins), "yellow"), left=0))
    if asked:
        out.append(block(text(f"{asked} waiting for a person: `strop review`", "yellow"), left=0))
    return out


_FOOT = (
    "rate: share of the uses that succeeded; bound: the 95 % lower bound of that. "
    "Native tools are yours; a chain has no code and no grant of its own."
)


def _reason(name: str, reason: str) -> Text:
    """Why a tool is inert, in a line or two."""
    if len(reason) > _LONG:
        short = "it needs more" if reason.startswith("it needs ") else f"{reason[:_LONG]}..."
        reason = f"{short}; see `strop tools show {name}`"
    return Text.assemble((f"{visible(name)}  ", "bold"), visible(reason))


def _level_of(value: Json) -> str:
    return NONE if value is None else str(cast("JsonObject", value)["level"])


# --- show ----------------------------------------------------------------------------------------


def show_tool(config: Path, *, name: str, as_json: bool) -> int:
    """All about one tool, whether it serves or was asked for."""
    with opened_grants(config) as grants:
        store = grants.store
        spec = find_spec(store, "current")
        item, placed = _find(grants, spec, name)
        tools = tools_by_name(spec.items)
        inert = inert_of(grants, spec, edits_of(config, spec))
        about = _tool_json(item, placed, grants, inert)
        if placed is not None and not placed.serves:
            about |= {"state": "asked for", "reason": None, "level": None}
        history = [] if placed is None else _history(store, placed.digest)
        used = () if placed is None else store.uses(placed.digest, limit=100)
        facts = [] if placed is None else standing_facts(placed, grants)
    value: dict[str, Json] = {
        "schema": "strop.tool/1",
        "spec": spec.id,
        **about,
        "item": item.to_json(),
        "code": render_tool(item, tools),
        "history": [entry.to_json() for entry in history],
        "failures": [use.to_json() for use in used if not use.ok],
    }
    blocks = [
        heading(visible(f"{body_kind(item)} tool {item.content['name']}"), visible(item.id)),
        block(text(visible(str(item.content["description"]))), top=1),
        block(_about(item, about, facts), top=1),
        block(code_of(item, tools), top=1),
        *_failures([use for use in used if not use.ok]),
        *_history_blocks(history),
    ]
    show(value, *blocks, as_json=as_json)
    return 0


def _find(grants: Grants, spec: AgentSpec, name: str) -> tuple[Item, LadderTool | None]:
    """A tool by name, id or digest; one of the user's own has no place on the ladder.

    Raises:
        UserMistake: There is none, or several.
    """
    own = [i for i in spec.of_kind(Kind.TOOL) if not laddered(i)]
    for item in own:
        if name in (item.id, item.content["name"]):
            return item, None
    placed = find_tool(grants, name)
    return placed.item, placed


def _about(item: Item, about: JsonObject, standing: list[tuple[str, str]]) -> RenderableType:
    origin = item.provenance
    runs = ", ".join(run[:10] for run in origin.runs[:_RUNS])
    more = len(origin.runs) - _RUNS
    return facts_table(
        [
            ("state", str(about["state"]) + (f": {about['reason']}" if about["reason"] else "")),
            *standing,
            ("by", f"{origin.by}, {origin.trust.value}"),
            ("from runs", runs + (f" and {more} more" if more > 0 else "")),
            ("takes", parameters_text(item)),
            ("digest", str(about["digest"] or "")),
        ]
    )


def _failures(uses: Sequence[Use]) -> list[RenderableType]:
    if not uses:
        return []
    rows: list[list[str | Text]] = [
        [clock(use.at), visible(str(use.what)), text(visible(use.message or ""))]
        for use in uses[:_USES]
    ]
    return [block(table(("failed", "kind", "why"), rows), top=1)]


def _history(store: Store, digest: str) -> list[LedgerEntry]:
    """What the ledger says of a tool's code, oldest first."""
    entries = (entry for entry, _ in store.ledger(kinds=KINDS))
    return [entry for entry in entries if entry.body.get("digest") == digest]


def _history_blocks(history: Sequence[LedgerEntry]) -> list[RenderableType]:
    if not history:
        return []
    rows: list[list[str | Text]] = []
    for entry in history:
        body = entry.body
        to = body.get("to")
        went = permissions_text(Permissions.from_json(cast("JsonObject", to))) if to else ""
        why = str(body.get("reason") or body.get("summary") or "")
        closed = "breaker closed" if body.get("closes") else ""
        said = "; ".join(each for each in (closed, went, why) if each)
        rows.append([clock(entry.at), entry.kind, visible(str(body["by"])), text(visible(said))])
    return [block(table(("ledger", "what", "by", "to, why"), rows), top=1)]
