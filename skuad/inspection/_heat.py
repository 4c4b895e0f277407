"""The colours of a set of maps, and what is outlined in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skuad.base import final_step, pixel_threshold_of, threshold_of
from skuad.utils._typing import Array


def outlined(estimator: Any, threshold: float | None = None) -> float | None:
    """Return the value above which pixels are outlined; None for none.

    Parameters
    ----------
    estimator : estimator or None
        Fitted. If its scores of images are no pixels of their maps, its threshold of
        images says nothing of pixels.
    threshold : float or None, default=None
        Threshold of images to use in place of the detector's.
    """
    if estimator is None:
        return threshold
    value = pixel_threshold_of(estimator, threshold)
    of_images = threshold_of(estimator) if threshold is None else threshold
    pools_max = getattr(final_step(estimator), "pool", "max") == "max"
    return value if pools_max or value != of_images else None


def full_heat(
    highest: float, threshold: float | None, vmin: float, vmax: float | None
) -> float:
    """Return the value of full heat, given that of none and the highest there is."""
    if vmax is not None:
        return float(vmax)
    if threshold is not None:
        return 1.5 * float(threshold) - 0.5 * vmin
    return float(highest)


def heat_range(
    maps: Sequence[Array],
    threshold: float | None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> tuple[float, float]:
    """Return the values of no and of full heat for a set of maps."""
    if vmin is None:
        vmin = float(np.median([np.median(anomaly_map) for anomaly_map in maps]))
        if threshold is not None and vmin >= threshold:
            vmin = min(float(anomaly_map.min()) for anomaly_map in maps)
    highest = max(float(anomaly_map.max()) for anomaly_map in maps)
    return vmin, full_heat(highest, threshold, vmin, vmax)
