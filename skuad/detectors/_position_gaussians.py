"""A Gaussian for every position of a patch grid: moments, distances, held-out ones.

Positions are independent of each other. All functions work on blocks of positions, so
that temporary arrays stay small beside the second moments themselves.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import FloatArray

_Float32: TypeAlias = NDArray[np.float32]
_Float64: TypeAlias = NDArray[np.float64]
_Int: TypeAlias = NDArray[np.int64]
_Bool: TypeAlias = NDArray[np.bool_]

# Values of a temporary array of float64, about 32 MB.
_BLOCK = 2**22


class PositionMoments:
    """Counts, means and scatter matrices at every position, from batches of images.

    Sums are kept in float64 and taken from the first image, so that a mean far from
    zero costs no digits. Memory is that of ``n_positions * n_features ** 2`` float64
    values, however many images there are.

    Parameters
    ----------
    n_positions, n_features : int

    Attributes
    ----------
    counts : ndarray of int of shape (n_positions,)
        Number of images at each position.
    """

    def __init__(self, n_positions: int, n_features: int):
        self.counts = np.zeros(n_positions, np.int64)
        self._is_empty = True
        self._origin = np.zeros((n_positions, n_features))
        self._sum = np.zeros((n_positions, n_features))
        self._products = np.zeros((n_positions, n_features, n_features))

    def add(self, rows: FloatArray, inside: _Bool) -> None:
        """Add images.

        Parameters
        ----------
        rows : ndarray of shape (n_images, n_positions, n_features)
        inside : ndarray of bool of shape (n_images, n_positions)
            Which positions of an image count.
        """
        if self._is_empty:
            self._is_empty = False
            self._origin = rows[0].astype(np.float64)
        self.counts += inside.sum(axis=0)
        for block in blocks(self._products.shape, len(rows)):
            centred = _by_position(rows, block) - self._origin[block, None]
            centred *= inside[:, block].T[:, :, None]
            self._sum[block] += centred.sum(axis=1)
            self._products[block] += centred.mT @ centred

    def result(self) -> tuple[_Float64, _Float64]:
        """Return mean (n_positions, n_features) and scatter matrices, once.

        The scatter matrix of a position is the sum of the outer products of what
        deviates from the mean. The sums are given up.
        """
        counts = self.counts[:, None]
        mean, scatter = self._sum / np.maximum(counts, 1), self._products
        for block in blocks(scatter.shape):
            scatter[block] -= _outer(counts[block] * mean[block], mean[block])
        mean += self._origin
        del self._sum, self._products
        return mean, scatter


def whitening_matrices(scatter: _Float64, counts: _Int, reg_covar: float) -> _Float32:
    """Matrices that turn Mahalanobis distances into lengths.

    The covariance of a position is its scatter matrix over ``counts - 1``, plus
    `reg_covar` on the diagonal.

    Parameters
    ----------
    scatter : ndarray of float64 of shape (n_positions, n_features, n_features)
    counts : ndarray of int of shape (n_positions,)
        Number of images that each scatter matrix is of.
    reg_covar : float
        Added to each variance.

    Returns
    -------
    whitening : ndarray of float32 of shape (n_positions, n_features, n_features)
        Lower triangular: ``W.T @ W`` is the inverse of the covariance.
    """
    whitening = np.empty(scatter.shape, np.float32)
    for block in blocks(scatter.shape):
        covariance = regularized(scatter[block], counts[block], reg_covar)
        covariance /= _degrees(counts[block])[:, None, None]
        whitening[block] = np.linalg.inv(np.linalg.cholesky(covariance))
    return whitening


def mahalanobis_distances(
    rows: _Float32, mean: _Float32, whitening: _Float32
) -> _Float32:
    """Distance of the patches of one image from the Gaussians of their positions.

    Parameters
    ----------
    rows, mean : ndarray of float32 of shape (n_positions, n_features)
    whitening : ndarray of float32 of shape (n_positions, n_features, n_features)
        See `whitening_matrices`.

    Returns
    -------
    distances : ndarray of float32 of shape (n_positions,)
    """
    return np.linalg.norm(np.matmul(whitening, (rows - mean)[:, :, None]), axis=(1, 2))


def regularized(scatter: _Float64, counts: _Int, reg_covar: float) -> _Float64:
    """Scatter matrices of so many images with the covariance's addition."""
    added = _degrees(counts)[:, None, None] * reg_covar
    return scatter + added * np.eye(scatter.shape[-1])


def inverse_scatter(scatter: _Float64, counts: _Int, reg_covar: float) -> _Float64:
    """Inverse of `regularized`, block by block."""
    inverse = np.empty_like(scatter)
    for block in blocks(scatter.shape):
        kept = regularized(scatter[block], counts[block], reg_covar)
        inverse[block] = np.linalg.inv(kept)
    return inverse


def held_out_distances(
    rows: FloatArray,
    inside: _Bool,
    mean: _Float64,
    scatter: _Float64,
    counts: _Int,
    reg_covar: float,
    *,
    inverse: _Float64 | None = None,
) -> _Float32:
    """Distances of images from Gaussians that were fitted without them.

    With deviations U of g images from the mean of all n, the scatter matrix without them
    is ``S - U (I + 1 1' / (n - g)) U'`` and their deviations from the mean without them
    ``U (I + 1 1' / (n - g))``. By the identity of Sherman, Morrison and Woodbury the
    distances then follow from the g x g matrix ``U' A U`` alone, where A is the inverse
    of S, regularised as for n - g images: one inverse serves for all folds of a size. At
    each position, the g images are those of the fold that count there.

    Parameters
    ----------
    rows : ndarray of shape (n_held_out, n_positions, n_features)
        All images that are held out together.
    inside : ndarray of bool of shape (n_held_out, n_positions)
        Which positions of an image count, and did in the moments.
    mean : ndarray of float64 of shape (n_positions, n_features)
    scatter : ndarray of float64 of shape (n_positions, n_features, n_features)
        Moments of all images, those held out among them.
    counts : ndarray of int of shape (n_positions,)
        Number of all images at each position.
    reg_covar : float
        Added to each variance.
    inverse : ndarray of float64 of shape (n_positions, n_features, n_features)
        ``inverse_scatter(scatter, counts - n_held_out, reg_covar)``, if all held-out
        images count wherever one does. None otherwise, and where more images are held
        out than there are features: inverting anew is then faster.

    Returns
    -------
    distances : ndarray of float32 of shape (n_held_out, n_positions)
        Zero where an image does not count. Undefined where no image is left.
    """
    left = np.maximum(counts - inside.sum(axis=0), 1)
    distances = np.empty(rows.shape[:2], np.float32)
    for block in blocks(scatter.shape, len(rows)):
        counting = inside[:, block].T.astype(np.float64)
        gain = counting[:, :, None] * np.eye(len(rows))
        gain += _outer(counting / left[block, None], counting)
        deviations = _by_position(rows, block) - mean[block, None]
        deviations *= counting[:, :, None]
        if inverse is None:
            kept = scatter[block] - deviations.mT @ (gain @ deviations)
            kept = regularized(kept, left[block], reg_covar)
            shifted = gain @ deviations
            squared = np.sum(shifted * np.linalg.solve(kept, shifted.mT).mT, axis=2)
        else:
            products = deviations @ inverse[block] @ deviations.mT
            # Q (I - G Q)^-1, which is symmetric, between the columns of G.
            inner = np.linalg.solve(np.eye(len(rows)) - products @ gain, products)
            squared = np.sum((gain @ inner) * gain, axis=2)
        squared = np.maximum(squared, 0) * _degrees(left[block])[:, None]
        distances[:, block] = np.sqrt(squared).T
    return distances


def blocks(shape: tuple[int, ...], n_rows: int = 1) -> list[slice]:
    """Slices of positions whose temporary arrays stay small."""
    n_positions, n_features, _ = shape
    size = max(1, _BLOCK // max(n_features, n_rows) ** 2)
    return [slice(i, i + size) for i in range(0, n_positions, size)]


def _by_position(rows: FloatArray, block: slice) -> _Float64:
    """Rows (n_images, n_positions, n_features) of a block, the positions first."""
    return rows[:, block].swapaxes(0, 1).astype(np.float64)


def _degrees(counts: _Int) -> _Int:
    """Degrees of freedom; one image has no scatter, and any number will do."""
    return np.maximum(1, counts - 1)


def _outer(first: _Float64, second: _Float64) -> _Float64:
    return first[:, :, None] * second[:, None, :]
