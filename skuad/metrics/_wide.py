"""Counting 64-bit numbers among thresholds."""

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._keys import ordered_keys
from skuad.metrics._radix import RadixCounter
from skuad.utils._typing import Array, IntArray

# Values that are held at least before they are compared with the thresholds.
_HELD = 1 << 22
# Entries of the table of hashes for each threshold: one value in eight is held though
# it ties with no threshold.
_ENTRIES = 8
_MULTIPLIER = np.uint32(2654435761)  # Knuth's, for hashing by multiplication


class WideCounter:
    """Count 64-bit numbers below, and equal to, each of a set of thresholds.

    Rounding to float32 keeps the order but for ties. So the rounded numbers are
    counted, and those that may tie with a rounded threshold, which are few, are held
    and compared as they are.

    Parameters
    ----------
    thresholds : ndarray of shape (m,), dtype float64, int64 or uint64
        Distinct and ascending.
    """

    def __init__(self, thresholds: Array) -> None:
        self._thresholds = thresholds
        self._rounded = _rounded(thresholds)
        is_first = np.append(True, np.diff(ordered_keys(self._rounded)) != 0)
        is_first = is_first[: len(thresholds)]
        self._groups = np.cumsum(is_first) - 1
        keys = ordered_keys(self._rounded[is_first])
        self._counter = RadixCounter(keys)
        n_bits = min(int(np.ceil(np.log2(_ENTRIES * max(len(keys), 1)))), 32)
        self._hash_shift = np.uint32(32 - n_bits)
        self._may_tie = np.zeros(1 << n_bits, bool)
        self._may_tie[self._hashes(keys)] = True
        self._tied_below = np.zeros(len(thresholds), np.int64)
        self._equal = np.zeros(len(thresholds), np.int64)
        self._held: list[Array] = []
        self._n_held = 0

    def add(self, values: Array) -> None:
        """Count the values of an array of shape (n,)."""
        rounded = _rounded(values)
        self._counter.add(rounded)
        may_tie = self._may_tie.take(self._hashes(ordered_keys(rounded)))
        self._held.append(values[may_tie])
        self._n_held += len(self._held[-1])
        if self._n_held >= max(_HELD, len(self._thresholds)):
            self._count_held()

    def below_and_equal(self) -> tuple[IntArray, IntArray]:
        """Return the number of values so far that are < and == each threshold."""
        if self._held:
            self._count_held()
        below, _ = self._counter.below_and_equal()
        return below[self._groups] + self._tied_below, self._equal

    def _count_held(self) -> None:
        values = np.sort(np.concatenate(self._held))
        self._held, self._n_held = [], 0
        below = np.searchsorted(values, self._thresholds, "left")
        self._equal += np.searchsorted(values, self._thresholds, "right") - below
        self._tied_below += below
        self._tied_below -= np.searchsorted(_rounded(values), self._rounded, "left")

    def _hashes(self, keys: IntArray) -> NDArray[np.uint32]:
        return (keys.view(np.uint32) * _MULTIPLIER) >> self._hash_shift


def _rounded(values: Array) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # infinity keeps the order as well
        return values.astype(np.float32)
