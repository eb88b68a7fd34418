"""The desk's tools: three look-ups in its database, which stands beside this file.

Next file: `demo/toolsmith.py`.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["find_article", "find_customer", "find_plan"]

_DATABASE = Path(__file__).with_name("desk.db")


def find_customer(email: str) -> dict[str, Any]:
    """Find a customer by email address."""
    return _one("SELECT customer_id, name FROM customers WHERE email = ?", [email.strip().lower()])


def find_plan(customer_id: str) -> dict[str, Any]:
    """Find the plan of a customer."""
    return _one("SELECT plan, boxes FROM subscriptions WHERE customer_id = ?", [customer_id])


def find_article(plan: str, topic: str) -> dict[str, Any]:
    """Find the help article on a topic for a plan."""
    with _opened() as database:
        rows = database.execute("SELECT article, title FROM articles WHERE plan = ?", [plan])
        found = [dict(row) for row in rows]
    # The title that shares most words with the topic, by their beginnings.
    best = max(found, key=lambda row: len(_stems(row["title"]) & _stems(topic)), default=None)
    if best is None or not _stems(best["title"]) & _stems(topic):
        raise LookupError(f"no article of plan {plan!r} is about {topic!r}")
    return best


def _stems(text: str) -> set[str]:
    return {word[:4] for word in re.findall("[a-z]{3,}", text.lower())}


def _one(query: str, values: Sequence[str]) -> dict[str, Any]:
    with _opened() as database:
        found = database.execute(query, values).fetchone()
    if found is None:
        raise LookupError(f"nothing found for {', '.join(map(repr, values))}")
    return dict(found)


def _opened() -> closing[sqlite3.Connection]:
    database = sqlite3.connect(f"{_DATABASE.as_uri()}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    return closing(database)
