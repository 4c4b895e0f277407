"""Where values lie among sorted thresholds, counted exactly."""

import numpy as np


class ThresholdCounter:
    """Count values above, and at or above, each of a set of thresholds.

    Memory does not depend on how many values are counted.

    Parameters
    ----------
    thresholds : ndarray of shape (m,)
        Distinct and ascending.
    """

    def __init__(self, thresholds):
        self.thresholds = thresholds
        # Of the values, how many lie just below thresholds[i] or at it.
        self._below = np.zeros(len(thresholds) + 1, np.int64)
        self._equal = np.zeros(len(thresholds), np.int64)
        self.n_values = 0

    def add(self, values):
        """Count the values of an array of any shape."""
        values = values.ravel()
        self.n_values += values.size
        m = len(self.thresholds)
        left = np.searchsorted(self.thresholds, values, "left")
        right = np.searchsorted(self.thresholds, values, "right")
        equal = left != right
        self._equal += np.bincount(left[equal], minlength=m)
        self._below += np.bincount(left[~equal], minlength=m + 1)

    def counts(self):
        """Return the counts so far.

        Returns
        -------
        above, at_least : ndarray of shape (m,), dtype int64
            Number of values > and >= each threshold.
        """
        below = np.cumsum(self._below[:-1])
        equal = np.cumsum(self._equal)
        at_least = self.n_values - below - (equal - self._equal)
        return at_least - self._equal, at_least
