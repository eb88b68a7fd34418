"""`Kept`: the blocks that were seen, their statements as numbers and their text.

What stays in memory between reading and counting: about 600 bytes and the text of a block,
compressed where it is long, never a syntax tree. A block that is looked at again is parsed again.

Next file: `mine/snippets/report.py`.
"""

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strop.mine.snippets.blocks import Block
from strop.mine.snippets.grams import Corpus, Gram
from strop.mine.snippets.shapes import Shape

__all__ = ["PRINTED", "Held", "Kept"]

PRINTED = 2_000
"""Characters that are kept of what a block printed."""
_TEXT = 512 * 2**20  # bytes of text that are kept; later blocks are counted only
_SMALL = 2_000  # bytes; compressing a text that is no longer takes as long as it is worth
_MARK = b"\xff"  # before compressed text: no text in UTF-8 begins with it
_GAP = Shape(key=0, size=0, works=False)


@dataclass(slots=True)
class Held:
    """What is kept of a block.

    Attributes:
        text: Its source, compressed where that gains anything.
        task: Number of its task.
        run: Number of its run.
        position: Which step of the run it is in.
        printed: The beginning of what it printed; `None` where that is not known.
    """

    text: bytes
    task: int
    run: int
    position: int
    printed: str | None


class Kept:
    """Blocks, numbered from 0 in the order in which they came."""

    def __init__(self) -> None:
        self.blocks: list[Held] = []
        self._task_ids: dict[str, int] = {}
        self._run_ids: dict[str, int] = {}
        self._bytes = 0
        # Of each statement, and of the gap after each list of statements.
        self._keys = array("q")
        self._sizes = array("i")
        self._works = array("b")
        self._tells = array("b")
        # Of each list of statements: where it begins, its block, and which of the block's it is.
        self._where = array("i")
        self._owner = array("i")
        self._number = array("i")

    def __len__(self) -> int:
        return len(self.blocks)

    @property
    def tasks(self) -> list[str]:
        """Ids of tasks, by number."""
        return list(self._task_ids)

    @property
    def runs(self) -> list[str]:
        """Ids of runs, by number."""
        return list(self._run_ids)

    def run_number(self, run: str) -> int:
        """The number of a run."""
        return self._run_ids.setdefault(run, len(self._run_ids))

    def add(self, block: Block, shapes: Sequence[Sequence[Shape]]) -> bool:
        """Keep a block with the shapes of its lists of statements; false: there is no room."""
        text = block.source.encode("utf-8", "surrogatepass")
        if len(text) > _SMALL:
            text = _MARK + zlib.compress(text, 1)
        if self._bytes + len(text) > _TEXT:
            return False
        self._bytes += len(text)
        number = len(self.blocks)
        self.blocks.append(
            Held(
                text=text,
                task=self._task_ids.setdefault(block.task, len(self._task_ids)),
                run=self.run_number(block.run),
                position=block.position,
                printed=None if block.printed is None else block.printed[:PRINTED],
            )
        )
        for index, row in enumerate(shapes):
            self._where.append(len(self._keys))
            self._owner.append(number)
            self._number.append(index)
            for key, size, works, tells in (*row, _GAP):
                self._keys.append(key)
                self._sizes.append(size)
                self._works.append(works)
                self._tells.append(tells)
        return True

    def source(self, block: int) -> str:
        """The text of a block, by number."""
        text = self.blocks[block].text
        if text.startswith(_MARK):
            text = zlib.decompress(text[len(_MARK) :])
        return text.decode("utf-8", "surrogatepass")

    def corpus(self) -> Corpus:
        """All statements as arrays."""
        starts = np.frombuffer(self._where, dtype=np.int32)
        owners = np.frombuffer(self._owner, dtype=np.int32)
        tasks = np.array([held.task for held in self.blocks], dtype=np.int64)
        lengths = np.diff(np.append(starts, len(self._keys)))
        return Corpus(
            keys=np.array(self._keys, dtype=np.int64),
            sizes=np.array(self._sizes, dtype=np.int64),
            works=np.array(self._works, dtype=np.bool_),
            tells=np.array(self._tells, dtype=np.bool_),
            tasks=np.repeat(tasks[owners], lengths),
        )

    def places(self, gram: Gram, *, most: int) -> list[tuple[int, int, int]]:
        """Where up to `most` occurrences of a gram are: the first of each task, then the others.

        Returns:
            Block, number of the list of statements in it, and index in that list.
        """
        starts = np.frombuffer(self._where, dtype=np.int32)
        rows = (np.searchsorted(starts, gram.starts, side="right") - 1).tolist()
        seen: set[int] = set()
        first: list[tuple[int, int, int]] = []
        others: list[tuple[int, int, int]] = []
        for place, row in zip(gram.starts.tolist(), rows, strict=True):
            block = self._owner[row]
            task = self.blocks[block].task
            found = (block, self._number[row], place - self._where[row])
            (others if task in seen else first).append(found)
            seen.add(task)
            if len(first) == most:
                break
        return (first + others)[:most]
