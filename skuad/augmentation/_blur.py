"""Blur by defocus and by motion, as functions of arrays."""

from functools import lru_cache

import cv2
import numpy as np

from skuad.augmentation._camera import check_number
from skuad.preprocessing._pixels import check_pixels

# Points along each side of a pixel by which a disk's share of the pixel is counted.
_SUBPIXELS = 32


def defocus_blur(image: np.ndarray, radius: float = 1.5) -> np.ndarray:
    """Blur an image as a lens does that is out of focus.

    Every point becomes a disk, the circle of confusion of geometrical optics.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    radius : float in [0, 100], default=1.5
        Radius of the disk in pixels. Up to 0.5 the disk lies within its pixel, and the
        image is returned as it is, not copied.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded. The image is continued by reflection at its borders.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or `radius` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import defocus_blur
    >>> point = np.zeros((5, 5), np.uint8)
    >>> point[2, 2] = 100
    >>> defocus_blur(point, radius=1.0)
    array([[ 0,  0,  0,  0,  0],
           [ 0,  3, 15,  3,  0],
           [ 0, 15, 32, 15,  0],
           [ 0,  3, 15,  3,  0],
           [ 0,  0,  0,  0,  0]], dtype=uint8)
    """
    image = check_pixels(image)
    check_number("radius", radius, 0, 100)
    if radius <= 0.5:
        return image
    return _filtered(image, _disk(float(radius)))


def motion_blur(
    image: np.ndarray, length: float = 5.0, angle: float = 0.0
) -> np.ndarray:
    """Blur an image of something that moves at constant speed during the exposure.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    length : float in [0, 200], default=5.0
        The way that a point travels, in pixels. At 0 the image is returned as it is,
        not copied.
    angle : float, default=0.0
        Direction in degrees, counter-clockwise from the rows: 0 is along a conveyor
        that runs across the image, 90 upward or downward.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded. The image is continued by reflection at its borders.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import motion_blur
    >>> point = np.zeros((1, 7), np.uint8)
    >>> point[0, 3] = 100
    >>> motion_blur(point, length=4)
    array([[ 0, 12, 25, 25, 25, 12,  0]], dtype=uint8)
    """
    image = check_pixels(image)
    check_number("length", length, 0, 200)
    check_number("angle", angle, -360, 360)
    if length == 0:
        return image
    return _filtered(image, _line(float(length), float(angle)))


def _filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    # OpenCV has no half precision, and filters 16-bit integers at half the speed of
    # float32. It drops a last axis of length one.
    narrow = image.dtype in (np.float16, np.uint16)
    pixels = image.astype(np.float32) if narrow else image
    blurred = cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    if image.dtype == np.uint16:
        np.rint(blurred, out=blurred)
    blurred = blurred.astype(image.dtype, copy=False).reshape(image.shape)
    if image.ndim == 3 and image.shape[2] == 4:
        blurred[..., 3] = image[..., 3]
    return blurred


@lru_cache(maxsize=32)
def _disk(radius: float) -> np.ndarray:
    """Share of a disk's area in each pixel, float32 with an odd side."""
    half = int(np.ceil(radius - 0.5))
    fine = (np.arange((2 * half + 1) * _SUBPIXELS) + 0.5) / _SUBPIXELS - half - 0.5
    inside = fine[:, None] ** 2 + fine**2 <= radius**2
    side = 2 * half + 1
    kernel = inside.reshape(side, _SUBPIXELS, side, _SUBPIXELS).mean((1, 3))
    return (kernel / kernel.sum()).astype(np.float32)


@lru_cache(maxsize=32)
def _line(length: float, angle: float) -> np.ndarray:
    """Weights of the pixels along a line through the middle, float32, odd sides."""
    n_points = 64 * int(np.ceil(length))
    along = ((np.arange(n_points) + 0.5) / n_points - 0.5) * length
    direction = np.deg2rad(angle)
    x, y = along * np.cos(direction), -along * np.sin(direction)
    half_x, half_y = (int(np.ceil(np.abs(v).max() - 1e-9)) for v in (x, y))
    kernel = np.zeros((2 * half_y + 1, 2 * half_x + 1))
    # Each point of the line is shared among the four pixels round it.
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dx - (x - x0)) * np.abs(1 - dy - (y - y0))
            row = np.clip(y0 + dy + half_y, 0, 2 * half_y)
            column = np.clip(x0 + dx + half_x, 0, 2 * half_x)
            np.add.at(kernel, (row, column), weight)
    kernel[kernel < 1e-6 * kernel.max()] = 0
    return (kernel / kernel.sum()).astype(np.float32)
