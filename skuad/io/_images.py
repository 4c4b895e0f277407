"""One view of every kind of X that the estimators take."""

import os
import warnings
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, DTypeLike, NDArray

from skuad.io._sequence import ImageSequence, without_index
from skuad.utils._text import plural
from skuad.utils._typing import Array, ImagesLike, IndexArray

_PATH = (str, os.PathLike)
_Sized = TypeVar("_Sized", bound=Sized)


def dtype_kind(dtype: DTypeLike) -> str:
    """Return ``"uint8"``, ``"uint16"`` or ``"float"``, or raise for another dtype."""
    dtype = np.dtype(dtype)
    if dtype in (np.uint8, np.uint16):
        return dtype.name
    if dtype.kind == "f":
        return "float"
    if dtype.kind == "c":
        raise ValueError(
            "Complex data not supported: images are uint8, uint16 or float"
        )
    raise ValueError(
        f"images of dtype {dtype} are not supported: convert them to uint8, uint16 or "
        "float in [0, 1]"
    )


def check_image(image: Array, *, n_channels: int | None = None) -> Array:
    """Check one image, (H, W) or (H, W, C), and return it as (H, W, C).

    Raises
    ------
    ValueError
        If it has another number of dimensions, no pixels, a dtype other than uint8,
        uint16 or float, NaN or infinite values, or other than `n_channels` channels.
    """
    image = np.asarray(image)
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.ndim not in (2, 3):
        raise ValueError(
            f"an image has the shape (H, W) or (H, W, C), but this one has "
            f"{image.ndim} dimensions: {image.shape}"
        )
    if image.size == 0:
        raise ValueError(f"the image is empty: its shape is {image.shape}")
    if dtype_kind(image.dtype) == "float" and not np.isfinite(image).all():
        raise ValueError(
            "Input X contains NaN or infinity: replace those pixels, or leave the "
            "image out"
        )
    if image.ndim == 2:
        image = image[:, :, None]
    if n_channels not in (None, image.shape[2]):
        raise ValueError(
            f"the image has {plural(image.shape[2], 'channel')}, but {n_channels} "
            f"{'is' if n_channels == 1 else 'are'} expected: convert all images to the "
            "same kind, gray or colour"
        )
    return image


class Images:
    """X as a sequence of (H, W, C) arrays that remembers what container it came in.

    Parameters
    ----------
    kind : {"rows", "stack", "list", "lazy"}
        A 2-D array of line scans, an array of images, a list of images, or an
        `ImageSequence`.
    data : array, list or ImageSequence
        The container itself, as it is handed on to other estimators.
    n_channels : int or None, default=None
        Number of channels that every image must have.
    dtype : {"uint8", "uint16", "float"} or None, default=None
        Kind of dtype that an estimator was fitted on; another one warns, once.
    numbers : ndarray of int of shape (n,) or None, default=None
        Numbers of the images for messages: those that a user counts by, of which these
        may be a part. From 0 by default.
    """

    def __init__(
        self,
        kind: Literal["rows", "stack", "list", "lazy"],
        data: Any,
        *,
        n_channels: int | None = None,
        dtype: str | None = None,
        numbers: IndexArray | None = None,
    ):
        self.kind = kind
        self.data = data
        self.n_channels = n_channels
        self.dtype = dtype
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Array:
        image = self.data[index]
        with self.naming(index):
            image = check_image(
                image[None] if self.is_rows else image, n_channels=self.n_channels
            )
        if self.dtype not in (None, dtype_kind(image.dtype)):
            _warn_other_dtype(self.describe(index), image.dtype, self.dtype)
            self.dtype = None
        return image

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def batches(self, size: int) -> Iterator[tuple[range, list[Array]]]:
        """Yield the numbers and the images of so many at a time, read as it goes."""
        for start in range(0, len(self), size):
            numbers = range(start, min(start + size, len(self)))
            yield numbers, [self[number] for number in numbers]

    @property
    def is_rows(self) -> bool:
        """Whether each sample is a line scan, one pixel high."""
        return self.kind == "rows"

    def describe(self, index: int) -> str:
        """Name an image for a message: its number and, if it has one, its path."""
        if self.kind == "lazy":
            name: str = self.data.describe(index)
            return name
        return f"image {index if self.numbers is None else self.numbers[index]}"

    @contextmanager
    def naming(self, index: int) -> Iterator[None]:
        """Name an image in the errors of what is done with it."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.describe(index)}: {error}") from error

    def roi(self, index: int) -> NDArray[np.bool_] | None:
        """Region of interest of an image, or None for the whole image."""
        return self.data.roi(index) if self.kind == "lazy" else None

    def subset(self, indices: ArrayLike) -> "Images":
        """Return the images of these indices, in the same kind of container."""
        rows = np.arange(len(self))[np.asarray(indices)]
        is_list = self.kind == "list"
        return Images(
            self.kind,
            [self.data[row] for row in rows] if is_list else self.data[rows],
            n_channels=self.n_channels,
            dtype=self.dtype,
            numbers=rows if self.numbers is None else self.numbers[rows],
        )

    def as_sequence(self) -> ImageSequence:
        """Give the images as a lazy sequence, by the same names."""
        if self.kind == "lazy":
            sequence: ImageSequence = self.data
            return sequence
        images = Images(self.kind, self.data, numbers=self.numbers)
        return ImageSequence(cast(ImagesLike, images))

    def map(
        self, function: Callable[[Array], Array]
    ) -> Array | list[Array] | ImageSequence:
        """Apply a function of an (H, W, C) image; the container keeps its kind.

        The result of a lazy container is lazy, and `function` is then called on
        access. An image that came as (H, W) is given back as (H, W).
        """
        step = _KeepDimensions(function, self.n_channels)
        if self.kind == "lazy":
            return self.data.then(step)
        if self.is_rows:
            return np.stack([function(image)[0, :, 0] for image in self])
        images = []
        for index, image in enumerate(self.data):
            with self.naming(index):
                images.append(step(image))
        return np.stack(images) if self.kind == "stack" else images

    def wrap_maps(self, maps: list[Array]) -> Array | list[Array]:
        """Put (H, W) maps into the container that a user expects for this X."""
        if self.is_rows:
            return np.stack([anomaly_map[0] for anomaly_map in maps])
        return np.stack(maps) if self.kind == "stack" else maps


class _KeepDimensions:
    """A picklable step that shows a function every image as (H, W, C)."""

    def __init__(self, function: Callable[[Array], Array], n_channels: int | None):
        self.function = function
        self.n_channels = n_channels

    def __call__(self, image: Array) -> Array:
        result = self.function(check_image(image, n_channels=self.n_channels))
        return result[:, :, 0] if np.ndim(image) == 2 else result


def _warn_other_dtype(name: str, dtype: np.dtype[Any], fitted: str) -> None:
    warnings.warn(
        f"{name} is {dtype}, but the estimator was fitted on {fitted} images: the values "
        "are compared after scaling uint8 by 255, uint16 by data_range and float by 1",
        UserWarning,
        stacklevel=4,
    )


def as_images(X: ImagesLike | Images) -> Images:
    """Recognise the kind of X, without reading any pixel of a file.

    Raises
    ------
    ValueError
        If X is a single path, a single image, a mix of paths and arrays, or empty.
    """
    if isinstance(X, Images):
        return X
    if isinstance(X, ImageSequence):
        return _not_empty(Images("lazy", X))
    if isinstance(X, _PATH):
        raise ValueError(
            f"Expected several images, but got the one path {os.fspath(X)!r}: wrap it in "
            "a list, [path]; for a folder, skuad.io.find_images(folder)"
        )
    if sp.issparse(X) or hasattr(X, "columns"):
        return Images("rows", X)
    X = without_index(X)
    if not isinstance(X, np.ndarray | list | tuple) and hasattr(X, "__array__"):
        X = np.asarray(X)
    if isinstance(X, np.ndarray):
        return _from_array(X)
    if isinstance(X, list | tuple):
        _not_empty(X)
        return _from_list(list(X))
    return Images("rows", X)


def _from_array(X: Array) -> Images:
    if X.ndim == 1 and X.dtype.kind in "OUT":
        _not_empty(X)
        return _from_list(X.tolist())
    if X.ndim == 2 and X.dtype.newbyteorder("=") in (np.uint8, np.uint16):
        raise ValueError(
            f"X is a 2-D {X.dtype} array of shape {X.shape}. Is it one gray image? Reshape "
            "your data to a stack of one: X[None]. Line scans, one a row, are given as "
            "float"
        )
    if X.ndim not in (3, 4):
        return Images("rows", X)
    if X.dtype.kind == "O":
        raise ValueError(
            f"X is an object array of shape {X.shape}: give a numeric array, a list of "
            "images, or paths"
        )
    if X.ndim == 3 and X.shape[-1] in (3, 4):
        raise ValueError(
            f"X of shape {X.shape} is ambiguous: one colour image, or {len(X)} gray images "
            f"{X.shape[-1]} pixels wide? Reshape your data to (n, H, W, C): X[None]"
        )
    return _not_empty(Images("stack", X))


def _from_list(X: list[Any]) -> Images:
    are_paths = [isinstance(item, _PATH) for item in X]
    if all(are_paths):
        return Images("lazy", ImageSequence([os.fspath(path) for path in X]))
    if any(are_paths):
        raise ValueError(
            f"X mixes paths and arrays: item {are_paths.index(True)} is a path, item "
            f"{are_paths.index(False)} is not"
        )
    depth = np.ndim(X[0])
    if depth in (2, 3) and not hasattr(X[0], "__array__"):
        return _from_array(np.asarray(X))
    return Images("list", X) if depth >= 2 else Images("rows", X)


def _not_empty(X: _Sized) -> _Sized:
    if len(X) == 0:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 image is required"
        )
    return X
