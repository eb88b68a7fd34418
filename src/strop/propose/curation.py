"""``mined:curation``: a memory that only grows drowns what matters, so it is kept in bounds.

Three modes: the newest lessons only (`window`); all of them, with the choice per task doing the
work (`retrieval`); or few general rules in their place (`distil`). In each, what has expired goes
and duplicates merge with their evidence added up. Nothing is lost: the proposal is changes to a
spec, and the earlier spec keeps its items.

It touches nothing protected and nothing that a person wrote, and it settles no contradiction: both
sides stay, and `Curation.review` says so.

Next file: `propose/reflect/__init__.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from strop.context import count_tokens
from strop.errors import BadInput
from strop.mine.finding import Finding
from strop.mine.texts.contradictions import Contradiction, contradictions
from strop.mine.texts.distil import duplicates
from strop.propose.brief import Brief
from strop.propose.curation_rules import (
    Distiller,
    accepted_rules,
    embedded,
    medoid_rules,
    merged,
    rule_item,
)
from strop.propose.proposal import Aim, Proposal
from strop.spec import Add, AgentSpec, Change, Item, Kind, Remove, Revise, Trust

__all__ = ["Curation", "CurationPolicy"]

_NAME = "mined:curation"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurationPolicy:
    """How memories are kept in bounds.

    Attributes:
        mode: ``window``, ``retrieval`` or ``distil``.
        window: Lessons that `window` keeps, the newest by their evidence.
        at_most: Rules that `distil` leaves in the place of lessons.
        tokens: Estimated tokens of all memories and heuristics together; the least supported go
            first. `None` sets no bound.
    """

    mode: Literal["window", "retrieval", "distil"] = "retrieval"
    window: int = 50
    at_most: int = 20
    tokens: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("window", "retrieval", "distil"):
            raise BadInput("must be window, retrieval or distil", where="curation.mode")
        for name in ("window", "at_most"):
            if getattr(self, name) < 1:
                raise BadInput("must be 1 or more", where=f"curation.{name}")
        if self.tokens is not None and self.tokens < 0:
            raise BadInput("must be 0 or more, or left out", where="curation.tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """Proposes a smaller memory.

    Attributes:
        policy: How.
        distiller: Words the rules of `distil` mode; without one, or where its answer is not to be
            used, medoids do.
    """

    policy: CurationPolicy = field(default_factory=CurationPolicy)
    distiller: Distiller | None = None

    @property
    def name(self) -> str:
        return _NAME

    async def review(self, brief: Brief) -> tuple[Finding, ...]:
        """The contradictions between notes that have not expired, for a person to settle."""
        return tuple(found.finding for found in await _contradictions(brief))

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where the memory is as it should be.

        Raises:
            ModelFailed: There is a distiller, and its model cannot be reached.
        """
        disputed = await _contradictions(brief)
        desk = _Desk.of(brief, disputed)
        desk.drop_expired()
        await desk.merge_duplicates(brief)
        if self.policy.mode == "window":
            desk.keep_newest(self.policy.window)
        elif self.policy.mode == "distil":
            await desk.distil(brief, self.policy.at_most, self.distiller)
        if self.policy.tokens is not None:
            desk.fit(self.policy.tokens)
        changes = desk.changes()
        if not changes or _tried_in_vain(brief, changes):
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=changes,
            findings=(),
            proposer=_NAME,
            summary=desk.summary(),
            made=tuple(found.finding for found in disputed),
            aim=Aim.LEANER,
        )


class _Desk:
    """The notes of one spec while they are sorted: what is kept, in order, and what was done."""

    def __init__(
        self,
        spec: AgentSpec,
        *,
        order: Callable[[str], float],
        support: Callable[[Item], int],
        now: float,
        disputed: Iterable[str],
    ) -> None:
        self._notes = {item.id: item for item in _notes(spec)}
        self._kept = dict(self._notes)
        self._order, self._support, self._now = order, support, now
        self._disputed = frozenset(disputed)
        self._done: dict[str, int] = {}

    @classmethod
    def of(cls, brief: Brief, disputed: Iterable[Contradiction]) -> "_Desk":
        place = {scored.run.id: at for at, scored in enumerate(brief.runs)}
        task = {scored.run.id: scored.run.task for scored in brief.runs}
        return cls(
            brief.spec,
            order=lambda run: place.get(run, -1),
            # Runs that are not in the brief count one by one: their tasks are not known.
            support=lambda item: len({task.get(run, run) for run in item.provenance.runs}),
            now=brief.now,
            disputed={item for found in disputed for item in (found.one, found.other)},
        )

    def drop_expired(self) -> None:
        self._remove([i for i in self._open() if _expired(i, self._now)], "expired")

    async def merge_duplicates(self, brief: Brief) -> None:
        """One item for those that say the same; facts are left to whoever keeps them current."""
        candidates = [i for i in self._open() if i.content.get("type") != "fact"]
        for alike in _by_sort(candidates):
            vectors = await embedded(brief, [item.text for item in alike])
            for group in duplicates([item.text for item in alike], vectors):
                if len(group) < 2:
                    continue
                # The one with the most evidence keeps its id and its wording.
                same = sorted((alike[i] for i in group), key=lambda i: (-self._support(i), i.id))
                self._kept[same[0].id] = merged(same, order=self._order)
                self._remove(same[1:], "merged")

    def keep_newest(self, count: int) -> None:
        """Take out all lessons but the newest by their latest run; then by place in the spec."""
        lessons = [item for item in self._kept.values() if _is_lesson(item)]
        place = {item.id: at for at, item in enumerate(lessons)}

        def newness(item: Item) -> tuple[float, int]:
            return max(map(self._order, item.provenance.runs), default=-1.0), place[item.id]

        old = sorted(lessons, key=newness, reverse=True)[count:]
        self._remove([item for item in old if self._is_open(item)], "beyond the window")

    async def distil(self, brief: Brief, at_most: int, distiller: Distiller | None) -> None:
        """Rules in the place of the lessons that are chosen per task, if they are too many."""
        lessons = [i for i in self._open() if _is_lesson(i) and _is_chosen(i)]
        if len(lessons) <= at_most:
            return
        texts = [item.text for item in lessons]
        rules, by = None, _NAME
        if distiller is not None:
            answer = await distiller(texts, at_most)
            rules = accepted_rules(
                answer,
                texts=texts,
                at_most=at_most,
                spec=brief.spec,
                tasks=brief.tasks.values(),
            )
            by = "reflected:curation"
        if rules is None:
            weights = [max(1, self._support(item)) for item in lessons]
            rules, by = await medoid_rules(brief, texts, weights, at_most=at_most), _NAME
        covered: set[int] = set()
        for rule in rules:
            members = [lessons[i] for i in rule.members]
            if len(members) < 2 and rule.text == members[0].text:
                continue  # it stands for itself
            item = rule_item(rule.text, members, by=by, order=self._order)
            self._kept[item.id] = item
            self._done["rules"] = self._done.get("rules", 0) + 1
            if not rule.shared:
                covered.update(rule.members)
        self._remove([lessons[i] for i in sorted(covered)], "distilled")

    def fit(self, tokens: int) -> None:
        """Take out the least supported until the rest fits; among equals the longest goes first."""
        spare = sum(count_tokens(item.text) for item in self._kept.values()) - tokens
        ranked = sorted(self._open(), key=lambda i: (self._support(i), -count_tokens(i.text), i.id))
        gone = []
        for item in ranked:
            if spare <= 0:
                break
            gone.append(item)
            spare -= count_tokens(item.text)
        self._remove(gone, "over the budget")

    def changes(self) -> tuple[Change, ...]:
        """What makes of the spec's notes those that are kept; removals first."""
        removed = [Remove(item_id=i) for i in self._notes if i not in self._kept]
        revised = [
            Revise(item_id=i, item=self._kept[i])
            for i, item in self._notes.items()
            if i in self._kept and self._kept[i] != item
        ]
        added = [Add(item=item) for i, item in self._kept.items() if i not in self._notes]
        return (*removed, *revised, *added)

    def summary(self) -> str:
        """One line on what was done."""
        said = ", ".join(f"{count} {what}" for what, count in self._done.items())
        return f"{len(self._notes)} notes made {len(self._kept)}: {said}"

    def _open(self) -> list[Item]:
        """What may be changed: not what is protected, a person's, or in dispute."""
        return [item for item in self._kept.values() if self._is_open(item)]

    def _is_open(self, item: Item) -> bool:
        vouched = item.protected or item.provenance.trust is Trust.PERSON
        return not vouched and item.id not in self._disputed

    def _remove(self, items: Sequence[Item], why: str) -> None:
        for item in items:
            del self._kept[item.id]
        if items:
            self._done[why] = self._done.get(why, 0) + len(items)


async def _contradictions(brief: Brief) -> tuple[Contradiction, ...]:
    notes = [item for item in _notes(brief.spec) if not _expired(item, brief.now)]
    return contradictions(notes, await embedded(brief, [item.text for item in notes]))


def _notes(spec: AgentSpec) -> tuple[Item, ...]:
    return tuple(item for item in spec.items if item.kind in (Kind.MEMORY, Kind.HEURISTIC))


def _is_lesson(item: Item) -> bool:
    return item.kind is Kind.HEURISTIC or item.content.get("type", "lesson") == "lesson"


def _is_chosen(item: Item) -> bool:
    """Whether a note is chosen per task; those that are always shown are not put together."""
    if item.kind is Kind.HEURISTIC:
        return bool(item.content.get("when"))
    return not item.content.get("pinned")


def _expired(item: Item, now: float) -> bool:
    ends = item.content.get("expires")
    return isinstance(ends, int | float) and ends < now


def _by_sort(items: Iterable[Item]) -> list[list[Item]]:
    """Items by kind and type: a preference and a lesson are not the same, whatever they say."""
    found: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        sort = (item.kind.value, str(item.content.get("type", "lesson")))
        found.setdefault(sort, []).append(item)
    return list(found.values())


def _tried_in_vain(brief: Brief, changes: Sequence[Change]) -> bool:
    """Whether the gate has refused the very same texts before."""
    texts = tuple(sorted(change.item.text for change in changes if isinstance(change, Add)))
    refused = {
        tuple(sorted(tried.texts))
        for tried in brief.tried
        if tried.proposer == _NAME and tried.decision == "reject"
    }
    return bool(texts) and texts in refused
