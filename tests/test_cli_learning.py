"""Seed, warm-up, transfer, mining, memories and explanations, as people and programs drive them."""

import json
import os
import pty
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from inline_snapshot import snapshot

from strop import Split, Task
from strop.cli.mining import KINDS
from strop.embed import StaticEmbedder
from strop.levers import LEVERS, resolve_levers
from strop.mine.resolutions import Answered, mine_resolutions
from strop.release import Action, Release
from strop.resolution import TABLE, Table
from strop.spec import Item, Kind, Provenance, Trust
from strop.store import open_store
from test_cli import (
    HELP,
    content,
    environment,
    lines_of,
    masked,
    process,
    rooms,
    strop,
    strops,
    write_project,
)

# Says what a message is about, whatever it is shown.
TEACHER = """\
import sys
said = sys.stdin.read()
print(next((room for word, room in %r if word in said), "attic"))
"""
WORDS = [("roses", "garden"), ("tyres", "garage"), ("potatoes", "kitchen")]
# Says one room, whatever it is asked.
ONE_ROOM = "print('garden')\n"


@pytest.fixture
def fresh(tmp_path):
    folder = write_project(tmp_path / "project")
    (folder / "teacher.py").write_text(TEACHER % WORDS)
    return folder


@pytest.fixture
def blind(fresh):
    """Nobody knows the right answers of the train tasks."""
    tasks = rooms()
    for task in tasks:
        if task["split"] == "train":
            del task["expected"]
    (fresh / "tasks.jsonl").write_text(lines_of(tasks))
    (fresh / "answer.py").write_text(ONE_ROOM)
    return fresh


def store_of(folder):
    return open_store(str(folder / ".strop" / "strop.db"), agent="sorter")


MEMORIES = (
    Item(
        id="lesson-0a1b2c3d",
        kind=Kind.MEMORY,
        content={
            "text": "Where tyres are spoken of, it is the garage, whatever else is said.",
            "type": "lesson",
            "about": ["Change the tyres of the car"],
            "categories": ["garage"],
        },
    ),
    Item(
        id="fact-9f8e7d6c",
        kind=Kind.MEMORY,
        content={"text": "The lawn is mown on Fridays.", "type": "fact", "expires": 4102444800.0},
    ),
    Item(id="heuristic-777", kind=Kind.HEURISTIC, content={"text": "Name one room only."}),
)


def remember(folder, *items):
    """Release what serves with these items, made from its train runs."""
    with store_of(folder) as store:
        now = store.released()
        spec = store.spec(now.spec)
        runs = tuple(scored.run.id for scored in store.runs(split=Split.TRAIN, limit=2))
        behind = Provenance(by="mined:lessons", runs=runs, trust=Trust.EVIDENCE)
        learned = tuple(replace(item, provenance=behind) for item in items)
        new = replace(spec, items=(*spec.items, *learned))
        release = Release(
            spec=new.id,
            previous=spec.id,
            origin=now.origin,
            action=Action.PROMOTE,
            summary="memories",
            by="gate",
        )
        store.append_release(release, new)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A project that learned examples and memories, and ran with them."""
    folder = write_project(tmp_path_factory.mktemp("taught") / "project")
    strop("seed", "--from-tasks", at=folder)
    strop("eval", "--split", "train", at=folder)
    remember(folder, *MEMORIES)
    strop("eval", "--split", "train", at=folder)
    return folder


@pytest.fixture
def learned(taught, tmp_path):
    return shutil.copytree(taught, tmp_path / "learned")


# --- seed ----------------------------------------------------------------------------------------


def test_seed_by_people_tells_what_was_refused_and_what_the_gate_said(fresh):
    seeds = [
        {"input": text.format(n), "output": room, "category": room}
        for room, text in {
            "garden": "Please water the tulips and mow the meadow, row {}",
            "garage": "Change the tyres of the van and check its oil, van {}",
            "kitchen": "Boil the carrots and wash the pans, pan {}",
        }.items()
        for n in range(2)
    ]
    held_out = next(task for task in rooms() if task["split"] == "validation")
    seeds.append({"input": held_out["input"].upper(), "output": "garden"})
    (fresh / "seeds.jsonl").write_text(lines_of(seeds))
    before = content(fresh)
    plan = strop("seed", "seeds.jsonl", "--dry-run", "--json", at=fresh).json
    assert (plan["schema"], plan["demonstrations"]) == ("strop.seedplan/1", 6)
    assert plan["gate"] == {"runs": 24}
    result = strop("seed", "seeds.jsonl", at=fresh)
    assert before.items() <= content(fresh).items()
    assert masked(result.out) == snapshot("""\
6 demonstrations  by people
  1 refused: a held-out task asks the same

proposed  6 demonstrations, by person:examples

  12 validation tasks  score  95 % interval  change
  before               0.000   0.00 to 0.24
  after                1.000   0.76 to 1.00  +1.000

  category  tasks  before  after  change
  garage        4   0.000  1.000  +1.000
  garden        4   0.000  1.000  +1.000
  kitchen       4   0.000  1.000  +1.000

  won   12  garden-5, kitchen-5, kitchen-4, garage-5, kitchen-6, garden-6,
            garden-7, garage-7, ...
  lost   0
  took      592 tokens before; 1.2k tokens after

ACCEPTED
  mean difference ...

released ##########; before it, ########## served
see `strop diff` for what changed; `strop rollback` undoes it\
""")
    assert "validation" in result.err
    again = strop("seed", "seeds.jsonl", "--json", at=fresh).json
    assert again["refused"] == {"held_out": 1, "repeated": 0, "shown": 6, "unfit": 0}
    assert again["cycle"]["attempts"] == []


def test_seed_by_a_model_says_the_cost_first_and_keeps_what_the_scorer_takes(fresh):
    (fresh / "teacher.py").write_text(TEACHER % WORDS[:2])  # wrong about the kitchen
    model = ["--model", "command:python -I -S teacher.py", "--limit", "9"]
    dry = strop("seed", *model, "--dry-run", at=fresh)
    assert dry.out.startswith("9 demonstrations to propose\n  9 calls of command:python")
    assert "price is not" in dry.out
    value = strop("seed", *model, "--json", at=fresh).json
    assert value["schema"] == "strop.seed/1"
    assert (value["model"]["asked"], value["model"]["wrong"], value["proposed"]) == (9, 3, 6)
    assert value["model"]["usage"]["input_tokens"] > 0
    assert value["cycle"]["attempts"][0]["proposal"]["cost"] == value["model"]["usage"]
    items = [c["item"] for c in value["cycle"]["attempts"][0]["proposal"]["changes"]]
    assert {item["provenance"]["trust"] for item in items} == {"untrusted"}
    assert {i["provenance"]["by"] for i in items} == {"model:command:python -I -S teacher.py"}


def test_seed_keeps_to_its_tokens_and_goes_on_from_there(fresh):
    model = ["--model", "command:python -I -S teacher.py", "--limit", "5", "--json"]
    bounded = strop("seed", *model, "--tokens", "1", at=fresh, expect=3).json
    assert bounded["model"]["asked"] == 1
    (reason,) = bounded["cycle"]["stopped"]["reasons"]
    assert (reason["code"], "tokens: 1" in reason["message"]) == ("budget", True)
    whole = strop("seed", *model, "--tokens", "1000000", at=fresh).json
    assert (whole["model"]["from_before"], whole["model"]["asked"]) == (1, 4)
    assert whole["cycle"]["attempts"][0]["verdict"]["decision"] == "accept"


def test_seed_without_validation_tasks_says_what_to_do(fresh):
    tasks = [{**task, "split": "train"} for task in rooms()]
    (fresh / "tasks.jsonl").write_text(lines_of(tasks))
    before = content(fresh)
    refused = strop("seed", "--from-tasks", at=fresh, expect=2)
    assert refused.line == snapshot(
        "strop: no tasks in split 'validation'; assign splits with `strop tasks split FILE` or give tasks a \"split\" field"
    )
    assert content(fresh) == before


def test_mistakes_in_seed_leave_the_folder_as_it_was(fresh):
    (fresh / "bad.jsonl").write_text('{"input": "a", "output": "b"}\nnonsense\n')
    (fresh / "latin.jsonl").write_bytes(b'{"input": "caf\xe9", "output": "b"}')
    before = content(fresh)
    calls = [
        ["seed"],
        ["seed", "bad.jsonl", "--from-tasks"],
        ["seed", "bad.jsonl", "--tasks", "tasks.jsonl"],
        ["seed", "--model", "nonsense", "--json"],
        ["seed", "--model", "command:nosuchprogram"],
        ["seed", "--from-tasks", "--tasks", "missing.jsonl"],
        ["seed", "--from-tasks", "--runs", "0"],
        ["seed", "--from-tasks", "--limit", "0"],
        ["improve", "--levers", "luck"],
        ["improve", "--levers", " , "],
        ["warmup", "--scores", "bad.jsonl"],
        ["transfer", "missing.json"],
        ["transfer", "bad.jsonl"],
        ["transfer", "latin.jsonl"],
        ["transfer", "other.db"],
        ["transfer", "other.db", "--agent", "x"],
        ["transfer", ".", "--levers", "luck"],
    ]
    for result, call in zip(strops([(fresh, call) for call in calls]), calls, strict=True):
        assert result.code == 2, call
        assert result.line.startswith("strop: "), call
        assert "Error" not in result.line, call
    assert content(fresh) == before
    told = strops([(fresh, ["seed", "bad.jsonl"]), (fresh, ["seed", "latin.jsonl"])])
    assert [each.code for each in told] == [2, 2]
    assert "bad.jsonl:2: not JSON" in told[0].line
    assert "latin.jsonl:1: not UTF-8" in told[1].line


def test_a_model_that_never_answers_is_told_in_one_line(fresh):
    result = strop("seed", "--model", "command:false", at=fresh, expect=1)
    assert result.err.splitlines()[-1].startswith("strop: false ended with code 1")


# --- warmup --------------------------------------------------------------------------------------


def test_warmup_runs_a_batch_and_then_one_cycle(fresh):
    value = strop("warmup", "--tasks", "6", "--json", at=fresh).json
    assert value["schema"] == "strop.warmup/1"
    assert (value["tasks"], value["ran"], value["scored"], value["score"]) == (6, 6, 6, 0.0)
    assert value["waiting"] == []
    assert value["cycle"]["attempts"][0]["verdict"]["decision"] == "accept"
    bounded = strop("warmup", "--runs", "2", "--json", at=fresh, expect=3).json
    assert (bounded["tasks"], bounded["stopped"], bounded["cycle"]) == (2, "runs: 2", None)
    goes_on = strop("warmup", "--json", at=fresh).json
    assert (goes_on["tasks"], goes_on["ran"]) == (12, 10)


def test_people_score_what_the_scorer_cannot(blind):
    waiting = strop("warmup", "--tasks", "6", at=blind, expect=3)
    assert masked(waiting.out) == snapshot("""\
score -  -  (6 train tasks)
  6 answers wait for a person's score: ##########, ##########, ##########, ...
  strop warmup --scores FILE takes {"run": ID, "score": 1, "by": NAME}

nothing was proposed: no run has a score; the same command goes on from here\
""")
    runs = strop("warmup", "--tasks", "6", "--json", at=blind, expect=3).json["waiting"]
    assert len(runs) == 6
    exported = [json.loads(line) for line in strop("export", "runs", at=blind).out.splitlines()]
    scores = [
        {"run": run["id"], "score": float(run["task"].startswith("garden")), "by": "ana"}
        for run in exported
    ]
    (blind / "scores.jsonl").write_text(lines_of(scores))
    result = strop("warmup", "--tasks", "6", "--scores", "scores.jsonl", "--json", at=blind).json
    assert (result["ran"], result["by_people"], result["score"]) == (0, 6, pytest.approx(1 / 3))
    assert result["cycle"]["findings"][0]["claim"].startswith("2 tasks were answered")
    (blind / "scores.jsonl").write_text(lines_of([*scores, {"task": "nowhere", "score": 1}]))
    refused = strop("warmup", "--scores", "scores.jsonl", "--by", "ana", at=blind, expect=2)
    assert refused.line == snapshot(
        "strop: scores.jsonl:7: task 'nowhere' has no train run yet; `strop warmup` makes them"
    )


def test_at_a_terminal_a_person_is_asked_for_each(blind):
    given = [b"1\n", b"nonsense\n", b"0,5\n", b"\n", b"\x04"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(blind)
        command = ["-m", "strop.cli", "warmup", "--tasks", "6", "--by", "ana"]
        os.execve(sys.executable, [sys.executable, *command], environment())
    told, asked = b"", 0
    while True:
        try:
            some = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not some:
            break
        told += some
        while told.count(b"score: ") > asked and given:
            asked += 1
            os.write(terminal, given.pop(0))
    os.waitpid(pid, 0)
    assert not given, told.decode()
    assert b"a number from 0 to 1, please" in told
    with store_of(blind) as store:
        found = [scored for scored in store.runs(split=Split.TRAIN) if scored.value is not None]
    assert sorted(scored.value for scored in found) == [0.5, 1.0]
    assert {scored.score.scorer for scored in found} == {"human:ana"}


# --- transfer ------------------------------------------------------------------------------------


def test_what_another_agent_learned_is_held_to_this_agents_gate(fresh, learned):
    plan = strop("transfer", learned, "--dry-run", at=fresh)
    assert masked(plan.out) == snapshot("""\
lever       proposed  left out
lessons            1         0
facts              1         0
heuristics         1         0
examples          12         0

84 validation runs, at most, in 6 looks
nothing was run; leave out --dry-run to start\
""")
    assert not (fresh / ".strop").exists() or not store_has_releases(fresh)
    value = strop("transfer", learned / "strop.yaml", "--json", at=fresh).json
    assert value["schema"] == "strop.transfer/1"
    assert {lever: len(ids) for lever, ids in value["kept"].items()} == {
        "lessons": 0,
        "facts": 0,
        "heuristics": 0,
        "examples": 12,
    }
    assert {lever: len(ids) for lever, ids in value["refused"].items()} == {
        "lessons": 1,
        "facts": 1,
        "heuristics": 1,
        "examples": 0,
    }
    said = [attempt["verdict"]["decision"] for attempt in value["cycle"]["attempts"]]
    assert said == ["reject", "reject", "reject", "accept"]
    with store_of(fresh) as store:
        spec = store.spec(store.released().spec)
        examples = spec.of_kind(Kind.EXAMPLE)
        assert {item.provenance.trust for item in examples} == {Trust.UNTRUSTED}
        assert {item.provenance.by for item in examples} == {"transfer:sorter"}
        assert len(list(store.documents("transfer"))) == 1
    shown = strop("transfer", learned, "--levers", "examples", at=fresh)
    assert masked(shown.out) == snapshot("""\
lever     proposed  kept  left out
examples         0     0        12

left out
  12 of the examples (example-############, example-############, ...): the
  agent has it already

nothing to propose: nothing of it is new and fits here; ########## serves on\
""")


def test_nothing_is_brought_from_an_agent_to_itself(learned):
    plan = strop("transfer", ".", "--dry-run", "--json", at=learned).json
    assert (plan["arrived"], plan["gate"]) == ({}, {"looks": 0, "runs": 0})
    assert len(plan["left"]) == 15
    assert {each["reason"] for each in plan["left"]} == {"the agent has it already"}


def store_has_releases(folder):
    with store_of(folder) as store:
        return bool(store.releases())


def test_a_spec_comes_from_a_file_or_a_store_as_well(fresh, learned):
    strop("export", "spec", "-o", "spec.json", at=learned)
    url = f"sqlite:///{learned / '.strop' / 'strop.db'}"
    values = [
        each.json
        for each in strops(
            [
                (fresh, ["transfer", *source, "--dry-run", "--json"])
                for source in (
                    [str(learned / "spec.json")],
                    [url, "--agent", "sorter"],
                    [str(learned / ".strop" / "strop.db"), "--agent", "sorter"],
                )
            ]
        )
    ]
    assert values[0] == values[1] == values[2]
    assert values[0]["schema"] == "strop.transferplan/1"
    (fresh / "odd.json").write_text('{"schema": "strop.spec/1", "items": [3]}')
    (fresh / "list.json").write_text("[1, 2]")
    refused = strops(
        [
            (fresh, ["transfer", *source])
            for source in (["odd.json"], ["list.json"], [url, "--agent", "nobody"])
        ]
    )
    assert [each.code for each in refused] == [2, 2, 2]
    for each, problem in zip(refused, ["not a spec", "not a spec", "nothing"], strict=True):
        assert problem in each.line


# --- mine ----------------------------------------------------------------------------------------


def runs_file(folder, *runs):
    (folder / "runs.jsonl").write_text(lines_of(runs))
    return folder


def call(tool, args, result=None, error=None):
    return {"kind": "tool_call", "tool": tool, "args": args, "result": result, "error": error}


def foreign_runs():
    """A lookup that fails without a dash, and is mended with one."""
    return [
        {
            "id": f"run-{n}",
            "task": f"task-{n}",
            "input": f"Where is parcel {n}?",
            "score": 1,
            "output": "here",
            "steps": [
                call("find", {"number": f"AB{n}00"}, error=f"Error: no such number AB{n}00"),
                call("find", {"number": f"AB-{n}00"}, result={"place": "here"}),
            ],
        }
        for n in range(1, 5)
    ]


def test_findings_from_a_file_alone(tmp_path):
    runs_file(tmp_path, *foreign_runs())
    before = content(tmp_path)
    result = strop("mine", "failures", "runs.jsonl", at=tmp_path)
    assert masked(result.out) == snapshot("""\
1 failure  in 4 runs of 4 tasks

  tasks  runs  claim
      4     4  `find` failed 4 times in 4 runs of 4 tasks with `Error: no such
               number <id>`; 0 of 4 scored runs ended badly\
""")
    value = strop("mine", "repairs", "runs.jsonl", "--json", at=tmp_path).json
    assert (value["schema"], value["kind"], value["runs"]) == ("strop.findings/1", "repairs", 4)
    assert value["findings"]
    assert value["findings"][0]["tasks"] == 4
    assert value["findings"][0]["claim"]
    assert content(tmp_path) == before


def test_every_kind_bears_what_traces_hold(tmp_path):
    huge = "x " * 5_000_000  # ten megabytes
    odd = [
        {"id": "a", "task": "t", "input": None},
        {"id": "b", "task": "t", "input": "hi", "score": None, "steps": [call("f", None)]},
        {"id": "c", "task": "u", "input": {"q": "\u202e\u0000"}, "score": 1, "output": "o"},
        {"id": "d", "task": "v", "input": "y", "output": huge, "score": 0.2},
        {
            "id": "e",
            "task": "w",
            "input": "x",
            "steps": [call("f", '{"a": [', "Error: " + huge[:99_999])],
        },
    ]
    runs_file(tmp_path, *odd)
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "tasks.jsonl").write_text('{"id": "v", "input": "y", "expected": "z"}')
    (tmp_path / "broken.jsonl").write_text('{"id": "a", "task": "t"}\n{"id": ')
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "caf\xe9"}')
    calls = [
        ["mine", kind, file, "--json", *tasks]
        for kind in KINDS
        for file in ("runs.jsonl", "empty.jsonl")
        for tasks in ([], ["--tasks", "tasks.jsonl"])
        if tasks or kind != "confusions"
    ]
    for result, call_made in zip(strops([(tmp_path, c) for c in calls]), calls, strict=True):
        assert result.code == 0, (call_made, result.err)
        value = json.loads(result.out)
        assert value["runs"] == (5 if "runs.jsonl" in call_made else 0)
    refused = (
        (["mine", "luck", "runs.jsonl"], "what can is failures, facts"),
        (["mine", "facts", "broken.jsonl"], "broken.jsonl:2: not JSON"),
        (["mine", "facts", "latin.jsonl"], "latin.jsonl:1: not UTF-8"),
        (["mine", "facts", "missing.jsonl"], "No such file"),
        (["mine", "facts"], "needs none"),
        (["mine", "facts", "runs.jsonl", "--tasks", "nowhere.jsonl"], "nowhere.jsonl"),
    )
    results = strops([(tmp_path, call_made) for call_made, _ in refused])
    for result, (call_made, problem) in zip(results, refused, strict=True):
        assert result.code == 2, call_made
        assert problem in result.line


def test_held_out_runs_are_passed_over_wherever_they_come_from(fresh):
    strop("improve", at=fresh)
    strop("export", "runs", "-o", "all.jsonl", at=fresh)
    stored, filed = (
        each.json
        for each in strops(
            [
                (fresh, ["mine", "failures", "--json"]),
                (fresh, ["mine", "failures", "all.jsonl", "--json"]),
            ]
        )
    )
    assert (stored["runs"], stored["passed_over"]) == (12, 0)
    assert (filed["runs"], filed["passed_over"]) == (12, 24)
    lines = [json.loads(line) for line in (fresh / "all.jsonl").read_text().splitlines()]
    for line in lines:
        line["split"] = "production"  # as a foreign trace would say
    (fresh / "all.jsonl").write_text(lines_of(lines))
    again = strop(
        "mine", "failures", "all.jsonl", "--tasks", "tasks.jsonl", "--json", at=fresh
    ).json
    assert (again["runs"], again["passed_over"]) == (12, 24)


def test_what_is_mined_is_what_a_cycle_finds(fresh):
    """Also where tasks were edited since they were run, and some say what a held-out one says."""
    tasks = [{**task, "group": task["id"]} for task in rooms()]
    (fresh / "tasks.jsonl").write_text(lines_of(tasks))
    asked = [task for task in tasks if task["split"] == "train"]
    failed = [call("find", {"q": "a"}, error="Error: no such room")]
    runs = [
        {"id": f"run-{n}", "task": task["id"], "input": task["input"], "score": 0, "steps": failed}
        for n, task in enumerate(asked)
    ]
    runs[0]["input"] = "what this task asked before"
    held_out = next(task for task in tasks if task["split"] == "validation")
    runs += [
        {"id": "barred", "task": "served", "input": "x", "score": 0, "steps": failed},
        {"id": "foreign", "task": "unknown", "input": "y", "score": 0, "steps": failed},
    ]
    (fresh / "runs.jsonl").write_text(lines_of(runs))
    strop("import", "runs", "runs.jsonl", at=fresh)
    with store_of(fresh) as store:
        served = Task(id="served", input="x", group=held_out["group"], split=Split.PRODUCTION)
        store.put_tasks([served])
    cycle = strop("improve", "--levers", "lessons", "--json", at=fresh).json
    kinds = {"failures": "failure", "confusions": "confusion"}
    calls = [(fresh, ["mine", kind, "--json"]) for kind in kinds]
    for result, (kind, one) in zip(strops(calls), kinds.items(), strict=True):
        value = json.loads(result.out)
        assert value["kind"] == kind
        found = {each["id"]: each["data"] for each in value["findings"]}
        assert found == {f["id"]: f["data"] for f in cycle["findings"] if f["kind"] == one}
        assert len(found) == {"failures": 1, "confusions": 3}[kind]
        assert value["passed_over"] == 1
    (failure,) = (f for f in cycle["findings"] if f["kind"] == "failure")
    assert failure["data"]["n_runs"] == len(asked) - 1 + 1  # not the edited one, but the foreign


def sorted_runs(**more):
    """Sixty tasks for each room, and a run of each that `more` says something about."""
    texts = {task["expected"]: task["input"].rpartition(" ")[0] for task in rooms()}
    tasks = [
        {"id": f"{room}-{n}", "input": f"{text} {n}", "expected": room}
        for room, text in texts.items()
        for n in range(60)
    ]
    return tasks, [
        {
            "id": f"run-{task['id']}",
            "task": task["id"],
            "input": task["input"],
            "output": task["expected"],
            "score": 1,
            **more,
        }
        for task in tasks
    ]


def test_a_table_is_mined_with_the_floor_and_the_answers_that_a_cycle_goes_by(tmp_path):
    (tmp_path / "strop.yaml").write_text("embedder: static\nresolutions: {floor: 0.9}\n")
    tasks, right = sorted_runs()
    files = {
        "tasks": tasks,
        "right": right,
        "wrong": sorted_runs(output="no idea", score=0)[1],
        "table": sorted_runs(shown=[TABLE])[1],
    }
    for name, values in files.items():
        (tmp_path / f"{name}.jsonl").write_text(lines_of(values))
    known = ["--tasks", "tasks.jsonl"]
    calls = [["right.jsonl"], ["wrong.jsonl", *known], ["wrong.jsonl"], ["table.jsonl", *known]]
    results = strops([(tmp_path, ["mine", "resolutions", *call, "--json"]) for call in calls])
    found = [json.loads(result.out)["findings"] for result in results]
    assert [len(each) for each in found] == [1, 1, 0, 0]
    for (finding,) in found[:2]:
        body = finding["data"]["body"]
        assert body["floor"] == 0.9
        assert {entry["output"] for entry in body["entries"]} == {"garden", "garage", "kitchen"}


def test_what_is_known_to_be_right_is_not_asked_of_a_judge(tmp_path):
    (tmp_path / "strop.yaml").write_text("scorer: judge\ncriteria: [Names the room.]\n")
    tasks, runs = sorted_runs(output="no idea", score=0)
    (tmp_path / "tasks.jsonl").write_text(lines_of(tasks))
    (tmp_path / "runs.jsonl").write_text(lines_of(runs))
    shown = strop("mine", "confusions", "runs.jsonl", "--tasks", "tasks.jsonl", at=tmp_path)
    assert masked(shown.out) == snapshot("""\
3 confusions  in 180 runs of 180 tasks

  tasks  runs  claim
     60    60  `garage` was missed in 60 tasks (`no idea` was given)
     60    60  `garden` was missed in 60 tasks (`no idea` was given)
     60    60  `kitchen` was missed in 60 tasks (`no idea` was given)\
""")
    refused = strop("mine", "confusions", "runs.jsonl", at=tmp_path, expect=2)
    assert refused.line == snapshot(
        "strop: confusions need the right answers: --tasks FILE, the tasks of those runs"
    )


def test_mining_an_empty_store_says_what_to_do(fresh):
    assert strop("mine", "facts", at=fresh).out == snapshot("""\
0 facts  in 0 runs of 0 tasks
there are no runs; `strop import runs FILE` brings some in
""")


def test_progress_is_told_where_reading_takes_long(tmp_path):
    runs_file(tmp_path, *foreign_runs())
    slow = (
        "import strop.cli.reading as m, sys\n"
        "m._QUIET = m._EVERY = -1.0\n"
        "from strop.cli import main\n"
        "sys.exit(main(['mine', 'facts', 'runs.jsonl', '--json']))"
    )
    result = process(sys.executable, "-c", slow, at=tmp_path)
    assert (result.code, result.json["runs"]) == (0, 4)
    assert result.err.splitlines() == [*(f"{n} runs read" for n in range(1, 5)), "mining 4 runs"]


# --- memory --------------------------------------------------------------------------------------


def test_memories_with_their_evidence_and_what_they_did(learned):
    assert masked(strop("memory", "list", at=learned).out) == snapshot("""\
3 memories and heuristics  spec ##########

type       from  shown  score  text
lesson        2      4  1.000  Where tyres are spoken of, it is the garage,
                               whatever else is said.
                               lesson-0a1b2c3d  evidence  for garage
fact          2     12  1.000  The lawn is mown on Fridays.
                               fact-9f8e7d6c  evidence  until 2100-01-01
heuristic     2     12  1.000  Name one room only.
                               heuristic-777  evidence

from: the runs behind it; shown, score: in the newest runs, the sealed test left
out\
""")
    value = strop("memory", "list", "--type", "fact", "--json", at=learned).json
    assert value["schema"] == "strop.memories/1"
    (fact,) = value["items"]
    assert (fact["type"], len(fact["provenance"]["runs"])) == ("fact", 2)
    assert fact["use"] == {"shown": 12, "scored": 12, "score": 1.0}
    assert masked(strop("memory", "show", "lesson-0a", at=learned).out) == snapshot("""\
lesson lesson-0a1b2c3d

  Where tyres are spoken of, it is the garage, whatever else is said.

  by          mined:lessons
  trust       evidence
  categories  garage
  found by    Change the tyres of the car
  shown       in 4 runs, mean score 1.000

  run         score  task       input
  ##########  1.000  kitchen-2  Boil the potatoes and wash the dishes, plate 2
  ##########  1.000  kitchen-3  Boil the potatoes and wash the dishes, plate 3\
""")
    one = strop("memory", "show", "0a1b", "--json", at=learned).json
    assert (one["schema"], one["configured"]) == ("strop.memory/1", False)
    assert all(each["here"] for each in one["evidence"])


def test_a_person_retires_a_memory_and_only_a_learned_one(learned):
    gone = strop("memory", "retire", "heur", "--by", "ana", "--reason", "too strict", at=learned)
    assert masked(gone.out) == snapshot("""\
● ########## serves without it
  Name one room only.
  it will not be proposed again; `strop rollback` brings it back\
""")
    assert "too strict" in strop("log", "-n", "1", at=learned).out
    memory = ["memory", "list", "--json"]
    fewer, configured, gone, unknown, _, back = strops(
        [
            (learned, call_made)
            for call_made in (
                memory,
                ["memory", "retire", "clause", "--by", "ana"],
                ["memory", "retire", "heur", "--by", "ana"],
                ["memory", "list", "--type", "dream"],
                ["rollback"],
                memory,
            )
        ]
    )
    assert (len(fewer.json["items"]), len(back.json["items"])) == (2, 3)
    assert "from the configuration" in configured.line
    assert "no item" in gone.line
    assert "no type" in unknown.line


def test_of_an_agent_without_releases_nothing_is_remembered(fresh):
    for args in (["list"], ["show", "x"], ["retire", "x", "--by", "ana"]):
        assert "nothing was released yet" in strop("memory", *args, at=fresh, expect=2).line
    assert (
        "no type" in strop("memory", "list", "--type", "x", at=improved_once(fresh), expect=2).line
    )


def improved_once(folder):
    strop("eval", "--split", "train", at=folder)
    return folder


# --- explain -------------------------------------------------------------------------------------


def newest(folder, split, task):
    with store_of(folder) as store:
        return [s.run for s in store.runs(split=split) if s.run.task == task][-1]


def test_a_run_is_explained_by_what_it_saw(learned):
    run = newest(learned, Split.TRAIN, "garage-2")
    assert masked(strop("explain", run.id[:9], at=learned).out) == snapshot("""\
run ##########  task garage-2 (train), YYYY-MM-DD HH:MM
  Change the tyres of the car and check its oil, car 2

  spec        ##########
  similar by  static:strop-minilm-256-v1
  shown       6 items, about 100 tokens
  answer      garage
  score       1.000

what every task is told first
  kind       similar  tokens  text
  clause           -      13  Say which room the message is about.
                              clause-f9b226a1, by person (person)
  heuristic        -       9  Name one room only.
                              heuristic-777, by mined:lessons (evidence), from
                              ##########, ##########

what this task was shown, in this order
  kind     similar  tokens  text
  example     0.98      23  Change the tyres of the car and check its oil, car 3
                            → garage
                            example-############, by person:examples (person)
  example     0.99      23  Change the tyres of the car and check its oil, car 1
                            → garage
                            example-############, by person:examples (person)
  lesson      1.00      21  Where tyres are spoken of, it is the garage,
                            whatever else is said.
                            lesson-0a1b2c3d, by mined:lessons (evidence), from
                            ##########, ##########
  fact        0.02      11  The lawn is mown on Fridays.
                            fact-9f8e7d6c, by mined:lessons (evidence), from
                            ##########, ##########\
""")
    value = strop("explain", run.id, "--json", at=learned).json
    assert value["schema"] == "strop.explanation/1"
    assert (value["same"], value["task_edited"], value["table"]) == (True, False, None)
    assert tuple(each["item"]["id"] for each in value["shown"]) == run.shown
    assert value["recorded"] == list(run.shown)
    assert value["notes"]
    assert all(s["similarity"] is None or -1 <= s["similarity"] <= 1.001 for s in value["shown"])
    assert not [d for d in value["demonstrations"] if d["input"] == run.input]


def test_a_production_run_is_explained_as_of_its_time(learned):
    strop("run", "Mow the lawn, please", at=learned)
    with store_of(learned) as store:
        (run,) = (scored.run for scored in store.runs(split=Split.PRODUCTION))
    value = strop("explain", run.id, "--json", at=learned).json
    assert (value["same"], value["task"]) == (True, run.task)


def test_what_is_not_what_the_run_saw_is_said_to_differ(learned):
    run = newest(learned, Split.TRAIN, "garage-2")
    with store_of(learned) as store:
        other = replace(run, id="changed-1", shown=("gone-1", *run.shown[1:]))
        store.put_run(other)
        store.put_run(replace(run, id="foreign-1", spec=None))
    told = strop("explain", "changed-1", at=learned)
    assert "not quite what this run saw" in told.out
    assert "gone-1" in told.out
    assert strop("explain", "changed-1", "--json", at=learned).json["same"] is False
    foreign, nowhere = strops([(learned, ["explain", name]) for name in ("foreign-1", "nowhere-1")])
    assert (foreign.code, nowhere.code) == (2, 2)
    assert "another agent's" in foreign.line
    assert "no run" in nowhere.line
    tasks = rooms()
    for task in tasks:
        task["expected"] = "attic"
    (learned / "tasks.jsonl").write_text(lines_of(tasks))
    with store_of(learned) as store:
        store.put_tasks([replace(store.task(run.task), expected="attic")])
    assert strop("explain", run.id, "--json", at=learned).json["task_edited"] is True


def test_an_answer_of_the_table_is_explained_by_its_entry(learned):
    said = [(task["input"], task["expected"]) for task in rooms() if task["split"] == "train"]
    told = [(f"{text} {n}", room) for text, room in said for n in range(20)]
    embedder = StaticEmbedder()
    vectors = anyio.run(embedder.embed, [text for text, _ in told])
    answers = [Answered(task=f"t{i}", output=room, runs=("r",)) for i, (_, room) in enumerate(told)]
    finding = mine_resolutions(answers, vectors, embedder=embedder.id, floor=0.8, unseen=0.0)
    remember(learned, Table.from_body(finding.data["body"]).to_item(Provenance()))
    strop("run", "Please water the roses and mow the lawn, row 3 9", at=learned)
    with store_of(learned) as store:
        (run,) = (scored.run for scored in store.runs(split=Split.PRODUCTION))
    assert run.output == "garden"
    value = strop("explain", run.id, "--json", at=learned).json
    assert value["same"] is True
    assert value["table"]["output"] == "garden"
    assert 0.5 < value["table"]["confidence"] <= 1
    shown = strop("explain", run.id, at=learned).out
    assert "answered by the table of standard answers; no model" in shown
    assert re.search(r"entry +[123] of 3\n +taught by +80 tasks\n", re.sub(" +\n", "\n", shown))


# --- levers and help -----------------------------------------------------------------------------


def test_a_cycle_pulls_the_levers_named(fresh):
    value = strop("improve", "--levers", "examples", "--json", at=fresh).json
    assert [attempt["proposal"]["proposer"] for attempt in value["attempts"]] == ["mined:examples"]
    assert "did you mean" in strop("improve", "--levers", "exampels", at=fresh, expect=2).line
    plan = strop("improve", "--levers", "examples", "--dry-run", "--json", at=fresh).json
    assert plan["runs"]["candidate"] == 12 * len(resolve_levers(["examples"]))


COMMANDS = [
    *("seed", "warmup", "transfer", "explain", "mine"),
    *("memory", "memory list", "memory show", "memory retire"),
]


def test_help(tmp_path):
    done = process(sys.executable, "-c", HELP, *COMMANDS, at=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert masked(done.out) == snapshot("""\
$ strop seed --help

 Usage: strop seed [OPTIONS] [FILE]

 Propose demonstrations by people or a stronger model; the gate decides.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   FILE      <path>  Demonstrations: JSON lines with input and output.        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --from-tasks                    The train tasks' own expected answers.       │
│ --model               NAME      A stronger model answers train tasks.        │
│ --tasks               FILE      Tasks other than the agent's.                │
│ --limit               N [x>=1]  At most so many; of a model, 100.            │
│ --dry-run                       Say what would be asked, run and cost, and   │
│                                 stop.                                        │
│ --runs                N         At most so many agent runs.                  │
│ --tokens              N         At most about so many tokens.                │
│ --cost                USD       At most about this cost.                     │
│ --minutes             M         At most about so long.                       │
│ --config      -c      PATH      The agent's configuration.                   │
│                                 [default: strop.yaml]                        │
│ --json                          Print one JSON object and nothing else.      │
│ --help        -h                Show this message and exit.                  │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop warmup --help

 Usage: strop warmup [OPTIONS]

 Run some train tasks, have people score what the scorer cannot, then improve.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --tasks            N [x>=1]  At most so many train tasks.                    │
│ --scores           FILE      People's: JSON lines with run or task, and      │
│                              score.                                          │
│ --by               NAME      Who gives the scores.                           │
│ --runs             N         At most so many agent runs.                     │
│ --tokens           N         At most about so many tokens.                   │
│ --cost             USD       At most about this cost.                        │
│ --minutes          M         At most about so long.                          │
│ --config   -c      PATH      The agent's configuration.                      │
│                              [default: strop.yaml]                           │
│ --json                       Print one JSON object and nothing else.         │
│ --help     -h                Show this message and exit.                     │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop transfer --help

 Usage: strop transfer [OPTIONS] {FROM}

 Propose what another agent learned; the gate decides.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    FROM      <str>  A strop.yaml, its folder, a store's URL or an exported │
│                       spec.                                                  │
│                       [required]                                             │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --agent            NAME      Which agent of that store.                      │
│ --levers           A,B       Only these, such as lessons.                    │
│ --looks            N [x>=1]  Held-out looks per lever, at most. [default: 3] │
│ --dry-run                    Say what would be asked, run and cost, and      │
│                              stop.                                           │
│ --runs             N         At most so many agent runs.                     │
│ --tokens           N         At most about so many tokens.                   │
│ --cost             USD       At most about this cost.                        │
│ --minutes          M         At most about so long.                          │
│ --config   -c      PATH      The agent's configuration.                      │
│                              [default: strop.yaml]                           │
│ --json                       Print one JSON object and nothing else.         │
│ --help     -h                Show this message and exit.                     │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop explain --help

 Usage: strop explain [OPTIONS] {RUN}

 What a run saw of its spec, why, and whose word stands behind it.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    RUN      <str>  (The beginning of) its id. [required]                   │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop mine --help

 Usage: strop mine [OPTIONS] {KIND} [RUNS]

 Findings in runs, without a model; nothing is written.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    KIND      <str>   failures, facts, resolutions, repairs, confusions,    │
│                        heuristics, preferences, chains, snippets, gaps or    │
│                        misuse.                                               │
│                        [required]                                            │
│      RUNS      <path>  JSON lines; by default the store's runs.              │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --tasks           FILE      The tasks of those runs.                         │
│ --limit   -n      N [x>=1]  Only the first.                                  │
│ --config  -c      PATH      The agent's configuration. [default: strop.yaml] │
│ --json                      Print one JSON object and nothing else.          │
│ --help    -h                Show this message and exit.                      │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop memory --help

 Usage: strop memory [OPTIONS] COMMAND [ARGS]...

 What the agent remembers: lessons, facts, preferences and heuristics.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ list    Memories and heuristics with their evidence, and how often they were │
│         shown.                                                               │
│ show    All about one, with the runs behind it.                              │
│ retire  Take one out of what serves; it is not proposed again.               │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop memory list --help

 Usage: strop memory list [OPTIONS]

 Memories and heuristics with their evidence, and how often they were shown.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --type            T     lesson, fact, preference or heuristic.               │
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop memory show --help

 Usage: strop memory show [OPTIONS] {ID}

 All about one, with the runs behind it.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    ID      <str>  (The beginning of) its id. [required]                    │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop memory retire --help

 Usage: strop memory retire [OPTIONS] {ID}

 Take one out of what serves; it is not proposed again.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    ID      <str>  (The beginning of) its id. [required]                    │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              NAME  Who says so. [required]                           │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯
""")


def test_the_help_of_improve_names_every_lever(tmp_path):
    shown = " ".join(strop("improve", "--help", at=tmp_path).out.replace("│", " ").split())
    assert f"Only these of: {', '.join(LEVERS)}." in shown
    assert Path(tmp_path).is_dir()
