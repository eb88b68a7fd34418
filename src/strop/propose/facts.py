"""The memory lever, facts: what runs asked for again and again becomes a memory that saves asking.

Two proposers, because they promise different things. `KeptFacts` keeps house: a fact that a later
result contradicts is taken out, one that nobody saw for long expires, one that reads differently
now is revised; that has to lose nothing, for a wrong fact need not first be shown to cost points.
`MinedFacts` adds what is new, and that has to raise the score. What is unchanged is left alone, so
that a spec does not get a new version for nothing. No model is asked.

Next file: `propose/heuristics.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, JsonObject, digest
from strop.mine import Finding
from strop.propose.brief import Brief
from strop.propose.proposal import Aim, Proposal
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Remove, Revise, Trust

__all__ = ["KeptFacts", "MinedFacts", "fact_item"]

_RUNS = 50
_ADDS, _KEEPS = "mined:facts", "kept:facts"
_Backed = tuple[Change, str]
"""A change with the id of the finding behind it; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """Removes and revises the memories that `MinedFacts` made; a revised fact keeps its id.

    Attributes:
        limit: Changes per proposal: what expired first, then other removals, then revisions.
        renew: A fact that reads the same is revised for its expiry only when less than this share
            of its lifetime is left.
        novel: And for the inputs it is found by only when at least this share of them is new.
    """

    limit: int = 40
    renew: float = 0.5
    novel: float = 0.25

    @property
    def name(self) -> str:
        return _KEEPS

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where what the memory holds is as it should be."""
        return self.propose(brief)

    def propose(self, brief: Brief) -> Proposal | None:
        """The same, without waiting.

        It is proposed again after a rejection: what is wrong stays wrong.
        """
        held = _held(brief.spec)
        told = set(_told(brief, held))
        removed: list[_Backed] = []
        revised: list[_Backed] = []
        seen: set[str] = set()
        for finding, item in _facts(brief):
            seen.add(item.id)
            old = held.get(item.id)
            if old is None or old.protected:
                continue
            said = bool(finding.data["said"]) and _place(finding) in told
            if said or not _is_true(finding, item, brief.now):
                removed.append((Remove(item_id=item.id), finding.id))
            elif self._is_news(old, item, brief.now):
                revised.append((Revise(item_id=item.id, item=item), finding.id))
        gone = [(change, "") for change in _expired(held, seen, brief.now)]
        return _proposal(brief, [*gone, *removed, *revised][: self.limit], by=_KEEPS)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedFacts:
    """Adds memories from findings of kind ``fact`` (`mine.facts.mine_facts`).

    Attributes:
        limit: Changes per proposal: the facts that most tasks asked for.
    """

    limit: int = 40

    @property
    def name(self) -> str:
        return _ADDS

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where there is no new fact."""
        return self.propose(brief)

    def propose(self, brief: Brief) -> Proposal | None:
        """The same, without waiting.

        A fact that the gate refused to add is not proposed again while it reads the same.
        """
        ids = {item.id for item in brief.spec.items}
        refused = [t for t in brief.tried if t.proposer == _ADDS and t.decision == "reject"]
        added = [
            (Add(item=item), finding.id)
            for finding, item in _facts(brief)
            if item.id not in ids
            and _is_true(finding, item, brief.now)
            and not finding.data["said"]
            and not any(item.id in t.added and item.text in t.texts for t in refused)
        ]
        return _proposal(brief, added[: self.limit], by=_ADDS)


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
        provenance=Provenance(by=_ADDS, runs=tuple(finding.runs[-_RUNS:]), trust=Trust.EVIDENCE),
    )


def _held(spec: AgentSpec) -> dict[str, Item]:
    """The memories that are mined facts, by id."""
    return {i.id: i for i in spec.of_kind(Kind.MEMORY) if i.provenance.by == _ADDS}


def _facts(brief: Brief) -> Iterator[tuple[Finding, Item]]:
    """The findings of facts with the memories they make; of several with one id, the first."""
    seen: set[str] = set()
    for finding in brief.findings:
        if finding.kind == "fact":
            item = fact_item(finding)
            if item.id not in seen:
                seen.add(item.id)
                yield finding, item


def _is_true(finding: Finding, item: Item, now: float) -> bool:
    """Whether a fact holds and is not past its time."""
    return bool(finding.data["holds"]) and not _is_over(item, now)


def _place(finding: Finding) -> tuple[Json, Json]:
    return finding.data["tool"], finding.data["scope"]


def _told(brief: Brief, held: Mapping[str, Item]) -> Iterator[tuple[Json, Json]]:
    """Tools and scopes of whose names the spec has the line that says them all, or is given it.

    Where the line is new to the spec it may be refused: until then the parts of it stay.
    """
    for finding, item in _facts(brief):
        old = held.get(item.id) if finding.data["form"] == "containers" else None
        if old is not None and (old.text == item.text or not old.protected):
            yield _place(finding)


def _expiry(item: Item) -> float | None:
    ends = item.content.get("expires")
    return float(ends) if isinstance(ends, int | float) else None


def _is_over(item: Item, now: float) -> bool:
    ends = _expiry(item)
    return ends is not None and ends <= now


def _expired(held: Mapping[str, Item], seen: set[str], now: float) -> Iterator[Change]:
    """Facts past their time that no finding speaks of."""
    for item in held.values():
        if item.id not in seen and not item.protected and _is_over(item, now):
            yield Remove(item_id=item.id)


def _proposal(brief: Brief, chosen: Sequence[_Backed], *, by: str) -> Proposal | None:
    if not chosen:
        return None
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
        proposer=by,
        summary=f"{len(chosen)} facts: {said}",
        aim=Aim.LEANER if by == _KEEPS else Aim.BETTER,
    )
