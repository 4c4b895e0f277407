"""Vignetting, as a function of arrays."""

from collections.abc import Iterator

import cv2
import numpy as np

from skuad.augmentation._camera import check_number
from skuad.preprocessing._pixels import check_pixels

# About this many factors are made at a time, so that they stay in the cache.
_BLOCK = 1 << 17
_DEPTHS = {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U}


def vignette(image: np.ndarray, strength: float = 0.3) -> np.ndarray:
    r"""Darken an image towards its corners, as a lens does.

    Parameters
    ----------
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; uint8, uint16 or float.
    strength : float in [0, 1), default=0.3
        Share of the light that is missing in the corners; 0 changes nothing.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Alpha is left alone. With strength 0 the image is returned as it is, not copied.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, or `strength` is out of range.

    Notes
    -----
    The light falls off with the fourth power of the cosine of the angle to the optical
    axis [1]_, which goes through the middle of the image: at the distance :math:`r`
    from it, 1 in the corners, the factor is :math:`(1 + k r^2)^{-2}`, with the
    :math:`k` that gives ``1 - strength`` at 1. The pixels' centres count, and those of
    the corner pixels are the corners.

    In large uint8 images some neighbouring rows share their factors, as far as that
    changes no pixel by more than a quarter of a gray level before rounding.

    References
    ----------
    .. [1] R. Kingslake and R. B. Johnson, "Lens Design Fundamentals", 2nd edition,
       Academic Press, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import vignette
    >>> vignette(np.full((3, 3), 200, np.uint8), strength=0.3)
    array([[140, 166, 140],
           [166, 200, 166],
           [140, 166, 140]], dtype=uint8)
    """
    image = check_pixels(image)
    check_number("strength", strength, 0, 1, high_open=True)
    if strength == 0:
        return image
    k = (1 - strength) ** -0.5 - 1
    values = image.reshape(len(image), -1)
    out = np.empty_like(values)
    for rows, factors in _factors(image, k):
        if image.dtype.kind == "f":
            np.multiply(values[rows], factors, out=out[rows], casting="same_kind")
        else:
            depth = _DEPTHS[image.dtype]
            # In place: these rows of `out` are contiguous.
            cv2.multiply(values[rows], factors, dst=out[rows], dtype=depth)
    return out.reshape(image.shape)


def _factors(image: np.ndarray, k: float) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of rows and their factors, float32 of shape (n_rows, W * C)."""
    height, width = image.shape[:2]
    channels = image.size // (height * width)
    # Squared distances to the middle, where half the diagonal is 1. Adding 1 to those
    # across saves a pass over the block.
    diagonal = max((height - 1) ** 2 + (width - 1) ** 2, 1)
    across = 1 + k * (2 * np.arange(width) - (width - 1)) ** 2 / diagonal
    across = np.repeat(across, channels).astype(np.float32)
    # The derivative of the factor by the row is at most this, at the upper edge.
    steepest = 8 * k * (height - 1) / diagonal
    shared = 1
    if image.dtype == np.uint8:
        most = max(1, _BLOCK // len(across))
        shared = int(np.clip(0.5 / 255 / max(steepest, 1e-12), 1, most))
    step = max(1, _BLOCK // len(across) // shared) * shared
    half = (height + 1) // 2
    for start in range(0, half, step):
        stop = min(start + step, half)
        # The middle of rows that share their factors stands for them.
        y = np.arange(start, stop, shared) + (shared - 1) / 2
        down = k * (2 * y - (height - 1)) ** 2 / diagonal
        block = down[:, None].astype(np.float32) + across
        np.multiply(block, block, out=block)
        np.divide(1, block, out=block)
        if channels == 4:
            block[:, 3::4] = 1
        if shared > 1:
            block = np.repeat(block, shared, axis=0)[: stop - start]
        yield slice(start, stop), block
        # The lower half mirrors the upper one.
        if len(y) > 1:
            block = np.ascontiguousarray(block[::-1])
        yield slice(height - stop, height - start), block
