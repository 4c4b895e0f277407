"""The metrics by name, each computed from evidence that is collected once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skuad.datasets._names import did_you_mean
from skuad.metrics._aupimo import FPR_BOUNDS, aupimo_per_image
from skuad.metrics._evidence import Evidence
from skuad.metrics._levels import (
    Levels,
    Values,
    average_precision,
    f1_max,
    region_overlap_area,
    roc_auc,
)
from skuad.metrics._pixel import check_max_fpr, is_defined

_OF_LEVELS: dict[str, Callable[[Levels], Values]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "f1_max": lambda levels: f1_max(levels)[0],
}
_TITLES = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "f1_max": "F1-max",
}
NAMES = (
    *(f"pixel_{name}" for name in _OF_LEVELS),
    "aupro",
    "aupimo",
    *(f"image_{name}" for name in _OF_LEVELS),
)


@dataclass(frozen=True)
class Metric:
    """A metric of the registry.

    Parameters
    ----------
    name : str
        As the user wrote it.
    of_images : bool
        Whether it is made from image scores, not from maps.
    kind : {"roc_auc", "average_precision", "f1_max", "aupro", "aupimo"}
    max_fpr : float, default=0.3
        Of AUPRO.
    """

    name: str
    of_images: bool
    kind: str
    max_fpr: float = 0.3

    @property
    def title(self) -> str:
        """Name for messages."""
        if self.kind in _TITLES:
            return f"{'Image' if self.of_images else 'Pixel'} {_TITLES[self.kind]}"
        return self.kind.upper()

    def value(self, levels: Levels) -> Values:
        """Return its value, or one for each resample that the levels hold."""
        if self.kind == "aupro":
            return region_overlap_area(levels, self.max_fpr)
        return _OF_LEVELS[self.kind](levels)

    def results_of_pixels(self, evidence: Evidence) -> dict[str, float]:
        """Return what a user gets: values by name, nan with a warning if undefined."""
        if self.kind == "aupimo":
            return {self.name: _mean_aupimo(evidence)}
        return self.results(evidence.levels)

    def results(self, levels: Levels | None) -> dict[str, float]:
        """Return what a user gets of levels."""
        if levels is None or not is_defined(levels, self.title):
            undefined = {self.name: math.nan}
            if self.kind == "f1_max":
                undefined[f"{self.name}_threshold"] = math.nan
            return undefined
        if self.kind == "f1_max":
            score, threshold = map(float, f1_max(levels))
            return {self.name: score, f"{self.name}_threshold": threshold}
        return {self.name: float(self.value(levels))}


def parse_metrics(metrics: str | Sequence[str]) -> list[Metric]:
    """Look up metrics by name.

    Parameters
    ----------
    metrics : str or list of str
        Of `NAMES`; AUPRO may have its limit, as in ``"aupro@0.05"``.

    Returns
    -------
    metrics : list of Metric
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise ValueError("metrics is empty.")
    return [_parse(name) for name in names]


def _parse(name: str) -> Metric:
    base, at, limit = str(name).partition("@")
    if base not in NAMES or (at and base != "aupro"):
        raise ValueError(
            f"There is no metric {name!r}.{did_you_mean(base, NAMES)} There are "
            f"{', '.join(NAMES)}, and AUPRO with another limit, such as 'aupro@0.05'."
        )
    if base == "aupro":
        try:
            max_fpr = float(limit) if at else 0.3
        except ValueError:
            raise ValueError(f"The limit of {name!r} is no number.") from None
        check_max_fpr(max_fpr)
        return Metric(name, False, base, max_fpr)
    if base == "aupimo":
        return Metric(name, False, base)
    kind, _, rest = base.partition("_")
    return Metric(name, kind == "image", rest)


def _mean_aupimo(evidence: Evidence) -> float:
    lower, upper = FPR_BOUNDS
    scores = aupimo_per_image(evidence, FPR_BOUNDS, np.log(upper / lower))
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else math.nan
