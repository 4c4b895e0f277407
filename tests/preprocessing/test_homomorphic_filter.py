from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from skuad.preprocessing import homomorphic_filter
from skuad.preprocessing._homomorphic_filter import low_pass

SHAPES = [(40, 56), (41, 23), (1, 64), (64, 1), (2, 2), (1, 4), (4, 1)]
FULL = {"uint8": 255, "uint16": 65535}


def scene(shape=(40, 56), channels=0, dtype=np.uint8, dark=0.2, bright=0.7):
    """A texture under light that falls off to one side."""
    rng = np.random.default_rng(0)
    light = np.linspace(dark, bright, shape[1])
    image = light * rng.uniform(0.7, 1, shape)
    if channels:
        image = image[..., None] * [0.9, 0.8, 0.7, 1.0][:channels]
    if np.dtype(dtype).kind == "u":
        image = np.rint(image * np.iinfo(dtype).max)
    return image.astype(dtype)


def luminance(image):
    """Rec. 601, as stored: rounded for integers."""
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2]).astype(np.float64)
    weighted = image[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]
    return weighted if image.dtype.kind == "f" else np.rint(weighted)


def slow_filter(image, cutoff, gamma_low, gamma_high):
    """The textbook filter in float64, on the image and its mirror images."""
    full = FULL.get(image.dtype.name, 1)
    y = luminance(image)
    h, w = y.shape
    z = np.log1p(y * 255 / full)
    mirrored = np.block([[z, z[:, ::-1]], [z[::-1], z[::-1, ::-1]]])
    f_down, f_across = np.fft.fftfreq(2 * h)[:, None], np.fft.fftfreq(2 * w)
    distance = np.hypot(f_down, f_across) * max(h, w) / cutoff
    transfer = gamma_low + (gamma_high - gamma_low) * (1 - np.exp(-(distance**2) / 2))
    filtered = np.fft.ifft2(np.fft.fft2(mirrored) * transfer).real[:h, :w]
    ratio = np.exp(filtered - z)
    ratio *= y.mean() / (y * ratio).mean()
    out = image.astype(np.float64)
    if image.ndim == 3:
        out[..., :3] *= ratio[..., None]
    else:
        out *= ratio
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
@pytest.mark.parametrize("cutoff, gamma_low, gamma_high", [(4, 0.5, 1.1), (0.7, 0, 1)])
def test_agrees_with_the_textbook(
    dtype, shape, channels, cutoff, gamma_low, gamma_high
):
    image = scene(shape, channels, dtype)
    before = image.copy()
    filtered = homomorphic_filter(
        image, cutoff=cutoff, gamma_low=gamma_low, gamma_high=gamma_high
    )
    assert filtered.dtype == dtype and filtered.shape == image.shape
    assert_array_equal(image, before)
    expected = slow_filter(image, cutoff, gamma_low, gamma_high)
    full = FULL.get(np.dtype(dtype).name, 1)
    rounding = 0.5 if full > 1 else 0
    if full == 255 and channels >= 3:  # luminance may be rounded the other way
        rounding = 1.5
    assert np.abs(filtered - expected).max() <= rounding + 2e-5 * full


def test_the_transfer_function_cut_off_is_negligible():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((200, 300)).astype(np.float32)
    for cutoff in (1, 5, 40):
        sigma = 300 / (2 * np.pi * cutoff)
        expected = ndimage.gaussian_filter(image, sigma, mode="reflect", truncate=8)
        # The sampled kernel of a narrow Gaussian is another one.
        tolerance = 1e-5 if sigma > 2 else 3e-2
        assert_allclose(low_pass(image, cutoff), expected, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("level", [0, 0.3, 1])
def test_a_flat_image_stays_as_it_is(dtype, channels, level):
    full = FULL.get(np.dtype(dtype).name, 1)
    shape = (33, 47, channels) if channels else (33, 47)
    image = np.full(shape, level * full).astype(dtype)
    filtered = homomorphic_filter(image)
    assert_array_equal(filtered, image)
    assert not np.shares_memory(filtered, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("gamma_high", [1.5, 5])
def test_mean_brightness_is_kept(dtype, channels, gamma_high):
    # At 5, many pixels of an integer image are cut off.
    image = scene((120, 160), channels, dtype, dark=0.6, bright=1.0)
    if channels:
        image[...] = image.mean(axis=2, keepdims=True)
    filtered = homomorphic_filter(image, gamma_low=0.9, gamma_high=gamma_high)
    assert_allclose(luminance(filtered).mean(), luminance(image).mean(), rtol=2e-3)
    if gamma_high == 5 and image.dtype.kind == "u":
        assert 0.05 < (filtered == np.iinfo(dtype).max).mean() < 0.4
    assert (np.ptp(filtered, axis=(0, 1)) > 0).all()


def test_borders_do_not_wrap_around():
    image = scene((60, 80), dtype=np.float32)
    other = image.copy()
    other[:, -4:] = 1.0  # a bright right border
    ratio = homomorphic_filter(other, cutoff=8) / homomorphic_filter(image, cutoff=8)
    # The scale that keeps the mean is common to all pixels; otherwise nothing changes.
    assert_allclose(ratio[:, :20], ratio[:, :20].mean(), rtol=1e-4)


def test_illumination_is_evened_out():
    light = np.linspace(0.2, 0.8, 400)
    for image in (np.tile(light, (300, 1)), light[None], np.tile(light, (300, 1)).T):
        filtered = homomorphic_filter(image, gamma_low=0, gamma_high=1)
        spread = filtered.max() / filtered.min()
        assert spread < 1.35 < image.max() / image.min()


def test_cutoff_is_the_same_at_every_resolution():
    small = scene((30, 40), dtype=np.float32)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    filtered = homomorphic_filter(large, cutoff=2)[2::4, 2::4]
    assert_allclose(filtered, homomorphic_filter(small, cutoff=2), rtol=0.02)


def test_hue_is_kept_and_alpha_left_alone():
    image = scene(channels=4, dtype=np.float32)
    filtered = homomorphic_filter(image)
    assert_array_equal(filtered[..., 3], image[..., 3])
    shares = image[..., :3] / image[..., :3].sum(axis=2, keepdims=True)
    after = filtered[..., :3] / filtered[..., :3].sum(axis=2, keepdims=True)
    assert_allclose(after, shares, rtol=1e-5)
    image[5:9] = 0
    assert (homomorphic_filter(image)[5:9] == 0).all()


def test_all_dtypes_agree():
    image = scene((50, 70), 3, np.uint8)
    expected = homomorphic_filter(image).astype(np.float64) / 255
    deep = homomorphic_filter(image.astype(np.uint16) * 257) / 65535
    twelve = image.astype(np.uint16) * 16
    twelve = homomorphic_filter(twelve, data_range=4080) / 4080
    unit = homomorphic_filter(image / 255)
    half = homomorphic_filter((image / 255).astype(np.float16))
    assert half.dtype == np.float16
    for result, tolerance in [(deep, 1.1), (twelve, 1.1), (unit, 1.1), (half, 1.5)]:
        assert np.abs(np.minimum(result, 1) - expected).max() <= tolerance / 255


def test_data_range_is_the_clipping_level():
    image = scene((50, 70), dtype=np.float64, bright=1.0)
    image = np.rint(image * 4095).astype(np.uint16)
    filtered = homomorphic_filter(image, gamma_high=3, data_range=4095)
    assert filtered.max() == 4095


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_memory_layout_and_many_threads(dtype):
    image = scene((300, 400), 3, dtype)
    expected = homomorphic_filter(image)
    view = np.asfortranarray(image[::-1, ::-1])[::-1, ::-1]
    assert_array_equal(homomorphic_filter(view), expected)
    image.flags.writeable = False
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(homomorphic_filter, [image] * 8):
            assert_array_equal(result, expected)


def test_impossible_input():
    image = scene(channels=3, dtype=np.float32)
    negative = image.copy()
    negative[3, 4, 1] = -0.25
    with pytest.raises(ValueError, match=r"Negative values in the image: -0\.25"):
        homomorphic_filter(negative)
    for parameters in (
        dict(cutoff=0),
        dict(cutoff=np.nan),
        dict(gamma_low=-1),
        dict(gamma_high=np.inf),
    ):
        with pytest.raises(ValueError, match=next(iter(parameters))):
            homomorphic_filter(image, **parameters)
    with pytest.raises(ValueError, match="has the shape"):
        homomorphic_filter(np.zeros((4, 4, 2), np.uint8))
