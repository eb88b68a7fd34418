"""`kill -9` at random moments of `strop improve`: nothing finished is lost, nothing is done twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strop.release import first_break
from strop.store import open_store
from strop.task import Split

KILLS = 4 if os.environ.get("CI") else 20
ANSWERS = ("trace", "refund", "login")
CONFIG = """
name: desk
model: "command:sh {folder}/answer.sh"
instructions: ["Name the answer."]
output: [trace, refund, login]
scorer: exact
levers: [examples]
embedder: static
tasks: tasks.jsonl
concurrency: 2
"""
# Says what the last demonstration says, else always the same; slow enough to be killed half-way.
MODEL = """
sleep 0.05
awk 'found { last = $0; found = 0 } /^<assistant>$/ { found = 1 } END { print last ? last : "trace" }'
"""


@pytest.fixture
def project(tmp_path):
    words = {"trace": "parcel", "refund": "money", "login": "password"}
    tasks = [
        {
            "id": f"{answer}-{i}",
            "input": f"{words[answer]} trouble number {i}",
            "expected": answer,
            "split": "train" if i % 2 else "validation",
        }
        for answer in ANSWERS
        for i in range(16)
    ]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    (tmp_path / "answer.sh").write_text(MODEL)
    (tmp_path / "strop.yaml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path


def improve(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "strop.cli", "improve", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def counts(folder: Path) -> tuple[int, int, str | None]:
    """Held evaluations, stored runs, and the released spec; the ledger's chain is whole."""
    with open_store(str(folder / ".strop" / "strop.db"), agent="desk") as store:
        assert first_break(store.ledger()) is None
        runs = [
            scored
            for split in (Split.TRAIN, Split.VALIDATION)
            for scored in store.runs(split=split)
        ]
        keys = {(scored.run.task, scored.run.spec, scored.run.trial) for scored in runs}
        release = store.released()
        return len(keys), len(runs), None if release is None else release.spec


@pytest.mark.slow
def test_killed_cycles_lose_nothing_and_repeat_nothing(project):
    rng = random.Random(0)
    seen, specs = 0, set()
    for _ in range(KILLS):
        process = improve(project)
        # Starting takes about a second; the cycle of 72 evaluations, about three.
        time.sleep(rng.uniform(0.2, 2.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if (project / ".strop" / "strop.db").exists():
            evaluated, runs, spec = counts(project)
            assert evaluated >= seen
            assert runs == evaluated
            seen = evaluated
            specs.add(spec)
    process = improve(project)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    evaluated, runs, final = counts(project)
    assert runs == evaluated == 72
    assert len((specs | {final}) - {None}) <= 2
    last = json.loads(out)
    assert last["schema"].startswith("strop.")
    with open_store(str(project / ".strop" / "strop.db"), agent="desk") as store:
        assert [release.action for release in store.releases()] == ["initial", "promote"]
