"""Blur: against direct convolution with kernels made another way."""

import numpy as np
import pytest
from scipy.ndimage import correlate

from skuad.augmentation import defocus_blur, motion_blur
from skuad.augmentation._blur import _disk, _line


def texture(shape, dtype=np.uint8):
    image = np.random.default_rng(0).random(shape)
    scale = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    return (image * scale).astype(dtype)


@pytest.mark.parametrize("radius", [0.75, 1.0, 1.5, 3.2, 8.0])
def test_a_point_becomes_a_disk(radius):
    half = int(np.ceil(radius)) + 2
    point = np.zeros((2 * half + 1,) * 2)
    point[half, half] = 1
    blurred = defocus_blur(point, radius)
    np.testing.assert_allclose(blurred.sum(), 1, atol=1e-6)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    far = np.hypot(y, x)
    inside = blurred[far <= radius - 0.75]
    np.testing.assert_allclose(inside, 1 / (np.pi * radius**2), rtol=0.02)
    assert np.abs(blurred[far > radius + 0.75]).max() < 1e-9
    # The mean squared distance of a disk is half its squared radius; pixels add 1 / 6.
    spread = (blurred * far**2).sum()
    np.testing.assert_allclose(spread, radius**2 / 2, atol=0.3)


@pytest.mark.parametrize("length", [0.5, 1.0, 3.0, 4.7, 12.0])
@pytest.mark.parametrize("angle", [0, 30, 45, 90, -60, 180])
def test_a_point_becomes_a_line(length, angle):
    half = int(np.ceil(length)) + 2
    point = np.zeros((2 * half + 1,) * 2)
    point[half, half] = 1
    blurred = motion_blur(point, length, angle)
    np.testing.assert_allclose(blurred.sum(), 1, atol=1e-6)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along = x * np.cos(np.deg2rad(angle)) - y * np.sin(np.deg2rad(angle))
    across = y * np.cos(np.deg2rad(angle)) + x * np.sin(np.deg2rad(angle))
    assert np.abs(across[blurred > 1e-9]).max() < 1.42
    np.testing.assert_allclose((blurred * along).sum(), 0, atol=1e-6)
    # A line's variance is its squared length by 12; sharing among pixels adds below 1/3.
    assert 0 <= (blurred * along**2).sum() - length**2 / 12 < 0.34


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("shape", [(30, 40, 3), (30, 40), (30, 40, 1), (1, 50), (3, 2)])
def test_blur_is_correlation_with_reflection(dtype, shape):
    image = texture(shape, dtype)
    step = 0.51 if image.dtype.kind == "u" else 2e-3
    kernel = _disk(2.5).astype(float)
    planes = image.reshape(*shape[:2], -1).astype(float)
    expected = np.stack(
        [correlate(p, kernel, mode="mirror") for p in np.moveaxis(planes, 2, 0)], -1
    ).reshape(shape)
    blurred = defocus_blur(image, 2.5)
    assert blurred.shape == shape and blurred.dtype == dtype
    # OpenCV sums 16-bit pixels in float32.
    np.testing.assert_allclose(blurred, expected, atol=step, rtol=1e-6)
    moved = motion_blur(image, 4, 20)
    assert moved.shape == shape and moved.dtype == dtype


def test_alpha_is_left_alone():
    image = texture((20, 20, 4))
    for blurred in (defocus_blur(image, 2), motion_blur(image, 5)):
        np.testing.assert_array_equal(blurred[..., 3], image[..., 3])
        assert (blurred[..., :3] != image[..., :3]).mean() > 0.9


def test_nothing_to_blur():
    image = texture((9, 9))
    assert defocus_blur(image, 0.5) is image
    assert motion_blur(image, 0) is image


def test_kernels_are_small():
    assert _disk(1.5).shape == (3, 3)
    assert _line(4.0, 0.0).shape == (1, 5)
    assert _line(4.0, 90.0).shape == (5, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: defocus_blur(i, -1), r"radius must be in \[0, 100\], got -1"),
        (lambda i: defocus_blur(i, 101), "radius"),
        (lambda i: motion_blur(i, 201), "length"),
        (lambda i: motion_blur(i, 5, np.inf), "angle"),
        (lambda i: motion_blur(i.astype(bool)), "got bool"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(texture((9, 9)))
