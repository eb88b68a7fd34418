"""From what a configuration says to a scorer.

Knows the built-in scorers by name, and asks the installed packages for others. It scores nothing.
This is the last file of the package.

Next file: `embed/__init__.py`.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import TypeAlias

from strop.errors import BadInput
from strop.score.base import Scorer
from strop.score.evals import PydanticEvals, is_evaluator
from strop.score.function import PythonFunction, ScoreFunction, load_object
from strop.score.judge import Ask, Judge
from strop.score.match import Exact, Normalised, OneOf, Regex
from strop.score.number import Numeric
from strop.score.subset import JsonSubset
from strop.spec import Item

__all__ = ["SCORERS", "resolve_scorer"]

Factory: TypeAlias = Callable[..., Scorer]

SCORERS: dict[str, Factory] = {
    "exact": Exact,
    "normalised": Normalised,
    "one_of": OneOf,
    "regex": Regex,
    "numeric": Numeric,
    "json_subset": JsonSubset,
    "python": PythonFunction,
    "pydantic_evals": PydanticEvals,
    "judge": Judge,
}

GROUP = "strop.scorers"
"""Entry-point group: name -> a factory that takes options as keywords and gives a `Scorer`."""


def resolve_scorer(
    config: "str | Mapping[str, object] | ScoreFunction | Scorer",
    *,
    criteria: tuple[Item, ...] = (),
    ask: Ask | None = None,
) -> Scorer:
    """The scorer that a configuration describes.

    Args:
        config: A name (``exact``), a name with options (``{"kind": "numeric", "tolerance": 0.1}``),
            where a function is (``my_module:function``), a function ``(task, output)``, an
            evaluator of pydantic-evals, or a scorer.
        criteria: What a judge grades by.
        ask: Who a judge asks.

    Raises:
        BadInput: No such scorer or option (the message lists what there is), something that does
            not import, or a judge without criteria or without anybody to ask.
    """
    given: dict[str, object] = {"criteria": criteria, "ask": ask}
    if isinstance(config, str):
        return _named(config, {}, given)
    if isinstance(config, Mapping):
        options = {str(key): value for key, value in config.items()}
        kind = options.pop("kind", None)
        if not isinstance(kind, str):
            raise BadInput(f'a scorer needs a "kind": {_names()}', where="scorer")
        return _named(kind, options, given)
    return _wrapped(config)


def _named(kind: str, options: Mapping[str, object], given: Mapping[str, object]) -> Scorer:
    """A scorer by its name, or by where it is."""
    if ":" not in kind:
        return _built(kind, _factory(kind), options, given)
    found = load_object(kind)
    if inspect.isroutine(found):
        return _built("python", PythonFunction, {"function": kind, **options}, given)
    if options:
        raise BadInput(f"{kind!r} is no plain function, so it takes no options", where="scorer")
    return _wrapped(found)


def _wrapped(thing: object) -> Scorer:
    """A scorer from an object in this process."""
    if isinstance(thing, type):
        raise BadInput(f"{thing.__name__} is a class; give an instance of it", where="scorer")
    if is_evaluator(thing):
        return PydanticEvals(evaluator=thing)
    if isinstance(thing, Scorer):
        return thing
    if callable(thing):
        return PythonFunction(function=thing)
    raise BadInput(f"{thing!r} is no scorer; there are {_names()}", where="scorer")


def _factory(name: str) -> Factory:
    if name in SCORERS:
        return SCORERS[name]
    for point in entry_points(group=GROUP, name=name):
        try:
            found: Factory = point.load()
        except Exception as error:  # importing runs a stranger's code: anything can happen
            raise BadInput(
                f"scorer {name!r} is installed but does not load from {point.value!r}: "
                f"{type(error).__name__}: {error}",
                where="scorer",
            ) from error
        return found
    raise BadInput(f"there is no scorer {name!r}; there are {_names()}", where="scorer")


def _built(
    name: str, factory: Factory, options: Mapping[str, object], given: Mapping[str, object]
) -> Scorer:
    """Call a factory with the options, and with what is `given` where it asks for that by name."""
    where = f"scorer {name!r}"
    parameters = inspect.signature(factory).parameters
    keywords = [p for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    takes = [p.name for p in keywords if p.name not in given]
    for option in options:
        if option not in takes and (option in given or len(keywords) == len(parameters)):
            raise BadInput(
                f"there is no option {option!r}; the options are {', '.join(takes) or 'none'}",
                where=where,
            )
    for parameter in keywords:
        if parameter.default is parameter.empty and parameter.name not in {**options, **given}:
            raise BadInput(f"the option {parameter.name!r} is missing", where=where)
    if "ask" in parameters and given["ask"] is None:
        raise BadInput("it needs a model to ask; name one in the configuration", where=where)
    found = factory(**options, **{k: v for k, v in given.items() if k in parameters})
    if not isinstance(found, Scorer):
        raise BadInput(f"its factory gave a {type(found).__name__}, not a Scorer", where=where)
    return found


def _names() -> str:
    """All names that there are, and the other way to name a scorer."""
    installed = {point.name for point in entry_points(group=GROUP)} - SCORERS.keys()
    return f"{', '.join([*SCORERS, *sorted(installed)])}, or a function as 'module:function'"
