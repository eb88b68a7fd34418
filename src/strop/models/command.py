"""A program as a model: the prompt goes to its standard input, its standard output is the answer.

No shell is involved. The program gets its own process group, which is killed as a whole when the
answer is there, late or no longer wanted, so nothing it started lives on. What the program may do
is up to the operator who names it: this is not a sandbox.

Next file: `models/handoff.py`.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import anyio.abc

from strop.errors import BadInput, ModelFailed

__all__ = ["Command"]

TIMEOUT = 600.0
MAX_ANSWER_BYTES = 4 << 20
KEPT_ERROR_BYTES = 64 << 10
GRACE = 1.0  # seconds for a pipe to close after its process group is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program that answers prompts.

    Attributes:
        argv: Program and arguments.
        timeout: Seconds it may take where the request does not say.
    """

    argv: tuple[str, ...]
    timeout: float = TIMEOUT

    @classmethod
    def parse(cls, line: str) -> "Command":
        """A command line, split as a POSIX shell splits words; nothing else of a shell is known.

        Raises:
            BadInput: Unbalanced quotes, or no such program.
        """
        try:
            argv = tuple(shlex.split(line))
        except ValueError as error:
            raise BadInput(f"{line!r} cannot be split into words: {error}", where="model") from None
        if not argv or shutil.which(argv[0]) is None:
            raise BadInput(
                f"there is no program {argv[0] if argv else ''!r} on the PATH; install it or give "
                "its path",
                where="model",
            )
        return cls(argv=argv)

    @property
    def system(self) -> str:
        return "command"

    @property
    def name(self) -> str:
        return shlex.join(self.argv)

    async def answer(self, prompt: str, *, limit: float | None = None) -> str:
        """What the program writes to standard output.

        Raises:
            ModelFailed: It cannot be started, ends with an error, writes more than 4 MiB or takes
                too long.
        """
        limit = self.timeout if limit is None else limit
        try:
            with anyio.fail_after(limit):
                async with _started(self.argv) as process:
                    output, error = await _talk(process, prompt)
        except TimeoutError:
            raise ModelFailed(f"{self.argv[0]} gave no answer within {limit:g} s") from None
        except OSError as problem:
            raise ModelFailed(f"{self.argv[0]} cannot be started: {problem.strerror}") from None
        if output is None:
            raise ModelFailed(f"{self.argv[0]} wrote more than {MAX_ANSWER_BYTES >> 20} MiB")
        if process.returncode:
            lines = error.decode("utf-8", "replace").strip().splitlines()
            why = lines[-1] if lines else "it said nothing on standard error"
            raise ModelFailed(f"{self.argv[0]} ended with code {process.returncode}: {why}")
        return output.decode("utf-8", "replace")


@asynccontextmanager
async def _started(argv: tuple[str, ...]) -> AsyncIterator[anyio.abc.Process]:
    """The running program; on leaving, it and everything it started is killed."""
    process = await anyio.open_process(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill(process)
        with anyio.CancelScope(shield=True):
            await process.wait()
            await process.aclose()


def _kill(process: anyio.abc.Process) -> None:
    """Kill the process group; its leader may be gone while others of it live on."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # Windows has no process groups of this kind


async def _talk(process: anyio.abc.Process, prompt: str) -> tuple[bytes | None, bytes]:
    """Write the prompt and read both outputs until the program ends; `None` for too much output."""
    output, error = bytearray(), bytearray()
    too_much = False

    async def read_output(scope: anyio.CancelScope) -> None:
        nonlocal too_much
        assert process.stdout is not None  # noqa: S101 - opened as a pipe
        async for chunk in process.stdout:
            output.extend(chunk)
            if len(output) > MAX_ANSWER_BYTES:
                too_much = True
                scope.cancel()

    async def read_error() -> None:
        assert process.stderr is not None  # noqa: S101 - opened as a pipe
        async for chunk in process.stderr:
            error.extend(chunk)
            del error[:-KEPT_ERROR_BYTES]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_output, tasks.cancel_scope)
        tasks.start_soon(read_error)
        tasks.start_soon(_write, process, prompt)
        await process.wait()
        # A child left in the background would hold the pipes open.
        _kill(process)
        tasks.cancel_scope.deadline = anyio.current_time() + GRACE
    return (None if too_much else bytes(output)), bytes(error)


async def _write(process: anyio.abc.Process, prompt: str) -> None:
    assert process.stdin is not None  # noqa: S101 - opened as a pipe
    # A program need not read its input.
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.send(prompt.encode("utf-8", "replace"))
        await process.stdin.aclose()
