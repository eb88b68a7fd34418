"""The store: runs, specs, tasks, findings, uses of tools and the ledger, in SQLite or Postgres.

One concrete `Store` for both databases, opened by URL; SQLAlchemy Core, no ORM, no pickles.
Importing this package loads SQLAlchemy, so `import strop` does not. It decides nothing: `loops.py`
does.

Next file: `store/tables.py`.
"""

from strop.store.errors import LedgerMoved, ReleaseConflict
from strop.store.runs import EvaluationKey
from strop.store.store import Store, open_store

__all__ = ["EvaluationKey", "LedgerMoved", "ReleaseConflict", "Store", "open_store"]
