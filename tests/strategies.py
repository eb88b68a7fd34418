"""Hypothesis strategies for Strop's values.

Sizes are small and ids come from a short list, so that clashes, moves and repeats are common.
"""

# ruff: noqa: A002, B008 - parameters are named as the fields they fill; strategies are values

from hypothesis import strategies as st

from strop.gate import Comparison, MarginPolicy, Pair
from strop.release import Action, LedgerEntry, Release, chain
from strop.run import (
    CodeRun,
    ErrorStep,
    Message,
    ModelCall,
    Run,
    RunError,
    Score,
    ScoredRun,
    ScoreFailure,
    ToolCall,
    Usage,
)
from strop.spec import (
    Add,
    AgentSpec,
    Item,
    Kind,
    Provenance,
    Remove,
    Revise,
    Selection,
    Trust,
)
from strop.task import Split, Task

IDS = tuple("abcdefgh")

texts = st.text(st.characters(codec="utf-8"), max_size=8)  # all of Unicode but lone surrogates
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
ids = st.sampled_from(IDS)
unit = st.floats(0, 1, allow_nan=False)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)


def shuffled(value, random):
    """The same JSON value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = random.sample(sorted(value), len(value))
        return {key: shuffled(value[key], random) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, random) for item in value]
    return value


# --- tasks ---------------------------------------------------------------------------------------

splits = st.sampled_from(Split)
inputs = json_values.filter(lambda value: value is not None and value != "")


def tasks(*, id=names, split=st.none() | splits, group=st.none() | ids):
    return st.builds(
        Task,
        id=id,
        input=inputs,
        expected=json_values,
        category=st.none() | st.sampled_from(("x", "y", "z")),
        critical=st.booleans(),
        group=group,
        split=split,
        metadata=json_objects,
    )


def task_lists(*, max_size=4, **given):
    return st.lists(tasks(**given), max_size=max_size, unique_by=lambda task: task.id)


def bare_task_lists(*, split=st.none() | splits, max_size=12):
    """Tasks with only what decides their split, and some of whose groups span categories."""
    task = st.builds(
        Task,
        id=st.integers(0, 30).map(str),
        input=st.just("x"),
        category=st.none() | st.sampled_from(("x", "y")),
        group=st.sampled_from(("g", "h", "i", None)),
        split=split,
    )
    return st.lists(task, max_size=max_size, unique_by=lambda task: task.id)


# --- specs ---------------------------------------------------------------------------------------

provenances = st.builds(
    Provenance,
    by=names,
    runs=st.lists(names, max_size=2).map(tuple),
    trust=st.sampled_from(Trust),
    corrected=st.booleans(),
)
_text = st.fixed_dictionaries({"text": texts})
_contents = {
    Kind.CLAUSE: _text,
    Kind.TOOL: st.fixed_dictionaries(
        {"name": texts, "description": texts, "parameters": json_objects, "body": json_objects}
    ),
    Kind.EXAMPLE: st.fixed_dictionaries(
        {"input": json_values, "output": json_values}, optional={"task": texts, "group": texts}
    ),
    Kind.HEURISTIC: st.fixed_dictionaries({"text": texts}, optional={"when": texts}),
    Kind.MEMORY: st.fixed_dictionaries(
        {"text": texts}, optional={"about": texts, "pinned": st.booleans()}
    ),
    Kind.CRITERION: st.fixed_dictionaries({"text": texts}, optional={"weight": unit}),
}


def items(*, id=ids, kind=st.sampled_from(Kind), protected=st.booleans()):
    return kind.flatmap(
        lambda kind: st.builds(
            Item,
            id=id,
            kind=st.just(kind),
            content=_contents[kind],
            provenance=provenances,
            protected=protected,
        )
    )


specs = st.builds(
    AgentSpec,
    name=names,
    model=names,
    settings=json_objects,
    output=st.none() | json_objects,
    selection=st.builds(
        Selection, embedder=names, examples=st.integers(0, 9), tokens=st.integers(0, 9999)
    ),
    items=st.lists(items(), max_size=3, unique_by=lambda item: item.id).map(tuple),
)


# Where only ids, kinds and order matter, the rest is kept small: examples come ten times as fast.


def bare_items(
    *, id=ids, kind=st.sampled_from((Kind.CLAUSE, Kind.MEMORY)), protected=st.booleans()
):
    return st.builds(
        Item,
        id=id,
        kind=kind,
        content=st.sampled_from(({"text": "x"}, {"text": "y"})),
        provenance=st.sampled_from((Provenance(), Provenance(by="mined", runs=("r",)))),
        protected=protected,
    )


bare_specs = st.builds(
    AgentSpec,
    name=st.just("n"),
    model=st.sampled_from(("m", "k")),
    items=st.lists(bare_items(), max_size=8, unique_by=lambda item: item.id).map(tuple),
)


def changes(items):
    return st.one_of(
        st.builds(Add, item=items, before=st.none() | ids),
        items.map(lambda item: Revise(item_id=item.id, item=item)),
        st.builds(Revise, item_id=ids, item=items),
        st.builds(Remove, item_id=ids),
    )


@st.composite
def fitting_changes(draw, spec):
    """Changes that a person can apply to `spec` one after the other."""
    held = {item.id: item.kind for item in spec.items}
    out = []
    for item_id in draw(st.lists(ids, max_size=10)):
        if item_id not in held:
            item = draw(bare_items(id=st.just(item_id)))
            out.append(Add(item=item, before=draw(st.sampled_from([None, *sorted(held)]))))
            held[item_id] = item.kind
        elif draw(st.booleans()):
            out.append(Remove(item_id=item_id))
            del held[item_id]
        else:
            item = draw(bare_items(id=st.just(item_id), kind=st.just(held[item_id])))
            out.append(Revise(item_id=item_id, item=item))
    return out


# --- runs ----------------------------------------------------------------------------------------

counts = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cached_tokens=counts,
    requests=counts,
    tool_calls=counts,
    cost=st.none() | st.floats(0, 1e6),
    seconds=st.integers(0, 10**12).map(lambda us: round(us / 1e6, 6)),  # kept to a microsecond
)
errors = st.none() | texts
steps = st.one_of(
    st.builds(ModelCall, model=texts, usage=usages),
    st.builds(Message, role=texts, content=texts),
    st.builds(ToolCall, tool=texts, args=json_values, result=json_values, error=errors),
    st.builds(CodeRun, source=texts, output=texts, error=errors),
    st.builds(ErrorStep, type=texts, message=texts),
)
runs = st.builds(
    Run,
    id=names,
    task=names,
    input=json_values,
    split=splits,
    trial=counts,
    spec=st.none() | names,
    steps=st.lists(steps, max_size=4).map(tuple),
    output=json_values,
    error=st.none() | st.builds(RunError, type=texts, message=texts),
    usage=usages,
    shown=st.lists(texts, max_size=3).map(tuple),
    withheld=st.lists(texts, max_size=3).map(tuple),
    at=st.none() | st.floats(0, 1e10),
)
scores = st.builds(Score, name=texts, value=unit, reason=texts, scorer=texts)
failures = st.builds(ScoreFailure, name=texts, error=texts, scorer=texts)
scored_runs = st.builds(ScoredRun, run=runs, score=st.none() | scores | failures)


# --- the gate ------------------------------------------------------------------------------------

grades = st.sampled_from((0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0)) | unit


def pairs(*, trials, complete=False):
    side = st.lists(grades, min_size=trials if complete else 0, max_size=trials).map(tuple)
    return st.builds(
        Pair,
        task=names,
        category=st.none() | st.sampled_from(("x", "y", "z")),
        critical=st.sampled_from((False, False, False, True)),
        baseline=side,
        candidate=side,
    )


def _of_trials(trials, complete, max_size):
    return st.builds(
        Comparison,
        baseline=st.just("b" * 64),
        candidate=st.just("c" * 64),
        split=st.just(Split.VALIDATION),
        pairs=st.lists(pairs(trials=trials, complete=complete), max_size=max_size).map(tuple),
        looks=st.integers(1, 9),
        trials=st.just(trials),
    )


def comparisons(*, complete=False, max_size=16):
    return st.integers(1, 3).flatmap(lambda trials: _of_trials(trials, complete, max_size))


policies = st.builds(
    MarginPolicy,
    min_effect=st.sampled_from((0.0, 0.02, 0.1)),
    standard_errors=st.sampled_from((0.0, 1.0, 2.0)),
    min_tasks=st.integers(2, 8),
    max_missing=st.sampled_from((0.0, 0.1, 0.5, 1.0)),
    max_critical_drop=st.sampled_from((0.0, 0.05)),
)


# --- releases and the ledger ---------------------------------------------------------------------


@st.composite
def ledgers(draw, *, min_size=0):
    """A whole chain: entries with the hashes stored beside them."""
    out: list[tuple[LedgerEntry, str]] = []
    bodies = draw(st.lists(json_objects, min_size=min_size, max_size=6))
    for at, body in enumerate(bodies):
        head = out[-1][0] if out else None
        kind = draw(st.sampled_from(("release", "verdict", "alert")))
        entry = chain(head, kind=kind, body=body, at=float(at))
        out.append((entry, entry.hash))
    return out


def release(spec, previous=None, *, action=Action.PROMOTE, origin="origin"):
    """A release with the fields that decide where a rollback goes."""
    return Release(
        spec=spec, previous=previous, origin=origin, action=action, summary="", by="gate"
    )
