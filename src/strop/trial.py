"""`tried`: one proposal before the gate, and its release if the gate accepts.

Every kind of change takes this way. Held-out tasks decide; on criteria, people's scores.

Next file: `loops.py`.
"""

from dataclasses import replace

from strop.context import count_tokens
from strop.cycle import Attempt
from strop.errors import ChangeRefused
from strop.evaluation import Evaluator
from strop.gate import Comparison, Decision, Verdict, compare, judge
from strop.grading import agreed, held_out_grades
from strop.grants import laddered
from strop.jsonvalue import JsonObject, canonical, is_object
from strop.parts import Parts
from strop.propose import Aim, Proposal
from strop.release import Action, Release
from strop.resolution import TABLE
from strop.score import Judge
from strop.spec import Add, AgentSpec, Change, Item, Kind, Remove, Revise, apply
from strop.task import Split, in_split
from strop.tools.identity import body_kind, code_digest
from strop.verdicts import (
    looks,
    lost_by_leaner,
    no_judge,
    out_of_budget,
    record_verdict,
    rolled_back_before,
    standing_verdict,
    task_set,
    terms_of,
    waits_for_review,
    without_rolled_back,
)

__all__ = ["tried"]


async def tried(parts: Parts, spec: AgentSpec, proposal: Proposal, evaluator: Evaluator) -> Attempt:
    """One proposal on held-out tasks; released if it is better there."""
    for finding in proposal.made:
        parts.store.put_document("finding", finding.id, finding.to_json())
    proposal, refused = without_rolled_back(_held_to(proposal, spec), parts.store)
    if not proposal.changes:
        return Attempt(proposal=proposal, verdict=rolled_back_before(refused))
    proposal, waiting = _without_waiting(parts, spec, proposal)
    if not proposal.changes:
        return Attempt(proposal=proposal, verdict=waits_for_review(waiting))
    candidate = apply(spec, proposal.changes)
    parts.store.put_spec(candidate)
    parts.store.put_document("proposal", candidate.id, proposal.to_json())

    if _touches_criteria(proposal, spec, candidate):
        verdict = await _agreed(parts, spec, proposal, candidate)
        comparison: Comparison | None = None
    else:
        verdict, comparison = await _gated(parts, spec, candidate, proposal, evaluator)
    accepted = verdict.decision is Decision.ACCEPT
    return Attempt(
        proposal=proposal,
        candidate=candidate,
        comparison=comparison,
        verdict=verdict,
        release=_promoted(parts, spec, candidate, proposal) if accepted else None,
    )


def _without_waiting(
    parts: Parts, spec: AgentSpec, proposal: Proposal
) -> tuple[Proposal, dict[str, str]]:
    """The proposal without tools that may not run yet, and those tools with why.

    What cannot run cannot be measured: people are asked first (`strop review`), and a later cycle
    proposes it again.
    """
    candidate = apply(spec, proposal.changes)
    inert = parts.inert(candidate)
    put_in = {c.item_id: c.item for c in proposal.changes if not isinstance(c, Remove)}
    waiting = {item_id: why for item_id, why in inert.items() if item_id in put_in}
    if not waiting:
        return proposal, {}
    for item_id in waiting:
        item = put_in[item_id]
        if parts.grants is None or not laddered(item):
            continue
        parts.grants.request(
            item, by=proposal.proposer, findings=proposal.findings, summary=proposal.summary
        )
        word = parts.grants.standing(code_digest(item)).word
        if word is not None and word.kind == "denial":
            waiting[item_id] = f"was denied by {word.body['by']}"
    # What it revises may speak of the tools that it is without now, as rewritten examples do.
    names = {put_in[item_id].content["name"] for item_id in waiting}
    kept = (
        change
        for change in proposal.changes
        if isinstance(change, Add)
        and change.item_id not in waiting
        and not names & {step.get("tool") for step in _steps(change.item)}
    )
    return replace(proposal, changes=tuple(kept)), waiting


def _steps(item: Item) -> list[JsonObject]:
    steps = item.content.get("steps")
    return [step for step in steps if is_object(step)] if isinstance(steps, list) else []


def _held_to(proposal: Proposal, spec: AgentSpec) -> Proposal:
    """The proposal with what it promises, which is to be better unless it does make less.

    A chain makes less where runs with it take less: that is measured (`_measured`).
    """
    if _makes_less(proposal, spec) or any(_is_chain(change) for change in proposal.changes):
        return proposal
    return replace(proposal, aim=Aim.BETTER)


def _measured(proposal: Proposal, spec: AgentSpec, comparison: Comparison) -> Proposal:
    """The proposal with what its runs show it to be: leaner only if they took fewer tokens."""
    took = comparison.candidate_usage.tokens, comparison.baseline_usage.tokens
    if _makes_less(proposal, spec) or took[0] <= _FEWER * took[1]:
        return proposal
    return replace(proposal, aim=Aim.BETTER)


_FEWER = 0.95  # of the tokens


def _is_chain(change: Change) -> bool:
    return (
        isinstance(change, Add)
        and change.item.kind is Kind.TOOL
        and body_kind(change.item) == "chain"
    )


def _makes_less(proposal: Proposal, spec: AgentSpec) -> bool:
    """Whether the spec shows less with it. A table does, whatever its size: it is not shown."""
    held = {item.id: item for item in spec.items}
    grown = 0
    for change in proposal.changes:
        if change.item_id != TABLE:
            grown -= _size(held.get(change.item_id))
            grown += 0 if isinstance(change, Remove) else _size(change.item)
    slack = _SLACK * sum(1 for change in proposal.changes if isinstance(change, Revise))
    return grown <= slack


_SLACK = 32  # tokens by which what replaces an item may be longer


def _size(item: Item | None) -> int:
    """Estimated tokens of what an item may show."""
    if item is None:
        return 0
    shown = {name: value for name, value in item.content.items() if name not in _NOT_SHOWN}
    return count_tokens(canonical(shown))


_NOT_SHOWN = {"about", "categories", "expires", "group", "task", "touches", "type", "when"}


async def _gated(
    parts: Parts,
    spec: AgentSpec,
    candidate: AgentSpec,
    proposal: Proposal,
    evaluator: Evaluator,
) -> tuple[Verdict, Comparison | None]:
    """The verdict on a candidate by held-out tasks: the one that stands, or a new one."""
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    scorer, aim = evaluator.scorer.version, proposal.aim
    terms = terms_of(parts.policy, scorer, parts.trials, validation, aim=aim)
    standing = standing_verdict(parts.store, spec, candidate, terms=terms)
    if standing is not None:
        return standing, None
    comparison = await _compared(parts, spec, candidate, evaluator)
    if evaluator.budget.spent_by is not None:
        return out_of_budget(evaluator.budget.spent_by), None
    left = max(0.0, parts.policy.max_loss - lost_by_leaner(parts.store, task_set(validation)))
    proposal = _measured(proposal, spec, comparison)
    policy = replace(parts.policy, max_loss=left)
    verdict = judge(comparison, policy, aim=Aim.BETTER)
    if proposal.aim is Aim.LEANER and verdict.decision is not Decision.ACCEPT:
        verdict = judge(comparison, policy, aim=Aim.LEANER)
    elif verdict.decision is Decision.ACCEPT:
        proposal = replace(proposal, aim=Aim.BETTER)  # it has lost nothing that would add up
    record_verdict(
        parts.store,
        proposal,
        candidate,
        verdict,
        tasks=task_set(validation),
        terms=terms,
        looks=comparison.looks,
        comparison=comparison,
    )
    return verdict, comparison


def _touches_criteria(proposal: Proposal, spec: AgentSpec, candidate: AgentSpec) -> bool:
    """Whether a proposal is about what counts as good.

    Raises:
        ChangeRefused: It is about that and something else: two changes that are judged by
            different things are two proposals.
    """
    kinds = {item.id: item.kind for item in (*spec.items, *candidate.items)}
    touched = {kinds[change.item_id] is Kind.CRITERION for change in proposal.changes}
    if touched == {True, False}:
        raise ChangeRefused("criteria are proposed by themselves: people's scores judge them")
    return touched == {True}


async def _agreed(
    parts: Parts, spec: AgentSpec, proposal: Proposal, candidate: AgentSpec
) -> Verdict:
    """The verdict on changed criteria, by the runs that people scored."""
    if not isinstance(parts.scorer, Judge):
        return no_judge()
    tasks = {task.id: task for task in (*parts.store.tasks(split=None), *parts.tasks)}
    held_out, terms = held_out_grades(parts.store, tasks, seed=parts.seed)
    standing = standing_verdict(parts.store, spec, candidate, terms=terms)
    if standing is not None:
        return standing
    # More people's scores make the set larger, not another one: its looks go on counting.
    which = f"human-scores-{parts.seed}"
    seen = looks(parts.store, which) + 1
    verdict = await agreed(
        parts.store,
        parts.scorer,
        candidate,
        held_out,
        tasks,
        looks=seen,
        seconds=parts.limits.seconds,
    )
    record_verdict(parts.store, proposal, candidate, verdict, tasks=which, terms=terms, looks=seen)
    return verdict


async def _compared(
    parts: Parts, spec: AgentSpec, candidate: AgentSpec, evaluator: Evaluator
) -> Comparison:
    """Both specs on the validation tasks."""
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    return await compare(
        spec,
        candidate,
        validation,
        split=Split.VALIDATION,
        evaluate=lambda s, t, n: evaluator.evaluate(s, t, split=Split.VALIDATION, trials=n),
        looks=looks(parts.store, task_set(validation)) + 1,
        trials=parts.trials,
        seed=parts.seed,
    )


def _promoted(parts: Parts, spec: AgentSpec, candidate: AgentSpec, proposal: Proposal) -> Release:
    release = Release(
        spec=candidate.id,
        previous=spec.id,
        origin=parts.base.id,
        action=Action.PROMOTE,
        summary=proposal.summary,
        by="gate",
    )
    parts.store.append_release(release, candidate)
    return release
