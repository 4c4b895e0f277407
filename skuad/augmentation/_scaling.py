"""Multiply an image by factors, in blocks of rows that stay in the cache."""

import cv2
import numpy as np

from skuad.preprocessing._pixels import full_scale

#: About this many pixel values are worked on at a time.
BLOCK = 1 << 16

_DEPTHS = {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U}


def blocks(shape):
    """Yield slices of rows of about `BLOCK` values of an array of this shape."""
    step = max(1, BLOCK // int(np.prod(shape[1:])))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def multiply_rows(image, factors, data_range=None):
    """Multiply an image by factors that are made block by block.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        From `check_pixels`.
    factors : callable
        ``factors(rows)`` returns the factors of a slice of rows as a contiguous array
        of float32 of shape (n_rows, W * C).
    data_range : int, default=None
        Largest value of a uint16 image.

    Returns
    -------
    ndarray of the shape and dtype of `image`
        Integers are rounded and cut off at full scale.
    """
    values = image.reshape(len(image), -1)
    out = np.empty_like(values)
    limit = full_scale(image.dtype, data_range)
    for rows in blocks(values.shape):
        if image.dtype.kind == "f":
            np.multiply(values[rows], factors(rows), out=out[rows], casting="same_kind")
            continue
        # Written in place: out[rows] is contiguous and of the right type.
        cv2.multiply(
            values[rows], factors(rows), dst=out[rows], dtype=_DEPTHS[image.dtype]
        )
        if limit < np.iinfo(image.dtype).max:
            np.minimum(out[rows], limit, out=out[rows])
    return out.reshape(image.shape)


def multiply_channels(image, gains, data_range=None):
    """Multiply every channel by a factor; see `multiply_rows`."""
    values = image.reshape(len(image), -1)
    row = np.tile(np.asarray(gains, np.float32), values.shape[1] // len(gains))
    block = np.tile(row, (max(1, BLOCK // len(row)), 1))
    return multiply_rows(
        image, lambda rows: block[: rows.stop - rows.start], data_range
    )
