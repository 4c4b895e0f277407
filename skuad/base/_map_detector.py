"""What a detector of anomalies in images owes its users."""

from collections.abc import Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skuad.base._image_transformer import ImageEstimator
from skuad.io._images import Images
from skuad.utils._param_validation import Interval, StrOptions, _fit_context
from skuad.utils._progress import tell_parts
from skuad.utils._repr import FittedReprMixin
from skuad.utils._thresholds import (
    calibration_folds,
    contamination_offset,
    false_alarm_offset,
)
from skuad.utils._typing import (
    Array,
    Fold,
    ImagesLike,
    IndexArray,
    IntArray,
    MapAndScore,
    TargetsLike,
)
from skuad.utils._validation import good_images, validate_images

if TYPE_CHECKING:
    from typing_extensions import Self


class MapDetector(FittedReprMixin, OutlierMixin, ImageEstimator):
    """Base of detectors that give an anomaly map and a score for every image.

    A subclass has the parameters `false_alarm_rate`, `contamination` and `calibration`
    and writes

    - ``_fit_images(images)``: learn from good images; may return whatever
      ``_held_out_scores`` can use again;
    - ``_detect(images)``: yield a float32 map (H, W) and a score (float), both high
      where anomalous, for every image in order, reading the images as it goes.

    Attributes
    ----------
    n_images_ : int
        Number of good images that it was fitted on.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "calibration": [StrOptions({"auto", "leave_one_out"}), "cv_object", None],
    }

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ImagesLike,
        y: TargetsLike = None,
        *,
        groups: ArrayLike | None = None,
    ) -> "Self":
        """Learn from good images and set the threshold.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : None, array-like of {1, -1} or masks, default=None
            Not needed. Images that it marks as anomalous are left out.
        groups : array-like of shape (n_images,), default=None
            Images of one group, such as a production lot, are held out together.

        Returns
        -------
        self : estimator
        """
        images = validate_images(self, X, reset=True)
        images, groups = good_images(images, y, groups)
        self.n_images_ = len(images)
        # Whatever fails from here on, the threshold of an earlier fit is gone.
        self.offset_ = np.nan
        holds_out = self.contamination is None and self.calibration is not None
        folds = self._folds(len(images), groups) if holds_out else []
        learned = self._fit_images(images)
        if self.contamination is not None:
            self.offset_ = contamination_offset(
                self._scores(images), self.contamination
            )
        elif holds_out:
            scores = self._held_out_scores(images, folds, learned)
            self.offset_ = false_alarm_offset(scores, self.false_alarm_rate)
        return self

    def fit_predict(
        self, X: ImagesLike, y: TargetsLike = None, **kwargs: Any
    ) -> IntArray:
        """Fit, and decide for the same images.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : None, array-like of {1, -1} or masks, default=None
            Images that it marks as anomalous are left out of fit.
        **kwargs
            Passed to `fit`.

        Returns
        -------
        labels : ndarray of int of shape (n_images,)
            +1 is good, -1 anomalous.
        """
        return self.fit(X, y, **kwargs).predict(X)

    def detect(self, X: ImagesLike | Images) -> Iterator[MapAndScore]:
        """Yield the anomaly map and the anomaly score of every image.

        This is the primitive that `transform` and `score_samples` are views of; it
        reads the images as it goes and holds no more than a batch.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Yields
        ------
        anomaly_map : ndarray of float32 of shape (H, W)
            At the image's own size; high is anomalous.
        score : float
            High is anomalous, the negative of `score_samples`.
        """
        check_is_fitted(self)
        return self._detect(validate_images(self, X, reset=False))

    def transform(self, X: ImagesLike) -> Array | list[Array]:
        """Anomaly maps.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        maps : list of ndarray, or ndarray of shape (n, H, W) or (n, n_features)
            float32, at the image's own size, high where anomalous: an array for a stack
            or line scans, a list for a list or paths.
        """
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        return images.wrap_maps(
            [anomaly_map for anomaly_map, _ in self._detect(images)]
        )

    def score_samples(self, X: ImagesLike) -> NDArray[np.float64]:
        """Score of every image: low is anomalous.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        scores : ndarray of float64 of shape (n_images,)
        """
        check_is_fitted(self)
        return self._scores(validate_images(self, X, reset=False))

    def decision_function(self, X: ImagesLike) -> NDArray[np.float64]:
        """Score of every image minus the threshold: negative is anomalous.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        decision : ndarray of float64 of shape (n_images,)

        Raises
        ------
        ValueError
            If the detector has no threshold, such as after ``calibration=None``.
        """
        check_is_fitted(self)
        if np.isnan(self.offset_):
            raise ValueError(
                f"this {type(self).__name__} has no threshold: "
                f"{self._without_threshold()}, or use score_samples"
            )
        return self.score_samples(X) - self.offset_

    def predict(self, X: ImagesLike) -> IntArray:
        """Decide for every image: +1 is good, -1 anomalous.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        labels : ndarray of int of shape (n_images,)
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def _scores(self, images: Images) -> NDArray[np.float64]:
        return -np.array([score for _, score in self._detect(images)], np.float64)

    def _without_threshold(self) -> str:
        """Say why there is no threshold and what to do, for a message."""
        return (
            "it was fitted with calibration=None, or fit failed: fit it with "
            "calibration='auto'"
        )

    def _fit_without_threshold(self, X: ImagesLike | Images) -> tuple[Images, Any]:
        """Fit as part of a detector that sets the threshold; return what was learnt."""
        self._validate_params()
        images = validate_images(self, X, reset=True)
        self.n_images_ = len(images)
        learned = self._fit_images(images)
        self.offset_ = np.nan
        return images, learned

    def _folds(self, n_images: int, groups: ArrayLike | None) -> list[Fold]:
        return calibration_folds(self.calibration, n_images, groups)

    def _held_out_scores(
        self, images: Images, folds: list[Fold], learned: Any
    ) -> NDArray[np.float64]:
        """Score every image by a detector that was fitted without its fold."""
        fold_scores = Parallel(n_jobs=getattr(self, "n_jobs", None))(
            delayed(self._score_fold)(images, learned, train, test)
            for train, test in tell_parts(folds, len(folds), "fold")
        )
        scores, tested = np.zeros(len(images)), np.zeros(len(images), bool)
        for (_, test), values in zip(folds, fold_scores, strict=True):
            scores[test], tested[test] = values, True
        if np.isnan(scores).any():
            raise ValueError(
                f"{np.isnan(scores).sum()} held-out images have the score NaN, "
                f"{images.describe(int(np.isnan(scores).argmax()))} among them: no "
                "threshold can be set"
            )
        return scores[tested]

    def _score_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> NDArray[np.float64]:
        found = self._detect_fold(images, learned, train, test)
        return -np.array([score for _, score in found], np.float64)

    def _detect_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        """Fit a clone on some images and look at others; `learned` is not used here."""
        fold = clone(self).set_params(calibration=None, contamination=None)
        return fold.fit(images.subset(train)).detect(images.subset(test))
