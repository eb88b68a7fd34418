"""`strop diff` and `strop show`: what changed between two specs, and what a spec or run holds.

Next file: `cli/traces.py`.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from strop.cli.opening import opened_store
from strop.cli.output import (
    amount,
    block,
    clock,
    heading,
    points,
    show,
    table,
    text,
    took,
)
from strop.context import select
from strop.errors import UserMistake
from strop.jsonvalue import Json, as_text
from strop.run import (
    CodeRun,
    ErrorStep,
    Message,
    ModelCall,
    ScoredRun,
    ScoreFailure,
    Step,
    ToolCall,
)
from strop.spec import Add, AgentSpec, Change, Item, Kind, Remove, Revise, diff
from strop.store import Store
from strop.task import Task

__all__ = ["find_spec", "show_changes", "show_thing"]

_FIRST = 3  # items of a lever that are shown where there are many
_LEVERS = {Kind.MEMORY: "memories", Kind.CRITERION: "criteria"}  # where the plural is no plain one
_FRAME = ("model", "settings", "output", "selection")


def find_spec(store: Store, name: str) -> AgentSpec:
    """The spec called ``current``, ``original``, or by (the beginning of) its id.

    Raises:
        UserMistake: There is none, or several.
    """
    if name not in ("current", "original"):
        return store.spec(name)
    releases = store.releases()
    if not releases:
        raise UserMistake("nothing was released yet; `strop improve` makes a beginning")
    return store.spec((releases[-1] if name == "current" else releases[0]).spec)


# --- diff ------------------------------------------------------------------------------------


def show_changes(
    config: Path, *, old: str | None, new: str | None, everything: bool, as_json: bool
) -> int:
    """What changed from one spec to another; by default, in the release that serves."""
    with opened_store(config) as store:
        after = find_spec(store, new or "current")
        before = find_spec(store, old) if old else _replaced(store, after)
    changes = diff(before, after)
    frame = {
        name: [before.to_json()[name], after.to_json()[name]]
        for name in _FRAME
        if before.to_json()[name] != after.to_json()[name]
    }
    value: dict[str, Json] = {
        "schema": "strop.diff/1",
        "old": before.id,
        "new": after.id,
        "changes": [change.to_json() for change in changes],
        "fields": frame,
    }
    blocks: list[RenderableType] = [heading(f"{before.short_id} → {after.short_id}")]
    for name, (was, now) in frame.items():
        blocks.append(block(text(name, "bold"), top=1))
        blocks += [block(line) for line in _replaced_text(as_text(was), as_text(now))]
    for kind in Kind:
        blocks += _lever(kind, before, changes, everything=everything)
    if not changes and not frame:
        blocks.append(block(text("no difference", "dim")))
    show(value, *blocks, as_json=as_json)
    return 0


def _replaced(store: Store, spec: AgentSpec) -> AgentSpec:
    """The spec that `spec` replaced when it was last released; itself, when it replaced none."""
    came = [r for r in store.releases() if r.spec == spec.id and r.previous is not None]
    return store.spec(came[-1].previous) if came and came[-1].previous else spec


def _lever(
    kind: Kind, before: AgentSpec, changes: Sequence[Change], *, everything: bool
) -> list[RenderableType]:
    """The changes to the items of one kind, under a heading that counts them."""
    held = {item.id: item for item in before.items}
    of_kind = [
        c
        for c in changes
        if (c.item if isinstance(c, Add | Revise) else held[c.item_id]).kind is kind
    ]
    if not of_kind:
        return []
    counts = [
        f"{sum(isinstance(c, change) for c in of_kind)} {word}"
        for change, word in ((Add, "added"), (Revise, "revised"), (Remove, "removed"))
        if any(isinstance(c, change) for c in of_kind)
    ]
    shown = of_kind if everything else of_kind[:_FIRST]
    out: list[RenderableType] = [
        block(heading(_lever_name(kind), ", ".join(counts)), left=0, top=1)
    ]
    for change in shown:
        out += [block(line) for line in _change_lines(change, held)]
    if len(shown) < len(of_kind):
        out.append(block(text(f"and {len(of_kind) - len(shown)} more; --all shows them", "dim")))
    return out


def _lever_name(kind: Kind) -> str:
    return _LEVERS.get(kind, f"{kind.value}s")


def _change_lines(change: Change, held: dict[str, Item]) -> list[Text]:
    if isinstance(change, Add):
        return [text(f"+ {_item_text(change.item)}", "green")]
    if isinstance(change, Remove):
        return [text(f"- {_item_text(held[change.item_id])}", "red")]
    was, now = _item_text(held[change.item_id]), _item_text(change.item)
    if was == now:
        return [text(f"~ {now} (where it comes from)", "yellow")]
    return _replaced_text(was, now)


def _replaced_text(was: str, now: str) -> list[Text]:
    return [text(f"- {was}", "red"), text(f"+ {now}", "green")]


def _item_text(item: Item) -> str:
    """An item on one line."""
    content = item.content
    match item.kind:
        case Kind.EXAMPLE:
            source = " (corrected)" if item.provenance.corrected else ""
            line = f"{as_text(content['input'])} → {as_text(content['output'])}{source}"
        case Kind.TOOL:
            line = f"{content['name']}: {content['description']}"
        case Kind.HEURISTIC if "when" in content:
            line = f"when {content['when']}: {item.text}"
        case _:
            line = item.text
    return " ".join(line.split())


# --- show ------------------------------------------------------------------------------------


def show_thing(config: Path, *, name: str, everything: bool, as_json: bool) -> int:
    """A spec or a run."""
    with opened_store(config) as store:
        found = _find(store, name)
    if isinstance(found, AgentSpec):
        value: dict[str, Json] = {"schema": "strop.show/1", "id": found.id, "spec": found.to_json()}
        show(value, *_spec_blocks(found, everything=everything), as_json=as_json)
    else:
        value = {"schema": "strop.show/1", "id": found.run.id, "run": found.to_json()}
        show(value, *_run_blocks(found), as_json=as_json)
    return 0


def _find(store: Store, name: str) -> AgentSpec | ScoredRun:
    """A spec or a run by its name or (the beginning of) its id."""
    if name in ("current", "original"):
        return find_spec(store, name)
    found: list[AgentSpec | ScoredRun] = []
    problems: list[str] = []
    for look in (store.spec, store.run):
        try:
            found.append(look(name))
        except UserMistake as problem:
            problems.append(str(problem))
    if len(found) > 1:
        raise UserMistake(f"a spec and a run begin with {name!r}; give more of the id")
    if not found:
        raise UserMistake(", and ".join(problems))
    return found[0]


def _spec_blocks(spec: AgentSpec, *, everything: bool) -> list[RenderableType]:
    about = [
        ("model", spec.model),
        ("settings", as_text(spec.settings) if spec.settings else ""),
        ("output", as_text(spec.output) if spec.output else ""),
        ("per task", _per_task(spec)),
    ]
    rows: list[list[str | Text]] = [[text(name, "dim"), value] for name, value in about if value]
    fields = table(("", ""), rows)
    fields.show_header = False
    out: list[RenderableType] = [heading(f"spec {spec.short_id}", spec.name), block(fields)]
    for kind in Kind:
        items = spec.of_kind(kind)
        if not items:
            continue
        out.append(block(heading(_lever_name(kind), str(len(items))), left=0, top=1))
        shown = items if everything or kind is not Kind.EXAMPLE else items[:_FIRST]
        out += [block(_item_line(item)) for item in shown]
        if len(shown) < len(items):
            rest = len(items) - len(shown)
            out.append(block(text(f"and {rest} more; --all shows them", "dim")))
    rendered = select(spec, Task(id="any", input="any")).instructions
    if rendered:
        out.append(block(heading("what every task is told first"), left=0, top=1))
        out.append(block(text(rendered)))
    return out


def _per_task(spec: AgentSpec) -> str:
    chosen = spec.selection
    return (
        f"at most {chosen.examples} examples, {chosen.memories} memories, {chosen.tokens} tokens "
        f"(similar by {chosen.embedder})"
    )


def _item_line(item: Item) -> Text:
    marks = [item.provenance.by] if item.provenance.by != "person" else []
    marks += ["protected"] if item.protected else []
    return Text.assemble(
        "- ", text(_item_text(item)), (f"  [{', '.join(marks)}]" if marks else "", "dim")
    )


def _run_blocks(scored: ScoredRun) -> list[RenderableType]:
    run, usage = scored.run, scored.run.usage
    about = [
        ("task", f"{run.task} ({run.split.value}, trial {run.trial})"),
        ("spec", "another agent's" if run.spec is None else run.spec[:10]),
        ("when", clock(run.at)),
        ("score", _score_text(scored)),
        ("shown", f"{len(run.shown)} items"),
        ("took", took(usage.tokens, usage.cost, usage.seconds)),
    ]
    fields = table(("", ""), [[text(name, "dim"), value] for name, value in about])
    fields.show_header = False
    out: list[RenderableType] = [heading(f"run {run.id[:10]}"), block(fields)]
    parts: list[tuple[str, Text]] = [("input", text(as_text(run.input)))]
    parts += [_step(step) for step in run.steps]
    if run.output is not None:
        parts.append(("output", text(as_text(run.output))))
    for title, body in parts:
        out.append(block(text(title, "bold"), left=0, top=1))
        out.append(block(body))
    return out


def _score_text(scored: ScoredRun) -> str:
    match scored.score:
        case None:
            return "none yet; `strop score` gives one"
        case ScoreFailure(name=name, error=error):
            return f"none: {name} failed: {error}"
        case given:
            why = f", {given.reason}" if given.reason else ""
            return f"{points(given.value)} by {given.scorer or given.name}{why}"


def _step(step: Step) -> tuple[str, Text]:
    """Title and text of one step."""
    match step:
        case ModelCall(model=model, usage=usage):
            tokens = f"{amount(usage.input_tokens)} tokens in, {amount(usage.output_tokens)} out"
            return "model", text(f"{model}: {tokens}", "dim")
        case Message(role=role, content=content):
            return role, text(content)
        case ToolCall(tool=tool, args=args, result=result, error=error):
            body = text(as_text(args)) + Text("\n")
            return f"tool {tool}", body + (text(error, "red") if error else text(as_text(result)))
        case CodeRun(source=source, output=output, error=error):
            return "code", text(source) + Text("\n") + text(error or output, "red" if error else "")
        case ErrorStep(type=kind, message=message):
            return "error", text(f"{kind}: {message}", "red")
