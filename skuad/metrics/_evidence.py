"""From masks and maps to levels: one pass for the anomalous pixels, one for the rest.

No normal pixel is ever copied or sorted. The first pass keeps the anomalous pixels,
which are few; the second counts all pixels among their scores, one image at a time.
"""

from dataclasses import dataclass

import numpy as np

from skuad.metrics._counting import ThresholdCounter
from skuad.metrics._levels import Levels
from skuad.metrics._maps import Maps
from skuad.metrics._regions import label_regions
from skuad.metrics._targets import UNKNOWN, ignored_from, masks_from, warn_unknown


@dataclass(frozen=True)
class Anomalies:
    """Every anomalous pixel that counts.

    Parameters
    ----------
    scores : ndarray of shape (n_pixels,)
    regions : ndarray of shape (n_pixels,), dtype int32
        Number of the pixel's region.
    region_images : ndarray of shape (n_regions,), dtype int64
        Index of each region's image.
    """

    scores: np.ndarray
    regions: np.ndarray
    region_images: np.ndarray

    @property
    def images(self):
        """Index of every pixel's image."""
        return self.region_images[self.regions]


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
        labels, n_regions = label_regions(mask)
        labels = labels.ravel()
        inside = labels > 0 if ignored is None else (labels > 0) & ~ignored.ravel()
        index = np.flatnonzero(inside)
        self._scores.append(values.ravel()[index])
        self._regions.append(labels[index] + np.int32(self._n_regions - 1))
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
    """

    def __init__(self, anomalies):
        self.anomalies = anomalies
        self.scores, self.groups = np.unique(anomalies.scores, return_inverse=True)
        self._counters = {}

    def add(self, values, ignored=None):
        """Count an image's pixels that are not ignored."""
        if ignored is not None:
            values = values[~ignored]
        common = np.result_type(values, self.scores)
        if common not in self._counters:
            self._counters[common] = ThresholdCounter(self.scores.astype(common))
        self._counters[common].add(values.astype(common, copy=False))

    def levels(self):
        """Return the levels of all images that were added."""
        anomalies, m = self.anomalies, len(self.scores)
        above, at_least = np.zeros(m, np.int64), np.zeros(m, np.int64)
        for counter in self._counters.values():
            more = counter.counts()
            above += more[0]
            at_least += more[1]
        positives = np.bincount(self.groups, minlength=m)
        true = np.cumsum(positives[::-1])[::-1]
        areas = np.bincount(anomalies.regions)
        n_values = sum(counter.n_values for counter in self._counters.values())
        return Levels(
            scores=self.scores,
            positives=positives,
            weight=np.bincount(
                self.groups, weights=1 / areas[anomalies.regions], minlength=m
            ),
            n_regions=len(areas),
            above=above - (true - positives),
            at_least=at_least - true,
            n_normal=n_values - len(anomalies.scores),
        )


class Samples:
    """Masks, maps and ignored pixels, side by side, checked on access.

    Parameters
    ----------
    y_true, maps, ignore
        As the public metrics take them.
    """

    def __init__(self, y_true, maps, ignore=None):
        self.maps = Maps(maps)
        self.masks = masks_from(y_true)
        n = len(self.maps)
        if len(self.masks) != n:
            raise ValueError(f"y_true has {len(self.masks)} masks for {n} maps.")
        self.ignored = None if ignore is None else ignored_from(ignore, self.maps)

    def __len__(self):
        return len(self.maps)

    def mask(self, index):
        """Return the mask of an image with anomalous pixels, None or `UNKNOWN`."""
        mask = self.masks[index]
        if mask is None or mask is UNKNOWN:
            return mask
        self._check_shape(index, mask, "y_true")
        return mask if mask.any() else None

    def ignored_pixels(self, index):
        """Return the ignored pixels of an image, None where there are none."""
        ignored = None if self.ignored is None else self.ignored[index]
        if ignored is not None:
            self._check_shape(index, ignored, "ignore")
        return ignored

    def _check_shape(self, index, mask, what):
        shape = self.maps.shape(index)
        if mask.shape != shape:
            raise ValueError(
                f"{what}[{index}] has shape {mask.shape}, but maps[{index}] has shape "
                f"{shape}; resize one of them first."
            )


def collect(y_true, maps, ignore=None):
    """Return the levels of masks and maps, whatever metric is wanted of them."""
    return count_normals(*gather(Samples(y_true, maps, ignore)))


def gather(samples):
    """First pass over samples: the anomalous pixels, and the images left to count."""
    gatherer, unknown = AnomalyGatherer(), []
    for index in range(len(samples)):
        mask = samples.mask(index)
        if mask is UNKNOWN:
            unknown.append(index)
        elif mask is not None:
            ignored = samples.ignored_pixels(index)
            gatherer.add(samples.maps[index], mask, ignored, index)
    warn_unknown(len(unknown))
    counted = np.setdiff1d(np.arange(len(samples)), unknown)
    return samples, gatherer.finish(), counted


def count_normals(samples, anomalies, images):
    """Second pass over samples: the levels of some of the images."""
    counter = NormalCounter(anomalies)
    for index in images:
        counter.add(samples.maps[index], samples.ignored_pixels(index))
    return counter.levels()
