"""What is told while evaluations run: live lines on a terminal, else a line now and then.

Everything goes to stderr. Nothing is told of what takes no time.

Next file: `cli/setup.py`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from strop.cli.output import amount, duration, note, notes, points, price, text
from strop.evaluation import Progress, ProgressEvent

__all__ = ["Plain", "Stages", "shown_progress", "waiting"]

_EVERY = 5.0  # seconds between lines where nobody watches a live one
_WIDE = 84  # columns from which there is room for a bar, tokens and cost


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A `Progress` that people see."""
    if not notes.is_terminal:
        yield Plain(note)
        return
    stages = Stages()
    with Live(stages, console=notes, refresh_per_second=8, redirect_stdout=False):
        yield stages
        stages.over = True
    notes.print()  # between the last stage and the result, which is seen below it


@contextmanager
def waiting(message: str) -> Iterator[None]:
    """A spinner for what gives no events; nothing where nobody watches."""
    if not notes.is_terminal:
        yield
        return
    with notes.status(text(message, "dim")):
        yield


class Plain:
    """Lines at most every five seconds, and one at the end of each stage.

    Args:
        say: Prints a line.
        clock: Seconds, from any start.
    """

    def __init__(
        self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._stage = ""
        self._last = clock()

    def __call__(self, event: ProgressEvent) -> None:
        if event.stage != self._stage:
            self._stage, self._last = event.stage, self._clock() - event.seconds
        if event.done == event.total or self._clock() - self._last >= _EVERY:
            self._last = self._clock()
            self._say("  ".join([event.stage, _count(event), *_figures(event), _time(event)]))


class Stages:
    """One line per stage, redrawn as events come."""

    def __init__(self) -> None:
        self.over = False  # nothing more will come, whether a stage is done or not
        self._events: dict[str, ProgressEvent] = {}
        self._spinner = Spinner("dots", style="cyan")

    def __call__(self, event: ProgressEvent) -> None:
        self._events[event.stage] = event

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= _WIDE
        grid = Table.grid(padding=(0, 2, 0, 0))
        for column in range(6 if wide else 5):
            grid.add_column(
                no_wrap=True, justify="right" if column in (2 + wide, 3 + wide) else "left"
            )
        for event in self._events.values():
            grid.add_row(*self._row(event, wide=wide))
        if not self._events and not self.over:
            grid.add_row(self._spinner, text("starting", "dim"))
        yield grid

    def _row(self, event: ProgressEvent, *, wide: bool) -> list[Text | Spinner | ProgressBar]:
        done = event.done == event.total
        mark = Text("·") if self.over else self._spinner
        row: list[Text | Spinner | ProgressBar] = [
            Text("✓", style="green") if done else mark,
            text(event.stage),
        ]
        if wide:
            row.append(ProgressBar(total=event.total, completed=event.done, width=16))
        figures = _figures(event) if wide else _figures(event)[:1]
        return [
            *row,
            text(f"{event.done}/{event.total}"),
            text("  ".join(figures)),
            text("stopped" if self.over and not done else _time(event), "dim"),
        ]


def _count(event: ProgressEvent) -> str:
    cached = f" ({event.cached} from before)" if event.cached else ""
    return f"{event.done}/{event.total}{cached}"


def _figures(event: ProgressEvent) -> list[str]:
    """Score, tokens and cost so far."""
    out = [f"score {points(event.score)}"]
    if event.tokens:
        out.append(f"{amount(event.tokens)} tokens")
    if event.cost:
        out.append(price(event.cost))
    return out


def _time(event: ProgressEvent) -> str:
    if event.done == event.total:
        return duration(event.seconds)
    return f"{duration(event.eta)} left" if event.eta is not None else ""
