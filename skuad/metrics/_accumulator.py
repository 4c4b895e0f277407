"""Metrics over images that arrive in batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from skuad.metrics._counting import ValueTable
from skuad.metrics._evidence import Evidence, PixelRecorder
from skuad.metrics._image import check_scores, image_levels
from skuad.metrics._levels import Levels
from skuad.metrics._maps import Maps
from skuad.metrics._registry import Metric, parse_metrics
from skuad.metrics._samples import Samples, ignored_at
from skuad.metrics._targets import (
    UNKNOWN,
    as_sequence,
    ignored_from,
    image_labels,
    masks_from,
    warn_unknown,
)
from skuad.utils._typing import Array, MapsLike, MasksLike, TargetsLike

DEFAULT_METRICS = (
    "pixel_roc_auc",
    "pixel_average_precision",
    "pixel_f1_max",
    "aupro",
)


class MapMetrics:
    """Metrics over maps that arrive in batches and need not all fit in memory.

    The result equals that of the functions on all maps at once.

    Of maps of 8 or 16 bits (uint8, float16) the normal pixels go into an exact table of
    65,536 bins; memory grows with the anomalous pixels only. Wider maps (float32) are
    kept, unless `two_pass` is set: then nothing but the anomalous pixels is kept, and
    every batch has to be given a second time.

    Parameters
    ----------
    metrics : str or list of str, default=("pixel_roc_auc", \
"pixel_average_precision", "pixel_f1_max", "aupro")
        Of these and ``"aupimo"``, ``"image_roc_auc"``, ``"image_average_precision"``
        and ``"image_f1_max"``; ``"aupro@0.05"`` is AUPRO with that limit.
    two_pass : bool, default=False
        Whether the batches come twice, `start_second_pass` being called in between.

    See Also
    --------
    map_metrics : The same for maps in memory.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import MapMetrics
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> metrics = MapMetrics(["pixel_roc_auc", "image_roc_auc"])
    >>> metrics.update([anomaly_map], [mask], scores=[0.8])
    >>> metrics.update([np.zeros((1, 4))], [None], scores=[0.0])
    >>> metrics.compute()
    {'pixel_roc_auc': 0.916..., 'image_roc_auc': 1.0}

    In two passes over batches that are made anew each time:

    >>> metrics = MapMetrics("pixel_roc_auc", two_pass=True)
    >>> metrics.update([anomaly_map, np.zeros((1, 4))], [mask, None])
    >>> metrics.start_second_pass()
    >>> metrics.update([anomaly_map, np.zeros((1, 4))])
    >>> metrics.compute()
    {'pixel_roc_auc': 0.916...}
    """

    def __init__(
        self, metrics: str | Sequence[str] = DEFAULT_METRICS, *, two_pass: bool = False
    ) -> None:
        self.metrics = metrics
        self.two_pass = two_pass
        self._parsed = parse_metrics(metrics)
        self.needs_maps = not all(metric.of_images for metric in self._parsed)
        self._needs_scores = any(metric.of_images for metric in self._parsed)
        self._recorder = PixelRecorder(
            separate_good=any(metric.kind == "aupimo" for metric in self._parsed)
        )
        self._store = None if two_pass else _PixelStore()
        self._labels: list[NDArray[np.int64]] = []
        self._scores: list[Array] = []
        self._is_second_pass = False
        self._n_counted = 0

    def update(
        self,
        maps: MapsLike | None = None,
        masks: TargetsLike = None,
        *,
        scores: npt.ArrayLike | None = None,
        labels: npt.ArrayLike | None = None,
        ignore: MasksLike | None = None,
    ) -> None:
        """Take in a batch.

        Parameters
        ----------
        maps : array of shape (n, H, W) or (n, w), or list of arrays of shape (H, W)
            Anomaly maps; not needed for image metrics.
        masks : array or list of length n
            As `y_true` in `pixel_roc_auc_score`. Not needed in a second pass.
        scores : array-like of shape (n,), default=None
            Image scores, high where anomalous, for image metrics.
        labels : array-like of shape (n,), default=None
            +1 for a normal and -1 for an anomalous image, for image metrics; taken
            from the masks if None.
        ignore : array or list, default=None
            Pixels to leave out, as in `pixel_roc_auc_score`.

        Raises
        ------
        ValueError
            As in `pixel_roc_auc_score` and `image_roc_auc_score`, or if something that
            the metrics need is missing.
        """
        if self._is_second_pass:
            self._count(maps, ignore)
            return
        if self.needs_maps:
            if maps is None or masks is None:
                raise ValueError("Pixel metrics need maps and masks.")
            self._gather(Samples(masks, maps, ignore, is_batch=True))
        if self._needs_scores:
            truth = masks if labels is None else labels
            if truth is None or scores is None:
                raise ValueError(
                    "Image metrics need scores, one per image, and labels or masks."
                )
            truth = image_labels(truth)
            self._scores.append(check_scores(scores, len(truth)))
            self._labels.append(truth)

    def start_second_pass(self) -> None:
        """End the first pass: from now on `update` takes the same batches again.

        Raises
        ------
        ValueError
            If `two_pass` is not set, or this is the second call.
        """
        if not self.two_pass or self._is_second_pass:
            raise ValueError("There is no second pass to start.")
        self._recorder.start_counting()
        self._is_second_pass = True

    def compute(self) -> dict[str, float]:
        """Return the metrics of all batches so far.

        Returns
        -------
        values : dict of str to float
            By the names of the metrics. An F1-max has its threshold beside it, as in
            ``"pixel_f1_max_threshold"``. An undefined metric is nan, with a warning.

        Raises
        ------
        ValueError
            If no batch was given, or the second pass is missing or differs.
        """
        if not (self._recorder.is_good or self._labels):
            raise ValueError("There is nothing to compute: call update first.")
        values: dict[str, float] = {}
        if self.needs_maps:
            warn_unknown(self._recorder.is_good.count(None))
            evidence = self._evidence()
        for metric in self._parsed:
            if metric.of_images:
                values |= metric.results(self._image_levels(metric))
            else:
                values |= metric.results_of_pixels(evidence)
        return values

    def _gather(self, samples: Samples) -> None:
        for index in range(len(samples)):
            values, mask = samples.maps.finite(index), samples.mask(index)
            ignored = samples.ignored(index)
            self._recorder.gather(values, mask, ignored)
            if self._store is not None and mask is not UNKNOWN:
                self._store.add(values, ignored, is_good=mask is None)

    def _count(self, maps: MapsLike | None, ignore: MasksLike | None) -> None:
        if not self.needs_maps:
            return
        if maps is None:
            raise ValueError("The second pass needs the maps of the first again.")
        maps = Maps(maps)
        ignore = None if ignore is None else ignored_from(ignore, maps)
        if self._n_counted + len(maps) > len(self._recorder.is_good):
            raise ValueError("The second pass has more images than the first.")
        for index in range(len(maps)):
            ignored = ignored_at(ignore, index, maps)
            self._recorder.count(self._n_counted, maps.finite(index), ignored)
            self._n_counted += 1

    def _evidence(self) -> Evidence:
        if self._store is not None:
            self._recorder.start_counting()
            self._store.count_into(self._recorder)
        elif self._n_counted != len(self._recorder.is_good):
            raise ValueError(
                f"{self._n_counted} of {len(self._recorder.is_good)} images were "
                "given in a second pass; see start_second_pass."
            )
        evidence = self._recorder.finish()
        if (evidence.levels.above < 0).any() or evidence.levels.n_normal < 0:
            raise ValueError("The second pass had other maps than the first.")
        return evidence

    def _image_levels(self, metric: Metric) -> Levels | None:
        labels, scores = np.concatenate(self._labels), np.concatenate(self._scores)
        return image_levels(labels, scores, metric.title)


class _PixelStore:
    """Pixels that are counted later: in a table if narrow, else as they are."""

    def __init__(self) -> None:
        self._tables: dict[tuple[np.dtype[Any], bool], ValueTable] = {}
        self._arrays: list[tuple[Array, bool]] = []

    def add(
        self, values: Array, ignored: NDArray[np.bool_] | None, is_good: bool
    ) -> None:
        if ignored is not None:
            values = values[~ignored]
        if values.itemsize > 2:
            self._arrays.append((values.copy(), is_good))
            return
        key = values.dtype, is_good
        if key not in self._tables:
            self._tables[key] = ValueTable(values.dtype)
        self._tables[key].add(values)

    def count_into(self, recorder: PixelRecorder) -> None:
        for (_, is_good), table in self._tables.items():
            recorder.counter(is_good).add_table(table)
        for values, is_good in self._arrays:
            recorder.counter(is_good).add(values)


def map_metrics(
    y_true: MasksLike | npt.ArrayLike,
    maps: MapsLike | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    *,
    scores: npt.ArrayLike | None = None,
    ignore: MasksLike | None = None,
) -> dict[str, float]:
    """Compute several metrics, going over the maps only once for all of them.

    Parameters
    ----------
    y_true : array or list of length n
        As in `pixel_roc_auc_score`; for image metrics alone, labels +1 and -1 do.
    maps : array of shape (n, H, W) or (n, w), or list of arrays of shape (H, W)
        Anomaly maps; not needed for image metrics.
    metrics : str or list of str, default=("pixel_roc_auc", \
"pixel_average_precision", "pixel_f1_max", "aupro")
        As in `MapMetrics`.
    scores : array-like of shape (n,), default=None
        Image scores, high where anomalous, for image metrics.
    ignore : array or list, default=None
        Pixels to leave out, as in `pixel_roc_auc_score`.

    Returns
    -------
    values : dict of str to float
        As `MapMetrics.compute` returns.

    Raises
    ------
    ValueError
        As in `MapMetrics.update`.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import map_metrics
    >>> mask = np.array([[0, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> map_metrics([mask], [anomaly_map], ["pixel_roc_auc", "pixel_f1_max"])
    {'pixel_roc_auc': 0.75, 'pixel_f1_max': 0.8, 'pixel_f1_max_threshold': 0.35}
    """
    # Generators would not last for two passes.
    y_true = as_sequence(y_true, "y_true")
    if maps is not None and not hasattr(maps, "__getitem__"):
        maps = list(maps)
    accumulator = MapMetrics(metrics, two_pass=True)
    if accumulator.needs_maps:
        masks_from(y_true)  # refuses labels, of which a batch may look like masks
    accumulator.update(maps, y_true, scores=scores, ignore=ignore)
    accumulator.start_second_pass()
    accumulator.update(maps, ignore=ignore)
    return accumulator.compute()
