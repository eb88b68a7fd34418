"""What a sandbox is: `Program`, `Bounds`, `Outcome`, and the `Sandbox` Protocol.

A sandbox runs one function of untrusted code under `Permissions` and says what came of it as a
value: code that raises, hangs, floods or dies is an outcome, never an exception. Values only; the
backends are beside this file.

Next file: `sandbox/linux/__init__.py`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject
from strop.permission import Level, Permissions

__all__ = ["SCRATCH", "Bounds", "Failure", "Outcome", "Program", "Sandbox", "What"]

SCRATCH = "/scratch"
"""Where code may write, from `Level.RESTRICTED` on: its working folder, empty at every call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Code to run: a module's source and the function in it to call.

    Attributes:
        source: Python source that defines `function`.
        function: Name of the function; called with the arguments by keyword.
        imports: Modules worth loading ahead of calls (a pool is kept per set of them); the code may
            import others that are there.
    """

    source: str
    function: str
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one call may take.

    Attributes:
        seconds: Wall-clock time.
        memory: Bytes of address space beyond what the interpreter and its imports take.
        result: Bytes of the result as JSON.
        printed: Bytes of what it prints that are kept; the rest is dropped.
        scratch: Bytes that it may write to its scratch folder.
        files: Files and folders that it may make there.

    Raises:
        BadInput: A bound that is not above 0.
    """

    seconds: float = 5.0
    memory: int = 512 * 2**20
    result: int = 4 * 2**20
    printed: int = 64 * 2**10
    scratch: int = 64 * 2**20
    files: int = 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise BadInput("must be above 0", where=f"bounds.{name}")


class What(StrEnum):
    """What became of a call that gave no result."""

    RAISED = "raised"
    """The code raised an exception."""
    TIMEOUT = "timeout"
    """It was stopped when its time was up."""
    MEMORY = "memory"
    """It ran out of the memory it may use."""
    RESULT = "result"
    """Its result is not JSON, or larger than allowed."""
    DIED = "died"
    """Its process ended: killed by a forbidden system call, or by itself."""
    INVALID = "invalid"
    """The code does not parse, does not load, or does not define the function."""
    REFUSED = "refused"
    """Not run: this backend cannot hold it to the permissions asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call gave no result.

    Attributes:
        what: Which kind.
        message: One line for people; for an exception, its type and text.
        line: Line of the program's source where it was raised, if known.
    """

    what: What
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one call.

    Attributes:
        value: The function's result, plain JSON; `None` also where it failed.
        failure: Why there is none, or `None`.
        printed: What it wrote to stdout and stderr, up to the bound.
        seconds: Wall-clock time of the call, as the caller waited for it.
    """

    value: Json = field(default=None, hash=False)
    failure: Failure | None = None
    printed: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the function returned."""
        return self.failure is None


class Sandbox(Protocol):
    """Runs untrusted code where it can do no harm. Calls may come from several threads at once."""

    @property
    def name(self) -> str:
        """Which backend this is, for example ``namespaces``."""
        ...

    @property
    def levels(self) -> frozenset[Level]:
        """The levels that it can hold code to; at any other it refuses."""
        ...

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = ...,
    ) -> Outcome:
        """Call the program's function, each time in a process of its own that is gone afterwards.

        Nothing that the code does raises here; whatever fails is in the outcome.
        """
        ...

    def close(self) -> None:
        """End its processes; a call after that starts them anew."""
        ...
