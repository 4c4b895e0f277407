import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skuad.preprocessing import (
    apply_channel_gains,
    gray_world_white_balance,
    max_rgb_white_balance,
)

DTYPES = [np.uint8, np.uint16, np.float16, np.float32, np.float64]
SHAPES = [(40, 50), (1, 64), (64, 1), (1, 1)]


def scene(shape=(40, 50), channels=3, dtype=np.uint8, light=(0.5, 0.7, 0.4, 1.0)):
    """Random pixels under coloured light, none of them saturated."""
    rng = np.random.default_rng(0)
    image = rng.uniform(0.1, 0.99, (*shape, channels)) * light[:channels]
    if np.dtype(dtype).kind == "u":
        image = np.rint(image * np.iinfo(dtype).max)
    return image.astype(dtype)


def scaled(image, gains, limit=None):
    """Multiply the slow way in float64; alpha as it is."""
    out = image.astype(np.float64)
    out[..., :3] *= gains
    if image.dtype.kind == "u":
        limit = np.iinfo(image.dtype).max if limit is None else limit
        out[..., :3] = np.minimum(np.rint(out[..., :3]), limit)
    return out.astype(image.dtype)


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    if expected.dtype.kind == "u":
        assert_array_equal(actual, expected)
    else:
        assert_allclose(actual, expected, rtol=8 * np.finfo(expected.dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [3, 4])
def test_gray_world_agrees_with_the_formula(dtype, shape, channels):
    image = scene(shape, channels, dtype)
    before = image.copy()
    means = image[..., :3].mean(axis=(0, 1), dtype=np.float64)
    balanced = gray_world_white_balance(image)
    assert_same(balanced, scaled(image, means.mean() / means))
    assert_array_equal(image, before)
    if shape == (40, 50):
        after = balanced[..., :3].mean(axis=(0, 1), dtype=np.float64)
        assert_allclose(after, means.mean(), rtol=5e-3)
        if channels == 4:
            assert_array_equal(balanced[..., 3], image[..., 3])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("percentile", [50, 99.5, 100])
def test_max_rgb_agrees_with_the_formula(dtype, shape, channels, percentile):
    image = scene(shape, channels, dtype)
    before = image.copy()
    colors = image[..., :3].reshape(-1, 3).astype(np.float64)
    brightest = np.percentile(colors, percentile, axis=0, method="inverted_cdf")
    balanced = max_rgb_white_balance(image, percentile=percentile)
    assert_same(balanced, scaled(image, brightest.max() / brightest))
    assert_array_equal(image, before)


@pytest.mark.parametrize("balance", [gray_world_white_balance, max_rgb_white_balance])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (1, 9), (1, 9, 1)])
def test_gray_images_pass_unchanged(balance, dtype, shape):
    image = scene(shape, 1, dtype).reshape(shape)
    assert balance(image) is image


@pytest.mark.parametrize("balance", [gray_world_white_balance, max_rgb_white_balance])
def test_the_light_no_longer_matters(balance):
    white = scene(light=(0.6, 0.6, 0.6), dtype=np.float32)
    tinted = white * np.array([1.0, 0.8, 0.6], np.float32)
    balanced, expected = balance(tinted), balance(white)
    ratio = balanced / expected
    assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_hot_pixel_does_not_tint_the_image(dtype):
    image = scene(dtype=dtype)
    hot = image.copy()
    hot[3, 4, 2] = 255 if dtype == np.uint8 else 65535 if dtype == np.uint16 else 1
    clean, balanced = max_rgb_white_balance(image), max_rgb_white_balance(hot)
    difference = np.abs(balanced.astype(float) - clean)
    difference[3, 4] = 0
    assert difference.max() <= 0.02 * clean.max()
    tinted = max_rgb_white_balance(hot, percentile=100)
    assert np.abs(tinted.astype(float) - clean).max() > 0.2 * clean.max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_without_light(dtype):
    image = scene(dtype=dtype)
    image[..., 1] = 0
    for balance in (gray_world_white_balance, max_rgb_white_balance):
        balanced = balance(image)
        assert (balanced[..., 1] == 0).all() and np.isfinite(balanced).all()
        black = np.zeros_like(image)
        assert_array_equal(balance(black), black)
    means = gray_world_white_balance(image).mean(axis=(0, 1), dtype=np.float64)
    assert_allclose(means[0], means[2], rtol=5e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [3, 4])
def test_saturated_pixels_can_be_left_out(dtype, channels):
    image = scene(channels=channels, dtype=dtype)
    full = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    glare = image.copy()
    glare[:10, :, :3] = full
    glare[10, :, 1] = full  # in one channel is enough
    glare[11:, :, 3:] = full  # but alpha does not count
    means = image[11:, :, :3].mean(axis=(0, 1), dtype=np.float64)
    balanced = gray_world_white_balance(glare, exclude_saturated=True)
    assert_same(balanced, scaled(glare, means.mean() / means))
    assert (gray_world_white_balance(glare)[20] != balanced[20]).any()
    white = np.full_like(image, full)
    assert_array_equal(gray_world_white_balance(white, exclude_saturated=True), white)


def test_max_rgb_keeps_saturated_white():
    image = scene()
    image[:2] = 255
    balanced = max_rgb_white_balance(image, percentile=90)
    assert (balanced[:2] == 255).all()
    assert (balanced >= image).all()


def test_data_range_is_the_clipping_level():
    image = np.rint(scene(dtype=np.float64, light=(0.9, 0.5, 0.3)) * 4095)
    image = image.astype(np.uint16)
    gains = np.array([0.5, 1.0, 5.0])
    clipped = apply_channel_gains(image, gains, data_range=4095)
    assert clipped.max() == 4095
    assert_array_equal(clipped, scaled(image, gains, limit=4095))
    assert apply_channel_gains(image, gains).max() > 4095
    glare = image.copy()
    glare[:10] = 4095
    balanced = gray_world_white_balance(glare, exclude_saturated=True, data_range=4095)
    means = image[10:].mean(axis=(0, 1))
    assert_array_equal(balanced, scaled(glare, means.mean() / means, limit=4095))
    for data_range in (0, 65536, -1):
        with pytest.raises(ValueError, match="data_range"):
            apply_channel_gains(image, gains, data_range=data_range)


def test_gains_round_and_do_not_truncate():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert_array_equal(
        apply_channel_gains(image, [0.999]), np.rint(image * 0.999).astype(np.uint8)
    )
    assert_array_equal(apply_channel_gains(image, [1.0]), image)
    pixel = np.array([[[1, 3, 254]]], np.uint8)
    assert_array_equal(apply_channel_gains(pixel, [1.5, 0.5, 2])[0, 0], [2, 2, 255])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_memory_layout(dtype, channels):
    image = scene(channels=channels, dtype=dtype)
    gains = np.array([0.7, 1.2, 0.9])[: min(channels, 3)]
    expected = apply_channel_gains(image, gains)
    assert expected.shape == image.shape
    view = np.asfortranarray(image[::-1, ::-1])
    assert_array_equal(apply_channel_gains(view[::-1, ::-1], gains), expected)
    swapped = image.astype(image.dtype.newbyteorder())
    assert_array_equal(apply_channel_gains(swapped, gains), expected)
    image.flags.writeable = False
    assert_array_equal(apply_channel_gains(image, gains), expected)


@pytest.mark.parametrize(
    "gains", [[1, 1], [1, 1, 0], [1, 1, np.nan], [1, np.inf, 1], 2]
)
def test_impossible_gains(gains):
    with pytest.raises(ValueError, match="gains must be 3"):
        apply_channel_gains(scene(), gains)


@pytest.mark.parametrize("balance", [gray_world_white_balance, max_rgb_white_balance])
def test_impossible_images(balance):
    for image, match in [
        (np.zeros((4, 4, 2), np.uint8), "has the shape"),
        (np.zeros((2, 4, 4, 3), np.uint8), "has the shape"),
        (np.zeros(4, np.uint8), "has the shape"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 4, 3), np.int32), "uint8, uint16 or float"),
    ]:
        with pytest.raises(ValueError, match=match):
            balance(image)
    for percentile in (0, 101, np.nan):
        with pytest.raises(ValueError, match="percentile"):
            max_rgb_white_balance(scene(), percentile=percentile)
