"""A detector that looks at a part of the image only."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.base import MetaMapDetector, detect, mask_outside
from skuad.base._meta_map_detector import HeldOut
from skuad.io import ImageSequence, read_mask
from skuad.io._images import Images
from skuad.utils._typing import Array, MapAndScore, StrPath


def region_mask(
    roi: ArrayLike | StrPath, image_shape: Sequence[int]
) -> NDArray[np.bool_]:
    """Turn a region of interest into a mask of an image's size.

    Parameters
    ----------
    roi : array-like of shape (H, W), array-like of shape (n, 2), or path-like
        A mask, non-zero inside; a polygon of n >= 3 points (x, y) in pixels; or the file
        of a mask.
    image_shape : tuple of (H, W)
        Size of the image.

    Returns
    -------
    mask : ndarray of bool of shape (H, W)

    Raises
    ------
    ValueError
        If the mask has another size, or no pixel of the image lies inside.
    """
    region = read_mask(roi) if isinstance(roi, str | os.PathLike) else np.asarray(roi)
    if region.ndim != 2:
        raise ValueError(
            f"roi is a mask (H, W) or a polygon (n, 2), but its shape is {region.shape}"
        )
    if region.shape[1] == 2 and region.shape != tuple(image_shape):
        if len(region) < 3:
            raise ValueError(
                f"a polygon has 3 points or more, but roi has {len(region)}"
            )
        mask: Array = np.zeros(image_shape, np.uint8)
        cv2.fillPoly(mask, [np.round(region).astype(np.int32)], 1)
    elif region.shape == tuple(image_shape):
        mask = region
    else:
        raise ValueError(
            f"the region of interest is {region.shape[0]} x {region.shape[1]} pixels, "
            f"but the image {image_shape[0]} x {image_shape[1]}: give a mask of the "
            "image's size"
        )
    inside = np.ascontiguousarray(mask != 0)
    if not inside.any():
        raise ValueError("no pixel of the image lies inside the region of interest")
    return inside


class RegionOfInterest(MetaMapDetector):
    """Look at a part of the image only.

    Fixtures, conveyors and the rim of the picture are the main source of false alarms
    on a line. Pixels outside the region are not learnt from, their map is zero, and
    they take no part in the score or in the threshold; tiles wholly outside are not
    run. A patch counts if at least half of it lies inside.

    Parameters
    ----------
    detector : estimator
        A detector, or a pipeline that ends in one. One that is not of this library
        learns from whole images; its map is cut to the region and its highest value
        inside is the score.
    roi : array-like of shape (H, W), array-like of shape (n, 2), or path-like, default=None
        A mask, non-zero inside; a polygon of n >= 3 points (x, y) in pixels; or the file
        of a mask. It holds for every image, and all have its size. None is the whole
        image.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged. The threshold is that quantile of
        the held-out scores of the training images.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : "auto", int, splitter or None, default="auto"
        How images are held out: a number of folds or a splitter; ``"auto"`` is 20
        folds, or 10 of more than 200 images. None sets no threshold.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    roi_ : ndarray of bool of shape (H, W) or None
        The region as a mask.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN, RegionOfInterest
    >>> data = make_defect_images(
    ...     n_train=10, n_good=1, n_defective=1, size=64, random_state=0
    ... )
    >>> corner = [(0, 0), (31, 0), (31, 31), (0, 31)]
    >>> detector = RegionOfInterest(
    ...     PatchKNN(random_state=0), roi=corner, false_alarm_rate=0.1
    ... )
    >>> maps = detector.fit(data.train).transform(data.test)
    >>> float(maps[:, 32:].max()), bool((maps[:, :32, :32] > 0).any())
    (0.0, True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MetaMapDetector._parameter_constraints,
        "roi": ["array-like", str, os.PathLike, None],
    }

    def __init__(
        self,
        detector: Any,
        roi: ArrayLike | StrPath | None = None,
        *,
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
    ):
        self.detector = detector
        self.roi = roi
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _fit_images(self, images: Images) -> HeldOut | None:
        self.roi_: NDArray[np.bool_] | None = None
        if self.roi is not None:
            if images.is_rows:
                raise ValueError("line scans have no region of interest: set roi=None")
            self.roi_ = region_mask(self.roi, images[0].shape[:2])
        return self._fit_detector(self._inside(images))

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        for anomaly_map, score in detect(self.detector_, self._inside(images)):
            if self.roi_ is not None:
                anomaly_map = mask_outside(anomaly_map, self.roi_)
            yield anomaly_map, score

    def _inside(self, images: Images) -> ImageSequence | Images:
        """Give the images with their region, or as they are without one."""
        if self.roi_ is None:
            return images
        return images.as_sequence().with_roi(self.roi_).then(_OfShape(self.roi_.shape))


class _OfShape:
    """A picklable step that refuses images of another size."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def __call__(self, image: Array) -> Array:
        if np.shape(image)[:2] != self.shape:
            raise ValueError(
                f"the image is {np.shape(image)[0]} x {np.shape(image)[1]} pixels, but "
                f"the region of interest {self.shape[0]} x {self.shape[1]}"
            )
        return image
