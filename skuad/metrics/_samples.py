"""Masks, maps and ignored pixels, side by side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._evidence import REST, Evidence, PixelRecorder
from skuad.metrics._levels import Levels
from skuad.metrics._maps import Maps
from skuad.metrics._targets import Mask, ignored_from, masks_from, warn_unknown
from skuad.utils._typing import Array, MapsLike, MasksLike, TargetsLike

# In place of the map of an image without anomalous pixels.
_NOT_READ = np.empty((0, 0))


class Samples:
    """Masks, maps and ignored pixels, checked on access.

    Parameters
    ----------
    y_true, maps, ignore
        As the public metrics take them.
    is_batch : bool, default=False
        As in `masks_from`.
    """

    def __init__(
        self,
        y_true: TargetsLike,
        maps: MapsLike,
        ignore: MasksLike | None = None,
        *,
        is_batch: bool = False,
    ) -> None:
        self.maps = Maps(maps)
        self._masks = masks_from(y_true, is_batch=is_batch)
        n = len(self.maps)
        if len(self._masks) != n:
            raise ValueError(f"y_true has {len(self._masks)} masks for {n} maps.")
        self._ignored = None if ignore is None else ignored_from(ignore, self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    def mask(self, index: int) -> Mask:
        """Return a mask with anomalous pixels, None for a good image, or `UNKNOWN`."""
        mask = self._masks[index]
        if mask is None or isinstance(mask, int):
            return mask
        check_shape(mask, self.maps[index], f"y_true[{index}]", index)
        return mask if mask.any() else None

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        """Return the ignored pixels of an image, None where there are none."""
        return ignored_at(self._ignored, index, self.maps)


def collect_evidence(
    samples: Samples,
    *,
    separate_good: bool = False,
    strata: Sequence[str] | NDArray[np.str_] | None = None,
) -> Evidence:
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


def gather(samples: Samples, *, separate_good: bool = False) -> PixelRecorder:
    """Pass over samples once, for the anomalous pixels; return the recorder."""
    recorder = PixelRecorder(separate_good)
    for index in range(len(samples)):
        mask = samples.mask(index)
        values, ignored = _NOT_READ, None
        if isinstance(mask, np.ndarray):
            values, ignored = samples.maps[index], samples.ignored(index)
        recorder.gather(values, mask, ignored)
    warn_unknown(recorder.is_good.count(None))
    recorder.start_counting()
    return recorder


def collect(
    y_true: MasksLike, maps: MapsLike, ignore: MasksLike | None = None
) -> Levels:
    """Return the levels of masks and maps."""
    return collect_evidence(Samples(y_true, maps, ignore)).levels


def ignored_at(
    ignored: Sequence[Mask] | None, index: int, maps: Maps
) -> NDArray[np.bool_] | None:
    """Return the ignored pixels of an image from what `ignored_from` has read."""
    pixels = None if ignored is None else ignored[index]
    if isinstance(pixels, int):
        raise ValueError(f"ignore[{index}] is -1; ignored pixels need a mask.")
    if pixels is not None:
        check_shape(pixels, maps[index], f"ignore[{index}]", index)
    return pixels


def check_shape(mask: Array, values: Array, what: str, index: int) -> None:
    """Raise unless a mask has the shape of its map."""
    if mask.shape != values.shape:
        raise ValueError(
            f"{what} has shape {mask.shape}, but maps[{index}] has shape "
            f"{values.shape}; resize one of them first."
        )
