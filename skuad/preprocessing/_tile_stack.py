"""The tiles of one image, and where they belong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from skuad.preprocessing._stitching import Reduction, stitch_maps
from skuad.utils._typing import Array


class TileStack:
    """The tiles of one image, and where they belong.

    It can be used as the array of its tiles: it has `shape`, `dtype` and a length, is
    indexed, iterated over and converted by `numpy.asarray`.

    Parameters
    ----------
    tiles : ndarray of shape (n_tiles, tile, tile) or (n_tiles, tile, tile, C)
        The tiles, or maps of them.
    coords : list of (int, int)
        Upper left corners (y0, x0) of the tiles.
    image_shape : (int, int)
        Height and width of the image.

    Raises
    ------
    ValueError
        If there are more tiles than corners, or fewer.

    See Also
    --------
    Tiler : Cuts images into stacks.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import Tiler
    >>> (stack,) = Tiler(tile=32).fit_transform(np.zeros((1, 48, 64, 3), np.uint8))
    >>> stack.shape
    (4, 32, 32, 3)
    >>> stack.with_tiles(stack[..., 0]).stitch().shape
    (48, 64)
    """

    def __init__(
        self,
        tiles: Array,
        coords: Sequence[tuple[int, int]],
        image_shape: tuple[int, int],
    ):
        if len(tiles) != len(coords):
            raise ValueError(f"There are {len(coords)} coords, but {len(tiles)} tiles.")
        self.tiles = tiles
        self.coords = coords
        self.image_shape = image_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of tiles."""
        return self.tiles.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions of the array of tiles."""
        return self.tiles.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the tiles."""
        return self.tiles.dtype

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, key: Any) -> Any:
        return self.tiles[key]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> Array:
        return np.array(self.tiles, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        h, w = self.image_shape
        return f"TileStack({len(self)} tiles of an image of {h} x {w} pixels)"

    def with_tiles(self, tiles: ArrayLike) -> "TileStack":
        """Return a stack of other tiles, such as anomaly maps, at the same places.

        Parameters
        ----------
        tiles : array-like of shape (n_tiles, tile, tile) or (n_tiles, tile, tile, C)
            One for each tile, in order.

        Returns
        -------
        TileStack
        """
        return TileStack(np.asarray(tiles), self.coords, self.image_shape)

    def stitch(self, reduce: Reduction = "blend") -> Array:
        """Put the tiles together, see `stitch_maps`.

        Parameters
        ----------
        reduce : {"blend", "mean", "max"}, default="blend"
            What becomes of pixels in several tiles.

        Returns
        -------
        ndarray of shape (H, W) or (H, W, C)
            Of the dtype of the tiles; integers are rounded.
        """
        image = stitch_maps(self.tiles, self.coords, self.image_shape, reduce=reduce)
        if self.dtype.kind in "iub":
            np.rint(image, out=image, casting="unsafe")
        return image.astype(self.dtype, copy=False)
