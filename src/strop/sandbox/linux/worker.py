"""A worker process: isolates itself once, then forks a fully confined child for every call.

It loads the modules that tools use, so that a fork has them. A child takes all its powers away,
says so, waits for one job, runs it and ends; a spare one waits while a call is served, so none of
this is on the caller's way. The worker itself never runs untrusted code, and believes none: it
hears only its parent. Standard library, nothing of Strop.

What it is asked for comes as JSON on standard input (`pool.py` writes it); over the control
socket it then gets one byte per child wanted, and answers with the child's descriptors.

Next file: `sandbox/linux/boot.py`.
"""

import base64
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

from strop.sandbox.linux import confine, kernel, landlock, network, nolinks, root, runner

__all__ = ["main"]

_CALL, _STATM, _FIRST_FREE = 3, 4, 5
_LOOK_AROUND = 5_000  # milliseconds between checks that the parent lives
_PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    """Serve until the parent closes the control socket, or is gone."""
    asked = json.load(sys.stdin)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        worker = _Worker(asked, control)
    except (OSError, _NotLoadedError) as error:
        what = "invalid" if isinstance(error, _NotLoadedError) else "refused"
        control.send(json.dumps({"error": [what, str(error)]}).encode())
        os._exit(1)
    with contextlib.suppress(ConnectionError):
        worker.serve()
    os._exit(0)


class _NotLoadedError(Exception):
    """A module that should be loaded ahead cannot be."""


class _Worker:
    def __init__(self, asked: dict[str, Any], control: socket.socket) -> None:
        self.asked = asked
        self.control = control
        self.parent = os.getppid()
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.libraries = root.libraries()
        self.running: dict[int, tuple[int, int]] = {}  # pidfd: (pid, where to tell its end)
        self.filter = base64.b64decode(asked["filter"])
        confine.offer_to_end(self.proc)
        doors = self._isolate()
        _load(asked["imports"])
        gc.collect()
        gc.freeze()  # what is here stays: children need not look at it, and share its memory
        socket.send_fds(control, [b'{"ready": true}'], [door.fileno() for door in doors])
        for door in doors:
            door.close()

    def _isolate(self) -> list[socket.socket]:
        asked = self.asked
        if not asked["namespaces"]:
            if asked["uid"] is not None:
                confine.become(asked["uid"])
            os.chdir("/")
            return []
        flags = kernel.NEWNS | kernel.NEWIPC | kernel.NEWUTS
        if not asked["any_host"]:
            flags |= kernel.NEWNET
        uid, gid = asked["uid"], asked["uid"]
        if uid is None:
            uid, gid = os.getuid(), os.getgid()
            kernel.unshare(flags | kernel.NEWUSER)
            confine.map_user(self.proc, uid, gid)
        else:
            kernel.unshare(flags)
        socket.sethostname("sandbox")
        # With any host the network is the host's, and only root may touch its loopback.
        wanted = [(address, port) for address, port in asked["doors"]]
        doors = [] if asked["any_host"] else network.listen(wanted)
        granted = dict.fromkeys(asked["read"], False) | dict.fromkeys(asked["write"], True)
        owner = None if asked["uid"] is None else (self.proc, uid)
        root.build([*self.libraries, *asked["system"]], granted, asked["texts"], owner=owner)
        if asked["uid"] is not None:
            confine.become(uid)
            kernel.unshare(kernel.NEWUSER | kernel.NEWNS)
            confine.map_user(self.proc, uid, gid)
        return doors

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        while os.getppid() == self.parent:
            for fd, _ in poll.poll(_LOOK_AROUND):
                if fd != self.control.fileno():
                    poll.unregister(fd)
                    self._bury(fd)
                elif not self.control.recv(1):
                    return
                else:
                    poll.register(self._fork(), select.POLLIN)

    def _fork(self) -> int:
        call, theirs = socket.socketpair()
        printed, out = os.pipe()
        status, end = os.pipe()
        pid = self._clone()
        if pid == 0:
            _Child(self, theirs.fileno(), out).serve()
        theirs.close()
        os.close(out)
        pidfd = os.pidfd_open(pid)
        socket.send_fds(self.control, [b"{}"], [call.fileno(), printed, status, pidfd])
        call.close()
        os.close(printed)
        os.close(status)
        self.running[pidfd] = (pid, end)
        return pidfd

    def _clone(self) -> int:
        if not self.asked["namespaces"]:
            return os.fork()
        flags = kernel.NEWUSER | kernel.NEWPID
        return kernel.clone(flags | kernel.NEWNS if self.asked["scratch"] else flags)

    def _bury(self, pidfd: int) -> None:
        pid, end = self.running.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        with contextlib.suppress(BrokenPipeError):  # nobody asks how a call ended that went well
            os.write(end, struct.pack("<i", os.waitstatus_to_exitcode(status)))
        os.close(end)


class _Child:
    """One forked process, from its first moment to its end."""

    def __init__(self, worker: _Worker, call: int, out: int) -> None:
        self.worker, self.asked = worker, worker.asked
        self.call, self.out = call, out

    def serve(self) -> NoReturn:
        try:
            self._confine()
            os.write(_CALL, b"{}\n")
        except BaseException as error:  # noqa: BLE001 - nothing may run in half a sandbox
            failure = {"what": "refused", "message": f"cannot confine a process: {error}"}
            answer = json.dumps({"failure": failure | {"line": None}})
            with contextlib.suppress(OSError):
                os.write(self.call, answer.encode() + b"\n")
            os._exit(1)
        try:
            runner.main(_CALL, _CALL)
        finally:
            os._exit(1)  # whatever untrusted code made of it, nothing returns from here

    def _confine(self) -> None:
        asked, proc = self.asked, self.worker.proc
        if asked["namespaces"]:
            confine.map_user(proc, 1000, 1000)
        if asked["scratch"]:
            root.scratch(*asked["scratch"])
            os.chdir("/scratch")
        self._arrange_descriptors(os.open("self/statm", os.O_RDONLY, dir_fd=proc))
        if "numpy.random" in sys.modules:  # Python's own generator renews itself after a fork
            sys.modules["numpy.random"].seed()
        runner.rehearse()
        confine.limit(file_size=asked["file_size"], tasks=asked["own_user"])
        if landlock.version() or not asked["namespaces"]:
            landlock.restrict(self._rules(), ports=asked["ports"])
        confine.drop_capabilities()
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        confine.filter_calls(self.worker.filter)

    def _arrange_descriptors(self, statm: int) -> None:
        """Leave 0 to 2, the call's socket and the size file; nothing of the worker's stays open."""
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in (self.call, statm, self.out)]
        for fd, place in zip([*high, high[2]], [_CALL, _STATM, 1, 2], strict=True):
            os.dup2(fd, place)
        self.call = _CALL
        kernel.call("close_range", _FIRST_FREE, 2**32 - 1, 0)
        runner.STATM.append(_STATM)

    def _rules(self) -> list[tuple[str | int, int]]:
        asked = self.asked
        rules: list[tuple[str | int, int]] = [(path, landlock.USE) for path in root.DEVICES]
        if asked["namespaces"]:
            rules += [("/", landlock.READ), ("/scratch", landlock.READ_WRITE)]
            rules += [(nolinks.opened(path), landlock.READ_WRITE) for path in asked["write"]]
        else:
            rules += [(path, landlock.READ) for path in self.worker.libraries]
            rules += [(nolinks.opened(path), landlock.READ) for path in asked["read"]]
        return rules


def _load(names: list[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            told = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            raise _NotLoadedError(f"the module {name!r} cannot be loaded ({told})") from error
