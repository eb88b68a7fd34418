"""`settle`: which spec serves, given the configuration and what was learned.

The configuration gives a base spec; learning adds to it release by release. When a person edits the
configuration, the edits are laid over what was learned, so that neither loses the other.

Next file: `grants.py`.
"""

from dataclasses import replace

from strop.jsonvalue import canonical
from strop.release import Action, Release
from strop.spec import Add, AgentSpec, Change, Item, Remove, Revise, apply, diff
from strop.store import ReleaseConflict, Store

__all__ = ["planned", "rebased", "settle"]

_ATTEMPTS = 5


def settle(base: AgentSpec, store: Store) -> AgentSpec:
    """The spec that serves: the released one, brought in line with the configuration.

    A first call releases `base` itself. When the configuration has changed since, its changes are
    laid over what was learned, and that is a release of its own. Of several processes that start
    at once, one makes the release, and the others find it.

    Raises:
        ReleaseConflict: Others released meanwhile, again and again.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _settled(base, store)
        except ReleaseConflict:
            continue
    return _settled(base, store)


def planned(base: AgentSpec, store: Store) -> AgentSpec:
    """The spec that `settle` would give, without releasing anything."""
    release = store.released()
    if release is None:
        return base
    served = store.spec(release.spec)
    if release.origin == base.id:
        return served
    return rebased(store.spec(release.origin), base, served)


def rebased(origin: AgentSpec, base: AgentSpec, learned: AgentSpec) -> AgentSpec:
    """What was learned on one configuration, with what the configuration says now laid over it.

    Args:
        origin: The spec of the configuration that `learned` grew from.
        base: The spec of the configuration now.
        learned: What learning made of `origin`.
    """
    edits = _fitting(origin, base, learned)
    return replace(base, items=apply(learned, edits, by_person=True).items)


def _settled(base: AgentSpec, store: Store) -> AgentSpec:
    release, spec = store.released(), planned(base, store)
    if release is None:
        action, summary = Action.INITIAL, "the agent as configured"
    elif release.origin == base.id:
        return spec
    else:
        action, summary = Action.CONFIGURE, _what_changed(store.spec(release.spec), spec)
    store.put_spec(base)
    store.append_release(
        Release(
            spec=spec.id,
            previous=None if release is None else release.spec,
            origin=base.id,
            action=action,
            summary=summary,
            by="configuration",
        ),
        spec,
    )
    return spec


def _what_changed(old: AgentSpec, new: AgentSpec) -> str:
    before, after = old.to_json(), new.to_json()
    fields = [
        name
        for name in ("name", "model", "settings", "output", "selection")
        if canonical(before[name]) != canonical(after[name])
    ]
    edits = len(diff(old, new))
    if edits:
        fields.append(f"{edits} items")
    return f"the configuration changed: {', '.join(fields) or 'to what was learned already'}"


def _fitting(origin: AgentSpec, base: AgentSpec, served: AgentSpec) -> list[Change]:
    """What the person changed, as changes to the spec that serves.

    An item that the person touched becomes what the person says, whatever learning made of it
    meanwhile. One that only moved keeps what learning made of it.
    """
    said = {item.id: item.digest for item in origin.items}
    learned = {item.id: item for item in served.items}
    held = dict(learned)
    fitting: list[Change] = []
    for edit in diff(origin, base):
        if isinstance(edit, Remove):
            if held.pop(edit.item_id, None) is not None:
                fitting.append(edit)
            continue
        item = edit.item
        if said.get(item.id) == item.digest:  # it only moved
            if item.id not in learned:
                continue
            item = learned[item.id]
        before = edit.before if isinstance(edit, Add) and edit.before in held else None
        fitting += _put(item, held.get(item.id), before=before)
        held[item.id] = item
    return fitting


def _put(item: Item, held: Item | None, *, before: str | None) -> list[Change]:
    """The changes that put `item` into the spec, in the place of `held` if there is one."""
    if held is None:
        return [Add(item=item, before=before)]
    if held.kind is item.kind:
        return [Revise(item_id=item.id, item=item)]
    return [Remove(item_id=item.id), Add(item=item, before=before)]
