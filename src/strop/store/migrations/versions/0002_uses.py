"""Uses of tools, which the permission ladder goes by.

Next file: `store/scope.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table of uses."""
    op.create_table(
        "strop_uses",
        sa.Column("n", _COUNTER, primary_key=True),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("ok", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("what", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("run", sa.Text),
    )
    op.create_index(
        "strop_uses_by_digest", "strop_uses", ["agent", "digest", "n", "ok", "what", "at"]
    )
