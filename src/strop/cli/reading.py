"""Runs as `strop mine` reads them: streamed, counted, and without those of held-out tasks.

Next file: `cli/mining.py`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from strop.bootstrap import HeldOut
from strop.cli.output import note, notes, text
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
        tasks: Known tasks by id. Some miners pass over runs of tasks that they do not know, so
            those that only the runs tell of are put in while they are read.

    Attributes:
        task_of: The task of each run read, by run id.
        passed_over: Runs of held-out tasks.
    """

    def __init__(
        self,
        runs: Iterator[ScoredRun],
        *,
        held_out: HeldOut,
        tasks: dict[str, Task],
        tell: Callable[[str], None],
    ) -> None:
        self._runs, self._held_out, self._tasks, self._tell = runs, held_out, tasks, tell
        self._known = bool(tasks)
        self.task_of: dict[str, str] = {}
        self.passed_over = 0

    def __iter__(self) -> Iterator[ScoredRun]:
        for scored in self._runs:
            if self._bars(scored):
                self.passed_over += 1
                continue
            run = scored.run
            self.task_of[run.id] = run.task
            if self._known and run.task not in self._tasks and run.input not in (None, ""):
                self._tasks[run.task] = Task(id=run.task, input=run.input)
            self._tell(f"{len(self.task_of):,} runs read")
            yield scored
        self._tell(f"mining {len(self.task_of):,} runs")

    def _bars(self, scored: ScoredRun) -> bool:
        run = scored.run
        return (
            run.split in _HELD_OUT
            or run.task in self._held_out.ids
            or self._held_out.is_input(run.input)
        )
