"""How good a run was: one Protocol, nine built-in scorers, and `score`, which never raises.

    exact, normalised, one_of, regex   match.py     the output against the expected text
    numeric                            number.py    the last number of the output
    json_subset                        subset.py    what the output contains
    python                             function.py  a function of yours
    pydantic_evals                     evals.py     any evaluator of pydantic-evals
    judge                              judge.py     a model, by criteria

A scorer that cannot score gives a `ScoreFailure`, never 0.0: unknown is not bad. This package
neither runs agents nor decides what a difference in scores means. Importing it loads nothing heavy.

Next file: `score/base.py`.
"""

from strop.score.base import Scorer, by_person, human_score, score
from strop.score.evals import PydanticEvals
from strop.score.function import PythonFunction
from strop.score.judge import Ask, Judge
from strop.score.match import Exact, Normalised, OneOf, Regex
from strop.score.number import Numeric
from strop.score.resolve import SCORERS, resolve_scorer
from strop.score.subset import JsonSubset

__all__ = [
    "SCORERS",
    "Ask",
    "Exact",
    "JsonSubset",
    "Judge",
    "Normalised",
    "Numeric",
    "OneOf",
    "PydanticEvals",
    "PythonFunction",
    "Regex",
    "Scorer",
    "by_person",
    "human_score",
    "resolve_scorer",
    "score",
]
