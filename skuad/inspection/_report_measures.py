"""What a report measures: of images, and of pixels where there are masks."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve

from skuad.inspection._report_intervals import auc_interval
from skuad.io._sequence import without_index
from skuad.metrics import metrics_by_type, pixel_roc_curve, pro_curve
from skuad.metrics._breakdown import Estimate
from skuad.metrics._targets import Masks, masks_from
from skuad.utils._typing import Array, IntArray, MapsLike, MasksLike

#: By group of images, and by name of the metric.
_Estimates: TypeAlias = dict[str, dict[str, Estimate]]
_Curves: TypeAlias = dict[str, tuple[Array, Array]]

_PIXEL_METRICS = ("pixel_roc_auc", "aupro")
_MAX_POINTS = 200


class Truth:
    """Masks of images, where somebody drew them."""

    masks: Masks | None

    def __init__(
        self, y_true: MasksLike | ArrayLike, labels: NDArray[np.int64]
    ) -> None:
        try:
            self.masks = masks_from(y_true)
        except ValueError:  # y_true holds labels
            self.masks = None
            self.is_drawn, self.n_unknown = False, 0
            return
        anomalous = np.flatnonzero(labels == -1).tolist()
        unknown = [i for i in anomalous if self[i] is None]
        self.n_unknown = len(unknown)
        self.is_drawn = (labels == 1).any() and self.n_unknown < (labels == -1).sum()
        self.known = np.setdiff1d(np.arange(len(labels)), unknown)
        self._y_true = without_index(y_true)

    def __getitem__(self, index: int) -> NDArray[np.bool_] | None:
        """Return the mask of an image, None if it is good or nobody drew it."""
        mask = None if self.masks is None else self.masks[index]
        return mask if isinstance(mask, np.ndarray) and mask.any() else None

    def of_known(self) -> Any:
        """Return the entries of y_true with masks."""
        if isinstance(self._y_true, np.ndarray):
            return self._y_true[self.known]
        return [self._y_true[i] for i in self.known]


class _Subset(Sequence[Array]):
    """Some of the maps, as a sequence."""

    def __init__(self, maps: MapsLike, indices: IntArray) -> None:
        self._maps, self._indices = maps, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        return np.atleast_2d(self._maps[self._indices[index]])


def measure_images(
    labels: NDArray[np.int64], scores: NDArray[np.float64], types: Sequence[str]
) -> _Estimates:
    """Return the image AUROC, of all and by type of defect, with its interval."""
    n_good, n_bad = int((labels == 1).sum()), int((labels == -1).sum())
    if not n_good or not n_bad:
        return {"all": {}}
    found = metrics_by_type(
        labels, types=types, metrics="image_roc_auc", scores=scores, n_resamples=0
    )
    bad = np.array(types)[labels == -1]
    estimates: _Estimates = {}
    for name, values in found.items():
        auc = values["image_roc_auc"].value
        count = n_bad if name == "all" else int((bad == name).sum())
        interval = auc_interval(auc, n_good, count)
        estimates[name] = {"image_roc_auc": Estimate(auc, *interval)}
    return estimates


def image_curve(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> _Curves:
    """Return the ROC curve of images, if there are good and anomalous ones."""
    if len(np.unique(labels)) < 2:
        return {}
    fpr, tpr, _ = roc_curve(labels == -1, scores)
    return {"image_roc": (fpr, tpr)}


def measure_pixels(
    truth: Truth,
    maps: MapsLike,
    types: Sequence[str],
    n_resamples: int,
    random_state: int,
) -> tuple[_Estimates, _Curves]:
    """Return the metrics of pixels, of all and by type of defect, and the curves."""
    y_true, maps = truth.of_known(), _Subset(maps, truth.known)
    types = [types[i] for i in truth.known]
    estimates = metrics_by_type(y_true, maps, types, _PIXEL_METRICS, n_resamples=0)
    if n_resamples:
        estimates |= metrics_by_type(
            y_true,
            maps,
            metrics=_PIXEL_METRICS,
            n_resamples=n_resamples,
            random_state=random_state,
        )
    curves = {
        "pixel_roc": pixel_roc_curve(y_true, maps, max_points=_MAX_POINTS)[:2],
        "pro": pro_curve(y_true, maps, max_points=2 * _MAX_POINTS)[:2],
    }
    return estimates, curves
