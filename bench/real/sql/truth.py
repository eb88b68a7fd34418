"""What an item would have had to say: the questions that later turns ask of the memory.

Strict, and by the SQLite schema alone: see docs/results/sql.md for the definitions in words.

Next file: `memory.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import data
from .data import Row

_TABLE = re.compile(r"Table '([^']*)' doesn't exist")
_COLUMN = re.compile(r"Unknown column '([^']*)' in ")
_ASKED = re.compile(
    r"\s*(?:describe|desc|show\s+columns\s+(?:from|in))\s+`?([\w.$]+)`?", re.IGNORECASE
)
_TABLES = re.compile(r"\s*show\s+(?:full\s+)?tables\s*;?\s*$", re.IGNORECASE)
_FIRST = re.compile(r"\('([^']*)',")
_OF_TABLE = re.compile(r"table_name\s*=\s*['\"]([^'\"]*)['\"]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WrongName:
    """A name that does not exist, as a task first met it.

    Attributes:
        kind: ``table`` or ``column``.
        name: Lower case.
        right: Names, any of which would have been the right one: tables, or ``table.column``.
    """

    kind: str
    name: str
    right: frozenset[str]


@dataclass(frozen=True, slots=True)
class Exploration:
    """A turn that asks for the schema: for the tables, or for one table's columns.

    Attributes:
        table: The table asked about, lower case; empty where the turn asks what tables there are,
            or for something that does not exist.
        seen: Names that this very turn got back, lower case; empty where it got no list of names.
    """

    table: str
    seen: frozenset[str] = frozenset()


def wrong_names(row: Row) -> tuple[WrongName, ...]:
    """The distinct wrong names of a run, each with what the right one is."""
    found: dict[tuple[str, str], WrongName] = {}
    for action, seen in row.turns:
        for kind, pattern in (("table", _TABLE), ("column", _COLUMN)):
            match = pattern.search(seen)
            if match is None:
                continue
            name = match[1].split(".")[-1].lower()
            found.setdefault((kind, name), WrongName(kind, name, _right(row, kind, name, action)))
    return tuple(found.values())


def _right(row: Row, kind: str, name: str, failing: str) -> frozenset[str]:
    """Real names that the gold query uses and the failing one lacks; else the one of that name."""
    gold = data.reads(row.db, row.gold)
    if gold is None:
        return frozenset()
    said = data.words(failing)
    if kind == "table":
        lacking = {table for table in gold.tables if table not in said}
        real = {name} & data.schema(row.db).keys()
        return frozenset(lacking or real)
    lacking = {f"{table}.{column}" for table, column in gold.columns if column not in said}
    real = {
        f"{table}.{name}"
        for table, columns in data.schema(row.db).items()
        if name in {column.lower() for column in columns}
    }
    used = {text for text in real if text.split(".")[0] in gold.tables}
    return frozenset(lacking or used or real)


def explorations(row: Row) -> tuple[Exploration, ...]:
    """What each exploring turn of a run asked for."""
    known = data.schema(row.db)
    found = []
    for action, seen in row.turns:
        if not data.explores(action):
            continue
        asked = _ASKED.match(action)
        match = asked or _OF_TABLE.search(action)
        table = match[1].split(".")[-1].lower() if match else ""
        lists = asked is not None or _TABLES.match(action) is not None
        names = frozenset(name.lower() for name in _FIRST.findall(seen)) if lists else frozenset()
        found.append(Exploration(table if table in known else "", names))
    return tuple(found)


def made(rows: Sequence[Row]) -> frozenset[tuple[str, str]]:
    """(database, table) pairs that an agent's own trace shows and the data set's database lacks.

    Agents could write: some of them made tables, which stood there for the tasks that followed.
    """
    found = {
        (row.db, name.lower())
        for row in rows
        for action, seen in row.turns
        if _TABLES.match(action)
        for name in _FIRST.findall(seen)
    }
    return frozenset((db, name) for db, name in found if name not in data.schema(db))


def touched(row: Row) -> frozenset[str]:
    """Tables that a task touches: its gold query reads them, or a query of it that worked did."""
    tables: set[str] = set()
    for query in (row.gold, *(a for a, seen in row.turns if not seen.startswith("Error"))):
        found = None if data.explores(query) else data.reads(row.db, query)
        tables |= found.tables if found else frozenset()
    return frozenset(tables)
