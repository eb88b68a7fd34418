"""Which stored examples to trust for a new input: similarity, and what their outputs agree on.

Plain nearest neighbours show a small model three examples with three different answers, and it gets
lost between them. Here the neighbourhood votes first: examples whose output has the most support
come first. Where no output repeats, similar ones come first that do not say the same. Pure numpy
over unit vectors; which of the ranked examples fit the prompt is `context.py`'s business.

Next file: `notes.py`.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

__all__ = ["Neighbours"]

_NEAREST = 64  # examples that vote
_RIDGE = 0.1
_RELEVANCE = 0.5  # against diversity, where the outputs do not vote


class Neighbours:
    """An index over examples.

    Args:
        vectors: Unit rows, shape (n, dim).
        outputs: The canonical text of each example's output.
    """

    def __init__(self, vectors: NDArray[np.float32], outputs: Sequence[str]) -> None:
        self._vectors = vectors
        self._outputs = tuple(outputs)

    def ranked(self, query: NDArray[np.float32], *, barred: Collection[int] = ()) -> Iterator[int]:
        """Positions of examples, the most trusted first, without the barred ones.

        The nearest 64 vote: all examples of the best supported output come first, nearest first,
        then the nearest example of each further output in the order of their support, then the
        rest by similarity.

        Args:
            query: Unit vector, shape (dim,).
            barred: Positions that may not come.
        """
        # One thread: these products take a millisecond, and BLAS threads that wait for a core that
        # a model is using make it fifty.
        with _blas().limit(limits=1, user_api="blas"):
            cosine = self._vectors @ query
            cosine[list(barred)] = -np.inf
            near = _nearest(cosine, _NEAREST)
            near_first = self._neighbourhood(near, cosine)
        yield from near_first
        shown = set(near_first)
        for index in np.argsort(-cosine, kind="stable"):
            if cosine[index] == -np.inf:
                return
            if int(index) not in shown:
                yield int(index)

    def similarity(self, index: int, query: NDArray[np.float32]) -> float:
        """Cosine of one example's vector with the query."""
        return float(self._vectors[index] @ query)

    def _neighbourhood(self, near: NDArray[np.intp], cosine: NDArray[np.float32]) -> list[int]:
        """The nearest examples in the order that `ranked` describes."""
        groups: dict[str, list[int]] = {}
        for index in near.tolist():
            groups.setdefault(self._outputs[index], []).append(index)
        if len(groups) == len(near):
            return _diverse(near, self._vectors[near], cosine[near])
        weight = dict(
            zip(near.tolist(), _votes(self._vectors[near], cosine[near]).tolist(), strict=True)
        )
        support = {output: sum(weight[i] for i in group) for output, group in groups.items()}
        best, *others = sorted(groups, key=lambda output: -support[output])
        order = [*groups[best], *(groups[output][0] for output in others)]
        taken = set(order)
        return order + [index for index in near.tolist() if index not in taken]


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process; finding them takes a millisecond, so once."""
    return ThreadpoolController()


def _diverse(
    near: NDArray[np.intp], vectors: NDArray[np.float32], cosine: NDArray[np.float32]
) -> list[int]:
    """The near examples by maximal marginal relevance: similar to the query, not to one another.

    Source: J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for
    reordering documents and producing summaries", SIGIR 1998.
    """
    between = vectors @ vectors.T
    order: list[int] = []
    nearest_taken = np.zeros(len(near), dtype=np.float32)
    left = np.ones(len(near), dtype=bool)
    for _ in range(len(near)):
        worth = _RELEVANCE * cosine - (1 - _RELEVANCE) * nearest_taken
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        left[best] = False
        order.append(int(near[best]))
        nearest_taken = np.maximum(nearest_taken, between[best])
    return order


def _nearest(cosine: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Positions of the `count` most similar, the most similar first; ties by position."""
    if len(cosine) > count:
        candidates = np.sort(np.argpartition(-cosine, count - 1)[:count])
    else:
        candidates = np.arange(len(cosine))
    candidates = candidates[cosine[candidates] > -np.inf]
    return candidates[np.argsort(-cosine[candidates], kind="stable")]


def _votes(vectors: NDArray[np.float32], cosine: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much each neighbour's output counts: the weights of local kernel ridge regression.

    ``w = (K + ridge I)^-1 k`` with the Gaussian kernel of unit vectors ``exp(2 (a.b - 1))``; an
    output's support, the sum over the examples that carry it, is then the prediction of kernel
    ridge regression on one-hot outputs, for any number of outputs from one solve. Source: Saunders,
    Gammerman & Vovk, "Ridge regression learning algorithm in dual variables", ICML 1998; fitted in
    the neighbourhood of each query as in Bottou & Vapnik, "Local learning algorithms", Neural
    Computation 4 (1992).
    """
    kernel = np.exp(2.0 * ((vectors @ vectors.T).astype(np.float64) - 1.0))
    kernel[np.diag_indices_from(kernel)] += _RIDGE
    votes: NDArray[np.float64] = np.linalg.solve(
        kernel, np.exp(2.0 * (cosine.astype(np.float64) - 1.0))
    )
    return votes
