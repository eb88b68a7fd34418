"""What may teach nobody: held-out tasks, their inputs, and what says the same in other words.

Inputs are found however they are spaced and cased. Paraphrases are known by the tasks' groups
alone: a text does not say that it is one.

Next file: `spec.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from strop.jsonvalue import Json, as_text
from strop.task import Split, Task, normalised

__all__ = ["HeldOut"]

_Words: TypeAlias = tuple[str, ...]

_NONE: Mapping[int, frozenset[_Words]] = {}
_WORDS = 4  # an input of fewer is a word that any text may hold: only a text that is it counts
_CHARACTERS = 24  # except where it is long all the same, as in scripts that put no spaces


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The validation and test tasks of an agent, ready to be looked for.

    Attributes:
        ids: Their ids.
        groups: Their paraphrase groups.
        inputs: Their inputs, normalised.
    """

    ids: frozenset[str]
    groups: frozenset[str]
    inputs: frozenset[str]
    _long: Mapping[_Words, Mapping[int, frozenset[_Words]]] = field(repr=False)
    _unspaced: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, tasks: Iterable[Task]) -> "HeldOut":
        """The held-out tasks among `tasks`."""
        kept = [task for task in tasks if task.split in (Split.VALIDATION, Split.TEST)]
        inputs = frozenset(normalised(task.text) for task in kept)
        starts: dict[_Words, dict[int, set[_Words]]] = {}
        unspaced = []
        for text in sorted(inputs):
            words = tuple(text.split())
            if len(words) >= _WORDS:
                starts.setdefault(words[:_WORDS], {}).setdefault(len(words), set()).add(words)
            elif len(text) >= _CHARACTERS:
                unspaced.append(text)
        return cls(
            ids=frozenset(task.id for task in kept),
            groups=frozenset(task.group for task in kept if task.group),
            inputs=inputs,
            _long={
                start: {size: frozenset(some) for size, some in by_size.items()}
                for start, by_size in starts.items()
            },
            _unspaced=tuple(unspaced),
        )

    def bars(self, task_id: str | None, text: str, group: str | None = None) -> bool:
        """Whether what belongs to a task may teach nobody.

        Args:
            task_id: The task's id, or `None` where it is of no known task.
            text: The task's input as it stands in a prompt.
            group: The task's paraphrase group, where one is known.
        """
        return task_id in self.ids or group in self.groups or normalised(text) in self.inputs

    def is_input(self, value: Json) -> bool:
        """Whether a value is the input of a held-out task."""
        return normalised(as_text(value)) in self.inputs

    def is_told_by(self, value: Json) -> bool:
        """Whether a held-out task's input stands anywhere in a value."""
        return any(self._stands_in(text) for text in _texts_in(value))

    def _stands_in(self, text: str) -> bool:
        plain = normalised(text)
        if plain in self.inputs or any(each in plain for each in self._unspaced):
            return True
        words = tuple(plain.split())
        return any(
            words[at : at + size] in some
            for at in range(len(words) - _WORDS + 1)
            for size, some in self._long.get(words[at : at + _WORDS], _NONE).items()
        )


def _texts_in(value: Json) -> Iterator[str]:
    """Every text in a JSON value, keys included, and objects as they read in a prompt."""
    match value:
        case str():
            yield value
        case Mapping():
            yield as_text(value)
            for key, item in value.items():
                yield key
                yield from _texts_in(item)
        case Sequence():
            for item in value:
                yield from _texts_in(item)
