"""Metrics of one score per image."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from skuad.metrics._evidence import Anomalies, NormalCounter
from skuad.metrics._levels import average_precision, f1_max, roc_auc
from skuad.metrics._pixel import F1Max
from skuad.metrics._targets import image_labels


def image_roc_auc_score(y_true, scores):
    levels = image_levels(y_true, scores, "Image ROC AUC")
    return float("nan") if levels is None else roc_auc(levels)


def image_average_precision_score(y_true, scores):
    levels = image_levels(y_true, scores, "Image average precision")
    return float("nan") if levels is None else average_precision(levels)


def image_f1_max_score(y_true, scores):
    levels = image_levels(y_true, scores, "Image F1-max")
    if levels is None:
        return F1Max(float("nan"), float("nan"))
    return F1Max(*f1_max(levels))


def image_levels(y_true, scores, name):
    """Return the levels of one score per image, or None with a warning."""
    labels = image_labels(y_true)
    scores = np.asarray(scores)
    if scores.shape != labels.shape:
        raise ValueError(
            f"scores has shape {scores.shape}, but y_true has {len(labels)} images."
        )
    if scores.dtype.kind not in "biuf":
        raise ValueError(f"scores has dtype {scores.dtype}; scores are real numbers.")
    if scores.dtype == bool:
        scores = scores.view(np.uint8)
    if not np.isfinite(scores).all():
        bad = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(f"scores[{bad}] is {scores[bad]}; scores must be finite.")
    index = np.flatnonzero(labels == -1)
    if len(index) in (0, len(labels)):
        missing = "normal" if len(index) else "anomalous"
        warnings.warn(
            f"{name} is not defined: there is no {missing} image.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
        return None
    counter = NormalCounter(Anomalies(scores[index], np.arange(len(index)), index))
    counter.add(scores)
    return counter.levels()
