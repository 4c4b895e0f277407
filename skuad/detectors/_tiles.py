"""Tiles of many images as one lazy sequence."""

from collections.abc import Iterator, Sequence

import numpy as np

from skuad.io import ImageSequence
from skuad.io._images import Images
from skuad.preprocessing import extract_tile, iter_tile_coords, stitch_maps

# Tiles of small images are run together, up to about this number; enough to fill the
# batches of a network, and few enough not to matter for memory.
_TILES_AT_ONCE = 64


class TileSource(Sequence):
    """Tiles of images in order, cut when they are accessed.

    The image that was used last is kept, so that tiles taken in order decode each
    image once. Tiles wholly outside an image's region of interest are left out.

    Parameters
    ----------
    images : Images
        Whole images.
    tile, stride : (int, int)
        Height and width of a tile and distances between tiles, in pixels.
    decoded : dict of {int: ndarray} or None, default=None
        Pixels of some of the images by number; the tiles are of these only. By default
        they are of all, and images are read twice, first for their sizes.

    Attributes
    ----------
    coords : list of list of (y0, x0)
        Upper left corners of the tiles of each image.
    image_shapes : list of (H, W)
    """

    def __init__(self, images: Images, *, tile, stride, decoded=None):
        self.images = images
        self.tile = tile
        self._decoded = decoded
        self._last = (None, None)
        self.coords, self.image_shapes, self._places = [], [], []
        for number in range(len(images)) if decoded is None else decoded:
            shape = self._image(number).shape[:2]
            coords = iter_tile_coords(*shape, tile=tile, stride=stride)
            roi = images.roi(number)
            if roi is not None:
                coords = ((y, x) for y, x in coords if self._cut(roi, y, x).any())
            coords = list(coords)
            self.coords.append(coords)
            self.image_shapes.append(shape)
            self._places += [(number, y, x) for y, x in coords]

    def __len__(self):
        return len(self._places)

    def __getitem__(self, index):
        number, y, x = self._places[index]
        return self._cut(self._image(number), y, x, "reflect")

    def __getstate__(self):
        return {**self.__dict__, "_last": (None, None)}

    @property
    def owner(self) -> np.ndarray:
        """Number of the image of each tile."""
        return np.array([number for number, _, _ in self._places], int)

    def _image(self, number):
        if self._decoded is not None:
            return self._decoded[number]
        last, image = self._last
        if last != number:
            image = self.images[number]
            self._last = (number, image)
        return image

    def _cut(self, image, y, x, pad_mode="constant"):
        return extract_tile(image, y, x, tile=self.tile, pad_mode=pad_mode)

    def roi(self, index: int) -> np.ndarray | None:
        """Region of interest of a tile; False in the padding of a small image."""
        number, y, x = self._places[index]
        roi = self.images.roi(number)
        return None if roi is None else self._cut(roi, y, x)

    def describe(self, index: int) -> str:
        """Name a tile and its image for a message."""
        number, y, x = self._places[index]
        return f"{self.images.describe(number)}, tile at row {y}, column {x}"

    def as_input(self):
        """Give the tiles in the container that detectors take: lazy, or rows."""
        if self.images.is_rows:
            return np.concatenate(list(self))[:, :, 0]
        return ImageSequence(self)


def tile_groups(images: Images, *, tile, stride) -> Iterator[TileSource]:
    """Yield the tiles of a few images at a time, each image read once."""
    decoded, n_tiles = {}, 0
    for number, image in enumerate(images):
        decoded[number] = image
        coords = iter_tile_coords(*image.shape[:2], tile=tile, stride=stride)
        n_tiles += sum(1 for _ in coords)
        if n_tiles >= _TILES_AT_ONCE:
            yield TileSource(images, tile=tile, stride=stride, decoded=decoded)
            decoded, n_tiles = {}, 0
    if decoded:
        yield TileSource(images, tile=tile, stride=stride, decoded=decoded)


def stitch(maps, coords, image_shape, *, reduce) -> np.ndarray:
    """Put the maps of an image's tiles together; zero where there was no tile."""
    if not coords:
        return np.zeros(image_shape, np.float32)
    return stitch_maps(maps, coords, image_shape, reduce=reduce)
