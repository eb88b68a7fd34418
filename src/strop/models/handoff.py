"""A folder as a model: requests are files, and whoever answers writes a file beside them.

So any model, agent or person can be the proposer or the judge, at any speed. Files are named by a
digest of the request: a process that was killed while it waited asks again under the same name, and
finds an answer given meanwhile. It deletes nothing: the folder is the record of what was asked.

Next file: `models/local.py`.
"""

import hashlib
import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from strop.errors import BadInput, ModelFailed

__all__ = ["Handoff"]

TIMEOUT = 24 * 3600.0
POLL = 0.2  # seconds between looks at the folder
MAX_ANSWER_BYTES = 4 << 20

_TOP = """\
<!-- Answer this request by writing a file into this folder:
     {id}.answer.md    your answer as text, or
     {id}.answer.json  your answer where JSON is asked for.
     Write it under another name first and rename it, or write it in one go.
     Everything below this comment is the request. -->

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """A folder in which requests are answered.

    Attributes:
        folder: Made when first needed.
        timeout: Seconds to wait where the request does not say.
        poll: Seconds between looks.
    """

    folder: Path
    timeout: float = TIMEOUT
    poll: float = POLL
    _asked: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    @property
    def system(self) -> str:
        return "file"

    @property
    def name(self) -> str:
        return str(self.folder)

    async def answer(self, prompt: str, *, limit: float | None = None) -> str:
        """Writes ``<id>.request.md`` and waits for ``<id>.answer.md`` or ``.answer.json``.

        The id is a digest of the prompt, and ``-2``, ``-3``, ... where this object is asked the
        same again: repeated trials get answers of their own.

        Raises:
            ModelFailed: No answer in time; the request stays, and an answer given later is found.
            BadInput: The folder cannot be written to.
        """
        limit = self.timeout if limit is None else limit
        request = self._next_id(prompt)
        await anyio.to_thread.run_sync(self._put, request, prompt)
        with anyio.move_on_after(limit):
            return await self._wait_for(request)
        raise ModelFailed(
            f"nobody answered {self.folder / request}.request.md within {limit:g} s; answer it as "
            "it says at its top and start again"
        )

    def _next_id(self, prompt: str) -> str:
        key = hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:16]
        with self._lock:
            self._asked[key] += 1
            attempt = self._asked[key]
        return key if attempt == 1 else f"{key}-{attempt}"

    def _put(self, request: str, prompt: str) -> None:
        path = self.folder / f"{request}.request.md"
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                text = _TOP.format(id=request) + prompt
                partial.write_text(text, encoding="utf-8", errors="replace")
                partial.replace(path)
        except OSError as error:
            raise BadInput(f"cannot write requests: {error.strerror}", where=str(path)) from None

    async def _wait_for(self, request: str) -> str:
        """The answer, once it is there and has stopped growing."""
        paths = [self.folder / f"{request}.answer.{kind}" for kind in ("md", "json")]
        seen: dict[Path, tuple[int, int]] = {}
        while True:
            for path in paths:
                state = _state(path)
                if state is not None and seen.get(path) == state:
                    return _read(path)
                if state is not None:
                    seen[path] = state
            await anyio.sleep(self.poll)


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change; `None` while there is no file or an empty one."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns) if stat.st_size else None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_ANSWER_BYTES + 1)
    except OSError as error:
        raise ModelFailed(f"cannot read the answer {path}: {error.strerror}") from None
    if len(raw) > MAX_ANSWER_BYTES:
        raise ModelFailed(f"the answer {path} is larger than {MAX_ANSWER_BYTES >> 20} MiB")
    return raw.decode("utf-8", "replace").removeprefix("\ufeff")
