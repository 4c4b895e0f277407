"""Whether images are still like those that a detector was calibrated on."""

from collections.abc import Iterator
from math import log
from numbers import Integral, Real
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skuad.base import detect, good_images, validate_images
from skuad.calibration import _martingale
from skuad.calibration._cross_fit import fit_one
from skuad.calibration._folds import conformal_folds
from skuad.calibration._history import PeakHistory
from skuad.calibration._sharing import ReadOnce
from skuad.calibration._shift import FeatureShift, population_stability_index
from skuad.feature_extraction import FilterBankEmbedder
from skuad.io import ImageSequence
from skuad.io._images import Images, check_image
from skuad.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
)
from skuad.utils._typing import (
    Array,
    ImagesLike,
    IndexArray,
    RandomStateLike,
    TargetsLike,
)

_N_BINS = 10  # of the population stability index
_SIDE = 256  # pixels; larger images are shrunk before they are embedded
_HISTORY = 2048  # points kept for a plot
_ALARMS = 1000  # alarms kept by number


class DriftMonitor(MetaEstimatorMixin, BaseEstimator):
    """Raise an alarm when images are no longer like those of the calibration.

    Every score is ranked among the calibration scores and all scores so far; if they are
    exchangeable, the ranks are independent and uniform, and a capital that bets against
    that (a conformal test martingale [1]_) stays small: it ever reaches `threshold`
    within an epoch with a probability of at most ``1 / threshold``, for scores of any
    law. Betting starts anew every `epoch` images, so that a stretch of production
    without change has at least ``(threshold - 1) * epoch`` images between false alarms
    on average: ten million by default.

    What is tested is that scores are exchangeable with those of the calibration. Defects
    score low: if the calibration holds good images only, defects that are more than rare
    will raise an alarm, as they should if their rate has risen. To allow for a usual
    rate of defects, calibrate on ordinary production, with `fit_scores`.

    Parameters
    ----------
    detector : estimator or None, default=None
        Gives the scores of images. None: the monitor is given scores.
    cv : "prefit" or splitter with one split, default="prefit"
        ``"prefit"``: `detector` is fitted already, on images other than those given to
        `fit`. A splitter such as ``ShuffleSplit(1)``: the detector is fitted on its
        training side, and its test side is the calibration.
    threshold : float > 1, default=1000
        Capital, from 1, at which an alarm is raised.
    epoch : int, default=10_000
        Number of images after which betting starts anew. It bounds the memory and the
        time per image; a change is found best if its epoch has at least a hundred
        images before it or a large calibration set.
    embedder : embedder or None, default=None
        Describes images by the mean of their features, to tell how they changed; None is
        a `FilterBankEmbedder`. Images of more than 256 pixels are shrunk before.
    random_state : int, RandomState or None, default=None
        Seed that breaks ties between scores.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_calibration,)
        Ascending; low is anomalous.
    detector_ : estimator or None
        The fitted detector.
    n_seen_ : int
        Number of scores since `fit`.
    n_in_epoch_ : int
        Number of scores in this epoch.
    log_capital_ : float
        Natural logarithm of the capital.
    alarm_ : bool
        Whether the threshold has been reached in this epoch.
    alarms_ : list of int
        Numbers of the images at which it was, from 0: one an epoch, the last 1000.
    average_run_length_ : float
        Lower bound of the mean number of images between false alarms.

    See Also
    --------
    skuad.inspection.DriftDisplay : The capital over time.

    Notes
    -----
    Saved with joblib and loaded again, a monitor goes on as if it had never stopped.

    A change can only be told from what was calibrated on and has been seen: a change
    before the first image of an epoch is compared with the calibration scores alone, and
    once most of an epoch has changed, ranks are uniform again. A small calibration set
    therefore finds small changes late or never; see the user guide for delays.

    References
    ----------
    .. [1] V. Vovk, I. Petej, I. Nouretdinov, E. Ahlberg, L. Carlsson and A. Gammerman,
       "Retrain or not retrain: conformal test martingales for change-point detection",
       COPA 2021, https://arxiv.org/abs/2102.10439

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.calibration import DriftMonitor
    >>> rng = np.random.default_rng(0)
    >>> monitor = DriftMonitor(random_state=0).fit_scores(rng.normal(size=200))
    >>> monitor.update(rng.normal(size=1000)).any()
    np.False_
    >>> int(monitor.update(rng.normal(-1, size=100)).argmax())  # images until the alarm
    33
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "detector": [HasMethods(["fit", "transform"]), None],
        "cv": [StrOptions({"prefit"}), HasMethods(["split", "get_n_splits"])],
        "threshold": [Interval(Real, 1, None, closed="neither")],
        "epoch": [Interval(Integral, 1, None, closed="left")],
        "embedder": [HasMethods(["fit", "embed"]), None],
        "random_state": ["random_state"],
    }

    _feature_shift: FeatureShift | None

    def __init__(
        self,
        detector: Any = None,
        *,
        cv: Any = "prefit",
        threshold: float = 1000,
        epoch: int = 10_000,
        embedder: Any = None,
        random_state: RandomStateLike = None,
    ) -> None:
        self.detector = detector
        self.cv = cv
        self.threshold = threshold
        self.epoch = epoch
        self.embedder = embedder
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ImagesLike, y: TargetsLike = None) -> "DriftMonitor":
        """Calibrate on good images.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`. With ``cv="prefit"``, images that the
            detector did not learn from.
        y : None, array-like of {1, -1} or masks, default=None
            Images that it marks as anomalous are left out.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is no detector, `cv` has several splits, or a score is NaN.
        """
        if self.detector is None:
            raise ValueError(
                "this DriftMonitor has no detector to score images with: set detector, "
                "or calibrate with fit_scores"
            )
        images, _ = good_images(validate_images(self, X, reset=True), y)
        folds = conformal_folds(self.cv, len(images))
        if len(folds) > 1:
            raise ValueError(
                f"cv makes {len(folds)} folds, but a monitor needs one detector that has "
                "not learnt the images of the calibration: use cv='prefit', or a single "
                "split such as ShuffleSplit(1)"
            )
        ((train, test),) = folds
        if isinstance(self.cv, str):
            check_is_fitted(self.detector)
            self.detector_ = self.detector
        else:
            self.detector_ = fit_one(clone(self.detector), images.subset(train))
        embedder = FilterBankEmbedder() if self.embedder is None else self.embedder
        self.embedder_ = clone(embedder).fit(images)
        scores, vectors = zip(*self._look(images.subset(test)), strict=True)
        self._start(scores)
        self._feature_shift = FeatureShift().fit(np.stack(vectors))
        return self.restart()

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_scores(self, scores: npt.ArrayLike) -> "DriftMonitor":
        """Calibrate on scores.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Scores of images that the detector did not learn from, low where anomalous:
            ``score_samples``, or the `calibration_scores_` of a `ConformalDetector` with
            one split.

        Returns
        -------
        self : estimator
        """
        self.detector_ = self.embedder_ = self._feature_shift = None
        self._start(scores)
        return self.restart()

    def _start(self, scores: npt.ArrayLike) -> None:
        scores = np.sort(_checked(scores))
        if len(scores) < 2:
            raise ValueError(
                f"{len(scores)} scores (n_samples = {len(scores)}) are too few to rank "
                "new ones among: give two or more, better a hundred"
            )
        self.calibration_scores_ = scores
        self.average_run_length_ = float((self.threshold - 1) * self.epoch)
        self._edges = np.quantile(scores, np.linspace(0, 1, _N_BINS + 1)[1:-1])
        self._expected = self._bin_counts(scores)
        self._seed = check_random_state(self.random_state).randint(2**31 - 1)
        self.n_seen_ = 0
        self.alarms_: list[int] = []
        self._history = PeakHistory(_HISTORY)

    def restart(self) -> "DriftMonitor":
        """Begin a new epoch, such as after the line was mended.

        Returns
        -------
        self : estimator
        """
        check_is_fitted(self)
        n = len(self.calibration_scores_)
        self._ranked = np.empty(n + self.epoch)
        self._ranked[:n] = self.calibration_scores_
        self._stakes = _martingale.first_stakes()
        self._counts = np.zeros(_N_BINS, np.int64)
        self.n_in_epoch_, self.log_capital_, self.alarm_ = 0, 0.0, False
        if self._feature_shift is not None:
            self._feature_shift.restart()
        return self

    def update(self, scores: npt.ArrayLike) -> NDArray[np.bool_]:
        """Take the scores of further images, in the order in which they were taken.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Low is anomalous, as ``score_samples`` gives them.

        Returns
        -------
        alarm : ndarray of bool of shape (n,)
            Whether the threshold has been reached in the epoch of each image, by then.

        Raises
        ------
        ValueError
            If a score is NaN.
        """
        check_is_fitted(self)
        scores = _checked(scores)
        alarm = np.empty(len(scores), bool)
        for number, score in enumerate(scores.tolist()):
            self._update_one(score)
            alarm[number] = self.alarm_
        return alarm

    def _update_one(self, score: float) -> None:
        if self.n_in_epoch_ == self.epoch:
            self.restart()
        p_value = _martingale.ranked_p_value(
            self._ranked,
            len(self.calibration_scores_) + self.n_in_epoch_,
            score,
            _martingale.uniform(self._seed, self.n_seen_),
        )
        self._stakes, factor = _martingale.play(self._stakes, p_value)
        self.log_capital_ += log(factor)
        self._counts[self._edges.searchsorted(score)] += 1
        if not self.alarm_ and self.log_capital_ >= log(self.threshold):
            self.alarm_ = True
            self.alarms_ = [*self.alarms_[1 - _ALARMS :], self.n_seen_]
        self._history.add(self.log_capital_)
        self.n_seen_ += 1
        self.n_in_epoch_ += 1

    def observe(self, X: ImagesLike) -> NDArray[np.bool_]:
        """Score further images, in the order in which they were taken.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        alarm : ndarray of bool of shape (n_images,)
            As of `update`.
        """
        check_is_fitted(self)
        if self._feature_shift is None:
            raise ValueError(
                "this DriftMonitor was calibrated on scores: give them to update"
            )
        images = validate_images(self, X, reset=False)
        alarm = np.empty(len(images), bool)
        for number, (score, vector) in enumerate(self._look(images)):
            alarm[number] = self.update([score])[0]
            self._feature_shift.add(vector)
        return alarm

    def _look(self, images: Images) -> Iterator[tuple[float, NDArray[np.float64]]]:
        """Yield score and description of every image; lazy images are read once."""
        kept = None
        if images.kind == "lazy":
            kept = ReadOnce(images.data)
            images.data = ImageSequence(kept)
        X = images.data
        if not images.is_rows:
            shrink = _Shrink(getattr(self.embedder_, "min_size", 1))
            X = images.as_sequence().then(shrink)
        found = zip(
            detect(self.detector_, images), self.embedder_.embed(X), strict=True
        )
        for number, ((_, score), features) in enumerate(found):
            yield -score, features.rows.mean(axis=0, dtype=np.float64)
            if kept is not None:
                # Either may have read further images ahead.
                kept.kept.forget(number)

    def shift(self) -> dict[str, float]:
        """How the images of this epoch differ from the calibration.

        Returns
        -------
        shift : dict of {str: float}
            psi
                Population stability index of the scores, in ten bins; by custom, below
                0.1 is stable and above 0.25 is a shift.
            psi_by_chance
                What it is on average without any.
            mean_shift, mean_shift_by_chance
                Of images only: root mean square over the embedding's features of the
                shift of their mean, in standard deviations between images.
            covariance_shift
                Of images only: relative change of the covariance of the features, in
                the Frobenius norm.
        """
        check_is_fitted(self)
        n, m = len(self.calibration_scores_), self.n_in_epoch_
        shift = {
            "psi": population_stability_index(self._expected, self._counts),
            "psi_by_chance": (_N_BINS - 1) * (1 / n + 1 / max(m, 1)),
        }
        if self._feature_shift is not None:
            shift.update(self._feature_shift.measures())
        return shift

    def history(self) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
        """Capital over time, thinned to at most 2048 points.

        Returns
        -------
        images : ndarray of int of shape (n_points,)
            Number of the first image of each stretch, from 0.
        log_capital : ndarray of shape (n_points,)
            Highest natural logarithm of the capital within the stretch.
        """
        check_is_fitted(self)
        return self._history.points()

    def _bin_counts(self, scores: NDArray[np.float64]) -> IndexArray:
        return np.bincount(self._edges.searchsorted(scores), minlength=_N_BINS)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "calibration_scores_")


class _Shrink:
    """A picklable step that shrinks a large image, as far as an embedder allows."""

    def __init__(self, min_size: int):
        self.min_size = min_size

    def __call__(self, image: Array) -> Array:
        image = check_image(image)
        height, width, n_channels = image.shape
        factor = max(_SIDE / max(height, width), self.min_size / min(height, width))
        if factor >= 1:
            return image
        size = [max(1, round(side * factor)) for side in (width, height)]
        if image.dtype == np.float16:  # which OpenCV does not resize
            image = image.astype(np.float32)
        # OpenCV resizes up to four channels at once.
        channels = [
            cv2.resize(image[:, :, c], size, interpolation=cv2.INTER_AREA)
            for c in range(n_channels)
        ]
        return np.stack(channels, axis=2)


def _checked(scores: npt.ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1:
        raise ValueError(f"scores have the shape (n,), but these {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError(
            f"score {int(np.isnan(scores).argmax())} is NaN: leave the image out, or mend "
            "the detector"
        )
    return scores
