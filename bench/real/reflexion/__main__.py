"""Distil the lessons of the Reflexion runs and measure what the rules are worth.

    python -m bench.real.reflexion [--quick] [--markdown PAGE]

Prints one JSON object; with `--markdown` also writes the page. No model is asked and nothing is
sent anywhere. `--quick` uses the static embedder only and leaves HotpotQA out.

Next file: `data.py`.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from bench.real.reflexion.data import Lesson, alfworld, hotpot
from bench.real.reflexion.measures import (
    Figures,
    Vectors,
    agreement,
    coverage,
    k_means,
    mean_of,
    shuffled,
)
from bench.real.reflexion.page import page
from strop.context import count_tokens
from strop.embed import resolve_embedder
from strop.mine.texts.distil import Cluster, assignments, distil, duplicates
from strop.mine.texts.plans import keys, plan
from strop.propose.brief import Brief
from strop.propose.curation import Curation, CurationPolicy
from strop.run import Run, ScoredRun
from strop.spec import AgentSpec, Item, Kind, Provenance, Trust, apply
from strop.task import Split

AT_MOST = 20
LESSONS = 190
EARLY = 1  # the last trial whose lessons count as early


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="static embedder, ALFWorld only")
    parser.add_argument("--markdown", type=Path, help="where to write the page")
    given = parser.parse_args()
    lessons = alfworld()
    embedders = ("static",) if given.quick else ("minilm", "static")
    found = {name: _alfworld(lessons, name) for name in embedders}
    out: dict[str, Any] = {
        "schema": "strop.bench.reflexion/1",
        "lessons": len(lessons),
        "distinct": len({lesson.text for lesson in lessons}),
        "environments": len({lesson.source for lesson in lessons}),
        "families": dict(sorted(Counter(lesson.family for lesson in lessons).items())),
        "alfworld": found,
    }
    if not given.quick:
        out["hotpot"] = {name: _hotpot(hotpot(), name) for name in embedders}
    out["targets"] = {"lessons": LESSONS, "rules_at_most": AT_MOST, "each_in_one": True}
    out["met"] = {name: _met(len(lessons), figures) for name, figures in found.items()}
    if given.markdown:
        given.markdown.write_text(page(out), encoding="utf-8")
    print(json.dumps(out, ensure_ascii=False, indent=1))


def _met(count: int, found: dict[str, Any]) -> dict[str, bool]:
    rows = found["rows"]
    ours, blind = rows["distil"], rows["k-means, texts as they are"]
    return {
        "lessons": count >= LESSONS,
        "rules_at_most": max(len(found["rules"]), found["curated"]["notes"]) <= AT_MOST,
        "each_in_one": sum(rule["lessons"] for rule in found["rules"]) == count,
        "adjusted_rand_above_k_means": ours["adjusted_rand"] > blind["adjusted_rand"],
    }


def _alfworld(lessons: Sequence[Lesson], embedder: str) -> dict[str, Any]:
    texts = [lesson.text for lesson in lessons]
    families, sources = [x.family for x in lessons], [x.source for x in lessons]
    inputs = {
        "texts as they are": _vectors(texts, embedder),
        "plans only": _vectors([" ".join(plan(text)) for text in texts], embedder),
        "distil": _vectors(keys(texts), embedder),
    }
    found = {name: distil(texts, rows, at_most=AT_MOST) for name, rows in inputs.items()}
    labels = {name: assignments(clusters, len(texts)) for name, clusters in found.items()}

    def measure(of: Sequence[int]) -> Figures:
        return agreement(of, families, sources)

    ours = labels["distil"]
    count = len(found["distil"])
    rows = {
        "distil": measure(ours),
        "distil, plans only": measure(labels["plans only"]),
        "distil, texts as they are": measure(labels["texts as they are"]),
        "k-means, texts as they are": mean_of(k_means(inputs["texts as they are"], count), measure),
        "k-means, what distil embeds": mean_of(k_means(inputs["distil"], count), measure),
        "random, sizes of distil": mean_of(shuffled(ours), measure),
    }
    return {
        "duplicates": len(texts) - len(duplicates(texts, inputs["distil"])),
        "rows": rows,
        "rules": [_rule(cluster, lessons) for cluster in found["distil"]],
        "curated": _curated(lessons, embedder),
        "later trials": _covered(
            [x for x in lessons if x.trial <= EARLY],
            [x for x in lessons if x.trial > EARLY],
            embedder,
        ),
        "other environments": _covered(*_halves(lessons), embedder),
    }


def _halves(lessons: Sequence[Lesson]) -> tuple[list[Lesson], list[Lesson]]:
    """Every second environment, in their order, and the others."""
    place = {source: n for n, source in enumerate(dict.fromkeys(x.source for x in lessons))}
    return (
        [x for x in lessons if place[x.source] % 2 == 0],
        [x for x in lessons if place[x.source] % 2 == 1],
    )


def _covered(early: Sequence[Lesson], late: Sequence[Lesson], embedder: str) -> dict[str, Any]:
    """How many of `late` fall within a rule made of `early`, and of how many it is the family."""
    texts = [lesson.text for lesson in early]
    rows = _vectors(keys(texts), embedder)
    clusters = distil(texts, rows, at_most=AT_MOST)
    # What counts as a name is learned from all there is at the time, the new lesson included.
    further = keys([*texts, *(lesson.text for lesson in late)])[len(texts) :]
    nearest, within = coverage(rows, clusters, _vectors(further, embedder))
    kinds = [Counter(early[i].family for i in c.members).most_common(1)[0][0] for c in clusters]
    right = np.array([kinds[at] == x.family for at, x in zip(nearest, late, strict=True)])
    common = Counter(lesson.family for lesson in late).most_common(1)[0][0]
    return {
        "lessons": len(early),
        "rules": len(clusters),
        "further": len(late),
        "within": int(within.sum()),
        "within, of its family": int((within & right).sum()),
        "nearest of its family": int(right.sum()),
        "most common family": sum(lesson.family == common for lesson in late),
    }


def _curated(lessons: Sequence[Lesson], embedder: str) -> dict[str, Any]:
    """The same by the proposer: what a spec with all these memories becomes."""
    spec = AgentSpec(
        name="household",
        model="local",
        items=tuple(
            Item(
                id=f"lesson-{n}",
                kind=Kind.MEMORY,
                content={"text": lesson.text, "type": "lesson"},
                provenance=Provenance(by="bench", runs=(f"run-{n}",), trust=Trust.EVIDENCE),
            )
            for n, lesson in enumerate(lessons)
        ),
    )
    runs = tuple(
        ScoredRun(run=Run(id=f"run-{n}", task=lesson.source, input="", split=Split.TRAIN))
        for n, lesson in enumerate(lessons)
    )
    brief = Brief(
        spec=spec, findings=(), tasks={}, runs=runs, embed=resolve_embedder(embedder).embed
    )
    policy = CurationPolicy(mode="distil", at_most=AT_MOST)
    proposal = anyio.run(Curation(policy=policy), brief)
    if proposal is None:
        raise AssertionError("200 lessons are more than 20 rules")
    made = apply(spec, proposal.changes)
    return {
        "summary": proposal.summary,
        "notes": len(made.items),
        "tokens_before": sum(count_tokens(item.text) for item in spec.items),
        "tokens_after": sum(count_tokens(item.text) for item in made.items),
        "runs": len({run for item in made.items for run in item.provenance.runs}),
        "texts": [item.text for item in made.items],
        "contradictions": [finding.claim for finding in proposal.made],
    }


def _hotpot(lessons: Sequence[Lesson], embedder: str) -> dict[str, Any]:
    """Without families: do lessons on one question, written after different trials, meet?"""
    texts = [lesson.text for lesson in lessons]
    rows = _vectors(keys(texts), embedder)
    clusters = distil(texts, rows, at_most=AT_MOST)
    labels = assignments(clusters, len(texts))
    close = rows @ rows.T

    def cohesion(of: Sequence[int]) -> Figures:
        at, asked = np.array(of), np.array([lesson.source for lesson in lessons])
        other = ~np.eye(len(at), dtype=bool)
        together = (at[:, None] == at) & other
        same = (asked[:, None] == asked) & other
        return {
            "cohesion": round(float(close[together].mean()), 3),
            "same question, same rule": round(float((together & same).sum() / same.sum()), 3),
        }

    return {
        "lessons": len(texts),
        "questions": len({lesson.source for lesson in lessons}),
        "distil": cohesion(labels),
        "random, sizes of distil": mean_of(shuffled(labels), cohesion),
        "rules": [_rule(cluster, lessons) for cluster in clusters],
    }


def _rule(cluster: Cluster, lessons: Sequence[Lesson]) -> dict[str, Any]:
    mine = [lessons[i] for i in cluster.members]
    return {
        "rule": cluster.rule,
        "lessons": len(mine),
        "sources": len({lesson.source for lesson in mine}),
        "families": dict(Counter(x.family for x in mine if x.family).most_common()),
        "cohesion": round(cluster.cohesion, 3),
    }


def _vectors(texts: Sequence[str], embedder: str) -> Vectors:
    rows: Vectors = anyio.run(resolve_embedder(embedder).embed, list(texts))
    return rows


if __name__ == "__main__":
    main()
