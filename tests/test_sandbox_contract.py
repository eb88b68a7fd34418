"""What every sandbox does, whichever backend: one set of tests for all, by root and by a user.

What does not apply to a backend is listed in `EXEMPT` with the reason. Kernels, processes and
sockets are real. Next file: `test_sandbox_resolve.py`.
"""

import os
import shutil
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sandbox_as_user
from strategies import json_values
from strop.jsonvalue import canonical
from strop.permission import Level, Permissions
from strop.sandbox import Bounds, Outcome, Program, What
from strop.sandbox.probing import lacking
from strop.sandbox.resolve import known_backends

_SUBSET = "Monty's subset of Python has no"
EXEMPT = {
    ("monty", "test_sleeping_is_stopped_in_time"): "time.sleep returns at once there",
    ("monty", "test_a_process_that_ends_itself"): f"{_SUBSET} os._exit",
    ("monty", "test_text_that_is_not_unicode"): "a lone surrogate is replaced there",
    ("monty", "test_modules_named_ahead"): "it has its own modules, and no others",
    ("monty", "test_what_a_class_raises_has_its_name"): f"{_SUBSET} classes that inherit",
}
ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
BACKENDS = {backend.name: backend for backend in known_backends()}
SECRET = "the-secret-of-this-test"
SAFE = Permissions()
CONFINES = set()


# --- the sandboxes ---------------------------------------------------------------------------------

WHO = ("root", "user") if ROOT else ("user",)


def pytest_generate_tests(metafunc):
    """Each test with each backend; what does not depend on who runs it, by one of them only."""
    if "sandbox" in metafunc.fixturenames:
        who = WHO if metafunc.function.__name__ in CONFINES else WHO[:1]
        params = [(name, one) for one in who for name in BACKENDS]
        metafunc.parametrize("sandbox", params, ids="-".join, indirect=True, scope="module")


def confines(test):
    """A test of what holds code back: by root, and by a user."""
    CONFINES.add(test.__name__)
    return test


@pytest.fixture(scope="module")
def sandbox(request):
    name, who = request.param
    backend = BACKENDS[name]
    missing = backend.missing()
    if missing:
        pytest.skip(f"{name}: {missing}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROP_TEST_SECRET", SECRET)
        if ROOT and who == "user":
            yield from _of_user(backend)
            return
        made = backend.make()
        try:
            _skip_unless_it_holds(made)
            yield made
        finally:
            made.close()


def _of_user(backend):
    if sandbox_as_user.interpreter() is None:
        pytest.skip("no Python here that an ordinary user may run")
    here = Path(__file__).resolve().parents[1] / "src"
    if not all(folder.stat().st_mode & 0o005 == 5 for folder in (here, *here.parents)):
        pytest.skip("an ordinary user may not read this checkout")
    with sandbox_as_user.sandbox_of_user(type(backend.make())) as made:
        _skip_unless_it_holds(made)
        yield made


def _skip_unless_it_holds(made):
    reason = lacking(made, Level.SANDBOX)
    if reason:
        pytest.skip(f"{made.name} does not hold code to anything here: {reason}")


@pytest.fixture(scope="module")
def held(sandbox):
    """The levels that it holds here, of those that it is made for; what holds them is under test."""
    return sorted(level for level in sandbox.levels if not lacking(sandbox, level))


@pytest.fixture(autouse=True)
def applies(request, sandbox):
    reason = EXEMPT.get((sandbox.name, request.function.__name__))
    if reason:
        pytest.skip(f"{sandbox.name}: {reason}")


@pytest.fixture
def folder():
    """A folder that everyone may read and write: only a sandbox can be what keeps code out."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    (path / "note.txt").write_text(SECRET)
    (path / "note.txt").chmod(0o666)
    yield path
    shutil.rmtree(path)


def call(sandbox, source, args=None, *, permissions=SAFE, imports=(), function="f", **bounds):
    program = Program(source=source, function=function, imports=imports)
    limits = Bounds(**{"seconds": 10, **bounds})
    return sandbox.call(program, args or {}, permissions=permissions, bounds=limits)


def value(outcome: Outcome):
    assert outcome.failure is None, outcome.failure
    return outcome.value


def failed(outcome: Outcome, *what: What):
    assert outcome.failure is not None, f"it returned {str(outcome.value)[:200]}"
    assert outcome.failure.what in what, outcome.failure
    assert outcome.value is None
    assert not outcome.ok
    assert "\n" not in outcome.failure.message
    return outcome.failure


# --- values ----------------------------------------------------------------------------------------


@given(value=st.lists(json_values, max_size=8))
@settings(
    max_examples=12,  # of many values each: a call takes bubblewrap a while
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_json_in_is_json_out(sandbox, value):
    got = call(sandbox, "def f(value):\n    return value", {"value": value})
    assert got.failure is None
    assert canonical(got.value) == canonical(value)


def test_arguments_go_by_keyword(sandbox):
    source = "def f(a, b=2, *, c, **more):\n    return [a, b, c, more]"
    assert value(call(sandbox, source, {"c": 3, "a": 1, "x y": None})) == [1, 2, 3, {"x y": None}]
    failure = failed(call(sandbox, source, {"a": 1}), What.RAISED)
    assert failure.message.startswith("TypeError: ")


def test_a_tuple_comes_back_as_a_list(sandbox):
    assert value(call(sandbox, "def f():\n    return (1, (2,))")) == [1, [2]]


def test_a_function_that_returns_nothing(sandbox):
    outcome = call(sandbox, "def f():\n    pass")
    assert value(outcome) is None
    assert 0 < outcome.seconds < 10


def test_an_async_function_is_awaited(sandbox):
    source = "async def g():\n    return 20\n\nasync def f(n):\n    return n + await g()"
    assert value(call(sandbox, source, {"n": 1})) == 21


@pytest.mark.parametrize(
    "expression",
    [
        "float('nan')",
        "[1, float('inf')]",
        "{1, 2}",
        "{1: 2}",
        "{(1, 2): 3}",
        "b'x'",
        "print",
        "lambda: 1",
        "Thing()",
        "10 ** 5000",
        "looped()",
        "nested(5000)",
    ],
)
def test_a_result_that_is_not_json(sandbox, expression):
    source = f"""
class Thing:
    pass

def looped():
    made = []
    made.append(made)
    return made

def nested(n):
    made = 1
    for _ in range(n):
        made = [made]
    return made

def f():
    return {expression}
"""
    failed(call(sandbox, source), What.RESULT)


def test_text_that_is_not_unicode(sandbox):
    failed(call(sandbox, "def f():\n    return chr(0xD800)"), What.RESULT)


def test_a_huge_result(sandbox):
    for source in (
        "def f():\n    return 'x' * 300_000",
        "def f():\n    return [[0] * 100] * 1000",
        "def f():\n    return {str(n): n for n in range(20_000)}",
    ):
        failure = failed(call(sandbox, source, result=100_000), What.RESULT)
        assert "100,000" in failure.message
    assert len(value(call(sandbox, "def f():\n    return 'x' * 90_000", result=100_000))) == 90_000


# --- failures --------------------------------------------------------------------------------------


def test_an_exception_has_type_text_and_line(sandbox):
    source = "def g(n):\n    return 1 // n\n\ndef f(n):\n\n    return g(n)"
    failure = failed(call(sandbox, source, {"n": 0}), What.RAISED)
    assert failure.message.startswith("ZeroDivisionError: ")
    assert failure.line == 2
    source = "def f():\n    text = 'two\\nlines'\n    raise ValueError(text)"
    failure = failed(call(sandbox, source), What.RAISED)
    assert (failure.message, failure.line) == ("ValueError: two lines", 3)


def test_what_a_class_raises_has_its_name(sandbox):
    source = (
        "class Odd(Exception):\n    def __str__(self):\n        raise Odd\ndef f():\n    raise Odd"
    )
    assert failed(call(sandbox, source), What.RAISED).message.startswith("Odd")


def test_code_that_calls_itself_for_ever(sandbox):
    failure = failed(call(sandbox, "def f(n=0):\n    return f(n + 1)"), What.RAISED)
    assert failure.message.startswith("RecursionError")


@pytest.mark.parametrize(
    ("source", "says", "line"),
    [
        ("x = 1\ndef f(:\n    pass", "", 2),
        ("def f():\n    return '", "", 2),
        ("import no_such_module_anywhere\ndef f():\n    pass", "no_such_module_anywhere", 1),
        ("def g():\n    pass", "function", None),
        ("def f():\n    pass\n1 // 0", "ZeroDivisionError", 3),
        ("(" * 5000, "", None),
    ],
)
def test_code_that_does_not_load(sandbox, source, says, line):
    failure = failed(call(sandbox, source), What.INVALID)
    assert says in failure.message
    assert line is None or failure.line == line


def test_a_name_that_no_function_can_have(sandbox):
    failed(call(sandbox, "def f():\n    pass", function="f() or f"), What.INVALID)


@confines
def test_modules_named_ahead(sandbox):
    source = "def f():\n    import colorsys\n    return colorsys.rgb_to_hsv(0, 0, 0)"
    assert value(call(sandbox, source, imports=("colorsys",))) == [0, 0, 0]
    failure = failed(call(sandbox, source, imports=("no_such_module",)), What.INVALID)
    assert "no_such_module" in failure.message


def test_what_is_printed_is_kept_up_to_the_bound(sandbox):
    outcome = call(sandbox, "def f():\n    print('é', 1)\n    print('two')\n    return 3")
    assert (value(outcome), outcome.printed) == (3, "é 1\ntwo\n")
    outcome = call(sandbox, "def f():\n    print('before')\n    return 1 // 0")
    assert failed(outcome, What.RAISED).line == 3
    assert outcome.printed == "before\n"
    outcome = call(sandbox, "def f():\n    print('abcdefgh')", printed=4)
    assert (value(outcome), outcome.printed) == (None, "abcd")


def test_a_flood_of_printing(sandbox):
    source = "def f():\n    text = 'x' * 1_000_000\n    for _ in range(200):\n        print(text)\n    return 1"
    outcome = call(sandbox, source, printed=1000)
    assert (value(outcome), outcome.printed) == (1, "x" * 1000)


# --- bounds ----------------------------------------------------------------------------------------


def in_time(sandbox, source):
    """Stopped half a second after its time at most; the machine is shared, so the best of three."""
    call(sandbox, "def f():\n    pass")  # a pool's start is not the call's time
    outcomes = []
    for _ in range(3):
        outcomes.append(call(sandbox, source, seconds=0.2))
        failed(outcomes[-1], What.TIMEOUT)
        if outcomes[-1].seconds < 0.7:
            break
    assert 0.2 <= min(outcome.seconds for outcome in outcomes) < 0.7


@confines
def test_a_loop_without_end_is_stopped_in_time(sandbox):
    in_time(sandbox, "def f():\n    while True:\n        pass")
    in_time(
        sandbox,
        "def f():\n    while True:\n        try:\n            while True:\n                pass\n"
        "        except BaseException:\n            pass",
    )


def test_a_loop_while_loading_is_stopped_in_time(sandbox):
    in_time(sandbox, "while True:\n    pass\ndef f():\n    pass")


def test_a_pattern_without_end_is_stopped_in_time(sandbox):
    source = "import re\ndef f():\n    re.match('(a|a)+$', 'a' * 40 + 'b')\n    while True: pass"
    in_time(sandbox, source)


def test_sleeping_is_stopped_in_time(sandbox):
    in_time(sandbox, "import time\ndef f():\n    time.sleep(60)")


@pytest.mark.parametrize(
    "body",
    [
        "return len('x' * 2_000_000_000)",
        "parts = []\n    while True: parts.append(str(len(parts)) * 10_000)",
        "number = 1 << 200_000_000\n    return [number + n for n in range(100)]",
    ],
)
@confines
def test_memory_is_bounded(sandbox, body):
    outcome = call(sandbox, f"def f():\n    {body}", memory=64 * 2**20)
    failed(outcome, What.MEMORY)


# --- what it may not reach -------------------------------------------------------------------------


@confines
def test_a_process_that_ends_itself(sandbox):
    failure = failed(call(sandbox, "import os\ndef f():\n    os._exit(3)"), What.DIED)
    assert "3" in failure.message
    crash = "import ctypes\ndef f():\n    ctypes.string_at(0)"
    failed(call(sandbox, crash), What.DIED)


def test_a_call_after_one_that_died_works(sandbox):
    failed(call(sandbox, "import os\ndef f():\n    os._exit(3)"), What.DIED, What.RAISED)
    assert value(call(sandbox, "def f():\n    return 1")) == 1


@pytest.mark.parametrize(
    "act",
    [
        "os.fork()",
        "os.system('true')",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 9)",
    ],
)
@confines
def test_no_processes(sandbox, held, act):
    for level in held:
        source = f"import os\ndef f():\n    return {act}"
        outcome = call(sandbox, source, permissions=Permissions(level=level))
        # A shell that cannot be started is a status other than 0, by the contract of os.system.
        if outcome.failure is None:
            assert act.startswith("os.system")
            assert outcome.value != 0
        else:
            failed(outcome, What.RAISED, What.DIED)


@confines
def test_no_network(sandbox, held):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        source = """
import socket
def f(port):
    for family, kind in (("AF_INET", "SOCK_STREAM"), ("AF_INET", "SOCK_DGRAM")):
        try:
            made = socket.socket(getattr(socket, family), getattr(socket, kind))
            made.settimeout(1)
            made.connect(("127.0.0.1", port))
            made.send(b"x")
        except OSError:
            continue
        if kind == "SOCK_STREAM":
            return kind
    return None
"""
        for level in (level for level in held if level is not Level.FULL):
            permissions = Permissions(level=level)
            outcome = call(
                sandbox, source, {"port": listener.getsockname()[1]}, permissions=permissions
            )
            # Monty has no such module, and says that it cannot run this.
            assert outcome.failure is None or outcome.failure.what is What.REFUSED
            assert outcome.value is None
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


@confines
def test_the_network_of_level_full(sandbox, held):
    if Level.FULL not in held:
        pytest.skip(f"{sandbox.name} does not hold level full here")
    source = """
import socket
def f(host, port):
    with socket.create_connection((host, port), 2) as made:
        made.sendall(b"ping")
        return made.recv(4).decode()
"""
    with Echo() as granted, Echo() as other:
        anywhere = Permissions(level=Level.FULL)
        args = {"host": "127.0.0.1", "port": granted.port}
        assert value(call(sandbox, source, args, permissions=anywhere)) == "ping"
        named = Permissions(level=Level.FULL, hosts=(f"127.0.0.1:{granted.port}",))
        outcome = call(sandbox, source, args, permissions=named)
        if outcome.failure is not None:  # a backend that cannot hold code to them does not run it
            failed(outcome, What.REFUSED)
            return
        assert outcome.value == "ping"
        failed(call(sandbox, source, {**args, "port": other.port}, permissions=named), What.RAISED)
        assert other.heard == 0


class Echo:
    """A server on this machine."""

    def __enter__(self):
        self.heard = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def _serve(self):
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            with made:
                made.settimeout(2)
                data = made.recv(4)
                self.heard += bool(data)
                made.sendall(data)

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@confines
def test_no_files_of_the_host(sandbox, held, folder):
    source = """
def tried(path, mode):
    try:
        with open(path, mode) as file:
            if mode == "r":
                return "secret" in file.read()
            file.write("x")
            return True
    except Exception:
        return False

def f(paths, spot):
    found = [path for path in paths if tried(path, "r")]
    return found + [path for path in [*paths, spot] if tried(path, "a")]
"""
    note = str(folder / "note.txt")
    links = [f"/proc/self/root{note}", f"/proc/{os.getpid()}/root{note}", f"/proc/1/root{note}"]
    args = {"paths": [note, *links, __file__, "/etc/passwd"], "spot": str(folder / "new.txt")}
    for level in held:
        outcome = call(sandbox, source, args, permissions=Permissions(level=level))
        assert value(outcome) == []
    assert (folder / "note.txt").read_text() == SECRET
    assert not (folder / "new.txt").exists()


@confines
def test_no_secret_of_the_environment(sandbox):
    assert os.environ["STROP_TEST_SECRET"] == SECRET
    source = """
import os
def f(pid):
    found = []
    try:
        found.append(str(dict(os.environ)))
    except Exception:
        pass
    for one in ("self", "1", "thread-self", pid):
        try:
            with open(f"/proc/{one}/environ") as file:
                found.append(file.read())
        except Exception:
            pass
    return found
"""
    assert SECRET not in str(value(call(sandbox, source, {"pid": str(os.getpid())})))


@confines
def test_a_granted_folder_can_be_read(sandbox, folder):
    if sandbox.name == "monty":
        granted = Permissions(read=(str(folder),))
        failed(call(sandbox, "def f():\n    pass", permissions=granted), What.REFUSED)
        return
    source = "def f(path):\n    with open(path) as file:\n        return file.read()"
    granted = Permissions(read=(str(folder),))
    args = {"path": str(folder / "note.txt")}
    assert value(call(sandbox, source, args, permissions=granted)) == SECRET
    source = "def f(path):\n    with open(path, 'a') as file:\n        file.write('x')"
    failed(call(sandbox, source, args, permissions=granted), What.RAISED)
    assert (folder / "note.txt").read_text() == SECRET


@confines
def test_writing_at_level_restricted(sandbox, held, folder):
    if Level.RESTRICTED not in held:
        pytest.skip(f"{sandbox.name} does not hold level restricted here")
    source = """
import os
def f(path):
    with open("mine", "w") as file:
        file.write("kept")
    with open(path, "w") as file:
        file.write("told")
    return [os.getcwd(), os.listdir("/scratch"), open("/scratch/mine").read()]
"""
    granted = Permissions(level=Level.RESTRICTED, write=(str(folder),))
    args = {"path": str(folder / "told.txt")}
    for _ in range(2):  # empty at every call
        found = value(call(sandbox, source, args, permissions=granted))
        assert found == ["/scratch", ["mine"], "kept"]
    assert (folder / "told.txt").read_text() == "told"


@confines
def test_the_scratch_folder_is_bounded(sandbox, held):
    if Level.RESTRICTED not in held:
        pytest.skip(f"{sandbox.name} does not hold level restricted here")
    granted = Permissions(level=Level.RESTRICTED)
    many = "def f():\n    for n in range(100):\n        open(str(n), 'w').close()"
    large = "def f():\n    for n in range(4):\n        with open(str(n), 'wb') as file:\n            file.write(b'x' * 2**20)"
    for source in (many, large):
        failed(call(sandbox, source, permissions=granted, files=50, scratch=2**21), What.RAISED)


@confines
def test_levels_that_it_does_not_hold_are_refused(sandbox):
    for level in sorted(set(Level) - sandbox.levels):
        failure = failed(
            call(sandbox, "def f():\n    return 1", permissions=Permissions(level=level)),
            What.REFUSED,
        )
        assert level.value in failure.message


# --- one call and the next -------------------------------------------------------------------------


@confines
def test_nothing_is_left_for_the_next_call(sandbox):
    source = """
import json
count = 0
def f():
    global count
    count += 1
    seen = [count, getattr(json, "left", 0)]
    try:
        json.left = 1
    except Exception:
        pass
    return seen
"""
    assert [value(call(sandbox, source)) for _ in range(3)] == [[1, 0]] * 3


@confines
def test_threads_call_at_once(sandbox):
    source = (
        "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total"
    )
    numbers = list(range(0, 8000, 1000))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: value(call(sandbox, source, {"n": n})), numbers))
    assert found == [n * (n - 1) // 2 for n in numbers]


def test_a_slow_call_holds_up_no_other(sandbox):
    call(sandbox, "def f():\n    pass")
    ended = []

    def timed(source, seconds):
        call(sandbox, source, seconds=seconds)
        ended.append(seconds)

    slow = threading.Thread(target=timed, args=("def f():\n    while True: pass", 0.5))
    slow.start()
    timed("def f():\n    pass", 5)
    slow.join()
    assert ended == [5, 0.5]


@confines
def test_a_call_after_close_works(sandbox):
    sandbox.close()
    assert value(call(sandbox, "def f():\n    return 1")) == 1
    sandbox.close()
    sandbox.close()
    assert value(call(sandbox, "def f():\n    return 2")) == 2


# --- this file -------------------------------------------------------------------------------------


def test_exemptions_name_tests_and_backends(sandbox):
    for backend, test in EXEMPT:
        assert backend in BACKENDS
        assert test in globals()
