"""Replays one occurrence of recurring code and the tool mined from it, on two equal trees.

The agent's statements are run as they stand in its script (with the imports and the literals above
them), then the tool with the arguments that mining says, each in the sandbox in a fresh copy of one
folder. Equal means: the same files with the same bytes afterwards, the same values of what the
script reads later, the same printed text but for status lines, and for Django the same settings.

The folder holds what the statements open: made here, since the agents' repositories are not at
hand. A check of the old text that stops the script (`if lines[3] != "...": sys.exit(1)`) then stops
it always, and is left out where it does; `Replay.checks_left_out` says so.

Next file: `snippets.py`.
"""

import ast
import dataclasses
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop.mine.snippets.windows import Window
from strop.mine.snippets.writing import Tool
from strop.permission import Level, Permissions
from strop.sandbox import Bounds, Outcome, Program, Sandbox
from strop.tools.same import agrees

BOUNDS = Bounds(seconds=60.0)
_PATH = re.compile(r"(?!/)[\w.-]{1,80}(?:/[\w.-]{1,80}){0,12}")
_MODULE = re.compile(r"[a-z_]\w*(?:\.\w+)*")
_LINES = 3_000

# Both programs run in this frame: as a script of the folder would, and with one look at what
# Django was set to.
_FRAME = """
def _begin(folder, packages):
    import os, sys
    os.chdir(folder)
    sys.path[:0] = [folder, *packages]
    # As when the agent ran it: the main module is a script of the folder.
    sys.modules["__main__"].__file__ = os.path.join(folder, "script.py")


def _seen():
    import sys
    if "django" not in sys.modules:
        return None
    from django.apps import apps
    from django.conf import settings
    if not settings.configured:
        return {"configured": False}
    given = {k: repr(v) for k, v in vars(settings._wrapped).items() if k.isupper()}
    return {"configured": True, "ready": apps.ready, "given": given,
            "apps": [a.label for a in apps.get_app_configs()] if apps.ready else None}
"""
_ORIGINAL = """
def run_original(folder, packages, source, names):
    _begin(folder, packages)
    space = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), space)
    return {"values": [space.get(name) for name in names], "seen": _seen()}
"""
_TOOL = """
def run_tool(folder, packages, given):
    _begin(folder, packages)
    return {{"value": {name}(**given), "seen": _seen()}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of one occurrence."""

    verdict: str  # "equal", "differs", or "original failed"
    why: str = ""
    checks_left_out: bool = False
    whole: bool = False  # the statements are all that the script does


def replay(
    tool: Tool,
    window: Window,
    args: Mapping[str, Any],
    source: str,
    *,
    sandbox: Sandbox,
    folder: Path,
    packages: Path | None,
) -> Replay:
    """Run both and compare."""
    fragment = original(source, window)
    names = _live_names(tool, window)
    run = _Runner(sandbox, folder, packages, dict(args))
    first, before = run.original(fragment.text, names)
    left_out = False
    if fragment.unchecked is not None and not first.ok:
        left_out = True
        first, before = run.original(fragment.unchecked, names)
    second, after = run.tool(tool)
    if not first.ok:
        return Replay(
            verdict="original failed", why=first.failure.message[:200] if first.failure else ""
        )
    why = _difference(tool, first, second, fragment.says)
    if not why and before != after:
        changed = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
        why = f"files differ: {changed[:3]}"
    return Replay(
        verdict="differs" if why else "equal",
        why=why,
        checks_left_out=left_out,
        whole=fragment.whole,
    )


def broken(tool: Tool) -> Tool:
    """The tool without its last statement: what a comparison that is any good must notice."""
    tree = ast.parse(tool.source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body[-1:] = [ast.Pass()]
    return dataclasses.replace(tool, source=ast.unparse(tree) + "\n")


def _difference(tool: Tool, first: Outcome, second: Outcome, says: set[str]) -> str:
    if not second.ok:
        return f"the tool failed: {second.failure.message[:200] if second.failure else ''}"
    one: Any = first.value
    two: Any = second.value
    if one["seen"] != two["seen"]:
        return "Django is set up otherwise"
    printed = "\n".join(line for line in first.printed.splitlines() if line not in says).rstrip()
    if tool.prints:
        return "" if agrees(two["value"], printed) else "printed text differs"
    if printed != second.printed.rstrip():
        return "printed text differs"
    expected: Any = None
    if len(tool.gives) == 1:
        expected = one["values"][0]
    elif tool.gives:
        expected = dict(zip(tool.gives, one["values"], strict=True))
    return "" if expected == two["value"] else "the result differs"


class _Runner:
    def __init__(
        self, sandbox: Sandbox, folder: Path, packages: Path | None, args: dict[str, Any]
    ) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._args = args
        self._packages = [] if packages is None else [str(packages)]
        self._permissions = Permissions(
            level=Level.RESTRICTED, read=tuple(self._packages), write=(str(folder),)
        )

    def original(self, text: str, names: list[str]) -> tuple[Outcome, dict[str, bytes]]:
        program = Program(source=_FRAME + _ORIGINAL, function="run_original")
        return self._run(program, {"source": text, "names": names})

    def tool(self, tool: Tool) -> tuple[Outcome, dict[str, bytes]]:
        source = tool.source + _FRAME + _TOOL.format(name=tool.name)
        return self._run(Program(source=source, function="run_tool"), {"given": self._args})

    def _run(self, program: Program, more: dict[str, Any]) -> tuple[Outcome, dict[str, bytes]]:
        lay_out(self._folder, self._args)
        outcome = self._sandbox.call(
            program,
            {"folder": str(self._folder), "packages": self._packages, **more},
            permissions=self._permissions,
            bounds=BOUNDS,
        )
        return outcome, dict(_files(self._folder))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(folder)), path.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """An occurrence as the agent wrote it.

    Attributes:
        text: Imports and literals above it, then its statements, verbatim.
        unchecked: The same without statements that stop the script; `None` where there are none.
        says: Status lines in it: printed texts that are always the same.
        whole: Whether nothing else stands in the script.
    """

    text: str
    unchecked: str | None
    says: set[str]
    whole: bool


def original(source: str, window: Window) -> Fragment:
    """The verbatim text of a window, from its block."""
    tree = ast.parse(source)
    first, last = window.lines
    body = _list_with(tree, first)
    inside = [s for s in body if s.lineno >= first and (s.end_lineno or 0) <= last]
    above = [s for s in _above(tree, first) if s not in inside]
    needed = {n.id for s in inside for n in ast.walk(s) if isinstance(n, ast.Name)}
    head = []
    for stmt in reversed(above):
        if isinstance(stmt, ast.Assign | ast.AnnAssign) and not (_bound(stmt) & needed):
            continue
        if isinstance(stmt, ast.Import | ast.ImportFrom) and not (_bound(stmt) & needed):
            continue
        needed |= {n.id for n in ast.walk(stmt) if isinstance(n, ast.Name)}
        head.append(stmt)
    head.reverse()
    rest = [s for s in tree.body if s not in inside and s not in above]
    stops = [s for s in inside if _stops(s)]
    lines = source.splitlines(keepends=True)
    return Fragment(
        text=_text(lines, head) + _text(lines, inside),
        unchecked=_text(lines, head) + _text(lines, [s for s in inside if s not in stops])
        if stops
        else None,
        says=_says(inside),
        whole=body is tree.body and all(map(_is_status, rest)),
    )


def _above(tree: ast.Module, first: int) -> list[ast.stmt]:
    """Imports anywhere, and plain assignments above, in the order of the text."""
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    assigned = [
        n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AnnAssign) and n.lineno < first
    ]
    return sorted([*found, *assigned], key=lambda n: n.lineno)


def _bound(stmt: ast.stmt) -> set[str]:
    if isinstance(stmt, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).partition(".")[0] for a in stmt.names}
    return {
        n.id for n in ast.walk(stmt) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _text(lines: list[str], stmts: list[Any]) -> str:
    """Statements as they stand, their first indentation taken off."""
    out = []
    for stmt in stmts:
        block = lines[stmt.lineno - 1 : stmt.end_lineno]
        indent = stmt.col_offset
        # Lines inside a text keep theirs: only what is code is moved, which a parse confirms.
        text = "".join(line[indent:] if not line[:indent].strip() else line for line in block)
        if indent and not _same(text, stmt):
            text = ast.unparse(stmt) + "\n"
        out.append(text if text.endswith("\n") else text + "\n")
    return "".join(out)


def _same(text: str, stmt: ast.stmt) -> bool:
    try:
        return ast.dump(ast.parse(text).body[0]) == ast.dump(stmt)
    except SyntaxError:
        return False


def _list_with(tree: ast.Module, line: int) -> list[ast.stmt]:
    """The innermost list of statements with one that begins on a line."""
    found = tree.body
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and any(
                isinstance(s, ast.stmt) and s.lineno == line for s in body
            ):
                found = body
    return found


def _stops(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.If) and any(
        isinstance(n, ast.Name) and n.id in ("exit", "quit", "sys") for n in ast.walk(stmt)
    )


def _is_status(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Expr) and (
        isinstance(stmt.value, ast.Constant) or bool(_says([stmt]))
    )


def _says(stmts: list[ast.stmt]) -> set[str]:
    """What the statements print whatever happens."""
    found: set[str] = set()
    for stmt in stmts:
        for node in ast.walk(stmt):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if node.func.id == "print" and len(texts) == len(node.args):
                found.add(" ".join(map(str, texts)))
    return found


def _live_names(tool: Tool, window: Window) -> list[str]:
    """What the script called each value that the tool returns."""
    by_number = {number: name for name, number in window.own.items()}
    return [by_number[number] for number in tool.given]


def lay_out(folder: Path, args: Mapping[str, Any]) -> None:
    """A folder with what the statements may open: files for paths, packages for app names."""
    # Emptied, not made anew: a sandbox's workers may hold on to the folder itself.
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    texts = [v for v in args.values() if isinstance(v, str)]
    for name, value in sorted(args.items()):
        if isinstance(value, str) and ("path" in name or "file" in name) and _PATH.fullmatch(value):
            path = folder / value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_content(value, texts), encoding="utf-8")
        if "apps" in name and isinstance(value, list):
            for app in value:
                if isinstance(app, str) and _MODULE.fullmatch(app):
                    _app(folder, app)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


def _content(name: str, texts: list[str]) -> str:
    """Lines that tell themselves apart, with every text that may be looked for in the middle."""
    lines = [f"line {i} of {name}\n" for i in range(_LINES)]
    lines[_LINES // 2 : _LINES // 2] = [text + "\n" for text in texts]
    return "".join(lines)


def _app(folder: Path, app: str) -> None:
    """A Django app of that name, unless it is Django's own."""
    if app.startswith("django.") or app == "__main__":
        return
    parts = app.split(".")
    config = parts.pop() if parts[-1][:1].isupper() else ""
    module = parts.pop() if config and len(parts) > 1 else ""
    path = folder
    for part in parts:
        path /= part
        path.mkdir(parents=True, exist_ok=True)
        (path / "__init__.py").touch()
    if config:
        text = (
            f"from django.apps import AppConfig\n\n\nclass {config}(AppConfig):\n"
            f"    name = {'.'.join(parts)!r}\n"
        )
        (path / f"{module or 'apps'}.py").write_text(text, encoding="utf-8")
