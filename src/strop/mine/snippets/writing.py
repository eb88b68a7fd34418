"""From a template to a tool: source, schema, description, and each window's arguments.

The function does what the statements did. It returns what was read afterwards (one value, or an
object of them by name); where nothing was and it prints, it returns that: the value of the one
`print` at its end where it is known to be JSON, else the text. Else it returns null.
Imports stand inside the function. Whether it works is for a sandbox to say, not for this file.

Next file: `mine/snippets/choosing.py`.
"""

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from strop.jsonvalue import Json
from strop.mine.snippets.interface import args_of, default_of, description_of, schema_of
from strop.mine.snippets.names import Imported
from strop.mine.snippets.naming import calls_in, own_names, param_names, phrase
from strop.mine.snippets.results import printed_value
from strop.mine.snippets.templates import OWN, PARAM, Template
from strop.mine.snippets.values import Missing, node_of
from strop.mine.snippets.windows import Window

__all__ = ["Tool", "write_tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A mined tool.

    Attributes:
        name: What it is called.
        description: For the model.
        source: A module that defines it.
        parameters: JSON schema of its arguments.
        calls: What it calls, in order (`calls_in`).
        imports: Top-level modules that it needs.
        header: The lines that import them.
        args: Its arguments in each window; `None` where they are only known when it runs.
        windows: The windows.
        given: Numbers of the own names that it returns.
        gives: What the tool calls them; empty where it returns what it printed, or nothing.
        prints: Whether it returns what the statements printed, as text or as the value itself.
    """

    name: str
    description: str
    source: str
    parameters: dict[str, Json] = field(hash=False)
    calls: tuple[str, ...]
    imports: tuple[str, ...]
    header: tuple[str, ...]
    args: tuple[dict[str, Json] | None, ...] = field(hash=False)
    windows: tuple[Window, ...] = field(hash=False)
    given: tuple[int, ...]
    gives: tuple[str, ...]
    prints: bool


def write_tool(template: Template) -> Tool | None:
    """The tool of a template; `None` where it cannot be written as Python."""
    params = param_names(template)
    own = own_names(template, params)
    named = {f"{PARAM}{i}": name for i, name in enumerate(params)}
    named |= {f"{OWN}{i}": name for i, name in enumerate(own)}
    body = [cast("ast.stmt", _renamed(stmt, named)) for stmt in template.body]
    defaults = [default_of(hole) for hole in template.holes]
    order = sorted(range(len(params)), key=lambda i: not isinstance(defaults[i], Missing))
    given = tuple(_given(template.windows))
    gives = tuple(own[number] for number in given)
    called = calls_in(body, template.imports)
    # Printed beside a result it would be lost, and what was given need not be said back. There is
    # a gram without that statement.
    if _only_prints(body[-1]) and (gives or not _works_out(template.body[-1])):
        return None
    prints = not gives and "print" in called
    first = template.windows[0]
    value = _printed(body) if prints and printed_value(first.stmts, first.unit) else None
    name = phrase(body, template.imports)
    description = description_of(name, called, gives, prints=prints, value=value)
    try:
        source = _source(
            _Function(
                name=name,
                params=[(params[i], defaults[i]) for i in order],
                description=description,
                imports=template.imports,
                body=body,
                gives=gives,
                prints=prints,
                value=value,
            )
        )
    except (ValueError, RecursionError):  # an f-string that this version of Python cannot write
        return None
    return Tool(
        name=name,
        description=description,
        source=source,
        parameters={
            "type": "object",
            "properties": {params[i]: schema_of(template.holes[i], defaults[i]) for i in order},
            "required": [params[i] for i in order if isinstance(defaults[i], Missing)],
            "additionalProperties": False,
        },
        calls=tuple(called),
        imports=tuple(sorted({i.module.partition(".")[0] for i in template.imports.values()})),
        header=tuple(_imports(template.imports)),
        args=tuple(args_of(template.holes, params, row) for row in range(len(template.windows))),
        windows=template.windows,
        given=given,
        gives=gives,
        prints=prints,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    name: str
    params: Sequence[tuple[str, Json | Missing]]
    description: str
    imports: dict[str, Imported]
    body: list[ast.stmt]
    gives: tuple[str, ...]
    prints: bool
    value: ast.expr | None


def _only_prints(stmt: ast.stmt) -> bool:
    if isinstance(stmt, ast.For | ast.If):
        return all(map(_only_prints, (*stmt.body, *stmt.orelse)))
    call = stmt.value if isinstance(stmt, ast.Expr) else None
    func = call.func if isinstance(call, ast.Call) else None
    return isinstance(func, ast.Name) and func.id == "print"


def _works_out(stmt: ast.stmt) -> bool:
    """Whether what prints in a template says more than its parameters."""
    nodes = [*ast.walk(stmt)]
    return sum(isinstance(node, ast.Call) for node in nodes) > 1 or any(
        isinstance(node, ast.Name) and node.id.startswith(OWN) for node in nodes
    )


def _printed(body: Sequence[ast.stmt]) -> ast.expr:
    return cast("ast.Call", cast("ast.Expr", body[-1]).value).args[0]


def _source(made: _Function) -> str:
    imports = _imports(made.imports)
    body = list(made.body)
    if made.value is not None:
        body[-1] = ast.Return(value=made.value)
    elif made.prints:
        imports = sorted({*imports, "import contextlib", "import io"})
        printed = "printed_" if "printed_" not in made.imports else "printed_text_"
        frame = ast.parse(
            f"{printed} = io.StringIO()\nwith contextlib.redirect_stdout({printed}):\n    pass\n"
            f"return {printed}.getvalue().rstrip()"
        ).body
        cast("ast.With", frame[1]).body = body
        body = frame
    elif len(made.gives) == 1:
        body.append(ast.Return(value=ast.Name(id=made.gives[0], ctx=ast.Load())))
    elif made.gives:
        table = ast.Dict(
            keys=[ast.Constant(value=name) for name in made.gives],
            values=[ast.Name(id=name, ctx=ast.Load()) for name in made.gives],
        )
        body.append(ast.Return(value=table))
    function = ast.FunctionDef(
        name=made.name,
        args=ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=name) for name, _ in made.params],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[node_of(d) for _, d in made.params if not isinstance(d, Missing)],
        ),
        body=[
            ast.Expr(value=ast.Constant(value=made.description)),
            *ast.parse("\n".join(imports)).body,
            *body,
        ],
        decorator_list=[],
    )
    source = ast.unparse(ast.fix_missing_locations(ast.Module(body=[function], type_ignores=[])))
    ast.parse(source)
    return source + "\n"


def _imports(imports: dict[str, Imported]) -> list[str]:
    """The lines that import what the names stand for."""
    lines = (line for name, found in sorted(imports.items()) for line in _import(name, found))
    return list(dict.fromkeys(lines))


def _import(name: str, found: Imported) -> list[str]:
    if found.name:
        called = "" if name == found.name else f" as {name}"
        return [f"from {found.module} import {found.name}{called}"]
    if found.also:
        return [f"import {module}" for module in found.also]
    return [
        f"import {found.module}" if name == found.module else f"import {found.module} as {name}"
    ]


def _renamed(node: ast.AST, named: dict[str, str]) -> ast.AST:
    """A tree with its stand-ins replaced by names; the template is not changed."""
    made: dict[str, object] = {}
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            made[name] = [_renamed(v, named) if isinstance(v, ast.AST) else v for v in value]
        elif isinstance(value, ast.AST):
            made[name] = _renamed(value, named)
        elif isinstance(value, str) and not isinstance(node, ast.Constant):
            made[name] = named.get(value, value)
        else:
            made[name] = value
    return node.__class__(**made)


def _given(windows: Sequence[Window]) -> list[int]:
    """Own names that half of the windows' blocks read afterwards, in order."""
    times = Counter(number for window in windows for number in window.live)
    return sorted(number for number, count in times.items() if count * 2 >= len(windows))
