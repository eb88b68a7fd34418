"""What the embedders cost and what they are worth: load time, speed, few-label accuracy.

    python -m bench.embed [--quick]

Prints one JSON object on stdout and progress on stderr. Speed and load time are taken in fresh
subprocesses on one BLAS thread. Accuracy is on Banking77 (Casanueva et al. 2020, arXiv:2003.04807):
ten labelled messages for each of the 77 intents, the whole test file, mean over draws, by nearest
neighbour and by logistic regression. It compares embedders; it does not tune them.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from strop.embed import minilm_installed, resolve_embedder

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "banking77" / "banking_data"
PER_INTENT = 10

LOAD = """
import time
import numpy  # any import of strop.embed brings it; what the embedder adds is measured
started = time.perf_counter()
from strop.embed import resolve_embedder
embedder = resolve_embedder({name!r})
embedder.embed_now(["one text"])
print((time.perf_counter() - started) * 1000)
"""

SPEED = """
import json, sys, time
from strop.embed import resolve_embedder
embedder = resolve_embedder({name!r})
texts = json.load(sys.stdin)
embedder.embed_now(texts[:50])
best = 0.0
for _ in range(3):
    started = time.perf_counter()
    embedder.embed_now(texts)
    best = max(best, len(texts) / (time.perf_counter() - started))
print(best)
"""

Matrix = Any  # a dense array, or for TF-IDF one of scipy's sparse ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Texts with their intents."""

    texts: tuple[str, ...]
    intents: NDArray[np.str_]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the embedders.")
    parser.add_argument(
        "--quick", action="store_true", help="fewer repeats; a fifth of the test file"
    )
    quick = parser.parse_args().quick
    names = ["static", *(["minilm"] if minilm_installed() else [])]
    report: dict[str, Any] = {"schema": "strop.bench.embed/1", "quick": quick}
    if "minilm" not in names:
        report["minilm_skipped"] = "its weights are not installed"
    for name in names:
        _say(f"{name}: load time and speed")
        report[name] = {
            "load_ms": round(load_ms(name, 3 if quick else 11), 1),
            "texts_per_second_one_core": round(speed(name, 0.3 if quick else 1)),
        }
    report["banking77"] = banking77(names, quick=quick)
    print(json.dumps(report, indent=2))


def load_ms(name: str, repeats: int) -> float:
    """Return the median milliseconds from nothing but numpy to the first vector."""
    return statistics.median(float(_fresh(LOAD.format(name=name))) for _ in range(repeats))


def speed(name: str, share: float) -> float:
    """Return short texts (the messages of Banking77, or made up ones) per second on one core."""
    count = int({"static": 10_000, "minilm": 500}[name] * share)
    texts = (
        read("train").texts[:: 10_000 // count]
        if DATA.is_dir()
        else tuple(f"My card {at} has not arrived, what can I do?" for at in range(count))
    )
    return float(_fresh(SPEED.format(name=name), json.dumps(texts)))


def banking77(names: list[str], *, quick: bool) -> dict[str, Any]:
    """Return accuracy by embedder and head, or why it could not be measured."""
    if not DATA.is_dir():
        return {"skipped": "the Banking77 files are not beside the repository"}
    try:
        import sklearn  # noqa: F401 - only the benchmark needs it: a development dependency
    except ImportError:
        return {"skipped": "scikit-learn is not installed"}
    train, test = read("train"), read("test")
    if quick:
        test = Messages(texts=test.texts[::5], intents=test.intents[::5])
    draws = [few(train, seed) for seed in range(1 if quick else 5)]
    out: dict[str, Any] = {"per_intent": PER_INTENT, "draws": len(draws), "tested": len(test.texts)}
    for name in ["tfidf", *names]:
        _say(f"{name}: Banking77")
        embed = tfidf(train) if name == "tfidf" else embedded(name)
        shown = [(embed(draw.texts), draw.intents) for draw in draws]
        asked = embed(test.texts)
        out[name] = {
            head.__name__: round(
                statistics.mean(
                    head(rows, intents, asked, test.intents) for rows, intents in shown
                ),
                4,
            )
            for head in (nearest, logistic)
        }
    return out


def few(train: Messages, seed: int) -> Messages:
    """Draw PER_INTENT messages of each intent."""
    draw = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            draw.permutation(np.flatnonzero(train.intents == intent))[:PER_INTENT]
            for intent in np.unique(train.intents)
        ]
    )
    return Messages(texts=tuple(train.texts[at] for at in chosen), intents=train.intents[chosen])


def embedded(name: str) -> Callable[[tuple[str, ...]], Matrix]:
    """Return a function from texts to the vectors of the embedder `name`."""
    embedder = resolve_embedder(name)
    return lambda texts: anyio.run(embedder.embed, texts)


def tfidf(train: Messages) -> Callable[[tuple[str, ...]], Matrix]:
    """Return a function from texts to unit TF-IDF rows; frequencies are all training texts'."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(train.texts)
    transform: Callable[[tuple[str, ...]], Matrix] = vectorizer.transform
    return transform


def nearest(
    rows: Matrix, intents: NDArray[np.str_], asked: Matrix, truth: NDArray[np.str_]
) -> float:
    """Accuracy of the intent of the one nearest row."""
    found = np.asarray((asked @ rows.T).argmax(axis=1)).ravel()
    return float((intents[found] == truth).mean())


def logistic(
    rows: Matrix, intents: NDArray[np.str_], asked: Matrix, truth: NDArray[np.str_]
) -> float:
    """Accuracy of a logistic regression."""
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=10, max_iter=1000).fit(rows, intents)
    return float(head.score(asked, truth))


def read(part: str) -> Messages:
    """Read train.csv or test.csv."""
    with (DATA / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return Messages(
        texts=tuple(line["text"] for line in lines),
        intents=np.array([line["category"] for line in lines]),
    )


def _fresh(code: str, stdin: str = "") -> str:
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=stdin,
        env={**os.environ, **dict.fromkeys(threads, "1"), "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _say(progress: str) -> None:
    print(progress, file=sys.stderr)


if __name__ == "__main__":
    main()
