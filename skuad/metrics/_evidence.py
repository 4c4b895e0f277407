"""From masks and maps to levels: one pass for the anomalous pixels, one for the rest.

No normal pixel is ever copied or sorted. The first pass keeps the anomalous pixels,
which are few; the second counts all pixels among their scores, one image at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._counting import ThresholdCounter, ValueTable
from skuad.metrics._levels import Levels
from skuad.metrics._regions import label_regions
from skuad.metrics._targets import Mask
from skuad.utils._typing import Array, IntArray

#: The stratum of good images, and that of all others.
GOOD, REST = "", "rest"


@dataclass(frozen=True)
class Anomalies:
    """Every anomalous pixel that counts, once for each region that it belongs to.

    Parameters
    ----------
    scores : ndarray of shape (n_pixels,)
    regions : ndarray of shape (n_pixels,), dtype int32
        Number of the pixel's region.
    images : ndarray of shape (n_regions,), dtype int64
        Index of each region's image.
    shares : ndarray of shape (n_pixels,), dtype float64, or None
        What part of its region's overlap a pixel is; None for one over the area.
    repeated : ndarray of shape (n_pixels,), dtype bool, or None
        True where another region has counted the pixel already.
    """

    scores: Array
    regions: IntArray
    images: IntArray
    shares: NDArray[np.float64] | None = None
    repeated: NDArray[np.bool_] | None = None

    def pixel_images(self) -> IntArray:
        """Index of every pixel's image."""
        return self.images[self.regions]

    def pixel_shares(self) -> NDArray[np.float64]:
        """Return what part of its region's overlap every pixel is."""
        if self.shares is not None:
            return self.shares
        return (1 / np.bincount(self.regions))[self.regions]

    def take(self, kept: NDArray[np.bool_]) -> "Anomalies":
        """Return some of the pixels; all or none of a region are to be kept."""
        used, regions = np.unique(self.regions[kept], return_inverse=True)
        return Anomalies(self.scores[kept], regions, self.images[used])


class AnomalyGatherer:
    """First pass: keep the anomalous pixels of one image after another."""

    def __init__(self) -> None:
        self._scores: list[Array] = []
        self._regions: list[NDArray[np.int32]] = []
        self._images: list[IntArray] = []
        self._n_regions = 0

    def add(
        self,
        values: Array,
        mask: NDArray[np.bool_],
        ignored: NDArray[np.bool_] | None,
        image: int,
    ) -> None:
        """Keep an image's anomalous pixels that are not ignored.

        Regions are those of the whole mask: an ignored line through a defect leaves
        it one region. A region that is ignored in full does not count.
        """
        index, labels, n_regions = label_regions(mask)
        if ignored is not None:
            seen = ~ignored.ravel()[index]
            index, labels = index[seen], labels[seen]
        self._scores.append(values.ravel()[index])
        self._regions.append(labels + np.int32(self._n_regions))
        self._images.append(np.full(n_regions, image))
        self._n_regions += n_regions

    def finish(self) -> Anomalies:
        """Return all anomalous pixels, regions without a pixel left out."""
        if not self._scores:
            none = np.empty(0, np.int64)
            return Anomalies(np.empty(0, np.float32), none, none)
        regions = np.concatenate(self._regions)
        images = np.concatenate(self._images)
        kept = np.bincount(regions, minlength=self._n_regions) > 0
        if not kept.all():
            regions = (np.cumsum(kept) - 1)[regions]
            images = images[kept]
        return Anomalies(np.concatenate(self._scores), regions, images)


class PixelCounter:
    """Second pass: count pixels among the scores of the anomalous ones.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Distinct scores of the anomalous pixels, ascending.
    """

    def __init__(self, scores: Array) -> None:
        self.scores = scores
        self.n_pixels = 0
        self._counters: dict[np.dtype[Any], ThresholdCounter] = {}
        self._tables: list[ValueTable] = []

    def add(self, values: Array, ignored: NDArray[np.bool_] | None = None) -> None:
        """Count an image's pixels that are not ignored."""
        if ignored is not None:
            values = values[~ignored]
        self.n_pixels += values.size
        common = np.result_type(values, self.scores)
        if common not in self._counters:
            self._counters[common] = ThresholdCounter(self.scores.astype(common))
        self._counters[common].add(values.astype(common, copy=False))

    def add_table(self, table: ValueTable) -> None:
        """Count the pixels of a `ValueTable`."""
        self.n_pixels += table.n_values
        self._tables.append(table)

    def counts(self) -> tuple[IntArray, IntArray]:
        """Return the number of pixels so far that score > and >= each score."""
        above = np.zeros(len(self.scores), np.int64)
        at_least = np.zeros(len(self.scores), np.int64)
        for counter in self._counters.values():
            more = counter.counts()
            above += more[0]
            at_least += more[1]
        for table in self._tables:
            below, equal = table.below_and_equal(self.scores)
            above += table.n_values - below - equal
            at_least += table.n_values - below
        return above, at_least


def group_scores(scores: Array) -> tuple[Array, NDArray[np.int32]]:
    """Group equal scores.

    Parameters
    ----------
    scores : ndarray of shape (n,)

    Returns
    -------
    distinct : ndarray of shape (m,)
        Ascending.
    groups : ndarray of shape (n,), dtype int32
        Where each score is among them.
    """
    order = np.argsort(scores)
    ascending = scores[order]
    is_first = np.append(True, ascending[1:] != ascending[:-1])[: len(order)]
    groups = np.empty(len(order), np.int32)
    groups[order] = np.cumsum(is_first, dtype=np.int32) - 1
    return ascending[is_first], groups


def make_levels(
    anomalies: Anomalies,
    scores: Array,
    groups: IntArray,
    counts: tuple[IntArray, IntArray],
    n_pixels: int,
) -> Levels:
    """Return the levels of anomalies and of pixels that include them.

    All pixels are counted, which needs no mask; the anomalous ones, whose places are
    known, are taken off here.

    Parameters
    ----------
    anomalies : Anomalies
    scores : ndarray of shape (m,)
        Ascending; the scores of the anomalies are among them.
    groups : ndarray of shape (n_anomalies,)
        Where each anomaly's score is among them.
    counts : tuple of ndarray of shape (m,)
        Number of pixels that score > and >= each score.
    n_pixels : int
    """
    m = len(scores)
    once = groups if anomalies.repeated is None else groups[~anomalies.repeated]
    positives = np.bincount(once, minlength=m)
    true = np.cumsum(positives[::-1])[::-1]
    above, at_least = counts
    return Levels(
        scores=scores,
        positives=positives,
        weight=np.bincount(groups, weights=anomalies.pixel_shares(), minlength=m),
        n_regions=len(anomalies.images),
        above=above - (true - positives),
        at_least=at_least - true,
        n_normal=n_pixels - len(once),
    )


@dataclass(frozen=True)
class Evidence:
    """All that pixel metrics are computed from.

    Parameters
    ----------
    anomalies : Anomalies
    groups : ndarray of shape (n_pixels,)
        Where each anomaly's score is among the scores of the levels.
    levels : Levels
    is_good : list of (bool or None)
        Whether an image has no anomalous pixel; None where nobody knows.
    counters : dict of str to PixelCounter
        The pixels of each stratum of images; the good images are one, ``""``.
    """

    anomalies: Anomalies
    groups: IntArray
    levels: Levels
    is_good: list[bool | None]
    counters: dict[str, PixelCounter]

    @property
    def n_good(self) -> int:
        """Number of pixels of good images."""
        return self.counters[GOOD].n_pixels

    def good_at_least(self) -> IntArray:
        """Count the pixels of good images that score >= each score."""
        return self.counters[GOOD].counts()[1]

    def levels_of(self, wanted: NDArray[np.bool_], strata: Iterable[str]) -> Levels:
        """Return the levels of some images, which make up some strata.

        Parameters
        ----------
        wanted : ndarray of shape (n_images,), dtype bool
        strata : iterable of str
        """
        kept = wanted[self.anomalies.pixel_images()]
        return _sum_levels(
            self.anomalies.take(kept),
            self.levels.scores,
            self.groups[kept],
            [self.counters[stratum] for stratum in strata],
        )


class PixelRecorder:
    """Two passes over images, one image at a time.

    Parameters
    ----------
    separate_good : bool, default=False
        Whether to count the pixels of good images apart.
    """

    def __init__(self, separate_good: bool = False) -> None:
        self.is_good: list[bool | None] = []
        self._separate_good = separate_good
        self._gatherer = AnomalyGatherer()

    def gather(
        self, values: Array, mask: Mask, ignored: NDArray[np.bool_] | None
    ) -> None:
        """First pass: take in an image; `mask` is None for good, -1 for unknown."""
        if mask is None:
            self.is_good.append(True)
        elif isinstance(mask, int):
            self.is_good.append(None)
        else:
            self._gatherer.add(values, mask, ignored, len(self.is_good))
            self.is_good.append(False)

    def start_counting(self) -> None:
        """End the first pass."""
        self.anomalies = self._gatherer.finish()
        self._scores, self._groups = group_scores(self.anomalies.scores)
        self._counters: dict[str, PixelCounter] = {}
        self.counter(is_good=True)

    def count(
        self,
        index: int,
        values: Array,
        ignored: NDArray[np.bool_] | None,
        stratum: str = REST,
    ) -> None:
        """Second pass: count the pixels of an image."""
        is_good = self.is_good[index]
        if is_good is not None:
            self.counter(is_good, stratum).add(values, ignored)

    def counter(self, is_good: bool, stratum: str = REST) -> PixelCounter:
        """Return the counter of good images, or of the stratum of others."""
        name = GOOD if is_good and self._separate_good else stratum
        if name not in self._counters:
            self._counters[name] = PixelCounter(self._scores)
        return self._counters[name]

    def finish(self) -> Evidence:
        """Return the evidence."""
        levels = _sum_levels(
            self.anomalies, self._scores, self._groups, self._counters.values()
        )
        return Evidence(
            self.anomalies, self._groups, levels, self.is_good, self._counters
        )


def _sum_levels(
    anomalies: Anomalies,
    scores: Array,
    groups: IntArray,
    counters: Iterable[PixelCounter],
) -> Levels:
    counts = np.zeros((2, len(scores)), np.int64)
    for counter in counters:
        counts += counter.counts()
    n_pixels = sum(counter.n_pixels for counter in counters)
    return make_levels(anomalies, scores, groups, (counts[0], counts[1]), n_pixels)
