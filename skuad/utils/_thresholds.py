"""From the scores of good images to a threshold."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold, check_cv

from skuad.utils._typing import Fold

# With 5 folds, detectors fitted on four fifths of the images are so much worse than the
# final one that 8.8 % of 199 images' successors were flagged instead of 10 %; with 20
# folds it was 10.3 % (standard error 0.4 %).
_FOLDS, _FOLDS_OF_MANY, _MANY = 20, 10, 200


class CalibrationWarning(UserWarning):
    """The training images cannot support the false-alarm rate that was asked for."""


def images_needed(false_alarm_rate: float) -> int:
    """Smallest number of good images whose held-out scores support a rate.

    Parameters
    ----------
    false_alarm_rate : float in (0, 1)
        Share of good images that may be flagged.

    Returns
    -------
    n_images : int
        The lowest n with 1 / (n + 1) at most the rate.

    Examples
    --------
    >>> from skuad.utils import images_needed
    >>> images_needed(0.01), images_needed(0.1)
    (99, 9)
    """
    return int(np.ceil(1 / false_alarm_rate - 1e-9)) - 1


def false_alarm_offset(scores: npt.ArrayLike, false_alarm_rate: float) -> float:
    """Offset below which a new score falls with a given probability.

    The k-th lowest of n exchangeable scores is undercut by a new one with probability
    k / (n + 1); between two order statistics the offset is interpolated.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Held-out scores of good images; low is anomalous.
    false_alarm_rate : float in (0, 1)
        Share of good images that may be flagged.

    Returns
    -------
    offset : float
        With fewer than ``1 / false_alarm_rate - 1`` scores it is the lowest of them,
        and a `CalibrationWarning` states the rate that they do support.

    Examples
    --------
    >>> from skuad.utils import false_alarm_offset
    >>> false_alarm_offset(range(99), 0.05)
    4.0
    """
    scores = np.asarray(scores, np.float64)
    if len(scores) < images_needed(false_alarm_rate):
        warnings.warn(
            f"{len(scores)} good images support a false-alarm rate of "
            f"{1 / (len(scores) + 1):.2%} at the lowest, not {false_alarm_rate:.2%}: the "
            "threshold is their highest held-out anomaly score. "
            f"{false_alarm_rate:.2%} takes {images_needed(false_alarm_rate)} images",
            CalibrationWarning,
            stacklevel=4,
        )
    return float(np.quantile(scores, false_alarm_rate, method="weibull"))


def contamination_offset(scores: npt.ArrayLike, contamination: float) -> float:
    """Offset that flags a share of the training scores, as scikit-learn sets it."""
    return float(np.percentile(np.asarray(scores), 100.0 * contamination))


def calibration_folds(
    calibration: Any, n_samples: int, groups: npt.ArrayLike | None = None
) -> list[Fold]:
    """Split the training images for held-out scores.

    Parameters
    ----------
    calibration : {"auto", "leave_one_out"}, int or splitter
        ``"auto"`` is 20 folds, and 10 of more than 200 images; see `split`.
    n_samples : int
        Number of good images.
    groups : array-like of shape (n_samples,) or None
        Images of one group stay on one side.

    Returns
    -------
    list of (train, test) index arrays

    Raises
    ------
    ValueError
        With fewer images or groups than two, or a group on both sides.
    """
    n_units = n_samples if groups is None else np.unique(groups).size
    if n_units < 2:
        unit = "sample(s)" if groups is None else "group(s)"
        raise ValueError(
            f"Found {n_units} {unit} (n_samples = {n_samples}): a threshold from held-out "
            "scores takes 2 good images or more. Give more, or pass calibration=None for "
            "maps and scores without a threshold"
        )
    if calibration == "auto":
        calibration = min(n_units, _FOLDS if n_units <= _MANY else _FOLDS_OF_MANY)
    if calibration == "leave_one_out":
        calibration = n_units
    return split(calibration, n_samples, groups)


def split(cv: Any, n_samples: int, groups: npt.ArrayLike | None = None) -> list[Fold]:
    """Split images into folds, and keep groups together.

    Parameters
    ----------
    cv : int or splitter
        A number of folds, which are runs of neighbours: photographs taken one after the
        other are often alike.
    n_samples : int
        Number of images.
    groups : array-like of shape (n_samples,) or None
        Images of one group stay on one side.

    Returns
    -------
    list of (train, test) index arrays

    Raises
    ------
    ValueError
        If the splitter leaves a group on both sides.
    """
    if isinstance(cv, int | np.integer):
        cv = KFold(cv) if groups is None else GroupKFold(cv)
    folds: list[Fold] = list(check_cv(cv).split(np.zeros(n_samples), groups=groups))
    if groups is not None:
        groups = np.asarray(groups)
        if any(np.isin(groups[test], groups[train]).any() for train, test in folds):
            raise ValueError(
                "the splitter splits a group: part of it is learnt and part is held "
                "out. Use a splitter that keeps groups together, such as GroupKFold "
                "or GroupShuffleSplit(1)"
            )
    return folds
