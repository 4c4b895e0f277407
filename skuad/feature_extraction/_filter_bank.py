"""Colour and structure of small windows: patch features that need no weights."""

from collections.abc import Iterator
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.feature_extraction._grid import cell_weights, grid_shape
from skuad.io._scale import unit_float
from skuad.utils._typing import Array

_Float: TypeAlias = NDArray[np.float32]

# Differences are taken at these scales: sigma of a Gaussian, in pixels.
_SCALES = (0.5, 1.0, 2.0)
# Standard deviation of the window that statistics are taken over, in pixels, whatever
# the stride. One window beat two, and this width beat others (see the quality script
# among the benchmarks, which also says on what data).
_WINDOW = 6.0
# Amplitudes below half a gray level of 8 bits are noise: the floor inside logarithms.
_FLOOR = 0.5 / 255
# Floats are unbounded, but the square of what the filters make of them must be finite.
_LIMIT = 1e6
# An image is worked on in strips of about so many pixels, which bounds the temporaries.
_STRIP_PIXELS = 2**18
# OpenCV's filters take at most 128 channels at a time.
_MAX_CHANNELS = 128


def filter_bank(
    image: ArrayLike, *, stride: int = 8, data_range: float | None = None
) -> NDArray[np.float32]:
    """Describe every patch of an image by its colour and its structure.

    Colour is the mean and the local standard deviation of each channel; red, green and
    blue first become luminance (their mean), red minus green, and yellow minus blue.
    Structure is the structure tensor [1]_ [2]_ and the Laplacian of the luminance at
    three scales. All statistics are taken over a window of 6 pixels' standard
    deviation around the centre of the patch.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, n_channels)
        uint8, uint16 or finite floats. The fourth of four channels is alpha and is
        ignored. Images of other than one or three channels have no opponent colours:
        each channel's mean and deviation count, and structure is that of their mean.
    stride : int, default=8
        Size of a patch, in pixels. It sets how densely the windows lie, not their size.
    data_range : float, default=None
        The value of a uint16 image that stands for full scale; 65535 by default.

    Returns
    -------
    features : ndarray of float32, shape (h, w, 2 * c + 18)
        `grid_shape` patches that tile the image, where c is the number of channels
        without alpha: 24 features of a colour image, 20 of a gray one. In order:

        - c means, in the unit range (see Notes);
        - c logarithms of local standard deviations;
        - for each scale of 0.5, 1 and 2 pixels: the logarithm of the root mean square
          of the gradient; its coherence times cosine and times sine of twice the
          dominant angle, from -1 to 1; the logarithm of the root mean square of the
          Laplacian; and how evenly gradient and Laplacian are spread over the window
          (logarithm of mean absolute value over root mean square).

    Raises
    ------
    TypeError
        If the dtype is not supported.
    ValueError
        If the image is neither 2-D nor 3-D, or is empty.

    See Also
    --------
    FilterBankEmbedder : The same as a transformer of many images.

    Notes
    -----
    The features are a pure function of the pixels: nothing is learned. uint8 is scaled
    by 255, uint16 by `data_range`, floats by 1; floats beyond 1e6 are taken as 1e6.
    Borders are mirrored. A gain multiplies the means and adds its logarithm to the
    logarithmic amplitudes, as long as these are far above the floor of half a gray
    level of 8 bits; an offset changes nothing but the means.

    The features are no substitute for those of a trained network: they are a start
    where there are no weights.

    References
    ----------
    .. [1] W. Förstner and E. Gülch, "A fast operator for detection and precise location
       of distinct points, corners and centres of circular features", ISPRS
       Intercommission Workshop, Interlaken, 1987, pp. 281-305.
    .. [2] J. Bigün and G. H. Granlund, "Optimal orientation detection of linear
       symmetry", First International Conference on Computer Vision, 1987, pp. 433-438.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.feature_extraction import filter_bank
    >>> stripes = np.tile(np.array([0, 0, 255, 255], np.uint8), (32, 16))
    >>> features = filter_bank(stripes)
    >>> features.shape
    (4, 8, 20)
    >>> round(float(features[1, 3, 0]), 2)  # the mean
    0.5
    >>> round(float(features[1, 3, 3]), 2)  # all gradients lie along x
    1.0
    """
    pixels = _as_channels(image)
    shape = grid_shape(pixels.shape, stride)
    moments = _window_means(_cell_means(pixels, shape, data_range), pixels.shape)
    n_colours = pixels.shape[2]
    features = _colour_features(moments[..., : 2 * n_colours])
    features[0] += _offset(pixels, data_range)
    structure = moments[..., 2 * n_colours :]
    for scale in range(len(_SCALES)):
        features += _structure_features(structure[..., 6 * scale : 6 * scale + 6])
    return np.concatenate(features, axis=2, dtype=np.float32)


def _as_channels(image: ArrayLike) -> Array:
    """Return the image as (height, width, channels), without alpha."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            "image must be (height, width) or (height, width, channels) and not empty, "
            f"got shape {image.shape}."
        )
    if image.ndim == 2:
        return image[..., None]
    return image[..., :3] if image.shape[2] == 4 else image


def _colours(image: Array, data_range: float | None) -> list[_Float]:
    """Return the unit-range planes: luminance and opponent colours, or channels."""
    scaled = unit_float(image, data_range=data_range)
    if image.dtype.kind == "f":
        scaled = np.clip(scaled, -_LIMIT, _LIMIT)
    planes = [np.ascontiguousarray(scaled[..., i]) for i in range(scaled.shape[2])]
    if len(planes) != 3:
        return planes
    red, green, blue = planes
    yellow = (red + green) / 2
    return [(2 * yellow + blue) / 3, red - green, yellow - blue]


def _offset(image: Array, data_range: float | None) -> _Float:
    """Return a typical value of each colour, to subtract before anything is squared.

    The variance is a mean of squares minus a squared mean, which loses its digits
    where the mean is large. Any value in the range will do: a sample of pixels does.
    """
    sample = _colours(image[::16, ::16], data_range)
    return np.array([plane.mean(dtype=np.float64) for plane in sample], np.float32)


def _cell_means(
    image: Array, shape: tuple[int, int], data_range: float | None
) -> _Float:
    """Average every response over every cell: (h, w, 2 * c + 18)."""
    (height, width), (h, w) = image.shape[:2], shape
    offset = _offset(image, data_range)
    # Beyond the largest kernel and the 3 x 3 differences, strips do not meet.
    halo = _radius(max(_SCALES)) + 1
    cells_per_strip = max(1, _STRIP_PIXELS * h // (height * width))
    strips = []
    for first in range(0, h, cells_per_strip):
        last = min(first + cells_per_strip, h)
        top, bottom = first * height // h, -(-last * height // h)
        above = max(0, top - halo)
        strip = image[above : bottom + halo]
        weights = cell_weights(height, h, first, last)
        rows = [
            weights @ response[top - above : bottom - above]
            for response in _responses(strip, offset, data_range)
        ]
        # NumPy copies a transposed array ten times slower.
        columns = cell_weights(width, w) @ cv2.transpose(np.concatenate(rows))
        strips.append(columns.reshape(w, len(rows), last - first).transpose(2, 0, 1))
    return np.concatenate(strips)


def _responses(
    strip: Array, offset: _Float, data_range: float | None
) -> Iterator[Array]:
    """Yield the planes whose means are the features' raw moments."""
    planes = _colours(strip, data_range)
    for plane, value in zip(planes, offset, strict=True):
        plane -= value
        yield plane
        yield plane * plane
    luminance = planes[0]
    if len(planes) not in (1, 3):
        luminance = sum(planes[1:], start=luminance) / np.float32(len(planes))
    border = cv2.BORDER_REFLECT
    for scale in _SCALES:
        smooth = _gaussian(luminance, scale, scale)
        # Multiplied by the scale, differences of a scale-free texture are alike.
        dx = cv2.Sobel(smooth, -1, 1, 0, scale=scale / 8, borderType=border)
        dy = cv2.Sobel(smooth, -1, 0, 1, scale=scale / 8, borderType=border)
        laplacian = cv2.Laplacian(smooth, -1, scale=scale**2, borderType=border)
        yield dx * dx
        yield dy * dy
        yield dx * dy
        yield laplacian * laplacian
        np.abs(dx, out=dx)
        dx += np.abs(dy, out=dy)
        yield dx
        yield np.abs(laplacian, out=laplacian)


def _window_means(cells: _Float, image_shape: tuple[int, ...]) -> _Float:
    """Turn means over cells into means over windows, `_WINDOW` pixels wide."""
    cell = np.divide(image_shape[:2], cells.shape[:2])
    # A cell is itself a window, of variance size ** 2 / 12.
    sigma = np.sqrt(np.maximum(_WINDOW**2 - cell**2 / 12, 0)) / cell
    h, w, n_moments = cells.shape
    parts = [
        _gaussian(np.ascontiguousarray(part), *sigma).reshape(h, w, -1)
        for part in np.split(cells, range(_MAX_CHANNELS, n_moments, _MAX_CHANNELS), 2)
    ]
    return np.concatenate(parts, axis=2)


def _gaussian(values: _Float, sigma_y: float, sigma_x: float) -> _Float:
    # Not cv2.GaussianBlur: its cut-off depends on the dtype and the version.
    across, down = (
        cv2.getGaussianKernel(2 * _radius(sigma) + 1, max(sigma, 1e-3), cv2.CV_32F)
        for sigma in (sigma_x, sigma_y)
    )
    smooth = cv2.sepFilter2D(values, -1, across, down, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth, np.float32)


def _radius(sigma: float) -> int:
    return int(np.ceil(3 * sigma))


def _log_root(square: _Float) -> _Float:
    return np.log(square + _FLOOR**2) / 2


def _colour_features(moments: _Float) -> list[_Float]:
    mean, mean_square = moments[..., 0::2], moments[..., 1::2]
    # Rounding may leave the variance of a constant patch a little below 0.
    variance = np.maximum(mean_square - mean * mean, 0)
    return [mean, _log_root(variance)]


def _structure_features(moments: _Float) -> list[_Float]:
    xx, yy, xy, laplacian_square, gradient, laplacian = np.moveaxis(moments, 2, 0)
    energy = xx + yy + np.float32(_FLOOR**2)
    features = [
        np.log(energy) / 2,
        (xx - yy) / energy,
        2 * xy / energy,
        _log_root(laplacian_square),
        _log_root(gradient * gradient) - np.log(energy) / 2,
        _log_root(laplacian * laplacian) - _log_root(laplacian_square),
    ]
    return [feature[..., None] for feature in features]
