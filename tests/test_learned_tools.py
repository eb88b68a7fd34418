"""Learned tools in the loop: what may not run waits, what was granted is tried, what is leaner counts."""

from dataclasses import dataclass, replace
from functools import partial

import anyio
import pytest

from strop import SelfImprovingAgent, loops
from strop.approvals import approve, demote, deny
from strop.gate import Decision
from strop.ladder_tools import waiting
from strop.permission import Level, Permissions
from strop.propose import Aim, Proposal
from strop.run import ModelCall, Usage
from strop.spec import Add, Item, Kind, Provenance, Trust, apply
from strop.task import Split
from strop.tools import code_digest

FETCH = Item(
    id="tool-fetch",
    kind=Kind.TOOL,
    content={
        "name": "fetch",
        "description": "Fetches.",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        "body": {
            "kind": "code",
            "source": 'def fetch():\n    """Fetch."""\n    return 1\n',
            "function": "fetch",
            "imports": [],
        },
        "needs": Permissions(level=Level.FULL, hosts=("example.org:443",)).to_json(),
    },
    provenance=Provenance(by="mined:snippets", trust=Trust.EVIDENCE),
)
NOTE = Item(id="clause-1", kind=Kind.CLAUSE, content={"text": "Be brief."})


@dataclass(frozen=True)
class Proposes:
    """A proposer of given items, while the spec has none of them."""

    items: tuple
    name: str = "mined:snippets"
    aim: Aim = Aim.BETTER

    async def __call__(self, brief):
        held = {item.id for item in brief.spec.items}
        added = tuple(Add(item=item) for item in self.items if item.id not in held)
        if not added:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=added,
            findings=("f",),
            proposer=self.name,
            summary="one tool",
            aim=self.aim,
        )


def answers_with_the_tool(task, context):
    """Right where it may call `fetch`."""
    return task.expected if any(t.content["name"] == "fetch" for t in context.tools) else "no"


@pytest.fixture
def agent(tmp_path):
    tasks = [
        {"id": f"t{i}", "input": f"task {i}", "expected": f"yes {i}", "split": split}
        for i, split in enumerate(["train"] * 3 + ["validation"] * 12)
    ]
    with SelfImprovingAgent(
        name="desk",
        tasks=tasks,
        agent=answers_with_the_tool,
        scorer="exact",
        embedder="static",
        store=str(tmp_path / "strop.db"),
    ) as agent:
        yield agent


def improved(agent, *proposers):
    return anyio.run(loops.improve_once, replace(agent.parts, proposers=proposers))


def test_a_tool_that_needs_more_than_it_has_waits_and_is_tried_once_it_is_granted(agent):
    (attempt,) = improved(agent, Proposes((FETCH,))).attempts
    assert attempt.verdict.decision is Decision.INCONCLUSIVE
    assert [reason.code for reason in attempt.verdict.reasons] == ["waiting"]
    assert "needs level 'full'" in attempt.verdict.reasons[0].message
    assert attempt.candidate is None  # nothing was evaluated for it
    (asked,) = waiting(agent.parts.grants)
    assert asked.digest == code_digest(FETCH)

    improved(agent, Proposes((FETCH,)))
    assert len(waiting(agent.parts.grants)) == 1  # asked once

    approve(agent.parts.grants, "fetch", by="ann")
    (attempt,) = improved(agent, Proposes((FETCH,))).attempts
    assert attempt.verdict.decision is Decision.ACCEPT
    assert "tool-fetch" in {item.id for item in agent.spec.items}
    assert agent.run("task 99").run.shown == ("tool-fetch",)
    kinds = [entry.kind for entry, _ in agent.store.ledger() if entry.kind != "verdict"]
    assert kinds == ["release", "request", "approval", "release"]


def test_a_denied_tool_is_not_tried_and_not_asked_for_again(agent):
    improved(agent, Proposes((FETCH,)))
    deny(agent.parts.grants, "fetch", by="ann", reason="no network")
    (attempt,) = improved(agent, Proposes((FETCH,))).attempts
    assert "denied by person:ann" in attempt.verdict.reasons[0].message
    assert not waiting(agent.parts.grants)
    assert "tool-fetch" not in {item.id for item in agent.spec.items}


def test_the_rest_of_a_proposal_is_tried_without_the_tool_that_waits(agent):
    (attempt,) = improved(agent, Proposes((FETCH, NOTE))).attempts
    assert [change.item_id for change in attempt.proposal.changes] == ["clause-1"]
    assert attempt.comparison is not None
    assert len(waiting(agent.parts.grants)) == 1


def test_what_was_evaluated_without_a_tool_says_nothing_of_the_agent_that_may_use_it(agent):
    """A grant that comes or goes makes another agent, also under the same spec."""
    approve_later = Proposes((FETCH,))
    improved(agent, approve_later)
    approve(agent.parts.grants, "fetch", by="ann")
    improved(agent, approve_later)
    assert [scored.value for scored in agent.evaluate(split="validation")] == [1.0] * 12
    demote(agent.parts.grants, "fetch", by="ann", reason="for now")
    assert [scored.value for scored in agent.evaluate(split="validation")] == [0.0] * 12
    run = agent.run("task 99").run
    assert run.shown == ()  # an inert tool is not shown, and gets no credit


def test_a_chain_that_saves_tokens_is_accepted_at_the_same_score(tmp_path):
    """It adds words to every request, but runs with it take less: that is measured."""
    chain = Item(
        id="tool-both",
        kind=Kind.TOOL,
        content={
            "name": "both",
            "description": "Both.",
            "parameters": {"type": "object", "properties": {}},
            "body": {"kind": "chain", "steps": [{"tool": "one", "args": {}}], "returns": "last"},
        },
    )
    one = Item(
        id="tool-one",
        kind=Kind.TOOL,
        content={
            "name": "one",
            "description": "One.",
            "parameters": {"type": "object", "properties": {}},
            "body": {"kind": "native", "target": "m:one"},
        },
    )
    for factor, decision in ((0.5, Decision.ACCEPT), (1.5, Decision.REJECT)):
        tasks = [
            {"id": f"t{i}", "input": f"task {i}", "expected": "yes", "split": split}
            for i, split in enumerate(["train"] * 3 + ["validation"] * 40)
        ]

        def backend(spec, factor=factor):
            async def answer(task, context, trace, limits):
                with_chain = any(t.id == "tool-both" for t in context.tools)
                tokens = int(1000 * (factor if with_chain else 1.0))
                trace.add(ModelCall(model="m", usage=Usage(input_tokens=tokens, requests=1)))
                return "yes"

            return answer

        with SelfImprovingAgent(
            name="desk",
            tasks=tasks,
            agent=answers_with_the_tool,
            scorer="exact",
            embedder="static",
            store=str(tmp_path / f"{factor}.db"),
        ) as agent:
            base = replace(agent.parts.base, items=(one,))
            parts = replace(
                agent.parts,
                base=base,
                backend=backend,
                proposers=(Proposes((chain,), name="mined:chains", aim=Aim.LEANER),),
            )
            (attempt,) = anyio.run(loops.improve_once, parts).attempts
            assert attempt.verdict.decision is decision, attempt.verdict


def test_a_tool_that_is_halted_in_the_midst_of_an_evaluation_spoils_no_cache(agent):
    """Runs before and after are of two agents; only what is of the one that was begun is kept."""
    improved(agent, Proposes((FETCH,)))
    approve(agent.parts.grants, "fetch", by="ann")
    seen = 0

    def backend(spec):
        async def answer(task, context, trace, limits):
            nonlocal seen
            seen += 1
            if seen == 5:
                demote(agent.parts.grants, "fetch", by="ann", reason="for now")
            return answers_with_the_tool(task, context)

        return answer

    parts = replace(agent.parts, backend=backend, concurrency=1, proposers=(Proposes((FETCH,)),))
    spec = apply(agent.spec, [Add(item=FETCH)])
    runs = anyio.run(partial(loops.evaluate_split, parts, spec, split=Split.VALIDATION))
    assert len(runs) == 4  # of twelve: the fifth saw it taken back
    approve(agent.parts.grants, "fetch", by="ann")
    again = anyio.run(partial(loops.evaluate_split, parts, spec, split=Split.VALIDATION))
    assert [scored.value for scored in again] == [1.0] * 12
    assert seen == 12 + 8
