"""A database by URL: its connections, its transactions, and bringing its tables up to date.

Everything in which SQLite and Postgres differ is here (and in `errors.py`), so that the queries are
written once. This file knows no nouns of Strop.

Next file: `store/scope.py`.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from strop.errors import NotInstalled, StoreUnavailable, UserMistake
from strop.store.errors import explained, is_missing_table
from strop.store.tables import SCHEMA, VERSION_TABLE

__all__ = ["Database", "open_database"]

_MIGRATION_LOCK = 0x5354524F50  # "STROP"; the key of Postgres' advisory lock
_migrating = threading.Lock()  # Alembic keeps the migration at hand in module globals


class Database:
    """An engine whose transactions raise `StoreUnavailable` with a clear line.

    Attributes:
        engine: SQLAlchemy's.
        name: How messages call it; never holds the password.
    """

    def __init__(self, engine: Engine, *, name: str) -> None:
        self.engine = engine
        self.name = name

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """A connection inside one transaction: committed at the end, rolled back on an exception.

        Raises:
            StoreUnavailable: See `errors.explained`.
        """
        try:
            with self.engine.connect() as connection:
                connection.execution_options(strop_write=write)
                with connection.begin():
                    yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            known = explained(error, self.name)
            if known is None:
                raise
            raise known from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str, *, timeout: float) -> Database:
    """The database at `url`, its tables up to date.

    Args:
        url: ``postgresql://...``, ``sqlite:///path`` or a plain path.
        timeout: Seconds to wait for another process's lock.

    Raises:
        UserMistake: The URL is of no known kind.
        NotInstalled: The Postgres driver is missing.
        StoreUnavailable: The database cannot be used, or is of a newer version of Strop.
    """
    where = _parsed(url)
    if where.get_backend_name() == "sqlite":
        engine, name = _sqlite(where, timeout), str(where.database)
    else:
        shown = where.set(drivername="postgresql")
        engine, name = _postgres(where, timeout), shown.render_as_string(hide_password=True)
    database = Database(engine, name=name)
    try:
        _bring_up_to_date(database, timeout)
    except BaseException:
        database.close()
        raise
    return database


def _parsed(url: str) -> URL:
    if "://" not in url:
        where = URL.create("sqlite", database=url)
    else:
        # SQLAlchemy knows only the long name and would pick a driver by itself.
        scheme, _, rest = url.partition("://")
        postgres = scheme in ("postgres", "postgresql")
        try:
            where = make_url(f"postgresql+psycopg://{rest}" if postgres else url)
        except (ArgumentError, ValueError):
            raise UserMistake("the store's URL cannot be read; it is postgresql://...") from None
    if where.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UserMistake(
            f"a store cannot be a {where.drivername!r} database; "
            "use postgresql://... or the path of a SQLite file"
        )
    if where.drivername == "sqlite" and where.database in (None, "", ":memory:"):
        raise UserMistake("a store needs the path of a file, for example .strop/strop.db")
    return where


def _sqlite(where: URL, timeout: float) -> Engine:
    path = Path(str(where.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot create the folder {path.parent}: {error.strerror}"
        ) from None
    # `isolation_level=None`: Python's module would begin transactions by itself, and as readers.
    engine = create_engine(where, connect_args={"timeout": timeout, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def _(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        # In WAL mode a commit without fsync outlives a killed process, and a power cut can only
        # take the last commits, never damage the file: https://www.sqlite.org/wal.html#performance
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns writer fails without any waiting.
        write = connection.get_execution_options().get("strop_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgres(where: URL, timeout: float) -> Engine:
    options = (
        {} if "connect_timeout" in where.query else {"connect_timeout": max(2, round(timeout))}
    )
    try:
        # `pool_pre_ping`: a connection that the server has closed meanwhile is replaced unseen.
        engine = create_engine(where, pool_pre_ping=True, connect_args=options)
    except ImportError:
        raise NotInstalled(
            "Postgres needs its driver; install it with: pip install 'strop[postgres]'"
        ) from None

    @event.listens_for(engine, "connect")
    def _(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        # Like SQLite's timeout; without it Postgres waits for ever.
        cursor.execute(f"SET lock_timeout = {round(timeout * 1000)}")
        cursor.close()
        connection.commit()

    return engine


def _bring_up_to_date(database: Database, timeout: float) -> None:
    with database.transaction(write=False) as connection:
        version = _version(connection)
    if version is not None and version > SCHEMA:
        raise StoreUnavailable(
            f"{database.name} was made by a newer Strop (its schema is {version}, this one knows "
            f"{SCHEMA}); upgrade with: pip install -U strop"
        )
    if version == SCHEMA:
        return
    # Loading Alembic takes longer than all the rest, so only when there is something to do, and
    # before the lock is taken.
    from strop.store.migrations import upgrade

    with _migrating:
        _use_wal(database, timeout)
        with database.transaction(write=True) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            upgrade(connection)


def _version(connection: Connection) -> str | None:
    """The newest migration the database has seen; `None` for a database without our tables."""
    try:
        return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    except DBAPIError as error:
        if is_missing_table(error):
            return None
        raise


def _use_wal(database: Database, timeout: float) -> None:
    """Switch a SQLite file to write-ahead logging: readers and a writer do not block each other."""
    engine = database.engine
    if engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + timeout
    while True:
        # Outside of any transaction, where SQLAlchemy never is.
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            known = explained(error, database.name)
            # Two processes that switch at once: SQLite does not wait here, so we do.
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if busy and time.monotonic() < deadline:
                time.sleep(0.01)
            elif known is None:
                raise
            else:
                raise known from error
        finally:
            raw.close()
