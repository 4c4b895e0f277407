"""One category of a benchmark: fit, score the test images, measure."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from skuad import __version__
from skuad.base import detect, threshold_of
from skuad.base._detect import detect_each
from skuad.metrics import au_spro_score, map_metrics, seg_f1_score
from skuad.metrics._registry import parse_metrics
from skuad.metrics._spool import MapSpool
from skuad.model_selection._benchmark_data import Category, leave_out
from skuad.model_selection._benchmark_rows import Row
from skuad.model_selection._peak_memory import PeakMemory
from skuad.utils._typing import Array, ImagesLike, IntArray, MapAndScore

#: Bytes of maps that are held in memory while a category is scored; few, so that the
#: peak memory is that of the estimator.
_MAP_MEMORY = 1 << 26

_DEFAULT = ("image_roc_auc", "pixel_roc_auc", "pixel_average_precision", "aupro")
_PUBLISHERS = {"mvtec_ad2": ("aupro@0.05", "seg_f1"), "mvtec_loco": ("au_spro",)}
_AU_SPRO_MAX_FPR = 0.05


class Metrics:
    """The metrics of a benchmark, parsed.

    Parameters
    ----------
    names : str, list of str or None
        None for the usual ones and those of the data set's publisher.
    dataset : str
        Name of the data set.
    saturation : list of dict
        Content of ``defects_config.json``.
    """

    def __init__(
        self,
        names: str | Sequence[str] | None,
        dataset: str = "",
        saturation: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        if names is None:
            names = [*_DEFAULT, *_PUBLISHERS.get(dataset, ())]
            if not saturation:
                names = [name for name in names if name != "au_spro"]
        names = [names] if isinstance(names, str) else list(names)
        self.limits = {n: _limit(n) for n in names if n.split("@")[0] == "au_spro"}
        self.seg_f1 = "seg_f1" in names
        others = [n for n in names if n not in self.limits and n != "seg_f1"]
        parsed = parse_metrics(others) if others else []
        self.of_images = [metric.name for metric in parsed if metric.of_images]
        self.of_pixels = [metric.name for metric in parsed if not metric.of_images]
        self.need_good = {metric.name for metric in parsed if metric.kind == "aupimo"}
        self.names = names
        self.saturation = list(saturation)
        if self.limits and dataset and not saturation:
            raise ValueError(
                f"{next(iter(self.limits))!r} needs the saturation thresholds of "
                "defects_config.json, and there are none"
            )


def _limit(name: str) -> float:
    _, at, limit = name.partition("@")
    try:
        return float(limit) if at else _AU_SPRO_MAX_FPR
    except ValueError:
        raise ValueError(f"The limit of {name!r} is no number.") from None


def seed_parameters(estimator: Any, random_state: int) -> Any:
    """Give a seed to every parameter `random_state`, also of nested estimators."""
    names = [
        name
        for name in estimator.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    return estimator.set_params(**dict.fromkeys(names, random_state))


def seed_of(estimator: Any) -> int | None:
    """Return the one seed of an estimator, None if it has none or several."""
    seeds = {
        value
        for name, value in estimator.get_params(deep=True).items()
        if name.split("__")[-1] == "random_state" and isinstance(value, int)
    }
    return seeds.pop() if len(seeds) == 1 else None


def run_category(
    estimator: Any,
    category: Category,
    metrics: Metrics,
    on_image: Callable[[], object] | None = None,
    observer: Any = None,
    *,
    skip: bool = False,
) -> list[Row]:
    """Fit an estimator on a category and measure it.

    Parameters
    ----------
    estimator : estimator
        Is fitted.
    category : Category
    metrics : Metrics
    on_image : callable, default=None
        Is called after each test image.
    observer : object, default=None
        See `run_benchmark`.
    skip : bool, default=False
        Whether test images that cannot be scored are left out.

    Returns
    -------
    rows : list of dict
        The first for all test images, then one for each subset.
    """
    if observer is not None:
        observer.begin(category, estimator)
    memory = PeakMemory()
    begun = time.perf_counter()
    estimator.fit(category.train)
    fit_seconds = time.perf_counter() - begun

    def on_map(index: int, anomaly_map: Array, score: float) -> None:
        maps.append(anomaly_map)
        if observer is not None:
            observer.scored(category, estimator, index, anomaly_map, score)
        if on_image is not None:
            on_image()

    with MapSpool(_MAP_MEMORY) as maps:
        scores, seconds, faults = _detect_all(estimator, category.test, on_map, skip)
        if faults:
            category = leave_out(category, faults)
        if len(scores) != len(category.target):
            raise ValueError(
                f"the estimator gives {len(scores)} maps for {len(category.target)} "
                "images"
            )
        threshold = threshold_of(estimator)
        threshold = np.nan if threshold is None else threshold
        same = {
            "threshold": threshold,
            "fit_seconds": fit_seconds,
            "ms_per_image": 1000 * seconds / len(scores),
            "peak_memory_mb": memory.read(),
            "n_train": len(category.train),
            "n_unreadable": len(category.unreadable),
            "seed": seed_of(estimator),
            "versions": versions(),
        }
        subsets = {"all": np.arange(len(scores)), **category.subsets}
        rows = [
            {
                "category": category.name,
                "subset": name,
                **_measure(category, indices, scores, maps, metrics, threshold),
                **same,
            }
            for name, indices in subsets.items()
        ]
    if metrics.limits and category.subsets:
        # The publisher's headline: the mean over logical and structural anomalies.
        for name in metrics.limits:
            rows[0][name] = float(np.mean([row[name] for row in rows[1:]]))
    if observer is not None:
        observer.end(category, estimator)
    return rows


def versions() -> str:
    """Name the versions of what computes."""
    return (
        f"skuad {__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}"
    )


def _detect_all(
    estimator: Any,
    images: ImagesLike,
    on_map: Callable[[int, Array, float], None],
    skip: bool,
) -> tuple[NDArray[np.float64], float, dict[int, Exception]]:
    """Hand over map and score of every image.

    Returns
    -------
    scores : ndarray
        Of the images that have one.
    seconds : float
        The time it took.
    faults : dict of int to exception
        What is wrong with others, if they are skipped, by their number.
    """
    scores, seconds, faults = [], 0.0, {}
    each: Iterable[MapAndScore | Exception] = (
        detect_each(estimator, images, faults=(OSError, ValueError))
        if skip
        else detect(estimator, images)
    )
    begun = time.perf_counter()
    for index, found in enumerate(each):
        seconds += time.perf_counter() - begun
        if isinstance(found, Exception):
            faults[index] = found
        else:
            anomaly_map, score = found
            scores.append(float(score))
            on_map(index, anomaly_map, scores[-1])
        begun = time.perf_counter()
    return np.array(scores), seconds, faults


class _Subset(Sequence[Array]):
    """Some of the maps, as a sequence."""

    def __init__(self, maps: Sequence[Array], indices: IntArray) -> None:
        self._maps, self._indices = maps, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        return self._maps[self._indices[index]]


def _measure(
    category: Category,
    indices: IntArray,
    scores: NDArray[np.float64],
    maps: Sequence[Array],
    metrics: Metrics,
    threshold: float,
) -> Row:
    """Return counts and metrics of some test images; nan where one is undefined."""
    target, scores = category.target[indices], scores[indices]
    good = target == 1
    flagged = scores > threshold
    has_threshold = not np.isnan(threshold)
    row = {
        "n_test": len(indices),
        "n_good": int(good.sum()),
        "n_anomalous": int((~good).sum()),
        "n_false_alarms": int(flagged[good].sum()) if has_threshold else np.nan,
        "n_detected": int(flagged[~good].sum()) if has_threshold else np.nan,
        **dict.fromkeys(metrics.names, np.nan),
    }
    if good.any() and not good.all() and metrics.of_images:
        row |= map_metrics(target, metrics=metrics.of_images, scores=scores)
    drawn = [_is_drawn(category.masks[i]) for i in indices]
    if not any(drawn):
        return row
    names = [n for n in metrics.of_pixels if good.any() or n not in metrics.need_good]
    truth, part = [category.masks[i] for i in indices], _Subset(maps, indices)
    if names:
        row |= map_metrics(truth, part, names)
    if metrics.seg_f1 and has_threshold:
        row["seg_f1"] = seg_f1_score(truth, part, threshold=threshold)
    if metrics.limits:
        known = indices[good | np.array(drawn)]
        channels, part = [category.masks[i] for i in known], _Subset(maps, known)
        for name, limit in metrics.limits.items():
            row[name] = au_spro_score(
                channels, part, saturation=metrics.saturation, max_fpr=limit
            )
    return row


def _is_drawn(mask: Any) -> bool:
    return mask is not None and not (isinstance(mask, int) and mask == -1)
