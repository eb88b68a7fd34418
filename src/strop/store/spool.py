"""A place to keep rows between reading them and storing them, in little memory.

Next file: `store/store.py`.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from strop.errors import StoreUnavailable
from strop.store.runs import Row
from strop.store.scope import CHUNK

__all__ = ["spooled"]

_IN_MEMORY = 16 * 1024 * 1024
"""Bytes kept in memory before a file is made."""


@contextmanager
def spooled(rows: Iterable[Row]) -> Iterator[Iterator[list[Row]]]:
    """Read `rows` to their end, then give them back in batches, once.

    Raises:
        StoreUnavailable: There is no room for them.
    """
    with tempfile.SpooledTemporaryFile(
        _IN_MEMORY, mode="w+", encoding="utf-8", newline="\n"
    ) as file:
        for row in rows:
            try:
                file.write(json.dumps(row) + "\n")
            except OSError as error:
                raise StoreUnavailable(
                    f"cannot set the runs aside in {tempfile.gettempdir()}: {error.strerror}; "
                    "free some space, or set TMPDIR, and run again"
                ) from None
        file.seek(0)
        yield _batches(file)


def _batches(lines: Iterable[str]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for line in lines:
        batch.append(json.loads(line))
        if len(batch) == CHUNK:
            yield batch
            batch = []
    if batch:
        yield batch
