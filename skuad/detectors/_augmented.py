"""Any detector, fitted on augmented copies beside the images themselves."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import clone

from skuad.augmentation._base import augment_alike
from skuad.base import MetaMapDetector, detect
from skuad.base._meta_map_detector import HeldOut
from skuad.io._derived import DerivedImages
from skuad.io._images import Images
from skuad.utils._param_validation import HasMethods, Interval, StrOptions
from skuad.utils._typing import Array, IndexArray, MapAndScore


class Augmented(MetaMapDetector):
    """Fit a detector on images and on augmented copies of them.

    What the detector sees later is not augmented. Copies belong to their image: where
    an image is held out for the threshold, so are its copies.

    Parameters
    ----------
    detector : estimator
        A detector, a pipeline that ends in one, or a foreign estimator whose
        ``transform`` gives maps.
    augmenter : augmenter
        Of `skuad.augmentation`, such as ``make_industrial_camera_augmenter()``, or any
        estimator with ``augment_image(image, mask, copy=) -> (image, mask)``. It must
        not change the size of an image.
    n_copies : int, default=3
        Number of augmented copies of each image; 0 for none.
    calibrate_on : {"originals", "copies"}, default="originals"
        What the threshold holds for: images as they are in the training set, or images
        that have been through the augmenter. Either way each image counts once.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged. The threshold is that quantile of
        the held-out scores of the training images.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : "auto", int, splitter or None, default="auto"
        How whole images are held out: a number of folds or a splitter; ``"auto"`` is 20
        folds, or 10 of more than 200 images. None sets no threshold.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.

    See Also
    --------
    skuad.augmentation.make_industrial_camera_augmenter : What drifts in a camera.
    skuad.model_selection.robustness_curve : Whether it helps.

    Notes
    -----
    Copies are made when they are needed and not kept, so that memory does not grow with
    their number; they are made again for each pass over the images.

    Examples
    --------
    >>> from skuad.augmentation import ExposureShift
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import Augmented, PatchKNN
    >>> data = make_defect_images(
    ...     n_train=10, n_good=2, n_defective=2, size=64, random_state=0
    ... )
    >>> detector = Augmented(
    ...     PatchKNN(random_state=0), ExposureShift(), n_copies=2, false_alarm_rate=0.1
    ... )
    >>> detector.fit(data.train).transform(data.test).shape
    (4, 64, 64)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MetaMapDetector._parameter_constraints,
        "augmenter": [HasMethods(["augment_image"])],
        "n_copies": [Interval(Integral, 0, None, closed="left")],
        "calibrate_on": [StrOptions({"originals", "copies"})],
    }

    def __init__(
        self,
        detector: Any,
        augmenter: Any,
        n_copies: int = 3,
        *,
        calibrate_on: Literal["originals", "copies"] = "originals",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
    ):
        self.detector = detector
        self.augmenter = augmenter
        self.n_copies = n_copies
        self.calibrate_on = calibrate_on
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _fit_images(self, images: Images) -> HeldOut | None:
        if self.calibrate_on == "copies" and self.n_copies == 0:
            raise ValueError(
                "calibrate_on='copies' takes copies, but n_copies is 0: make it 1 or more"
            )
        augmenter = clone(self.augmenter)
        if hasattr(augmenter, "_validate_params"):
            augmenter._validate_params()
        copies = AugmentedCopies(images, augmenter, self.n_copies)
        return self._fit_detector(copies.as_input())

    def _detect_fold(
        self,
        images: Images,
        held_out: HeldOut | None,
        train: IndexArray,
        test: IndexArray,
    ) -> Iterator[MapAndScore]:
        n_each = 1 + self.n_copies
        # The first copy stands for the image as the augmenter changes it.
        scored = np.asarray(test) * n_each + (self.calibrate_on == "copies")
        fitted = np.add.outer(np.asarray(train) * n_each, np.arange(n_each)).ravel()
        if held_out is not None:
            return held_out(fitted, scored)
        copies = AugmentedCopies(images, clone(self.augmenter), self.n_copies)
        data = copies.as_input()
        fold = self._clone_detector().fit(data[fitted])
        return detect(fold, data[scored])

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        return detect(self.detector_, images)


class AugmentedCopies(DerivedImages):
    """Images, each followed by its augmented copies, which are made on access.

    Parameters
    ----------
    images : Images
    augmenter : augmenter
    n_copies : int
    """

    def __init__(self, images: Images, augmenter: Any, n_copies: int):
        super().__init__(images)
        self.augmenter = augmenter
        self.n_copies = n_copies

    def __len__(self) -> int:
        return len(self.images) * (1 + self.n_copies)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(f"there is no image {index} among {len(self)}")
        number, copy = self._place(index)
        image = self._image(number)
        if copy == 0:
            return image
        name = self.images.describe(number)
        return augment_alike(self.augmenter, image, copy=copy, name=name)[0]

    def _place(self, index: int) -> tuple[int, int]:
        """Return the number of the image and of its copy; copy 0 is the image."""
        return divmod(int(index), 1 + self.n_copies)

    def _origin(self, index: int) -> int:
        return self._place(index)[0]

    def describe(self, index: int) -> str:
        """Name the image, and the copy, for a message."""
        copy = self._place(index)[1]
        name = super().describe(index)
        return f"{name}, augmented copy {copy}" if copy else name
