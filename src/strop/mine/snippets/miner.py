"""`SnippetMiner`: code that agents write again and again, as tools they could call instead.

One pass over the runs keeps each block's shapes and its text; `findings` then counts, generalises
and chooses. It says nothing about whether a tool works: replaying its instances in a sandbox is the
proposer's business.

Next file: `mine/feedback.py`.
"""

import ast
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from strop.mine.calls import Call
from strop.mine.finding import Finding
from strop.mine.snippets.blocks import Block, blocks_of
from strop.mine.snippets.choosing import Candidate, candidate_of, candidates_of, chosen
from strop.mine.snippets.grams import Gram, frequent
from strop.mine.snippets.kept import Kept
from strop.mine.snippets.normal import Unit, normal, statements_in
from strop.mine.snippets.report import finding_of, named
from strop.mine.snippets.shapes import Shape, shapes_of
from strop.mine.snippets.windows import Window, read_window
from strop.run import Score, ScoredRun
from strop.task import Task

__all__ = ["SnippetMiner", "mine_snippets"]

_WINDOWS = 64  # occurrences of one gram that are looked at to choose
_ALL = 512  # and of one that is chosen
_BUDGET = 8_000  # occurrences that are looked at in all, each time
_MOST = 40  # findings


@dataclass(slots=True)
class Counts:
    """What became of the blocks.

    Attributes:
        blocks: All that were seen.
        parsed: Those that are Python, and not too long.
        characters: Of those that are Python.
        failed: Those in calls that failed; they are no evidence.
        dropped: Those for which there was no room.
    """

    blocks: int = 0
    parsed: int = 0
    characters: int = 0
    failed: int = 0
    dropped: int = 0


def mine_snippets(sources: Iterable[str | Block], *, threshold: int = 3) -> tuple[Finding, ...]:
    """Tools in pieces of code; see `SnippetMiner.findings`.

    Args:
        sources: Python sources, each a task of its own; or blocks, which say their task.
        threshold: Distinct tasks that a tool's code must be in.
    """
    miner = SnippetMiner(threshold=threshold)
    for number, source in enumerate(sources):
        if isinstance(source, str):
            name = f"source-{number}"
            miner.add_block(Block(source=source, task=name, run=name))
        else:
            miner.add_block(source)
    return miner.findings()


class SnippetMiner:
    """Recurring code, one run at a time.

    Args:
        tasks: The tasks that may teach, by id; runs of other tasks are passed over. By default all
            runs count.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure.
        threshold: Distinct tasks that a tool's code must be in.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task] | None = None,
        good: float = 0.8,
        poor: float = 0.7,
        threshold: int = 3,
    ) -> None:
        self._tasks = tasks
        self._good = good
        self._poor = poor
        self._threshold = max(2, threshold)
        self.counts = Counts()
        self._kept = Kept()
        self._outcomes: dict[int, int] = {}  # by run: 1 a success, -1 a failure

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls."""
        run = scored.run
        if self._tasks is not None and run.task not in self._tasks:
            return
        blocks = blocks_of(calls, task=run.task, run=run.id)
        for block in blocks:
            self.add_block(block)
        if blocks and isinstance(scored.score, Score):
            value = scored.score.value
            outcome = int(value >= self._good) - int(value < self._poor)
            self._outcomes[self._kept.run_number(run.id)] = outcome

    def add_block(self, block: Block) -> None:
        """One more piece of code."""
        self.counts.blocks += 1
        if block.failed:
            self.counts.failed += 1
            return
        with _uncollected():
            shapes = _shapes(block.source)
        if shapes is None:
            return
        self.counts.parsed += 1
        self.counts.characters += len(block.source)
        self.counts.dropped += not self._kept.add(block, shapes)

    def findings(self) -> tuple[Finding, ...]:
        """The tools that the code so far gives, those that save most first.

        Returns:
            Findings of kind ``snippet``. ``data`` has ``tool`` (``name``, ``description``,
            ``parameters``, ``body`` of kind ``code``, ``needs``), ``support`` (``tasks``, ``runs``,
            ``successes``, ``failures``; all occurrences count), ``saving`` (characters over one
            occurrence per task) and ``instances``: up to 50 of ``run``, ``task``, ``position`` (the
            step), ``block`` (its number), ``lines`` (of the block), ``args`` (null where they are
            only known when the code runs), ``replayable``, ``printed``: what the whole block
            printed, where the trace tells, else null; and ``result`` where it is certain what the
            tool should return, as the text that was printed.
        """
        return tuple(
            finding_of(
                candidate,
                name,
                kept=self._kept,
                outcome=self._outcome({w.block for w in candidate.tool.windows}),
            )
            for candidate, name in named(self.candidates())
        )

    def candidates(self) -> list[Candidate]:
        """What the findings are made of."""
        if not self._kept:
            return []
        with _uncollected():
            return self._candidates()

    def _candidates(self) -> list[Candidate]:
        grams = frequent(self._kept.corpus(), threshold=self._threshold)
        read: _Read = {}
        rows = self._windows(grams, most=_WINDOWS, read=read)
        found = [
            candidate
            for number, windows in enumerate(rows)
            for candidate in candidates_of(
                windows, gram=number, threshold=self._threshold, tasks=grams[number].tasks
            )
        ]
        del rows
        kept = chosen(found, weight=self._weight, most=_MOST, threshold=self._threshold)
        return self._whole(kept, [grams[c.gram] for c in kept], read)

    def _whole(
        self, kept: Sequence[Candidate], grams: Sequence[Gram], read: "_Read"
    ) -> list[Candidate]:
        """The same candidates, made of nearly all of their occurrences."""
        rows = self._windows(grams, most=_ALL, read=read)
        out = []
        for candidate, windows in zip_longest(kept, rows, fillvalue=None):
            if candidate is None:
                break
            same = [w for w in windows or () if w.pattern == candidate.pattern and not w.opaque]
            more = len(same) > len(candidate.tool.windows)
            out.append((candidate_of(same, gram=candidate.gram) if more else None) or candidate)
        return out

    def source(self, block: int) -> str:
        """The text of a block, by number."""
        return self._kept.source(block)

    def _windows(self, grams: Sequence[Gram], *, most: int, read: "_Read") -> list[list[Window]]:
        """The windows of each gram, as far as the budget goes; `read` has the blocks so far."""
        budget = _BUDGET
        wanted: dict[int, list[tuple[int, int, int, int]]] = {}
        out: list[list[Window]] = []
        for gram in grams:
            if budget <= 0:
                break
            places = self._kept.places(gram, most=most)
            budget -= len(places)
            for block, body, at in places:
                wanted.setdefault(block, []).append((len(out), body, at, gram.length))
            out.append([])
        for block in sorted(wanted):
            if block not in read:
                unit = normal(self.source(block))
                read[block] = None if unit is None else (unit, list(statements_in(unit.tree)))
            found = read[block]
            if found is None:
                continue
            unit, bodies = found
            task = self._kept.blocks[block].task
            for gram_number, body, at, length in wanted[block]:
                window = _window(unit, block, task, (bodies[body], at, length))
                if window is not None:
                    out[gram_number].append(window)
        return out

    def _weight(self, candidate: Candidate) -> float:
        """How well the runs went: 0 where they failed clearly more often than runs do."""
        successes, failures = self._outcome({w.block for w in candidate.tool.windows})
        good = sum(1 for value in self._outcomes.values() if value > 0)
        poor = sum(1 for value in self._outcomes.values() if value < 0)
        usual = (good + 1) / (good + poor + 2)
        share = (successes + 1) / (successes + failures + 2)
        return 0.0 if failures >= self._threshold and share < usual / 2 else share

    def _outcome(self, blocks: Iterable[int]) -> tuple[int, int]:
        values = [self._outcomes.get(run, 0) for run in {self._kept.blocks[b].run for b in blocks}]
        return sum(v > 0 for v in values), sum(v < 0 for v in values)


def _shapes(source: str) -> list[list[Shape]] | None:
    unit = normal(source)
    try:
        return None if unit is None else shapes_of(unit)
    except RecursionError:
        return None


_Read: TypeAlias = dict[int, tuple[Unit, list[list[ast.stmt]]] | None]
"""Blocks in normal form with their lists of statements, by number."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the cycle collector from going through syntax trees, which hold no cycles.

    It would go through all of them again and again: a third of the time. What is dropped is freed
    at once all the same, by its count of references.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _window(
    unit: Unit, block: int, task: int, place: tuple[list[ast.stmt], int, int]
) -> Window | None:
    body, at, length = place
    stmts = body[at : at + length]
    following: list[ast.stmt] = body[at + length :]
    if body is not unit.tree.body:
        # What encloses the list may come round again, and goes on after it.
        last = stmts[-1].end_lineno or stmts[-1].lineno
        following = following + [s for s in unit.tree.body if (s.end_lineno or 0) > last]
    try:
        return read_window(stmts, unit, block=block, task=task, following=following)
    except RecursionError:
        return None
