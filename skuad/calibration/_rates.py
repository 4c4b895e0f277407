"""What false-alarm rates a number of good images can promise."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom

from skuad.utils._param_validation import Interval, validate_params

# Products such as 0.07 * 100 must not fall below the integer that they stand for.
_ROUNDING = 1e-9


@validate_params(
    {
        "n_images": [Interval(Integral, 1, None, closed="left")],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def achievable_rates(n_images: int, confidence: float = 0.95) -> dict[str, float]:
    """Smallest false-alarm rates that held-out good images can promise.

    Parameters
    ----------
    n_images : int
        Number of good images that the detector did not learn from, or of groups (lots)
        of them if images of a group are alike.
    confidence : float in (0, 1), default=0.95
        Probability with which the second rate holds.

    Returns
    -------
    rates : dict of {str: float}
        marginal
            ``1 / (n + 1)``: the probability that a new good image is flagged, on
            average over calibration sets.
        high_probability
            ``1 - (1 - confidence) ** (1 / n)``: a rate that a share `confidence` of
            calibration sets keeps [1]_.

    References
    ----------
    .. [1] V. Vovk, "Conditional validity of inductive conformal predictors", ACML 2012,
       https://arxiv.org/abs/1209.2673

    Examples
    --------
    >>> from skuad.calibration import achievable_rates
    >>> rates = achievable_rates(80)
    >>> round(rates["marginal"], 4), round(rates["high_probability"], 4)
    (0.0123, 0.0368)
    >>> achievable_rates(299)["high_probability"] <= 0.01
    True
    """
    return {
        "marginal": 1 / (n_images + 1),
        "high_probability": float(-np.expm1(np.log1p(-confidence) / n_images)),
    }


def n_needed(rate: float, guarantee: str | None, confidence: float) -> int:
    """Smallest number of images (or groups) that supports a rate."""
    if guarantee == "high_probability":
        n = np.log1p(-confidence) / np.log1p(-rate)
    else:
        n = 1 / rate - 1
    return max(1, int(np.ceil(n - _ROUNDING)))


def allowed_weight(
    n_units: int, rate: float, guarantee: str | None, confidence: float
) -> float:
    """Weight of calibration scores at or below a new score up to which it is flagged.

    With one score for each of n images, a new score is flagged if at most k - 1 of them
    are as low, that is, if it is below the k-th lowest; the result is k - 1.

    - Otherwise (on average over calibration sets) ``k <= rate * (n + 1)``; scores
      weighted by one over the size of their group keep this for a new image of a new
      group (Lee, Barber and Willett, "Distribution-free inference with hierarchical
      data", 2023, https://arxiv.org/abs/2306.06342).
    - "high_probability": the rate of the k-th lowest of n independent scores has the
      law Beta(k, n + 1 - k), or less with ties; the largest k for which it is above
      `rate` with a probability of at most ``1 - confidence`` (Vovk 2012).

    Returns
    -------
    allowed : float
        Negative if there are too few.
    """
    if guarantee != "high_probability":
        return rate * (n_units + 1) - 1 + _ROUNDING
    # P(Beta(k, n + 1 - k) > rate) is P(Binomial(n, rate) < k).
    tail = 1 - confidence + _ROUNDING
    k = int(binom.ppf(tail, n_units, rate))
    return k if binom.cdf(k, n_units, rate) <= tail else k - 1


def conformal_offset(
    scores: NDArray[np.float64], weights: NDArray[np.float64], allowed: float
) -> float:
    """Lowest score up to which the weight of all scores exceeds what is allowed.

    Scores below it are those that are flagged.
    """
    order = np.argsort(scores, kind="stable")
    cumulative = np.cumsum(weights[order])
    position = int(np.searchsorted(cumulative, allowed, side="right"))
    return float(scores[order[min(position, len(order) - 1)]])


def weight_at_or_below(
    new: NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weight of the scores that are at most each new score."""
    order = np.argsort(scores, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    return cumulative[np.searchsorted(scores[order], new, side="right")]


def p_value(
    weight: NDArray[np.float64], n_units: int, guarantee: str | None, confidence: float
) -> NDArray[np.float64]:
    """P-value of new scores from the `weight_at_or_below` them.

    The new one counts itself. For "high_probability" it is the smallest rate at which
    the image would be flagged: the upper confidence limit of Clopper and Pearson for
    the probability of a score as low (calibration-conditional p-values, Bates et al.,
    "Testing for outliers with conformal p-values", 2023).
    """
    if guarantee != "high_probability":
        return (1 + weight) / (n_units + 1)
    rank = np.round(weight)
    left = np.maximum(n_units - rank, 0.5)
    return np.where(rank >= n_units, 1.0, beta.ppf(confidence, rank + 1, left))


def cross_conformal_bound(
    rate: float, n_units: int, fold_sizes: list[int], *, is_grouped: bool = False
) -> float:
    """Largest false-alarm rate of a detector calibrated over K folds.

    A new image is compared with each held-out score under the detector of that fold.
    The ranks within one fold give a p-value; cross-conformal prediction averages those
    of all folds, and twice an average of p-values is a p-value. That gives, for any
    fold sizes, ``2 * (rate * (n + 1) + K - 1) / (n + K)``, that is, 2 rate plus a term
    of the order K / n (Vovk et al. 2018). For equal folds and detectors that do not
    depend on the order of their training images there is also
    ``2 * rate + (1 - K / n) / (K + 1)`` (Barber et al. 2021, theorem 4).
    """
    n_folds = len(fold_sizes)
    merged = 2 * (rate * (n_units + 1) + n_folds - 1) / (n_units + n_folds)
    if is_grouped or len(set(fold_sizes)) > 1:
        return min(1.0, merged)
    symmetric = 2 * rate + (1 - n_folds / n_units) / (n_folds + 1)
    return min(1.0, merged, symmetric)


def too_few(
    n_units: int, unit: str, rate: float, guarantee: str | None, confidence: float
) -> str:
    """Say what is asked for, what it takes, and what can be had."""
    lowest = achievable_rates(n_units, confidence)
    kind = f" with {confidence:.0%} confidence" * (guarantee == "high_probability")
    return (
        f"{n_units} good {unit} to calibrate on (n_samples = {n_units}) cannot promise a "
        f"false-alarm rate of {rate:.2%}{kind}: it takes "
        f"{n_needed(rate, guarantee, confidence)}. The smallest rates available with "
        f"{n_units} {unit}: {_rounded_up(lowest['marginal'])} marginal, "
        f"{_rounded_up(lowest['high_probability'])} with {confidence:.0%} confidence. "
        f"Raise false_alarm_rate or give more {unit}; guarantee=None with tail='gpd' "
        "extrapolates, without a promise"
    )


def _rounded_up(rate: float) -> str:
    """Rate in per cent, rounded so that asking for what is printed succeeds."""
    digits = max(2, 1 - int(np.floor(np.log10(100 * rate))))
    scale = 10**digits
    return f"{np.ceil(100 * rate * scale - _ROUNDING) / scale:.{digits}f} %"
