"""`strop import runs`, `export runs` and `export spec`: runs and specs in and out.

Imports are all or nothing, exports are streamed, and a round trip changes nothing.

Next file: `cli/tasks.py`.
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from strop.cli.opening import opened_store
from strop.cli.output import emit, note, results, show, text
from strop.cli.showing import find_spec
from strop.errors import BadInput
from strop.run import ScoredRun, load_runs, run_lines
from strop.store import Store
from strop.task import Split

__all__ = ["export_runs", "export_spec", "import_runs"]


def import_runs(config: Path, *, file: Path, as_json: bool) -> int:
    """Store the runs of a file."""
    with opened_store(config) as store:
        count = store.put_runs(load_runs(file))
    show(
        {"schema": "strop.imported/1", "file": str(file), "runs": count},
        text(f"{count} runs imported"),
        as_json=as_json,
    )
    return 0


def export_runs(config: Path, *, split: Split | None, output: Path | None, as_json: bool) -> int:
    """Write runs as JSON lines."""
    with opened_store(config) as store:
        runs = _runs(store, split)
        if output is not None:
            count = _written(run_lines(runs), output)
        elif as_json:
            _stream_object(runs)
            return 0
        else:
            for line in run_lines(runs):
                results.file.write(line)
            return 0
    if as_json:
        emit({"schema": "strop.exported/1", "file": str(output), "runs": count})
    else:
        note(f"{count} runs written to {output}")
    return 0


def export_spec(config: Path, *, spec: str, output: Path | None, as_json: bool) -> int:
    """Write a spec as one JSON object, by itself: it has a schema of its own."""
    with opened_store(config) as store:
        found = find_spec(store, spec)
    if output is None:
        body = json.dumps(found.to_json(), ensure_ascii=False, indent=None if as_json else 2)
        results.file.write(body + "\n")
        return 0
    _written([json.dumps(found.to_json(), ensure_ascii=False, indent=2) + "\n"], output)
    if as_json:
        emit({"schema": "strop.exported/1", "file": str(output), "spec": found.id})
    else:
        note(f"spec {found.short_id} written to {output}")
    return 0


def _runs(store: Store, split: Split | None) -> Iterator[ScoredRun]:
    for each in Split if split is None else (split,):
        yield from store.runs(split=each)


def _stream_object(runs: Iterable[ScoredRun]) -> None:
    """One JSON object with all runs, without holding them all."""
    results.file.write('{"schema": "strop.runs/1", "runs": [')
    for i, line in enumerate(run_lines(runs)):
        results.file.write((", " if i else "") + line.rstrip("\n"))
    results.file.write("]}\n")


def _written(lines: Iterable[str], path: Path) -> int:
    """Write lines to a file, whole or not at all, and say how many."""
    # A name of its own: two exports at once do not write into each other's file.
    partial = path.parent / f"{path.name}.{secrets.token_hex(4)}.part"
    count = 0
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(line)
                count += 1
        partial.replace(path)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        with suppress(OSError):  # not there, or its folder is none
            partial.unlink()
    return count
