"""Queries over uses of tools: storing one, and how a tool did since its last step.

What follows from a record is for `tools/ladder.py` to say. Growth is bounded: of each tool's code
the newest `KEPT` uses stay, which is more than any policy's bound can tell from certainty.

Next file: `store/vectors.py`.
"""

from functools import cache
from typing import Any

from sqlalchemy import Delete, Select, and_, bindparam, delete, func, or_, select

from strop.permission import Level
from strop.store.scope import Scope
from strop.store.tables import SafeText, uses
from strop.tools.ladder import OWN_FAULT, UseRecord
from strop.tools.uses import Use

__all__ = ["KEPT", "newest", "put", "record"]

KEPT = 1_000
"""Uses kept of one digest. Without a failure, 1,000 give a 95 % lower bound of 0.996."""

_SLACK = 100  # uses beyond that before the oldest go, so that this is seldom done
_MESSAGE = 500  # characters of a failure's message


def put(scope: Scope, use: Use, *, since: int, window: int) -> UseRecord:
    """Store a use, and give the record that its tool has now."""
    scope.add(
        uses,
        {
            "digest": use.digest,
            "tool": use.tool,
            "at": use.at,
            "ok": use.ok,
            "what": use.what,
            "message": None if use.message is None else use.message[:_MESSAGE],
            "seconds": use.seconds,
            "level": use.level.value,
            "run": use.run,
        },
    )
    found, stored = _recorded(scope, use.digest, since=since, window=window)
    if stored > KEPT + _SLACK:
        scope.connection.execute(_oldest(), _bound(scope, use.digest))
    return found


def record(scope: Scope, digest: str, *, since: int, window: int) -> UseRecord:
    """How the tool with this digest did after use number `since`.

    Args:
        scope: The transaction.
        digest: Of the tool's code.
        since: Number of the last use that no longer counts; 0 for all.
        window: How many of the newest uses to tell one by one.
    """
    return _recorded(scope, digest, since=since, window=window)[0]


def _recorded(scope: Scope, digest: str, *, since: int, window: int) -> tuple[UseRecord, int]:
    """The record, and how many uses of the digest there are in all."""
    bound = {**_bound(scope, digest), "since": since, "window": window}
    stored, last, last_at, after, good, own = scope.connection.execute(_counts(), bound).one()
    marks = scope.connection.scalars(_marks(), bound).all() if good + own else ()
    failures = scope.connection.execute(_failures(), bound).all() if after > good else ()
    found = UseRecord(
        uses=good + own,
        successes=good,
        newest=tuple(bool(ok) for ok in marks),
        last=last or 0,
        last_at=last_at,
        by_what=dict(sorted((what or "unknown", count) for what, count in failures)),
    )
    return found, stored


def _bound(scope: Scope, digest: str) -> dict[str, str | int]:
    return {"of_agent": scope.agent, "of_digest": digest}


# Built once: making these anew costs more than running them.
_OF = and_(
    uses.c.agent == bindparam("of_agent", type_=SafeText()),
    uses.c.digest == bindparam("of_digest", type_=SafeText()),
)
_AFTER = uses.c.n > bindparam("since")


@cache
def _counts() -> Select[*tuple[Any, ...]]:
    """All uses; the newest one's number and time; those after `since`: all, good, own failures."""
    own = and_(_AFTER, uses.c.what.in_(sorted(OWN_FAULT)))
    return select(
        func.count(),
        func.max(uses.c.n),
        func.max(uses.c.at).filter(_AFTER),
        func.count().filter(_AFTER),
        func.count().filter(_AFTER, uses.c.ok),
        func.count().filter(own),
    ).where(_OF)


@cache
def _marks() -> Select[Any]:
    """Whether each of the newest that count went well."""
    counts = or_(uses.c.ok, uses.c.what.in_(sorted(OWN_FAULT)))
    query = select(uses.c.ok).where(_OF, _AFTER, counts).order_by(uses.c.n.desc())
    return query.limit(bindparam("window"))


@cache
def _failures() -> Select[Any]:
    """How many failures there are of each kind."""
    query = select(uses.c.what, func.count()).where(_OF, _AFTER, ~uses.c.ok)
    return query.group_by(uses.c.what)


@cache
def _oldest() -> Delete:
    """Deletes what is beyond the newest `KEPT`."""
    beyond = select(uses.c.n).where(_OF).order_by(uses.c.n.desc()).offset(KEPT).limit(1)
    return delete(uses).where(_OF, uses.c.n <= beyond.scalar_subquery())


def newest(scope: Scope, digest: str, *, limit: int) -> tuple[Use, ...]:
    """The newest uses of a digest, newest first."""
    columns = [column for column in uses.c if column.name not in ("n", "agent")]
    query = scope.select(uses, *columns).where(uses.c.digest == digest)
    rows = scope.connection.execute(query.order_by(uses.c.n.desc()).limit(limit)).mappings()
    return tuple(Use(**{**row, "level": Level(row["level"])}) for row in rows)
