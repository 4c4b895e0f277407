"""Confidence intervals of what a report counts."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

_STEP = 1e-9


def wilson_interval(
    count: int, total: int, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Score interval of a proportion [1]_.

    Unlike the textbook interval it makes sense for 0 of n and for n of n.

    Parameters
    ----------
    count, total : int
        So many of so many.
    confidence_level : float, default=0.95
        In (0, 1).

    Returns
    -------
    low, high : float
        In [0, 1]; nan if the total is 0.

    References
    ----------
    .. [1] E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
       Inference", Journal of the American Statistical Association 22, 1927.
    """
    if total == 0:
        return np.nan, np.nan
    z = norm.ppf((1 + confidence_level) / 2)
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = np.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    half *= z / (1 + z**2 / total)
    # No rounding shall cut off what was seen.
    low, high = min(middle - half, share), max(middle + half, share)
    return float(max(0.0, low)), float(min(1.0, high))


def auc_interval(
    auc: float, n_good: int, n_anomalous: int, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Score interval of the area under a ROC curve: method 5 of [1]_.

    It is the set of areas whose standard error, by Hanley and McNeil's formula for a
    design with as many good as anomalous samples, does not set them apart from the
    area that was seen. It makes sense for an area of 1, where resampling says that
    nothing is uncertain, however few samples there are.

    Parameters
    ----------
    auc : float
        In [0, 1].
    n_good, n_anomalous : int
    confidence_level : float, default=0.95
        In (0, 1).

    Returns
    -------
    low, high : float
        In [0, 1]; nan without samples of both kinds.

    References
    ----------
    .. [1] R. G. Newcombe, "Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic. Part 2: asymptotic methods and evaluation", Statistics
       in Medicine 25, 2006.
    """
    if n_good == 0 or n_anomalous == 0 or np.isnan(auc):
        return np.nan, np.nan
    z = norm.ppf((1 + confidence_level) / 2)
    balanced = (n_good + n_anomalous) / 2 - 1

    def excess(area: float) -> float:
        """Squared distance from the area that was seen, less that which is allowed."""
        shape = (1 - area) / (2 - area) + area / (1 + area)
        variance = area * (1 - area) * (1 + balanced * shape) / (n_good * n_anomalous)
        return (area - auc) ** 2 - z**2 * variance

    # At 0 and 1 the formula allows no error, which is no end of the interval.
    low = brentq(excess, 0, auc - _STEP) if auc > _STEP else 0.0
    high = brentq(excess, auc + _STEP, 1) if auc < 1 - _STEP else 1.0
    return float(low), float(high)
