"""Which folders may be granted, and that no link which code left behind gives another one.

Folders, links and processes are real. Next file: `test_sandbox_monty.py`.
"""

import errno
import os
import shutil
import stat
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.errors import BadInput
from strop.permission import Level, Permissions
from strop.sandbox import Bounds, Program, What
from strop.sandbox.probing import lacking

if sys.platform != "linux":
    pytest.skip("these sandboxes are Linux's", allow_module_level=True)
sys.path.append(str(Path(__file__).resolve().parents[1]))  # the benchmarks are beside the tests
from bench.tools.host import readable_python

from strop.sandbox import BubblewrapSandbox, LandlockSandbox, NamespaceSandbox, bubblewrap, granted
from strop.sandbox.linux import nolinks
from strop.sandbox.linux import plan as planning

SECRET = "what nobody granted"
READ = "def f(path):\n    return open(path + '/key').read()"
SWAP = """
import os
def f(old, new):
    os.rename(old, old + ".was")
    os.symlink(new, old)
"""
SET_ID = """
import os
def f(folder):
    refused = []
    for n, act in enumerate((
        lambda path: os.chmod(path, 0o4755),
        lambda path: os.chmod(path, 0o2755),
        lambda path: os.close(os.open(path + "x", os.O_CREAT | os.O_WRONLY, 0o4755)),
        lambda path: os.mkdir(path + "d", 0o2755),
    )):
        open(f"{folder}/{n}", "w").write("program")
        try:
            act(f"{folder}/{n}")
        except PermissionError:
            refused.append(n)
    os.chmod(folder + "/0", 0o1755)
    return refused
"""


@pytest.fixture(scope="module", params=[NamespaceSandbox, LandlockSandbox, BubblewrapSandbox])
def sandbox(request):
    # As root, Landlock's tools run as a user who may not read every interpreter.
    python = request.param is LandlockSandbox and readable_python()
    made = request.param(python=python) if python else request.param()
    reason = lacking(made, Level.SANDBOX)
    if reason:
        pytest.skip(f"{made.name}: {reason}")
    yield made
    made.close()


@pytest.fixture(scope="module", params=[NamespaceSandbox, BubblewrapSandbox])
def writing(request):
    made = request.param()
    reason = lacking(made, Level.RESTRICTED)
    if reason:
        pytest.skip(f"{made.name}: {reason}")
    yield made
    made.close()


@pytest.fixture
def home(tmp_path):
    """A private folder, and one to work in with a folder in it."""
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text(SECRET)
    (tmp_path / "work" / "sub").mkdir(parents=True)
    (tmp_path / "work" / "sub" / "key").write_text("harmless")
    return tmp_path


def run(sandbox, source, permissions, **args):
    program = Program(source=source, function="f")
    return sandbox.call(program, args, permissions=permissions, bounds=Bounds(seconds=10))


def refused(outcome):
    assert outcome.failure is not None, outcome.value
    assert outcome.failure.what is What.REFUSED, outcome.failure
    return outcome.failure.message


def test_a_link_that_code_left_gives_nobody_another_folder(writing, home):
    work, sub = str(home / "work"), str(home / "work" / "sub")
    reads = Permissions(read=(sub,))
    writes = Permissions(level=Level.RESTRICTED, write=(sub,))
    assert run(writing, READ, reads, path=sub).value == "harmless"
    whole = Permissions(level=Level.RESTRICTED, write=(work,))
    assert run(writing, SWAP, whole, old=sub, new=str(home / "private")).ok
    assert Path(sub).readlink() == home / "private"
    for permissions in (reads, writes):
        message = refused(run(writing, READ, permissions, path=sub))
        assert repr(str(home / "private")) in message
        assert "link" in message


@pytest.mark.parametrize("where", ["sub", "middle"])
def test_a_path_with_a_link_in_it_is_refused_and_the_real_one_is_named(sandbox, home, where):
    if where == "sub":
        (home / "link").symlink_to(home / "work" / "sub")
        path = str(home / "link")
    else:
        (home / "link").symlink_to(home / "work")
        path = str(home / "link" / "sub")
    real = str(home / "work" / "sub")
    assert repr(real) in refused(run(sandbox, READ, Permissions(read=(path,)), path=path))
    for other in (real, f"/{real}/", f"{real}/."):
        assert run(sandbox, READ, Permissions(read=(other,)), path=real).value == "harmless"


def test_a_link_that_comes_after_the_look_is_refused_too(sandbox, home, monkeypatch):
    monkeypatch.setattr(planning, "unfit", lambda *_: None)
    monkeypatch.setattr(bubblewrap, "unfit", lambda *_: None)
    (home / "link").symlink_to(home / "private")
    (home / "way").symlink_to(home)
    for path in (str(home / "link"), str(home / "way" / "private")):
        refused(run(sandbox, READ, Permissions(read=(path,)), path=path))


def test_bubblewrap_runs_nothing_where_the_folder_was_exchanged_meanwhile(home, monkeypatch):
    made = BubblewrapSandbox()
    if reason := lacking(made, Level.SANDBOX):
        pytest.skip(reason)
    sub, start = home / "work" / "sub", bubblewrap._start

    def exchange(*args):
        sub.rename(home / "work" / "was")
        sub.symlink_to(home / "private")
        return start(*args)

    monkeypatch.setattr(bubblewrap, "_start", exchange)
    message = refused(run(made, READ, Permissions(read=(str(sub),)), path=str(sub)))
    assert "became another" in message


def test_no_exchange_at_any_moment_shows_what_is_not_granted(home):
    there, why = NamespaceSandbox.probe()
    if not there:
        pytest.skip(why)
    sub, stop = home / "work" / "sub", threading.Event()
    swapped = 0

    def swap():
        nonlocal swapped
        while not stop.is_set():
            sub.rename(home / "work" / "was")
            sub.symlink_to(home / "private")
            sub.unlink()
            (home / "work" / "was").rename(sub)
            swapped += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(12):
            made = NamespaceSandbox()
            found = run(made, READ, Permissions(read=(str(sub),)), path=str(sub))
            made.close()
            assert found.value in {None, "harmless"}
            assert SECRET not in str(found)
    finally:
        stop.set()
        thread.join()
    assert swapped


@pytest.mark.parametrize("kind", ["read", "write"])
def test_no_folder_is_granted_inside_one_that_code_may_write(writing, home, kind):
    work, sub = str(home / "work"), str(home / "work" / "sub")
    given_too = {"read": (), "write": (work,)}
    given_too[kind] = (*given_too[kind], sub)
    message = refused(
        run(writing, READ, Permissions(level=Level.RESTRICTED, **given_too), path=sub)
    )
    assert repr(sub) in message
    assert f"grant {work!r} alone" in message


def test_folders_that_do_not_touch_may_be_granted_together(writing, home):
    work, sub, private = (str(home / name) for name in ("work", "work/sub", "private"))
    for given_too in (
        {"read": (work,), "write": (sub,)},  # what is around it cannot be written
        {"read": (sub,), "write": (sub,)},
        {"read": (sub,), "write": (private,)},
        {"read": (work, sub)},
        {"write": (work, work + "2")},  # a longer name is not a folder inside
    ):
        (home / "work2").mkdir(exist_ok=True)
        permissions = Permissions(level=Level.RESTRICTED, **given_too)
        assert run(writing, READ, permissions, path=sub).value == "harmless"


def test_no_program_that_runs_as_its_owner_is_left_on_the_host(writing, home):
    work = home / "work"
    permissions = Permissions(level=Level.RESTRICTED, write=(str(work),))
    assert run(writing, SET_ID, permissions, folder=str(work)).value == [0, 1, 2, 3]
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in work.rglob("*")}
    assert modes["0"] == 0o1755  # other modes may be set
    assert "2x" not in modes
    assert not [name for name, mode in modes.items() if mode & 0o6000]


def test_paths_are_walked_without_following_a_link(home):
    for path in ("/", "//", str(home), f"{home}/./work//sub/", str(home / "work/sub/key")):
        fd = nolinks.opened(path)
        assert os.path.samestat(os.fstat(fd), Path(path).stat())
        os.close(fd)
    (home / "link").symlink_to(home / "work")
    (home / "nothing").symlink_to(home / "new")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (home / "link", home / "link" / "sub", home / "nothing"):
        for act in (nolinks.opened, lambda p: nolinks.made(p, folder=True)):
            with pytest.raises(OSError, match=r".") as caught:
                act(str(path))
            assert caught.value.errno in {errno.ELOOP, errno.ENOTDIR}
    with pytest.raises(FileNotFoundError):
        nolinks.opened(str(home / "new"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    for path, folder in ((home / "a" / "b", True), (home / "a" / "c" / "file", False)):
        for _ in range(2):
            os.close(nolinks.made(str(path), folder=folder))
        assert path.is_dir() == folder
    assert not (home / "new").exists()
    shutil.rmtree(home / "a")


@pytest.mark.parametrize("path", ["/no/such/folder", "/" + "x" * 5000])
def test_a_path_that_cannot_be_is_not_there(path):
    assert "is not there" in granted.unfit(Permissions(read=(path,)), ())


PATHS = st.lists(st.sampled_from(["/a", "/a/b", "/c"]), max_size=2).map(tuple)
HOSTS = st.lists(st.sampled_from(["h:1", "i:2"]), max_size=2).map(tuple)


@st.composite
def permissions_of_any_kind(draw):
    level = draw(st.sampled_from(Level))
    return Permissions(
        level=level,
        read=draw(PATHS),
        write=draw(PATHS) if level is not Level.SANDBOX else (),
        hosts=draw(HOSTS) if level is Level.FULL else (),
    )


@given(permissions_of_any_kind(), permissions_of_any_kind())
def test_code_never_runs_with_more_than_is_granted(given_, need):
    if not given_.covers(need):
        with pytest.raises(ValueError, match="does not cover"):
            given_.narrowed(need)
        return
    narrowed = given_.narrowed(need)
    assert given_.covers(narrowed)
    assert (narrowed.level, narrowed.read, narrowed.write) == (need.level, need.read, need.write)
    assert not given_.hosts or set(narrowed.hosts) <= set(given_.hosts)
    assert not (given_.hosts and need.level is Level.FULL) or narrowed.hosts


@pytest.mark.parametrize("text", ["/data\u202e", "/a\nb", "/\ud800"])
def test_what_does_not_print_cannot_be_granted(text):
    with pytest.raises(BadInput, match="does not print"):
        Permissions(read=(text,))
