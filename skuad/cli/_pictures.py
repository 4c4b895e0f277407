"""Overlay pictures of a set of images, all with the same colours."""

import os

import numpy as np

from skuad.cli._stream import Detection
from skuad.inspection import displayable, panel
from skuad.inspection._screen import fit_to_screen
from skuad.io import write_image
from skuad.utils._typing import Array

# Sides of pictures: they are for screens.
_LEAST_SIDE, _LARGEST_SIDE = 256, 1200


class Pictures:
    """Writes a panel for every image.

    Parameters
    ----------
    folder : str
        Where to.
    threshold : float or None
        Of images, for the caption.
    pixel_threshold : float or None, default=None
        Pixels above it are outlined, and it fixes the colour scale of all pictures;
        None is that of images. Without either, the first map fixes the colours.
    """

    def __init__(
        self,
        folder: str,
        threshold: float | None,
        *,
        pixel_threshold: float | None = None,
    ) -> None:
        self.folder = folder
        self.threshold = threshold
        self.outlined = threshold if pixel_threshold is None else pixel_threshold
        self._scale: tuple[float, float] | None = None

    def fix_colors(self, anomaly_map: Array) -> tuple[float, float]:
        """Choose the colour scale of all pictures, unless that is done."""
        if self._scale is None:
            self._scale = color_scale(self.outlined, anomaly_map)
        return self._scale

    def write(
        self,
        name: str,
        detection: Detection,
        image: Array,
        *,
        mask: Array | None = None,
        caption: str = "",
    ) -> str:
        """Write the picture of a detection and return its path.

        Parameters
        ----------
        name : str
            Path below the folder, without suffix.
        detection : Detection
            That did not fail.
        image : ndarray of shape (H, W) or (H, W, C)
            As it was read.
        mask : ndarray of bool of shape (H, W) or None, default=None
            True mask.
        caption : str, default=""
            Said before the score.
        """
        assert detection.anomaly_map is not None and detection.score is not None
        vmin, vmax = self.fix_colors(detection.anomaly_map)
        image, anomaly_map, mask = fit_to_screen(
            displayable(image),
            detection.anomaly_map,
            mask,
            least=_LEAST_SIDE,
            largest=_LARGEST_SIDE,
        )
        score = f"score {detection.score:.3g}"
        if self.threshold is not None:
            sign = ">" if detection.score > self.threshold else "<="
            score += f" {sign} threshold {self.threshold:.3g}"
        picture = panel(
            image,
            anomaly_map,
            mask=mask,
            threshold=self.outlined,
            vmin=vmin,
            vmax=vmax,
            caption=f"{caption}, {score}" if caption else score,
        )
        path = os.path.join(self.folder, f"{name}.png")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_image(path, picture)
        return path


def color_scale(threshold: float | None, first_map: Array) -> tuple[float, float]:
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
