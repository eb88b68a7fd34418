"""The airline runs as `ScoredRun`s and the database that their tools read.

Next file: `tools.py`.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.errors import BadInput
from strop.run import Message, Run, Score, ScoredRun, Step, ToolCall
from strop.task import Split, Task

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "tau_airline"


def runs() -> tuple[ScoredRun, ...]:
    """All runs in time order: by task, then by trial."""
    lines = sorted(_lines("trajectories.jsonl.gz"), key=lambda r: (r["task_id"], r["trial"]))
    return tuple(_scored(line) for line in lines)


def tasks() -> dict[str, Task]:
    """The tasks, by id; what the customer wants is the input."""
    return {
        _task(line): Task(id=_task(line), input=line["info"]["task"]["instruction"])
        for line in _lines("trajectories.jsonl.gz")
    }


def database() -> dict[str, Any]:
    """Flights, reservations and users, each by id; as JSON text, to be copied for every run."""
    return {name: _read(f"{name}.json.gz") for name in ("flights", "reservations", "users")}


def _scored(line: dict[str, Any]) -> ScoredRun:
    name = f"{_task(line)}-{line['trial']}"
    run = Run(
        id=name,
        task=_task(line),
        input=line["info"]["task"]["instruction"],
        split=Split.TRAIN,
        trial=line["trial"],
        steps=tuple(_steps(line["traj"])),
    )
    return ScoredRun(run=run, score=Score(name="reward", value=line["reward"]))


def _task(line: dict[str, Any]) -> str:
    return f"airline-{line['task_id']:02d}"


def _steps(messages: list[dict[str, Any]]) -> Iterator[Step]:
    """Chat messages as steps: a call and the message after it, with its result, are one.

    Ids of calls cannot pair them: the model gave the same id to several.
    """
    for message, following in zip(messages, [*messages[1:], {}], strict=True):
        if message["role"] == "tool":
            continue
        if message.get("content"):
            yield Message(role=message["role"], content=message["content"])
        for call in message.get("tool_calls") or ():
            asked = call["function"]
            if following.get("role") == "tool":
                yield ToolCall(
                    tool=asked["name"],
                    args=json.loads(asked["arguments"]),
                    result=following["content"],
                )


def _lines(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        raise BadInput(
            "the airline traces are missing: put trajectories.jsonl.gz and the database of "
            "github.com/sierra-research/tau-bench (see its PROVENANCE.md) into "
            "../shared/data/tau_airline beside the checkout",
            where=path.name,
        )
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _read(name: str) -> Any:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        return json.load(file)
