"""Rules in the place of lessons: what a model answered held to what was asked, and the items.

A model that distils is somebody else's; its word is taken only if every lesson is accounted for
once and no rule repeats a task. Anything else, and the medoids of `mine/texts/distil.py` serve.

Next file: `propose/curation.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from strop.jsonvalue import Json, digest
from strop.mine.texts.distil import distil
from strop.mine.texts.plans import keys, shared_advice
from strop.notes import note_keys
from strop.propose.brief import Brief
from strop.propose.reflect.leakage import copies, labels_in
from strop.spec import AgentSpec, Item, Kind, Provenance, Trust
from strop.task import Task

__all__ = [
    "RUNS",
    "Distiller",
    "Order",
    "Rule",
    "accepted_rules",
    "embedded",
    "medoid_rules",
    "merged",
    "rule_item",
]

RUNS = 200
"""Runs that an item made of others names as its evidence, at most."""
Order: TypeAlias = Callable[[str], float]
"""When a run was, as a number that grows."""
_SHARED_RULES = 2  # of the rules, those that may be advice common to many lessons
_TEXTS = 20  # `about`, `touches` and `categories` of an item made of others, each
_WORDS = 60  # a rule has fewer


class Distiller(Protocol):
    """Puts many lessons together into few rules; usually a model."""

    async def __call__(
        self, texts: Sequence[str], at_most: int
    ) -> Sequence[tuple[str, Sequence[int]]]:
        """Rules, each with the positions of the texts that it would replace, from 0.

        A text under no rule stays as it is and counts as a rule of its own.

        Raises:
            ModelFailed: The model cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A general rule.

    Attributes:
        text: What it says.
        members: Positions of the lessons that show it, ascending.
        shared: It says what they have in common beside what each says of its own, so it does not
            replace them.
    """

    text: str
    members: tuple[int, ...]
    shared: bool = False


def accepted_rules(
    answer: Sequence[tuple[str, Sequence[int]]],
    *,
    texts: Sequence[str],
    at_most: int,
    spec: AgentSpec,
    tasks: Iterable[Task],
) -> tuple[Rule, ...] | None:
    """The rules of a `Distiller`, or `None` where they are not to be used.

    They are used if no lesson is under two rules, the rules and the lessons under none are no more
    than `at_most` together, and each rule has fewer than 60 words and copies no task's input or
    answer (unless a lesson or the spec's own clauses say it already).
    """
    taken: set[int] = set()
    rules: list[Rule] = []
    known = [*texts, *(item.text for item in spec.of_kind(Kind.CLAUSE))]
    for text, given in answer:
        members = tuple(sorted(set(given)))
        inside = all(0 <= index < len(texts) for index in members)
        if not members or not inside or len(members) < len(given) or taken & set(members):
            return None
        if not text.strip() or len(text.split()) >= _WORDS:
            return None
        taken.update(members)
        rules.append(Rule(text=text.strip(), members=members))
    if not rules or len(rules) + len(texts) - len(taken) > at_most:
        return None
    labels = labels_in(spec.output)
    if copies("\n".join(rule.text for rule in rules), tasks, labels=labels, known=known):
        return None
    left = (Rule(text=texts[i], members=(i,)) for i in range(len(texts)) if i not in taken)
    return (*rules, *left)


async def medoid_rules(
    brief: Brief, texts: Sequence[str], weights: Sequence[float], *, at_most: int
) -> tuple[Rule, ...]:
    """Rules without a model: the advice that many lessons share, and one for each cluster."""
    room = min(_SHARED_RULES, at_most // 4)
    shared = shared_advice(texts)[:room]
    vectors = await embedded(brief, keys(texts))
    clusters = distil(texts, vectors, at_most=at_most - len(shared), weights=weights)
    said = [Rule(text=text, members=members, shared=True) for text, members in shared]
    # A lesson alone stays as it was written: there is nothing to generalise from.
    return (
        *said,
        *(
            Rule(text=c.rule if len(c.members) > 1 else texts[c.medoid], members=c.members)
            for c in clusters
        ),
    )


def rule_item(rule: str, members: Sequence[Item], *, by: str, order: Order) -> Item:
    """The item that stands for several lessons, with all that they were found by.

    Args:
        rule: Its text.
        members: The lessons; the first gives the kind.
        by: Who proposes it.
        order: When a run was, as a number; of more than 200 runs the newest are kept.
    """
    kind = members[0].kind
    content: dict[str, Json] = {"text": rule, **_scope(members)}
    if kind is Kind.MEMORY:
        content["type"] = "lesson"
    if _keys_name(kind) in content:  # found by its own words too: its members' inputs are few
        keys = cast("Sequence[str]", content[_keys_name(kind)])
        content[_keys_name(kind)] = [rule, *keys][:_TEXTS]
    vouched = all(member.provenance.trust is not Trust.UNTRUSTED for member in members)
    trust = Trust.EVIDENCE if vouched else Trust.UNTRUSTED
    return Item(
        id=f"rule-{digest([rule, sorted(member.id for member in members)])[:12]}",
        kind=kind,
        content=content,
        provenance=Provenance(by=by, runs=_evidence(members, order), trust=trust),
    )


def merged(items: Sequence[Item], *, order: Order) -> Item:
    """The first of several items that say the same, with the evidence and the scope of all."""
    first = items[0]
    bare = {name: value for name, value in first.content.items() if name not in _SCOPE}
    return replace(
        first,
        content={**bare, **_scope(items)},
        provenance=replace(first.provenance, runs=_evidence(items, order)),
    )


_SCOPE = frozenset(("about", "categories", "expires", "pinned", "touches", "when"))


def _scope(items: Sequence[Item]) -> dict[str, Json]:
    """Where several items together hold, which is wherever one of them does.

    For every category where one names none; until the last expires; pinned if one is. The first
    gives the kind.
    """
    content: dict[str, Json] = {}
    kind = items[0].kind
    keyed = [item for item in items if _keys_name(item.kind) in item.content]
    # A heuristic without `when` is shown always; a memory without `about` is found by its text.
    if keyed and (kind is Kind.MEMORY or len(keyed) == len(items)):
        content[_keys_name(kind)] = _union([note_keys(item) for item in keyed])
    scopes = [_texts(item, "categories") for item in items]
    if all(scopes):
        content["categories"] = _union(scopes)
    if kind is not Kind.MEMORY:
        return content
    touched = _union([_texts(item, "touches") for item in items])
    if touched:
        content["touches"] = touched
    ends = [item.content.get("expires") for item in items]
    known = [float(end) for end in ends if isinstance(end, int | float)]
    if len(known) == len(ends):
        content["expires"] = max(known)
    if any(item.content.get("pinned") for item in items):
        content["pinned"] = True
    return content


def _evidence(items: Sequence[Item], order: Order) -> tuple[str, ...]:
    """The runs behind several items, oldest first, the newest 200."""
    runs = {run for item in items for run in item.provenance.runs}
    return tuple(sorted(runs, key=lambda run: (order(run), run))[-RUNS:])


def _keys_name(kind: Kind) -> str:
    return "when" if kind is Kind.HEURISTIC else "about"


def _texts(item: Item, name: str) -> tuple[str, ...]:
    given = item.content.get(name, ())
    return (given,) if isinstance(given, str) else tuple(cast("Sequence[str]", given))


def _union(groups: Iterable[Sequence[str]]) -> Sequence[str]:
    """One of each group after the other, so that a bound cuts all groups alike."""
    left = [list(dict.fromkeys(group)) for group in groups]
    out: dict[str, None] = {}
    for rank in range(max(map(len, left), default=0)):
        out.update(dict.fromkeys(group[rank] for group in left if rank < len(group)))
    return [*out][:_TEXTS]


async def embedded(brief: Brief, texts: Sequence[str]) -> NDArray[np.float32]:
    """A unit row for each text, by the spec's embedder."""
    if not texts:
        return np.zeros((0, 0), dtype=np.float32)
    return await brief.embed(list(texts))
