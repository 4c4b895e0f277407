"""A record of a number over time, in bounded memory."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator


class PeakHistory(BaseEstimator):
    """The highest value of each stretch of time; stretches double when it is full.

    It is an estimator, so that it is saved as one.

    Parameters
    ----------
    size : int
        Most stretches that are kept; even.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._peaks = np.full(size, -np.inf)
        self._stride = 1
        self._n_values = 0

    def add(self, value: float) -> None:
        """Take the next value."""
        if self._n_values == self.size * self._stride:
            pairs = self._peaks.reshape(-1, 2).max(axis=1)
            self._peaks = np.full(self.size, -np.inf)
            self._peaks[: len(pairs)] = pairs
            self._stride *= 2
        place = self._n_values // self._stride
        self._peaks[place] = max(self._peaks[place], value)
        self._n_values += 1

    def points(self) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
        """Return the number of the first value of each stretch, and its peak."""
        n_points = -(-self._n_values // self._stride)
        return np.arange(n_points) * self._stride, self._peaks[:n_points].copy()
