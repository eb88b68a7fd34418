"""Takes a process's powers away, one layer after another, for good.

The order matters: limits and Landlock first, capabilities next, the system-call filter last, since
each step needs calls that the following ones forbid. It makes no namespaces. Used in worker
processes only: standard library, nothing of Strop.

Source: prctl(2), capabilities(7), setrlimit(2), seccomp(2), user_namespaces(7).

Next file: `sandbox/linux/runner.py`.
"""

import ctypes
import os
import resource
import struct

from strop.sandbox.linux import kernel

__all__ = ["become", "drop_capabilities", "filter_calls", "limit", "map_user", "offer_to_end"]

_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_SECUREBITS = 4, 24, 28
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _AMBIENT_CLEAR = 38, 47, 4
_SECUREBITS = 0xEF  # a uid of 0 means nothing, and all of that is locked
_CAPABILITY_VERSION_3 = 0x2008_0522
_SET_MODE_FILTER = 1
_DESCRIPTORS, _TASKS = 128, 64


def become(uid: int) -> None:
    """Be an ordinary user from here on, in no group; this process must be root."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.prctl(_PR_SET_DUMPABLE, 1)  # its own files in /proc were root's since that


def map_user(proc: int, uid: int, gid: int) -> None:
    """Give this process's user, in the new user namespace, an ordinary user's number (1000).

    Args:
        proc: A descriptor of a /proc that shows this process.
        uid: The user outside the namespace.
        gid: The group outside.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"1000 {gid} 1"),
        ("uid_map", f"1000 {uid} 1"),
    ):
        fd = os.open(f"self/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def offer_to_end(proc: int) -> None:
    """Be among the first that the kernel ends when the machine runs out of memory.

    Args:
        proc: A descriptor of a /proc that shows this process; children inherit what is set.
    """
    fd = os.open("self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        os.write(fd, b"500")
    finally:
        os.close(fd)


def limit(*, file_size: int, tasks: bool) -> None:
    """Bound what is counted per process; memory and processor time are the job's (`runner.py`).

    Args:
        file_size: Bytes of the largest file it may write.
        tasks: Whether threads can be bounded: only where the user is this process's alone.
    """
    for which, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_FSIZE, file_size),
    ):
        now = resource.getrlimit(which)[1]
        most = most if now == resource.RLIM_INFINITY else min(now, most)  # noqa: PLW2901
        resource.setrlimit(which, (most, most))
    if tasks:
        resource.setrlimit(resource.RLIMIT_NPROC, (_TASKS, _TASKS))


def drop_capabilities() -> None:
    """Give up every capability, and every way to one."""
    try:
        for capability in range(64):
            kernel.prctl(_PR_CAPBSET_DROP, capability)
    except OSError:  # past the last one, or (an ordinary user) there were none to give up
        pass
    for option, argument in ((_PR_CAP_AMBIENT, _AMBIENT_CLEAR), (_PR_SET_SECUREBITS, _SECUREBITS)):
        try:
            kernel.prctl(option, argument)
        except PermissionError:  # an ordinary user: nothing to lock, `no_new_privs` does it
            continue
    kernel.call("capset", struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter in this process; it must have one thread."""
    kernel.prctl(_PR_SET_DUMPABLE, 0)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    array = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxQ", len(program) // 8, ctypes.addressof(array))
    kernel.call("seccomp", _SET_MODE_FILTER, 0, header)
