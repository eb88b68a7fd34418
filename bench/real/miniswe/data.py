"""The coding agent's runs: raw messages for the plain search, `ScoredRun`s for mining.

Next file: `__main__.py`.
"""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.errors import BadInput
from strop.run import ErrorStep, Message, Run, Score, ScoredRun, Step, ToolCall
from strop.task import Split, Task

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "miniswe" / "trajectories.jsonl.gz"

_BLOCK = re.compile(r"```bash\n(.*?)\n```", re.DOTALL)
_CODE = re.compile(r"<returncode>(-?\d+)</returncode>")
_TAGS = re.compile(r"</?(?:output|output_head|output_tail|warning|elided_chars)>")


def lines(*, quick: bool) -> list[dict[str, Any]]:
    """The traces as they are; with `quick`, every fourth.

    Raises:
        BadInput: The file is not where it should be.
    """
    if not DATA.is_file():
        raise BadInput(
            "the coding traces are missing: put trajectories.jsonl.gz (made from "
            "github.com/gruckion/mini-swe-agent, see its PROVENANCE.md) into "
            "../shared/data/miniswe beside the checkout",
            where=DATA.name,
        )
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return found[::4] if quick else found


def task(line: dict[str, Any]) -> Task:
    """What a trace attempted; its repository is the category."""
    return Task(
        id=line["instance_id"],
        input=line["messages"][1]["content"].partition("<instructions>")[0].strip(),
        category=line["repo"],
    )


def scored(line: dict[str, Any]) -> ScoredRun:
    """A trace as a run: each answer and what came back is one step."""
    run = Run(
        id=f"run-{line['instance_id']}",
        task=line["instance_id"],
        input=task(line).input,
        split=Split.TRAIN,
        steps=tuple(_steps(line["messages"][2:])),
    )
    return ScoredRun(run=run, score=Score(name="resolved", value=float(line["resolved"])))


def _steps(messages: list[dict[str, str]]) -> Iterator[Step]:
    said = ""
    for message in messages:
        text = message["content"]
        if message["role"] == "assistant":
            said = text
            continue
        block = _BLOCK.search(said)
        code = _CODE.match(text)
        if code and block:
            yield Message(role="assistant", content=said.partition("```")[0])
            output = _TAGS.sub("", text[code.end() :]).strip("\n")
            yield ToolCall(
                tool="bash",
                args={"command": block.group(1)},
                result={"returncode": int(code.group(1)), "output": output},
            )
        elif text.startswith("Please always provide"):
            yield ErrorStep(type="format", message=text)
        elif text.startswith("The last command"):
            yield ErrorStep(type="timeout", message=text)
