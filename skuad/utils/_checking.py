"""What the checks of images and detectors share: training images, and comparisons."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import clone

from skuad.io import write_image
from skuad.utils._testing_images import make_images
from skuad.utils._typing import Array, ImagesLike, TargetsLike

N_TRAIN = 8
"""Number of training images."""


def training_images(**options: Any) -> Array:
    """Make the images that most checks fit on."""
    return make_images(N_TRAIN, **options)


def fit_clone(estimator: Any, X: ImagesLike, y: TargetsLike = None) -> Any:
    """Fit a clone whose chance, and that of what is in it, is seeded."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    inner = {
        name: 0 for name in estimator.get_params() if name.endswith("__random_state")
    }
    return estimator.set_params(**inner).fit(X, y)


def arrays(output: Iterable[Array]) -> list[Array]:
    """Output of transform as a list of arrays, whatever it is a sequence of."""
    return [np.asarray(item) for item in output]


def assert_same(
    actual: Iterable[Array], expected: Iterable[Array], rtol: float
) -> None:
    """Compare two outputs of transform, array by array."""
    for one, other in zip(arrays(actual), arrays(expected), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


@contextmanager
def saved_images(images: Iterable[Array]) -> Iterator[list[str]]:
    """Write images to PNG files of a temporary folder; yield their paths."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, image in enumerate(images):
            paths.append(os.path.join(folder, f"{number}.png"))
            write_image(paths[-1], image)
        yield paths


def assert_raises(
    pattern: str, function: Callable[..., object], *arguments: object
) -> None:
    """Want a ValueError whose message matches."""
    import pytest

    with pytest.raises(ValueError, match=f"(?s){pattern}"):
        function(*arguments)
