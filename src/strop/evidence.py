"""What there is to learn from: the tasks and runs that may teach, and findings in them.

The store's runs meet mining here, and held-out tasks are kept out of both. It proposes nothing.

Next file: `levers.py`.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain

from strop.heldout import HeldOut
from strop.jsonvalue import Json, JsonObject, as_text, canonical
from strop.mine import (
    Answered,
    ChainMiner,
    FactMiner,
    FailureMiner,
    Finding,
    GapMiner,
    Miner,
    MisuseMiner,
    RepairMiner,
    SnippetMiner,
    feedback_texts,
    mine_answers,
    mine_confusions,
    mine_orders,
    mine_preferences,
    mine_resolutions,
    mine_stream,
)
from strop.propose import Embed
from strop.resolution import TABLE
from strop.run import Run, Score, ScoredRun
from strop.score import Judge, Scorer, score
from strop.store import Store
from strop.task import Split, Task

__all__ = [
    "Evidence",
    "best_runs",
    "gather",
    "is_of",
    "known_answers",
    "right_answers",
    "sources",
]

_RECENT = 2000  # whole runs that proposers may read


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a cycle has to go by.

    Attributes:
        tasks: The tasks that may teach, by id.
        findings: Claims about their runs.
        runs: The newest of those runs, oldest first.
    """

    tasks: Mapping[str, Task] = field(hash=False)
    findings: tuple[Finding, ...]
    runs: tuple[ScoredRun, ...]


def sources(store: Store, tasks: Sequence[Task]) -> dict[str, Task]:
    """The tasks that may teach, by id: train and production, never what is held out.

    Args:
        store: Where production tasks are kept.
        tasks: All tasks with a split; what is held out among them is barred by id, by input
            and with its paraphrases (a task of the same group).
    """
    return _teaching(_stored(store), HeldOut.of(tasks))


def _teaching(stored: Iterable[Task], held_out: HeldOut) -> dict[str, Task]:
    return {t.id: t for t in stored if not held_out.bars(t.id, t.text, t.group)}


def _stored(store: Store) -> list[Task]:
    return [*store.tasks(split=Split.PRODUCTION), *store.tasks(split=Split.TRAIN)]


async def gather(
    store: Store,
    tasks: Sequence[Task],
    *,
    scorer: Scorer,
    embed: Embed,
    embedder: str,
    levers: AbstractSet[str],
    tools: Mapping[str, JsonObject],
    floor: float,
    unseen: float,
    good: float,
    poor: float,
) -> Evidence:
    """Findings in the train and production runs so far; held-out runs are never looked at.

    Args:
        store: Where the runs are; the findings are kept there too.
        tasks: All tasks with a split.
        scorer: Tells whether an expected answer is itself an answer.
        embed: Makes vectors of texts, by the embedder of that name.
        embedder: Id of the embedder.
        levers: What will be proposed: nothing else is mined.
        tools: JSON schemas of the parameters of the agent's tools, by name.
        floor: Share of the answers that a table of resolutions gives that must be right.
        unseen: Share of the tasks with an answer it does not know that it must leave to the model.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure.

    Raises:
        ModelFailed: A provider's embedder cannot be reached.
    """
    stored, held_out = _stored(store), HeldOut.of(tasks)
    teaching = _teaching(stored, held_out)
    groups = {task.id: task.group for task in stored}
    runs = _TeachingRuns(store, teaching, held_out, groups)
    best = best_runs(runs, teaching, good)
    known = await known_answers(best, teaching, scorer, good)
    findings = list(mine_answers(best.values(), known=known, threshold=good))
    if "lessons" in levers:
        findings += mine_confusions(best.values(), known=known, tasks=teaching)
    miners = _miners(levers, teaching, tools, good=good, poor=poor)
    if miners:
        findings += mine_stream(runs, miners)
    if "heuristics" in levers:
        findings += mine_orders(runs, tasks=teaching, good=good, poor=poor)
    if "preferences" in levers:
        feedback = feedback_texts(runs, good=good)
        findings += mine_preferences(feedback, await embed([each.text for each in feedback]))
    if "resolutions" in levers:
        answers = right_answers(best, teaching, known, good)
        vectors = await embed([teaching[each.task].text for each in answers])
        table = mine_resolutions(answers, vectors, embedder=embedder, floor=floor, unseen=unseen)
        findings += [] if table is None else [table]
    for finding in findings:
        store.put_document("finding", finding.id, finding.to_json())
    return Evidence(tasks=teaching, findings=tuple(findings), runs=_newest(runs))


def _miners(
    levers: AbstractSet[str],
    tasks: Mapping[str, Task],
    tools: Mapping[str, JsonObject],
    *,
    good: float,
    poor: float,
) -> list[Miner]:
    """What can be mined in one pass over the runs."""
    miners: list[Miner] = []
    repairs: RepairMiner | None = None
    if "lessons" in levers:
        repairs = RepairMiner(tasks=tasks)
        miners += [FailureMiner(tasks=tasks, good=good), repairs]
    if "facts" in levers:
        miners.append(FactMiner(tasks=tasks))
    if "chains" in levers:
        miners.append(ChainMiner(tools=tools, good=good, poor=poor))
    if levers & {"snippets", "tools"}:
        miners.append(SnippetMiner(tasks=tasks, good=good, poor=poor))
    if "tools" in levers:
        miners.append(GapMiner(tools=tools, tasks=tasks, good=good, poor=poor))
    if "descriptions" in levers:
        miners.append(MisuseMiner(tools=tools, tasks=tasks, repairs=repairs))
    return miners


def _newest(runs: Iterable[ScoredRun]) -> tuple[ScoredRun, ...]:
    """The newest runs of train and of production, oldest first: neither crowds out the other."""
    kept: defaultdict[Split, deque[ScoredRun]] = defaultdict(lambda: deque(maxlen=_RECENT // 2))
    for scored in runs:
        kept[scored.run.split].append(scored)
    return tuple(sorted(chain.from_iterable(kept.values()), key=lambda s: s.run.at or 0.0))


def right_answers(
    best: Mapping[str, ScoredRun],
    tasks: Mapping[str, Task],
    known: Mapping[str, Json],
    good: float,
) -> list[Answered]:
    """The tasks whose right answer was given or is known; a table does not teach itself."""
    answered = []
    for task_id, scored in sorted(best.items()):
        if TABLE in scored.run.shown:
            continue
        output = known.get(task_id)
        if scored.value is not None and scored.value >= good:
            output = scored.run.output
        if output is not None:
            answered.append(
                Answered(
                    task=task_id,
                    group=tasks[task_id].group,
                    output=output,
                    runs=(scored.run.id,),
                )
            )
    return answered


@dataclass(frozen=True, slots=True)
class _TeachingRuns:
    """The train and production runs that may teach, streamed from the store at each iteration.

    A run of a task that was edited since says nothing about the task as it is now.
    """

    store: Store
    tasks: Mapping[str, Task]
    held_out: HeldOut
    groups: Mapping[str, str | None]  # by task id, also of tasks that may not teach

    def __iter__(self) -> Iterator[ScoredRun]:
        for split in (Split.TRAIN, Split.PRODUCTION):
            for scored in self.store.runs(split=split):
                run = scored.run
                task = self.tasks.get(run.task)
                if task is not None:
                    if is_of(run, task):
                        yield scored
                elif not self._bars(run):
                    yield scored

    def _bars(self, run: Run) -> bool:
        return self.held_out.bars(run.task, as_text(run.input), self.groups.get(run.task))


def best_runs(
    runs: Iterable[ScoredRun], tasks: Mapping[str, Task], good: float
) -> dict[str, ScoredRun]:
    """The best scored run of each task, by task id; of good ones, rather the model's own."""
    best: dict[str, ScoredRun] = {}
    for scored in runs:
        if scored.value is None or scored.run.task not in tasks:
            continue
        held = best.get(scored.run.task)
        if held is None or _worth(scored, good) > _worth(held, good):
            best[scored.run.task] = scored
    return best


def _worth(scored: ScoredRun, good: float) -> tuple[bool, bool, float]:
    value = scored.value or 0.0
    return value >= good, TABLE not in scored.run.shown, value


async def known_answers(
    best: Mapping[str, ScoredRun], tasks: Mapping[str, Task], scorer: Scorer, good: float
) -> dict[str, Json]:
    """The right answers of tasks whose runs fell short, where the scorer takes them as answers."""
    known: dict[str, Json] = {}
    for task_id, scored in best.items():
        task = tasks[task_id]
        fell_short = scored.value is not None and scored.value < good
        if fell_short and task.expected is not None and await _is_right(scorer, task):
            known[task_id] = task.expected
    return known


def is_of(run: Run, task: Task) -> bool:
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
