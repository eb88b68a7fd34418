"""Does the loop help on a real task, and is it the model that learns?

    python -m bench.real.banking77 [--quick] [--intents 10|77|both] [--no-peers]
        [--peers-python PATH] [--effort SHARE] [--resume FOLDER] [--only NAMES] [--markdown FILE]

Customer message -> intent, on Banking77 (Casanueva et al. 2020, arXiv:2003.04807), with the
embedded model. Prints one JSON object on stdout, progress on stderr; with --markdown also writes
the page that is made of it. Stages come in the order of their importance, and with --resume what is
finished is kept and not done again, whoever did it: two runs may share the folder, each with its
own --only.

Next file: `data.py`.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop.errors import BadInput, UserMistake
from strop.jsonvalue import digest
from strop.models.local import EMBEDDED_NAME, embedded_weights

from . import page, peers
from .data import Setting, setting
from .no_model import no_model_rows
from .strop_rows import static_row, strop_rows

ORDER = ("strop", "no-model", "static", "knn", "zero", "bootstrap", "gepa")
SEED = 0


def main() -> None:
    """Measure and print."""
    given = _arguments()
    try:
        report = measure(given)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))
    if given.markdown:
        given.markdown.parent.mkdir(parents=True, exist_ok=True)
        given.markdown.write_text(page.page(report), encoding="utf-8")


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All stages, and what is known about the machine they ran on."""
    names = ("77", "10") if given.intents == "both" else (given.intents,)
    settings = [setting(name, seed=SEED, quick=given.quick) for name in names]
    about: dict[str, Any] = {
        "schema": "strop.bench.banking77/1",
        "quick": given.quick,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.system(),
            "arch": platform.machine(),
        },
        "model": {"name": EMBEDDED_NAME, "file": embedded_weights().name},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("strop", "xllamacpp", "scikit-learn", "numpy")},
        },
    }
    if given.peers:
        about["peers"] = peers.versions(given.peers_python)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.resume or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for one in settings:
            _refuse_others(one, folder)
        found: dict[str, dict[str, Any]] = {one.name: _described(one) for one in settings}
        for stage, one, work in _stages(given, settings, folder):
            path = folder / f"{stage}-{one.name}.json"
            if path.is_file() or not given.finished:
                found[one.name][stage] = _kept(path, work)
    return {**about, "settings": found}


Stage = tuple[str, Setting, Callable[[], dict[str, Any]]]


def _stages(given: argparse.Namespace, settings: list[Setting], folder: Path) -> Iterator[Stage]:
    for stage in ORDER:
        if (stage in peers.NAMES and not given.peers) or (given.only and stage not in given.only):
            continue
        if stage in given.skip or (given.quick and stage == "static"):
            continue
        for one in settings:
            yield stage, one, _work(stage, one, given, folder)


def _work(
    stage: str, one: Setting, given: argparse.Namespace, folder: Path
) -> Callable[[], dict[str, Any]]:
    effort = round(peers.EFFORT.get(stage, 0) * (0.1 if given.quick else given.effort))
    works: dict[str, Callable[[], dict[str, Any]]] = {
        "strop": lambda: strop_rows(one, folder, say),
        "static": lambda: static_row(one, folder, say),
        "no-model": lambda: no_model_rows(one),
    }
    return works.get(
        stage, lambda: peers.peer_rows(stage, one, given.peers_python, effort=effort, say=say)
    )


def _kept(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A stage's result: from its file when it is finished, else worked out and kept there."""
    if path.is_file():
        finished: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return finished
    say(f"== {path.stem}")
    began, load = time.monotonic(), os.getloadavg()[0]
    result = work()
    result["wall_seconds"] = round(time.monotonic() - began, 1)
    result["load"] = [round(load, 1), round(os.getloadavg()[0], 1)]
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(result, indent=2), encoding="utf-8")
    partial.replace(path)
    for row in result["rows"]:
        say(f"{row['row']}: {row['right']}/{row['of']}")
    return result


def _refuse_others(one: Setting, folder: Path) -> None:
    """Keep stages of other messages, or of another split of the same ones, out of one report.

    Raises:
        BadInput: What is in the folder was made on others.
    """
    made_on = digest([task.to_json() for task in one.tasks])
    path = folder / f"tasks-{one.name}.sha256"
    if not path.exists():
        path.write_text(made_on, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != made_on:
        raise BadInput(
            "its stages were made on other messages or another split; name another folder",
            where="--resume",
        )


def _described(one: Setting) -> dict[str, Any]:
    splits = [task.split for task in one.tasks]
    return {
        "intents": len(one.intents),
        "labelled": len(one.labelled),
        "sealed": len(one.sealed),
        "splits": {str(split): splits.count(split) for split in dict.fromkeys(splits)},
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.real.banking77", description="Banking77 with the embedded model."
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="a few intents, and never the test file")
    add("--intents", choices=("10", "77", "both"), default="both")
    add("--peers", action=argparse.BooleanOptionalAction, default=True, help="dspy's rows")
    add("--peers-python", default=peers.DEFAULT_PYTHON, help="an interpreter that has dspy")
    add("--effort", type=float, default=1.0, help="share of the usual calls for dspy's optimisers")
    add("--resume", type=Path, help="folder for finished stages; those found there are not redone")
    add("--finished", action="store_true", help="report what --resume holds and run nothing more")
    add("--only", nargs="+", choices=ORDER, default=(), help="these stages only")
    add("--skip", nargs="+", choices=ORDER, default=(), help="all but these stages")
    add("--markdown", type=Path, help="write the results page there")
    return parser.parse_args()


def say(line: str) -> None:
    """Progress for people."""
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
