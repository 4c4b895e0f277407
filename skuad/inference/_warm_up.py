"""What the first image costs, paid before it comes."""

import time
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.pipeline import Pipeline

from skuad.inference._infer import infer


def warm_up(
    detector: Any,
    image_shape: Sequence[int],
    *,
    dtype: DTypeLike | None = None,
    n_threads: int | None = None,
) -> float:
    """Run a fitted detector on an image of noise, and forget the result.

    Libraries are imported, networks loaded and memory touched, so that the first real
    image takes no longer than others. The network stays loaded in this process, for all
    copies of the detector and all threads.

    Parameters
    ----------
    detector : estimator or object
        As of `infer`, fitted.
    image_shape : (int, int) or (int, int, int)
        Height and width, and number of channels, of the images that will come.
    dtype : str or dtype, default=None
        Of their pixels; None is that of the training images, or uint8.
    n_threads : int or None, default=None
        As of `infer`.

    Returns
    -------
    seconds : float
        How long it took.

    Raises
    ------
    ValueError
        If the shape is none of an image, or does not suit the detector.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inference import warm_up
    >>> data = make_defect_images(n_train=20, size=64, random_state=0)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> seconds = warm_up(detector, (64, 64, 3))
    """
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or not all(
        isinstance(side, Integral) and side > 0 for side in shape
    ):
        raise ValueError(
            f"image_shape={image_shape!r} is no shape of an image: give height and width, "
            "or height, width and channels"
        )
    pixels = np.dtype(_fitted_dtype(detector) if dtype is None else dtype)
    noise = np.random.default_rng(0).random(shape, np.float32)
    if pixels.kind == "u":
        noise *= np.iinfo(pixels).max
    start = time.perf_counter()
    infer(detector, [noise.astype(pixels)], include_maps=True, n_threads=n_threads)
    return time.perf_counter() - start


def _fitted_dtype(detector: Any) -> str:
    """Return the dtype of the images that a detector has seen first."""
    if isinstance(detector, Pipeline):
        return _fitted_dtype(detector[0])
    if hasattr(detector, "best_estimator_"):
        return _fitted_dtype(detector.best_estimator_)
    return getattr(detector, "image_dtype_", "uint8")
