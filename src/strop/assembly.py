"""`assemble`: from a configuration to an agent's working parts.

Also says what *pins* a result: the code and the files that decide it and stand in a spec only by
name. Starts no model: the backend it makes resolves one when first asked.

Next file: `improving.py`.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from strop.agent import AgentFunction, Backend, Limits, function_backend
from strop.config import Config, base_spec, store_url
from strop.embed import resolve_embedder
from strop.grants import Grants
from strop.jsonvalue import Json, JsonObject, digest
from strop.levers import resolve_levers
from strop.libraries import Libraries
from strop.models.resolve import resolve_model
from strop.models.server import server_count
from strop.parts import Parts
from strop.propose.curation import CurationPolicy
from strop.propose.reflect.reflector import Reflection, Reflector
from strop.score import Ask, Scorer, resolve_scorer
from strop.score.function import fingerprint
from strop.spec import AgentSpec, Kind
from strop.store import Store, open_store
from strop.task import Split, Task, assign_splits, load_tasks, refuse_clashes
from strop.tools import Toolbox, native_function

__all__ = ["assemble"]

_A_DAY = 86_400.0
_SHARES = {Split.TRAIN: 0.5, Split.VALIDATION: 0.25, Split.TEST: 0.25}


def assemble(
    config: Config,
    *,
    folder: Path,
    tasks: Sequence[Task] | None = None,
    deal: bool = False,
    agent: AgentFunction | None = None,
    model: Any = None,
    scorer: Any = None,
    functions: Sequence[Callable[..., Any]] = (),
) -> Parts:
    """The working parts of an agent.

    Args:
        config: What `strop.yaml` says.
        folder: What relative paths in the configuration are relative to.
        tasks: Tasks, instead of those in the configured file.
        deal: Give tasks without a split one; those that had one in this store keep it.
        agent: ``(task, context) -> output``, instead of a Pydantic AI agent.
        model: A Pydantic AI model object, instead of one made from the configured name.
        scorer: A `Scorer` or function, instead of the configured one.
        functions: Native tools' functions, for those that cannot be imported by name.

    Raises:
        UserMistake: Anything in the configuration that does not hold.
    """
    beside = str(folder.resolve())
    if beside not in sys.path:
        sys.path.insert(0, beside)  # tools and scorers live beside the configuration
    if tasks is None:
        tasks = load_tasks(folder / config.tasks) if config.tasks else ()
    refuse_clashes(tasks)
    embedder = resolve_embedder(config.embedder)
    base = base_spec(config, embedder=embedder.id)
    registered = {f"{f.__module__}:{f.__qualname__}": f for f in functions}
    reflections: list[Reflection[Any]] = []
    reflector = None
    if config.reflect_model is not None:
        reflector = Reflector(config.reflect_model, record=reflections.append)
    curation = CurationPolicy(**config.curation.model_dump())
    pull = partial(resolve_levers, reflector=reflector, curation=curation)
    # The store last: a mistake in the configuration must not leave an empty database behind.
    scorer = _scorer(config, base, scorer)
    store = open_store(store_url(config, folder), agent=config.name)
    if deal:
        tasks = _dealt(tasks, store)
    grants = Grants(store, config.ladder_policy)
    toolbox = Toolbox(
        functions=registered,
        granted=grants.granted,
        halted=grants.halted,
        at_once=grants.at_once,
        record=grants.record,
    )
    return Parts(
        base=base,
        store=store,
        libraries=Libraries(store, embedder),
        scorer=scorer,
        backend=_backends(agent, model, toolbox),
        toolbox=toolbox,
        grants=grants,
        tasks=tuple(tasks),
        policy=config.margin_policy,
        limits=_limits(config),
        pins=_pins(config, base, agent, registered),
        trials=config.trials,
        concurrency=config.concurrency or _default_concurrency(config.model),
        proposers=pull(config.levers),
        pull=pull,
        reflections=reflections,
        floor=config.resolutions.floor,
        unseen=config.resolutions.unseen,
        good=config.good,
        poor=config.poor,
        seed=config.seed,
    )


def _backends(
    agent: AgentFunction | None, model: Any, toolbox: Toolbox
) -> Callable[[AgentSpec], Backend]:
    """What makes a spec's backend: the given function, or an agent on the given or named model."""
    resolved = cache(resolve_model)  # one client per model, not one per run

    def backend(spec: AgentSpec) -> Backend:
        if agent is not None:
            return function_backend(agent)
        # Imported here because it takes half a second that `strop log` need not wait for.
        from strop.agent_pydantic import pydantic_backend

        chosen = model if model is not None else resolved(spec.model)
        return pydantic_backend(spec, chosen, toolbox=toolbox)

    return backend


def _dealt(tasks: Sequence[Task], store: Store) -> tuple[Task, ...]:
    """Every task with a split, the one it had before: a list that grows unseals nothing."""
    if all(task.split is not None for task in tasks):
        return tuple(tasks)
    before = {t.id: t.split for t in store.tasks(split=None) if t.split in _SHARES}
    known = [t if t.split is not None else replace(t, split=before.get(t.id)) for t in tasks]
    dealt = assign_splits(known, shares=_SHARES)
    refuse_clashes(dealt)
    store.put_tasks(dealt)
    return dealt


def _limits(config: Config) -> Limits:
    """The bounds of one run; who answers in files has a day, where nothing else is said."""
    limits = config.run_limits
    if config.model.startswith("file:") and "seconds" not in config.limits.model_fields_set:
        return replace(limits, seconds=_A_DAY)
    return limits


def _pins(
    config: Config,
    base: AgentSpec,
    agent: AgentFunction | None,
    registered: Mapping[str, Callable[..., Any]],
) -> str:
    """Digest of the code and files that decide a result and stand in the spec only by name."""
    pins: list[Json] = [None if agent is None else fingerprint(agent)]
    pins += [fingerprint(native_function(t, registered)) for t in base.of_kind(Kind.TOOL)]
    weights = Path(config.model.removeprefix("local:"))
    if weights.suffix == ".gguf" and weights.is_file():
        found = weights.stat()
        pins.append([found.st_size, found.st_mtime_ns])
    return digest(pins)


def _scorer(config: Config, base: AgentSpec, given: Any) -> Scorer:
    """The scorer; a judge grades by the criteria of the configuration, the same for all specs."""
    ask_judge: Ask | None = None
    if config.judge_model is not None:
        judge_model = config.judge_model

        async def ask_judge(instructions: str, prompt: str, schema: JsonObject) -> Json:
            # Imported here because Pydantic AI takes half a second to load.
            from strop.models.ask import ask

            answer = await ask(judge_model, instructions=instructions, prompt=prompt, schema=schema)
            return answer.value

    chosen = config.scorer if given is None else given
    if chosen == "judge":
        chosen = {"kind": "judge"}
    if isinstance(chosen, dict) and chosen.get("kind") == "judge":
        # The model is part of a judge's version, and so of every cache key.
        chosen = {"model": config.judge_model or "", **chosen}
    return resolve_scorer(
        chosen,
        criteria=base.of_kind(Kind.CRITERION),
        ask=ask_judge,
    )


def _default_concurrency(model: str) -> int:
    """One run at a time per embedded server, which has one thread; 8 for models elsewhere."""
    if model == "local" or model.startswith("local:") or model.endswith(".gguf"):
        return server_count()
    return 8
