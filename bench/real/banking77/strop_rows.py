"""Strop's rows: the sealed messages before and after one improvement cycle, by the public API.

What is asked of the model has the same layout before and after: one clause as the system message,
the chosen examples as turns (none before), the message as the last turn, the answer constrained to
the labels. Only the examples differ.

Next file: `no_model.py`.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import anyio

from strop import SelfImprovingAgent, apply, loops
from strop.assembly import assemble
from strop.config import checked_config
from strop.evaluation import ProgressEvent
from strop.run import ScoredRun, Usage
from strop.spec import Add, AgentSpec, Kind
from strop.task import Split

from .data import INSTRUCTION, Setting
from .report import Row, row

Say = Callable[[str], None]


def strop_rows(setting: Setting, folder: Path, say: Say) -> dict[str, Any]:
    """Before, one improvement cycle, after.

    Args:
        setting: The task.
        folder: Where the store is kept; what is finished in it is not run again.
        say: Told how it goes.
    """
    # Paths in the fields are relative to the working folder; the store's is not.
    fields = _fields(setting, folder / f"strop-{setting.name}.db", "minilm")
    with SelfImprovingAgent(**fields, tasks=setting.tasks, progress=_progress(say)) as agent:
        base, began = agent.spec, time.monotonic()
        before = agent.evaluate(split=Split.TEST)
        improving = time.monotonic()
        cycle = agent.improve()
        improved = time.monotonic()
        after = agent.evaluate(split=Split.TEST)
        done = time.monotonic()
        released = agent.spec
        learning = _usage(
            run
            for split in (Split.TRAIN, Split.VALIDATION)
            for run in agent.store.runs(split=split)
        )
        runs = agent.store.count_runs()
    attempt = cycle.attempts[0] if cycle.attempts else None
    comparison = None if attempt is None else attempt.comparison
    return {
        "rows": [
            _row("Strop, before (no examples)", setting, before),
            _row(
                "Strop, after one cycle",
                setting,
                after,
                learning=learning,
                learned_from=len(setting.messages(split=Split.TRAIN)),
            ),
        ],
        "trusted": _trusted(released, setting, after),
        "cycle": {
            "train_runs": runs[Split.TRAIN],
            "validation_runs": runs[Split.VALIDATION],
            "sealed_runs": runs[Split.TEST],
            "proposal": None if attempt is None else attempt.proposal.summary,
            "validation_before": None if comparison is None else comparison.baseline_mean,
            "validation_after": None if comparison is None else comparison.candidate_mean,
            "verdict": None if attempt is None else attempt.verdict.to_json(),
            "released": bool(cycle.released) or released.id != base.id,
            "seconds": {
                "before": round(improving - began, 1),
                "improve": round(improved - improving, 1),
                "after": round(done - improved, 1),
            },
        },
    }


def static_row(setting: Setting, folder: Path, say: Say) -> dict[str, Any]:
    """The released examples, found by the bundled static embedder instead of MiniLM.

    No cycle of its own: it shows what the embedder alone is worth, with everything else equal.
    """
    trained = _fields(setting, folder / f"strop-{setting.name}.db", "minilm")
    with SelfImprovingAgent(**trained, tasks=setting.tasks) as agent:
        examples = agent.spec.of_kind(Kind.EXAMPLE)
    if not examples:
        return {"rows": [], "skipped": "no examples were released"}
    fields = _fields(setting, folder / f"static-{setting.name}.db", "static")
    parts = assemble(checked_config(fields, where="static"), folder=Path.cwd(), tasks=setting.tasks)
    spec = apply(parts.base, [Add(item=item) for item in examples])

    async def sealed() -> tuple[ScoredRun, ...]:
        return await loops.evaluate_split(parts, spec, split=Split.TEST, progress=_progress(say))

    try:
        after = anyio.run(sealed)
    finally:
        parts.store.close()
    found = _row("Strop, after, static embedder", setting, after, learned_from=len(examples))
    return {"rows": [found], "trusted": _trusted(spec, setting, after)}


def _fields(setting: Setting, store: Path, embedder: str) -> dict[str, Any]:
    return {
        "name": f"banking{setting.name}",
        "model": "local",
        "instructions": (INSTRUCTION,),
        "output": setting.intents,
        "levers": ("examples",),
        "scorer": "exact",
        "embedder": embedder,
        "selection": {"examples": 3, "tokens": 600},
        "settings": {"max_tokens": 32},
        "store": os.path.abspath(store),  # noqa: PTH100 - links are left as they are
    }


def _row(
    name: str,
    setting: Setting,
    runs: Sequence[ScoredRun],
    *,
    learning: Usage | None = None,
    learned_from: int = 0,
) -> Row:
    usage = _usage(runs)
    right = sum(1 for scored in runs if scored.value == 1.0)
    return row(
        name,
        right=right,
        of=len(setting.sealed),
        learned_from=learned_from,
        learning_calls=0 if learning is None else learning.requests,
        learning_tokens=0 if learning is None else learning.tokens,
        learning_seconds=0.0 if learning is None else learning.seconds,
        calls=usage.requests,
        tokens=usage.tokens,
        seconds=usage.seconds,
    )


def _usage(runs: Iterable[ScoredRun]) -> Usage:
    total = Usage()
    for scored in runs:
        total += scored.run.usage
    return total


def _trusted(spec: AgentSpec, setting: Setting, runs: Sequence[ScoredRun]) -> dict[str, Any]:
    """How often the answer is the label of the most trusted example, which is shown last."""
    label = {item.id: item.content["output"] for item in spec.of_kind(Kind.EXAMPLE)}
    right = {task.id: task.expected for task in setting.tasks}
    same = mended = spoiled = 0
    for scored in runs:
        shown = [label[item] for item in scored.run.shown if item in label]
        if not shown:
            continue
        top, truth = shown[-1], right[scored.run.task]
        same += scored.output == top
        mended += scored.output == truth != top
        spoiled += top == truth != scored.output
    return {"of": len(runs), "same": same, "mended": mended, "spoiled": spoiled}


def _progress(say: Say) -> Callable[[ProgressEvent], None]:
    last = 0.0

    def tell(event: ProgressEvent) -> None:
        nonlocal last
        if event.done < event.total and time.monotonic() - last < 15:
            return
        last = time.monotonic()
        mean = "-" if event.score is None else f"{event.score:.3f}"
        say(f"{event.stage}: {event.done}/{event.total}, mean {mean}, {event.seconds:.0f} s")

    return tell
