"""`strop explain`: what a run saw of its spec, why, and whose word stands behind it.

The context is made again from the stored spec and task, as it was made then. Where that gives
other items than the run recorded (vectors of another version of the embedder), it says so.

Next file: `cli/releasing.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import anyio
from rich.console import RenderableType
from rich.text import Text

from strop.cli.opening import opened_store, tasks_of
from strop.cli.output import NONE, block, clock, heading, points, show, table, text
from strop.config import load_config
from strop.context import Chosen, Context
from strop.embed import resolve_embedder
from strop.errors import UserMistake
from strop.jsonvalue import Json, as_text, is_object
from strop.libraries import Libraries
from strop.memories import type_of
from strop.run import Run, ScoredRun
from strop.spec import AgentSpec, Item, Kind
from strop.store import Store
from strop.task import Split, Task

__all__ = ["explain"]

_TEXT = 400  # characters of an item that people are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    """A run with the context that it had, made again.

    Attributes:
        scored: The run.
        spec: Its spec.
        context: What its task gets to see of the spec.
        edited: The task is not known any more as it was then, so what depends on its category or
            its group may be missing.
    """

    scored: ScoredRun
    spec: AgentSpec
    context: Context
    edited: bool

    @property
    def run(self) -> Run:
        return self.scored.run

    @property
    def same(self) -> bool:
        """Whether it is what the run recorded, order included."""
        return self.context.shown == self.run.shown

    def to_json(self) -> dict[str, Json]:
        items = {item.id: item for item in self.spec.items}
        resolution = self.context.resolution
        return {
            "schema": "strop.explanation/1",
            "run": self.run.id,
            "task": self.run.task,
            "spec": self.spec.id,
            "score": self.scored.value,
            "same": self.same,
            "task_edited": self.edited,
            "recorded": list(self.run.shown),
            "shown": [
                {
                    "item": items[chosen.item].to_json(),
                    "type": type_of(items[chosen.item]),
                    "similarity": chosen.similarity,
                    "tokens": chosen.tokens,
                }
                for chosen in self.context.chosen
            ],
            "withheld": list(self.run.withheld),
            "instructions": self.context.instructions,
            "demonstrations": [
                {"item": d.item, "input": d.input, "output": d.output, "steps": list(d.steps)}
                for d in self.context.demonstrations
            ],
            "notes": list(self.context.notes),
            "table": None
            if resolution is None
            else {
                "item": resolution.item,
                "entry": resolution.label,
                "output": resolution.output,
                "confidence": resolution.confidence,
            },
        }


def explain(config: Path, *, run: str, as_json: bool) -> int:
    """What a run saw, and why."""
    settings = load_config(config)
    given = tasks_of(settings, config)
    with opened_store(config) as store:
        scored = store.run(run)
        if scored.run.spec is None:
            raise UserMistake(
                f"run {scored.run.id[:10]!r} is another agent's; "
                "what it saw is not known here (`strop show` tells its steps)"
            )
        spec = store.spec(scored.run.spec)
        task, edited = _task(store, given, scored.run)
        libraries = Libraries(store, resolve_embedder(settings.embedder))
        context = anyio.run(_context, libraries, spec, task, scored.run)
    explained = _Explained(scored=scored, spec=spec, context=context, edited=edited)
    show(explained.to_json(), *_blocks(explained), as_json=as_json)
    return 0


def _task(store: Store, given: Sequence[Task], run: Run) -> tuple[Task, bool]:
    """The task as it was run, and whether all that is left of it is the run's input."""
    stored = store.task(run.task)
    known = [task for task in given if task.id == run.task]
    for task in [*known, *([] if stored is None else [stored])]:
        if task.digest == run.task_digest:
            return task, False
    return Task(id=run.task, input=run.input), True


async def _context(libraries: Libraries, spec: AgentSpec, task: Task, run: Run) -> Context:
    """The context again: evaluations show memories that have expired, production does not."""
    times = (run.at, None) if run.split is Split.PRODUCTION else (None, run.at)
    tried = [await libraries.context(spec, task, now=now) for now in times]
    return next((context for context in tried if context.shown == run.shown), tried[0])


# --- telling -------------------------------------------------------------------------------------


def _blocks(explained: _Explained) -> list[RenderableType]:
    run, context = explained.run, explained.context
    out: list[RenderableType] = [
        heading(f"run {run.id[:10]}", f"task {run.task} ({run.split.value}), {clock(run.at)}"),
        block(text(_short(as_text(run.input)))),
        block(_frame(explained), top=1),
    ]
    if not explained.same:
        out += [block(line, top=1) for line in _differs(explained)]
    if context.resolution is not None:
        return [*out, *_answered(explained)]
    items = {item.id: item for item in explained.spec.items}
    every = [each for each in context.chosen if each.similarity is None]
    chosen = [each for each in context.chosen if each.similarity is not None]
    out += _group("what every task is told first", every, items)
    out += _group("what this task was shown, in this order", chosen, items)
    if not chosen:
        out.append(block(text("nothing was chosen for this task", "dim"), left=0, top=1))
    if run.withheld:
        title = "held back at random, to measure what it is worth"
        out.append(block(heading(title), left=0, top=1))
        out += [block(text(_line(items, item_id))) for item_id in run.withheld]
    return out


def _frame(explained: _Explained) -> RenderableType:
    run, context = explained.run, explained.context
    tokens = sum(chosen.tokens for chosen in context.chosen)
    facts = [
        ("spec", explained.spec.short_id),
        ("similar by", explained.spec.selection.embedder),
        ("shown", f"{len(context.chosen)} items, about {tokens} tokens"),
        ("answer", NONE if run.output is None else _short(as_text(run.output))),
        ("score", points(explained.scored.value)),
    ]
    out = table(("", ""), [[text(name, "dim"), text(said)] for name, said in facts])
    out.show_header = False
    return out


def _differs(explained: _Explained) -> list[Text]:
    """How what was made again differs from what the run recorded."""
    recorded, again = explained.run.shown, explained.context.shown
    gone = [item for item in recorded if item not in again]
    new = [item for item in again if item not in recorded]
    said = f"not quite what this run saw: it recorded {len(recorded)} items"
    if gone:
        said += f", among them {', '.join(gone[:4])}"
    if new:
        said += f"; new here: {', '.join(new[:4])}"
    if not gone and not new:
        said += ", in another order"
    lines = [text(said, "yellow")]
    held_back = bool(explained.run.withheld) and not gone
    if explained.edited:
        lines.append(text("the task was edited since, or is gone; its input was used", "yellow"))
    elif held_back:
        lines.append(text("some were held back from this run, see below", "yellow"))
    else:
        lines.append(text("the embedder may be another version now", "yellow"))
    return lines


def _group(title: str, chosen: Sequence[Chosen], items: dict[str, Item]) -> list[RenderableType]:
    if not chosen:
        return []
    rows: list[list[str | Text]] = []
    for each in chosen:
        item = items[each.item]
        sure = NONE if each.similarity is None else f"{each.similarity:.2f}"
        said = text(_short(_said(item)))
        rows.append([type_of(item), sure, str(each.tokens), said])
        rows.append(["", "", "", text(_whose(item), "dim")])
    columns = ("kind", "similar", "tokens", "text")
    return [
        block(heading(title), left=0, top=1),
        block(table(columns, rows, right=("similar", "tokens"))),
    ]


def _answered(explained: _Explained) -> list[RenderableType]:
    """An answer of the spec's table: which entry, and how sure."""
    resolution = explained.context.resolution
    assert resolution is not None  # noqa: S101 - the caller has looked
    item = next(item for item in explained.spec.items if item.id == resolution.item)
    body = item.content["body"]
    assert is_object(body)  # noqa: S101 - it has just answered
    entry = cast("Sequence[dict[str, Json]]", body["entries"])[resolution.label]
    facts = [
        ("answer", _short(as_text(resolution.output))),
        ("entry", f"{resolution.label + 1} of {len(cast('Sequence[Json]', body['entries']))}"),
        ("taught by", f"{entry['tasks']} tasks"),
        ("sure", f"{resolution.confidence:.3f}, from {body['threshold']:.3f} on it answers"),
        ("whose word", _whose(item)),
    ]
    told = table(("", ""), [[text(name, "dim"), text(said)] for name, said in facts])
    told.show_header = False
    return [
        block(heading("answered by the table of standard answers; no model"), left=0, top=1),
        block(told),
    ]


def _said(item: Item) -> str:
    content = item.content
    if item.kind is Kind.EXAMPLE:
        return f"{as_text(content['input'])} → {as_text(content['output'])}"
    if item.kind is Kind.TOOL:
        return f"{content['name']}: {content['description']}"
    return item.text


def _whose(item: Item) -> str:
    """Where an item is from, and on whose word it stands."""
    origin = item.provenance
    runs = ", ".join(run[:10] for run in origin.runs[:3])
    more = f" and {len(origin.runs) - 3} more" if len(origin.runs) > 3 else ""
    behind = f", from {runs}{more}" if runs else ""
    return f"{item.id}, by {origin.by} ({origin.trust.value}){behind}"


def _line(items: dict[str, Item], item_id: str) -> str:
    item = items.get(item_id)
    return item_id if item is None else f"{item_id}: {_short(_said(item))}"


def _short(given: str) -> str:
    """On one line, cut."""
    line = " ".join(given[: 4 * _TEXT].split())
    return line if len(line) <= _TEXT else f"{line[:_TEXT]} ..."
