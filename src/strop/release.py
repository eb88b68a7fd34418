"""Releases and the ledger: which spec serves on which channel, and everything that led there.

Pure: makes entries and follows chains of them; `store` keeps them. A release is an event, never an
edit; rolling back is one more release. Every ledger entry carries the hash of the one before, so an
edit, a deletion or a reordering shows; that the newest entries were cut off does not.

Next file: `standing.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from strop.errors import UserMistake
from strop.jsonvalue import Json, JsonObject, digest

__all__ = [
    "GENESIS",
    "Action",
    "Channel",
    "LedgerEntry",
    "Release",
    "chain",
    "first_break",
    "rollback_target",
]

GENESIS = "0" * 64
"""What stands in the place of the previous hash in a ledger's first entry."""


class Channel(StrEnum):
    """Where a spec serves."""

    STABLE = "stable"
    CANARY = "canary"


class Action(StrEnum):
    """Why a release was made."""

    INITIAL = "initial"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    CONFIGURE = "configure"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An append-only event that names a spec for a channel.

    Attributes:
        spec: Id of the spec that serves from now on.
        previous: Id of the spec that served until now; `None` for the first release.
        origin: Id of the spec that the configuration alone gives, without anything learned.
        action: Why.
        summary: One line for people.
        by: Who decided: ``gate``, ``person`` (also ``person:NAME``) or ``configuration``.
        channel: Where it serves.
    """

    spec: str
    previous: str | None
    origin: str
    action: Action
    summary: str
    by: str
    channel: Channel = Channel.STABLE

    def to_json(self) -> dict[str, Json]:
        return {
            "spec": self.spec,
            "previous": self.previous,
            "origin": self.origin,
            "action": self.action.value,
            "summary": self.summary,
            "by": self.by,
            "channel": self.channel.value,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> "Release":
        previous = value["previous"]
        return cls(
            spec=str(value["spec"]),
            previous=None if previous is None else str(previous),
            origin=str(value["origin"]),
            action=Action(str(value["action"])),
            summary=str(value["summary"]),
            by=str(value["by"]),
            channel=Channel(str(value["channel"])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One link of the ledger.

    Attributes:
        seq: 1, 2, ... without gaps.
        kind: ``release``, ``verdict``, ...
        at: Seconds since the epoch.
        body: The event itself.
        previous: Hash of the entry before, or `GENESIS`.
    """

    seq: int
    kind: str
    at: float
    body: JsonObject = field(hash=False)
    previous: str

    @property
    def hash(self) -> str:
        """SHA-256 over everything in the entry, the previous hash included."""
        return digest(
            {
                "seq": self.seq,
                "kind": self.kind,
                "at": self.at,
                "body": self.body,
                "previous": self.previous,
            }
        )

    @property
    def release(self) -> Release | None:
        """The release, if that is what the entry is."""
        return Release.from_json(self.body) if self.kind == "release" else None

    def to_json(self) -> dict[str, Json]:
        return {
            "seq": self.seq,
            "kind": self.kind,
            "at": self.at,
            "body": self.body,
            "previous": self.previous,
            "hash": self.hash,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> "LedgerEntry":
        return cls(
            seq=cast("int", value["seq"]),
            kind=str(value["kind"]),
            at=cast("float", value["at"]),
            body=cast("JsonObject", value["body"]),
            previous=str(value["previous"]),
        )


def chain(head: LedgerEntry | None, *, kind: str, body: JsonObject, at: float) -> LedgerEntry:
    """The entry that follows `head` (or the first one)."""
    return LedgerEntry(
        seq=1 if head is None else head.seq + 1,
        kind=kind,
        at=at,
        body=body,
        previous=GENESIS if head is None else head.hash,
    )


def first_break(entries: Iterable[tuple[LedgerEntry, str]]) -> int | None:
    """Sequence number at which the chain breaks, or `None` when it is whole.

    Args:
        entries: Each entry with the hash that was stored beside it, in order.
    """
    previous, expected = GENESIS, 1
    for entry, stored in entries:
        if entry.seq != expected or entry.previous != previous or entry.hash != stored:
            return expected
        previous, expected = stored, expected + 1
    return None


def rollback_target(releases: Sequence[Release], *, to: str | None = None) -> Release:
    """The release whose spec a rollback brings back.

    Args:
        releases: All releases of a channel, oldest first.
        to: (The beginning of) a spec's id; ``original`` for the first spec; `None` for the one
            that the current spec replaced, so that rolling back twice goes back two steps.

    Raises:
        UserMistake: Nothing to roll back to, an unknown or ambiguous id, or the spec serves now.
    """
    if not releases:
        raise UserMistake("nothing was released yet, so there is nothing to roll back")
    current = releases[-1]
    if to is None:
        return _before(releases)
    if to == "original":
        to = releases[0].spec
    found = {release.spec: release for release in releases if release.spec.startswith(to)}
    if len(found) != 1:
        what = "is the beginning of several ids" if found else "was never released"
        raise UserMistake(f"spec {to!r} {what}; `strop log` shows what was")
    (target,) = found.values()
    if target.spec == current.spec:
        raise UserMistake(f"spec {to!r} serves already")
    return target


def _before(releases: Sequence[Release]) -> Release:
    """The release under the current one, on the pile that rollbacks leave."""
    pile: list[Release] = []
    for release in releases:
        if release.action is Action.ROLLBACK and any(r.spec == release.spec for r in pile):
            while pile[-1].spec != release.spec:
                pile.pop()
        elif not pile or pile[-1].spec != release.spec:
            pile.append(release)
    pile.pop()
    if not pile:
        raise UserMistake("the current spec replaced none; `strop log` shows the history")
    return pile[-1]
