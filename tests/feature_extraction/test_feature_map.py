import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skuad.feature_extraction import FeatureMap


def test_values_become_contiguous_float32():
    values = np.arange(24.0).reshape(4, 3, 2).transpose(1, 0, 2)
    features = FeatureMap(values, (30, 45, 3))
    assert features.values.flags.c_contiguous
    assert (features.shape, features.ndim) == ((3, 4, 2), 3)
    assert features.dtype == np.float32
    assert features.image_shape == (30, 45)
    assert_array_equal(features, values)


def test_rows_are_a_view_row_by_row():
    features = FeatureMap(np.arange(24).reshape(3, 4, 2), (30, 40))
    assert features.rows.shape == (12, 2)
    assert_array_equal(features.rows[5], features.values[1, 1])
    assert np.shares_memory(features.rows, features.values)


def test_array_protocol():
    features = FeatureMap(np.ones((2, 3, 4)), (16, 24))
    assert np.shares_memory(np.asarray(features), features.values)
    assert not np.shares_memory(np.array(features), features.values)
    assert np.asarray(features, dtype=np.float64).dtype == np.float64
    assert np.stack([features, features]).shape == (2, 2, 3, 4)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    features = FeatureMap(np.random.default_rng(0).random((2, 3, 4)), (16, 24))
    copied = pickle.loads(pickle.dumps(features, protocol))
    assert_array_equal(copied, features)
    assert copied.image_shape == (16, 24)
    assert repr(copied) == "FeatureMap(shape=(2, 3, 4), image_shape=(16, 24))"


@pytest.mark.parametrize("shape", [(3, 4), (0, 3, 4), (2, 3, 0), (1, 2, 3, 4)])
def test_no_patches_or_no_features(shape):
    with pytest.raises(ValueError, match="at least one patch and one feature"):
        FeatureMap(np.zeros(shape), (16, 16))
