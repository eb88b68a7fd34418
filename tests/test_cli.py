"""The command line, driven as people and programs drive it: a process, a folder, an exit code."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

# Answers with what the most similar example answered; without examples it knows nothing.
ANSWER = """\
import re, sys
turns = re.findall(r"<assistant>\\n(.*?)\\n</assistant>", sys.stdin.read(), re.DOTALL)
print(turns[-1].strip() if turns else "no idea")
"""
CONFIG = """\
name: sorter
model: command:python -I -S answer.py
instructions: [Say which room the message is about.]
scorer: exact
levers: [examples]
tasks: tasks.jsonl
embedder: static
selection: {examples: 2}
concurrency: 1
"""
ROOMS = {
    "garden": "Please water the roses and mow the lawn, row {}",
    "garage": "Change the tyres of the car and check its oil, car {}",
    "kitchen": "Boil the potatoes and wash the dishes, plate {}",
}
SPLITS = ["train"] * 4 + ["validation"] * 4 + ["test"] * 2


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything beside it fails."""
        value = json.loads(self.out)
        assert re.fullmatch(r"strop\.[a-z]+/1", value["schema"])
        return value

    @property
    def line(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.splitlines()
        return line


def environment(**more: str) -> dict[str, str]:
    kept = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}
    kept["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    fixed = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "TZ": "UTC", "OMP_NUM_THREADS": "1"}
    return {**kept, **fixed, **more}


def process(*command: str, at: Path, stdin: str = "", **env: str) -> Result:
    done = subprocess.run(
        command,
        cwd=at,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**env),
        timeout=900,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def strop(*args: object, at: Path, expect: int = 0, stdin: str = "") -> Result:
    result = process(sys.executable, "-m", "strop.cli", *map(str, args), at=at, stdin=stdin)
    assert result.code == expect, f"{args}: {result.code}\n{result.out}\n{result.err}"
    return result


def strops(calls: Sequence[tuple[Path, list[str]]]) -> list[Result]:
    """Many calls in one process, each with its own folder and streams; starting takes longest."""
    given = json.dumps([(str(at), args) for at, args in calls])
    done = process(sys.executable, "-c", MANY, at=calls[0][0], stdin=given)
    assert done.code == 0, done.err
    return [Result(*each) for each in json.loads(done.out)]


MANY = """
import json, os, sys, tempfile
from strop.cli import main
calls, results, done = json.load(sys.stdin), os.dup(1), []
for folder, args in calls:
    os.chdir(folder)
    streams = [tempfile.TemporaryFile() for _ in range(2)]
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream.fileno(), number)
    code = main(args)
    sys.stdout.flush(), sys.stderr.flush()
    for stream in streams:
        stream.seek(0)
    done.append((code, *(stream.read().decode() for stream in streams)))
os.write(results, json.dumps(done).encode())
"""


def masked(text: str) -> str:
    """Output without what differs from run to run; widths stay, trailing space goes."""
    text = re.sub(r"\b[0-9a-f]{10,64}\b", lambda m: "#" * len(m[0]), text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD HH:MM", text)
    text = re.sub(r"\b\d+(\.\d)? s\b", "N s", text)
    text = re.sub(r"mean difference .*?tasks\)", "mean difference ...", text, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in text.splitlines())


def lines_of(tasks: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(task) + "\n" for task in tasks)


def rooms(*, split: bool = True) -> list[dict[str, Any]]:
    tasks = []
    for room, text in ROOMS.items():
        for i, name in enumerate(SPLITS):
            task = {
                "id": f"{room}-{i}",
                "input": text.format(i),
                "expected": room,
                "category": room,
            }
            tasks.append({**task, "split": name} if split else task)
    return tasks


def content(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, to tell whether anything changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def write_project(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "strop.yaml").write_text(CONFIG)
    (folder / "answer.py").write_text(ANSWER)
    (folder / "tasks.jsonl").write_text(lines_of(rooms()))
    return folder


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A project in which nothing has been run."""
    return write_project(tmp_path / "project")


@pytest.fixture(scope="module")
def after_cycle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = write_project(tmp_path_factory.mktemp("cycle") / "project")
    return folder, strop("improve", at=folder)


@pytest.fixture
def improved(after_cycle: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of a project after its first, successful cycle."""
    return shutil.copytree(after_cycle[0], tmp_path / "improved")


# --- the loop ------------------------------------------------------------------------------------


def test_improve_tells_the_whole_story(after_cycle):
    _, result = after_cycle
    assert masked(result.out) == snapshot("""\
found  12 tasks were answered wrongly, and the right answer is known

proposed  12 examples: 0 from successful runs, 12 corrected, by mined:examples

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
    stages = [" ".join(line.split()[:1]) for line in result.err.splitlines()]
    assert {"train", "validation"} == set(stages)
    assert "12/12" in result.err


def test_log_marks_what_serves(improved):
    assert masked(strop("log", at=improved).out) == snapshot("""\
● ##########  promote  serving  +1.000  YYYY-MM-DD HH:MM
  12 examples: 0 from successful runs, 12 corrected
  mean difference ...
○ ##########  initial  YYYY-MM-DD HH:MM
  the agent as configured\
""")
    found = strop("log", "--json", at=improved).json
    newest, oldest = found["events"]
    assert (newest["serving"], oldest["serving"]) == (True, False)
    assert newest["release"]["action"] == "promote"
    assert newest["verdict"]["decision"] == "accept"
    assert found["serving"] == newest["release"]["spec"]
    assert len(strop("log", "-n", 1, "--json", at=improved).json["events"]) == 1


def test_diff_summarises_many_examples(improved):
    assert masked(strop("diff", at=improved).out) == snapshot("""\
########## → ##########

examples  12 added
  + Change the tyres of the car and check its oil, car 0 → garage (corrected)
  + Please water the roses and mow the lawn, row 0 → garden (corrected)
  + Boil the potatoes and wash the dishes, plate 0 → kitchen (corrected)
  and 9 more; --all shows them\
""")
    everything = strop("diff", "original", "current", "--all", at=improved)
    assert everything.out.count("+ ") == 12
    found = strop("diff", "--json", at=improved).json
    assert [change["change"] for change in found["changes"]] == ["add"] * 12
    old = found["old"][:8]
    assert strop("diff", old, "--json", at=improved).json["changes"] == found["changes"]
    assert (
        strop("diff", "current", old, "--json", at=improved).json["changes"][0]["change"]
        == "remove"
    )


def test_diff_shows_what_a_person_changed(improved):
    config = (improved / "strop.yaml").read_text()
    (improved / "strop.yaml").write_text(
        config.replace("Say which room the message is about.", "Name the room.")
        + "settings: {max_tokens: 5}\n"
    )
    strop("run", "Please water the roses, row 77", at=improved)
    assert masked(strop("diff", at=improved).out) == snapshot("""\
########## → ##########

  settings
  - {}
  + {"max_tokens": 5}

clauses  1 added, 1 removed
  - Say which room the message is about.
  + Name the room.\
""")


def test_show_a_spec_and_a_run(improved):
    assert masked(strop("show", at=improved).out) == snapshot("""\
spec ##########  sorter
  model     command:python -I -S answer.py
  per task  at most 2 examples, 8 memories, 1500 tokens (similar by
            static:strop-minilm-256-v1)

clauses  1
  - Say which room the message is about.

examples  12
  - Change the tyres of the car and check its oil, car 0 → garage (corrected)
  [mined:examples]
  - Please water the roses and mow the lawn, row 0 → garden (corrected)
  [mined:examples]
  - Boil the potatoes and wash the dishes, plate 0 → kitchen (corrected)
  [mined:examples]
  and 9 more; --all shows them

what every task is told first
  Say which room the message is about.\
""")
    spec = strop("show", "--json", at=improved).json
    assert strop("show", spec["id"][:6], "--json", at=improved).json == spec
    ran = strop("run", "--task-id", "garden-4", "--json", at=improved).json
    shown = strop("show", ran["id"][:8], at=improved)
    assert masked(shown.out) == snapshot("""\
run ##########
  task   garden-4 (validation, trial 0)
  spec   ##########
  when   YYYY-MM-DD HH:MM
  score  1.000 by exact/1, the same
  shown  3 items
  took   97 tokens, N s

input
  Please water the roses and mow the lawn, row 4

model
  python -I -S answer.py: 95 tokens in, 2 out

assistant
  garden

output
  garden\
""")
    assert strop("show", ran["id"], "--json", at=improved).json["run"]["output"] == "garden"
    nothing = strop("show", "abcdef", at=improved, expect=2)
    assert nothing.line == snapshot(
        "strop: there is no spec 'abcdef' in this store, and there is no run 'abcdef' in this store"
    )


def test_run_prints_the_answer_alone_on_stdout(improved):
    result = strop("run", "Please water the roses, row 77", at=improved)
    assert result.out == "garden\n"
    assert masked(result.err) == snapshot("run ##########, 3 items shown, 93 tokens, N s")
    piped = strop("run", "-", "--json", at=improved, stdin="Boil the potatoes, plate 7\n").json
    assert (piped["output"], piped["score"], piped["split"]) == ("kitchen", None, "production")
    assert piped["input"] == "Boil the potatoes, plate 7"
    assert piped["shown"]
    assert piped["usage"]["requests"] == 1
    known = strop("run", "--task-id", "garage-5", "--json", at=improved).json
    assert (known["score"], known["split"]) == (1.0, "validation")


def test_a_failed_run_is_kept_and_exits_with_1(fresh):
    (fresh / "answer.py").write_text("raise SystemExit('out of order')")
    failed = strop("run", "hello", "--json", at=fresh, expect=1)
    assert failed.json["error"]["type"] == "model"
    assert "out of order" in failed.err
    assert strop("show", failed.json["id"], "--json", at=fresh).json["run"]["error"]


def test_eval_with_intervals_and_categories(improved):
    result = strop("eval", "--split", "validation", at=improved)
    assert masked(result.out) == snapshot("""\
score 1.000  0.76 to 1.00  (12 validation tasks, spec ##########)

  category  tasks  score  95 % interval
  garage        4  1.000   0.51 to 1.00
  garden        4  1.000   0.51 to 1.00
  kitchen       4  1.000   0.51 to 1.00

  12 runs, 1.2k tokens, N s a run\
""")
    found = strop(
        "eval",
        "--split",
        "train",
        "--spec",
        first_spec(improved),
        "--json",
        at=improved,
    )
    assert (found.json["score"], found.json["scored"], found.json["openings"]) == (0.0, 12, None)
    assert found.json["categories"]["garden"]["scored"] == 4
    assert found.json["failures"] == {}


def test_the_sealed_test_is_opened_on_record(improved):
    sealed = strop("run", "--task-id", "garden-9", at=improved, expect=2)
    assert "sealed" in sealed.line
    opened = strop("eval", "--split", "test", "--json", at=improved)
    assert opened.json["openings"] == 1
    assert "ledger says so" in opened.err
    assert strop("eval", "--split", "test", "--json", at=improved).json["openings"] == 2


def first_spec(project: Path) -> str:
    return str(strop("log", "--json", at=project).json["events"][-1]["release"]["spec"])


def test_a_second_cycle_has_nothing_to_propose(improved):
    result = strop("improve", at=improved)
    assert masked(result.out) == snapshot("""\
found  12 tasks were answered with a score of 0.8 or more

nothing to propose: the agent shows all of it already, or it was tried before;
########## serves on
more train tasks give it more to learn from; `strop log` shows what was tried\
""")
    again = strop("improve", "--json", at=improved)
    assert again.json["schema"] == "strop.cycle/1"
    assert again.json["attempts"] == []


def test_a_rejected_candidate_is_a_completed_cycle(fresh):
    (fresh / "answer.py").write_text("print('no idea')")
    result = strop("improve", at=fresh)
    assert masked(result.out) == snapshot("""\
found  12 tasks were answered wrongly, and the right answer is known

proposed  12 examples: 0 from successful runs, 12 corrected, by mined:examples

  12 validation tasks  score  95 % interval  change
  before               0.000   0.00 to 0.24
  after                0.000   0.00 to 0.24  +0.000

  category  tasks  before  after  change
  garage        4   0.000  0.000  +0.000
  garden        4   0.000  0.000  +0.000
  kitchen       4   0.000  0.000  +0.000

  won   0
  lost  0
  took     592 tokens before; 1.2k tokens after

REJECTED
  the candidate is not better: mean difference ...

nothing was released; ########## serves on
see `strop diff ########## ##########` for what was tried\
""")
    assert masked(strop("log", at=fresh).out) == snapshot("""\
✗ ##########  rejected  +0.000  YYYY-MM-DD HH:MM
  12 examples: 0 from successful runs, 12 corrected
  the candidate is not better: mean difference ...
● ##########  initial  serving  YYYY-MM-DD HH:MM
  the agent as configured\
""")


def test_inconclusive_exits_with_3_and_goes_on_where_it_stopped(fresh):
    result = strop("improve", "--runs", 15, at=fresh, expect=3)
    assert "the budget ran out (runs: 15)" in " ".join(result.out.split())
    rest = strop("improve", "--json", at=fresh)
    assert rest.json["attempts"][0]["verdict"]["decision"] == "accept"
    assert "(3 from before)" in rest.err


def test_dry_run_runs_nothing(fresh):
    assert masked(strop("improve", "--dry-run", at=fresh).out) == snapshot("""\
48 runs to do  what they cost is not known before the first run

  runs  on
    12  the train tasks, to learn from
    12  the validation tasks, as the agent is now
    24  the validation tasks, once with each proposal (at most)

  nothing was run; leave out --dry-run to start\
""")
    planned = strop("improve", "--dry-run", "--json", at=fresh).json
    assert planned["runs"] == {"train": 12, "baseline": 12, "candidate": 24, "total": 48}
    assert strop("export", "runs", at=fresh).out == ""


def test_rollback_and_back_again(improved):
    serving = strop("log", "--json", at=improved).json["serving"]
    assert masked(strop("rollback", at=improved).out) == snapshot("""\
● ########## serves again
  back from ########## to ##########
  what the way back took out will not be proposed again\
""")
    assert strop("rollback", at=improved, expect=2).line == snapshot(
        "strop: the current spec replaced none; `strop log` shows the history"
    )
    back = strop("rollback", "--to", serving[:8], "--json", at=improved).json
    assert (back["spec"], back["action"]) == (serving, "rollback")
    original = strop("rollback", "--to", "original", "--json", at=improved).json
    assert original["previous"] == serving


def test_a_person_scores_a_run(improved):
    ran = strop("run", "Please water the roses, row 77", "--json", at=improved).json
    given = strop("score", ran["id"][:6], 0.25, "--by", "ada", "--reason", "too short", at=improved)
    assert "0.250 by ada" in given.out
    shown = strop("show", ran["id"], "--json", at=improved).json["run"]
    assert (shown["score"], shown["score_detail"]["reason"]) == (0.25, "too short")
    assert strop("score", ran["id"], 1, "--by", "ada", "--json", at=improved).json["value"] == 1
    assert (
        "lies in [0, 1]"
        in strop("score", ran["id"], 1.5, "--by", "ada", at=improved, expect=2).line
    )
    assert "no run" in strop("score", "ffff", 1, "--by", "ada", at=improved, expect=2).line


def test_audit_finds_an_edit(improved):
    assert masked(strop("audit", "verify", at=improved).out) == snapshot(
        "the ledger is whole: 3 entries, each with the hash of the one before"
    )
    with sqlite3.connect(improved / ".strop/strop.db") as database:
        database.execute(
            "UPDATE strop_ledger SET body = replace(body, 'gate', 'nobody') WHERE seq = 3"
        )
    database.close()
    broken = strop("audit", "verify", at=improved, expect=1)
    assert "broken at entry 3" in broken.out
    assert strop("audit", "verify", "--json", at=improved, expect=1).json["broken_at"] == 3


# --- data ----------------------------------------------------------------------------------------


def test_runs_go_round_unchanged(improved, fresh):
    out = improved / "runs.jsonl"
    written = strop("export", "runs", "-o", out, "--json", at=improved).json
    assert written["runs"] == 36
    (improved / "runs.jsonl.part").mkdir()  # a file of anybody's with that name is no matter
    assert strop("export", "runs", "-o", out, "--json", at=improved).json["runs"] == 36
    assert list(improved.glob("*.part")) == [improved / "runs.jsonl.part"]
    assert strop("import", "runs", out, "--json", at=fresh).json["runs"] == 36
    assert strop("export", "runs", at=fresh).out == out.read_text()
    objects = strop("export", "runs", "--split", "train", "--json", at=fresh).json["runs"]
    assert len(objects) == 12
    again = strop("import", "runs", out, at=fresh, expect=2)
    assert "in the store already; nothing was imported" in again.line


def test_a_bad_line_imports_nothing(improved, fresh):
    lines = strop("export", "runs", at=improved).out.splitlines()
    (fresh / "runs.jsonl").write_text("\n".join([*lines[:5], '{"id": "x"', *lines[5:]]))
    failed = strop("import", "runs", "runs.jsonl", at=fresh, expect=2)
    assert failed.line.startswith("strop: runs.jsonl:6: not JSON")
    (fresh / "runs.jsonl").write_text("\n".join([*lines[:5], *lines]))
    twice = strop("import", "runs", "runs.jsonl", at=fresh, expect=2)
    assert "used twice; nothing was imported" in twice.line or "already" in twice.line
    assert strop("export", "runs", at=fresh).out == ""


def test_export_spec(improved):
    spec = strop("export", "spec", at=improved).json
    assert spec["schema"] == "strop.spec/1"
    assert len(spec["items"]) == 13
    strop("export", "spec", "original", "-o", "spec.json", at=improved)
    assert len(json.loads((improved / "spec.json").read_text())["items"]) == 1


def test_tasks_split_writes_whole_or_not_at_all(tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text(lines_of(rooms(split=False)))
    before = content(tmp_path)
    dry = strop("tasks", "split", "mine.jsonl", at=tmp_path)
    assert masked(dry.out) == snapshot("""\
category  train  validation  test  tasks
garage        5           3     2     10
garden        5           2     3     10
kitchen       5           3     2     10
all          15           8     7     30\
""")
    assert "--write" in dry.err
    assert content(tmp_path) == before
    assert strop("tasks", "split", "mine.jsonl", "--test", -1, at=tmp_path, expect=2)
    written = strop(
        "tasks", "split", "mine.jsonl", "--write", "--test", 0, "--json", at=tmp_path
    ).json
    assert written["written"]
    assert list(content(tmp_path)) == ["mine.jsonl"]
    assert "test" not in written["splits"]
    assert not strop("tasks", "split", "mine.jsonl", "--write", "--json", at=tmp_path).json[
        "assigned"
    ]


def test_tasks_check(tmp_path):
    (tmp_path / "good.jsonl").write_text(lines_of(rooms()))
    assert masked(strop("tasks", "check", "good.jsonl", at=tmp_path).out) == snapshot("""\
category  train  validation  test  tasks
garage        4           4     2     10
garden        4           4     2     10
kitchen       4           4     2     10
all          12          12     6     30

no problems\
""")
    bad = rooms()[:8]
    bad[0]["input"] = bad[5]["input"]
    (tmp_path / "bad.jsonl").write_text(lines_of(bad))
    result = strop("tasks", "check", "bad.jsonl", at=tmp_path, expect=1)
    assert masked(result.out) == snapshot("""\
category  train  validation  tasks
garden        4           4      8
all           4           4      8

2 problems
  - the same input stands in several splits (train, validation): garden-0,
  garden-5
  - no task is in split 'test'\
""")
    assert strop("tasks", "check", "bad.jsonl", "--json", at=tmp_path, expect=1).json["problems"]


# --- beginning -----------------------------------------------------------------------------------


def test_init_makes_a_project_and_overwrites_nothing(tmp_path):
    made = strop("init", "new", "--json", at=tmp_path).json
    assert sorted(content(tmp_path / "new")) == sorted(made["files"])
    assert strop("tasks", "check", "new/tasks.jsonl", at=tmp_path)
    (tmp_path / "new/strop.yaml").unlink()
    before = content(tmp_path)
    refused = strop("init", "new", at=tmp_path, expect=2)
    assert refused.line == snapshot(
        "strop: tasks.jsonl is there already and would be overwritten; name another folder: `strop init DIR`"
    )
    assert content(tmp_path) == before


def test_doctor_says_what_is_missing(fresh):
    healthy = strop("doctor", "--json", at=fresh).json
    assert healthy["ok"]
    names = [c["name"] for c in healthy["checks"] if c["name"].startswith("sandbox")]
    kinds = ("namespaces", "landlock", "bubblewrap", "monty")
    assert names == ["sandbox", *(f"sandbox {kind}" for kind in kinds)]
    assert not (fresh / ".strop").exists()
    (fresh / "strop.yaml").write_text(
        CONFIG.replace("model: command", "model: openai:gpt-5-mini  #")
        + "tools: ['nowhere:tool']\n"
    )
    (fresh / "tasks.jsonl").write_text(lines_of(rooms(split=False)))
    ill = strop("doctor", "--json", at=fresh, expect=1).json
    missing = {c["name"]: c for c in ill["checks"] if c["status"] == "missing"}
    assert missing.keys() == {"model", "tools", "scorer", "tasks"}
    assert missing["model"]["fix"] == "export OPENAI_API_KEY=..."
    assert missing["tasks"]["fix"] == "strop tasks split tasks.jsonl --write"
    nowhere = strop("doctor", at=fresh.parent, expect=1)
    assert "strop init" in nowhere.out


@pytest.mark.local
def test_the_scaffold_improves_with_the_embedded_model(tmp_path):
    strop("init", at=tmp_path)
    cycle = strop("improve", "--json", at=tmp_path).json
    by = {attempt["proposal"]["proposer"]: attempt for attempt in cycle["attempts"]}
    attempt = by["mined:examples"]
    comparison = attempt["comparison"]
    assert attempt["verdict"]["decision"] == "accept"
    assert comparison["candidate_mean"] > comparison["baseline_mean"] + 0.3
    assert strop("run", "Where is my parcel?", at=tmp_path).out == "parcels\n"


@pytest.mark.local
@pytest.mark.slow
def test_the_demo_improves(tmp_path):
    report = strop("demo", "--quick", "--json", at=tmp_path).json
    assert report["lift"] > 0.3
    log = strop("log", "--json", at=tmp_path / "strop-demo").json
    assert log["serving"] == report["after"]["spec"]


@pytest.mark.local
def test_the_first_start_says_why_it_takes_a_while(fresh, tmp_path):
    change = with_config("model: command:python -I -S answer.py", "model: local")
    change(fresh)
    command = (sys.executable, "-m", "strop.cli", "run", "hello")
    first = process(*command, at=fresh, STROP_CACHE=str(tmp_path / "cache"))
    assert first.err.startswith("preparing SmolLM2")
    again = process(*command, at=fresh, STROP_CACHE=str(tmp_path / "cache"))
    assert "preparing" not in again.err


# --- what goes wrong -----------------------------------------------------------------------------


def with_config(old: str, new: str):
    def change(folder: Path) -> None:
        (folder / "strop.yaml").write_text(CONFIG.replace(old, new))

    return change


def with_tasks(*tasks: dict[str, Any]):
    def change(folder: Path) -> None:
        with (folder / "tasks.jsonl").open("a") as file:
            file.write(lines_of(tasks))

    return change


def with_line(line: str):
    def change(folder: Path) -> None:
        with (folder / "tasks.jsonl").open("a") as file:
            file.write(line + "\n")

    return change


def only(*splits: str):
    def change(folder: Path) -> None:
        kept = [task for task in rooms() if task["split"] in splits]
        (folder / "tasks.jsonl").write_text(lines_of(kept))

    return change


NEW = {"id": "new", "input": "Prune the hedge", "expected": "garden", "split": "train"}
MISTAKES = {
    "no configuration": (
        lambda f: (f / "strop.yaml").unlink(),
        ["strop.yaml: no such file", "strop init"],
    ),
    "not yaml": (with_config("name: sorter", "name: [sorter"), ["strop.yaml:2: not YAML"]),
    "unknown field": (with_config("scorer:", "scorrer:"), ["'scorrer'", "did you mean 'scorer'?"]),
    "wrong type": (with_config("concurrency: 1", "concurrency: many"), ["'concurrency'"]),
    "no task file": (with_config("tasks.jsonl", "gone.jsonl"), ["gone.jsonl: cannot read tasks"]),
    "no tasks named": (with_config("tasks: tasks.jsonl", ""), ["tasks: tasks.jsonl"]),
    "malformed line": (with_line('{"id": "x", '), ["tasks.jsonl:31: not JSON"]),
    "unknown task field": (with_tasks({**NEW, "answer": 1}), ["tasks.jsonl:31", "'answer'"]),
    "duplicate id": (with_tasks({**NEW, "id": "garden-0"}), ["tasks.jsonl:31", "tasks.jsonl:1;"]),
    "group in two splits": (
        with_tasks({**NEW, "group": "g"}, {**NEW, "id": "n2", "group": "g", "split": "test"}),
        ["tasks.jsonl:32", "group 'g'", "tasks.jsonl:31"],
    ),
    "unknown split": (
        with_tasks({**NEW, "split": "dev"}),
        ["tasks.jsonl:31", "'dev'", "validation"],
    ),
    "no validation tasks": (only("train", "test"), ["no tasks in split 'validation'"]),
    "no train tasks": (only("validation", "test"), ["no tasks in split 'train'"]),
    "unknown model": (with_config("model: command:", "model: nobody:"), ["cannot use the model"]),
    "no such program": (with_config("model: command:", "model: command:no-such-"), ["no program"]),
    "unknown scorer": (
        with_config("scorer: exact", "scorer: exactly"),
        ["'exactly'", "normalised"],
    ),
    "unknown embedder": (with_config("embedder: static", "embedder: statics"), ["'statics'"]),
    "tool does not import": (with_config("name:", "tools: ['broken:tool']\nname:"), ["'broken'"]),
    "a date that is none": (
        with_config("name: sorter", "name: 2020-13-45"),
        ["strop.yaml:1: not YAML: this cannot be read as timestamp (month must be in 1..12)"],
    ),
    "a field without a name": (with_config("name:", "1: x\nname:"), ["must be text, not 1"]),
    "too deep": (with_config("name:", f"settings: {'[' * 3000}\nname:"), ["nested too deeply"]),
    "labels that are booleans": (
        with_config("name:", "output: [yes, no]\nname:"),
        ["'output.0': must be text; quote the labels"],
    ),
    "a tool that is a number": (with_config("name:", "tools: [5]\nname:"), ["'module:function'"]),
    "a tool's module that ends the process": (
        lambda f: (
            with_config("name:", "tools: ['leaves:tool']\nname:")(f),
            (f / "leaves.py").write_text("import sys\nsys.exit(0)\n"),
        ),
        ["cannot import 'leaves'", "SystemExit: 0"],
    ),
    "unknown judge's model": (
        with_config("name:", "judge_model: nobody:x\nname:"),
        ["strop: judge_model: cannot use the model 'nobody:x'"],
    ),
    "no such file of a judge's model": (
        with_config("name:", "judge_model: command:no-such-program\nname:"),
        ["strop: judge_model: ", "no program"],
    ),
    "unknown database": (with_config("name:", "store: mysql://x/y\nname:"), ["postgresql://"]),
}


def test_mistakes_are_one_line_and_leave_all_as_it_was(tmp_path):
    folders = []
    for mistake, (change, _) in MISTAKES.items():
        folders.append(write_project(tmp_path / mistake.replace(" ", "-")))
        change(folders[-1])
    before = content(tmp_path)
    found = strops([(folder, ["improve", "--json"]) for folder in folders])
    assert content(tmp_path) == before
    for (mistake, (_, expected)), result in zip(MISTAKES.items(), found, strict=True):
        assert result.code == 2, mistake
        for words in expected:
            assert words in result.line, mistake
        assert result.json["schema"] == "strop.error/1"
        assert result.line == f"strop: {result.json['error']['message']}"


MISUSES = [
    ("eval", "--split"),
    ("eval --split dev", "there is no split 'dev'"),
    ("eval --split train --spec ffffff", "there is no spec 'ffffff'"),
    ("bogus", "bogus"),
    ("run", "either a task"),
    ("run x --task-id y", "either a task"),
    ("run --task-id nope", "'nope'"),
    ("improve --runs 0", "budget.runs"),
    ("improve --cost nan", "budget.cost"),
    ("improve --tokens many", "--tokens"),
    ("diff ffffff", "'ffffff'"),
    ("rollback --to ffffff", "never released"),
    ("import runs gone.jsonl", "gone.jsonl: cannot read runs"),
    ("tasks check gone.jsonl", "gone.jsonl: cannot read tasks"),
    ("tasks split tasks.jsonl --train=-1", "--train"),
    ("export runs -o gone/runs.jsonl", "cannot be written"),
    ("export runs -o strop.yaml/runs.jsonl", "cannot be written: Not a directory"),
    ("export runs -o .", ".: cannot be written"),
    ("log -c gone.yaml", "gone.yaml: no such file"),
    ("init strop.yaml", "cannot be written"),
    ("demo strop.yaml", "cannot be made: File exists"),
    ("demo .", "not the demo's"),
]


def test_misuse_exits_with_2_and_says_why(improved):
    before = content(improved)
    found = strops([(improved, [*command.split(), "--json"]) for command, _ in MISUSES])
    for (command, expected), result in zip(MISUSES, found, strict=True):
        assert result.code == 2, command
        assert expected in result.line, command
        assert result.json["schema"] == "strop.error/1"
    assert content(improved) == before


def test_a_locked_database(improved):
    database = sqlite3.connect(improved / ".strop/strop.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        result = strop("run", "Prune the hedge, row 1", at=improved, expect=2)
        assert "is locked by another process" in result.line
        assert strop("log", "--json", at=improved).json["events"]
    finally:
        database.close()


def test_a_file_that_is_no_database(fresh):
    (fresh / ".strop").mkdir()
    (fresh / ".strop/strop.db").write_text("once upon a time " * 100)
    assert "is not a Strop database" in strop("log", at=fresh, expect=2).line


@contextmanager
def disk(folder: Path, *, size: str) -> Iterator[None]:
    """A small disk of its own at `folder`."""
    mounted = process(
        "mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder), at=Path("/")
    )
    if mounted.code:
        pytest.skip(f"cannot mount a small disk here: {mounted.err.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder(fresh):
    with disk(fresh, size="1m"):
        write_project(fresh)
        subprocess.run(["mount", "-o", "remount,ro", fresh], check=True)
        before = content(fresh)
        for args in (
            ["improve"],
            ["log"],
            ["init", "new"],
            ["tasks", "split", "tasks.jsonl", "--write"],
        ):
            if args[0] != "tasks":
                result = strop(*args, at=fresh, expect=2)
                assert "Read-only file system" in result.line
        assert "not writable" in strop("doctor", at=fresh, expect=1).out
        assert content(fresh) == before


def test_a_full_disk(fresh):
    with disk(fresh, size="1m"):
        write_project(fresh)
        strop("improve", "--runs", 5, at=fresh, expect=3)
        ballast = fresh / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        result = strop("improve", at=fresh, expect=2)
        assert "disk" in result.line
        assert "Traceback" not in result.err
        assert strop("init", "new", at=fresh, expect=2)
        assert not (fresh / "new").exists()
        ballast.unlink()
        assert strop("audit", "verify", "--json", at=fresh).json["whole"]


def test_an_interrupt_keeps_what_was_finished(fresh):
    (fresh / "answer.py").write_text("import time; time.sleep(.4)\n" + ANSWER)
    process = subprocess.Popen(
        [sys.executable, "-m", "strop.cli", "improve", "--json"],
        cwd=fresh,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Python ignores the interrupt where its parent does, as a shell's background jobs do.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    database = fresh / ".strop/strop.db"
    deadline = time.monotonic() + 120
    while count(database) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("strop: interrupted; finished evaluations are kept")
    assert json.loads(out)["error"]["type"] == "Interrupted"
    assert count(database) >= 2


def count(database: Path) -> int:
    """Runs in a database that may not be there yet."""
    if not database.exists():
        return 0
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute("SELECT count(*) FROM strop_evaluations").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_a_closed_pipe_is_no_matter(improved):
    command = f"{sys.executable} -m strop.cli export runs | head -c 10"
    done = process("bash", "-c", command, at=improved)
    assert (len(done.out), done.err) == (10, "")


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("diff ffffff --json", 2, "ffffff"),
        ("log --json", 1, "cannot be written: [Errno 28] No space left on device"),
        ("tasks check tasks.jsonl", 1, "cannot be written: [Errno 28] No space left on device"),
    ],
)
def test_a_full_stdout_is_one_line(improved, command, code, says):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    full = f"{sys.executable} -m strop.cli {command} > /dev/full"
    done = process("bash", "-c", full, at=improved)
    assert done.code == code
    assert says in done.line


def test_a_bug_is_one_line_and_a_traceback_when_asked(fresh):
    plain = process(sys.executable, "-c", BUG, at=fresh)
    assert (plain.code, plain.out) == (1, "")
    assert plain.err == snapshot(
        "strop: ZeroDivisionError: oh no; this is a bug, run with STROP_DEBUG=1 for the traceback\n"
    )
    told = process(sys.executable, "-c", BUG, at=fresh, STROP_DEBUG="1")
    assert "Traceback" in told.err


BUG = """
import sys
import strop.cli.tasks
def broken(*args, **kwargs): raise ZeroDivisionError("oh no")
strop.cli.tasks.check = broken
from strop.cli import main
sys.exit(main(["tasks", "check", "tasks.jsonl"]))
"""


def test_what_tools_print_does_not_stand_between_results(fresh):
    (fresh / "noisy.py").write_text(
        "print('hello from the tool module')\ndef tool(x: int) -> int:\n    return x\n"
    )
    (fresh / "strop.yaml").write_text(CONFIG + "tools: ['noisy:tool']\n")
    result = strop("run", "hello", "--json", at=fresh)
    assert result.json["output"] == "no idea"
    assert "hello from the tool module" in result.err


def test_control_characters_do_not_reach_the_terminal(fresh):
    run = {"id": "evil", "task": "t", "input": "a\x1b[2Jb", "output": "[red]c\x1b]0;x\x07"}
    (fresh / "runs.jsonl").write_text(lines_of([run]))
    strop("import", "runs", "runs.jsonl", at=fresh)
    shown = strop("show", "evil", at=fresh).out
    assert "\x1b" not in shown
    assert "a\\x1b[2Jb" in shown
    assert "[red]c" in shown


# --- help ----------------------------------------------------------------------------------------

COMMANDS = [
    "",
    *(
        "demo",
        "init",
        "doctor",
        "run",
        "mcp",
        "eval",
        "improve",
        "score",
        "log",
        "diff",
        "show",
        "rollback",
    ),
    *("audit", "audit verify", "tasks", "tasks check", "tasks split"),
    *("import", "import runs", "export", "export runs", "export spec"),
]
HELP = """
import sys
from strop.cli import main
for command in sys.argv[1:]:
    print("$ strop", command, "--help", flush=True)
    main([*command.split(), "--help"])
heavy = {"pydantic_ai", "model2vec", "alembic", "numpy", "sqlalchemy"} & sys.modules.keys()
assert not heavy, heavy
"""


def test_help(tmp_path):
    done = process(sys.executable, "-c", HELP, *COMMANDS, at=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert masked(done.out) == snapshot("""\
$ strop  --help

 Usage: strop [OPTIONS] COMMAND [ARGS]...

 Agents that improve from their own runs, with the model frozen.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --version            Print the version.                                      │
│ --help     -h        Show this message and exit.                             │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Begin ──────────────────────────────────────────────────────────────────────╮
│ demo      The whole loop on the embedded model; nothing else is needed.      │
│ init      Start a project: a configuration and sample tasks that work as     │
│           they stand.                                                        │
│ doctor    Say what is missing, and the command that mends it.                │
│ seed      Propose demonstrations by people or a stronger model; the gate     │
│           decides.                                                           │
│ warmup    Run some train tasks, have people score what the scorer cannot,    │
│           then improve.                                                      │
│ transfer  Propose what another agent learned; the gate decides.              │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Run and improve ────────────────────────────────────────────────────────────╮
│ run       Do one task with the released spec.                                │
│ mcp       Offer the released tools to any agent that speaks MCP.             │
│ eval      Score a spec on all tasks of a split; what was run before is not   │
│           run again.                                                         │
│ improve   One improvement cycle; releases what proved better on validation,  │
│           or nothing.                                                        │
│ score     Score a run by hand; that counts instead of the scorer's from then │
│           on.                                                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Look back ──────────────────────────────────────────────────────────────────╮
│ log       Releases and verdicts, newest first.                               │
│ diff      What changed from spec A to spec B (ids, original or current).     │
│ show      A spec with its items, or a run with its steps.                    │
│ rollback  Release the spec before the current one again, or the one named.   │
│ explain   What a run saw of its spec, why, and whose word stands behind it.  │
│ mine      Findings in runs, without a model; nothing is written.             │
│ memory    What the agent remembers: lessons, facts, preferences and          │
│           heuristics.                                                        │
│ tools     Tools: what they are, what they may do, how they did, and moving   │
│           them.                                                              │
│ review    What waits for a person: tools that need more than they are        │
│           granted.                                                           │
│ audit     Check the ledger.                                                  │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Data ───────────────────────────────────────────────────────────────────────╮
│ tasks     Check a task file, and split it.                                   │
│ import    Bring runs in.                                                     │
│ export    Write runs and specs out.                                          │
╰──────────────────────────────────────────────────────────────────────────────╯

 Exit codes: 0 done, 1 failed, 2 misused, 3 inconclusive.


$ strop demo --help

 Usage: strop demo [OPTIONS] [DIR]

 The whole loop on the embedded model; nothing else is needed.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   DIR      <path>  Where the demo's project goes. [default: strop-demo]      │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --quick            A third of the messages.                                  │
│ --json             Print one JSON object and nothing else.                   │
│ --help   -h        Show this message and exit.                               │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop init --help

 Usage: strop init [OPTIONS] [DIR]

 Start a project: a configuration and sample tasks that work as they stand.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   DIR      <path>  Where to. [default: .]                                    │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --json            Print one JSON object and nothing else.                    │
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop doctor --help

 Usage: strop doctor [OPTIONS]

 Say what is missing, and the command that mends it.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop run --help

 Usage: strop run [OPTIONS] [TASK]

 Do one task with the released spec.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   TASK      <str>  Its text; - for standard input.                           │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --task-id          ID    A task of the task file.                            │
│ --config   -c      PATH  The agent's configuration. [default: strop.yaml]    │
│ --json                   Print one JSON object and nothing else.             │
│ --help     -h            Show this message and exit.                         │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop mcp --help

 Usage: strop mcp [OPTIONS]

 Offer the released tools to any agent that speaks MCP.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --http                     Over HTTP, not standard input and output.         │
│ --host            ADDRESS  Where to listen. [default: 127.0.0.1]             │
│ --port            N        On which port. [default: 8765]                    │
│ --config  -c      PATH     The agent's configuration. [default: strop.yaml]  │
│ --help    -h               Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop eval --help

 Usage: strop eval [OPTIONS]

 Score a spec on all tasks of a split; what was run before is not run again.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --split           S     train, validation, or the sealed test. [required] │
│    --spec            ID    By default what serves.                           │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop improve --help

 Usage: strop improve [OPTIONS]

 One improvement cycle; releases what proved better on validation, or nothing.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --dry-run                Say what would be run and cost, and stop.           │
│ --levers           A,B   Only these of: preferences, facts, lessons,         │
│                          heuristics, clauses, examples, tools, resolutions,  │
│                          criteria, curation, gepa.                           │
│ --runs             N     At most so many agent runs.                         │
│ --tokens           N     At most about so many tokens.                       │
│ --cost             USD   At most about this cost.                            │
│ --minutes          M     At most about so long.                              │
│ --config   -c      PATH  The agent's configuration. [default: strop.yaml]    │
│ --json                   Print one JSON object and nothing else.             │
│ --help     -h            Show this message and exit.                         │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop score --help

 Usage: strop score [OPTIONS] {RUN} {VALUE}

 Score a run by hand; that counts instead of the scorer's from then on.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    RUN        <str>    (The beginning of) its id. [required]               │
│ *    VALUE      <float>  From 0 to 1. [required]                             │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              NAME  Who says so. [required]                           │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop log --help

 Usage: strop log [OPTIONS]

 Releases and verdicts, newest first.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --limit   -n      N [x>=1]  Only the newest.                                 │
│ --config  -c      PATH      The agent's configuration. [default: strop.yaml] │
│ --json                      Print one JSON object and nothing else.          │
│ --help    -h                Show this message and exit.                      │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop diff --help

 Usage: strop diff [OPTIONS] [A] [B]

 What changed from spec A to spec B (ids, original or current).

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   A      <str>  By default what B replaced.                                  │
│   B      <str>  By default what serves.                                      │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --all                   Every change.                                        │
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop show --help

 Usage: strop show [OPTIONS] [ID]

 A spec with its items, or a run with its steps.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   ID      <str>  Spec or run: an id, current or original. [default: current] │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --all                   Every item.                                          │
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop rollback --help

 Usage: strop rollback [OPTIONS]

 Release the spec before the current one again, or the one named.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --to              ID    A spec's id, or original.                            │
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop audit --help

 Usage: strop audit [OPTIONS] COMMAND [ARGS]...

 Check the ledger.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ verify  Check that no entry of the ledger was changed, removed or moved.     │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop audit verify --help

 Usage: strop audit verify [OPTIONS]

 Check that no entry of the ledger was changed, removed or moved.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tasks --help

 Usage: strop tasks [OPTIONS] COMMAND [ARGS]...

 Check a task file, and split it.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ check  Say what would spoil a measurement on these tasks.                    │
│ split  Give tasks without a split one, by a stable hash of their group.      │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tasks check --help

 Usage: strop tasks check [OPTIONS] {FILE}

 Say what would spoil a measurement on these tasks.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    FILE      <path>  Tasks as JSON lines. [required]                       │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --json            Print one JSON object and nothing else.                    │
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tasks split --help

 Usage: strop tasks split [OPTIONS] {FILE}

 Give tasks without a split one, by a stable hash of their group.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    FILE      <path>  Tasks as JSON lines. [required]                       │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --train               P  Share to learn from. [default: 0.5]                 │
│ --validation          P  Share to compare on. [default: 0.25]                │
│ --test                P  Share to seal. [default: 0.25]                      │
│ --seed                N  Another one deals otherwise. [default: 0]           │
│ --write                  Write the file, whole or not.                       │
│ --json                   Print one JSON object and nothing else.             │
│ --help        -h         Show this message and exit.                         │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop import --help

 Usage: strop import [OPTIONS] COMMAND [ARGS]...

 Bring runs in.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ runs  Store runs, all of them or none.                                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop import runs --help

 Usage: strop import runs [OPTIONS] {FILE}

 Store runs, all of them or none.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    FILE      <path>  Runs as JSON lines. [required]                        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop export --help

 Usage: strop export [OPTIONS] COMMAND [ARGS]...

 Write runs and specs out.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ runs  Write runs as JSON lines.                                              │
│ spec  Write a spec as JSON.                                                  │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop export runs --help

 Usage: strop export runs [OPTIONS]

 Write runs as JSON lines.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --split           S     Only of this; by default all.                        │
│ --output  -o      FILE  Write to a file.                                     │
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop export spec --help

 Usage: strop export spec [OPTIONS] [SPEC]

 Write a spec as JSON.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│   SPEC      <str>  By default what serves. [default: current]                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --output  -o      FILE  Write to a file.                                     │
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯
""")


def test_looking_back_loads_no_agent(improved):
    look = (
        "import sys; from strop.cli import main; code = main(['log']);"
        "heavy = {'pydantic_ai', 'model2vec', 'alembic', 'openai', 'tokenizers'} & sys.modules.keys();"
        "sys.exit(f'loaded: {heavy}' if heavy else code)"
    )
    done = process(sys.executable, "-c", look, at=improved)
    assert (done.code, done.err) == (0, "")


def test_version_and_bare_call(tmp_path):
    assert strop("--version", at=tmp_path).out == "strop 0.1.0\n"
    bare = strop(at=tmp_path, expect=2)
    assert "Usage: strop" in bare.out + bare.err
