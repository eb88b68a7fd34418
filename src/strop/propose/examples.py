"""The example lever: good answers become demonstrations that later tasks are shown.

Successes are demonstrated as they were; failed runs with a known right answer become corrected
demonstrations, marked as such. No model is asked.

Next file: `propose/retirement.py`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from strop.jsonvalue import Json, JsonObject, digest
from strop.mine import Finding
from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust
from strop.task import Task

__all__ = ["MinedExamples", "propose_examples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedExamples:
    """The proposer of examples."""

    name: str = "mined:examples"

    async def __call__(self, brief: Brief) -> Proposal | None:
        return propose_examples(brief.spec, brief.findings, brief.tasks)


def propose_examples(
    spec: AgentSpec,
    findings: Iterable[Finding],
    tasks: Mapping[str, Task],
    *,
    limit: int = 2000,
) -> Proposal | None:
    """An example for every task with a good or corrected answer that the spec does not show yet.

    Args:
        spec: The parent.
        findings: Those of kind ``successes`` and ``corrections`` are used.
        tasks: The tasks that the findings' answers belong to, by id.
        limit: At most so many new ones, dealt evenly over the tasks' categories.

    Returns:
        The proposal, or `None` when the spec shows all of it already.
    """
    held = {item.id: item for item in spec.of_kind(Kind.EXAMPLE)}
    changes: list[Change] = []
    used: list[str] = []
    counts = {"successes": 0, "corrections": 0}
    for finding in findings:
        if finding.kind not in counts:
            continue
        before = len(changes)
        answers = cast("Mapping[str, JsonObject]", finding.data["answers"])
        # Runs finish in any order; the same examples in the same order are the same spec.
        for task_id, answer in _balanced(answers, tasks)[: limit - len(changes)]:
            item = _example(tasks[task_id], answer, corrected=finding.kind == "corrections")
            change = _change(held.get(item.id), item)
            if change is not None:
                changes.append(change)
                held[item.id] = item
                counts[finding.kind] += 1
        if len(changes) > before:
            used.append(finding.id)
    if not changes:
        return None
    return Proposal(
        parent=spec.id,
        changes=tuple(changes),
        findings=tuple(used),
        proposer="mined:examples",
        summary=(
            f"{len(changes)} examples: {counts['successes']} from successful runs, "
            f"{counts['corrections']} corrected"
        ),
    )


def _balanced(
    answers: Mapping[str, JsonObject], tasks: Mapping[str, Task]
) -> list[tuple[str, JsonObject]]:
    """The answers to tasks that are known, one of each category after the other, then by id."""
    seen: Counter[str | None] = Counter()
    turns = []
    for task_id in sorted(answers.keys() & tasks.keys()):
        category = tasks[task_id].category
        turns.append((seen[category], category or "", task_id))
        seen[category] += 1
    return [(task_id, answers[task_id]) for _, _, task_id in sorted(turns)]


def _example(task: Task, answer: JsonObject, *, corrected: bool) -> Item:
    content: dict[str, Json] = {
        "input": task.input,
        "output": answer["output"],
        "task": task.id,
    }
    if task.group is not None:
        content["group"] = task.group
    if answer.get("steps"):
        content["steps"] = answer["steps"]
    return Item(
        id=f"example-{digest([task.id, task.input])[:12]}",
        kind=Kind.EXAMPLE,
        content=content,
        provenance=Provenance(
            by="mined:examples",
            runs=(str(answer["run"]),),
            trust=Trust.EVIDENCE,
            corrected=corrected,
        ),
    )


def _change(held: Item | None, item: Item) -> Change | None:
    """Add an example, revise one whose answer or group is known better now, or leave it."""
    if held is None:
        return Add(item=item)
    if held.protected or held.digest == item.digest:
        return None
    return Revise(item_id=held.id, item=item)
