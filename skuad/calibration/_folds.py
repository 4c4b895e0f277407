"""Which good images are held out, and what each of them counts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skuad.calibration._rates import n_needed, too_few
from skuad.calibration._tail import check_tail
from skuad.utils._thresholds import split
from skuad.utils._typing import Array, Fold, IndexArray, RandomStateLike


def conformal_folds(cv: Any, n_images: int, groups: Array | None = None) -> list[Fold]:
    """Split good images into what detectors learn from and what they are calibrated on.

    Parameters
    ----------
    cv : "prefit", int or splitter
        See `ConformalDetector`.
    n_images : int
        Number of good images.
    groups : ndarray of shape (n_images,) or None
        Images of one group stay on one side.

    Returns
    -------
    list of (train, test) index arrays
        One, or several whose test sets are a partition of the images.

    Raises
    ------
    ValueError
        If there is one image or group only, test sets overlap, several of them leave
        an image out, or a group is on both sides.
    """
    everything = np.arange(n_images)
    if isinstance(cv, str):
        return [(everything[:0], everything)]
    n_units = n_images if groups is None else len(np.unique(groups))
    if n_units < 2:
        unit = "image" if groups is None else "group"
        raise ValueError(
            f"1 {unit} of good images (n_samples = {n_images}) cannot be split into what "
            f"the detector learns from and what it is calibrated on: give more {unit}s"
        )
    if isinstance(cv, int | np.integer):
        cv = min(cv, n_units)
    folds = split(cv, n_images, groups)
    tested = np.bincount(
        np.concatenate([test for _, test in folds]), minlength=n_images
    )
    if tested.max() > 1 or (len(folds) > 1 and tested.min() == 0):
        raise ValueError(
            "cv has to hold every image out once (as KFold does), or to be a single split "
            f"(as ShuffleSplit(1) is): {(tested != 1).sum()} of {n_images} images are held "
            f"out {tested.min()} or {tested.max()} times"
        )
    for train, test in folds:
        if np.intersect1d(train, test).size:
            raise ValueError("cv has images on both sides of a split")
    return folds


def check_promise(conformal: Any, folds: list[Fold], groups: Array | None) -> None:
    """Raise, before anything is fitted, if the images cannot keep the promise.

    Parameters
    ----------
    conformal : ConformalDetector
        For its parameters.
    folds : list of (train, test)
        Of `conformal_folds`.
    groups : ndarray or None
        Of the good images.
    """
    guarantee, confidence = conformal.guarantee, conformal.confidence
    if conformal.tail == "gpd" and guarantee is not None:
        raise ValueError(
            f"tail='gpd' extrapolates, and guarantee={guarantee!r} cannot be given for "
            "it: set guarantee=None"
        )
    if guarantee == "high_probability" and len(folds) > 1:
        raise ValueError(
            "guarantee='high_probability' holds for images that no detector has learnt, "
            f"but cv makes {len(folds)} folds: use cv='prefit', or a single split such "
            "as ShuffleSplit(1, test_size=0.5, random_state=0)"
        )
    tested = np.concatenate([test for _, test in folds])
    n_units = len(tested) if groups is None else len(np.unique(groups[tested]))
    unit = "images" if groups is None else "groups of images"
    promised = []
    if conformal.tail == "gpd":
        if groups is not None:
            raise ValueError(
                "tail='gpd' fits a law to single images, and cannot weigh groups: fit "
                "without groups, or use tail='empirical'"
            )
        check_tail(n_units, conformal.false_alarm_rate)
    else:
        promised.append((conformal.false_alarm_rate, guarantee))
    if conformal.pixel_rate is not None:
        promised.append((conformal.pixel_rate, "marginal"))
    for rate, kind in promised:
        if n_units < n_needed(rate, kind, confidence):
            raise ValueError(too_few(n_units, unit, rate, kind, confidence))


def group_weights(groups: Array) -> tuple[NDArray[np.float64], int]:
    """Weights of images that sum to one in each group, and the number of groups."""
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / sizes[inverse], len(sizes)


def one_per_group(groups: Array, random_state: RandomStateLike) -> IndexArray:
    """Choose an image of every group at random; its index."""
    order = check_random_state(random_state).permutation(len(groups))
    _, first = np.unique(np.asarray(groups)[order], return_index=True)
    return np.sort(order[first])
