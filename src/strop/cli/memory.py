"""`strop memory list`, `show` and `retire`: what the agent remembers, why, and out with it.

Next file: `cli/standing.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rich.console import RenderableType
from rich.text import Text

from strop.cli.opening import opened_store
from strop.cli.output import NONE, block, clock, heading, points, show, table, text
from strop.cli.showing import find_spec
from strop.jsonvalue import Json, as_text
from strop.memories import (
    NEWEST,
    Use,
    evidence_of,
    find_item,
    memories_of,
    retire,
    type_of,
    uses,
)
from strop.run import ScoredRun
from strop.spec import AgentSpec, Item, Kind

__all__ = ["list_memories", "retire_memory", "show_memory"]

_RUNS = 12  # runs that people are shown


def list_memories(config: Path, *, only: str | None, as_json: bool) -> int:
    """The memories and heuristics of what serves."""
    with opened_store(config) as store:
        spec = find_spec(store, "current")
        items = memories_of(spec, only=only)
        used = uses(store, items)
    value: dict[str, Json] = {
        "schema": "strop.memories/1",
        "spec": spec.id,
        "looked_at": NEWEST,
        "items": [
            {**item.to_json(), "type": type_of(item), "use": used[item.id].to_json()}
            for item in items
        ],
    }
    show(value, *_list_blocks(spec, items, used, only), as_json=as_json)
    return 0


def _list_blocks(
    spec: AgentSpec, items: Sequence[Item], used: dict[str, Use], only: str | None
) -> list[RenderableType]:
    what = only or "memories and heuristics"
    out: list[RenderableType] = [heading(f"{len(items)} {what}", f"spec {spec.short_id}")]
    if not items:
        out.append(text("`strop improve` learns some where runs show any", "dim"))
        return out
    rows: list[list[str | Text]] = []
    for item in items:
        use = used[item.id]
        first = text(_one_line(item.text))
        rows.append(
            [
                type_of(item),
                str(len(item.provenance.runs)),
                str(len(use.runs)),
                points(use.mean),
                first,
            ]
        )
        rows.append(["", "", "", "", text("  ".join(_marks(item)), "dim")])
    columns = ("type", "from", "shown", "score", "text")
    out.append(block(table(columns, rows, right=columns[1:4]), left=0, top=1))
    told = "from: the runs behind it; shown, score: in the newest runs, the sealed test left out"
    out.append(block(text(told, "dim"), left=0, top=1))
    return out


def _marks(item: Item) -> list[str]:
    """What else is to be said of an item, briefly."""
    out = [item.id, item.provenance.trust.value]
    categories = cast("Sequence[str]", item.content.get("categories") or ())
    if categories:
        out.append("for " + ", ".join(categories))
    if "when" in item.content:
        out.append("when similar")
    if item.content.get("pinned"):
        out.append("pinned")
    expires = item.content.get("expires")
    if isinstance(expires, int | float):
        out.append(f"until {clock(float(expires))[:10]}")
    if item.protected:
        out.append("protected")
    return out


def _one_line(given: str) -> str:
    return " ".join(given.split())


# --- show ------------------------------------------------------------------------------------


def show_memory(config: Path, *, name: str, as_json: bool) -> int:
    """All about one item."""
    with opened_store(config) as store:
        spec = find_spec(store, "current")
        item = find_item(spec, name)
        use = uses(store, [item])[item.id]
        evidence = evidence_of(store, item)
        origin = store.released()
        configured = origin is not None and item.id in {
            each.id for each in store.spec(origin.origin).items
        }
    value: dict[str, Json] = {
        "schema": "strop.memory/1",
        "spec": spec.id,
        "item": item.to_json(),
        "type": type_of(item),
        "configured": configured,
        "use": {**use.to_json(), "runs": list(use.runs)},
        "evidence": [
            {
                "run": run_id,
                "here": scored is not None,
                "task": _task(scored),
                "score": _value(scored),
            }
            for run_id, scored in evidence
        ],
    }
    blocks = [
        heading(f"{type_of(item)} {item.id}"),
        block(text(_whole(item)), top=1),
        block(_about(item, use, configured=configured), top=1),
        *_evidence(evidence),
    ]
    show(value, *blocks, as_json=as_json)
    return 0


def _task(scored: ScoredRun | None) -> str | None:
    return None if scored is None else scored.run.task


def _value(scored: ScoredRun | None) -> float | None:
    return None if scored is None else scored.value


def _whole(item: Item) -> str:
    if "text" in item.content:
        return item.text
    if item.kind is Kind.EXAMPLE:
        return f"{as_text(item.content['input'])}\n→ {as_text(item.content['output'])}"
    return f"{item.content['name']}: {item.content['description']}"


def _about(item: Item, use: Use, *, configured: bool) -> RenderableType:
    content, origin = item.content, item.provenance
    expires = content.get("expires")
    facts = [
        ("by", origin.by + (" (corrected)" if origin.corrected else "")),
        ("trust", origin.trust.value),
        ("categories", ", ".join(cast("Sequence[str]", content.get("categories") or ()))),
        ("found by", _found_by(item)),
        ("speaks of", ", ".join(cast("Sequence[str]", content.get("touches") or ()))),
        ("expires", clock(float(expires)) if isinstance(expires, int | float) else ""),
        ("pinned", "every task sees it" if content.get("pinned") else ""),
        ("configured", "in the configuration, which is where to change it" if configured else ""),
        ("shown", f"in {len(use.runs)} runs, mean score {points(use.mean)}"),
    ]
    rows: list[list[str | Text]] = [[text(name, "dim"), said] for name, said in facts if said]
    out = table(("", ""), rows)
    out.show_header = False
    return out


def _found_by(item: Item) -> str:
    given = item.content.get("when" if item.kind is Kind.HEURISTIC else "about")
    texts = [given] if isinstance(given, str) else list(cast("Sequence[str]", given or ()))
    shown = "; ".join(_one_line(each)[:80] for each in texts[:3])
    return shown + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")


def _evidence(evidence: Sequence[tuple[str, ScoredRun | None]]) -> list[RenderableType]:
    if not evidence:
        return [block(text("no run stands behind it", "dim"), top=1)]
    rows: list[list[str | Text]] = []
    for run_id, scored in evidence[:_RUNS]:
        if scored is None:
            rows.append([text(run_id[:40]), NONE, NONE, text("not in this store", "dim")])
        else:
            asked = _one_line(as_text(scored.run.input))[:100]
            rows.append([run_id[:10], points(scored.value), scored.run.task, text(asked)])
    out: list[RenderableType] = [
        block(table(("run", "score", "task", "input"), rows, right=("score",)), top=1)
    ]
    if len(evidence) > _RUNS:
        out.append(block(text(f"and {len(evidence) - _RUNS} more; --json lists all", "dim")))
    return out


# --- retire ----------------------------------------------------------------------------------


def retire_memory(config: Path, *, name: str, by: str, reason: str, as_json: bool) -> int:
    """Take an item out of what serves."""
    with opened_store(config) as store:
        item, release = retire(store, name, by=by, reason=reason)
    show(
        {"schema": "strop.release/1", **release.to_json(), "item": item.to_json()},
        Text.assemble(("●", "green"), (f" {release.spec[:10]}", "bold"), " serves without it"),
        block(text(_one_line(_whole(item)))),
        block(text("it will not be proposed again; `strop rollback` brings it back", "dim")),
        as_json=as_json,
    )
    return 0
