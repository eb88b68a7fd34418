"""Does mining find the environment failures that recur, count them right, and claim nothing false?

    python -m bench.real.miniswe [--quick]

On a coding agent's runs on django, sympy, matplotlib and astropy. Failures of the environment are
counted by a plain text search over the raw messages, and each must be one lesson with the same
count. Runs that edit tests resolve more often; that is no reason to advise it, and the findings
must say nothing for or against. Prints one JSON object on stdout. `--quick` takes every fourth run.

Next file: `data.py`.
"""

import argparse
import json
import re
import sys
import time
from collections import defaultdict
from typing import Any

from strop.errors import UserMistake
from strop.mine import Finding
from strop.mine.failures.patterns import mine_failures
from strop.mine.failures.repairs import mine_repairs
from strop.propose.lessons import lesson_item

from .data import lines, scored, task

# What the raw text says, the name it is about, and how mining calls the cause.
SEARCHED = {
    "missing module": re.compile(r"No module named '?([\w.]+?)'?(?![\w.'])"),
    "missing command": re.compile(r"line \d+: ([\w./-]+): command not found"),
    "not configured": re.compile(r"settings are not configured()"),
}
_EDITS_TEST = re.compile(
    r"(?:sed -i|cat\s+<<|tee |>>?|patch |cp |mv |write_text|open\([^)]*['\"]w)[^\n]{0,200}"
    r"(?:/tests?/|\btests?_\w+\.py|_test\.py|tests\.py)"
)
_QUOTED = re.compile(r"`[^`]*`")
_ABOUT_EDITING = re.compile(
    r"\b(?:edit|modify|change|touch|write)\w*\b.{0,40}\btests?\b", re.IGNORECASE
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.real.miniswe")
    parser.add_argument("--quick", action="store_true", help="every fourth run")
    given = parser.parse_args()
    try:
        report = measure(quick=given.quick)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=2))


def measure(*, quick: bool) -> dict[str, Any]:
    """All figures."""
    raw = lines(quick=quick)
    known = {t.id: t for t in map(task, raw)}
    runs = [scored(line) for line in raw]
    begun = time.perf_counter()
    lessons = mine_repairs(runs, tasks=known)
    repairs_took = time.perf_counter() - begun
    begun = time.perf_counter()
    failures = mine_failures(runs, tasks=known, min_tasks=2)
    failures_took = time.perf_counter() - begun
    compared = _compared(_searched(raw), lessons)
    for found in compared:
        found["named_by_agent_or_task"] = _vouched(raw, found["name"])
    items = [lesson_item(lesson, known) for lesson in lessons]
    said = [f.claim for f in (*lessons, *failures)] + [item.text for item in items]
    about_tests = sorted({text for text in said if _ABOUT_EDITING.search(_QUOTED.sub("", text))})
    return {
        "schema": "strop.bench.miniswe/1",
        "quick": quick,
        "runs": len(runs),
        "steps": sum(len(s.run.steps) for s in runs),
        "seconds": {"repairs": round(repairs_took, 2), "failures": round(failures_took, 2)},
        "environment_failures": compared,
        "lessons": [
            {"claim": x.claim, "categories": x.data["categories"], "form": x.data["form"]}
            for x in lessons
        ],
        "failures": {"found": len(failures), "widest": [f.claim for f in failures[:12]]},
        "editing_tests": {**_editing(raw), "claims_about_it": about_tests},
        "targets": {
            "each_environment_failure_is_one_lesson": {
                "met": all(c["lessons"] == 1 for c in compared)
            },
            "each_that_agent_or_task_named_is_one_lesson": {
                "met": all(c["lessons"] == 1 for c in compared if c["named_by_agent_or_task"])
            },
            "counts_agree": {
                "met": all(c["mined"] == c["searched"] for c in compared if c["lessons"])
            },
            "nothing_said_about_editing_tests": {"met": not about_tests},
        },
    }


def _searched(raw: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Runs (one to a task here) by cause and name, from the results' raw text alone."""
    found: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(
        lambda: {"tasks": set(), "failed": set()}
    )
    for line in raw:
        for message in line["messages"][2:]:
            text = message["content"]
            if message["role"] != "user" or not text.startswith("<returncode>"):
                continue
            for cause, pattern in SEARCHED.items():
                for name in set(pattern.findall(text)):
                    found[cause, name]["tasks"].add(line["instance_id"])
                    if not text.startswith("<returncode>0<"):
                        found[cause, name]["failed"].add(line["instance_id"])
    return found


def _compared(
    searched: dict[tuple[str, str], dict[str, set[str]]], lessons: tuple[Finding, ...]
) -> list[dict[str, Any]]:
    """Every cause and name that the search met in two tasks or more, beside its lessons."""
    out = []
    for (cause, name), seen in sorted(searched.items(), key=lambda kv: -len(kv[1]["tasks"])):
        same = [
            x for x in lessons if x.data.get("cause") == cause and x.data.get("name", "") == name
        ]
        if len(seen["tasks"]) < 2:
            continue
        out.append(
            {
                "cause": cause,
                "name": name,
                "searched": len(seen["tasks"]),
                "of_them_in_failed_commands": len(seen["failed"]),
                "mined": sum(int(str(x.data["n_tasks"])) for x in same),
                "lessons": len(same),
                "lesson": same[0].data["lesson"] if same else None,
            }
        )
    return out


def _vouched(raw: list[dict[str, Any]], name: str) -> bool:
    """Whether in some run the task or the agent names it before any result does."""
    word = re.compile(rf"(?<!\w){re.escape(name.removesuffix('.__main__'))}(?!\w)", re.IGNORECASE)
    for line in raw:
        messages = line["messages"][1:]
        if not any(
            f"No module named {q}{name}{q}" in m["content"] for m in messages for q in ("", "'")
        ):
            continue
        first = next((i for i, m in enumerate(messages) if word.search(m["content"])), 0)
        if first == 0 or messages[first]["role"] == "assistant":
            return True
    return not name or not any(
        f"No module named {q}{name}" in m["content"]
        for line in raw
        for m in line["messages"]
        for q in ("", "'")
    )


def _editing(raw: list[dict[str, Any]]) -> dict[str, Any]:
    """How often runs that edit tests resolve, by their submitted diff, and those that do not."""
    resolved: dict[bool, list[bool]] = {True: [], False: []}
    for line in raw:
        files = re.findall(r"^\+\+\+ b/(\S+)", line["submission"] or "", re.MULTILINE)
        resolved[
            any(re.search(r"(?:^|/)tests?[/_]|_test\.py$|tests\.py$", f) for f in files)
        ].append(bool(line["resolved"]))
    return {
        "runs_that_edit_tests": len(resolved[True]),
        "resolved_of_them": _share(resolved[True]),
        "runs_that_do_not": len(resolved[False]),
        "resolved_of_those": _share(resolved[False]),
    }


def _share(resolved: list[bool]) -> float | None:
    return round(sum(resolved) / len(resolved), 3) if resolved else None


if __name__ == "__main__":
    main()
