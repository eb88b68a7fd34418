"""The Linux sandboxes: what a call gives back, what it may do, and that nothing is left of it."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.permission import Level, Permissions
from strop.sandbox import Bounds, Failure, Program, What

if sys.platform != "linux":
    pytest.skip("these sandboxes are Linux's", allow_module_level=True)

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the benchmarks are beside the tests
from bench.tools.host import readable_python

from strop.sandbox.linux import LandlockSandbox, NamespaceSandbox, runner, seccomp
from strop.sandbox.linux.exchange import READY, Exchange
from strop.sandbox.linux.plan import plan
from strop.sandbox.linux.reply import outcome

BOUNDS = Bounds(seconds=10)


@pytest.fixture(scope="module", params=[NamespaceSandbox, LandlockSandbox], ids=lambda k: k.name)
def sandbox(request):
    for python in (sys.executable, readable_python()):
        there, why = request.param.probe(python) if python else (False, "no other interpreter")
        if there:
            break
    else:
        pytest.skip(f"{request.param.name}: {why}")
    made = request.param(python=python)
    yield made
    made.close()


@pytest.fixture(scope="module")
def namespaces():
    there, why = NamespaceSandbox.probe()
    if not there:
        pytest.skip(why)
    made = NamespaceSandbox()
    yield made
    made.close()


def called(sandbox, source, *, bounds=BOUNDS, permissions=None, imports=(), **args):
    program = Program(source=source, function="tool", imports=imports)
    return sandbox.call(program, args, permissions=permissions or Permissions(), bounds=bounds)


# What comes back.


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "é\u2028\n", [], {"a": [1, {"b": None}]}, "x" * 300_000, 10**400],
)
def test_a_value_goes_in_and_out_as_it_is(sandbox, value):
    found = called(sandbox, "def tool(v):\n    return v", v=value)
    assert found.failure is None
    assert found.value == value
    assert found.seconds > 0


def test_tuples_and_subclasses_come_back_as_plain_json(sandbox):
    source = "import collections\ndef tool():\n    return collections.Counter('aab'), (1, 2)"
    assert called(sandbox, source).value == [{"a": 2, "b": 1}, [1, 2]]


def test_an_exception_is_told_with_its_type_text_and_line(sandbox):
    found = called(sandbox, "def tool():\n    x = {}\n    return x['no']\n")
    assert found.failure == Failure(what=What.RAISED, message="KeyError: 'no'", line=3)


@pytest.mark.parametrize(
    ("source", "what", "part"),
    [
        ("def tool(:", What.INVALID, "SyntaxError"),
        ("x = 1/0", What.INVALID, "ZeroDivisionError"),
        ("tool = 3", What.INVALID, "no function 'tool'"),
        ("def other(): pass", What.INVALID, "no function 'tool'"),
        ("def tool(): return {1: 2}", What.RESULT, "key"),
        ("def tool(): return {1, 2}", What.RESULT, "a set"),
        ("def tool(): return float('nan')", What.RESULT, "nan"),
        ("def tool(): return ['\\ud800']", What.RESULT, "Unicode"),
        ("def tool():\n a = []\n a.append(a)\n return a", What.RESULT, "holds itself"),
        ("def tool(): return 'x' * 5_000_000", What.RESULT, "larger"),
        ("def tool(): return 10 ** 5000", What.RESULT, "digits"),
        (
            "def tool():\n b = [0] * 9\n for _ in range(50): b = [b] * 9\n return b",
            What.RESULT,
            "larger",
        ),
        ("def tool(): raise SystemExit(3)", What.RAISED, "SystemExit: 3"),
        ("def tool(): raise KeyboardInterrupt", What.RAISED, "KeyboardInterrupt"),
        ("def tool():\n def f(): return f()\n f()", What.RAISED, "RecursionError"),
        ("def tool(): return bytearray(2 ** 32)", What.MEMORY, "memory"),
        ("def tool():\n l = []\n while True: l.append(bytearray(10 ** 6))", What.MEMORY, "memory"),
        ("import os\ndef tool(): os._exit(0)", What.DIED, "exit status 0"),
        ("import os\ndef tool(): os._exit(7)", What.DIED, "exit status 7"),
        ("import ctypes\ndef tool(): ctypes.string_at(0)", What.DIED, "SIGSEGV"),
        (
            "import os, time\ndef tool():\n os.closerange(0, 99)\n time.sleep(9)",
            What.DIED,
            "closed",
        ),
        ("class E(Exception):\n def __str__(s): 1/0\ndef tool(): raise E", What.RAISED, "E"),
        ("def tool(): raise ValueError('a\\nb' * 10**6)", What.RAISED, "ValueError: a b"),
    ],
)
def test_every_way_to_fail_is_a_value_with_a_reason(sandbox, source, what, part):
    found = called(sandbox, source)
    assert found.value is None
    assert found.failure.what is what, found
    assert part in found.failure.message
    assert len(found.failure.message) < 3000
    assert "\n" not in found.failure.message


@pytest.mark.parametrize(
    "body", ["while True: pass", "sum(range(10 ** 12))", "import time; time.sleep(60)"]
)
def test_a_call_ends_when_its_time_is_up(sandbox, body):
    start = time.monotonic()
    found = called(sandbox, f"def tool():\n    {body}", bounds=Bounds(seconds=0.5))
    assert found.failure.what is What.TIMEOUT
    assert time.monotonic() - start < 8


def test_printing_is_kept_up_to_the_bound_and_floods_cost_nothing(sandbox):
    source = """
import os, sys
def tool(flood):
    print("first")
    print("second", file=sys.stderr)
    for _ in range(flood):
        print("x" * 1_000_000)
    return "done"
"""
    bounds = Bounds(seconds=20, printed=1000)
    assert called(sandbox, source, flood=0, bounds=bounds).printed == "first\nsecond\n"
    found = called(sandbox, source, flood=200, bounds=bounds)
    assert found.value == "done"
    assert found.printed.startswith("first\nsecond\nxxx")
    assert len(found.printed) == 1000
    raw = (
        "import os\ndef tool():\n    for _ in range(500): os.write(1, b'y' * 100_000)\n    return 1"
    )
    found = called(sandbox, raw, bounds=bounds)
    assert (found.value, found.printed) == (1, "y" * 1000)


def test_a_print_out_is_kept_of_a_call_that_fails(sandbox):
    source = "def tool():\n    print('so far', flush=True)\n    while True: pass"
    assert called(sandbox, source, bounds=Bounds(seconds=0.5)).printed == "so far\n"


def test_an_async_function_is_run_to_its_end(sandbox):
    source = "import asyncio\nasync def tool(n):\n    await asyncio.sleep(0.001)\n    return n"
    assert called(sandbox, source, n=5).value == 5


def test_large_arguments_arrive(sandbox):
    source = "def tool(text):\n    return len(text)"
    assert called(sandbox, source, text="é" * 3_000_000).value == 3_000_000


def test_dataclasses_and_type_hints_of_the_code_resolve(sandbox):
    source = """
from __future__ import annotations
import dataclasses, typing
@dataclasses.dataclass
class Point:
    x: int
    names: list[str]
def tool():
    return [sorted(typing.get_type_hints(Point)), dataclasses.asdict(Point(1, ["a"]))]
"""
    assert called(sandbox, source).value == [["names", "x"], {"x": 1, "names": ["a"]}]


def test_modules_are_loaded_ahead_and_a_missing_one_is_named(sandbox):
    source = "import sys\ndef tool():\n    return 'decimal' in sys.modules"
    assert called(sandbox, source, imports=("decimal",)).value is True
    found = called(sandbox, source, imports=("no_such_module",))
    assert found.failure.what is What.INVALID
    assert "no_such_module" in found.failure.message


def test_nothing_of_strop_can_be_imported(sandbox):
    found = called(
        sandbox, "import sys\ndef tool():\n    return [m for m in sys.modules if 'strop' in m]"
    )
    assert found.value == []


def test_each_call_draws_other_random_numbers(sandbox):
    source = "import random\ndef tool():\n    return random.random()"
    assert len({called(sandbox, source, imports=("random",)).value for _ in range(5)}) == 5


def test_threads_take_their_stacks_of_the_memory_and_no_more(sandbox):
    source = """
import threading
def tool(n):
    threading.stack_size(2 * 2**20)
    ended, started = threading.Event(), []
    for _ in range(n):
        started.append(threading.Thread(target=lambda: (bytearray(10**5), ended.wait())))
        started[-1].start()
    ended.set()
    for thread in started:
        thread.join()
    return len(started)
"""
    assert called(sandbox, source, n=50).value == 50


# What it may do.


def test_a_granted_folder_can_be_read_and_not_written(sandbox, tmp_path):
    shared = tmp_path / "data"
    shared.mkdir()
    (shared / "in.txt").write_text("hello")
    for folder in (shared, *shared.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith(
            str(tmp_path.parent.parent)
        ):
            folder.chmod(0o755)
    source = """
def tool(path):
    text = open(path + "/in.txt").read()
    try:
        open(path + "/new", "w")
    except OSError:
        return text
"""
    granted = Permissions(read=(str(shared),))
    assert called(sandbox, source, path=str(shared), permissions=granted).value == "hello"
    found = called(sandbox, source, path=str(shared))
    assert found.failure.what is What.RAISED  # without the grant it is not there


def test_a_folder_granted_for_writing_keeps_what_is_written(namespaces, tmp_path):
    tmp_path.chmod(0o700)
    source = "import os\ndef tool(path):\n    open(path + '/out', 'w').write('kept')\n    return os.getcwd()"
    granted = Permissions(level=Level.RESTRICTED, write=(str(tmp_path),))
    found = called(namespaces, source, path=str(tmp_path), permissions=granted)
    assert found.value == "/scratch", found
    made = tmp_path / "out"
    assert made.read_text() == "kept"
    assert made.stat().st_uid == os.getuid()


def test_scratch_is_empty_at_every_call_and_bounded(namespaces):
    source = """
import os
def tool(size, files):
    before = os.listdir(".")
    made = 0
    try:
        with open("big", "wb") as file:
            for _ in range(size):
                made += file.write(b"x" * 1_000_000)
    except OSError:
        pass
    try:
        for n in range(files):
            open(f"f{n}", "w").close()
    except OSError:
        pass
    return before, made, len(os.listdir("."))
"""
    granted = Permissions(level=Level.RESTRICTED)
    bounds = Bounds(seconds=20, scratch=5_000_000, files=50)
    for _ in range(2):
        found = called(namespaces, source, size=20, files=200, permissions=granted, bounds=bounds)
        before, made, count = found.value
        assert before == []
        assert made <= 5_100_000
        assert count <= 50


def test_a_granted_folder_may_be_removed_and_made_again(sandbox, tmp_path):
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    folder = tmp_path / "data"
    for text in ("first", "second"):
        folder.mkdir(mode=0o755)
        (folder / "in.txt").write_text(text)
        code = "def tool(path):\n    return open(path).read()\n"
        outcome = sandbox.call(
            Program(source=code, function="tool"),
            {"path": str(folder / "in.txt")},
            permissions=Permissions(read=(str(folder),)),
        )
        assert outcome.value == text, outcome.failure
        (folder / "in.txt").unlink()
        folder.rmdir()
    gone = sandbox.call(
        Program(source=code, function="tool"),
        {"path": "/x"},
        permissions=Permissions(read=(str(folder),)),
    )
    assert gone.failure.what is What.REFUSED


def test_a_link_to_what_cannot_be_granted_is_refused(sandbox, tmp_path):
    (tmp_path / "innocent").symlink_to("/proc")
    outcome = sandbox.call(
        Program(source="def tool():\n    return 1\n", function="tool"),
        {},
        permissions=Permissions(read=(str(tmp_path / "innocent"),)),
    )
    assert outcome.failure.what is What.REFUSED
    assert "cannot be granted" in outcome.failure.message


@pytest.mark.parametrize(
    "path", ["/", "/proc", "/proc/1", "/sys", "/dev", "/scratch", "/no/such/folder"]
)
def test_folders_that_cannot_be_granted_are_refused(sandbox, path):
    found = called(sandbox, "def tool(): return 1", permissions=Permissions(read=(path,)))
    assert found.failure.what is What.REFUSED
    assert path in found.failure.message


def test_without_namespaces_there_is_only_the_lowest_level():
    for level in (Level.RESTRICTED, Level.FULL):
        made = LandlockSandbox()
        found = called(made, "def tool(): return 1", permissions=Permissions(level=level))
        assert found.failure.what is What.REFUSED


@pytest.fixture
def echo():
    """A server on loopback that sends back what it gets, in capitals."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve():
        listener.settimeout(0.1)
        while not stop.is_set():
            try:
                near, _ = listener.accept()
            except TimeoutError:
                continue
            with near:
                near.settimeout(5)
                while data := near.recv(65536):
                    near.sendall(data.upper())

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    stop.set()
    thread.join()
    listener.close()


TALK = """
import socket
def tool(host, port, size=5):
    with socket.create_connection((host, port), 5) as s:
        s.sendall(b"a" * size)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while data := s.recv(65536):
            got += data
    return got.decode()
"""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_granted_host_is_reached_by_name_and_address_and_no_other(namespaces, echo, name):
    granted = Permissions(level=Level.FULL, hosts=(f"{name}:{echo}",))
    found = called(namespaces, TALK, permissions=granted, host=name, port=echo)
    assert found.value == "AAAAA"
    big = called(namespaces, TALK, permissions=granted, host=name, port=echo, size=1_000_000)
    assert big.value == "A" * 1_000_000
    for host, port in ((name, 9), ("127.0.0.2", echo), ("example.org", echo)):
        found = called(namespaces, TALK, permissions=granted, host=host, port=port)
        assert found.failure.what is What.RAISED


def test_any_host_is_reached_where_none_is_named(namespaces, echo):
    granted = Permissions(level=Level.FULL)
    found = called(namespaces, TALK, permissions=granted, host="localhost", port=echo)
    assert found.value == "AAAAA"


def test_unix_sockets_are_out_of_reach_where_any_host_is_granted(namespaces, tmp_path):
    listeners = []
    for address in (str(tmp_path / "u"), f"\0strop-test-{os.getpid()}"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen(1)
        listeners.append(listener)
    source = """
import socket
def tool(addresses):
    got = []
    for address in addresses:
        try:
            socket.socket(socket.AF_UNIX).connect(address)
            got.append(address)
        except PermissionError:
            pass
    return got
"""
    granted = Permissions(level=Level.FULL, read=(str(tmp_path),))
    addresses = [listener.getsockname() for listener in listeners]
    addresses = [a if isinstance(a, str) else a.decode() for a in addresses]
    assert called(namespaces, source, addresses=addresses, permissions=granted).value == []
    for listener in listeners:
        listener.close()


def test_the_name_of_the_host_is_not_told(namespaces):
    assert (
        called(namespaces, "import os\ndef tool(): return os.uname().nodename").value == "sandbox"
    )


def test_every_named_host_has_a_door_of_its_own():
    hosts = ("a.example:443", "b.example:443", "a.example:80", "10.1.2.3:5432")
    made = plan(Permissions(level=Level.FULL, hosts=hosts), (), Bounds(), namespaces=True)
    doors = [tuple(door) for door in made.asked["doors"]]
    assert len(set(doors)) == 4
    assert ("10.1.2.3", 5432) in doors
    assert sorted(made.targets) == [
        ("10.1.2.3", 5432),
        ("a.example", 80),
        ("a.example", 443),
        ("b.example", 443),
    ]
    names = dict(line.split()[::-1] for line in made.asked["texts"]["/etc/hosts"].splitlines())
    for (host, port), (address, there) in zip(made.targets, doors, strict=True):
        assert (names.get(host, host), port) == (address, there)


@pytest.mark.parametrize("host", ["[::1]:80", "0.0.0.0:80", "224.0.0.1:80"])
def test_addresses_that_have_no_door_are_refused(host):
    made = plan(Permissions(level=Level.FULL, hosts=(host,)), (), Bounds(), namespaces=True)
    assert made.what is What.REFUSED


# Processes.


def test_calls_from_many_threads_get_their_own_answers(sandbox):
    source = "import time\ndef tool(n):\n    time.sleep(0.01)\n    print(n)\n    return n"

    def one(n):
        return called(sandbox, source, n=n)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(60)))
    assert [f.value for f in found] == list(range(60))
    assert [f.printed for f in found] == [f"{n}\n" for n in range(60)]


def children():
    pids = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for path in pids for pid in path.read_text().split()}


def test_a_worker_that_dies_is_replaced(sandbox):
    called(sandbox, "def tool(): return 1")
    for pid in children():
        if b"boot.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)  # its children die with it
    assert called(sandbox, "def tool(): return 2").value == 2


def test_an_interpreter_that_is_not_there_is_an_outcome():
    made = NamespaceSandbox(python="/no/such/python")
    found = called(made, "def tool(): return 1")
    assert found.failure.what is What.REFUSED
    assert "/no/such/python" in found.failure.message
    ended = NamespaceSandbox(python="/bin/false")
    assert called(ended, "def tool(): return 1").failure.what is What.REFUSED


def test_closing_ends_every_process_and_a_call_starts_anew(sandbox):
    before = children()
    made = type(sandbox)(python=sandbox._caller._python)
    assert called(made, "def tool(): return 1").value == 1
    assert children() > before
    made.close()
    assert children() == before
    assert called(made, "def tool(): return 2").value == 2
    made.close()
    assert children() == before


def test_idle_pools_are_bounded(namespaces):
    made = NamespaceSandbox()
    before = len(children())
    for n in range(11):
        bounds = Bounds(seconds=10, files=100 + n)
        granted = Permissions(level=Level.RESTRICTED)
        assert called(made, "def tool(): return 1", bounds=bounds, permissions=granted).ok
    assert len(children()) - before <= 8
    made.close()


def test_workers_end_with_the_process_that_started_them():
    code = """
import os, signal, sys
from strop.permission import Permissions
from strop.sandbox import Program
from strop.sandbox.linux import LandlockSandbox, NamespaceSandbox
made = NamespaceSandbox() if NamespaceSandbox.probe()[0] else LandlockSandbox()
program = Program(source="def tool(): return 1", function="tool")
made.call(program, {}, permissions=Permissions())
pids = [int(p) for p in open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read().split()]
print(*pids, flush=True)
os.kill(os.getpid(), signal.SIGKILL) if sys.argv[1] == "kill" else None
"""
    if not (NamespaceSandbox.probe()[0] or LandlockSandbox.probe()[0]):
        pytest.skip("no sandbox here")
    for how in ("kill", "leave"):
        run = subprocess.run(
            [sys.executable, "-c", code, how], capture_output=True, text=True, check=False
        )
        pids = [int(pid) for pid in run.stdout.split()]
        assert pids
        deadline = time.monotonic() + 15
        while any(Path(f"/proc/{pid}/exe").exists() for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_forked_copy_of_this_process_uses_workers_of_its_own(sandbox):
    called(sandbox, "def tool(): return 1")
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            found = called(sandbox, "def tool(): return 3").value
            sandbox.close()
            os.write(w, str(found).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(w)
    assert os.read(r, 9) == b"3"
    os.close(r)
    os.waitpid(pid, 0)
    assert called(sandbox, "def tool(): return 4").value == 4


def test_calls_leave_no_processes_descriptors_or_mounts(sandbox):
    def counted():
        time.sleep(0.3)
        return (
            len(children()),
            len(list(Path("/proc/self/fd").iterdir())),
            Path("/proc/self/mountinfo").read_text().count("\n"),
        )

    levels = sorted(sandbox.levels, key=lambda level: level.rank)[:2]
    for level in levels:
        called(sandbox, "def tool(): return 1", permissions=Permissions(level=level))
    before = counted()
    for n in range(60):
        source = ["def tool(): return 1", "def tool(): 1/0", "import os\ndef tool(): os._exit(1)"][
            n % 3
        ]
        called(sandbox, source, permissions=Permissions(level=levels[n % len(levels)]))
    assert counted() == before


# Answers are not believed.


@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_no_answer_makes_the_reader_raise(answer):
    found = outcome(Exchange(ready=READY, answer=answer), BOUNDS, seconds=0.1)
    assert found.ok or found.failure.what in {What.RESULT, What.RAISED, What.MEMORY, What.INVALID}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_every_json_answer_is_read_as_it_was_written(value):
    answer = json.dumps({"value": value}).encode()
    assert outcome(Exchange(answer=answer), BOUNDS, seconds=0).value == value


@pytest.mark.parametrize("what", ["timeout", "died", "refused", "", "ok"])
def test_a_child_cannot_state_what_only_the_parent_knows(what):
    answer = json.dumps({"failure": {"what": what, "message": "m", "line": 1}}).encode()
    assert outcome(Exchange(answer=answer), BOUNDS, seconds=0).failure.what is What.RESULT


@given(JSON)
def test_the_runner_copies_what_json_can_hold(value):
    copy = runner._Copy(10**6).of(value, 100)
    assert copy == value


# The filter, by an interpreter of it.

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF_0000, 0x8000_0000, 0x0005_0001, 0x0005_0026


def verdict(program, number, args=(), *, arch):
    data = struct.pack("<IIQ6Q", number, arch, 0, *(list(args) + [0] * 6)[:6])
    steps = [struct.unpack("<HBBI", program[i : i + 8]) for i in range(0, len(program), 8)]
    at = accumulator = 0
    while True:
        code, yes, no, k = steps[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:
            accumulator &= k
        elif code == 0x05:
            at += k
        elif code == 0x06:
            return k
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[
                code
            ]
            at += yes if holds else no


@pytest.fixture(scope="module", params=["x86_64", "aarch64"])
def machine(request):
    return request.param


@given(number=st.integers(0, 2**32 - 1), level=st.sampled_from(Level))
def test_what_is_not_listed_is_never_allowed(machine, number, level):
    arch = seccomp.ARCHITECTURES[machine]
    listed = set(seccomp._table(seccomp._ALWAYS + "," + seccomp._WRITING, machine).values())
    listed |= set(seccomp._numbers(machine).values())
    program = seccomp.program(level, arch=machine)
    answer = verdict(program, number, arch=arch)
    if number not in listed:
        assert answer in {KILL, EPERM, ENOSYS}
    for other in set(seccomp.ARCHITECTURES.values()) - {arch} | {0x40000003}:
        assert verdict(program, number, arch=other) == KILL
    if number >= 0x4000_0000:
        assert answer == KILL


def test_every_listed_call_is_allowed_at_its_levels(machine):
    arch = seccomp.ARCHITECTURES[machine]
    for level in Level:
        program = seccomp.program(level, arch=machine)
        for number in seccomp._table(seccomp._ALWAYS, machine).values():
            assert verdict(program, number, arch=arch) == ALLOW
        for number in seccomp._table(seccomp._WRITING, machine).values():
            expected = EPERM if level is Level.SANDBOX else ALLOW
            assert verdict(program, number, arch=arch) == expected


@pytest.mark.parametrize(
    ("call", "args", "allowed_from"),
    [
        ("socket", (2, 1, 0), Level.FULL),
        ("socket", (10, 1 | 0o2000000, 6), Level.FULL),
        ("socket", (2, 2, 17), Level.FULL),
        ("socket", (1, 1, 0), None),
        ("socket", (2, 3, 0), None),
        ("socket", (2, 1, 262), None),
        ("socket", (16, 3, 0), None),
        ("connect", (3, 0, 16), Level.FULL),
        ("bind", (3, 0, 16), Level.FULL),
        ("socketpair", (1, 1 | 0o2000000, 0), Level.SANDBOX),
        ("socketpair", (1, 2, 0), None),
        ("socketpair", (1, 5, 0), None),
        ("clone", (0x3D0F00, 0, 0), Level.SANDBOX),
        ("clone", (17, 0, 0), None),
        ("clone", (0x4111, 0, 0), None),
        ("clone", (0x10010000, 0, 0), None),
        ("ioctl", (0, 0x5401, 0), Level.SANDBOX),
        ("ioctl", (0, 0x5412, 0), None),
        ("fcntl", (0, 8, 1), None),
        ("fcntl", (0, 1030, 1), Level.SANDBOX),
        ("prctl", (15, 0, 0), Level.SANDBOX),
        ("prctl", (22, 2, 0), None),
        ("prlimit64", (0, 9, 0), Level.SANDBOX),
        ("prlimit64", (1, 9, 0), None),
    ],
)
def test_calls_are_decided_by_their_arguments(machine, call, args, allowed_from):
    arch, number = seccomp.ARCHITECTURES[machine], seccomp._numbers(machine)[call]
    for level in Level:
        answer = verdict(seccomp.program(level, arch=machine), number, args, arch=arch)
        expected = allowed_from is not None and level.rank >= allowed_from.rank
        assert answer == (ALLOW if expected else EPERM), level


MODES = {  # name: number on x86_64, on aarch64, which argument is the mode
    "chmod": (90, None, 1),
    "fchmod": (91, 52, 1),
    "fchmodat": (268, 53, 2),
    "fchmodat2": (452, 452, 2),
    "creat": (85, None, 1),
    "open": (2, None, 2),
    "openat": (257, 56, 3),
    "mkdir": (83, None, 1),
    "mkdirat": (258, 34, 2),
}
CREATE, TEMPORARY, GARBAGE = 0o101, 0o20200002, 0x7FFF_0000_FFFF_0000


@pytest.mark.parametrize("call", MODES)
@given(
    mode=st.integers(0, 0o7777), level=st.sampled_from(Level), above=st.sampled_from([0, GARBAGE])
)
def test_no_file_is_made_that_runs_as_its_owner(machine, call, mode, level, above):
    *numbers, place = MODES[call]
    number = numbers[machine == "aarch64"]
    arch, program = seccomp.ARCHITECTURES[machine], seccomp.program(level, arch=machine)
    if number is None:
        return
    opens = call in {"open", "openat"}
    for flags in (CREATE, CREATE | GARBAGE, TEMPORARY, 0, 0o2000000) if opens else (None,):
        args = [2**64 - 100] * place + [mode | above]
        if flags is not None:
            args[place - 1] = flags
        answer = verdict(program, number, args, arch=arch)
        there = opens or level is not Level.SANDBOX
        looked_at = flags in {CREATE, CREATE | GARBAGE, TEMPORARY, None}
        set_id = mode & 0o6000 and looked_at
        assert answer == (ALLOW if there and not set_id else EPERM)


def test_neither_devices_nor_attributes_of_files_nor_modes_out_of_sight(machine):
    arch = seccomp.ARCHITECTURES[machine]
    mknod, mknodat, setxattr = {"x86_64": (133, 259, 188), "aarch64": (33, 33, 5)}[machine]
    for level in Level:
        program = seccomp.program(level, arch=machine)
        for number in (mknod, mknodat, setxattr, setxattr + 1, setxattr + 2):
            assert verdict(program, number, (), arch=arch) == EPERM
        assert verdict(program, 437, (), arch=arch) == ENOSYS  # openat2: its mode is in memory
        assert verdict(program, 463, (), arch=arch) == ENOSYS  # setxattrat


def test_with_named_hosts_there_is_no_udp_and_no_bind(machine):
    arch, numbers = seccomp.ARCHITECTURES[machine], seccomp._numbers(machine)
    program = seccomp.program(Level.FULL, arch=machine, any_host=False)
    assert verdict(program, numbers["socket"], (2, 1, 0), arch=arch) == ALLOW
    assert verdict(program, numbers["socket"], (2, 2, 0), arch=arch) == EPERM
    assert verdict(program, numbers["bind"], (3,), arch=arch) == EPERM
    assert verdict(program, numbers["clone3"], (), arch=arch) == ENOSYS
