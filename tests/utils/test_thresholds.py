"""Thresholds keep the rate that they state."""

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit

from skuad.utils import CalibrationWarning, false_alarm_offset, images_needed
from skuad.utils._thresholds import calibration_folds


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.1, 0.15, 1 / 3])
def test_images_needed_is_the_smallest_number_that_does_not_warn(rate, recwarn):
    n = images_needed(rate)
    false_alarm_offset(np.arange(n), rate)
    assert not [w for w in recwarn if w.category is CalibrationWarning]
    if n > 1:
        with pytest.warns(CalibrationWarning, match=f"takes {n} images"):
            false_alarm_offset(np.arange(n - 1), rate)


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (49, 0.1), (30, 0.1), (99, 0.01)])
def test_new_scores_fall_below_with_the_rate(n, rate):
    """The offset's expected rank among n + 1 exchangeable scores is the rate."""
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(4000):
        offset = false_alarm_offset(rng.uniform(size=n), rate)
        rates.append(offset)  # P(U < offset) = offset for a uniform score
    standard_error = np.std(rates) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - rate) < 4 * standard_error


def test_folds_are_runs_of_neighbours_and_cover_all():
    folds = calibration_folds(5, 12)
    assert len(folds) == 5
    for train, test in folds:
        assert (np.diff(test) == 1).all()
        assert not set(train) & set(test)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(12))


@pytest.mark.parametrize(
    ("n", "expected"), [(2, 2), (12, 12), (49, 20), (200, 20), (201, 10)]
)
def test_automatic_number_of_folds(n, expected):
    assert len(calibration_folds("auto", n)) == expected


def test_groups_are_held_out_together():
    groups = np.array(list("aabbccdd"))
    for calibration in ("auto", "leave_one_out", 2):
        for train, test in calibration_folds(calibration, 8, groups):
            assert not set(groups[train]) & set(groups[test])


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_a_splitter_that_splits_a_group_raises():
    with pytest.raises(ValueError, match="splits a group"):
        calibration_folds(ShuffleSplit(2, random_state=0), 8, list("aabbccdd"))


@pytest.mark.parametrize("groups", [None, ["a"]])
def test_one_image_raises(groups):
    with pytest.raises(ValueError, match="2 good images or more"):
        calibration_folds("auto", 1, groups)
