"""Demonstrations by people: read, checked, and proposed as examples.

What a held-out task asks is refused, and so is an answer that the agent may not give. A person's
word makes an example trusted; it does not make it good, so the gate decides all the same.

Next file: `bootstrap/teacher.py`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from strop.errors import BadInput
from strop.heldout import HeldOut
from strop.jsonvalue import Json, JsonObject, as_text, canonical, digest, json_lines
from strop.propose import Brief, Proposal
from strop.run import Run, Score, Usage
from strop.score import Judge, Scorer, score
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust
from strop.task import Split, Task, normalised

__all__ = [
    "BY_PEOPLE",
    "Demonstrations",
    "Refused",
    "admitted",
    "demonstration",
    "from_tasks",
    "graded",
    "read_demonstrations",
    "shown",
    "unfit",
]

BY_PEOPLE = Provenance(by="person:examples", trust=Trust.PERSON)
_FIELDS = {"input": None, "output": None, "task": str, "category": str, "group": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """How many demonstrations were left out, by why.

    Attributes:
        held_out: They ask what a held-out task asks, or belong to one.
        repeated: The same input stands before them.
        shown: The agent shows the same already.
        unfit: The answer is none that the agent may give.
    """

    held_out: int = 0
    repeated: int = 0
    shown: int = 0
    unfit: int = 0

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrations:
    """Proposes ready-made examples.

    Attributes:
        name: Who made them, for example ``person:examples``.
        items: The examples.
        summary: What they are, for people.
        cost: What making them took.
    """

    name: str
    items: tuple[Item, ...]
    summary: str
    cost: Usage = field(default=Usage())

    async def __call__(self, brief: Brief) -> Proposal | None:
        changes = _changes(brief.spec, self.items)
        if not changes:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=changes,
            findings=(),
            proposer=self.name,
            summary=f"{len(changes)} {self.summary}",
            cost=self.cost,
        )


def _changes(spec: AgentSpec, items: Iterable[Item]) -> tuple[Change, ...]:
    """Add what is new; put a person's answer in the place of one that was mined for its task."""
    held = {item.id: item for item in spec.items}
    out: list[Change] = []
    for item in items:
        old = held.get(item.id)
        if old is None:
            out.append(Add(item=item))
        elif not old.protected and old.digest != item.digest:
            out.append(Revise(item_id=item.id, item=item))
    return tuple(out)


def read_demonstrations(
    path: Path, *, tasks: Iterable[Task], schema: JsonObject | None
) -> list[Item]:
    """The demonstrations of a JSON-lines file with ``input`` and ``output``.

    ``task`` names the task that it is of, ``group`` those that say the same in other words;
    ``category`` is for people.

    Args:
        path: The file.
        tasks: Known tasks, for the groups of those that are named.
        schema: What an answer must be; see `AgentSpec.output`.

    Raises:
        BadInput: No such file, a line that does not parse, an unknown or missing field, or an
            output that the agent may not give. The message starts with ``file:line``.
    """
    known = {task.id: task for task in tasks}
    items = []
    for where, value in json_lines(path, what="demonstrations"):
        fields = _checked(value, where)
        task = known.get(str(fields.get("task")))
        group = fields.get("group") or (task.group if task is not None else None)
        item = demonstration(
            fields["input"],
            fields["output"],
            task=cast("str | None", fields.get("task")),
            group=cast("str | None", group),
            provenance=BY_PEOPLE,
            where=where,
        )
        problem = unfit(item.content["output"], schema)
        if problem is not None:
            raise BadInput(f"the agent may not answer that: {problem}", where=where)
        items.append(item)
    if not items:
        raise BadInput("the file holds no demonstrations", where=str(path))
    return items


def _checked(value: object, where: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise BadInput("expected a JSON object with 'input' and 'output'", where=where)
    unknown = sorted(str(name) for name in value if name not in _FIELDS)
    if unknown:
        known = ", ".join(_FIELDS)
        raise BadInput(f"unknown field {unknown[0]!r}; the fields are {known}", where=where)
    for name, kind in _FIELDS.items():
        given = value.get(name)
        if kind is None and given in (None, ""):
            raise BadInput(f"field {name!r} is missing or empty", where=where)
        if kind is not None and given is not None and not isinstance(given, kind):
            raise BadInput(f"field {name!r} must be text", where=where)
    return value


def demonstration(
    given: Json,
    output: Json,
    *,
    task: str | None = None,
    group: str | None = None,
    provenance: Provenance,
    where: str = "demonstration",
) -> Item:
    """An example item. One for a task has the id that a mined one for that task would have."""
    content: dict[str, Json] = {"input": given, "output": output}
    if task:
        content["task"] = task
    if group:
        content["group"] = group
    try:
        return Item(
            id=f"example-{digest([task or '', given])[:12]}",
            kind=Kind.EXAMPLE,
            content=content,
            provenance=provenance,
        )
    except BadInput as error:
        raise BadInput(str(error), where=where) from None


async def from_tasks(tasks: Iterable[Task], *, scorer: Scorer, good: float) -> list[Item]:
    """The tasks' own expected answers, where the scorer takes them as answers.

    A pattern to match, or a list of acceptable answers, is expected but demonstrates nothing. A
    judge is not asked: it costs a model call, and a person wrote the expected answer.
    """
    items = []
    for task in tasks:
        if task.expected is None:
            continue
        if not isinstance(scorer, Judge):
            value = await graded(scorer, task, task.expected)
            if value is None or value < good:
                continue
        item = demonstration(
            task.input, task.expected, task=task.id, group=task.group, provenance=BY_PEOPLE
        )
        items.append(item)
    return items


async def graded(
    scorer: Scorer, task: Task, output: Json, *, seconds: float | None = None
) -> float | None:
    """What the scorer gives an answer that no run gave; `None` where it cannot tell."""
    ideal = Run(id="ideal", task=task.id, input=task.input, split=Split.TRAIN, output=output)
    result = await score(scorer, task, ideal, seconds=seconds)
    return result.value if isinstance(result, Score) else None


def admitted(
    items: Sequence[Item], spec: AgentSpec, held_out: HeldOut
) -> tuple[tuple[Item, ...], Refused]:
    """The examples that may be proposed to `spec`, and how many may not."""
    held = {shown(item) for item in spec.of_kind(Kind.EXAMPLE)}
    inputs: set[str] = set()
    kept: list[Item] = []
    why: Counter[str] = Counter()
    for item in items:
        content = item.content
        asked = normalised(as_text(content["input"]))
        if _is_barred(item, held_out):
            why["held_out"] += 1
        elif asked in inputs:
            why["repeated"] += 1
        elif unfit(content["output"], spec.output) is not None:
            why["unfit"] += 1
        elif shown(item) in held:
            why["shown"] += 1
        else:
            inputs.add(asked)
            kept.append(item)
    return tuple(kept), Refused(**why)


def _is_barred(item: Item, held_out: HeldOut) -> bool:
    task, group = item.content.get("task"), item.content.get("group")
    return held_out.bars(
        task if isinstance(task, str) else None,
        as_text(item.content["input"]),
        group if isinstance(group, str) else None,
    )


def shown(item: Item) -> tuple[str, str]:
    """What an example shows, whoever it is from."""
    return normalised(as_text(item.content["input"])), canonical(item.content["output"])


def unfit(output: Json, schema: JsonObject | None) -> str | None:
    """Why the agent may not answer `output`, or `None` where it may."""
    if schema is None:
        return None
    import jsonschema  # loads 60 modules; only agents with a schema need it

    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(cast("dict[str, Json]", schema)).iter_errors(output)
    )
    return None if error is None else str(error.message)[:200]
