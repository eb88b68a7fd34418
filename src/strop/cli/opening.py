"""From a configuration's path to an open store, or to its tasks.

For commands that only look: no model, no tool and no code of the project is loaded for them.

Next file: `cli/assembling.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strop.config import Config, load_config, store_url
from strop.store import Store, open_store
from strop.task import Task, load_tasks

__all__ = ["opened_store", "tasks_of"]


@contextmanager
def opened_store(path: Path) -> Iterator[Store]:
    """The store that the configuration at `path` names."""
    config = load_config(path)
    with open_store(store_url(config, path.parent), agent=config.name) as store:
        yield store


def tasks_of(config: Config, path: Path) -> tuple[Task, ...]:
    """The tasks of the configuration at `path`; none where it names no file."""
    return load_tasks(path.parent / config.tasks) if config.tasks else ()
