"""The contract: what an image transformer and a map detector owe their users."""

from collections.abc import Iterator
from copy import copy
from numbers import Real
from typing import ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    OutlierMixin,
    TransformerMixin,
    clone,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skuad.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
)
from skuad.utils._thresholds import (
    calibration_folds,
    contamination_offset,
    false_alarm_offset,
)
from skuad.utils._validation import good_images, validate_images

__all__ = [
    "ImageTransformer",
    "MapDetector",
    "MetaMapDetector",
    "detect",
    "good_images",
    "mask_outside",
    "pool_map",
    "validate_images",
]


class _ImageEstimator(TransformerMixin, BaseEstimator):
    """Tags and output of an estimator whose samples are images."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags

    def set_output(self, *, transform=None):
        """Accept the default container; images and maps are no data frames.

        Parameters
        ----------
        transform : {"default"} or None, default=None
            The only container there is.

        Returns
        -------
        self : estimator
        """
        if transform not in (None, "default"):
            raise ValueError(
                f"{type(self).__name__} gives images or maps, which do not fit into "
                f"{transform!r}: only transform='default' is supported"
            )
        return self


class ImageTransformer(_ImageEstimator):
    """Base of transformers from one image to one image (or whatever else).

    A subclass writes ``_transform_image(image)`` on an (H, W, C) array. One that learns
    also writes ``_fit_images(images)`` and sets the tag ``requires_fit``.
    """

    _parameter_constraints: ClassVar[dict] = {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters, and learn from the good images if there is a need.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : None, array-like of {1, -1} or masks, default=None
            Images that it marks as anomalous are left out.

        Returns
        -------
        self : estimator
        """
        images = validate_images(self, X, reset=True)
        if get_tags(self).requires_fit:
            images, _ = good_images(images, y)
            self._fit_images(images)
        return self

    def transform(self, X):
        """Transform every image.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        images
            In the container of X. Paths and lazy sequences give an
            `skuad.io.ImageSequence`, which transforms an image when it is accessed.
        """
        if get_tags(self).requires_fit:
            check_is_fitted(self)
        else:
            self._validate_params()
        images = validate_images(self, X, reset=False)
        return images.map(copy(self)._transform_image)


def pool_map(anomaly_map: np.ndarray, pool) -> float:
    """Score an image by its anomaly map.

    Parameters
    ----------
    anomaly_map : ndarray
        Values of the pixels that count, in any shape.
    pool : "max", "mean" or float in (0, 1)
        The highest value, the mean, or the mean of this share of highest values.

    Returns
    -------
    score : float
        High is anomalous.
    """
    values = np.asarray(anomaly_map).ravel()
    if pool == "max":
        return float(values.max())
    if pool != "mean":
        n_highest = max(1, round(pool * values.size))
        values = np.partition(values, values.size - n_highest)[-n_highest:]
    return float(values.mean(dtype=np.float64))


def mask_outside(anomaly_map: np.ndarray, roi: np.ndarray) -> np.ndarray:
    """Set a map to zero outside a region, or to its lowest value inside if negative."""
    lowest = anomaly_map[roi].min()
    return np.where(roi, anomaly_map, np.minimum(lowest, np.float32(0)))


class MapDetector(OutlierMixin, _ImageEstimator):
    """Base of detectors that give an anomaly map and a score for every image.

    A subclass has the parameters `false_alarm_rate`, `contamination` and `calibration`
    and writes

    - ``_fit_images(images)``: learn from good images; may return whatever
      ``_held_out_scores`` can use again;
    - ``_detect(images)``: yield a float32 map (H, W) and a score (float), both high
      where anomalous, for every image in order, reading the images as it goes.
    """

    _parameter_constraints: ClassVar[dict] = {
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "calibration": [StrOptions({"auto", "leave_one_out"}), "cv_object", None],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, groups=None):
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
        learned = self._fit_images(images)
        if self.contamination is not None:
            self.offset_ = contamination_offset(
                self._scores(images), self.contamination
            )
        elif self.calibration is not None:
            folds = self._folds(len(images), groups)
            scores = self._held_out_scores(images, folds, learned)
            self.offset_ = false_alarm_offset(scores, self.false_alarm_rate)
        else:
            self.offset_ = np.nan
        return self

    def fit_predict(self, X, y=None, **kwargs):
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

    def detect(self, X) -> Iterator[tuple[np.ndarray, float]]:
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

    def transform(self, X):
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

    def score_samples(self, X):
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

    def decision_function(self, X):
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
            If the detector was fitted without a threshold (``calibration=None``).
        """
        check_is_fitted(self)
        if np.isnan(self.offset_):
            raise ValueError(
                f"this {type(self).__name__} has no threshold, since it was fitted with "
                "calibration=None: fit it with calibration='auto', or use score_samples"
            )
        return self.score_samples(X) - self.offset_

    def predict(self, X):
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

    def _scores(self, images) -> np.ndarray:
        return -np.array([score for _, score in self._detect(images)], np.float64)

    def _fit_without_threshold(self, X):
        """Fit as part of a detector that sets the threshold; return what was learnt."""
        self._validate_params()
        images = validate_images(self, X, reset=True)
        learned = self._fit_images(images)
        self.offset_ = np.nan
        return images, learned

    def _folds(self, n_images, groups) -> list:
        return calibration_folds(self.calibration, n_images, groups)

    def _held_out_scores(self, images, folds, learned) -> np.ndarray:
        """Score every image by a detector that was fitted without its fold."""
        fold_scores = Parallel(n_jobs=getattr(self, "n_jobs", None))(
            delayed(self._score_fold)(images, learned, train, test)
            for train, test in folds
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

    def _score_fold(self, images, learned, train, test) -> np.ndarray:
        """Fit a clone on some images and score others; `learned` is not used here."""
        fold = clone(self).set_params(calibration=None, contamination=None)
        return fold.fit(images.subset(train)).score_samples(images.subset(test))


class MetaMapDetector(MetaEstimatorMixin, MapDetector):
    """Base of detectors round a detector, or a pipeline that ends in one.

    They own the threshold: inner detectors are fitted with ``calibration=None``.
    """

    _parameter_constraints: ClassVar[dict] = {
        "detector": [HasMethods(["fit", "transform"])],
        **MapDetector._parameter_constraints,
    }

    def _clone_detector(self):
        """Clone the inner detector, without the thresholds that nobody asks for."""
        detector = clone(self.detector)
        owners = {
            name.removesuffix("calibration")
            for name in detector.get_params(deep=True)
            if name.split("__")[-1] == "calibration"
        }
        names = detector.get_params(deep=True).keys()
        unused = (
            owner + name
            for owner in owners
            for name in ("calibration", "contamination")
        )
        return detector.set_params(**{name: None for name in unused if name in names})

    def _fit_detector(self, X):
        """Fit the inner detector.

        Returns
        -------
        held_out : callable or None
            A function of (train, test) that scores items of X which the detector, if it
            is one of ours, holds out by itself, without going through all X again.
        """
        self.detector_ = inner = self._clone_detector()
        steps = ()
        if isinstance(inner, Pipeline) and all(map(_is_stateless, inner[:-1])):
            steps, inner = inner[:-1], inner[-1]
        if not isinstance(inner, MapDetector):
            self.detector_.fit(X)
            return None
        if len(steps):
            X = steps.fit(X).transform(X)
        images, learned = inner._fit_without_threshold(X)
        return lambda train, test: inner._score_fold(images, learned, train, test)


def _is_stateless(step):
    return isinstance(step, ImageTransformer) and not get_tags(step).requires_fit


def detect(estimator, X) -> Iterator[tuple[np.ndarray, float]]:
    """Yield map and score of every image for any fitted estimator that makes maps.

    Parameters
    ----------
    estimator : estimator
        A `MapDetector`, a pipeline that ends in one, a fitted search over one, or a
        foreign estimator whose ``transform`` gives maps (high is anomalous). The score
        of a foreign one is its negated ``score_samples``, or else the map's maximum.
    X : images
        See `validate_images`.

    Yields
    ------
    anomaly_map : ndarray of float32 of shape (H, W)
    score : float
        High is anomalous.
    """
    if hasattr(estimator, "detect"):
        yield from estimator.detect(X)
    elif isinstance(estimator, Pipeline):
        steps = estimator[:-1]
        yield from detect(estimator[-1], steps.transform(X) if len(steps) else X)
    elif hasattr(estimator, "best_estimator_"):
        yield from detect(estimator.best_estimator_, X)
    else:
        yield from _detect_foreign(estimator, X)


def _detect_foreign(estimator, X):
    """Yield maps and scores of an estimator that knows no regions of interest."""
    scores = None
    if hasattr(estimator, "score_samples"):
        scores = -np.asarray(estimator.score_samples(X), np.float64)
    roi = getattr(X, "roi", lambda index: None)
    for index, anomaly_map in enumerate(estimator.transform(X)):
        anomaly_map = np.atleast_2d(np.asarray(anomaly_map, np.float32))
        inside = roi(index)
        if inside is not None:
            score = pool_map(anomaly_map[inside], "max")
            yield mask_outside(anomaly_map, inside), score
        elif scores is None:
            yield anomaly_map, pool_map(anomaly_map, "max")
        else:
            yield anomaly_map, float(scores[index])
