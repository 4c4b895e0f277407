"""Metrics over all pixels of all images at once."""

import warnings
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from skuad.metrics._levels import (
    Levels,
    average_precision,
    f1_max,
    region_overlap_area,
    roc_auc,
)
from skuad.metrics._samples import Samples, collect, gather
from skuad.utils._typing import MapsLike, MasksLike


class F1Max(NamedTuple):
    """The highest F1 and where it is reached.

    Parameters
    ----------
    score : float
        The F1, in [0, 1].
    threshold : float
        The highest threshold that reaches it: scores >= threshold are anomalous.
    """

    score: float
    threshold: float


def pixel_roc_auc_score(
    y_true: MasksLike, maps: MapsLike, *, ignore: MasksLike | None = None
) -> float:
    """Area under the ROC curve over all pixels of all images.

    The probability that an anomalous pixel scores higher than a normal one, a tie
    counted half. Exact; the pixels of all images are pooled.

    Parameters
    ----------
    y_true : array of shape (n, H, W) or (n, w), or list of length n
        The truth: masks, anomalous where not zero. An entry of a list is a mask
        (H, W), None for a good image, the path of a mask ('' for a good image, a
        folder for one file per defect), or -1 for an anomalous image of unknown
        extent, which is left out with a warning.
    maps : array of shape (n, H, W) or (n, w), or list of arrays of shape (H, W)
        Anomaly maps, high where anomalous, of any real dtype, bool or integer. Rows
        of a 2-D array are line scans.
    ignore : array of shape (H, W), or masks as in `y_true`, default=None
        Pixels to leave out, where not zero. One 2-D array holds for all images.

    Returns
    -------
    score : float
        In [0, 1]; nan if there is no anomalous or no normal pixel.

    Raises
    ------
    ValueError
        If `y_true` holds labels in place of masks, a mask and its map differ in
        shape, or a map contains NaN or infinity.

    Warns
    -----
    UndefinedMetricWarning
        If there is no anomalous or no normal pixel.

    See Also
    --------
    pixel_roc_curve : The curve itself.
    image_roc_auc_score : The same for one score per image.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import pixel_roc_auc_score
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> pixel_roc_auc_score([mask, None], [anomaly_map, np.zeros((1, 4))])
    0.916...
    """
    levels = collect(y_true, maps, ignore)
    return float(roc_auc(levels)) if is_defined(levels, "Pixel ROC AUC") else np.nan


def pixel_average_precision_score(
    y_true: MasksLike, maps: MapsLike, *, ignore: MasksLike | None = None
) -> float:
    """Average precision over all pixels of all images.

    The precision at the score of an anomalous pixel, averaged over all of them; the
    pixels of all images are pooled. Exact, with ties as in scikit-learn.

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`.

    Returns
    -------
    score : float
        In [0, 1]; nan if there is no anomalous or no normal pixel.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import pixel_average_precision_score
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> pixel_average_precision_score([mask], [anomaly_map])
    0.833...
    """
    levels = collect(y_true, maps, ignore)
    if not is_defined(levels, "Pixel average precision"):
        return np.nan
    return float(average_precision(levels))


def pixel_f1_max_score(
    y_true: MasksLike, maps: MapsLike, *, ignore: MasksLike | None = None
) -> F1Max:
    """Return the highest F1 over all thresholds, and the threshold that reaches it.

    The pixels of all images are pooled. The threshold is chosen with the truth in
    hand, so the score is an upper bound, not what a fixed threshold would reach:
    that is `seg_f1_score`.

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`.

    Returns
    -------
    score : float
        In [0, 1]; nan if there is no anomalous or no normal pixel.
    threshold : float
        The highest threshold that reaches it; pixels that score >= threshold are
        anomalous.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import pixel_f1_max_score
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> score, threshold = pixel_f1_max_score([mask], [anomaly_map])
    >>> score, threshold
    (0.8, 0.35)
    """
    levels = collect(y_true, maps, ignore)
    if not is_defined(levels, "Pixel F1-max"):
        return F1Max(np.nan, np.nan)
    return as_f1_max(levels)


def aupro_score(
    y_true: MasksLike,
    maps: MapsLike,
    *,
    max_fpr: float = 0.3,
    ignore: MasksLike | None = None,
) -> float:
    """Area under the per-region overlap curve (AUPRO) up to a false-positive rate.

    The curve shows, over all thresholds, what part of a defect is found (averaged
    over the 8-connected regions of the masks, small ones counting as much as large
    ones [1]_) against the share of normal pixels found. Exact: no grid of thresholds,
    and ties that straddle the limit count in part.

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`. Regions are those of the whole mask; of each, the
        pixels that are not ignored count.
    max_fpr : float, default=0.3
        Where the integration stops, in (0, 1]. The area is divided by it.

    Returns
    -------
    score : float
        In [0, 1]; nan if there is no anomalous or no normal pixel. A constant map
        has ``max_fpr / 2``.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`, or if `max_fpr` is out of range.

    See Also
    --------
    pro_curve : The curve itself.
    au_spro_score : With saturation, for logical anomalies.

    References
    ----------
    .. [1] P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger and C. Steger, "The MVTec
       Anomaly Detection Dataset: A Comprehensive Real-World Dataset for Unsupervised
       Anomaly Detection", International Journal of Computer Vision 129, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import aupro_score
    >>> mask = np.zeros((8, 8), bool)
    >>> mask[1:3, 1:3] = mask[6, 6] = True
    >>> anomaly_map = np.linspace(0, 1, 64).reshape(8, 8)
    >>> anomaly_map[1:3, 1:3] = 0.9
    >>> aupro_score([mask], [anomaly_map], max_fpr=0.3)
    0.548...
    """
    check_max_fpr(max_fpr)
    levels = collect(y_true, maps, ignore)
    if not is_defined(levels, "AUPRO"):
        return np.nan
    return float(region_overlap_area(levels, max_fpr))


def seg_f1_score(
    y_true: MasksLike,
    maps: MapsLike,
    *,
    threshold: float,
    ignore: MasksLike | None = None,
) -> float:
    """F1 of the pixels at one threshold that was fixed beforehand.

    The pixels of all images are pooled, as in the benchmark of MVTec AD 2 [1]_, whose
    threshold comes from normal images alone.

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`.
    threshold : float
        Pixels that score >= threshold are anomalous.

    Returns
    -------
    score : float
        In [0, 1]; nan if there is no anomalous pixel.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`, or if `threshold` is no number.

    See Also
    --------
    pixel_f1_max_score : The best that any threshold reaches.

    References
    ----------
    .. [1] L. Heckler-Kram, J.-H. Neudeck, U. Scheler, R. König and C. Steger, "The
       MVTec AD 2 Dataset: Advanced Scenarios for Unsupervised Anomaly Detection",
       2025, arXiv:2503.21622.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import seg_f1_score
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> seg_f1_score([mask], [anomaly_map], threshold=0.5)
    0.666...
    """
    if not isinstance(threshold, Real) or np.isnan(threshold):
        raise ValueError(f"threshold is {threshold!r}; it must be a number.")
    samples = Samples(y_true, maps, ignore)
    recorder = gather(samples)
    anomalies = recorder.anomalies
    if not len(anomalies.scores):
        warn_undefined("SegF1", "anomalous pixel")
        return np.nan
    # A numpy scalar: a bare float would be rounded to the dtype of the map.
    limit = np.float64(threshold)
    n_found = 0
    for index, good in enumerate(recorder.is_good):
        found = samples.maps.finite(index) >= limit
        ignored = samples.ignored(index)
        if ignored is not None:
            found &= ~ignored
        if good is not None:
            n_found += int(np.count_nonzero(found))
    n_true = int(np.count_nonzero(anomalies.scores >= limit))
    return 2 * n_true / (n_found + len(anomalies.scores))


def as_f1_max(levels: Levels) -> F1Max:
    """Return the highest F1 of levels with its threshold, in Python's floats."""
    score, threshold = f1_max(levels)
    return F1Max(float(score), float(threshold))


def check_max_fpr(max_fpr: float) -> None:
    """Raise unless a limit of the false-positive rate lies in (0, 1]."""
    if not (isinstance(max_fpr, Real) and 0 < max_fpr <= 1):
        raise ValueError(f"max_fpr is {max_fpr!r}; it must be in (0, 1].")


def is_defined(levels: Levels, name: str) -> bool:
    """Whether there are anomalous and normal pixels; warn where not."""
    if levels.n_positive and levels.n_normal:
        return True
    missing = "normal" if levels.n_positive else "anomalous"
    warn_undefined(name, f"{missing} pixel")
    return False


def warn_undefined(name: str, missing: str) -> None:
    """Warn that a metric is nan for want of pixels or images."""
    warnings.warn(
        f"{name} is not defined: there is no {missing}.",
        UndefinedMetricWarning,
        stacklevel=2,
    )
