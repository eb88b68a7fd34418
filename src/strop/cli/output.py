"""How results look: consoles, JSON, tables and numbers, the same for every command.

Results go to `results` (stdout), what else there is to say to `notes` (stderr). Nothing here knows
what the values mean.

Next file: `cli/progress.py`.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NoReturn

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from strop.jsonvalue import JsonObject

__all__ = [
    "amount",
    "block",
    "clock",
    "counted",
    "duration",
    "emit",
    "heading",
    "note",
    "notes",
    "plain",
    "points",
    "price",
    "results",
    "show",
    "signed",
    "spread",
    "table",
    "text",
    "took",
]

# Controls, and what turns the direction of text or ends a line.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
NONE = "-"
"""What stands where a value is not known; never 0."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        # Rich would end the process here; `main` does, as for any other write.
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    # The streams as they are now: while a command runs, what a user's code prints goes to stderr.
    file = sys.stderr if stderr else sys.stdout
    return _Console(file=file, highlight=False, markup=False, emoji=False)


results = _console(stderr=False)
notes = _console(stderr=True)


def emit(value: JsonObject) -> None:
    """Print one JSON object, which has a ``schema``."""
    results.file.write(json.dumps(value, ensure_ascii=False) + "\n")
    results.file.flush()


def show(value: JsonObject, *blocks: RenderableType, as_json: bool) -> None:
    """Print a result: the object for programs, or the blocks for people."""
    if as_json:
        emit(value)
        return
    for each in blocks:
        results.print(each)


def note(message: str, style: str = "dim") -> None:
    """A line on stderr."""
    notes.print(text(message, style), soft_wrap=not notes.is_terminal)


def plain(value: object) -> str:
    """Text that cannot steer a terminal: what controls it or turns its direction is written out."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), str(value))


def text(value: object, style: str = "") -> Text:
    """Text as it is, whatever it holds, in a style."""
    return Text(plain(value), style=style)


def heading(title: str, rest: str = "") -> Text:
    """A bold title, and what belongs to it."""
    return Text.assemble((plain(title), "bold"), f"  {plain(rest)}" if rest else "")


def block(value: RenderableType, *, left: int = 2, top: int = 0) -> Padding:
    """Indented, with blank lines above."""
    return Padding(value, (top, 0, 0, left), expand=False)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: Sequence[str] = ()
) -> Table:
    """A table without lines. Columns named in `right` hold numbers and never wrap."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        number = name in right
        out.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        out.add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in row))
    return out


# Numbers.


def counted(count: int, one: str, many: str = "") -> str:
    """A count of things: ``1 tool``, ``2 tools``."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def points(value: float | None) -> str:
    """A score."""
    return NONE if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference of scores."""
    return NONE if value is None else f"{value:+.3f}"


def spread(bounds: tuple[float, float] | None) -> str:
    """A 95 % interval."""
    return NONE if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def amount(count: int | None) -> str:
    """A count of tokens."""
    if count is None:
        return NONE
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def price(dollars: float | None) -> str:
    """US dollars; a dash where no price is known."""
    if dollars is None:
        return NONE
    return f"${dollars:.2f}" if dollars == 0 or dollars >= 1 else f"${dollars:.4f}"


def took(tokens: int | None, cost: float | None, seconds: float | None) -> str:
    """What something took, as far as it is known."""
    known = (
        None if tokens is None else f"{amount(tokens)} tokens",
        None if cost is None else price(cost),
        None if seconds is None else duration(seconds),
    )
    return ", ".join(each for each in known if each)


_MINUTE, _HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """A time, to about two digits."""
    if seconds is None:
        return NONE
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:02.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:02.0f} min"


def clock(at: float | None) -> str:
    """A moment in local time, to the minute."""
    if at is None:
        return NONE
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):  # an imported run may claim any time
        return NONE
