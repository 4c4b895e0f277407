"""Rates that can be promised, and the order statistics that keep them."""

import numpy as np
import pytest
from scipy.stats import beta, binom

from skuad.calibration import achievable_rates
from skuad.calibration._rates import (
    allowed_weight,
    conformal_offset,
    cross_conformal_bound,
    n_needed,
    p_value,
    too_few,
    weight_at_or_below,
)

GUARANTEES = ["marginal", "high_probability"]


def _offset(scores, rate, guarantee="marginal", confidence=0.95, weights=None):
    weights = np.ones(len(scores)) if weights is None else weights
    allowed = allowed_weight(weights.sum(), rate, guarantee, confidence)
    return conformal_offset(np.asarray(scores, float), weights, allowed)


def test_known_sizes():
    assert n_needed(0.01, "marginal", 0.95) == 99
    assert n_needed(0.01, "high_probability", 0.95) == 299
    assert n_needed(0.05, "high_probability", 0.95) == 59


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.07, 0.1, 1 / 3, 0.9])
def test_the_number_needed_is_the_smallest_that_allows_a_threshold(rate, guarantee):
    n = n_needed(rate, guarantee, 0.9)
    assert allowed_weight(n, rate, guarantee, 0.9) >= 0
    if n > 1:
        assert allowed_weight(n - 1, rate, guarantee, 0.9) < 0
        assert achievable_rates(n - 1, 0.9)[guarantee] > rate
    assert achievable_rates(n, 0.9)[guarantee] <= rate * (1 + 1e-9)


@pytest.mark.parametrize("n", [3, 10, 80, 299])
@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_rates_in_the_message_can_be_asked_for(n, guarantee):
    text = too_few(n, "images", 1e-4, guarantee, 0.95)
    lowest = text.split(f"with {n} images: ")[1].split(". Raise")[0]
    marginal, confident = (
        float(part.split(" %")[0]) / 100 for part in lowest.split(", ")
    )
    rate = marginal if guarantee == "marginal" else confident
    assert allowed_weight(n, rate, guarantee, 0.95) >= 0
    assert rate < achievable_rates(n)[guarantee] * 1.03


def test_message_of_eighty_images():
    text = too_few(80, "images", 0.01, "marginal", 0.95)
    for part in ("80 good images", "it takes 99", "1.24 % marginal", "3.68 % with 95%"):
        assert part in text


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.13, 0.5])
@pytest.mark.parametrize("n", [19, 20, 57])
def test_marginal_rate_over_all_orders(n, rate):
    """Of n + 1 scores in any order, at most the rate has the last one flagged."""
    scores = np.arange(n + 1.0)
    flagged = [_offset(np.delete(scores, i), rate) > scores[i] for i in range(n + 1)]
    assert sum(flagged) == np.floor(rate * (n + 1) + 1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_high_probability_is_the_largest_rank_of_the_beta_law(rate):
    n, confidence = 200, 0.9
    k = int(_offset(np.arange(1, n + 1), rate, "high_probability", confidence))
    above = [beta.sf(rate, rank, n + 1 - rank) for rank in (k, k + 1)]
    assert above[0] <= 1 - confidence < above[1]


def test_ties_are_not_flagged():
    scores = np.r_[np.zeros(30), np.ones(10)]
    assert _offset(scores, 0.5) == 0.0  # and nothing is below it


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_p_values_tell_what_the_threshold_tells(guarantee):
    rng = np.random.default_rng(0)
    scores, new = rng.integers(0, 30, 60).astype(float), np.arange(-1.0, 31)
    weights = np.ones(60)
    below = weight_at_or_below(new, scores, weights)
    np.testing.assert_array_equal(below, [(scores <= one).sum() for one in new])
    p = p_value(below, 60, guarantee, 0.8)
    for rate in (0.05, 0.1, 0.37, 0.8):
        flagged = new < _offset(scores, rate, guarantee, 0.8)
        np.testing.assert_array_equal(p <= rate + 1e-12, flagged)
    if guarantee == "high_probability":  # Clopper and Pearson's upper limit
        np.testing.assert_allclose(binom.cdf(below[1], 60, p[1]), 0.2)


def test_groups_weigh_as_one():
    """Over all orders of groups, the last group's mean rate is kept, whatever sizes."""
    rng = np.random.default_rng(1)
    groups = [rng.normal(rng.normal(0, 3), 1, size) for size in (1, 40, 3, 7, 2) * 4]
    n, rate = len(groups) - 1, 0.1
    flagged = []
    for left_out in range(n + 1):
        others = [one for i, one in enumerate(groups) if i != left_out]
        weights = np.concatenate([np.full(len(one), 1 / len(one)) for one in others])
        offset = _offset(np.concatenate(others), rate, weights=weights)
        flagged.append((groups[left_out] < offset).mean())
    assert 0 < np.mean(flagged) <= rate


def test_bound_over_folds():
    """The bound of the paper for equal folds; the merged one for others."""
    n, k, rate = 100, 5, 0.05
    paper = 2 * rate + min(2 * (1 - 1 / k) / (n / k + 1), (1 - k / n) / (k + 1))
    assert rate < cross_conformal_bound(rate, n, [20] * 5) <= paper
    leave_one_out = cross_conformal_bound(rate, n, [1] * n)
    assert leave_one_out == pytest.approx(2 * rate)
    assert cross_conformal_bound(rate, 99, [20] * 4 + [19]) > 2 * rate
    assert cross_conformal_bound(0.9, 10, [2] * 5) == 1.0


@pytest.mark.parametrize(("n", "confidence"), [(0, 0.95), (10, 1.0), (10, 0.0)])
def test_bad_arguments(n, confidence):
    with pytest.raises(ValueError, match="achievable_rates"):
        achievable_rates(n, confidence)
