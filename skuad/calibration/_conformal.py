"""A detector whose false-alarm rate is promised."""

import warnings
from collections.abc import Iterator
from copy import copy
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skuad.base import MetaMapDetector, detect, validate_images
from skuad.base._meta_map_detector import split_steps
from skuad.calibration import _tail
from skuad.calibration._cross_fit import (
    HeldOut,
    cross_fit,
    fit_one,
    look_at,
    take,
)
from skuad.calibration._folds import (
    check_promise,
    conformal_folds,
    group_weights,
    one_per_group,
)
from skuad.calibration._rates import allowed_weight
from skuad.calibration._sample import CalibrationSample
from skuad.calibration._sharing import in_turns, stop_sharing
from skuad.io._images import Images
from skuad.utils import CalibrationWarning
from skuad.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
)
from skuad.utils._targets import anomalous
from skuad.utils._typing import (
    Array,
    Fold,
    ImagesLike,
    IndexArray,
    MapAndScore,
    RandomStateLike,
    TargetsLike,
)

_SHARE = Interval(Real, 0, 1, closed="neither")


class ConformalDetector(MetaMapDetector):
    """Promise a false-alarm rate, from good images that the detector has not learnt.

    The threshold is an order statistic of held-out scores, and the promise is a theorem
    of conformal prediction [1]_: it holds for any detector and any law of the scores.
    It needs one thing, that good images to come are exchangeable with those that the
    detector was calibrated on: same product, camera and light, in no particular order.
    Any shift breaks it; see `DriftMonitor`.

    Parameters
    ----------
    detector : estimator
        A detector, a pipeline that ends in one, a search over one, or a foreign
        estimator whose ``transform`` gives maps.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged.
    cv : int, "prefit" or splitter, default=5
        Which good images are held out. ``"prefit"``: all; `detector` is fitted already,
        on others. A splitter with one split, such as ``ShuffleSplit(1)``: the detector
        learns from its training side only. A number of folds K (no more than
        there are images or groups), or a splitter with several: every image is held out
        once, and none is lost to calibration.
    guarantee : {"marginal", "high_probability"} or None, default="marginal"
        What is promised of the false-alarm rate; see Notes.
    confidence : float in (0, 1), default=0.95
        Probability of "high_probability", and of the intervals of ``tail="gpd"``.
    tail : {"empirical", "gpd"}, default="empirical"
        With ``guarantee=None``: the threshold is an order statistic, or the level of a
        generalised Pareto law that is fitted to the highest scores (peaks over
        threshold). The latter is an extrapolation to rates that so few images cannot
        show, and no promise; it needs 40 images, and takes no groups.
    pixel_rate : float in (0, 1) or None, default=None
        Expected share of a good image's pixels that `predict_mask` may flag. None:
        the share of good images with any flagged pixel is at most `false_alarm_rate`
        (the family-wise rate).
    n_jobs : int or None, default=None
        Number of threads that fit folds.
    random_state : int, RandomState or None, default=None
        Seed of what is drawn with "high_probability" and groups, and with
        ``tail="gpd"``.

    Attributes
    ----------
    detector_ : estimator
        The detector, fitted on all good images unless there is a single split.
    offset_ : float
        An image whose ``score_samples`` is below it is anomalous.
    rate_bound_ : float
        What the false-alarm rate is proven to be at most; NaN where nothing is.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Held-out scores; low is anomalous.
    n_calibration_ : int
        Number of images that were held out, or of groups of them.
    pixel_offset_ : float
        Pixels whose map is above ``-pixel_offset_`` are in the mask.
    fold_detectors_ : list of estimator
        With several folds and "marginal": the detectors that score new images, without
        the stateless steps before them. Empty otherwise.
    offset_interval_, rate_interval_ : (float, float)
        With ``tail="gpd"``: where `offset_` and the rate at it may lie, given that the
        law is right.

    Raises
    ------
    ValueError
        If there are too few images or groups for the rate (the message gives the
        smallest rates available), "high_probability" is asked of several folds, a score
        is NaN, or `cv` does not fit.

    See Also
    --------
    achievable_rates : What a number of images can promise.
    DriftMonitor : Whether images are still like those of the calibration.

    Notes
    -----
    n counts held-out images or, if `groups` are given to `fit`, groups: images of a lot
    are alike, so that whole groups are held out, and each weighs as one image.

    - "marginal", one split or prefit: a new good image is flagged with a probability of
      at most `false_alarm_rate`, on average over calibration sets. It takes ``1 / rate
      - 1`` images.
    - "marginal", K folds: a new image is compared with each held-out score under the
      detector of that fold (cross-conformal prediction [2]_, CV+ [3]_). In practice the
      rate is near `false_alarm_rate`, and below it with few folds of few images, whose
      detectors have learnt less than the final one; proven is `rate_bound_`, up to twice
      the rate plus a term of the order K / n. Every image is scored by all fold
      detectors, and embedded once; score_samples is `offset_` plus the distance to the
      decision.
    - "high_probability": with probability `confidence` over calibration sets, the rate
      of this very detector is at most `false_alarm_rate`. The threshold follows from the
      law Beta(k, n + 1 - k) of the rate of the k-th lowest score: 299 images for 1 % at
      95 %. With groups, one image is drawn from each. For several folds no useful
      statement of this kind is known (that of [4]_ adds the square root of
      ``2 K log(K / (1 - confidence)) / n``), so that it is an error.
    - None: with K folds, one detector and the order statistic of its folds' held-out
      scores. Nothing is proven, since the final detector differs from those of the
      folds; it costs one detector per image instead of K + 1.

    Masks with `pixel_rate`, and without it, keep their promise with one split or prefit;
    `pixel_rate` on average over calibration sets [5]_. With several folds their
    thresholds are those of the fold detectors, and nothing is proven.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World",
       2nd edition, Springer 2022.
    .. [2] V. Vovk, I. Nouretdinov, V. Manokhin and A. Gammerman, "Cross-conformal
       predictive distributions", COPA 2018.
    .. [3] R. F. Barber, E. J. Candes, A. Ramdas and R. J. Tibshirani, "Predictive
       inference with the jackknife+", Annals of Statistics 2021,
       https://arxiv.org/abs/1905.02928
    .. [4] M. Bian and R. F. Barber, "Training-conditional coverage for distribution-free
       predictive inference", 2023, https://arxiv.org/abs/2205.03647
    .. [5] A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei and T. Schuster, "Conformal
       risk control", ICLR 2024, https://arxiv.org/abs/2208.02814

    Examples
    --------
    >>> from skuad.calibration import ConformalDetector
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> data = make_defect_images(
    ...     n_train=20, n_good=2, n_defective=2, size=64, random_state=0
    ... )
    >>> detector = ConformalDetector(PatchKNN(random_state=0), false_alarm_rate=0.1)
    >>> detector.fit(data.train).p_values(data.test).round(2)
    array([...])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "detector": [HasMethods(["fit", "transform"])],
        "false_alarm_rate": [_SHARE],
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"prefit"}),
            HasMethods(["split", "get_n_splits"]),
        ],
        "guarantee": [StrOptions({"marginal", "high_probability"}), None],
        "confidence": [_SHARE],
        "tail": [StrOptions({"empirical", "gpd"})],
        "pixel_rate": [_SHARE, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        detector: Any,
        *,
        false_alarm_rate: float = 0.01,
        cv: Any = 5,
        guarantee: str | None = "marginal",
        confidence: float = 0.95,
        tail: str = "empirical",
        pixel_rate: float | None = None,
        n_jobs: int | None = None,
        random_state: RandomStateLike = None,
    ) -> None:
        self.detector = detector
        self.false_alarm_rate = false_alarm_rate
        self.cv = cv
        self.guarantee = guarantee
        self.confidence = confidence
        self.tail = tail
        self.pixel_rate = pixel_rate
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ImagesLike,
        y: TargetsLike = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> "ConformalDetector":
        """Learn from good images, or from some of them, and calibrate on the others.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : None, array-like of {1, -1} or masks, default=None
            Not needed. Images that it marks as anomalous are left out, but for a
            search, which compares its candidates on them.
        groups : array-like of shape (n_images,), default=None
            Images of one group, such as a production lot, are held out together and
            weigh as one image.

        Returns
        -------
        self : estimator
        """
        images = validate_images(self, X, reset=True)
        bad = anomalous(y, len(images))
        good = np.flatnonzero(~bad)
        if not len(good):
            raise ValueError(
                f"y marks all {len(images)} images as anomalous: none is left to "
                "calibrate on"
            )
        if groups is not None:
            groups = np.asarray(groups)
            if groups.shape != (len(images),):
                raise ValueError(
                    f"groups has the shape {groups.shape}, but there are {len(images)} "
                    "images: give one group for each"
                )
            groups = groups[good]
        self.n_images_ = len(good)
        folds = conformal_folds(self.cv, len(good), groups)
        check_promise(self, folds, groups)
        use, weights = self._units(folds, groups)
        image_weights = np.zeros(len(images))
        image_weights[good[use]] = weights

        def look(detector: Any, images: Images, numbers: IndexArray) -> HeldOut:
            counted = None if self.pixel_rate is None else image_weights[numbers]
            return look_at(detector, images, counted)

        searched = y is not None and bad.any() and _is_search(self.detector)
        extra = np.flatnonzero(bad) if searched else bad[:0].nonzero()[0]
        y = y if searched else None
        trains = [np.union1d(good[train], extra) for train, _ in folds]
        tests = [good[test] for _, test in folds]
        self.fold_detectors_ = []
        if len(folds) == 1:
            held_out = images.subset(tests[0])
            if isinstance(self.cv, str):
                check_is_fitted(self.detector)
                self.detector_ = self.detector
            else:
                learnt = images.subset(trains[0])
                detector = self._clone_detector()
                self.detector_ = fit_one(detector, learnt, take(y, trains[0]))
            found = [look(self.detector_, held_out, tests[0])]
        else:
            everything = np.union1d(good, extra)
            self.detector_, others, found, store = cross_fit(
                self._clone_detector(),
                images,
                y,
                [everything, *trains],
                tests,
                look,
                n_jobs=self.n_jobs,
            )
            if self.guarantee == "marginal":
                self.fold_detectors_, self._store = others, store
            else:
                stop_sharing(self.detector_, store)
        self._calibrate(found, folds, use, weights)
        return self

    def _units(
        self, folds: list[Fold], groups: Array | None
    ) -> tuple[IndexArray, NDArray[np.float64]]:
        """Which good images are calibrated on, and the weight of each."""
        use = np.sort(np.concatenate([test for _, test in folds]))
        if groups is None:
            self.n_calibration_ = len(use)
            return use, np.ones(len(use))
        weights, self.n_calibration_ = group_weights(groups[use])
        if self.guarantee == "high_probability":
            use = use[one_per_group(groups[use], self.random_state)]
            weights = np.ones(len(use))
        return use, weights

    def _calibrate(
        self,
        found: list[HeldOut],
        folds: list[Fold],
        use: IndexArray,
        weights: NDArray[np.float64],
    ) -> None:
        """Set thresholds from what was found in the held-out images of each fold."""
        rate = self.false_alarm_rate
        numbers = np.concatenate([test for _, test in folds])
        fold = np.repeat(np.arange(len(folds)), [len(test) for _, test in folds])
        is_used = np.isin(numbers, use)
        keep = np.flatnonzero(is_used)[np.argsort(numbers[is_used])]
        scores, peaks = (
            np.concatenate([getattr(part, name) for part in found])[keep]
            for name in ("scores", "peaks")
        )
        self.calibration_scores_ = scores
        self._weights, self._fold = weights, fold[keep]
        sample = self._sample()
        if scores.min() == scores.max():
            warnings.warn(
                f"all {len(scores)} held-out scores are equal ({scores[0]:.4g}): the "
                "detector does not tell images apart, and only lower scores are flagged",
                CalibrationWarning,
                stacklevel=4,
            )
        if self.tail == "gpd":
            self._extrapolate(rate)
        else:
            self.offset_ = sample.offset(scores, rate)
        self.rate_bound_ = sample.bound(rate)
        if self.pixel_rate is not None:
            shares = found[0].shares
            for part in found[1:]:
                shares.shares += part.shares.shares
            self.pixel_offset_ = -shares.threshold(
                allowed_weight(
                    self.n_calibration_, self.pixel_rate, "marginal", self.confidence
                )
            )
        elif self.tail == "gpd":
            self.pixel_offset_ = -_tail.tail_level(_tail.fit_tail(-peaks), rate)
        else:
            self.pixel_offset_ = sample.offset(peaks, rate)

    def _sample(self) -> CalibrationSample:
        return CalibrationSample(
            self.calibration_scores_,
            self._weights,
            self._fold,
            self.n_calibration_,
            self.guarantee,
            self.confidence,
        )

    def _extrapolate(self, rate: float) -> None:
        values = -self.calibration_scores_
        self._tail = _tail.fit_tail(values)
        self.offset_ = -_tail.tail_level(self._tail, rate)
        levels, self.rate_interval_ = _tail.tail_intervals(
            values,
            self._tail,
            rate,
            confidence=self.confidence,
            random_state=check_random_state(self.random_state),
        )
        self.offset_interval_ = -levels[1], -levels[0]

    def _clone_detector(self) -> Any:
        # A search compares its candidates by decisions, which take a threshold; what is
        # frozen stays as it is.
        if _is_search(self.detector) or isinstance(self.detector, FrozenEstimator):
            return clone(self.detector)
        return super()._clone_detector()

    def _fit_images(self, images: Images) -> None:
        # As a part of a detector that sets the threshold.
        self.fold_detectors_ = []
        if isinstance(self.cv, str):
            self.detector_ = self.detector
        else:
            self.detector_ = fit_one(self._clone_detector(), images)

    def _detect_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        fold = copy(self)
        fold._fit_without_threshold(images.subset(train))
        return fold.detect(images.subset(test))

    def _views(
        self, images: Images
    ) -> Iterator[tuple[Array, float, NDArray[np.float64] | None]]:
        """Yield map, score and, with fold detectors, the scores by each of them."""
        if not self.fold_detectors_:
            for anomaly_map, score in detect(self.detector_, images):
                yield anomaly_map, -score, None
            return
        X, (steps, final) = images.data, split_steps(self.detector_)
        if steps is not None:
            X = steps.transform(X)
        sample = self._sample()
        for found in in_turns([final, *self.fold_detectors_], self._store, X):
            by_fold = -np.array([score for _, score in found[1:]])
            margin = sample.margin(by_fold, self.false_alarm_rate)
            yield found[0][0], self.offset_ + margin, by_fold

    def _detect(self, images: Images) -> Iterator[tuple[Array, float]]:
        for anomaly_map, score, _ in self._views(images):
            yield anomaly_map, -score

    def p_values(self, X: ImagesLike) -> NDArray[np.float64]:
        """P-value of every image: how rarely a good image looks this anomalous.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        p_values : ndarray of float64 of shape (n_images,)
            From ``1 / (n + 1)`` to 1. With one split or prefit, a good image has one of
            at most p with a probability of at most p. For several folds the bound is
            that of `rate_bound_`. For "high_probability", the smallest rate at which
            the image would be flagged. With ``tail="gpd"``, values beyond the level of
            the fitted law are extrapolated.
        """
        check_is_fitted(self)
        return np.array([p_value for *_, p_value in self.detect_with_p_values(X)])

    def detect_with_p_values(
        self, X: ImagesLike
    ) -> Iterator[tuple[Array, float, float]]:
        """Yield map, score and p-value of every image, in one pass.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Yields
        ------
        anomaly_map : ndarray of float32 of shape (H, W)
            See `detect`.
        score : float
            See `detect`.
        p_value : float
            See `p_values`.
        """
        check_is_fitted(self)
        images, sample = validate_images(self, X, reset=False), self._sample()
        for anomaly_map, score, by_fold in self._views(images):
            if by_fold is not None:
                p_value = sample.cross_p_values(by_fold[np.newaxis])
            elif self.tail == "gpd" and -score > self._tail["level"]:
                p_value = _tail.tail_share(self._tail, np.array([-score]))
            else:
                p_value = sample.p_values(np.array([score]))
            yield anomaly_map, -score, float(p_value[0])

    def predict_mask(self, X: ImagesLike) -> Array | list[Array]:
        """Masks of the pixels above the threshold of pixels.

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
        threshold = np.float64(-self.pixel_offset_)
        return images.wrap_maps([one > threshold for one, _ in self._detect(images)])


def _is_search(detector: Any) -> bool:
    return {"scoring", "refit"} <= set(detector.get_params(deep=False))
