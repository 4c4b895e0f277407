"""Sequences whose items are made of other images when they are accessed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.io._images import Images
from skuad.io._sequence import ImageSequence
from skuad.utils._typing import Array


class DerivedImages(Sequence[Array]):
    """Base of sequences made of images, such as their tiles or corrupted copies.

    It is the images themselves; a subclass says what is else. The image that was read
    last is kept, so that items taken in order decode each image once.

    Parameters
    ----------
    images : Images
        What the items are made of.
    """

    def __init__(self, images: Images) -> None:
        self.images = images
        self._last: tuple[int, Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        return self._image(index)

    def _origin(self, index: int) -> int:
        """Return the number of the image that an item is made of."""
        return index

    def _image(self, number: int) -> Array:
        """Read an image, or return it again."""
        if self._last is None or self._last[0] != number:
            self._last = number, self.images[number]
        return self._last[1]

    def roi(self, index: int) -> NDArray[np.bool_] | None:
        """Region of interest of an item."""
        return self.images.roi(self._origin(index))

    def describe(self, index: int) -> str:
        """Name an item for a message."""
        return self.images.describe(self._origin(index))

    def as_input(self) -> ImageSequence | Array:
        """Give the items in the container that detectors take: lazy, or rows."""
        if self.images.is_rows:
            return np.concatenate(list(self))[:, :, 0]
        return ImageSequence(self)
