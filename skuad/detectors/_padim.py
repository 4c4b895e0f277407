"""PaDiM: a Gaussian for every patch position."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from skuad.base import MapDetector
from skuad.base._pool import POOL
from skuad.detectors._patch import PatchDetector
from skuad.detectors._patches import PatchLayout
from skuad.detectors._position_gaussians import (
    PositionMoments,
    held_out_distances,
    inverse_scatter,
    mahalanobis_distances,
    whitening_matrices,
)
from skuad.feature_extraction import FeatureMap
from skuad.feature_extraction._base import MemoryLike
from skuad.io._images import Images
from skuad.neighbors._memory import require_memory
from skuad.utils._param_validation import HasMethods, Interval
from skuad.utils._thresholds import calibration_folds
from skuad.utils._typing import Fold, IndexArray, MapAndScore, Pool, RandomStateLike

# Images whose features are added to the moments at once: enough for matrix products.
_AT_ONCE = 16


class PaDiM(MapDetector):
    """Detect anomalies by a Gaussian for every position of the patch grid.

    The recipe of PaDiM [1]_ on any embedder, for parts that lie in the same place in
    every image: the features of the good images at a position have a mean and a
    covariance, and the anomaly of a patch is its Mahalanobis distance from those of its
    own position. What is normal in one place is an anomaly in another.

    Parameters
    ----------
    embedder : embedder, default=None
        From images to `FeatureMap`; a `FilterBankEmbedder` by default.
    n_features : int or None, default=100
        Number of features that are used, chosen at random; all if the embedder gives
        no more, or with None. Memory and time grow with its square.
    reg_covar : float, default=0.01
        Added to the variance of every feature, in the square of its unit. It has to
        be above 0, since there are seldom more images than features.
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
        How images are held out: one at a time, or one group, by default; a number of
        folds, or a splitter. Nothing is fitted again: the moments of all images, less
        those that are held out, give the same in closed form. None sets no threshold.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for the embedder, if it has no own.
    random_state : int, RandomState or None, default=None
        Seed of the choice of features.

    Attributes
    ----------
    embedder_ : embedder
        The embedder in use.
    feature_indices_ : ndarray of int of shape (n_features,)
        The features that are used.
    grid_shape_ : tuple of int
        Height h and width w of the patch grid, that of the first training image.
    mean_ : ndarray of float32 of shape (h * w, n_features)
        Mean at every position, row by row of the grid.
    whitening_ : ndarray of float32 of shape (h * w, n_features, n_features)
        Lower triangular W at every position: a distance is the length of
        ``W @ (features - mean)``, and ``W.T @ W`` the inverse of the covariance.
    counts_ : ndarray of int of shape (h * w,)
        Number of training images that each position was learnt from.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.

    See Also
    --------
    PatchKNN : Distance to the nearest patches, wherever they were.

    Notes
    -----
    Images are read one at a time, and memory does not grow with their number: fit takes
    about ``20 * h * w * n_features ** 2`` bytes, a fitted detector and its file a fifth
    of that (a grid of 32 x 32 with 100 features: 0.2 GB and 41 MB). Features of the
    training images are kept for calibration as long as they take less than that;
    beyond, which is from ``2 * n_features`` images on, images are embedded a second
    time. Only images that are held out together are held in memory together, in
    ``4 * h * w * n_features`` bytes each: with few folds of many images it is their
    number that counts.

    An image of another size is laid over the same grid: each position takes the
    features of the patch that holds its centre. A region of interest restricts the map
    and the score; positions outside it are not learnt. Where regions differ from image to
    image, as with `ForegroundOnly` and tiles that `Tiled` had to pad, each position is
    learnt from the images that have it inside. One that no image has inside takes the
    value of its nearest neighbour in the map.

    References
    ----------
    .. [1] T. Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly
       Detection and Localization", ICPR International Workshops 2021,
       https://arxiv.org/abs/2011.08785

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PaDiM
    >>> data = make_defect_images(
    ...     "printed", n_train=12, n_good=2, n_defective=2, size=64
    ... )
    >>> detector = PaDiM(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> detector.transform(data.test).shape
    (4, 64, 64)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "embedder": [HasMethods(["fit", "embed"]), None],
        "n_features": [Interval(Integral, 1, None, closed="left"), None],
        "reg_covar": [Interval(Real, 0, None, closed="neither")],
        "pool": POOL,
        **MapDetector._parameter_constraints,
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
    }

    n_jobs = 1  # Held-out scores share the moments, which are too large to send about.

    def __init__(
        self,
        embedder: Any = None,
        *,
        n_features: int | None = 100,
        reg_covar: float = 0.01,
        pool: Pool = "max",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
        memory: MemoryLike = None,
        random_state: RandomStateLike = None,
    ):
        self.embedder = embedder
        self.n_features = n_features
        self.reg_covar = reg_covar
        self.pool = pool
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration
        self.memory = memory
        self.random_state = random_state

    _make_embedder = PatchDetector._make_embedder

    def _fit_images(self, images: Images) -> "_Learned":
        self.embedder_ = self._make_embedder().fit(images)
        embedded = iter(self.embedder_.embed(images))
        first = next(embedded)
        moments = self._start(first, len(images))
        keeps = len(images) <= 2 * len(self.feature_indices_)
        kept: list[NDArray[np.float32]] = []
        batch: list[NDArray[np.float32]] = []
        layouts: list[PatchLayout] = []
        for number, features in enumerate(chain([first], embedded)):
            features = self._on_grid(features)
            layouts.append(PatchLayout(features, images.roi(number)))
            batch.append(features.rows)
            if len(batch) == _AT_ONCE or number == len(images) - 1:
                moments.add(np.stack(batch), _inside(layouts[-len(batch) :]))
                kept += batch if keeps else []
                batch = []
        mean, scatter = moments.result()
        self.mean_ = mean.astype(np.float32)
        self.whitening_ = whitening_matrices(scatter, moments.counts, self.reg_covar)
        self.counts_ = moments.counts
        return _Learned(mean, scatter, moments.counts, layouts, kept)

    def _start(self, features: FeatureMap, n_images: int) -> PositionMoments:
        """Choose features and grid by the first image; return empty moments."""
        n_given = features.shape[2]
        n_features = min(n_given, self.n_features or n_given)
        chosen = check_random_state(self.random_state).permutation(n_given)
        self.feature_indices_ = np.sort(chosen[:n_features])
        self.grid_shape_ = features.shape[:2]
        shape = self.grid_shape_[0] * self.grid_shape_[1], n_features
        require_memory(
            20 * shape[0] * n_features**2,
            purpose=f"A covariance of {n_features} features at {shape[0]} positions",
            advice="Lower n_features, or take a coarser grid or smaller images.",
        )
        return PositionMoments(*shape)

    def _on_grid(self, features: FeatureMap) -> FeatureMap:
        """Give the chosen features, at the positions of the training images' grid."""
        values, grid = features.values, self.grid_shape_
        if values.shape[:2] != grid:
            rows, columns = (
                (2 * np.arange(n) + 1) * size // (2 * n)
                for n, size in zip(grid, values.shape[:2], strict=True)
            )
            values = values[np.ix_(rows, columns)]
        return FeatureMap(values[..., self.feature_indices_], features.image_shape)

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        for number, features in enumerate(self.embedder_.embed(images)):
            features = self._on_grid(features)
            layout = PatchLayout(features, images.roi(number))
            distances = mahalanobis_distances(
                features.rows, self.mean_, self.whitening_
            )
            yield self._map_and_score(layout, distances, self.counts_ > 0)

    def _map_and_score(
        self,
        layout: PatchLayout,
        distances: NDArray[np.float32],
        is_known: NDArray[np.bool_],
    ) -> MapAndScore:
        distances = np.where(is_known, distances, np.float32(0))
        layout = layout.limited_to(is_known.reshape(layout.grid_shape))
        if layout.inside is not None:
            distances = distances[layout.inside.ravel()]
        return layout.map_and_score(distances, self.pool)

    def _folds(self, n_images: int, groups: ArrayLike | None) -> list[Fold]:
        calibration = self.calibration
        if isinstance(calibration, str):
            calibration = "leave_one_out"
        return calibration_folds(calibration, n_images, groups)

    def _detect_fold(
        self, images: Images, learned: "_Learned", train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        held_out = np.setdiff1d(np.arange(len(images)), train)
        if learned.kept:
            rows = np.stack([learned.kept[number] for number in held_out])
        else:
            features = self.embedder_.embed(images.subset(held_out))
            rows = np.stack([self._on_grid(item).rows for item in features])
        inside = _inside([learned.layouts[number] for number in held_out])
        n_inside = inside.sum(axis=0)
        together = np.isin(n_inside, (0, len(held_out))).all()
        distances = held_out_distances(
            rows,
            inside,
            learned.mean,
            learned.scatter,
            learned.counts,
            self.reg_covar,
            inverse=learned.inverse(len(held_out), self.reg_covar)
            if together
            else None,
        )
        is_known = learned.counts > n_inside
        by_number = dict(zip(held_out.tolist(), distances, strict=True))
        for number in np.asarray(test).tolist():
            layout = learned.layouts[number]
            yield self._map_and_score(layout, by_number[number], is_known)


def _inside(layouts: list[PatchLayout]) -> NDArray[np.bool_]:
    """Which positions (n_images, n_positions) count."""
    return np.stack(
        [
            np.ones(layout.n_patches, bool)
            if layout.inside is None
            else layout.inside.ravel()
            for layout in layouts
        ]
    )


@dataclass
class _Learned:
    """What held-out scores are made of: moments, and the features if they were kept."""

    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]
    counts: NDArray[np.int64]
    layouts: list[PatchLayout]
    kept: list[NDArray[np.float32]]
    _inverse: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def inverse(self, n_held_out: int, reg_covar: float) -> NDArray[np.float64] | None:
        """Return the inverse that folds of a size share; None for large folds."""
        if n_held_out > self.scatter.shape[-1]:
            return None
        if n_held_out not in self._inverse:
            self._inverse.clear()  # One is as large as the moments.
            left = self.counts - n_held_out
            self._inverse[n_held_out] = inverse_scatter(self.scatter, left, reg_covar)
        return self._inverse[n_held_out]
