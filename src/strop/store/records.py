"""Queries over what is stored whole and read by id: specs, tasks, documents and settings.

They are values: a spec or a document never changes, so the first stays; a task may be corrected.

Next file: `store/runs.py`.
"""

import json
from collections.abc import Iterable, Sequence
from typing import cast

from strop.errors import UserMistake
from strop.jsonvalue import Json, JsonObject, canonical
from strop.spec import AgentSpec
from strop.store.scope import Scope, chunks
from strop.store.tables import documents, meta, specs, tasks
from strop.task import Split, Task

__all__ = [
    "document",
    "documents_after",
    "get_meta",
    "get_spec",
    "get_task",
    "get_tasks",
    "put_document",
    "put_spec",
    "put_tasks",
    "set_meta",
]


def put_spec(scope: Scope, spec: AgentSpec) -> None:
    scope.add_new(specs, {"id": spec.id, "body": canonical(spec.to_json())})


def get_spec(scope: Scope, spec_id: str) -> AgentSpec:
    whole = scope.find(specs, spec_id, what="spec")
    body = scope.connection.scalar(scope.select(specs, specs.c.body).where(specs.c.id == whole))
    return AgentSpec.from_json(json.loads(cast("str", body)))


def put_tasks(scope: Scope, given: Iterable[Task]) -> None:
    rows = [
        {
            "id": task.id,
            "split": None if task.split is None else task.split.value,
            "body": canonical(task.to_json()),
        }
        for task in given
    ]
    for some in chunks(rows):
        scope.put(tasks, *some, key=["id"])


def get_tasks(scope: Scope, *, split: Split | None) -> tuple[Task, ...]:
    query = scope.select(tasks, tasks.c.body).order_by(tasks.c.n)
    if split is not None:
        query = query.where(tasks.c.split == split.value)
    return tuple(Task.from_json(json.loads(body)) for body in scope.connection.scalars(query))


def get_task(scope: Scope, task_id: str) -> Task | None:
    body = scope.connection.scalar(scope.select(tasks, tasks.c.body).where(tasks.c.id == task_id))
    return None if body is None else Task.from_json(json.loads(body))


def put_document(scope: Scope, kind: str, key: str, body: JsonObject) -> None:
    scope.add_new(documents, {"kind": kind, "id": key, "body": canonical(body)})


def document(scope: Scope, kind: str, key: str) -> dict[str, Json]:
    found = find_document(scope, kind, key)
    if found is None:
        raise UserMistake(f"there is no {kind} {key!r} in this store")
    return found


def find_document(scope: Scope, kind: str, key: str) -> dict[str, Json] | None:
    query = scope.select(documents, documents.c.body)
    body = scope.connection.scalar(query.where(documents.c.kind == kind, documents.c.id == key))
    return None if body is None else cast("dict[str, Json]", json.loads(body))


def documents_after(
    scope: Scope, kind: str, last: int, *, limit: int
) -> Sequence[tuple[int, str, dict[str, Json]]]:
    """The next documents of a kind after number `last`: number, id and body."""
    columns = documents.c
    query = (
        scope.select(documents, columns.n, columns.id, columns.body)
        .where(columns.kind == kind, columns.n > last)
        .order_by(columns.n)
        .limit(limit)
    )
    return [(n, key, json.loads(body)) for n, key, body in scope.connection.execute(query)]


def get_meta(scope: Scope, key: str) -> str | None:
    query = scope.select(meta, meta.c.value).where(meta.c.key == key)
    return cast("str | None", scope.connection.scalar(query))


def set_meta(scope: Scope, key: str, value: str) -> None:
    scope.put(meta, {"key": key, "value": value}, key=["key"])
