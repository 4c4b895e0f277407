"""Overlay pictures of a set of images, all with the same colours."""

import os

import cv2
import numpy as np

from skuad.inspection import displayable, panel
from skuad.io import read_image, write_image

# Pictures are for screens: larger images are shrunk to this side.
_LARGEST_SIDE = 1200


class Pictures:
    """Writes a panel for every image.

    Parameters
    ----------
    folder : str
        Where to.
    threshold : float or None
        It fixes the colour scale of all pictures. Without one, the first map does.
    """

    def __init__(self, folder, threshold):
        self.folder = folder
        self.threshold = threshold
        self._scale = None

    def fix_colors(self, anomaly_map):
        """Choose the colour scale of all pictures, unless that is done."""
        if self._scale is None:
            self._scale = color_scale(self.threshold, anomaly_map)

    def write(self, name, detection, *, mask=None, caption="") -> str:
        """Write the picture of a detection and return its path.

        Parameters
        ----------
        name : str
            Path below the folder, without suffix.
        detection : Detection
            That did not fail.
        mask : ndarray of bool of shape (H, W) or None, default=None
            True mask.
        caption : str, default=""
            Said before the score.
        """
        self.fix_colors(detection.anomaly_map)
        vmin, vmax = self._scale
        image, anomaly_map, mask = _for_screen(
            displayable(read_image(detection.path)), detection.anomaly_map, mask
        )
        score = f"score {detection.score:.3g}"
        if self.threshold is not None:
            sign = ">" if detection.score > self.threshold else "<="
            score += f" {sign} threshold {self.threshold:.3g}"
        picture = panel(
            image,
            anomaly_map,
            mask=mask,
            threshold=self.threshold,
            vmin=vmin,
            vmax=vmax,
            caption=f"{caption}, {score}" if caption else score,
        )
        path = os.path.join(self.folder, f"{name}.png")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_image(path, picture)
        return path


def color_scale(threshold, first_map) -> tuple[float, float]:
    """Choose the values of no and of full heat for a set of images.

    Heat begins at half the threshold, above most pixels of good images, and is full
    at 1.3 times: one file gives the same colours in every run. If the threshold is
    not positive, heat begins at the first map's median; without a threshold, the first
    map's highest value takes its place.
    """
    middle = float(first_map.max()) if threshold is None else threshold
    if middle > 0:
        return 0.5 * middle, 1.3 * middle
    low = min(float(np.median(first_map)), middle - 1)
    return low, 1.5 * middle - 0.5 * low


def _for_screen(image, anomaly_map, mask):
    """Shrink what is too large for a screen; no peak of the map is lost."""
    shrink = max(image.shape[:2]) / _LARGEST_SIDE
    if shrink <= 1:
        return image, anomaly_map, mask
    height, width = (max(1, round(side / shrink)) for side in image.shape[:2])
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    kernel = np.ones((int(np.ceil(shrink)),) * 2, np.uint8)
    anomaly_map = _subsample(cv2.dilate(anomaly_map, kernel), height, width)
    if mask is not None:
        mask = _subsample(cv2.dilate(mask.astype(np.uint8), kernel), height, width)
    return image, anomaly_map, mask


def _subsample(values, height, width):
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)
