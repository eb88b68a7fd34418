"""Options that several commands share, and how their help looks.

Next file: `cli/groups.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["YAML", "AsJson", "Config", "Output", "command", "flag", "group"]

Function = TypeVar("Function", bound=Callable[..., Any])

YAML = Path("strop.yaml")


def flag(name: str, help: str, *more: str) -> Any:  # noqa: A002 - what Typer calls it
    """An option that is given or not; its help shows no type."""
    return typer.Option(name, *more, help=help, metavar="")


Config = Annotated[
    Path, typer.Option("--config", "-c", metavar="PATH", help="The agent's configuration.")
]
AsJson = Annotated[bool, flag("--json", "Print one JSON object and nothing else.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")
]


class _Command(TyperCommand):
    """A command whose `--help` shows no type either."""

    def get_help_option(self, ctx: Any) -> Any:
        return _quiet(super().get_help_option(ctx))


class _Group(TyperGroup):
    """The same for a group of commands."""

    def get_help_option(self, ctx: Any) -> Any:
        return _quiet(super().get_help_option(ctx))


def _quiet(option: Any) -> Any:
    if option is not None:
        option.metavar = ""
    return option


def group(text: str, **more: Any) -> typer.Typer:
    """A group of commands; called without one, it shows its help."""
    return typer.Typer(cls=_Group, help=text, no_args_is_help=True, add_completion=False, **more)


def command(
    of: typer.Typer, name: str | None = None, *, panel: str | None = None
) -> Callable[[Function], Function]:
    """Make a function a command of a group; its docstring is the help."""
    return of.command(name, cls=_Command, rich_help_panel=panel)
