"""`strop.yaml`: an agent's configuration, read, checked and turned into values.

Reading only: nothing is started and no model is loaded. Unknown fields are refused, and every
message names the file and the field.

Next file: `assembly.py`.
"""

import difflib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from strop.agent import Limits
from strop.errors import BadInput
from strop.gate import MarginPolicy
from strop.jsonvalue import Json, JsonObject, digest
from strop.levers import DEFAULT
from strop.spec import AgentSpec, Item, Kind, Selection
from strop.tools import native_item
from strop.tools.ladder import LadderPolicy

__all__ = ["Config", "base_spec", "load_config", "store_url"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class TextItem(_Strict):
    """A clause, heuristic, memory or criterion, where more than its text matters."""

    text: str
    id: str | None = None
    protected: bool = False
    when: str | None = None
    about: str | None = None
    pinned: bool | None = None
    weight: float | None = None


class SelectionConfig(_Strict):
    examples: int = Field(4, ge=0)
    memories: int = Field(8, ge=0)
    tokens: int = Field(1500, ge=0)


class LimitsConfig(_Strict):
    steps: int = Field(20, ge=1)
    tokens: int | None = Field(None, ge=1)
    seconds: float = Field(120.0, gt=0)


class PolicyConfig(_Strict):
    kind: Literal["margin"] = "margin"
    min_effect: float = Field(0.02, ge=0)
    standard_errors: float = Field(2.0, ge=0)
    min_tasks: int = Field(10, ge=2)
    max_missing: float = Field(0.1, ge=0)
    max_critical_drop: float = Field(0.0, ge=0)
    max_loss: float = Field(0.02, ge=0)


class CurationConfig(_Strict):
    mode: Literal["retrieval", "window", "distil"] = "retrieval"
    window: int = Field(50, ge=1)
    at_most: int = Field(20, ge=1)
    tokens: int | None = Field(None, ge=1)


class ResolutionsConfig(_Strict):
    floor: float = Field(0.98, gt=0, lt=1)
    unseen: float = Field(0.95, ge=0, lt=1)


class LadderConfig(_Strict):
    uses: int = Field(10, ge=1)
    restricted: float = Field(0.95, ge=0, le=1)
    full: float = Field(0.99, ge=0, le=1)
    bound: float | None = Field(None, ge=0, le=1)
    approve_full: bool = True
    approve_write: bool = True
    breaker: int = Field(3, ge=1)
    demote_below: float = Field(0.8, ge=0, le=1)


class Config(_Strict):
    """What `strop.yaml` may say; the keyword arguments of `SelfImprovingAgent` are the same.

    Attributes:
        name: The agent's name; runs of agents with different names never mix.
        model: The frozen model: ``local``, ``path/to/model.gguf``, ``command:...``, ``file:DIR``
            or any Pydantic AI model name.
        instructions: The system prompt, as a list of clauses.
        output: What the answer must be: a list of the possible answers, or a JSON schema.
        tools: Python functions, as ``module:function``.
        heuristics, memory, criteria: Further items of those kinds.
        scorer: Name of a scorer, ``module:function``, or an object with ``kind`` and settings.
        judge_model: The model that grades when the scorer is ``judge``.
        levers: What an improvement cycle may change; see ``strop improve --help``.
        reflect_model: A model that also proposes; without one, all proposals are mined.
        tasks: JSON-lines file of tasks, relative to the configuration.
        store: Database URL or file.
        embedder: ``default``, ``static``, ``minilm`` or a Pydantic AI embedder.
        selection: How much one task gets to see.
        settings: Model settings, for example ``max_tokens``.
        policy: When a candidate may ship.
        resolutions: How often an answer that is given without a model must be right (``floor``),
            and which share of tasks of a new kind must be left to the model (``unseen``).
        curation: How memories are kept: all of them and each task gets what is relevant
            (``retrieval``), only the newest (``window``), or few general rules (``distil``).
        ladder: When a learned tool is granted more or less, by its record of use: see
            `strop.tools.ladder.LadderPolicy`.
        limits: Bounds of one run.
        trials: Runs per held-out task and spec.
        concurrency: Runs at a time; by default 8, and 1 per server for the embedded model.
        good: Score from which a run counts as a success, worth showing to later tasks.
        poor: Score under which a run counts as a failure, worth learning from.
        seed: Of everything drawn at random.
    """

    name: str = Field("agent", min_length=1, pattern=r"^[\w.-]+$")
    model: str = Field("local", min_length=1)
    instructions: tuple[str | TextItem, ...] = ()
    output: tuple[str, ...] | dict[str, Any] | None = None
    tools: tuple[Any, ...] = ()
    heuristics: tuple[str | TextItem, ...] = ()
    memory: tuple[str | TextItem, ...] = ()
    criteria: tuple[str | TextItem, ...] = ()
    scorer: Any = "normalised"
    judge_model: str | None = None
    levers: tuple[str, ...] = DEFAULT
    reflect_model: str | None = None
    tasks: str | None = None
    store: str = ".strop/strop.db"
    embedder: str = "default"
    selection: SelectionConfig = SelectionConfig()
    settings: dict[str, Any] = Field(default_factory=dict)
    policy: PolicyConfig = PolicyConfig()
    resolutions: ResolutionsConfig = ResolutionsConfig()
    curation: CurationConfig = CurationConfig()
    ladder: LadderConfig = LadderConfig()
    limits: LimitsConfig = LimitsConfig()
    trials: int = Field(1, ge=1)
    concurrency: int | None = Field(None, ge=1)
    good: float = Field(0.8, ge=0, le=1)
    poor: float = Field(0.7, ge=0, le=1)
    seed: int = 0

    @property
    def margin_policy(self) -> MarginPolicy:
        """The gate's policy."""
        return MarginPolicy(**self.policy.model_dump(exclude={"kind"}))

    @property
    def ladder_policy(self) -> LadderPolicy:
        """When learned tools go up and down the permission ladder.

        Raises:
            BadInput: Its shares do not fit together.
        """
        return LadderPolicy(**self.ladder.model_dump())

    @property
    def run_limits(self) -> Limits:
        """The bounds of one run."""
        return Limits(**self.limits.model_dump())


class _Loader(yaml.SafeLoader):
    """The safe loader, which also tells where a value stands that it cannot make."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep=deep)
        # What its makers of dates, numbers and booleans raise, as it comes.
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            kind = str(node.tag).rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                problem=f"this cannot be read as {kind} ({error}); put text in quotes",
                problem_mark=node.start_mark,
            ) from error


def load_config(path: Path) -> Config:
    """The configuration in a YAML file.

    Raises:
        BadInput: No such file, not YAML, an unknown field or a value of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(
            "no such file; `strop init` makes one, `--config` names another", where=str(path)
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path)) from None
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except RecursionError:
        raise BadInput("not YAML: nested too deeply", where=str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise BadInput(f"not YAML: {getattr(error, 'problem', error)}", where=where) from None
    if not isinstance(value, dict):
        raise BadInput("expected fields such as 'name:' and 'model:'", where=str(path))
    return checked_config(value, where=str(path))


def checked_config(value: dict[str, Any], *, where: str) -> Config:
    """A `Config` from plain values.

    Raises:
        BadInput: An unknown field (with the nearest known one) or a value of the wrong type.
    """
    for key in value:
        if not isinstance(key, str):
            raise BadInput(f"the name of a field must be text, not {key!r}", where=where)
    try:
        return Config(**value)
    except ValidationError as error:
        raise BadInput(_problem(error.errors()), where=where) from None


# What Pydantic calls things when it has tried one of several types; no part of anybody's file.
_LABELS = {"str", "TextItem", "tuple[str, ...]", "dict[str,any]", "[key]"}
_SAID = {
    "dict_type": "must be an object",
    "missing": "is missing",
    "model_type": "must be an object",
    "string_pattern_mismatch": "may hold only letters, digits, '.', '_' and '-'",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}


def _problem(errors: Sequence[ErrorDetails]) -> str:
    """What is wrong with the first field that does not hold, in one sentence."""
    of_field = [error for error in errors if error["loc"][0] == errors[0]["loc"][0]]
    # A value of several possible types has errors for each: the deepest came nearest to fitting.
    best = max(of_field, key=lambda e: (len(_path(e)), e["type"] == "extra_forbidden"))
    path = _path(best)
    name = ".".join(path)
    if best["type"] == "extra_forbidden":
        known = _fields_beside(path)
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"unknown field {name!r}; {hint}"
    if best["type"] == "invalid_key" or "[key]" in best["loc"]:
        return f"field {name!r}: a key must be text; put it in quotes"
    said = dict.fromkeys(_said(error) for error in of_field if _path(error) == path)
    message = " or ".join(said).replace(" or must be ", " or ")
    if "text" in message and isinstance(best["input"], int | float | date):
        message += f"; quote {'the labels' if path[0] == 'output' else 'it'}"
        if isinstance(best["input"], bool):
            message += ": without quotes, YAML takes yes, no, on and off for booleans"
    return f"field {name!r}: {message}"


def _path(error: ErrorDetails) -> list[str]:
    """Where in the file an error is."""
    *inside, last = error["loc"]
    own = [str(part) for i, part in enumerate(inside) if i == 0 or part not in _LABELS]
    named = not inside or error["type"] in ("extra_forbidden", "missing")
    return [*own, str(last)] if named or last not in _LABELS else own


def _said(error: ErrorDetails) -> str:
    return _SAID.get(error["type"]) or error["msg"].replace("Input should be", "must be")


def _fields_beside(path: Sequence[str]) -> list[str]:
    """The names that could stand where `path` does."""
    if len(path) == 1:
        return list(Config.model_fields)
    kind = Config.model_fields[path[0]].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    return list(TextItem.model_fields)


def store_url(config: Config, folder: Path) -> str:
    """Where the store is: a database URL as it stands; a path, relative to `folder`."""
    return config.store if "://" in config.store else str(folder / config.store)


def base_spec(config: Config, *, embedder: str) -> AgentSpec:
    """The spec that a configuration alone gives.

    Args:
        config: The configuration.
        embedder: Id of the embedder in use; it decides what tasks see, so it is part of the spec.
    """
    lists = (
        (Kind.CLAUSE, config.instructions),
        (Kind.HEURISTIC, config.heuristics),
        (Kind.MEMORY, config.memory),
        (Kind.CRITERION, config.criteria),
    )
    items = [_text_item(kind, given) for kind, texts in lists for given in texts]
    items += [native_item(function) for function in config.tools]
    return AgentSpec(
        name=config.name,
        model=config.model,
        settings=config.settings,
        output=_output_schema(config.output),
        selection=Selection(embedder=embedder, **config.selection.model_dump()),
        items=tuple(items),
    )


def _text_item(kind: Kind, given: str | TextItem) -> Item:
    """One text as an item; its id comes from the text, so that moving a clause keeps its id."""
    if isinstance(given, str):
        given = TextItem(text=given)
    fields = given.model_dump(exclude_none=True, exclude={"id", "protected"})
    content: dict[str, Json] = dict(fields)
    return Item(
        id=given.id or f"{kind.value}-{digest(given.text)[:8]}",
        kind=kind,
        content=content,
        protected=given.protected,
    )


def _output_schema(output: tuple[str, ...] | dict[str, Any] | None) -> JsonObject | None:
    if output is None or isinstance(output, dict):
        return output
    if len(set(output)) != len(output) or len(output) < 2:
        raise BadInput(
            "a list of possible answers needs two or more different ones", where="output"
        )
    return {"type": "string", "enum": list(output)}
