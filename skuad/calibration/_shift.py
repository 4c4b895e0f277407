"""How far scores and embeddings have moved, and which way."""

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.base import BaseEstimator


def population_stability_index(expected: npt.ArrayLike, counts: npt.ArrayLike) -> float:
    """Compute the population stability index of counts by bin.

    It is the sum of ``(a - e) * log(a / e)`` over the shares a and e of the bins; half a
    count is added to each so that empty bins give no infinity. By custom, below 0.1 is
    stable and above 0.25 is a shift; by chance alone its mean is about
    ``(bins - 1) * (1 / n + 1 / m)`` for n and m samples.

    Parameters
    ----------
    expected, counts : array-like of shape (n_bins,)
        Counts of the reference and of what is compared.

    Returns
    -------
    psi : float
    """
    reference = np.asarray(expected, np.float64) + 0.5
    found = np.asarray(counts, np.float64) + 0.5
    reference, found = reference / reference.sum(), found / found.sum()
    return float(((found - reference) * np.log(found / reference)).sum())


class FeatureShift(BaseEstimator):
    """How far the features of images have moved from those of a reference.

    It is an estimator, so that it is saved as one.
    """

    def fit(self, reference: NDArray[np.float64]) -> "FeatureShift":
        """Take the features (n, d) of the images of the reference; return self."""
        self.n_reference_ = len(reference)
        self.mean_ = reference.mean(axis=0)
        scale = reference.std(axis=0)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        scaled = (reference - self.mean_) / self.scale_
        self.covariance_ = np.atleast_2d(np.cov(scaled, rowvar=False))
        self.restart()
        return self

    def restart(self) -> None:
        """Forget all images but the reference."""
        self._n_seen = 0
        self._mean = np.zeros_like(self.mean_)
        self._scatter = np.zeros_like(self.covariance_)

    def add(self, vector: NDArray[np.float64]) -> None:
        """Take the features of one more image (Welford's update of the moments)."""
        vector = (vector - self.mean_) / self.scale_
        delta = vector - self._mean
        self._n_seen += 1
        self._mean += delta / self._n_seen
        self._scatter += np.outer(delta, vector - self._mean)

    def measures(self) -> dict[str, float]:
        """Shift of the mean and of the covariance; none before the second image.

        Returns
        -------
        measures : dict of {str: float}
            ``mean_shift``, the root mean square over features in standard deviations of
            the reference, ``mean_shift_by_chance``, and ``covariance_shift``, the
            Frobenius norm of the change over that of the reference.
        """
        if self._n_seen < 2:
            return {}
        change = self._scatter / (self._n_seen - 1) - self.covariance_
        norm = np.linalg.norm(self.covariance_)
        by_chance = np.sqrt(1 / self.n_reference_ + 1 / self._n_seen)
        return {
            "mean_shift": float(np.sqrt(np.mean(self._mean**2))),
            "mean_shift_by_chance": float(by_chance),
            "covariance_shift": float(np.linalg.norm(change) / norm) if norm else 0.0,
        }
