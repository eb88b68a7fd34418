"""What the tests of reflection share: a brief made by hand, runs, and a model with a script."""

import numpy as np

from strop.models import ScriptedModel
from strop.propose.brief import Brief
from strop.propose.reflect.reflector import Reflector
from strop.run import Run, Score, ScoredRun, ToolCall
from strop.spec import AgentSpec, Item, Kind
from strop.task import Split, Task

CLAUSES = (
    Item(id="tone", kind=Kind.CLAUSE, content={"text": "Answer politely."}),
    Item(id="law", kind=Kind.CLAUSE, content={"text": "Never give advice on law."}, protected=True),
)
SPEC = AgentSpec(name="desk", model="local", items=CLAUSES)

INPUTS = {
    "t1": "Where is the parcel that I ordered on Monday morning from your shop in Leeds?",
    "t2": "Please cancel my yearly plan and pay back what is left of it.",
    "t3": "What does express delivery to Norway cost for two kilograms?",
}
TASKS = {
    id_: Task(id=id_, input=text, category=category, split=Split.TRAIN)
    for (id_, text), category in zip(INPUTS.items(), ("parcel", "plan", "parcel"), strict=True)
}


async def embed(texts):
    return np.ones((len(texts), 2), dtype=np.float32) / np.sqrt(2)


def attempt(task, value, *, steps=(), output="I do not know.", run=None, reason="", spec=None):
    made = Run(
        id=run or f"run-{task}",
        task=task,
        input=INPUTS.get(task, task),
        split=Split.TRAIN,
        steps=tuple(steps),
        output=output,
        spec=spec,
    )
    score = None if value is None else Score(name="s", value=value, reason=reason)
    return ScoredRun(run=made, score=score)


def called(tool, result, **args):
    return ToolCall(tool=tool, args=args, result=result)


RUNS = (
    attempt("t1", 0.0, steps=[called("track", "error: unknown number", number="7")]),
    attempt("t2", 0.2),
    attempt("t3", 1.0, steps=[called("prices", {"NO": 14})], output="It costs 14 euros."),
)


def brief(**given):
    return Brief(
        **{"spec": SPEC, "findings": (), "tasks": TASKS, "embed": embed, "runs": RUNS} | given
    )


def scripted(*answers, **given):
    """A reflector on a scripted model, and the model."""
    model = ScriptedModel(answers)
    return Reflector(model, **given), model


def edit(action="add", text="", item="", runs=("run-t1",), **given):
    return {
        "action": action,
        "text": text,
        "item": item,
        "reason": "runs failed for want of it",
        "runs": list(runs),
        **given,
    }


def edits(*given, diagnosis="Nothing says what to do where tracking fails."):
    return {"diagnosis": diagnosis, "edits": list(given)}
