"""`Standing`: where the code of a tool stands, as the entries of the ledger say one after another.

Pure: `grants.py` reads the ledger and adds to it.

Next file: `store/__init__.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from strop.jsonvalue import JsonObject
from strop.permission import Permissions
from strop.release import LedgerEntry
from strop.tools.ladder import Move

__all__ = ["KINDS", "LADDER", "AsOf", "Standing", "after"]

KINDS = ("request", "approval", "denial", "promotion", "demotion", "breaker")
"""The kinds of the ledger's entries that are about a tool's standing."""
LADDER = "ladder"
"""Who takes a step that follows from a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the code with a digest stands, as the ledger says.

    Attributes:
        permissions: What it is granted.
        halted: Why its breaker is open; `None` where it is closed.
        since: Number of the last use that does not count any more, see `UseRecord.last`.
        word: What a person said last, unless the ladder has raised the question anew since.
        request: The entry that asked for more.
    """

    permissions: Permissions = Permissions()
    halted: str | None = None
    since: int = 0
    word: LedgerEntry | None = None
    request: LedgerEntry | None = None

    @property
    def denied(self) -> bool:
        """Whether a person said no."""
        return self.word is not None and self.word.kind == "denial"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """Where all tools stood at one moment.

    Attributes:
        standings: Everything about which the ledger has a word, by digest.
    """

    standings: Mapping[str, Standing]

    def granted(self, digest: str) -> Permissions | None:
        """What the code with this digest is granted; `None` where nobody has decided anything."""
        standing = self.standings.get(digest)
        return None if standing is None else standing.permissions

    def halted(self, digest: str) -> str | None:
        """Why the tool with this digest is not to be used: its breaker is open. Else `None`."""
        standing = self.standings.get(digest)
        if standing is None or standing.halted is None:
            return None
        waits = "" if standing.word is not None else "; it waits in `strop review`"
        return f"its breaker is open: {standing.halted}{waits}"


def after(standing: Standing, entry: LedgerEntry) -> Standing:
    """Where a tool stands after one more entry.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, BadInput: Somebody else wrote the entry.
    """
    body = entry.body
    if entry.kind == "request":
        return replace(standing, request=entry)
    if entry.kind == "denial":
        return replace(standing, word=entry)
    since = int(cast("int", body["since"]))
    if entry.kind == Move.OPEN:
        return replace(standing, halted=str(body["reason"]), since=since, word=None)
    return replace(
        standing,
        permissions=Permissions.from_json(cast("JsonObject", body["to"])),
        halted=None if entry.kind == "approval" else standing.halted,
        since=since,
        word=_word(standing, entry),
    )


def _word(standing: Standing, entry: LedgerEntry) -> LedgerEntry | None:
    """What a person said last: the ladder's way down asks anew, its way up does not."""
    if entry.body["by"] != LADDER:
        return entry
    return standing.word if entry.kind == Move.PROMOTE else None
