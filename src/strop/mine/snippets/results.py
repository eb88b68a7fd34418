"""Which names hold values that JSON can carry, as far as the code tells.

A tool can only return JSON. Where a later line reads a name that holds an open file, a model class
or a symbolic expression, its statements are no tool. What is not known to be JSON counts as not.

Next file: `mine/snippets/windows.py`.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from strop.mine.snippets.normal import Unit
from strop.mine.snippets.trees import OWN_NAMES, binders_of, root_of
from strop.mine.snippets.values import kind_of

__all__ = ["is_silent", "opaque_names", "printed_value"]

_BUILTINS = frozenset(
    "len int float str bool sorted list sum min max round abs any all repr ord chr".split()  # noqa: SIM905 - words
)
_METHODS = frozenset(
    (  # noqa: SIM905 - words
        "read readline readlines splitlines strip lstrip rstrip replace join split rsplit format"
        " count index find rfind startswith endswith lower upper title copy read_text getvalue"
        " hexdigest decode isdigit expandtabs json"
    ).split()
)
_PLAIN = frozenset(
    (  # noqa: SIM905 - words
        "json:loads json.loads json:dumps json.dumps json:load json.load os:listdir os.listdir"
        " os:getcwd os.getcwd re:findall re.findall re:sub re.sub os.path:join os.path:exists"
        " time:time time.time os:path.join os.path.join os.path.exists os.path.isfile"
        " os.path.dirname os.path.basename os.path.abspath os.path.getsize textwrap:dedent"
        " textwrap.dedent platform.platform platform.system platform.machine shutil.which"
    ).split()
)
_FIELDS = frozenset(
    (  # noqa: SIM905 - words
        "stdout stderr returncode lineno version __name__ __version__ text status_code"
    ).split()
)
_PASSED_ON = frozenset(("get", "pop"))  # methods that give what their owner holds
# Methods that are plain even where bytes are read.
_OF_BYTES = frozenset(
    "decode hexdigest count index find rfind startswith endswith isdigit json".split()  # noqa: SIM905 - words
)
_VALUES = (ast.JoinedStr, ast.Compare, ast.Constant)


def opaque_names(stmts: Sequence[ast.stmt], unit: Unit) -> set[str]:
    """Names bound by the statements whose values are not known to be JSON."""
    return {name for name, is_plain in _known(stmts, unit).names.items() if not is_plain}


def printed_value(stmts: Sequence[ast.stmt], unit: Unit) -> bool:
    """Whether all that the statements print is one value, last of all, that is known to be JSON.

    A function can then return the value itself.
    """
    call = stmts[-1].value if isinstance(stmts[-1], ast.Expr) else None
    if not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
        return False
    prints = [n for s in stmts for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == "print"]
    if prints != [call.func] or isinstance(call.args[0], ast.Starred):
        return False
    return _is_plain(call.args[0], _known(stmts, unit))


def is_silent(stmts: Sequence[ast.stmt], unit: Unit) -> bool:
    """Whether it is certain that statements print nothing: they call only what is known."""
    known = _known(stmts, unit)
    calls = [n for stmt in stmts for n in ast.walk(stmt) if isinstance(n, ast.Call)]
    return all(_is_plain_call(call, known) for call in calls)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a window: which names are plain, and whether it reads bytes anywhere."""

    unit: Unit
    binary: bool
    names: dict[str, bool]


def _known(stmts: Sequence[ast.stmt], unit: Unit) -> _Known:
    known = _Known(unit, any(binders_of(stmt, unit).binary for stmt in stmts), {})
    for stmt in stmts:
        for node in binders_of(stmt, unit).nodes:
            _bind(node, known)
    return known


def _bind(node: ast.AST, known: _Known) -> None:  # noqa: C901 - a case per statement
    plain = known.names

    def note(target: ast.AST, value: bool) -> None:  # noqa: FBT001 - one helper, used below
        for name in ast.walk(target):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                plain[name.id] = plain.get(name.id, True) and value

    match node:
        case ast.Assign():
            for target in node.targets:
                note(target, _is_plain(node.value, known))
        case ast.AugAssign() | ast.AnnAssign() | ast.NamedExpr():
            value = node.value
            note(node.target, value is not None and _is_plain(value, known))
        case ast.For() | ast.comprehension():
            note(node.target, _is_plain(node.iter, known))
        case ast.withitem() if node.optional_vars is not None:
            note(node.optional_vars, False)
        case _ if node.__class__ in OWN_NAMES:
            name = getattr(node, OWN_NAMES[node.__class__])
            if name is not None:
                plain[name] = False


def _is_plain(node: ast.expr, known: _Known) -> bool:  # noqa: C901, PLR0912 - a case per expression
    if isinstance(node, _VALUES) or kind_of(node) is not None:
        return True
    match node:
        case ast.Name():
            return known.names.get(node.id) is not False and node.id not in known.unit.imports
        case ast.List():
            return all(_is_plain(item, known) for item in node.elts)
        case ast.Dict():
            return all(_is_plain(item, known) for item in node.values)
        case ast.ListComp():
            return _is_plain(node.elt, known)
        case ast.BinOp():
            return _is_plain(node.left, known) and _is_plain(node.right, known)
        case ast.BoolOp():
            return all(_is_plain(item, known) for item in node.values)
        case ast.UnaryOp():
            return _is_plain(node.operand, known)
        case ast.IfExp():
            return _is_plain(node.body, known) and _is_plain(node.orelse, known)
        case ast.Subscript():
            return _is_plain(node.value, known)
        case ast.Attribute():
            return node.attr in _FIELDS
        case ast.Call():
            return _is_plain_call(node, known)
        case _:
            return False


def _is_plain_call(node: ast.Call, known: _Known) -> bool:
    func, unit = node.func, known.unit
    if isinstance(func, ast.Name):
        if func.id in unit.imports:
            return unit.imports[func.id].path in _PLAIN
        if func.id in ("enumerate", "range", "zip", "reversed"):
            return all(_is_plain(item, known) for item in node.args)
        return func.id in _BUILTINS and func.id not in unit.bound
    root = root_of(func)
    if root is not None and root.id in unit.imports:
        dotted = unit.imports[root.id].path + ast.unparse(func)[len(root.id) :]
        return dotted in _PLAIN
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr in _PASSED_ON:
        return _is_plain(func.value, known)
    return func.attr in (_OF_BYTES if known.binary else _METHODS)
