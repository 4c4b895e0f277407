"""What light and camera do to an image, as functions of arrays."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.augmentation._ranges import NumberRange, draw
from skuad.preprocessing._pixels import check_pixels, full_scale
from skuad.utils._typing import Array

_JPEG_LONGEST_SIDE = 65500
# OpenCV 5 has look-up tables of 16 bits; 4 has them of 8.
_LUT_DTYPES = (np.uint8, np.uint16) if int(cv2.__version__[0]) >= 5 else (np.uint8,)
# Since 4.11 a file is decoded to RGB, with no swap of the channels afterwards.
_READS_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")


def check_number(
    name: str,
    value: float,
    low: float,
    high: float,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Raise unless a number lies in an interval.

    Raises
    ------
    ValueError
        With the name, the value and the interval.
    """
    above = low < value if low_open else low <= value
    below = value < high if high_open else value <= high
    if not (above and below):
        raise ValueError(
            f"{name} must be in {'(' if low_open else '['}{low:g}, {high:g}"
            f"{')' if high_open else ']'}, got {value!r}"
        )


def jpeg_compress(
    image: ArrayLike, quality: int = 90, *, data_range: int | None = None
) -> Array:
    """Store an image as a JPEG and read it back.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    quality : int, default=90
        From 1 (worst) to 100, as libjpeg counts. Colours are stored at half the
        resolution, the default of nearly every camera.
    data_range : int, default=None
        Largest value of a uint16 image, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        A JPEG has 8 bits: uint16 and float pixels are rounded to 256 levels and cut
        off at 0 and full scale. Alpha is left alone.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or `quality` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import jpeg_compress
    >>> image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> compressed = jpeg_compress(image, quality=50)
    >>> compressed.shape, compressed.dtype, bool((compressed == image).all())
    ((16, 16, 3), dtype('uint8'), False)
    """
    image = check_pixels(image)
    check_number("quality", quality, 1, 100)
    if image.dtype != np.uint8:
        limit = full_scale(image.dtype, data_range)
        levels = np.clip(image / np.float32(limit), 0, 1) * 255
        decoded = jpeg_compress(np.rint(levels).astype(np.uint8), quality)
        restored = decoded.astype(np.float64) * (limit / 255)
        if image.dtype.kind == "u":
            restored = np.rint(restored)
        restored = restored.astype(image.dtype)
        if image.ndim == 3 and image.shape[2] == 4:
            restored[..., 3] = image[..., 3]
        return restored
    if image.ndim == 3 and image.shape[2] == 4:
        colour = np.ascontiguousarray(image[..., :3])
        return np.dstack([jpeg_compress(colour, quality), image[..., 3]])
    if max(image.shape[:2]) > _JPEG_LONGEST_SIDE:
        raise ValueError(
            f"an image of shape {image.shape} cannot be stored as a JPEG: its sides are "
            f"at most {_JPEG_LONGEST_SIDE} pixels long"
        )
    is_colour = image.ndim == 3 and image.shape[2] == 3
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if is_colour else image
    _, file = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    del pixels  # the copy is not needed while the file is decoded
    if not is_colour:
        return _decode(file, cv2.IMREAD_GRAYSCALE).reshape(image.shape)
    if _READS_RGB:
        return _decode(file, cv2.IMREAD_COLOR_RGB)
    return cv2.cvtColor(_decode(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _decode(file: NDArray[np.uint8], flags: int) -> Array:
    return np.asarray(cv2.imdecode(file, flags))


def random_channel_gain(
    image: ArrayLike,
    *,
    red: NumberRange = (0.9, 1.1),
    blue: NumberRange = (0.9, 1.1),
    random_state: int | np.random.Generator = 0,
    data_range: int | None = None,
) -> Array:
    """Tint an image: multiply red and blue by factors relative to green.

    These are the two numbers by which cameras set the white balance. A light of lower
    colour temperature has more red and less blue.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    red, blue : float or (float, float), default=(0.9, 1.1)
        Positive factors, or ranges to draw them from uniformly.
    random_state : int or numpy.random.Generator, default=0
        Draws the factors.
    data_range : int, default=None
        Largest value of a uint16 image; 65535 by default.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded, and cut off at full scale. Alpha is left alone, and a gray
        image is returned as it is, not copied.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or a factor is not positive.

    See Also
    --------
    skuad.preprocessing.apply_channel_gains : Any three factors.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import random_channel_gain
    >>> image = np.full((1, 1, 3), 100, np.uint8)
    >>> random_channel_gain(image, red=1.2, blue=(0.8, 0.8))
    array([[[120, 100,  80]]], dtype=uint8)
    """
    image = check_pixels(image)
    rng = np.random.default_rng(random_state)
    gains = [draw(red, rng), 1.0, draw(blue, rng), 1.0]
    for name, gain in (("red", gains[0]), ("blue", gains[2])):
        check_number(name, gain, 0, np.inf, low_open=True, high_open=True)
    if image.ndim == 2 or image.shape[2] == 1:
        return image
    return _multiply_channels(image, gains[: image.shape[2]], data_range)


def exposure_shift(
    image: ArrayLike, stops: float = 0.5, *, data_range: int | None = None
) -> Array:
    """Expose an image longer or shorter: twice the light for each stop.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float. Pixels are taken to be linear in
        light.
    stops : float, default=0.5
        Logarithm to the base 2 of the change, in [-16, 16].
    data_range : int, default=None
        Largest value of a uint16 image; 65535 by default.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded, and cut off at full scale; floats are not cut off. Alpha is
        left alone.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or `stops` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import exposure_shift
    >>> exposure_shift(np.array([[10, 100, 200]], np.uint8), stops=1)
    array([[ 20, 200, 255]], dtype=uint8)
    """
    image = check_pixels(image)
    check_number("stops", stops, -16, 16)
    channels = 1 if image.ndim == 2 else image.shape[2]
    gains = np.full(channels, 2.0**stops)
    gains[3:] = 1
    return _multiply_channels(image, gains, data_range)


def _multiply_channels(
    image: Array, gains: Sequence[float] | NDArray[np.float64], data_range: int | None
) -> Array:
    """Multiply every channel by a factor; integers are cut off at full scale."""
    # OpenCV has no half precision; it drops a last axis of length one.
    pixels = image.astype(np.float32) if image.dtype == np.float16 else image
    scaled = cv2.transform(pixels, np.diag(np.asarray(gains, np.float64)))
    limit = full_scale(image.dtype, data_range)
    if image.dtype.kind == "u" and limit < np.iinfo(image.dtype).max:
        np.minimum(scaled, limit, out=scaled)
    return scaled.astype(image.dtype, copy=False).reshape(image.shape)


def adjust_gamma(
    image: ArrayLike, gamma: float = 1.2, *, data_range: int | None = None
) -> Array:
    """Raise pixels, as shares of full scale, to a power.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    gamma : float, default=1.2
        The power, in (0, 10]: above 1 the middle tones get darker, below 1 brighter.
    data_range : int, default=None
        Largest value of a uint16 image; 65535 by default. Larger ones stay as they are.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded. Negative floats keep their sign. Alpha is left alone.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or `gamma` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import adjust_gamma
    >>> adjust_gamma(np.array([[0, 51, 255]], np.uint8), gamma=2)
    array([[  0,  10, 255]], dtype=uint8)
    """
    image = check_pixels(image)
    check_number("gamma", gamma, 0, 10, low_open=True)
    if image.ndim == 3 and image.shape[2] == 4:
        colour = adjust_gamma(image[..., :3], gamma, data_range=data_range)
        return np.dstack([colour, image[..., 3]])
    if image.dtype in (np.float32, np.float64) and image.min() >= 0:
        return cv2.pow(image, gamma).reshape(image.shape)
    if image.dtype.kind == "f":
        return np.copysign(np.abs(image) ** image.dtype.type(gamma), image)
    table = _gamma_table(image.dtype, float(gamma), full_scale(image.dtype, data_range))
    if image.dtype in _LUT_DTYPES:
        return cv2.LUT(image, table).reshape(image.shape)
    return np.take(table, image)


@lru_cache(maxsize=8)
def _gamma_table(dtype: np.dtype[Any], gamma: float, limit: float) -> Array:
    levels = np.arange(np.iinfo(dtype).max + 1)
    table = np.rint(limit * (levels / limit) ** gamma)
    return np.where(levels <= limit, table, levels).astype(dtype)
