"""The memory lever, from people: what they asked for repeatedly becomes a standing preference.

Who said it decides how far it is trusted: reasons of people's scores count as evidence, what users
said to the agent is their word alone. No model is asked.

Next file: `propose/composites.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, digest
from strop.mine import Finding
from strop.propose.brief import KEY_CHARS, KEYS, Brief
from strop.propose.proposal import Proposal
from strop.spec import Add, Change, Item, Kind, Provenance, Trust
from strop.task import Task, normalised

__all__ = ["MinedPreferences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedPreferences:
    """Proposes findings of kind ``preference`` (`mine_preferences`) as memories.

    Attributes:
        most: At most this many changes per proposal.
    """

    most: int = 5

    @property
    def name(self) -> str:
        return "mined:preferences"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The preferences that no item of the spec states and that the gate has not refused.

        A preference asked for in most categories is pinned: every task sees it. Otherwise it comes
        to tasks of the categories it was asked for in, or, where tasks have none, to similar ones.
        """
        known = {normalised(item.text) for kind in _STATED for item in brief.spec.of_kind(kind)} | {
            normalised(text)
            for tried in brief.tried
            if tried.decision == "reject" and tried.proposer == self.name
            for text in tried.texts
        }
        ids = {item.id for item in brief.spec.items}
        changes: list[Change] = []
        used: list[str] = []
        for finding in brief.findings:
            if finding.kind != "preference" or len(changes) == self.most:
                continue
            item = _item(finding, brief.tasks, by=self.name)
            if item is None or item.id in ids or normalised(item.text) in known:
                continue
            changes.append(Add(item=item))
            used.append(finding.id)
            ids.add(item.id)
        if not changes:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=tuple(used),
            proposer=self.name,
            summary=f"{len(changes)} preferences that people stated repeatedly",
        )


_STATED = (Kind.CLAUSE, Kind.HEURISTIC, Kind.MEMORY)


def _item(finding: Finding, tasks: Mapping[str, Task], *, by: str) -> Item | None:
    """The item of a finding; `None` where fewer than two of its tasks may teach."""
    seen = [tasks[task] for task in cast("Sequence[str]", finding.data["tasks"]) if task in tasks]
    if len(seen) < 2:
        return None
    text = str(finding.data["text"])
    content: dict[str, Json] = {"text": text, "type": "preference"}
    here = {task.category for task in seen}
    every = {task.category for task in tasks.values()} - {None}
    if None not in here and 2 * len(here) > len(every):
        content["pinned"] = True
    else:
        content["about"] = list(dict.fromkeys(task.text[:KEY_CHARS] for task in seen))[:KEYS]
        if None not in here:
            content["categories"] = sorted(cast("set[str]", here))
    sources = cast("Mapping[str, int]", finding.data["sources"])
    trust = Trust.UNTRUSTED if sources.get("message") else Trust.EVIDENCE
    return Item(
        id=f"preference-{digest(normalised(text))[:12]}",
        kind=Kind.MEMORY,
        content=content,
        provenance=Provenance(by=by, runs=finding.runs, trust=trust),
    )
