"""Lessons from wrong answers: which answer a kind of task wants, and which it was mistaken for.

No model is asked. Lessons from failing calls are in `propose/lessons.py`.

Next file: `propose/lessons.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, as_text, digest
from strop.mine.finding import Finding
from strop.propose.brief import KEY_CHARS, KEYS, Brief
from strop.propose.proposal import Proposal
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust
from strop.task import Task

__all__ = ["ConfusionLessons"]

_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionLessons:
    """The proposer of lessons from wrong answers; at most `limit` at a time."""

    name: str = "confusions:lessons"
    limit: int = 40

    async def __call__(self, brief: Brief) -> Proposal | None:
        used = [finding for finding in brief.findings if finding.kind == "confusion"][: self.limit]
        items = [(finding, _lesson(finding, brief.tasks)) for finding in used]
        changes = [
            (finding, change)
            for finding, item in items
            if (change := _change(brief.spec, item)) is not None
        ]
        if not changes:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(change for _, change in changes),
            findings=tuple(finding.id for finding, _ in changes),
            proposer=self.name,
            summary=f"{len(changes)} lessons from answers that were mistaken for others",
        )


def _lesson(finding: Finding, tasks: Mapping[str, Task]) -> Item:
    right = as_text(finding.data["right"])
    given = cast("Mapping[str, int]", finding.data["given"])
    words = cast("Sequence[str]", finding.data["words"])
    # One wrong answer that was given again and again is worth naming; a scatter of them is not.
    mistaken = [name for name, count in given.items() if count * 2 > len(finding.runs)]
    instead = f", not `{mistaken[0]}`" if mistaken else ""
    seen = cast("Sequence[str]", finding.data["tasks"])
    missed = {tasks[t].text[:KEY_CHARS] for t in seen if t in tasks}
    content: dict[str, Json] = {
        "type": "lesson",
        "text": f"Where a task speaks of {', '.join(words)}: `{right}`{instead}.",
        "about": sorted(missed)[:KEYS],
        "touches": [right],
    }
    return Item(
        id=f"lesson-{digest(['confusion', finding.data['right']])[:12]}",
        kind=Kind.MEMORY,
        content=content,
        provenance=Provenance(by="mined:lessons", runs=finding.runs[:_RUNS], trust=Trust.EVIDENCE),
    )


def _change(spec: AgentSpec, item: Item) -> Change | None:
    """Add a lesson, revise one that says something else now, or leave it."""
    held = next((each for each in spec.items if each.id == item.id), None)
    if held is None:
        return Add(item=item)
    if held.protected or held.text == item.text:
        return None
    return Revise(item_id=held.id, item=item)
