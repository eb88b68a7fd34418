"""The commands that begin a project, and those that give an agent what it has not learned itself.

As in `app.py`: what there is, not what it does, and imported when called.

Next file: `cli/app.py`.
"""

from pathlib import Path
from typing import Annotated

import typer

from strop.cli.budgeting import Cost, Minutes, Runs, Tokens, budget_of
from strop.cli.options import YAML, AsJson, Config, command, flag

__all__ = ["begin"]

DryRun = Annotated[bool, flag("--dry-run", "Say what would be asked, run and cost, and stop.")]


def begin(app: typer.Typer) -> None:
    """Make them commands of `app`."""
    for each in (demo, init, doctor, seed, warmup, transfer):
        command(app, panel="Begin")(each)


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the demo's project goes.")
    ] = Path("strop-demo"),
    *,
    quick: Annotated[bool, flag("--quick", "A third of the messages.")] = False,
    as_json: AsJson = False,
) -> int:
    """The whole loop on the embedded model; nothing else is needed."""
    from strop.cli.demo import demo

    return demo(folder, quick=quick, as_json=as_json)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to.")] = Path(),
    *,
    as_json: AsJson = False,
) -> int:
    """Start a project: a configuration and sample tasks that work as they stand."""
    from strop.cli.setup import init

    return init(folder, as_json=as_json)


def doctor(*, config: Config = YAML, as_json: AsJson = False) -> int:
    """Say what is missing, and the command that mends it."""
    from strop.cli.doctor import doctor

    return doctor(config, as_json=as_json)


def seed(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Demonstrations: JSON lines with input and output."),
    ] = None,
    *,
    from_tasks: Annotated[
        bool, flag("--from-tasks", "The train tasks' own expected answers.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="A stronger model answers train tasks."),
    ] = None,
    tasks: Annotated[
        Path | None, typer.Option("--tasks", metavar="FILE", help="Tasks other than the agent's.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="At most so many; of a model, 100."),
    ] = None,
    dry_run: DryRun = False,
    runs: Runs = None,
    tokens: Tokens = None,
    cost: Cost = None,
    minutes: Minutes = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Propose demonstrations by people or a stronger model; the gate decides."""
    from strop.cli.bootstrapping import Source, seed

    source = Source(file=file, from_tasks=from_tasks, model=model, tasks=tasks, limit=limit)
    budget = budget_of(runs, tokens, cost, minutes)
    return seed(config, source=source, budget=budget, dry_run=dry_run, as_json=as_json)


def warmup(
    *,
    tasks: Annotated[
        int | None,
        typer.Option("--tasks", metavar="N", min=1, help="At most so many train tasks."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", metavar="FILE", help="People's: JSON lines with run or task, and score."
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who gives the scores.")
    ] = None,
    runs: Runs = None,
    tokens: Tokens = None,
    cost: Cost = None,
    minutes: Minutes = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Run some train tasks, have people score what the scorer cannot, then improve."""
    from strop.cli.warming import Warmup, warmup

    how = Warmup(tasks=tasks, scores=scores, by=by)
    budget = budget_of(runs, tokens, cost, minutes)
    return warmup(config, how=how, budget=budget, as_json=as_json)


def transfer(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM", help="A strop.yaml, its folder, a store's URL or an exported spec."
        ),
    ],
    *,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Which agent of that store.")
    ] = None,
    levers: Annotated[
        str | None, typer.Option("--levers", metavar="A,B", help="Only these, such as lessons.")
    ] = None,
    looks: Annotated[
        int,
        typer.Option("--looks", metavar="N", min=1, help="Held-out looks per lever, at most."),
    ] = 3,
    dry_run: DryRun = False,
    runs: Runs = None,
    tokens: Tokens = None,
    cost: Cost = None,
    minutes: Minutes = None,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Propose what another agent learned; the gate decides."""
    from strop.cli.transferring import Transfer, transfer

    what = Transfer(source=source, agent=agent, levers=levers, looks=looks)
    budget = budget_of(runs, tokens, cost, minutes)
    return transfer(config, what=what, budget=budget, dry_run=dry_run, as_json=as_json)
