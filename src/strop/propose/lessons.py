"""The memory lever: repairs that recur become lessons, found by the tasks they would have helped.

A lesson is a memory item of type ``lesson``. Its id is made of what it is about, not of how often
it was seen, so that more evidence revises it only when its text changes. No model is asked. What
makes a finding trustworthy was decided in `mine/failures/repairs.py`; this bounds and words it.

Next file: `propose/facts.py`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, digest
from strop.mine import Finding
from strop.propose.brief import KEY_CHARS, KEYS, Brief
from strop.propose.proposal import Proposal
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust
from strop.task import Task, normalised

__all__ = ["MinedLessons", "lesson_item"]

_EVIDENCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedLessons:
    """Proposes lessons from findings of kind ``repair``, the best supported first.

    Attributes:
        limit: At most this many changes in one proposal.
    """

    limit: int = 20

    @property
    def name(self) -> str:
        return "mined:lessons"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """Lessons that the spec does not hold yet, or holds in other words; `None`: none.

        What the gate has refused in the same words is not proposed again.
        """
        held = {item.id: item for item in brief.spec.items}
        texts = {normalised(item.text) for item in _notes(brief.spec)}
        refused = {
            normalised(text)
            for tried in brief.tried
            if tried.decision == "reject" and tried.proposer == self.name
            for text in tried.texts
        }
        changes: list[Change] = []
        used: list[str] = []
        for finding in _ranked(brief.findings):
            item = lesson_item(finding, brief.tasks)
            change = _change(held.get(item.id), item, texts)
            if change is None or normalised(item.text) in refused:
                continue
            if len(changes) == self.limit:
                break
            changes.append(change)
            used.append(finding.id)
            held[item.id] = item
            texts.add(normalised(item.text))
        if not changes:
            return None
        count = f"{len(changes)} lesson" + "s" * (len(changes) != 1)
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=tuple(used),
            proposer=self.name,
            summary=f"{count} from failed calls and what mended them",
        )


def lesson_item(finding: Finding, tasks: Mapping[str, Task]) -> Item:
    """A finding of kind ``repair`` as a memory item.

    Args:
        finding: The finding.
        tasks: The tasks that may teach, by id; their inputs are what the lesson is found by.
    """
    data = finding.data
    seen = [tasks[t] for t in cast("Sequence[str]", data["tasks"]) if t in tasks]
    categories = cast("Sequence[str]", data["categories"])
    # Where it holds for some categories only, tasks of others would not have been helped by it.
    helped = [t for t in seen if not categories or t.category in categories] or seen
    content: dict[str, Json] = {
        "text": str(data["lesson"]),
        "type": "lesson",
        "touches": list(cast("Sequence[str]", data["names"])),
    }
    about = _spread(helped)
    if about:
        content["about"] = list(about)
    if categories:
        content["categories"] = list(categories)
    return Item(
        id=f"lesson-{_identity(data)}",
        kind=Kind.MEMORY,
        content=content,
        provenance=Provenance(
            by="mined:lessons", runs=tuple(finding.runs[:_EVIDENCE]), trust=Trust.EVIDENCE
        ),
    )


def _identity(data: Mapping[str, Json]) -> str:
    """Digest of what a lesson is about: not of its words, nor of how often it was seen."""
    about = [data["form"] != "edit", data["tool"], data["template"], data["edit"], data.get("name")]
    return digest(about)[:12]


def _ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Repairs by distinct tasks, then by how often they worked and how seldom they did not."""
    repairs = [f for f in findings if f.kind == "repair"]

    def rank(finding: Finding) -> tuple[int, int, str]:
        data = finding.data
        worked, failed = (int(str(data[name])) for name in ("worked", "failed"))
        return -int(str(data["n_tasks"])), failed - worked, str(data["lesson"])

    return sorted(repairs, key=rank)


def _change(held: Item | None, item: Item, texts: set[str]) -> Change | None:
    """Add a lesson, revise one that now reads differently, or leave it."""
    if held is None:
        return None if normalised(item.text) in texts else Add(item=item)
    if held.protected or held.kind is not Kind.MEMORY or held.text == item.text:
        return None
    return Revise(item_id=held.id, item=item)


def _notes(spec: AgentSpec) -> tuple[Item, ...]:
    return (*spec.of_kind(Kind.CLAUSE), *spec.of_kind(Kind.HEURISTIC), *spec.of_kind(Kind.MEMORY))


def _spread(tasks: Sequence[Task]) -> tuple[str, ...]:
    """At most 16 different inputs, shared out evenly over the categories, chosen by a hash."""
    by_category: dict[str, list[str]] = {}
    for task in sorted(tasks, key=lambda t: hashlib.sha256(t.id.encode()).digest()):
        by_category.setdefault(task.category or "", []).append(task.text[:KEY_CHARS])
    queues = [by_category[category] for category in sorted(by_category)]
    deepest = max(map(len, queues), default=0)
    order = [queue[at] for at in range(deepest) for queue in queues if at < len(queue)]
    return tuple(dict.fromkeys(order))[:KEYS]
