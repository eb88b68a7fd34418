"""What went wrong with the database, said so that a person knows what to do.

The one place that turns driver errors into `StoreUnavailable`; it goes by error codes, not by
message texts. Errors that are this package's own fault (bad SQL) are not dressed up.

Next file: `store/engine.py`.
"""

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from strop.errors import StoreUnavailable, UserMistake

__all__ = ["LedgerMoved", "ReleaseConflict", "explained", "is_missing_table"]

# SQLite result codes, https://www.sqlite.org/rescode.html (the low byte is the primary code).
_LOCKED = "is locked by another process; wait for it to end, or stop it, and run again"
_READ_ONLY = "is read-only; make the file and its folder writable for you"
_FULL = "cannot grow, the disk is full; free some space and run again (nothing was half-written)"
_SQLITE: dict[int, str] = {
    3: "may not be accessed; check the permissions of the file and its folder",
    5: _LOCKED,
    6: _LOCKED,
    8: _READ_ONLY,
    10: "cannot be read or written, the disk reports an error; check the disk, its space and quota",
    11: "is damaged; restore it from a backup (or `sqlite3 FILE .recover`)",
    13: _FULL,
    14: "cannot be opened; check that its folder exists and that you may write there",
    26: "is not a Strop database; give another path, or move that file away",
}

# SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html; else by its class.
_POSTGRES: dict[str, str] = {
    "55P03": _LOCKED,
    "40P01": "was written by another process at the same time; run again",
    "25006": "is read-only (a standby?); give the address of the primary server",
    "53100": _FULL,
    "53300": "has no connection left; close some, or raise max_connections, and run again",
    "3D000": "does not exist on this server; create it with `createdb`",
    "42501": "refused; grant the user the rights to create, read and write tables",
    "28": "refused the user or password; check them in the URL",
    "57P": "was shut down or restarted; run again when it is up",
}


class ReleaseConflict(UserMistake):
    """Someone else released on the channel after the release at hand was decided."""


class LedgerMoved(UserMistake):
    """An entry came into the ledger after what was to be added on top of it was decided."""


def explained(error: Exception, name: str) -> StoreUnavailable | None:
    """What to tell the user about `error` from database `name`; `None`: it is no such matter."""
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(f"{name} is used by too many threads at once; use fewer")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        known = _SQLITE.get(_sqlite_code(cause))
        if known:
            return StoreUnavailable(f"{name} {known}")
    state = _sqlstate(cause)
    for length in (5, 3, 2):
        if state and state[:length] in _POSTGRES:
            return StoreUnavailable(f"{name} {_POSTGRES[state[:length]]}")
    if isinstance(error, OperationalError):
        first = (str(cause).strip().splitlines() or ["no reason given"])[0]
        if state is None and not isinstance(cause, sqlite3.Error):
            return StoreUnavailable(
                f"{name} cannot be reached ({first}); check the URL and that the server runs"
            )
        return StoreUnavailable(f"{name} failed: {first}")
    return None


def is_missing_table(error: DBAPIError) -> bool:
    """Whether a query failed because its table is not there (a database never migrated)."""
    if isinstance(error.orig, sqlite3.Error):
        # SQLite has no code of its own for this; the wording has been the same since 2004.
        return "no such table" in str(error.orig)
    return _sqlstate(error.orig) == "42P01"


def _sqlite_code(error: sqlite3.Error) -> int:
    # Errors that Python's module raises by itself carry no code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _sqlstate(error: BaseException | None) -> str | None:
    # By attribute, as the driver (psycopg) is an optional dependency.
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None
