"""The task and its messages: customer message -> intent, in two sizes.

A `Setting` fixes which messages are labelled and which are sealed, from the seed alone. Whoever
learns sees the labelled ones only; the sealed ones come from the data set's own test file. A quick
setting is small and its "sealed" messages come from the training file, so that trying things out
never looks at the test file.

Next file: `strop_rows.py`.
"""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import anyio
import numpy as np
from numpy.typing import NDArray

from strop.embed import resolve_embedder
from strop.errors import BadInput
from strop.task import Split, Task, assign_splits, normalised

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "banking77" / "banking_data"
INSTRUCTION = "Classify the intent of the message."
HELD_OUT = 2  # of an intent's labelled messages, how many Strop keeps for its gate

Message = tuple[str, str]  # text, intent
Matrix = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One size of the task.

    Attributes:
        name: "10" or "77".
        intents: The labels, in order.
        labelled: What anybody may learn from.
        sealed: What everybody is tested on, once.
        whole: All messages of the test file with these intents, for what costs no model calls.
    """

    name: str
    intents: tuple[str, ...]
    labelled: tuple[Message, ...]
    sealed: tuple[Message, ...]
    whole: tuple[Message, ...]

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """All messages as tasks; the labelled ones dealt to train and validation by Strop."""
        held_out = HELD_OUT * len(self.intents)
        shares = {Split.TRAIN: len(self.labelled) - held_out, Split.VALIDATION: held_out}
        labelled = assign_splits(
            [_task(f"labelled-{at}", m) for at, m in enumerate(self.labelled)], shares=shares
        )
        sealed = [_task(f"sealed-{at}", m, Split.TEST) for at, m in enumerate(self.sealed)]
        return (*labelled, *sealed)

    def messages(self, *, split: Split) -> tuple[Message, ...]:
        """The messages of one split."""
        return tuple((t.text, str(t.expected)) for t in self.tasks if t.split is split)


def setting(name: str, *, seed: int, quick: bool) -> Setting:
    """The 10-intent or the 77-intent task.

    Raises:
        BadInput: The data set is not where it should be.
    """
    test = _distinct(_read("test"))
    tested = {normalised(text) for text, _ in test}
    known = [m for m in _distinct(_read("train")) if normalised(m[0]) not in tested]
    pool, testing = _by_intent(known), _by_intent(test)
    draw = random.Random(seed)
    count, per_intent, sealed_per_intent = {
        ("10", False): (10, 15, 10),
        ("77", False): (77, 10, 2),
        ("10", True): (5, 8, 2),
        ("77", True): (7, 7, 2),
    }[name, quick]
    intents = tuple(sorted(draw.sample(sorted(pool), count)))
    labelled: list[Message] = []
    sealed: list[Message] = []
    for intent in intents:
        drawn = draw.sample(pool[intent], per_intent + sealed_per_intent)
        labelled += drawn[:per_intent]
        # What is left of the draw is only used to try things out.
        sealed += drawn[per_intent:] if quick else draw.sample(testing[intent], sealed_per_intent)
    return Setting(
        name=name,
        intents=intents,
        labelled=tuple(labelled),
        sealed=tuple(sealed),
        whole=tuple(sealed if quick else (m for intent in intents for m in testing[intent])),
    )


def vectors(texts: Sequence[str], embedder: str) -> Matrix:
    """Unit vectors of texts, shape (n, dim)."""
    rows: Matrix = anyio.run(resolve_embedder(embedder).embed, list(texts))
    return rows


def _task(name: str, message: Message, split: Split | None = None) -> Task:
    text, intent = message
    return Task(id=name, input=text, expected=intent, category=intent, split=split)


def _read(part: str) -> list[Message]:
    path = DATA / f"{part}.csv"
    if not path.is_file():
        raise BadInput(
            "the Banking77 files are missing: put train.csv and test.csv of "
            "github.com/PolyAI-LDN/task-specific-datasets (banking_data) into "
            "../shared/data/banking77/banking_data beside the checkout",
            where=path.name,
        )
    with path.open(encoding="utf-8", newline="") as file:
        return [(line["text"].strip(), line["category"]) for line in csv.DictReader(file)]


def _distinct(messages: Sequence[Message]) -> list[Message]:
    """Without messages that stand there twice, whatever their label."""
    found: dict[str, Message] = {}
    for message in messages:
        found.setdefault(normalised(message[0]), message)
    return list(found.values())


def _by_intent(messages: Sequence[Message]) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message[1], []).append(message)
    return found
