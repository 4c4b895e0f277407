"""The whitener: a 2-D transformer."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skuad.detectors._scaling import Whitener


@parametrize_with_checks([Whitener()])
def test_scikit_learn_battery(estimator, check):
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_rows_become_uncorrelated(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 4)) @ rng.normal(size=(4, 4)) * [1, 10, 0.1, 1] + 50
    whitened = Whitener().fit_transform(X.astype(dtype))
    assert whitened.dtype == dtype
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(4), atol=0.05)
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-3)


def test_constant_and_repeated_features_are_no_trouble():
    x = np.random.default_rng(0).normal(size=(200, 1))
    X = np.hstack([x, x, np.full_like(x, 7)])
    whitened = Whitener().fit_transform(X)
    assert np.isfinite(whitened).all()
    assert abs(whitened).max() < 6
