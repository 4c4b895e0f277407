"""What every embedder has in common: images in, feature maps out, batch by batch."""

import hashlib
import os
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from joblib import Memory
from joblib import hash as joblib_hash
from numpy.typing import NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import check_memory

import skuad
from skuad.base import ImageTransformer, validate_images
from skuad.feature_extraction._feature_map import FeatureMap
from skuad.io import ImageSequence
from skuad.io._images import Images, check_image
from skuad.utils._typing import Array, ImagesLike, StrPath

#: Where features are kept: a folder, or a cache of joblib.
MemoryLike: TypeAlias = StrPath | Memory | None


class Embedder(ImageTransformer):
    """Base of stateless transformers from an image to a `FeatureMap`.

    A subclass has the parameter `memory` and writes ``_embed(images)``: a list of
    (H, W, C) arrays to a list of (h, w, d) arrays. It may set ``min_size``, the smallest
    height and width of an image in pixels (line scans are exempt), and ``batch_size``.
    """

    memory: MemoryLike
    min_size = 1
    batch_size = 1

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def embed(self, X: ImagesLike | Images) -> Iterator[FeatureMap]:
        """Yield the features of every image, reading the images as it goes.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Yields
        ------
        features : FeatureMap

        Raises
        ------
        ValueError
            If an image is smaller than the embedder's filters need; it is named.
        """
        images = validate_images(self, X, reset=False)
        for numbers, arrays in images.batches(self.batch_size):
            for number, image in zip(numbers, arrays, strict=True):
                if not images.is_rows and not self._is_large_enough(image):
                    raise ValueError(
                        f"{images.describe(number)} {self._too_small(image)}"
                    )
            yield from self._embed_batch(arrays)

    def transform(self, X: ImagesLike) -> list[FeatureMap] | ImageSequence | Array:
        """Embed every image.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        features : list of FeatureMap, ImageSequence, or ndarray (n, 1, w, d)
            Lazy for paths and lazy sequences, an array for line scans.
        """
        self._validate_params()
        images = validate_images(self, X, reset=False)
        if images.kind == "lazy":
            return images.data.then(_EmbedOne(copy(self)))
        features = list(self.embed(images))
        return (
            np.stack([item.values for item in features]) if images.is_rows else features
        )

    def _is_large_enough(self, image: Array) -> bool:
        return min(image.shape[:2]) >= self.min_size

    def _too_small(self, image: Array) -> str:
        return (
            f"is {image.shape[0]} x {image.shape[1]} pixels, but {type(self).__name__} "
            f"needs {self.min_size} x {self.min_size} or more: take larger images, or "
            "larger tiles; line scans are given as the rows of a 2-D float array"
        )

    def _cache_settings(self) -> tuple[Any, ...]:
        """Return what features depend on beside the pixels; a version of skuad too."""
        kind = type(self)
        parameters = {**self.get_params(), "memory": None}
        return skuad.__version__, kind.__module__, kind.__qualname__, parameters

    def _embed_batch(self, arrays: list[Array]) -> list[FeatureMap]:
        # A store of features that is not in use has no need for digests.
        if self.memory is None or not getattr(self.memory, "is_active", True):
            values = self._embed(arrays)
        else:
            values = self._embed_cached(arrays)
        return [
            FeatureMap(value, image.shape[:2])
            for value, image in zip(values, arrays, strict=True)
        ]

    def _embed_cached(self, arrays: list[Array]) -> list[NDArray[np.float32]]:
        """Embed the images that are not in the cache, together."""
        cached = check_memory(_as_memory(self.memory)).cache(
            _embed_one, ignore=["make"]
        )
        settings = joblib_hash(self._cache_settings())
        digests = [_digest(image) for image in arrays]
        # A cache that cannot tell is asked for one image after the other.
        has = getattr(cached, "check_call_in_cache", lambda *_, **__: True)
        missing = [
            number
            for number, digest in enumerate(digests)
            if not has(settings, digest, make=None)
        ]
        made: dict[int, NDArray[np.float32]] = {}
        if missing:
            values = self._embed([arrays[number] for number in missing])
            made.update(zip(missing, values, strict=True))
        return [
            cached(settings, digest, make=partial(self._take, made, number, image))
            for number, (digest, image) in enumerate(zip(digests, arrays, strict=True))
        ]

    def _take(
        self, made: dict[int, NDArray[np.float32]], number: int, image: Array
    ) -> NDArray[np.float32]:
        return made[number] if number in made else self._embed([image])[0]


def _as_memory(memory: MemoryLike) -> str | Memory | None:
    return os.fspath(memory) if isinstance(memory, os.PathLike) else memory


class _EmbedOne:
    """A picklable step from one image to its features."""

    def __init__(self, embedder: Embedder):
        self.embedder = embedder

    def __call__(self, image: Array) -> FeatureMap:
        image = check_image(
            image, n_channels=getattr(self.embedder, "n_channels_in_", None)
        )
        if not self.embedder._is_large_enough(image):
            raise ValueError(f"the image {self.embedder._too_small(image)}")
        return self.embedder._embed_batch([image])[0]


def _embed_one(
    settings: str, digest: str, *, make: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Make the features of an image; the cache looks at `settings` and `digest` only."""
    return make()


def _digest(image: Array) -> str:
    """Hash of an image's pixels, shape and dtype."""
    content = hashlib.blake2b(
        f"{image.dtype.str}{image.shape}".encode(), digest_size=20
    )
    content.update(np.ascontiguousarray(image).data)
    return content.hexdigest()
