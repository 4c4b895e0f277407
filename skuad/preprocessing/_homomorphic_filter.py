"""Homomorphic filtering as a function of arrays."""

from functools import lru_cache
from math import ceil

import cv2
import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from skuad.preprocessing._pixels import check_pixels, full_scale
from skuad.utils._typing import Array

# Beyond this many standard deviations the Gaussian is below 1e-6, and left out.
_REACH = 5.3
# Rows are multiplied by the ratio in blocks of about this many pixels, which stay in
# the cache.
_BLOCK_PIXELS = 1 << 16


def homomorphic_filter(
    image: ArrayLike,
    *,
    cutoff: float = 4.0,
    gamma_low: float = 0.5,
    gamma_high: float = 1.5,
    data_range: int | None = None,
) -> Array:
    r"""Even out slow changes of illumination and strengthen the detail.

    The logarithm turns light times reflectance into their sum; the light varies slowly
    over the image, so low frequencies of the logarithm are damped by `gamma_low` and
    high ones multiplied by `gamma_high` [1]_. The mean brightness is kept.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or non-negative float.
    cutoff : float, default=4.0
        Frequency between low and high, in periods along the longer side of the image:
        the standard deviation of the Gaussian. It is the same in pixels down and
        across, and the same part of the scene at every resolution.
    gamma_low : float, default=0.5
        Factor of the lowest frequencies; 1 leaves them as they are, 0 removes them.
    gamma_high : float, default=1.5
        Factor of the highest frequencies; 1 leaves the contrast of details as it is.
    data_range : int, default=None
        Largest value of a uint16 image, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded, and cut off at full scale; the mean luminance is kept
        nevertheless. Floats are not cut off. Alpha is left alone. An image whose
        luminance is flat comes back as it is.

    Raises
    ------
    ValueError
        If the image has negative values, or another shape or dtype, or if a parameter
        is out of range.

    Notes
    -----
    With luminance :math:`y` on a scale to 255, :math:`z = \log(y + 1)` and its
    Gaussian low-pass :math:`G z`, the ratio

    .. math:: r = \exp\left((\gamma_H - 1) z - (\gamma_H - \gamma_L) G z\right)

    is the filter :math:`H = \gamma_L + (\gamma_H - \gamma_L)(1 - G)` of [1]_ in the
    form of a factor. All channels are multiplied by it, which keeps hue and saturation
    and leaves black black. Luminance is that of Rec. 601, in the dtype of the image.

    The image is continued by reflection on all sides (the cosine transform does so by
    itself), so that the left border knows nothing of the right one. Computed in
    float32.

    References
    ----------
    .. [1] R. C. Gonzalez, R. E. Woods, "Digital Image Processing", section 4.9,
       Homomorphic filtering.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import homomorphic_filter
    >>> light = np.linspace(60, 180, 64)
    >>> image = np.tile(light, (64, 1)).astype(np.uint8)
    >>> filtered = homomorphic_filter(image, gamma_high=1.0)
    >>> bool(np.ptp(filtered) < np.ptp(image))
    True
    >>> round(filtered.mean()) == round(image.mean())
    True
    """
    image = check_pixels(image)
    _check_parameters(cutoff, gamma_low, gamma_high)
    luminance = _luminance(image)
    lowest, highest, *_ = cv2.minMaxLoc(luminance)
    if image.dtype.kind == "f" and min(lowest, image.min()) < 0:
        raise ValueError(
            f"Negative values in the image: {float(image.min())}. A homomorphic filter "
            "takes logarithms of light; shift or scale the image."
        )
    if lowest == highest:
        return image.copy()
    limit = full_scale(image.dtype, data_range)
    ratio = _ratio(luminance, limit, cutoff, gamma_low, gamma_high)
    keep_mean(luminance, ratio, limit if image.dtype.kind == "u" else None)
    return _multiply(image, ratio, limit)


def _check_parameters(cutoff: float, gamma_low: float, gamma_high: float) -> None:
    if not 0 < cutoff < np.inf:
        raise ValueError(f"cutoff must be positive and finite, got {cutoff!r}.")
    for name, gamma in (("gamma_low", gamma_low), ("gamma_high", gamma_high)):
        if not 0 <= gamma <= 10:
            raise ValueError(f"{name} must be in [0, 10], got {gamma!r}.")


def _luminance(image: Array) -> Array:
    """Luminance in the dtype of the image, except that float16 and 64 become 32."""
    if image.dtype.kind == "f":
        image = image.astype(np.float32, copy=False)
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2])
    code = cv2.COLOR_RGB2GRAY if image.shape[2] == 3 else cv2.COLOR_RGBA2GRAY
    return cv2.cvtColor(image, code)


def _ratio(
    luminance: Array, limit: float, cutoff: float, gamma_low: float, gamma_high: float
) -> NDArray[np.float32]:
    """Factor of every pixel, float32 of shape (H, W), up to a constant."""
    log = _log(luminance, limit)
    ratio = low_pass(log, cutoff)
    ratio *= gamma_low - gamma_high
    log *= gamma_high - 1
    ratio += log
    return np.asarray(cv2.exp(ratio, dst=ratio), np.float32)


def _log(luminance: Array, limit: float) -> NDArray[np.float32]:
    """Log of luminance on a scale to 255, plus one; zero at the first pixel."""
    unit = 255 / limit
    if luminance.dtype.kind == "u":
        table = np.log1p(np.arange(np.iinfo(luminance.dtype).max + 1) * unit)
        table -= table[luminance[0, 0]]
        table = table.astype(np.float32)
        if luminance.dtype == np.uint8:
            return np.asarray(cv2.LUT(luminance, table), np.float32)
        return np.take(table, luminance)
    log = np.log1p(luminance * np.float32(unit))
    log -= log[0, 0]
    return log


def low_pass(image: NDArray[np.float32], cutoff: float) -> NDArray[np.float32]:
    """Gaussian low-pass of an image that is continued by reflection.

    Parameters
    ----------
    image : ndarray of float32 of shape (H, W)
        Any values.
    cutoff : float
        Standard deviation in the frequency domain, in periods along the longer side.

    Returns
    -------
    ndarray of float32 of shape (H, W)

    Notes
    -----
    The cosine transform (DCT-II) has frequency k / (2 N) at index k. The Gaussian is a
    product over the axes and ends after a few coefficients, so the second axis is
    transformed for these only.
    """
    h, w = image.shape
    deviation = cutoff / max(h, w)
    down, across = _gaussian(h, deviation), _gaussian(w, deviation)
    spectrum = scipy.fft.dct(image, axis=1)[:, : len(across)]
    spectrum = scipy.fft.dct(spectrum, axis=0)[: len(down)]
    spectrum *= down[:, None] * across
    spectrum = scipy.fft.idct(spectrum, n=h, axis=0)
    return scipy.fft.idct(spectrum, n=w, axis=1, overwrite_x=True)


@lru_cache(maxsize=64)
def _gaussian(size: int, deviation: float) -> NDArray[np.float32]:
    """Transfer function along an axis, to where it ends; cached, so read-only."""
    n_coefficients = min(size, ceil(_REACH * deviation * 2 * size) + 1)
    frequency = np.arange(n_coefficients) / (2 * size)
    values = np.exp(-0.5 * (frequency / deviation) ** 2).astype(np.float32)
    values.flags.writeable = False
    return values


def keep_mean(
    luminance: Array, ratio: NDArray[np.float32], limit: float | None
) -> None:
    """Scale the ratio in place so that luminance times ratio keeps its mean.

    What is cut off at the limit (if there is one) is made up for by the rest: the
    scale rises until the mean is right to a thousandth.
    """
    mean = cv2.mean(luminance)[0]
    product = cv2.multiply(luminance, ratio, dtype=cv2.CV_32F)
    scale = mean / cv2.mean(product)[0]
    if limit is not None:
        _, highest, *_ = cv2.minMaxLoc(product)
        for _ in range(20):
            if scale * highest <= limit:
                break
            cut = cv2.threshold(product, limit / scale, 0, cv2.THRESH_TRUNC)[1]
            reached = scale * cv2.mean(cut)[0]
            if reached >= 0.999 * mean:
                break
            scale *= mean / reached
    ratio *= scale


def _multiply(image: Array, ratio: NDArray[np.float32], limit: float) -> Array:
    """Multiply the colour channels by the ratio; round and cut off integers."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    planes = image.reshape(*image.shape[:2], channels)
    out = np.empty_like(planes)
    step = max(1, _BLOCK_PIXELS // image.shape[1])
    for start in range(0, len(planes), step):
        rows = slice(start, start + step)
        for channel in range(channels):
            source = planes[rows, :, channel]
            if channel == 3:
                out[rows, :, 3] = source
            elif image.dtype.kind == "f":
                np.multiply(
                    source, ratio[rows], out=out[rows, :, channel], casting="same_kind"
                )
            else:
                depth = cv2.CV_8U if image.dtype == np.uint8 else cv2.CV_16U
                part = cv2.multiply(
                    np.ascontiguousarray(source), ratio[rows], dtype=depth
                )
                if limit < np.iinfo(image.dtype).max:
                    np.minimum(part, limit, out=part)
                out[rows, :, channel] = part
    return out.reshape(image.shape)
