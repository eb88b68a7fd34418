"""What an agent remembers, what each item did so far, and a person's taking one out.

A count and a mean score are no proof of worth: an item is shown where it fits, and easy tasks may
be where it fits. They say where to look.

Next file: `config.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from strop.errors import ChangeRefused, UserMistake
from strop.jsonvalue import Json
from strop.release import Action, Release
from strop.run import ScoredRun
from strop.spec import AgentSpec, Item, Kind, Remove, apply
from strop.store import Store
from strop.task import Split

__all__ = [
    "NEWEST",
    "TYPES",
    "Use",
    "evidence_of",
    "find_item",
    "memories_of",
    "retire",
    "type_of",
    "uses",
]

TYPES = ("lesson", "fact", "preference", "heuristic")
NEWEST = 5_000
"""Runs of each split that are looked through for where an item was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Where an item was shown.

    Attributes:
        runs: Ids of the runs that saw it, oldest first.
        scores: The scores of those that have one.
    """

    runs: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def mean(self) -> float | None:
        """Mean score; `None` where no run that saw it has one."""
        return fmean(self.scores) if self.scores else None

    def to_json(self) -> dict[str, Json]:
        return {"shown": len(self.runs), "scored": len(self.scores), "score": self.mean}


def type_of(item: Item) -> str:
    """``lesson``, ``fact``, ``preference`` or ``heuristic``; of other items, their kind."""
    if item.kind is Kind.MEMORY:
        return str(item.content.get("type") or "lesson")
    return item.kind.value


def memories_of(spec: AgentSpec, *, only: str | None = None) -> tuple[Item, ...]:
    """The memories and heuristics of a spec, by type, in the spec's order.

    Args:
        spec: The agent.
        only: Of this type only.

    Raises:
        UserMistake: There is no such type.
    """
    if only is not None and only not in TYPES:
        raise UserMistake(f"there is no type {only!r}; the types are {', '.join(TYPES)}")
    items = [item for item in spec.items if item.kind in (Kind.MEMORY, Kind.HEURISTIC)]
    order = {name: at for at, name in enumerate(TYPES)}
    items.sort(key=lambda item: order.get(type_of(item), len(order)))
    return tuple(item for item in items if only is None or type_of(item) == only)


def find_item(spec: AgentSpec, name: str) -> Item:
    """The item with this id, or with an id that begins with it, with or without its kind.

    Raises:
        UserMistake: There is none, or several.
    """
    found = [item for item in spec.items if item.id == name]
    if not found and name:
        found = [
            item
            for item in spec.items
            if item.id.startswith(name) or item.id.rpartition("-")[2].startswith(name)
        ]
    if not found:
        raise UserMistake(
            f"spec {spec.short_id} has no item {name!r}; `strop memory list` shows what it has"
        )
    if len(found) > 1:
        some = ", ".join(item.id for item in found[:4])
        raise UserMistake(f"{len(found)} items begin with {name!r} ({some}); give more of the id")
    return found[0]


def uses(store: Store, items: Iterable[Item]) -> dict[str, Use]:
    """Where each item was shown, by its id, in one pass over the newest runs.

    The sealed test split is left out.
    """
    wanted = {item.id for item in items}
    runs: dict[str, list[str]] = {item_id: [] for item_id in wanted}
    scores: dict[str, list[float]] = {item_id: [] for item_id in wanted}
    for split in (Split.TRAIN, Split.VALIDATION, Split.PRODUCTION) if wanted else ():
        for scored in store.runs(split=split, limit=NEWEST):
            for item_id in wanted.intersection(scored.run.shown):
                runs[item_id].append(scored.run.id)
                if scored.value is not None:
                    scores[item_id].append(scored.value)
    return {i: Use(runs=tuple(runs[i]), scores=tuple(scores[i])) for i in sorted(wanted)}


def evidence_of(store: Store, item: Item) -> tuple[tuple[str, ScoredRun | None], ...]:
    """The runs that an item was made from; `None` for those that are not in this store."""
    found: list[tuple[str, ScoredRun | None]] = []
    for run_id in item.provenance.runs:
        try:
            found.append((run_id, store.run(run_id)))
        except UserMistake:
            found.append((run_id, None))
    return tuple(found)


def retire(store: Store, name: str, *, by: str, reason: str = "") -> tuple[Item, Release]:
    """Release what serves without one item: a person says that it should go.

    It is not proposed again (`verdicts.without_rolled_back`); a rollback brings it back.

    Args:
        store: The agent's store.
        name: (The beginning of) the item's id.
        by: Who says so.
        reason: Why.

    Raises:
        UserMistake: Nothing was released, no or several items have such an id, or nobody is named.
        ChangeRefused: The item is protected, or the configuration names it.
        ReleaseConflict: Someone else released meanwhile; run again.
    """
    if not by.strip():
        raise UserMistake("say who takes it out: --by NAME")
    current = store.released()
    if current is None:
        raise UserMistake("nothing was released yet, so there is nothing to retire")
    spec = store.spec(current.spec)
    item = find_item(spec, name)
    if item.protected or item.id in {i.id for i in store.spec(current.origin).items}:
        raise ChangeRefused(
            f"{item.kind} {item.id!r} is from the configuration; take it out there instead"
        )
    without = apply(spec, [Remove(item_id=item.id)])
    release = Release(
        spec=without.id,
        previous=spec.id,
        origin=current.origin,
        action=Action.RETIRE,
        summary=f"{item.kind} {item.id} taken out" + (f": {reason}" if reason.strip() else ""),
        by=f"person:{by}",
    )
    store.append_release(release, without)
    return item, release
