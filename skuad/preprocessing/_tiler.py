"""Cutting images into stacks of tiles, and back, as a transformer."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array, check_is_fitted

from skuad.base import ImageTransformer, validate_images
from skuad.io import ImageSequence
from skuad.io._images import check_image
from skuad.preprocessing._stitching import REDUCTIONS, Reduction
from skuad.preprocessing._tile_stack import TileStack
from skuad.preprocessing._tiling import (
    PAD_MODES,
    PadMode,
    Size,
    extract_tile,
    iter_tile_coords,
)
from skuad.utils._param_validation import Interval, StrOptions
from skuad.utils._typing import Array, ImagesLike, TargetsLike

if TYPE_CHECKING:
    from typing_extensions import Self


class Tiler(ImageTransformer):
    """Cut images into tiles, and stitch tiles or their maps together again.

    The last tile of a row or column moves inward to end where the image does, and an
    image smaller than a tile is continued at the bottom and on the right.

    Parameters
    ----------
    tile : int, default=512
        Side of a tile in pixels.
    stride : int, default=None
        Distance between neighbouring tiles, at most `tile`, which is the default: no
        overlap but that of the last tile.
    pad_mode : {"reflect", "symmetric", "edge", "constant"}, default="reflect"
        How an image smaller than a tile is continued; "constant" is zeros.

    Attributes
    ----------
    n_channels_in_ : int
        Number of channels of the images seen during `fit`.
    image_dtype_ : str
        Their kind of dtype: "uint8", "uint16" or "float".
    n_features_in_ : int
        Length of the line scans seen during `fit`, if X was an array of them.

    See Also
    --------
    TileStack : The tiles of one image.
    iter_tile_coords, extract_tile, stitch_maps : The functions.

    Notes
    -----
    To detect on tiles and get maps of whole images and a threshold for them, wrap the
    detector in `skuad.detectors.Tiled` rather than putting a Tiler in front of it.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import Tiler
    >>> X = [np.arange(48 * 64).reshape(48, 64).astype(np.uint16)]
    >>> tiler = Tiler(tile=32, stride=16).fit(X)
    >>> stacks = tiler.transform(X)
    >>> stacks[0].shape, stacks[0].coords[-1]
    ((6, 32, 32), (16, 32))
    >>> np.array_equal(tiler.inverse_transform(stacks)[0], X[0])
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "tile": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left"), None],
        "pad_mode": [StrOptions(set(PAD_MODES))],
    }

    def __init__(
        self,
        tile: int = 512,
        *,
        stride: int | None = None,
        pad_mode: PadMode = "reflect",
    ):
        self.tile = tile
        self.stride = stride
        self.pad_mode = pad_mode

    def fit(self, X: ImagesLike, y: TargetsLike = None) -> "Self":
        """Check the parameters and note what the images are like.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : None
            Ignored.

        Returns
        -------
        self : Tiler
        """
        super().fit(X, y)
        tile, stride = self._grid()
        iter_tile_coords(1, 1, tile=tile, stride=stride)  # is the stride too large?
        return self

    def transform(self, X: ImagesLike) -> list[TileStack] | ImageSequence | Array:
        """Cut every image into a stack of tiles.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        stacks : list of TileStack, or sequence of them, or ndarray
            One stack for each image, of shape (n_tiles, tile, tile) for an image (H, W)
            and (n_tiles, tile, tile, C) for an image (H, W, C). For paths and lazy
            sequences, an `skuad.io.ImageSequence` that cuts an image when it is
            accessed. For line scans of shape (n, n_features), an array of shape
            (n, n_tiles * tile).
        """
        self._validate_params()
        images = validate_images(self, X, reset=False)
        if images.is_rows:
            return np.stack([self._cut_row(image) for image in images])
        tile, stride = self._grid()
        cut = partial(
            _cut,
            tile=tile,
            stride=stride,
            pad_mode=self.pad_mode,
            n_channels=images.n_channels,
        )
        if images.kind == "lazy":
            return images.data.then(cut)
        stacks = []
        for index, image in enumerate(images.data):
            with images.naming(index):
                stacks.append(cut(image))
        return stacks

    def inverse_transform(
        self,
        X: Sequence[TileStack] | ImageSequence | Array,
        *,
        reduce: Reduction = "blend",
    ) -> list[Array] | ImageSequence | Array:
        """Stitch stacks of tiles, or of maps of tiles, to whole images.

        Parameters
        ----------
        X : sequence of TileStack, or array of shape (n, n_tiles * tile)
            What `transform` gave. For maps, `TileStack.with_tiles` puts them in the
            place of the tiles.
        reduce : {"blend", "mean", "max"}, default="blend"
            What becomes of pixels in several tiles, see `stitch_maps`.

        Returns
        -------
        images : list of ndarray, or sequence of them, or ndarray (n, n_features)
            Images or maps of the dtype of the tiles, integers rounded. For an
            `skuad.io.ImageSequence`, another one.

        Raises
        ------
        ValueError
            If X holds anything else, or line scans of another length than in `fit`.
        """
        if reduce not in REDUCTIONS:
            raise ValueError(f"reduce must be one of {REDUCTIONS}, got {reduce!r}.")
        if isinstance(X, ImageSequence):
            return X.then(partial(_stitch, reduce=reduce))
        if isinstance(X, list | tuple) and any(isinstance(s, TileStack) for s in X):
            return [_stitch(stack, reduce=reduce) for stack in X]
        if isinstance(X, TileStack):
            raise ValueError("Expected several stacks, but got one: wrap it, [stack].")
        return self._stitch_rows(X, reduce)

    def _grid(self) -> tuple[int, int]:
        return self.tile, self.tile if self.stride is None else self.stride

    def _row_grid(self) -> tuple[tuple[int, int], tuple[int, int]]:
        tile, stride = self._grid()
        return (1, tile), (1, stride)

    def _cut_row(self, image: Array) -> Array:
        tile, stride = self._row_grid()
        stack = _cut(image[:, :, 0], tile=tile, stride=stride, pad_mode=self.pad_mode)
        return stack.tiles.ravel()

    def _stitch_rows(self, X: Any, reduce: Reduction) -> Array:
        check_is_fitted(self, "n_features_in_")
        X = check_array(X, dtype=[np.float64, np.float32])
        shape = (1, self.n_features_in_)
        tile, stride = self._row_grid()
        coords = list(iter_tile_coords(*shape, tile=tile, stride=stride))
        if X.shape[1] != len(coords) * self.tile:
            raise ValueError(
                f"X has {X.shape[1]} columns, but line scans of {shape[1]} pixels have "
                f"{len(coords)} tiles of {self.tile}, {len(coords) * self.tile} columns"
            )
        tiles = X.reshape(len(X), len(coords), 1, self.tile)
        return np.stack([TileStack(t, coords, shape).stitch(reduce)[0] for t in tiles])


def _cut(
    image: ArrayLike,
    *,
    tile: Size,
    stride: Size,
    pad_mode: PadMode,
    n_channels: int | None = None,
) -> TileStack:
    image = np.asarray(image)
    h, w = check_image(image, n_channels=n_channels).shape[:2]
    coords = list(iter_tile_coords(h, w, tile=tile, stride=stride))
    tiles = [
        extract_tile(image, *corner, tile=tile, pad_mode=pad_mode) for corner in coords
    ]
    return TileStack(np.stack(tiles), coords, (h, w))


def _stitch(stack: TileStack, *, reduce: Reduction) -> Array:
    if not isinstance(stack, TileStack):
        raise ValueError(
            "Expected TileStacks, as transform gives them, got "
            f"{type(stack).__name__}. Maps go into a stack by stack.with_tiles(maps)."
        )
    return stack.stitch(reduce)
