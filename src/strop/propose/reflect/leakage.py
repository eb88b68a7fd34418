"""Texts that repeat a task's input or answer: they look good on that task and teach nothing.

Copies are found by runs of consecutive words, in time linear in what is looked through. It finds
copies, not paraphrases: those are for the gate.

Next file: `propose/reflect/parrots.py`.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern

from strop.jsonvalue import Json, JsonObject, is_object, salvaged
from strop.task import Task

__all__ = [
    "Copy",
    "Leakage",
    "Texts",
    "copies",
    "labels_in",
    "runs_of",
    "strings_in",
    "windows",
    "words_of",
]

WORDS = 8
CHARACTERS = 40
"""So many consecutive words, or so many characters of them, are a copy of a task."""
_MAX_TEXT = 200_000  # characters of each text looked at, half from each end
_MAX_LEAVES = 50  # values of a structured answer that are looked for one by one
_FEW_WORDS = 4  # an answer of so many words is more than a label
_UNUSUAL = 5  # letters and digits in a value such as a number, an address or an identifier
_LABEL_TASKS = 3  # an answer that so many tasks share is a label, not one task's secret
_COMMON_TASKS, _COMMON_SHARE = 5, 0.01  # words that so many tasks share are nobody's in particular

# One token for each Chinese or Japanese character, which are written without spaces; it counts for
# half a word. Marks that no reader sees are taken out, or they would break up a planted sentence.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_CASED = re.compile(rf"[{_CJK}]")
_ODD = re.compile(r"\d|@|://|\w[/_.]\w")

Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """The words of a text, folded, without marks; of a huge text only those at its ends."""
    if len(text) > _MAX_TEXT:
        text = f"{text[: _MAX_TEXT // 2]} {text[-_MAX_TEXT // 2 :]}"
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return tuple(map(intern, _TOKEN.findall(text.casefold())))


def windows(words: Words, *, most: int, characters: int | None) -> set[Words]:
    """From each word on, the shortest run that is long enough to be a copy."""
    out: set[Words] = set()
    end, weight, length = 0, 0.0, -1  # no space before the first word
    for start, word in enumerate(words):
        end = max(end, start)
        while end < len(words) and weight < most and (characters is None or length < characters):
            weight += _weight(words[end])
            length += len(words[end]) + 1
            end += 1
        if weight < most and (characters is None or length < characters):
            break
        out.add(words[start:end])
        weight -= _weight(word)
        length -= len(word) + 1
    return out


def _weight(word: str) -> float:
    return 0.5 if _CASED.match(word) else 1.0


def runs_of(words: Words, size: int) -> Iterator[Words]:
    """Every run of `size` consecutive words."""
    return zip(*(words[offset:] for offset in range(size)), strict=False)


class Texts:
    """Many texts, in which runs of words are looked up.

    Args:
        texts: The words of each.
    """

    def __init__(self, texts: Iterable[Words]) -> None:
        self._texts: list[str] = []
        self._words: list[frozenset[str]] = []
        self._places: dict[str, list[int]] = defaultdict(list)
        for number, text in enumerate(texts):
            self._texts.append(f" {' '.join(text)} ")
            self._words.append(frozenset(text))
            for word in self._words[-1]:
                self._places[word].append(number)

    def holding(self, keys: Iterable[Words]) -> dict[Words, list[int]]:
        """Which of `keys` occur, and in which texts.

        Only texts that hold a key's rarest word are looked at.
        """
        found: dict[Words, list[int]] = {}
        for key in keys:
            places = min((self._places.get(word, []) for word in key), key=len)
            asked = f" {' '.join(key)} "
            held = [
                number
                for number in places
                if self._words[number].issuperset(key) and asked in self._texts[number]
            ]
            if held:
                found[key] = held
        return found


# --- copies of tasks -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a text repeats of a task.

    Attributes:
        task: The task's id.
        part: ``input`` or ``expected``.
        words: The words that both hold, folded.
    """

    task: str
    part: str
    words: str


class Leakage:
    """An index over the inputs and answers of tasks, for finding copies of them.

    Args:
        tasks: The tasks that must not be repeated.
        labels: Answers that may be named, such as those that the output schema enumerates.
        known: Texts that may be repeated, such as the spec's own clauses.
    """

    def __init__(
        self, tasks: Iterable[Task], *, labels: Iterable[str] = (), known: Iterable[str] = ()
    ) -> None:
        self._tasks = tuple(tasks)
        given = [words_of(label) for label in labels]
        answers = [tuple(_answers(task.expected)) for task in self._tasks]
        shared = Counter(words for found in answers for words, _ in set(found))
        common = {words for words, count in shared.items() if count >= _LABEL_TASKS}
        barred = {*given, *common}
        self._where: list[tuple[int, str]] = []
        texts: list[Words] = []
        self._whole: dict[Words, list[int]] = defaultdict(list)
        for number, (task, found) in enumerate(zip(self._tasks, answers, strict=True)):
            self._where.append((number, "input"))
            texts.append(words_of(strings_in(task.input)))
            for words, raw in found:
                if words in barred:
                    continue
                self._where.append((number, "expected"))
                texts.append(words)
                if len(words) >= _FEW_WORDS or _unusual(raw):
                    self._whole[words].append(number)
        self._texts = Texts(texts)
        allowed: list[Words] = [words_of(text) for text in known]
        self._known = Texts([*allowed, *barred])

    def copies(self, text: str) -> list[Copy]:
        """What `text` repeats: eight consecutive words or forty characters of a task, or all of
        an answer that is longer than a few words or an unusual value.

        Words that more than one task in a hundred (and at least five) hold are not any task's own.
        """
        words = words_of(text)
        own = windows(words, most=WORDS, characters=CHARACTERS)
        own -= self._known.holding(own).keys()
        out = []
        for window, places in self._texts.holding(own).items():
            tasks = {self._group(number) for number, _ in map(self._where.__getitem__, places)}
            if len(tasks) >= max(_COMMON_TASKS, _COMMON_SHARE * len(self._tasks)):
                continue
            out += [self._copy(*self._where[place], window) for place in places]
        for size in sorted({len(whole) for whole in self._whole}):
            for run in set(runs_of(words, size)) & self._whole.keys():
                if not self._known.holding({run}):
                    out += [self._copy(number, "expected", run) for number in self._whole[run]]
        return sorted(set(out), key=lambda copy: (copy.task, copy.part, copy.words))

    def _group(self, number: int) -> str:
        task = self._tasks[number]
        return f"group:{task.group}" if task.group else f"id:{task.id}"

    def _copy(self, number: int, part: str, words: Words) -> Copy:
        return Copy(task=self._tasks[number].id, part=part, words=" ".join(words))


def copies(
    text: str, tasks: Iterable[Task], *, labels: Iterable[str] = (), known: Iterable[str] = ()
) -> list[Copy]:
    """What `text` repeats of `tasks`; see `Leakage`, which serves where there are many texts."""
    return Leakage(tasks, labels=labels, known=known).copies(text)


def _answers(value: Json) -> Iterator[tuple[Words, str]]:
    """The values in an answer, as words and as they stand; not the keys of objects."""
    pending: list[Json] = [value]
    given = 0
    while pending and given < _MAX_LEAVES:
        leaf = pending.pop()
        if is_object(leaf):
            pending.extend(leaf.values())
        elif isinstance(leaf, list | tuple):
            pending.extend(leaf)
        elif isinstance(leaf, str | int | float) and not isinstance(leaf, bool):
            given += 1
            raw = str(leaf)
            words = words_of(raw)
            if words:
                yield words, raw[:_MAX_TEXT]


def _unusual(raw: str) -> bool:
    """Whether a short value can only be one thing: a number, an address, an identifier."""
    head = raw[:200]
    return bool(_ODD.search(head)) and sum(map(str.isalnum, head)) >= _UNUSUAL


def labels_in(schema: Json) -> tuple[str, ...]:
    """The answers that a JSON schema enumerates, wherever in it they stand."""
    found: dict[str, None] = {}
    pending: list[Json] = [schema]
    while pending:
        part = pending.pop()
        if is_object(part):
            found.update(dict.fromkeys(_enumerated(part)))
            pending.extend(part.values())
        elif isinstance(part, list | tuple):
            pending.extend(part)
    return tuple(found)


def _enumerated(part: JsonObject) -> list[str]:
    options = part.get("enum")
    values = [*options] if isinstance(options, list | tuple) else []
    return [str(value) for value in (*values, part.get("const")) if isinstance(value, str | int)]


def strings_in(value: object) -> str:
    """The strings and numbers in a value as one text, in the order in which they are shown."""
    if isinstance(value, str):
        return value
    out: list[str] = []
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Mapping):
            ordered = sorted(part.items(), key=lambda pair: str(pair[0]), reverse=True)
            pending.extend(item for key, inner in ordered for item in (inner, key))
        elif isinstance(part, list | tuple):
            pending.extend(reversed(part))
        elif part is not None:
            out.append(part if isinstance(part, str) else str(salvaged(part)))
    return " ".join(out)
