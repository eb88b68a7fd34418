"""The commands about learned tools: `strop tools` and `strop review`, their options and help.

As in `app.py`: what there is, not what it does, and imported when called.

Next file: `cli/budgeting.py`.
"""

from typing import Annotated

import typer

from strop.cli.options import YAML, AsJson, Config, command, flag, group
from strop.errors import UserMistake
from strop.permission import Level

__all__ = ["review_app", "tools_app"]

tools_app = group("Tools: what they are, what they may do, how they did, and moving them.")
review_app = group("What waits for a person: tools that need more than they are granted.")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Its name, its digest or NAME@DIGEST."),
]
By = Annotated[str, typer.Option("--by", metavar="WHO", help="Who says so.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="L", help="sandbox, restricted or full; by default one step."),
]


def _level(given: str | None) -> Level | None:
    if given is not None and given not in set(Level):
        raise UserMistake(f"there is no level {given!r}; the levels are {', '.join(Level)}")
    return None if given is None else Level(given)


@command(tools_app, "list")
def tools_list(*, config: Config = YAML, as_json: AsJson = False) -> int:
    """The tools that serve: what they need and have, and their record of use."""
    from strop.cli.tools import list_tools

    return list_tools(config, as_json=as_json)


@command(tools_app, "show")
def tools_show(name: Name, *, config: Config = YAML, as_json: AsJson = False) -> int:
    """All about one: its code, its record, where it came from, who granted what."""
    from strop.cli.tools import show_tool

    return show_tool(config, name=name, as_json=as_json)


@command(tools_app, "test")
def tools_test(
    name: Name,
    *,
    as_granted: Annotated[
        bool, flag("--as-granted", "With what it is granted, not as a new tool.")
    ] = False,
    generated: Annotated[
        int | None,
        typer.Option(
            "--generated",
            metavar="N",
            min=0,
            help="Made-up arguments; by default 20, and none with network or folders to write.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Another one makes up others.")
    ] = 0,
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Try a code tool in the sandbox, on what runs recorded and on made-up arguments."""
    from strop.cli.trying import try_tool

    return try_tool(
        config,
        name=name,
        as_granted=as_granted,
        generated=generated,
        seed=seed,
        as_json=as_json,
    )


@command(tools_app, "promote")
def tools_promote(
    name: Name,
    *,
    by: By,
    to: To = None,
    reason: Reason = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Grant a tool a higher level."""
    from strop.cli.review import move

    return move(config, name=name, up=True, by=by, to=_level(to), reason=reason, as_json=as_json)


@command(tools_app, "demote")
def tools_demote(
    name: Name,
    *,
    by: By,
    to: To = None,
    reason: Reason = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Grant a tool a lower level."""
    from strop.cli.review import move

    return move(config, name=name, up=False, by=by, to=_level(to), reason=reason, as_json=as_json)


@command(tools_app, "retire")
def tools_retire(
    name: Name,
    *,
    by: By,
    reason: Reason = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Take a tool out of what serves; it is not proposed again."""
    from strop.cli.review import retire_tool

    return retire_tool(config, name=name, by=by, reason=reason, as_json=as_json)


@review_app.callback(invoke_without_command=True, no_args_is_help=False)
def review(context: typer.Context, *, config: Config = YAML, as_json: AsJson = False) -> int:
    """What waits for a person: tools that need more than they are granted, and open breakers."""
    if context.invoked_subcommand is not None:
        return 0
    from strop.cli.review import list_waiting

    return list_waiting(config, as_json=as_json)


_Texts = list[str] | None


@command(review_app, "approve")
def review_approve(
    name: Name,
    *,
    by: By,
    host: Annotated[
        _Texts,
        typer.Option("--host", metavar="H:P", help="Only this host:port; may be repeated."),
    ] = None,
    read: Annotated[
        _Texts, typer.Option("--read", metavar="DIR", help="A folder it may read.")
    ] = None,
    write: Annotated[
        _Texts, typer.Option("--write", metavar="DIR", help="A folder it may write.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", metavar="L", help="The level that it asks for.")
    ] = None,
    reason: Reason = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Grant what a tool asks for, or close its breaker; the gate still decides on it."""
    from strop.cli.review import approve_tool
    from strop.ladder_tools import Asked

    asked = Asked(
        level=_level(level),
        read=tuple(read or ()),
        write=tuple(write or ()),
        hosts=tuple(host or ()),
    )
    return approve_tool(config, name=name, by=by, asked=asked, reason=reason, as_json=as_json)


@command(review_app, "deny")
def review_deny(
    name: Name,
    *,
    by: By,
    reason: Reason = "",
    config: Config = YAML,
    as_json: AsJson = False,
) -> int:
    """Say no: the tool stays inert and does not ask again."""
    from strop.cli.review import deny_tool

    return deny_tool(config, name=name, by=by, reason=reason, as_json=as_json)
