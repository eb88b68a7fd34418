"""An agent that keeps writing the same request gets it as a tool, confined to one host.

    python -m examples.search_tool [FOLDER]

1. Runs in which the agent wrote requests to an undocumented endpoint inline, made for real.
2. The recurring code becomes a tool. It needs the network, so it is inert and waits for review.
3. A person approves it, with that one host on its allow-list.
4. The next cycle puts it before the gate; later runs call it instead of writing code.
5. Another address, tried from under the same grant, is not reached.

The model is the embedded one; the endpoint is a real HTTP server on loopback. The project is left
in FOLDER for `strop tools show`, `strop log` and the rest.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from examples.search_tool.endpoint import ARTICLES, Endpoint, listening
from examples.search_tool.helpdesk import run_python
from strop import SelfImprovingAgent, Split
from strop.approvals import approve
from strop.cycle import Cycle
from strop.ladder_tools import waiting
from strop.run import Run, Score, ScoredRun, ToolCall
from strop.sandbox import Program, best_sandbox
from strop.spec import Item
from strop.task import Task
from strop.tools import needs_of, program_of
from strop.tools.rendering import render_tool

__all__ = ["walk"]

_CONFIG = """\
name: helpdesk
model: local
instructions: ["Find the article and answer with its reference."]
tools: ["examples.search_tool.helpdesk:run_python"]
scorer: exact
levers: [examples, tools]
selection: {examples: 2, tokens: 900}
settings: {max_tokens: 120}
limits: {steps: 4}
embedder: static
tasks: tasks.jsonl
"""

_WORDINGS = (
    "Which article is about {topic}?",
    "Point me to the article on {topic}.",
    "A customer asks about {topic}; name the article.",
)

# The same request as different runs wrote it.
_WAYS = (
    """\
import json
import urllib.parse
import urllib.request

query = urllib.parse.urlencode({{"text": {topic!r}, "max": 1}})
request = urllib.request.Request("http://{address}/v2/_find?" + query, headers={{"X-Desk": "7"}})
with urllib.request.urlopen(request, timeout=5) as reply:
    hits = json.load(reply)["hits"]
print(hits[0]["ref"])
""",
    """\
import json
import urllib.parse
import urllib.request

params = urllib.parse.urlencode({{"text": {topic!r}, "max": 1}})
req = urllib.request.Request("http://{address}/v2/_find?" + params, headers={{"X-Desk": "7"}})
with urllib.request.urlopen(req, timeout=5) as response:
    found = json.load(response)["hits"]
print(found[0]["ref"])
""",
)


def walk(folder: Path, *, model: Any = None) -> dict[str, object]:
    """The whole story in a folder; what was seen, as figures.

    Args:
        folder: Where the project goes.
        model: A model object, instead of the embedded model.
    """
    with listening() as endpoint, listening() as elsewhere:
        os.environ["HELPDESK_ENDPOINT"] = endpoint.address
        _write_project(folder)
        with SelfImprovingAgent(folder / "strop.yaml", model=model) as agent:
            for scored in _written_by_hand(agent.parts.tasks, endpoint):
                agent.parts.store.put_run(scored.run, scored.score)
            before = agent.evaluate(split=Split.TEST)
            first = agent.improve()
            _say("the first cycle", first)
            (asked,) = waiting(agent.parts.grants)
            print(render_tool(asked.item))
            approve(agent.parts.grants, asked.label, by="operator")
            _say("the next cycle, after the approval", second := agent.improve())
            asked_before = len(endpoint.asked)
            after = agent.evaluate(split=Split.TEST)
            return {
                "before": _mean(before),
                "after": _mean(after),
                "tool": asked.item.content["name"],
                "first": [a.verdict.decision.value for a in first.attempts],
                "second": [a.verdict.decision.value for a in second.attempts],
                "tool_calls": _calls(after, str(asked.item.content["name"])),
                "code_calls": _calls(after, "run_python"),
                "requests": len(endpoint.asked) - asked_before,
                "reached_elsewhere": _reaches(asked.item, elsewhere),
            }


def _write_project(folder: Path) -> None:
    """`strop.yaml` and the tasks; a topic is in one split only."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "strop.yaml").write_text(_CONFIG, encoding="utf-8")
    splits = cycle(["train", "validation", "test"])
    lines = [
        json.dumps(
            {
                "id": f"ask-{topic}",
                "input": wording.format(topic=topic),
                "expected": ref,
                "split": split,
                "group": topic,
            }
        )
        for (topic, ref), split, wording in zip(
            ARTICLES.items(), splits, (w for w in cycle(_WORDINGS) for _ in range(3)), strict=False
        )
    ]
    (folder / "tasks.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _written_by_hand(tasks: tuple[Task, ...], endpoint: Endpoint) -> Iterator[ScoredRun]:
    """Runs of the train tasks in which somebody wrote the request out each time; each is made."""
    train = [task for task in tasks if task.split is Split.TRAIN]
    for task, way in zip(train, cycle(_WAYS), strict=False):
        code = way.format(topic=str(task.group), address=endpoint.address)
        printed = run_python(code)
        run = Run(
            id=f"by-hand-{task.id}",
            task=task.id,
            input=task.input,
            split=Split.TRAIN,
            task_digest=task.digest,
            steps=(ToolCall(tool="run_python", args={"code": code}, result=printed),),
            output=printed,
        )
        score = Score(name="human", value=float(printed == task.expected))
        yield ScoredRun(run=run, score=score)


def _reaches(item: Item, elsewhere: Endpoint) -> bool:
    """Whether code under the tool's own grant gets anything from another address."""
    program = program_of(item)
    there = next(iter(needs_of(item).hosts))
    outcome = best_sandbox().call(
        Program(source=program.source.replace(there, elsewhere.address), function=program.function),
        dict.fromkeys(item.content["parameters"]["required"], "refunds"),
        permissions=needs_of(item),
    )
    print(f"from another address: {outcome.failure.message if outcome.failure else outcome.value}")
    return outcome.ok or bool(elsewhere.asked)


def _calls(runs: tuple[ScoredRun, ...], tool: str) -> int:
    return sum(
        isinstance(step, ToolCall) and step.tool == tool
        for scored in runs
        for step in scored.run.steps
    )


def _mean(runs: tuple[ScoredRun, ...]) -> float:
    return round(sum(scored.value or 0.0 for scored in runs) / len(runs), 3)


def _say(what: str, happened: Cycle) -> None:
    print(f"\n{what}: {happened.summary}\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(walk(Path(sys.argv[1] if len(sys.argv) > 1 else scratch)), indent=2))
