"""Seeds, a warm-up and what comes from another agent: proposed, and held to the same gate."""

import asyncio
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop import SelfImprovingAgent, Split, Task, loops
from strop.bootstrap import (
    LEVERS,
    Bundles,
    Demonstrations,
    Setting,
    Teacher,
    admitted,
    arrive,
    batch,
    from_tasks,
    give_scores,
    read_demonstrations,
    read_scores,
    warm_up,
    worth_asking,
)
from strop.bootstrap.seed import BY_PEOPLE, demonstration, unfit
from strop.errors import BadInput, ModelFailed
from strop.evaluation import Budget
from strop.evidence import sources
from strop.gate import Decision
from strop.heldout import HeldOut
from strop.mine.resolutions import Answered, mine_resolutions
from strop.models.scripted import ScriptedModel
from strop.propose import Brief
from strop.resolution import TABLE, Table
from strop.run import Score
from strop.score import Normalised
from strop.spec import Add, AgentSpec, Item, Kind, Provenance, Revise, Selection, Trust, apply

TOPICS = {
    "trace": ["where is my parcel {}", "my parcel {} has not come", "parcel {} is late again"],
    "refund": ["refund {} is missing", "I want my money back for {}", "no refund came for {}"],
    "login": ["cannot sign in {}", "my password {} fails", "the app {} logs me out"],
}
SPLITS = {
    "today": "train",
    "since Monday": "train",
    "from the shop": "validation",
    "for the roses": "validation",
    "in Spain": "test",
}


def desk_tasks():
    return [
        {
            "id": f"{answer} {thing} {i}",
            "input": pattern.format(thing),
            "expected": answer,
            "category": answer,
            "group": f"{answer} {thing}",
            "split": split,
        }
        for answer, patterns in TOPICS.items()
        for thing, split in SPLITS.items()
        for i, pattern in enumerate(patterns)
    ]


async def copycat(task, context):
    """Knows one answer, and otherwise repeats the example it trusts most."""
    return context.demonstrations[-1].output if context.demonstrations else "trace"


@pytest.fixture
def make(tmp_path):
    """Makes agents in one folder, and closes them."""
    made = []

    def agent(tasks=None, **more):
        settings = {
            "name": "desk",
            "agent": copycat,
            "scorer": "exact",
            "embedder": "static",
            "store": str(tmp_path / "strop.db"),
            **more,
        }
        made.append(SelfImprovingAgent(tasks=tasks or desk_tasks(), **settings))
        return made[-1]

    yield agent
    for each in made:
        each.close()


@pytest.fixture
def desk(make):
    return make()


def hear(parts, *proposers, **more):
    return asyncio.run(loops.hear_once(replace(parts, proposers=proposers), **more))


def write(path, *values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def example(text, output, **more):
    return demonstration(text, output, provenance=BY_PEOPLE, **more)


def memory(item_id, text, **more):
    return Item(id=item_id, kind=Kind.MEMORY, content={"text": text, **more})


# --- what is held out ----------------------------------------------------------------------------

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "my", "red", "mat"]), max_size=12)


@given(before=WORDS, after=WORDS, inputs=st.lists(WORDS.filter(lambda w: len(w) >= 4), min_size=1))
def test_a_held_out_input_is_found_wherever_it_stands(before, after, inputs):
    tasks = [
        Task(id=str(i), input=" ".join(words), split=Split.VALIDATION)
        for i, words in enumerate(inputs)
    ]
    text = "  ".join([*before, *(word.upper() for word in inputs[-1]), *after]) + "!"
    held_out = HeldOut.of(tasks)
    assert held_out.is_told_by(text)
    assert held_out.is_told_by({"steps": [{"args": {"q": text}}]})


@given(text=WORDS, inputs=st.lists(WORDS.filter(bool), max_size=4))
def test_only_held_out_inputs_are_found(text, inputs):
    held_out = HeldOut.of(
        Task(id=str(i), input=" ".join(words), split=Split.TEST) for i, words in enumerate(inputs)
    )
    said, joined = f" {' '.join(text)} ", [" ".join(words) for words in inputs]
    expected = said.strip() in joined or any(
        f" {each} " in said for each in joined if each.count(" ") >= 3
    )
    assert held_out.is_told_by(" ".join(text)) is expected


def test_train_tasks_are_no_secret_and_short_inputs_are_no_accident():
    held_out = HeldOut.of(
        [
            Task(id="a", input="yes", split=Split.VALIDATION),
            Task(id="b", input="where is my parcel today", split=Split.TRAIN),
            Task(
                id="c",
                input="私の荷物はどこにありますか今日届くはずでしたがまだ来ません",
                split=Split.TEST,
            ),
        ]
    )
    assert held_out.is_told_by("Yes!")
    assert not held_out.is_told_by("say yes where is my parcel today")
    assert held_out.is_told_by(
        "例: 私の荷物はどこにありますか今日届くはずでしたがまだ来ません、と言う"
    )


def test_a_task_is_barred_by_its_id_its_input_or_its_group():
    held_out = HeldOut.of(
        [
            Task(id="a", input="where is it", group="g", split=Split.TEST),
            Task(id="b", input="refund me", group="h", split=Split.TRAIN),
            Task(id="c", input="no group", split=Split.VALIDATION),
        ]
    )
    assert held_out.bars("a", "other words")
    assert held_out.bars("x", "Where is  IT?")
    assert held_out.bars("x", "say where that is", "g")
    assert held_out.bars(None, "where is it")
    assert not held_out.bars("b", "refund me", "h")
    assert not held_out.bars("x", "other words")
    assert not held_out.bars(None, "other words", None)


def test_a_paraphrase_of_a_held_out_task_teaches_nobody(desk):
    """Also not where it was served in production, and answered well."""
    said = {
        "held": Task(id="held", input="tell me of the rose parcel", group="trace for the roses"),
        "free": Task(id="free", input="tell me of the oak parcel", group="trace of the oaks"),
    }
    for task in said.values():
        desk.run(replace(task, expected="trace"))
    parts = desk.parts
    teaching = sources(parts.store, parts.tasks)
    assert ("held" in teaching, "free" in teaching) == (False, True)
    cycle = asyncio.run(loops.hear_once(parts))
    assert [list(finding.data["answers"]) for finding in cycle.findings] == [["free"]]


def test_a_huge_text_is_looked_through_word_by_word():
    tasks = [Task(id=str(i), input=f"word word word word {i}", split=Split.TEST) for i in range(50)]
    held_out = HeldOut.of(tasks)
    assert not held_out.is_told_by("word " * 400_000)


# --- seed ----------------------------------------------------------------------------------------


def test_a_persons_demonstrations_pass_the_gate_and_stand_on_their_word(desk, tmp_path):
    file = write(
        tmp_path / "seeds.jsonl",
        *(
            {"input": pattern.format(thing), "output": answer, "category": answer}
            for answer, patterns in TOPICS.items()
            for thing in ("number nine", "of my aunt")
            for pattern in patterns
        ),
    )
    items = read_demonstrations(file, tasks=desk.parts.tasks, schema=None)
    kept, refused = admitted(items, desk.spec, HeldOut.of(desk.parts.tasks))
    assert (len(kept), refused.held_out) == (18, 0)
    cycle = hear(
        desk.parts, Demonstrations(name="person:examples", items=kept, summary="demonstrations")
    )
    assert cycle.attempts[0].verdict.decision is Decision.ACCEPT
    examples = desk.spec.of_kind(Kind.EXAMPLE)
    assert {item.provenance for item in examples} == {
        Provenance(by="person:examples", trust=Trust.PERSON)
    }


def test_what_held_out_tasks_ask_is_refused(desk):
    spec, held_out = desk.spec, HeldOut.of(desk.parts.tasks)
    shown = example("new", "trace")
    items = [
        example("Where is my parcel FROM the shop?", "trace"),
        example("fresh", "trace", task="trace in Spain 0"),
        example("also fresh", "trace", group="login for the roses"),
        example("once", "trace"),
        example("Once!", "login"),
        shown,
    ]
    kept, refused = admitted(items, apply(spec, [Add(item=replace(shown, id="x"))]), held_out)
    assert [item.content["input"] for item in kept] == ["once"]
    assert refused.to_json() == {"held_out": 3, "repeated": 1, "shown": 1, "unfit": 0}


def test_a_person_corrects_what_was_mined_for_the_same_task(desk):
    desk.improve()
    mined = desk.spec.of_kind(Kind.EXAMPLE)[0]
    task = next(t for t in desk.parts.tasks if t.id == mined.content["task"])
    said = example(task.input, "another answer", task=task.id, group=task.group)
    brief = Brief(spec=desk.spec, findings=(), tasks={}, embed=None)
    proposal = asyncio.run(
        Demonstrations(name="person:examples", items=(said,), summary="x")(brief)
    )
    (change,) = proposal.changes
    assert isinstance(change, Revise)
    assert change.item_id == mined.id
    held = replace(brief, spec=apply(desk.spec, proposal.changes))
    assert asyncio.run(Demonstrations(name="n", items=(said,), summary="x")(held)) is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "expected a JSON object"),
        ('{"input": "a"}', "'output' is missing"),
        ('{"input": "", "output": "b"}', "'input' is missing"),
        ('{"input": "a", "output": "b", "task": 3}', "'task' must be text"),
        ('{"input": "a", "output": "b", "answer": "c"}', "unknown field 'answer'"),
        ('{"input": "a", "output": "garden"}', "may not answer that"),
        ('{"input": "\\ud800", "output": "trace"}', "not valid Unicode"),
        ('{"input": "' + "[" * 10 + '", "output": NaN}', "is not a JSON number"),
    ],
)
def test_a_line_that_is_no_demonstration_is_named(tmp_path, line, problem):
    file = tmp_path / "seeds.jsonl"
    file.write_text('{"input": "a", "output": "trace"}\n' + line + "\n")
    with pytest.raises(BadInput, match=rf"seeds.jsonl:2: .*{problem}"):
        read_demonstrations(file, tasks=(), schema={"type": "string", "enum": list(TOPICS)})


def test_a_file_of_no_use_says_so(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "latin.jsonl").write_bytes(b'{"input": "caf\xe9", "output": "b"}')
    for name, problem in (
        ("empty", "holds no demonstrations"),
        ("latin", "not UTF-8"),
        ("missing", "No such file"),
    ):
        with pytest.raises(BadInput, match=problem):
            read_demonstrations(tmp_path / f"{name}.jsonl", tasks=(), schema=None)


def test_an_answer_of_ten_megabytes_does_no_harm(tmp_path):
    file = write(tmp_path / "seeds.jsonl", {"input": "a", "output": "b " * 5_000_000})
    (item,) = read_demonstrations(file, tasks=(), schema=None)
    assert admitted([item], AgentSpec(name="n", model="m"), HeldOut.of([]))[0] == (item,)


def test_expected_answers_demonstrate_only_where_the_scorer_takes_them():
    tasks = [
        Task(id="a", input="i", expected="right"),
        Task(id="b", input="j"),
        Task(id="c", input="k", expected=["one", "of", "these"], group="g"),
    ]

    class Text(Normalised):
        async def __call__(self, task, run):
            assert isinstance(run.output, str), "only text can be scored"
            return await super().__call__(task, run)

    found = asyncio.run(from_tasks(tasks, scorer=Text(), good=0.8))
    assert [item.content for item in found] == [{"input": "i", "output": "right", "task": "a"}]


def test_an_answer_is_held_to_the_schema():
    assert unfit("anything", None) is None
    assert unfit("trace", {"enum": ["trace"]}) is None
    assert "is not one of" in unfit("x", {"enum": ["trace"]})


# --- a stronger model ----------------------------------------------------------------------------


def answers(prompt):
    """Right but for one topic."""
    for answer, patterns in TOPICS.items():
        if any(pattern.split("{}")[0].strip() in prompt for pattern in patterns):
            return "trace" if answer == "login" else answer
    return "trace"


def teacher(agent, model):
    spec = agent.spec
    return Teacher(parts=agent.parts, spec=spec, model="scripted:strong", resolved=model)


def train(agent):
    return [task for task in agent.parts.tasks if task.split is Split.TRAIN]


def test_a_models_answers_are_kept_where_the_scorer_takes_them(desk):
    asked = []
    model = ScriptedModel(lambda prompt: asked.append(prompt) or answers(prompt))
    events = []
    teaching = teacher(desk, model)
    taught = asyncio.run(teaching.teach(train(desk), progress=events.append))
    assert len(asked) == taught.asked == 18
    assert (taught.wrong, len(taught.items), taught.unchecked) == (6, 12, 0)
    assert {item.content["output"] for item in taught.items} == {"trace", "refund"}
    assert {item.provenance for item in taught.items} == {
        Provenance(by="model:scripted:strong", trust=Trust.UNTRUSTED)
    }
    assert taught.usage.tokens > 0
    assert [event.done for event in events] == list(range(1, 19))
    assert events[-1].score == pytest.approx(12 / 18)
    assert all("expected" not in prompt for prompt in asked)

    again = asyncio.run(teaching.teach(train(desk)))  # as after an interrupt
    assert len(asked) == 18
    assert (again.asked, again.from_before, again.items) == (0, 18, taught.items)
    assert again.usage.tokens == 0


def test_an_interrupted_seed_pays_for_nothing_twice(desk):
    asked = []

    def stops_after_five(prompt):
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(prompt)
        return answers(prompt)

    one_at_a_time = replace(desk.parts, concurrency=1)
    first = replace(teacher(desk, ScriptedModel(stops_after_five)), parts=one_at_a_time)
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
        asyncio.run(first.teach(train(desk)))
    then = replace(teacher(desk, ScriptedModel(answers)), parts=one_at_a_time)
    assert then.plan(train(desk))["calls"] == 13
    taught = asyncio.run(then.teach(train(desk)))
    assert (taught.from_before, taught.asked) == (5, 13)


def test_a_budget_ends_the_asking_and_the_next_time_goes_on(desk):
    one_at_a_time = replace(desk.parts, concurrency=1)
    asks = replace(teacher(desk, ScriptedModel(answers)), parts=one_at_a_time)
    some = asyncio.run(asks.teach(train(desk), budget=Budget(tokens=1)))
    assert some.asked == 1
    rest = asyncio.run(asks.teach(train(desk), budget=Budget(runs=99)))
    assert (rest.from_before, rest.asked) == (1, 17)


def test_where_the_scorer_cannot_tell_the_answer_is_kept_and_counted(make):
    tasks = [
        {name: value for name, value in task.items() if name != "expected"}
        if task["split"] == "train"
        else task
        for task in desk_tasks()
    ]
    agent = make(tasks)
    taught = asyncio.run(teacher(agent, ScriptedModel(answers)).teach(train(agent)))
    assert (taught.unchecked, len(taught.items), taught.wrong) == (18, 18, 0)


def test_a_model_out_of_reach_ends_it_and_a_stumble_does_not(desk):
    calls = []

    def never(prompt):
        calls.append(prompt)
        raise ModelFailed("no key")

    with pytest.raises(ModelFailed, match="no key"):
        asyncio.run(teacher(desk, ScriptedModel(never)).teach(train(desk)))
    assert len(calls) < 18
    stumbles = iter([ModelFailed("busy"), *["trace"] * 40])
    taught = asyncio.run(
        teacher(desk, ScriptedModel(lambda prompt: next(stumbles))).teach(train(desk))
    )
    assert len(taught.failures) == 1
    assert "busy" in taught.failures[0]


def test_the_model_answers_under_the_agents_own_schema(make):
    agent = make(output=tuple(TOPICS), instructions=["Name the topic."])
    prompts = []
    model = ScriptedModel(lambda prompt: prompts.append(prompt) or json.dumps({"value": "refund"}))
    taught = asyncio.run(teacher(agent, model).teach(train(agent)[:1]))
    assert taught.wrong + len(taught.items) == 1
    assert "Name the topic." in prompts[0]


def test_nobody_is_asked_what_the_agent_shows_already(desk):
    desk.improve()
    assert worth_asking(train(desk), desk.spec) == ()


# --- warm-up -------------------------------------------------------------------------------------


def test_a_batch_takes_the_categories_in_turn():
    tasks = [Task(id=str(i), input="x", category="ab"[i > 3]) for i in range(6)]
    assert [task.id for task in batch(tasks, 5)] == ["0", "4", "1", "5", "2"]
    assert batch(tasks, None) == batch(tasks, 99)


def blind_tasks():
    """Nobody knows the right answers of the train tasks."""
    return [
        {name: value for name, value in task.items() if name != "expected"}
        if task["split"] == "train"
        else task
        for task in desk_tasks()
    ]


def test_what_waits_for_a_person_is_not_run_again(make, tmp_path):
    agent = make(blind_tasks())
    first = asyncio.run(warm_up(agent.parts, limit=9))
    assert (first.fresh, len(first.waiting), first.stopped) == (9, 9, None)
    again = asyncio.run(warm_up(agent.parts, limit=12))
    assert (again.fresh, len(again.runs)) == (3, 12)
    assert {r.run.id for r in first.runs} < {r.run.id for r in again.runs}

    right = {t["id"]: t["expected"] for t in desk_tasks()}
    scores = write(
        tmp_path / "scores.jsonl",
        *(
            {"task": r.run.task, "score": float(right[r.run.task] == r.output), "by": "ana"}
            for r in again.runs[:6]
        ),
        *(
            {"run": r.run.id[:12], "score": int(right[r.run.task] == r.output), "by": "ana"}
            for r in again.runs[6:]
        ),
    )
    given_ones = read_scores(scores)
    assert give_scores(agent.store, given_ones) == 12
    assert give_scores(agent.store, given_ones) == 0  # the same file says nothing new
    scored = asyncio.run(warm_up(agent.parts, limit=12))
    assert (scored.fresh, scored.waiting) == (0, ())
    assert {r.score.scorer for r in scored.runs} == {"human:ana"}
    cycle = asyncio.run(loops.hear_once(agent.parts))
    assert [finding.kind for finding in cycle.findings] == ["successes"]


def test_what_a_scorer_can_score_later_is_scored_then(make):
    agent = make(blind_tasks())
    asyncio.run(warm_up(agent.parts, limit=3))

    class Generous:
        name, version = "generous", "generous/1"

        async def __call__(self, task, run):
            return Score(name="generous", value=1.0)

    warmed = asyncio.run(warm_up(replace(agent.parts, scorer=Generous()), limit=3))
    assert (warmed.fresh, warmed.waiting) == (0, ())
    assert {agent.store.run(r.run.id).value for r in warmed.runs} == {1.0}


def test_a_warm_up_keeps_to_its_budget_and_goes_on(desk):
    bounded = asyncio.run(warm_up(desk.parts, budget=Budget(runs=5)))
    assert (bounded.fresh, len(bounded.runs), bounded.stopped) == (5, 5, "runs: 5")
    whole = asyncio.run(warm_up(desk.parts))
    assert (whole.fresh, len(whole.runs)) == (13, 18)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", "not JSON"),
        ("3", "expected an object"),
        ('{"run": "a", "task": "b", "score": 1, "by": "x"}', "either 'run' or 'task'"),
        ('{"score": 1, "by": "x"}', "either 'run' or 'task'"),
        ('{"run": "a", "score": "1", "by": "x"}', "'score' must be a number"),
        ('{"run": "a", "score": true, "by": "x"}', "'score' must be a number"),
        ('{"run": "a", "score": 1.5, "by": "x"}', r"lies in \[0, 1\]"),
        ('{"run": "a", "score": NaN, "by": "x"}', r"lies in \[0, 1\]"),
        ('{"run": "a", "score": 1}', "say who"),
        ('{"run": 4, "score": 1, "by": "x"}', "'run' must be text"),
        ('{"run": "a", "score": 1, "by": "x", "grade": 2}', "unknown field 'grade'"),
    ],
)
def test_a_line_that_is_no_score_is_named(tmp_path, line, problem):
    (tmp_path / "s.jsonl").write_text(line)
    with pytest.raises(BadInput, match=rf"s.jsonl:1: .*{problem}"):
        read_scores(tmp_path / "s.jsonl")


def test_scores_are_given_all_or_none_and_never_to_held_out_runs(desk, tmp_path):
    warmed = asyncio.run(warm_up(desk.parts, limit=2))
    held = desk.evaluate(split="validation")[0].run.id
    good = {"run": warmed.runs[0].run.id, "score": 0.25}
    for bad, problem in (
        ({"run": "no such run", "score": 1}, "no run"),
        ({"task": "no such task", "score": 1}, "no train run yet"),
        ({"run": held, "score": 1}, "of a validation task"),
    ):
        file = write(tmp_path / "s.jsonl", good, bad)
        with pytest.raises(BadInput, match=rf"s.jsonl:2: .*{problem}"):
            give_scores(desk.store, read_scores(file, by="ana"))
        assert desk.store.run(warmed.runs[0].run.id).score == warmed.runs[0].score


# --- transfer ------------------------------------------------------------------------------------

STATIC = Selection(embedder="static:strop-minilm-256-v1")


def others(*items, **more):
    settings = {"name": "other", "model": "m", "selection": STATIC, **more}
    return AgentSpec(items=items, **settings)


def setting(tmp_path, *, spec=None, tasks=(), categories=(), now=0.0):
    return Setting(
        spec=spec or AgentSpec(name="desk", model="m", selection=STATIC),
        held_out=HeldOut.of(tasks),
        categories=categories,
        folder=tmp_path,
        now=now,
    )


def reasons(arrived):
    return {each.item: each.reason for each in arrived.left}


def test_what_arrives_is_untrusted_unprotected_and_says_whence(tmp_path):
    lesson = replace(
        memory("m1", "Ask for the number.", categories=["trace"]),
        provenance=Provenance(by="mined:lessons", runs=("r1", "r2"), trust=Trust.EVIDENCE),
        protected=True,
    )
    shown = example("hello", "hi", task="t1", group="g")
    arrived = arrive(others(lesson, shown, memory("f", "Two.", type="fact")), setting(tmp_path))
    assert list(arrived.items) == ["lessons", "facts", "examples"]
    (item,) = arrived.items["lessons"]
    assert item.content == {"text": "Ask for the number."}  # no task here has a category
    assert not item.protected
    assert item.provenance == Provenance(
        by="transfer:other", runs=("other:r1", "other:r2"), trust=Trust.UNTRUSTED
    )
    assert arrived.items["examples"][0].content == {"input": "hello", "output": "hi"}
    again = apply(
        AgentSpec(name="desk", model="m", selection=STATIC),
        [Add(item=i) for items in arrived.items.values() for i in items],
    )
    twice = arrive(others(memory("f", "Two.", type="fact")), setting(tmp_path, spec=again))
    assert (twice.items, reasons(twice)) == ({}, {"f": "the agent has it already"})


def test_an_example_that_the_agent_shows_already_does_not_arrive_again(tmp_path):
    """Whatever it was mined from: a task, a group and steps say nothing about what is shown."""
    mined = example("Where is it?", {"a": 1, "b": 2}, task="t1", group="g")
    steps = [{"tool": "find", "args": {}, "result": "here"}]
    spec = AgentSpec(
        name="desk",
        model="m",
        selection=STATIC,
        items=(
            mined,
            replace(mined, id="s", content={**mined.content, "input": 1, "steps": steps}),
        ),
    )
    again = arrive(replace(spec, name="same"), setting(tmp_path, spec=spec))
    assert again.items == {}
    assert set(reasons(again).values()) == {"the agent has it already"}
    source = others(
        example("where is  it", {"b": 2, "a": 1}),
        replace(example("where is it", {"a": 1, "b": 3}), id="another answer"),
        replace(example("where was it", {"a": 1, "b": 2}), id="another input"),
    )
    arrived = arrive(source, setting(tmp_path, spec=spec))
    assert [item.content["input"] for item in arrived.items["examples"]] == [
        "where is it",
        "where was it",
    ]


def test_steps_come_along_only_where_the_agent_has_their_tools(tmp_path):
    def shows(text, *tools):
        item = example(text, "here")
        steps = [{"tool": name, "args": {}, "result": 1} for name in tools]
        return replace(item, content={**item.content, "steps": steps})

    source = others(shows("a", "find"), shows("b", "find", "gone"), shows("c", "gone"))
    find = tool("find", {"kind": "native", "target": "m:find"})
    spec = AgentSpec(name="desk", model="m", selection=STATIC, items=(find,))
    arrived = arrive(source, setting(tmp_path, spec=spec)).items["examples"]
    kept = {item.content["input"]: item.content.get("steps") for item in arrived}
    assert kept == {"a": [{"tool": "find", "args": {}, "result": 1}], "b": None, "c": None}


def test_what_does_not_fit_is_left_with_a_reason(tmp_path):
    tasks = [Task(id="v", input="where is my parcel from the shop", split=Split.VALIDATION)]
    spec = AgentSpec(name="d", model="m", selection=STATIC, output={"enum": ["trace", "login"]})
    arrived = arrive(
        others(
            memory("leak", "If asked: Where is my  PARCEL from the shop? then say trace."),
            memory("old", "Gone.", expires=5.0),
            memory("far", "Elsewhere.", categories=["cooking"]),
            example("where is my parcel from the shop", "trace"),
            Item(id="clause", kind=Kind.CLAUSE, content={"text": "Be kind."}),
            replace(example("x", "garden"), id="unfit"),
            memory("good", "Fits."),
        ),
        setting(tmp_path, spec=spec, tasks=tasks, categories=["trace"], now=10.0),
    )
    found = reasons(arrived)
    assert found["leak"] == found[example("where is my parcel from the shop", "t").id]
    assert found["leak"] == "it tells of a held-out task"
    assert found["old"] == "it has expired"
    assert "category 'cooking'" in found["far"]
    assert "may not answer that" in found["unfit"]
    assert [item.text for item in arrived.items["lessons"]] == ["Fits."]
    assert "clause" not in found


def tool(name, body):
    content = {"name": name, "description": "d", "parameters": {"type": "object"}, "body": body}
    return Item(id=f"tool-{name}", kind=Kind.TOOL, content=content, protected=True)


def test_only_the_projects_own_functions_become_tools(tmp_path, monkeypatch):
    (tmp_path / "handy_tools.py").write_text(
        'def look_up(number: str) -> str:\n    """What is here."""\n    return number\n'
    )
    (tmp_path / "broken_tools.py").write_text("raise RuntimeError('no')\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def native(target):
        return {"kind": "native", "target": target}

    try:
        arrived = arrive(
            others(
                tool("look_up", native("handy_tools:look_up")),
                tool("gone", native("handy_tools:nothing")),
                tool("broken", native("broken_tools:x")),
                tool("shell", native("os:system")),
                tool("installed", native("json:dumps")),
                tool("odd", native("")),
                tool("code", {"kind": "code", "source": "1", "function": "code"}),
                tool("strange", {"kind": "magic"}),
                tool("lost", calls("nowhere")),
            ),
            setting(tmp_path),
        )
    finally:
        sys.modules.pop("handy_tools", None)
    (item,) = arrived.items["tools"]
    assert item.content["description"] == "What is here."  # as it is here, not as it was told
    assert not item.protected
    found = reasons(arrived)
    assert set(found) == {
        f"tool-{n}"
        for n in ("gone", "broken", "shell", "installed", "odd", "code", "strange", "lost")
    }
    assert "tools:" in found["tool-shell"]
    assert "'code'" in found["tool-code"]  # no such function in it
    assert "'magic'" in found["tool-strange"]
    assert "'nowhere'" in found["tool-lost"]


def calls(name):
    return {"kind": "chain", "steps": [{"tool": name, "args": {}}], "returns": "last"}


def test_learned_tools_arrive_without_what_they_were_granted(tmp_path):
    source = 'def double(n):\n    """Twice."""\n    return 2 * n\n'
    double = tool("double", {"kind": "code", "source": source, "function": "double", "imports": []})
    double = replace(
        double,
        content={
            **double.content,
            "parameters": {"type": "object", "properties": {"n": {}}, "required": ["n"]},
        },
    )
    twice = tool(
        "twice",
        {
            "kind": "chain",
            "steps": [
                {"tool": "double", "args": {"n": {"param": "n"}}},
                {"tool": "double", "args": {"n": {"step": 0, "path": []}}},
            ],
            "returns": "last",
        },
    )
    twice = replace(twice, content={**twice.content, "parameters": double.content["parameters"]})
    arrived = arrive(others(double, twice), setting(tmp_path))
    assert [item.content["name"] for item in arrived.items["tools"]] == ["double", "twice"]
    assert all(item.provenance.trust is Trust.UNTRUSTED for item in arrived.items["tools"])
    assert not any(item.protected for item in arrived.items["tools"])


def table(embedder, *outputs):
    """A table learned from tasks that are easy to tell apart."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(len(outputs), 16), 80, axis=0) + rng.normal(
        0, 0.02, (80 * len(outputs), 16)
    )
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    answers = [
        Answered(task=f"{output} {i}", output=output, runs=("r",))
        for output in outputs
        for i in range(80)
    ]
    finding = mine_resolutions(answers, vectors, embedder=embedder, floor=0.8, unseen=0.0)
    return Table.from_body(finding.data["body"]).to_item(
        Provenance(by="mined:resolutions", trust=Trust.EVIDENCE)
    )


def test_a_table_comes_along_only_to_the_same_embedder(tmp_path):
    fits = table(STATIC.embedder, "trace", "login")
    (item,) = arrive(others(fits), setting(tmp_path)).items["resolutions"]
    assert item.id == TABLE
    assert Table.from_item(item).entries == Table.from_item(fits).entries
    other = others(table("minilm", "a", "b"), selection=Selection(embedder="minilm"))
    assert "another embedder" in reasons(arrive(other, setting(tmp_path)))[TABLE]
    own = AgentSpec(name="d", model="m", selection=STATIC, items=(fits,))
    assert "of its own" in reasons(arrive(others(fits), setting(tmp_path, spec=own)))[TABLE]
    strict = AgentSpec(name="d", model="m", selection=STATIC, output={"enum": ["trace"]})
    assert "may not answer" in reasons(arrive(others(fits), setting(tmp_path, spec=strict)))[TABLE]
    body = {**fits.content["body"], "weights": "AAAA"}
    torn = replace(fits, content={**fits.content, "body": body})
    assert "damaged" in reasons(arrive(others(torn), setting(tmp_path)))[TABLE]


def test_a_lever_that_is_none_is_named(tmp_path):
    with pytest.raises(BadInput, match="there is no lever 'luck'"):
        arrive(others(), setting(tmp_path), levers=["luck"])
    only = arrive(
        others(memory("a", "A."), memory("b", "B.", type="fact")),
        setting(tmp_path),
        levers=["facts"],
    )
    assert list(only.items) == ["facts"]
    assert set(only.items) < set(LEVERS)


@given(count=st.integers(1, 12), wanted=st.sets(st.integers(0, 11)), data=st.data())
def test_halving_ends_and_a_good_item_is_never_lost(count, wanted, data):
    """The gate takes a bundle if all of it is good."""
    items = [memory(str(i), str(i)) for i in range(count)]
    bundles, spec = Bundles("lessons", items, agent="o"), AgentSpec(name="n", model="m")
    seen, looks = [], 0
    while True:
        proposal = asyncio.run(bundles(Brief(spec=spec, findings=(), tasks={}, embed=None)))
        if proposal is None:
            break
        looks += 1
        bundle = tuple(change.item.id for change in proposal.changes)
        seen.append(bundle)
        if all(int(i) in wanted for i in bundle):
            spec = apply(spec, proposal.changes)
    assert {item.id for item in spec.items} == {str(i) for i in wanted if i < count}
    assert len(set(seen)) == len(seen)
    assert looks <= 2 * count - 1
    assert seen[0] == tuple(str(i) for i in range(count))


def test_a_good_half_is_not_lost_with_a_bad_one(desk, tmp_path):
    good = [
        example(pattern.format(thing), answer)
        for answer, patterns in TOPICS.items()
        for pattern in patterns
        for thing in ("in Oslo", "number nine")
    ]
    bad = [
        example(pattern.format(thing), "nonsense")
        for patterns in TOPICS.values()
        for pattern in patterns
        for thing in ("from that shop", "for red roses")
    ]
    arrived = arrive(others(*good, *bad), setting(tmp_path, spec=desk.spec, tasks=desk.parts.tasks))
    lever = [Bundles("examples", arrived.items["examples"], agent="other")] * 3
    cycle = hear(desk.parts, *lever)
    sizes = [len(attempt.proposal.changes) for attempt in cycle.attempts]
    assert sizes == [36, 18, 18]
    assert [a.release is not None for a in cycle.attempts] == [False, True, False]
    outputs = {item.content["output"] for item in desk.spec.of_kind(Kind.EXAMPLE)}
    assert outputs == set(TOPICS)
    assert {i.provenance.trust for i in desk.spec.items} == {Trust.UNTRUSTED}
    # What did not pass is kept, and shown to nobody. (The last makes the same spec as the first.)
    candidates = {key for key, _ in desk.store.documents("proposal")}
    assert candidates == {attempt.candidate.id for attempt in cycle.attempts}


def test_a_tool_that_knows_a_held_out_answer_stays_where_it_is(tmp_path):
    asked = "which shelf holds the left-handed copper screwdriver"
    here = setting(tmp_path)
    here = replace(
        here,
        held_out=HeldOut.of([Task(id="v", input=asked, expected="B2", split=Split.VALIDATION)]),
    )
    source = f'def where(a):\n    """Where."""\n    return {{{asked!r}: "B2"}}.get(a)\n'
    leak = tool("where", {"kind": "code", "source": source, "function": "where", "imports": []})
    arrived = arrive(others(leak), here)
    assert reasons(arrived) == {"tool-where": "it tells of a held-out task"}
