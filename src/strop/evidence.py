"""What there is to learn from: the tasks that may teach, and findings in their runs.

The store's runs meet mining here, and held-out tasks are kept out of both. It proposes nothing.

Next file: `loops.py`.
"""

from collections.abc import Mapping, Sequence

from strop.jsonvalue import Json, canonical
from strop.mine import Finding, mine_answers
from strop.run import Run, Score, ScoredRun
from strop.score import Judge, Scorer, score
from strop.store import Store
from strop.task import Split, Task, normalised

__all__ = ["find", "sources"]


def sources(store: Store, tasks: Sequence[Task]) -> dict[str, Task]:
    """The tasks that may teach, by id: train and production, never what is held out.

    Args:
        store: Where production tasks are kept.
        tasks: All tasks with a split; what is held out among them is barred by id and by input.
    """
    kept = [*store.tasks(split=Split.PRODUCTION), *store.tasks(split=Split.TRAIN)]
    held_out = [t for t in tasks if t.split in (Split.VALIDATION, Split.TEST)]
    ids, inputs = {t.id for t in held_out}, {normalised(t.text) for t in held_out}
    return {t.id: t for t in kept if t.id not in ids and normalised(t.text) not in inputs}


async def find(
    store: Store, sources: Mapping[str, Task], *, scorer: Scorer, good: float
) -> tuple[Finding, ...]:
    """Findings in the train and production runs so far; held-out runs are never looked at.

    Args:
        store: Where the runs are; the findings are kept there too.
        sources: The tasks that may teach, by id.
        scorer: Tells whether an expected answer is itself an answer.
        good: Score from which an answer is worth showing.
    """
    runs = _best_runs(store, sources)
    known: dict[str, Json] = {}
    for task_id, scored in runs.items():
        task = sources[task_id]
        fell_short = scored.value is not None and scored.value < good
        if fell_short and task.expected is not None and await _is_right(scorer, task):
            known[task_id] = task.expected
    findings = mine_answers(runs.values(), known=known, threshold=good)
    for finding in findings:
        store.put_document("finding", finding.id, finding.to_json())
    return findings


def _best_runs(store: Store, sources: Mapping[str, Task]) -> dict[str, ScoredRun]:
    """The best scored run of each task, by task id.

    A run of a task that was edited since says nothing about the task as it is now.
    """
    best: dict[str, ScoredRun] = {}
    for split in (Split.TRAIN, Split.PRODUCTION):
        for scored in store.runs(split=split):
            task, held = sources.get(scored.run.task), best.get(scored.run.task)
            if scored.value is None or task is None:
                continue
            if not _is_of(scored.run, task):
                continue
            if held is None or held.value is None or scored.value > held.value:
                best[task.id] = scored
    return best


def _is_of(run: Run, task: Task) -> bool:
    """Whether a run is of the task as it is now; of an imported one, only the input can tell."""
    if run.task_digest is not None:
        return run.task_digest == task.digest
    return canonical(run.input) == canonical(task.input)


async def _is_right(scorer: Scorer, task: Task) -> bool:
    """Whether the scorer would take the expected answer itself as an answer.

    A pattern to match, or a list of acceptable answers, is expected but is no demonstration. A
    judge is not asked: it costs a model call, and a person wrote the expected answer.
    """
    if isinstance(scorer, Judge):
        return True
    ideal = Run(id="ideal", task=task.id, input=task.input, split=Split.TRAIN, output=task.expected)
    result = await score(scorer, task, ideal)
    return isinstance(result, Score) and result.value == 1.0
