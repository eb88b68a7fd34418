"""What a call in a sandbox costs, beside other ways to run a snippet; and what calls leave behind.

    python -m bench.tools.latency [--quick] [--calls N] [--ahead] [--peers-python PATH]

Times a trivial tool, warm (one call after another, and with a pause between calls) and cold (a new
sandbox), in one run with a plain subprocess, smolagents' local executor and Monty where those are
installed, in turns, so that all of them meet the same load. `--ahead` gives all of them real-time
priority, so that what else runs on the machine hardly counts. `--peers-python` names an interpreter
that has the ones this one lacks. Then it makes N calls (10,000) and counts what they left:
processes, descriptors, mounts, memory. Prints one JSON object.

Next file: `host.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from bench.tools.host import descendants
from strop.permission import Level, Permissions
from strop.sandbox.base import Program
from strop.sandbox.linux import LandlockSandbox, NamespaceSandbox

TARGETS = {"warm_p50_ms": 4.0, "warm_p95_ms": 8.0, "cold_ms": 80.0, "memory_growth": 0.05}
SOURCE = "def tool(n):\n    return n + 1\n"
_PROGRAM = Program(source=SOURCE, function="tool")
_PAUSE = 0.05  # seconds between paced calls: less than any model takes to ask for the next

# A peer in another interpreter: prints the milliseconds of each call, as JSON.
_PEERS = {
    "smolagents local executor": """
import json, sys, time
from smolagents.local_python_executor import LocalPythonExecutor
def fresh():
    made = LocalPythonExecutor([])
    made.send_tools({})
    return made
def call(executor):
    executor(SOURCE + "tool(1)")
start = time.perf_counter(); call(fresh()); cold = time.perf_counter() - start
""",
    "pydantic-monty": """
import json, sys, time
from pydantic_monty import Monty
def fresh():
    return Monty()
def call(monty):
    with monty.checkout() as session:
        session.feed_run(SOURCE + "tool(1)")
start = time.perf_counter()
made = fresh()
made.__enter__()
call(made)
cold = time.perf_counter() - start
fresh = lambda: made
""",
}
_TIMED = """
warm = []
executor = fresh()
for _ in range(N):
    start = time.perf_counter(); call(executor); warm.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"warm": warm, "cold": cold * 1e3}))
"""


def figures(times: list[float]) -> dict[str, float]:
    """Median, 95th percentile and count of some milliseconds."""
    ranked = sorted(times)
    p95 = ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))]
    return {"p50_ms": round(median(ranked), 2), "p95_ms": round(p95, 2), "n": len(ranked)}


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1e3


def sandboxes() -> Iterator[tuple[str, Any, Level]]:
    for kind in (NamespaceSandbox, LandlockSandbox):
        if kind.probe()[0]:
            for level in sorted(kind.levels, key=lambda level: level.rank):
                yield f"{kind.name}, {level}", kind, level


def call(sandbox: Any, level: Level) -> None:
    outcome = sandbox.call(_PROGRAM, {"n": 1}, permissions=Permissions(level=level))
    if outcome.value != 2:
        raise SystemExit(f"{sandbox.name} failed: {outcome.failure}")


def plain_subprocess() -> None:
    code = f"{SOURCE}print(tool(1))"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    if run.stdout != b"2\n":
        raise SystemExit("a plain subprocess failed")


def rows(rounds: int, per_round: int) -> dict[str, Any]:
    """Times of each sandbox and of a plain subprocess, taken in turns."""
    kinds = list(sandboxes())
    open_ones = {name: kind() for name, kind, _ in kinds}
    found: dict[str, dict[str, list[float]]] = {
        name: {"warm": [], "paced": [], "cold": []} for name, _, _ in kinds
    }
    found["plain subprocess (no protection)"] = {"cold": []}
    for _ in range(rounds):
        for name, kind, level in kinds:
            new = kind()
            found[name]["cold"].append(timed(lambda: call(new, level)))  # noqa: B023 - called here
            new.close()
            for which, pause in (("warm", 0.0), ("paced", _PAUSE)):
                call(open_ones[name], level)
                for _ in range(per_round):
                    time.sleep(pause)
                    found[name][which].append(timed(lambda: call(open_ones[name], level)))  # noqa: B023
        for _ in range(per_round // 2):
            found["plain subprocess (no protection)"]["cold"].append(timed(plain_subprocess))
    for sandbox in open_ones.values():
        sandbox.close()
    return {
        name: {which: figures(times) for which, times in by.items()} for name, by in found.items()
    }


def peers(python: str | None, calls: int) -> dict[str, Any]:
    """Times of the other executors, each in a process of its own."""
    found: dict[str, Any] = {}
    for name, code in _PEERS.items():
        told = "not installed"
        for interpreter in filter(None, (sys.executable, python)):
            program = f"SOURCE, N = {SOURCE!r}, {calls}\n{code}{_TIMED}"
            run = subprocess.run(
                [interpreter, "-I", "-c", program], capture_output=True, text=True, check=False
            )
            if run.returncode == 0:
                times = json.loads(run.stdout)
                found[name] = {
                    "warm": figures(times["warm"]),
                    "first_call_ms": round(times["cold"], 2),
                }
                break
            if "ModuleNotFoundError" not in run.stderr:
                told = run.stderr.strip()[-200:]
        found.setdefault(name, {"missing": told})
    return found


def left_behind(calls: int, threads: int) -> dict[str, Any]:
    """What many calls leave: counted after the first tenth, and after the last."""
    sandbox = NamespaceSandbox()
    levels = [Level.SANDBOX, Level.RESTRICTED]

    def some(n: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, n, 100):  # what waits to be done takes memory too
                list(pool.map(lambda i: call(sandbox, levels[i % 2]), range(start, start + 100)))

    some(max(20, calls // 10))
    time.sleep(0.5)
    before = counted()
    start = time.monotonic()
    some(calls)
    took = time.monotonic() - start
    time.sleep(0.5)
    after = counted()
    sandbox.close()
    growth = {name: after[name] / before[name] - 1 for name in ("own_bytes", "worker_bytes")}
    return {
        "calls": calls,
        "threads": threads,
        "calls_per_second": round(calls / took, 1),
        "before": before,
        "after": after,
        "memory_growth": round(max(growth.values()), 4),
        "processes_after_close": len(descendants(os.getpid())),
    }


def counted() -> dict[str, int]:
    below = descendants(os.getpid())
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in below]
    workers = [pid for pid in below if b"boot.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    top = [pid for pid in workers if _parent(pid) == os.getpid()]
    return {
        "processes": len(below),
        "zombies": states.count("Z"),
        "descriptors": _descriptors("self"),
        "worker_descriptors": sum(_descriptors(pid) for pid in top),
        "mounts": Path("/proc/self/mountinfo").read_text().count("\n"),
        "own_bytes": _private(os.getpid()),
        "worker_bytes": sum(_private(pid) for pid in top),
    }


def _descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _private(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--calls", type=int, help="calls of the leak check (10,000)")
    parser.add_argument("--ahead", action="store_true", help="at real-time priority (root only)")
    parser.add_argument("--peers-python", help="an interpreter with smolagents or pydantic-monty")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    if given.ahead:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    rounds, per_round = (3, 20) if given.quick else (10, 40)
    times = rows(rounds, per_round)
    result = {
        "schema": "bench-sandbox-latency",
        "cores": os.cpu_count(),
        "real_time_priority": given.ahead,
        "load_before": round(load, 2),
        "rows": times,
        "peers": peers(given.peers_python, rounds * per_round),
        "left_behind": left_behind(given.calls or (500 if given.quick else 10_000), threads=2),
        "targets": TARGETS,
    }
    result["load_after"] = round(os.getloadavg()[0], 2)
    first = times.get("namespaces, sandbox")
    if first:
        left = result["left_behind"]
        result["met"] = {
            "warm_p50": first["warm"]["p50_ms"] <= TARGETS["warm_p50_ms"],
            "warm_p95": first["warm"]["p95_ms"] <= TARGETS["warm_p95_ms"],
            "cold": first["cold"]["p50_ms"] <= TARGETS["cold_ms"],
            "nothing_left": left["processes_after_close"] == 0
            and all(
                left["after"][name] <= left["before"][name]
                for name in ("processes", "zombies", "descriptors", "worker_descriptors", "mounts")
            ),
            "memory": left["memory_growth"] < TARGETS["memory_growth"],
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
