"""Peaks over threshold: a false-alarm rate beyond what was seen, by extrapolation."""

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

# Peaks: the highest tenth of the scores, and no fewer than this many.
_MIN_PEAKS, _PEAK_SHARE = 20, 0.1
_MIN_SCORES = 2 * _MIN_PEAKS


def check_tail(n_scores: int, rate: float) -> None:
    """Raise if a law cannot be fitted to so many scores, or is not for this rate."""
    if n_scores < _MIN_SCORES:
        raise ValueError(
            f"tail='gpd' fits a law to the highest of {_MIN_SCORES} held-out scores or "
            f"more, but there are {n_scores} (n_samples = {n_scores})"
        )
    share = _n_peaks(n_scores) / n_scores
    if rate >= share:
        raise ValueError(
            f"tail='gpd' is for rates below the {share:.1%} of scores that it is fitted "
            f"to, not {rate:.2%}: use tail='empirical'"
        )


def _n_peaks(n_scores: int) -> int:
    return max(_MIN_PEAKS, int(np.ceil(_PEAK_SHARE * n_scores)))


def fit_tail(values: NDArray[np.float64]) -> dict[str, float]:
    """Fit a generalised Pareto law to the highest values.

    The two parameters are those of L-moments, which need no iteration and do better
    than maximum likelihood in samples this small (Hosking and Wallis, "Parameter and
    quantile estimation for the generalized Pareto distribution", Technometrics 1987).

    Parameters
    ----------
    values : ndarray of shape (n,)
        Anomaly scores, high is anomalous; enough of them, see `check_tail`.

    Returns
    -------
    tail : dict of {str: float}
        ``level`` above which the law holds, ``share`` of values above it, ``shape``
        (positive: a heavy tail; negative: a bounded one) and ``scale``.

    Raises
    ------
    ValueError
        If the highest are all equal.
    """
    values = np.sort(values)
    n = len(values)
    n_peaks = _n_peaks(n)
    level = values[n - n_peaks - 1]
    excess = values[n - n_peaks :] - level
    mean = excess.mean()
    ranks = np.arange(n_peaks)
    second = 2 * (ranks * excess).sum() / (n_peaks * (n_peaks - 1)) - mean
    if not second > 0:
        raise ValueError(
            f"tail='gpd' cannot be fitted: the {n_peaks} highest held-out scores are "
            "all equal"
        )
    shape = 2 - mean / second
    return {
        "level": float(level),
        "share": n_peaks / n,
        "shape": float(shape),
        "scale": float(mean * (1 - shape)),
    }


def tail_level(tail: dict[str, float], rate: float) -> float:
    """Level that a share `rate` of all values exceeds; inverse of `tail_share`."""
    log_ratio = np.log(tail["share"] / rate)
    shape, scale = tail["shape"], tail["scale"]
    growth = np.expm1(shape * log_ratio) / shape if abs(shape) > 1e-9 else log_ratio
    return float(tail["level"] + scale * growth)


def tail_share(tail: dict[str, float], values: npt.ArrayLike) -> NDArray[np.float64]:
    """Share of all values that exceed each of these, which lie above the level."""
    shape, scale = tail["shape"], tail["scale"]
    excess = np.maximum(np.asarray(values, np.float64) - tail["level"], 0) / scale
    if abs(shape) <= 1e-9:
        return tail["share"] * np.exp(-excess)
    return tail["share"] * np.maximum(1 + shape * excess, 0) ** (-1 / shape)


def tail_intervals(
    values: NDArray[np.float64],
    tail: dict[str, float],
    rate: float,
    *,
    confidence: float,
    random_state: np.random.RandomState,
    n_resamples: int = 1000,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Intervals of the level and of its true rate, by the parametric bootstrap.

    Scores are drawn anew from the fitted law (from the scores themselves below the
    level), the tail is fitted again, and the rate of the new level is read off the
    first fit. It is the error of sampling alone: that the law is the right one beyond
    the highest score is assumed.

    Returns
    -------
    levels, rates : (float, float)
        Lower and upper end of the central share `confidence`.
    """
    body = values[values <= tail["level"]]
    levels = []
    for _ in range(n_resamples):
        uniform = random_state.uniform(size=len(values))
        drawn = random_state.choice(body, len(values))
        peaks = uniform < tail["share"]
        # The rate that a peak exceeds is uniform between zero and the share.
        drawn[peaks] = [tail_level(tail, u) for u in uniform[peaks]]
        try:
            levels.append(tail_level(fit_tail(drawn), rate))
        except ValueError:  # all of the highest drawn are one value
            levels.append(drawn.max())
    ends = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    rates = np.quantile(tail_share(tail, levels), ends)
    return tuple(np.quantile(levels, ends).tolist()), tuple(rates.tolist())
