"""The memory lever, facts: what runs asked for again and again becomes a memory that saves asking.

Facts come and go with the world: one that a later result contradicts is taken out, one that nobody
saw for long expires, one that reads differently now is revised. What is unchanged is left alone, so
that a spec does not get a new version for nothing. No model is asked.

Next file: `propose/heuristics.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, JsonObject, digest
from strop.mine import Finding
from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.spec import Add, Change, Item, Kind, Provenance, Remove, Revise, Trust

__all__ = ["MinedFacts", "fact_item"]

_RUNS = 50
_NAME = "mined:facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedFacts:
    """Proposes memories from findings of kind ``fact`` (`mine.facts.mine_facts`).

    Attributes:
        limit: Changes per proposal: removals first, then revisions, then the facts most asked for.
        renew: A fact that reads the same is revised for its expiry only when less than this share
            of its lifetime is left.
        novel: And for the inputs it is found by only when at least this share of them is new.
    """

    limit: int = 40
    renew: float = 0.5
    novel: float = 0.25

    @property
    def name(self) -> str:
        return _NAME

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where the memory is as it should be."""
        return self.propose(brief)

    def propose(self, brief: Brief) -> Proposal | None:
        """The same, without waiting."""
        held = {
            item.id: item for item in brief.spec.of_kind(Kind.MEMORY) if item.provenance.by == _NAME
        }
        refused = {
            text for tried in brief.tried if tried.decision == "reject" for text in tried.texts
        }
        removed: list[tuple[Change, str]] = []
        revised: list[tuple[Change, str]] = []
        added: list[tuple[Change, str]] = []
        seen: set[str] = set()
        for finding in brief.findings:
            if finding.kind != "fact":
                continue
            item = fact_item(finding)
            old = held.get(item.id)
            if item.id in seen or (old is not None and old.protected):
                continue
            seen.add(item.id)
            if not finding.data["holds"] or finding.data["said"] or _is_over(item, brief.now):
                if old is not None:
                    removed.append((Remove(item_id=item.id), finding.id))
            elif old is None:
                if item.text not in refused:
                    added.append((Add(item=item), finding.id))
            elif self._is_news(old, item, brief.now):
                revised.append((Revise(item_id=item.id, item=item), finding.id))
        gone = [(change, "") for change in _expired(held, seen, brief.now)]
        chosen = [*gone, *removed, *revised, *added][: self.limit]
        if not chosen:
            return None
        return _proposal(brief, chosen)

    def _is_news(self, old: Item, new: Item, now: float) -> bool:
        """Whether a fact that the spec holds should be put anew."""
        if (old.text, old.content.get("touches")) != (new.text, new.content.get("touches")):
            return True
        ends, later = _expiry(old), _expiry(new)
        if later is not None and (ends is None or later > ends):
            lifetime = later - now  # a fact seen just now has all of it before it
            if ends is None or ends - now < self.renew * lifetime:
                return True
        known = set(cast("Sequence[str]", old.content.get("about", ())))
        about = cast("Sequence[str]", new.content.get("about", ()))
        fresh = sum(1 for text in about if text not in known)
        return fresh > 0 and fresh >= self.novel * len(about)


def fact_item(finding: Finding) -> Item:
    """The memory that a finding of kind ``fact`` makes."""
    data = finding.data
    content: dict[str, Json] = {"text": str(data["text"]), "type": "fact"}
    for name in ("touches", "about"):
        if data[name]:
            content[name] = data[name]
    if data["scope"]:
        content["categories"] = [str(data["scope"])]
    if data["expires"] is not None:
        content["expires"] = data["expires"]
    return Item(
        id=f"fact-{digest([data['tool'], data['scope'], data['form'], data['key']])[:12]}",
        kind=Kind.MEMORY,
        content=cast("JsonObject", content),
        provenance=Provenance(by=_NAME, runs=tuple(finding.runs[-_RUNS:]), trust=Trust.EVIDENCE),
    )


def _expiry(item: Item) -> float | None:
    ends = item.content.get("expires")
    return float(ends) if isinstance(ends, int | float) else None


def _is_over(item: Item, now: float) -> bool:
    ends = _expiry(item)
    return ends is not None and ends <= now


def _expired(held: dict[str, Item], seen: set[str], now: float) -> Iterator[Change]:
    """Facts past their time that no finding speaks of."""
    for item in held.values():
        if item.id not in seen and not item.protected and _is_over(item, now):
            yield Remove(item_id=item.id)


def _proposal(brief: Brief, chosen: Sequence[tuple[Change, str]]) -> Proposal:
    counts = {
        word: sum(isinstance(change, kind) for change, _ in chosen)
        for word, kind in (("new", Add), ("revised", Revise), ("removed", Remove))
    }
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    findings = [finding for _, finding in chosen if finding]
    return Proposal(
        parent=brief.spec.id,
        changes=tuple(change for change, _ in chosen),
        findings=tuple(dict.fromkeys(findings)),
        proposer=_NAME,
        summary=f"{len(chosen)} facts: {said}",
    )
