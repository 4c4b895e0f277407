"""The held-out scores, and the thresholds and p-values that follow from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skuad.calibration import _rates


@dataclass(frozen=True)
class CalibrationSample:
    """Held-out scores, weighted, and what is promised of them.

    Attributes
    ----------
    scores : ndarray of float64 of shape (n,)
        Low is anomalous.
    weights : ndarray of float64 of shape (n,)
        They add up to the number of units.
    fold : ndarray of int of shape (n,)
        Number of the fold that held each out.
    n_units : int
        Number of images, or of groups of them.
    guarantee : {"marginal", "high_probability"} or None
    confidence : float
        See `ConformalDetector`.
    """

    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    fold: NDArray[np.int_]
    n_units: int
    guarantee: str | None
    confidence: float

    def offset(self, values: NDArray[np.float64], rate: float) -> float:
        """Threshold of held-out values of any kind; those below it are flagged."""
        allowed = _rates.allowed_weight(
            self.n_units, rate, self.guarantee, self.confidence
        )
        return _rates.conformal_offset(values, self.weights, allowed)

    def margin(self, by_fold: NDArray[np.float64], rate: float) -> float:
        """Distance to the decision of an image that each fold's detector has scored.

        It is negative where the image is flagged.
        """
        return -self.offset(self.scores - by_fold[self.fold], rate)

    def bound(self, rate: float) -> float:
        """Return the proven upper bound of the false-alarm rate; NaN without one."""
        sizes = np.bincount(self.fold)
        if self.guarantee is None:
            return float("nan")
        if len(sizes) == 1:
            return float(rate)
        is_grouped = len(self.scores) != self.n_units
        return _rates.cross_conformal_bound(
            rate, self.n_units, sizes.tolist(), is_grouped=is_grouped
        )

    def p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """P-values of images, given their scores."""
        below = _rates.weight_at_or_below(scores, self.scores, self.weights)
        return self._p_values(below)

    def cross_p_values(self, by_fold: NDArray[np.float64]) -> NDArray[np.float64]:
        """P-values of images, given the scores (n_images, n_folds) by each fold."""
        is_below = self.scores <= by_fold[:, self.fold]
        return self._p_values(np.array([self.weights[row].sum() for row in is_below]))

    def _p_values(self, below: NDArray[np.float64]) -> NDArray[np.float64]:
        return _rates.p_value(below, self.n_units, self.guarantee, self.confidence)
