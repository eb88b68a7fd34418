"""Would the memory have said what later tasks had to find out again?

    python -m bench.real.sql [--quick] [--agent NAME] [--row NAME] [--embedder NAME] [--page FILE]

Replays the recorded traces of twelve SQL agents (InterCode; Yang et al. 2023, arXiv:2306.14898) in
their order. Before each task the memory shows what it would show; then the task's run teaches. No
model runs, so nothing is said about rewards. Prints one JSON object on stdout, progress on stderr;
with --page also writes the page that is made of it.

Next file: `data.py`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strop.embed import resolve_embedder
from strop.errors import UserMistake

from . import data, memory, page, truth
from .data import Row
from .measure import Tally

TARGETS = {"right_name_shown": 0.90, "exploration_answered": 0.85, "relevant": 0.80, "false": 0}
QUICK = ("gpt-3.5_10_turns", "text-bison-001_10_turns")
QUICK_TASKS = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the report: what may teach, and what chooses."""

    name: str
    gold: bool = True
    once: bool = False
    choose: memory.Choose = memory.selected
    lessons: bool = False


ROWS = (
    Setting("strop"),
    Setting("strop, runs only", gold=False),
    Setting("strop, each gold query once", once=True),
    Setting("strop, facts and lessons", lessons=True),
    Setting("plain similarity", choose=memory.most_similar),
    Setting("the last facts learned", choose=memory.last_ones),
)


def main() -> None:
    """Measure and print."""
    given = _arguments()
    try:
        report = measure(given, _say)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))
    if given.page:
        given.page.write_text(page.page(report), encoding="utf-8")


def measure(given: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """All rows, by agent and in all."""
    vectors = memory.Vectors(resolve_embedder(given.embedder))
    agents = [a for a in data.agents() if given.agent in (None, a)]
    if given.quick:
        agents = [a for a in agents if a in QUICK]
    rows: dict[str, Any] = {}
    began = time.monotonic()
    for setting in ROWS:
        if given.row not in (None, setting.name):
            continue
        total = Tally()
        by_agent: dict[str, Any] = {}
        for agent in agents:
            tally = _tally(agent, setting, vectors, quick=given.quick)
            by_agent[agent] = tally.figures()
            total.merge(tally)
            say(f"{setting.name}, {agent}: {by_agent[agent]}")
        rows[setting.name] = {"all": total.figures(), "agents": by_agent}
    return {
        "schema": "strop.bench.sql/1",
        "quick": given.quick,
        "date": datetime.now(UTC).date().isoformat(),
        "embedder": given.embedder,
        "memories": memory.MEMORIES,
        "tokens": memory.TOKENS,
        "block": memory.BLOCK,
        "targets": TARGETS,
        "met": _met(rows["strop"]["all"]) if "strop" in rows else {},
        "rows": rows,
        "seconds": round(time.monotonic() - began, 1),
    }


def _tally(agent: str, setting: Setting, vectors: memory.Vectors, *, quick: bool) -> Tally:
    rows = data.rows(agent)
    tally = Tally(made=truth.made(rows))
    rows = rows[:QUICK_TASKS] if quick else rows
    rows = _once(rows) if setting.once else rows
    shown = memory.replay(
        agent, rows, vectors, gold=setting.gold, choose=setting.choose, lessons=setting.lessons
    )
    for one in shown:
        tally.add(one)
    return tally


def _once(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The first task of each gold query: no paraphrase teaches, and none is measured."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.gold, row)
    return tuple(first.values())


def _met(figures: dict[str, Any]) -> dict[str, bool | None]:
    met: dict[str, bool | None] = {}
    for name, target in TARGETS.items():
        value = figures[name]
        if value is None:
            met[name] = None
        else:
            met[name] = value <= target if name == "false" else value >= target
    return met


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.real.sql", description="Facts from the traces of SQL agents."
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="two agents and their first 200 tasks")
    add("--agent", help="this agent only")
    add("--row", choices=[setting.name for setting in ROWS], help="this row only")
    add("--embedder", default="static", help="static or minilm")
    add("--page", type=Path, help="write the results page there")
    return parser.parse_args()


def _say(line: str) -> None:
    """Progress for people."""
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
