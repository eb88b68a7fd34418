"""`ModelDistiller`: a model puts many lessons together into few rules.

It only says which lessons a rule would replace; whether the rule holds for them all, and what then
happens to them, is decided by whoever asked (`propose/curation.py`).

Next file: `propose/reflect/gepa.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from strop.propose.reflect.prompts import fenced, load_prompt
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.screen import one_line

__all__ = ["ModelDistiller"]

MAX_RULE = 400  # characters; the template asks for 300
_MAX_LESSON = 400  # characters of each lesson shown


class Rule(BaseModel):
    """One rule as a model gives it, with the numbers of its lessons, from 1."""

    rule: str
    members: list[int]


class Rules(BaseModel):
    """A model's answer."""

    rules: list[Rule] = Field(max_length=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDistiller:
    """Rules that would replace lessons, by a model.

    Attributes:
        reflector: Asks the model.
        shown: Lessons in one question; further ones are left as they are.
    """

    reflector: Reflector
    shown: int = 150

    async def __call__(
        self, texts: Sequence[str], at_most: int
    ) -> list[tuple[str, tuple[int, ...]]]:
        """Rules, each with the positions of the texts that it would replace, from 0.

        Every position stands under one rule at most, every rule has two or more. Empty where there
        is nothing to put together or the model gave no usable answer.

        Args:
            texts: The lessons.
            at_most: Rules wanted, at most.
        """
        count = min(len(texts), self.shown)
        if count < 2 or at_most < 1:
            return []
        lines = [f"{n}. {one_line(text, _MAX_LESSON)}" for n, text in enumerate(texts[:count], 1)]
        code, data = fenced([("the lessons", "\n".join(lines))])
        reflection = await self.reflector.ask(
            load_prompt("rules").fill(code=code, data=data, most=str(at_most)), Rules
        )
        if reflection.value is None:
            return []
        taken: set[int] = set()
        rules: list[tuple[str, tuple[int, ...]]] = []
        for given in reflection.value.rules:
            text = one_line(given.rule)
            wanted = {number - 1 for number in given.members if 1 <= number <= count}
            members = tuple(sorted(wanted - taken))
            if text and len(text) <= MAX_RULE and len(members) >= 2 and len(rules) < at_most:
                taken.update(members)
                rules.append((text, members))
        return rules
