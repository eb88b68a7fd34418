"""Planning heuristics: orders of calls and step patterns that separate success from failure.

Runs are compared with runs of the same task by the same spec, because easy tasks have short runs;
where every task was run once they are compared across tasks, and the finding says that it is
weaker. However many patterns are tried, the share of false claims is held down. A claim is an
association seen in traces, no proof that following it helps: the gate decides. No model is asked.

Next file: `mine/chains/__init__.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from strop.jsonvalue import Json
from strop.mine.finding import Finding
from strop.mine.orders.sequences import IN_A_ROW, NameOf, Pattern, Sequences, tool_name
from strop.mine.orders.strata import Effect, adjusted, false_discovery, table
from strop.run import ScoredRun
from strop.task import Task

__all__ = ["OrderOptions", "advice", "mine_orders"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOptions:
    """How sure mining must be.

    Attributes:
        level: False discovery rate over all patterns tried.
        tasks: Distinct tasks that must stand on each side: did and succeeded, did not and failed.
        limit: At most this many findings, the surest first.
        evidence: At most this many run ids and task ids per finding.
        newest: Of more runs than this, only the newest are looked at.
    """

    level: float = 0.05
    tasks: int = 3
    limit: int = 20
    evidence: int = 50
    newest: int = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What is compared: a stratum per run, and the runs that take part; and how sure to be."""

    options: OrderOptions
    tasks: Mapping[str, Task]
    within: bool
    stratum: Ints
    rows: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    pattern: Pattern
    effect: Effect | None
    exact: float  # p-value within strata
    p: float  # the larger of that and of the one with length allowed for

    @property
    def helps(self) -> bool:
        return self.effect is not None and self.effect.difference > 0


def mine_orders(
    runs: Iterable[ScoredRun],
    *,
    tasks: Mapping[str, Task] | None = None,
    good: float = 0.8,
    poor: float = 0.7,
    name_of: NameOf = tool_name,
    options: OrderOptions | None = None,
) -> tuple[Finding, ...]:
    """What runs that succeeded did and runs that failed did not, or the other way round.

    Each pattern (see `Pattern`) is tested exactly, conditional on the margins within each task and
    spec (`Table.p_values`). Patterns whose margins could not have reached `level` are not tried (R.
    E. Tarone, "A modified Bonferroni method for discrete data", Biometrics 46 (1990)); over the
    others the false discovery rate is held by Benjamini and Hochberg's procedure. The p-value that
    counts is the larger of the exact one and of the one with the length of runs allowed for
    (`adjusted`): a claim must survive both. It must also stand on enough tasks.

    Args:
        runs: Scored runs, oldest first; read once. Runs without a score are passed over.
        tasks: Tasks by id, for their categories; may be empty.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure.
        name_of: What a call goes by; by default its tool's name, and code is passed over.
        options: How sure to be.

    Returns:
        Findings of kind ``heuristic``, the surest first; none where nothing is credible.
    """
    options = options or OrderOptions()
    seen = Sequences(runs, good=good, poor=poor, name_of=name_of, newest=options.newest)
    if not seen.tools:
        return ()
    basis = _basis(seen, tasks or {}, options)
    tried = [found for pattern in seen.patterns() if (found := _try(seen, basis, pattern))]
    level = false_discovery([found.p for found in tried])
    # The exact p-value is the same (but for rounding) for patterns that the same runs show; of
    # those, what to do comes before what not to do.
    order = sorted(
        range(len(tried)), key=lambda i: (_rounded(tried[i].exact), not tried[i].helps, i)
    )
    findings: list[Finding] = []
    told: set[bytes] = set()
    for i in order:
        if level[i] > options.level:
            continue
        if len(findings) == options.limit:
            break
        finding = _claim(seen, basis, tried[i], told)
        if finding is not None:
            findings.append(_with(finding, q=level[i], patterns=len(tried)))
    return tuple(findings)


def _rounded(p: float) -> float:
    return float(f"{p:.8g}")


def _basis(seen: Sequences, tasks: Mapping[str, Task], options: OrderOptions) -> _Basis:
    """Within (task, spec) where enough of those were run more than once; else across tasks.

    Across tasks, only the newest run of each task takes part: several would count it twice.
    """
    keys = list(zip(seen.tasks, seen.specs, strict=True))
    number: dict[tuple[str, str], int] = {}
    stratum = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    sizes = np.bincount(stratum)
    often = {task for (task, _), i in number.items() if sizes[i] > 1}
    if len(often) >= options.tasks:
        return _Basis(
            options=options, tasks=tasks, within=True, stratum=stratum, rows=sizes[stratum] > 1
        )
    newest = {task: row for row, task in enumerate(seen.tasks)}
    rows = np.zeros(len(keys), dtype=bool)
    rows[list(newest.values())] = True
    number = {}
    kinds = [
        ((tasks[task].category or "") if task in tasks else "", spec)
        for task, spec in zip(seen.tasks, seen.specs, strict=True)
    ]
    stratum = np.array([number.setdefault(kind, len(number)) for kind in kinds], dtype=np.int64)
    return _Basis(options=options, tasks=tasks, within=False, stratum=stratum, rows=rows)


def _try(seen: Sequences, basis: _Basis, pattern: Pattern) -> _Tried | None:
    """The test of one pattern; `None` where it could not have shown anything, whatever happened."""
    population, did = seen.seen(pattern)
    rows = population & basis.rows
    least = basis.options.tasks
    if int(np.count_nonzero(did & rows)) < least or int(np.count_nonzero(rows & ~did)) < least:
        return None
    counts = table(basis.stratum[rows], did[rows], seen.good[rows])
    if basis.within and int(counts.informative.sum()) < least:
        return None
    exact, attainable = counts.p_values()
    if attainable > basis.options.level:
        return None
    p: float | None = exact
    if exact <= basis.options.level:  # a larger one is never claimed, so it need not be known
        elapsed = seen.elapsed(pattern)[rows]
        p = adjusted(basis.stratum[rows], did[rows], seen.good[rows], elapsed)
    return _Tried(
        pattern=pattern,
        effect=counts.effect(),
        exact=exact,
        p=max(exact, 1.0 if p is None else p),
    )


def _claim(seen: Sequences, basis: _Basis, tried: _Tried, told: set[bytes]) -> Finding | None:
    """The finding of a pattern; `None` where too few tasks show it, or another says the same."""
    population, did = seen.seen(tried.pattern)
    rows = population & basis.rows
    effect, helps = tried.effect, tried.helps
    text = advice(tried.pattern, helps=helps)
    if effect is None or text is None:
        return None
    followed = did if helps else ~did  # the side that the advice asks for
    same = np.packbits(np.stack([rows, rows & followed])).tobytes()
    sides = (rows & followed & seen.good, rows & ~followed & ~seen.good)
    distinct = [_distinct(seen.tasks, side) for side in sides]
    if same in told or min(map(len, distinct)) < basis.options.tasks:
        return None
    told.add(same)
    ids = [seen.runs[i] for i in np.flatnonzero(sides[0] | sides[1])[: basis.options.evidence]]
    involved = _distinct(seen.tasks, rows)
    shown = {*distinct[0], *distinct[1]}
    telling = [task for task in involved if task in shown]
    figures = _figures(seen, rows, did)
    figures |= {"exact_p": tried.exact, "p": tried.p, "effect": _effect(effect)}
    figures |= {"tasks_for": [len(side) for side in distinct]}
    return Finding(
        kind="heuristic",
        claim=_sentence(text, figures, tasks=len(involved), within=basis.within),
        runs=tuple(ids),
        data={
            "text": text,
            "shape": tried.pattern.shape,
            "tools": list(tried.pattern.tools),
            "helps": helps,
            "basis": "within tasks" if basis.within else "across tasks",
            "tasks": list(telling[: basis.options.evidence]),
            "categories": list(_categories(telling, basis.tasks)),
            "figures": figures,
        },
    )


def advice(pattern: Pattern, *, helps: bool) -> str | None:
    """A pattern as an instruction that a person would write; `None` where there is no sane one."""
    first = pattern.tools[0]
    last = pattern.tools[-1]
    do = "Call" if helps else "Do not call"
    match pattern.shape:
        case "early":
            start = "first" if pattern.within == 1 else f"within the first {pattern.within} calls"
            return f"{do} `{first}` {start}"
        case "repeated":
            return None if helps else f"Do not call `{first}` {IN_A_ROW} times in a row"
        case "before":
            return f"{do} `{first}` before `{last}`"
        case "after_failure" if first == last:
            return (
                f"When `{last}` fails, call it again"
                if helps
                else f"When `{last}` fails, do not call it again straight away"
            )
        case "after_failure":
            return f"When `{last}` fails, {'' if helps else 'do not '}call `{first}` next"


def _figures(seen: Sequences, rows: Bools, did: Bools) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for name, side in (("did", rows & did), ("did_not", rows & ~did)):
        out[name] = {
            "runs": int(np.count_nonzero(side)),
            "succeeded": int(np.count_nonzero(side & seen.good)),
            "tasks": len(_distinct(seen.tasks, side)),
        }
    return out


def _sentence(text: str, figures: Mapping[str, Json], *, tasks: int, within: bool) -> str:
    did = cast("Mapping[str, int]", figures["did"])
    other = cast("Mapping[str, int]", figures["did_not"])
    weaker = "" if within else "; compared across tasks only, which is weaker"
    return (
        f"{text} ({did['succeeded']} of {did['runs']} runs that did succeeded, "
        f"{other['succeeded']} of {other['runs']} that did not; {tasks} tasks{weaker})"
    )


def _effect(effect: Effect) -> dict[str, Json]:
    return {"difference": effect.difference, "low": effect.low, "high": effect.high}


def _distinct(tasks: list[str], rows: Bools) -> tuple[str, ...]:
    """The tasks of some runs, each once, in order."""
    return tuple(dict.fromkeys(tasks[int(i)] for i in np.flatnonzero(rows)))


def _categories(telling: Iterable[str], tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """The categories that a pattern is confined to; none where it is not, or nobody knows."""
    every = {task.category for task in tasks.values()}
    here = {tasks[task].category if task in tasks else None for task in telling}
    named = {category for category in here if category is not None}
    return () if None in here or named >= every - {None} else tuple(sorted(named))


def _with(finding: Finding, *, q: float, patterns: int) -> Finding:
    """The finding with what only the whole set of patterns tells."""
    figures = {**cast("Mapping[str, Json]", finding.data["figures"]), "q": q, "patterns": patterns}
    return Finding(
        kind=finding.kind,
        claim=finding.claim,
        runs=finding.runs,
        data={**finding.data, "figures": figures},
    )
