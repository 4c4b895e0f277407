"""Metrics of an estimator on images: every map is made once, image by image."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from skuad.base import detect
from skuad.metrics._accumulator import MapMetrics
from skuad.metrics._registry import parse_metrics
from skuad.metrics._samples import check_shape
from skuad.metrics._spool import MEMORY_LIMIT, MapSpool
from skuad.metrics._targets import UNKNOWN, Mask, as_mask, image_labels, masks_from
from skuad.utils._targets import anomalous
from skuad.utils._typing import Array, ImagesLike, MasksLike, TargetsLike


def score_estimator(
    estimator: Any,
    X: ImagesLike,
    y: TargetsLike,
    metrics: str | Sequence[str],
    *,
    masks: MasksLike | None = None,
    ignore: MasksLike | None = None,
    outside: Array | None = None,
    memory_limit: int = MEMORY_LIMIT,
) -> dict[str, float]:
    """Compute metrics of an estimator.

    Exact, and bounded in memory: the anomalous pixels of a map are kept when it is
    made, the others are counted among them afterwards, from a `MapSpool`.

    Parameters
    ----------
    estimator : estimator
        Whatever `skuad.base.detect` takes.
    X : images
    y : array-like of length n, or None
        Masks in any form, or labels +1 and -1.
    metrics : list of str
        As in `MapMetrics`.
    masks : array-like of length n, default=None
        Masks beside the labels in `y`.
    ignore : array-like of length n, default=None
        Pixels to leave out: a mask or None for every image.
    outside : array of shape (H, W), default=None
        Pixels to leave out of every image; `ignore` overrides it.
    memory_limit : int
        Bytes of maps that are held in memory.

    Returns
    -------
    values : dict of str to float
        As `MapMetrics.compute` returns; none is nan.

    Raises
    ------
    ValueError
        If `y` does not suit the metrics, or one of them is undefined.
    """
    accumulator = MapMetrics(metrics, two_pass=True)
    needs = _Needs(metrics, accumulator.needs_maps)
    truth = Truth(X, y, masks, needs)
    left_out = _LeftOut(X, ignore, outside)
    with MapSpool(memory_limit) as spool:
        n_images = 0
        for anomaly_map, score in detect(estimator, X):
            truth.check_index(n_images)
            label, mask = truth[n_images]
            if needs.maps:
                ignored = left_out.of(n_images, anomaly_map)
                _check_map(anomaly_map, mask, n_images)
                needs.count(anomaly_map, mask, ignored)
                spool.append(anomaly_map)
                accumulator.update(
                    [anomaly_map],
                    [mask],
                    scores=[score],
                    labels=[label],
                    ignore=ignored,
                )
            else:
                accumulator.update(scores=[score], labels=[label])
            n_images += 1
        truth.check_count(n_images)
        needs.check_pixels(n_images)
        if needs.maps:
            accumulator.start_second_pass()
            for index, anomaly_map in enumerate(spool):
                ignored = left_out.of(index, anomaly_map)
                accumulator.update([anomaly_map], ignore=ignored)
        return accumulator.compute()


class Truth:
    """Label and mask of every image, the mask being read on access.

    Parameters
    ----------
    X, y, masks
        As in `score_estimator`.
    needs : _Needs
    """

    def __init__(
        self,
        X: ImagesLike,
        y: TargetsLike,
        masks: MasksLike | None,
        needs: "_Needs",
    ) -> None:
        drawn: Any = y if masks is None else masks
        if drawn is None:
            raise ValueError(
                "y is None, but a score compares the detector with the truth: give "
                "masks, mask paths, or +1 for a good image and -1 for a defective one"
            )
        check_consistent_length(X, y, masks)
        self._n_images = len(drawn)
        self._masks = self._labels = None
        if needs.maps:
            self._masks = masks_from(drawn, what="y" if masks is None else "masks")
            if masks is None:
                # Without opening a file, so that no map is made in vain.
                needs.check_images(anomalous(y, self._n_images))
                return
        self._labels = image_labels(drawn if y is None else y)
        needs.check_images(self._labels == -1)

    def __getitem__(self, index: int) -> tuple[int, Mask]:
        mask = None if self._masks is None else self._masks[index]
        drawn = mask is not None and bool(np.any(mask))  # UNKNOWN is not zero
        if self._labels is None:
            return -1 if drawn else 1, mask
        label = self._labels[index]
        if self._masks is not None and drawn and label == 1:
            raise ValueError(
                f"y[{index}] is +1 (good), but masks[{index}] marks a defect"
            )
        return label, UNKNOWN if label == -1 and not drawn else mask

    def check_index(self, index: int) -> None:
        """Raise if there are more maps than images."""
        if index >= self._n_images:
            self.check_count(f"more than {self._n_images}")

    def check_count(self, n_maps: int | str) -> None:
        """Raise unless there are as many maps as images."""
        if n_maps != self._n_images:
            raise ValueError(
                f"the estimator gives {n_maps} maps for {self._n_images} images: a "
                "scorer takes one map per image. Tiles are stitched by "
                "skuad.detectors.Tiled"
            )


class _LeftOut:
    """The pixels to leave out of each image, as a batch of one or None."""

    def __init__(
        self, X: ImagesLike, ignore: MasksLike | None, outside: Array | None
    ) -> None:
        self._outside = None if outside is None else as_mask(outside, "ignore")
        self._ignore = None
        if ignore is not None:
            check_consistent_length(X, ignore)
            self._ignore = masks_from(ignore, what="ignore")

    def of(self, index: int, anomaly_map: Array) -> list[NDArray[np.bool_]] | None:
        ignored = None if self._ignore is None else self._ignore[index]
        if isinstance(ignored, int):
            raise ValueError(f"ignore[{index}] is -1; ignored pixels need a mask.")
        if ignored is None:
            ignored = self._outside
        if ignored is None:
            return None
        check_shape(ignored, anomaly_map, f"ignore[{index}]", index)
        return [ignored]


class _Needs:
    """What metrics need in order to be defined, and whether it was there."""

    def __init__(self, metrics: str | Sequence[str], maps: bool) -> None:
        self.maps = maps
        parsed = parse_metrics(metrics)
        self._of_images = [m.name for m in parsed if m.of_images]
        self._of_pixels = [m.name for m in parsed if not m.of_images]
        self._good_too = [m.name for m in parsed if m.of_images or m.kind == "aupimo"]
        self._n_anomalous = self._n_normal = self._n_good = 0

    def check_images(self, is_anomalous: NDArray[np.bool_]) -> None:
        """Raise unless there are images of the kinds that the metrics compare."""
        n_anomalous, n_images = int(is_anomalous.sum()), len(is_anomalous)
        counts = f"{n_images - n_anomalous} good and {n_anomalous} defective images"
        if not n_anomalous:
            self._fail(self._of_images + self._of_pixels, counts)
        if n_anomalous == n_images and self._good_too:
            self._fail(self._good_too, counts)

    def count(
        self, anomaly_map: Array, mask: Mask, ignored: list[NDArray[np.bool_]] | None
    ) -> None:
        """Take note of an image's pixels."""
        if isinstance(mask, int):
            return
        seen = np.ones(anomaly_map.shape, bool) if ignored is None else ~ignored[0]
        n_anomalous = 0 if mask is None else int(np.count_nonzero(mask & seen))
        n_seen = int(np.count_nonzero(seen))
        self._n_anomalous += n_anomalous
        self._n_normal += n_seen - n_anomalous
        if mask is None or not mask.any():
            self._n_good += n_seen

    def check_pixels(self, n_images: int) -> None:
        """Raise unless the pixel metrics are defined."""
        counts = (
            f"{self._n_normal} normal and {self._n_anomalous} anomalous pixels of "
            f"known truth in {n_images} images"
        )
        if self._of_pixels and not (self._n_anomalous and self._n_normal):
            self._fail(self._of_pixels, counts)
        if "aupimo" in self._of_pixels and not self._n_good:
            self._fail(["aupimo"], f"{counts}, none of them good")

    @staticmethod
    def _fail(names: list[str], counts: str) -> NoReturn:
        raise ValueError(
            f"{', '.join(names)} cannot be computed from {counts}: a score needs both. "
            "skuad.model_selection.GoodTrainKFold makes test folds that have both; "
            "training folds have not, so searches take return_train_score=False"
        )


def _check_map(anomaly_map: Array, mask: Mask, index: int) -> None:
    """Name the image in errors of which the metrics would only see a batch of one."""
    if isinstance(mask, np.ndarray):
        check_shape(mask, anomaly_map, f"y[{index}]", index)
    if not (np.isfinite(anomaly_map.min()) and np.isfinite(anomaly_map.max())):
        raise ValueError(f"maps[{index}] contains NaN or infinity.")
