"""A lazy sequence of images: read, and passed through transformers, on access."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skuad.io._read import read_image
from skuad.utils._typing import Array, ImagesLike, IntArray

# From one image to the next, or to what a sequence holds instead: stacks of tiles.
_Step: TypeAlias = Callable[[Any], Any]


def without_index(column: Any) -> Any:
    """Return a column of a data frame as an array, and whatever else as it is."""
    return column.to_numpy() if hasattr(column, "iloc") else column


class ImageSequence(Sequence[Array]):
    """Images that are read, and passed through a chain of functions, on access.

    Image transformers return one when they are given paths or another lazy
    sequence, so that a data set never has to fit in memory. It has a length, takes
    integers, slices, and index or boolean arrays, can be iterated again and again,
    and pickles without pixels when its source is a list of paths.

    Parameters
    ----------
    source : sequence of path-like or of array
        Paths of image files, or any sequence whose items are images.
    steps : sequence of callable, default=()
        Functions of one image, applied in order on each access.
    indices : array of int or None, default=None
        The items of `source` that belong to the sequence, in order; all by default.
    roi : ndarray of bool of shape (H, W) or None, default=None
        Region of interest that belongs to every image.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.io import ImageSequence
    >>> images = ImageSequence([np.zeros((2, 2)), np.ones((2, 2))])
    >>> doubled = images.then(lambda image: 2 * image)
    >>> len(doubled), float(doubled[1].max()), len(doubled[:1])
    (2, 2.0, 1)
    """

    def __init__(
        self,
        source: ImagesLike,
        steps: Iterable[_Step] = (),
        *,
        indices: IntArray | None = None,
        roi: NDArray[np.bool_] | None = None,
    ):
        self.source = without_index(source)
        self.steps = tuple(steps)
        self.indices = np.arange(len(source)) if indices is None else indices
        self._roi = roi

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int]:
        """Length as a tuple, which makes scikit-learn index the sequence lazily."""
        return (len(self),)

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> Array: ...

    @overload
    def __getitem__(self, key: slice | Array | Sequence[int]) -> "ImageSequence": ...

    def __getitem__(self, key: Any) -> "Array | ImageSequence":
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn indexes with (rows, ...)
        if not isinstance(key, int | np.integer):
            return self._with(indices=self.indices[key])
        image = self.source[self.indices[key]]
        if isinstance(image, str | os.PathLike):
            image = read_image(image)
        for step in self.steps:
            try:
                image = step(image)
            except ValueError as error:
                raise ValueError(f"{self.describe(int(key))}: {error}") from error
        return image

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> Array:
        images = np.stack(list(self))
        return images if dtype is None else images.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[Array]:
        # Not that of Sequence, which would end quietly at an IndexError of a step.
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"ImageSequence({len(self)} images, {len(self.steps)} steps)"

    def _with(self, **changes: Any) -> "ImageSequence":
        arguments = {"indices": self.indices, "roi": self._roi, **changes}
        steps = arguments.pop("steps", self.steps)
        return type(self)(self.source, steps, **arguments)

    def then(self, step: _Step) -> "ImageSequence":
        """Return the sequence with one more function of an image at the end.

        Parameters
        ----------
        step : callable
            Takes an image and returns one.

        Returns
        -------
        images : ImageSequence
            A new sequence; this one stays as it is.
        """
        return self._with(steps=(*self.steps, step))

    def with_roi(self, roi: NDArray[np.bool_]) -> "ImageSequence":
        """Return the sequence with a region for every image, inside one it has.

        Where an image has a region of its own that lies wholly outside of this one, such
        as that of its object, this one holds.

        Parameters
        ----------
        roi : ndarray of bool of shape (H, W)
            Region of interest.

        Returns
        -------
        images : ImageSequence
            A new sequence; this one stays as it is.

        Raises
        ------
        ValueError
            If no pixel is left.
        """
        inside = roi if self._roi is None else roi & self._roi
        if not inside.any():
            raise ValueError(
                "no pixel lies inside both regions of interest, one within the other: "
                "make them overlap"
            )
        return self._with(roi=inside)

    def roi(self, index: int) -> NDArray[np.bool_] | None:
        """Region of interest of an image.

        Parameters
        ----------
        index : int
            Number of the image in this sequence.

        Returns
        -------
        roi : ndarray of bool of shape (H, W) or None
            None is the whole image.
        """
        lookup = getattr(self.source, "roi", None)
        of_source: NDArray[np.bool_] | None = None
        if lookup is not None:
            of_source = lookup(self.indices[index])
        if self._roi is None or of_source is None:
            return of_source if self._roi is None else self._roi
        both = self._roi & of_source
        return both if both.any() else self._roi

    def describe(self, index: int) -> str:
        """Name an image for a message: its number and, if it has one, its path.

        Parameters
        ----------
        index : int
            Number of the image in this sequence.

        Returns
        -------
        name : str
            The number is that in the source.
        """
        item = self.indices[index]
        name = getattr(self.source, "describe", None)
        if name is not None:
            return name(item)
        if isinstance(self.source[item], str | os.PathLike):
            return f"image {item} ({os.fspath(self.source[item])})"
        return f"image {item}"
