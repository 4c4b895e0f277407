"""Anomaly of rows under any scikit-learn estimator."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import FloatArray


def row_scores(estimator: Any, rows: FloatArray) -> NDArray[np.float32]:
    """Score rows by a fitted estimator: high is anomalous.

    The first that the estimator has is used: a reconstruction (``transform`` and
    ``inverse_transform``: the distance of a row from it), ``score_samples`` or
    ``decision_function`` (negated), ``mahalanobis`` (its square root).

    Parameters
    ----------
    estimator : estimator
        Outlier detector, density, covariance, or invertible transformer.
    rows : ndarray of shape (n_rows, n_features)
        Rows to score.

    Returns
    -------
    scores : ndarray of float32 of shape (n_rows,)

    Raises
    ------
    TypeError
        If the estimator has none of them.
    """
    if hasattr(estimator, "inverse_transform"):
        residual = rows - estimator.inverse_transform(estimator.transform(rows))
        scores = np.linalg.norm(residual, axis=1)
    elif hasattr(estimator, "score_samples"):
        scores = -estimator.score_samples(rows)
    elif hasattr(estimator, "decision_function"):
        scores = -estimator.decision_function(rows)
    elif hasattr(estimator, "mahalanobis"):
        scores = np.sqrt(estimator.mahalanobis(rows))
    else:
        hint = ""
        if hasattr(estimator, "novelty"):
            hint = ": set novelty=True, which lets it score new patches"
        raise TypeError(f"{type(estimator).__name__} cannot score patches{hint}")
    return np.asarray(scores, np.float32)
