"""What y says about images."""

import numpy as np
import pandas as pd
import pytest

from skuad.utils._targets import anomalous

MASK = np.array([[0, 255], [0, 0]], np.uint8)
GOOD = np.zeros((2, 2), np.uint8)


@pytest.mark.parametrize(
    "y",
    [
        [1, -1, 1],
        np.array([1, -1, 1]),
        np.array([1.0, -1.0, 1.0]),
        np.array([[1], [-1], [1]]),
        pd.Series([1, -1, 1]),
        np.stack([GOOD, MASK, GOOD]),
        np.array([[0, 0], [0, 1], [0, 0]], bool),
        [GOOD, MASK, None],
        [None, -1, None],
        ["", "masks/1.png", ""],
        np.array(["", "masks/1.png", ""]),
    ],
    ids=repr,
)
def test_every_coding(y):
    np.testing.assert_array_equal(anomalous(y, 3), [False, True, False])


def test_none_is_all_good():
    assert not anomalous(None, 3).any()


@pytest.mark.parametrize(
    "y", [[0, 1, 1], [0, 1, 2], [True, False, True], [0.5, 1.5, 2]]
)
def test_other_labels_warn_and_are_not_used(y):
    with pytest.warns(UserWarning, match=r"np\.where\(is_defect, -1, 1\)"):
        assert not anomalous(y, 3).any()


@pytest.mark.parametrize("y", [[1, 0, -1], [0, 0, 0], [0, -1, -1]])
def test_unknown_targets_raise(y):
    with pytest.raises(ValueError, match="unknown"):
        anomalous(y, 3)


def test_length_must_match():
    with pytest.raises(ValueError, match=r"inconsistent.*\[3, 2\]"):
        anomalous([1, -1], 3)


def test_scalar_in_a_list_of_masks_must_be_a_label():
    with pytest.raises(ValueError, match="target 2"):
        anomalous([GOOD, 2, None], 3)
