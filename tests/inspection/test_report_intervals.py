import numpy as np
import pytest
from scipy.stats import binom, norm

from skuad.inspection._report_intervals import auc_interval, wilson_interval


@pytest.mark.parametrize("total", [1, 7, 40])
def test_wilson_is_the_set_of_shares_that_the_score_test_accepts(total):
    z = norm.ppf(0.975)
    shares = np.linspace(0, 1, 20_001)[1:-1]
    for count in range(total + 1):
        deviation = np.abs(count / total - shares)
        accepted = shares[deviation <= z * np.sqrt(shares * (1 - shares) / total)]
        low, high = wilson_interval(count, total)
        assert low == pytest.approx(accepted[0], abs=1e-4)
        assert high == pytest.approx(accepted[-1], abs=1e-4)
        assert low <= count / total <= high


def test_wilson_covers_the_share_about_as_often_as_it_says():
    counts = np.arange(31)
    intervals = np.array([wilson_interval(count, 30) for count in counts])
    covered = []
    for share in np.linspace(0.05, 0.95, 37):
        inside = (intervals[:, 0] <= share) & (share <= intervals[:, 1])
        covered.append(binom.pmf(counts[inside], 30, share).sum())
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    assert np.isnan(wilson_interval(0, 0)).all()


@pytest.mark.parametrize("n_good, n_bad, shift", [(10, 20, 1.5), (5, 40, 1.0)])
def test_auc_interval_covers_the_area_as_often_as_it_says(n_good, n_bad, shift):
    rng = np.random.default_rng(0)
    true, hits = norm.cdf(shift / np.sqrt(2)), []
    for _ in range(500):
        good, bad = rng.normal(size=n_good), rng.normal(shift, size=n_bad)
        low, high = auc_interval((good[:, None] < bad).mean(), n_good, n_bad)
        hits.append(low <= true <= high)
    assert 0.93 < np.mean(hits) < 0.98


def test_auc_interval_says_that_few_images_prove_little():
    low, high = auc_interval(1.0, 4, 4)
    assert (0.5 < low < 0.7, high) == (True, 1.0)
    assert auc_interval(0.0, 4, 4) == pytest.approx((1 - high, 1 - low), abs=1e-6)
    assert auc_interval(1.0, 200, 200)[0] > 0.98
    assert auc_interval(0.0, 3, 5)[0] == 0.0
    assert np.isnan(auc_interval(0.9, 0, 4)).all()
    low, high = auc_interval(0.8, 20, 30, confidence_level=0.5)
    wide = auc_interval(0.8, 20, 30)
    assert wide[0] < low < 0.8 < high < wide[1]
