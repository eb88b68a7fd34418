"""Names for a mined tool, its parameters and its variables; always the same for the same windows.

A parameter is called what agents called its value, or the keyword it was given by, or what its
place says (the first argument of `open` is a path). A tool is called for what it calls, as a verb
phrase; for a request, after the end of the URL's path. Nothing here looks at what the code means.

Next file: `mine/snippets/interface.py`.
"""

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from strop.mine.snippets.names import Imported
from strop.mine.snippets.templates import Hole, Template
from strop.mine.snippets.trees import children, root_of

__all__ = ["calls_in", "own_names", "param_names", "phrase"]

_PLACES = {
    "open 0": "path",
    "open 1": "mode",
    "insert 0": "index",
    "insert 1": "text",
    "replace 0": "old",
    "replace 1": "new",
    "write 0": "text",
    "writelines 0": "lines",
    "sub 0": "pattern",
    "sub 1": "replacement",
    "sub 2": "text",
    "join 0": "parts",
    "split 0": "separator",
    "append 0": "item",
    "print 0": "message",
    "startswith 0": "prefix",
    "endswith 0": "suffix",
    "find 0": "wanted",
    "run 0": "command",
    "call_command 0": "command",
    "import_module 0": "module",
    "getattr 1": "attribute",
    "hasattr 1": "attribute",
}
_TAKEN = frozenset((*dir(builtins), *keyword.kwlist, *keyword.softkwlist, "self", "cls"))
_LONGEST = 36
_WORD = re.compile(r"[^a-z0-9_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def param_names(template: Template) -> list[str]:
    """A name for each hole: an identifier, no keyword or builtin, no two the same."""
    reserved = {_favourite(counts) for counts in template.own} | set(template.imports)
    names: list[str] = []
    for hole in template.holes:
        wanted = _wanted(hole, reserved)
        names.append(_free(wanted, {*names, *template.imports}))
    return names


def own_names(template: Template, taken: Iterable[str]) -> list[str]:
    """A name for each variable of the body: what most agents called it, if that is free."""
    used = {*taken, *template.imports}
    names: list[str] = []
    for counts in template.own:
        names.append(_free(_favourite(counts), {*used, *names}))
    return names


def phrase(body: Sequence[ast.stmt], imports: dict[str, Imported]) -> str:
    """What the statements do, as an identifier that begins with a verb.

    Args:
        body: The statements, with their final names.
        imports: What the imported names in them stand for.
    """
    called = calls_in(body, imports)
    short = [call.rpartition(".")[2].rpartition(":")[2] for call in called]
    reads = any(name in ("readlines", "read", "read_text") for name in short)
    writes = any(name in ("writelines", "write", "write_text") for name in short)
    stem = ""
    if writes:
        stem = next((said for op, said in _EDITS if op in called or op in short), "")
        if reads:
            stem = f"{stem or 'rewrite'}_in_file" if stem != "rewrite_file" else stem
        else:
            stem = f"{stem}_and_write_file" if stem else "write_file"
    elif reads and set(short) <= {"open", "readlines", "read", "read_text"}:
        stem = "read_lines" if "readlines" in short else "read_file"
    elif reads and "enumerate" in short:
        stem = "search_lines_of_file"
    stem = stem or _requested(body, called) or _acts(called) or "run_snippet"
    return _free(_identifier(stem), set())


def _acts(called: Sequence[str]) -> str:
    """The first two things that are done; the last one where both together are long."""
    acts = [call for call in called if _works(call)]
    acts = [call for call in acts if not _PREPARES.match(call)] or acts
    acts = [call for call in acts if not _PLUMBING.search(call)] or acts
    words = list(dict.fromkeys(map(_act, acts)))
    stem = "_and_".join(words[:2])
    return stem if len(stem) <= _LONGEST else words[-1]


def _requested(body: Sequence[ast.stmt], called: Sequence[str]) -> str:
    """A request by the telling end of its URL's path: ``request_find`` for ``.../v2/_find?``."""
    asked = [call.replace(":", ".").rpartition(".")[2] for call in called if _NETWORK.match(call)]
    if not asked:
        return ""
    verb = next((name for name in asked if name in _VERBS), "request")
    end = ""
    for text in _texts_in(body):
        path = _URL.match(text)
        parts = _WORD.sub(" ", path[1].lower()).split() if path else []
        end = next((p.strip("_") for p in reversed(parts) if _TELLING.fullmatch(p)), end)
    return f"{verb}_{end}" if end else ""


def _texts_in(body: Sequence[ast.stmt]) -> list[str]:
    """The texts in the statements, in order; of an f-string all that is fixed."""
    found: list[str] = []
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.JoinedStr):
            found.append("/".join(str(n.value) for n in node.values if isinstance(n, ast.Constant)))
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                found.append(node.value)
        else:
            stack += reversed(children(node))
    return found


_NETWORK = re.compile(r"(?:urllib\.request|requests|httpx|http\.client|urllib3|aiohttp)\b")
_VERBS = ("get", "post", "put", "patch", "delete")
_URL = re.compile(r"(?:https?://[^/?#\s]{1,300})?(/[^?#\s]{1,300})")
_TELLING = re.compile(r"_*(?!v\d|api_*$|html?_*$|json_*$)[a-z][a-z0-9_]{2,23}")


_EDITS = (
    ("slice_store", "replace_lines"),
    ("insert", "insert_lines"),
    ("sub", "substitute_text"),
    ("replace", "replace_text"),
    ("append", "rewrite_lines"),
    ("join", "join_lines"),
)


_OF_PATHS = frozenset(("os", "shutil", "path"))
# What only gets the work ready.
_PREPARES = re.compile(r"sys\.path\.|os\.(?:getcwd|path|environ)")
# What only changes the form in which things are handed on.
_PLUMBING = re.compile(
    r"^(?:urllib\.parse|json|io|contextlib|base64|textwrap)\b|^re[:.]compile$|[:.]Request$"
    r"|^\.(?:read|decode|encode|strip|split|join|format|get|items|keys|values|json|copy)$"
)


def calls_in(body: Sequence[ast.stmt], imports: dict[str, Imported]) -> list[str]:
    """What is called, in order: ``django.conf:settings.configure``, ``.readlines``, ``open``.

    Assigning to a slice or an item counts as a call, of ``slice_store`` and ``item_store``.
    """
    found: list[str] = []
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call):
            called = _called(node.func, imports)
            if called != ".items" or not _is_table(node.func):
                found.append(called)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            found.append("slice_store" if isinstance(node.slice, ast.Slice) else "item_store")
        stack += reversed(children(node))
    return found


def _is_table(func: ast.expr) -> bool:
    """Whether this goes through the optional keywords that `unify.py` writes as a table."""
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Dict)


def _called(func: ast.expr, imports: dict[str, Imported]) -> str:
    root = root_of(func)
    if root is not None and root.id in imports:
        return imports[root.id].path + _text(func)[len(root.id) :]
    if isinstance(func, ast.Attribute):
        return f".{func.attr}"
    return func.id if isinstance(func, ast.Name) else "call"


def _text(node: ast.AST) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id if isinstance(node, ast.Name) else "", *reversed(parts)])


def _works(call: str) -> bool:
    return call not in _TAKEN and call not in ("slice_store", "item_store", ".items")


def _act(call: str) -> str:
    """One call as a verb with its object."""
    owner, _, name = call.replace(":", ".").rpartition(".")
    if name[:1].isupper():
        return f"make_{name}"
    if "_" in name or not owner:
        return name
    owner = owner.rpartition(".")[2]
    return f"{name}_{'path' if owner in _OF_PATHS else owner}"


def _favourite(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name)) if counts else "value"


def _wanted(hole: Hole, reserved: set[str]) -> str:
    if hole.rest:
        return "options"
    ranked = sorted(hole.hints, key=lambda name: (-hole.hints[name], name))
    said = [name for name in ranked if name not in reserved and len(name) > 1]
    place = _PLACES.get(hole.place)
    if said and (place is None or hole.hints[said[0]] >= 2):
        return said[0]
    if place is not None:
        return place
    called, _, number = hole.place.partition(" ")
    if number:
        return f"{called.lower()}_argument"
    return called.lower()


def _identifier(text: str) -> str:
    words = _WORD.sub("_", _CAMEL.sub("_", text).lower()).strip("_")
    words = re.sub(r"__+", "_", words)
    while len(words) > _LONGEST and "_" in words:  # whole words only
        words = words.rpartition("_")[0]
    words = words[:_LONGEST].strip("_")
    return words if words and not words[0].isdigit() else f"value_{words}".rstrip("_")


def _free(wanted: str, taken: set[str]) -> str:
    """An identifier near `wanted` that is not taken."""
    name = _identifier(wanted)
    if name in _TAKEN:
        name = f"{name}_value"
    number = 2
    found = name
    while found in taken or found in _TAKEN:
        found, number = f"{name}_{number}", number + 1
    return found
