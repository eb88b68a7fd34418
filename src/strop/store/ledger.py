"""Queries over the ledger: the next link of the chain, and what is released.

Entries are only added. Two writers cannot both take a place in the chain: the second one's insert
fails, and `store.py` lets it try again on top of the first. Whether the chain is whole is for
`release.first_break` to say; this file hands it what is stored, readable or not.

Next file: `store/uses.py`.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Row

from strop.errors import BadInput
from strop.jsonvalue import JsonObject, canonical
from strop.release import Channel, LedgerEntry, Release, chain
from strop.spec import AgentSpec
from strop.store.errors import LedgerMoved, ReleaseConflict
from strop.store.records import put_spec
from strop.store.scope import Scope
from strop.store.tables import ledger

__all__ = ["append", "append_release", "entries_after", "head", "released", "releases"]

_RELEASE = "release"


def append(
    scope: Scope, kind: str, body: JsonObject, *, at: float, after: int | None = None
) -> LedgerEntry:
    """The next entry; `IntegrityError` when another writer was faster.

    Raises:
        LedgerMoved: The newest entry is not number `after`, where that is given.
    """
    last = _head(scope)
    seq = 0 if last is None else last.seq
    if after is not None and seq != after:
        raise LedgerMoved(f"the ledger is at entry {seq}, no longer at {after}; run again")
    return _add(scope, chain(last, kind=kind, body=body, at=at))


def append_release(scope: Scope, release: Release, spec: AgentSpec, *, at: float) -> LedgerEntry:
    """The next entry, if what it replaces is still what serves; `spec` is stored with it.

    Raises:
        ReleaseConflict: The channel's newest release is not of `release.previous`.
    """
    if release.spec != spec.id:
        raise BadInput(f"the release names spec {release.spec[:10]}, not {spec.short_id}")
    # The head first: a release that comes in between then takes the place that this one is after.
    head = _head(scope)
    current = released(scope, release.channel)
    serving = None if current is None else current.spec
    if serving != release.previous:
        now = "no spec" if serving is None else f"spec {serving[:10]}"
        raise ReleaseConflict(
            f"someone else released meanwhile: {now} serves on {release.channel.value}; run again"
        )
    put_spec(scope, spec)
    return _add(scope, chain(head, kind=_RELEASE, body=release.to_json(), at=at))


def releases(scope: Scope, channel: Channel) -> tuple[Release, ...]:
    """The channel's releases, oldest first."""
    return tuple(_releases(scope, channel))[::-1]


def released(scope: Scope, channel: Channel) -> Release | None:
    """The channel's newest release."""
    return next(_releases(scope, channel), None)


def head(scope: Scope) -> int:
    """Number of the newest entry; 0 before the first."""
    query = scope.select(ledger, ledger.c.seq).order_by(ledger.c.seq.desc()).limit(1)
    return scope.connection.scalar(query) or 0


def entries_after(
    scope: Scope, last: int | None, *, limit: int, kinds: Sequence[str] = ()
) -> Sequence[tuple[LedgerEntry, str]]:
    """The next entries after number `last` (`None`: from the beginning), with the stored hashes.

    With `kinds`, only those of these kinds.
    """
    query = scope.select(ledger, *ledger.c).order_by(ledger.c.seq).limit(limit)
    if last is not None:
        query = query.where(ledger.c.seq > last)
    if kinds:
        query = query.where(ledger.c.kind.in_(kinds))
    return [(_entry(row), row.hash) for row in scope.connection.execute(query)]


def _releases(scope: Scope, channel: Channel) -> Iterator[Release]:
    """The channel's releases, newest first."""
    query = scope.select(ledger, ledger.c.body).where(ledger.c.kind == _RELEASE)
    # The channel has no column: what is in no hash could be changed without a trace.
    for body in scope.connection.scalars(query.order_by(ledger.c.seq.desc())):
        release = Release.from_json(json.loads(body))
        if release.channel is channel:
            yield release


def _head(scope: Scope) -> LedgerEntry | None:
    query = scope.select(ledger, *ledger.c).order_by(ledger.c.seq.desc()).limit(1)
    row = scope.connection.execute(query).first()
    return None if row is None else _entry(row)


def _add(scope: Scope, entry: LedgerEntry) -> LedgerEntry:
    scope.add(
        ledger,
        {
            "seq": entry.seq,
            "kind": entry.kind,
            "at": entry.at,
            "body": canonical(entry.body),
            "previous": entry.previous,
            "hash": entry.hash,
        },
    )
    return entry


def _entry(row: Row[tuple[object, ...]]) -> LedgerEntry:
    return LedgerEntry(
        seq=row.seq,
        kind=row.kind,
        # Infinity has no hash. No clock gave it, and any other number breaks the chain as well.
        at=row.at if math.isfinite(row.at) else -1.0,
        body=_body(row.body),
        previous=row.previous,
    )


def _body(text: str) -> JsonObject:
    """The entry's body; of a text that nobody here wrote, one that breaks the chain."""
    try:
        body = json.loads(text)
        if canonical(body) == text and isinstance(body, dict):
            return cast("JsonObject", body)
    except (ValueError, RecursionError, BadInput):
        pass
    return {"tampered": text}
