"""The example lever: good answers become demonstrations that later tasks are shown.

Successes are demonstrated as they were; failed runs with a known right answer become corrected
demonstrations, marked as such. No model is asked.

Next file: `propose/retirement.py`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from strop.jsonvalue import Json, JsonObject, digest
from strop.mine import Finding
from strop.propose.brief import Brief, Tried
from strop.propose.composites import Learned
from strop.propose.proposal import Proposal
from strop.run import Run
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust
from strop.task import Task

__all__ = ["RETIRED", "MinedExamples", "answer_mark", "propose_examples"]

RETIRED = "retired:examples"
"""Who takes examples out: `propose/retirement.py`."""

_NAME = "mined:examples"
_NO_RUNS: Mapping[str, Run] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedExamples:
    """The proposer of examples."""

    name: str = _NAME

    async def __call__(self, brief: Brief) -> Proposal | None:
        return propose_examples(
            brief.spec,
            brief.findings,
            brief.tasks,
            tried=brief.tried,
            runs={scored.run.id: scored.run for scored in brief.runs},
        )


def propose_examples(
    spec: AgentSpec,
    findings: Iterable[Finding],
    tasks: Mapping[str, Task],
    *,
    limit: int = 2000,
    tried: Sequence[Tried] = (),
    runs: Mapping[str, Run] = _NO_RUNS,
) -> Proposal | None:
    """An example for every task with a good or corrected answer that the spec does not show yet.

    One that was retired stays out until its answer is another one. New examples that the gate
    rejected as a whole are left out while they would be exactly the same ones again: what it
    rejected may be any of them, and one more or less is another try.

    Args:
        spec: The parent.
        findings: Those of kind ``successes`` and ``corrections`` are used.
        tasks: The tasks that the findings' answers belong to, by id.
        limit: At most so many new ones, dealt evenly over the tasks' categories.
        tried: Earlier proposals with their verdicts.
        runs: The runs that the answers are from, by id, as far as they are known: what tools
            returned in full says more than a demonstration.

    Returns:
        The proposal, or `None` when the spec shows all of it already.
    """
    held = {item.id: item for item in spec.of_kind(Kind.EXAMPLE)}
    learned = Learned.of(spec)
    chosen: list[tuple[Finding, Change]] = []
    for finding in findings:
        if finding.kind not in ("successes", "corrections"):
            continue
        answers = cast("Mapping[str, JsonObject]", finding.data["answers"])
        # Runs finish in any order; the same examples in the same order are the same spec.
        for task_id, answer in _balanced(answers, tasks)[: limit - len(chosen)]:
            item = _example(tasks[task_id], answer, corrected=finding.kind == "corrections")
            item = learned.shown_in(item, held.get(item.id), runs.get(str(answer["run"])))
            change = _change(held.get(item.id), item)
            if change is None or (item.id not in held and _retired_before(tried, item)):
                continue
            chosen.append((finding, change))
            held[item.id] = item
    new = {change.item_id for _, change in chosen if isinstance(change, Add)}
    if any(new == set(t.added) for t in tried if t.proposer == _NAME and t.decision == "reject"):
        chosen = [(f, change) for f, change in chosen if change.item_id not in new]
    return _proposal(spec, chosen) if chosen else None


def answer_mark(item: Item) -> str:
    """Eight letters that stand for an example's answer."""
    return digest(item.content["output"])[:8]


def _retired_before(tried: Iterable[Tried], item: Item) -> bool:
    """Whether this example was retired and gives the answer that it gave then.

    Args:
        tried: Earlier proposals. A retirement names its examples with their `answer_mark`; one that
            does not speaks of the example whatever its answer.
        item: The example as it would be put in.
    """
    for earlier in tried:
        if (
            earlier.proposer == RETIRED
            and earlier.decision == "accept"
            and item.id in earlier.removed
        ):
            _, named, after = earlier.summary.partition(f"{item.id} (")
            if not named or after.startswith(f"{answer_mark(item)})"):
                return True
    return False


def _proposal(spec: AgentSpec, chosen: Sequence[tuple[Finding, Change]]) -> Proposal:
    counts = Counter(finding.kind for finding, _ in chosen)
    return Proposal(
        parent=spec.id,
        changes=tuple(change for _, change in chosen),
        findings=tuple(dict.fromkeys(finding.id for finding, _ in chosen)),
        proposer=_NAME,
        summary=(
            f"{len(chosen)} examples: {counts['successes']} from successful runs, "
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
            by=_NAME,
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
