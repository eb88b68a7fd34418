"""A sandbox by bubblewrap: one `bwrap` process for every call.

For machines that let no process but a known one make namespaces. Slower than the other backends,
70 ms for a call, since an interpreter starts each time. bwrap makes the namespaces, the mounts and
the clean environment; `bubblewrap_inner.py` adds the limits, and the filter of system calls that
the other Linux backends use. At `Level.FULL` it gives the machine's network: it cannot hold code to
some hosts, so it refuses where hosts are named.

Source: bwrap(1), version 0.8.

Next file: `sandbox/monty.py`.
"""

import base64
import contextlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, ClassVar

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, checked
from strop.permission import Level, Permissions
from strop.sandbox.base import SCRATCH, Bounds, Failure, Outcome, Program, What
from strop.sandbox.granted import unfit
from strop.sandbox.linux import nolinks, root, seccomp
from strop.sandbox.linux.exchange import exchange
from strop.sandbox.linux.pool import Child
from strop.sandbox.linux.reply import outcome

__all__ = ["BubblewrapSandbox"]

_HERE = Path(__file__).parent
_BOUNDS = Bounds()
_NAMES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki")
"""What resolving names and checking certificates takes."""
_NOWHERE = ("/", "/proc", "/sys", "/dev", SCRATCH, "/strop", "/inner.py")
"""Places that are made inside, or that show more than files; no folder in them is granted."""
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "HOME": SCRATCH,
    "TMPDIR": SCRATCH,
    "OPENBLAS_NUM_THREADS": "1",  # each thread would take from the memory that is allowed
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",  # glibc's: 64 MB of the memory allowed for each thread
}


class BubblewrapSandbox:
    """Runs each call in an interpreter of its own under `bwrap`.

    Args:
        bwrap: Path of the program; found on PATH if not given.
    """

    name: ClassVar[str] = "bubblewrap"
    levels: ClassVar[frozenset[Level]] = frozenset(Level)

    def __init__(self, bwrap: str | None = None) -> None:
        self._bwrap = bwrap or shutil.which("bwrap")

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,
    ) -> Outcome:
        """See `Sandbox.call`."""
        started = time.monotonic()
        try:
            job = _job(program, args, bounds)
            command = self._command(permissions)
            with _held(permissions) as folders:
                asked = _asked(program, permissions, bounds, folders)
                found = _run(command, asked, job, bounds)
        except _NotRunError as error:
            found = Outcome(failure=error.failure)
        return replace(found, seconds=time.monotonic() - started)

    def close(self) -> None:
        """Nothing to end: a call's processes are gone when the call is over."""

    def _command(self, permissions: Permissions) -> list[str]:
        if self._bwrap is None:
            raise _refused("bwrap is not installed (apt install bubblewrap)")
        if permissions.hosts:
            raise _refused("bubblewrap cannot hold code to named hosts, only to any or none")
        problem = unfit(permissions, _NOWHERE)
        if problem:
            raise _refused(problem)
        if not sys.executable:
            raise _refused("the path of the Python interpreter is not known")
        return [self._bwrap, *_options(permissions), os.path.realpath(sys.executable)]


class _NotRunError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _refused(message: str) -> _NotRunError:
    return _NotRunError(Failure(what=What.REFUSED, message=message))


def _options(permissions: Permissions) -> Iterator[str]:
    """Of bwrap: everything is taken away, then what Python needs and what is granted comes back."""
    yield from ("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session")
    yield "--clearenv"
    if permissions.level is Level.FULL:
        yield "--share-net"
    # For the mounts that the inner process makes and unmakes before it gives up this one too.
    yield from ("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN")
    for name, text in _ENVIRONMENT.items():
        yield from ("--setenv", name, text)
    if "LD_LIBRARY_PATH" in os.environ:  # some interpreters find their own library by it
        yield from ("--setenv", "LD_LIBRARY_PATH", os.environ["LD_LIBRARY_PATH"])
    shown = dict.fromkeys((*root.libraries(), os.path.realpath(sys.executable)), "--ro-bind")
    if permissions.level is Level.FULL:
        shown |= dict.fromkeys((path for path in _NAMES if Path(path).exists()), "--ro-bind")
    shown |= dict.fromkeys(permissions.read, "--ro-bind")
    shown |= dict.fromkeys(permissions.write, "--bind")
    for path in sorted(shown, key=lambda path: (path.count("/"), path)):
        yield from (shown[path], path, path)
    for device in root.DEVICES:
        yield from ("--dev-bind", device, device)
    yield from ("--ro-bind", str(_HERE / "linux"), "/strop")
    yield from ("--ro-bind", str(_HERE / "bubblewrap_inner.py"), "/inner.py")
    yield from ("--proc", "/proc", "--dir", SCRATCH, "--remount-ro", "/", "--chdir", SCRATCH)


@contextlib.contextmanager
def _held(permissions: Permissions) -> Iterator[list[Json]]:
    """Path, device and inode of each granted folder, none by a link; nobody reuses an inode now.

    bwrap goes by paths, and something else may be there once it does; the inner process compares.
    """
    with contextlib.ExitStack() as stack:
        folders: list[Json] = []
        for path in (*permissions.read, *permissions.write):
            try:
                fd = nolinks.opened(path)
            except OSError as error:
                raise _refused(f"the folder {path!r} cannot be granted: {error.strerror}") from None
            stack.callback(os.close, fd)
            found = os.fstat(fd)
            folders.append([path, found.st_dev, found.st_ino])
        yield folders


def _asked(
    program: Program, permissions: Permissions, bounds: Bounds, folders: list[Json]
) -> bytes:
    """What the inner process confines itself to."""
    try:
        filtered = seccomp.program(permissions.level)
    except KeyError as error:
        raise _refused(str(error.args[0])) from None
    scratch = permissions.level is not Level.SANDBOX
    asked: dict[str, Json] = {
        "path": [path for path in sys.path if Path(path).is_absolute()],
        "imports": list(program.imports),
        "folders": folders,
        "scratch": [bounds.scratch, bounds.files] if scratch else None,
        "file_size": bounds.scratch,
        "filter": base64.b64encode(filtered).decode(),
    }
    return json.dumps(asked).encode()


def _job(program: Program, args: JsonObject, bounds: Bounds) -> bytes:
    try:
        job: dict[str, Json] = {
            "source": program.source,
            "function": program.function,
            "args": checked(args, where="args"),
            "result": bounds.result,
            "printed": bounds.printed,
            "memory": bounds.memory,
            "cpu": math.ceil(bounds.seconds) + 1,
        }
    except BadInput as error:
        raise _NotRunError(Failure(what=What.INVALID, message=str(error))) from None
    return json.dumps(job).encode()


def _run(command: list[str], asked: bytes, job: bytes, bounds: Bounds) -> Outcome:
    with tempfile.TemporaryFile() as errors:
        process, child = _start(command, errors)
        try:
            assert process.stdin  # noqa: S101 - it was asked to be a pipe
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(asked)
            seen = exchange(child, job, bounds)
        finally:
            process.kill()
            process.wait()
        if seen.ready != b"{}\n":
            raise _NotRunError(_not_ready(seen.ready, errors))
        if seen.answer is None:
            seen = replace(seen, status=_status(process.returncode))
        return outcome(seen, bounds, seconds=0)


def _start(command: list[str], errors: IO[bytes]) -> tuple["subprocess.Popen[bytes]", Child]:
    ours, theirs = socket.socketpair()
    printed, out = os.pipe()
    status, told = os.pipe()
    os.close(told)  # bwrap's own exit status says how the inner process ended
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, our own words
            [*command, "-I", "-S", "/inner.py", str(theirs.fileno())],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=errors,
            pass_fds=[theirs.fileno()],
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        os.close(printed)
        os.close(status)
        raise _refused(f"bwrap cannot be started: {error.strerror}") from None
    finally:
        theirs.close()
        os.close(out)
    pidfd = os.pidfd_open(process.pid)
    return process, Child(call=ours, printed=printed, status=status, process=pidfd)


def _not_ready(ready: bytes, errors: IO[bytes]) -> Failure:
    """Why nothing was run: the inner process says so, or bwrap does."""
    if ready:
        told = json.loads(ready)  # from before any untrusted code ran
        return Failure(what=What(told["what"]), message=told["message"])
    errors.seek(0)
    said = errors.read(4096).decode(errors="replace").strip().rpartition("\n")[2]
    message = f"bubblewrap cannot confine a process: {said or 'it ended'}"
    return Failure(what=What.REFUSED, message=message)


def _status(returncode: int) -> int:
    """How the inner process ended; bwrap gives a signal as 128 and its number, as a shell does."""
    return 128 - returncode if 128 < returncode <= 192 else returncode
