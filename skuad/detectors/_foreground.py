"""The object in front of a background: the first principal component of patches."""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from skuad.utils._typing import Array, FloatArray

_Features: TypeAlias = NDArray[np.float32]
_Mask: TypeAlias = NDArray[np.bool_]

# What pads an image, in a network above all, marks its outermost patches: they are not
# learnt from. The middle leaves out a share of the rest on each side, as in the paper.
_TRIM, _BORDER = 0.1, 0.2
# An object stands apart from its background, keeps to the middle, and leaves the rim to
# the background. With a filter bank and with EfficientNet-Lite, on 8 images each at three
# sizes: hazelnuts of MVTec AD have a separation from 0.78 (but for 0.65 at 128 pixels), a
# ratio of coverage round the middle to that in it up to 0.46, and a rim of 0.00; a part
# that fills its image a rim from 0.58; of three textures one came to a separation above
# 0.75, with a rim of 0.61. Coarser grids gave nothing to tell from a texture.
_SMALLEST_SEPARATION, _LARGEST_RATIO, _LARGEST_RIM, _SMALLEST_GRID = 0.75, 0.8, 0.1, 8

_SMALLEST_PIECE = 0.1


def learn_foreground(
    grids: Sequence[_Features], threshold: float | None = None
) -> tuple[_Features, float] | tuple[None, None]:
    """Learn to tell an object from its background, by images that both are on.

    The first principal component of patch features is what they differ in most. The
    side that keeps to the middle of the images is the object.

    Parameters
    ----------
    grids : list of ndarray of float32 of shape (h, w, n_features)
        Features of good images.
    threshold : float or None, default=None
        Distance from the mean along the component from which on a patch belongs to the
        object; by default Otsu's threshold between the two sides.

    Returns
    -------
    component : ndarray of float32 of shape (n_features,)
        Direction that points to the object.
    threshold : float
        A patch whose product with it is above belongs to the object.

    Both are None if there is no object to tell: neither side keeps to the middle and off
    the rim, the grid is coarse, or, with Otsu's threshold, the sides are not apart.
    """
    if min(min(grid.shape[:2]) for grid in grids) < _SMALLEST_GRID:
        return None, None
    inner = [_inner(grid, _TRIM) for grid in grids]
    rows = np.concatenate([grid.reshape(-1, grid.shape[2]) for grid in inner])
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows -= mean
    component = np.linalg.eigh(rows.T @ rows)[1][:, -1]
    cut, separation = otsu_threshold(rows @ component)
    if threshold is None and separation < _SMALLEST_SEPARATION:
        return None, None
    for sign in (1, -1):
        limit = sign * cut if threshold is None else threshold
        sides = [sign * ((grid - mean) @ component) > limit for grid in grids]
        middle, around, rim = np.mean([_coverage(side) for side in sides], axis=0)
        if around < _LARGEST_RATIO * middle and rim < _LARGEST_RIM:
            return sign * component, float(limit + sign * mean @ component)
    return None, None


def otsu_threshold(values: FloatArray) -> tuple[float, float]:
    """Threshold that splits values into two classes of the least variance.

    Parameters
    ----------
    values : ndarray of shape (n,)

    Returns
    -------
    threshold : float
        Halfway between the classes.
    separation : float
        Share of the variance that lies between the classes: 1 if each is one value,
        0.75 for a uniform and 0.64 for a normal distribution.
    """
    values = np.sort(values.astype(np.float64))
    total = values.var()
    if total == 0:
        return float(values[0]), 0.0
    n_below = np.arange(1, len(values))
    sums = np.cumsum(values - values.mean())[:-1]
    between = sums**2 / (n_below * (len(values) - n_below))
    split = int(between.argmax())
    return float(values[split : split + 2].mean()), float(between[split] / total)


def foreground_grid(values: _Features, component: _Features, threshold: float) -> _Mask:
    """Find the patches of the object.

    Pieces of less than a tenth of the largest are dust. The rest is widened by a patch,
    closed, and its holes are filled, so that a defect that looks like the background is
    not cut out of the object.

    Parameters
    ----------
    values : ndarray of float32 of shape (h, w, n_features)
    component, threshold
        See `learn_foreground`.

    Returns
    -------
    grid : ndarray of bool of shape (h, w)
    """
    kernel = np.ones((3, 3), np.uint8)
    grid = _without_specks((values @ component > threshold).astype(np.uint8))
    widened = cv2.dilate(grid, kernel)
    # Room around it, or closing would join it to the border.
    closed = cv2.morphologyEx(np.pad(widened, 2), cv2.MORPH_CLOSE, kernel)
    return binary_fill_holes(closed[2:-2, 2:-2])


def pixel_mask(grid: _Mask, image_shape: tuple[int, int]) -> _Mask:
    """Enlarge a mask of patches to pixels: each takes the value of its patch."""
    rows, columns = (
        (2 * np.arange(size) + 1) * n // (2 * size)
        for n, size in zip(grid.shape, image_shape, strict=True)
    )
    return grid[np.ix_(rows, columns)]


def _without_specks(grid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave out the pieces of a mask that are small beside the largest."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(grid, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # What is no piece.
    return grid & (areas >= _SMALLEST_PIECE * areas.max())[pieces]


def _inner(grid: Array, border: float) -> Array:
    """Leave out a share of a grid on each side, one patch at least."""
    drop = [max(1, round(n * border)) for n in grid.shape[:2]]
    return grid[drop[0] : -drop[0], drop[1] : -drop[1]]


def _coverage(grid: _Mask) -> tuple[float, float, float]:
    """Shares of the middle of a grid, of what lies round it, and of its rim, covered."""
    rim = grid.sum() - grid[1:-1, 1:-1].sum()
    trimmed = _inner(grid, _TRIM)
    middle = _inner(trimmed, _BORDER)
    around = (trimmed.sum() - middle.sum()) / (trimmed.size - middle.size)
    return middle.mean(), around, rim / (grid.size - grid[1:-1, 1:-1].size)
