"""Ranking of candidate rows by distances that are measured directly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import Array, FloatArray, IndexArray, IntArray

MAX_PAIRS = 2**16  # (query, group) pairs that are ranked together
_PRODUCT_PAIRS = 2**13  # pairs whose products are held at a time


class Pairs(NamedTuple):
    """Groups of bank rows that may hold a neighbour of a query; sorted by group."""

    groups: IndexArray  # (n_pairs,) number of the group
    queries: IndexArray  # (n_pairs,) number of the query
    limits: FloatArray  # (n_pairs,) no neighbour has a product above this

    def take(self, which: Array | slice) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(self.groups[which], self.queries[which], self.limits[which])


class Ranker(NamedTuple):
    """What ranking needs to know of a bank and of the queries."""

    bank: FloatArray  # (n_bank, n_features) as given
    rows: IndexArray  # (n_rows,) the distinct rows of the bank
    groups: FloatArray  # (n_groups, group, n_features + 1) factors of these rows
    # (n_rows,) rows that may be neighbours; None allows all
    allowed: NDArray[np.bool_] | None
    tie_rank: IndexArray | None  # (n_rows,) order of tied rows; None is their own
    queries: FloatArray  # (n_queries, n_features) as given
    query_factors: FloatArray  # (n_queries, n_features + 1)
    n_neighbors: int

    def rank(
        self, pairs: Pairs, first: int, stop: int
    ) -> tuple[FloatArray, IndexArray]:
        """Return squared distances and rows of the neighbours of queries first to stop.

        `pairs` are all those of these queries. Too many are halved by query, which
        bounds the memory when thousands of rows are as good as tied.
        """
        if len(pairs.groups) > MAX_PAIRS and stop - first > 1:
            middle = (first + stop) // 2
            left = pairs.queries < middle
            lower = self.rank(pairs.take(left), first, middle)
            upper = self.rank(pairs.take(~left), middle, stop)
            squared = np.concatenate([lower[0], upper[0]])
            return squared, np.concatenate([lower[1], upper[1]])
        rows, queries = self._candidates(pairs)
        squared = direct_squared(self.bank, self.rows[rows], self.queries, queries)
        best = best_candidates(
            squared,
            queries - first,
            stop - first,
            self.n_neighbors,
            None if self.tie_rank is None else self.tie_rank[rows],
        )
        return squared[best], rows[best]

    def _candidates(self, pairs: Pairs) -> tuple[IndexArray, IndexArray]:
        """Return (row, query) of all rows of the pairs whose product is within limits.

        For each query the rows come in ascending order.
        """
        parts = [
            self._candidates_of_few(pairs.take(slice(start, start + _PRODUCT_PAIRS)))
            for start in range(0, len(pairs.groups), _PRODUCT_PAIRS)
        ]
        rows, queries = map(np.concatenate, zip(*parts, strict=True))
        return rows, queries

    def _candidates_of_few(self, pairs: Pairs) -> tuple[IndexArray, IndexArray]:
        group = self.groups.shape[1]
        factors = self.query_factors[pairs.queries]
        products = np.empty((len(factors), group), dtype=factors.dtype)
        edges = np.flatnonzero(np.diff(pairs.groups, prepend=-1, append=-1))
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            rows = self.groups[pairs.groups[low]]
            np.matmul(factors[low:high], rows.T, out=products[low:high])
        pair, offset = nonzero(products <= pairs.limits[:, None])
        rows = pairs.groups[pair] * group + offset
        keep = rows < len(self.rows)
        if self.allowed is not None:
            keep[keep] = self.allowed[rows[keep]]
        return rows[keep], pairs.queries[pair[keep]]


def nonzero(mask: NDArray[np.bool_]) -> tuple[IndexArray, IndexArray]:
    """Return what ``mask.nonzero()`` does for two axes; faster where little is true."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


def direct_squared(
    bank: FloatArray, rows: IndexArray, queries: FloatArray, columns: IndexArray
) -> FloatArray:
    """Return ``((bank[rows] - queries[columns]) ** 2).sum(axis=1)``.

    Every pair is summed on its own in the same order, whatever the other pairs are.
    """
    squared = np.empty(len(rows), dtype=queries.dtype)
    step = max(1, 2**17 // queries.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = bank[rows[part]]
        difference -= queries[columns[part]]
        np.einsum("ij,ij->i", difference, difference, out=squared[part])
    return squared


def best_candidates(
    squared: FloatArray,
    queries: IndexArray,
    n_queries: int,
    k: int,
    tie_rank: IndexArray | None,
) -> IndexArray:
    """Return the positions of the k nearest candidates of every query, in order.

    Ties go to the lowest `tie_rank`, or to the candidate that comes first.

    Parameters
    ----------
    squared : ndarray of shape (n_candidates,)
        Squared distances.
    queries : ndarray of shape (n_candidates,)
        The query of each candidate, below `n_queries`; each has k or more.
    n_queries, k : int
        Shape of the answer.
    tie_rank : ndarray of shape (n_candidates,) or None
        Order of tied candidates.

    Returns
    -------
    positions : ndarray of shape (n_queries, k)
    """
    if tie_rank is None:
        order = _argsort_squared(squared)
    else:
        order = np.lexsort((tie_rank, squared))
    order = order[argsort_small(queries[order], n_queries)]
    starts = np.searchsorted(queries[order], np.arange(n_queries))
    return order[starts[:, None] + np.arange(k)]


def argsort_small(values: IntArray, n_values: int) -> IndexArray:
    """Sort integers below n_values, stably; those of 16 bits by radix."""
    dtype = np.uint16 if n_values <= 2**16 else np.uint32
    return np.argsort(values.astype(dtype), kind="stable")


def _argsort_squared(squared: FloatArray) -> IndexArray:
    """Sort squares, stably; those of 32 bits as integers joined with their position.

    Non-negative floats have the order of their bits, and integers sort much faster.
    """
    if squared.dtype != np.float32:
        return np.argsort(squared, kind="stable")
    keys = squared.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(squared), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(2**32 - 1)).astype(np.intp)
