"""What people decide about tools: approving and denying what waits, moving one up or down.

A person's word holds for the code that was looked at, by its digest: revised code asks anew. It is
said once: of two people who decide at the same time, the second is told what the first decided.

Next file: `verdicts.py`.
"""

from dataclasses import dataclass, field, replace
from typing import cast

from strop.errors import UserMistake
from strop.grants import Grants
from strop.jsonvalue import Json, JsonObject
from strop.ladder_tools import Asked, LadderTool, find_tool, hosts_for, to_grant
from strop.permission import Level, Permissions
from strop.release import LedgerEntry
from strop.standing import Standing
from strop.tools.ladder import at_level, below

__all__ = [
    "Decided",
    "approve",
    "demote",
    "deny",
    "promote",
    "told",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A person's word on a tool.

    Attributes:
        tool: The tool, as it stands now.
        entry: What the ledger says of it.
        fresh: Whether it was said now; or it had been decided just so before.
    """

    tool: LadderTool
    entry: LedgerEntry = field(hash=False)
    fresh: bool

    def to_json(self) -> dict[str, Json]:
        said: dict[str, Json] = {"decision": self.entry.kind, "seq": self.entry.seq}
        return {**said, **self.entry.body, "fresh": self.fresh}


def approve(
    grants: Grants, name: str, *, by: str, asked: Asked | None = None, reason: str = ""
) -> Decided:
    """Grant a waiting tool what it asks for, or close its breaker.

    It grants and no more: a proposed tool still has to pass the gate.

    Args:
        grants: The agent's grants.
        name: See `find_tool`.
        by: Who says so.
        asked: Narrows what is granted; by default all that the tool asks for.
        reason: Why.

    Raises:
        UserMistake: No such tool, nobody is named, nothing waits, someone has decided otherwise,
            or what is granted is more than it asks for or leaves it inert.
    """
    person, tool = _person(by), find_tool(grants, name)

    def approved(standing: Standing) -> tuple[str, JsonObject] | None:
        to, word = to_grant(replace(tool, standing=standing), asked or Asked()), standing.word
        if word is not None and word.kind == "approval":
            if Permissions.from_json(cast("JsonObject", word.body["to"])) == to:
                return None
            raise UserMistake(
                f"{told(word)} already, otherwise than here; `strop tools demote {tool.name}` "
                "takes that back first"
            )
        if word is not None and word.kind == "denial":
            also = "" if standing.halted is None else " and closes its breaker"
            raise UserMistake(
                f"{told(word)}; `strop tools promote {tool.name} --by NAME` grants it all the same"
                f"{also}"
            )
        if standing.halted is None and standing.permissions.covers(to):
            raise UserMistake(f"{tool.name!r} waits for nothing: it has all that it needs")
        return "approval", _moved(grants, tool, standing, to, by=person, reason=reason)

    return _decided(grants, tool, grants.amend(tool.digest, approved))


def deny(grants: Grants, name: str, *, by: str, reason: str = "") -> Decided:
    """Say no to a waiting tool: it stays inert, and does not ask again.

    Raises:
        UserMistake: No such tool, nobody is named, nothing waits, or someone has approved it.
    """
    person, tool = _person(by), find_tool(grants, name)

    def denied(standing: Standing) -> tuple[str, JsonObject] | None:
        word = standing.word
        if word is not None and word.kind == "denial":
            return None
        if word is not None:
            raise UserMistake(
                f"{told(word)} already; `strop tools demote {tool.name} --by NAME` takes it back"
            )
        if replace(tool, standing=standing).waits is None:
            raise UserMistake(
                f"{tool.name!r} waits for nothing; `strop tools demote` grants it less, "
                "`strop tools retire` takes it out"
            )
        return "denial", {"tool": tool.name, "by": person, "reason": reason}

    return _decided(grants, tool, grants.amend(tool.digest, denied))


def promote(
    grants: Grants, name: str, *, by: str, to: Level | None = None, reason: str = ""
) -> Decided:
    """Grant a tool a higher level, with the folders and hosts that it asks for there.

    It closes an open breaker and takes back a denial as well; the entry says so (``closes``,
    ``lifts``). Of a chain it does nothing else.

    Args:
        grants: The agent's grants.
        name: See `find_tool`.
        by: Who says so.
        to: The level; by default the next one up. Where a breaker is open or the tool was denied,
            by default the level that it needs.
        reason: Why.

    Raises:
        UserMistake: No such tool, nobody is named, it is as high or higher, or it is a chain that
            is neither halted nor denied.
    """
    person, tool = _person(by), find_tool(grants, name)

    def promoted(standing: Standing) -> tuple[str, JsonObject] | None:
        stopped = standing.halted is not None or standing.denied
        if tool.is_chain and stopped and to is None:
            after = standing.permissions
        else:
            after = _raised(_code(tool), standing, to, stopped=stopped)
        if after == standing.permissions and not stopped:
            return None
        return "promotion", _moved(grants, tool, standing, after, by=person, reason=reason)

    return _decided(grants, tool, grants.amend(tool.digest, promoted))


def _raised(
    tool: LadderTool, standing: Standing, to: Level | None, *, stopped: bool
) -> Permissions:
    """What a tool is granted one rung up, at level `to`, or (`stopped`) at what it needs.

    Raises:
        UserMistake: It is as high or higher.
    """
    granted, need = standing.permissions, tool.need
    level = to or granted.level.above()
    if stopped and to is None:
        level = max(granted.level, need.level, key=lambda each: each.rank)
    if level is None or level.rank < granted.level.rank:
        raise UserMistake(f"{tool.name!r} is at {granted.level.value!r} already")
    return Permissions(
        level=level,
        read=(*granted.read, *need.read),
        write=() if level is Level.SANDBOX else (*granted.write, *need.write),
        hosts=hosts_for(granted, need) if level is Level.FULL else (),
    )


def demote(
    grants: Grants, name: str, *, by: str, to: Level | None = None, reason: str = ""
) -> Decided:
    """Grant a tool a lower level; what it needs beyond that leaves it inert.

    Args:
        grants: The agent's grants.
        name: See `find_tool`.
        by: Who says so.
        to: The level; by default the next one down. ``sandbox`` takes back its folders, too.
        reason: Why.

    Raises:
        UserMistake: No such tool, nobody is named, it is a chain, or it is as low or lower.
    """
    person, tool = _person(by), _code(find_tool(grants, name))

    def demoted(standing: Standing) -> tuple[str, JsonObject] | None:
        granted = standing.permissions
        level = to or below(granted.level)
        if level is None or level.rank > granted.level.rank:
            raise UserMistake(
                f"{tool.name!r} is at {granted.level.value!r} already; "
                f"`strop tools retire {tool.name}` takes it out"
            )
        after = Permissions() if level is Level.SANDBOX else at_level(granted, level)
        if after == granted:
            return None
        return "demotion", _moved(grants, tool, standing, after, by=person, reason=reason)

    return _decided(grants, tool, grants.amend(tool.digest, demoted))


def _moved(
    grants: Grants,
    tool: LadderTool,
    standing: Standing,
    to: Permissions,
    *,
    by: str,
    reason: str,
) -> dict[str, Json]:
    """A person's step as the ledger has it, with the record as it was."""
    record = grants.store.use_record(tool.digest, since=standing.since)
    return {
        "tool": tool.name,
        "by": by,
        "from": standing.permissions.to_json(),
        "to": to.to_json(),
        "reason": reason,
        "closes": standing.halted,
        "lifts": told(standing.word) if standing.denied and standing.word is not None else None,
        "uses": record.uses,
        "successes": record.successes,
        "rate": record.rate,
        "bound": record.bound,
        "since": record.last,
    }


def _decided(grants: Grants, tool: LadderTool, entry: LedgerEntry | None) -> Decided:
    standing = grants.standing(tool.digest)
    said = entry or standing.word
    if said is None:  # only the ladder has moved it, to just where it was to go
        raise UserMistake(
            f"{tool.name!r} is at {standing.permissions.level.value!r} already, by its record"
        )
    return Decided(tool=replace(tool, standing=standing), entry=said, fresh=entry is not None)


def _code(tool: LadderTool) -> LadderTool:
    """The tool, which is code.

    Raises:
        UserMistake: It is a chain.
    """
    if tool.is_chain:
        raise UserMistake(
            f"{tool.name!r} is a chain: it has no code and does what its steps' tools may do; "
            "promote or demote those"
        )
    return tool


def _person(by: str) -> str:
    if not by.strip():
        raise UserMistake("say who decides: --by NAME")
    return f"person:{' '.join(by.split())}"


def told(word: LedgerEntry) -> str:
    """A person's word in a few words."""
    who = str(word.body["by"]).partition(":")[2]
    did = {"approval": "approved", "denial": "denied", "promotion": "promoted"}
    why = str(word.body.get("reason") or "")
    said = f"{who} {did.get(word.kind, 'demoted')} {word.body['tool']!r}"
    return f"{said} ({why})" if why else said
