"""From anomaly maps to decisions: masks and regions of defects."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, TypedDict

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_fill_holes
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skuad.base import (
    MetaMapDetector,
    detect,
    validate_images,
)
from skuad.base._meta_map_detector import HeldOut
from skuad.base._pool import POOL, within
from skuad.io._images import Images
from skuad.utils._param_validation import HasMethods, Interval
from skuad.utils._typing import Array, ImagesLike, IndexArray, MapAndScore


class Region(TypedDict):
    """What `mask_regions` says of a region."""

    area: int
    box: tuple[int, int, int, int]
    peak: float
    peak_at: tuple[int, int]
    mean: float


def clean_mask(
    mask: ArrayLike, *, min_area: int = 0, closing: int = 0, fill_holes: bool = False
) -> NDArray[np.bool_]:
    """Close gaps, fill holes and drop small regions of a mask, in this order.

    Parameters
    ----------
    mask : array-like of bool of shape (H, W)
        Pixels above a threshold.
    min_area : int, default=0
        Regions of fewer pixels are dropped (8-connected).
    closing : int, default=0
        Gaps up to about this many pixels between regions are closed.
    fill_holes : bool, default=False
        Whether holes inside regions are filled.

    Returns
    -------
    mask : ndarray of bool of shape (H, W)
    """
    cleaned = np.asarray(mask, np.bool_)
    if closing:
        # The frame keeps the closing from eating regions at the border.
        frame = [(closing, closing)] * 2
        side = closing + 1 + closing % 2  # odd, so that nothing is shifted
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        padded = np.pad(cleaned, frame).astype(np.uint8)
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disk)
        cleaned = closed[closing:-closing, closing:-closing] > 0
    if fill_holes:
        cleaned = binary_fill_holes(cleaned)
    if min_area > 1:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            cleaned.astype(np.uint8), connectivity=8
        )
        keep = stats[:, cv2.CC_STAT_AREA] >= min_area
        keep[0] = False
        cleaned = keep[labels]
    return cleaned


def mask_regions(anomaly_map: ArrayLike, mask: ArrayLike) -> list[Region]:
    """Describe the 8-connected regions of a mask.

    Parameters
    ----------
    anomaly_map : array-like of shape (H, W)
        High is anomalous.
    mask : array-like of bool of shape (H, W)
        Pixels of defects.

    Returns
    -------
    regions : list of dict
        The highest peak first, with ``area`` in pixels, ``box`` as (y0, x0, y1, x1) with
        exclusive ends, ``peak`` and ``mean`` of the map inside, and ``peak_at`` as (y, x).
    """
    heights = np.asarray(anomaly_map)
    n_labels, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.asarray(mask, np.uint8), connectivity=8
    )
    regions: list[Region] = []
    for label in range(1, n_labels):
        x, y, width, height, area = map(int, stats[label])
        box = np.s_[y : y + height, x : x + width]
        values = np.where(labels[box] == label, heights[box], -np.inf)
        peak_y, peak_x = np.unravel_index(values.argmax(), values.shape)
        regions.append(
            {
                "area": area,
                "box": (y, x, y + height, x + width),
                "peak": float(values.max()),
                "peak_at": (y + int(peak_y), x + int(peak_x)),
                "mean": float(values[labels[box] == label].mean(dtype=np.float64)),
            }
        )
    return sorted(regions, key=lambda region: -region["peak"])


class MapDecision(MetaMapDetector):
    """Post-process a detector's maps, then decide per image and per pixel.

    The threshold is set on the processed maps of held-out images: clones of the
    detector are fitted without them. (A step after the detector in a pipeline would be
    fitted on maps of images that the detector has memorised, which are close to zero.)

    Parameters
    ----------
    detector : estimator
        A detector, or a pipeline that ends in one.
    postprocess : transformer or None, default=None
        From maps to maps, such as `SmoothMaps`. It must not need fitting.
    threshold : float or None, default=None
        Pixels of the processed map above it belong to defects. None is ``-offset_``: with
        ``pool="max"``, an image is flagged exactly if one of its pixels is above.
    min_area : int, default=0
        Regions of fewer pixels are dropped from masks.
    closing : int, default=0
        Gaps up to about this many pixels are closed in masks.
    fill_holes : bool, default=False
        Whether holes of regions are filled in masks.
    pool : "max", "mean" or float in (0, 1), default="max"
        Score of an image: the highest value of its processed map, the mean, or the mean
        of this share of highest values.
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
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.postprocessing import MapDecision, SmoothMaps
    >>> data = make_defect_images(
    ...     n_train=10, n_good=1, n_defective=1, size=64, random_state=0
    ... )
    >>> decision = MapDecision(
    ...     PatchKNN(random_state=0), SmoothMaps(sigma=2), false_alarm_rate=0.1
    ... ).fit(data.train)
    >>> [mask.shape for mask in decision.predict_mask(data.test)]
    [(64, 64), (64, 64)]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MetaMapDetector._parameter_constraints,
        "postprocess": [HasMethods(["transform"]), None],
        "threshold": [Interval(Real, None, None, closed="neither"), None],
        "min_area": [Interval(Integral, 0, None, closed="left")],
        "closing": [Interval(Integral, 0, None, closed="left")],
        "fill_holes": ["boolean"],
        "pool": POOL,
    }

    def __init__(
        self,
        detector: Any,
        postprocess: Any = None,
        *,
        threshold: float | None = None,
        min_area: int = 0,
        closing: int = 0,
        fill_holes: bool = False,
        pool: Literal["max", "mean"] | float = "max",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
    ):
        self.detector = detector
        self.postprocess = postprocess
        self.threshold = threshold
        self.min_area = min_area
        self.closing = closing
        self.fill_holes = fill_holes
        self.pool = pool
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _fit_images(self, images: Images) -> HeldOut | None:
        return self._fit_detector(images)

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        results = detect(self.detector_, images)
        return self._decide(results, images, range(len(images)))

    def _detect_fold(
        self,
        images: Images,
        held_out: HeldOut | None,
        train: IndexArray,
        test: IndexArray,
    ) -> Iterator[MapAndScore]:
        if held_out is None:
            return super()._detect_fold(images, held_out, train, test)
        return self._decide(held_out(train, test), images, np.asarray(test).tolist())

    def _decide(
        self,
        results: Iterable[tuple[Array, float]],
        images: Images,
        numbers: Sequence[int],
    ) -> Iterator[MapAndScore]:
        """Process the maps of these images and score them anew."""
        postprocess = None if self.postprocess is None else clone(self.postprocess)
        for number, (anomaly_map, _) in zip(numbers, results, strict=True):
            if postprocess is not None:
                try:
                    (anomaly_map,) = postprocess.transform([anomaly_map])
                except ValueError as error:
                    # To the step, each map is the first of a list of one.
                    reason = str(error).removeprefix("image 0: ")
                    name = images.describe(number)
                    raise ValueError(f"the map of {name}: {reason}") from error
                anomaly_map = np.asarray(anomaly_map, np.float32)
            yield within(anomaly_map, images.roi(number), self.pool)

    def predict_mask(self, X: ImagesLike) -> Array | list[Array]:
        """Masks of the defects.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        masks : list of ndarray, or ndarray of shape (n, H, W) or (n, n_features)
            bool, at the image's own size; in the container that `transform` gives.
        """
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        return images.wrap_maps([self._mask(a) for a, _ in self._detect(images)])

    def regions(self, X: ImagesLike) -> list[list[Region]]:
        """Regions of the defects of every image.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        regions : list of list of dict
            See `mask_regions`.
        """
        return list(self.iter_regions(X))

    def iter_regions(self, X: ImagesLike) -> Iterator[list[Region]]:
        """Yield the regions of the defects, image by image.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Yields
        ------
        regions : list of dict
            See `mask_regions`.
        """
        for anomaly_map, _ in self.detect(X):
            yield mask_regions(anomaly_map, self._mask(anomaly_map))

    def _mask(self, anomaly_map: Array) -> NDArray[np.bool_]:
        # A float64 scalar, so that the comparison is not rounded to float32 and agrees
        # with that of the scores.
        threshold = np.float64(
            -self.offset_ if self.threshold is None else self.threshold
        )
        if np.isnan(threshold):
            raise ValueError(
                "this MapDecision has no threshold, since it was fitted with "
                "calibration=None: set threshold, or fit it with calibration='auto'"
            )
        return clean_mask(
            anomaly_map > threshold,
            min_area=self.min_area,
            closing=self.closing,
            fill_holes=self.fill_holes,
        )
