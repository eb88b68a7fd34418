"""Recurring tasks with one standard answer, learned into a table that knows when to keep quiet.

Which answers recur, a head that tells them apart, and the confidence from which it may speak:
right often enough on tasks it had not seen, and quiet on tasks whose answer it does not know.
Vectors come in ready-made; what a table is and how it answers is `resolution.py`, the statistics of
the threshold are `calibration.py`, making an item of it is `propose/resolutions.py`.

Next file: `mine/calibration.py`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from strop.errors import BadInput
from strop.jsonvalue import Json, canonical
from strop.mine.calibration import Certificate, certify, fewest_needed
from strop.mine.finding import Finding
from strop.resolution import Calibration, Entry, Head, Table, confidence, mark_of

__all__ = ["Answered", "mine_resolutions"]

Vectors = NDArray[np.float32]
Labels = NDArray[np.intp]

_FOLDS = 8
_PROTOTYPES = 8
_LLOYD = 10  # rounds of k-means
_STRENGTH = 10.0  # inverse regularisation of the head
_MOST_TASKS = 30_000  # what one core learns from in some minutes
_MOST_ENTRIES = 300
_RUNS = 100  # a finding names at most this many
_RARE = -1  # the label of an answer that is no entry
_NOTHING = -2  # what a head without any answer says


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A task whose good answer is known.

    Attributes:
        task: The task's id.
        group: Its paraphrase group, or `None`.
        output: The good answer.
        runs: Ids of the runs that show it; at least one.
    """

    task: str
    output: Json = field(hash=False)
    runs: tuple[str, ...]
    group: str | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise BadInput("an answer needs a run that shows it", where=f"task {self.task!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lesson:
    """The tasks to learn from: vectors (n, dim), labels (n,) with `_RARE`, groups (n,)."""

    answers: tuple[Answered, ...]
    vectors: Vectors
    labels: Labels
    groups: NDArray[np.intp]
    outputs: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Signals (n, 4) on tasks that the heads had not seen; each one's fold; what was right."""

    signals: NDArray[np.float64]
    folds: Labels
    right: NDArray[np.bool_]
    labels: Labels

    def at(self, rows: NDArray[np.intp]) -> "_Seen":
        return _Seen(
            signals=self.signals[rows],
            folds=self.folds[rows],
            right=self.right[rows],
            labels=self.labels[rows],
        )


def mine_resolutions(
    answers: Sequence[Answered],
    vectors: Vectors,
    *,
    embedder: str,
    floor: float = 0.98,
    level: float = 0.95,
    unseen: float = 0.95,
    fewest: int = 5,
    recurring: float = 0.2,
    seed: int = 0,
) -> Finding | None:
    """A table of standard answers, if there is one that can be relied on.

    The head is multinomial logistic regression, with eight k-means centres for each answer. Its
    confidence mixes the four signals of `Head.signals` by a logistic regression that tells right
    answers from wrong ones and from answers to tasks that have none in the table. All of it is
    measured on tasks, and on whole answers, that the head had not seen (cross-validation by group
    and by answer), and the threshold is then chosen by `certify`. Tasks whose answer is too rare to
    be an entry take part as tasks that must not be answered.

    The bound is exact for independent tasks and a fixed head. Here eight heads that each saw seven
    eighths of the tasks stand for the one that saw all, as is usual with cross-validation.

    Args:
        answers: Tasks with a good answer. A task that occurs twice counts once; one with two
            different answers has no standard answer and is left out.
        vectors: A unit row for each task's text, shape (n, dim).
        embedder: Id of the embedder that made them.
        floor: Share of the table's answers that must be right.
        level: Confidence with which it must.
        unseen: Share of the tasks with an answer that the table does not know that must be left to
            the model, on average over such answers. 0 leaves that to `floor`, which sees rare
            answers only.
        fewest: Distinct tasks from which an answer becomes an entry.
        recurring: Share of tasks with such an answer under which nothing is tried.
        seed: Of folds and starting points.

    Returns:
        A finding of kind ``resolution`` whose data hold ``body``, the body of the table item
        (`Table.from_body`); `None` where answers rarely recur, or no threshold meets the floor.

    Raises:
        BadInput: Vectors that are not one finite row per answer, or a share outside its range.
    """
    _check(answers, vectors, {"floor": floor, "level": level}, {"unseen": unseen})
    lesson = _lesson(answers, vectors, fewest=fewest, seed=seed)
    often = int((lesson.labels != _RARE).sum())
    if (
        len(lesson.outputs) < 2  # one answer to everything: nothing shows when it is wrong
        or often < recurring * len(lesson.labels)
        or often < fewest_needed(floor, 1 - level)
    ):
        return None
    rehearsal = _rehearsed(lesson, np.random.default_rng(seed))
    table = _settled(lesson, rehearsal, embedder=embedder, floor=floor, level=level, unseen=unseen)
    return None if table is None else _finding(table, lesson)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rehearsal:
    """The head that will answer, how its confidence is mixed, and what stand-ins of it showed."""

    head: Head
    mix: tuple[float, ...]
    seen: _Seen
    strange: _Seen
    sure: NDArray[np.float64]
    sure_of_strange: NDArray[np.float64]


def _rehearsed(lesson: _Lesson, draw: np.random.Generator) -> _Rehearsal:
    folds = _folds(lesson, draw)
    seen = _by_group(lesson, folds[0], draw)
    known, strange = _by_answer(lesson, folds, draw)
    return _Rehearsal(
        head=_fit(lesson.vectors, lesson.labels, len(lesson.outputs), draw),
        mix=_mix(known, strange),
        seen=seen,
        strange=strange,
        sure=_crossed(seen, known, strange),
        sure_of_strange=_crossed(strange, known, strange),
    )


def _settled(
    lesson: _Lesson,
    rehearsal: _Rehearsal,
    *,
    embedder: str,
    floor: float,
    level: float,
    unseen: float,
) -> Table | None:
    """The table with the lowest threshold that keeps both promises, if there is one."""
    strangers = rehearsal.strange.labels
    lowest = _leaving(unseen, rehearsal.sure_of_strange, strangers)
    # Paraphrases are no independent evidence: one task of each group is counted.
    _, counted = np.unique(lesson.groups, return_index=True)
    certificate = certify(
        rehearsal.sure[counted],
        rehearsal.seen.right[counted],
        floor=floor,
        level=level,
        lowest=lowest,
    )
    if certificate is None:
        return None
    left = _mean_by(rehearsal.sure_of_strange < certificate.threshold, strangers)
    return Table(
        entries=tuple(
            Entry(output=output, tasks=int((lesson.labels == at).sum()))
            for at, output in enumerate(lesson.outputs)
        ),
        head=rehearsal.head,
        mix=rehearsal.mix,
        threshold=certificate.threshold,
        floor=floor,
        embedder=embedder,
        calibration=_calibration(certificate, len(counted), level, left),
        taught=frozenset(mark_of(a.task) for a in lesson.answers),
    )


def _check(
    answers: Sequence[Answered],
    vectors: Vectors,
    inside: dict[str, float],
    shares: dict[str, float],
) -> None:
    if vectors.ndim != 2 or len(vectors) != len(answers):
        raise BadInput(
            f"{len(answers)} answers need as many rows, not shape {vectors.shape}", where="vectors"
        )
    if not np.isfinite(vectors).all():
        raise BadInput("vectors hold NaN or infinity", where="vectors")
    for name, value in inside.items():
        if not 0 < value < 1:
            raise BadInput("must lie between 0 and 1", where=name)
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise BadInput("must lie in [0, 1]", where=name)


def _lesson(answers: Sequence[Answered], vectors: Vectors, *, fewest: int, seed: int) -> _Lesson:
    """Each task once, in the order of ids, its answer as a label."""
    texts: dict[str, tuple[int, str]] = {}
    disputed: set[str] = set()
    for row, answer in enumerate(answers):
        text = canonical(answer.output)
        if texts.setdefault(answer.task, (row, text))[1] != text:
            disputed.add(answer.task)
    tasks = sorted(texts.keys() - disputed)
    if len(tasks) > _MOST_TASKS:
        kept = np.random.default_rng(seed).choice(len(tasks), _MOST_TASKS, replace=False)
        tasks = [tasks[int(at)] for at in np.sort(kept)]
    standing: dict[str, int] = defaultdict(int)
    for task in tasks:
        standing[texts[task][1]] += 1
    often = sorted((t for t, n in standing.items() if n >= fewest), key=lambda t: (-standing[t], t))
    entries = sorted(often[:_MOST_ENTRIES])
    label = {text: at for at, text in enumerate(entries)}
    chosen = tuple(answers[texts[task][0]] for task in tasks)
    sample = {texts[task][1]: answers[texts[task][0]].output for task in tasks}
    names = [a.task if a.group is None else f"group:{a.group}" for a in chosen]
    rows = np.array([texts[task][0] for task in tasks], dtype=np.intp)
    return _Lesson(
        answers=chosen,
        vectors=np.asarray(vectors[rows], dtype=np.float32),
        labels=np.array([label.get(texts[task][1], _RARE) for task in tasks], dtype=np.intp),
        groups=np.unique(np.array(names), return_inverse=True)[1].astype(np.intp)
        if names
        else np.zeros(0, dtype=np.intp),
        outputs=tuple(sample[text] for text in entries),
    )


def _fit(vectors: Vectors, labels: Labels, count: int, draw: np.random.Generator) -> Head:
    """A head with `count` answers from the rows that have a label; every label must occur."""
    # scikit-learn takes a second to load, and most improvement cycles do without.
    from sklearn.linear_model import LogisticRegression

    known = labels != _RARE
    rows, truth = vectors[known], labels[known]
    if count == 1:
        weights, bias = np.zeros((1, rows.shape[1])), np.zeros(1)
    else:
        model = LogisticRegression(C=_STRENGTH, max_iter=200, tol=1e-3).fit(rows, truth)
        weights, bias = model.coef_, model.intercept_
    if count == 2:  # scikit-learn gives two answers one row: that of the second
        weights, bias = np.vstack([-weights, weights]) / 2, np.append(-bias, bias) / 2
    centres = [_centres(rows[truth == label], draw) for label in range(count)]
    return Head(
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        prototypes=np.concatenate(centres).astype(np.float32),
        counts=np.array([len(c) for c in centres], dtype=np.int64),
    )


def _centres(rows: Vectors, draw: np.random.Generator) -> Vectors:
    """Lloyd's k-means from random rows (IEEE Transactions on Information Theory 28, 1982)."""
    count = min(_PROTOTYPES, len(rows))
    centres = rows[np.sort(draw.choice(len(rows), count, replace=False))]
    for _ in range(_LLOYD):
        far = (centres**2).sum(axis=1) - 2.0 * (rows @ centres.T)
        share = np.zeros((count, len(rows)), dtype=np.float32)
        share[far.argmin(axis=1), np.arange(len(rows))] = 1.0
        size = share.sum(axis=1, keepdims=True)
        centres = np.where(size > 0, share @ rows / np.maximum(size, 1.0), centres)
    return centres


def _folds(lesson: _Lesson, draw: np.random.Generator) -> tuple[Labels, Labels]:
    """A fold for each task by its group, and one by its answer; rare answers are in none (-1)."""
    groups, answers = int(lesson.groups.max()) + 1, len(lesson.outputs)
    first = np.unique(lesson.groups, return_index=True)[1]
    mixed = draw.permutation(groups)
    order = mixed[np.argsort(lesson.labels[first][mixed], kind="stable")]
    by_group = np.empty(groups, dtype=np.intp)
    by_group[order] = np.arange(groups) % _FOLDS  # answers spread evenly over folds
    by_answer = np.full(answers + 1, _RARE, dtype=np.intp)
    by_answer[draw.permutation(answers)] = np.arange(answers) % min(_FOLDS, answers)
    return by_group[lesson.groups], by_answer[lesson.labels]


def _by_group(lesson: _Lesson, folds: Labels, draw: np.random.Generator) -> _Seen:
    """Every task, seen by a head that was taught by no task of its group."""
    parts = [_asked(lesson, folds != fold, folds == fold, folds, draw) for fold in np.unique(folds)]
    order = np.argsort(np.concatenate([np.flatnonzero(folds == f) for f in np.unique(folds)]))
    return _joined(parts).at(order)


def _by_answer(
    lesson: _Lesson, folds: tuple[Labels, Labels], draw: np.random.Generator
) -> tuple[_Seen, _Seen]:
    """Tasks whose answer a head knows, and tasks whose answer it does not; each new to it.

    Both come from the same heads, each taught without one fold of the groups and one of the
    answers: signals of heads that were taught differently would betray which is which.
    """
    group, answer = folds
    known: list[_Seen] = []
    strange: list[_Seen] = []
    for fold in range(min(_FOLDS, len(lesson.outputs))):
        teaching = (group != fold) & (answer != fold)
        asked = (group == fold) | (answer == fold)
        found = _asked(lesson, teaching, asked, np.full(len(group), fold, dtype=np.intp), draw)
        new = answer[asked] == fold
        known.append(found.at(np.flatnonzero(~new)))
        strange.append(found.at(np.flatnonzero(new)))
    return _joined(known), _joined(strange)


def _asked(
    lesson: _Lesson,
    teaching: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    folds: Labels,
    draw: np.random.Generator,
) -> _Seen:
    best, signals = _foreign(lesson, teaching, asked, draw)
    labels = lesson.labels[asked]
    return _Seen(signals=signals, folds=folds[asked], right=best == labels, labels=labels)


def _joined(parts: Sequence[_Seen]) -> _Seen:
    return _Seen(
        signals=np.concatenate([p.signals for p in parts]),
        folds=np.concatenate([p.folds for p in parts]),
        right=np.concatenate([p.right for p in parts]),
        labels=np.concatenate([p.labels for p in parts]),
    )


def _foreign(
    lesson: _Lesson,
    teaching: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    draw: np.random.Generator,
) -> tuple[Labels, NDArray[np.float64]]:
    """Labels and signals that a head taught by some tasks gives for others."""
    present = np.unique(lesson.labels[teaching & (lesson.labels != _RARE)])
    if not len(present):  # every task of every answer is in this fold's groups
        count = int(asked.sum())
        return np.full(count, _NOTHING, dtype=np.intp), np.zeros((count, 4))
    local = np.full(len(lesson.outputs) + 1, _RARE, dtype=np.intp)
    local[present] = np.arange(len(present))
    head = _fit(lesson.vectors[teaching], local[lesson.labels[teaching]], len(present), draw)
    best, signals = head.signals(lesson.vectors[asked])
    return present[best], signals


def _mix(known: _Seen, strange: _Seen) -> tuple[float, ...]:
    """Weights and constant that tell right answers from wrong ones and from strangers'."""
    from sklearn.linear_model import LogisticRegression  # see `_fit`

    rows = np.concatenate([known.signals, strange.signals])
    truth = np.append(known.right, np.zeros(len(strange.folds), dtype=np.bool_))
    if not truth.any() or truth.all():
        return (0.0, 0.0, 0.0, 0.0, 0.0)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    model = LogisticRegression().fit((rows - mean) / spread, truth)
    weights: list[float] = (model.coef_[0] / spread).tolist()
    constant = float(model.intercept_[0] - np.dot(weights, mean))
    return (*weights, constant)


def _crossed(asked: _Seen, known: _Seen, strange: _Seen) -> NDArray[np.float64]:
    """Confidences of `asked`, each by a mix that was fitted without its fold."""
    sure = np.zeros(len(asked.folds))
    for fold in np.unique(asked.folds).tolist():
        out = asked.folds == fold
        kept = (np.flatnonzero(seen.folds != fold) for seen in (known, strange))
        sure[out] = confidence(asked.signals[out], _mix(*map(_Seen.at, (known, strange), kept)))
    return sure


def _leaving(share: float, sure: NDArray[np.float64], labels: Labels) -> float:
    """The lowest threshold that leaves `share` of the strangers to the model, by answer."""
    if share <= 0:
        return -math.inf
    weight = 1.0 / np.bincount(labels)[labels] / len(np.unique(labels))
    order = np.argsort(-sure, kind="stable")
    over = np.cumsum(weight[order])  # share answered at a threshold of this confidence
    first = int(np.searchsorted(over, 1 - share + 1e-12, side="right"))
    if first >= len(sure):
        return -math.inf
    return float(np.nextafter(sure[order[first]], math.inf))


def _mean_by(values: NDArray[np.bool_], labels: Labels) -> float:
    """The mean over labels of each label's mean."""
    sums = np.bincount(labels, weights=values)
    counts = np.bincount(labels)
    return float((sums[counts > 0] / counts[counts > 0]).mean())


def _calibration(certificate: Certificate, n: int, level: float, left: float) -> Calibration:
    return Calibration(
        n=n,
        answered=certificate.answered,
        correct=certificate.correct,
        lower=round(certificate.lower, 6),
        confidence=level,
        coverage=round(certificate.answered / n, 6),
        left=round(left, 6),
    )


def _finding(table: Table, lesson: _Lesson) -> Finding:
    known = int((lesson.labels != _RARE).sum())
    figures = table.calibration
    return Finding(
        kind="resolution",
        claim=(
            f"{len(table.entries)} answers recur over {known} tasks; {figures.coverage:.0%} of "
            f"tasks can be answered without a model, at least {figures.lower:.1%} of them right"
        ),
        runs=_spread(run for answer in lesson.answers for run in answer.runs),
        data={"body": table.to_body()},
    )


def _spread(runs: Iterable[str]) -> tuple[str, ...]:
    """At most `_RUNS` of the runs, evenly over their order."""
    distinct = sorted(set(runs))
    step = max(1, math.ceil(len(distinct) / _RUNS))
    return tuple(distinct[::step])
