"""P-values of the detectors that have some, in the same pass as maps and scores."""

from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline

from skuad.utils._typing import Array, ImagesLike


def with_p_values(estimator: Any) -> Any:
    """Have an estimator give p-values along, if the detector it ends in has them.

    Parameters
    ----------
    estimator : estimator
        Fitted. It is not changed.

    Returns
    -------
    estimator
        For `skuad.base.detect`, which then yields map, score and p-value.
    """
    if isinstance(estimator, Pipeline):
        *steps, (name, last) = estimator.steps
        return Pipeline([*steps, (name, with_p_values(last))])
    if hasattr(estimator, "best_estimator_"):
        return with_p_values(estimator.best_estimator_)
    if hasattr(estimator, "detect_with_p_values"):
        return _WithPValues(estimator)
    return estimator


class _WithPValues:
    def __init__(self, detector: Any) -> None:
        self.detector = detector

    def detect(self, X: ImagesLike) -> Iterator[tuple[Array, float, float]]:
        return self.detector.detect_with_p_values(X)
