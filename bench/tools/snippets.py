"""Which tools recurring code gives, and whether they do what the agents' own code did.

    python -m bench.tools.snippets [--quick]

Mines the inline Python of a coding agent's 362 runs, then replays every recorded instance (up to 50
of a tool) whose arguments are known: the agent's own statements and the tool, each in the sandbox
on its own copy of a made folder (`snippet_replay.py`). So that the comparison itself is checked,
each tool is also replayed once without its last statement, which must be noticed. Django is the
real one, installed once into a cache folder of the bench's own with pip. Prints one JSON object;
the tools' sources go to stderr. `--quick` mines every fourth run and replays ten instances a tool.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from bench.real.miniswe.data import lines, scored, task
from bench.tools.snippet_replay import Replay, broken, replay
from strop.errors import UserMistake
from strop.mine.calls import calls_of
from strop.mine.snippets import SnippetMiner
from strop.mine.snippets.choosing import Candidate
from strop.sandbox import best_sandbox

DJANGO = "4.2.30"
RECORDED = 50  # instances that a finding keeps of a tool: all of these are replayed
_EDIT = {"open", ".readlines", "slice_store", ".writelines"}
_BOOTSTRAP = {"django.conf:settings.configure", "django:setup", "django.setup"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tools.snippets")
    parser.add_argument("--quick", action="store_true", help="every fourth run, ten replays a tool")
    given = parser.parse_args()
    try:
        report = measure(quick=given.quick)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))


def measure(*, quick: bool) -> dict[str, Any]:
    """All figures."""
    raw = lines(quick=quick)
    runs = [scored(line) for line in raw]
    begun = time.process_time()
    miner = SnippetMiner(tasks={t.id: t for t in map(task, raw)})
    for one in runs:
        miner.add(one, calls_of(one.run))
    candidates = miner.candidates()
    took = time.process_time() - begun
    findings = miner.findings()
    packages = installed()
    rows, totals = [], Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101 - the sandbox is another user
        sandbox = best_sandbox()
        for candidate, finding in zip(candidates, findings, strict=True):
            row = _row(candidate, finding.data)
            print(f"# {row['name']}\n{candidate.tool.source}", file=sys.stderr)
            counts, reasons = Counter[str](), Counter[str]()
            run = partial(replay, sandbox=sandbox, folder=Path(folder) / "tree", packages=packages)
            for window, args in zip(candidate.tool.windows, candidate.tool.args, strict=True):
                counts["occurrences"] += 1
                if args is None:
                    continue
                counts["replayable"] += 1
                if counts["replayed"] >= (10 if quick else RECORDED):
                    continue
                source = miner.source(window.block)
                _count(run(candidate.tool, window, args, source), counts, reasons)
                if counts["equal"] == 1 and "broken_noticed" not in counts:
                    done = run(broken(candidate.tool), window, args, source)
                    counts["broken_noticed"] = int(done.verdict == "differs")
            totals.update(counts)
            rows.append({**row, **dict(counts), "why": dict(reasons.most_common(5))})
    return _report(miner, rows, totals, took, quick=quick, django=packages is not None)


def _count(done: Replay, counts: Counter[str], reasons: Counter[str]) -> None:
    counts["replayed"] += 1
    counts[done.verdict.replace(" ", "_")] += 1
    counts["whole_script"] += done.whole and done.verdict == "equal"
    counts["checks_left_out"] += done.checks_left_out
    if done.why:
        reasons[f"{done.verdict}: {done.why}"] += 1


def _row(candidate: Candidate, data: Any) -> dict[str, Any]:
    tool = data["tool"]
    return {
        "name": tool["name"],
        "parameters": {n: s.get("type") for n, s in tool["parameters"]["properties"].items()},
        "required": tool["parameters"]["required"],
        "calls": list(candidate.tool.calls),
        "level": tool["needs"]["level"],
        "support": data["support"],
        "saving": data["saving"],
        "saving_everywhere": sum(p.saved for p in candidate.places)
        - (len(candidate.tool.source) - len(candidate.tool.description)),
    }


def _report(
    miner: SnippetMiner,
    rows: list[dict[str, Any]],
    totals: Counter[str],
    took: float,
    *,
    quick: bool,
    django: bool,
) -> dict[str, Any]:
    counts = miner.counts
    edit = next((r for r in rows if set(r["calls"]) == _EDIT), None)
    bootstrap = next((r for r in rows if len(_BOOTSTRAP & set(r["calls"])) == 2), None)
    working = sum(row.get("equal", 0) > 0 for row in rows)
    ran = totals["replayed"] - totals["original_failed"]
    return {
        "schema": "strop.bench.snippets/1",
        "quick": quick,
        "seconds": round(took, 2),
        "blocks": {
            "found": counts.blocks,
            "python": counts.parsed,
            "in_failed_calls": counts.failed,
            "characters": counts.characters,
        },
        "django": DJANGO if django else None,
        "tools": rows,
        "saved": _saved(rows, counts.characters),
        "occurrences": dict(totals),
        "targets": {
            "line_range_edit": edit is not None and len(edit["parameters"]) == 4,
            "django_bootstrap": bootstrap is not None
            and {"installed_apps", "databases"} <= set(bootstrap["parameters"]),
            "replayed_equal": [totals["equal"], ran],
            "broken_tools_noticed": [totals["broken_noticed"], working],
        },
        "met": edit is not None
        and bootstrap is not None
        and totals["equal"] == ran
        and totals["equal"] > 0
        and totals["broken_noticed"] == working,
    }


def _saved(rows: list[dict[str, Any]], characters: int) -> dict[str, Any]:
    """Characters of code that calls of the tools would have saved, the tools' own text taken off.

    Once per task, as mining counts it; and at every occurrence that was looked at.
    """
    once, always = (sum(row[name] for row in rows) for name in ("saving", "saving_everywhere"))
    return {
        "once_per_task": once,
        "everywhere": always,
        "share_once_per_task": round(once / max(1, characters), 4),
        "share_everywhere": round(always / max(1, characters), 4),
    }


def installed() -> Path | None:
    """A folder with Django, made once; `None` where pip cannot get it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "strop-bench" / f"django-{DJANGO}"
    if not (folder / "django" / "__init__.py").is_file():
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder)]
        done = subprocess.run(
            [*command, f"django=={DJANGO}"], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            print(f"Django could not be installed: {done.stderr[-300:]}", file=sys.stderr)
            return None
    return folder


if __name__ == "__main__":
    main()
