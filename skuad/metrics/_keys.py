"""Integers in the order of the numbers that they stand for."""

from typing import Any

import numpy as np

from skuad.utils._typing import Array, IntArray

_SIGNED: dict[int, type[np.signedinteger[Any]]] = {
    1: np.int8,
    2: np.int16,
    4: np.int32,
    8: np.int64,
}


def ordered_keys(values: Array) -> IntArray:
    """Map numbers to signed integers of the same width that sort alike.

    Equal numbers get equal keys, -0.0 and 0.0 among them. Counting by the bits of a
    key is exact where counting by a quantised score is not.

    Parameters
    ----------
    values : ndarray
        Real numbers without NaN.

    Returns
    -------
    keys : ndarray of the same shape, dtype int8, int16, int32 or int64
        A view where that is possible.
    """
    signed = _SIGNED[values.dtype.itemsize]
    keys = values.view(signed)
    if values.dtype.kind == "u":
        return keys ^ np.iinfo(signed).min
    if values.dtype.kind == "f" and keys.size and keys.min() < 0:
        # A float is a sign and a magnitude: turn that into two's complement.
        sign = keys >> (8 * keys.itemsize - 1)
        magnitude = keys & np.iinfo(signed).max
        magnitude ^= sign
        magnitude -= sign
        return magnitude
    return keys
