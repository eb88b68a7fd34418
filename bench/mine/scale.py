"""How mining grows: failures and facts in 10,000 to 100,000 stored runs.

    python -m bench.mine.scale [--quick]

Prints one JSON object. For each size a fresh process reads the runs from a real SQLite store and
mines them, on one core; time is processor time, which a busy machine does not stretch much, and
wall-clock time beside it; memory is the process's peak. Runs are made, not real: seven calls each
of twelve tools, a fifth of them failing in forty ways with ids and numbers in the messages, half of
those repaired by the next call, and look-ups whose results repeat.
"""

import argparse
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from strop.run import Run, Score, ScoredRun, ToolCall
from strop.store import open_store
from strop.task import Split

SIZES = (10_000, 30_000, 100_000)
QUICK = (1_000, 3_000, 10_000)
TARGET_SECONDS = 60.0
TARGET_BYTES = 2 * 1024**3
CALLS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--mine", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.mine:
        print(json.dumps(mined(given.mine)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in QUICK if given.quick else SIZES:
            path = str(Path(folder) / f"{size}.db")
            with open_store(path, agent="bench") as store:
                store.put_runs(made(size))
            rows.append({"runs": size, **measured(path)})
            print(f"{size} runs: {rows[-1]['cpu_seconds']} s", file=sys.stderr)
    growth = exponent(rows)
    print(json.dumps(report(rows, growth), indent=1))


def report(rows: list[dict], growth: float) -> dict:
    last = rows[-1]
    return {
        "schema": "strop.bench.scale/1",
        "calls_per_run": CALLS,
        "load": os.getloadavg()[0],
        "sizes": rows,
        # n log n from 10,000 to 100,000 is 1.097; what is measured wobbles by some hundredths.
        "growth_exponent": round(growth, 3),
        "targets": {
            "cpu_seconds": TARGET_SECONDS,
            "peak_bytes": TARGET_BYTES,
            "growth_exponent": 1.15,
        },
        "met": last["cpu_seconds"] < TARGET_SECONDS
        and last["peak_bytes"] < TARGET_BYTES
        and growth < 1.15,
    }


def exponent(rows: list[dict]) -> float:
    """k in time ~ runs^k, between the smallest and the largest size."""
    first, last = rows[0], rows[-1]
    return math.log(last["cpu_seconds"] / first["cpu_seconds"]) / math.log(
        last["runs"] / first["runs"]
    )


def measured(path: str) -> dict:
    """One size in a process of its own: its peak memory is its own, too."""
    command = [sys.executable, "-m", "bench.mine.scale", "--mine", path]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout)


def mined(path: str) -> dict:
    """One pass for failures and facts; then, beside it, what reading and repairs take."""
    from strop.mine import FactMiner, FailureMiner, mine_repairs, mine_stream

    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with open_store(path, agent="bench") as store:
        runs = partial(store.runs, split=Split.TRAIN)
        wall, cpu = time.perf_counter(), time.process_time()
        findings = mine_stream(runs(), [FailureMiner(), FactMiner()])
        mined_in, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        cpu = time.process_time()
        count = sum(1 for _ in runs())
        reading = time.process_time() - cpu
        repairs = mine_repairs(runs())
        repairs_in = time.process_time() - cpu - reading
    return {
        "cpu_seconds": round(mined_in, 2),
        "wall_seconds": round(wall, 2),
        "of_which_reading": round(reading, 2),
        "repairs_cpu_seconds": round(repairs_in, 2),
        "read": count,
        "findings": dict(Counter(finding.kind for finding in (*findings, *repairs))),
        "base_bytes": base,
        "peak_bytes": peak,
    }


def made(count: int) -> Iterator[ScoredRun]:
    """Runs as a tool-using agent leaves them; the same for the same number."""
    draw = random.Random(0)
    tools = [f"{verb}_{noun}" for verb in ("get", "search", "update") for noun in NOUNS]
    for i in range(count):
        task = i // 4  # four trials of each task
        steps: list[ToolCall] = []
        while len(steps) < CALLS:
            steps += calls(draw, draw.choice(tools))
        good = draw.random() < 0.6
        run = Run(
            id=f"run-{i:07d}",
            task=f"task-{task}",
            input=f"Please see to matter {task % 5000} of account {task % 997}",
            split=Split.TRAIN,
            steps=tuple(steps[:CALLS]),
            output="done",
            at=1.7e9 + i,
        )
        yield ScoredRun(run=run, score=Score(name="made", value=float(good)))


NOUNS = ("account", "order", "invoice", "parcel")


def calls(draw: random.Random, tool: str) -> list[ToolCall]:
    number = draw.randrange(2000)
    args = {"id": f"{tool[:3].upper()}-{number}", "fields": ["name", "state"]}
    if draw.random() < 0.2:
        kind = draw.randrange(40)
        message = f"Error: field 'f{kind}' of {args['id']} is unknown (request {draw.random():.8f})"
        failed = ToolCall(tool=tool, args={**args, f"f{kind}": number}, error=message)
        if draw.random() < 0.5:
            return [failed, ToolCall(tool=tool, args={**args, f"g{kind}": number}, result="ok")]
        return [failed]
    if tool.startswith("update"):
        return [ToolCall(tool=tool, args=args, result={"updated": True, "at": draw.random()})]
    result = {"id": args["id"], "state": number % 7, "lines": [number % 11, number % 13]}
    return [ToolCall(tool=tool, args=args, result=result)]


if __name__ == "__main__":
    main()
