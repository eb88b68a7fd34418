"""The commands that come in groups: `memory`, `tasks`, `import`, `export` and `audit`.

As in `app.py`: what there is, not what it does, and imported when called.

Next file: `cli/granting.py`.
"""

from pathlib import Path
from typing import Annotated

import typer

from strop.cli.options import YAML, AsJson, Config, Output, command, flag, group
from strop.task import Split, parse_split

__all__ = ["audit_app", "export_app", "import_app", "memory_app", "tasks_app"]

tasks_app = group("Check a task file, and split it.")
import_app = group("Bring runs in.")
export_app = group("Write runs and specs out.")
audit_app = group("Check the ledger.")
memory_app = group("What the agent remembers: lessons, facts, preferences and heuristics.")

ItemId = Annotated[str, typer.Argument(metavar="ID", help="(The beginning of) its id.")]


@command(memory_app, "list")
def memory_list(
    *,
    only: Annotated[
        str | None,
        typer.Option("--type", metavar="T", help="lesson, fact, preference or heuristic."),
    ] = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Memories and heuristics with their evidence, and how often they were shown."""
    from strop.cli.memory import list_memories

    return list_memories(config, only=only, as_json=as_json)


@command(memory_app, "show")
def memory_show(item: ItemId, *, config: Config = YAML, as_json: AsJson = False) -> int:
    """All about one, with the runs behind it."""
    from strop.cli.memory import show_memory

    return show_memory(config, name=item, as_json=as_json)


@command(memory_app, "retire")
def memory_retire(
    item: ItemId,
    *,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Take one out of what serves; it is not proposed again."""
    from strop.cli.memory import retire_memory

    return retire_memory(config, name=item, by=by, reason=reason, as_json=as_json)


@command(audit_app, "verify")
def verify(*, config: Config = YAML, as_json: AsJson = False) -> int:
    """Check that no entry of the ledger was changed, removed or moved."""
    from strop.cli.history import audit

    return audit(config, as_json=as_json)


@command(tasks_app, "check")
def tasks_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tasks as JSON lines.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Say what would spoil a measurement on these tasks."""
    from strop.cli.tasks import check

    return check(file, as_json=as_json)


@command(tasks_app, "split")
def tasks_split(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tasks as JSON lines.")],
    *,
    train: Annotated[
        float, typer.Option("--train", metavar="P", help="Share to learn from.")
    ] = 0.5,
    validation: Annotated[
        float, typer.Option("--validation", metavar="P", help="Share to compare on.")
    ] = 0.25,
    test: Annotated[float, typer.Option("--test", metavar="P", help="Share to seal.")] = 0.25,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Another one deals otherwise.")
    ] = 0,
    write: Annotated[bool, flag("--write", "Write the file, whole or not.")] = False,
    as_json: AsJson = False,
) -> int:
    """Give tasks without a split one, by a stable hash of their group."""
    from strop.cli.tasks import split

    shares = {Split.TRAIN: train, Split.VALIDATION: validation, Split.TEST: test}
    return split(file, shares=shares, seed=seed, write=write, as_json=as_json)


@command(import_app, "runs")
def import_runs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Runs as JSON lines.")],
    *,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Store runs, all of them or none."""
    from strop.cli.traces import import_runs

    return import_runs(config, file=file, as_json=as_json)


@command(export_app, "runs")
def export_runs(
    *,
    split: Annotated[
        str | None, typer.Option("--split", metavar="S", help="Only of this; by default all.")
    ] = None,
    output: Output = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Write runs as JSON lines."""
    from strop.cli.traces import export_runs

    which = parse_split(split) if split else None
    return export_runs(config, split=which, output=output, as_json=as_json)


@command(export_app, "spec")
def export_spec(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="By default what serves.")] = (
        "current"
    ),
    *,
    output: Output = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Write a spec as JSON."""
    from strop.cli.traces import export_spec

    return export_spec(config, spec=spec, output=output, as_json=as_json)
