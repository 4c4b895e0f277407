"""Stitching tiles, and maps of tiles, together again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from skuad.utils._typing import Array, FloatArray

Reduction: TypeAlias = Literal["blend", "mean", "max"]

REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)

_Corner: TypeAlias = tuple[int, int]
#: Maps and their places.
_Placed: TypeAlias = Iterator[tuple[Array, tuple[slice, slice]]]
#: Weights along one axis, by corner.
_Weights: TypeAlias = Mapping[int, FloatArray]


def stitch_maps(
    maps: Iterable[ArrayLike],
    coords: Iterable[tuple[int, int]],
    out_shape: Sequence[int],
    *,
    reduce: Reduction = "blend",
    fill_value: float = 0,
) -> Array:
    """Put the maps of tiles together to the map of the whole image.

    Parameters
    ----------
    maps : iterable of ndarray of shape (tile, tile) or (tile, tile, C)
        Maps, or images, of the tiles: all of one shape, in the order of `coords`. They
        are taken one after the other, so a generator will do.
    coords : iterable of (int, int)
        Upper left corners of the tiles, from `iter_tile_coords`. Some may be left out,
        such as those outside a region of interest.
    out_shape : (int, int)
        Height and width of the image. What a tile holds beyond them is cut off: the
        padding of an image smaller than the tile.
    reduce : {"blend", "mean", "max"}, default="blend"
        What becomes of pixels in several tiles. "blend": the mean with weights that
        fall linearly from a tile's middle to its borders, so that no seam shows;
        "mean": the plain mean; "max": the highest value.
    fill_value : float, default=0
        Value of the pixels that lie in no tile. There are none where `coords` is
        complete.

    Returns
    -------
    ndarray of shape (H, W) or (H, W, C)
        For "max" of the dtype of the maps; otherwise float32, or float64 for maps of
        float64 or of integers of 16 bits and more. The weights of a pixel sum to one up
        to rounding, and to exactly one where only one tile of the grid covers it.

    Raises
    ------
    ValueError
        If there are more maps than coordinates or fewer, none at all, or maps of
        different shapes; if a coordinate lies outside or is there twice; or if
        `reduce` is unknown.

    Notes
    -----
    The weight of tile i at row y is t_i(y) / sum_j t_j(y), where t is the triangle
    1, 2, ..., 2, 1 over the tile; across alike; and the weight of a pixel is the
    product of both. As the tiles form a grid, the products sum to one, and no image of
    the summed weights is needed. Only where tiles of the grid are missing, their
    weights are summed up and divided by.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import extract_tile, iter_tile_coords, stitch_maps
    >>> image = np.arange(35.0).reshape(5, 7)
    >>> coords = list(iter_tile_coords(5, 7, tile=4, stride=2))
    >>> tiles = [extract_tile(image, y0, x0, tile=4) for y0, x0 in coords]
    >>> stitched = stitch_maps(tiles, coords, image.shape, reduce="blend")
    >>> np.allclose(stitched, image)
    True
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be one of {REDUCTIONS}, got {reduce!r}.")
    shape = int(out_shape[0]), int(out_shape[1])
    coords = [(int(y0), int(x0)) for y0, x0 in coords]
    _check_coords(coords, shape)
    maps = iter(maps)
    first = np.asarray(next(maps, ()))
    if first.ndim not in (2, 3):
        raise ValueError(
            "maps must hold at least one map of shape (tile, tile) or (tile, tile, C)."
        )
    placed = _place(chain([first], maps), first.shape, coords, shape)
    complete = _is_complete(coords, first.shape, shape)
    if reduce == "max":
        return _stitch_max(placed, first, shape, complete, fill_value)
    weights = _tile_weights(coords, first, shape, reduce)
    return _stitch_weighted(placed, first, shape, weights, complete, fill_value)


def _check_coords(coords: list[_Corner], shape: tuple[int, int]) -> None:
    if not coords or len(set(coords)) < len(coords):
        raise ValueError("coords must hold at least one corner, and none twice.")
    for y0, x0 in coords:
        if not (0 <= y0 < shape[0] and 0 <= x0 < shape[1]):
            raise ValueError(
                f"The corner (y0={y0}, x0={x0}) lies outside of out_shape={shape}."
            )


def _is_complete(
    coords: list[_Corner], tile_shape: tuple[int, ...], shape: tuple[int, int]
) -> bool:
    """Whether the corners form a full grid of tiles that covers the image."""
    n_corners = 1
    for axis, size in enumerate(shape):
        corners = np.unique([corner[axis] for corner in coords])
        ends = np.append(0, corners + tile_shape[axis])
        if (np.append(corners, size) > ends).any():
            return False
        n_corners *= len(corners)
    return n_corners == len(coords)


def _place(
    maps: Iterable[ArrayLike],
    tile_shape: tuple[int, ...],
    coords: list[_Corner],
    shape: tuple[int, int],
) -> _Placed:
    """Yield each map, cropped to the image, and its place as (y slice, x slice)."""
    n_maps = 0
    for n_maps, tile_map in enumerate(maps, start=1):
        tile_map = np.asarray(tile_map)
        if tile_map.shape != tile_shape:
            raise ValueError(
                f"maps must all have one shape, got {tile_shape} and {tile_map.shape}."
            )
        if n_maps > len(coords):
            break
        y0, x0 = coords[n_maps - 1]
        tile_map = tile_map[: shape[0] - y0, : shape[1] - x0]
        h, w = tile_map.shape[:2]
        yield tile_map, (slice(y0, y0 + h), slice(x0, x0 + w))
    if n_maps != len(coords):
        more = "more" if n_maps > len(coords) else f"{n_maps}"
        raise ValueError(f"There are {len(coords)} coords, but {more} maps.")


def _stitch_max(
    placed: _Placed,
    first: Array,
    shape: tuple[int, int],
    complete: bool,
    fill_value: float,
) -> Array:
    dtype = first.dtype
    lowest = -np.inf if dtype.kind == "f" else False
    if dtype.kind in "iu":
        lowest = np.iinfo(dtype).min
    out = np.full(shape + first.shape[2:], lowest, dtype)
    covered = None if complete else np.zeros(shape, bool)
    for tile_map, place in placed:
        target = out[place]
        np.maximum(target, tile_map, out=target)
        if covered is not None:
            covered[place] = True
    if covered is not None:
        out[~covered] = fill_value
    return out


def _tile_weights(
    coords: list[_Corner], first: Array, shape: tuple[int, int], reduce: Reduction
) -> list[_Weights]:
    """Weights down and across: for each axis an array by corner."""
    # In float32, the errors of summing many 16-bit values would survive rounding.
    size = first.dtype.itemsize
    single = size == 1 or (size <= 4 and first.dtype.kind == "f")
    dtype = np.float32 if single else np.float64
    return [
        _axis_weights(
            {corner[axis] for corner in coords},
            first.shape[axis],
            shape[axis],
            reduce,
            dtype,
        )
        for axis in (0, 1)
    ]


def _axis_weights(
    corners: set[int], tile: int, size: int, reduce: Reduction, dtype: DTypeLike
) -> _Weights:
    """Weights along one axis by corner; at each pixel they sum to one over tiles."""
    window = np.ones(tile)
    if reduce == "blend":
        window = np.minimum(np.arange(1, tile + 1), np.arange(tile, 0, -1.0))
    total = np.zeros(size)
    for corner in corners:
        total[corner : corner + tile] += window[: size - corner]
    return {
        corner: (window[: size - corner] / total[corner : corner + tile]).astype(dtype)
        for corner in corners
    }


def _stitch_weighted(
    placed: _Placed,
    first: Array,
    shape: tuple[int, int],
    weights: list[_Weights],
    complete: bool,
    fill_value: float,
) -> FloatArray:
    row_weights, column_weights = weights
    dtype = next(iter(row_weights.values())).dtype
    channels = first.shape[2:]
    n_channels = channels[0] if channels else 1
    out = np.zeros((shape[0], shape[1] * n_channels), dtype)
    total = None if complete else np.zeros(shape, dtype)
    weighted = np.empty((first.shape[0], first.shape[1] * n_channels), dtype)
    for tile_map, (rows, columns) in placed:
        down = row_weights[rows.start][:, None]
        across = column_weights[columns.start]
        if total is not None:
            total[rows, columns] += down * across
        # Channels lie side by side in a row, which keeps the inner loops long.
        tile_map = tile_map.reshape(len(tile_map), -1)
        start = columns.start * n_channels
        target = out[rows, start : start + tile_map.shape[1]]
        if (down == 1).all() and (across == 1).all():
            target[:] = tile_map  # no other tile reaches here
            continue
        part = weighted[: len(tile_map), : tile_map.shape[1]]
        np.multiply(tile_map, np.repeat(across, n_channels), out=part)
        part *= down
        target += part
    stitched = out.reshape(shape + channels)
    if total is not None:
        covered = total > 0
        stitched[covered] /= total[covered].reshape((-1,) + (1,) * len(channels))
        stitched[~covered] = fill_value
    return stitched
