"""Where a tool stands, in words: permissions, records and code as `tools` and `review` show them.

Next file: `cli/visible.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.text import Text

from strop.approvals import told
from strop.cli.output import table, text
from strop.cli.visible import visible, visible_code
from strop.config import load_config, store_url
from strop.grants import Grants
from strop.jsonvalue import JsonObject
from strop.ladder_tools import LadderTool
from strop.permission import Level, Permissions
from strop.spec import AgentSpec, Item, Kind
from strop.store import open_store
from strop.tools import Toolbox
from strop.tools.identity import body_kind
from strop.tools.ladder import UseRecord
from strop.tools.rendering import render_tool

__all__ = [
    "Edits",
    "code_of",
    "edits_of",
    "facts_table",
    "inert_of",
    "opened_grants",
    "parameters_text",
    "permissions_text",
    "standing_facts",
]


@contextmanager
def opened_grants(path: Path) -> Iterator[Grants]:
    """The grants of the agent that the configuration at `path` describes."""
    config = load_config(path)
    with open_store(store_url(config, path.parent), agent=config.name) as store:
        yield Grants(store, config.ladder_policy)


def standing_facts(tool: LadderTool, grants: Grants) -> list[tuple[str, str]]:
    """Where a tool stands, and how it did, by name."""
    granted, word = tool.standing.permissions, tool.standing.word
    own = "nothing of its own: its steps' grants hold"
    facts = [
        ("needs", permissions_text(tool.need)),
        ("granted", own if tool.is_chain else permissions_text(granted)),
    ]
    if word is not None:
        facts.append(("said", told(word)))
    facts.append(("record", _record_text(grants.store.use_record(tool.digest))))
    if tool.standing.since:
        now = grants.use_record(tool.digest)
        said = f"{now.successes} of {now.uses} uses succeeded" if now.uses else "no uses"
        facts.append(("since step", said))
    return facts


def facts_table(facts: Sequence[tuple[str, str]]) -> RenderableType:
    """Facts by name, one a line; those that say nothing are left out."""
    rows: list[list[str | Text]] = [
        [text(name, "dim"), text(visible(said))] for name, said in facts if said
    ]
    out = table(("", ""), rows)
    out.show_header = False
    return out


def parameters_text(item: Item) -> str:
    """The parameters in one line: name, type, and whether it must be given."""
    schema = cast("JsonObject", item.content["parameters"])
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return ""
    needed = required if isinstance(required, list) else []
    parts = []
    for name, each in properties.items():
        kind = each.get("type", "anything") if isinstance(each, dict) else "anything"
        parts.append(f"{name}: {kind}" + ("" if name in needed else ", optional"))
    return "; ".join(parts) or "nothing"


def code_of(item: Item, tools: Mapping[str, Item]) -> RenderableType:
    """A tool's code, in the terminal's own colours."""
    code = visible_code(render_tool(item, tools)).rstrip("\n")
    return Syntax(code, "python", theme="ansi_dark", background_color="default", word_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """How the configuration's tools differ from those released: the next run brings them in line.

    Attributes:
        removed: Names of tools that serve and are no longer configured.
        added: ``module:function`` of those that are configured and do not serve yet.
    """

    removed: tuple[str, ...]
    added: tuple[str, ...]


def edits_of(config: Path, spec: AgentSpec) -> Edits:
    """By name alone: the project's code is not loaded to look."""
    native = [item for item in spec.of_kind(Kind.TOOL) if body_kind(item) == "native"]
    served = {str(cast("JsonObject", each.content["body"]).get("target")): each for each in native}
    named = [str(tool) for tool in load_config(config).tools]
    return Edits(
        removed=tuple(str(served[t].content["name"]) for t in served if t not in named),
        added=tuple(target for target in named if target not in served),
    )


def inert_of(grants: Grants, spec: AgentSpec, edits: Edits) -> dict[str, str]:
    """Why tools are not offered, by item id, as the next run finds them."""
    now = grants.as_of_now()
    gone = {
        item.id: "it is no longer in the configuration"
        for item in spec.of_kind(Kind.TOOL)
        if body_kind(item) == "native" and item.content["name"] in edits.removed
    }
    kept = [item for item in spec.items if item.id not in gone]
    return gone | Toolbox(granted=now.granted, halted=now.halted).inert(kept)


def permissions_text(given: Permissions) -> str:
    """Permissions in a few words."""
    parts = [f"level {given.level.value}"]
    parts += [f"reads {', '.join(given.read)}"] if given.read else []
    parts += [f"writes {', '.join(given.write)}"] if given.write else []
    if given.level is Level.FULL:
        parts.append(f"hosts {', '.join(given.hosts) or 'any'}")
    return "; ".join(parts)


def _record_text(record: UseRecord) -> str:
    """A record in a few words."""
    if record.rate is None or record.bound is None:
        told = "no uses"
    else:
        told = (
            f"{record.successes} of {record.uses} uses succeeded: {record.rate:.3f}, "
            f"the 95 % lower bound is {record.bound:.3f}"
        )
    kinds = ", ".join(f"{what} {count}" for what, count in record.by_what.items())
    return f"{told}; failures: {kinds}" if kinds else told
