"""Helpers on the rows of a matrix: a centre that keeps lattices exact, equal rows."""

import numpy as np

from skuad.utils._typing import FloatArray, IndexArray


def coarse_center(X: FloatArray) -> FloatArray:
    """Return a point near the mean of the rows, on a coarse power-of-two grid.

    Subtracting it removes the common offset, which is what spoils distances
    expanded as ``|a|^2 + |b|^2 - 2ab``. The grid is no finer than the spread of the
    data, so integers and other values on a lattice stay on it: their distances and
    ties remain exact.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows of float32 or float64.

    Returns
    -------
    center : ndarray of shape (n_features,)
        In the dtype of `X`. Zeros are negative zeros, so that ``X - center`` has
        none: equal rows are then equal bit by bit.
    """
    sample = X[:: max(1, len(X) // 4096)].astype(np.float64)
    scale = np.abs(sample).max(initial=0.0)
    if scale == 0.0:
        return np.full(X.shape[1], -0.0, dtype=X.dtype)
    sample /= scale
    mean = sample.mean(axis=0)
    spread = scale * np.sqrt(sample.var(axis=0).mean())
    if spread == 0.0:
        center = X[0].copy()
    else:
        step = 2.0 ** np.floor(np.log2(spread))
        center = (np.round(mean * (scale / step)) * step).astype(X.dtype)
    center[center == 0.0] = -0.0
    return center


def first_equal_row(X: FloatArray) -> IndexArray:
    """Return, for every row, the lowest index of a row with the same bits.

    Rows are compared where a 64-bit hash of them agrees. The hash is a sum of
    integers, which does not depend on where a row lies in memory.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        C-contiguous rows of float32 or float64.

    Returns
    -------
    first : ndarray of shape (n_samples,), dtype intp
        ``first[i] <= i``; ``first[i] == i`` where no earlier row equals row i.
    """
    words = X.view(np.uint32)
    multipliers = np.random.default_rng(0).integers(
        2**64, size=words.shape[1], dtype=np.uint64
    )
    hashes = np.empty(len(X), dtype=np.uint64)
    step = max(1, 2**16 // words.shape[1])
    for start in range(0, len(X), step):
        part = words[start : start + step].astype(np.uint64)
        np.einsum("ij,j->i", part, multipliers, out=hashes[start : start + step])
    order = np.argsort(hashes, kind="stable")
    starts_run = np.ones(len(X), dtype=bool)
    starts_run[1:] = hashes[order[1:]] != hashes[order[:-1]]
    head = order[np.maximum.accumulate(np.where(starts_run, np.arange(len(X)), 0))]
    first = np.arange(len(X))
    suspects = np.flatnonzero(~starts_run)
    for start in range(0, len(suspects), step):
        chunk = suspects[start : start + step]
        row, earlier = order[chunk], head[chunk]
        equal = (words[row] == words[earlier]).all(axis=1)
        first[row[equal]] = earlier[equal]
    return first
