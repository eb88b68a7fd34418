# Hostile tools of our own: name -> (level, source of `tool(**kw)`), as in ../shared/attacks. One
# that gains what the host cannot see returns a text that begins with GOT. `P`: harmless controls.
A = {}
P = {}

_CALL = '''
import ctypes, os, platform
_l = ctypes.CDLL(None, use_errno=True)
_x = platform.machine() == "x86_64"
def call(x, a, *args):
    """A system call by its number on x86_64 and on aarch64; its result, or -errno."""
    n = x if _x else a
    r = _l.syscall(n, *[ctypes.c_long(v) if isinstance(v, int) else v for v in args])
    return r if r >= 0 else -ctypes.get_errno()
'''


def attack(name, source, level="sandbox"):
    A[name] = (level, source)


def syscall(name, line, level="sandbox"):
    """An attack that worked if the call did."""
    A[name] = (
        level,
        _CALL
        + f"""
def tool(**k):
    r = {line}
    return "GOT " + str(r) if r >= 0 else r
""",
    )


# Other ways to a file, a process, memory or another world.
attack(
    "openat2",
    _CALL
    + """
def tool(**k):
    how = (ctypes.c_uint64 * 3)(0, 0, 0)
    fd = call(437, 437, -100, k["canary"].encode(), how, 24)
    return os.read(fd, 99).decode() if fd >= 0 else fd
""",
)
attack(
    "memfd_exec",
    _CALL
    + """
def tool(**k):
    fd = call(319, 279, b"m", 0)
    if fd < 0:
        fd = os.open("/bin/sh", os.O_RDONLY)
    r = call(322, 281, fd, b"", None, None, 0x1000)
    return r
""",
)
attack(
    "execve_python",
    """
import os, sys
def tool(**k):
    for path in (sys.executable, "/bin/sh", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/ld-linux-aarch64.so.1"):
        try:
            os.execv(path, [path, "-c", "echo"])
        except OSError:
            pass
    return "no"
""",
)
syscall("memfd_create", 'call(319, 279, b"m", 0)')
syscall("pidfd_open", 'call(434, 434, k["vpid"], 0)')
syscall("pidfd_getfd", "call(438, 438, 0, 0, 0)")
syscall("keyctl", "call(250, 219, 0, -3, 1)")
syscall("add_key", 'call(248, 217, b"user", b"strop", b"x", 1, -3)')
syscall("mount_tmpfs", 'call(165, 40, b"none", b"/", b"tmpfs", 0, None)')
syscall(
    "mount_bind_old", 'call(165, 40, b"/", b"/scratch", None, 4096 | 16384, None)', "restricted"
)
syscall("umount", 'call(166, 39, b"/scratch", 2)', "restricted")
syscall("remount", 'call(165, 40, None, b"/scratch", None, 32, b"size=999m")', "restricted")
syscall("open_tree", 'call(428, 428, -100, b"/", 1)')
syscall("fsopen", 'call(430, 430, b"tmpfs", 0)')
syscall("setns", "call(308, 268, 3, 0)")
syscall("pivot_root", 'call(155, 41, b".", b".")')
syscall("chroot", 'call(161, 51, b"/")')
syscall("bpf", "call(321, 280, 0, (ctypes.c_char * 128)(), 128)")
syscall("perf_event", "call(298, 241, (ctypes.c_char * 128)(112), 0, -1, -1, 0)")
syscall("userfaultfd", "call(323, 282, 1)")
syscall("process_vm_readv", 'call(310, 270, k["vpid"], None, 0, None, 0, 0)')
syscall("kcmp", 'call(312, 272, os.getpid(), k["hpid"], 2, 0, 0)')
syscall("personality", "call(135, 92, 0x0040000)")
syscall("handle_at", 'call(304, 265, -100, b"12345678abcdefgh", 0)')
syscall("clone3", "call(435, 435, (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17), 88)")
syscall("clone_newuser", "call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)")
syscall("vfork_raw", "call(58, -1, 0)")
syscall("shmget", "call(29, 194, 0x5742, 4096, 0o1777)")
syscall("msgget", "call(68, 186, 0x5742, 0o1777)")
syscall("mq_open", 'call(240, 180, b"strop", 0o102, 0o777, None)')
syscall("setuid_0", "call(105, 146, 0)")
syscall("seccomp_again", "call(317, 277, 2, 0, (ctypes.c_char * 4)())")
syscall("ptrace_me", "call(101, 117, 0, 0, 0, 0)")
syscall("prctl_dumpable", "call(157, 167, 4, 1, 0, 0, 0)")
syscall("tiocsti", 'call(16, 29, 0, 0x5412, b"x")')
syscall("f_setown", 'call(72, 25, 1, 8, k["hpid"])')
syscall("tgkill_victim", 'call(234, 131, k["vpid"], k["vpid"], 9)')
attack(
    "set_id_programs",
    _CALL
    + """
def tool(**k):
    made, got, n = "/scratch/p%d", [], 0
    open("/scratch/p", "w").close()
    fd = os.open("/scratch/p", os.O_RDWR)
    for mode in (0o4755, 0o2755, 0o6000, 0o7777):
        how = (ctypes.c_uint64 * 3)(0o101, mode, 0)
        tries = [(90, -1, b"/scratch/p", mode), (91, 52, fd, mode), (268, 53, -100, b"/scratch/p", mode),
                 (452, 452, -100, b"/scratch/p", mode, 0), (452, 452, fd, b"", mode, 0x1000)]
        for x, a, *args in ((85, -1), (2, -1, 0o101), (83, -1), (133, -1)):
            n += 1
            tries.append((x, a, (made % n).encode(), *args, mode))
        for x, a, *args in ((257, 56, 0o101), (258, 34), (259, 33)):
            n += 1
            tries.append((x, a, -100, (made % n).encode(), *args, mode))
        tries += [(257, 56, -100, b"/scratch", 0o20200002, mode), (2, -1, b"/scratch", 0o20200002, mode),
                  (437, 437, -100, b"/scratch/o%d" % mode, how, 24)]
        got += [(t[0], mode) for t in tries if call(*t) >= 0]
    return "GOT " + str(got) if got else "none"
""",
    "restricted",
)
attack(
    "file_capabilities",
    _CALL
    + """
def tool(**k):
    open("/scratch/c", "w").close()
    fd = os.open("/scratch/c", os.O_RDWR)
    value = bytes.fromhex("0100000200002000000000000000000000000000")
    args = (ctypes.c_uint64 * 2)(0, 20)
    got = [r for r in (call(188, 5, b"/scratch/c", b"security.capability", value, 20, 0),
                       call(189, 6, b"/scratch/c", b"user.x", value, 20, 0),
                       call(190, 7, fd, b"security.capability", value, 20, 0),
                       call(463, 463, fd, b"", 0x1000, b"user.x", args, 16)) if r >= 0]
    return "GOT " + str(got) if got else "none"
""",
    "restricted",
)
syscall("mknod", 'call(133, -1, b"/scratch/n", 0o20666, 0x101)', "restricted")
attack(
    "raise_limits",
    """
import resource
def tool(**k):
    for which in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
        try:
            resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return "GOT " + str(which)
        except (ValueError, OSError):
            pass
""",
)
attack(
    "capabilities",
    _CALL
    + """
def tool(**k):
    head, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    call(125, 90, head, data)
    if any(data):
        return "GOT " + str(list(data))
    data[0] = data[1] = 0x200000
    return "GOT set" if call(126, 91, head, data) == 0 else "none"
""",
)

# Another architecture's calls: the process must end there.
_MACHINE_CODE = """
import ctypes, mmap
def run(code):
    m = mmap.mmap(-1, 4096, prot=7)
    m.write(code)
    at = ctypes.addressof(ctypes.c_char.from_buffer(m))
    return ctypes.CFUNCTYPE(ctypes.c_int)(at)()
"""
attack(
    "i386_getpid",
    _MACHINE_CODE
    + """
import platform
def tool(**k):
    if platform.machine() != "x86_64":
        return "none"
    # mov eax, 20; int 0x80; ret
    r = run(bytes.fromhex("b814000000cd80c3"))
    return "GOT " + str(r) if r > 0 else r
""",
)
attack(
    "x32_getpid",
    _CALL
    + """
def tool(**k):
    r = call(0x40000000 + 39, -1)
    return "GOT " + str(r) if r > 0 else r
""",
)

# Between processes.
attack(
    "posix_shm",
    """
def tool(**k):
    from multiprocessing import shared_memory
    shared_memory.SharedMemory("toolsyn" + k["rid"], create=True, size=4096)
    return "GOT"
""",
)
attack(
    "unix_datagram_pair",
    """
import socket
def tool(**k):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        for to in (k["upath"], "\\0" + k["uabs"]):
            try:
                a, b = socket.socketpair(socket.AF_UNIX, kind)
                a.connect(to)
                a.send(b"pwned")
            except OSError:
                pass
            try:
                a, b = socket.socketpair(socket.AF_UNIX, kind)
                a.sendto(b"pwned", to)
            except OSError:
                pass
""",
)
attack(
    "netlink_vsock_packet",
    """
import socket
def tool(**k):
    got = []
    for family in (16, 17, 38, 40, 15, 29, 31, 9):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind).close()
                got.append((family, kind))
            except OSError:
                pass
    return "GOT " + str(got) if got else "none"
""",
    "full",
)

# Past the list of hosts.
attack(
    "other_port",
    """
import socket
def tool(**k):
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "127.1.2.3", "::1", "169.254.169.254", "10.0.0.1"):
        try:
            s = socket.create_connection((host, k["tcp"]), 0.3)
            s.sendall(b"pwned")
            return "GOT " + host
        except OSError:
            pass
""",
    "full",
)
attack(
    "udp_and_dns",
    """
import socket
def tool(**k):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            s = socket.socket(socket.AF_INET, kind)
            s.sendto(b"pwned", ("127.0.0.1", k["udp"]))
            return "GOT " + str(kind)
        except OSError:
            pass
    try:
        return "GOT " + str(socket.getaddrinfo("example.org", 80))
    except OSError:
        return "none"
""",
    "full",
)
attack(
    "listen",
    """
import socket
def tool(**k):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", 0))
    except OSError:
        pass
    s.listen(1)
    return "GOT"
""",
    "full",
)
attack(
    "mptcp_fastopen",
    """
import socket
def tool(**k):
    for protocol in (262, 132, 0):
        try:
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
            s.sendto(b"pwned", 0x20000000, ("127.0.0.1", k["tcp"]))
            return "GOT"
        except OSError:
            pass
""",
    "full",
)

# The channel to whoever called.
attack(
    "forge_then_raise",
    """
import os
def tool(**k):
    os.write(3, b'{"value": "GOT forged", "failure": null}\\n{"value": "GOT two"}\\n')
    raise ValueError("no")
""",
)
attack(
    "forge_timeout",
    """
import os
def tool(**k):
    os.write(3, b'{"failure": {"what": "timeout", "message": "x", "line": 1}}\\n')
    os.write(3, b'{"failure": {"what": "refused", "message": "x", "line": 1}}\\n')
""",
)
attack(
    "garbage_everywhere",
    """
import os
def tool(**k):
    for fd in range(0, 300):
        try:
            os.write(fd, b"\\x00\\xff{]\\n" * 1000)
        except OSError:
            pass
    return 1
""",
)
attack(
    "deep_answer",
    """
import os
def tool(**k):
    os.write(3, b'{"value": ' + b"[" * 100000 + b"]" * 100000 + b"}\\n")
""",
)
attack(
    "endless_answer",
    """
import os
def tool(**k):
    os.write(3, b'{"value": "')
    while True:
        os.write(3, b"x" * 65536)
""",
)
attack(
    "close_everything",
    """
import os
def tool(**k):
    os.closerange(0, 1000)
    while True:
        pass
""",
)
attack(
    "exit_0",
    """
import os
def tool(**k):
    os._exit(0)
""",
)
attack(
    "endless_exceptions",
    """
class E(Exception):
    def __str__(self):
        while True:
            pass
def tool(**k):
    raise E
""",
)
attack(
    "patched_json",
    """
import builtins, json, os, sys
def tool(**k):
    json.dumps = json.loads = lambda *a, **k: "{}"
    json.JSONEncoder.encode = lambda *a: '{"value": "GOT"}'
    builtins.isinstance = lambda *a: True
    builtins.len = lambda *a: 0
    builtins.type = None
    return {1, 2}
""",
)

# Into the next call.
attack(
    "leave_marks",
    """
import builtins, os, sys, threading, time, types
def tool(**k):
    builtins.MARK = 1
    os.environ["MARK"] = "1"
    sys.modules["MARK"] = types.ModuleType("MARK")
    open("/scratch/MARK", "w").write("x")
    builtins.open_was, builtins.open = open, None
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
    "restricted",
)
attack(
    "atexit_and_signals",
    """
import atexit, os, signal, threading, time
def tool(**k):
    atexit.register(time.sleep, 60)
    signal.signal(signal.SIGALRM, lambda *a: time.sleep(60))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    threading.Thread(target=time.sleep, args=(60,)).start()
    return 1
""",
)
attack(
    "thread_keeps_writing",
    """
import threading
def tool(**k):
    def run():
        n = 0
        while True:
            n += 1
            try:
                with open(k["outside"] + "/w%d" % n, "w") as f:
                    f.write("x")
            except OSError:
                pass
    threading.Thread(target=run).start()
    return 1
""",
)

# More than its share.
attack(
    "deep_recursion",
    """
import sys
def tool(**k):
    sys.setrecursionlimit(10 ** 9)
    def f(n):
        return [f(n + 1)]
    return f(0)
""",
)
attack(
    "sparse_file",
    """
import os
def tool(**k):
    fd = os.open("/scratch/s", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 10 ** 12)
    return "GOT"
""",
    "restricted",
)
attack(
    "hard_links",
    """
import os
def tool(**k):
    open("/scratch/a", "w").close()
    n = 0
    try:
        for n in range(100000):
            os.link("/scratch/a", "/scratch/l%d" % n)
    except OSError:
        pass
    return "GOT" if n > 5000 else n
""",
    "restricted",
)
attack(
    "links_out",
    """
import os
def tool(**k):
    got = []
    for target in (k["canary"], "/proc/self/root" + k["canary"], "/.old" + k["canary"], "../.." + k["canary"]):
        try:
            os.symlink(target, "/scratch/l")
            got.append(open("/scratch/l").read())
        except OSError:
            pass
        try:
            os.unlink("/scratch/l")
        except OSError:
            pass
    try:
        os.rename(k["data"] + "/in.txt", "/scratch/in")
        got.append("GOT renamed")
    except OSError:
        pass
    return got[0] if got else "none"
""",
    "restricted",
)
attack(
    "change_metadata",
    """
import os
def tool(**k):
    got = []
    for act in (lambda: os.chmod(k["data"] + "/in.txt", 0), lambda: os.utime(k["data"] + "/in.txt", (1, 1)),
                lambda: os.truncate(k["data"] + "/in.txt", 0), lambda: os.open(k["data"] + "/in.txt", os.O_TRUNC),
                lambda: os.setxattr(k["data"] + "/in.txt", "user.x", b"1")):
        try:
            act()
            got.append(1)
        except OSError:
            got.append(0)
    return "GOT " + str(got) if any(got) else "none"
""",
)
attack(
    "pipes_full",
    """
import os
def tool(**k):
    held = []
    try:
        for i in range(100000):
            r, w = os.pipe()
            held += [r, w]
    except OSError:
        pass
    return "GOT" if len(held) > 1000 else len(held)
""",
)
attack(
    "lists_the_host",
    """
import os
def tool(**k):
    seen = [p for p in ("/proc", "/sys", "/home", "/root", "/run", "/var") if tried(p)]
    for p in ("/etc/shadow", "/etc/hostname", "/etc/machine-id", "/etc/fstab", "/proc/version"):
        try:
            open(p).close()
            seen.append(p)
        except OSError:
            pass
    return "GOT " + str(seen) if seen else "none"
def tried(p):
    try:
        return bool(set(os.listdir(p)) - {".pyenv", ".local"})
    except OSError:
        return False
""",
)

P["async"] = (
    "sandbox",
    """
import asyncio
async def tool(**k):
    await asyncio.sleep(0)
    return sum(k["xs"])
""",
)
P["threads"] = (
    "sandbox",
    """
from concurrent.futures import ThreadPoolExecutor
def tool(**k):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(str, k["xs"]))
""",
)
P["sqlite_file"] = (
    "restricted",
    """
import sqlite3, tempfile
def tool(**k):
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(folder + "/x.db")
        db.execute("create table t (n)")
        db.executemany("insert into t values (?)", [(n,) for n in k["xs"]])
        db.commit()
        return db.execute("select sum(n) from t").fetchone()[0]
""",
)
P["by_name"] = (
    "full",
    """
import socket
def tool(**k):
    with socket.create_connection(("127.0.0.1", k["tcp"]), 5) as s:
        s.sendall(b"good")
""",
)
