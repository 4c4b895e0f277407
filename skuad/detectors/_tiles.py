"""Tiles of many images as one lazy sequence."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.io._derived import DerivedImages
from skuad.io._images import Images
from skuad.preprocessing import extract_tile, iter_tile_coords
from skuad.utils._typing import Array, IndexArray

_Pair: TypeAlias = tuple[int, int]

# Tiles of small images are run together, up to about this number; enough to fill the
# batches of a network, and few enough not to matter for memory.
_TILES_AT_ONCE = 64


class TileSource(DerivedImages):
    """Tiles of images in order, cut when they are accessed.

    Tiles wholly outside an image's region of interest are left out.

    Parameters
    ----------
    images : Images
        Whole images.
    tile, stride : (int, int)
        Height and width of a tile and distances between tiles, in pixels.
    image_shapes : dict of {int: (H, W)}
        Sizes of the images by number; the tiles are of these images.
    decoded : dict of {int: ndarray} or None, default=None
        Pixels of the same images, which are otherwise read on access.

    Attributes
    ----------
    coords : dict of {int: list of (y0, x0)}
        Upper left corners of the tiles of each image, by its number.
    """

    def __init__(
        self,
        images: Images,
        *,
        tile: _Pair,
        stride: _Pair,
        image_shapes: dict[int, _Pair],
        decoded: dict[int, Array] | None = None,
    ):
        super().__init__(images)
        self.tile = tile
        self.image_shapes = image_shapes
        self._decoded = decoded
        self.coords: dict[int, list[_Pair]] = {}
        # Images of one shape share their list of corners: tiles may be a million.
        known_coords: dict[_Pair, list[_Pair]] = {}
        self._numbers = list(image_shapes)
        for number, shape in image_shapes.items():
            if shape not in known_coords:
                grid = iter_tile_coords(*shape, tile=tile, stride=stride)
                known_coords[shape] = list(grid)
            coords, roi = known_coords[shape], images.roi(number)
            if roi is not None:
                coords = [(y, x) for y, x in coords if self._cut(roi, y, x).any()]
            self.coords[number] = coords
        # Shared by tiles that are padded alike, since a detector may keep one for each.
        self._unpadded: dict[tuple[_Pair, int, int], NDArray[np.bool_]] = {}
        # Number of tiles up to and with each image.
        self._ends = np.cumsum([len(coords) for coords in self.coords.values()])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        number, y, x = self._place(index)
        return self._cut(self._image(number), y, x, "reflect")

    def of_images(self, numbers: IndexArray) -> IndexArray:
        """Return which tiles are those of these images, in their order."""
        positions = np.searchsorted(self._numbers, numbers)
        starts = np.r_[0, self._ends[:-1]]
        return np.concatenate(
            [np.arange(starts[i], self._ends[i]) for i in positions]
        ).astype(np.intp)

    def _place(self, index: int) -> tuple[int, int, int]:
        """Image number and upper left corner of a tile."""
        if not 0 <= index < len(self):
            raise IndexError(f"there is no tile {index} among {len(self)}")
        position = int(np.searchsorted(self._ends, index, "right"))
        number = self._numbers[position]
        y, x = self.coords[number][index - self._ends[position]]
        return number, y, x

    def _image(self, number: int) -> Array:
        if self._decoded is not None:
            return self._decoded[number]
        return super()._image(number)

    def _cut(
        self,
        image: Array,
        y: int,
        x: int,
        pad_mode: Literal["constant", "reflect"] = "constant",
    ) -> Array:
        return extract_tile(image, y, x, tile=self.tile, pad_mode=pad_mode)

    def roi(self, index: int) -> NDArray[np.bool_] | None:
        """Region of interest of a tile; False in the padding of a small image."""
        number, y, x = self._place(index)
        roi = self.images.roi(number)
        if roi is None:
            image_shape = self.image_shapes[number]
            if all(np.greater_equal(image_shape, self.tile)):
                return None
            key = image_shape, y, x
            if key not in self._unpadded:
                self._unpadded[key] = self._cut(np.ones(image_shape, bool), y, x)
            return self._unpadded[key]
        return self._cut(roi, y, x)

    def describe(self, index: int) -> str:
        """Name a tile and its image for a message."""
        number, y, x = self._place(index)
        return f"{self.images.describe(number)}, tile at row {y}, column {x}"


def image_size(image: Array) -> _Pair:
    """Return height and width of an image."""
    height, width = image.shape[:2]
    return height, width


def tile_groups(images: Images, *, tile: _Pair, stride: _Pair) -> Iterator[TileSource]:
    """Yield the tiles of a few images at a time, each image read once."""
    decoded: dict[int, Array] = {}
    n_tiles = 0
    for number, image in enumerate(images):
        decoded[number] = image
        coords = iter_tile_coords(*image.shape[:2], tile=tile, stride=stride)
        n_tiles += sum(1 for _ in coords)
        if n_tiles >= _TILES_AT_ONCE or number == len(images) - 1:
            shapes = {key: image_size(pixels) for key, pixels in decoded.items()}
            yield TileSource(
                images, tile=tile, stride=stride, image_shapes=shapes, decoded=decoded
            )
            decoded, n_tiles = {}, 0
