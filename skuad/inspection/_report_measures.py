"""What a report measures: of images, and of pixels where there are masks."""

from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from skuad.inspection._report_intervals import auc_interval
from skuad.metrics import metrics_by_type, pixel_roc_curve, pro_curve
from skuad.metrics._breakdown import Estimate
from skuad.metrics._targets import UNKNOWN, masks_from

_PIXEL_METRICS = ("pixel_roc_auc", "aupro")
_MAX_POINTS = 200


class Truth:
    """Masks of images, where somebody drew them."""

    def __init__(self, y_true, labels):
        try:
            self.masks = masks_from(y_true)
        except ValueError:  # y_true holds labels
            self.masks = None
            self.is_drawn, self.n_unknown = False, 0
            return
        unknown = [i for i in np.flatnonzero(labels == -1) if self[i] is None]
        self.n_unknown = len(unknown)
        self.is_drawn = (labels == 1).any() and self.n_unknown < (labels == -1).sum()
        self.known = np.setdiff1d(np.arange(len(labels)), unknown)
        self._y_true = y_true.to_numpy() if hasattr(y_true, "iloc") else y_true

    def __getitem__(self, index) -> np.ndarray | None:
        """Return the mask of an image, None if it is good or nobody drew it."""
        mask = None if self.masks is None else self.masks[index]
        return None if mask is None or mask is UNKNOWN or not mask.any() else mask

    def of_known(self) -> Any:
        """Return the entries of y_true with masks."""
        if isinstance(self._y_true, np.ndarray):
            return self._y_true[self.known]
        return [self._y_true[i] for i in self.known]


class _Subset:
    """Some of the maps, as a sequence."""

    def __init__(self, maps, indices):
        self._maps, self._indices = maps, indices

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, index):
        return np.atleast_2d(self._maps[self._indices[index]])


def measure_images(labels, scores, types):
    """Return the image AUROC, of all and by type of defect, with its interval."""
    n_good, n_bad = int((labels == 1).sum()), int((labels == -1).sum())
    if not n_good or not n_bad:
        return {"all": {}}
    options = {"metrics": "image_roc_auc", "scores": scores, "n_resamples": 0}
    found = metrics_by_type(labels, types=types, **options)
    bad = np.array(types)[labels == -1]
    estimates = {}
    for name, values in found.items():
        auc = values["image_roc_auc"].value
        count = n_bad if name == "all" else int((bad == name).sum())
        interval = auc_interval(auc, n_good, count)
        estimates[name] = {"image_roc_auc": Estimate(auc, *interval)}
    return estimates


def image_curve(labels, scores):
    """Return the ROC curve of images, if there are good and anomalous ones."""
    if len(np.unique(labels)) < 2:
        return {}
    fpr, tpr, _ = roc_curve(labels == -1, scores)
    return {"image_roc": (fpr, tpr)}


def measure_pixels(truth, maps, types, n_resamples, random_state):
    """Return the metrics of pixels, of all and by type of defect, and the curves."""
    y_true, maps = truth.of_known(), _Subset(maps, truth.known)
    types = [types[i] for i in truth.known]
    estimates = metrics_by_type(y_true, maps, types, _PIXEL_METRICS, n_resamples=0)
    if n_resamples:
        options = {"n_resamples": n_resamples, "random_state": random_state}
        estimates |= metrics_by_type(y_true, maps, metrics=_PIXEL_METRICS, **options)
    curves = {
        "pixel_roc": pixel_roc_curve(y_true, maps, max_points=_MAX_POINTS)[:2],
        "pro": pro_curve(y_true, maps, max_points=2 * _MAX_POINTS)[:2],
    }
    return estimates, curves
