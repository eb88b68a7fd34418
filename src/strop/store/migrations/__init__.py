"""Numbered migrations, run by the program itself: no `alembic.ini`, no command to remember.

`upgrade` runs those that are missing, inside the caller's transaction. A migration never imports
`tables.py`: it says what the tables were at its time. To add one: a file in `versions`, the same
change in `store/tables.py`, and its number in `SCHEMA` there.

Next file: `versions/0001_initial.py`.
"""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["config", "upgrade"]


def config(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    options = Config()
    options.set_main_option("script_location", "strop.store:migrations")
    options.set_main_option("path_separator", "os")
    options.attributes["connection"] = connection
    return options


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest version."""
    command.upgrade(config(connection), "head")
