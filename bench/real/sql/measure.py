"""Figures of one agent: what the memory named, what it answered, what of it mattered.

Next file: `page.py`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from strop.spec import Item

from . import data, truth
from .memory import Shown

_DENIED = re.compile(r"\b(?:There is|(?P<of>\S+) has) no (?P<names>[^.]*)\.")
_WORD = re.compile(r"[^\W\d]\w*|\d\w*_\w+")
_TABLES = re.compile(r"Tables of (?P<db>\S+?)(?P<part> known so far)?: (?P<names>.*?)\.(?: |$)")
_COLUMNS = re.compile(
    r"Columns of (?P<of>\S+) in (?P<db>\S+?)(?P<part> known so far)?: (?P<names>.*?)\.(?: |$)"
)
_WHOLE = re.compile(r"Tables of (?P<db>\S+) with all their columns: (?P<tables>.*?\))\.(?: |$)")
_MORE = re.compile(r"(?: \(all\)|, and \d+ more)$")


@dataclass(frozen=True, slots=True)
class Said:
    """What a fact's line states, lower case.

    Attributes:
        db: The database.
        tables: The tables it lists; `None` where it lists none.
        columns: The columns it lists, by table.
        whole: Whether it says that these are all.
        denied: Names that it says do not exist, by table; under "" those of tables.
    """

    db: str
    tables: frozenset[str] | None
    columns: dict[str, frozenset[str]]
    whole: bool
    denied: dict[str, frozenset[str]]


@cache
def said(text: str) -> Said | None:
    """What a line states; `None` where it is no list of tables or columns."""
    if match := _WHOLE.match(text):
        parts = [part.partition(" (") for part in match["tables"].split("; ")]
        columns = {name.lower(): _names(rest.rstrip(")")) for name, _, rest in parts}
        return Said(match["db"], frozenset(columns), columns, True, _denied(text, ""))
    if match := _TABLES.match(text):
        whole = match["names"].endswith("(all)")
        return Said(match["db"], _names(match["names"]), {}, whole, _denied(text, ""))
    if match := _COLUMNS.match(text):
        of, whole = match["of"].lower(), match["names"].endswith("(all)")
        return Said(match["db"], None, {of: _names(match["names"])}, whole, _denied(text, of))
    return None


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in _MORE.sub("", listed).split(","))


def _denied(text: str, it: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for match in _DENIED.finditer(text):
        of = (match["of"] or "").lower()
        found[it if of == "it" else of] = _names(match["names"])
    return found


@dataclass(slots=True)
class Tally:
    """Counts; shares are made of them at the end."""

    tasks: int = 0
    wrong: int = 0
    named: int = 0
    named_all: int = 0
    nameless: int = 0
    explored: int = 0
    answered: int = 0
    confirmed: int = 0
    repeated: int = 0
    repeated_answered: int = 0
    shown: int = 0
    relevant: int = 0
    lists: int = 0
    relevant_lists: int = 0
    false: set[str] = field(default_factory=set)
    unmade: set[str] = field(default_factory=set)
    made: frozenset[tuple[str, str]] = frozenset()
    distinct: set[str] = field(default_factory=set)

    def add(self, shown: Shown) -> None:
        """One task."""
        row = shown.row
        for item in shown.items:
            self.distinct.add(item.text)
            wrong = set(false_in(item))
            if wrong:
                self.false.add(item.text)
            if wrong - {name for db, name in self.made if db == row.db}:
                self.unmade.add(item.text)
        if not shown.earlier:
            return
        self.tasks += 1
        self._add_names(shown)
        self._add_explorations(shown)
        touched = truth.touched(row)
        for item in shown.items:
            relevant = bool(tables_of(item, row.db) & touched)
            self.shown += 1
            self.relevant += relevant
            if item.text.startswith("Tables of"):
                self.lists += 1
                self.relevant_lists += relevant

    def _add_names(self, shown: Shown) -> None:
        """Wrong names that an earlier task had met."""
        met = {(w.kind, w.name) for earlier in shown.earlier for w in _wrong(earlier)}
        for wrong in _wrong(shown.row):
            if (wrong.kind, wrong.name) not in met:
                continue
            if not wrong.right:
                self.nameless += 1
                continue
            named = [any(names(item, right) for item in shown.items) for right in wrong.right]
            self.wrong += 1
            self.named += any(named)
            self.named_all += all(named)

    def _add_explorations(self, shown: Shown) -> None:
        """Turns that ask for the schema."""
        before = {a.table for earlier in shown.earlier for a in _explorations(earlier) if a.seen}
        db = shown.row.db
        for asked in _explorations(shown.row):
            self.explored += 1
            answered = any(answers(item, db, asked.table) for item in shown.items)
            confirmed = answered or any(
                lists(item, db, asked.table, asked.seen) for item in shown.items
            )
            self.answered += answered
            self.confirmed += confirmed
            if asked.table in before:
                self.repeated += 1
                self.repeated_answered += confirmed

    def merge(self, other: "Tally") -> None:
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            both = mine + theirs if isinstance(mine, int) else mine | theirs
            setattr(self, name, both)

    def figures(self) -> dict[str, object]:
        def share(a: int, b: int) -> float | None:
            return round(a / b, 4) if b else None

        return {
            "tasks": self.tasks,
            "wrong_names": self.wrong,
            "right_name_shown": share(self.named, self.wrong),
            "all_right_names_shown": share(self.named_all, self.wrong),
            "wrong_names_without_a_right_one": self.nameless,
            "explorations": self.explored,
            "exploration_answered": share(self.answered, self.explored),
            "exploration_answered_as_the_turn_shows": share(self.confirmed, self.explored),
            "exploration_asked_before": share(self.repeated, self.explored),
            "answered_of_those_asked_before": share(self.repeated_answered, self.repeated),
            "items_shown": self.shown,
            "items_a_task": share(self.shown, self.tasks),
            "relevant": share(self.relevant, self.shown),
            "relevant_without_lists": share(
                self.relevant - self.relevant_lists, self.shown - self.lists
            ),
            "distinct_items": len(self.distinct),
            "false": len(self.false),
            "false_but_for_tables_agents_made": len(self.unmade),
        }


@cache
def _wrong(row: data.Row) -> tuple[truth.WrongName, ...]:
    return truth.wrong_names(row)


@cache
def _asserted(text: str) -> frozenset[str]:
    """Words that a note asserts, lower case: not those that it says do not exist."""
    return frozenset(word.lower() for word in _WORD.findall(_DENIED.sub(" ", text)))


@cache
def _explorations(row: data.Row) -> tuple[truth.Exploration, ...]:
    return truth.explorations(row)


def lists(item: Item, db: str, table: str, seen: frozenset[str]) -> bool:
    """Whether an item lists just what a turn got back."""
    line = said(item.text)
    if line is None or not seen or line.db != db:
        return False
    return (line.columns.get(table) if table else line.tables) == seen


def names(item: Item, right: str) -> bool:
    """Whether an item names a table, or a column and its table."""
    return frozenset(right.split(".")) <= _asserted(item.text)


def answers(item: Item, db: str, table: str) -> bool:
    """Whether an item names all tables, or all columns of a table, and nothing else as such."""
    line = said(item.text)
    if line is None or line.db != db:
        return False
    known = data.schema(db)
    if table:
        return line.columns.get(table) == frozenset(name.lower() for name in known[table])
    return line.tables == frozenset(known)


def false_in(item: Item) -> Iterable[str]:
    """Names that an item asserts and the schema lacks, or denies and the schema has.

    A table that is not in the schema counts by its own name, whatever its columns.
    """
    line = said(item.text)
    if line is None:
        return
    known = data.schema(line.db)
    if line.tables is not None:
        yield from sorted(line.tables - known.keys())
        if line.whole and known.keys() - line.tables:
            yield "not all tables"
    for table, columns in line.columns.items():
        if "." in table:  # of another schema, such as information_schema
            continue
        there = {name.lower() for name in known.get(table, ())}
        if not there:
            yield table
            continue
        yield from sorted(f"{table}.{name}" for name in columns - there)
        if line.whole and there - columns:
            yield f"not all of {table}"
    for table, names in line.denied.items():
        there = {name.lower() for name in known.get(table, ())} if table else set(known)
        yield from sorted(f"no {name}" for name in names & there)


def tables_of(item: Item, db: str) -> frozenset[str]:
    """Tables that an item is about; none where it is for another database."""
    scopes = item.content.get("categories")
    if isinstance(scopes, list) and db not in scopes:
        return frozenset()
    known = data.schema(db)
    line = said(item.text)
    if line is not None and line.tables is None:
        return frozenset(line.columns) & known.keys()
    return _asserted(item.text) & known.keys()
