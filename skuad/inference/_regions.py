"""Where the defects of an image are, by the rules of the detector itself."""

from typing import Any

import numpy as np

from skuad.base import final_step, pixel_threshold_of
from skuad.postprocessing import MapDecision, clean_mask, mask_regions
from skuad.postprocessing._decision import Region
from skuad.utils._typing import Array


def regions_of(
    detector: Any, anomaly_map: Array, *, threshold: float | None = None
) -> list[Region] | None:
    """Describe the regions of the defects in one anomaly map of a detector.

    A `MapDecision` has rules for them (`threshold`, `min_area`, `closing`,
    `fill_holes`), and a `ConformalDetector` a threshold of pixels; these are kept. For
    other detectors the pixels above the threshold of images belong to defects.

    Parameters
    ----------
    detector : estimator
        Fitted; a pipeline or a search stands for the detector that it ends in.
    anomaly_map : ndarray of shape (H, W)
        What the detector made of an image, as `infer` gives it.
    threshold : float or None, default=None
        Anomaly score to use in place of the detector's threshold of images.

    Returns
    -------
    regions : list of dict or None
        See `skuad.postprocessing.mask_regions`; None without a threshold.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inference import infer, regions_of
    >>> from skuad.postprocessing import MapDecision
    >>> data = make_defect_images(n_train=20, size=64, random_state=0)
    >>> detector = MapDecision(
    ...     PatchKNN(random_state=0), min_area=9, false_alarm_rate=0.1
    ... ).fit(data.train)
    >>> maps = infer(detector, data.test, include_maps=True).maps
    >>> regions = [regions_of(detector, anomaly_map) for anomaly_map in maps]
    >>> regions == detector.regions(data.test)
    True
    """
    last = final_step(detector)
    threshold = pixel_threshold_of(last, threshold)
    if threshold is None:
        return None
    # A float64 scalar, so that the comparison is not rounded to float32 and agrees with
    # that of the scores.
    mask = anomaly_map > np.float64(threshold)
    if not mask.any():
        return []
    if isinstance(last, MapDecision):
        mask = clean_mask(
            mask,
            min_area=last.min_area,
            closing=last.closing,
            fill_holes=last.fill_holes,
        )
    return mask_regions(anomaly_map, mask)
