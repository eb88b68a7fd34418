"""How mining recurring code grows: 10,000 to 100,000 blocks.

    python -m bench.tools.scale_code [--quick]

Prints one JSON object. Each size is mined in a process of its own on one core; time is processor
time, which a busy machine does not stretch much; memory is the process's peak. The blocks are made
from the coding agent's real ones (`../shared/data/miniswe`; two dozen small ones of the bench's own
where that is missing): each copy has other names for its variables and other texts and numbers, and
is of another task.
"""

import argparse
import ast
import builtins
import json
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from strop.errors import BadInput
from strop.mine.calls import calls_of
from strop.mine.snippets import Block, SnippetMiner, blocks_of

SIZES = (10_000, 30_000, 100_000)
QUICK = (1_000, 3_000, 10_000)
TARGET_SECONDS = 90.0
TARGET_BYTES = 2 * 1024**3
PER_TASK = 6  # blocks


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tools.scale_code")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--mine", metavar="COUNT", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.mine:
        print(json.dumps(mined(given.mine)))
        return
    rows = []
    for size in QUICK if given.quick else SIZES:
        rows.append(measured(size))
        print(f"{size} blocks: {rows[-1]['cpu_seconds']} s", file=sys.stderr)
    growth = exponent(rows)
    last = rows[-1]
    report = {
        "schema": "strop.bench.scale_code/1",
        "quick": given.quick,
        "load": os.getloadavg()[0],
        "sizes": rows,
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
    print(json.dumps(report, indent=1))


def exponent(rows: list[dict[str, float]]) -> float:
    """k in time ~ blocks^k, between the smallest and the largest size."""
    first, last = rows[0], rows[-1]
    return math.log(last["cpu_seconds"] / first["cpu_seconds"]) / math.log(
        last["blocks"] / first["blocks"]
    )


def measured(size: int) -> dict[str, float]:
    """One size in a process of its own."""
    command = [sys.executable, "-m", "bench.tools.scale_code", "--mine", str(size)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def mined(size: int) -> dict[str, object]:
    """Make the blocks one at a time and mine them; making them is not counted."""
    miner = SnippetMiner()
    adding = 0.0
    characters = 0
    for block in made(size):
        characters += len(block.source)
        begun = time.process_time()
        miner.add_block(block)
        adding += time.process_time() - begun
    begun = time.process_time()
    findings = miner.findings()
    finding = time.process_time() - begun
    return {
        "blocks": size,
        "characters": characters,
        "cpu_seconds": round(adding + finding, 2),
        "of_which_reading": round(adding, 2),
        "of_which_finding": round(finding, 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "tools": len(findings),
    }


def made(count: int) -> Iterator[Block]:
    """Blocks as agents leave them; the same for the same number."""
    draw = random.Random(0)
    seeds = [ast.parse(source) for source in _sources()]
    for number in range(count):
        tree = seeds[draw.randrange(len(seeds))]
        yield Block(
            source=_Altered(draw).text(tree),
            task=f"task-{number // PER_TASK}",
            run=f"run-{number // PER_TASK}",
            position=number % PER_TASK,
        )


def _sources() -> list[str]:
    try:
        from bench.real.miniswe.data import lines, scored

        runs = [scored(line).run for line in lines(quick=False)]
    except BadInput:
        return [*_OWN]
    found = []
    for run in runs:
        found += [b.source for b in blocks_of(calls_of(run), task=run.task, run=run.id)]
    return [source for source in found if _writes_again(source)]


def _writes_again(source: str) -> bool:
    try:
        ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError):
        return False
    return len(source) < 20_000


class _Altered:
    """Writes a tree with other variables, texts and numbers."""

    _WORDS = ("alpha", "beta", "gamma", "delta", "path", "node", "item", "row", "value", "text")

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._suffix = f"_{draw.choice(self._WORDS)}{draw.randrange(100)}"
        self._fixed: set[str] = set(dir(builtins))

    def text(self, tree: ast.Module) -> str:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._fixed |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        bound = {
            n.id
            for n in ast.walk(tree)
            if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
        } - self._fixed
        undo: list[tuple[ast.AST, str, object]] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in bound:
                undo.append((node, "id", node.id))
                node.id += self._suffix
            elif isinstance(node, ast.Constant) and self._draw.random() < 0.5:
                value = node.value
                if isinstance(value, str) and value not in ("r", "w", "a", "__main__"):
                    undo.append((node, "value", value))
                    node.value = value + str(self._draw.randrange(1000))
                elif isinstance(value, int) and not isinstance(value, bool):
                    undo.append((node, "value", value))
                    node.value = value + self._draw.randrange(1000)
        try:
            return ast.unparse(tree)
        finally:
            for node, name, value in undo:
                setattr(node, name, value)


_OWN = tuple(
    f"import json\nwith open('in{i}.json') as f:\n    rows = json.load(f)\n"
    f"total = sum(row['amount{i}'] for row in rows)\nprint(total)\n"
    f"with open('out{i}.txt', 'w') as f:\n    f.write(str(total))\n"
    for i in range(24)
)


if __name__ == "__main__":
    main()
