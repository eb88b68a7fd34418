"""Are lessons from failed calls right, and are they all found?

    python -m bench.real.airline [--quick]

On gpt-4o's runs as an airline agent (tau-bench, Yao et al. 2024, arXiv:2406.12045). Recorded calls
are replayed over the database; every lesson is applied to every failed call that it covers, in the
state that the run had made, and counts as right where the call now succeeds. Prints one JSON object
on stdout. `--quick` takes the first half of the tasks.

Next file: `data.py`.
"""

import argparse
import json
import sys
import time
from typing import Any

from strop.errors import UserMistake
from strop.mine import Finding
from strop.mine.failures.repairs import mine_repairs
from strop.mine.failures.templates import error_lines, template_of
from strop.mine.failures.trust import safe_text
from strop.run import ScoredRun

from .data import database, runs, tasks
from .pairs import Class, Pairs, enumerate_pairs
from .replay import Moment, covers, replay, tries


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.real.airline")
    parser.add_argument("--quick", action="store_true", help="the first half of the tasks")
    given = parser.parse_args()
    try:
        report = measure(quick=given.quick)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))


def measure(*, quick: bool) -> dict[str, Any]:
    """All figures."""
    taken = runs()
    if quick:
        names = sorted({s.run.task for s in taken})
        half = set(names[: len(names) // 2])
        taken = tuple(s for s in taken if s.run.task in half)
    known = tasks()
    begun = time.perf_counter()
    lessons = mine_repairs(taken, tasks=known)
    seconds = time.perf_counter() - begun
    replayed = replay(taken, database())
    judged = [_judged(lesson, replayed.moments) for lesson in lessons]
    ahead = _ahead(taken, replayed.moments)
    complete = _complete(enumerate_pairs(taken), lessons)
    covered = sum(j["covered"] for j in judged)
    right = sum(j["right_at_once"] for j in judged)
    possible = sum(j["right_some_way"] for j in judged)
    past = sum(j["past_the_error"] for j in judged)
    missed = [c for c in complete if c["lesson"] is None and c["why_not"] == "not explained"]
    return {
        "schema": "strop.bench.airline/1",
        "quick": quick,
        "runs": len(taken),
        "tasks": len({s.run.task for s in taken}),
        "replay": {"calls": replayed.calls, "exact": replayed.exact},
        "failed_calls": len(replayed.moments),
        "seconds_to_mine": round(seconds, 3),
        "lessons": judged,
        "precision": {
            "covered": covered,
            "right_at_once": right,
            "right_some_way": possible,
            "past_the_error": past,
            "at_once": _share(right, covered),
            "some_way": _share(possible, covered),
        },
        "ahead_of_time": ahead,
        "recurring_classes": complete,
        "targets": {
            "every_call_replays": {"met": replayed.exact == replayed.calls},
            "every_recurring_class_is_a_lesson_or_explained": {"met": not missed},
            "precision_at_once_0.8": {"met": right >= 0.8 * covered},
            "precision_some_way_0.9": {"met": possible >= 0.9 * covered},
        },
    }


def _judged(lesson: Finding, moments: list[Moment]) -> dict[str, Any]:
    """A lesson with what replaying says of it."""
    covered = [m for m in moments if covers(lesson, m)]
    outcomes = [list(tries(lesson, m)) for m in covered]
    wrong = [m for m, o in zip(covered, outcomes, strict=True) if "right" not in o]
    return {
        "lesson": lesson.data["lesson"],
        "tasks": lesson.data["n_tasks"],
        "worked": lesson.data["worked"],
        "failed": lesson.data["failed"],
        "covered": len(covered),
        "right_at_once": sum(o[:1] == ["right"] for o in outcomes),
        "right_some_way": sum("right" in o for o in outcomes),
        "past_the_error": sum("right" in o or "past" in o for o in outcomes),
        "not_applicable": sum(not o for o in outcomes),
        "wrong_in": sorted({m.run for m in wrong}),
    }


def _ahead(taken: tuple[ScoredRun, ...], moments: list[Moment]) -> dict[str, Any]:
    """Lessons of earlier tasks only, for the failed calls of each task, in the order of tasks."""
    covered = right = possible = 0
    for task in sorted({s.run.task for s in taken}):
        now = [m for m in moments if m.task == task]
        earlier = [s for s in taken if s.run.task < task]
        if not now:
            continue
        lessons = mine_repairs(earlier)
        for moment in now:
            outcomes = [list(tries(lesson, moment)) for lesson in lessons if covers(lesson, moment)]
            covered += bool(outcomes)
            right += any(o[:1] == ["right"] for o in outcomes)
            possible += any("right" in o for o in outcomes)
    return {
        "failed_calls": len(moments),
        "covered": covered,
        "right_at_once": right,
        "right_some_way": possible,
    }


def _complete(classes: dict[Class, Pairs], lessons: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Every class seen in two tasks or more, with its lesson, or why there is none."""
    out = []
    for of, pairs in sorted(classes.items()):
        if len(pairs.tasks) < 2:
            continue
        template = safe_text(template_of(error_lines(pairs.example)[-1]).text)
        same = [
            lesson
            for lesson in lessons
            if lesson.data["tool"] == of.tool and lesson.data["template"] == template
        ]
        exact = [x for x in same if str(_path(x)).split("[")[0].split(".")[0] == of.argument]
        told = next((x.data["lesson"] for x in exact), None)
        out.append(
            {
                "tool": of.tool,
                "error": of.error,
                "argument": of.argument,
                "tasks": len(pairs.tasks),
                "worked": pairs.worked,
                "failed_again": pairs.failed,
                "lesson": told,
                "why_not": None if told else _why_not(pairs, same),
            }
        )
    return out


def _path(lesson: Finding) -> str:
    edit = lesson.data["edit"]
    return edit["path"] if isinstance(edit, dict) else ""


def _why_not(pairs: Pairs, same: list[Finding]) -> str:
    if pairs.failed >= pairs.worked:
        return f"the change failed again as often ({pairs.failed}) as it worked ({pairs.worked})"
    if same:
        return "another argument explains the same failure; this one changed beside it"
    if all(len(tasks) == 1 for tasks in pairs.changes.values()):
        return "every task changed it into something else"
    return "not explained"


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


if __name__ == "__main__":
    main()
