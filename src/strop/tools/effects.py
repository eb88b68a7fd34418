"""What a code tool's source uses beyond computing: files, network, processes; and what it needs.

A guess from names, made to explain early and to fill in a declaration. Code that wants to can get
around it; what protects is the sandbox, where the operating system decides.

Next file: `tools/checks.py`.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from strop.errors import BadInput
from strop.permission import Level, Permissions
from strop.sandbox.base import SCRATCH
from strop.tools.source import parse

__all__ = ["Effect", "effects_of", "infer_needs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One use of something outside.

    Attributes:
        line: Of the source, from 1.
        what: What it does, in words: ``writes a file (open)``.
        level: The lowest level that allows it; `None` where none does.
        path: Folder of the host that it names, if it does.
    """

    line: int
    what: str
    level: Level | None
    path: str | None = None


_NETWORK = (
    *("socket", "ssl", "select", "selectors", "socketserver", "http.client", "http.server"),
    *("urllib.request", "urllib3", "requests", "httpx", "httpx2", "aiohttp", "websocket"),
    *("websockets", "ftplib", "smtplib", "poplib", "imaplib", "telnetlib", "nntplib", "xmlrpc"),
    *("paramiko", "webbrowser", "asyncio.open_connection", "asyncio.start_server", "boto3"),
)
_PROCESSES = (
    *("subprocess", "multiprocessing", "concurrent.futures.ProcessPoolExecutor", "pty"),
    *("os.system", "os.popen", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.startfile"),
    *("os.execl", "os.execle", "os.execlp", "os.execlpe", "os.execv", "os.execve", "os.execvp"),
    *("os.execvpe", "os.spawnl", "os.spawnle", "os.spawnlp", "os.spawnlpe", "os.spawnv"),
    *("os.spawnve", "os.spawnvp", "os.spawnvpe", "os.posix_spawn", "os.posix_spawnp"),
    *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
)
_INTERPRETER = (
    *("ctypes", "cffi", "_ctypes", "mmap", "signal", "resource", "fcntl", "sys.settrace"),
    *("sys.setprofile", "sys.modules", "sys._getframe", "os._exit", "os.abort", "importlib"),
    *("code.interact", "runpy", "site", "gc.get_objects"),
)
_CODE = ("eval", "exec", "compile", "__import__", "globals", "vars", "breakpoint", "input")
_WRITES = (
    *("os.remove", "os.unlink", "os.rename", "os.renames", "os.replace", "os.mkdir"),
    *("os.makedirs", "os.rmdir", "os.removedirs", "os.symlink", "os.link", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "os.mkfifo", "os.mknod", "os.open"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move"),
    *("shutil.rmtree", "shutil.make_archive", "shutil.unpack_archive", "tempfile", "shelve.open"),
    *("dbm.open", "logging.FileHandler"),
)
# Methods of `pathlib.Path`, whatever they are called on.
_WRITING_METHODS = {
    *("write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir", "symlink_to"),
    *("hardlink_to", "to_csv", "to_parquet", "to_excel", "savefig"),
}
_HIDDEN = {
    *("__subclasses__", "__globals__", "__builtins__", "__code__", "__closure__", "__bases__"),
    *("__mro__", "__loader__", "__import__", "__reduce__", "f_globals", "f_locals", "gi_frame"),
}

_RULES: tuple[tuple[tuple[str, ...], str, Level | None], ...] = (
    (_NETWORK, "uses the network", Level.FULL),
    (_PROCESSES, "starts or ends processes", None),
    (_INTERPRETER, "reaches into the interpreter or the system", None),
    (_WRITES, "writes files", Level.RESTRICTED),
)
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}


def infer_needs(source: str) -> Permissions:
    """What code seems to need: writing makes `Level.RESTRICTED` of it, a network `Level.FULL`.

    Hosts are those of URLs that stand in it, folders those of absolute paths that it opens. Only a
    guess: a URL may be put together, and then the hosts stay open (any), for a person to fill in.

    Raises:
        BadInput: The source does not parse.
    """
    tree = parse(source)
    found = effects_of(tree)
    levels = [effect.level for effect in found if effect.level is not None]
    level = max(levels, key=lambda at: at.rank, default=Level.SANDBOX)
    paths = {(e.level is Level.RESTRICTED, e.path) for e in found if e.path is not None}
    return Permissions(
        level=level,
        read=tuple(path for written, path in paths if not written),
        write=tuple(path for written, path in paths if written),
        hosts=tuple(_hosts(tree)) if level is Level.FULL else (),
    )


def effects_of(tree: ast.Module) -> tuple[Effect, ...]:
    """What code uses beyond computing, by line."""
    names = _imported(tree)
    found = [effect for node in ast.walk(tree) for effect in _effects(node, names)]
    return tuple(sorted(set(found), key=lambda e: (e.line, e.what, str(e.level), str(e.path))))


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, dotted: ``from os import system as s`` makes one of s."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".", 1)[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _effects(node: ast.AST, names: dict[str, str]) -> Iterator[Effect]:
    match node:
        case ast.Import(names=aliases, lineno=line):
            for alias in aliases:
                yield from _of_name(alias.name, line)
        case ast.ImportFrom(module=str(module), names=aliases, lineno=line):
            for alias in aliases:
                yield from _of_name(f"{module}.{alias.name}", line)
        case ast.Attribute(attr=attr, lineno=line):
            if attr in _HIDDEN:
                yield Effect(line=line, what=f"reaches into the interpreter ({attr})", level=None)
            dotted = _dotted(node, names)
            if dotted is not None:
                yield from _of_name(dotted, line)
        case ast.Name(id=name, lineno=line) if name in _HIDDEN:
            yield Effect(line=line, what=f"reaches into the interpreter ({name})", level=None)
        case ast.Call():
            yield from _of_call(node, names)


def _of_name(dotted: str, line: int) -> Iterator[Effect]:
    """What a dotted name stands for: it, or the module that it is in, is in a table."""
    for table, what, level in _RULES:
        for known in table:
            if dotted == known or dotted.startswith(f"{known}."):
                yield Effect(line=line, what=f"{what} ({known})", level=level)
                return


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """``o.path.join`` as ``os.path.join``; `None` where it does not begin with an imported name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])


def _of_call(call: ast.Call, names: dict[str, str]) -> Iterator[Effect]:
    line, called = call.lineno, call.func
    if isinstance(called, ast.Name):
        if called.id in _CODE and called.id not in names:
            yield Effect(
                line=line, what=f"runs or reads code at run time ({called.id})", level=None
            )
        if called.id in names:
            yield from _of_name(names[called.id], line)
        if called.id == "open":
            yield from _of_open(call, _literal(call, 0, "file"), _literal(call, 1, "mode"))
    elif isinstance(called, ast.Attribute):
        path = _path_of(called.value, names)
        if called.attr in _WRITING_METHODS:
            yield _file(line, called.attr, writes=True, path=path)
        elif called.attr in ("read_text", "read_bytes", "iterdir", "glob", "rglob"):
            yield from _reads(line, called.attr, path)
        elif called.attr == "open" and _dotted(called, names) in (None, "io.open", "gzip.open"):
            module = _dotted(called, names) is not None
            mode = _literal(call, int(module), "mode")
            yield from _of_open(call, _literal(call, 0, "file") if module else path, mode)


def _of_open(call: ast.Call, path: str | None, mode: str | None) -> Iterator[Effect]:
    if mode is not None and set(mode) & set("wax+"):
        yield _file(call.lineno, "open", writes=True, path=path)
    else:
        yield from _reads(call.lineno, "open", path)


def _reads(line: int, how: str, path: str | None) -> Iterator[Effect]:
    """Reading is allowed on every level; which folders must be said."""
    if _folder(path) is not None:
        yield _file(line, how, writes=False, path=path)


def _file(line: int, how: str, *, writes: bool, path: str | None) -> Effect:
    return Effect(
        line=line,
        what=f"{'writes' if writes else 'reads'} files ({how})",
        level=Level.RESTRICTED if writes else Level.SANDBOX,
        path=_folder(path),
    )


def _folder(path: str | None) -> str | None:
    """The folder of the host that an absolute path is in; the scratch folder needs no grant."""
    if path is None or not path.startswith("/") or path.startswith((f"{SCRATCH}/", "//")):
        return None
    folder = PurePosixPath(path).parent if PurePosixPath(path).suffix else PurePosixPath(path)
    odd = ".." in folder.parts or "\0" in path or str(folder) in ("/", SCRATCH)
    return None if odd else str(folder)


def _literal(call: ast.Call, position: int, name: str) -> str | None:
    """A text that stands as an argument."""
    given: Iterable[ast.expr] = call.args[position : position + 1] or (
        keyword.value for keyword in call.keywords if keyword.arg == name
    )
    for node in given:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
    return None


def _path_of(node: ast.expr, names: dict[str, str]) -> str | None:
    """The text in ``Path("...")``."""
    if not isinstance(node, ast.Call):
        return None
    called = node.func
    is_name = isinstance(called, ast.Name) and names.get(called.id) == "pathlib.Path"
    is_path = is_name or _dotted(called, names) == "pathlib.Path"
    return _literal(node, 0, "path") if is_path else None


def _hosts(tree: ast.Module) -> Iterator[str]:
    """``host:port`` of the URLs that stand in the code as texts, documentation included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _host(node.value)


def _host(text: str) -> Iterator[str]:
    try:
        url = urlsplit(text.strip())
        host, port = url.hostname, url.port or _PORTS.get(url.scheme)
    except ValueError:  # no URL after all
        return
    if url.scheme in _PORTS and host and port and "{" not in host:
        try:
            Permissions(level=Level.FULL, hosts=(f"{host}:{port}",))
        except BadInput:
            return
        yield f"{host}:{port}"
