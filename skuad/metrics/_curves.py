"""Curves over all thresholds, for plotting."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._levels import Levels
from skuad.metrics._pixel import is_defined
from skuad.metrics._samples import collect
from skuad.utils._typing import MapsLike, MasksLike

#: Rates, recall and thresholds, each of shape (n_points,).
Curve: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def pixel_roc_curve(
    y_true: MasksLike,
    maps: MapsLike,
    *,
    max_points: int | None = 1000,
    ignore: MasksLike | None = None,
) -> Curve:
    """ROC curve over all pixels of all images.

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`.
    max_points : int or None, default=1000
        Number of points to return at most, spread evenly along the curve; None for
        all its vertices, whose trapezoids give `pixel_roc_auc_score` exactly.

    Returns
    -------
    fpr, tpr : ndarray of shape (n_points,)
        False- and true-positive rate, both ascending from 0 to 1. Empty if there is
        no anomalous or no normal pixel.
    thresholds : ndarray of shape (n_points,)
        Descending: scores >= threshold are anomalous.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`, or if `max_points` is less than 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import pixel_roc_curve
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> fpr, tpr, thresholds = pixel_roc_curve([mask], [anomaly_map])
    >>> fpr, tpr
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    levels = _collect(y_true, maps, max_points, ignore, "The pixel ROC curve")
    gains = levels.positives / max(levels.n_positive, 1)
    return _vertices(levels, gains, max_points)


def pro_curve(
    y_true: MasksLike,
    maps: MapsLike,
    *,
    max_points: int | None = 1000,
    ignore: MasksLike | None = None,
) -> Curve:
    """Per-region overlap curve over all pixels of all images.

    Parameters
    ----------
    y_true, maps, max_points, ignore
        As in `pixel_roc_curve`.

    Returns
    -------
    fpr, pro : ndarray of shape (n_points,)
        False-positive rate, and the part of a region that is found, averaged over
        the regions; both ascending from 0 to 1.
    thresholds : ndarray of shape (n_points,)
        Descending: scores >= threshold are anomalous.

    Raises
    ------
    ValueError
        As in `pixel_roc_curve`.

    See Also
    --------
    aupro_score : The area under the curve.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import pro_curve
    >>> mask = np.array([[0, 0, 1, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.2, 0.8, 0.0]])
    >>> fpr, pro, thresholds = pro_curve([mask], [anomaly_map])
    >>> pro
    array([0.  , 0.25, 0.25, 0.75, 0.75, 1.  ])
    """
    levels = _collect(y_true, maps, max_points, ignore, "The PRO curve")
    return _vertices(levels, levels.weight / max(levels.n_regions, 1), max_points)


def _collect(
    y_true: MasksLike,
    maps: MapsLike,
    max_points: int | None,
    ignore: MasksLike | None,
    name: str,
) -> Levels:
    if max_points is not None and max_points < 2:
        raise ValueError(
            f"max_points is {max_points!r}; it must be at least 2 or None."
        )
    levels = collect(y_true, maps, ignore)
    is_defined(levels, name)
    return levels


def _vertices(
    levels: Levels, gains: NDArray[np.float64], max_points: int | None
) -> Curve:
    """Return fpr, recall and thresholds at the corners, or at some of them.

    Parameters
    ----------
    gains : ndarray of shape (m,)
        What each score adds to the recall, 1 in all.
    """
    if not (levels.n_positive and levels.n_normal):
        return np.empty(0), np.empty(0), np.empty(0)
    scores = levels.scores[::-1].astype(np.float64)
    fpr = np.stack([levels.above[::-1], levels.at_least[::-1]], axis=1)
    recall = np.cumsum(gains[::-1])
    recall = np.stack([np.append(0, recall[:-1]), recall], axis=1)
    thresholds = np.stack([np.nextafter(scores, np.inf), scores], axis=1)
    fpr = np.concatenate([[0], fpr.ravel() / levels.n_normal, [1]])
    recall = np.concatenate([[0], recall.ravel(), [1]])
    recall[-2:] = 1  # free of the rounding of the sum
    thresholds = np.concatenate([[np.inf], thresholds.ravel(), [-np.inf]])
    moves = (np.diff(fpr) > 0) | (np.diff(recall) > 0)
    kept = np.flatnonzero(np.append(True, moves))
    if max_points is not None and len(kept) > max_points:
        length = fpr[kept] + recall[kept]
        wanted = np.searchsorted(length, np.linspace(0, length[-1], max_points))
        kept = kept[np.unique(np.minimum(wanted, len(kept) - 1))]
    return fpr[kept], recall[kept], thresholds[kept]
