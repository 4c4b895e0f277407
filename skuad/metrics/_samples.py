"""Masks, maps and ignored pixels, side by side."""

from skuad.metrics._evidence import REST, PixelRecorder
from skuad.metrics._maps import Maps
from skuad.metrics._targets import UNKNOWN, ignored_from, masks_from, warn_unknown


class Samples:
    """Masks, maps and ignored pixels, checked on access.

    Parameters
    ----------
    y_true, maps, ignore
        As the public metrics take them.
    is_batch : bool, default=False
        As in `masks_from`.
    """

    def __init__(self, y_true, maps, ignore=None, *, is_batch=False):
        self.maps = Maps(maps)
        self._masks = masks_from(y_true, is_batch=is_batch)
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
        return ignored_at(self._ignored, index, self.maps)


def collect_evidence(samples, *, separate_good=False, strata=None):
    """Pass over samples twice.

    Parameters
    ----------
    samples : Samples
    separate_good : bool, default=False
        Whether to count the pixels of good images apart.
    strata : sequence of str, default=None
        What to count the pixels of each of the other images with.

    Returns
    -------
    evidence : Evidence
    """
    recorder = gather(samples, separate_good=separate_good)
    for index in range(len(samples)):
        stratum = REST if strata is None else strata[index]
        values, ignored = samples.maps.finite(index), samples.ignored(index)
        recorder.count(index, values, ignored, stratum)
    return recorder.finish()


def gather(samples, *, separate_good=False):
    """Pass over samples once, for the anomalous pixels; return the recorder."""
    recorder = PixelRecorder(separate_good)
    for index in range(len(samples)):
        mask = samples.mask(index)
        values = ignored = None
        if mask is not None and mask is not UNKNOWN:
            values, ignored = samples.maps[index], samples.ignored(index)
        recorder.gather(values, mask, ignored)
    warn_unknown(recorder.is_good.count(None))
    recorder.start_counting()
    return recorder


def collect(y_true, maps, ignore=None):
    """Return the levels of masks and maps."""
    return collect_evidence(Samples(y_true, maps, ignore)).levels


def ignored_at(ignored, index, maps):
    """Return the ignored pixels of an image from what `ignored_from` has read."""
    pixels = None if ignored is None else ignored[index]
    if pixels is UNKNOWN:
        raise ValueError(f"ignore[{index}] is -1; ignored pixels need a mask.")
    if pixels is not None:
        check_shape(pixels, maps[index], f"ignore[{index}]", index)
    return pixels


def check_shape(mask, values, what, index):
    """Raise unless a mask has the shape of its map."""
    if mask.shape != values.shape:
        raise ValueError(
            f"{what} has shape {mask.shape}, but maps[{index}] has shape "
            f"{values.shape}; resize one of them first."
        )
