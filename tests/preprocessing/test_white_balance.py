import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skuad.io import ImageSequence, write_image
from skuad.preprocessing import (
    GrayWorld,
    MaxRGB,
    WhiteBalance,
    apply_channel_gains,
    gray_world_white_balance,
    max_rgb_white_balance,
)


def tinted(n=4, dtype=np.uint8, channels=3, top=None):
    rng = np.random.default_rng(0)
    images = (
        rng.uniform(0.1, 0.9, (n, 20, 24, channels)) * [0.9, 0.6, 0.5, 1][:channels]
    )
    if np.dtype(dtype).kind == "u":
        images = np.rint(images * (top or np.iinfo(dtype).max))
    return images.astype(dtype)


@pytest.mark.parametrize(
    "transformer, function, parameters",
    [
        (GrayWorld, gray_world_white_balance, {}),
        (GrayWorld, gray_world_white_balance, {"exclude_saturated": True}),
        (MaxRGB, max_rgb_white_balance, {"percentile": 90}),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_transformers_apply_the_functions(transformer, function, parameters, channels):
    X = tinted(channels=channels)
    method = "gray_world" if transformer is GrayWorld else "max_rgb"
    expected = np.stack([function(image, **parameters) for image in X])
    for estimator in (
        transformer(**parameters),
        WhiteBalance(method=method, **parameters),
    ):
        assert_array_equal(estimator.fit_transform(X), expected)
        assert_array_equal(estimator.transform(X), expected)
    assert_array_equal(transformer(**parameters).transform(X), expected)  # stateless


def test_data_range_reaches_the_functions():
    X = tinted(dtype=np.uint16, top=4095)
    X[:, :4] = 4095
    for estimator in (
        GrayWorld(exclude_saturated=True, data_range=4095),
        MaxRGB(percentile=50, data_range=4095),
        WhiteBalance("gray_world", exclude_saturated=True, data_range=4095),
        WhiteBalance("max_rgb", percentile=50, data_range=4095),
        WhiteBalance("reference", exclude_saturated=True, data_range=4095),
    ):
        balanced = estimator.fit_transform(X)
        assert balanced.dtype == np.uint16 and balanced.max() <= 4095
    gains = gray_world_gains_of(X[:, 4:])
    assert_allclose(estimator.gains_, gains)
    for image, result in zip(X, balanced, strict=True):
        assert_array_equal(result, apply_channel_gains(image, gains, data_range=4095))


def gray_world_gains_of(images):
    means = images[..., :3].mean(axis=(0, 1, 2), dtype=np.float64)
    return means.mean() / means


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 4])
def test_reference_learns_from_good_images_only(dtype, channels):
    X = tinted(6, dtype=dtype, channels=channels)
    X[4:, ..., :3] = X[4:, ..., 2::-1]  # defects of another colour
    y = np.array([1, 1, 1, 1, -1, -1])
    balance = WhiteBalance("reference").fit(X, y)
    assert_allclose(balance.gains_, gray_world_gains_of(X[:4]), rtol=1e-6)
    balanced = balance.transform(X)
    for image, result in zip(X, balanced, strict=True):
        assert_array_equal(result, apply_channel_gains(image, balance.gains_))
    assert not np.allclose(WhiteBalance("reference").fit(X).gains_, balance.gains_)
    with pytest.raises(ValueError, match="none is left"):
        WhiteBalance("reference").fit(X, -np.ones(6))


def test_reference_counts_pixels_and_mixes_sizes_and_files(tmp_path):
    small, large = tinted(1)[0, :8, :8], tinted(2)[1]
    expected = np.concatenate([small.reshape(-1, 3), large.reshape(-1, 3)])[None, None]
    balance = WhiteBalance("reference").fit([small, large])
    assert_allclose(balance.gains_, gray_world_gains_of(expected))
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]
    for path, image in zip(paths, (small, large), strict=True):
        write_image(path, image)
    lazy = WhiteBalance("reference").fit(paths)
    assert_array_equal(lazy.gains_, balance.gains_)
    balanced = lazy.transform(paths)
    assert isinstance(balanced, ImageSequence)
    assert_array_equal(balanced[1], balance.transform([small, large])[1])
    assert_array_equal(pickle.loads(pickle.dumps(balanced))[0], balanced[0])


def test_reference_keeps_what_differs_between_images():
    X = tinted(2)
    X[1, ..., 0] //= 2
    balanced = WhiteBalance("reference").fit(X[:1]).transform(X)
    ratio = balanced[1, ..., 0].mean() / balanced[0, ..., 0].mean()
    own = GrayWorld().fit_transform(X)
    assert ratio < 0.6 < own[1, ..., 0].mean() / own[0, ..., 0].mean()


def test_reference_must_be_fitted_and_gray_passes():
    with pytest.raises(NotFittedError):
        WhiteBalance("reference").transform(tinted())
    rows = np.random.default_rng(0).standard_normal((5, 30))
    for method in ("gray_world", "max_rgb", "reference"):
        assert_array_equal(WhiteBalance(method).fit_transform(rows), rows)
    gray = tinted(channels=1)[..., 0]
    balance = WhiteBalance("reference").fit(gray)
    assert_array_equal(balance.gains_, [1])
    assert_array_equal(balance.transform(gray), gray)


@pytest.mark.parametrize(
    "estimator",
    [
        WhiteBalance("von_kries"),
        WhiteBalance(percentile=0),
        MaxRGB(percentile=101),
        MaxRGB(data_range=65536),
        GrayWorld(data_range=0),
        GrayWorld(exclude_saturated="yes"),
    ],
)
def test_parameters_are_checked(estimator):
    with pytest.raises(ValueError, match="parameter of"):
        estimator.fit(tinted())
    if not isinstance(estimator, WhiteBalance):
        with pytest.raises(ValueError, match="parameter of"):
            estimator.transform(tinted())
