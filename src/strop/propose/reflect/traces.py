"""A run as text for a model to read, within a budget of tokens; and which runs to show.

What is too long is cut from the middle: how a run began and how it ended says most. It never raises
on an odd trace, and looks only at the ends of a huge one. Fencing the text is `prompts`' business.

Next file: `propose/reflect/leakage.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from strop.context import count_tokens
from strop.jsonvalue import Json, as_text, salvaged
from strop.propose.brief import Brief
from strop.run import (
    CodeRun,
    ErrorStep,
    Message,
    ModelCall,
    Run,
    Score,
    ScoredRun,
    ScoreFailure,
    Step,
    ToolCall,
)
from strop.task import Task

__all__ = ["Shown", "choose_runs", "cut_middle", "plain", "render_run"]

_FRAME = 4  # tokens that `count_tokens` adds to any text
_BYTES = 4  # bytes that it takes for a token
_MIN_STEP = 12  # tokens; less says nothing


def plain(value: Json) -> str:
    """Any value of a trace as text that can be encoded, whatever it holds."""
    try:
        return str(salvaged(as_text(value)))
    except (TypeError, ValueError, RecursionError):
        return as_text(salvaged(value))


def cut_middle(text: str, tokens: int) -> str:
    """`text` within `tokens` by `count_tokens`: its head and its tail, and what was left out.

    Less than five tokens hold nothing: the frame alone takes four.
    """
    room = max(0, (tokens - _FRAME) * _BYTES)
    if len(text) <= room and len(text.encode("utf-8", "replace")) <= room:
        return text
    if not room:
        return ""
    note = f"\n[... {len(text)} characters in all ...]\n"
    half = (room - len(note)) // 2
    if half < len(note):
        return _within(text[:room], room)
    return _within(text[:half], half) + note + _within(text[-half:], half, tail=True)


def _within(text: str, room: int, *, tail: bool = False) -> str:
    """As many whole characters from the head (or the tail) as fit into `room` bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    data = data[-room:] if tail else data[:room]
    return data.decode("utf-8", "ignore")


def render_run(
    scored: ScoredRun, task: Task | None = None, *, tokens: int = 2000, step_tokens: int = 400
) -> str:
    """A run for a model to read: task, what it was shown, steps, output, score, right answer.

    Args:
        scored: The run and its score.
        task: Its task, where known: category and expected answer come from it.
        tokens: Estimated tokens of the whole text; the steps get what the rest leaves.
        step_tokens: Estimated tokens of each step.

    Returns:
        Text of at most `tokens` by `count_tokens`. It may hold anything: fence it.
    """
    run = scored.run
    parts = [_headed("Task", run.input, tokens // 5)]
    if run.shown:
        parts.append(
            _headed("Items it was shown", ", ".join(map(str, run.shown[:50])), tokens // 20)
        )
    ending = [_headed("Output", run.output, tokens // 5)]
    if run.error is not None:
        said = f"{run.error.type}: {cut_middle(plain(run.error.message), tokens // 10)}"
        ending.append(_headed("The run failed", said, tokens // 10))
    ending.append(_headed("Score", _score(scored), tokens // 10))
    if task is not None and task.expected is not None:
        ending.append(_headed("Right answer", task.expected, tokens // 8))
    if task is not None and task.category:
        ending.append(_headed("Category", task.category, tokens // 20))
    spent = sum(count_tokens(text) for text in (*parts, *ending))
    steps = _steps(run, tokens - spent - 2 * _FRAME, step_tokens)
    if steps:
        parts.append(f"Steps:\n{steps}")
    return cut_middle("\n".join((*parts, *ending)), tokens)


def _headed(title: str, value: Json, tokens: int) -> str:
    text = cut_middle(_cheap(value, tokens), max(tokens, _MIN_STEP))
    return f"{title}:\n{text}" if "\n" in text else f"{title}: {text}"


def _cheap(value: Json, tokens: int) -> str:
    """A value's text; of huge text only the ends, before anything looks at all of it."""
    room = max(tokens, _MIN_STEP) * _BYTES
    if isinstance(value, str) and len(value) > 2 * room:
        # Twice the room is left, so that `cut_middle` still says that something is missing.
        value = f"{value[:room]}\n[...]\n{value[-room:]}"
    return plain(value)


def _score(scored: ScoredRun) -> str:
    score = scored.score
    if isinstance(score, Score):
        return f"{score.value:.2f} of 1. {plain(score.reason)}".strip()
    if isinstance(score, ScoreFailure):
        return f"none, the scorer failed: {plain(score.error)}"
    return "none"


def _steps(run: Run, tokens: int, each: int) -> str:
    """The steps from both ends, the end first: it says what went wrong."""
    steps = [(i, s) for i, s in enumerate(run.steps, start=1) if not isinstance(s, ModelCall)]
    room = (tokens - 2 * _FRAME) * _BYTES - 40  # for the line that says what was left out
    each = max(_MIN_STEP, min(each, tokens // 2))
    head: list[str] = []
    tail: list[str] = []
    low, high = 0, len(steps)
    while low < high:
        from_end = len(tail) <= len(head)
        number, step = steps[high - 1] if from_end else steps[low]
        text = cut_middle(f"{number}. {_step(step, each)}", each)
        room -= len(text.encode("utf-8", "replace")) + 1
        if room < 0:
            break
        if from_end:
            tail.append(text)
            high -= 1
        else:
            head.append(text)
            low += 1
    left_out = [f"[{high - low} steps left out]"] if low < high else []
    return "\n".join((*head, *left_out, *reversed(tail)))


def _step(step: Step, tokens: int) -> str:
    match step:
        case ToolCall():
            args = cut_middle(_cheap(step.args, tokens), tokens // 2)
            came = _cheap(step.error if step.error is not None else step.result, tokens)
            verb = "failed:" if step.error is not None else "gave"
            return f"tool {_cheap(step.tool, 20)} {args} {verb} {came}"
        case CodeRun():
            source = cut_middle(_cheap(step.source, tokens), tokens // 2)
            came = _cheap(step.error if step.error is not None else step.output, tokens)
            return f"code:\n{source}\n{'failed:' if step.error is not None else 'gave'} {came}"
        case Message():
            return f"{_cheap(step.role, 20)}: {_cheap(step.content, tokens)}"
        case ErrorStep():
            return f"error {_cheap(step.type, 20)}: {_cheap(step.message, tokens)}"
        case _:
            return _cheap(step.model, tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The runs that a model is shown.

    Attributes:
        failed: Runs under `Brief.poor`, one for each task.
        passed: Runs from `Brief.good` on, one for each task; what goes with the failures first.
    """

    failed: tuple[ScoredRun, ...]
    passed: tuple[ScoredRun, ...]

    @property
    def runs(self) -> tuple[ScoredRun, ...]:
        """All of them, the failed ones first."""
        return (*self.failed, *self.passed)

    @property
    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(scored.run.id for scored in self.runs)


def choose_runs(brief: Brief, *, failed: int, passed: int) -> Shown:
    """The runs worth showing: of each task the latest, of the parent spec where there are any.

    Failures are dealt out over the categories, the worst first; successes on the tasks that
    failures are shown of come first, then those of the same categories. Only runs of tasks that may
    teach are looked at.
    """
    bad = _latest(brief, lambda value: value < brief.poor)
    good = _latest(brief, lambda value: value >= brief.good)
    chosen = _dealt(bad.values(), brief.tasks)[:failed]
    tasks = {scored.run.task for scored in chosen}
    categories = {brief.tasks[task].category for task in tasks}

    def distance(scored: ScoredRun) -> tuple[bool, bool, str]:
        task = scored.run.task
        return task not in tasks, brief.tasks[task].category not in categories, task

    return Shown(failed=tuple(chosen), passed=tuple(sorted(good.values(), key=distance)[:passed]))


def _latest(brief: Brief, wanted: Callable[[float], bool]) -> dict[str, ScoredRun]:
    """By task, the latest run whose score is wanted; the parent's own runs before any other's."""
    found: dict[str, ScoredRun] = {}
    for scored in brief.runs:
        if scored.value is None or scored.run.task not in brief.tasks or not wanted(scored.value):
            continue
        held = found.get(scored.run.task)
        own = scored.run.spec == brief.spec.id
        if held is None or own or held.run.spec != brief.spec.id:
            found[scored.run.task] = scored
    return found


def _dealt(runs: Iterable[ScoredRun], tasks: Mapping[str, Task]) -> list[ScoredRun]:
    """The runs of the categories in turn; within one, the worst first."""
    piles: dict[str, list[ScoredRun]] = {}
    for scored in sorted(runs, key=lambda s: (s.value or 0.0, s.run.task)):
        piles.setdefault(tasks[scored.run.task].category or "", []).append(scored)
    turns = [
        (turn, category, scored)
        for category, pile in piles.items()
        for turn, scored in enumerate(pile)
    ]
    turns.sort(key=lambda entry: entry[:2])
    return [scored for _, _, scored in turns]
