"""Metrics over all pixels of all images at once."""

import warnings
from numbers import Real
from typing import NamedTuple

from sklearn.exceptions import UndefinedMetricWarning

from skuad.metrics._evidence import collect
from skuad.metrics._levels import (
    average_precision,
    f1_max,
    region_overlap_area,
    roc_auc,
)


class F1Max(NamedTuple):
    """The highest F1 and where it is reached.

    Parameters
    ----------
    score : float
        The F1, in [0, 1].
    threshold : float
        The highest threshold that reaches it: scores >= threshold are anomalous.
    """

    score: float
    threshold: float


def pixel_roc_auc_score(y_true, maps, *, ignore=None):
    levels = collect(y_true, maps, ignore)
    return roc_auc(levels) if is_defined(levels, "Pixel ROC AUC") else float("nan")


def pixel_average_precision_score(y_true, maps, *, ignore=None):
    levels = collect(y_true, maps, ignore)
    if not is_defined(levels, "Pixel average precision"):
        return float("nan")
    return average_precision(levels)


def pixel_f1_max_score(y_true, maps, *, ignore=None):
    levels = collect(y_true, maps, ignore)
    if not is_defined(levels, "Pixel F1-max"):
        return F1Max(float("nan"), float("nan"))
    return F1Max(*f1_max(levels))


def aupro_score(y_true, maps, *, max_fpr=0.3, ignore=None):
    check_max_fpr(max_fpr)
    levels = collect(y_true, maps, ignore)
    if not is_defined(levels, "AUPRO"):
        return float("nan")
    return region_overlap_area(levels, max_fpr)


def check_max_fpr(max_fpr):
    """Raise unless a limit of the false-positive rate lies in (0, 1]."""
    if not (isinstance(max_fpr, Real) and 0 < max_fpr <= 1):
        raise ValueError(f"max_fpr is {max_fpr!r}; it must be in (0, 1].")


def is_defined(levels, name):
    """Whether there are anomalous and normal pixels; warn where not."""
    if levels.n_positive and levels.n_normal:
        return True
    missing = "normal" if levels.n_positive else "anomalous"
    warnings.warn(
        f"{name} is not defined: there is no {missing} pixel.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return False
