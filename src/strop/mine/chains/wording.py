"""A chain in the making as a tool: its expressions, parameters, name and description.

Next file: `mine/chains/miner.py`.
"""

import re
from collections.abc import Mapping, Sequence

from strop.chain import Chain, ChainStep
from strop.expression import Expression, evaluate
from strop.jsonvalue import Json, JsonObject, is_object
from strop.mine.chains.growth import Grown
from strop.mine.chains.leaves import Path
from strop.mine.chains.links import Names
from strop.mine.chains.records import LONG, Record
from strop.mine.chains.steps import Const, Given, Item, Occurrence, Ref, Source, Text

__all__ = ["Tool", "name_of", "worded"]

_NAME = 60
_FILLER = frozenset(
    ("a", "an", "by", "data", "detail", "details", "for", "id", "info", "information", "of", "the")
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


class Tool:
    """A chain with its parameters, as it is being worded."""

    def __init__(self, grown: Grown, names: Names, tools: Mapping[str, JsonObject]) -> None:
        self._grown, self._names, self._tools = grown, names, tools
        self.params: dict[str, dict[str, Json]] = {}
        self.required: list[str] = []
        self.reads: dict[str, tuple[int, Path]] = {}
        self._named: dict[tuple[int, Path], str] = {}
        self._made: list[dict[Path, Expression]] = []
        for number, step in enumerate(grown.steps):
            self._made.append({p: self._leaf(number, p, s) for p, s in step.sources.items()})

    def chain(self, returns: str) -> Chain:
        steps = []
        for step, made in zip(self._grown.steps, self._made, strict=True):
            args = {str(top): _assembled((top,), made) for top in dict.fromkeys(p[0] for p in made)}
            each: Expression | None = None
            if step.fan is not None:
                each = {"step": step.fan.step, "path": list(self._names.paths[step.fan.path][1])}
            steps.append(ChainStep(tool=self._names.tools[step.tool], args=args, each=each))
        return Chain(steps=tuple(steps), returns=returns)

    def schema(self) -> dict[str, Json]:
        """The JSON schema of its parameters."""
        return {
            "type": "object",
            "properties": dict(self.params),
            "required": list(self.required),
        }

    def args(self, occurrence: Occurrence) -> dict[str, Json] | None:
        """What the parameters were in an occurrence; `None` where a value was too long to keep."""
        out: dict[str, Json] = {}
        for name, (step, path) in self.reads.items():
            value = _value(occurrence.record, occurrence.calls[step][0], path, self._names)
            if value is _ABSENT:
                continue
            if isinstance(value, str) and value.startswith(LONG):
                return None
            out[name] = value  # type: ignore[assignment]
        return out

    def _leaf(self, number: int, path: Path, source: Source) -> Expression:
        match source:
            case Const(value=value):
                return {"const": value}
            case Item(rest=rest):
                return {"item": list(rest)}
            case Ref():
                return self._ref(source)
            case Text(texts=texts, pieces=pieces):
                parts: list[Json] = [texts[0]] if texts[0] else []
                for piece, text in zip(pieces, texts[1:], strict=True):
                    parts += [self._ref(piece), text] if text else [self._ref(piece)]
                return {"text": parts}
            case Given():
                return {"param": self._param(number, path, source)}

    def _ref(self, ref: Ref) -> Expression:
        of_args, path = self._names.paths[ref.path]
        if not of_args:
            return {"step": ref.step, "path": list(path)}
        # An argument of an earlier step: what that step's own is wired to.
        made = self._made[ref.step]
        for n in range(len(path), 0, -1):
            if path[:n] in made:
                return _inside(made[path[:n]], path[n:])
        return _assembled(path, made)

    def _param(self, number: int, path: Path, source: Given) -> str:
        """A parameter for what nothing explains; its name is the argument's, numbered if taken."""
        base = "_".join(str(part) for part in path)
        name, n = base, 1
        while name in self.params:
            n += 1
            name = f"{base}_{n}"
        tool = self._names.tools[self._grown.steps[number].tool]
        self.params[name] = self._schema(tool, path, number, source, name)
        if not source.optional and self._is_required(tool, path):
            self.required.append(name)
        self.reads[name] = (number, path)
        return name

    def _is_required(self, tool: str, path: Path) -> bool:
        known = self._tools.get(tool)
        needed = known.get("required") if known is not None and len(path) == 1 else None
        return path[0] in needed if isinstance(needed, list) else True

    def _schema(
        self, tool: str, path: Path, number: int, source: Given, name: str
    ) -> dict[str, Json]:
        """The schema that the step's tool gives its argument; else one made of the values seen.

        Whose argument it is, is said where its name does not: every word is read at every request.
        """
        found = _at(self._tools.get(tool), path)
        if found is None:
            values = (
                _value(o.record, o.calls[number][0], path, self._names)
                for o in self._grown.occurrences[:200]
            )
            found = _inferred([v for v in values if v is not _ABSENT])
        if "description" not in found and name != str(path[0]):
            found["description"] = f"{'.'.join(map(str, path))} of {tool}"
        if source.default is not None:
            found["default"] = source.default
        return found


def worded(
    grown: Grown, names: Names, tools: Mapping[str, JsonObject], returns: str
) -> tuple[Tool, dict[str, Json]]:
    """The tool, and its ``name, description, parameters, body`` as an item holds them."""
    tool = Tool(grown, names, tools)
    chain = tool.chain(returns)
    content: dict[str, Json] = {
        "name": name_of([(step.tool, step.each is not None) for step in chain.steps]),
        "description": _description(grown, chain, names),
        "parameters": tool.schema(),
        "body": chain.to_json(),
    }
    return tool, content


def name_of(steps: Sequence[tuple[str, bool]]) -> str:
    """A phrase for calls in a row: ``get_user_reservations`` for `get_user_details`, then
    `get_reservation_details` of each; ``find_flight_then_book_seat`` where the verb changes.

    Args:
        steps: Tools, and whether each is called once per item of a list.
    """
    parts: list[str] = []
    verb = ""
    for tool, many in steps:
        words = [word.casefold() for word in _WORD.findall(tool)] or ["call"]
        kept = [words[0], *(w for w in words[1:] if w not in _FILLER)]
        if parts and kept[0] == verb and len(kept) > 1:
            kept = kept[1:]
        else:
            verb = kept[0]
            kept = ["then", *kept] if parts else kept
        if many:
            kept[-1] = _plural(kept[-1])
        parts.append("_".join(kept))
    return "_".join(parts)[:_NAME].rstrip("_")


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return word if word.endswith("s") else f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"


def _description(grown: Grown, chain: Chain, names: Names) -> str:
    """What the tool does, in few words: they are read at every request."""
    parts = []
    for step, made in zip(grown.steps, chain.steps, strict=True):
        text = made.tool
        if step.fan is not None:
            path = ".".join(map(str, names.paths[step.fan.path][1])) or "the result"
            text += f" for each of {path} of {chain.steps[step.fan.step].tool}"
        parts.append(text)
    calls = f"{', '.join(parts)} in one call."
    return calls if chain.returns == "last" else f"{calls} Returns all their results."


def _assembled(path: Path, made: Mapping[Path, Expression]) -> Expression:
    """The expression of an argument from those of its leaves."""
    if path in made:
        return made[path]
    inner = list(
        dict.fromkeys(p[len(path)] for p in made if p[: len(path)] == path and len(p) > len(path))
    )
    parts = {part: _assembled((*path, part), made) for part in inner}
    if all(isinstance(part, int) for part in inner):
        return {"list": [parts[part] for part in sorted(inner)]}
    return {"object": {str(part): value for part, value in parts.items()}}


def _inside(expression: Expression, rest: Path) -> Expression:
    """What an expression gives, further in."""
    if not rest:
        return expression
    if "const" in expression:
        return {
            "const": evaluate({"param": "it", "path": list(rest)}, {"it": expression["const"]}, ())
        }
    path = expression.get("item", expression.get("path", []))
    whole = [*path, *rest]  # type: ignore[misc]
    return {"item": whole} if "item" in expression else {**expression, "path": whole}


_ABSENT = object()


def _value(record: Record, call: int, path: Path, names: Names) -> object:
    """What an argument was; `_ABSENT` where it was not given."""
    for leaf in record.calls[call].leaves:
        if names.paths[leaf.path][1] == path:
            return leaf.value
    return _ABSENT


def _at(schema: Json, path: Path) -> dict[str, Json] | None:
    """The part of a JSON schema that is for a path; `None` where it says nothing."""
    found: Json = schema
    for part in path:
        if not is_object(found):
            return None
        inner = found.get("items") if isinstance(part, int) else found.get("properties")
        found = inner.get(str(part)) if is_object(inner) and isinstance(part, str) else inner
    return dict(found) if is_object(found) else None


def _inferred(values: Sequence[object]) -> dict[str, Json]:
    """A schema that all values agree with."""
    kinds: list[str] = sorted({_TYPES[type(v)] for v in values if type(v) in _TYPES})
    if kinds == ["integer", "number"]:
        kinds = ["number"]
    return {"type": kinds[0]} if len(kinds) == 1 and len(values) else {}
