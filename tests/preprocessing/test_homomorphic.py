import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skuad.preprocessing import HomomorphicFilter, homomorphic_filter


def images(n=3, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.7, (n, 20, 24, channels))
    return (X * 255).astype(dtype) if dtype == np.uint8 else X.astype(dtype)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_it_applies_the_function(channels, dtype):
    X = images(channels=channels, dtype=dtype)
    parameters = dict(cutoff=2, gamma_low=0.2, gamma_high=1.2)
    expected = np.stack([homomorphic_filter(image, **parameters) for image in X])
    assert_array_equal(HomomorphicFilter(**parameters).fit_transform(X), expected)
    assert_array_equal(HomomorphicFilter(**parameters).transform(X), expected)
    deep = (images(dtype=np.float64) * 4095).astype(np.uint16)
    filtered = HomomorphicFilter(gamma_high=4, data_range=4095).fit_transform(deep)
    assert filtered.max() == 4095


def test_line_scans():
    rows = np.random.default_rng(0).uniform(0, 1, (5, 64))
    filtered = HomomorphicFilter().fit_transform(rows)
    expected = [homomorphic_filter(row[None])[0] for row in rows]
    assert_array_equal(filtered, np.stack(expected))


def test_negative_values():
    rows = np.random.default_rng(0).standard_normal((5, 64))
    with pytest.raises(ValueError, match="Negative values in data"):
        HomomorphicFilter().fit(rows)
    X = images(dtype=np.float32)
    X[1, 3, 4] = -1
    with pytest.raises(ValueError, match=r"image 1: Negative values"):
        HomomorphicFilter().fit(X).transform(X)


@pytest.mark.parametrize(
    "parameters",
    [dict(cutoff=0), dict(gamma_low=-1), dict(gamma_high=11), dict(data_range=0)],
)
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        HomomorphicFilter(**parameters).fit(images())
