"""dspy's rows: the same messages, vectors, model file and server, in an interpreter that has dspy.

The interpreter may be another one, because dspy and Strop may ask for different versions of the
same packages. It is given the address of this process's llama.cpp server, and a proxy that does not
exist for everything but loopback.

Next file: `page.py`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from strop.errors import BadInput, StropError
from strop.models.local import CONTEXT, EMBEDDED_NAME, embedded_weights
from strop.models.server import Address, pool_for
from strop.task import Split

from .data import INSTRUCTION, Setting, vectors
from .report import row

SCRIPT = Path(__file__).with_name("dspy_rows.py")
NAMES = {
    "knn": "dspy KNNFewShot, k = 3",
    "zero": "dspy Predict, zero-shot",
    "bootstrap": "dspy BootstrapFewShotWithRandomSearch",
    "gepa": "dspy GEPA",
}
_TELLING = (" ERROR ", ": Iteration", "Error: ")  # what of dspy's log is worth a line of progress
EFFORT = {"bootstrap": 450, "gepa": 170}  # calls to learn, about
PACKAGES = ("dspy", "gepa", "litellm", "numpy")

_VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {{"python": sys.version.split()[0]}}
for name in {names!r}:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def versions(python: str) -> dict[str, str]:
    """The versions that matter, in that interpreter.

    Raises:
        BadInput: There is no dspy in it.
    """
    try:
        told = subprocess.run(
            [python, "-c", _VERSIONS.format(names=PACKAGES)],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise BadInput(f"cannot be run: {error}", where="--peers-python") from None
    found: dict[str, str] = json.loads(told.stdout)
    if "dspy" not in found:
        raise BadInput(
            "that interpreter has no dspy: `pip install dspy gepa` into an environment of its own "
            "and name its python with --peers-python, or leave the peers out with --no-peers",
            where="--peers-python",
        )
    return found


def peer_rows(
    which: str, setting: Setting, python: str, *, effort: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """One of `NAMES` on one setting."""
    train, held = setting.messages(split=Split.TRAIN), setting.messages(split=Split.VALIDATION)
    # Judging one candidate should not take more than a sixth of the effort.
    judging = held[:: -(-6 * len(held) // max(effort, 6))] if 6 * len(held) > effort else held
    job = {
        "row": which,
        "model": EMBEDDED_NAME,
        "instruction": INSTRUCTION,
        "intents": setting.intents,
        "layout": "literal" if setting.name == "10" else "grammar",
        "train": train,
        "validation": judging,
        "labelled": setting.labelled,
        "sealed": [text for text, _ in setting.sealed],
        "effort": effort,
    }
    with tempfile.TemporaryDirectory() as folder:
        if which == "knn":
            job["vectors"] = _vectors_file(setting, Path(folder))
        done = anyio.run(_work, job, python, folder, say)
    right = sum(
        1 for got, (_, intent) in zip(done["answers"], setting.sealed, strict=True) if got == intent
    )
    found = row(
        NAMES[which],
        right=right,
        of=len(setting.sealed),
        learned_from={"zero": 0, "knn": len(setting.labelled)}.get(
            which, len(train) + len(judging)
        ),
        learning_calls=done["learning"]["calls"],
        learning_tokens=done["learning"]["tokens"],
        learning_seconds=done["learning"]["seconds"],
        calls=done["sealed"]["calls"],
        tokens=done["sealed"]["tokens"],
        seconds=done["sealed"]["seconds"],
    )
    failed = sum(1 for got in done["answers"] if got is None)
    return {
        "rows": [{**found, "failed": failed}],
        "judging": len(judging),
        "instructions": done["instructions"],
        "demonstrations": done["shown"],
        "answers": done["answers"],
    }


async def _work(
    job: dict[str, Any], python: str, folder: str, say: Callable[[str], None]
) -> dict[str, Any]:
    async with pool_for(embedded_weights(), context=CONTEXT).server() as address:
        return await anyio.to_thread.run_sync(_run, job, address, python, folder, say)


def _run(
    job: dict[str, Any], address: Address, python: str, folder: str, say: Callable[[str], None]
) -> dict[str, Any]:
    # The key goes by stdin: a command line can be read by every user of the machine.
    given = json.dumps({**job, "url": address.url, "key": address.key})
    log = Path(folder) / "log"
    with log.open("wb") as errors:
        done = subprocess.run(
            [python, str(SCRIPT)],
            input=given.encode(),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(folder),
            check=False,
        )
    told = log.read_text(encoding="utf-8", errors="replace")
    if done.returncode:
        raise StropError(f"dspy ended with status {done.returncode}: {told[-2000:]}")
    for line in told.splitlines():
        if line.startswith(("no answer", "Scores so far")) or any(w in line for w in _TELLING):
            say(line[:200])
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def _environment(folder: str) -> dict[str, str]:
    """No cache but in `folder`, one thread, nothing from the network but loopback."""
    nowhere = "http://127.0.0.1:9"
    return {
        **os.environ,
        "DSPY_CACHEDIR": folder,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OMP_NUM_THREADS": "1",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _vectors_file(setting: Setting, folder: Path) -> str:
    texts = [text for text, _ in (*setting.labelled, *setting.sealed)]
    path = folder / "vectors.npz"
    np.savez(path, texts=np.array(texts), rows=vectors(texts, "minilm"))
    return str(path)


DEFAULT_PYTHON = sys.executable
