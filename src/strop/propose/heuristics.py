"""The heuristic lever, mined: what separated good runs from poor ones becomes an instruction.

A heuristic is shown to tasks that read like those it was seen in. No model is asked.

Next file: `propose/preferences.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, digest
from strop.mine import Finding
from strop.propose.brief import KEY_CHARS, KEYS, Brief
from strop.propose.proposal import Proposal
from strop.spec import Add, Change, Item, Kind, Provenance, Revise, Trust
from strop.task import Task, normalised

__all__ = ["MinedHeuristics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedHeuristics:
    """Proposes findings of kind ``heuristic`` (`mine_orders`) as heuristic items.

    Attributes:
        most: At most this many changes per proposal, the surest first.
    """

    most: int = 5

    @property
    def name(self) -> str:
        return "mined:heuristics"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The heuristics that the spec does not hold yet and that the gate has not refused."""
        held = {item.id: item for item in brief.spec.items}
        said = {normalised(item.text) for item in brief.spec.of_kind(Kind.CLAUSE)}
        refused = {
            normalised(text)
            for tried in brief.tried
            if tried.decision == "reject" and tried.proposer == self.name
            for text in tried.texts
        }
        changes: list[Change] = []
        used: list[str] = []
        for finding in brief.findings:
            if finding.kind != "heuristic" or len(changes) == self.most:
                continue
            item = _item(finding, brief.tasks, by=self.name)
            if item is None or normalised(item.text) in refused | said:
                continue
            change = _change(held.get(item.id), item)
            if change is not None:
                changes.append(change)
                used.append(finding.id)
                held[item.id] = item
        if not changes:
            return None
        texts = [change.item.text for change in changes if isinstance(change, Add | Revise)]
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=tuple(used),
            proposer=self.name,
            summary=f"{len(changes)} heuristics: {'; '.join(texts)}",
        )


def _item(finding: Finding, tasks: Mapping[str, Task], *, by: str) -> Item | None:
    """The item of a finding; `None` where none of the tasks it was seen in may teach."""
    seen = [str(task) for task in cast("Sequence[str]", finding.data["tasks"])]
    inputs = dict.fromkeys(tasks[task].text[:KEY_CHARS] for task in seen if task in tasks)
    if not inputs:
        return None
    content: dict[str, Json] = {"text": finding.data["text"], "when": list(inputs)[:KEYS]}
    if finding.data["categories"]:
        content["categories"] = finding.data["categories"]
    # Not the direction, nor which of two comes first: what turns round is the same item, revised.
    tools = sorted(cast("Sequence[str]", finding.data["tools"]))
    ordered = finding.data["tools"] if finding.data["shape"] == "after_failure" else tools
    identity = digest([finding.data["shape"], ordered])[:12]
    return Item(
        id=f"heuristic-{identity}",
        kind=Kind.HEURISTIC,
        content=content,
        provenance=Provenance(by=by, runs=finding.runs, trust=Trust.EVIDENCE),
    )


def _change(held: Item | None, item: Item) -> Change | None:
    """Add it, or revise it where it says something else; its inputs alone are no reason."""
    if held is None:
        return Add(item=item)
    same = held.kind is not item.kind or all(
        held.content.get(name) == item.content.get(name) for name in ("text", "categories")
    )
    return None if held.protected or same else Revise(item_id=held.id, item=item)
