"""Detectors fitted without some of the images, and what they find in those."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skuad.base import detect
from skuad.base._image_transformer import as_taken_by
from skuad.base._meta_map_detector import split_steps
from skuad.calibration._pixels import PixelShares
from skuad.calibration._sharing import FeatureStore, Kept, ReadOnce, share_features
from skuad.io import ImageSequence
from skuad.io._images import Images, as_images
from skuad.io._sequence import without_index
from skuad.utils._progress import tell_parts
from skuad.utils._typing import IndexArray


@dataclass
class HeldOut:
    """What a detector finds in images that it did not learn from.

    Attributes
    ----------
    scores : ndarray of shape (n_images,)
        Low is anomalous.
    peaks : ndarray of shape (n_images,)
        The negated highest value of each map.
    shares : PixelShares
        Of all pixels, if they are counted.
    """

    scores: NDArray[np.float64]
    peaks: NDArray[np.float64]
    shares: PixelShares


def look_at(
    detector: Any, images: Images, weights: NDArray[np.float64] | None = None
) -> HeldOut:
    """Score held-out images; with weights, count their pixels too.

    Raises
    ------
    ValueError
        If a score is NaN.
    """
    scores, peaks, shares = [], [], PixelShares()
    for number, (anomaly_map, score) in enumerate(detect(detector, images)):
        if np.isnan(score):
            raise ValueError(
                f"the score of {images.describe(number)}, which was held out, is NaN: no "
                "threshold can be set. Leave the image out, or mend the detector"
            )
        scores.append(-score)
        peaks.append(-anomaly_map.max())
        if weights is not None:
            shares.add(anomaly_map, weights[number])
    return HeldOut(np.array(scores, np.float64), np.array(peaks, np.float64), shares)


def fit_one(detector: Any, images: Images, y: Any = None) -> Any:
    """Fit a detector on good images; a search is given all of them, with y."""
    if isinstance(detector, FrozenEstimator):
        return detector
    X = as_taken_by(detector, images)
    return detector.fit(X) if y is None else detector.fit(X, y)


def cross_fit(
    detector: Any,
    images: Images,
    y: Any,
    trains: Sequence[IndexArray],
    tests: Sequence[IndexArray],
    look: Callable[[Any, Images, IndexArray], HeldOut],
    *,
    n_jobs: int | None = None,
) -> tuple[Any, list[Any], list[HeldOut], FeatureStore]:
    """Fit on all images, and once more without those of each fold, which are looked at.

    Lazy images are read once and embedded once, as long as they fit into memory.

    Parameters
    ----------
    detector : estimator
        Not fitted.
    images : Images
    y : sequence or None
        Targets, for a search.
    trains : list of ndarray of int
        What each detector learns from; the first one is the detector to use.
    tests : list of ndarray of int
        The images that the others are shown.
    look : callable
        From a fitted detector, images and their numbers to a `HeldOut`.
    n_jobs : int or None, default=None
        Threads.

    Returns
    -------
    detector : estimator
        Fitted on the first of `trains`.
    others : list of estimator
        Fitted on the rest of `trains`; stateless steps before the detector are left out.
    found : list of HeldOut
    store : FeatureStore
        Shared by all of them.
    """
    store, features = FeatureStore(), Kept()
    steps, inner = split_steps(detector)
    if steps is not None:
        images = as_images(steps.fit(images).transform(images))
    if images.kind == "lazy":
        images = Images("lazy", ImageSequence(ReadOnce(images.data)))
    share_features(inner, store)

    def fitted(train: IndexArray) -> Any:
        with store.active(features):
            return fit_one(clone(inner), images.subset(train), take(y, train))

    def fold(train: IndexArray, test: IndexArray) -> tuple[Any, HeldOut]:
        one = fitted(train)
        with store.active(features):
            return one, look(one, images.subset(test), test)

    final = fitted(trains[0])  # embeds the images of all folds
    folds = zip(trains[1:], tests, strict=True)
    results = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(fold)(train, test)
        for train, test in tell_parts(folds, len(tests), "fold")
    )
    others, found = zip(*results, strict=True)
    if steps is not None:
        final = Pipeline([*steps.steps, (detector.steps[-1][0], final)])
    return final, list(others), list(found), store


def take(y: Any, indices: IndexArray) -> Any:
    """Return items of y, which may be None, a list or an array."""
    if y is None:
        return None
    y = without_index(y)
    return y[indices] if isinstance(y, np.ndarray) else [y[i] for i in indices]
