"""What planning heuristics are claimed from real traces, and how often where there is nothing?

    python -m bench.real.orders [--quick]

On 140 runs of an airline agent (35 tasks, four trials each) and 362 runs of a coding agent (one run
per task). Prints one JSON object on stdout, progress on stderr: the claims with their counts; how
often anything is claimed once outcomes are shuffled within what is compared; two patterns that are
known from looking at the same data by hand; how strong a planted effect must be to be found; what
users' messages are taken for preferences; and the time that 100,000 runs take. No model is called.

Next file: none.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import numpy as np

from bench.real.airline import data as airline
from bench.real.miniswe import data as miniswe
from strop.embed import resolve_embedder
from strop.errors import UserMistake
from strop.mine.calls import Call, calls_of
from strop.mine.feedback import feedback_texts
from strop.mine.orders.patterns import OrderOptions, mine_orders
from strop.mine.orders.sequences import Pattern, Sequences
from strop.mine.orders.strata import table
from strop.mine.preferences import mine_preferences
from strop.run import Run, Score, ScoredRun, ToolCall
from strop.task import Split, Task

LEVEL = OrderOptions().level
SEED = 0

_SETUP = re.compile(r"^(?:\s*(?:cd\s+\S+|export\s+\S+|[A-Z_]+=\S+)\s*(?:&&|;)?\s*)+")
_RUNS_TESTS = re.compile(r"\b(?:runtests\.py|pytest|tox|bin/test|manage\.py\s+test|unittest)\b")
_WRITES = re.compile(r"\bsed\s+-i\b|>\s*\S+|\bpatch\b|\btee\b|\bmv\b|\bcp\b|write_text|open\(")
_TEST_FILE = re.compile(r"(?:^|[\s/'\"])tests?/\S+|\btest_\w+\.py|\w+_test\.py|/tests\.py")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer shuffles, fewer runs")
    quick = parser.parse_args().quick
    try:
        report = measure(quick=quick)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))


def measure(*, quick: bool) -> dict[str, Any]:
    """All of it; `quick` takes 20 shuffles and a tenth of the runs of the timing."""
    shuffles = 20 if quick else 200
    flights, coding, tasks = _airline(), *_miniswe()
    report: dict[str, Any] = {
        "schema": "strop.bench.orders/1",
        "quick": quick,
        "level": LEVEL,
        "airline": {
            **_claims(flights, {}, shuffles=shuffles, name="airline"),
            "three_in_a_row": _figures(flights, "repeated", "search_direct_flight"),
            "nearest_miss": _figures(
                flights, "before", "search_direct_flight", "update_reservation_flights"
            ),
        },
        "miniswe": {
            **_claims(coding, tasks, shuffles=shuffles, name="miniswe"),
            "submission_edits_tests": _edits_tests(),
            "edit_tests": _figures(coding, "early", "edit tests"),
        },
        "planted": [
            _planted(share, draws=10 if quick else 100, tasks=count)
            for count in (35, 100)
            for share in (0.0, 0.3, 0.5, 0.7)
        ],
        "preferences": anyio.run(_preferences, airline.runs()),
        "speed": _speed(10_000 if quick else 100_000),
    }
    report["targets"] = _targets(report)
    return report


def _targets(report: dict[str, Any]) -> list[dict[str, Any]]:
    avoided = [
        claim
        for claim in report["miniswe"]["claims"]
        if "edit tests" in claim and claim.startswith("Do not")
    ]
    rows = [
        ("shuffled airline claims, share of shuffles", report["airline"]["null"]["rate"], LEVEL),
        ("shuffled miniswe claims, share of shuffles", report["miniswe"]["null"]["rate"], LEVEL),
        ("claims against editing tests", len(avoided), 0),
        ("processor seconds for 100,000 runs of 7 calls", report["speed"]["seconds"], 20.0),
    ]
    return [{"what": w, "value": v, "at_most": m, "met": v <= m} for w, v, m in rows]


# The data as runs of named calls.


def _airline() -> list[ScoredRun]:
    return [_slim(scored, lambda call: call.tool) for scored in airline.runs()]


def _miniswe() -> tuple[list[ScoredRun], dict[str, Task]]:
    lines = miniswe.lines(quick=False)
    tasks = {task.id: task for task in map(miniswe.task, lines)}
    return [_slim(miniswe.scored(line), coarse) for line in lines], tasks


def _slim(scored: ScoredRun, name_of: Callable[[Call], str]) -> ScoredRun:
    """The run with its calls under coarse names and without what they returned."""
    steps = tuple(
        ToolCall(tool=name_of(call), args=None, error=None if call.error is None else "failed")
        for call in calls_of(scored.run)
    )
    return replace(scored, run=replace(scored.run, steps=steps, input=None))


def coarse(call: Call) -> str:
    """A shell command as one of a few kinds: what it does to tests, or its first word."""
    command = str(call.args["command"])[:4000] if isinstance(call.args, dict) else ""
    plain = _SETUP.sub("", command)
    head = plain.split("\n", 1)[0]
    if _WRITES.search(head) and _TEST_FILE.search(head):
        return "edit tests"
    if _RUNS_TESTS.search(head):
        return "run tests"
    words = head.split()
    if not words:
        return "nothing"
    first = words[0].rsplit("/", 1)[-1]
    if first == "sed" and len(words) > 1:
        return "sed -i" if words[1].startswith("-i") else "sed -n"
    if first in {"cat", "echo"} and ">" in head:
        return "write file"
    if first == "git" and len(words) > 1:
        return f"git {words[1]}"
    return {"python3": "python"}.get(first, first)


# What is claimed, on the data as it is and shuffled.


def _claims(
    runs: Sequence[ScoredRun], tasks: dict[str, Task], *, shuffles: int, name: str
) -> dict[str, Any]:
    began = time.perf_counter()
    found = mine_orders(runs, tasks=tasks)
    seconds = time.perf_counter() - began
    within = len({s.run.task for s in runs}) < len(runs)
    rng = random.Random(SEED)
    any_claim = total = 0
    for number in range(shuffles):
        claims = len(mine_orders(_shuffled(runs, tasks, within=within, rng=rng), tasks=tasks))
        any_claim, total = any_claim + (claims > 0), total + claims
        if number % 20 == 0:
            print(f"{name}: shuffle {number} of {shuffles}", file=sys.stderr)
    return {
        "runs": len(runs),
        "tasks": len({s.run.task for s in runs}),
        "succeeded": sum(s.value == 1.0 for s in runs),
        "basis": "within tasks" if within else "across tasks",
        "seconds": round(seconds, 3),
        "claims": [finding.claim for finding in found],
        "data": [dict(finding.data["figures"]) for finding in found],  # type: ignore[arg-type]
        "null": {
            "shuffles": shuffles,
            "with_a_claim": any_claim,
            "rate": any_claim / shuffles,
            "claims": total,
        },
    }


def _shuffled(
    runs: Sequence[ScoredRun], tasks: dict[str, Task], *, within: bool, rng: random.Random
) -> list[ScoredRun]:
    """The same runs with their scores dealt anew within each task, or within each category."""
    strata: dict[str, list[int]] = {}
    for i, scored in enumerate(runs):
        task = scored.run.task
        strata.setdefault(task if within else str(tasks[task].category), []).append(i)
    out = list(runs)
    for rows in strata.values():
        scores = [runs[i].score for i in rows]
        rng.shuffle(scores)
        for i, score in zip(rows, scores, strict=True):
            out[i] = replace(runs[i], score=score)
    return out


def _figures(runs: Iterable[ScoredRun], shape: Any, *tools: str) -> dict[str, Any]:
    """What there is to see of one pattern, claimed or not: counts in all and within tasks."""
    seen = Sequences(runs, good=0.8, poor=0.7)
    pattern = next(p for p in seen.patterns() if (p.shape, p.tools) == (shape, tools))
    population, did = seen.seen(pattern)
    names = sorted(set(seen.tasks))
    stratum = np.array([names.index(task) for task in seen.tasks])
    if len(names) == len(seen.tasks):
        stratum[:] = 0
    counts = table(stratum[population], did[population], seen.good[population])
    p, attainable = counts.p_values()
    side = population & did
    return {
        "pattern": _named(pattern),
        "did": int(side.sum()),
        "did_succeeded": int((side & seen.good).sum()),
        "did_tasks": len({seen.tasks[i] for i in np.flatnonzero(side)}),
        "did_not": int((population & ~did).sum()),
        "did_not_succeeded": int((population & ~did & seen.good).sum()),
        "informative_strata": int(counts.informative.sum()),
        "p": p,
        "least_attainable_p": attainable,
    }


def _named(pattern: Pattern) -> str:
    within = f" within {pattern.within}" if pattern.within else ""
    return f"{pattern.shape}{within}: {', '.join(pattern.tools)}"


def _edits_tests() -> dict[str, Any]:
    """The plausible false lesson: success by whether the submitted patch touches a test file."""
    counts = {True: [0, 0], False: [0, 0]}
    for line in miniswe.lines(quick=False):
        touched = re.findall(r"^diff --git a/(\S+)", line["submission"] or "", re.MULTILINE)
        edits = any(re.search(r"(?:^|/)tests?/|test_|tests\.py", path) for path in touched)
        counts[edits][0] += bool(line["resolved"])
        counts[edits][1] += 1
    return {
        "edited": {"resolved": counts[True][0], "runs": counts[True][1]},
        "not_edited": {"resolved": counts[False][0], "runs": counts[False][1]},
    }


# How strong an effect must be, and how long it takes.


def _planted(gain: float, *, draws: int, tasks: int) -> dict[str, Any]:
    """How often a planted order is found in runs made up: `tasks` x 4 trials of some 8 calls.

    Looking up before changing raises the chance of success by `gain` (from a chance that differs by
    task and averages 0.3); five other tools come in any order.
    """
    rng = random.Random(f"{SEED}:{gain}:{tasks}")
    found = false = 0
    for _ in range(draws):
        claims = mine_orders(list(_made(rng, gain, tasks)))
        shapes = [(c.data["shape"], tuple(c.data["tools"])) for c in claims]  # type: ignore[arg-type]
        hits = [s for s in shapes if set(s[1]) & {"look_up", "change"}]
        found += any(s == ("before", ("look_up", "change")) for s in shapes)
        false += len(shapes) > len(hits)
    return {
        "tasks": tasks,
        "gain": gain,
        "draws": draws,
        "found": found,
        "with_other_patterns": false,
    }


def _made(rng: random.Random, gain: float, tasks: int) -> Iterator[ScoredRun]:
    for task in range(tasks):
        base = rng.uniform(0.0, 0.6) * (1.0 - gain)
        for trial in range(4):
            names = [rng.choice("abcde") for _ in range(rng.randint(4, 8))]
            ahead = rng.random() < 0.5
            names.insert(rng.randint(0, len(names)), "change")
            at = names.index("change")
            names.insert(
                rng.randint(0, at) if ahead else rng.randint(at + 1, len(names)), "look_up"
            )
            won = rng.random() < base + (gain if ahead else 0.0)
            yield _run(f"{task}-{trial}", str(task), names, float(won))


def _run(name: str, task: str, tools: Iterable[str], value: float) -> ScoredRun:
    steps = tuple(ToolCall(tool=tool, args={"id": name}, result="done") for tool in tools)
    run = Run(id=name, task=task, input="made up", split=Split.TRAIN, steps=steps)
    return ScoredRun(run=run, score=Score(name="made", value=value))


def _speed(count: int) -> dict[str, Any]:
    """Seconds to mine runs of 7 calls over 20 tools, made as they are read: none is kept.

    Processor seconds, of one thread: other work on the machine does not count.
    """
    rng = random.Random(SEED)
    tools = [f"tool_{i}" for i in range(20)]
    runs = (
        _run(str(i), str(i // 4), rng.choices(tools, k=7), float(rng.random() < 0.5))
        for i in range(count)
    )
    began = time.process_time()
    for _ in runs:
        pass
    making = time.process_time() - began
    rng = random.Random(SEED)
    runs = (
        _run(str(i), str(i // 4), rng.choices(tools, k=7), float(rng.random() < 0.5))
        for i in range(count)
    )
    began = time.process_time()
    claims = mine_orders(runs)
    seconds = time.process_time() - began - making
    return {"runs": count, "seconds": round(seconds, 1), "claims": len(claims)}


async def _preferences(runs: Sequence[ScoredRun]) -> dict[str, Any]:
    """What the customers of the airline are taken to ask of the agent itself: ideally nothing."""
    feedback = feedback_texts(runs)
    embedder = resolve_embedder("static")
    texts = [one.text for one in feedback]
    vectors = await partial(embedder.embed, texts)() if texts else np.zeros((0, 1), np.float32)
    said = sum(1 for s in runs for step in s.run.steps if getattr(step, "role", None) == "user")
    return {
        "user_messages": said,
        "taken_for_feedback": texts,
        "claims": [finding.claim for finding in mine_preferences(feedback, vectors)],
    }


if __name__ == "__main__":
    main()
