"""Which backend serves a call, and the sandboxes that run nothing.

The processes that fork and end are real. Next file: `test_sandbox_bubblewrap.py`.
"""

import shutil
import subprocess
import sys
import threading

import pytest
from inline_snapshot import snapshot

from strop.cli import doctor
from strop.errors import BadInput
from strop.permission import Level, Permissions
from strop.sandbox import (
    BackendStatus,
    Bounds,
    Failure,
    FakeSandbox,
    LayeredSandbox,
    MontySandbox,
    Outcome,
    Program,
    RefusingSandbox,
    What,
    backends,
    best_sandbox,
    resolve,
)
from strop.sandbox.layered import Backend
from strop.sandbox.resolve import known_backends

ONE = Program(source="def f(): return 1", function="f")
HELD = Outcome(value="")  # what a probe answers where the code is held
NO_FOLDER = Outcome(failure=Failure(what=What.REFUSED, message="there is no such folder"))


def fake(name, script, levels=frozenset(Level), *, missing="", fix="", made=None):
    def make():
        sandbox = FakeSandbox({"probe": HELD, **script}, levels=levels)
        if made is not None:
            made.append(sandbox)
        return sandbox

    return Backend(name=name, levels=levels, missing=lambda: missing, make=make, fix=lambda: fix)


def run(sandbox, level=Level.SANDBOX):
    return sandbox.call(ONE, {}, permissions=Permissions(level=level))


# --- layers ----------------------------------------------------------------------------------------


def test_the_first_backend_that_holds_the_level_serves_the_call():
    first = fake("first", {"f": Outcome(value="first")}, frozenset({Level.SANDBOX}))
    second = fake("second", {"f": Outcome(value="second")})
    sandbox = LayeredSandbox([first, second])
    assert run(sandbox).value == "first"
    assert run(sandbox, Level.RESTRICTED).value == "second"
    assert sandbox.levels == frozenset(Level)


def test_a_backend_whose_probe_escapes_serves_nothing():
    leaks = fake("leaks", {"probe": Outcome(value="confined code could x"), "f": Outcome(value=1)})
    broken = fake("broken", {"probe": NO_FOLDER, "f": Outcome(value=2)})
    absent = fake("absent", {"f": Outcome(value=3)}, missing="not installed", fix="apt install it")
    sandbox = LayeredSandbox([leaks, broken, absent])
    failure = run(sandbox).failure
    assert failure.what is What.REFUSED
    assert failure.message == (
        "nothing here runs this at level 'sandbox': leaks: confined code could x; "
        "broken: there is no such folder; absent: not installed (apt install it)"
    )
    assert sandbox.levels == frozenset()
    assert [status.available for status in sandbox.statuses()] == [False] * 3


def test_a_call_that_is_refused_goes_to_the_next_and_one_that_fails_does_not():
    raised = Outcome(failure=Failure(what=What.RAISED, message="ValueError"))
    refuses = fake("refuses", {"f": NO_FOLDER})
    raises = fake("raises", {"f": raised})
    never = fake("never", {"f": Outcome(value=1)})
    assert run(LayeredSandbox([refuses, raises, never])) == raised


def test_a_backend_is_tried_out_once_for_each_level():
    made = []
    sandbox = LayeredSandbox([fake("one", {"f": Outcome(value=1)}, made=made)])
    for _ in range(3):
        run(sandbox)
    sandbox.close()
    run(sandbox)
    run(sandbox, Level.FULL)
    assert len(made) == 1
    asked = [(call.program.function, call.permissions.level.value) for call in made[0].calls]
    assert asked == [
        ("probe", "sandbox"),
        *[("f", "sandbox")] * 4,
        ("probe", "full"),
        ("f", "full"),
    ]


def test_a_status_says_what_is_lacking_and_what_mends_it():
    some = fake("some", {}, frozenset({Level.SANDBOX}))
    none = fake("none", {}, missing="not installed", fix="apt install it")
    assert LayeredSandbox([some, none]).statuses() == (
        BackendStatus(name="some", available=True, levels=(Level.SANDBOX,)),
        BackendStatus(name="none", available=False, reason="not installed", fix="apt install it"),
    )


def test_threads_that_come_first_together_share_one_backend():
    made, found = [], []
    sandbox = LayeredSandbox([fake("one", {"f": Outcome(value=1)}, made=made)])
    threads = [threading.Thread(target=lambda: found.append(run(sandbox).value)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, len(made)) == ([1] * 8, 1)


# --- this machine ----------------------------------------------------------------------------------


def test_this_machine_has_what_its_kernel_allows():
    by = {status.name: status for status in backends()}
    assert list(by) == ["namespaces", "landlock", "bubblewrap", "monty"]
    assert by["monty"].levels == (Level.SANDBOX,)
    for status in by.values():
        assert status.available == bool(status.levels)
        assert bool(status.reason) == (len(status.levels) < len(_made_for(status.name)))
    unshare = shutil.which("unshare")
    works = (
        unshare
        and not subprocess.run(
            [unshare, "--user", "--map-root-user", "--net", "true"],
            capture_output=True,
            check=False,
        ).returncode
    )
    if works:  # otherwise the contract's tests would be skipped where something is broken
        assert by["namespaces"].levels == tuple(Level)
        assert not shutil.which("bwrap") or by["bubblewrap"].levels == tuple(Level)


def _made_for(name):
    return next(backend.levels for backend in known_backends() if backend.name == name)


def test_the_environment_forces_a_backend(monkeypatch):
    monkeypatch.setenv("STROP_SANDBOX", "monty")
    forced = best_sandbox()
    assert forced.levels == MontySandbox.levels
    assert run(forced).value == 1
    failure = run(forced, Level.FULL).failure
    assert failure.what is What.REFUSED
    assert "monty: it does not hold code to level 'full'" in failure.message
    monkeypatch.setenv("STROP_SANDBOX", "none")
    assert "STROP_SANDBOX=none" in run(best_sandbox()).failure.message
    monkeypatch.setenv("STROP_SANDBOX", "subprocess")
    with pytest.raises(
        BadInput, match="they are namespaces, landlock, bubblewrap, monty, and none"
    ):
        best_sandbox()
    monkeypatch.delenv("STROP_SANDBOX")
    assert best_sandbox() is best_sandbox()
    assert best_sandbox() is not forced


def checks():
    return {check.name: check.to_json() for check in doctor._sandboxes()}


def test_doctor_says_who_runs_code(monkeypatch):
    every = checks()
    assert list(every) == ["sandbox", *(f"sandbox {status.name}" for status in backends())]
    for status in backends():
        row = every[f"sandbox {status.name}"]
        assert row["status"] == ("optional" if status.reason else "ok")
        assert row["fix"] == status.fix
        assert status.reason in row["detail"]
    monkeypatch.setenv("STROP_SANDBOX", "monty")
    assert checks() == snapshot(
        {
            "sandbox": {
                "name": "sandbox",
                "status": "warning",
                "detail": "sandbox by monty, restricted by nobody, full by nobody; tools that need more are refused",
                "fix": "unset STROP_SANDBOX",
            },
            "sandbox monty": {
                "name": "sandbox monty",
                "status": "ok",
                "detail": "holds sandbox",
                "fix": "",
            },
        }
    )
    monkeypatch.setenv("STROP_SANDBOX", "none")
    assert checks()["sandbox"]["status"] == "optional"
    monkeypatch.setenv("STROP_SANDBOX", "chroot")
    assert checks()["sandbox"]["status"] == "missing"
    assert "there is no sandbox 'chroot'" in checks()["sandbox"]["detail"]


def test_doctor_names_the_command_that_mends(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")  # bwrap is not found there
    monkeypatch.setenv("STROP_SANDBOX", "bubblewrap")
    monkeypatch.setattr(resolve, "_best", {})
    found = checks()
    assert found["sandbox"]["status"] == "warning"
    assert found["sandbox"]["fix"] == "apt install bubblewrap"
    assert found["sandbox bubblewrap"] == {
        "name": "sandbox bubblewrap",
        "status": "optional",
        "detail": "not available: bwrap is not installed",
        "fix": "apt install bubblewrap",
    }


FORKING = """
import os, signal, sys
from strop.permission import Permissions
from strop.sandbox import Program, best_sandbox

def run(n):
    program = Program(source="def f(n): return n", function="f")
    found = best_sandbox().call(program, {"n": n}, permissions=Permissions())
    return found.value if found.ok else found.failure.message

kept = best_sandbox()
assert run(1) == 1
pid = os.fork()
if pid == 0:
    signal.alarm(30)  # a child that hangs is not left behind
    assert best_sandbox() is kept
    sys.stdout.write(f"{run(2)}\\n")
    sys.exit(0)  # ends what is the child's, and nothing of the parent's
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert run(3) == 3
sys.stdout.write("done")
"""
# Its threads do not live on in a fork, where it would wait for ever.
REFUSED = "nothing here runs this at level 'sandbox': monty: monty was used before this process"


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="no fork here")
@pytest.mark.parametrize("backend", ["", "bubblewrap", "monty"])
def test_a_fork_has_a_sandbox_of_its_own(backend, monkeypatch):
    if backend == "bubblewrap" and not shutil.which("bwrap"):
        pytest.skip("bwrap is not installed")
    monkeypatch.setenv("STROP_SANDBOX", backend)
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    said, ended = done.stdout.splitlines()
    assert ended == "done"
    assert said.startswith(REFUSED) if backend == "monty" else said == "2"


# --- sandboxes that run nothing --------------------------------------------------------------------


def test_the_refusing_sandbox_says_why():
    missing = BackendStatus(name="monty", available=False, reason="not there", fix="pip install it")
    sandbox = RefusingSandbox([missing])
    failure = run(sandbox, Level.RESTRICTED).failure
    assert failure.what is What.REFUSED
    assert failure.message == (
        "nothing here runs this at level 'restricted': monty: not there (pip install it)"
    )
    assert (sandbox.levels, run(RefusingSandbox()).ok) == (frozenset(), False)
    sandbox.close()


def test_the_fake_sandbox_gives_outcomes_and_records_calls():
    sandbox = FakeSandbox({"f": Outcome(value=7)}, levels=frozenset({Level.SANDBOX}))
    assert run(sandbox).value == 7
    assert run(sandbox, Level.FULL).failure.what is What.REFUSED
    other = Program(source="", function="g")
    bounds = Bounds(seconds=1)
    missing = sandbox.call(other, {"x": 1}, permissions=Permissions(), bounds=bounds)
    assert missing.failure.what is What.INVALID
    assert [call.program.function for call in sandbox.calls] == ["f", "f", "g"]
    assert (sandbox.calls[2].args, sandbox.calls[2].bounds) == ({"x": 1}, bounds)
    scripted = FakeSandbox(lambda program, args: Outcome(value=[program.function, dict(args)]))
    assert scripted.call(ONE, {"n": 1}, permissions=Permissions()).value == ["f", {"n": 1}]
