"""Cutting images into tiles."""

from collections.abc import Iterator
from itertools import product
from numbers import Integral
from typing import Literal, TypeAlias, get_args

import numpy as np

from skuad.utils._typing import Array

PadMode: TypeAlias = Literal["reflect", "symmetric", "edge", "constant"]
#: One number of pixels for both sides, or height and width.
Size: TypeAlias = int | tuple[int, int]

PAD_MODES: tuple[PadMode, ...] = get_args(PadMode)


def iter_tile_coords(
    h: int, w: int, *, tile: Size, stride: Size
) -> Iterator[tuple[int, int]]:
    """Iterate over the upper left corners of the tiles of an image, row by row.

    Tiles begin every `stride` pixels. The last tile of a row or column moves inward so
    that it ends where the image ends: no pixel is made up. An image smaller than the
    tile has the one tile at 0.

    Parameters
    ----------
    h, w : int
        Height and width of the image in pixels.
    tile : int or (int, int)
        Side of a tile, or its height and width.
    stride : int or (int, int)
        Distance between neighbouring tiles, from 1 to `tile`; down and across.

    Returns
    -------
    iterator of (int, int)
        Pairs (y0, x0). Every pixel lies in at least one tile.

    Raises
    ------
    ValueError
        If the stride exceeds the tile, which would leave pixels out, or if a size is
        below one.

    See Also
    --------
    extract_tile : The pixels of a tile.
    stitch_maps : The way back.

    Examples
    --------
    >>> from skuad.preprocessing import iter_tile_coords
    >>> list(iter_tile_coords(4, 10, tile=4, stride=4))
    [(0, 0), (0, 4), (0, 6)]
    """
    tiles, strides = _pair(tile, "tile"), _pair(stride, "stride")
    for name, size in (("h", h), ("w", w)):
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {size!r}.")
    if strides[0] > tiles[0] or strides[1] > tiles[1]:
        raise ValueError(
            f"stride={stride} exceeds tile={tile}: the pixels between the tiles would "
            "be left out. Choose a stride of at most the tile."
        )
    return product(
        _starts(h, tiles[0], strides[0]),
        _starts(w, tiles[1], strides[1]),
    )


def _pair(value: Size, name: str) -> tuple[int, int]:
    pair = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, Integral) and v >= 1 for v in pair):
        raise ValueError(
            f"{name} must be an integer of at least 1, or a pair of them, got {value!r}"
        )
    return int(pair[0]), int(pair[1])


def _starts(size: int, tile: int, stride: int) -> list[int]:
    last = max(size - tile, 0)
    return [*range(0, last, stride), last]


def extract_tile(
    image: Array, y0: int, x0: int, *, tile: Size, pad_mode: PadMode = "reflect"
) -> Array:
    """Cut one tile out of an image.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        An image of any dtype.
    y0, x0 : int
        Upper left corner, as `iter_tile_coords` gives it.
    tile : int or (int, int)
        Side of a tile, or its height and width.
    pad_mode : {"reflect", "symmetric", "edge", "constant"}, default="reflect"
        How an image smaller than the tile is continued at the bottom and on the right,
        see `numpy.pad`; "constant" is zeros. Larger images are not padded.

    Returns
    -------
    ndarray of shape (tile, tile) or (tile, tile, C)
        A view into the image, unless it had to be padded.

    Raises
    ------
    ValueError
        If the tile leaves the image, or `pad_mode` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import extract_tile
    >>> image = np.arange(12).reshape(2, 6)
    >>> extract_tile(image, 0, 3, tile=3)
    array([[ 3,  4,  5],
           [ 9, 10, 11],
           [ 3,  4,  5]])
    """
    height, width = _pair(tile, "tile")
    if pad_mode not in PAD_MODES:
        raise ValueError(f"pad_mode must be one of {PAD_MODES}, got {pad_mode!r}.")
    h, w = image.shape[:2]
    if not (0 <= y0 <= max(h - height, 0) and 0 <= x0 <= max(w - width, 0)):
        raise ValueError(
            f"The tile of {height} x {width} pixels at (y0={y0}, x0={x0}) leaves the "
            f"image of {h} x {w} pixels: take coordinates from iter_tile_coords."
        )
    cut = image[y0 : y0 + height, x0 : x0 + width]
    below, right = height - cut.shape[0], width - cut.shape[1]
    if below == 0 and right == 0:
        return cut
    padding = [(0, below), (0, right), (0, 0)][: image.ndim]
    return np.pad(cut, padding, mode=pad_mode)
