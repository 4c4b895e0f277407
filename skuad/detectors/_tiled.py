"""Any detector on tiles of high-resolution images."""

from collections.abc import Iterable, Iterator
from itertools import islice
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from skuad.base import MetaMapDetector, detect, mask_outside
from skuad.detectors._tiles import TileSource, image_size, tile_groups
from skuad.io._images import Images
from skuad.preprocessing import stitch_maps
from skuad.preprocessing._stitching import Reduction
from skuad.utils._param_validation import Interval, StrOptions
from skuad.utils._typing import IndexArray, MapAndScore


class Tiled(MetaMapDetector):
    """Run a detector on tiles and stitch its maps together.

    Images of any size and of mixed sizes are cut into square tiles; the last tile of a
    row or column moves inward, and an image smaller than others, and than a tile, is
    padded by reflection, which is not scored, and not learnt but by detectors of other
    libraries. The threshold holds for whole images: it is set on the scores, reduced over
    all tiles, of images that were held out as a whole.

    Parameters
    ----------
    detector : estimator
        A detector, a pipeline that ends in one, or a foreign estimator whose
        ``transform`` gives maps.
    tile : int, default=512
        Side of a tile in pixels.
    stride : int or None, default=None
        Distance between tiles, at most `tile`, which is the default: no overlap.
    reduce : {"blend", "mean", "max"}, default="blend"
        How maps are put together where tiles overlap: weighted towards the middle of a
        tile, averaged, or the highest value.
    score_reduce : {"max", "mean"}, default="max"
        How the scores of the tiles give the score of the image.
    fit_on : {"tiles", "images"}, default="tiles"
        What the detector learns from.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged. The threshold is that quantile of
        the held-out scores of the training images.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : "auto", int, splitter or None, default="auto"
        How whole images are held out: a number of folds or a splitter; ``"auto"`` is 20
        folds, or 10 of more than 200 images. None sets no
        threshold.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    tile_shape_ : (int, int)
        Height and width of the tiles: `tile`, or the largest side of the training
        images if that is smaller.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN, Tiled
    >>> data = make_defect_images(
    ...     n_train=10, n_good=2, n_defective=2, size=96, random_state=0
    ... )
    >>> detector = Tiled(PatchKNN(random_state=0), tile=64, false_alarm_rate=0.1)
    >>> detector.fit(data.train).transform(data.test).shape
    (4, 96, 96)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MetaMapDetector._parameter_constraints,
        "tile": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left"), None],
        "reduce": [StrOptions({"blend", "mean", "max"})],
        "score_reduce": [StrOptions({"max", "mean"})],
        "fit_on": [StrOptions({"tiles", "images"})],
    }

    def __init__(
        self,
        detector: Any,
        *,
        tile: int = 512,
        stride: int | None = None,
        reduce: Reduction = "blend",
        score_reduce: Literal["max", "mean"] = "max",
        fit_on: Literal["tiles", "images"] = "tiles",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
    ):
        self.detector = detector
        self.tile = tile
        self.stride = stride
        self.reduce = reduce
        self.score_reduce = score_reduce
        self.fit_on = fit_on
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _checked_stride(self) -> int:
        stride = self.tile if self.stride is None else self.stride
        if stride > self.tile:
            raise ValueError(
                f"stride={stride} is larger than tile={self.tile}: pixels between the "
                "tiles would be left out. Lower the stride"
            )
        return stride

    def _stride(self) -> tuple[int, int]:
        stride = self._checked_stride()
        height, width = self.tile_shape_
        return min(stride, height), min(stride, width)

    def _fit_images(self, images: Images) -> Any:
        self._checked_stride()  # before any image is read
        # Tiles larger than any image would be filled with padding.
        shapes = {number: image_size(image) for number, image in enumerate(images)}
        heights, widths = zip(*shapes.values(), strict=True)
        self.tile_shape_ = (min(self.tile, max(heights)), min(self.tile, max(widths)))
        stride = self._stride()
        if self.fit_on == "images":
            self._fit_detector(images)
            return None
        tiles = TileSource(
            images, tile=self.tile_shape_, stride=stride, image_shapes=shapes
        )
        held_out = self._fit_detector(tiles.as_input())
        return None if held_out is None else (tiles, held_out)

    def _detect_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        if learned is None:
            yield from super()._detect_fold(images, learned, train, test)
            return
        tiles, held_out = learned
        results = held_out(tiles.of_images(train), tiles.of_images(test))
        for number in np.asarray(test).tolist():
            yield self._put_together(results, tiles, number)

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        stride = self._stride()
        for tiles in tile_groups(images, tile=self.tile_shape_, stride=stride):
            results = detect(self.detector_, tiles.as_input())
            for number in tiles.image_shapes:
                yield self._put_together(results, tiles, number)

    def _put_together(
        self, results: Iterator[MapAndScore], tiles: TileSource, number: int
    ) -> MapAndScore:
        """Make map and score of an image out of the next ones, of its tiles."""
        coords = tiles.coords[number]
        # Each map is put in its place while it is still in the cache.
        scores: list[float] = []
        maps = _maps_of(islice(results, len(coords)), scores)
        image_shape = tiles.image_shapes[number]
        anomaly_map = stitch_maps(maps, coords, image_shape, reduce=self.reduce)
        roi = tiles.images.roi(number)
        if roi is not None:
            anomaly_map = mask_outside(anomaly_map, roi)
        return anomaly_map, float(getattr(np, self.score_reduce)(scores))


def _maps_of(
    results: Iterable[MapAndScore], scores: list[float]
) -> Iterator[NDArray[np.float32]]:
    """Yield the maps of pairs of map and score, and append the scores to a list."""
    for anomaly_map, score in results:
        scores.append(score)
        yield anomaly_map
