"""What Alembic runs to reach the database: it takes the connection that `upgrade` was given.

Next file: `versions/0001_initial.py`.
"""

from alembic import context

from strop.store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # The caller's transaction holds the lock; both databases take DDL inside it.
    transactional_ddl=True,
)
context.run_migrations()
