"""`strop transfer`: what another agent learned, held to this agent's gate.

Next file: `cli/reading.py`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from rich.console import RenderableType

from strop.bootstrap import LEVERS, Arrived, Bundles, Setting, arrive, refuse_unknown
from strop.cli.assembling import opened_agent
from strop.cli.bootstrapping import gate_runs
from strop.cli.improving import INCONCLUSIVE, cycle_blocks
from strop.cli.output import block, heading, show, table, text
from strop.cli.progress import shown_progress
from strop.config import load_config, store_url
from strop.cycle import Cycle
from strop.errors import BadInput, StropError, UserMistake
from strop.evaluation import Budget
from strop.heldout import HeldOut
from strop.jsonvalue import Json, digest
from strop.loops import hear_once
from strop.parts import Parts
from strop.settle import planned, settle
from strop.spec import AgentSpec, Item
from strop.store import open_store
from strop.task import Split

__all__ = ["Transfer", "transfer"]

_STORES = (".db", ".sqlite", ".sqlite3")
_LEFT, _NAMED = 10, 2  # reasons for leaving items out that are told, and items named for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What to bring from where.

    Attributes:
        source: A configuration or its folder, a store's URL, or an exported spec.
        agent: The agent's name in that store.
        levers: Only these, by comma.
        looks: Held-out looks per lever, at most.
    """

    source: str
    agent: str | None
    levers: str | None
    looks: int

    @property
    def wanted(self) -> tuple[str, ...]:
        """The levers by name."""
        if self.levers is None:
            return LEVERS
        return tuple(name.strip() for name in self.levers.split(",") if name.strip())


def transfer(config: Path, *, what: Transfer, budget: Budget, dry_run: bool, as_json: bool) -> int:
    """Propose what another agent learned; 0 when it was decided, 3 when it was not."""
    refuse_unknown(what.wanted)
    source = _spec_of(what)
    with opened_agent(config, needs=[Split.VALIDATION], will_run=not dry_run) as parts:
        spec = planned(parts.base, parts.store) if dry_run else settle(parts.base, parts.store)
        here = Setting(
            spec=spec,
            held_out=HeldOut.of(parts.tasks),
            categories=frozenset(t.category for t in parts.tasks if t.category is not None),
            folder=config.parent,
            now=parts.clock(),
        )
        arrived = arrive(source, here, levers=what.wanted)
        if dry_run:
            return _planned(parts, arrived, what.looks, as_json=as_json)
        # In shadow: kept, and shown to no task of production before it passed.
        parts.store.put_document("transfer", digest(arrived.to_json())[:16], arrived.to_json())
        cycle = _heard(parts, arrived, what.looks, budget)
        kept = _kept(arrived, parts.store.spec(cycle.spec))
    value: dict[str, Json] = {
        "schema": "strop.transfer/1",
        "from": {"agent": arrived.agent, "spec": arrived.spec},
        "arrived": _ids(arrived.items),
        "kept": _ids(kept),
        "refused": _ids(_refused(arrived, kept)),
        "left": [each.to_json() for each in arrived.left],
        "cycle": cycle.to_json(),
    }
    nothing = "nothing of it is new and fits here" if arrived.left else "that agent learned nothing"
    blocks = [
        _overview(arrived, kept),
        *_left(arrived),
        *cycle_blocks(cycle, nothing=nothing),
    ]
    show(value, *blocks, as_json=as_json)
    return INCONCLUSIVE if cycle.undecided else 0


def _heard(parts: Parts, arrived: Arrived, looks: int, budget: Budget) -> Cycle:
    """Each lever's items, all together, then by halves while looks are left."""
    proposers = []
    for lever, items in arrived.items.items():
        proposers += [Bundles(lever, items, agent=arrived.agent)] * looks
    with shown_progress() as progress:

        async def work() -> Cycle:
            with_theirs = replace(parts, proposers=tuple(proposers))
            return await hear_once(with_theirs, budget=budget, progress=progress)

        return anyio.run(work)


def _kept(arrived: Arrived, spec: AgentSpec) -> dict[str, tuple[Item, ...]]:
    """What of it serves now, by lever."""
    held = {item.id for item in spec.items}
    return {
        lever: tuple(item for item in items if item.id in held)
        for lever, items in arrived.items.items()
    }


def _refused(arrived: Arrived, kept: Mapping[str, Sequence[Item]]) -> dict[str, tuple[Item, ...]]:
    """What the gate did not take; the attempts say why."""
    return {
        lever: tuple(item for item in items if item not in kept[lever])
        for lever, items in arrived.items.items()
    }


def _ids(items: Mapping[str, Sequence[Item]]) -> dict[str, Json]:
    return {lever: [item.id for item in of] for lever, of in items.items()}


# --- where from ----------------------------------------------------------------------------------


def _spec_of(what: Transfer) -> AgentSpec:
    """The spec that another agent serves, or that it exported."""
    path = Path(what.source)
    if "://" in what.source or path.suffix in _STORES:
        if not what.agent:
            raise UserMistake("a store holds several agents; name one: --agent NAME")
        return _released(what.source, what.agent)
    if path.is_dir():
        path /= "strop.yaml"
    if path.suffix in (".yaml", ".yml"):
        found = load_config(path)
        return _released(store_url(found, path.parent), what.agent or found.name)
    return _exported(path)


def _released(url: str, agent: str) -> AgentSpec:
    """What serves in another agent's store; a store that is not there is not made."""
    shown = url.rpartition("@")[2]  # without a password
    if "://" not in url or url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        if not file.is_file():
            raise BadInput("there is no such store; nothing was learned there", where=shown)
    with open_store(url, agent=agent) as store:
        release = store.released()
        if release is None:
            raise BadInput(f"the agent {agent!r} has released nothing in this store", where=shown)
        return store.spec(release.spec)


def _exported(path: Path) -> AgentSpec:
    """The spec in a file that `strop export spec` wrote."""
    where = str(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=where) from None
    except UnicodeDecodeError:
        raise BadInput("not UTF-8; save the file as UTF-8", where=where) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}", where=where) from None
    try:
        return AgentSpec.from_json(value)
    except StropError as error:
        raise BadInput(f"not a spec: {error}", where=where) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        hint = "`strop export spec -o FILE` writes one"
        raise BadInput(f"not a spec ({problem}); {hint}", where=where) from None


# --- telling -------------------------------------------------------------------------------------


def _overview(arrived: Arrived, kept: Mapping[str, Sequence[Item]] | None) -> RenderableType:
    """By lever: what arrived, what serves now, what was left."""
    rows = []
    for lever in LEVERS:
        here = len(arrived.items.get(lever, ()))
        left = sum(1 for each in arrived.left if each.lever == lever)
        if here or left:
            serving = [] if kept is None else [str(len(kept.get(lever, ())))]
            rows.append([lever, str(here), *serving, str(left)])
    columns = ("lever", "proposed", *(() if kept is None else ("kept",)), "left out")
    if not rows:
        return heading(f"from {arrived.agent}", f"spec {arrived.spec[:10]} holds nothing to bring")
    return table(columns, rows, right=columns[1:])


def _left(arrived: Arrived) -> list[RenderableType]:
    """What was not taken along, by lever and reason."""
    if not arrived.left:
        return []
    by_reason: dict[tuple[str, str], list[str]] = {}
    for each in arrived.left:
        by_reason.setdefault((each.lever, each.reason), []).append(each.item)
    out: list[RenderableType] = [block(text("left out", "dim"), left=0, top=1)]
    for (lever, reason), items in list(by_reason.items())[:_LEFT]:
        some = ", ".join(items[:_NAMED]) + (", ..." if len(items) > _NAMED else "")
        out.append(block(text(f"{len(items)} of the {lever} ({some}): {reason}", "yellow")))
    if len(by_reason) > _LEFT:
        out.append(block(text("and others; --json lists all", "dim")))
    return out


def _planned(parts: Parts, arrived: Arrived, looks: int, *, as_json: bool) -> int:
    """What would be proposed, and the runs that it takes at most."""
    # Halves of one item are no further proposals.
    tries = sum(min(looks, 2 * len(items) - 1) for items in arrived.items.values())
    runs = gate_runs(parts, proposals=tries) if tries else 0
    value: dict[str, Json] = {
        "schema": "strop.transferplan/1",
        "from": {"agent": arrived.agent, "spec": arrived.spec},
        "arrived": _ids(arrived.items),
        "left": [each.to_json() for each in arrived.left],
        "gate": {"looks": tries, "runs": runs},
    }
    show(
        value,
        _overview(arrived, None),
        *_left(arrived),
        block(text(f"{runs} validation runs, at most, in {tries} looks"), left=0, top=1),
        text("nothing was run; leave out --dry-run to start", "dim"),
        as_json=as_json,
    )
    return 0
