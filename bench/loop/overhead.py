"""What the loop adds to a run: `select`, recording, and the import.

    python -m bench.loop.overhead [--quick]

Prints one JSON object. Times are medians, in milliseconds, with the 10th and 90th percentile; those
named `_cpu` are processor time, which a busy machine does not stretch. The
agent is a function that answers at once, so what is left is Strop's own. The store is a real SQLite
file; the examples are as many as asked for, in as many intents as Banking77 has.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np

from strop.agent import execute, function_backend
from strop.context import Context, Library, select
from strop.embed import resolve_embedder
from strop.libraries import Libraries
from strop.loops import serve_once
from strop.parts import Parts
from strop.run import Run, Score
from strop.score import resolve_scorer
from strop.settle import settle
from strop.spec import AgentSpec, Item, Kind, Selection
from strop.store import open_store
from strop.task import Split, Task

TARGET_MS = 3.0
TARGET_IMPORT_MS = 300.0
INTENTS = 77
STAGES = ("embed", "select", "execute", "record", "select_and_record")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--examples", type=int, default=10_000)
    given = parser.parse_args()
    repetitions = 100 if given.quick else 1000
    figures = anyio.run(measure, given.examples, repetitions)
    imports = [import_ms() for _ in range(3 if given.quick else 11)]
    out = {
        "schema": "strop.bench.overhead/1",
        "examples": given.examples,
        "repetitions": repetitions,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        **figures,
        "import_strop_ms": spread(imports),
        "targets": {"select_and_record_ms": TARGET_MS, "import_strop_ms": TARGET_IMPORT_MS},
        "met": figures["select_and_record_ms"]["median"] < TARGET_MS
        and statistics.median(imports) < TARGET_IMPORT_MS,
    }
    print(json.dumps(out, indent=1))


def now() -> tuple[float, float]:
    """Wall clock, and the processor time of this thread."""
    return time.perf_counter(), time.thread_time()


async def measure(count: int, repetitions: int) -> dict[str, dict[str, float]]:
    """Times of each stage, over tasks that are not in the library."""
    rng = np.random.default_rng(0)
    embedder = resolve_embedder("static")
    spec, library, queries = stored(count, rng, embedder.id)
    backend = function_backend(answer_at_once)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(str(Path(folder) / "strop.db"), agent="bench")
        store.put_spec(spec)
        for i in range(repetitions + 10):
            task = Task(id=f"q{i}", input=f"where is parcel number {i} that I ordered last week")
            marks = [now()]
            await embedder.embed([task.text])
            marks.append(now())
            context = select(spec, task, library=library, query=queries[i % len(queries)])
            marks.append(now())
            run = await execute(
                spec, task, split=Split.PRODUCTION, context=context, backend=backend
            )
            marks.append(now())
            record(store, task, run)
            marks.append(now())
            if i < 10:
                continue  # the first ones warm caches up
            for clock, kind in enumerate(("", "_cpu")):
                took = [(b[clock] - a[clock]) * 1e3 for a, b in pairwise(marks)]
                row = (*took, took[1] + took[3])
                for name, ms in zip(STAGES, row, strict=True):
                    times.setdefault(name + kind, []).append(ms)
        times["serve_once"] = await served(store, spec, embedder, min(repetitions, 200))
        store.close()
    return {f"{name}_ms": spread(values) for name, values in times.items()}


async def served(store, spec: AgentSpec, embedder, repetitions: int) -> list[float]:  # noqa: ANN001
    """Times of the production loop as a whole, from which spec serves to what is stored."""
    parts = Parts(
        base=spec,
        store=store,
        libraries=Libraries(store, embedder),
        scorer=resolve_scorer("exact"),
        backend=lambda spec: function_backend(answer_at_once),
    )
    settle(spec, store)
    times = []
    for i in range(repetitions + 10):
        task = Task(id=f"s{i}", input=f"where is parcel number {i}", expected=f"matter_{i % 77}")
        began = time.perf_counter()
        await serve_once(parts, task, split=Split.PRODUCTION)
        times.append((time.perf_counter() - began) * 1e3)
    return times[10:]


def record(store, task: Task, run: Run) -> None:  # noqa: ANN001 - the store of this project
    """What `serve_once` writes: the task, the run and its score."""
    store.put_run(run, Score(name="exact", value=1.0, scorer="exact/1"), task=task)


async def answer_at_once(task: Task, context: Context) -> str:
    return context.demonstrations[-1].output


def stored(
    count: int, rng: np.random.Generator, embedder: str
) -> tuple[AgentSpec, Library, np.ndarray]:
    """A spec with `count` examples in clusters, as embedded messages are, and query vectors."""
    dim = 384
    centres = rng.normal(size=(INTENTS, dim))
    texts = [f"message number {i} about matter {i % INTENTS}" for i in range(count)]
    items = tuple(
        Item(
            id=f"example-{i}",
            kind=Kind.EXAMPLE,
            content={"input": text, "output": f"matter_{i % INTENTS}", "task": f"t{i}"},
        )
        for i, text in enumerate(texts)
    )
    spec = AgentSpec(
        name="bench", model="none", items=items, selection=Selection(embedder=embedder)
    )
    points = centres[np.arange(count) % INTENTS] + rng.normal(size=(count, dim))
    unit = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    vectors = dict(zip(texts, unit, strict=True))
    queries = centres[rng.integers(INTENTS, size=64)] + rng.normal(size=(64, dim))
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    return spec, Library.build(spec, vectors, embedder=embedder), queries


def import_ms() -> float:
    """`import strop` in a fresh interpreter, without the interpreter's own start."""
    code = "import time; t = time.perf_counter(); import strop; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout) * 1e3


def spread(values: list[float]) -> dict[str, float]:
    tenths = statistics.quantiles(values, n=10)
    return {
        "median": round(statistics.median(values), 3),
        "p10": round(tenths[0], 3),
        "p90": round(tenths[-1], 3),
    }


if __name__ == "__main__":
    main()
