"""Squared distances as one matrix product, the minima of groups, and their error.

With a centre c the product of ``[-2 (b - c), |b - c|^2]`` and ``[q - c, 1]`` is
``|b - q|^2 - |q - c|^2``: it ranks the rows b for a query q in a single pass.
"""

from typing import Any

import numpy as np

from skuad.utils._typing import FloatArray, IndexArray

MAX_GROUP = 64  # most bank rows that share one minimum
_BANK_BLOCK = 4096  # rows of the bank in one product; a multiple of MAX_GROUP


def bank_factors(bank: FloatArray, rows: IndexArray, center: FloatArray) -> FloatArray:
    """Return ``[-2 (b - c), |b - c|^2]`` of some rows of a bank.

    They are padded to a multiple of `MAX_GROUP` with rows far from everything.

    Raises
    ------
    ValueError
        If a squared norm overflows.
    """
    n_padded = -(-len(rows) // MAX_GROUP) * MAX_GROUP
    factors = np.zeros((n_padded, bank.shape[1] + 1), dtype=bank.dtype)
    largest = 0.0
    with np.errstate(over="ignore"):
        for start in range(0, len(rows), _BANK_BLOCK):
            block = factors[start : min(start + _BANK_BLOCK, len(rows))]
            block[:, :-1] = bank[rows[start : start + len(block)]]
            block[:, :-1] -= center
            centered = block[:, :-1]
            norms = np.einsum("ij,ij->i", centered, centered, dtype=np.float64)
            largest = max(largest, norms.max())
            block[:, -1] = norms
            block[:, :-1] *= -2
    _check_overflow(largest, bank.dtype, "bank")
    factors[len(rows) :, -1] = np.finfo(bank.dtype).max / 4
    return factors


def query_factors(
    queries: FloatArray, center: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ``[q - c, 1]`` and ``|q - c|^2`` of the queries.

    Raises
    ------
    ValueError
        If a squared norm overflows.
    """
    factors = np.ones((len(queries), queries.shape[1] + 1), dtype=queries.dtype)
    with np.errstate(over="ignore"):
        centered = np.subtract(queries, center, out=factors[:, :-1])
        norms = np.einsum("ij,ij->i", centered, centered)
    _check_overflow(norms.max(initial=0.0), queries.dtype, "queries")
    return factors, norms


def _check_overflow(
    largest: float, dtype: np.dtype[np.floating[Any]], name: str
) -> None:
    if not float(largest) < float(np.finfo(dtype).max) / 64:
        raise ValueError(
            f"The squares of the values of {name} overflow {np.dtype(dtype)}: scale "
            "the features, or pass float64."
        )


def group_size(n_rows: int, n_neighbors: int) -> int:
    """Return how many rows share a minimum: the fewer, the more groups tell apart."""
    group = MAX_GROUP
    while group > 1 and n_rows < 16 * n_neighbors * group:
        group //= 2
    return group


def group_norms(factors: FloatArray, n_rows: int, group: int) -> FloatArray:
    """Return the largest squared norm of every group of rows, without the padding."""
    norms = factors[:, -1].copy()
    norms[n_rows:] = 0
    return norms.reshape(-1, group).max(axis=1)


def product_buffer(factors: FloatArray, n_queries: int) -> FloatArray:
    """Return memory for one block of products of bank rows with so many queries."""
    return np.empty(min(_BANK_BLOCK, len(factors)) * n_queries, dtype=factors.dtype)


def group_minima(
    factors: FloatArray,
    queries: FloatArray,
    group: int,
    excluded: IndexArray | None,
    buffer: FloatArray,
) -> FloatArray:
    """Return the least product of every group of bank rows with every query.

    Queries run along the contiguous axis, so that the minimum over bank rows is one
    vectorised pass over a block that is still in cache.

    Parameters
    ----------
    factors : ndarray of shape (n_padded, n_features + 1)
        Of the bank.
    queries : ndarray of shape (n_queries, n_features + 1)
        Factors of the queries.
    group : int
        Rows per group; divides `MAX_GROUP`.
    excluded : ndarray of ints in ascending order, or None
        Rows of the bank that count as infinitely far.
    buffer : ndarray
        From `product_buffer`; memory that is used again costs no page faults.

    Returns
    -------
    minima : ndarray of shape (n_padded / group, n_queries)
    """
    n_rows, n_queries = len(factors), len(queries)
    minima = np.empty((n_rows // group, n_queries), dtype=factors.dtype)
    for start in range(0, n_rows, _BANK_BLOCK):
        block = factors[start : start + _BANK_BLOCK]
        products = buffer[: len(block) * n_queries].reshape(len(block), n_queries)
        np.matmul(block, queries.T, out=products)
        if excluded is not None:
            low, high = np.searchsorted(excluded, [start, start + len(block)])
            products[excluded[low:high] - start] = np.inf
        np.minimum.reduce(
            products.reshape(-1, group, n_queries),
            axis=1,
            out=minima[start // group : (start + len(block)) // group],
        )
    return minima


def kth_bound(values: FloatArray, k: int) -> FloatArray:
    """Return at least the k-th smallest of every column, infinite if there are fewer.

    For k > 1 neighbouring groups are merged first: to sort out the k best of fewer
    values costs less than the few more candidates of a bound that is a little loose.
    """
    if k == 1:
        return values.min(axis=0)
    if len(values) < k:
        return np.full(values.shape[1], np.inf, dtype=values.dtype)
    merged = max(1, len(values) // (8 * k))
    if merged > 1:
        n_whole = len(values) // merged * merged
        values = values[:n_whole].reshape(-1, merged, values.shape[1]).min(axis=1)
    return np.partition(np.ascontiguousarray(values.T), k - 1, axis=1)[:, k - 1]


def product_errors(
    bank_norms: FloatArray, query_norms: FloatArray, n_features: int
) -> FloatArray:
    """Return how far a product can be off, for every bank row (or group) and query.

    An inner product of d + 1 terms is off by at most (d + 1) u times the inner product
    of the absolute values, in any order of summation [1]_. Added to it are the
    rounding of the centring and of the norms, of the present sum, and underflow.

    References
    ----------
    .. [1] N. J. Higham, "Accuracy and stability of numerical algorithms", 2nd
       edition, SIAM 2002, section 3.1.
    """
    info = np.finfo(query_norms.dtype)
    unit = 1.05 * float(info.eps) / 2
    terms = n_features + 4
    # |x . y| <= |x| |y| for the cross term; the norm is the last term of the product.
    errors = np.multiply.outer(
        (2 * terms * unit) * np.sqrt(bank_norms), np.sqrt(query_norms)
    )
    errors += ((terms + 5) * unit * bank_norms)[:, None]
    errors += 5 * unit * query_norms + 4 * terms * info.tiny
    return errors


def direct_limits(
    bound: FloatArray, query_norms: FloatArray, n_features: int
) -> FloatArray:
    """Return the largest true value of a product that a neighbour can have.

    Parameters
    ----------
    bound : ndarray of shape (n_queries,)
        At least the true product of the k-th nearest row. Distances measured directly
        have a relative error of their own, by which their order can differ.
    query_norms : ndarray of shape (n_queries,)
        Squared norms of the centred queries.
    n_features : int
        Terms of a direct distance.
    """
    info = np.finfo(bound.dtype)
    bound = bound.astype(np.float64)
    distance = np.maximum(bound + 1.01 * query_norms.astype(np.float64), 0.0)
    limits = bound + 1.05 * (n_features + 4) * float(info.eps) * distance
    limits += 4 * (n_features + 4) * float(info.tiny)
    return np.nextafter(limits.astype(info.dtype), info.dtype.type(np.inf))
