"""Every exception Strop raises on purpose, as one tree.

    StropError
    ├── UserMistake            what was asked cannot be done as asked; the CLI exits with code 2
    │   ├── BadInput           a file, a line or a value that does not hold what it should
    │   ├── NotInstalled       something optional is missing; the message names the command
    │   ├── ChangeRefused      a change that does not fit the spec it is applied to
    │   └── StoreUnavailable   the database is locked, full, read-only or from a newer version
    ├── ModelFailed            a model gave no usable answer; inside a run this is recorded
    └── ToolCallFailed         a tool's call gave no result; inside a run this is recorded

A failed run, a failed scorer and an undecided comparison are values (`Run.error`, `ScoreFailure`,
`Verdict`), never exceptions. Every message says what happened, where, and what to do next.

Next file: `jsonvalue.py`.
"""

__all__ = [
    "BadInput",
    "ChangeRefused",
    "ModelFailed",
    "NotInstalled",
    "StoreUnavailable",
    "StropError",
    "ToolCallFailed",
    "UserMistake",
]


class StropError(Exception):
    """Base of all exceptions raised on purpose by this package."""


class UserMistake(StropError):
    """The request cannot be carried out as given; the message says what to change."""


class BadInput(UserMistake):
    """A value that does not hold what it should.

    Args:
        problem: What is wrong and what to do, in one sentence.
        where: File and line (``tasks.jsonl:12``) or the name of the field, if known.
    """

    def __init__(self, problem: str, *, where: str | None = None) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.where = where


class NotInstalled(UserMistake):
    """Something optional is missing; the message names the one command that installs it."""


class ChangeRefused(UserMistake):
    """A change that does not fit the spec it is applied to."""


class StoreUnavailable(UserMistake):
    """The database cannot be used now; the message says why and what to do."""


class ModelFailed(StropError):
    """A model gave no usable answer (refused, malformed, unreachable or out of time)."""


class ToolCallFailed(StropError):
    """A tool's call gave no result; the message is for the model to read."""
