"""Which system calls confined code may make, as a seccomp filter (classic BPF).

An allow-list: what CPython, numpy, pandas and sqlite need; any other call fails with EPERM, so the
code sees an ordinary exception. Calls by another architecture's table kill the process. Nobody may
start a process, make a program that runs as its owner, send a signal (not even to itself) or, below
`Level.FULL`, make a socket that reaches out. It does not install the filter, that is `confine.py`;
paths and ports are beyond it, they are Landlock's business.

Source: seccomp(2), bpf(4); numbers from asm/unistd_64.h and asm-generic/unistd.h.

Next file: `sandbox/linux/relay.py`.
"""

import platform
import struct
from collections.abc import Mapping

from strop.permission import Level

__all__ = ["ARCHITECTURES", "program"]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machines there is a table for, with the kernel's AUDIT_ARCH number."""

# Each entry: name, its number on x86_64, its number on aarch64 ("-": it has none).
_ALWAYS = """
access 21 -, alarm 37 -, arch_prctl 158 -, brk 12 214, chdir 80 49, clock_getres 229 114,
clock_gettime 228 113, clock_nanosleep 230 115, close 3 57, close_range 436 436,
copy_file_range 326 285, dup 32 23, dup2 33 -, dup3 292 24, epoll_create 213 -,
epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22, epoll_pwait2 441 441,
epoll_wait 232 -, eventfd 284 -, eventfd2 290 19, exit 60 93, exit_group 231 94,
faccessat 269 48, faccessat2 439 439, fadvise64 221 223, fchdir 81 50, fdatasync 75 83,
fgetxattr 193 10, flistxattr 196 13, flock 73 32, fstat 5 80, fstatfs 138 44, fsync 74 82,
futex 202 98, futex_waitv 449 449, get_robust_list 274 100, getcpu 309 168, getcwd 79 17,
getdents 78 -, getdents64 217 61, getegid 108 177, geteuid 107 175, getgid 104 176,
getgroups 115 158, getitimer 36 102, getpeername 52 205, getpgid 121 155, getpgrp 111 -,
getpid 39 172, getppid 110 173, getpriority 140 141, getrandom 318 278, getresgid 120 150,
getresuid 118 148, getrlimit 97 163, getrusage 98 165, getsid 124 156, getsockname 51 204,
getsockopt 55 209, gettid 186 178, gettimeofday 96 169, getuid 102 174, getxattr 191 8,
lgetxattr 192 9, listxattr 194 11, llistxattr 195 12, lseek 8 62, lstat 6 -, madvise 28 233,
membarrier 324 283, mincore 27 232, mmap 9 222, mprotect 10 226, mremap 25 216, mseal 462 462,
msync 26 227, munmap 11 215, nanosleep 35 101, newfstatat 262 79, open 2 -, openat 257 56,
pause 34 -, pipe 22 -, pipe2 293 59, poll 7 -, ppoll 271 73, pread64 17 67, preadv 295 69,
preadv2 327 286, pselect6 270 72, pwrite64 18 68, pwritev 296 70, pwritev2 328 287, read 0 63,
readahead 187 213, readlink 89 -, readlinkat 267 78, readv 19 65, recvfrom 45 207,
recvmmsg 299 243, recvmsg 47 212, restart_syscall 219 128, rseq 334 293, rt_sigaction 13 134,
rt_sigpending 127 136, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigsuspend 130 133,
rt_sigtimedwait 128 137, sched_get_priority_max 146 125, sched_get_priority_min 147 126,
sched_getaffinity 204 123, sched_getparam 143 121, sched_getscheduler 145 120,
sched_yield 24 124, select 23 -, sendfile 40 71, sendmmsg 307 269, sendmsg 46 211,
sendto 44 206, set_robust_list 273 99, set_tid_address 218 96, setitimer 38 103,
setsockopt 54 208, shutdown 48 210, sigaltstack 131 132, splice 275 76, stat 4 -,
statfs 137 43, statx 332 291, sysinfo 99 179, tee 276 77, time 201 -, timerfd_create 283 85,
timerfd_gettime 287 87, timerfd_settime 286 86, times 100 153, umask 95 166, uname 63 160,
write 1 64, writev 20 66
"""
# Not at `sandbox`: Landlock does not cover the calls that change a file's metadata.
_WRITING = """
chmod 90 -, chown 92 -, creat 85 -, fallocate 285 47, fchmod 91 52, fchmodat 268 53,
fchmodat2 452 452, fchown 93 55, fchownat 260 54, ftruncate 77 46, futimesat 261 -,
lchown 94 -, link 86 -, linkat 265 37, mkdir 83 -, mkdirat 258 34, rename 82 -,
renameat 264 38, renameat2 316 276, rmdir 84 -, symlink 88 -, symlinkat 266 36,
sync_file_range 277 84, truncate 76 45, unlink 87 -, unlinkat 263 35, utime 132 -,
utimensat 280 88, utimes 235 -
"""
# Decided by their arguments, or answered in a way of their own.
_BY_ARGUMENT = """
bind 49 200, clone 56 220, clone3 435 435, connect 42 203, fcntl 72 25, ioctl 16 29,
openat2 437 437, prctl 157 167, prlimit64 302 261, socket 41 198, socketpair 53 199
"""

# Which argument of a call is the mode of a file; of those that open one, the flags come before it.
_MODES = {
    "chmod": 1,
    "creat": 1,
    "fchmod": 1,
    "fchmodat": 2,
    "fchmodat2": 2,
    "mkdir": 1,
    "mkdirat": 2,
}
_OPENS = {"open": 2, "openat": 3}
_MAKES = 0o20000100  # O_TMPFILE's own bit, O_CREAT
_SET_ID = 0o6000

_NEWEST = 462  # of the calls known here; what a later kernel adds "is not there" (ENOSYS)
_X32 = 0x4000_0000  # bit of the calls of x86_64's 32-bit-pointer table

# Commands that only look at or set a descriptor of one's own. F_SETOWN and F_SETSIG are left out:
# with them the kernel sends a signal on one's behalf; TIOCSTI types into a terminal.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS WINSZ NREAD NBIO NCLEX CLEX
_PRCTL = (15, 16, 21, 39, 0x53564D41)  # PR_SET_NAME GET_NAME GET_SECCOMP GET_NO_NEW_PRIVS SET_VMA

_UNIX, _INET, _INET6 = 1, 2, 10
_STREAM, _DATAGRAM = 1, 2
_TYPE = 0xF  # a socket's type without its flags
_PROTOCOLS = {_STREAM: (0, 6), _DATAGRAM: (0, 17)}  # MPTCP and SCTP would pass Landlock by
_THREAD, _NAMESPACES = 0x0001_0000, 0x7E02_0080  # CLONE_THREAD; every CLONE_NEW*

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_JUMP = 0x05
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF_0000, 0x8000_0000, 0x0005_0001, 0x0005_0026

_Code = list[tuple[int, int, int, int]]
_ALLOW_IT: _Code = [(_RETURN, 0, 0, _ALLOW)]
_REFUSE_IT: _Code = [(_RETURN, 0, 0, _EPERM)]


def program(level: Level, *, arch: str = platform.machine(), any_host: bool = True) -> bytes:
    """The filter for a level, as the `struct sock_filter` array that seccomp(2) and bwrap take.

    Args:
        level: What the code may do.
        arch: The machine's name, one of `ARCHITECTURES`.
        any_host: At `Level.FULL`, also UDP and bind(2), which resolving names takes; without it
            only TCP connections may be made (an allow-list of hosts needs no more).

    Raises:
        KeyError: No table for this machine.
    """
    number = _numbers(arch)
    names = _ALWAYS if level is Level.SANDBOX else _ALWAYS + "," + _WRITING
    table = _table(names, arch)
    actions = dict.fromkeys(table.values(), _ALLOW_IT)
    for call, rule in _modes().items():
        if call in table:
            actions[table[call]] = rule
    for call, rule in _rules(level, any_host=any_host).items():
        actions[number[call]] = rule
    code: _Code = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 1, 0, ARCHITECTURES[arch]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        *_search(_segments(actions)),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in code)


def _segments(actions: Mapping[int, _Code]) -> list[tuple[int, _Code]]:
    """Where each stretch of calls with the same action begins; one after another, from 0 on."""
    plan: dict[int, _Code] = {_X32: [(_RETURN, 0, 0, _KILL)]}
    for number in range(_NEWEST + 1):
        plan[number] = actions.get(number, _REFUSE_IT)
    plan[_NEWEST + 1] = [(_RETURN, 0, 0, _ENOSYS)]
    found: list[tuple[int, _Code]] = []
    for number, action in sorted(plan.items()):
        if not found or found[-1][1] != action:
            found.append((number, action))
    return found


def _search(segments: list[tuple[int, _Code]]) -> _Code:
    """Find the stretch by halving.

    The kernel runs a new filter once for every call there is, to remember what is always allowed;
    a list looked through from its top made that half a millisecond.
    """
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    low, high = _search(segments[:middle]), _search(segments[middle:])
    return [(_AT_LEAST, 0, 1, segments[middle][0]), (_JUMP, 0, 0, len(low)), *low, *high]


def _rules(level: Level, *, any_host: bool) -> dict[str, _Code]:
    """What to do for each call that is decided by its arguments."""
    reach = level is Level.FULL
    rules = {
        # glibc asks clone3 first, whose flags lie in memory that a filter cannot see.
        "clone3": [(_RETURN, 0, 0, _ENOSYS)],
        "openat2": [(_RETURN, 0, 0, _ENOSYS)],  # the same
        "clone": [
            _argument(0),
            (_ANY_BIT, 2, 0, _NAMESPACES),
            (_ANY_BIT, 0, 1, _THREAD),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _EPERM),
        ],
        "fcntl": _one_of(1, _FCNTL),
        "ioctl": _one_of(1, _IOCTL),
        "prctl": _one_of(0, _PRCTL),
        "prlimit64": _one_of(0, (0,)),  # its own limits, which it cannot raise
        # asyncio's event loop wakes itself through a pair of stream sockets; connected for good,
        # they reach nobody else (a pair of datagram sockets could be aimed elsewhere).
        "socketpair": _all_of([_one_of(0, (_UNIX,)), _masked(1, _TYPE, (_STREAM,))]),
        "socket": _REFUSE_IT,
    }
    if reach:
        families = _one_of(0, (_INET, _INET6))
        kinds = (_STREAM, _DATAGRAM) if any_host else (_STREAM,)
        protocols = sorted({number for kind in kinds for number in _PROTOCOLS[kind]})
        rules["socket"] = _all_of([families, _masked(1, _TYPE, kinds), _one_of(2, protocols)])
        rules["connect"] = _ALLOW_IT
        if any_host:
            rules["bind"] = _ALLOW_IT
    return rules


def _modes() -> dict[str, _Code]:
    """Refuse programs that run as their owner, whoever starts them.

    In a folder granted for writing they would be the owner's on the host too, and that may be root.
    """
    refused = [(_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]
    rules: dict[str, _Code] = {
        call: [_argument(index), (_ANY_BIT, 0, 1, _SET_ID), *refused]
        for call, index in _MODES.items()
    }
    for call, index in _OPENS.items():
        makes = [_argument(index - 1), (_ANY_BIT, 0, 3, _MAKES)]
        rules[call] = [*makes, _argument(index), (_ANY_BIT, 0, 1, _SET_ID), *refused]
    return rules


def _table(text: str, arch: str) -> dict[str, int]:
    column = 1 if arch == "x86_64" else 2
    rows = (entry.split() for entry in text.replace("\n", " ").split(","))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _numbers(arch: str) -> dict[str, int]:
    if arch not in ARCHITECTURES:
        raise KeyError(f"there is no table of system calls for {arch}")
    return _table(_BY_ARGUMENT, arch)


def _argument(index: int) -> tuple[int, int, int, int]:
    """Load an argument's low half: all of them are C ints, or flags of which 32 bits count."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _one_of(index: int, values: tuple[int, ...] | list[int]) -> _Code:
    return _masked(index, 0xFFFF_FFFF, values)


def _masked(index: int, mask: int, values: tuple[int, ...] | list[int]) -> _Code:
    """Allow where the argument's masked bits are one of the values, else EPERM."""
    code = [_argument(index), (_AND, 0, 0, mask)]
    for i, value in enumerate(values):
        code.append((_EQUAL, len(values) - i, 0, value))
    return [*code, (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]


def _all_of(tests: list[_Code]) -> _Code:
    """Allow where all of these tests would: each but the last goes on instead of allowing."""
    return [step for test in tests[:-1] for step in test[:-1]] + tests[-1]
