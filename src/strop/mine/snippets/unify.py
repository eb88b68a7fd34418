"""Anti-unification: what windows have in common, with a parameter where they differ.

The least general generalisation of n terms (Plotkin, "A Note on Inductive Generalization", 1970;
Reynolds, 1970): where all agree the term is kept, where they differ a variable stands, and equal
tuples of differing terms share one variable. So a path that is opened twice is one parameter.
Keyword arguments that only some windows give become optional ones.

It makes a tree with `Hole`s in it; naming them is `naming.py`, writing the code `writing.py`.

Next file: `mine/snippets/naming.py`.
"""

import ast
from collections import Counter
from collections.abc import Sequence
from typing import cast

from strop.jsonvalue import Json, JsonObject, canonical, is_object
from strop.mine.snippets.names import Imported
from strop.mine.snippets.normal import origin_of
from strop.mine.snippets.templates import (
    ABSENT,
    OWN,
    PARAM,
    Absent,
    Hole,
    Template,
    alike,
    differing,
    place_of,
)
from strop.mine.snippets.trees import OWN_NAMES, is_open_call
from strop.mine.snippets.values import Missing, kind_of, literal, node_of
from strop.mine.snippets.windows import Window, is_hole

__all__ = ["unified"]

_OFTEN = 0.15
"""Share of windows from which an optional keyword is a parameter of its own."""
_DESCEND = 4
"""Values that may differ in one object before it is one parameter."""


def unified(windows: Sequence[Window]) -> Template:
    """The template of windows of one shape and one pattern, two or more."""
    made = _Unifier(windows)
    body = [
        cast("ast.stmt", made.node([window.stmts[i] for window in windows], ""))
        for i in range(len(windows[0].stmts))
    ]
    own = [Counter[str]() for _ in windows[0].own]
    seen: set[tuple[int, str, int]] = set()
    for window in windows:
        for name, number in window.own.items():
            if (window.task, name, number) not in seen:  # what one task repeats, it says once
                seen.add((window.task, name, number))
                own[number][name] += 1
    return Template(
        body=body, holes=made.holes, own=own, imports=made.imports, windows=tuple(windows)
    )


class _Unifier:
    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._known: dict[tuple[str, ...], int] = {}
        self.holes: list[Hole] = []
        self.imports: dict[str, Imported] = {}

    def node(  # noqa: C901 - a case per kind of field
        self, nodes: Sequence[ast.AST], place: str
    ) -> ast.AST:
        """The generalisation of one node of each window; `place` says where it stands."""
        first, window = nodes[0], self._windows[0]
        if is_hole(first, window.unit, window.own):
            return self._value(nodes, place)
        if isinstance(first, ast.Name):
            return self._name(first, window)
        if isinstance(first, ast.Call) and is_open_call(first, window.unit):
            return self._open(cast("Sequence[ast.Call]", nodes))
        made: dict[str, object] = {}
        own = OWN_NAMES.get(first.__class__)
        for name in first._fields:
            value = getattr(first, name, None)
            if name in ("annotation", "returns", "type_comment"):
                made[name] = None
            elif isinstance(value, list):
                made[name] = [
                    self.node([getattr(n, name)[i] for n in nodes], place_of(first, name, i))
                    if isinstance(item, ast.AST)
                    else item
                    for i, item in enumerate(value)
                ]
            elif isinstance(value, ast.AST) and value._fields:
                made[name] = self.node(
                    [getattr(n, name) for n in nodes], place_of(first, name, None)
                )
            elif name == own and isinstance(value, str):
                made[name] = f"{OWN}{window.own[value]}"
            else:
                made[name] = value
        built = first.__class__(**made)
        if isinstance(built, ast.JoinedStr):
            return _joined(built)
        if isinstance(built, ast.FormattedValue) and built.format_spec is not None:
            spec = built.format_spec
            if not isinstance(spec, ast.JoinedStr):
                built.format_spec = _joined(ast.JoinedStr(values=[spec]))
        return built

    def _name(self, first: ast.Name, window: Window) -> ast.AST:
        name = first.id
        if name in window.own:
            name = f"{OWN}{window.own[name]}"
        elif name in window.unit.imports:
            name = self._import(window.unit.imports[name])
        return ast.Name(id=name, ctx=first.ctx)

    def _import(self, found: Imported) -> str:
        """The name by which the tool has what is imported: its own, whatever agents called it."""
        name = found.name or found.module.rpartition(".")[2]
        name = name if found.name or not found.also else found.module
        for number in range(1, 100):
            wanted = name if number == 1 else f"{name}_{number}"
            held = self.imports.setdefault(wanted, found)
            if held.path == found.path:
                also = tuple(sorted({*held.also, *found.also}))
                self.imports[wanted] = Imported(module=found.module, name=found.name, also=also)
                return wanted
        return name

    def _value(self, nodes: Sequence[ast.AST], place: str) -> ast.AST:
        values: list[Json | Missing] = [literal(node) for node in nodes]
        keys = tuple(
            f"name {cast('ast.Name', node).id}" if isinstance(value, Missing) else canonical(value)
            for node, value in zip(nodes, values, strict=True)
        )
        if not isinstance(values[0], Missing) and len(set(keys)) == 1:
            return node_of(values[0])
        objects = [value for value in values if is_object(value)]
        if len(objects) == len(values) and alike(objects) and differing(objects) <= _DESCEND:
            return self._object(objects)
        hole = self._hole(keys, list(values), place)
        said = {
            (window.task, node.id if isinstance(node, ast.Name) else origin_of(node))
            for window, node in zip(self._windows, nodes, strict=True)
        }
        self.holes[hole].hints.update(name for _, name in said if name)
        return ast.Name(id=f"{PARAM}{hole}", ctx=ast.Load())

    def _object(self, objects: Sequence[JsonObject]) -> ast.Dict:
        """Objects with the same keys: parameters only for what differs, called by their keys."""
        made: list[ast.expr] = []
        for key in objects[0]:
            column = [held[key] for held in objects]
            keys = tuple(map(canonical, column))
            inner = [value for value in column if is_object(value)]
            if len(set(keys)) == 1:
                made.append(node_of(column[0]))
            elif len(inner) == len(column):
                made.append(self._object(inner))
            else:
                hole = self._hole(keys, list(column), "_".join(key.split()) or "value")
                made.append(ast.Name(id=f"{PARAM}{hole}", ctx=ast.Load()))
        return ast.Dict(keys=[ast.Constant(value=key) for key in objects[0]], values=made)

    def _hole(
        self, keys: tuple[str, ...], values: list[Json | Missing | Absent], place: str
    ) -> int:
        number = self._known.setdefault(keys, len(self.holes))
        if number == len(self.holes):
            self.holes.append(Hole(values=values, place=place))
        return number

    def _open(self, calls: Sequence[ast.Call]) -> ast.AST:
        """A call of something imported: literal keywords may be there or not."""
        first = calls[0]
        func = self.node([call.func for call in calls], "func")
        args = [
            self.node([call.args[i] for call in calls], place_of(first, "args", i))
            for i in range(len(first.args))
        ]
        loose = [
            {str(k.arg): k.value for k in call.keywords if kind_of(k.value) is not None}
            for call in calls
        ]
        keywords = self._kept(calls)
        times = Counter(name for given in loose for name in given)
        always = [name for name in loose[0] if times[name] == len(calls)]
        keywords += [
            ast.keyword(
                arg=name,
                value=cast("ast.expr", self.node([given[name] for given in loose], name)),
            )
            for name in always
        ]
        keywords += self._sometimes(loose, times, set(always))
        return ast.Call(
            func=cast("ast.expr", func), args=cast("list[ast.expr]", args), keywords=keywords
        )

    def _kept(self, calls: Sequence[ast.Call]) -> list[ast.keyword]:
        """Keywords that are no literals: they stand in the shape, so all calls have them."""
        rows = [[k for k in call.keywords if kind_of(k.value) is None] for call in calls]
        return [
            ast.keyword(
                arg=rows[0][i].arg,
                value=cast("ast.expr", self.node([r[i].value for r in rows], str(rows[0][i].arg))),
            )
            for i in range(len(rows[0]))
        ]

    def _sometimes(
        self, loose: Sequence[dict[str, ast.expr]], times: Counter[str], always: set[str]
    ) -> list[ast.keyword]:
        """What some calls give: parameters for frequent keywords, one object for all the others."""
        some = [name for name in times if name not in always]
        if not some:
            return []
        rows: list[dict[str, Json]] = []
        for given in loose:
            row = {name: literal(node) for name, node in given.items() if name not in always}
            rows.append({n: v for n, v in row.items() if not isinstance(v, Missing)})
        # `None` means "not given" to the tool, so a given null goes to the others.
        said = Counter(name for row in rows for name, value in row.items() if value is not None)
        frequent = [name for name in some if said[name] >= max(2, _OFTEN * len(loose))]
        frequent.sort(key=lambda name: (-said[name], name))
        pairs = []
        for name in frequent:
            values: list[Json | Missing | Absent] = [
                row.pop(name) if row.get(name) is not None else ABSENT for row in rows
            ]
            hole = self._hole((name, *map(_key, values)), values, name)
            self.holes[hole].optional = True
            self.holes[hole].hints[name.lower()] += len(loose)
            pairs.append((name, hole))
        others: list[Json | Missing | Absent] = [row or ABSENT for row in rows]
        made = [] if not pairs else [_given(pairs)]
        if any(not isinstance(row, Absent) for row in others):
            hole = self._hole(("**", *map(_key, others)), others, "options")
            self.holes[hole].optional = self.holes[hole].rest = True
            spread = ast.BoolOp(
                op=ast.Or(),
                values=[
                    ast.Name(id=f"{PARAM}{hole}", ctx=ast.Load()),
                    ast.Dict(keys=[], values=[]),
                ],
            )
            made.append(ast.keyword(arg=None, value=spread))
        return made


def _given(pairs: Sequence[tuple[str, int]]) -> ast.keyword:
    """``**{k: v for k, v in {"NAME": param, ...}.items() if v is not None}``."""
    table = ast.Dict(
        keys=[ast.Constant(value=name) for name, _ in pairs],
        values=[ast.Name(id=f"{PARAM}{hole}", ctx=ast.Load()) for _, hole in pairs],
    )
    text = "{key_: item_ for key_, item_ in {}.items() if item_ is not None}"
    made = ast.parse(text, mode="eval").body
    items = cast("ast.Call", cast("ast.DictComp", made).generators[0].iter)
    cast("ast.Attribute", items.func).value = table
    return ast.keyword(arg=None, value=made)


def _key(value: Json | Missing | Absent) -> str:
    return "" if isinstance(value, Missing | Absent) else canonical(value)


def _joined(node: ast.JoinedStr) -> ast.JoinedStr:
    """A text that became a parameter stands in braces."""
    node.values = [
        ast.FormattedValue(value=part, conversion=-1) if isinstance(part, ast.Name) else part
        for part in node.values
    ]
    return node
