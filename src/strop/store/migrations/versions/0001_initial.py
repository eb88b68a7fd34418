"""The first tables.

Next file: `store/scope.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create all tables."""
    op.create_table("strop_meta", _key("agent"), _key("key"), _text("value"))
    op.create_table("strop_specs", _key("agent"), _key("id"), _text("body"))
    op.create_table(
        "strop_tasks",
        sa.Column("n", _COUNTER, primary_key=True),
        _text("agent"),
        _text("id"),
        sa.Column("split", sa.Text),
        _text("body"),
        sa.UniqueConstraint("agent", "id", name="strop_tasks_id"),
    )
    _create_runs()
    op.create_table(
        "strop_documents",
        sa.Column("n", _COUNTER, primary_key=True),
        _text("agent"),
        _text("kind"),
        _text("id"),
        _text("body"),
        sa.UniqueConstraint("agent", "kind", "id", name="strop_documents_id"),
    )
    op.create_table(
        "strop_ledger",
        _key("agent"),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        _text("kind"),
        sa.Column("at", sa.Double, nullable=False),
        _text("body"),
        _text("previous"),
        _text("hash"),
    )
    op.create_index("strop_ledger_by_kind", "strop_ledger", ["agent", "kind", "seq"])
    op.create_table(
        "strop_vectors",
        _key("agent"),
        _key("embedder"),
        _key("text"),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )


def _create_runs() -> None:
    """Runs and what points to them."""
    op.create_table(
        "strop_runs",
        sa.Column("n", _COUNTER, primary_key=True),
        _text("agent"),
        _text("id"),
        _text("split"),
        sa.Column("spec", sa.Text),
        _text("body"),
        sa.UniqueConstraint("agent", "id", name="strop_runs_id"),
    )
    op.create_index("strop_runs_by_split", "strop_runs", ["agent", "split", "n"])
    op.create_index("strop_runs_by_spec", "strop_runs", ["agent", "spec", "split", "n"])
    op.create_table(
        "strop_scores",
        sa.Column("n", _COUNTER, primary_key=True),
        _text("agent"),
        _text("run"),
        sa.Column("at", sa.Double, nullable=False),
        _text("body"),
        sa.ForeignKeyConstraint(["agent", "run"], ["strop_runs.agent", "strop_runs.id"]),
    )
    op.create_index("strop_scores_by_run", "strop_scores", ["agent", "run", "n"])
    op.create_table(
        "strop_evaluations",
        _key("agent"),
        _key("spec"),
        _key("task"),
        sa.Column("trial", sa.Integer, primary_key=True, autoincrement=False),
        _key("model"),
        _key("scorer"),
        _text("run"),
        sa.ForeignKeyConstraint(["agent", "run"], ["strop_runs.agent", "strop_runs.id"]),
    )


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)
