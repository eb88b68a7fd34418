"""`Standing`: where the code of a tool stands, as the entries of the ledger say one after another.

Pure: `grants.py` reads the ledger and adds to it.

Next file: `store/__init__.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, cast

from strop.errors import UserMistake
from strop.jsonvalue import JsonObject
from strop.permission import Permissions
from strop.release import LedgerEntry
from strop.tools.ladder import Move

__all__ = ["KINDS", "LADDER", "AsOf", "Standing", "after"]

KINDS = ("request", "approval", "denial", "promotion", "demotion", "breaker")
"""The kinds of the ledger's entries that are about a tool's standing."""
LADDER = "ladder"
"""Who takes a step that follows from a record."""
_UNREADABLE = "the ledger cannot be read: `strop audit verify`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the code with a digest stands, as the ledger says.

    Attributes:
        permissions: What it is granted.
        halted: Why its breaker is open; `None` where it is closed.
        since: Number of the last use that does not count any more, see `UseRecord.last`.
        word: What a person said last, unless the ladder has raised the question anew since. A
            denial holds until a person promotes the tool.
        request: The entry that asked for more.
        streak: Failures in a row up to the last step, where that was the ladder's.
    """

    permissions: Permissions = Permissions()
    halted: str | None = None
    since: int = 0
    word: LedgerEntry | None = None
    request: LedgerEntry | None = None
    streak: int = 0

    @property
    def denied(self) -> bool:
        """Whether a person said no."""
        return self.word is not None and self.word.kind == "denial"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """Where all tools stood at one moment.

    Attributes:
        standings: Everything about which the ledger has a word, by digest; empty where it cannot
            be read.
        unreadable: Number of the first entry that is not as it was written, or that means nothing;
            `None` where all can be read. No learned tool is to be used then: which breakers are
            open is not known.
    """

    standings: Mapping[str, Standing]
    unreadable: int | None = None

    def readable(self) -> Self:
        """The same, of a ledger that can be read.

        Raises:
            UserMistake: It cannot.
        """
        if self.unreadable is not None:
            raise UserMistake(
                f"{_UNREADABLE} (entry {self.unreadable}); until it can be, no learned tool is "
                "used and nothing is decided about any"
            )
        return self

    def granted(self, digest: str) -> Permissions | None:
        """What the code with this digest is granted; `None` where nobody has decided anything."""
        standing = self.standings.get(digest)
        return None if standing is None else standing.permissions

    def halted(self, digest: str) -> str | None:
        """Why the tool with this digest is not to be used: its breaker is open. Else `None`.

        Of a ledger that cannot be read, that it cannot, whatever the digest.
        """
        if self.unreadable is not None:
            return _UNREADABLE
        standing = self.standings.get(digest)
        if standing is None or standing.halted is None:
            return None
        person = "`strop tools promote` closes it"
        then = person if standing.word is not None else "it waits in `strop review`"
        return f"its breaker is open: {standing.halted}; {then}"


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
        return replace(
            standing,
            halted=str(body["reason"]),
            since=since,
            word=standing.word if standing.denied else None,
            streak=0,
        )
    by_record = body["by"] == LADDER
    closes = not by_record and entry.kind in ("approval", Move.PROMOTE)
    return replace(
        standing,
        permissions=Permissions.from_json(cast("JsonObject", body["to"])),
        halted=None if closes else standing.halted,
        since=since,
        word=_word(standing, entry, by_record=by_record),
        streak=int(cast("int", body.get("streak", 0))) if by_record else 0,
    )


def _word(standing: Standing, entry: LedgerEntry, *, by_record: bool) -> LedgerEntry | None:
    """What a person said last: the ladder's way down asks anew, its way up does not.

    A step down does not take a denial back, whoever takes it.
    """
    if standing.denied and entry.kind == Move.DEMOTE:
        return standing.word
    if not by_record:
        return entry
    return standing.word if entry.kind == Move.PROMOTE else None
