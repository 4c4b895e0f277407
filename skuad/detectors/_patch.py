"""Patch features, scored by any scikit-learn estimator."""

import os
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.utils import check_random_state

from skuad.base import MapDetector
from skuad.base._pool import POOL
from skuad.detectors._patches import PatchLayout, PatchSample, collect_patches
from skuad.detectors._row_scores import row_scores
from skuad.detectors._scaling import SCALERS, Scaling, fit_scaler
from skuad.feature_extraction import FilterBankEmbedder
from skuad.feature_extraction._base import MemoryLike
from skuad.io._images import Images
from skuad.utils._param_validation import HasMethods, Interval, StrOptions
from skuad.utils._typing import (
    IndexArray,
    MapAndScore,
    Pool,
    RandomStateLike,
)

Rows: TypeAlias = NDArray[np.float32]
#: From where the patches of an image lie, and their features, to its map and score.
PatchScorer: TypeAlias = Callable[[PatchLayout, Rows], MapAndScore]


class PatchDetector(MapDetector):
    """Detect anomalies with any scikit-learn estimator on the patches of an image.

    The embedder describes every patch of an image by a vector; the vectors of good
    images are standardised and given to the estimator as rows of a 2-D array. A new
    image's patches are scored by it, and the grid of their scores, enlarged to the
    image's own size, is the anomaly map.

    Parameters
    ----------
    embedder : embedder, default=None
        From images to `FeatureMap`; a `FilterBankEmbedder` by default.
    estimator : estimator, default=None
        An outlier detector or density (``score_samples`` or ``decision_function``), a
        covariance (``mahalanobis``), or an invertible transformer such as
        `sklearn.decomposition.PCA`, scored by its reconstruction error. By default a
        Mahalanobis distance with shrunk covariance (`LedoitWolf`).
    scaling : {"standard", "whiten", "unit"} or None, default="standard"
        How rows are scaled: zero mean and unit variance of every feature over the
        training patches; no correlation between them either; or each row to length 1.
    max_patches : int, default=200_000
        Largest number of training patches that are kept: a uniform sample, stratified
        by image. It bounds the memory of fitting whatever the number of images.
    pool : "max", "mean" or float in (0, 1), default="max"
        Score of an image: the highest value of its map, the mean, or the mean of this
        share of highest values.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged. The threshold is that quantile of
        the held-out scores of the training images.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : {"auto", "leave_one_out"}, int, splitter or None, default="auto"
        How images are held out: a number of folds or a splitter; ``"auto"`` is 20
        folds, or 10 of more than 200 images. None sets no threshold.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for the embedder, if it has no own.
    n_jobs : int or None, default=None
        Number of folds that are fitted in parallel.
    random_state : int, RandomState or None, default=None
        Seed of the sample of patches, and of the estimator where it has none.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    embedder_ : embedder
        The embedder in use.
    scaler_ : transformer or None
        The fitted scaling of rows.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.
    n_patches_ : int
        Number of patches of the training images, before sampling.

    See Also
    --------
    PatchKNN : Distance to the nearest patches of good images.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchDetector
    >>> data = make_defect_images(
    ...     n_train=10, n_good=2, n_defective=2, size=64, random_state=0
    ... )
    >>> detector = PatchDetector(
    ...     estimator=IsolationForest(random_state=0), false_alarm_rate=0.1
    ... )
    >>> detector.fit(data.train).transform(data.test).shape
    (4, 64, 64)
    """

    pool: Any  # PatchKNN takes one more than `Pool`
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "embedder": [HasMethods(["fit", "embed"]), None],
        "estimator": [HasMethods(["fit"]), None],
        "scaling": [StrOptions(set(SCALERS)), None],
        "max_patches": [Interval(Integral, 1, None, closed="left")],
        "pool": POOL,
        **MapDetector._parameter_constraints,
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedder: Any = None,
        estimator: Any = None,
        *,
        scaling: Scaling = "standard",
        max_patches: int = 200_000,
        pool: Pool = "max",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
        memory: MemoryLike = None,
        n_jobs: int | None = None,
        random_state: RandomStateLike = None,
    ):
        self.embedder = embedder
        self.estimator = estimator
        self.scaling = scaling
        self.max_patches = max_patches
        self.pool = pool
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _make_estimator(self, random_state: np.random.RandomState) -> Any:
        estimator = LedoitWolf() if self.estimator is None else clone(self.estimator)
        unseeded = {
            name: random_state.randint(2**31 - 1)
            for name, value in sorted(estimator.get_params(deep=True).items())
            if value is None and name.split("__")[-1] == "random_state"
        }
        return estimator.set_params(**unseeded)

    def _make_embedder(self) -> Any:
        embedder = (
            FilterBankEmbedder() if self.embedder is None else clone(self.embedder)
        )
        # An embedder of others need not have a memory.
        if self.memory is not None and getattr(embedder, "memory", self) is None:
            embedder.set_params(memory=self.memory)
        return embedder

    def _fit_images(self, images: Images) -> PatchSample:
        random_state = check_random_state(self.random_state)
        self.embedder_ = self._make_embedder().fit(images)
        patches = collect_patches(
            self.embedder_.embed(images),
            images.roi,
            n_images=len(images),
            max_patches=self.max_patches,
            random_state=random_state,
        )
        self.n_patches_ = sum(layout.n_patches for layout in patches.layouts)
        self._fit_rows(patches.rows, random_state)
        return patches

    def _fit_rows(self, rows: Rows, random_state: np.random.RandomState) -> None:
        self.scaler_ = fit_scaler(self.scaling, rows)
        self.estimator_ = self._make_estimator(random_state).fit(self._scaled(rows))

    def _scaled(self, rows: Rows) -> Rows:
        return rows if self.scaler_ is None else self.scaler_.transform(rows)

    def _row_scores(self, rows: Rows) -> Rows:
        return row_scores(self.estimator_, self._scaled(rows))

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        for number, features in enumerate(self.embedder_.embed(images)):
            layout = PatchLayout(features, images.roi(number))
            yield self._map_and_score(layout, layout.rows(features))

    def _map_and_score(self, layout: PatchLayout, rows: Rows) -> MapAndScore:
        return layout.map_and_score(self._row_scores(rows), self.pool)

    def _detect_fold(
        self, images: Images, patches: PatchSample, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        map_and_score = self._fit_fold(patches, train)
        for layout, rows in self._patches_of(images, patches, test):
            yield map_and_score(layout, rows)

    def _fit_fold(self, patches: PatchSample, train: IndexArray) -> PatchScorer:
        """Fit on patches that were sampled already; return its `_map_and_score`."""
        rows = patches.of_images(train)
        fold = self._clone_for_fold(len(rows) / len(patches.rows))
        fold._fit_rows(rows, check_random_state(self.random_state))
        return fold._map_and_score

    def _clone_for_fold(self, share: float) -> "PatchDetector":
        """Clone for a fit on this share of the patches."""
        return clone(self)

    def _patches_of(
        self, images: Images, patches: PatchSample, numbers: IndexArray
    ) -> Iterator[tuple[PatchLayout, Rows]]:
        """Yield layout and rows of images, embedded anew if the sample lacks some."""
        if patches.is_complete:
            for number in numbers:
                yield patches.layouts[number], patches.of_images([number])
        else:
            features = self.embedder_.embed(images.subset(numbers))
            for number, feature_map in zip(numbers, features, strict=True):
                layout = patches.layouts[number]
                yield layout, layout.rows(feature_map)
