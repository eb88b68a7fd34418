"""What calls of one family give in common: fields of their results, and values that never vary.

Objects are about somebody or something; what is worth remembering of them is their shape, not
whose address it was. A call without arguments (a list of airports) is left to
`mine/facts/miner.py`, which keeps its values.

Next file: `mine/facts/scopes.py`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from strop.context import count_tokens
from strop.jsonvalue import Json, JsonObject, canonical, is_object
from strop.mine.facts.answers import Answer
from strop.mine.facts.evidence import Evidence
from strop.mine.facts.results import compacted, parsed

__all__ = ["Shape", "shapes"]

_INSTANCES = 20  # answers of a family that are compared
_CONSTANT = 5  # answers that must agree on a value before it counts as one that never varies
_NEARLY = 0.8  # share of the objects that must have a field
_NAMES = 400  # tokens of names that are looked at before the line is cut


@dataclass(slots=True)
class Shape:
    """A family of calls with the objects that they gave.

    Attributes:
        answers: The answers compared.
        rows: Their objects; all of a list of objects.
    """

    answers: list[Answer] = field(default_factory=list)
    rows: list[JsonObject] = field(default_factory=list)

    @property
    def evidence(self) -> Evidence:
        """That of all its answers."""
        merged = Evidence()
        for answer in self.answers:
            merged.merge(answer.evidence)
        return merged

    def line(self, *, tokens: int) -> str | None:
        """The fields that nearly all objects have, in the order in which they were first seen.

        `None` where there is none.
        """
        often = Counter(name for row in self.rows for name in row)
        names = [name for name, count in often.items() if count >= _NEARLY * len(self.rows)]
        if not _are_names(names):
            return None
        said = [self._field(name) for name in names]
        while count_tokens(", ".join(said)) > tokens and len(said) > 1:
            said.pop()
        return ", ".join(said)

    def _field(self, name: str) -> str:
        """A field with its value where that never varies, or with the fields inside it."""
        values = [row[name] for row in self.rows if name in row]
        objects = [value for value in values if is_object(value)]
        if objects:
            inner = [key for key in objects[0] if all(key in value for value in objects)]
            known = len(self.answers) > 1 and len(objects) == len(values) and _are_names(inner)
            return f"{name} ({', '.join(inner)})" if known else name
        if len(self.answers) < _CONSTANT or len({canonical(value) for value in values}) > 1:
            return name
        value = compacted([values[0]], tokens=20)
        return name if value is None or values[0] is None else f"{name}: {value}"


def shapes(answers: Iterable[Answer]) -> dict[tuple[str, str, str], Shape]:
    """Families whose calls take arguments and give objects, by tool, scope and template."""
    found: dict[tuple[str, str, str], Shape] = {}
    for answer in answers:
        if not answer.call:
            continue
        key = answer.tool, answer.scope, answer.family
        held = found.get(key)
        if held is not None and len(held.answers) >= _INSTANCES:
            continue
        rows = _objects(parsed(answer.result))
        if rows:
            held = found.setdefault(key, Shape())
            held.answers.append(answer)
            held.rows += rows
    return found


def _objects(value: Json) -> list[JsonObject]:
    """An object, or a list of nothing but objects."""
    if is_object(value):
        return [value] if value else []
    if not isinstance(value, list | tuple):
        return []
    rows = [row for row in value[:_INSTANCES] if is_object(row) and row]
    return rows if rows and len(rows) == len(value[:_INSTANCES]) else []


def _are_names(names: list[str]) -> bool:
    plain: dict[str, Json] = dict.fromkeys(names, 0)
    return compacted(plain, tokens=_NAMES) is not None
