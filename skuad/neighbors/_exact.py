"""Exact nearest neighbours by a blocked matrix product, the same in every batch.

The product gives squared distances with a known rounding bound. Of every group of
bank rows only the minimum is kept; groups that may hold a neighbour are looked at
again, and every row within the bound is measured directly. The answer is therefore
that of the direct formula over the whole bank, whatever block a query falls in.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from skuad.neighbors._products import (
    bank_factors,
    direct_limits,
    group_minima,
    group_norms,
    group_size,
    kth_bound,
    product_buffer,
    product_errors,
    query_factors,
)
from skuad.neighbors._ranking import MAX_PAIRS, Pairs, Ranker, argsort_small, nonzero
from skuad.neighbors._rows import coarse_center, first_equal_row
from skuad.utils._typing import FloatArray, IndexArray

_QUERY_BLOCK = 512  # queries in one product
_QUERY_SPAN = 8192  # queries that are ranked together; a multiple of _QUERY_BLOCK


class _EqualRows(NamedTuple):
    """Row numbers of equal rows, side by side.

    Those of unique row u are ``members[bounds[u]:bounds[u + 1]]``.
    """

    members: IndexArray
    bounds: IndexArray


class PreparedBank:
    """A bank of reference rows, centred and with its norms, ready to be searched.

    Parameters
    ----------
    bank : ndarray of shape (n_bank, n_features)
        C-contiguous float32 or float64 rows; kept, not copied.

    Raises
    ------
    ValueError
        If the squares of the values overflow the dtype.
    """

    def __init__(self, bank: FloatArray):
        self.bank = bank
        self.center = coarse_center(bank)
        first = first_equal_row(bank)
        self.rows = np.flatnonzero(first == np.arange(len(bank)))
        self.equal: _EqualRows | None = None  # None where all rows are distinct
        if len(self.rows) < len(bank):
            unique = np.searchsorted(self.rows, first)
            members = np.argsort(unique, kind="stable")
            bounds = np.searchsorted(unique[members], np.arange(len(self.rows) + 1))
            self.equal = _EqualRows(members, bounds)
        self.factors = bank_factors(bank, self.rows, self.center)

    def search(
        self,
        queries: FloatArray,
        n_neighbors: int = 1,
        mask: NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, IndexArray]:
        """Return distances and bank rows of the nearest neighbours.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Rows in the dtype of the bank.
        n_neighbors : int, default=1
            Number of neighbours.
        mask : ndarray of shape (n_bank,), dtype bool, default=None
            True for the rows that may be neighbours; None allows all.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            Euclidean, ascending, in the dtype of the bank.
        indices : ndarray of shape (n_queries, n_neighbors), dtype intp
            Rows of the bank; of rows at equal distance the lowest comes first.
        """
        n_allowed = len(self.bank) if mask is None else int(np.count_nonzero(mask))
        if not 1 <= n_neighbors <= n_allowed:
            raise ValueError(
                f"n_neighbors={n_neighbors} must be between 1 and the number of bank "
                f"rows that may be neighbours, {n_allowed}."
            )
        distances = np.empty((len(queries), n_neighbors), dtype=self.bank.dtype)
        indices = np.empty((len(queries), n_neighbors), dtype=np.intp)
        view = _UniqueView(self, mask)
        for start in range(0, len(queries), _QUERY_SPAN):
            span = slice(start, start + _QUERY_SPAN)
            squared, unique = _search_span(
                self, view, queries[span], min(n_neighbors, view.n_allowed)
            )
            if view.equal is None:
                distances[span], indices[span] = squared, unique
            else:
                distances[span], indices[span] = _expand_equal_rows(
                    squared, unique, view.equal, n_neighbors
                )
        return np.sqrt(distances, out=distances), indices


def nearest_neighbors(
    queries: ArrayLike,
    bank: ArrayLike,
    n_neighbors: int = 1,
    *,
    mask: ArrayLike | None = None,
) -> tuple[FloatArray, IndexArray]:
    """Find the nearest rows of a bank, exactly.

    Squared distances come from a blocked matrix product on the centred bank. Every
    row that lies within the product's rounding bound of the k-th best is measured
    again by ``((bank_row - query) ** 2).sum()``, so a query gets the same bits alone
    and in any batch.

    Parameters
    ----------
    queries : array-like of shape (n_queries, n_features)
        Rows to look up. float32 stays float32 if the bank is float32 too; everything
        else is computed in float64.
    bank : array-like of shape (n_bank, n_features)
        Reference rows.
    n_neighbors : int, default=1
        Number of neighbours, at most the number of allowed bank rows.
    mask : array-like of shape (n_bank,), dtype bool, default=None
        True for the bank rows that may be neighbours, for instance all rows that do
        not stem from the image being scored; None allows all.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_neighbors)
        Euclidean distances in ascending order, float32 or float64.
    indices : ndarray of shape (n_queries, n_neighbors), dtype intp
        Rows of the bank. Of rows at equal distance the lowest comes first.

    Raises
    ------
    ValueError
        If the numbers of features differ, values are NaN or infinite or their
        squares overflow, the mask does not fit, or `n_neighbors` is too large.

    See Also
    --------
    NearestNeighborDetector : An outlier detector made of a coreset and this search.

    Notes
    -----
    Memory beyond the bank and its centred copy is bounded by the sizes of the
    blocks. Equal rows of the bank are searched once.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.neighbors import nearest_neighbors
    >>> bank = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    >>> distances, indices = nearest_neighbors([[0.0, 0.0]], bank, n_neighbors=2)
    >>> distances
    array([[0., 1.]])
    >>> indices
    array([[0, 2]])
    """
    floats = [np.float64, np.float32]
    rows = check_array(bank, dtype=floats, input_name="bank")
    asked = check_array(
        queries, dtype=floats, ensure_min_samples=0, input_name="queries"
    )
    if asked.shape[1] != rows.shape[1]:
        raise ValueError(
            f"queries have {asked.shape[1]} features, the bank has {rows.shape[1]}."
        )
    dtype = np.result_type(asked, rows)
    prepared = PreparedBank(np.ascontiguousarray(rows, dtype=dtype))
    asked = np.ascontiguousarray(asked, dtype=dtype)
    return prepared.search(asked, n_neighbors, check_mask(mask, len(rows)))


def check_mask(mask: ArrayLike | None, n_bank: int) -> NDArray[np.bool_] | None:
    """Return a mask of bank rows as a boolean array, or None."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != (n_bank,):
        raise ValueError(
            f"mask must hold one boolean for each of the {n_bank} bank rows, got "
            f"dtype {mask.dtype} and shape {mask.shape}."
        )
    return mask


class _UniqueView:
    """What a search sees of the distinct rows of a bank under a mask."""

    def __init__(self, prepared: PreparedBank, mask: NDArray[np.bool_] | None):
        self.equal = prepared.equal
        self.n_allowed = len(prepared.rows)
        self.allowed = mask
        self.excluded: IndexArray | None = None
        self.tie_rank: IndexArray | None = None
        if mask is None:
            return
        allowed = mask
        if prepared.equal is not None:
            members, bounds = prepared.equal
            kept = mask[members]
            members = members[kept]
            bounds = np.concatenate([[0], np.cumsum(kept)])[bounds]
            self.equal = _EqualRows(members, bounds)
            allowed = np.diff(bounds) > 0
            # Of equally distant rows the lowest allowed one wins.
            self.tie_rank = np.zeros(len(allowed), dtype=np.intp)
            self.tie_rank[allowed] = members[bounds[:-1][allowed]]
        self.allowed = allowed
        self.excluded = np.flatnonzero(~allowed)
        self.n_allowed = len(allowed) - len(self.excluded)


def _search_span(
    prepared: PreparedBank, view: _UniqueView, queries: FloatArray, n_neighbors: int
) -> tuple[FloatArray, IndexArray]:
    """Return squared distances and unique rows of the neighbours of some queries."""
    n_queries, n_features = queries.shape
    group = group_size(len(prepared.rows), n_neighbors)
    bank_norms = group_norms(prepared.factors, len(prepared.rows), group)
    factors, norms = query_factors(queries, prepared.center)
    ranker = Ranker(
        bank=prepared.bank,
        rows=prepared.rows,
        groups=prepared.factors.reshape(-1, group, n_features + 1),
        allowed=view.allowed,
        tie_rank=view.tie_rank,
        queries=queries,
        query_factors=factors,
        n_neighbors=n_neighbors,
    )
    buffer = product_buffer(prepared.factors, min(_QUERY_BLOCK, n_queries))
    results, waiting, first = [], [], 0
    for start in range(0, n_queries, _QUERY_BLOCK):
        stop = min(start + _QUERY_BLOCK, n_queries)
        minima = group_minima(
            prepared.factors, factors[start:stop], group, view.excluded, buffer
        )
        errors = product_errors(bank_norms, norms[start:stop], n_features)
        bound = kth_bound(minima + errors, n_neighbors)
        errors += direct_limits(bound, norms[start:stop], n_features)
        groups, columns = nonzero(minima <= errors)
        waiting.append(Pairs(groups, columns + start, errors[groups, columns]))
        if stop == n_queries or sum(len(p.groups) for p in waiting) > MAX_PAIRS:
            pairs = Pairs(*map(np.concatenate, zip(*waiting, strict=True)))
            if len(waiting) > 1:
                pairs = pairs.take(argsort_small(pairs.groups, len(minima)))
            results.append(ranker.rank(pairs, first, stop))
            waiting, first = [], stop
    squared, rows = map(np.concatenate, zip(*results, strict=True))
    return squared, rows


def _expand_equal_rows(
    squared: FloatArray, unique: IndexArray, equal: _EqualRows, k: int
) -> tuple[FloatArray, IndexArray]:
    """Replace unique rows by the bank rows they stand for, and keep the k nearest."""
    members, bounds = equal
    out_squared = np.empty((len(unique), k), dtype=squared.dtype)
    out_rows = np.empty((len(unique), k), dtype=np.intp)
    step = max(1, 2**19 // (k * unique.shape[1]))
    for start in range(0, len(unique), step):
        part = slice(start, start + step)
        position = bounds[unique[part], None] + np.arange(k)
        exists = position < bounds[unique[part] + 1, None]
        rows = members[np.minimum(position, len(members) - 1)]
        values = np.where(exists, squared[part, :, None], np.inf)
        rows, values = rows.reshape(len(rows), -1), values.reshape(len(rows), -1)
        order = np.lexsort((rows, values), axis=1)[:, :k]
        out_rows[part] = np.take_along_axis(rows, order, axis=1)
        out_squared[part] = np.take_along_axis(values, order, axis=1)
    return out_squared, out_rows
