"""Selection of a coreset: exact greedy k-center, or rows drawn at random."""

import numbers
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils import check_array, check_random_state

from skuad.neighbors._rows import coarse_center, first_equal_row
from skuad.utils._typing import Array, FloatArray, IndexArray, RandomStateLike

Rows: TypeAlias = IndexArray | list[int]

_BLOCK = 2048  # rows whose distances are updated in one product
_MIN_POOL, _MAX_POOL = 64, 2048  # farthest rows among which a batch is picked


def k_center_greedy(
    X: ArrayLike, n_centers: int, *, random_state: RandomStateLike = None
) -> IndexArray:
    """Select rows by farthest-first traversal (greedy k-center).

    Starting from a random row, the row farthest from all rows selected so far is
    added until there are `n_centers`. The largest distance from a row to its nearest
    center is at most twice the smallest possible [1]_. It is the coreset of
    PatchCore [3]_, after [2]_.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows to select from, float32 or float64 (others become float64).
    n_centers : int
        Number of rows to select, from 1 to n_samples.
    random_state : int, RandomState instance or None, default=None
        Draws the first center. Everything after it is deterministic.

    Returns
    -------
    indices : ndarray of shape (n_centers,), dtype intp
        Distinct rows in the order of selection: any beginning of it is the greedy
        coreset of that size.

    Raises
    ------
    ValueError
        If `n_centers` exceeds the number of rows, or X is not a finite 2-D array.
    TypeError
        If `n_centers` is not an integer.

    See Also
    --------
    random_coreset : Rows drawn at random, which cost nothing to select.

    Notes
    -----
    Of rows at equal distance the one with the lowest index is selected. A row equal
    to a center comes only after all distinct rows, in ascending order. Distances are
    squared float32 from a matrix product on centred rows; when the radius sinks into
    their rounding error, the selection goes on in float64, at last on differences.

    Centers are picked in batches: the farthest rows form a pool, in which the
    traversal runs for as long as no row outside can be farther, and all distances
    are then updated at once. This selects what one-by-one selection does.

    References
    ----------
    .. [1] T. F. Gonzalez, "Clustering to minimize the maximum intercluster
       distance", Theoretical Computer Science 38, 1985.
    .. [2] O. Sener and S. Savarese, "Active learning for convolutional neural
       networks: a core-set approach", ICLR 2018.
    .. [3] K. Roth et al., "Towards total recall in industrial anomaly detection",
       CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.neighbors import k_center_greedy
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> sorted(k_center_greedy(X, 2, random_state=0).tolist())
    [0, 3]
    """
    rows, n_centers = _check_selection(X, n_centers)
    n_rows = len(rows)
    start = check_random_state(random_state).randint(n_rows)
    rows = _centered(rows)
    first = first_equal_row(rows)
    distinct = np.flatnonzero(first == np.arange(n_rows))
    n_distinct = min(n_centers, len(distinct))
    if len(distinct) < n_rows:
        rows = rows[distinct]
    seed = int(np.searchsorted(distinct, first[start]))
    indices = distinct[_traverse(rows, n_distinct, seed)]
    indices[0] = start
    if n_distinct < n_centers:
        left = np.ones(n_rows, dtype=bool)
        left[indices] = False
        rest = np.flatnonzero(left)[: n_centers - n_distinct]
        indices = np.concatenate([indices, rest])
    return indices


def random_coreset(
    X: ArrayLike, n_centers: int, *, random_state: RandomStateLike = None
) -> IndexArray:
    """Select rows at random, without replacement.

    A random coreset has a better mean distance to the rest of the rows than a greedy
    one, which minimises the largest distance, and it costs nothing.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows to select from.
    n_centers : int
        Number of rows to select, from 1 to n_samples.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    Returns
    -------
    indices : ndarray of shape (n_centers,), dtype intp
        Distinct rows in random order: any beginning of it is a random coreset of
        that size.

    Raises
    ------
    ValueError
        If `n_centers` exceeds the number of rows, or X is not a finite 2-D array.
    TypeError
        If `n_centers` is not an integer.

    See Also
    --------
    k_center_greedy : Rows that cover the others with the least radius.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.neighbors import random_coreset
    >>> random_coreset(np.zeros((5, 2)), 3, random_state=0)
    array([2, 0, 1])
    """
    rows, n_centers = _check_selection(X, n_centers)
    order: Array = check_random_state(random_state).permutation(len(rows))
    return order[:n_centers].astype(np.intp, copy=False)


def _check_selection(X: ArrayLike, n_centers: int) -> tuple[FloatArray, int]:
    """Return X as a 2-D float array and n_centers as an int."""
    rows: FloatArray = check_array(X, dtype=[np.float64, np.float32])
    if not isinstance(n_centers, numbers.Integral) or isinstance(n_centers, bool):
        raise TypeError(f"n_centers must be an integer, got {n_centers!r}.")
    if not 1 <= n_centers <= len(rows):
        raise ValueError(
            f"n_centers={n_centers} must be between 1 and the number of rows, {len(rows)}."
        )
    return rows, int(n_centers)


def _centered(X: FloatArray) -> FloatArray:
    """Return a copy of the rows around a coarse centre, scaled if squares overflow."""
    largest = max(float(X.max()), -float(X.min()))
    if largest > 0 and not 2.0**-40 < largest < 2.0**40:
        # In two steps, because the power of two itself can be out of range.
        exponent = int(np.frexp(largest)[1])
        X = np.ldexp(X.astype(np.float64), -exponent)
    return np.subtract(X, coarse_center(X), order="C")


class _Cover:
    """Squared distances from all rows to their nearest center, updated in batches."""

    def __init__(self, rows: FloatArray, dtype: DTypeLike):
        n_rows, n_features = rows.shape
        self.factors = np.ones((n_rows, n_features + 1), dtype=dtype)
        self.factors[:, :-1] = rows
        rows = self.factors[:, :-1]
        self.norms = np.einsum("ij,ij->i", rows, rows)
        self.squared = np.full(n_rows, np.inf, dtype=dtype)

    def is_drowned(self) -> bool:
        """Tell whether the radius is no longer far above the rounding of distances.

        A product of d terms is off by about sqrt(d) roundings of the norm.
        """
        eps = np.finfo(self.squared.dtype).eps
        noise = 4 * np.sqrt(self.factors.shape[1]) * eps
        norm = self.norms.max(where=self.squared > -np.inf, initial=0.0)
        return self.squared.max() <= 16 * noise * norm

    def center_factors(self, centers: Rows) -> FloatArray:
        """Return ``[-2 c, |c|^2]``: times ``[x, 1]`` it is ``|c - x|^2 - |x|^2``."""
        factors = self.factors[centers]
        factors[:, :-1] *= -2
        factors[:, -1] = self.norms[centers]
        return factors

    def between(self, rows: Rows) -> FloatArray:
        """Return the squared distances among some rows."""
        squared = self.center_factors(rows) @ self.factors[rows].T
        squared += self.norms[rows]
        return squared

    def add(self, centers: Rows) -> None:
        """Add centers: they are no longer candidates, and other rows come closer."""
        factors = self.center_factors(centers)
        buffer = np.empty(len(centers) * _BLOCK, dtype=factors.dtype)
        for start in range(0, len(self.factors), _BLOCK):
            part = slice(start, start + _BLOCK)
            rows = self.factors[part]
            products = buffer[: len(centers) * len(rows)]
            products = products.reshape(len(centers), len(rows))
            np.matmul(factors, rows.T, out=products)
            nearest = products.min(axis=0)
            nearest += self.norms[part]
            np.minimum(self.squared[part], nearest, out=self.squared[part])
        self.squared[centers] = -np.inf

    def farthest(self, size: int) -> IndexArray:
        """Return up to `size` farthest candidates in ascending order.

        Of tied ones the lowest are taken.
        """
        candidates = np.flatnonzero(self.squared > -np.inf)
        if size >= len(candidates):
            return candidates
        limit = np.partition(self.squared, -size)[-size]
        farther = np.flatnonzero(self.squared > limit)
        tied = np.flatnonzero(self.squared == limit)[: size - len(farther)]
        return np.sort(np.concatenate([farther, tied]))


class _DirectCover(_Cover):
    """A cover that subtracts rows before it squares: slow, without cancellation."""

    def is_drowned(self) -> bool:
        """Tell that there is nothing more exact."""
        return False

    def between(self, rows: Rows) -> FloatArray:
        """Return the squared distances among some rows."""
        points = self.factors[rows]
        return np.stack([_squared_distances(points, point) for point in points])

    def add(self, centers: Rows) -> None:
        """Add centers: they are no longer candidates, and other rows come closer."""
        for start in range(0, len(self.factors), _BLOCK):
            squared = self.squared[start : start + _BLOCK]
            rows = self.factors[start : start + _BLOCK]
            for center in centers:
                nearer = _squared_distances(rows, self.factors[center])
                np.minimum(squared, nearer, out=squared)
        self.squared[centers] = -np.inf


def _squared_distances(rows: FloatArray, point: FloatArray) -> FloatArray:
    difference = rows - point
    return np.einsum("ij,ij->i", difference, difference)


def _covers(rows: FloatArray) -> Iterator[_Cover]:
    """Yield ever more exact, and slower, ways to measure how rows are covered."""
    yield _Cover(rows, np.float32)
    yield _Cover(rows, np.float64)
    yield _DirectCover(rows, np.float64)


def _traverse(rows: FloatArray, n_centers: int, start: int) -> IndexArray:
    """Return the farthest-first traversal of distinct rows from a start."""
    covers = _covers(rows)
    cover = next(covers)
    chosen = [start]
    cover.add(chosen)
    size = _MIN_POOL
    while len(chosen) < n_centers:
        while cover.is_drowned():
            cover = next(covers)
            for first in range(0, len(chosen), _MAX_POOL):
                cover.add(chosen[first : first + _MAX_POOL])
        pool = cover.farthest(size)
        batch = pool[_pick(cover, pool, n_centers - len(chosen))]
        cover.add(batch)
        chosen.extend(batch.tolist())
        # The pool's own product should stay small beside the update of all rows.
        size = int(np.sqrt(0.1 * len(rows) * len(batch)))
        size = min(max(size, _MIN_POOL), _MAX_POOL)
    return np.array(chosen, dtype=np.intp)


def _pick(cover: _Cover, pool: IndexArray, most: int) -> list[int]:
    """Return positions in the pool of the next centers, in order.

    There are at least one and at most `most`.

    Rows outside the pool were no farther than its nearest row, and centers only bring
    rows closer. So the traversal of the pool is that of all rows for as long as its
    farthest row is beyond that limit. At the limit itself it goes on up to the last
    pool row that was there from the start: tied rows outside have higher indices.
    """
    squared = cover.squared[pool]
    limit = squared.min()
    last_tied = np.flatnonzero(squared == limit)[-1]
    between = cover.between(pool)
    picked: list[int] = []
    while len(picked) < most:
        best = int(squared.argmax())
        if squared[best] < limit or (squared[best] == limit and best > last_tied):
            break
        picked.append(best)
        np.minimum(squared, between[best], out=squared)
        squared[best] = -np.inf
    return picked
