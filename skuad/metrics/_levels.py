"""The exact summary that pixel and image metrics are computed from.

Every formula sums over the last axis, so that arrays of shape (n_resamples, m) give
one value per resample.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import Array, FloatArray, IntArray

#: The value of a metric, or one for each resample.
Values: TypeAlias = np.float64 | NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """The distinct scores of anomalous pixels, and what lies where among them.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Distinct scores of the anomalous pixels, ascending.
    positives : ndarray of shape (..., m)
        Number of anomalous pixels at each score.
    weight : ndarray of shape (..., m), dtype float64
        Share of regions at each score: every region spreads a weight of 1 over its
        pixels.
    n_regions : int or ndarray of shape (...)
        Number of regions.
    above, at_least : ndarray of shape (..., m)
        Number of normal pixels that score > and >= each score.
    n_normal : int or ndarray of shape (...)
        Number of normal pixels.
    """

    scores: Array
    positives: Array
    weight: Array
    n_regions: int | Array
    above: Array
    at_least: Array
    n_normal: int | Array

    def nonzero(self) -> tuple["Levels", IntArray]:
        """Return the levels without scores that no anomaly has, and where they are."""
        places = np.flatnonzero(self.positives)
        parts = {
            name: getattr(self, name)[places]
            for name in ("scores", "positives", "weight", "above", "at_least")
        }
        return replace(self, **parts), places

    @property
    def n_positive(self) -> np.integer[Any] | Array:
        """Number of anomalous pixels."""
        return self.positives.sum(axis=-1)


def true_positives(levels: Levels) -> Array:
    """Count the anomalous pixels that score at least each score."""
    return np.cumsum(levels.positives[..., ::-1], axis=-1)[..., ::-1]


def roc_auc(levels: Levels) -> Values:
    """Area under the ROC curve: one minus the mean mid-rank of the anomalies."""
    return 1 - _mean_over_positives(levels, mid_ranks(levels))


def average_precision(levels: Levels) -> Values:
    """Mean of the precision at the score of every anomalous pixel."""
    return _mean_over_positives(levels, precisions(levels))


def mid_ranks(levels: Levels) -> NDArray[np.float64]:
    """Share of normal pixels above each score, ties counted half."""
    return (levels.above + levels.at_least) / (2 * _column(levels.n_normal))


def precisions(levels: Levels) -> NDArray[np.float64]:
    """Share of anomalies among the pixels that score at least each score."""
    true = true_positives(levels)
    return true / np.maximum(true + levels.at_least, 1)


def f1_max(levels: Levels) -> tuple[Values, Values]:
    """Return the highest F1 over all thresholds, and the highest such threshold."""
    true = true_positives(levels)
    f1 = 2 * true / (true + levels.at_least + _column(levels.n_positive))
    best = f1.shape[-1] - 1 - np.argmax(f1[..., ::-1], axis=-1)
    return np.max(f1, axis=-1), levels.scores[best]


def region_overlap_area(levels: Levels, max_fpr: float) -> Values:
    """Area under the per-region overlap curve up to `max_fpr`, divided by it."""
    area = partial_areas(levels, max_fpr)
    found = (area * levels.weight).sum(axis=-1) / levels.n_regions
    return np.minimum(found, 1)  # the shares of a region sum to 1 but for rounding


def partial_areas(levels: Levels, max_fpr: float) -> NDArray[np.float64]:
    """Area under the curve up to `max_fpr` that one unit of recall earns at a score.

    The unit is gained evenly while the false-positive rate runs through the tie
    group of its score. The area is divided by `max_fpr`: it lies in [0, 1].

    Parameters
    ----------
    levels : Levels
    max_fpr : float
        In (0, 1].

    Returns
    -------
    areas : ndarray of shape (..., m), dtype float64
    """
    n_normal = _column(levels.n_normal)
    start, end = levels.above / n_normal, levels.at_least / n_normal
    # A tie group astride the limit is gained only in part.
    area = np.maximum(max_fpr - start, 0)
    area *= area
    np.divide(area, 2 * (end - start), out=area, where=end > start)
    whole = max_fpr - (start + end) / 2
    np.copyto(area, whole, where=end <= max_fpr)
    area /= max_fpr
    return area


def _mean_over_positives(levels: Levels, values: FloatArray) -> Values:
    mean = (values * levels.positives).sum(axis=-1) / levels.n_positive
    return np.clip(mean, 0, 1)


def _column(counts: int | np.integer[Any] | Array) -> Array:
    """Let one number per resample meet one value per score."""
    return np.asarray(counts)[..., None]
