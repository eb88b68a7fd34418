"""`Scope`: a transaction that sees the rows of one agent and no others.

All queries start from `Scope.select` and all rows come in by `Scope.add`, so the agent is bound in
one place and cannot be forgotten. What the queries are about is in the files after this one.

Next file: `store/records.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Insert,
    Select,
    Table,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from strop.errors import UserMistake
from strop.store.tables import SafeText

__all__ = ["CHUNK", "Scope", "chunks"]

CHUNK = 500
"""Rows per query, where there may be many: well below the databases' limits on parameters."""

_SHORTEST_PREFIX = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A connection inside a transaction, and the agent whose rows it sees."""

    connection: Connection
    agent: str

    def select(self, table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
        """A query over this agent's rows of `table`."""
        return select(*columns).where(table.c.agent == self.agent)

    def add(self, table: Table, *rows: dict[str, Any]) -> None:
        """Store rows; one that is there already raises SQLAlchemy's `IntegrityError`."""
        self._execute(_insert(table), rows)

    def add_new(self, table: Table, *rows: dict[str, Any]) -> None:
        """Store those rows whose key is not there yet: the first one wins."""
        self._execute(_insert_new(table, self._dialect), rows)

    def put(self, table: Table, *rows: dict[str, Any], key: Sequence[str]) -> None:
        """Store rows, in the place of those with the same key (columns beside ``agent``)."""
        if rows:
            replaced = tuple(name for name in rows[0] if name not in key)
            self._execute(_replace(table, self._dialect, tuple(key), replaced), rows)

    def find(self, table: Table, start: str, *, what: str) -> str:
        """The one id in `table` that is `start` or begins with it.

        Raises:
            UserMistake: None or several do, or `start` is no whole id and under four characters.
        """
        column = table.c.id
        whole = self.connection.execute(self.select(table, column).where(column == start)).scalar()
        if whole is not None:
            return str(whole)
        if len(start) < _SHORTEST_PREFIX:
            raise UserMistake(
                f"no {what} has the id {start!r}; give at least {_SHORTEST_PREFIX} characters"
            )
        found = self.connection.scalars(
            self.select(table, column).where(_begins(column, start)).order_by(column).limit(3)
        ).all()
        if not found:
            raise UserMistake(f"there is no {what} {start!r} in this store")
        if len(found) > 1:
            some = ", ".join(found)
            raise UserMistake(
                f"several {what}s begin with {start!r} ({some}, ...); give more of the id"
            )
        return str(found[0])

    @property
    def _dialect(self) -> str:
        return self.connection.dialect.name

    def _execute(self, statement: Insert, rows: Sequence[dict[str, Any]]) -> None:
        bound = [{"agent": self.agent, **row} for row in rows]
        if bound:
            # One row goes alone, as a list of one would take the slower path for many.
            self.connection.execute(statement, bound if len(bound) > 1 else bound[0])


# Built once: making a statement anew costs as much as running it.
@cache
def _insert(table: Table) -> Insert:
    return table.insert()


@cache
def _insert_new(table: Table, dialect: str) -> Insert:
    return _upsert(table, dialect).on_conflict_do_nothing()


@cache
def _replace(table: Table, dialect: str, key: tuple[str, ...], replaced: tuple[str, ...]) -> Insert:
    insert = _upsert(table, dialect)
    return insert.on_conflict_do_update(
        index_elements=["agent", *key], set_={name: insert.excluded[name] for name in replaced}
    )


def _upsert(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    # The same clause in both, yet SQLAlchemy's portable `insert` does not have it.
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _begins(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    # Not LIKE: it ignores case on SQLite. The length is counted after `SafeText` has escaped.
    start = literal(prefix, SafeText())
    return func.substr(column, 1, func.length(start)) == start


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """`items`, at most `CHUNK` at a time."""
    for i in range(0, len(items), CHUNK):
        yield items[i : i + CHUNK]
