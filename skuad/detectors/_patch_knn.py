"""PatchCore's recipe: the distance of a patch to the nearest good patches."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from skuad.detectors._patch import PatchDetector, PatchScorer, Rows
from skuad.detectors._patches import PatchLayout, PatchSample
from skuad.detectors._scaling import STATELESS, Scaling
from skuad.feature_extraction._base import MemoryLike
from skuad.neighbors import NearestNeighborDetector, reweighted_distance
from skuad.neighbors._detector import Coreset
from skuad.utils._param_validation import Interval, StrOptions
from skuad.utils._thresholds import calibration_folds
from skuad.utils._typing import Fold, IndexArray, MapAndScore, Pool, RandomStateLike

#: "reweighted" is PatchCore's own score.
PatchPool: TypeAlias = Pool | Literal["reweighted"]


class PatchKNN(PatchDetector):
    """Detect anomalies by the distance of patches to a bank of good patches.

    The recipe of PatchCore [1]_ on any embedder: the scaled patch features of good
    images are thinned to a coreset, the bank; the anomaly of a patch is its mean
    distance to the nearest rows of the bank.

    Parameters
    ----------
    embedder : embedder, default=None
        From images to `FeatureMap`; a `FilterBankEmbedder` by default.
    n_neighbors : int, default=1
        Number of nearest rows whose distance is averaged.
    coreset : {"greedy", "random"} or None, default="greedy"
        How the bank is chosen: greedy k-center, which covers rare patches; at random,
        which costs nothing; or all patches.
    coreset_ratio : float in (0, 1], default=0.1
        Size of the bank relative to the sampled patches.
    algorithm : {"exact", "faiss"}, default="exact"
        The search. "faiss" is approximate, worth it for banks above about 200,000 rows,
        and needs the package ``faiss-cpu``.
    scaling : {"whiten", "standard", "unit"} or None, default="whiten"
        How rows are scaled before they are compared: to unit variance without
        correlations (by their shrunk covariance), to unit variance, each row to length
        1 (its distance d is that of the cosine: d ** 2 / 2 = 1 - cosine), or not at
        all.
    max_patches : int, default=200_000
        Largest number of training patches that the bank is chosen from: a uniform
        sample, stratified by image. It bounds the memory of fitting whatever the number
        of images.
    pool : "max", "mean", "reweighted" or float in (0, 1), default="max"
        Score of an image: the highest value of its map, the mean, or the mean of this
        share of highest values; "reweighted" is PatchCore's own, the highest distance
        of a patch, weighted by the surroundings of its nearest row
        (`skuad.neighbors.reweighted_distance`).
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged. The threshold is that quantile of
        the held-out scores of the training images.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags, by the
        training scores. With ``coreset=None`` these are all zero and none is flagged.
        It overrides `false_alarm_rate`.
    calibration : {"auto", "leave_one_out"}, int, splitter or None, default="auto"
        How images are held out: a number of folds or a splitter. ``"auto"`` is 20
        folds, or 10 of more than 200 images; scaling and coreset are made anew for each.
        With a scaling "unit" or None and a coreset that is random or None, it is
        leave-one-out, by passing over the image's own rows of the bank. None sets no
        threshold.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for the embedder, if it has no own.
    n_jobs : int or None, default=None
        Number of folds that are fitted in parallel.
    random_state : int, RandomState or None, default=None
        Seed of the sample of patches and of the coreset.

    Attributes
    ----------
    estimator_ : NearestNeighborDetector
        The bank and its search.
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
    PatchDetector : Any scikit-learn estimator on patches.

    References
    ----------
    .. [1] Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR
       2022, https://arxiv.org/abs/2106.08265

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> data = make_defect_images(
    ...     n_train=10, n_good=2, n_defective=2, size=64, random_state=0
    ... )
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> detector.transform(data.test).shape
    (4, 64, 64)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PatchDetector._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "coreset": [StrOptions({"greedy", "random"}), None],
        "coreset_ratio": [Interval(Real, 0, 1, closed="right")],
        "algorithm": [StrOptions({"exact", "faiss"})],
        "pool": [
            StrOptions({"max", "mean", "reweighted"}),
            Interval(Real, 0, 1, closed="neither"),
        ],
    }
    _parameter_constraints.pop("estimator")

    def __init__(
        self,
        embedder: Any = None,
        *,
        n_neighbors: int = 1,
        coreset: Coreset = "greedy",
        coreset_ratio: float = 0.1,
        algorithm: Literal["exact", "faiss"] = "exact",
        scaling: Scaling = "whiten",
        max_patches: int = 200_000,
        pool: PatchPool = "max",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
        memory: MemoryLike = None,
        n_jobs: int | None = None,
        random_state: RandomStateLike = None,
    ):
        self.embedder = embedder
        self.n_neighbors = n_neighbors
        self.coreset = coreset
        self.coreset_ratio = coreset_ratio
        self.algorithm = algorithm
        self.scaling = scaling
        self.max_patches = max_patches
        self.pool = pool
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _make_estimator(
        self, random_state: np.random.RandomState
    ) -> NearestNeighborDetector:
        return NearestNeighborDetector(
            self.n_neighbors,
            coreset=self.coreset,
            coreset_ratio=self.coreset_ratio,
            algorithm=self.algorithm,
            contamination=None,
            random_state=random_state.randint(2**31 - 1),
        )

    @property
    def _can_pass_over_rows(self) -> bool:
        """Whether passing over an image's rows is fitting without it."""
        # A scaling that has seen the image flatters it: 0.114 were flagged at a rate
        # of 0.1 (benchmarks/false_alarm_rates.py, 400 repetitions).
        unseen = self.coreset != "greedy" and self.scaling in STATELESS
        return unseen and self.algorithm == "exact" and self.pool != "reweighted"

    def _map_and_score(self, layout: PatchLayout, rows: Rows) -> MapAndScore:
        if self.pool != "reweighted":
            return super()._map_and_score(layout, rows)
        bank = self.estimator_
        rows = self._scaled(rows)
        distances, indices = bank.kneighbors(rows)
        row_scores = distances.mean(axis=1)
        anomaly_map, _ = layout.map_and_score(row_scores, "max")
        worst = row_scores.argmax()
        score = reweighted_distance(rows[worst], indices[worst, 0], bank.bank_)
        return anomaly_map, score

    def _folds(self, n_images: int, groups: ArrayLike | None) -> list[Fold]:
        calibration = self.calibration
        if isinstance(calibration, str) and self._can_pass_over_rows:
            calibration = "leave_one_out"
        return calibration_folds(calibration, n_images, groups)

    def _fit_fold(self, patches: PatchSample, train: IndexArray) -> PatchScorer:
        if self._can_pass_over_rows:
            bank = self.estimator_
            mask = np.isin(patches.image[bank.bank_indices_], train)
            if mask.sum() >= self.n_neighbors:
                return lambda layout, rows: layout.map_and_score(
                    -bank.score_samples(self._scaled(rows), mask=mask), self.pool
                )
        return super()._fit_fold(patches, train)

    def _clone_for_fold(self, share: float) -> PatchDetector:
        # A bank as large as the final one: a smaller would make held-out scores worse.
        ratio = min(1.0, self.coreset_ratio / share)
        return clone(self).set_params(coreset_ratio=ratio)
