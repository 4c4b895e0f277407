"""Metrics by image and by type of defect, with confidence intervals."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skuad.metrics._accumulator import DEFAULT_METRICS
from skuad.metrics._aupimo import FPR_BOUNDS, aupimo_per_image
from skuad.metrics._bootstrap import (
    choose_cells,
    count_images,
    draw,
    map_fields,
    resample_values,
)
from skuad.metrics._evidence import GOOD, REST, Evidence
from skuad.metrics._image import check_scores
from skuad.metrics._levels import Levels, Values, mid_ranks, partial_areas, precisions
from skuad.metrics._pixel import is_defined
from skuad.metrics._registry import Metric, parse_metrics
from skuad.metrics._samples import Samples, collect_evidence
from skuad.metrics._targets import image_labels
from skuad.utils._typing import Array, MapsLike, MasksLike, RandomStateLike


class Estimate(NamedTuple):
    """A metric and its confidence interval.

    Parameters
    ----------
    value : float
    low, high : float
        Ends of the interval; nan where none was computed.
    """

    value: float
    low: float
    high: float


def metrics_by_image(
    y_true: MasksLike,
    maps: MapsLike,
    metrics: str | Sequence[str] = ("pixel_roc_auc", "aupro"),
    *,
    ignore: MasksLike | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what each anomalous image contributes to a metric.

    The false-positive rate is that of the normal pixels of all images, so images can
    be compared: a low value is a defect that is missed. The metric itself is the mean
    of the values, each weighted by the number of anomalous pixels of the image
    (``pixel_roc_auc``, ``pixel_average_precision``), by its number of regions
    (``aupro``), or by 1 (``aupimo``).

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`.
    metrics : str or list of str, default=("pixel_roc_auc", "aupro")
        Of the four named above; ``"aupro@0.05"`` is AUPRO with that limit.

    Returns
    -------
    values : dict of str to ndarray of shape (n,)
        In [0, 1]; nan for an image without anomalous pixels.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`, or if a metric has no value per image.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import metrics_by_image
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> found, missed = np.array([[0.1, 0.4, 0.5, 0.8]]), np.array([[0.2, 0.3, 0, 0]])
    >>> metrics_by_image([mask, mask, None], [found, missed, missed], "pixel_roc_auc")
    {'pixel_roc_auc': array([1.   , 0.125,   nan])}
    """
    parsed = parse_metrics(metrics)
    for metric in parsed:
        if metric.of_images or metric.kind == "f1_max":
            raise ValueError(f"{metric.name!r} has no value for a single image.")
    separate = any(metric.kind == "aupimo" for metric in parsed)
    evidence = collect_evidence(Samples(y_true, maps, ignore), separate_good=separate)
    return {metric.name: _per_image(metric, evidence) for metric in parsed}


def metrics_by_type(
    y_true: MasksLike | npt.ArrayLike,
    maps: MapsLike | None = None,
    types: Sequence[str] | Array | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    *,
    scores: npt.ArrayLike | None = None,
    ignore: MasksLike | None = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: RandomStateLike = None,
) -> dict[str, dict[str, Estimate]]:
    """Compute metrics for each type of defect, with confidence intervals.

    The metrics of a type are those of the good images and of the images of that type.
    The intervals are percentiles of a bootstrap over images [1]_, drawn from the good
    images and from every type apart: pixels of one image are not independent, images
    are. The values are exact; resamples tell at most some thousand scores apart. The
    rate of false alarms that AUPIMO rests on is not resampled.

    Parameters
    ----------
    y_true, maps, scores, ignore
        As in `map_metrics`.
    types : sequence of str of length n, default=None
        The type of defect of every image; what it says of a good image is not used.
        None gives the metrics of all images alone.
    metrics : str or list of str, default=("pixel_roc_auc", \
"pixel_average_precision", "pixel_f1_max", "aupro")
        As in `MapMetrics`.
    n_resamples : int, default=1000
        Number of resamples; 0 for no intervals, which spares half of the time.
    confidence_level : float, default=0.95
        In (0, 1).
    random_state : int, RandomState instance or None, default=None
        Of the resamples.

    Returns
    -------
    estimates : dict of str to dict of str to Estimate
        For ``"all"`` and every type, by the names of the metrics: tuples (value, low,
        high).

    Raises
    ------
    ValueError
        As in `map_metrics`, or if `types` has another length, or a type is ``"all"``.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman
       and Hall, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import metrics_by_type
    >>> y_true, scores = [1, 1, -1, -1, -1], [0.1, 0.4, 0.3, 0.8, 0.9]
    >>> types = ["good", "good", "scratch", "stain", "stain"]
    >>> estimates = metrics_by_type(
    ...     y_true, types=types, metrics="image_roc_auc", scores=scores, random_state=0
    ... )
    >>> {name: group["image_roc_auc"].value for name, group in estimates.items()}
    {'all': 0.833..., 'scratch': 0.5, 'stain': 1.0}
    """
    parsed = parse_metrics(metrics)
    if not isinstance(n_resamples, Integral) or n_resamples < 0:
        raise ValueError(f"n_resamples is {n_resamples!r}; it must be an int >= 0.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level is {confidence_level!r}; it is in (0, 1).")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    estimates = {}
    for of_images in (False, True):
        wanted = [metric for metric in parsed if metric.of_images == of_images]
        if not wanted:
            continue
        if of_images:
            source = _one_pixel_images(y_true, scores)
        else:
            if maps is None:
                raise ValueError("Pixel metrics need maps.")
            source = Samples(y_true, maps, ignore)
        table = _Table(source, types, wanted)
        for name, values in table.estimates(n_resamples, confidence_level, seed):
            estimates.setdefault(name, {}).update(values)
    order = [metric.name for metric in parsed]
    return {
        name: {metric: values[metric] for metric in order}
        for name, values in estimates.items()
    }


def _one_pixel_images(
    y_true: MasksLike | npt.ArrayLike, scores: npt.ArrayLike | None
) -> Samples:
    """Return image scores as samples: an image is a pixel, anomalous or not."""
    if scores is None:
        raise ValueError("Image metrics need scores, one per image.")
    labels = image_labels(y_true)
    scores = check_scores(scores, len(labels))
    return Samples((labels == -1)[:, None, None], scores[:, None, None])


class _Table:
    """The metrics of groups of images, and of resamples of them."""

    def __init__(
        self,
        samples: Samples,
        types: Sequence[str] | Array | None,
        metrics: list[Metric],
    ) -> None:
        self._samples, self._metrics = samples, metrics
        types = _check_types(types, len(samples))
        self._evidence = collect_evidence(samples, separate_good=True, strata=types)
        known = self._evidence.is_good
        is_good = np.array([good is True for good in known], bool)
        self._known = np.array([good is not None for good in known], bool)
        self._groups = {"all": self._known}
        if types is None:
            types = np.full(len(samples), REST)
        else:
            names = np.unique(types[self._known & ~is_good])
            if np.isin(names, ("all", GOOD)).any():
                raise ValueError("A type is 'all' or empty; call it something else.")
            for name in names:
                members = is_good | (types == name)
                self._groups[str(name)] = self._known & members
        self._strata = np.where(is_good, GOOD, types)

    def estimates(
        self, n_resamples: int, confidence_level: float, seed: int
    ) -> Iterator[tuple[str, dict[str, Estimate]]]:
        """Yield the name of every group with its estimates."""
        levels = {name: self._levels(name) for name in self._groups}
        strata = np.where(self._known, self._strata, "\0")  # the unknown count nowhere
        drawn = draw(strata, n_resamples, np.random.default_rng(seed))
        counts = self._count_images(levels.values()) if n_resamples else None
        per_image = self._aupimo()
        tail = (1 - confidence_level) / 2
        for name, group in self._groups.items():
            weights = drawn[:, group]
            values, resampled = {}, {}
            if per_image is not None:
                values["aupimo"], resampled["aupimo"] = _mean(per_image[group], weights)
            defined = [
                metric
                for metric in self._metrics
                if metric.kind != "aupimo"
                and is_defined(levels[name], f"{metric.title} of {name}")
            ]
            for metric in defined:
                values[metric.name] = metric.value(levels[name])
            if counts is not None and defined:
                of_group = map_fields(counts, lambda field: field[group])  # noqa: B023
                found = resample_values(of_group, weights, [m.value for m in defined])
                resampled |= zip([m.name for m in defined], found, strict=True)
            yield (
                name,
                {
                    m.name: _estimate(values.get(m.name), resampled.get(m.name), tail)
                    for m in self._metrics
                },
            )

    def _levels(self, name: str) -> Levels:
        if len(self._groups) == 1:
            return self._evidence.levels
        group = self._groups[name]
        return self._evidence.levels_of(group, np.unique(self._strata[group]))

    def _count_images(self, all_levels: Iterable[Levels]) -> Levels:
        samples, evidence = self._samples, self._evidence
        scores = evidence.levels.scores
        first = choose_cells([levels.nonzero() for levels in all_levels], len(scores))
        images = _counted_pixels(samples, self._known)
        return count_images(
            scores, first, images, len(samples), evidence.anomalies, evidence.groups
        )

    def _aupimo(self) -> NDArray[np.float64] | None:
        if not any(metric.kind == "aupimo" for metric in self._metrics):
            return None
        return _per_image(parse_metrics("aupimo")[0], self._evidence)


def _counted_pixels(
    samples: Samples, known: NDArray[np.bool_]
) -> Iterator[Array | None]:
    """Yield the pixels of each image that count."""
    for index, is_known in enumerate(known):
        if not is_known:
            yield None
            continue
        values, ignored = samples.maps[index], samples.ignored(index)
        yield values.ravel() if ignored is None else values[~ignored]


def _per_image(metric: Metric, evidence: Evidence) -> NDArray[np.float64]:
    if metric.kind == "aupimo":
        lower, upper = FPR_BOUNDS
        return aupimo_per_image(evidence, FPR_BOUNDS, np.log(upper / lower))
    anomalies, levels = evidence.anomalies, evidence.levels
    values = np.full(len(evidence.is_good), np.nan)
    if not is_defined(levels, metric.title):
        return values
    if metric.kind == "aupro":
        of_levels, weights = (
            partial_areas(levels, metric.max_fpr),
            anomalies.pixel_shares(),
        )
    else:
        ranks = metric.kind == "roc_auc"
        of_levels = 1 - mid_ranks(levels) if ranks else precisions(levels)
        weights = np.ones(len(evidence.groups))
    images = anomalies.pixel_images()
    total = np.bincount(images, of_levels[evidence.groups] * weights, len(values))
    weight = np.bincount(images, weights, len(values))
    return np.divide(total, weight, out=values, where=weight > 0)


def _check_types(
    types: Sequence[str] | Array | None, n_images: int
) -> NDArray[np.str_] | None:
    if types is None:
        return None
    types = np.asarray(list(types)).astype(str)
    if types.shape != (n_images,):
        raise ValueError(f"types has {len(types)} entries for {n_images} images.")
    return types


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[Any, Any]:
    defined = np.isfinite(values)
    if not defined.any():
        return None, None
    values, weights = values[defined], weights[:, defined]
    with np.errstate(invalid="ignore"):
        return values.mean(), weights @ values / weights.sum(axis=1)


def _estimate(
    value: Values | None, resampled: NDArray[np.float64] | None, tail: float
) -> Estimate:
    exact = np.nan if value is None else float(value)
    if resampled is not None:
        resampled = resampled[np.isfinite(resampled)]
    if resampled is None or not len(resampled):
        return Estimate(exact, np.nan, np.nan)
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(exact, float(low), float(high))
