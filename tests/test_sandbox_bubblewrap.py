"""What is bubblewrap's alone; what it shares with others is in `test_sandbox_contract.py`.

Next file: `test_sandbox_granted.py`.
"""

import shutil
import sys
import time
from pathlib import Path

import pytest

from strop.permission import Level, Permissions
from strop.sandbox import Bounds, Program, What
from strop.sandbox.probing import lacking

if sys.platform != "linux":
    pytest.skip("bubblewrap is for Linux", allow_module_level=True)
from strop.sandbox import BubblewrapSandbox

SAFE = Permissions()


@pytest.fixture(scope="module")
def sandbox():
    if not shutil.which("bwrap"):
        pytest.skip("bwrap is not installed")
    made = BubblewrapSandbox()
    reason = lacking(made, Level.SANDBOX)
    if reason:
        pytest.skip(f"bubblewrap does not work here: {reason}")
    return made


def run(sandbox, source, args=None, permissions=SAFE, **bounds):
    program = Program(source=source, function="f")
    return sandbox.call(program, args or {}, permissions=permissions, bounds=Bounds(**bounds))


def refused(outcome):
    assert outcome.failure is not None
    assert outcome.failure.what is What.REFUSED
    return outcome.failure.message


def test_it_says_what_it_lacks(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "apt install bubblewrap" in refused(run(BubblewrapSandbox(), "def f(): pass"))
    gone = BubblewrapSandbox("/nowhere/bwrap")
    assert refused(run(gone, "def f(): pass")) == (
        "bwrap cannot be started: No such file or directory"
    )


def test_hosts_by_name_are_refused(sandbox):
    named = Permissions(level=Level.FULL, hosts=("example.com:443",))
    assert "named hosts" in refused(run(sandbox, "def f(): pass", permissions=named))


def test_a_folder_that_is_not_there_is_refused(sandbox, tmp_path):
    gone = Permissions(read=(str(tmp_path / "gone"),))
    assert "gone" in refused(run(sandbox, "def f(): pass", permissions=gone))


def test_a_folder_that_shows_more_than_files_is_refused(sandbox, tmp_path):
    (tmp_path / "link").symlink_to("/proc")
    for path in ("/", "//", "/proc", "/proc/1/", "/dev", "/scratch/x", str(tmp_path / "link")):
        granted = Permissions(read=(path,))
        assert "cannot be granted" in refused(run(sandbox, "def f(): pass", permissions=granted))


def test_threads_are_bounded(sandbox):
    source = """
import threading
def f():
    threading.stack_size(8 * 2**20)
    ended = threading.Event()
    started = []
    try:
        for _ in range(500):
            started.append(threading.Thread(target=ended.wait, daemon=True))
            started[-1].start()
    except RuntimeError:
        pass
    ended.set()
    return len(started)
"""
    assert 8 <= run(sandbox, source, memory=128 * 2**20).value <= 16


def test_arguments_that_are_not_json(sandbox):
    outcome = run(sandbox, "def f(n): return n", {"n": float("nan")})
    assert outcome.failure.what is What.INVALID
    assert "args.n" in outcome.failure.message


def test_the_root_is_small_and_read_only(sandbox):
    source = """
import os
def f():
    written = []
    for folder, below, _ in os.walk("/"):
        if folder.count("/") > 1:
            below.clear()
        try:
            open(folder + "/x", "w").close()
            written.append(folder)
        except OSError:
            pass
    here = [set(os.listdir(folder)) for folder in ("/proc", "/strop", "/scratch")]
    return [written, [sorted(names) for names in here], sorted(os.environ)]
"""
    for level, scratch in ((Level.SANDBOX, []), (Level.RESTRICTED, ["/scratch"])):
        written, here, environment = run(
            sandbox, source, permissions=Permissions(level=level)
        ).value
        assert written == scratch
        assert here[:2] == [[], []]
        assert not {"PATH", "USER", "SHELL"} & set(environment)


def test_no_descriptor_of_ours_is_open_inside(sandbox):
    source = """
import os
def f():
    found = {}
    for fd in range(256):
        try:
            found[str(fd)] = os.fstat(fd).st_mode >> 12
        except OSError:
            pass
    return found
"""
    pipe, link = 0o01, 0o14
    kinds = run(sandbox, source).value
    assert {kinds.pop("0"), kinds.pop("1"), kinds.pop("2")} == {pipe}
    assert list(kinds.values()) == [link]  # the channel that the call came by


def test_nothing_is_left_running(sandbox, tmp_path):
    granted = Permissions(read=(str(tmp_path),))
    busy = "def f():\n    while True: pass"
    assert run(sandbox, busy, permissions=granted, seconds=0.2).failure.what is What.TIMEOUT
    deadline = time.monotonic() + 2
    while (left := _processes_with(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def _processes_with(word):
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in file.read_text(errors="replace").split("\0"):
                found.append(file.parent.name)
        except OSError:
            continue
    return found
