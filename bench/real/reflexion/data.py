"""The lessons of the Reflexion runs: ALFWorld with the family of each task, and HotpotQA.

ALFWorld's last trial holds every lesson of every environment; in which trial one appeared first
says when it was written. The logs name no task, so an environment's family is derived from what its
own lessons say, all together (`_family`); checked by reading the beginning of the first lesson of
each, and more of 17 of them. HotpotQA's reflections stand in text logs and have a question, but no
family.

Next file: `measures.py`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strop.errors import BadInput

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "reflexion_runs"
_LAST = 14


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One lesson.

    Attributes:
        text: As the agent wrote it.
        source: The environment or the question that it is about.
        trial: The trial after which it was written, from 0.
        family: The kind of task; empty where there is none.
    """

    text: str
    source: str
    trial: int
    family: str = ""


def alfworld() -> tuple[Lesson, ...]:
    """The ALFWorld lessons, by environment.

    Raises:
        BadInput: The logs are not where they should be.
    """
    trials = [_read(trial) for trial in range(_LAST + 1)]
    found = []
    for source, texts in trials[-1].items():
        family = _family(texts) if texts else ""
        for at, text in enumerate(texts):
            # A trial's file is written after its reflections: the first to hold the text.
            first = next(n for n, trial in enumerate(trials) if len(trial.get(source, ())) > at)
            found.append(Lesson(text=text.strip(), source=source, trial=first, family=family))
    return tuple(found)


def hotpot() -> tuple[Lesson, ...]:
    """The HotpotQA reflections, each once a question.

    Raises:
        BadInput: The log is not where it should be.
    """
    path = DATA / "hotpot" / "react_reflexion_7.txt"
    if not path.is_file():
        raise BadInput(_MISSING, where=path.name)
    found: dict[tuple[str, str], Lesson] = {}
    question, trial, inside = "", 0, False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("BEGIN TRIAL "):
            trial = int(line.split()[2]) - 1
        if line.startswith("Question: "):
            question = line[10:].split("You have attempted to answer")[0].strip(' "')
        if line.startswith("Thought 1:"):
            inside = False
        if inside and line.startswith("- "):
            text = line[2:].strip()
            # The log shows it in the trial after the one that it was written in.
            lesson = Lesson(text=text, source=question, trial=max(0, trial - 1))
            found.setdefault((question, text), lesson)
        if line.startswith("Reflections:"):
            inside = True
    return tuple(found.values())


_MISSING = (
    "the Reflexion logs are missing: put alfworld_runs/root/reflexion_run_logs and "
    "hotpotqa_runs/root of github.com/noahshinn/reflexion into ../shared/data/reflexion_runs "
    "beside the checkout"
)


def _read(trial: int) -> dict[str, list[str]]:
    path = DATA / "alfworld" / "reflexion_run_logs" / f"env_results_trial_{trial}.json"
    if not path.is_file():
        raise BadInput(_MISSING, where=path.name)
    return {env["name"]: env["memory"] for env in json.loads(path.read_text(encoding="utf-8"))}


def _family(texts: Sequence[str]) -> str:
    """What an environment asks for, by what most of its lessons speak of.

    ``look`` where they speak of a desklamp; else ``clean``, ``heat`` or ``cool`` where half have
    the verb (for ``clean``: and none says that the task only asks to put); else ``two`` where they
    speak of a first and a second thing; else ``pick``.
    """
    lowered = [text.lower() for text in texts]

    def share(pattern: str) -> float:
        return sum(bool(re.search(pattern, text)) for text in lowered) / len(lowered)

    if share(r"desklamp|examin\w+ the \w+ with") > 0.45:
        return "look"
    for verb in ("clean", "heat", "cool"):
        if share(rf"\b{verb}") >= 0.5 and not (verb == "clean" and share("task says to put")):
            return verb
    things = share(r"\b(first|second) (?!two|action|item i|soap\w+ i|place|step|trial)\w+")
    if things > 0.6 and share(r"\bsecond \w+|\bfirst (cd|item)") > 0.25:
        return "two"
    return "pick"
