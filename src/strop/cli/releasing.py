"""`strop rollback`: an earlier spec serves again.

Next file: `cli/history.py`.
"""

from pathlib import Path

from rich.text import Text

from strop.cli.assembling import opened_agent
from strop.cli.output import block, show, text
from strop.loops import roll_back
from strop.release import Release

__all__ = ["rollback"]


def rollback(config: Path, *, to: str | None, as_json: bool) -> int:
    """Release an earlier spec again."""
    with opened_agent(config, will_run=False) as parts:
        release: Release = roll_back(parts, to=to)
    show(
        {"schema": "strop.release/1", **release.to_json()},
        Text.assemble(("●", "green"), (f" {release.spec[:10]}", "bold"), " serves again"),
        block(text(release.summary, "dim")),
        block(text("what the way back took out will not be proposed again", "dim")),
        as_json=as_json,
    )
    return 0
