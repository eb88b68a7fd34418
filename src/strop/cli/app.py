"""Every command of `strop`, its options and its help: what there is, not what it does.

Those that begin a project are in `beginning.py`, those that come in groups in `groups.py`. Each
command parses its arguments and hands them to the function of the same idea in the files
after this one. Those load the store, NumPy and Pydantic, which takes a second; so they are
imported when their command is called, and `strop --help` answers at once.

Next file: `cli/opening.py`.
"""

from pathlib import Path
from typing import Annotated

import typer

from strop.cli.beginning import begin
from strop.cli.budgeting import Cost, Minutes, Runs, Tokens, budget_of
from strop.cli.granting import review_app, tools_app
from strop.cli.groups import audit_app, export_app, import_app, memory_app, tasks_app
from strop.cli.options import YAML, AsJson, Config, command, flag, group
from strop.task import parse_split

__all__ = ["app"]

LEVERS = (
    "preferences, facts, lessons, heuristics, clauses, examples, tools, resolutions, criteria, "
    "curation, gepa"
)
"""Names of the levers, as in `levers.LEVERS`, which takes longer to load than `--help` may."""

_WORK, _PAST, _DATA = "Run and improve", "Look back", "Data"


app = group(
    "Agents that improve from their own runs, with the model frozen.",
    epilog="Exit codes: 0 done, 1 failed, 2 misused, 3 inconclusive.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _strop(
    context: typer.Context,
    *,
    version: Annotated[bool, flag("--version", "Print the version.")] = False,
) -> int:
    if version:
        from strop import __version__

        typer.echo(f"strop {__version__}")
        raise typer.Exit
    return 0 if context.invoked_subcommand else 2


begin(app)


# --- run and improve -----------------------------------------------------------------------------


@command(app, panel=_WORK)
def run(
    task: Annotated[
        str | None, typer.Argument(metavar="TASK", help="Its text; - for standard input.")
    ] = None,
    *,
    task_id: Annotated[
        str | None, typer.Option("--task-id", metavar="ID", help="A task of the task file.")
    ] = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Do one task with the released spec."""
    from strop.cli.running import run

    return run(config, task=task, task_id=task_id, as_json=as_json)


@command(app, panel=_WORK)
def mcp(
    *,
    http: Annotated[bool, flag("--http", "Over HTTP, not standard input and output.")] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", help="On which port.")] = 8765,
    config: Config = YAML,
) -> int:
    """Offer the released tools to any agent that speaks MCP."""
    from strop.cli.serving import mcp

    return mcp(config, http=http, host=host, port=port)


@command(app, "eval", panel=_WORK)
def evaluate(
    *,
    split: Annotated[
        str,
        typer.Option("--split", metavar="S", help="train, validation, or the sealed test."),
    ],
    spec: Annotated[
        str | None, typer.Option("--spec", metavar="ID", help="By default what serves.")
    ] = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Score a spec on all tasks of a split; what was run before is not run again."""
    from strop.cli.evaluating import evaluate

    return evaluate(config, split=parse_split(split), spec=spec, as_json=as_json)


@command(app, panel=_WORK)
def improve(
    *,
    dry_run: Annotated[
        bool, flag("--dry-run", "Say what would be run and cost, and stop.")
    ] = False,
    levers: Annotated[
        str | None, typer.Option("--levers", metavar="A,B", help=f"Only these of: {LEVERS}.")
    ] = None,
    runs: Runs = None,
    tokens: Tokens = None,
    cost: Cost = None,
    minutes: Minutes = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """One improvement cycle; releases what proved better on validation, or nothing."""
    from strop.cli.improving import improve, plan

    budget = budget_of(runs, tokens, cost, minutes)
    if dry_run:
        return plan(config, levers=levers, as_json=as_json)
    return improve(config, levers=levers, budget=budget, as_json=as_json)


@command(app, panel=_WORK)
def score(
    run: Annotated[str, typer.Argument(metavar="RUN", help="(The beginning of) its id.")],
    value: Annotated[float, typer.Argument(metavar="VALUE", help="From 0 to 1.")],
    *,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Score a run by hand; that counts instead of the scorer's from then on."""
    from strop.cli.history import give_score

    return give_score(config, run=run, value=value, by=by, reason=reason, as_json=as_json)


# --- look back -----------------------------------------------------------------------------------


@command(app, panel=_PAST)
def log(
    *,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", metavar="N", min=1, help="Only the newest.")
    ] = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Releases and verdicts, newest first."""
    from strop.cli.history import log

    return log(config, limit=limit, as_json=as_json)


@command(app, panel=_PAST)
def diff(
    old: Annotated[
        str | None, typer.Argument(metavar="A", help="By default what B replaced.")
    ] = None,
    new: Annotated[str | None, typer.Argument(metavar="B", help="By default what serves.")] = None,
    *,
    everything: Annotated[bool, flag("--all", "Every change.")] = False,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """What changed from spec A to spec B (ids, original or current)."""
    from strop.cli.showing import show_changes

    return show_changes(config, old=old, new=new, everything=everything, as_json=as_json)


@command(app, panel=_PAST)
def show(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Spec or run: an id, current or original.")
    ] = "current",
    *,
    everything: Annotated[bool, flag("--all", "Every item.")] = False,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """A spec with its items, or a run with its steps."""
    from strop.cli.showing import show_thing

    return show_thing(config, name=name, everything=everything, as_json=as_json)


@command(app, panel=_PAST)
def rollback(
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="ID", help="A spec's id, or original.")
    ] = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Release the spec before the current one again, or the one named."""
    from strop.cli.releasing import rollback

    return rollback(config, to=to, as_json=as_json)


@command(app, panel=_PAST)
def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="(The beginning of) its id.")],
    *,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """What a run saw of its spec, why, and whose word stands behind it."""
    from strop.cli.explaining import explain

    return explain(config, run=run, as_json=as_json)


@command(app, panel=_PAST)
def mine(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="failures, facts, resolutions, repairs, confusions, heuristics, preferences, "
            "chains, snippets, gaps or misuse.",
        ),
    ],
    runs: Annotated[
        Path | None,
        typer.Argument(metavar="RUNS", help="JSON lines; by default the store's runs."),
    ] = None,
    *,
    tasks: Annotated[
        Path | None, typer.Option("--tasks", metavar="FILE", help="The tasks of those runs.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", metavar="N", min=1, help="Only the first.")
    ] = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Findings in runs, without a model; nothing is written."""
    from strop.cli.mining import Where, mine

    where = Where(runs=runs, tasks=tasks, limit=limit)
    return mine(config, kind=kind, where=where, as_json=as_json)


app.add_typer(memory_app, name="memory", rich_help_panel=_PAST)
app.add_typer(tools_app, name="tools", rich_help_panel=_PAST)
app.add_typer(review_app, name="review", rich_help_panel=_PAST)
app.add_typer(tasks_app, name="tasks", rich_help_panel=_DATA)
app.add_typer(import_app, name="import", rich_help_panel=_DATA)
app.add_typer(export_app, name="export", rich_help_panel=_DATA)
app.add_typer(audit_app, name="audit", rich_help_panel=_PAST)
