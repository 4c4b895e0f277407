"""Small textured images for the batteries of checks."""

import cv2
import numpy as np
from numpy.typing import DTypeLike

from skuad.utils._typing import Array


def make_images(
    n: int,
    *,
    size: tuple[int, int] = (48, 56),
    channels: int = 3,
    dtype: DTypeLike = np.uint8,
    seed: int = 0,
) -> Array:
    """Make textured images of one kind, each a little different.

    Returns
    -------
    images : ndarray of shape (n, H, W) for one channel, or (n, H, W, C)
    """
    rng = np.random.default_rng(seed)
    images: Array = np.empty((n, *size, channels), np.float32)
    for image in images:
        noise = rng.normal(0.5, 0.25, (*size, channels)).astype(np.float32)
        texture = cv2.GaussianBlur(noise, (0, 0), 1.5).reshape(*size, channels)
        image[:] = np.clip(0.5 + (texture - 0.5) * 2 + rng.normal(0, 0.02), 0, 1)
    if np.dtype(dtype).kind == "u":
        images = np.rint(images * np.iinfo(dtype).max)
    images = images.astype(dtype)
    return images[..., 0] if channels == 1 else images
