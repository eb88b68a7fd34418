"""`strop tools test`: a code tool tried in the sandbox, on what runs recorded and on made-up input.

A trial does no more than a new tool may, unless `--as-granted` says so: made-up arguments are
nothing to write into a granted folder or send to a granted host.

Next file: `cli/review.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from rich.console import RenderableType

from strop.approvals import told
from strop.cli.improving import INCONCLUSIVE
from strop.cli.output import block, counted, heading, note, show, text
from strop.cli.standing import opened_grants, permissions_text
from strop.cli.visible import visible
from strop.errors import UserMistake
from strop.grants import Grants
from strop.jsonvalue import Json, JsonObject, canonical, is_object
from strop.ladder_tools import LadderTool, find_tool
from strop.permission import Level, Permissions
from strop.sandbox import LayeredSandbox, Sandbox, best_sandbox
from strop.spec import Item
from strop.store import Store
from strop.tools.identity import body_kind
from strop.tools.validation import Instance, Validation, validate

__all__ = ["recorded_of", "try_tool"]

_GENERATED = 20


def try_tool(
    config: Path,
    *,
    name: str,
    as_granted: bool,
    generated: int | None,
    seed: int,
    as_json: bool,
) -> int:
    """Try a tool; 1 when something went wrong, 3 when nothing was run.

    Args:
        config: The agent's configuration.
        name: The tool's name or the beginning of its digest.
        as_granted: Run it with what it is granted and needs, not with what every new tool may do.
        generated: How many arguments to make up; by default 20, and none where what it may do
            reaches beyond the sandbox.
        seed: Of those.
        as_json: Print one JSON object.

    Raises:
        UserMistake: No such tool, it is a chain, or `as_granted` and it may not serve.
    """
    with opened_grants(config) as grants:
        tool = _code_tool(find_tool(grants, name))
        permissions = _as_granted(tool, grants) if as_granted else Permissions()
        recorded = tuple(recorded_of(grants.store, tool.item))
    beyond = not permissions.covers(tool.need)
    if generated is None:
        generated = 0 if _reaches_out(permissions) else _GENERATED
    if beyond:
        recorded, generated = (), 0
    sandbox = best_sandbox()
    backend = _backend(sandbox, permissions.level)
    if recorded or generated:
        note(
            f"trying {visible(tool.name)} in {backend} with "
            f"{visible(permissions_text(permissions))}: "
            f"{counted(len(recorded), 'recorded call')}, {generated} made up"
        )
    try:
        found = validate(
            tool.item,
            recorded,
            sandbox=sandbox,
            permissions=permissions,
            generated=generated,
            seed=seed,
        )
    finally:
        sandbox.close()
    ran = found.tried > 0
    value: dict[str, Json] = {
        "schema": "strop.validation/1",
        "tool": tool.name,
        "digest": tool.digest,
        "sandbox": backend,
        "permissions": permissions.to_json(),
        "recorded": len(recorded),
        "ran": ran,
        "ok": found.ok if ran or not found.ok else None,
        **found.to_json(),
    }
    if ran or not found.ok:
        blocks = _blocks(tool, found, len(recorded))
    else:
        blocks = _not_run(tool, beyond=beyond)
    show(value, *blocks, as_json=as_json)
    if not found.ok:
        return 1
    return 0 if ran else INCONCLUSIVE


def recorded_of(store: Store, item: Item) -> Iterator[Instance]:
    """The calls that the findings behind a tool recorded, each once."""
    body, seen = canonical(item.content["body"]), set()
    for _, finding in store.documents("finding"):
        data = finding.get("data")
        tool = data.get("tool") if is_object(data) else None
        if not is_object(tool) or canonical(tool.get("body")) != body:
            continue
        for each in cast("list[JsonObject]", cast("JsonObject", data).get("instances") or []):
            args = each.get("args")
            if is_object(args) and canonical(args) not in seen:
                seen.add(canonical(args))
                yield Instance(args=args, result=each.get("result"), known="result" in each)


def _code_tool(tool: LadderTool) -> LadderTool:
    if body_kind(tool.item) != "code":
        raise UserMistake(
            f"{tool.name!r} is a chain, which only calls other tools; test those that are code"
        )
    return tool


def _as_granted(tool: LadderTool, grants: Grants) -> Permissions:
    """What a tool would serve with.

    Raises:
        UserMistake: It may not serve.
    """
    word, halted = tool.standing.word, grants.halted(tool.digest)
    if halted is not None:
        why = halted
    elif word is not None and word.kind == "denial":
        why = told(word)
    elif tool.lacks:
        why = f"it needs {permissions_text(tool.need)} and is not granted that"
    else:
        return tool.standing.permissions.narrowed(tool.need)
    raise UserMistake(
        f"{tool.name!r} does not run as granted: {why}; without --as-granted it is tried at the "
        "lowest level, or only read where it needs more"
    )


def _reaches_out(given: Permissions) -> bool:
    """Whether what code does with this outlasts the call."""
    return given.level is Level.FULL or bool(given.write)


def _backend(sandbox: Sandbox, level: Level) -> str:
    """Name of the backend that serves calls at a level."""
    held = sandbox.holder(level) if isinstance(sandbox, LayeredSandbox) else None
    return held or sandbox.name


def _blocks(tool: LadderTool, found: Validation, recorded: int) -> list[RenderableType]:
    done = [f"{counted(found.tried, 'set')} of arguments tried"]
    if recorded:
        done.append(f"{counted(found.agreed, 'recorded result')} given again")
    if found.declined:
        done.append(f"{counted(found.declined, 'made-up set')} refused, as it may")
    mark, style = ("✓", "green") if found.ok else ("✗", "red")
    said = "works" if found.ok else "does not do what it should"
    out: list[RenderableType] = [
        text(f"{mark} {visible(tool.name)} {said}", f"bold {style}"),
        block(text("; ".join(done), "dim")),
    ]
    out += [block(heading(failure.check, visible(failure.message))) for failure in found.failures]
    if not recorded:
        out.append(block(text("no finding in the store holds calls of it", "dim")))
    return out


def _not_run(tool: LadderTool, *, beyond: bool) -> list[RenderableType]:
    """That only the item was looked at, and how to have the code run."""
    if beyond:
        need = visible(permissions_text(tool.need))
        why = f"it needs {need}, more than a trial gives"
        command = f"strop tools test {tool.label} --as-granted"
        then = (
            f"the tool waits or was turned down: `{command}` runs it once that is granted"
            if tool.lacks
            else f"`{command}` runs it with that, on recorded calls"
        )
    else:
        why = "there are no recorded calls of it, and none were made up"
        then = "--generated N makes some up; what they do with its grant is real"
    return [
        text(f"? {visible(tool.name)} was not run", "bold yellow"),
        block(text(why)),
        block(text("checked without running: its code parses and fits its parameters", "dim")),
        block(text(then, "dim")),
    ]
