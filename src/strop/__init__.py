"""Strop: LLM agents that improve from their own runs, with the model frozen.

    agent = strop.SelfImprovingAgent("strop.yaml")
    agent.run("Where is my parcel?")
    agent.improve()

Names load when they are first used, so that `import strop` takes milliseconds. The tour of the
code, in reading order, is docs/tour.md.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strop.agent import Limits, execute
    from strop.capability import Strop
    from strop.context import Context, select
    from strop.cycle import Attempt, Cycle
    from strop.errors import StropError, UserMistake
    from strop.evaluation import Budget
    from strop.gate import Comparison, MarginPolicy, Verdict, judge
    from strop.improving import SelfImprovingAgent
    from strop.loops import improve_once, serve_once
    from strop.mine import Finding
    from strop.models import ScriptedModel
    from strop.propose import Proposal
    from strop.release import Release
    from strop.run import Run, Score, ScoredRun, ScoreFailure
    from strop.score import Scorer
    from strop.spec import Add, AgentSpec, Change, Item, Kind, Remove, Revise, apply, diff
    from strop.task import Split, Task

__version__ = "0.1.0"

_HOMES = {
    "strop.agent": ("Limits", "execute"),
    "strop.capability": ("Strop",),
    "strop.context": ("Context", "select"),
    "strop.cycle": ("Attempt", "Cycle"),
    "strop.errors": ("StropError", "UserMistake"),
    "strop.evaluation": ("Budget",),
    "strop.gate": ("Comparison", "MarginPolicy", "Verdict", "judge"),
    "strop.improving": ("SelfImprovingAgent",),
    "strop.loops": ("improve_once", "serve_once"),
    "strop.mine": ("Finding",),
    "strop.models": ("ScriptedModel",),
    "strop.propose": ("Proposal",),
    "strop.release": ("Release",),
    "strop.run": ("Run", "Score", "ScoredRun", "ScoreFailure"),
    "strop.score": ("Scorer",),
    "strop.spec": (
        "Add",
        "AgentSpec",
        "Change",
        "Item",
        "Kind",
        "Remove",
        "Revise",
        "apply",
        "diff",
    ),
    "strop.task": ("Split", "Task"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - the order of first meeting, not of the alphabet
    "SelfImprovingAgent",
    "Strop",
    "Add",
    "AgentSpec",
    "Attempt",
    "Budget",
    "Change",
    "Comparison",
    "Context",
    "Cycle",
    "Finding",
    "Item",
    "Kind",
    "Limits",
    "MarginPolicy",
    "Proposal",
    "Release",
    "Remove",
    "Revise",
    "Run",
    "Score",
    "ScoreFailure",
    "ScoredRun",
    "Scorer",
    "ScriptedModel",
    "Split",
    "StropError",
    "Task",
    "UserMistake",
    "Verdict",
    "apply",
    "diff",
    "execute",
    "improve_once",
    "judge",
    "select",
    "serve_once",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'strop' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
