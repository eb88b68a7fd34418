"""`strop init`: a project that works as it stands.

Its files are in `scaffold/`: a commented configuration and a small set of made-up support messages.

Next file: `cli/doctor.py`.
"""

from contextlib import suppress
from importlib import resources
from pathlib import Path

from rich.text import Text

from strop.cli.output import block, heading, show, table, text
from strop.errors import BadInput, UserMistake

__all__ = ["init"]

_FILES = ("strop.yaml", "tasks.jsonl")
_NEXT = (
    ("strop doctor", "is all there that it needs?"),
    ("strop improve", "run, learn, compare, release"),
    ("strop log", "what happened"),
    ('strop run "Where is my parcel?"', "ask the agent"),
)


def init(folder: Path, *, as_json: bool) -> int:
    """Write the scaffold into `folder`, all of it or nothing."""
    there = [name for name in _FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        verb = "is" if len(there) == 1 else "are"
        raise UserMistake(
            f"{' and '.join(there)} {verb} there already and would be overwritten; "
            "name another folder: `strop init DIR`",
        )
    _write(folder)
    steps = _NEXT if folder.resolve() == Path.cwd() else ((f"cd {folder}", ""), *_NEXT)
    todo = table(("", ""), [[text(command, "bold"), text(what, "dim")] for command, what in steps])
    todo.show_header = False
    show(
        {"schema": "strop.init/1", "folder": str(folder), "files": list(_FILES)},
        Text.assemble(("✓", "green"), f" {' and '.join(_FILES)} are in {folder.resolve()}"),
        block(heading("next"), left=0, top=1),
        block(todo),
        as_json=as_json,
    )
    return 0


def _write(folder: Path) -> None:
    scaffold = resources.files("strop.cli") / "scaffold"
    new = not folder.exists()
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            written.append(folder / name)
            written[-1].write_bytes((scaffold / name).read_bytes())
    except OSError as error:
        with suppress(OSError):
            for path in written:
                path.unlink(missing_ok=True)
            if new:
                folder.rmdir()
        raise BadInput(f"cannot be written: {error.strerror}", where=str(folder)) from None
