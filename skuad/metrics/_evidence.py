"""From masks and maps to levels: one pass for the anomalous pixels, one for the rest.

No normal pixel is ever copied or sorted. The first pass keeps the anomalous pixels,
which are few; the second counts all pixels among their scores, one image at a time.
"""

from dataclasses import dataclass

import numpy as np

from skuad.metrics._counting import ThresholdCounter
from skuad.metrics._levels import Levels
from skuad.metrics._regions import label_regions


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

    scores: np.ndarray
    regions: np.ndarray
    images: np.ndarray
    shares: np.ndarray | None = None
    repeated: np.ndarray | None = None

    def pixel_images(self):
        """Index of every pixel's image."""
        return self.images[self.regions]

    def pixel_shares(self):
        """Return what part of its region's overlap every pixel is."""
        if self.shares is not None:
            return self.shares
        return (1 / np.bincount(self.regions))[self.regions]

    def of_images(self, wanted):
        """Return the anomalies of the images for which `wanted` is true."""
        kept_regions = wanted[self.images]
        kept = kept_regions[self.regions]
        return Anomalies(
            self.scores[kept],
            (np.cumsum(kept_regions) - 1)[self.regions[kept]],
            self.images[kept_regions],
            None if self.shares is None else self.shares[kept],
            None if self.repeated is None else self.repeated[kept],
        )


class AnomalyGatherer:
    """First pass: keep the anomalous pixels of one image after another."""

    def __init__(self):
        self._scores, self._regions, self._images = [], [], []
        self._n_regions = 0

    def add(self, values, mask, ignored, image):
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

    def finish(self):
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


class NormalCounter:
    """Second pass: count pixels among the scores of the anomalous ones.

    All pixels are counted, which needs no mask; the anomalous ones, whose places are
    known, are taken off at the end.

    Parameters
    ----------
    anomalies : Anomalies
    """

    def __init__(self, anomalies):
        self.anomalies = anomalies
        # Equal scores form a group; np.unique would sort the groups once more.
        order = np.argsort(anomalies.scores)
        ascending = anomalies.scores[order]
        is_first = np.append(True, ascending[1:] != ascending[:-1])[: len(order)]
        self.scores = ascending[is_first]
        self.groups = np.empty(len(order), np.int32)
        self.groups[order] = np.cumsum(is_first, dtype=np.int32) - 1
        self._counters = {}
        self._tables = []

    def add(self, values, ignored=None):
        """Count an image's pixels that are not ignored."""
        if ignored is not None:
            values = values[~ignored]
        common = np.result_type(values, self.scores)
        if common not in self._counters:
            self._counters[common] = ThresholdCounter(self.scores.astype(common))
        self._counters[common].add(values.astype(common, copy=False))

    def add_table(self, table):
        """Count the pixels of a `ValueTable`."""
        self._tables.append(table)

    def counts(self):
        """Return the number of all pixels > and >= each score, and in all."""
        above = np.zeros(len(self.scores), np.int64)
        at_least, n_values = above.copy(), 0
        for counter in self._counters.values():
            more = counter.counts()
            above += more[0]
            at_least += more[1]
            n_values += counter.n_values
        for table in self._tables:
            below, equal = table.below_and_equal(self.scores)
            above += table.n_values - below - equal
            at_least += table.n_values - below
            n_values += table.n_values
        return above, at_least, n_values

    def levels(self):
        """Return the levels of all pixels, the anomalous ones among them."""
        return self.levels_of(self.anomalies, self.groups, *self.counts())

    def levels_of(self, anomalies, groups, above, at_least, n_values):
        """Return the levels of some anomalies and of counts that include them."""
        m = len(self.scores)
        counted = groups if anomalies.repeated is None else groups[~anomalies.repeated]
        positives = np.bincount(counted, minlength=m)
        true = np.cumsum(positives[::-1])[::-1]
        return Levels(
            scores=self.scores,
            positives=positives,
            weight=np.bincount(groups, weights=anomalies.pixel_shares(), minlength=m),
            n_regions=len(anomalies.images),
            above=above - (true - positives),
            at_least=at_least - true,
            n_normal=n_values - len(counted),
        )
