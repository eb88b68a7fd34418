"""The scorer `python`: a function of yours says how good an output is.

Also what other scorers, and tools, need for objects that are named by a path: `load_object` and
`fingerprint`.
The function runs in this process with all its rights: it is configuration, never something an agent
wrote.

Next file: `evals.py`.
"""

import functools
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import SupportsFloat, TypeAlias, cast

from anyio import to_thread

from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.run import Run, Score
from strop.score.base import result
from strop.task import Task

__all__ = ["PythonFunction", "ScoreFunction", "fingerprint", "load_object"]

Grade: TypeAlias = bool | float | Score
ScoreFunction: TypeAlias = Callable[[Task, Json], Grade | Awaitable[Grade]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFunction:
    """``function(task, output)`` gives a number in [0, 1], a bool or a `Score`.

    A plain function runs in a worker thread, so that a slow one does not hold up other runs; an
    async one runs in the event loop.

    Attributes:
        function: The function, or where it is: ``module:function``.
        revision: Set it to another text when something that the function *uses* changes. A change
            of the function itself is noticed (see `fingerprint`).

    Raises:
        BadInput: There is no such function.
    """

    function: ScoreFunction | str
    revision: str = ""
    _function: ScoreFunction = field(init=False, repr=False, compare=False)
    _label: str = field(init=False, repr=False, compare=False)
    _source: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = load_object(self.function) if isinstance(self.function, str) else self.function
        if not callable(found):
            raise BadInput(f"{self.function!r} is not a function", where="python.function")
        label = self.function if isinstance(self.function, str) else _path_of(found)
        object.__setattr__(self, "revision", str(self.revision))  # 2 and "2" are the same
        object.__setattr__(self, "_function", found)
        object.__setattr__(self, "_label", label)
        object.__setattr__(self, "_source", fingerprint(found))

    @property
    def name(self) -> str:
        return self._label.rpartition(":")[2].rpartition(".")[2]

    @property
    def version(self) -> str:
        revision = f" revision={self.revision}" if self.revision else ""
        return f"python/1 {self._label} source={self._source}{revision}"

    async def __call__(self, task: Task, run: Run) -> Score:
        if inspect.iscoroutinefunction(self._function):
            found = await self._function(task, run.output)
        else:
            # Abandoned on cancellation: nothing stops a thread, but a timeout must not wait for it.
            found = await to_thread.run_sync(
                self._function, task, run.output, abandon_on_cancel=True
            )
            if inspect.isawaitable(found):
                found = await found
        if isinstance(found, Score):
            return found
        # Not only bool and float: numpy's scalars, Decimal and Fraction are numbers as well.
        if isinstance(found, SupportsFloat):
            return result(self, float(found))
        raise BadInput(
            f"returned {type(found).__name__}, not a number, bool or Score", where=self._label
        )


def load_object(path: str, *, where: str = "scorer") -> object:
    """The object at ``module:name`` (also ``module:Class.member``).

    Raises:
        BadInput: The path is not of that form, the module does not import (the message names what
            failed, which may be a module that it imports in turn), or it has no such name.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise BadInput(f"{path!r} is not of the form module:function", where=where)
    try:
        found: object = import_module(module_name)
    # Importing runs a stranger's code, so anything can happen.
    except (Exception, SystemExit) as error:
        raise BadInput(
            f"cannot import {module_name!r} for {path!r}: {type(error).__name__}: {error}; "
            "is it on the path that Python imports from?",
            where=where,
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            names = ", ".join(n for n in dir(found) if not n.startswith("_")) or "nothing"
            raise BadInput(f"{path!r} has no {part!r}; there is: {names[:300]}", where=where)
        found = getattr(found, part)
    return found


def fingerprint(thing: object) -> str:
    """Twelve hex digits that change when a callable's (or class's) own code or settings do.

    Covers its source and the plain values it closes over, is bound to or holds; not the functions
    it calls. Other values count by their type, so that the result is the same in the next process.
    """
    parts: list[object] = []
    if isinstance(thing, functools.partial):
        parts += [fingerprint(thing.func), thing.args, thing.keywords]
    elif inspect.ismethod(thing):
        parts += [fingerprint(thing.__func__), fingerprint(thing.__self__)]
    elif inspect.isfunction(thing):
        cells = inspect.getclosurevars(thing).nonlocals if thing.__closure__ else {}
        parts += [_source_of(thing), cells, thing.__defaults__, thing.__kwdefaults__]
    elif inspect.isclass(thing) or inspect.isbuiltin(thing):
        parts.append(_source_of(thing))
    else:
        parts += [_source_of(type(thing)), _held(thing)]
    text = json.dumps([_plain(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _held(thing: object) -> dict[str, object]:
    """What an instance holds: a dataclass's fields (it may have slots), or its `__dict__`."""
    if is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in fields(thing)}
    return vars(thing) if hasattr(thing, "__dict__") else {}


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case _ if inspect.isfunction(value) or inspect.isclass(value):
            return _source_of(value)
        case _:
            return _path_of(type(value))


def _source_of(thing: object) -> str:
    """The source, or the byte code where there is no file (a notebook, a console, built-ins)."""
    try:
        return inspect.getsource(cast("type", thing))
    except (OSError, TypeError):
        code = getattr(thing, "__code__", None)
        if code is None:
            return _path_of(thing)
        return f"{_path_of(thing)} {code.co_code.hex()} {_plain(code.co_consts)}"


def _path_of(thing: object) -> str:
    """``module:name`` of a function or class; of the class, for an instance."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}:{named.__qualname__}"
