"""A proposed code tool, looked at and tried, before it becomes a change.

Shared by all who propose tools. `check_tool` reads the code, then runs it in the sandbox, and only
at the lowest level: more is granted to nobody before a person or a record speaks for it, so a tool
that needs more is read and not tried. What failed becomes a finding, by which a model may mend it.

Next file: `propose/snippets.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, as_text, is_object
from strop.mine import Finding
from strop.permission import Permissions
from strop.sandbox.base import Sandbox
from strop.spec import Item
from strop.tools.checks import Problem, check_code, check_name
from strop.tools.identity import needs_of, program_of
from strop.tools.validation import FailedCheck, Instance, Validation, validate

__all__ = ["ToolCheck", "check_tool", "instances_of", "validation_finding"]

_MAX_INSTANCES = 20
_MAX_ARGS = 2_000  # characters of failing arguments in a finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCheck:
    """What came of looking at a tool and trying it.

    Attributes:
        problems: What reading it found.
        validation: What trying it found; `None` where it was not tried.
    """

    problems: tuple[Problem, ...] = ()
    validation: Validation | None = None

    @property
    def ok(self) -> bool:
        """Whether it may be proposed."""
        return not self.problems and (self.validation is None or self.validation.ok)

    @property
    def messages(self) -> tuple[str, ...]:
        """What is wrong, a line each."""
        failures = self.validation.failures if self.validation is not None else ()
        return (*map(str, self.problems), *(failure.message for failure in failures))


def check_tool(
    item: Item,
    instances: Sequence[Instance],
    *,
    sandbox: Sandbox,
    taken: Collection[str] = (),
    generated: int = 20,
) -> ToolCheck:
    """Read a code tool, and try it if it needs no more than every new tool may do.

    It blocks while the sandbox works: call it in a worker thread.

    Args:
        item: The tool item.
        instances: Recorded calls; the first twenty are tried.
        sandbox: Where it is tried.
        taken: Names of the tools that are there.
        generated: How many generated arguments to try.
    """
    try:
        program, needs = program_of(item), needs_of(item)
    except BadInput as error:
        return ToolCheck(problems=(Problem(line=0, message=str(error)),))
    parameters = item.content["parameters"]
    wrong = check_name(str(item.content["name"]), taken)
    problems = (
        *((Problem(line=0, message=wrong),) if wrong is not None else ()),
        *check_code(
            program.source,
            program.function,
            parameters if is_object(parameters) else {},
            level=needs.level,
        ),
    )
    if problems or not Permissions().covers(needs):
        return ToolCheck(problems=problems)
    tried = validate(item, instances[:_MAX_INSTANCES], sandbox=sandbox, generated=generated)
    return ToolCheck(validation=tried)


def instances_of(data: JsonObject) -> tuple[Instance, ...]:
    """The recorded calls in a finding's data; what is damaged is left out."""
    found = data.get("instances")
    return tuple(
        Instance(args=args, result=each.get("result"), known="result" in each)
        for each in (found if isinstance(found, list) else ())
        if is_object(each) and is_object(args := each.get("args"))
    )


def validation_finding(item: Item, check: ToolCheck, runs: Sequence[str]) -> Finding:
    """What is wrong with a tool as a finding of kind ``tool_check``.

    Args:
        item: The tool.
        check: What came of trying it; not `ok`.
        runs: Ids of the runs that the tool was made from.
    """
    name = str(item.content["name"])
    said = check.messages[0] if check.messages else "it passed"
    failures = check.validation.failures if check.validation is not None else ()
    return Finding(
        kind="tool_check",
        claim=f"the proposed tool {name} fails its checks: {said}"[:500],
        runs=tuple(runs),
        data={
            "tool": {key: item.content[key] for key in ("name", "parameters", "body")},
            "problems": [{"line": p.line, "message": p.message} for p in check.problems],
            "failures": [_bounded(failure) for failure in failures],
        },
    )


def _bounded(failure: FailedCheck) -> dict[str, Json]:
    """A failed check, its values cut to what a model can be shown."""
    whole = failure.to_json()
    for key in ("args", "expected", "got"):
        text = as_text(whole[key])
        if len(text) > _MAX_ARGS:
            whole[key] = text[:_MAX_ARGS] + "..."
    return whole
