"""White balance as functions of arrays: estimating channel gains, applying them."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.preprocessing._pixels import check_pixels, full_scale
from skuad.utils._typing import Array

# OpenCV 5 has look-up tables of 16 bits; 4 has them of 8.
_LUT_DTYPES = (np.uint8, np.uint16) if int(cv2.__version__[0]) >= 5 else (np.uint8,)


def gray_world_white_balance(
    image: ArrayLike, *, exclude_saturated: bool = False, data_range: int | None = None
) -> Array:
    """Scale the colour channels to a common mean.

    Assumes that the scene is gray on average, so that the means of the channels show
    the colour of the light [1]_. The mean of the channel means is kept. A channel
    without light (mean zero, or below it) is left alone.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    exclude_saturated : bool, default=False
        Whether to leave out pixels that are saturated in any channel when the means
        are taken. A highlight is white whatever the light, so a large one pulls the
        gains towards one, and with them the colours of the whole image. If all pixels
        are saturated, all are taken.
    data_range : int, default=None
        Largest value of a uint16 image, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded, and cut off at full scale. Floats are not cut off. Alpha
        is left alone, and a gray image is returned as it is, not copied.

    Raises
    ------
    ValueError
        If the image has another shape or dtype.

    See Also
    --------
    max_rgb_white_balance : Scales the channels to a common maximum.

    Notes
    -----
    A saturated highlight stays below full scale in the channels whose gain is below
    one, and so takes on a tint; `max_rgb_white_balance` has no such gains.

    References
    ----------
    .. [1] G. Buchsbaum, "A spatial processor model for object colour perception",
       Journal of the Franklin Institute 310(1), 1980.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import gray_world_white_balance
    >>> image = np.full((2, 2, 3), (60, 90, 120), dtype=np.uint8)
    >>> gray_world_white_balance(image)[0, 0]
    array([90, 90, 90], dtype=uint8)
    """
    image = check_pixels(image)
    if is_gray(image):
        return image
    total, n_pixels = channel_sums(
        image, exclude_saturated=exclude_saturated, data_range=data_range
    )
    gains = gray_world_gains(total / n_pixels)
    return apply_channel_gains(image, gains, data_range=data_range)


def max_rgb_white_balance(
    image: ArrayLike, *, percentile: float = 99.5, data_range: int | None = None
) -> Array:
    """Scale the colour channels to a common maximum, or a high percentile.

    Assumes that something in the scene is white, or that highlights mirror the light,
    so that the brightest values of the channels show its colour [1]_. The brightest
    channel is kept, so that no gain is below one and what is saturated stays white. A
    channel without light is left alone.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    percentile : float in (0, 100], default=99.5
        Which percentile counts as the maximum of a channel: the smallest of its values
        that this share of its pixels does not exceed. At 100 a single hot pixel tints
        the image; the default bears half a percent of them, which is none at all in
        images of less than 200 pixels.
    data_range : int, default=None
        Largest value of a uint16 image, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded, and cut off at full scale. Floats are not cut off. Alpha
        is left alone, and a gray image is returned as it is, not copied.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or the percentile is out of range.

    See Also
    --------
    gray_world_white_balance : Scales the channels to a common mean.

    Notes
    -----
    Where the percentile itself is saturated in a channel, its true value is unknown
    and larger, so the gains of the other channels are too small.

    References
    ----------
    .. [1] E. H. Land, "The retinex theory of color vision", Scientific American
       237(6), 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import max_rgb_white_balance
    >>> image = np.full((2, 2, 3), (60, 90, 120), dtype=np.uint8)
    >>> max_rgb_white_balance(image)[0, 0]
    array([120, 120, 120], dtype=uint8)
    """
    image = check_pixels(image)
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be in (0, 100], got {percentile!r}.")
    if is_gray(image):
        return image
    brightest = channel_percentiles(image, percentile)
    gains = max_rgb_gains(brightest)
    return apply_channel_gains(image, gains, data_range=data_range)


def apply_channel_gains(
    image: ArrayLike, gains: ArrayLike, *, data_range: int | None = None
) -> Array:
    """Multiply the colour channels of an image by gains.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    gains : array-like of shape (1,) or (3,)
        Positive factors of the channels, alpha not among them.
    data_range : int, default=None
        Largest value of a uint16 image, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded to the nearest (halves to even), and cut off at full
        scale. Floats are not cut off. Alpha is left alone.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or the gains are not as many as the
        colour channels, positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import apply_channel_gains
    >>> image = np.array([[[100, 100, 200]]], dtype=np.uint8)
    >>> apply_channel_gains(image, [0.5, 1.0, 2.0])
    array([[[ 50, 100, 255]]], dtype=uint8)
    """
    image = check_pixels(image)
    gains = np.asarray(gains, dtype=np.float64)
    channels = 1 if image.ndim == 2 else image.shape[2]
    n_colors = min(channels, 3)
    if gains.shape != (n_colors,) or not (0 < gains).all() or np.isinf(gains).any():
        raise ValueError(
            f"gains must be {n_colors} positive finite number(s), one for each colour "
            f"channel, got {gains.tolist()}."
        )
    if image.dtype.kind == "f":
        factors = np.ones(channels, image.dtype)
        factors[:n_colors] = gains
        # Row by row, as an inner loop of three channels is slow.
        rows = image.reshape(len(image), -1)
        return (rows * np.tile(factors, rows.shape[1] // channels)).reshape(image.shape)
    return _look_up(image, _gain_tables(image.dtype, gains, channels, data_range))


def _gain_tables(
    dtype: np.dtype[Any],
    gains: NDArray[np.float64],
    channels: int,
    data_range: int | None,
) -> Array:
    """Table of shape (levels, channels); alpha maps to itself."""
    levels = np.arange(np.iinfo(dtype).max + 1)
    tables = np.repeat(levels[:, None], channels, axis=1).astype(dtype)
    limit = full_scale(dtype, data_range)
    tables[:, : len(gains)] = np.minimum(np.rint(levels[:, None] * gains), limit)
    return tables


def _look_up(image: Array, tables: Array) -> Array:
    if image.dtype in _LUT_DTYPES:
        out = cv2.LUT(image, tables[None])
        return out.reshape(image.shape)  # OpenCV drops a last axis of length one
    planes = image.reshape(-1, tables.shape[1])
    out = np.empty_like(planes)
    for channel, table in enumerate(tables.T):
        out[:, channel] = np.take(table, planes[:, channel])
    return out.reshape(image.shape)


def is_gray(image: Array) -> bool:
    """Whether an image has no colour to balance."""
    return image.ndim == 2 or image.shape[2] == 1


def gray_world_gains(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains that bring channel means to their mean; 1 for channels without light."""
    return _gains(means, np.mean)


def max_rgb_gains(brightest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains that bring channel maxima to the largest; 1 for channels without light."""
    return _gains(brightest, np.max)


def _gains(
    values: NDArray[np.float64], target: Callable[[NDArray[np.float64]], Any]
) -> NDArray[np.float64]:
    gains = np.ones(len(values))
    lit = values > 0
    if lit.any():
        gains[lit] = target(values[lit]) / values[lit]
    return gains


def channel_sums(
    image: Array, *, exclude_saturated: bool = False, data_range: int | None = None
) -> tuple[NDArray[np.float64], int]:
    """Sum up the colour channels, and count the pixels that were summed.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3) or (H, W, 4)
        Colour image from `check_pixels`.
    exclude_saturated : bool, default=False
        Whether to leave out pixels that are saturated in any colour channel, unless
        all are.
    data_range : int, default=None
        Largest value of a uint16 image.

    Returns
    -------
    sums : ndarray of float64 of shape (3,)
    n_pixels : int
    """
    if image.dtype == np.float16:
        image = image.astype(np.float32)
    mask, n_pixels = None, image.shape[0] * image.shape[1]
    if exclude_saturated:
        mask = _below(image, full_scale(image.dtype, data_range))
        n_below = cv2.countNonZero(mask)
        mask, n_pixels = (mask, n_below) if n_below else (None, n_pixels)
    means = cv2.mean(image, mask)[:3]
    return np.array(means) * n_pixels, n_pixels


def _below(image: Array, limit: float) -> Array:
    """Mask of 0 and 255 of the pixels below a limit in all three colour channels."""
    if image.dtype.kind == "u":
        lowest, below, highest = 0, limit - 1, np.iinfo(image.dtype).max
    else:
        lowest, highest = np.finfo(image.dtype).min, np.finfo(image.dtype).max
        below = np.nextafter(image.dtype.type(limit), -highest)
    # The fourth is alpha.
    return cv2.inRange(
        image, (float(lowest),) * 4, (float(below),) * 3 + (float(highest),)
    )


def channel_percentiles(image: Array, percentile: float) -> NDArray[np.float64]:
    """Percentiles (inverted_cdf) of the channels of a colour image, without alpha."""
    n_pixels = image.shape[0] * image.shape[1]
    # Rounded first: 99.9 / 100 * 1000 is more than 999.
    rank = max(1, int(np.ceil(round(percentile / 100 * n_pixels, 6))))
    found = []
    for channel in range(3):
        if image.dtype.kind == "u":
            levels = np.iinfo(image.dtype).max + 1
            counts = cv2.calcHist([image], [channel], None, [levels], [0, levels])
            cumulated = np.cumsum(counts.ravel(), dtype=np.float64)
            found.append(np.searchsorted(cumulated, rank))
        else:
            found.append(
                np.partition(image[..., channel], rank - 1, axis=None)[rank - 1]
            )
    return np.array(found, dtype=np.float64)
