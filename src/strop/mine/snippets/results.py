"""Which names hold values that JSON can carry, as far as the code tells.

A tool can only return JSON. Where a later line reads a name that holds an open file, a model class
or a symbolic expression, its statements are no tool. What is not known to be JSON counts as not.

Next file: `mine/snippets/windows.py`.
"""

import ast
from collections.abc import Callable, Sequence

from strop.mine.snippets.normal import Unit
from strop.mine.snippets.trees import OWN_NAMES, binders_of, root_of
from strop.mine.snippets.values import kind_of

__all__ = ["opaque_names"]

_BUILTINS = frozenset(
    "len int float str bool sorted list sum min max round abs any all repr ord chr".split()  # noqa: SIM905 - words
)
_METHODS = frozenset(
    (  # noqa: SIM905 - words
        "read readline readlines splitlines strip lstrip rstrip replace join split rsplit format"
        " count index find rfind startswith endswith lower upper title copy read_text getvalue"
        " hexdigest decode isdigit expandtabs"
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
    ("stdout", "stderr", "returncode", "lineno", "version", "__name__", "__version__")
)
_VALUES = (ast.JoinedStr, ast.Compare, ast.Constant)


def opaque_names(stmts: Sequence[ast.stmt], unit: Unit) -> set[str]:
    """Names bound by the statements whose values are not known to be JSON."""
    plain: dict[str, bool] = {}
    for stmt in stmts:
        for node in binders_of(stmt, unit).nodes:
            _bind(node, unit, plain)
    return {name for name, is_plain in plain.items() if not is_plain}


def _bind(  # noqa: C901 - a case per statement
    node: ast.AST, unit: Unit, plain: dict[str, bool]
) -> None:
    def note(target: ast.AST, value: bool) -> None:  # noqa: FBT001 - one helper, used below
        for name in ast.walk(target):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                plain[name.id] = plain.get(name.id, True) and value

    match node:
        case ast.Assign():
            for target in node.targets:
                note(target, _is_plain(node.value, unit, plain.get))
        case ast.AugAssign() | ast.AnnAssign() | ast.NamedExpr():
            value = node.value
            note(node.target, value is not None and _is_plain(value, unit, plain.get))
        case ast.For() | ast.comprehension():
            note(node.target, _is_plain(node.iter, unit, plain.get))
        case ast.withitem() if node.optional_vars is not None:
            note(node.optional_vars, False)
        case _ if node.__class__ in OWN_NAMES:
            name = getattr(node, OWN_NAMES[node.__class__])
            if name is not None:
                plain[name] = False


def _is_plain(  # noqa: C901, PLR0912 - a case per expression
    node: ast.expr, unit: Unit, known: Callable[[str], bool | None]
) -> bool:
    if isinstance(node, _VALUES) or kind_of(node) is not None:
        return True
    match node:
        case ast.Name():
            return known(node.id) is not False and node.id not in unit.imports
        case ast.List():
            return all(_is_plain(item, unit, known) for item in node.elts)
        case ast.Dict():
            return all(_is_plain(item, unit, known) for item in node.values)
        case ast.ListComp():
            return _is_plain(node.elt, unit, known)
        case ast.BinOp():
            return _is_plain(node.left, unit, known) and _is_plain(node.right, unit, known)
        case ast.BoolOp():
            return all(_is_plain(item, unit, known) for item in node.values)
        case ast.UnaryOp():
            return _is_plain(node.operand, unit, known)
        case ast.IfExp():
            return _is_plain(node.body, unit, known) and _is_plain(node.orelse, unit, known)
        case ast.Subscript():
            return _is_plain(node.value, unit, known)
        case ast.Attribute():
            return node.attr in _FIELDS
        case ast.Call():
            return _is_plain_call(node, unit, known)
        case _:
            return False


def _is_plain_call(node: ast.Call, unit: Unit, known: Callable[[str], bool | None]) -> bool:
    func = node.func
    if isinstance(func, ast.Name):
        if func.id in unit.imports:
            return unit.imports[func.id].path in _PLAIN
        if func.id in ("enumerate", "range", "zip", "reversed"):
            return all(_is_plain(item, unit, known) for item in node.args)
        return func.id in _BUILTINS and func.id not in unit.bound
    root = root_of(func)
    if root is not None and root.id in unit.imports:
        dotted = unit.imports[root.id].path + ast.unparse(func)[len(root.id) :]
        return dotted in _PLAIN
    return isinstance(func, ast.Attribute) and func.attr in _METHODS
