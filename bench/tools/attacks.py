"""Hostile tools against the Linux sandboxes, as root and as an ordinary user.

    python -m bench.tools.attacks [--quick] [--set own|shared|all] [--user-python PATH]

Lets every attack of `../shared/attacks` (where it is there) and of `tests/attacks` loose in each
sandbox, at its own level and at those above it, and prints one JSON object: which had an effect on
the host, which controls work. `--quick` keeps to each attack's own level. At `full` the network is
limited to one host and port that the attack is not after.

Next file: `latency.py`.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.tools.host import SECRET, Watch, as_user, descendants, host, readable_python
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Outcome, Program, Sandbox
from strop.sandbox.linux import LandlockSandbox, NamespaceSandbox

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "attacks" / "attacks.py"
OWN = ROOT / "tests" / "attacks" / "hostile.py"

BOUNDS = Bounds(
    seconds=1.0,
    memory=256 * 2**20,
    result=2**20,
    printed=64 * 2**10,
    scratch=16 * 2**20,
    files=256,
)
_NOBODY = 9  # a port that nobody listens at
_THREADS = 64
_AFTERWARDS = 4.0  # seconds that ending a call may take on a busy machine
_INTERPRETER = 150 * 2**20  # bytes that Python and what it loaded take themselves

# What a call leaves behind that the next one could see.
_AFTER_SOURCE = """
import builtins, os, sys, threading
def tool(**k):
    marks = [n for n in ("MARK", "open_was") if hasattr(builtins, n)]
    marks += [n for n in os.environ if n.startswith("MARK")]
    marks += [n for n in sys.modules if n.startswith("MARK")]
    marks += os.listdir("/scratch") if os.path.isdir("/scratch") else []
    if threading.active_count() > 1 or len([1]) != 1 or open.__module__ not in ("io", "_io"):
        marks.append("changed")
    return {"marks": marks, "echo": k}
"""
_AFTER = Program(source=_AFTER_SOURCE, function="tool")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chosen(which: str, name: str) -> dict[str, tuple[str, str]]:
    """The attacks (`A`) or controls (`P`) of our own, the shared ones, or all."""
    found: dict[str, tuple[str, str]] = {}
    if which != "own" and SHARED.exists():
        found |= getattr(load(SHARED), name)
    if which != "shared":
        found |= {f"own:{key}": value for key, value in getattr(load(OWN), name).items()}
    return found


def permissions(level: Level, data: Path, port: int) -> Permissions:
    """What is granted: the data folder, and at `full` one port of this machine."""
    hosts = (f"127.0.0.1:{port}",) if level is Level.FULL else ()
    return Permissions(level=level, read=(str(data),), hosts=hosts)


def attack(sandbox: Sandbox, level: Level, source: str, data: Path) -> list[str]:
    """The effects of one attack on the host, and on the call that comes after it."""
    granted = permissions(level, data, _NOBODY)
    sandbox.call(_AFTER, {}, permissions=granted, bounds=BOUNDS)  # its pool is up from here on
    with host(data) as at, Watch() as watch:
        ours = descendants(os.getpid())
        start = time.monotonic()
        outcome = sandbox.call(
            Program(source=source, function="tool"), at.kwargs, permissions=granted, bounds=BOUNDS
        )
        took = time.monotonic() - start
        after = sandbox.call(_AFTER, {"n": 7}, permissions=granted, bounds=BOUNDS)
        effects = at.effects() + leaks(outcome)
        effects += survivors(len(ours))
    if took > BOUNDS.seconds + _AFTERWARDS:
        effects.append(f"the call took {took:.1f} seconds")
    if after.value != {"marks": [], "echo": {"n": 7}}:
        effects.append(f"the next call saw {after.value or after.failure}")
    if watch.threads > _THREADS + 2:
        effects.append(f"{watch.threads} threads in one process")
    if watch.processes > len(ours) + 2:  # the call's own, and the next one made ready
        effects.append(f"{watch.processes} processes at once, {len(ours)} before")
    if watch.bytes > BOUNDS.memory + _INTERPRETER:
        effects.append(f"{watch.bytes / 2**20:.0f} MiB in one process")
    return sorted(set(effects))


def survivors(before: int) -> list[str]:
    """Whether more processes are there than before, once the last call has had time to end."""
    for _ in range(40):
        now = len(descendants(os.getpid()))
        if now <= before:
            return []
        time.sleep(0.05)
    return [f"{now - before} processes survived"]


def leaks(outcome: Outcome) -> list[str]:
    """What came back with a call that should not have."""
    message = outcome.failure.message if outcome.failure else ""
    text = json.dumps(outcome.value) + outcome.printed + message
    found = [f"it told {secret!r}" for secret in (SECRET, "root:x:") if secret in text]
    if len(outcome.printed.encode()) > 3 * BOUNDS.printed:
        found.append(f"{len(outcome.printed)} characters of print-out were kept")
    if len(json.dumps(outcome.value)) > BOUNDS.result + 100:
        found.append("the result is larger than allowed")
    match outcome.value:  # what cannot be seen from outside, by the tool's own word
        case str() as text if text.startswith("GOT"):
            found.append(text)
        case {"fd": int(fd)} if fd >= 0:
            found.append("io_uring was there")
        case {"r": 0}:
            found.append("a user namespace was made")
        case {"victim": 0} | {"host": 0}:
            found.append("a process was traced")
        case {"forked": int(n)} if n:
            found.append(f"{n} processes were forked")
    return found


def control(sandbox: Sandbox, level: Level, source: str, data: Path) -> str:
    """ "ok", "not installed", or what went wrong with a harmless tool."""
    with host(data) as at:
        outcome = sandbox.call(
            Program(source=source, function="tool"),
            at.kwargs,
            permissions=permissions(level, data, at.port),
            bounds=Bounds(seconds=20),
        )
        at.effects()
        heard = level is not Level.FULL or at.heard == [b"good"]
    if outcome.failure is not None:
        if "ModuleNotFoundError" in outcome.failure.message:
            return "not installed"
        return f"{outcome.failure.what}: {outcome.failure.message}"
    return "ok" if heard else "nothing was heard"


def sweep(python: str, *, quick: bool, which: str) -> dict[str, Any]:
    """Everything, as whoever runs this."""
    report: dict[str, Any] = {"root": os.geteuid() == 0}
    with tempfile.TemporaryDirectory(prefix="granted") as folder:
        data = Path(folder)
        data.chmod(0o777)
        (data / "in.txt").write_text("readable")
        for kind in (NamespaceSandbox, LandlockSandbox):
            there, why = kind.probe(python)
            sandbox = kind(python=python)
            report[kind.name] = (
                {"available": True, **against(sandbox, data, quick=quick, which=which)}
                if there
                else {"available": False, "why": why}
            )
            sandbox.close()
            if left := descendants(os.getpid()):
                raise SystemExit(f"{len(left)} processes outlived {kind.name}")
        if (data / "in.txt").read_text() != "readable" or len(list(data.iterdir())) != 1:
            raise SystemExit("the granted folder was changed")
    return report


def against(sandbox: Sandbox, data: Path, *, quick: bool, which: str) -> dict[str, Any]:
    """All attacks and controls against one sandbox."""
    rows = {
        f"{name} at {level}": attack(sandbox, level, source, data)
        for name, (own, source) in chosen(which, "A").items()
        for level in levels(Level(own), sandbox, quick=quick)
    }
    return {
        "attacks": len(rows),
        "effects": {name: found for name, found in rows.items() if found},
        "controls": {
            name: control(sandbox, Level(level), source, data)
            for name, (level, source) in chosen(which, "P").items()
            if Level(level) in sandbox.levels
        },
    }


def levels(own: Level, sandbox: Sandbox, *, quick: bool) -> Iterator[Level]:
    for level in Level:
        if level in sandbox.levels and level.rank >= own.rank and (level is own or not quick):
            yield level


def as_other_user(python: str | None, *, quick: bool, which: str) -> dict[str, Any]:
    """The same as an ordinary user, in a process of that user's; or why not."""
    python = python or readable_python()
    if python is None:
        return {"skipped": "no interpreter that an ordinary user can run"}
    command = [python, "-m", "bench.tools.attacks", "--only-me"]
    command += ["--quick"] * quick + ["--set", which]
    environment = {"PYTHONPATH": f"{ROOT}/src:{ROOT}", "LANG": "C.UTF-8", "PATH": os.defpath}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    run = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False, **as_user()
    )
    if run.returncode:
        return {"skipped": run.stderr.strip()[-500:]}
    return dict(json.loads(run.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="each attack at its own level only")
    parser.add_argument("--set", choices=("own", "shared", "all"), default="all", dest="which")
    parser.add_argument("--only-me", action="store_true", help="only as whoever runs this")
    parser.add_argument("--python", default=sys.executable, help="interpreter for the tools")
    parser.add_argument("--user-python", help="the one to be an ordinary user with")
    given = parser.parse_args()
    how = {"quick": given.quick, "which": given.which}
    me = sweep(given.python, **how)
    if given.only_me:
        print(json.dumps(me))
        return
    reports = {"root" if me["root"] else "user": me}
    if me["root"]:
        reports["user"] = as_other_user(given.user_python, **how)
    print(json.dumps({"schema": "bench-attacks", **reports}, indent=2))


if __name__ == "__main__":
    main()
