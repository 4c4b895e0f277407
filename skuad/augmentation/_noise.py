"""Noise of an image sensor, as a function of arrays."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.augmentation._camera import check_number
from skuad.preprocessing._pixels import check_pixels, full_scale
from skuad.utils._typing import Array

# About this many values are worked on at a time, so that they stay in the cache.
_BLOCK = 1 << 16
# Number of normal deviates that are drawn for an image. A larger image takes them again,
# from a random place for each block of pixels: drawing one for each of 36 million values
# takes 20 times as long as copying the image.
_POOL = 1 << 18
# In 8-bit images a deviate is an integer in units of 1 / 32.
_UNIT_BITS = 5


def sensor_noise(
    image: ArrayLike,
    read: float = 0.005,
    shot: float = 0.01,
    *,
    random_state: int | np.random.Generator = 0,
    data_range: int | None = None,
) -> Array:
    r"""Add the noise of an image sensor: that of reading out, and that of photons.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float. Pixels are taken to be linear in
        light.
    read : float in [0, 0.5], default=0.005
        Standard deviation of the noise in the dark, as a share of full scale.
    shot : float in [0, 0.5], default=0.01
        Standard deviation of the photon noise at full scale, as a share of it: one over
        the root of the sensor's full-well capacity in electrons.
    random_state : int or numpy.random.Generator, default=0
        Draws the noise.
    data_range : int, default=None
        Largest value of a uint16 image; 65535 by default.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded, and cut off at 0 and full scale; floats are not cut off.
        Alpha is left alone. If both numbers are 0 the image is returned as it is, not
        copied.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or a number is out of range.

    Notes
    -----
    A pixel at the share :math:`x` of full scale gets normal noise of the variance
    ``read**2 + shot**2 * x``, the Poissonian-Gaussian model of [1]_ in its normal
    approximation. Pixels and channels are independent, as of a sensor without
    demosaicing, in images of up to 262144 values. Larger ones take their noise from that
    many deviates again and again, from a random place for each block of 65536 values.
    In uint8 images with photon noise a deviate has steps of 1 / 32 and ends at 4.

    References
    ----------
    .. [1] A. Foi, M. Trimeche, V. Katkovnik and K. Egiazarian, "Practical
       Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
       Transactions on Image Processing 17(10), 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import sensor_noise
    >>> noisy = sensor_noise(np.full((200, 200), 0.25), read=0.01, shot=0.02)
    >>> round(float(noisy.std()), 3)
    0.014
    """
    image = check_pixels(image)
    check_number("read", read, 0, 0.5)
    check_number("shot", shot, 0, 0.5)
    if read == shot == 0:
        return image
    rng = np.random.default_rng(random_state)
    limit = full_scale(image.dtype, data_range)
    if image.dtype == np.uint8 and shot == 0:
        noisy = _add_equally_to_bytes(image.reshape(-1), read, rng)
    elif image.dtype == np.uint8:
        noisy = _add_to_bytes(image.reshape(-1), read, shot, rng)
    else:
        noisy = _add(image.reshape(-1), read, shot, limit, rng)
    noisy = noisy.reshape(image.shape)
    if image.ndim == 3 and image.shape[2] == 4:
        noisy[..., 3] = image[..., 3]
    return noisy


def _spans(size: int, rng: np.random.Generator) -> Iterator[tuple[slice, slice]]:
    """Yield blocks of values, and the part of the pool that each one takes."""
    starts = range(0, size, _BLOCK)
    if size <= _POOL:
        offsets = starts
    else:
        offsets = rng.integers(0, _POOL - _BLOCK, len(starts)).tolist()
    for start, offset in zip(starts, offsets, strict=True):
        stop = min(start + _BLOCK, size)
        yield slice(start, stop), slice(offset, offset + stop - start)


def _add(
    values: Array, read: float, shot: float, limit: float, rng: np.random.Generator
) -> Array:
    pool = rng.standard_normal(min(values.size, _POOL), np.float32)
    out = np.empty_like(values)
    for span, drawn in _spans(values.size, rng):
        block = values[span].astype(np.float32)
        share = np.maximum(block, 0) * np.float32(shot**2 / limit)
        deviation = np.sqrt(share + np.float32(read**2)) * np.float32(limit)
        noise = deviation * pool[drawn]
        if values.dtype.kind == "u":
            out[span] = np.clip(np.rint(block + noise), 0, limit)
        else:
            out[span] = values[span] + noise.astype(values.dtype)
    return out


def _add_equally_to_bytes(
    values: NDArray[np.uint8], read: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Add noise that is the same in the dark and in the light, in whole gray levels."""
    pool = rng.standard_normal(min(values.size, _POOL), np.float32) * (255 * read)
    levels = np.clip(np.rint(pool), -255, 255).astype(np.int16)
    # Adding and subtracting bytes, cut off at their ends, is faster than adding int16.
    more = np.maximum(levels, 0).astype(np.uint8).reshape(1, -1)
    less = np.maximum(-levels, 0).astype(np.uint8).reshape(1, -1)
    values, out = values.reshape(1, -1), np.empty((1, values.size), np.uint8)
    for span, drawn in _spans(values.size, rng):
        cv2.add(values[:, span], more[:, drawn], dst=out[:, span])
        cv2.subtract(out[:, span], less[:, drawn], dst=out[:, span])
    return out


def _add_to_bytes(
    values: NDArray[np.uint8], read: float, shot: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Add noise in 16-bit integers: deviates by deviations, shifted back to levels."""
    deviations = 255 * np.sqrt(read**2 + shot**2 * np.arange(256) / 255)
    # As fine as fits: 127 units by 255 steps, and the rounding, are below 2**15.
    step_bits = int(np.clip(np.floor(np.log2(255 / deviations.max())), 0, 8))
    table = np.rint(deviations * 2**step_bits).astype(np.int16)
    bits = _UNIT_BITS + step_bits
    pool = rng.standard_normal(min(values.size, _POOL), np.float32)
    pool = np.clip(np.rint(pool * 2**_UNIT_BITS), -127, 127).astype(np.int16)
    noise, out = np.empty(_BLOCK, np.int16), np.empty_like(values)
    for span, drawn in _spans(values.size, rng):
        block, noise_of_block = values[span], noise[: span.stop - span.start]
        deviation = cv2.LUT(block, table).reshape(-1)
        np.multiply(deviation, pool[drawn], out=noise_of_block)
        noise_of_block += np.int16(1 << (bits - 1))
        noise_of_block >>= bits
        cv2.add(
            block.reshape(1, -1),
            noise_of_block.reshape(1, -1),
            dst=out[span].reshape(1, -1),
            dtype=cv2.CV_8U,
        )
    return out
