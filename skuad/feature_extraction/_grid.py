"""Patch grids: cells that tile an image, and the ways between cells and pixels.

Along an axis, cell i of n covers the pixels [i * size / n, (i + 1) * size / n), with
fractions of a pixel where the division leaves a rest, so that a grid always covers
its image exactly. This is the half-pixel convention of image resizing.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array


def grid_shape(image_shape: Sequence[int], stride: int) -> tuple[int, int]:
    """Shape of the patch grid over an image.

    Parameters
    ----------
    image_shape : tuple of int
        Height and width of the image, in pixels; further entries are ignored.
    stride : int
        Desired size of a cell, in pixels.

    Returns
    -------
    shape : tuple of int
        The nearest number of cells per axis (a half rounds up), at least 1.

    Examples
    --------
    >>> from skuad.feature_extraction import grid_shape
    >>> grid_shape((256, 100), 8)
    (32, 13)
    >>> grid_shape((1, 100), 8)
    (1, 13)
    """
    height, width = image_shape[:2]
    return _n_cells(height, stride), _n_cells(width, stride)


def _n_cells(size: int, stride: int) -> int:
    return max(1, (2 * size + stride) // (2 * stride))


@lru_cache(maxsize=64)
def cell_weights(
    size: int, n_cells: int, first: int = 0, last: int | None = None
) -> csr_array:
    """Share of each pixel in each cell's mean, along one axis.

    Parameters
    ----------
    size : int
        Number of pixels.
    n_cells : int
        Number of cells; it may exceed the number of pixels.
    first, last : int, default=0 and None
        Only the cells first, ..., last - 1 and the pixels that they cover; all cells
        by default.

    Returns
    -------
    weights : csr_array of float32, shape (last - first, n_pixels)
        Rows sum to 1. Shared between calls: not to be written to.
    """
    # In units of 1 / n_cells pixels every border is an integer: no rounding.
    left = np.arange(first, n_cells if last is None else last, dtype=np.int64) * size
    first_pixel = left // n_cells
    counts = (left + size - 1) // n_cells + 1 - first_pixel
    indptr = np.concatenate([[0], np.cumsum(counts)])
    pixel = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - first_pixel, counts)
    left = np.repeat(left, counts)
    overlap = np.minimum(left + size, (pixel + 1) * n_cells)
    overlap -= np.maximum(left, pixel * n_cells)
    data = (overlap / size).astype(np.float32)
    shape = len(counts), int(pixel[-1] - pixel[0] + 1)
    return csr_array((data, pixel - pixel[0], indptr), shape=shape)


def area_mean(values: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Mean of pixel values over each cell of a grid.

    Pixels that two cells share count in each by the share that it covers.

    Parameters
    ----------
    values : array-like of shape (height, width)
        Pixel values; computed in float32.
    shape : tuple of int
        Grid shape (h, w).

    Returns
    -------
    means : ndarray of float32, shape (h, w)
        One mean per cell.

    Examples
    --------
    >>> from skuad.feature_extraction._grid import area_mean
    >>> area_mean([[0, 3, 6]], (1, 2))
    array([[1., 5.]], dtype=float32)
    """
    pixels = np.asarray(values, np.float32)
    rows = cell_weights(pixels.shape[0], shape[0]) @ pixels
    columns = cell_weights(pixels.shape[1], shape[1]) @ np.ascontiguousarray(rows.T)
    return np.ascontiguousarray(columns.T)


def upsample_map(grid: ArrayLike, image_shape: Sequence[int]) -> NDArray[np.float32]:
    """Bilinear interpolation of patch values at the centres of pixels.

    A patch's value sits at the centre of its cell; beyond the centres of the outer
    cells the value stays constant. Exact to about 1e-6 of the grid's range; along an
    axis of more than 30,000 pixels, to about 1e-3.

    Parameters
    ----------
    grid : array-like of shape (h, w)
        One value per patch.
    image_shape : tuple of int
        Height and width of the image, in pixels; further entries are ignored.

    Returns
    -------
    pixel_map : ndarray of float32, shape (height, width)
        The map at the image's own size.

    Raises
    ------
    ValueError
        If `grid` is not 2-D or has no cell.

    Examples
    --------
    >>> from skuad.feature_extraction import upsample_map
    >>> upsample_map([[0, 1]], (1, 4))
    array([[0.  , 0.25, 0.75, 1.  ]], dtype=float32)
    """
    cells = np.ascontiguousarray(grid, np.float32)
    if cells.ndim != 2 or cells.size == 0:
        raise ValueError(f"grid must be 2-D and not empty, got shape {cells.shape}.")
    height, width = image_shape[:2]
    if cells.shape == (height, width):
        return cells.copy()
    size = int(width), int(height)
    return np.asarray(
        cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR), np.float32
    )


def coverage(mask: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Share of each cell that a pixel mask covers.

    Parameters
    ----------
    mask : array-like of shape (height, width)
        Nonzero where a pixel counts, as in a region of interest.
    shape : tuple of int
        Grid shape (h, w).

    Returns
    -------
    share : ndarray of float32, shape (h, w)
        From 0 (no pixel of the cell) to 1 (all of them).

    Raises
    ------
    ValueError
        If `mask` is not 2-D or is empty.

    Examples
    --------
    >>> from skuad.feature_extraction import coverage
    >>> coverage([[1, 1, 0, 0, 0, 0]], (1, 2))
    array([[0.6666667, 0.       ]], dtype=float32)
    """
    pixels = np.asarray(mask)
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"mask must be 2-D and not empty, got shape {pixels.shape}.")
    # Rounding may leave the sum of a full cell's weights an ulp above 1.
    return np.minimum(area_mean(pixels != 0, shape), np.float32(1))
