"""A tool as a model writes it: the record it answers with, the item it becomes, what is refused.

The parameters are a short list and not a free JSON schema, so that a small model gets them right
and nothing odd gets in. What the code may do is for the checks and the sandbox; here it is looked
at as text: copies of tasks, of their answers, and of what tools returned are refused.

Next file: `propose/reflect/tools.py`.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.permission import Level, Permissions
from strop.propose.brief import Brief
from strop.propose.reflect.leakage import Leakage, labels_in, words_of
from strop.propose.reflect.screen import Screen, one_line
from strop.propose.reflect.traces import plain
from strop.run import ScoredRun
from strop.spec import Item, Kind, Provenance, Trust
from strop.tools.effects import infer_needs

__all__ = ["ToolScreen", "WrittenTool", "written_item"]

MAX_DESCRIPTION = 400  # characters; the template asks for 300
_MAX_PARAMETERS = 12
_MAX_CODE = 16_000  # characters; the checks bound it further
_EVIDENCE = 50
_PROSE = 6  # words from which a text in code is prose


class WrittenParameter(BaseModel):
    """One parameter."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "array", "object"] = "string"
    description: str = ""
    required: bool = True


class WrittenNeeds(BaseModel):
    """What the code needs, as `Permissions` have it."""

    level: Literal["sandbox", "restricted", "full"] = "sandbox"
    read: list[str] = Field(default_factory=list, max_length=10)
    write: list[str] = Field(default_factory=list, max_length=10)
    hosts: list[str] = Field(default_factory=list, max_length=10)


class WrittenTool(BaseModel):
    """A model's answer; no code where there is none to write."""

    diagnosis: str = ""
    name: str = ""
    description: str = ""
    parameters: list[WrittenParameter] = Field(default_factory=list, max_length=_MAX_PARAMETERS)
    code: str = Field(default="", max_length=_MAX_CODE)
    needs: WrittenNeeds = Field(default_factory=WrittenNeeds)


def written_item(answer: WrittenTool, *, by: str, runs: Sequence[str]) -> Item | str:
    """The tool as an item, untrusted; or why it cannot be one.

    It needs what the model says and what its code seems to need, together.

    Args:
        answer: What the model wrote.
        by: The proposer's name.
        runs: Ids of the runs behind it.
    """
    name = answer.name.strip()
    try:
        needs = _together(_declared(answer.needs), infer_needs(answer.code))
        content: dict[str, Json] = {
            "name": name,
            "description": one_line(answer.description),
            "parameters": _schema(answer.parameters),
            "body": {
                "kind": "code",
                "source": answer.code,
                "function": name,
                "imports": list(_imports(answer.code)),
            },
        }
        if needs != Permissions():
            content["needs"] = needs.to_json()
        return Item(
            id=f"tool-{name}",
            kind=Kind.TOOL,
            content=content,
            provenance=Provenance(by=by, runs=tuple(runs[:_EVIDENCE]), trust=Trust.UNTRUSTED),
        )
    except (BadInput, RecursionError) as error:
        return str(error) or "the code is nested too deeply"


def _schema(parameters: Iterable[WrittenParameter]) -> dict[str, Json]:
    given = list(parameters)
    return {
        "type": "object",
        "properties": {
            each.name: {
                "type": each.type,
                "description": one_line(each.description, MAX_DESCRIPTION),
            }
            for each in given
        },
        "required": [each.name for each in given if each.required],
        "additionalProperties": False,
    }


def _declared(needs: WrittenNeeds) -> Permissions:
    """What the model says.

    Raises:
        BadInput: Something that `Permissions` refuse.
    """
    return Permissions(
        level=Level(needs.level),
        read=tuple(needs.read),
        write=tuple(needs.write),
        hosts=tuple(needs.hosts),
    )


def _together(said: Permissions, seen: Permissions) -> Permissions:
    """What covers both; where one of them names hosts, these: a guess of any host is no need."""
    return Permissions(
        level=max(said.level, seen.level, key=lambda level: level.rank),
        read=(*said.read, *seen.read),
        write=(*said.write, *seen.write),
        hosts=(*said.hosts, *seen.hosts),
    )


def _imports(code: str) -> tuple[str, ...]:
    """The modules of the standard library that code imports at its top."""
    found: set[str] = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return tuple(sorted(found & sys.stdlib_module_names))


class ToolScreen:
    """What of a written tool may not be proposed.

    Args:
        brief: What the proposer has to go by.
        runs: The runs that the model was shown.
    """

    def __init__(self, brief: Brief, runs: Sequence[ScoredRun]) -> None:
        self._screen = Screen(brief, runs, kinds=(Kind.CLAUSE,), longest=MAX_DESCRIPTION)
        self._leakage = Leakage(brief.tasks.values(), labels=labels_in(brief.spec.output))

    def refusal(self, answer: WrittenTool) -> str | None:
        """Why a tool may not be proposed, or `None` where it may.

        Its texts as those of any proposal. In its code, every text and number is held against the
        tasks, and what reads as prose against what tools returned, too.
        """
        refused = self._screen.refusal(one_line(answer.description))
        if refused:
            return f"its description: {refused}"
        for each in answer.parameters:
            refused = self._screen.copied(one_line(each.description))
            if refused:
                return f"the description of {one_line(each.name, 64)!r}: {refused}"
        for line, text in _texts(answer.code):
            copies = self._leakage.copies(text)
            if copies:
                first = copies[0]
                return f"line {line} repeats the {first.part} of a task: {first.words}"
            refused = self._screen.copied(text) if len(words_of(text)) >= _PROSE else None
            if refused:
                return f"line {line}: {refused}"
        return None

    def own(self, text: str) -> str:
        """See `Screen.own`."""
        return self._screen.own(text)


def _texts(code: str) -> Iterator[tuple[int, str]]:
    """The texts, numbers and comments in code, each with its line."""
    try:
        tree = ast.parse(code)
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return  # the checks have refused it
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
            yield node.lineno, plain(node.value)
    for token in tokens:
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
