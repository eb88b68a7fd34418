"""The tables, as SQLAlchemy sees them; the same for SQLite and Postgres.

Every row belongs to an agent. What a query asks for is a column, the rest is one JSON text, so a
new field in a run needs no migration. This file does not create the tables: the numbered files in
`migrations/versions` do, and a test holds the two equal.

Next file: `store/errors.py`.
"""

import re

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = [
    "SCHEMA",
    "VERSION_TABLE",
    "SafeText",
    "documents",
    "evaluations",
    "ledger",
    "meta",
    "metadata",
    "runs",
    "scores",
    "specs",
    "tasks",
    "uses",
    "vectors",
]

SCHEMA = "0002"
"""Number of the newest migration; the numbers sort as text."""

VERSION_TABLE = "strop_version"
"""Not Alembic's own name: the database may hold another program's tables and migrations too."""

_UNSAFE = re.compile("[\x00\\\\\ud800-\udfff]")
_ESCAPED = re.compile(r"\\([0-9a-f]{4})")


class SafeText(TypeDecorator[str]):
    """Any Python string, on any database.

    Postgres text cannot hold NUL and neither database takes a lone surrogate; these, and the
    backslash, stand in the column as a backslash and four hex digits. Character by character, so a
    prefix stays a prefix. (JSON columns need none of it: JSON text escapes control characters.)
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return _UNSAFE.sub(lambda match: f"\\{ord(match[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None or "\\" not in value:
            return value
        return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value)


# Counts up in the order rows are stored. SQLite counts by itself only in a plain INTEGER key.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

meta = Table(
    "strop_meta",
    metadata,
    Column("agent", SafeText, primary_key=True),
    Column("key", SafeText, primary_key=True),
    Column("value", SafeText, nullable=False),
)

specs = Table(
    "strop_specs",
    metadata,
    Column("agent", SafeText, primary_key=True),
    Column("id", SafeText, primary_key=True),
    Column("body", Text, nullable=False),
)

tasks = Table(
    "strop_tasks",
    metadata,
    Column("n", _COUNTER, primary_key=True),
    Column("agent", SafeText, nullable=False),
    Column("id", SafeText, nullable=False),
    Column("split", SafeText),
    Column("body", Text, nullable=False),
    UniqueConstraint("agent", "id", name="strop_tasks_id"),
)

runs = Table(
    "strop_runs",
    metadata,
    Column("n", _COUNTER, primary_key=True),
    Column("agent", SafeText, nullable=False),
    Column("id", SafeText, nullable=False),
    Column("split", SafeText, nullable=False),
    Column("spec", SafeText),
    Column("body", Text, nullable=False),
    UniqueConstraint("agent", "id", name="strop_runs_id"),
    Index("strop_runs_by_split", "agent", "split", "n"),
    Index("strop_runs_by_spec", "agent", "spec", "split", "n"),
)

# A score is never overwritten: `n` tells which is the newest.
scores = Table(
    "strop_scores",
    metadata,
    Column("n", _COUNTER, primary_key=True),
    Column("agent", SafeText, nullable=False),
    Column("run", SafeText, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
    ForeignKeyConstraint(["agent", "run"], ["strop_runs.agent", "strop_runs.id"]),
    Index("strop_scores_by_run", "agent", "run", "n"),
)

evaluations = Table(
    "strop_evaluations",
    metadata,
    Column("agent", SafeText, primary_key=True),
    Column("spec", SafeText, primary_key=True),
    Column("task", SafeText, primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("model", SafeText, primary_key=True),
    Column("scorer", SafeText, primary_key=True),
    Column("run", SafeText, nullable=False),
    ForeignKeyConstraint(["agent", "run"], ["strop_runs.agent", "strop_runs.id"]),
)

documents = Table(
    "strop_documents",
    metadata,
    Column("n", _COUNTER, primary_key=True),
    Column("agent", SafeText, nullable=False),
    Column("kind", SafeText, nullable=False),
    Column("id", SafeText, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("agent", "kind", "id", name="strop_documents_id"),
)

# The primary key is what lets only one of two writers have a place in the chain.
ledger = Table(
    "strop_ledger",
    metadata,
    Column("agent", SafeText, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", SafeText, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", SafeText, nullable=False),
    Column("hash", SafeText, nullable=False),
    Index("strop_ledger_by_kind", "agent", "kind", "seq"),
)

vectors = Table(
    "strop_vectors",
    metadata,
    Column("agent", SafeText, primary_key=True),
    Column("embedder", SafeText, primary_key=True),
    Column("text", SafeText, primary_key=True),  # SHA-256 of the text, in hex
    Column("vector", LargeBinary, nullable=False),
)

# The index holds all that a tool's record is counted from, so that no row is read for it.
uses = Table(
    "strop_uses",
    metadata,
    Column("n", _COUNTER, primary_key=True),
    Column("agent", SafeText, nullable=False),
    Column("digest", SafeText, nullable=False),
    Column("tool", SafeText, nullable=False),
    Column("at", Double, nullable=False),
    Column("ok", Boolean(create_constraint=False), nullable=False),
    Column("what", SafeText),
    Column("message", SafeText),
    Column("seconds", Double, nullable=False),
    Column("level", SafeText, nullable=False),
    Column("run", SafeText),
    Index("strop_uses_by_digest", "agent", "digest", "n", "ok", "what", "at"),
)
