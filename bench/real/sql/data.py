"""The traces: twelve agents that write SQL turn by turn, and the databases they asked.

Rows become tasks and runs. The schema, and which tables and columns a query reads, come from SQLite
itself (its authorizer names what it reads while it compiles), never from the code under test.

Next file: `truth.py`.
"""

import gzip
import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from strop.errors import BadInput
from strop.jsonvalue import digest
from strop.run import Run, Score, ScoredRun, ToolCall
from strop.task import Split, Task

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "intercode_sql"
TOOL = "sql"
MINUTE = 60.0

_EXPLORES = re.compile(
    r"\s*(?:show|desc|describe|pragma|explain)\b|.*\binformation_schema\b",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task that an agent attempted.

    Attributes:
        number: The data set's own number of the task.
        db: The database.
        question: What was asked.
        gold: The right query.
        turns: Queries with what came back.
        reward: Best reward of any turn.
    """

    number: int
    db: str
    question: str
    gold: str
    turns: tuple[tuple[str, str], ...]
    reward: float

    def task(self, *, gold: bool) -> Task:
        """The task, with or without its right answer."""
        return Task(
            id=f"sql-{self.number}",
            input=self.question,
            expected=self.gold if gold else None,
            category=self.db,
            group=digest(self.gold)[:12],
            split=Split.TRAIN,
        )

    def run(self, agent: str, position: int) -> ScoredRun:
        """The run, as a trace of tool calls."""
        steps = tuple(
            ToolCall(tool=TOOL, args={"query": action}, result=seen) for action, seen in self.turns
        )
        run = Run(
            id=f"{agent}-{self.number}",
            task=f"sql-{self.number}",
            input=self.question,
            split=Split.TRAIN,
            steps=steps,
            output=self.turns[-1][0] if self.turns else None,
            at=position * MINUTE,
        )
        return ScoredRun(run=run, score=Score(name="reward", value=self.reward))


def agents() -> tuple[str, ...]:
    """Names of the agents there are traces of.

    Raises:
        BadInput: The data set is not where it should be.
    """
    found = sorted(path.name for path in DATA.glob("multiturn_*.jsonl.gz"))
    if not found:
        raise BadInput(
            "the InterCode SQL traces are missing: put them into ../shared/data/intercode_sql "
            "beside the checkout (github.com/princeton-nlp/intercode, data/results/sql)",
            where=DATA.name,
        )
    return tuple(name.removeprefix("multiturn_").removesuffix(".jsonl.gz") for name in found)


def rows(agent: str) -> tuple[Row, ...]:
    """What an agent did, in order."""
    with gzip.open(DATA / f"multiturn_{agent}.jsonl.gz", "rt", encoding="utf-8") as file:
        return tuple(_row(json.loads(line)) for line in file)


def _row(value: Mapping[str, Any]) -> Row:
    return Row(
        number=int(value["task"]),
        db=value["db"],
        question=value["query"],
        gold=value["gold"],
        turns=tuple((str(t["action"] or ""), str(t["obs"])) for t in value["turns"]),
        reward=max(0.0, min(1.0, float(value["max_reward"]))),
    )


@cache
def schema(db: str) -> Mapping[str, tuple[str, ...]]:
    """Tables, lower case, with their columns."""
    with sqlite3.connect(_uri(db), uri=True) as connection:
        names = [
            n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {
            name.lower(): tuple(
                row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')
            )
            for name in names
        }


def _uri(db: str) -> str:
    return f"file:{DATA / 'sqlite' / db}.sqlite?mode=ro"


@dataclass(frozen=True, slots=True)
class Reads:
    """Tables, and (table, column) pairs, all lower case."""

    tables: frozenset[str]
    columns: frozenset[tuple[str, str]]


@cache
def reads(db: str, query: str) -> Reads | None:
    """What a query reads; `None` where SQLite cannot compile it."""
    seen: set[tuple[str, str]] = set()
    tables: set[str] = set()

    def note(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ and first:
            tables.add(first.lower())
            if second:
                seen.add((first.lower(), second.lower()))
        return sqlite3.SQLITE_OK

    connection = sqlite3.connect(_uri(db), uri=True)
    try:
        connection.set_authorizer(note)
        connection.execute(f"EXPLAIN {query}")
    except (sqlite3.Error, sqlite3.Warning, UnicodeError):
        return None
    finally:
        connection.close()
    known = schema(db)
    return Reads(
        frozenset(tables & known.keys()), frozenset(pair for pair in seen if pair[0] in known)
    )


def words(text: str) -> frozenset[str]:
    """All words of a query but those in quotes, lower case."""
    return frozenset(re.findall(r"[^\W\d]\w*", _QUOTED.sub(" ", text).lower()))


def explores(action: str) -> bool:
    """Whether a turn asks for the schema."""
    return _EXPLORES.match(action) is not None
