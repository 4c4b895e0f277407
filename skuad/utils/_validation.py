"""Checks of what estimators are given."""

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_consistent_length, validate_data

from skuad.io._images import Images, as_images, dtype_kind
from skuad.utils._targets import anomalous
from skuad.utils._typing import Array, ImagesLike, TargetsLike


def validate_images(estimator: Any, X: ImagesLike | Images, *, reset: bool) -> Images:
    """Check X for an estimator and give it back as a sequence of (H, W, C) arrays.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_channels_in_``, ``image_dtype_`` and, for line scans,
        ``n_features_in_`` if `reset`; is compared with them otherwise.
    X : images
        An array (n, H, W) or (n, H, W, C), a list of (H, W) or (H, W, C) arrays, paths,
        an `skuad.io.ImageSequence`, or a 2-D float array whose rows are line scans.
        Files are read when an image is accessed.
    reset : bool
        Whether this is `fit`.

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        If X is empty, ambiguous or holds no images; on access, if an image is not like
        the others, not finite or cannot be read. The message names it.
    """
    images = copy(as_images(X))
    if images.is_rows:
        if not reset and getattr(estimator, "n_channels_in_", 1) != 1:
            raise ValueError(
                "X is 2-D, which means gray line scans, but "
                f"{type(estimator).__name__} was fitted on images of "
                f"{estimator.n_channels_in_} channels. Reshape your data to (n, H, W, C)"
            )
        images.data = validate_data(
            estimator, images.data, reset=reset, dtype=[np.float64, np.float32]
        )
    if reset:
        if not images.is_rows:
            for name in ("n_features_in_", "feature_names_in_"):
                estimator.__dict__.pop(name, None)
        images.n_channels = images.dtype = None
        first = images[0]
        estimator.n_channels_in_ = first.shape[2]
        estimator.image_dtype_ = dtype_kind(first.dtype)
    images.n_channels = getattr(estimator, "n_channels_in_", None)
    images.dtype = getattr(estimator, "image_dtype_", None)
    return images


def good_images(
    images: Images, y: TargetsLike, groups: ArrayLike | None = None
) -> tuple[Images, Array | None]:
    """Drop the images that y marks as anomalous, and their groups.

    Parameters
    ----------
    images : Images
        What `validate_images` returns.
    y : None, array-like of {1, -1} or masks
        As in every ``fit``.
    groups : array-like of shape (n_images,) or None, default=None
        Groups of the images.

    Returns
    -------
    images : Images
        Those that are left.
    groups : ndarray or None
        Their groups.

    Raises
    ------
    ValueError
        If none is left.
    """
    bad = anomalous(y, len(images))
    if groups is not None:
        check_consistent_length(bad, groups)
        groups = np.asarray(groups)[~bad]
    if not bad.any():
        return images, groups
    if bad.all():
        raise ValueError(
            f"y marks all {len(images)} images as anomalous: none is left to learn from"
        )
    return images.subset(np.flatnonzero(~bad)), groups
