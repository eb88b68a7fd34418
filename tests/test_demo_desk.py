"""The demo's second act, as far as it needs no model: its project, its tools, its runs by people."""

import importlib
import json
import sys
from collections import defaultdict

import anyio
import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from strop import loops
from strop.assembly import assemble
from strop.config import load_config
from strop.demo.desk import made_desk
from strop.demo.toolsmith import _COUNTS, _QUICK, _counted, _import, scaffold
from strop.mine.chains import mine_chains
from strop.run import ToolCall, load_runs
from strop.spec import Kind
from strop.task import Split, load_tasks


@pytest.fixture
def project(tmp_path):
    before = list(sys.path)
    path = scaffold(tmp_path / "desk", quick=True)
    sys.path.insert(0, str(path.parent))
    sys.modules.pop("desk_tools", None)
    yield path
    sys.path[:] = before
    sys.modules.pop("desk_tools", None)


def test_no_customer_and_no_topic_is_in_two_splits():
    desk = made_desk(_COUNTS)
    where = defaultdict(set)
    for task in desk.tasks:
        where[task.group].add(task.split)
        where[task.category].add(task.split)
    assert {len(splits) for splits in where.values()} == {1}
    assert {s: sum(t.split is s for t in desk.tasks) for s in _COUNTS} == _COUNTS
    assert len({task.group for task in desk.tasks}) == len(desk.tasks)


def test_the_desk_is_the_same_every_time():
    assert made_desk(_QUICK) == made_desk(_QUICK)


def test_an_answer_cannot_be_read_off_the_message_or_another_task():
    desk = made_desk(_COUNTS)
    for task in desk.tasks:
        assert task.expected not in str(task.input)
        same_topic = [t for t in desk.tasks if t.category == task.category]
        assert all(t.split is task.split for t in same_topic)
    # The topic alone is not enough: its articles differ by plan.
    plans = defaultdict(set)
    for article in desk.articles:
        plans[article.topic].add(article.id)
    assert {len(ids) for ids in plans.values()} == {3}


def test_the_runs_by_people_are_what_the_tools_return(project):
    tools = importlib.import_module("desk_tools")
    runs = list(load_runs(project.parent / "by_hand.jsonl"))
    tasks = {task.id: task for task in load_tasks(project.parent / "tasks.jsonl")}
    assert len(runs) == _QUICK[Split.TRAIN]
    for scored in runs:
        run = scored.run
        assert tasks[run.task].split is Split.TRAIN
        assert (run.output, run.task_digest) == (tasks[run.task].expected, tasks[run.task].digest)
        for step in run.steps:
            assert isinstance(step, ToolCall)
            assert getattr(tools, step.tool)(**step.args) == step.result
        assert run.output == run.steps[-1].result["article"]


def test_the_tools_find_every_answer_and_say_when_there_is_none(project):
    tools = importlib.import_module("desk_tools")
    for task in load_tasks(project.parent / "tasks.jsonl"):
        email = str(task.input).split()[0]
        customer = tools.find_customer(email)["customer_id"]
        plan = tools.find_plan(customer)["plan"]
        assert tools.find_article(plan, str(task.category))["article"] == task.expected
    for call in (
        lambda: tools.find_customer("nobody@example.org"),
        lambda: tools.find_plan("' OR 1=1 --"),
        lambda: tools.find_article("orchard", "the of"),
        lambda: tools.find_article("no such plan", "watering"),
    ):
        with pytest.raises(LookupError):
            call()


def test_the_projects_files_belong_to_the_project(project):
    assert sorted(p.name for p in project.parent.iterdir()) == [
        "by_hand.jsonl",
        "desk.db",
        "desk_tools.py",
        "strop.yaml",
        "tasks.jsonl",
    ]
    assert "Next file" not in (project.parent / "desk_tools.py").read_text()
    assert scaffold(project.parent, quick=False) == project  # over what is there


def test_their_calls_are_mined_as_one_chain():
    runs = made_desk(_QUICK).runs
    (finding,) = mine_chains(runs)
    tool = finding.data["tool"]
    assert [step["tool"] for step in tool["body"]["steps"]] == [
        "find_customer",
        "find_plan",
        "find_article",
    ]
    assert sorted(tool["parameters"]["properties"]) == ["email", "topic"]


def test_calls_are_counted():
    assert _counted(["a", "b", "b", "a"]) == ["a", "b (2 times)", "a"]


TOPICS = sorted({article.topic for article in made_desk(_QUICK).articles})


def answered_by(messages, info):
    """A model that answers rightly where there is one tool for it all, and not otherwise."""
    name = next((t.name for t in info.function_tools if t.name.startswith("find_customer_")), None)
    last = messages[-1].parts[-1]
    if name is None:
        part = TextPart("KB-0")
    elif isinstance(last, ToolReturnPart):
        part = TextPart(last.content["article"])
    else:
        words = [word.strip(",;:.?") for word in last.content.split()]
        part = ToolCallPart(name, {"email": words[0], "topic": min(set(words) & set(TOPICS))})
    return ModelResponse(parts=[part])


def test_the_gate_releases_the_tool_and_nothing_that_does_not_help(project):
    config = load_config(project)
    model = FunctionModel(answered_by)
    parts = assemble(config, folder=project.parent, model=model)
    try:
        count = _import(parts, project.parent)
        assert count == _import(parts, project.parent) == _QUICK[Split.TRAIN]
        cycle = anyio.run(loops.hear_once, parts)
        verdicts = {a.proposal.proposer: a.verdict.decision.value for a in cycle.attempts}
        assert verdicts["mined:chains"] == "accept"
        assert verdicts["mined:examples"] != "accept"
        released = cycle.released[-1].candidate
        learned = [i for i in released.of_kind(Kind.TOOL) if not i.protected]
        assert [i.content["body"]["kind"] for i in learned] == ["chain"]
        names = {i.content["name"] for i in learned}
        shown = [i.content["steps"] for i in released.of_kind(Kind.EXAMPLE)]
        assert shown
        assert all(step["tool"] in names for steps in shown for step in steps)
        assert json.dumps(released.to_json())
    finally:
        parts.store.close()
