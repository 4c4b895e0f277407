"""Pixel values to the unit range: one rule for every part that computes on images."""

import numpy as np

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def unit_float(image: np.ndarray, *, data_range: float | None = None) -> np.ndarray:
    """Convert pixels to float32, where full scale is 1.

    Parameters
    ----------
    image : ndarray of uint8, uint16, float16, float32 or float64
        Pixels, in any shape and byte order.
    data_range : float, default=None
        The value of a uint16 image that stands for full scale, such as 4095 for a
        12-bit camera; 65535 by default. Other dtypes do not depend on it.

    Returns
    -------
    scaled : ndarray of float32, same shape
        uint8 divided by 255, uint16 by `data_range`, floats as they are. float64
        values outside the range of float32 saturate. A native float32 image is
        returned itself, not a copy.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.
    ValueError
        If `data_range` is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.io._scale import unit_float
    >>> unit_float(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    >>> unit_float(np.array([0, 4095], np.uint16), data_range=4095)
    array([0., 1.], dtype=float32)
    """
    image = np.asarray(image)
    if data_range is not None and not 0 < data_range < np.inf:
        raise ValueError(f"data_range must be positive and finite, got {data_range!r}.")
    kind = image.dtype.kind, image.dtype.itemsize
    if kind == ("u", 1):
        return image.astype(np.float32) / np.float32(255)
    if kind == ("u", 2):
        full_scale = 65535 if data_range is None else data_range
        return image.astype(np.float32) / np.float32(full_scale)
    if kind == ("f", 8):
        # A bare cast would turn 1e300 into inf, with a warning.
        return np.clip(image, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)
    if kind in {("f", 2), ("f", 4)}:
        return image.astype(np.float32, copy=False)
    raise TypeError(f"Pixels must be uint8, uint16 or float, got {image.dtype}.")
