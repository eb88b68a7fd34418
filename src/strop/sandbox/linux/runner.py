"""Runs one job inside the sandbox: compile, call, and write down what came of it.

Standard library only, and it imports nothing of Strop: backends load this file by its path in an
interpreter of their own. What it says is said by a process that runs untrusted code, so whoever
reads it believes nothing of it (`reply.py`). It confines nothing beyond memory and processor time.

A job is a JSON object: `source`, `function`, `args`, and the bounds `result`, `printed` (bytes),
`memory` (bytes, optional) and `cpu` (seconds, optional). The answer is one line of JSON:
``{"value": ...}`` or ``{"failure": {"what", "message", "line"}}``.

Next file: `sandbox/linux/root.py`.
"""

import contextlib
import io
import json
import math
import os
import resource
import sys
import types
from typing import Any, NoReturn

__all__ = ["NAME", "STATM", "main", "rehearse", "run"]

NAME = "<tool>"
"""What the program's source is called in tracebacks."""

STATM: list[int] = []
"""A descriptor of this process's /proc/self/statm, where that folder will be out of reach."""

_LEVELS = 100  # of nesting in a result, as in `jsonvalue.checked`
_MAX_BITS = 13_000
_MESSAGE = 2_000
_SMALL = {"result": 100, "printed": 0}
_RESERVE = 32 * 2**20  # bytes kept back, to say "out of memory" with
_read_json, _write_json = (
    json.JSONDecoder().decode,
    json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode,
)


def main(job_fd: int, result_fd: int) -> NoReturn:
    """Read a job to its end, run it, write the answer, and end this process."""
    with open(job_fd, "rb", closefd=job_fd != result_fd) as file:
        job = file.read()
    if not job:
        os._exit(0)  # whoever would have called is gone
    answer = memoryview(run(job))
    while answer:
        answer = answer[os.write(result_fd, answer) :]
    os._exit(0)


def run(job: bytes) -> bytes:
    """Do a job; nothing that its code does raises here.

    Returns:
        One line of JSON, ending in a newline.
    """
    asked = _read_json(job.decode())
    out = _capture(asked["printed"])
    try:
        _limit(asked)
        answer = _answer(asked)
    except MemoryError:
        _spend_reserve()
        answer = _failure("memory", "the memory that it may use is not enough")
    except RecursionError:
        answer = _failure("result", "the result is nested too deeply")
    with contextlib.suppress(BaseException):
        out.flush()
    return answer + b"\n"


def rehearse() -> None:
    """Go once through what a job takes, ahead of it.

    A forked process copies each page when it first writes to it, counting references included;
    this has most of that done while nobody waits.
    """
    out, err = sys.stdout, sys.stderr
    source = "def tool(**k):\n    print(end='')\n    return [k]"
    run(_write_json({"source": source, "function": "tool", "args": {}, **_SMALL}).encode())
    sys.stdout, sys.stderr = out, err
    del sys.modules["__tool__"]


def _answer(asked: dict[str, Any]) -> bytes:
    space = types.ModuleType("__tool__")
    sys.modules["__tool__"] = space  # where dataclasses look up the annotations of a class
    try:
        exec(compile(asked["source"], NAME, "exec", dont_inherit=True), space.__dict__)  # noqa: S102
        function = space.__dict__.get(asked["function"])
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - the code may raise anything
        return _failure("invalid", _told(error), _line(error))
    if not callable(function):
        return _failure("invalid", f"the code defines no function {asked['function']!r}")
    try:
        value = function(**asked["args"])
        if hasattr(type(value), "__await__"):
            import asyncio  # heavy, and most tools are not async

            value = asyncio.run(_awaited(value))
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - the code may raise anything
        return _failure("raised", _told(error), _line(error))
    try:
        text = _write_json({"value": _Copy(asked["result"]).of(value, _LEVELS)})
        if len(text) > asked["result"] + len('{"value":}'):
            raise _TooLargeError  # noqa: TRY301 - as if it had been noticed while counting
    except _NotJsonError as error:
        return _failure("result", str(error))
    except _TooLargeError:
        return _failure(
            "result", f"the result is larger than the {asked['result']:,} bytes allowed"
        )
    return text.encode()


async def _awaited(value: Any) -> Any:
    return await value


class _NotJsonError(Exception):
    """The result holds something that JSON cannot; where is found on the way out, innermost last.

    Finding it on the way in, at every value, took most of the time of large results.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str] = []

    def __str__(self) -> str:
        return f"result{''.join(reversed(self.steps))[:100]} {self.problem}"


class _TooLargeError(Exception):
    """The result would not fit."""


class _Copy:
    """Copies a value into plain JSON types, and stops as soon as it cannot fit into `left` bytes.

    Counting while it goes, it also ends on a value that is small in memory and huge as JSON because
    it holds the same list many times.
    """

    def __init__(self, bound: int) -> None:
        self.left = bound + 1  # each value is counted with the comma after it

    def of(self, value: Any, levels: int) -> Any:  # noqa: C901 - a case per type
        """The copy of one value.

        Raises:
            _NotJsonError: It is not JSON.
            _TooLargeError: It does not fit.
        """
        self.left -= 2
        if self.left < 0:
            raise _TooLargeError
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                raise _NotJsonError("is an integer of thousands of digits")
            return int(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise _NotJsonError(f"is {float(value)!r}, which is not a JSON number")
            return float(value)
        if isinstance(value, str):
            return self._text(value)
        if levels == 0:
            raise _NotJsonError("is nested too deeply, or holds itself")
        if isinstance(value, list | tuple):
            return [self._inner(item, i, levels) for i, item in enumerate(value)]
        if isinstance(value, dict):
            return {self._key(key): self._inner(item, key, levels) for key, item in value.items()}
        raise _NotJsonError(f"is a {type(value).__name__[:100]}, which is not a JSON value")

    def _inner(self, value: Any, place: Any, levels: int) -> Any:
        try:
            return self.of(value, levels - 1)
        except _NotJsonError as error:
            error.steps.append(f"[{place!r}]"[:40])
            raise

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise _NotJsonError(f"has a key that is not a text ({type(key).__name__[:100]})")
        self.left -= 3
        return self._text(key)

    def _text(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise _TooLargeError
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _NotJsonError("is or has a text that is not valid Unicode") from None
        return str(text)


def _failure(what: str, message: str, line: int | None = None) -> bytes:
    text = " ".join(message[: 2 * _MESSAGE].split())[:_MESSAGE].encode("utf-8", "replace").decode()
    return _write_json({"failure": {"what": what, "message": text, "line": line}}).encode()


def _told(error: BaseException) -> str:
    """Type and text of an exception, whose own methods are untrusted too."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - a hostile __str__
        text = ""
    name = type(error).__name__
    return f"{name}: {text[:_MESSAGE]}" if text else name


def _line(error: BaseException) -> int | None:
    """The last line of the program on the way to where it was raised."""
    if isinstance(error, SyntaxError) and error.filename == NAME:
        return error.lineno
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == NAME:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


class _Capped(io.RawIOBase):
    """Standard output that keeps the first bytes and drops the rest at no cost."""

    def __init__(self, left: int) -> None:
        self.left = left

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any) -> int:
        kept = bytes(data[: self.left]) if self.left else b""
        self.left -= len(kept)
        while kept:
            kept = kept[os.write(1, kept) :]
        return len(data)


def _capture(bound: int) -> io.TextIOWrapper:
    """Let print write to descriptor 1, at most `bound` bytes; standard error goes there too."""
    raw = io.BufferedWriter(_Capped(bound), 8192)
    out = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="\n")
    sys.stdout = sys.stderr = out
    return out


def _limit(asked: dict[str, Any]) -> None:
    """Bound address space and processor time from here on; what is taken already is not counted."""
    if asked.get("memory") and (taken := _address_space()) is not None:
        soft = taken + asked["memory"]
        resource.setrlimit(resource.RLIMIT_AS, (soft, soft + _RESERVE))
    if asked.get("cpu"):
        resource.setrlimit(resource.RLIMIT_CPU, (asked["cpu"], asked["cpu"] + 1))


def _spend_reserve() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _address_space() -> int | None:
    """Bytes of address space taken now; `None` where the kernel does not tell."""
    try:
        fd = STATM.pop() if STATM else os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    pages = int(os.read(fd, 200).split()[0])
    os.close(fd)
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
