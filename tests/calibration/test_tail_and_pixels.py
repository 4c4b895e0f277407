"""Extrapolated tails, and thresholds of pixels."""

import numpy as np
import pytest
from scipy.stats import genpareto

from skuad.calibration._pixels import PixelShares
from skuad.calibration._tail import (
    check_tail,
    fit_tail,
    tail_intervals,
    tail_level,
    tail_share,
)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_the_tail_of_a_pareto_law_is_found(shape):
    law = genpareto(shape, scale=2)
    values = law.rvs(20_000, random_state=0)
    tail = fit_tail(values)
    assert tail["shape"] == pytest.approx(shape, abs=0.08)
    for rate in (0.01, 0.001):
        level = tail_level(tail, rate)
        assert law.sf(level) == pytest.approx(rate, rel=0.25)
        assert tail_share(tail, [level])[0] == pytest.approx(rate)


def test_interval_holds_the_true_rate_about_as_often_as_it_says():
    law, held = genpareto(0.1), 0
    for seed in range(40):
        rng = np.random.RandomState(seed)
        values = law.rvs(200, random_state=rng)
        tail = fit_tail(values)
        levels, rates = tail_intervals(
            values, tail, 0.01, confidence=0.9, random_state=rng, n_resamples=100
        )
        assert levels[0] <= levels[1] and rates[0] <= 0.01 <= rates[1]
        held += rates[0] <= law.sf(tail_level(tail, 0.01)) <= rates[1]
    assert held >= 28


def test_what_has_no_tail_raises():
    with pytest.raises(
        ValueError, match="40 held-out scores or more, but there are 39"
    ):
        check_tail(39, 0.01)
    with pytest.raises(ValueError, match="all equal"):
        fit_tail(np.ones(50))


@pytest.mark.parametrize("shift", [0, -3, 1000])
def test_pixel_threshold_is_that_of_all_pixels_sorted(shift):
    rng = np.random.default_rng(0)
    maps = [rng.normal(shift, 2, shape) for shape in [(8, 9), (20, 30), (1, 7)] * 5]
    shares = PixelShares()
    for one in maps:
        shares.add(one)
    for allowed in (0.0, 0.3, 2.0, 10.0):
        threshold = shares.threshold(allowed)
        assert sum((one > threshold).mean() for one in maps) <= allowed
        lower = threshold - 0.0011 * max(1, abs(threshold))
        values = np.concatenate([one.ravel() for one in maps])
        if (values > lower).sum() == (values > threshold).sum():
            # The next lower value is farther than a bin: it has to be above `allowed`.
            lower = values[values <= threshold].max()
        assert sum((one >= lower).mean() for one in maps) > allowed - 1e-9


def test_equal_values_are_below_their_threshold():
    shares = PixelShares()
    shares.add(np.zeros((4, 4)))
    assert 0 <= shares.threshold(0.5) < 1e-30
