"""What people say about how an agent works: their own words, told apart from a machine's.

Words count only when a person said them: the reason of a person's score, or a user's message that
corrects the agent or asks for something that should hold from now on. What a tool returned never
counts, also where a trace hands it on as a user's message; and what concerns one task only (a
statement, a question, a figure) is no preference. Grouping is `preferences.py`'s business.

Next file: `mine/preferences.py`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strop.jsonvalue import as_text
from strop.mine.calls import calls_of
from strop.run import Message, Run, ScoredRun
from strop.score import by_person
from strop.task import normalised

__all__ = ["Feedback", "feedback_texts"]

_HEAD = 1000  # characters of a message that are read; people who correct are brief
_LONG = 200  # characters of a sentence
_QUOTED = 40  # characters of a result from which it can be what a message quotes

# A sentence that corrects the agent, or asks for something that should hold from now on: a standing
# request, a word about the answer's form, or a reminder of what was asked for.
_ASKS = re.compile(
    r"""^(?:please\s+)?(?:always|never|stop\s+\w+ing|don't\s+ever|do\s+not\s+ever)\b
    | \b(?:from\s+now\s+on|in\s+(?:the\s+)?future|next\s+time|every\s+time|each\s+time)\b
    | \byou\s+(?:should|must|need\s+to)\s+(?:always|never)\b
    | \b(?:please|could\s+you)\s+(?:always|never|stop\s+\w+ing)\b
    | \b(?:shorter|longer|briefer|simpler|clearer|politer)\b.{0,20}\bplease\b
    | \bplease\b.{0,30}\b(?:short|shorter|brief|briefer|concise|longer|detailed|simple|simpler|
      plain|formal|informal|polite)\b
    | \btoo\s+(?:long|short|formal|informal|verbose|brief|technical|vague|wordy|complicated)\b
    | \b(?:answer|reply|respond|write|speak|explain|address|format)(?:s|ing)?\b.{0,20}
      \b(?:in|as|with|by|to|more|less)\b
    | \b(?:prefer|like|want|use|keep|give|make)\b.{0,30}\b(?:answers?|repl(?:y|ies)|responses?|
      units|bullets?|bullet\s+points|tables?|language|tone|format)\b
    | \bplease\b.{0,60}\b(?:your|every|each|the)\s+(?:answers?|repl(?:y|ies)|responses?|messages?)\b
    | ^(?:please\s+)?(?:don't|do\s+not)\s+\w+.{0,30}\bso\s+(?:much|often|long|many)\b
    | \bi\s+(?:already\s+)?(?:said|asked\s+for|asked\s+you|meant|told\s+you)\b
    | \bnot\s+what\s+i\s+(?:asked|said|meant|wanted)\b
    | ^(?:please\s+)?(?:use|give|call|say|write|show|list|put|quote|mention|include)\b.{0,80}
      (?:,?\s+not\b|\binstead\s+of\b|\brather\s+than\b)
    | ^not\b.{1,60},?\s+but\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What somebody who scores says an answer lacked.
_LACKS = re.compile(
    r"\b(?:should|must|ought|needs?\s+to|has\s+to|prefer|please|missing|forgot|lacks?|instead)\b",
    re.IGNORECASE,
)
# One task's own business: figures, sums, names of accounts; and the speaker's circumstances.
_OWN = re.compile(r"\d\d|[$€£]\s?\d|\w_\w|\?\s*$|\bi(?:'ll|\s+will)\b|\S@\S|https?:", re.IGNORECASE)
_MACHINE = re.compile(
    r"\s*(?:<\w|[{\[]|```|\||\$ |>>>|observation\b|tool\b|output\b|result\b|error\b|traceback\b|"
    r"\w*(?:error|exception):|returncode\b|exit code\b|stdout\b|stderr\b|http/)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+")  # noqa: RUF001
_LEAD = re.compile(
    r"^\W*(?:(?:no|yes|ok|okay|well|hm+|sorry|but|and|so|also|thanks?|actually)\b[\s,.!:;-]*)+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One sentence that a person said about how an agent works.

    Attributes:
        text: The sentence, at most 200 characters.
        run: The run that it is about.
        task: That run's task.
        source: ``score`` (the reason of a person's score) or ``message`` (said within the run).
    """

    text: str
    run: str
    task: str
    source: str


def feedback_texts(
    runs: Iterable[ScoredRun], *, good: float = 0.8, most: int = 2000
) -> tuple[Feedback, ...]:
    """What people said that may be a preference.

    Args:
        runs: Scored runs, oldest first; read once.
        good: The reason of a score under this may also say what the answer lacked.
        most: Of more feedback than this, only the newest is kept.

    Returns:
        One entry per sentence, oldest first; a task that says the same twice says it once.
    """
    found: dict[tuple[str, str], Feedback] = {}
    for scored in runs:
        run, score = scored.run, scored.score
        sentences = [("message", text) for text in _corrections(run)]
        if by_person(score):
            sentences += [
                ("score", text)
                for text in _sentences(score.reason)
                if _ASKS.search(text) or (score.value < good and _LACKS.search(text))
            ]
        for source, text in sentences:
            key = (run.task, normalised(text))
            found.pop(key, None)
            found[key] = Feedback(text=text, run=run.id, task=run.task, source=source)
            if len(found) > most:
                del found[next(iter(found))]
    return tuple(found.values())


def _corrections(run: Run) -> list[str]:
    """The sentences of user messages that correct: after the agent spoke, not a tool's words."""
    out: list[str] = []
    spoken = False
    quotable: list[str] | None = None
    asked = normalised(as_text(run.input)[:_HEAD])
    for step in run.steps:
        if not isinstance(step, Message):
            continue
        if step.role == "assistant":
            spoken = True
        if step.role != "user" or not spoken or not step.content.strip():
            continue
        head = step.content[:_HEAD]
        if _MACHINE.match(head) or len(step.content) > 2 * _HEAD or normalised(head) == asked:
            continue
        sentences = [
            text for text in _sentences(head) if _ASKS.search(text) and not _OWN.search(text)
        ]
        if sentences and quotable is None:
            quotable = [normalised(text) for text in _results(run)]
        out += [text for text in sentences if not _quoted(text, quotable or [])]
    return out


def _results(run: Run) -> Iterable[str]:
    """The beginning of what each of the run's calls returned, and of what tools said."""
    for call in calls_of(run):
        for value in (call.result, call.error):
            if value is not None:
                yield (value if isinstance(value, str) else as_text(value))[: 20 * _HEAD]
    for step in run.steps:
        if isinstance(step, Message) and step.role == "tool":
            yield step.content[: 20 * _HEAD]


def _quoted(text: str, results: Sequence[str]) -> bool:
    key = normalised(text)
    return any(key in result for result in results if len(result) >= min(_QUOTED, len(key)))


def _sentences(text: str) -> list[str]:
    """The sentences of a text as they may stand in a prompt: cleaned, at least three words each."""
    plain = _FENCE.sub(" ", text[:_HEAD])
    lines = [line for line in plain.splitlines() if not line.lstrip().startswith(">")]
    cleaned = (_clean(part) for part in _SENTENCE.split("\n".join(lines)))
    return [part for part in cleaned if len(part.split()) >= 2]


def _clean(sentence: str) -> str:
    """One line without what only leads in ("No, ..."), control characters and surplus length."""
    printable = "".join(c if c.isprintable() else " " for c in sentence)
    words = " ".join(_LEAD.sub("", " ".join(printable.split())).split())
    if len(words) > _LONG:
        words = words[: _LONG - 1].rsplit(" ", 1)[0] + "…"
    return words[:1].upper() + words[1:]
