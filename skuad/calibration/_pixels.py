"""Thresholds of pixels from the maps of good images."""

import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import Array

# A value is known by its sign, its exponent and 11 bits of its mantissa: to 0.05 %.
_DROPPED_BITS = 12
_N_BINS = 1 << (32 - _DROPPED_BITS)


class PixelShares:
    """Sum over images of the share of pixels in each bin of values; memory is fixed."""

    def __init__(self) -> None:
        self.shares = np.zeros(_N_BINS)
        self.n_images = 0

    def add(self, anomaly_map: Array, weight: float = 1.0) -> None:
        """Count the pixels of one image, which weighs as much as any other."""
        bins = _ordered(anomaly_map) >> _DROPPED_BITS
        counts = np.bincount(bins.ravel(), minlength=_N_BINS)
        self.shares += weight * counts / bins.size
        self.n_images += 1

    def threshold(self, allowed: float) -> float:
        """Lowest bin's upper end above which the shares sum to `allowed` at most."""
        above = np.cumsum(self.shares[::-1])[::-1]
        fits = np.flatnonzero(above <= allowed)
        last = (fits[0] if len(fits) else _N_BINS) - 1
        top = np.uint32((int(last) << _DROPPED_BITS) | ((1 << _DROPPED_BITS) - 1))
        return _value_of(top)


def _ordered(values: Array) -> NDArray[np.uint32]:
    """Unsigned integers in the order of float32 values."""
    values = np.ascontiguousarray(values, np.float32) + np.float32(0)  # no -0.0
    bits = values.view(np.uint32)
    negative = bits >> 31 == 1
    return np.where(negative, ~bits, bits | np.uint32(1 << 31))


def _value_of(ordered: np.uint32) -> float:
    """Float32 value of an integer of `_ordered`."""
    bits = ordered & np.uint32(0x7FFFFFFF) if ordered >> 31 else ~ordered
    return np.array(bits, np.uint32).view(np.float32).item()
