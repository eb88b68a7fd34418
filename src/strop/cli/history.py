"""`strop log`, `score` and `audit verify`: what happened, and a person's word on it.

Next file: `cli/showing.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from rich.console import RenderableType
from rich.text import Text

from strop.cli.opening import opened_store
from strop.cli.output import block, clock, points, show, signed, text
from strop.gate import Decision
from strop.jsonvalue import Json
from strop.release import LedgerEntry, first_break
from strop.score import human_score

__all__ = ["audit", "give_score", "log"]

_MARKS = {
    Decision.ACCEPT: ("✓", "accepted", "green"),
    Decision.REJECT: ("✗", "rejected", "red"),
    Decision.INCONCLUSIVE: ("?", "inconclusive", "yellow"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """A release with the verdict it came of, or a verdict that led to none."""

    entry: LedgerEntry
    verdict: LedgerEntry | None = None
    serving: bool = False

    def to_json(self) -> dict[str, Json]:
        release = self.entry.release
        return {
            "seq": self.entry.seq,
            "kind": self.entry.kind,
            "at": self.entry.at,
            "serving": self.serving,
            "release": None if release is None else release.to_json(),
            "verdict": None if self.verdict is None else self.verdict.body,
        }


def log(config: Path, *, limit: int | None, as_json: bool) -> int:
    """The lineage, newest first."""
    with opened_store(config) as store:
        events = _events(entry for entry, _ in store.ledger())
    shown = events[:limit]
    serving = next((event.entry.body["spec"] for event in events if event.serving), None)
    value: dict[str, Json] = {
        "schema": "strop.log/1",
        "serving": serving,
        "events": [event.to_json() for event in shown],
    }
    blocks: list[RenderableType] = [each for event in shown for each in _lines(event)]
    if not events:
        blocks = [text("nothing was released yet; `strop improve` makes a beginning", "dim")]
    if len(shown) < len(events):
        blocks.append(text(f"and {len(events) - len(shown)} older ones", "dim"))
    show(value, *blocks, as_json=as_json)
    return 0


def _events(entries: Iterable[LedgerEntry]) -> list[_Event]:
    """Releases and verdicts, newest first; the newest release is what serves."""
    events: list[_Event] = []
    for entry in entries:
        if entry.kind == "verdict":
            events.append(_Event(entry=entry, verdict=entry))
        elif entry.kind == "release":
            before = events[-1].verdict if events else None
            if before is not None and _led_to(before, entry):
                events.pop()
                events.append(_Event(entry=entry, verdict=before))
            else:
                events.append(_Event(entry=entry))
    for i in range(len(events) - 1, -1, -1):
        if events[i].entry.kind == "release":
            events[i] = replace(events[i], serving=True)
            break
    return events[::-1]


def _led_to(verdict: LedgerEntry, release: LedgerEntry) -> bool:
    body = verdict.body
    accepted = verdict.kind == "verdict" and body["decision"] == Decision.ACCEPT.value
    return accepted and body["candidate"] == release.body["spec"]


def _lines(event: _Event) -> list[RenderableType]:
    release = event.entry.release
    verdict = None if event.verdict is None else event.verdict.body
    effect = None if verdict is None else cast("float | None", verdict["effect"])
    if release is not None:
        mark, style = ("●", "bold green") if event.serving else ("○", "dim")
        spec, action, summary = release.spec, release.action.value, release.summary
    else:
        assert verdict is not None  # noqa: S101 - an event is a release or a verdict
        mark, action, style = _MARKS[Decision(str(verdict["decision"]))]
        spec, summary = str(verdict["candidate"]), str(verdict["summary"])
    first = Text.assemble(
        (f"{mark} {spec[:10]}", style),
        f"  {action}",
        ("  serving" if event.serving else "", "green"),
        ("" if effect is None else f"  {signed(effect)}", "bold"),
        (f"  {clock(event.entry.at)}", "dim"),
    )
    out: list[RenderableType] = [first, block(text(summary))]
    if verdict is not None:
        out.append(block(text(verdict["message"], "dim")))
    return out


def give_score(config: Path, *, run: str, value: float, by: str, reason: str, as_json: bool) -> int:
    """A person's score of a run."""
    score = human_score(value, by=by, reason=reason)
    with opened_store(config) as store:
        run_id = store.run(run).run.id
        store.add_score(run_id, score)
    show(
        {
            "schema": "strop.score/1",
            "run": run_id,
            "value": score.value,
            "by": by,
            "reason": score.reason,
        },
        text(f"run {run_id[:10]} has the score {points(score.value)} by {by} from now on"),
        as_json=as_json,
    )
    return 0


def audit(config: Path, *, as_json: bool) -> int:
    """Whether the ledger's chain is whole; 1 when it is not."""
    count = 0
    with opened_store(config) as store:

        def counted() -> "Iterable[tuple[LedgerEntry, str]]":
            nonlocal count
            for each in store.ledger():
                count += 1
                yield each

        broken = first_break(counted())
    value: dict[str, Json] = {
        "schema": "strop.audit/1",
        "whole": broken is None,
        "broken_at": broken,
        "entries": count if broken is None else None,
    }
    if broken is None:
        line = text(f"the ledger is whole: {count} entries, each with the hash of the one before")
    else:
        line = text(
            f"the ledger is broken at entry {broken}: it, or the one before, was changed, removed "
            "or put in another place",
            "bold red",
        )
    show(value, line, as_json=as_json)
    return 0 if broken is None else 1
