"""Typed edits from a model's answer, and the changes that pass: what both texts levers share.

An edit adds, revises or removes one item, with its reason and the runs behind it. An edit that
touches a protected item, names no run that was shown, or holds a text that `Screen` refuses is
dropped, each by itself, and why is kept.

Next file: `propose/reflect/clauses.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field

from strop.jsonvalue import Json
from strop.propose.reflect.screen import Names, Screen, item_id, one_line
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Remove, Revise, Trust

__all__ = ["Edit", "Edits", "Passed", "passed_edits"]

_MAX_WEIGHT = 10.0


class Edit(BaseModel):
    """One edit as a model gives it."""

    action: Literal["add", "revise", "remove"]
    item: str = ""
    text: str = ""
    weight: float | None = None
    reason: str
    runs: list[str]


class Edits(BaseModel):
    """A model's answer: what is wrong, and the edits that would mend it."""

    diagnosis: str
    edits: list[Edit] = Field(max_length=50)


@dataclass(slots=True, kw_only=True)
class Passed:
    """What is left of a model's edits.

    Attributes:
        changes: Those that passed.
        reasons: The model's reason for each.
        refused: Why each of the others did not.
    """

    changes: list[Change] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What edits are read against."""

    spec: AgentSpec
    kind: Kind
    by: str
    items: Names
    runs: Names
    screen: Screen


def passed_edits(
    edits: Sequence[Edit],
    *,
    spec: AgentSpec,
    kind: Kind,
    by: str,
    items: Names,
    runs: Names,
    screen: Screen,
    most: int,
) -> Passed:
    """The changes that a model's edits come to: the first `most` that pass.

    Args:
        edits: As the model gave them.
        spec: The parent; `strop.spec.apply` takes the changes on it.
        kind: ``clause`` or ``criterion``.
        by: The proposer's name.
        items: What the spec's items are called in the prompt.
        runs: What the shown runs are called there.
        screen: What may not be proposed.
        most: At most so many changes.
    """
    frame = _Frame(spec=spec, kind=kind, by=by, items=items, runs=runs, screen=screen)
    out = Passed()
    touched: set[str] = set()
    for edit in edits:
        change = _change(edit, frame, touched)
        if isinstance(change, str):
            out.refused.append(f"{edit.action} {one_line(edit.item or edit.text, 60)}: {change}")
        elif len(out.changes) == most:
            out.refused.append(f"{edit.action} {change.item_id}: more than {most} edits")
        else:
            touched.add(change.item_id)
            if not isinstance(change, Remove):
                screen.take(change.item.text)
            out.changes.append(change)
            out.reasons.append(screen.own(edit.reason) or "no reason given")
    return out


def _change(edit: Edit, frame: _Frame, touched: set[str]) -> Change | str:
    """The change that an edit comes to, or why it comes to none."""
    runs = frame.runs.all_meant(edit.runs)
    if not runs:
        return "it names no run that was shown"
    if edit.weight is not None and not (
        math.isfinite(edit.weight) and 0 < edit.weight <= _MAX_WEIGHT
    ):
        return f"its weight is not above 0 and at most {_MAX_WEIGHT:g}"
    text = one_line(edit.text)
    if edit.action == "add":
        made = item_id(frame.kind, text)
        if made in touched or any(item.id == made for item in frame.spec.items):
            return "the spec has it"
        return frame.screen.refusal(text) or Add(item=_item(text, edit, frame, runs))
    held = _held(edit, frame)
    if isinstance(held, str):
        return held
    if held.id in touched:
        return "another edit changes it already"
    if edit.action == "remove":
        return Remove(item_id=held.id)
    return frame.screen.refusal(text) or Revise(
        item_id=held.id, item=_item(text, edit, frame, runs, held)
    )


def _held(edit: Edit, frame: _Frame) -> Item | str:
    """The item that an edit is about, or why it cannot be."""
    meant = frame.items.meant(edit.item)
    held = next((i for i in frame.spec.of_kind(frame.kind) if i.id == meant), None)
    if held is None:
        return f"there is no such {frame.kind.value}"
    return "it is protected" if held.protected else held


def _item(
    text: str, edit: Edit, frame: _Frame, runs: tuple[str, ...], was: Item | None = None
) -> Item:
    content: dict[str, Json] = {**(was.content if was else {}), "text": text}
    if frame.kind is Kind.CRITERION and edit.weight is not None:
        content["weight"] = edit.weight
    return Item(
        id=item_id(frame.kind, text) if was is None else was.id,
        kind=frame.kind,
        content=content,
        provenance=Provenance(by=frame.by, runs=runs, trust=Trust.UNTRUSTED),
    )
