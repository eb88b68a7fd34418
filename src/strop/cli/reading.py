"""Runs as `strop mine` reads them: streamed, counted, and without those of held-out tasks.

Next file: `cli/mining.py`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from strop.cli.output import note, notes, text
from strop.heldout import HeldOut
from strop.jsonvalue import as_text
from strop.run import ScoredRun
from strop.task import Split, Task

__all__ = ["Runs", "telling"]

_QUIET, _EVERY = 2.0, 5.0  # seconds before anything is told, and between lines
_HELD_OUT = (Split.VALIDATION, Split.TEST)


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """What is said while runs are read: on a terminal live, else a line now and then."""
    if notes.is_terminal:
        with notes.status(text("reading", "dim")) as status:
            yield lambda said: status.update(text(said, "dim"))
        return
    told = time.monotonic() - _EVERY + _QUIET

    def tell(said: str) -> None:
        nonlocal told
        if time.monotonic() - told > _EVERY:
            told = time.monotonic()
            note(said)

    yield tell


class Runs:
    """Runs, streamed, counted and told about.

    Args:
        runs: The runs.
        held_out: What is passed over among them.
        tell: Told, after each run, how far it is.
        tasks: Tasks by id, put in while runs are read that tell of others: some miners pass over
            runs of tasks that they do not know. `None` puts in none.
        groups: Paraphrase groups by task id, where they are known.

    Attributes:
        task_of: The task of each run read, by run id.
        passed_over: Runs of held-out tasks.
    """

    def __init__(
        self,
        runs: Iterator[ScoredRun],
        *,
        held_out: HeldOut,
        tasks: dict[str, Task] | None,
        groups: Mapping[str, str | None],
        tell: Callable[[str], None],
    ) -> None:
        self._runs, self._held_out, self._tasks, self._tell = runs, held_out, tasks, tell
        self._groups = groups
        self.task_of: dict[str, str] = {}
        self.passed_over = 0

    def __iter__(self) -> Iterator[ScoredRun]:
        for scored in self._runs:
            if self._bars(scored):
                self.passed_over += 1
                continue
            run = scored.run
            self.task_of[run.id] = run.task
            known = self._tasks is None or run.task in self._tasks
            if self._tasks is not None and not known and run.input not in (None, ""):
                self._tasks[run.task] = Task(id=run.task, input=run.input)
            self._tell(f"{len(self.task_of):,} runs read")
            yield scored
        self._tell(f"mining {len(self.task_of):,} runs")

    def _bars(self, scored: ScoredRun) -> bool:
        run = scored.run
        return run.split in _HELD_OUT or self._held_out.bars(
            run.task, as_text(run.input), self._groups.get(run.task)
        )
