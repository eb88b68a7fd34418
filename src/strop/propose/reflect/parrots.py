"""Texts that repeat what tools returned or an agent answered in the runs that a model was shown.

Such a text may be an instruction that somebody planted in a tool result. It becomes nobody's rule
on the word of a model that read it there: without independent evidence it is refused. Only wording
is compared; what a planted text says in other words is left to the gate and to people.

Source: Greshake et al., "Not what you've signed up for: Compromising Real-World LLM-Integrated
Applications with Indirect Prompt Injection", AISec 2023 (arXiv:2302.12173).

Next file: `propose/reflect/meter.py`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from strop.propose.reflect.leakage import Texts, runs_of, strings_in, windows, words_of
from strop.run import CodeRun, ErrorStep, Message, Run, ToolCall

__all__ = ["Parrots"]

WORDS = 6
"""So many consecutive words of a tool result or an output are not a model's own."""
SHARE = 0.6
"""A text with so many of its three-word runs in one source is that source, slightly reworded."""


class Parrots:
    """An index over what came from tools, and agents' answers, for finding texts that repeat it.

    Args:
        runs: The runs that a model was shown.
        known: Texts that may be repeated: what users asked, and the spec's own clauses.
        others: Further texts that must not be, such as the question itself.
    """

    def __init__(
        self, runs: Iterable[Run], *, known: Iterable[str] = (), others: Iterable[str] = ()
    ) -> None:
        said = (text for run in runs for text in _said(run))
        self._sources = Texts(words_of(text) for text in chain(others, said))
        self._known = Texts(words_of(text) for text in known)

    def parroted(self, text: str) -> str | None:
        """The words of `text` that are a source's: six in a row, or most of the text's runs of
        three; `None` where it is in other words.
        """
        words = words_of(text)
        own = windows(words, most=WORDS, characters=None)
        own -= self._known.holding(own).keys()
        found = self._sources.holding(own)
        if found:
            return " ".join(min(found))
        threes = set(runs_of(words, 3))
        threes -= self._known.holding(threes).keys()
        shares = Counter(n for places in self._sources.holding(threes).values() for n in places)
        if shares and max(shares.values()) >= SHARE * len(threes):
            return " ".join(words[:WORDS])
        return None


def _said(run: Run) -> Iterator[str]:
    """What came from tools and code, and the answer.

    Not what the agent said on the way: it quotes its own instructions there, and what it has from a
    tool stands in that tool's result too.
    """
    for step in run.steps:
        match step:
            case ToolCall():
                yield strings_in(step.result)
                yield step.error or ""
            case CodeRun():
                yield step.output
                yield step.error or ""
            case Message() if step.role not in ("user", "system", "assistant"):
                yield step.content
            case ErrorStep():
                yield step.message
            case _:
                pass
    yield strings_in(run.output)
    if run.error is not None:
        yield run.error.message
