"""Scores out of maps, and maps within a region."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.utils._param_validation import Interval, StrOptions
from skuad.utils._typing import MapAndScore, Pool

#: What `pool_map` takes, as a constraint of a parameter.
POOL: list[Any] = [StrOptions({"max", "mean"}), Interval(Real, 0, 1, closed="neither")]


def pool_map(anomaly_map: ArrayLike, pool: Pool) -> float:
    """Score an image by its anomaly map.

    Parameters
    ----------
    anomaly_map : ndarray
        Values of the pixels that count, in any shape.
    pool : "max", "mean" or float in (0, 1)
        The highest value, the mean, or the mean of this share of highest values.

    Returns
    -------
    score : float
        High is anomalous.
    """
    values = np.asarray(anomaly_map).ravel()
    if pool == "max":
        return float(values.max())
    if pool != "mean":
        n_highest = max(1, round(pool * values.size))
        values = np.partition(values, values.size - n_highest)[-n_highest:]
    return float(values.mean(dtype=np.float64))


def mask_outside(
    anomaly_map: NDArray[np.float32], roi: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Set a map to zero outside a region, or to its lowest value inside if negative.

    Parameters
    ----------
    anomaly_map : ndarray of float32 of shape (H, W)
        High is anomalous.
    roi : ndarray of bool of shape (H, W)
        The region, which is not empty.

    Returns
    -------
    anomaly_map : ndarray of float32 of shape (H, W)
        A copy, unchanged inside.
    """
    lowest = anomaly_map[roi].min()
    return np.where(roi, anomaly_map, np.minimum(lowest, np.float32(0)))


def within(
    anomaly_map: NDArray[np.float32], roi: NDArray[np.bool_] | None, pool: Pool
) -> MapAndScore:
    """Cut a map to a region and pool what is inside; all of it without a region.

    Parameters
    ----------
    anomaly_map : ndarray of float32 of shape (H, W)
        High is anomalous.
    roi : ndarray of bool of shape (H, W) or None
        The region, which is not empty.
    pool : "max", "mean" or float in (0, 1)
        See `pool_map`.

    Returns
    -------
    anomaly_map : ndarray of float32 of shape (H, W)
        See `mask_outside`.
    score : float
    """
    if roi is None:
        return anomaly_map, pool_map(anomaly_map, pool)
    return mask_outside(anomaly_map, roi), pool_map(anomaly_map[roi], pool)
