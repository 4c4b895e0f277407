"""Metrics of one score per image."""

import numpy as np
import numpy.typing as npt

from skuad.metrics._evidence import Anomalies, PixelCounter, group_scores, make_levels
from skuad.metrics._levels import Levels, average_precision, roc_auc
from skuad.metrics._pixel import F1Max, as_f1_max, warn_undefined
from skuad.metrics._targets import image_labels


def image_roc_auc_score(y_true: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve of image scores.

    Parameters
    ----------
    y_true : array-like of length n
        +1 for a normal image and -1 for an anomalous one; or masks or mask paths as
        in `pixel_roc_auc_score`, where an image with any anomalous pixel is anomalous.
    scores : array-like of shape (n,)
        One score per image, **high where anomalous**, as maps are: that is minus what
        ``score_samples`` and ``decision_function`` return.

    Returns
    -------
    score : float
        In [0, 1]; nan if all images are normal or all anomalous.

    Raises
    ------
    ValueError
        If labels are not +1 and -1 (0/1 are refused), lengths differ, or a score is
        not finite.

    Warns
    -----
    UndefinedMetricWarning
        If all images are normal or all anomalous.

    Examples
    --------
    >>> from skuad.metrics import image_roc_auc_score
    >>> image_roc_auc_score([1, 1, -1, -1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    levels = image_levels(y_true, scores, "Image ROC AUC")
    return np.nan if levels is None else float(roc_auc(levels))


def image_average_precision_score(
    y_true: npt.ArrayLike, scores: npt.ArrayLike
) -> float:
    """Average precision of image scores, anomalous images being the positives.

    Parameters
    ----------
    y_true, scores
        As in `image_roc_auc_score`.

    Returns
    -------
    score : float
        In [0, 1]; nan if all images are normal or all anomalous.

    Raises
    ------
    ValueError
        As in `image_roc_auc_score`.

    Examples
    --------
    >>> from skuad.metrics import image_average_precision_score
    >>> image_average_precision_score([1, 1, -1, -1], [0.1, 0.4, 0.35, 0.8])
    0.833...
    """
    levels = image_levels(y_true, scores, "Image average precision")
    return np.nan if levels is None else float(average_precision(levels))


def image_f1_max_score(y_true: npt.ArrayLike, scores: npt.ArrayLike) -> F1Max:
    """Return the highest F1 of image scores over all thresholds, and the threshold.

    Parameters
    ----------
    y_true, scores
        As in `image_roc_auc_score`.

    Returns
    -------
    score : float
        In [0, 1]; nan if all images are normal or all anomalous.
    threshold : float
        The highest threshold that reaches it; images that score >= threshold are
        anomalous.

    Raises
    ------
    ValueError
        As in `image_roc_auc_score`.

    Examples
    --------
    >>> from skuad.metrics import image_f1_max_score
    >>> score, threshold = image_f1_max_score([1, 1, -1, -1], [0.1, 0.4, 0.35, 0.8])
    >>> score, threshold
    (0.8, 0.35)
    """
    levels = image_levels(y_true, scores, "Image F1-max")
    return F1Max(np.nan, np.nan) if levels is None else as_f1_max(levels)


def image_levels(
    y_true: npt.ArrayLike, scores: npt.ArrayLike, name: str
) -> Levels | None:
    """Return the levels of one score per image, or None with a warning."""
    labels = image_labels(y_true)
    scores = check_scores(scores, len(labels))
    index = np.flatnonzero(labels == -1)
    if len(index) in (0, len(labels)):
        warn_undefined(name, f"{'normal' if len(index) else 'anomalous'} image")
        return None
    anomalies = Anomalies(scores[index], np.arange(len(index)), index)
    distinct, groups = group_scores(anomalies.scores)
    counter = PixelCounter(distinct)
    counter.add(scores)
    return make_levels(anomalies, distinct, groups, counter.counts(), len(labels))


def check_scores(scores: npt.ArrayLike, n_images: int) -> np.ndarray:
    """Return one finite score per image as an array, or raise."""
    scores = np.asarray(scores)
    if scores.shape != (n_images,):
        raise ValueError(
            f"scores has shape {scores.shape}; there are {n_images} images, each with "
            "one score."
        )
    if scores.dtype.kind not in "biuf":
        raise ValueError(f"scores has dtype {scores.dtype}; scores are real numbers.")
    finite = np.isfinite(scores)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise ValueError(f"scores[{bad}] is {scores[bad]}; scores must be finite.")
    return scores.view(np.uint8) if scores.dtype == bool else scores
