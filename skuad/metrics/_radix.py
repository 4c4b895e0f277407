"""Counting 32-bit numbers among thresholds in linear time.

numpy has no counting sort of 32-bit numbers, and on some processors its sort is slow.
What it has is a fast sort and a fast count of 16-bit numbers, so 32 bits are taken in
two steps of 16.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skuad.metrics._keys import ordered_keys
from skuad.utils._typing import Array, IntArray

# Values that are held before they are counted, at two bytes each.
_HELD = 1 << 24
# From this size on a table of all 16-bit numbers beats sorting.
_TABLE_SIZE = 1 << 12


class RadixCounter:
    """Count 32-bit numbers below, and equal to, each of a set of thresholds.

    Every block is partitioned by the high bits. Of the low bits, those that share
    their high bits with a threshold are counted in a table.

    Parameters
    ----------
    thresholds : ndarray of shape (m,), dtype int32
        Keys of the thresholds, distinct and ascending.
    """

    def __init__(self, thresholds: IntArray) -> None:
        high = thresholds >> 16
        edges = np.flatnonzero(np.diff(high, prepend=high[:1] - 1))
        self._high = high[edges]
        self._edges = np.append(edges, len(thresholds))
        self._low = thresholds.astype(np.uint16)
        self._below = np.zeros(len(thresholds), np.int64)
        self._equal = np.zeros(len(thresholds), np.int64)
        self._held: list[tuple[int, IntArray, NDArray[np.uint16]]] = []
        self._n_held = 0

    def add(self, values: Array) -> None:
        """Count the values of an array of shape (n,) of any 32-bit dtype."""
        self._held.append(partition_by_high_bits(ordered_keys(values)))
        self._n_held += len(values)
        if self._n_held >= _HELD:
            self._count_held()

    def below_and_equal(self) -> tuple[IntArray, IntArray]:
        """Return the number of values so far that are < and == each threshold."""
        if self._held:
            self._count_held()
        return self._below, self._equal

    def _count_held(self) -> None:
        lows = [low for _, _, low in self._held]
        begin, end = np.empty((2, len(lows), len(self._high)), np.int64)
        for i, (first, starts, _) in enumerate(self._held):
            bucket = self._high - first
            begin[i] = starts.take(bucket, mode="clip")
            end[i] = starts.take(bucket + 1, mode="clip")
        self._held, self._n_held = [], 0
        self._below += np.repeat(begin.sum(axis=0), np.diff(self._edges))
        for j, sizes in enumerate((end - begin).T):
            used = np.flatnonzero(sizes)
            if not len(used):
                continue
            numbers = np.concatenate([lows[i][begin[i, j] : end[i, j]] for i in used])
            here = slice(self._edges[j], self._edges[j + 1])
            if len(numbers) < _TABLE_SIZE:
                below, equal = count_by_sorting(numbers, self._low[here])
            else:
                table = np.bincount(numbers, minlength=1 << 16)
                below, equal = look_up(table, self._low[here])
            self._below[here] += below
            self._equal[here] += equal


def partition_by_high_bits(keys: IntArray) -> tuple[int, IntArray, NDArray[np.uint16]]:
    """Bring 32-bit integers that share their high 16 bits together.

    scipy's change from sparse rows to sparse columns is a counting sort: here of one
    row that holds the low bits, each in the column of its high bits.

    Parameters
    ----------
    keys : ndarray of shape (n,), dtype int32

    Returns
    -------
    first : int
        The lowest high half.
    starts : ndarray of shape (n_buckets + 1,)
        Bucket b, of the numbers whose high half is ``first + b``, is
        ``low[starts[b] : starts[b + 1]]``.
    low : ndarray of shape (n,), dtype uint16
        The low halves.
    """
    high = keys >> 16
    first = int(high.min())
    high -= first
    row = csr_array(
        (keys.astype(np.uint16), high, np.array([0, len(keys)], np.int32)),
        shape=(1, int(high.max()) + 1),
    )
    columns = row.tocsc()
    return first, columns.indptr, columns.data


def look_up(table: IntArray, bins: IntArray) -> tuple[IntArray, IntArray]:
    """Return how many values of a table lie below, and in, each of some bins."""
    equal = table[bins]
    return np.cumsum(table)[bins] - equal, equal


def count_by_sorting(values: Array, thresholds: Array) -> tuple[IntArray, IntArray]:
    """Return how many values are below, and equal to, each threshold."""
    # Of 16-bit numbers the stable sort is a fast radix sort.
    values = np.sort(values, kind="stable" if values.itemsize <= 2 else None)
    below = np.searchsorted(values, thresholds, "left")
    return below, np.searchsorted(values, thresholds, "right") - below
