"""The exact summary that every pixel metric is computed from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Levels:
    """The distinct scores of anomalous pixels, and what lies where among them.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Distinct scores of the anomalous pixels, ascending.
    positives : ndarray of shape (m,), dtype int64
        Number of anomalous pixels at each score.
    weight : ndarray of shape (m,), dtype float64
        Share of regions at each score: every region spreads a weight of 1 evenly
        over its pixels.
    n_regions : int
        Number of regions.
    above, at_least : ndarray of shape (m,), dtype int64
        Number of normal pixels that score > and >= each score.
    n_normal : int
        Number of normal pixels.
    """

    scores: np.ndarray
    positives: np.ndarray
    weight: np.ndarray
    n_regions: int
    above: np.ndarray
    at_least: np.ndarray
    n_normal: int

    @property
    def n_positive(self):
        """Number of anomalous pixels."""
        return int(self.positives.sum())


def roc_auc(levels):
    """Area under the ROC curve: the mean mid-rank of the anomalous pixels."""
    false_alarms = (levels.above + levels.at_least) / 2
    return 1 - float(false_alarms @ levels.positives) / (
        levels.n_normal * levels.n_positive
    )


def average_precision(levels):
    """Average precision: the mean of the precision at every anomalous pixel."""
    true = true_positives(levels)
    precision = true / (true + levels.at_least)
    return float(precision @ levels.positives) / levels.n_positive


def f1_max(levels):
    """Return the highest F1 over all thresholds, and the highest such threshold."""
    true = true_positives(levels)
    f1 = 2 * true / (true + levels.at_least + levels.n_positive)
    best = len(f1) - 1 - int(np.argmax(f1[::-1]))
    return float(f1[best]), levels.scores[best].item()


def true_positives(levels):
    """Number of anomalous pixels that score at least each score."""
    return np.cumsum(levels.positives[::-1])[::-1]


def partial_area(above, at_least, n_normal, max_fpr):
    """Area under the curve up to `max_fpr` that one unit of recall earns.

    The unit is gained evenly while the false-positive rate runs through the tie
    group of its score. The area is divided by `max_fpr`: in [0, 1].

    Parameters
    ----------
    above, at_least : ndarray of int64
        Number of normal pixels that score > and >= the unit.
    n_normal : int
    max_fpr : float
        In (0, 1].

    Returns
    -------
    area : ndarray of float64
    """
    start, end = above / n_normal, at_least / n_normal
    whole = max_fpr - (start + end) / 2
    # A tie group astride the limit is gained only in part.
    part = np.maximum(max_fpr - start, 0) ** 2
    np.divide(part, 2 * (end - start), out=part, where=end > start)
    return np.where(end <= max_fpr, whole, part) / max_fpr


def region_overlap_area(levels, max_fpr):
    """Area under the per-region overlap curve up to `max_fpr`, divided by it."""
    area = partial_area(levels.above, levels.at_least, levels.n_normal, max_fpr)
    return float(area @ levels.weight) / levels.n_regions
