"""How mining chains grows: 10,000 to 100,000 runs made from real ones.

    python -m bench.tools.scale_traces [--quick]

The airline runs (`bench/real/airline`), copied with other customers, reservations and flights: in
each copy every id that a call gives is renamed, in calls and results alike, so that no two tasks
share a value but the small ones. Each size is mined in a process of its own, on one core, as the
runs are made; time is processor time of the miner alone, memory the peak of the process, making the
runs included. Prints one JSON object.
"""

import argparse
import itertools
import json
import math
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.real.airline.data import runs
from strop.errors import UserMistake
from strop.jsonvalue import is_object
from strop.mine.calls import calls_of
from strop.mine.chains import ChainMiner
from strop.run import ScoredRun, ToolCall

SIZES = (10_000, 30_000, 100_000)
QUICK = (1_000, 3_000, 10_000)
TARGET_SECONDS = 30.0
TARGET_BYTES = 2 * 1024**3
_ID = re.compile(r"(?=\w*\d)\w{5,}|[A-Z]{5,}|[a-z]+_[a-z]+_\d+")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tools.scale_traces")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--mine", type=int, metavar="RUNS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.mine:
            print(json.dumps(mined(given.mine)))
            return
        rows = []
        for size in QUICK if given.quick else SIZES:
            rows.append(measured(size))
            print(f"{size} runs: {rows[-1]['cpu_seconds']} s", file=sys.stderr)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report(rows), indent=1))


def report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The sizes with the targets."""
    first, last = rows[0], rows[-1]
    growth = math.log(last["cpu_seconds"] / first["cpu_seconds"]) / math.log(
        last["runs"] / first["runs"]
    )
    return {
        "schema": "strop.bench.scale_traces/1",
        "load": os.getloadavg()[0],
        "sizes": rows,
        "growth_exponent": round(growth, 3),
        "targets": {
            "cpu_seconds_30": {"met": last["cpu_seconds"] < TARGET_SECONDS},
            "peak_bytes_2_gb": {"met": last["peak_bytes"] < TARGET_BYTES},
            "growth_exponent_1.15": {"met": growth < 1.15},
        },
    }


def measured(size: int) -> dict[str, Any]:
    """One size in a process of its own: its peak memory is its own, too."""
    command = [sys.executable, "-m", "bench.tools.scale_traces", "--mine", str(size)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def mined(size: int) -> dict[str, Any]:
    """Mine runs as they are made; the time of making them is not counted."""
    miner = ChainMiner()
    adding = 0.0
    calls_seen = 0
    made = copies(size)
    while block := list(itertools.islice(made, 500)):  # making them is not timed
        begun = time.process_time()
        for scored in block:
            calls = calls_of(scored.run)
            calls_seen += len(calls)
            miner.add(scored, calls)
        adding += time.process_time() - begun
    begun = time.process_time()
    found = miner.findings()
    finding = time.process_time() - begun
    return {
        "runs": size,
        "calls": calls_seen,
        "cpu_seconds": round(adding + finding, 2),
        "of_which_taking_in": round(adding, 2),
        "of_which_finding": round(finding, 2),
        "microseconds_per_call": round((adding + finding) / calls_seen * 1e6, 1),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "chains": [f.claim for f in found],
    }


def copies(size: int) -> Iterator[ScoredRun]:
    """Real runs over and over, each round with other ids."""
    real = [_texts(scored) for scored in runs()]
    for number in range(size):
        scored, steps, pattern = real[number % len(real)]
        round_ = f"x{number // len(real)}"
        if pattern is not None:
            steps = [
                (tool, pattern.sub(rf"\g<0>{round_}", args), pattern.sub(rf"\g<0>{round_}", result))
                for tool, args, result in steps
            ]
        run = replace(
            scored.run,
            id=f"{scored.run.id}-{round_}",
            task=f"{scored.run.task}-{round_}",
            steps=tuple(ToolCall(tool=t, args=json.loads(a), result=r) for t, a, r in steps),
        )
        yield replace(scored, run=run)


def _texts(
    scored: ScoredRun,
) -> tuple[ScoredRun, list[tuple[str, str, str]], re.Pattern[str] | None]:
    """A run's calls as texts, and what matches the ids in them."""
    calls = [step for step in scored.run.steps if isinstance(step, ToolCall)]
    steps = [(c.tool, json.dumps(c.args), str(c.result)) for c in calls]
    ids = sorted({i for c in calls for i in _ids(c.args)}, key=lambda i: (-len(i), i))
    pattern = re.compile(rf"(?<=\")(?:{'|'.join(map(re.escape, ids))})(?=\")") if ids else None
    return scored, steps, pattern


def _ids(value: object) -> Iterator[str]:
    if isinstance(value, str) and _ID.fullmatch(value):
        yield value
    elif is_object(value):
        for part in value.values():
            yield from _ids(part)
    elif isinstance(value, list):
        for part in value:
            yield from _ids(part)


if __name__ == "__main__":
    main()
