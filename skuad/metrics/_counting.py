"""Where numbers lie among sorted thresholds, counted exactly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._keys import ordered_keys
from skuad.metrics._radix import RadixCounter
from skuad.metrics._wide import WideCounter
from skuad.utils._typing import Array, IntArray

# Values that are counted at once: their temporary arrays stay in the cache.
_BLOCK = 1 << 19


class ThresholdCounter:
    """Count values above, and at or above, each of a set of thresholds.

    Memory does not depend on how many values are counted.

    Parameters
    ----------
    thresholds : ndarray of shape (m,)
        Distinct and ascending. Values must come in the same dtype.
    """

    def __init__(self, thresholds: Array) -> None:
        self._counter: _TableCounter | RadixCounter | WideCounter
        if thresholds.itemsize <= 2:
            self._counter = _TableCounter(thresholds)
        elif thresholds.itemsize == 4:
            self._counter = RadixCounter(ordered_keys(thresholds))
        else:
            self._counter = WideCounter(thresholds)
        self._waiting: list[Array] = []
        self._n_waiting = 0
        self.n_values = 0

    def add(self, values: Array) -> None:
        """Count the values of an array of any shape."""
        values = values.ravel()
        self.n_values += values.size
        whole = values.size - values.size % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._counter.add(values[start : start + _BLOCK])
        if whole < values.size:
            # A copy: the caller may use the array again before it is counted.
            self._waiting.append(values[whole:].copy())
            self._n_waiting += values.size - whole
            if self._n_waiting >= _BLOCK:
                self._count_waiting()

    def counts(self) -> tuple[IntArray, IntArray]:
        """Return the counts so far.

        Returns
        -------
        above, at_least : ndarray of shape (m,), dtype int64
            Number of values > and >= each threshold.
        """
        if self._waiting:
            self._count_waiting()
        below, equal = self._counter.below_and_equal()
        at_least = self.n_values - below
        return at_least - equal, at_least

    def _count_waiting(self) -> None:
        self._counter.add(np.concatenate(self._waiting))
        self._waiting, self._n_waiting = [], 0


class ValueTable:
    """Count numbers of 8 or 16 bits: one bin for every number that there is.

    Unlike `ThresholdCounter` it need not know the thresholds beforehand.

    Parameters
    ----------
    dtype : dtype
        Of one or two bytes.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.n_values = 0
        self._n_bins = 1 << 8 * np.dtype(dtype).itemsize
        bits = np.arange(self._n_bins).astype(f"u{np.dtype(dtype).itemsize}")
        self._values = np.empty(self._n_bins, dtype)
        self._values[self._bins(bits.view(dtype))] = bits.view(dtype)
        self._table = np.zeros(self._n_bins, np.int64)

    def add(self, values: Array) -> None:
        """Count the values of an array of any shape."""
        self.n_values += values.size
        self._table += np.bincount(self._bins(values.ravel()), minlength=self._n_bins)

    def below_and_equal(self, thresholds: Array) -> tuple[IntArray, IntArray]:
        """Return the number of values < and == each threshold, of any dtype."""
        used = np.flatnonzero(self._table)
        values = self._values[used]
        n_below = np.append(0, np.cumsum(self._table[used]))
        below = n_below[np.searchsorted(values, thresholds, "left")]
        return below, n_below[np.searchsorted(values, thresholds, "right")] - below

    def _bins(self, values: Array) -> NDArray[np.intp]:
        return ordered_keys(values).astype(np.intp) + self._n_bins // 2


class _TableCounter:
    def __init__(self, thresholds: Array) -> None:
        self._thresholds = thresholds
        self._table = ValueTable(thresholds.dtype)

    def add(self, values: Array) -> None:
        self._table.add(values)

    def below_and_equal(self) -> tuple[IntArray, IntArray]:
        return self._table.below_and_equal(self._thresholds)
