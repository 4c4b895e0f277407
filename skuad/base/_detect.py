"""Maps and scores of any fitted estimator that makes maps."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline

from skuad.base._image_transformer import as_taken_by
from skuad.base._pool import within
from skuad.io._images import Images
from skuad.utils._text import plural
from skuad.utils._typing import ImagesLike, MapAndScore

_Types: TypeAlias = tuple[type[Exception], ...]

# So many images are given to a detector at once: enough to fill the batches of a
# network, and few enough that an estimator that is not lazy holds few of them.
_CHUNK = 16


def detect(estimator: Any, X: ImagesLike | Images) -> Iterator[MapAndScore]:
    """Yield map and score of every image for any fitted estimator that makes maps.

    Parameters
    ----------
    estimator : estimator
        A `MapDetector`, a pipeline that ends in one, a fitted search over one, or a
        foreign estimator whose ``transform`` gives maps (high is anomalous). The score
        of a foreign one is its negated ``score_samples``, or else the map's maximum.
    X : images
        See `validate_images`.

    Yields
    ------
    anomaly_map : ndarray of float32 of shape (H, W)
    score : float
        High is anomalous.
    """
    X = as_taken_by(estimator, X)
    if hasattr(estimator, "detect"):
        yield from estimator.detect(X)
    elif isinstance(estimator, Pipeline):
        steps = estimator[:-1]
        yield from detect(estimator[-1], steps.transform(X) if len(steps) else X)
    elif hasattr(estimator, "best_estimator_"):
        yield from detect(estimator.best_estimator_, X)
    else:
        yield from _detect_foreign(estimator, X)


def detect_each(
    estimator: Any, X: ImagesLike, *, faults: _Types = (Exception,)
) -> Iterator[MapAndScore | Exception]:
    """Yield map and score of every image, or its error, which does not stop the others.

    Parameters
    ----------
    estimator : estimator
        Fitted, see `detect`.
    X : sequence of images
        That can be sliced.
    faults : tuple of exceptions
        What may be wrong with an image; others are raised.

    Yields
    ------
    (anomaly_map, score) or exception
    """
    index, size = 0, _CHUNK
    while index < len(X):
        end = min(index + size, len(X))
        try:
            for found in detect(estimator, X[index:end]):
                yield found
                index += 1
            if index < end:
                raise ValueError(
                    f"the detector gave nothing for {plural(end - index, 'image')}"
                )
        except faults as error:
            if end - index > 1:
                # The fault may lie in any image that the detector was at: they are
                # taken one by one until it shows.
                size = 1
                continue
            yield error
            index, size = index + 1, _CHUNK


def _detect_foreign(estimator: Any, X: ImagesLike | Images) -> Iterator[MapAndScore]:
    """Yield maps and scores of an estimator that knows no regions of interest."""
    scores = None
    if hasattr(estimator, "score_samples"):
        scores = -np.asarray(estimator.score_samples(X), np.float64)
    roi = getattr(X, "roi", lambda index: None)
    for index, anomaly_map in enumerate(estimator.transform(X)):
        anomaly_map = np.atleast_2d(np.asarray(anomaly_map, np.float32))
        inside = roi(index)
        if inside is None and scores is not None:
            yield anomaly_map, float(scores[index])
        else:
            yield within(anomaly_map, inside, "max")


def final_step(detector: Any) -> Any:
    """Return the detector that a pipeline, or a fitted search, ends in.

    Parameters
    ----------
    detector : estimator
        A detector, a pipeline or a fitted search.

    Returns
    -------
    detector : estimator
        The one that owns the threshold.
    """
    if isinstance(detector, Pipeline):
        return final_step(detector[-1])
    if hasattr(detector, "best_estimator_"):
        return final_step(detector.best_estimator_)
    return detector


def threshold_of(detector: Any) -> float | None:
    """Return the anomaly score above which an image is anomalous.

    Parameters
    ----------
    detector : estimator
        Fitted; a pipeline or a search gives that of the detector it ends in.

    Returns
    -------
    threshold : float or None
        Minus ``offset_``; None without a threshold.
    """
    offset = getattr(final_step(detector), "offset_", np.nan)
    return None if np.isnan(offset) else float(-offset)


def pixel_threshold_of(detector: Any, threshold: float | None = None) -> float | None:
    """Return the value of an anomaly map above which a pixel belongs to a defect.

    Parameters
    ----------
    detector : estimator
        Fitted; a pipeline or a search gives that of the detector it ends in.
    threshold : float or None, default=None
        Threshold of images to use in place of the detector's.

    Returns
    -------
    threshold : float or None
        Minus ``pixel_offset_`` or, where there is none, the parameter ``threshold`` of
        the detector, if it has one of them; the threshold of images otherwise.
    """
    last = final_step(detector)
    if hasattr(last, "pixel_offset_"):
        return float(-last.pixel_offset_)
    if getattr(last, "threshold", None) is not None:
        return float(last.threshold)
    return threshold_of(last) if threshold is None else threshold
