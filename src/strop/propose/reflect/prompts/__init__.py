"""What models are asked: templates in files beside this one, and how they are filled.

A template is `NAME.md`: a line ``version: N``, a line ``# instructions``, the part that is the same
for every question of its kind (providers cache it), a line ``# prompt``, and the question. What
comes from traces stands in the question only, fenced, and every template says that it is data.
Nothing here asks a model.

Next file: `propose/reflect/traces.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter

from strop.jsonvalue import digest, salvaged

__all__ = ["TEMPLATES", "Prompt", "Rendered", "fenced", "load_prompt"]

TEMPLATES = (
    "clauses",
    "criteria",
    "description",
    "gepa",
    "heuristics",
    "lesson",
    "repair",
    "rules",
    "tool",
)
"""The names of all templates."""

_PARTS = re.compile(
    r"\Aversion: (?P<version>\d+)\n+# instructions\n+(?P<instructions>.+?)\n+# prompt\n+"
    r"(?P<prompt>.+?)\s*\Z",
    re.DOTALL,
)
_FIELD = re.compile(r"[a-z_]+")
_MAX_LABEL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A question ready to be asked.

    Attributes:
        template: Name and version of the template it comes from, for example ``clauses/1``.
        instructions: What is the same for every question of this kind.
        prompt: The question.
    """

    template: str
    instructions: str
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A template.

    Attributes:
        name: The file's name without ``.md``.
        version: Raised with every change of the text: what was asked can then be told apart.
        instructions: With fields in braces, as `str.format` has them; literal braces are doubled.
        prompt: The same.
    """

    name: str
    version: int
    instructions: str
    prompt: str

    @property
    def fields(self) -> frozenset[str]:
        """The fields of both parts.

        Raises:
            ValueError: A field that is no plain name, such as ``{a.b}`` or ``{}``.
        """
        found = set()
        for text in (self.instructions, self.prompt):
            for _, field, form, conversion in Formatter().parse(text):
                if field is None:
                    continue
                if form or conversion or not _FIELD.fullmatch(field):
                    raise ValueError(f"prompt {self.name!r} has the field {{{field}}}: not a name")
                found.add(field)
        return frozenset(found)

    def fill(self, **fields: str) -> Rendered:
        """The question with its fields filled; what is filled in is not looked into for fields.

        Raises:
            ValueError: A field is missing, or one is given that the template does not have.
        """
        missing, unknown = self.fields - fields.keys(), fields.keys() - self.fields
        if missing or unknown:
            raise ValueError(
                f"prompt {self.name!r}: missing {sorted(missing)}, unknown {sorted(unknown)}"
            )
        return Rendered(
            template=f"{self.name}/{self.version}",
            instructions=self.instructions.format(**fields),
            prompt=self.prompt.format(**fields),
        )


@cache
def load_prompt(name: str) -> Prompt:
    """The template called `name`.

    Raises:
        ValueError: No such template, or one without its parts.
    """
    file = files(__name__).joinpath(f"{name}.md")
    if not file.is_file():
        raise ValueError(f"there is no prompt {name!r}")
    match = _PARTS.match(file.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"prompt {name!r} lacks its version line or one of its parts")
    return Prompt(
        name=name,
        version=int(match["version"]),
        instructions=match["instructions"],
        prompt=match["prompt"],
    )


def fenced(pieces: Sequence[tuple[str, str]] | Mapping[str, str]) -> tuple[str, str]:
    """Pieces of data, each between two lines that carry a code; and the code.

    The code is a digest of the data: no text can hold its own, so nothing in the data can close its
    fence, and the same data gives the same prompt.

    Args:
        pieces: Label and text of each piece, in order.

    Returns:
        The code, 16 hex digits; and the fenced text.
    """
    items = list(pieces.items() if isinstance(pieces, Mapping) else pieces)
    plain = [(_label(label), str(salvaged(text))) for label, text in items]
    code = digest([[label, text] for label, text in plain])[:16]
    blocks = [f"<<<{code} {label}\n{text}\n{code}>>>" for label, text in plain]
    return code, "\n\n".join(blocks)


def _label(label: str) -> str:
    """A label on one line: it stands outside the fence."""
    return " ".join(str(salvaged(label)).split())[:_MAX_LABEL]
