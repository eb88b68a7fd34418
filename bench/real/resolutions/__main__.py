"""Can a table answer recurring messages without a model, and does it know when not to?

    python -m bench.real.resolutions [--quick] [--embedder static|minilm]

Banking77 (Casanueva et al. 2020, arXiv:2003.04807): train.csv teaches, test.csv judges. The seed
decides which 90 % of train.csv are taught, the folds, and which three intents are left out to see
whether messages with an answer the table never saw are left to the model. Prints one JSON object
on stdout, progress on stderr. With --quick, one seed on 20 intents of train.csv alone: a fifth of
their messages judges, so trying things out never looks at the test file.

Next file: `peers.py`.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from bench.real.banking77.data import Message, _read
from strop.embed import Embedder, resolve_embedder
from strop.errors import UserMistake
from strop.jsonvalue import canonical
from strop.mine.resolutions import Answered, _fit, _lesson, _rehearsed, _settled
from strop.resolution import Table, confidence
from strop.task import Task

from . import peers
from .peers import Answers, Labels, Matrix

SEEDS = 5
FLOOR = 0.98
SHARE = 0.9
LEFT_OUT = 3
TARGETS = {"static": 0.55, "minilm": 0.80}
Respond = Callable[[Matrix], tuple[Labels, NDArray[np.bool_]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.real.resolutions")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--embedder", choices=("static", "minilm"))
    given = parser.parse_args()
    names = [given.embedder] if given.embedder else ["static", "minilm"]
    try:
        train, test = _messages(quick=given.quick)
        seeds = range(1 if given.quick else SEEDS)
        report = {
            "schema": "strop.bench.resolutions/1",
            "quick": given.quick,
            "machine": {"cores": os.cpu_count(), "system": platform.system()},
            "versions": {name: version(name) for name in ("strop", "scikit-learn", "numpy")},
            "taught": len(train),
            "judging": len(test),
            "embedders": {name: measure(name, train, test, seeds) for name in names},
        }
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))


def measure(
    name: str, train: list[Message], test: list[Message], seeds: Sequence[int]
) -> dict[str, Any]:
    """All rows for one embedder, means over the seeds, and whether the targets are met."""
    embedder = resolve_embedder(name)
    known, labels = _embedded(embedder, train)
    asked, truth = _embedded(embedder, test)
    drawn = [one_seed(seed, embedder.id, (known, labels), (asked, truth)) for seed in seeds]
    rows = {
        row: {
            figure: _spread([seed["rows"][row][figure] for seed in drawn])
            for figure in drawn[0]["rows"][row]
        }
        for row in drawn[0]["rows"]
    }
    answers, sure = peers.vote(known, labels, asked)
    table = rows["table"]
    return {
        "rows": rows,
        "peeking": {"15-NN vote": peers.peeked(sure, answers == truth, floor=FLOOR)},
        "seconds to fit": _spread([seed["seconds"] for seed in drawn]),
        "microseconds an answer": _spread([seed["microseconds"] for seed in drawn]),
        "bytes of the item": drawn[0]["bytes"],
        "promise": [seed["promise"] for seed in drawn],
        "left out": [seed["left_out"] for seed in drawn],
        "left, every intent left out once": drawn[0]["by_threes"],
        "targets": {
            "coverage": {
                "target": TARGETS[name],
                "met": table["coverage"]["mean"] >= TARGETS[name],
                "met without the condition on unseen answers": (
                    rows["table, unseen answers not looked at"]["coverage"]["mean"] >= TARGETS[name]
                ),
            },
            "precision": {"target": 0.975, "met": table["precision"]["low"] >= 0.975},
            "left of unseen answers": {
                "target": 0.95,
                "met over the draws": table["left"]["mean"] >= 0.95,
                "met, every intent left out once": drawn[0]["by_threes"] >= 0.95,
            },
        },
    }


def one_seed(
    seed: int, embedder: str, train: tuple[Matrix, Labels], test: tuple[Matrix, Labels]
) -> dict[str, Any]:
    """Every row once: on all intents, and with three left out of what teaches."""
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.choice(len(train[0]), round(SHARE * len(train[0])), replace=False))
    known, labels = train[0][rows], train[1][rows]
    gone = draw.choice(np.unique(labels), LEFT_OUT, replace=False)
    stays = ~np.isin(labels, gone)
    whole = learn(seed, embedder, known, labels)
    without = learn(seed, embedder, known[stays], labels[stays])
    strangers = test[0][np.isin(test[1], gone)]
    found: dict[str, dict[str, float]] = {}
    for name, respond in whole["responders"].items():
        answers, given = respond(test[0])
        found[name] = {
            "coverage": float(given.mean()),
            "precision": float((answers == test[1])[given].mean()),
            "left": float(1 - without["responders"][name](strangers)[1].mean()),
        }
    return {
        "rows": found,
        "by_threes": by_threes(whole["table"], (known, labels), test) if seed == 0 else None,
        "left_out": sorted(gone.tolist()),
        **{n: whole[n] for n in ("seconds", "microseconds", "bytes", "promise")},
    }


def by_threes(table: Table, train: tuple[Matrix, Labels], test: tuple[Matrix, Labels]) -> float:
    """How much of the messages of intents that it never saw a table leaves to the model.

    Every intent is left out once, three at a time; the head is taught anew, mix and threshold are
    kept.
    """
    names = np.random.default_rng(0).permutation(np.unique(train[1]))
    left = 0
    for at in range(0, len(names), LEFT_OUT):
        gone = names[at : at + LEFT_OUT]
        stays = ~np.isin(train[1], gone)
        kept, labels = np.unique(train[1][stays], return_inverse=True)
        head = _fit(train[0][stays], labels, len(kept), np.random.default_rng(at))
        _, signals = head.signals(test[0][np.isin(test[1], gone)])
        left += int((confidence(signals, table.mix) < table.threshold).sum())
    return left / len(test[1])


def learn(seed: int, embedder: str, known: Matrix, labels: Labels) -> dict[str, Any]:
    """Everything that answers, taught with the same messages."""
    answers = [
        Answered(task=f"taught-{at}", output=str(label), runs=(f"run-{at}",))
        for at, label in enumerate(labels)
    ]
    began = time.perf_counter()
    lesson = _lesson(answers, known, fewest=5, seed=seed)
    rehearsal = _rehearsed(lesson, np.random.default_rng(seed))
    settle = partial(
        _settled, lesson, rehearsal, embedder=embedder, floor=FLOOR, level=0.95
    )  # as `mine_resolutions` does; here twice, with and without the condition on unseen answers
    table = _served(settle(unseen=0.95))
    seconds = time.perf_counter() - began
    loose = _served(settle(unseen=0.0))
    soft = peers.softmax(known, labels)
    bar = peers.vote_threshold(known, labels, floor=FLOOR)
    print(f"seed {seed}: {table.calibration}, {seconds:.0f} s", file=sys.stderr)
    return {
        "responders": {
            "table": _table(table),
            "table, unseen answers not looked at": _table(loose),
            "15-NN vote, calibrated alike": _over(
                lambda asked: peers.vote(known, labels, asked), bar
            ),
            "softmax at 0.5": _over(soft, 0.5),
            "softmax at 0.9": _over(soft, 0.9),
        },
        "table": table,
        "seconds": seconds,
        "microseconds": _pace(table, known),
        "bytes": len(canonical(table.to_body())),
        "promise": table.calibration.to_json(),
    }


def _served(table: Table | None) -> Table:
    """The table as it comes out of the item, rounding and all."""
    if table is None:
        raise UserMistake("no threshold meets the floor; there is no table to measure")
    return Table.from_body(table.to_body())


def _table(table: Table) -> Respond:
    """As it serves: one message at a time."""

    def respond(asked: Matrix) -> tuple[Labels, NDArray[np.bool_]]:
        found = [
            table.answer(row, task=Task(id=f"asked-{at}", input="message"))
            for at, row in enumerate(asked)
        ]
        answers = np.array(["" if r is None else str(r.output) for r in found])
        return answers, np.array([r is not None for r in found])

    return respond


def _over(answer: Callable[[Matrix], Answers], bar: float) -> Respond:
    def respond(asked: Matrix) -> tuple[Labels, NDArray[np.bool_]]:
        answers, sure = answer(asked)
        return answers, sure >= bar

    return respond


def _pace(table: Table, vectors: Matrix) -> float:
    task = Task(id="timed", input="message")
    times = []
    for row in vectors[:1000]:
        began = time.perf_counter()
        table.answer(row, task=task)
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1e6)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": round(float(np.mean(values)), 4),
        "low": round(min(values), 4),
        "high": round(max(values), 4),
    }


def _embedded(embedder: Embedder, messages: list[Message]) -> tuple[Matrix, Labels]:
    rows = anyio.run(embedder.embed, [text for text, _ in messages])
    return rows, np.array([label for _, label in messages])


def _messages(*, quick: bool) -> tuple[list[Message], list[Message]]:
    train = _read("train")
    if not quick:
        return train, _read("test")
    draw = np.random.default_rng(0)
    intents = draw.choice(sorted({label for _, label in train}), 20, replace=False).tolist()
    few = [m for m in train if m[1] in intents]
    judging = set(draw.choice(len(few), len(few) // 5, replace=False).tolist())
    return (
        [m for at, m in enumerate(few) if at not in judging],
        [m for at, m in enumerate(few) if at in judging],
    )


if __name__ == "__main__":
    main()
