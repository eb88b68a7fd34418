"""A sandbox without an operating system: Monty, an interpreter of a subset of Python.

For pure computation where the system offers nothing better (macOS, Windows): its code has no files,
no network, no processes and no environment to reach, because the interpreter has no way to ask for
them. So it holds code to `Level.SANDBOX` without folders, and to nothing above. Code that needs
more of Python than the subset is refused, not failed: elsewhere it might run. `time.sleep` returns
at once, so that time is spent by computing only; a text loses its lone surrogates. The package's
threads do not live on in a fork: a process forked from one that has used it is refused.

Source: pydantic-monty 1.4, README, "Resource limits".

Next file: `sandbox/refusing.py`.
"""

import json
import os
import re
import time
from importlib.util import find_spec
from keyword import iskeyword
from typing import TYPE_CHECKING, ClassVar

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, checked
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, Program, What

if TYPE_CHECKING:
    from pydantic_monty import MontyRuntimeError, MontySyntaxError, ResourceLimits

__all__ = ["MontySandbox"]

_BOUNDS = Bounds()
_GRACE = 0.25  # seconds until a worker that does not look at its clock is killed
_SOURCE = "<python-input-1>"  # Monty's name for what is fed second
_MESSAGE = 2_000
_used_by: set[int] = set()  # the process that first ran it; its forks inherit this
_NO_MODULE = re.compile(r"No module named '(\w+)[\w.]*'")

# Fed before the program, so that it holds the real built-ins where the program shadows them. What
# would silently become something else as JSON (a key that is a number) is an error here.
_PRELUDE = """
import json as __strop_json

def __strop_settled(value, type=type):
    return type(value).__name__ != "coroutine"

def __strop_text(value, bound, len=len, ValueError=ValueError, dumps=__strop_json.dumps):
    __strop_plain(value, "the result", 100)
    text = dumps(value, allow_nan=False)
    if len(text) > bound:
        raise ValueError(f"the result is larger than the {bound:,} bytes allowed")
    return text

def __strop_plain(value, where, levels, isinstance=isinstance, dict=dict, list=list, tuple=tuple,
                  str=str, ValueError=ValueError):
    if levels < 0:
        raise ValueError(f"{where[:60]} is nested too deeply, or holds itself")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{where[:200]} has a key that is not a text")
            __strop_plain(value[key], f"{where}.{key[:60]}", levels - 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            __strop_plain(item, where, levels - 1)
"""


class MontySandbox:
    """Runs a subset of Python in a worker process of Monty's, a new one for every call (5 ms)."""

    name: ClassVar[str] = "monty"
    levels: ClassVar[frozenset[Level]] = frozenset({Level.SANDBOX})

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,
    ) -> Outcome:
        """See `Sandbox.call`."""
        started = time.monotonic()
        printed = _Printed(bounds.printed)
        failure = _refusal(permissions) or _unfit(program)
        value: Json = None
        if failure is None:
            value, failure = _run(program, args, bounds, printed)
        seconds = time.monotonic() - started
        return Outcome(value=value, failure=failure, printed=printed.text(), seconds=seconds)

    def close(self) -> None:
        """Nothing to end: a call's process is gone when the call is over."""


def _refusal(permissions: Permissions) -> Failure | None:
    if permissions.level is not Level.SANDBOX:
        message = f"monty has no files to write and no network: no level {permissions.level.value}"
        return Failure(what=What.REFUSED, message=message)
    if permissions.read:
        return Failure(what=What.REFUSED, message="monty reads no folders")
    return None


def _unfit(program: Program) -> Failure | None:
    if not program.function.isidentifier() or iskeyword(program.function):
        return Failure(what=What.INVALID, message=f"{program.function!r} cannot name a function")
    return None


def _run(
    program: Program, args: JsonObject, bounds: Bounds, printed: "_Printed"
) -> tuple[Json, Failure | None]:
    try:
        import pydantic_monty as monty  # an extra, and heavy
    except ImportError:
        message = "pydantic-monty is not installed; pip install 'strop[monty]'"
        return None, Failure(what=What.REFUSED, message=message)
    if _used_by and os.getpid() not in _used_by:
        message = "monty was used before this process was forked; start processes by 'spawn'"
        return None, Failure(what=What.REFUSED, message=message)
    _used_by.add(os.getpid())
    try:
        inputs = {"__strop_args": checked(args, where="args")}
    except BadInput as error:
        return None, Failure(what=What.INVALID, message=str(error))
    source, call = _script(program, bounds)
    limits: ResourceLimits = {
        "max_feed_duration_secs": bounds.seconds,
        "max_memory": bounds.memory,
    }
    try:
        with (
            monty.Monty(
                min_processes=1, max_processes=1, request_timeout=bounds.seconds + _GRACE
            ) as pool,
            pool.checkout(limits=limits, os_policy={"sleep": "zero"}) as session,
        ):
            session.feed_run(_PRELUDE)
            text = session.feed_run(source, inputs=inputs, print_callback=printed.add)
    except monty.MontyCrashedError as error:
        return None, _crash(timed_out=error.timed_out, message=str(error), bounds=bounds)
    except (monty.MontySyntaxError, monty.MontyRuntimeError) as error:
        return None, _failure(error, call, bounds)
    except (monty.MontyError, OSError, RuntimeError) as error:  # no worker could be had
        return None, Failure(what=What.REFUSED, message=f"monty does not run: {error}"[:_MESSAGE])
    return _parsed(text, bounds)


def _script(program: Program, bounds: Bounds) -> tuple[str, int]:
    """What to run, and the line in it where the function is looked up."""
    source = program.source.replace("\r\n", "\n").replace("\r", "\n")
    call = (
        f"__strop_function = {program.function}\n"
        "__strop_value = __strop_function(**__strop_args)\n"
        "if not __strop_settled(__strop_value): __strop_value = await __strop_value\n"
        f"__strop_text(__strop_value, {bounds.result})\n"
    )
    return f"{source}\n\n{call}", source.count("\n") + 3


def _crash(*, timed_out: bool, message: str, bounds: Bounds) -> Failure:
    if timed_out:
        return _late(bounds)
    return Failure(what=What.DIED, message=message[:_MESSAGE])


def _late(bounds: Bounds) -> Failure:
    return Failure(what=What.TIMEOUT, message=f"stopped after {bounds.seconds:g} s")


def _failure(error: "MontySyntaxError | MontyRuntimeError", call: int, bounds: Bounds) -> Failure:
    """What an exception means, by the line of the script that it came through first."""
    frames = error.traceback()
    told = " ".join(error.display("type-msg")[: 2 * _MESSAGE].split())[:_MESSAGE]
    raised, message = error.exception(), error.display("msg")
    # The limit on time has no line; a TimeoutError of the program's own has one.
    if not frames and isinstance(raised, TimeoutError):
        return _late(bounds)
    if isinstance(raised, MemoryError):
        return Failure(what=What.MEMORY, message="the memory that it may use is not enough")
    lines = [frame.line for frame in frames if frame.filename == _SOURCE and frame.line < call]
    line = lines[-1] if lines else None
    lacking = _lacking(raised, message, parsing=bool(frames) and frames[0].function_name is None)
    if lacking or (not frames and "Internal error in monty" in message):
        return Failure(what=What.REFUSED, message=_subset(lacking or message), line=line)
    first = frames[0].line if frames and frames[0].filename == _SOURCE else 0
    if first == call:
        return Failure(what=What.INVALID, message="the code defines no such function")
    if first > call + 2:
        return Failure(what=What.RESULT, message=message[:_MESSAGE])
    if isinstance(raised, SyntaxError) or (first and first < call):
        return Failure(what=What.INVALID, message=told, line=line)
    return Failure(what=What.RAISED, message=told, line=line)


def _lacking(raised: BaseException, message: str, *, parsing: bool) -> str:
    """What of Python the subset lacks here; empty where the fault is the program's."""
    if isinstance(raised, NotImplementedError) and parsing:
        return message
    found = _NO_MODULE.match(message)
    if isinstance(raised, ModuleNotFoundError) and found and _is_here(found.group(1)):
        return f"it has no module {found.group(1)!r}"
    return ""


def _is_here(module: str) -> bool:
    """Whether Python itself has the module: then another backend might run the program."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _subset(lacking: str) -> str:
    return f"monty runs a subset of Python: {lacking}"[:_MESSAGE]


def _parsed(text: object, bounds: Bounds) -> tuple[Json, Failure | None]:
    """The result; the text comes from where untrusted code ran, so nothing is taken for granted."""
    if not isinstance(text, str) or len(text) > bounds.result:
        message = f"the result is larger than the {bounds.result:,} bytes allowed"
        return None, Failure(what=What.RESULT, message=message)
    try:
        return checked(json.loads(text), where="result"), None
    except (ValueError, RecursionError, BadInput) as error:
        message = f"the result is not JSON: {error}"[:_MESSAGE]
        return None, Failure(what=What.RESULT, message=message)


class _Printed:
    """Keeps the first bytes of what is printed."""

    def __init__(self, bound: int) -> None:
        self._left = bound
        self._parts: list[bytes] = []

    def add(self, _stream: str, text: str) -> None:
        if self._left > 0:
            kept = text[: self._left].encode("utf-8", "replace")[: self._left]
            self._left -= len(kept)
            self._parts.append(kept)

    def text(self) -> str:
        return b"".join(self._parts).decode("utf-8", "ignore")
