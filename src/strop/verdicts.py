"""Verdicts in the ledger: recording one, and finding the one that stands on a candidate.

Every look at a set of held-out tasks is an entry, so that looks can be counted and a candidate is
not tried again and again until it passes.

Next file: `grading.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import cast

from strop.evaluation import Budget
from strop.gate import Comparison, Decision, MarginPolicy, Reason, Verdict
from strop.jsonvalue import Json, JsonObject, digest
from strop.propose import Aim, Proposal, Tried
from strop.release import Action, LedgerEntry
from strop.run import ScoredRun, ScoreFailure
from strop.spec import Add, AgentSpec, Item, Remove, change_from_json
from strop.store import Store
from strop.task import Task, normalised

__all__ = [
    "looks",
    "lost_by_leaner",
    "no_judge",
    "nothing_learned",
    "out_of_budget",
    "overtaken",
    "record_verdict",
    "rolled_back_before",
    "standing_verdict",
    "task_set",
    "terms_of",
    "tried_before",
    "waits_for_review",
    "without_rolled_back",
]


def task_set(tasks: Sequence[Task]) -> str:
    """Which set of held-out tasks this is, whatever their order."""
    return digest(sorted(task.digest for task in tasks))[:16]


def looks(store: Store, which: str) -> int:
    """How many candidates a set of held-out tasks (`task_set`) has judged.

    A verdict that saw nothing, because scores were lacking, has not looked.
    """
    return sum(
        1
        for entry, _ in store.ledger()
        if entry.kind == "verdict" and entry.body.get("tasks") == which and _has_looked(entry)
    )


def terms_of(
    policy: MarginPolicy, scorer: str, trials: int, validation: Sequence[Task], *, aim: Aim
) -> str:
    """Digest of all that a verdict rests on beside the two specs: other terms, another verdict.

    Args:
        policy: Decides.
        scorer: The scorer's version.
        trials: Runs per task and spec.
        validation: The held-out tasks, with what is critical among them.
        aim: What the candidate promises.
    """
    tasks: list[Json] = [
        [d, critical] for d, critical in sorted((t.digest, t.critical) for t in validation)
    ]
    return digest([asdict(policy), scorer, trials, tasks, aim.value])[:16]


def standing_verdict(
    store: Store, spec: AgentSpec, candidate: AgentSpec, *, terms: str
) -> Verdict | None:
    """The verdict that stands on this very candidate, so that it is not tried until it passes.

    One that says only that scores were missing does not stand: a run after the outage fills them
    in, and what was scored before is not run again.
    """
    standing: Verdict | None = None
    for entry, _ in store.ledger():
        if _judged(entry, spec, candidate, terms) and not _lacked_scores(entry):
            standing = _verdict(entry)
    return standing


def without_rolled_back(proposal: Proposal, store: Store) -> tuple[Proposal, int]:
    """The proposal without what people took out, and how many changes that leaves out.

    A rollback says no to every item that the spec it left had and the spec it went to has not, as
    it is and by its text, for new runs change what else a mined item holds; and to taking out again
    what it brought back. An item that was retired is refused under its id too, whatever becomes of
    it. Going back to a spec (``strop
    rollback --to``) says yes to all that it has.
    """
    refused: set[str] = set()
    returned: set[str] = set()  # ids that a rollback brought back
    for release in store.releases():
        if release.action not in (Action.ROLLBACK, Action.RETIRE) or release.previous is None:
            continue
        now, left = store.spec(release.spec).items, store.spec(release.previous).items
        standing = {item.digest for item in now}
        for item in left:
            if item.digest not in standing:
                retired = release.action is Action.RETIRE
                refused |= _names(item) - (set() if retired else {f"id {item.id}"})
        refused -= {name for item in now for name in _names(item)}
        here, there = {item.id for item in now}, {item.id for item in left}
        returned = (returned | (here - there)) - (there - here)
    changes = tuple(
        change
        for change in proposal.changes
        if not (
            change.item_id in returned
            if isinstance(change, Remove)
            else refused & _names(change.item)
        )
    )
    if len(changes) < len(proposal.changes) and proposal.aim is Aim.LEANER:
        changes = ()  # what is merged or replaced is one change: half of it would lose the rest
    return replace(proposal, changes=changes), len(proposal.changes) - len(changes)


def _names(item: Item) -> set[str]:
    """What an item may be refused by: as it is, by its id, by its text."""
    names = {item.digest, f"id {item.id}"}
    if "text" in item.content:
        names.add(f"{item.kind} {normalised(item.text)}")
    return names


def _judged(entry: LedgerEntry, spec: AgentSpec, candidate: AgentSpec, terms: str) -> bool:
    found = [entry.body.get(name) for name in ("baseline", "candidate", "terms")]
    return entry.kind == "verdict" and found == [spec.id, candidate.id, terms]


_BLIND = {"judge_failed", "missing_grades", "no_variation", "too_few_human_scores"}


def _has_looked(entry: LedgerEntry) -> bool:
    reasons = cast("Sequence[JsonObject]", entry.body["reasons"])
    return not any(reason["code"] in _BLIND for reason in reasons)


def _lacked_scores(entry: LedgerEntry) -> bool:
    reasons = cast("Sequence[JsonObject]", entry.body["reasons"])
    codes = [reason["code"] for reason in reasons]
    return codes == ["missing_scores"] or bool(_BLIND & set(codes))


def _verdict(entry: LedgerEntry) -> Verdict:
    decision = Decision(str(entry.body["decision"]))
    reason = Reason(
        code="judged_before",
        message=f"judged before on the same tasks: {entry.body['message']}",
        data={"ledger": entry.seq},
    )
    return Verdict(decision=decision, reasons=(reason,))


def record_verdict(
    store: Store,
    proposal: Proposal,
    candidate: AgentSpec,
    verdict: Verdict,
    *,
    tasks: str,
    terms: str,
    looks: int,
    comparison: Comparison | None = None,
) -> None:
    """Put a verdict into the ledger, with the figures it rests on.

    Args:
        store: Where the ledger is.
        proposal: What was proposed.
        candidate: The spec it makes.
        verdict: The decision.
        tasks: Which set of held-out tasks (or of runs that people scored) decided.
        terms: What else it rests on (`terms_of`).
        looks: How many candidates that set has judged, this one included.
        comparison: The held-out comparison; none where people's scores decided.
    """
    if comparison is not None:
        key = f"{comparison.baseline}:{comparison.candidate}"
        store.put_document("comparison", key, comparison.to_json())
    store.append(
        "verdict",
        {
            "baseline": proposal.parent,
            "candidate": candidate.id,
            "tasks": tasks,
            "terms": terms,
            "looks": looks,
            "proposer": proposal.proposer,
            "summary": proposal.summary,
            "baseline_mean": None if comparison is None else comparison.baseline_mean,
            "candidate_mean": None if comparison is None else comparison.candidate_mean,
            "effect": None if comparison is None else comparison.effect,
            "aim": proposal.aim.value,
            "decision": verdict.decision.value,
            "message": "; ".join(reason.message for reason in verdict.reasons),
            "reasons": [reason.to_json() for reason in verdict.reasons],
        },
    )


def tried_before(store: Store, *, terms: Collection[str], at_most: int = 50) -> tuple[Tried, ...]:
    """Earlier proposals with what the gate said of them, oldest first: the newest `at_most`.

    Args:
        store: Where the ledger is.
        terms: Those of today (`terms_of`); a rejection on others is ``outdated`` and bars nothing.
        at_most: How many.
    """
    verdicts = [entry.body for entry, _ in store.ledger() if entry.kind == "verdict"][-at_most:]
    return tuple(_tried(store, body, stands=body.get("terms") in terms) for body in verdicts)


def _tried(store: Store, verdict: JsonObject, *, stands: bool) -> Tried:
    proposal = store.document("proposal", str(verdict["candidate"]))
    changes = [change_from_json(c) for c in cast("Sequence[JsonObject]", proposal["changes"])]
    items = [change.item for change in changes if not isinstance(change, Remove)]
    decision = str(verdict["decision"])
    return Tried(
        proposer=str(verdict["proposer"]),
        summary=str(verdict["summary"]),
        texts=tuple(item.text for item in items if "text" in item.content),
        decision="outdated" if decision == Decision.REJECT and not stands else decision,
        message=str(verdict["message"]),
        added=tuple(change.item_id for change in changes if isinstance(change, Add)),
        removed=tuple(change.item_id for change in changes if isinstance(change, Remove)),
    )


def lost_by_leaner(store: Store, which: str) -> float:
    """What changes that promised to be no worse have lost since the score last rose, in points.

    Each may lose a little, as far as held-out tasks can tell; together they may not lose more.
    """
    lost = 0.0
    for entry, _ in store.ledger():
        body = entry.body
        if entry.kind != "verdict" or body.get("tasks") != which or body["decision"] != "accept":
            continue
        effect = cast("float | None", body.get("effect")) or 0.0
        lost = lost + max(0.0, -effect) if body.get("aim") == Aim.LEANER else 0.0
    return lost


def nothing_learned(warmed: Sequence[ScoredRun], budget: Budget) -> Verdict | None:
    """Why the train runs give nothing to learn from, if they do not."""
    if budget.spent_by is not None:
        return out_of_budget(budget.spent_by)
    if any(scored.value is not None for scored in warmed):
        return None
    failures = [s.score.error for s in warmed if isinstance(s.score, ScoreFailure)]
    why = failures[0] if failures else "no run was scored"
    message = f"none of {len(warmed)} train runs has a score, the first because: {why}"
    return Verdict(
        decision=Decision.INCONCLUSIVE, reasons=(Reason(code="unscored", message=message),)
    )


def rolled_back_before(count: int) -> Verdict:
    """The verdict on a proposal of which nothing is left."""
    message = f"all {count} changes were released before and taken back by a person"
    return Verdict(decision=Decision.REJECT, reasons=(Reason(code="rolled_back", message=message),))


def waits_for_review(waiting: Mapping[str, str]) -> Verdict:
    """The verdict on tools that may not run yet.

    Args:
        waiting: Why, by item id.
    """
    reasons = tuple(
        Reason(code="waiting", message=f"{item_id}: {why}") for item_id, why in waiting.items()
    )
    return Verdict(decision=Decision.INCONCLUSIVE, reasons=reasons)


def no_judge() -> Verdict:
    """The verdict on criteria that nothing grades by."""
    message = "criteria change nothing here: the scorer is not a judge"
    return Verdict(decision=Decision.REJECT, reasons=(Reason(code="no_judge", message=message),))


def overtaken(message: str) -> Verdict:
    """The verdict on a candidate whose parent does not serve any more."""
    message = f"{message}; what was evaluated is kept, run again to go on"
    return Verdict(
        decision=Decision.INCONCLUSIVE, reasons=(Reason(code="overtaken", message=message),)
    )


def out_of_budget(bound: str) -> Verdict:
    """The verdict of a cycle that the budget ended."""
    message = f"the budget ran out ({bound}); what was evaluated is kept, run again to go on"
    return Verdict(
        decision=Decision.INCONCLUSIVE, reasons=(Reason(code="budget", message=message),)
    )
