"""Images, maps and masks at a size for the screen."""

import cv2
import numpy as np

from skuad.utils._typing import Array

# A line scan is one pixel high: as a band it can be seen.
_LEAST_BAND = 24


def fit_to_screen(
    image: Array,
    anomaly_map: Array,
    mask: Array | None,
    *,
    least: int,
    largest: int,
) -> tuple[Array, Array, Array | None]:
    """Bring an image to a size for the screen; no peak of the map is lost.

    Parameters
    ----------
    image : ndarray of uint8 of shape (H, W, 3)
    anomaly_map : ndarray of shape (H, W)
    mask : ndarray of shape (H, W) or None
    least, largest : int
        Longest sides in pixels: smaller images are enlarged, larger ones shrunk.

    Returns
    -------
    image : ndarray of uint8 of shape (h, w, 3)
    anomaly_map : ndarray of float32 of shape (h, w)
    mask : ndarray of uint8 of shape (h, w) or None
    """
    height, width = image.shape[:2]
    anomaly_map = np.asarray(anomaly_map, np.float32)
    if mask is not None:
        mask = (np.asarray(mask) != 0).astype(np.uint8)
    longest = max(height, width)
    scale = min(max(longest, least), largest) / longest
    size = tuple(max(_LEAST_BAND, round(scale * side)) for side in (width, height))
    if size == (width, height):
        return image, anomaly_map, mask
    of_image, of_map = cv2.INTER_LINEAR, cv2.INTER_LINEAR
    if scale < 1:
        of_image, of_map = cv2.INTER_AREA, cv2.INTER_NEAREST
        kernel = np.ones((int(np.ceil(1 / scale)),) * 2, np.uint8)
        anomaly_map = cv2.dilate(anomaly_map, kernel)
        if mask is not None:
            mask = cv2.dilate(mask, kernel)
    image = cv2.resize(image, size, interpolation=of_image)
    anomaly_map = cv2.resize(anomaly_map, size, interpolation=of_map)
    if mask is not None:
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    return image, anomaly_map, mask
