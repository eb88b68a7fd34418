"""Criteria: what people's scores teach the judge, and the gate that only their scores open."""

import re
from dataclasses import dataclass, replace

import pytest

from strop import Kind, Run, SelfImprovingAgent, Split, Task
from strop.gate import Decision
from strop.grading import by_own_criteria, disputes, held_out_grades
from strop.loops import hear_once
from strop.propose import Proposal
from strop.score import Exact, Judge, human_score
from strop.spec import Add, Item, apply

pytestmark = pytest.mark.anyio
KIND = Item(id="criterion-kind", kind=Kind.CRITERION, content={"text": "Is it kind?"})
SHORT = Item(id="criterion-short", kind=Kind.CRITERION, content={"text": "Is it short?"})


async def ask(instructions, prompt, schema):
    """Grades length where it is asked to, and finds everything kind."""
    answer = re.search(r"answer\n(.*?)\n\w+>>>", prompt, re.DOTALL).group(1)
    grades = {}
    for key, text in re.findall(r"- (criterion_\d+): (.*)", instructions):
        good = "short" not in text or len(answer) < 20
        grades[key] = {"reason": "as it is", "grade": 1.0 if good else 0.0}
    return grades


JUDGE = Judge(criteria=(KIND,), ask=ask)


@dataclass(frozen=True)
class Proposes:
    changes: tuple
    name: str = "person:criteria"

    async def __call__(self, brief):
        if not self.changes:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=self.changes,
            findings=(),
            proposer=self.name,
            summary="criteria",
        )


@pytest.fixture
def desk(tmp_path):
    tasks = [{"id": f"v{i}", "input": f"question {i}", "split": "validation"} for i in range(10)]
    with SelfImprovingAgent(
        tasks=tasks,
        agent=lambda task, context: "yes",
        scorer=JUDGE,
        criteria=[{"id": KIND.id, "text": KIND.text}],
        embedder="static",
        store=str(tmp_path / "s.db"),
    ) as agent:
        yield agent


def scored_by_people(agent, count=80):
    for i in range(count):
        short = i % 2 == 0
        task = Task(id=f"p{i}", input=f"ask {i}", split=Split.PRODUCTION)
        run = Run(
            id=f"run-{i:03}",
            task=task.id,
            input=task.input,
            split=Split.PRODUCTION,
            task_digest=task.digest,
            output="brief" if short else "a very long answer indeed " * 3,
        )
        human = human_score(1.0 if short else 0.0, by="ann", reason="short please")
        agent.store.put_run(run, human, task=task)


async def heard(agent, *changes):
    return await hear_once(replace(agent.parts, proposers=(Proposes(changes),)))


async def test_criteria_that_agree_with_people_are_released_and_used(desk):
    scored_by_people(desk)
    (attempt,) = (await heard(desk, Add(item=SHORT))).attempts
    assert attempt.verdict.decision is Decision.ACCEPT
    assert attempt.verdict.reasons[0].code == "agrees_better"
    assert attempt.comparison is None
    assert [c.id for c in desk.spec.of_kind(Kind.CRITERION)] == [KIND.id, SHORT.id]
    serving = by_own_criteria(desk.parts.scorer, desk.spec)
    assert [c.id for c in serving.criteria] == [KIND.id, SHORT.id]
    entries = [entry.body for entry, _ in desk.store.ledger() if entry.kind == "verdict"]
    assert [(e["decision"], e["looks"], e["effect"]) for e in entries] == [("accept", 1, None)]


async def test_without_peoples_scores_criteria_stay(desk):
    (attempt,) = (await heard(desk, Add(item=SHORT))).attempts
    assert attempt.verdict.decision is Decision.INCONCLUSIVE
    assert desk.spec.of_kind(Kind.CRITERION) == desk.parts.base.of_kind(Kind.CRITERION)


async def test_criteria_that_change_nothing_are_refused(desk):
    scored_by_people(desk)
    same = Item(id="criterion-more", kind=Kind.CRITERION, content={"text": "Is it very kind?"})
    (attempt,) = (await heard(desk, Add(item=same))).attempts
    assert attempt.verdict.decision is Decision.REJECT


async def test_criteria_come_by_themselves(desk):
    clause = Item(id="c", kind=Kind.CLAUSE, content={"text": "Be brief."})
    cycle = await heard(desk, Add(item=SHORT), Add(item=clause))
    assert cycle.attempts == ()
    assert "by themselves" in dict(cycle.failures)["person:criteria"]


async def test_each_change_of_criteria_is_compared_with_those_that_hold_by_then(desk):
    scored_by_people(desk)
    noisy = Item(id="criterion-odd", kind=Kind.CRITERION, content={"text": "Is it odd?"})
    good, bad = Proposes((Add(item=SHORT),)), Proposes((Add(item=noisy),), name="more:criteria")
    cycle = await hear_once(replace(desk.parts, proposers=(good, bad)))
    first, second = cycle.attempts
    assert first.verdict.decision is Decision.ACCEPT
    # On its own it would look better than the first criteria alone.
    assert second.verdict.decision is not Decision.ACCEPT
    assert second.verdict.reasons[0].data["before"] == first.verdict.reasons[0].data["after"]


async def test_looks_at_peoples_scores_count_on_as_more_come_in(desk):
    scored_by_people(desk)
    same = Item(id="criterion-more", kind=Kind.CRITERION, content={"text": "Is it very kind?"})
    again = Item(id="criterion-again", kind=Kind.CRITERION, content={"text": "Is it so kind?"})
    await heard(desk, Add(item=same))
    task = Task(id="new", input="one more", split=Split.PRODUCTION)
    run = Run(id="run-new", task="new", input="one more", split=Split.PRODUCTION, output="brief")
    desk.store.put_run(run, human_score(1.0, by="ann"), task=task)
    await heard(desk, Add(item=again))
    bodies = [entry.body for entry, _ in desk.store.ledger() if entry.kind == "verdict"]
    assert [body["looks"] for body in bodies] == [1, 2]


async def test_a_grade_is_asked_for_once(desk):
    scored_by_people(desk)
    asked = []

    async def counting(instructions, prompt, schema):
        asked.append(prompt)
        return await ask(instructions, prompt, schema)

    desk.parts = replace(desk.parts, scorer=Judge(criteria=(KIND,), ask=counting))
    same = Item(id="criterion-more", kind=Kind.CRITERION, content={"text": "Is it very kind?"})
    await heard(desk, Add(item=same))
    before = len(asked)
    assert before > 80
    await hear_once(replace(desk.parts, proposers=(Proposes(()),)))
    assert len(asked) == before


async def test_what_teaches_never_decides(desk):
    scored_by_people(desk)
    tasks = {task.id: task for task in desk.store.tasks(split=None)}
    held_out, which = held_out_grades(desk.store, tasks, seed=0)
    teach = await disputes(desk.store, tasks, judge=JUDGE, seed=0, seconds=5)
    assert teach.runs
    assert held_out
    assert not {s.run.task for s in held_out} & {s.run.task for s in teach.runs}
    assert {s.score.name for s in teach.runs} == {"judge"}
    assert set(teach.human) == {s.run.id for s in teach.runs}
    assert held_out_grades(desk.store, tasks, seed=0)[1] == which


async def test_other_scorers_grade_as_they_did(desk):
    spec = apply(desk.spec, [Add(item=SHORT)])
    assert by_own_criteria(Exact(), spec) == Exact()
