"""What turned a failing call into a succeeding one, where the same change did so in several tasks.

Within a run, a failed call and the next related calls of the same tool give edits
(`repair_diff.py`); over runs they are added up (`repair_table.py`) by tool and error template, each
with the tasks it worked in, where nobody had told the agent (`repair_trust.py`), and how often it
was tried and failed again. Failures that no edit mends are followed by what runs did next
(`repair_next.py`). Needs no model.

Next file: `mine/failures/patterns.py`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from strop.mine.calls import Call
from strop.mine.failures.claims import Mended, Stuck, mended_finding, stuck_finding
from strop.mine.failures.diff import LOOSE, Edit
from strop.mine.failures.table import NAMED, Cause, Failure, Support, Table
from strop.mine.failures.trust import quotable, safe_text
from strop.mine.failures.words import tellable
from strop.mine.finding import Finding
from strop.mine.stream import mine_stream
from strop.run import ScoredRun
from strop.task import Task

__all__ = ["mine_repairs"]

# The more an edit says, the earlier: of several that explain the same argument, the first is told.
_ORDER = (
    *("renamed", "token", "swapped", "sum", "changed", "retyped", "unlike", "shape", "set", "from"),
    *("further", "inserted", "added", "dropped", "removed", "other", "field", "another"),
    *("longer", "shorter"),
)
_UNBLAMED = 3  # tasks that `LOOSE` edits need


def mine_repairs(
    runs: Iterable[ScoredRun],
    *,
    tasks: Mapping[str, Task] | None = None,
    min_tasks: int = 2,
) -> tuple[Finding, ...]:
    """Lessons from failed calls: what mended them, or what runs did instead.

    Args:
        runs: Scored runs, in any order; read once.
        tasks: Tasks by id, for the categories that a lesson is about.
        min_tasks: Distinct tasks in which a lesson must have held.

    Returns:
        Findings of kind ``repair``, the best supported first. `data` holds the ``lesson`` (the
        text, without counts), ``form`` (``edit``, ``next`` or ``avoid``), ``tool``, ``template``,
        the ``edit``, ``names`` it is about, ``tasks`` (at most 50), ``n_tasks``, ``categories``,
        ``worked`` and ``failed`` (times), and ``trust``: in how many tasks nobody had told the
        agent.
    """
    return mine_stream(runs, [RepairMiner(tasks=tasks, min_tasks=min_tasks)])


class RepairMiner:
    """`mine_repairs`, one run at a time."""

    def __init__(self, *, tasks: Mapping[str, Task] | None = None, min_tasks: int = 2) -> None:
        self._tasks, self._min_tasks = tasks or {}, min_tasks
        self._table = Table()

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls."""
        self._table.add(scored, calls)

    def findings(self) -> tuple[Finding, ...]:
        """The lessons that held in the runs so far."""
        grouped, failures = self._table.grouped()
        found: list[Finding] = []
        mended: set[Cause] = set()
        for cause, by_edit in grouped.items():
            for edit, support in _best(by_edit, self._min_tasks):
                mended.add(cause)
                found.append(_mended(cause, edit, support, by_edit, self._tasks))
        for cause, failure in failures.items():
            if failure.cause or Cause(cause.tool, cause.template) not in mended:
                found += _stuck(cause, failure, self._table, self._tasks, self._min_tasks)
        return tuple(sorted(found, key=lambda f: (-int(str(f.data["n_tasks"])), f.claim)))


def _mended(
    cause: Cause,
    edit: Edit,
    support: Support,
    by_edit: Mapping[Edit, Support],
    tasks: Mapping[str, Task],
) -> Finding:
    mended = Mended(
        tool=cause.tool,
        template=cause.template,
        edit=edit,
        instances=_instances(edit, by_edit),
        runs=support.runs,
        clean=len(support.clean),
        worked=support.times,
        failed=support.failed,
    )
    return mended_finding(mended, tasks)


def _stuck(
    cause: Cause, failure: Failure, table: Table, tasks: Mapping[str, Task], min_tasks: int
) -> list[Finding]:
    """The finding on a failure that no edit mends; none where there is nothing to say."""
    if len(failure.runs) < min_tasks or not _says(cause.template):
        return []
    if failure.cause in NAMED and not cause.name:
        return []  # only results say what it is that is missing
    steps = failure.after.steps(table.habits, min_tasks=min_tasks)
    if not steps and not failure.cause:
        return []
    worked, categories = _worked(cause.name, failure.runs, table, tasks)
    stuck = Stuck(
        tool=cause.tool,
        template=cause.template,
        name=cause.name,
        cause=failure.cause,
        runs=failure.runs,
        n_runs=len(failure.seen_in),
        times=failure.times,
        steps=steps,
        past=len(failure.after.past),
        worked=worked,
        categories=categories,
    )
    return [stuck_finding(stuck, tasks)]


def _worked(
    name: str, runs: Mapping[str, str], table: Table, tasks: Mapping[str, Task]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Where a command of that name succeeds, in the categories where it mostly fails.

    Also those categories; none where it is the same everywhere, or nothing is known of them.
    """
    if not name:
        return frozenset(), ()
    fails, works = set(runs), table.habits.worked(name) - set(runs)
    if not works or not all(task in tasks for task in fails | works):
        return works, ()
    failing = Counter(tasks[task].category or "" for task in fails)
    working = Counter(tasks[task].category or "" for task in works)
    mostly = {c for c in failing if failing[c] > working[c]}
    if not mostly or "" in mostly:
        return works, ()
    return frozenset(t for t in works if tasks[t].category in mostly), tuple(sorted(mostly))


def _says(template: str) -> bool:
    """Whether what may be shown of an error says anything: a word beside the exception's name."""
    return safe_text(template).count(" ") > 0


def _best(by_edit: Mapping[Edit, Support], min_tasks: int) -> Iterator[tuple[Edit, Support]]:
    """For each argument, the edit worth telling, if one recurs."""
    told: dict[str, str] = {}
    ranked = sorted(
        (
            (edit, support)
            for edit, support in by_edit.items()
            if edit.kind in _ORDER
            and tellable(edit)
            and _holds(support, max(min_tasks, _UNBLAMED) if edit.kind in LOOSE else min_tasks)
        ),
        key=lambda pair: (
            _ORDER.index(pair[0].kind),
            -len(pair[1].runs),
            not pair[0].new,  # what says more, of two that hold as often
            pair[0],
        ),
    )
    several = {"token", "swapped", "changed"}  # an argument may have several wrong values
    for edit, support in ranked:
        if edit.root in told and not {edit.kind, told[edit.root]} <= several:
            continue
        if edit.kind == "unlike" and len(_instances(edit, by_edit)) == 1:
            continue  # always the same other kind: `shape` says which
        told.setdefault(edit.root, edit.kind)
        yield edit, support


def _instances(edit: Edit, by_edit: Mapping[Edit, Support]) -> tuple[str, ...]:
    """What a general edit was in the single cases: the kinds of value, or the tools, at most four.

    Those that nobody told the agent of.
    """
    if edit.kind == "unlike":
        found = {e.new for e, s in by_edit.items() if s.clean and e[:3] == ("shape", *edit[1:3])}
    elif edit.kind in {"field", "another"}:
        found = {
            e.new.partition(": ")[0]
            for e, s in by_edit.items()
            if s.clean
            and e.kind in {"from", "other"}
            and e.path == edit.path
            and e.new.rpartition(": ")[2].rpartition(".")[2] == edit.new[2:]
        }
    else:
        return ()
    return tuple(sorted(name for name in found if quotable(name) is not None))[:4]


def _holds(support: Support, min_tasks: int) -> bool:
    """Seen in enough tasks, not only where the agent had been told, and more often right."""
    return (
        len(support.runs) >= min_tasks
        and bool(support.clean)
        and bool(support.alone or len(support.runs) > min_tasks)
        and support.times > support.failed
    )
