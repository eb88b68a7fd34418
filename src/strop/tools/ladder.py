"""The permission ladder as a policy: what a tool's record of use earns it, and what it loses by it.

Pure. A new tool starts at `Level.SANDBOX`; `decide` says when its record takes it a rung up or
down, or opens its breaker. What a tool *needs* is in its item; what it is *granted* is in the
ledger, bound to the digest of its code; this file reads both and writes neither. See
docs/decisions/ladder.md.

Next file: `agent.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.permission import Level, Permissions
from strop.sandbox.base import What

__all__ = [
    "OWN_FAULT",
    "LadderPolicy",
    "Move",
    "Step",
    "UseRecord",
    "at_level",
    "below",
    "decide",
    "wilson_lower",
]

OWN_FAULT: frozenset[str] = frozenset(
    {What.RAISED, What.TIMEOUT, What.MEMORY, What.RESULT, What.DIED, What.INVALID}
)
"""Failures of a tool's own making. A refusing sandbox says nothing about a tool; nor does code that
refuses an input (`tools/refusals.py`); nor a result larger than a model can be shown, for the model
may have asked for it; nor a chain's step that fails: its tool may have good reason (nothing was
found), and code has a record of its own."""

_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPolicy:
    """When a tool goes up and down the ladder.

    Attributes:
        uses: Uses at its rung that a tool needs before a step up or down is thought about.
        restricted: Share of them that must succeed for the step to `Level.RESTRICTED`.
        full: The same for the step to `Level.FULL`.
        bound: Share that the Wilson 95 % lower bound must reach as well, however the plain rate
            looks; `None` for the plain rate alone.
        approve_full: Whether the step to `Level.FULL` waits for a person.
        approve_write: Whether writing to folders of the host waits for a person.
        breaker: Failures in a row that open a tool's breaker.
        demote_below: Share of its newest `uses` uses under which a tool goes a rung down.

    Raises:
        BadInput: A count under 1, a share that is none, or a tool that would be promoted and
            demoted for the same record.
    """

    uses: int = 10
    restricted: float = 0.95
    full: float = 0.99
    bound: float | None = None
    approve_full: bool = True
    approve_write: bool = True
    breaker: int = 3
    demote_below: float = 0.8

    @property
    def window(self) -> int:
        """How many of a tool's newest uses matter one by one."""
        return max(self.uses, self.breaker)

    def __post_init__(self) -> None:
        for name in ("uses", "breaker"):
            if getattr(self, name) < 1:
                raise BadInput("must be 1 or more", where=f"ladder.{name}")
        for name in ("restricted", "full", "bound", "demote_below"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise BadInput("must be a share, from 0 to 1", where=f"ladder.{name}")
        if self.demote_below > min(self.restricted, self.full):
            raise BadInput(
                "must not be above 'restricted' or 'full', or a tool would go up and down for ever",
                where="ladder.demote_below",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRecord:
    """How a tool did since its last step on the ladder.

    Only uses that say something about the tool count: those that gave a result, and those that
    failed by its own making (`OWN_FAULT`).

    Attributes:
        uses: How many.
        successes: Those that gave a result.
        newest: Whether each of the newest gave a result, newest first; as many as were asked for.
        last: Number of the newest use, whether it counts or not; 0 where there is none.
        last_at: When that was, seconds since the epoch.
        by_what: Failures by kind, the tool's own and others.
        carried: Failures in a row up to that step, where it was the ladder's. They count for the
            breaker only, which is about what happens now and not about a rung.
    """

    uses: int = 0
    successes: int = 0
    newest: tuple[bool, ...] = ()
    last: int = 0
    last_at: float | None = None
    by_what: Mapping[str, int] = field(default_factory=dict, hash=False)
    carried: int = 0

    @property
    def streak(self) -> int:
        """Failures in a row up to the newest use, as far as `newest` goes; then those carried."""
        whole = len(self.newest) + self.carried
        return next((at for at, ok in enumerate(self.newest) if ok), whole)

    @property
    def rate(self) -> float | None:
        """Share that succeeded; `None` before the first use."""
        return self.successes / self.uses if self.uses else None

    @property
    def bound(self) -> float | None:
        """The Wilson 95 % lower bound of that share; `None` before the first use."""
        return wilson_lower(self.successes, self.uses) if self.uses else None

    def to_json(self) -> dict[str, Json]:
        return {
            "uses": self.uses,
            "successes": self.successes,
            "rate": self.rate,
            "bound": self.bound,
            "streak": self.streak,
            "last_at": self.last_at,
            "by_what": dict(self.by_what),
        }


class Move(StrEnum):
    """What a step does; the kinds of the ledger's entries."""

    PROMOTE = "promotion"
    DEMOTE = "demotion"
    OPEN = "breaker"
    """The breaker opens: the tool is inert until a person closes it, or its code is revised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a record leads to, with the reasons as data.

    Attributes:
        move: Which way.
        before: What the tool was granted.
        after: What it is granted from now on; with an open breaker, what it has when that closes.
        record: What the step rests on.
        reason: The same in one sentence.
    """

    move: Move
    before: Permissions
    after: Permissions
    record: UseRecord
    reason: str


def wilson_lower(successes: int, n: int) -> float:
    """Lower end of the 95 % score interval of a share: 10 of 10 is no better than 0.72.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (158), 209-212.

    Raises:
        ValueError: No trials, or more successes than trials.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no share")
    share, square = successes / n, _Z * _Z
    centre = share + square / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # Rounding may leave a hair to either side where nothing succeeded.
    return min(share, max(0.0, (centre - spread) / (1 + square / n)))


def decide(
    policy: LadderPolicy, granted: Permissions, need: Permissions, record: UseRecord
) -> Step | None:
    """The step that a tool's record leads to; `None` where it stays where it is.

    A record counts since the last step, so every rung is earned by uses on it. The breaker comes
    first, for it is about what happens now (also across a step); then the way down, then the way
    up. A chain is granted nothing, so of what its record leads to only the breaker holds.

    Args:
        policy: What leads where.
        granted: What the tool is granted; its breaker is closed.
        need: What its item declares.
        record: How it did since its last step, with `policy.window` of its newest uses.
    """
    if record.streak >= policy.breaker:
        return Step(
            move=Move.OPEN,
            before=granted,
            after=granted,
            record=record,
            reason=f"{record.streak} failures in a row",
        )
    return _down(policy, granted, record) or _up(policy, granted, need, record)


def _down(policy: LadderPolicy, granted: Permissions, record: UseRecord) -> Step | None:
    lower = below(granted.level)
    newest = record.newest[: policy.uses]
    if lower is None or not _worse(policy, newest):
        return None
    return Step(
        move=Move.DEMOTE,
        before=granted,
        after=at_level(granted, lower),
        record=record,
        reason=(
            f"{sum(newest)} of the newest {len(newest)} uses succeeded, "
            f"less than {policy.demote_below:.0%}"
        ),
    )


def _worse(policy: LadderPolicy, newest: Sequence[bool]) -> bool:
    """Whether a full window of uses has too few good ones."""
    return len(newest) >= policy.uses and sum(newest) / len(newest) < policy.demote_below


def _up(
    policy: LadderPolicy, granted: Permissions, need: Permissions, record: UseRecord
) -> Step | None:
    higher = granted.level.above()
    rate, bound = record.rate, record.bound
    if higher is None or rate is None or bound is None or record.uses < policy.uses:
        return None
    share = policy.restricted if higher is Level.RESTRICTED else policy.full
    if rate < share or (policy.bound is not None and bound < policy.bound):
        return None
    # The network only for code that asks for it: a grant that nothing needs can only be misused.
    if higher is Level.FULL and (policy.approve_full or need.level is not Level.FULL):
        return None
    # A good past does not carry a tool up that is getting worse: it would be on its way down next.
    if _worse(policy, record.newest[: policy.uses]):
        return None
    if policy.approve_write and not set(need.write) <= set(granted.write):
        return None
    return Step(
        move=Move.PROMOTE,
        before=granted,
        after=Permissions(
            level=higher,
            read=granted.read,
            # Where a person need not be asked, what the code declares is what it gets.
            write=granted.write if policy.approve_write else (*granted.write, *need.write),
            hosts=need.hosts if higher is Level.FULL else (),
        ),
        record=record,
        reason=(
            f"{record.successes} of {record.uses} uses succeeded, at least {share:.0%}; "
            f"the 95 % lower bound is {bound:.2f}"
        ),
    )


def below(level: Level) -> Level | None:
    """The rung under this one; `None` under the lowest."""
    return next((each for each in Level if each.above() is level), None)


def at_level(granted: Permissions, level: Level) -> Permissions:
    """What is left of a grant at a lower level."""
    return replace(
        granted,
        level=level,
        write=() if level is Level.SANDBOX else granted.write,
        hosts=granted.hosts if level is Level.FULL else (),
    )
