"""From a configuration's path to an agent that can run.

Whatever can be checked without writing is checked before the store is opened, so that a mistake
leaves the folder as it was.

Next file: `cli/output.py`.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from strop.assembly import assemble
from strop.cli.opening import tasks_of
from strop.cli.output import note
from strop.config import load_config
from strop.errors import BadInput
from strop.models.resolve import resolve_model
from strop.parts import Parts
from strop.task import Split, in_split

__all__ = ["opened_agent"]


@contextmanager
def opened_agent(
    path: Path, *, needs: Sequence[Split] = (), will_run: bool = True
) -> Iterator[Parts]:
    """The agent that the configuration at `path` describes, assembled.

    Args:
        path: The configuration.
        needs: Splits that must hold tasks.
        will_run: The models will be asked, so they must be there.
    """
    config = load_config(path)
    # What tools and scorers print must not stand between results.
    with redirect_stdout(sys.stderr):
        tasks = tasks_of(config, path)
        for split in needs:
            if not config.tasks:
                raise BadInput(
                    "there are no tasks; name a file, for example `tasks: tasks.jsonl`",
                    where=str(path),
                )
            in_split(tasks, split=split)
        if will_run:
            # What is resolved first keeps its notifier: the servers of a local model are shared.
            resolve_model(config.model, notify=note)
            if config.judge_model is not None:
                _resolve_judge(config.judge_model)
        parts = assemble(config, folder=path.parent, tasks=tasks)
        try:
            yield parts
        finally:
            parts.store.close()


def _resolve_judge(name: str) -> None:
    """Find the judge's model, or say that it is the judge's which is not to be found."""
    try:
        resolve_model(name, notify=note)
    except BadInput as error:
        problem = error.problem if error.where == "model" else str(error)
        raise BadInput(problem, where="judge_model") from None
