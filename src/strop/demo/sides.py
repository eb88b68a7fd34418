"""What both acts of the demo share: the sealed test under one spec, and files written whole.

Next file: `demo/desk.py`.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from strop import loops
from strop.errors import BadInput
from strop.evaluation import Progress
from strop.gate import interval
from strop.jsonvalue import Json
from strop.parts import Parts
from strop.run import ScoredRun, Usage
from strop.spec import AgentSpec
from strop.task import Split

__all__ = ["Say", "Side", "lift", "sealed", "side", "write_whole"]

Say = Callable[[str], None]
"""Is told, in a line, what happens next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The sealed test under one spec; mean and interval are unknown where nothing is scored."""

    spec: str
    scores: tuple[float, ...]
    usage: Usage

    @property
    def mean(self) -> float | None:
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean."""
        return interval(self.scores)

    def to_json(self) -> dict[str, Json]:
        return {
            "spec": self.spec,
            "mean": self.mean,
            "interval": None if self.interval is None else list(self.interval),
            "tasks": len(self.scores),
            "usage": self.usage.to_json(),
        }


def lift(before: Side, after: Side) -> float | None:
    """How much the score rose; unknown where either is."""
    return None if before.mean is None or after.mean is None else after.mean - before.mean


async def sealed(parts: Parts, spec: AgentSpec, progress: Progress) -> tuple[ScoredRun, ...]:
    """The sealed test under a spec; each opening is recorded in the ledger."""
    return await loops.evaluate_split(parts, spec, split=Split.TEST, progress=progress)


def side(spec: AgentSpec, runs: Sequence[ScoredRun]) -> Side:
    """What came of the sealed test."""
    usage = Usage()
    for scored in runs:
        usage += scored.run.usage
    return Side(
        spec=spec.id, scores=tuple(s.value for s in runs if s.value is not None), usage=usage
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all: half of a configuration would pass for someone else's.

    Raises:
        BadInput: It cannot be written.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        with suppress(OSError):
            partial.unlink()
