"""Camera effects as functions: against slow references in float64."""

import cv2
import numpy as np
import pytest

from skuad.augmentation import (
    adjust_gamma,
    exposure_shift,
    jpeg_compress,
    random_channel_gain,
    sensor_noise,
    vignette,
)
from skuad.preprocessing import apply_channel_gains

FUNCTIONS = [
    lambda image: jpeg_compress(image, 60),
    lambda image: vignette(image, 0.4),
    random_channel_gain,
    lambda image: exposure_shift(image, 0.7),
    lambda image: exposure_shift(image, -0.7),
    lambda image: adjust_gamma(image, 1.4),
    sensor_noise,
    lambda image: sensor_noise(image, 0.02, 0),
]
DTYPES = [np.uint8, np.uint16, np.float16, np.float32, np.float64]


def photo(shape, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.random((*shape[:2], 4)), (0, 0), 1.5) * 2 - 0.5
    image = np.clip(image, 0, 1)[..., : (*shape, 1)[2]].reshape(shape)
    if np.dtype(dtype).kind == "u":
        image = np.rint(image * np.iinfo(dtype).max)
    return image.astype(dtype)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_shape_and_dtype_stay(function, dtype, channels):
    shape = (33, 47) if channels is None else (33, 47, channels)
    image = photo(shape, dtype)
    before = image.copy()
    changed = function(image)
    np.testing.assert_array_equal(image, before)
    assert changed.shape == shape and changed.dtype == dtype
    assert np.isfinite(changed.astype(float)).all()
    if channels == 4:
        np.testing.assert_array_equal(changed[..., 3], image[..., 3])
    if channels == 3:
        assert (changed != image).mean() > 0.2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_views_and_single_pixels(function):
    image = photo((40, 60, 3))
    view = image[::2, ::-3]
    np.testing.assert_array_equal(function(view), function(view.copy()))
    assert function(image[:1, :1]).shape == (1, 1, 3)
    assert function(image[0, 0, :1][None]).shape == (1, 1)


@pytest.mark.parametrize("shape", [(64, 80, 3), (65, 81), (31, 2000, 3), (3000, 40)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("strength", [0.05, 0.3, 0.9])
def test_vignette_is_the_cos4_law(shape, dtype, strength):
    image = photo(shape, dtype)
    height, width = shape[:2]
    y = np.arange(height) - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    r = np.hypot(y[:, None], x) / np.hypot(y[0], x[0])
    # The angle to the axis in the corner is that at which the light is 1 - strength.
    corner = np.tan(np.arccos((1 - strength) ** 0.25))
    factor = np.cos(np.arctan(r * corner)) ** 4
    np.testing.assert_allclose(factor[0, 0], 1 - strength)
    expected = image * factor.reshape(*factor.shape, *(1,) * (image.ndim - 2))
    step = 0.5 if image.dtype.kind == "u" else 1e-6
    shared = {np.uint8: 0.26, np.uint16: 0.02, np.float32: 1e-6}[dtype]
    difference = np.abs(vignette(image, strength) - expected)
    assert difference.max() <= step + shared
    assert vignette(image, 0) is image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_gains_and_exposure_are_products(dtype):
    image = photo((50, 60, 3), dtype)
    step = 1 if image.dtype.kind == "u" else 1e-7
    tinted = random_channel_gain(image, red=1.2, blue=0.8)
    expected = apply_channel_gains(image, [1.2, 1.0, 0.8])
    np.testing.assert_allclose(tinted, expected, atol=step, rtol=1e-6)
    assert (tinted != expected).mean() < 0.01 or dtype == np.float64
    brighter = exposure_shift(image, 1)
    np.testing.assert_array_equal(brighter, apply_channel_gains(image, [2.0] * 3))


def test_random_gains_lie_in_their_range():
    image = np.full((1, 1, 3), 0.5)
    gains = np.array(
        [
            random_channel_gain(image, red=(0.9, 1.1), blue=1.3, random_state=s)[0, 0]
            for s in range(200)
        ]
    )
    red, green, blue = gains.T / 0.5
    assert 0.9 <= red.min() < 0.91 and 1.09 < red.max() <= 1.1
    assert (green == 1).all() and np.allclose(blue, 1.3)
    gray = photo((5, 5))
    assert random_channel_gain(gray) is gray


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.2])
def test_gamma_is_a_power(gamma):
    levels = np.arange(256, dtype=np.uint8)[None]
    expected = np.rint(255 * (levels / 255) ** gamma)
    np.testing.assert_array_equal(adjust_gamma(levels, gamma), expected)
    image = np.array([[-0.25, 0, 0.25, 1, 4]])
    expected = np.sign(image) * np.abs(image) ** gamma
    np.testing.assert_allclose(adjust_gamma(image, gamma), expected)
    light = np.linspace(0, 4, 50).reshape(5, 10, 1)
    np.testing.assert_allclose(adjust_gamma(light, gamma), light**gamma)
    wide = np.array([[0, 1000, 4095, 5000]], np.uint16)
    found = adjust_gamma(wide, gamma, data_range=4095)
    assert found[0, 1] == np.rint(4095 * (1000 / 4095) ** gamma)
    assert found[0, 2:].tolist() == [4095, 5000]


@pytest.mark.parametrize(
    "function", [lambda i, **o: exposure_shift(i, 1, **o), random_channel_gain]
)
def test_12_bit_images_are_cut_off_at_their_full_scale(function):
    image = np.full((9, 9, 3), 4000, np.uint16)
    assert function(image, data_range=4095).max() <= 4095
    assert exposure_shift(image, 1).max() == 8000


def test_jpeg_is_that_of_the_codec():
    image = photo((64, 64, 3))
    _, file = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
    expected = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(jpeg_compress(image, 40), expected)
    errors = [
        np.abs(jpeg_compress(image, quality).astype(float) - image).mean()
        for quality in (10, 50, 90, 100)
    ]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.uint16, 257), (np.float32, 1 / 255), (np.float64, 1 / 255)]
)
def test_jpeg_of_other_dtypes_has_8_bits(dtype, scale):
    image = photo((32, 32, 3))
    compressed = jpeg_compress((image * dtype(scale)).astype(dtype), 70)
    expected = jpeg_compress(image, 70).astype(float) * scale
    np.testing.assert_allclose(compressed, expected, rtol=1e-6)


def test_jpeg_cuts_floats_off():
    image = np.full((8, 8), 7.0)
    image[:4] = -3
    assert np.abs(jpeg_compress(image, 100) - np.clip(image, 0, 1)).max() < 0.02


# ---- noise ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("read", "shot"), [(0.02, 0.0), (0.0, 0.03), (0.01, 0.05)])
def test_noise_has_the_variance_of_the_model(dtype, read, shot):
    full = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    for share in (0.1, 0.5, 0.8):
        image = np.full((300, 400), round(share * full, 3), dtype)
        noise = sensor_noise(image, read, shot).astype(float) - image
        expected = np.sqrt(read**2 + shot**2 * float(image[0, 0]) / full) * full
        # Rounding to levels adds 1 / 12.
        rounding = 1 / 12 if np.dtype(dtype).kind == "u" else 0
        found = np.sqrt(noise.var() - rounding)
        np.testing.assert_allclose(found, expected, rtol=0.02)
        assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(noise.size) + 0.02 * (
            rounding > 0
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_noise_is_independent_from_pixel_to_pixel(dtype):
    image = np.full((1200, 400, 3), 100 if dtype == np.uint8 else 0.4, dtype)
    noise = sensor_noise(image, 0.02, 0.02).astype(float) - image
    noise = noise / noise.std()
    for shift in [(0, 1, 0), (1, 0, 0), (0, 0, 1), (5, 3, 0)]:
        moved = np.roll(noise, shift, axis=(0, 1, 2))
        assert abs((noise * moved).mean()) < 0.005, shift
    # The same deviates at another place: no block repeats its neighbour.
    rows = noise.reshape(-1)[: 20 * 65536].reshape(20, 65536)
    correlation = np.corrcoef(rows) - np.eye(20)
    assert np.abs(correlation).max() < 0.03


def test_noise_is_cut_off_at_the_ends():
    for level in (0, 255):
        noisy = sensor_noise(np.full((99, 99), level, np.uint8), 0.1, 0.1)
        assert noisy.min() >= 0 and np.abs(noisy.astype(int) - level).max() < 160
    deep = sensor_noise(np.full((99, 99), 4090, np.uint16), 0.1, 0, data_range=4095)
    assert deep.max() == 4095


def test_noise_is_seeded():
    image = photo((600, 300, 3))
    first, again, other = (sensor_noise(image, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    assert sensor_noise(image, 0, 0) is image


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: jpeg_compress(i, 0), r"quality must be in \[1, 100\], got 0"),
        (lambda i: jpeg_compress(i, 101), "quality"),
        (lambda i: jpeg_compress(i, np.nan), "quality"),
        (lambda i: vignette(i, 1.0), r"strength must be in \[0, 1\), got 1.0"),
        (lambda i: vignette(i, -0.1), "strength"),
        (lambda i: random_channel_gain(i, red=0), r"red must be in \(0, inf\), got 0"),
        (lambda i: random_channel_gain(i, blue=np.nan), "blue"),
        (lambda i: exposure_shift(i, 17), "stops"),
        (lambda i: adjust_gamma(i, 0), "gamma"),
        (lambda i: sensor_noise(i, read=-1), "read"),
        (lambda i: sensor_noise(i, shot=0.6), "shot"),
        (lambda i: sensor_noise(i.astype(int)), "uint8, uint16 or float, got int64"),
        (lambda i: vignette(i[None]), "shape"),
        (lambda i: exposure_shift(i[:0]), "empty"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(photo((8, 8, 3)))


def test_an_image_too_long_for_jpeg():
    with pytest.raises(ValueError, match="65500"):
        jpeg_compress(np.zeros((1, 65600), np.uint8))
