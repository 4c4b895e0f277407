"""What the pixel functions of this package accept, and where their scale ends."""

import numpy as np
import numpy.typing as npt


def check_pixels(image: npt.ArrayLike) -> np.ndarray:
    """Return an image as a contiguous array in the machine's byte order.

    Raises
    ------
    ValueError
        If its shape is not (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), it is empty, or
        its dtype is not uint8, uint16 or float.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or (*image.shape, 1)[2] not in (1, 3, 4):
        raise ValueError(
            "An image has the shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got "
            f"{image.shape}."
        )
    if image.size == 0:
        raise ValueError(f"The image is empty: its shape is {image.shape}.")
    if not image.dtype.isnative:
        image = image.astype(image.dtype.newbyteorder("="))
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
        raise ValueError(
            f"Pixels must be uint8, uint16 or float, got {image.dtype}: convert the "
            "image."
        )
    return np.ascontiguousarray(image)


def full_scale(dtype: npt.DTypeLike, data_range: float | None = None) -> float:
    """Return the value at which pixels of this dtype saturate.

    255 for uint8, `data_range` (65535 by default) for uint16, and 1 for floats.
    """
    if dtype == np.uint8:
        return 255
    if dtype != np.uint16:
        return 1.0
    if data_range is None:
        return 65535
    if not 0 < data_range <= 65535:
        raise ValueError(f"data_range must be in (0, 65535], got {data_range!r}.")
    return int(data_range)
