"""Wrong answers that recur: which answer was right, which was given, and what the tasks speak of.

A run can fail without any error: the answer is simply another one. Where right answers repeat, such
failures have a pattern. Needs no model; what does not repeat is left alone.

Next file: `mine/failures/__init__.py`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import regex

from strop.jsonvalue import Json, as_text, canonical
from strop.mine.finding import Finding
from strop.run import ScoredRun
from strop.task import Task

__all__ = ["mine_confusions"]

_WORD = regex.compile(r"\p{L}{3,}")
_TEXT = 2000  # characters of an input that are read
_LABEL = 60  # characters of an answer that may stand for others
_WORDS = 6
_ODDS = math.log(3.0)  # a telling word is three times as likely where the answer is right


def mine_confusions(
    runs: Iterable[ScoredRun],
    *,
    known: Mapping[str, Json],
    tasks: Mapping[str, Task],
    min_tasks: int = 3,
) -> tuple[Finding, ...]:
    """Right answers that runs kept missing, each with the words that tell its tasks from others.

    Words are ranked by the z-score of their smoothed log-odds ratio between the tasks with that
    answer and all others (Monroe, Colaresi and Quinn, "Fightin' Words", Political Analysis 16,
    2008), counted once per task; each must stand in two or more of the answer's tasks.

    Args:
        runs: The best run of each task; those whose task is in `known` failed.
        known: Right answers by task id, for tasks whose runs fell short.
        tasks: The tasks that may teach, by id: their inputs and right answers.
        min_tasks: Distinct failed tasks that an answer needs.

    Returns:
        Findings of kind ``confusion``, the most frequent first; data: ``right``, ``given`` (by
        wrong answer, the number of tasks), ``tasks``, ``words``.
    """
    words = _words_by_answer(tasks)
    failed: defaultdict[str, list[ScoredRun]] = defaultdict(list)
    for scored in runs:
        right = known.get(scored.run.task)
        if right is not None and scored.run.task in tasks and _is_label(right):
            failed[canonical(right)].append(scored)
    findings = []
    for answer, misses in failed.items():
        telling = _telling(answer, words)
        if len(misses) >= min_tasks and telling:
            findings.append(_finding(misses, known, telling))
    return tuple(sorted(findings, key=lambda finding: (-len(finding.runs), finding.claim)))


def _finding(
    misses: Sequence[ScoredRun], known: Mapping[str, Json], telling: Sequence[str]
) -> Finding:
    misses = sorted(misses, key=lambda scored: scored.run.task)
    right = known[misses[0].run.task]
    given = Counter(
        as_text(scored.output) for scored in misses if _is_label(scored.output)
    ).most_common()
    shown = ", ".join(f"`{answer}`" for answer, _ in given[:2])
    instead = f" ({shown} was given)" if shown else ""
    return Finding(
        kind="confusion",
        claim=f"`{as_text(right)}` was missed in {len(misses)} tasks{instead}",
        runs=tuple(scored.run.id for scored in misses),
        data={
            "right": right,
            "given": dict(given),
            "tasks": [scored.run.task for scored in misses],
            "words": list(telling),
        },
    )


def _is_label(answer: Json) -> bool:
    """Whether an answer is short enough to be one of several: a name, not an essay."""
    return answer is not None and len(text := as_text(answer)) <= _LABEL and "\n" not in text


_Words = Mapping[str, tuple[int, Counter[str]]]  # by answer: tasks, and tasks with each word


def _words_by_answer(tasks: Mapping[str, Task]) -> _Words:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for task in tasks.values():
        if task.expected is None or not _is_label(task.expected):
            continue
        answer = canonical(task.expected)
        totals[answer] += 1
        counts[answer].update(set(_WORD.findall(task.text[:_TEXT].lower())))
    return {answer: (total, counts[answer]) for answer, total in totals.items()}


def _telling(answer: str, words: _Words) -> list[str]:
    """The words that tell an answer's tasks from the others', the most telling first."""
    if answer not in words or len(words) < 2:
        return []
    total, own = words[answer]
    others = sum(n for other, (n, _) in words.items() if other != answer)
    elsewhere: Counter[str] = Counter()
    for other, (_, counts) in words.items():
        if other != answer:
            elsewhere.update({word: counts[word] for word in own})
    scores = {}
    for word, count in own.items():
        cells = (count, total - count, elsewhere[word], others - elsewhere[word])
        here, missing, there, without = (n + 0.5 for n in cells)
        odds = math.log(here / missing) - math.log(there / without)
        if count >= 2 and odds >= _ODDS:
            scores[word] = odds / math.sqrt(sum(1 / n for n in (here, missing, there, without)))
    return sorted(scores, key=lambda word: (-scores[word], word))[:_WORDS]
