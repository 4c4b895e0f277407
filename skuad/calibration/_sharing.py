"""Embed every image once for all detectors of a cross-fit."""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from skuad.base import detect
from skuad.io import ImageSequence
from skuad.utils._parts import parts
from skuad.utils._typing import Array, ImagesLike

# Bytes of features, and of images, that a cross-fit keeps. Beyond it they are made
# again: time is lost, and memory is not.
MEMORY_LIMIT = 2 * 2**30


class Kept:
    """Arrays by key, made once as long as they fit."""

    def __init__(self, limit: int = MEMORY_LIMIT) -> None:
        self.limit = limit
        self.arrays: dict[Hashable, Array] = {}
        self.n_bytes = 0

    def clear(self) -> None:
        """Forget everything."""
        self.arrays, self.n_bytes = {}, 0

    def forget(self, key: Hashable) -> None:
        """Forget the array of a key, if it is there."""
        array = self.arrays.pop(key, None)
        if array is not None:
            self.n_bytes -= array.nbytes

    def get(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """Return the array of a key; make it if it is not there."""
        if key in self.arrays:
            return self.arrays[key]
        array = make()
        if self.n_bytes + array.nbytes <= self.limit:
            self.arrays[key] = array
            self.n_bytes += array.nbytes
        return array


class _Lookup:
    """A function whose results are kept; as joblib's MemorizedFunc."""

    def __init__(self, function: Callable[..., Array], features: Kept) -> None:
        self.function = function
        self.features = features

    def check_call_in_cache(
        self, settings: Hashable, digest: str, **arguments: Any
    ) -> bool:
        """Whether the result is there."""
        return (settings, digest) in self.features.arrays

    def __call__(self, settings: Hashable, digest: str, **arguments: Any) -> Array:
        return self.features.get(
            (settings, digest), lambda: self.function(settings, digest, **arguments)
        )


class FeatureStore(BaseEstimator):
    """Features of images in memory, for embedders that share it as their `memory`.

    It is active while the detectors of a cross-fit are fitted, or look at the same
    image; otherwise it lets embedders work as they are. Copies and clones of a detector
    share the store; what is pickled is empty.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def cache(
        self, function: Callable[..., Any], ignore: list[str] | None = None
    ) -> Callable[..., Any]:
        """Return a function that looks into the store first; as joblib's Memory."""
        return _Lookup(function, self._local.features)

    @property
    def is_active(self) -> bool:
        """Whether features are shared at the moment, in this thread."""
        return getattr(self._local, "features", None) is not None

    @contextmanager
    def active(self, features: Kept) -> Iterator[None]:
        """Share the features of images within the block and the thread."""
        before = getattr(self._local, "features", None)
        self._local.features = features
        try:
            yield
        finally:
            self._local.features = before

    def __sklearn_clone__(self) -> "FeatureStore":
        return self

    def __deepcopy__(self, memo: Any) -> "FeatureStore":
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._local = threading.local()


def share_features(detector: Any, store: FeatureStore) -> Any:
    """Give the store to every part of a detector that embeds and has no cache."""
    if isinstance(detector, FrozenEstimator):
        return detector
    parameters = detector.get_params(deep=True)
    owners = {"": detector}
    for name, value in parameters.items():
        owners[f"{name}__"] = value
    for prefix, owner in owners.items():
        embeds = hasattr(owner, "embed") or hasattr(owner, "embedder")
        if embeds and parameters.get(f"{prefix}memory", store) is None:
            detector.set_params(**{f"{prefix}memory": store})
    return detector


def stop_sharing(detector: Any, store: FeatureStore) -> None:
    """Take the store from every part of a fitted detector."""
    for part in parts(detector):
        if getattr(part, "memory", None) is store:
            part.memory = None


class ReadOnce(Sequence[Array]):
    """A lazy sequence that keeps the images that were read until it is cleared."""

    def __init__(self, sequence: ImageSequence) -> None:
        self.sequence = sequence
        self.kept = Kept()

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        return self.kept.get(index, lambda: np.asarray(self.sequence[index]))

    def roi(self, index: int) -> Array | None:
        """Region of interest of an image, or None."""
        return self.sequence.roi(index)

    def describe(self, index: int) -> str:
        """Name an image for a message."""
        return self.sequence.describe(index)


def in_turns(
    detectors: list[Any], store: FeatureStore, X: ImagesLike
) -> Iterator[list[Any]]:
    """Yield what several detectors find in each image, which is embedded once.

    Parameters
    ----------
    detectors : list of estimator
        Fitted; see `skuad.base.detect`.
    store : FeatureStore
        Shared by the detectors' embedders.
    X : images
        Read once if they are lazy.

    Yields
    ------
    found : list of (anomaly_map, score)
        What each detector found in an image.
    """
    images = None
    if isinstance(X, ImageSequence):
        images = ReadOnce(X)
        X = ImageSequence(images)
    running, features = [detect(detector, X) for detector in detectors], Kept()
    while True:
        # The detectors go in step: what the first embeds or reads ahead, the others
        # take in the same turn, and nothing is needed again in the next.
        with store.active(features):
            found = [next(iterator, None) for iterator in running]
        if found[0] is None:
            return
        yield found
        features.clear()
        if images is not None:
            images.kept.clear()
