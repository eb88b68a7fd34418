"""How well clusters of lessons agree with the families of their tasks, and baselines to hold to.

Next file: `page.py`.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from strop.mine.texts.distil import Cluster, assignments

Vectors = NDArray[np.float32]
Figures = dict[str, float]
_DRAWS = 20


def agreement(labels: Sequence[int], families: Sequence[str], sources: Sequence[str]) -> Figures:
    """Purity; adjusted Rand and mutual information; and two figures on how general rules are.

    ``pairs``: of two lessons of one cluster but of different environments, how often the family is
    the same. ``environments``: of how many environments a cluster is, on average over lessons.
    """
    at, kind, env = (np.asarray(x) for x in (labels, families, sources))
    most = sum(Counter(kind[at == label]).most_common(1)[0][1] for label in set(labels))
    together = (at[:, None] == at) & (env[:, None] != env)
    same = together & (kind[:, None] == kind)
    return {
        "clusters": len(set(labels)),
        "purity": round(most / len(at), 3),
        "adjusted_rand": round(float(adjusted_rand_score(kind, at)), 3),
        "adjusted_mutual_information": round(float(adjusted_mutual_info_score(kind, at)), 3),
        "pairs": round(float(same.sum() / max(1, together.sum())), 3),
        "environments": round(float(np.mean([len(set(env[at == x])) for x in labels])), 1),
    }


def mean_of(
    draw: Callable[[int], Sequence[int]], measure: Callable[[Sequence[int]], Figures]
) -> Figures:
    """The mean of figures over seeded draws of labels."""
    drawn = [measure(draw(seed)) for seed in range(_DRAWS)]
    return {name: round(float(np.mean([d[name] for d in drawn])), 3) for name in drawn[0]}


def shuffled(labels: Sequence[int]) -> Callable[[int], Sequence[int]]:
    """Clusters of the same sizes, drawn at random."""
    return lambda seed: np.random.default_rng(seed).permutation(np.asarray(labels)).tolist()


def k_means(vectors: Vectors, count: int) -> Callable[[int], Sequence[int]]:
    """k-means with a seed."""
    return lambda seed: KMeans(count, n_init=5, random_state=seed).fit_predict(vectors).tolist()


def coverage(
    early: Vectors, clusters: Sequence[Cluster], late: Vectors
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each later lesson, the nearest cluster and whether it falls within it.

    Within: its mean cosine to the cluster's members is no lower than that of nine in ten of the
    earlier lessons to the other members of their own cluster.
    """
    labels = np.array(assignments(clusters, len(early)))
    close = early @ early.T
    own = []
    for at, label in enumerate(labels):
        others = (labels == label) & (np.arange(len(labels)) != at)
        if others.any():
            own.append(float(close[at, others].mean()))
    floor = float(np.quantile(own, 0.1))
    means = np.stack([(late @ early[list(c.members)].T).mean(axis=1) for c in clusters], axis=1)
    return means.argmax(axis=1), means.max(axis=1) >= floor
