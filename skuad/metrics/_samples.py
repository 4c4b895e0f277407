"""Masks, maps and ignored pixels, side by side."""

from skuad.metrics._evidence import AnomalyGatherer, NormalCounter
from skuad.metrics._maps import Maps
from skuad.metrics._targets import UNKNOWN, ignored_from, masks_from, warn_unknown


class Samples:
    """Masks, maps and ignored pixels, checked on access.

    Parameters
    ----------
    y_true, maps, ignore
        As the public metrics take them.
    """

    def __init__(self, y_true, maps, ignore=None):
        self.maps = Maps(maps)
        self._masks = masks_from(y_true)
        n = len(self.maps)
        if len(self._masks) != n:
            raise ValueError(f"y_true has {len(self._masks)} masks for {n} maps.")
        self._ignored = None if ignore is None else ignored_from(ignore, self.maps)

    def __len__(self):
        return len(self.maps)

    def mask(self, index):
        """Return a mask with anomalous pixels, None for a good image, or `UNKNOWN`."""
        mask = self._masks[index]
        if mask is None or mask is UNKNOWN:
            return mask
        check_shape(mask, self.maps[index], f"y_true[{index}]", index)
        return mask if mask.any() else None

    def ignored(self, index):
        """Return the ignored pixels of an image, None where there are none."""
        ignored = None if self._ignored is None else self._ignored[index]
        if ignored is UNKNOWN:
            raise ValueError(f"ignore[{index}] is -1; ignored pixels need a mask.")
        if ignored is not None:
            check_shape(ignored, self.maps[index], f"ignore[{index}]", index)
        return ignored

    def gather(self):
        """First pass.

        Returns
        -------
        anomalies : Anomalies
        is_good : list of (bool or None)
            Whether an image has no anomalous pixel; None where nobody knows.
        """
        gatherer, is_good = AnomalyGatherer(), []
        for index in range(len(self)):
            mask = self.mask(index)
            is_good.append(None if mask is UNKNOWN else mask is None)
            if is_good[-1] is False:
                gatherer.add(self.maps[index], mask, self.ignored(index), index)
        warn_unknown(is_good.count(None))
        return gatherer.finish(), is_good


def collect(y_true, maps, ignore=None):
    """Return the levels of masks and maps: what every pixel metric is made from."""
    samples = Samples(y_true, maps, ignore)
    anomalies, is_good = samples.gather()
    counter = NormalCounter(anomalies)
    for index, good in enumerate(is_good):
        values = samples.maps.finite(index)
        if good is not None:
            counter.add(values, samples.ignored(index))
    return counter.levels()


def check_shape(mask, values, what, index):
    """Raise unless a mask has the shape of its map."""
    if mask.shape != values.shape:
        raise ValueError(
            f"{what} has shape {mask.shape}, but maps[{index}] has shape "
            f"{values.shape}; resize one of them first."
        )
