"""Saturated per-region overlap, for defects whose whole area need not be found."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.io._masks import read_mask_channels
from skuad.metrics._evidence import (
    Anomalies,
    PixelCounter,
    group_scores,
    make_levels,
)
from skuad.metrics._levels import region_overlap_area
from skuad.metrics._maps import Maps
from skuad.metrics._pixel import check_max_fpr, is_defined
from skuad.metrics._samples import check_shape, ignored_at
from skuad.metrics._targets import as_mask, ignored_from
from skuad.utils._targets import is_empty_path
from skuad.utils._text import plural
from skuad.utils._typing import Array, MapsLike, MasksLike, StrPath

#: Of each image None, a folder, or masks.
ChannelsLike: TypeAlias = Sequence[StrPath | Sequence[Array] | Array | None]
#: A number for all defects, the entries of a file, or areas of every image's channels.
Saturation: TypeAlias = float | Sequence[Mapping[str, Any]] | Sequence[Sequence[int]]


def au_spro_score(
    channels: ChannelsLike,
    maps: MapsLike,
    *,
    saturation: Saturation,
    max_fpr: float = 0.05,
    ignore: MasksLike | None = None,
) -> float:
    """Area under the saturated per-region overlap curve (AU-sPRO).

    A missing object may have been anywhere within its mask, so finding a part of the
    mask is enough: a defect counts as found in full once its saturation area is found
    [1]_. Every channel is one defect, and channels may overlap. The false-positive
    rate counts the pixels outside all channels. Exact, as `aupro_score` is.

    Parameters
    ----------
    channels : list of length n
        For every image None or '' if it is good, else its defects: a list of masks
        (H, W), an array (n_channels, H, W), or the path of a folder with one file per
        defect. Where a channel is positive, its value may name the type of defect.
    maps : array of shape (n, H, W), or list of arrays of shape (H, W)
        Anomaly maps, high where anomalous.
    saturation : int, float, list of dict, or list of lists of int
        The saturation area. An int is a number of pixels and a float in (0, 1] a
        share of the defect's area, for all defects. A list of dicts is the content of
        MVTec LOCO's ``defects_config.json``, whose entries are chosen by the value of
        the channel. A list of lists has an area for every channel of every image, as
        `saturation_areas` gives them. No area exceeds that of its defect.
    max_fpr : float, default=0.05
        Where the integration stops, in (0, 1]. The area is divided by it.
    ignore : array of shape (H, W), or masks as in `pixel_roc_auc_score`, default=None
        Pixels to leave out, where not zero.

    Returns
    -------
    score : float
        In [0, 1]; nan if there is no anomalous or no normal pixel.

    Raises
    ------
    ValueError
        If lengths or shapes differ, a map contains NaN or infinity, or `saturation`
        does not say the area of some channel.

    Warns
    -----
    UserWarning
        As `saturation_areas` does.

    See Also
    --------
    saturation_areas : The areas that follow from a rule.
    aupro_score : Without saturation, over connected regions.

    References
    ----------
    .. [1] P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger and C. Steger, "Beyond
       Dents and Scratches: Logical Constraints in Unsupervised Anomaly Detection and
       Localization", International Journal of Computer Vision 130, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import au_spro_score
    >>> missing = np.zeros((8, 8), np.uint8)
    >>> missing[2:6, 2:6] = 255
    >>> anomaly_map = np.zeros((8, 8))
    >>> anomaly_map[2:4, 2:6] = 1  # half of where the object could have been
    >>> au_spro_score([[missing]], [anomaly_map], saturation=0.5, max_fpr=0.3)
    1.0
    >>> au_spro_score([[missing]], [anomaly_map], saturation=1.0, max_fpr=0.3)
    0.575
    """
    check_max_fpr(max_fpr)
    maps = Maps(maps)
    _check_length(channels, len(maps))
    if ignore is not None:
        ignore = ignored_from(ignore, maps)
    rule = _Rule(saturation, len(maps))
    gatherer = _ChannelGatherer()
    for index in range(len(maps)):
        masks, values = read_channels(channels[index], f"channels[{index}]")
        for mask in masks:
            check_shape(mask, maps[index], f"channels[{index}]", index)
        areas = rule.areas(index, masks, values)
        ignored = ignored_at(ignore, index, maps)
        gatherer.add(maps[index], masks, areas, ignored, index)
    rule.warn()
    anomalies = gatherer.finish()
    distinct, groups = group_scores(anomalies.scores)
    counter = PixelCounter(distinct)
    for index in range(len(maps)):
        counter.add(maps.finite(index), ignored_at(ignore, index, maps))
    levels = make_levels(
        anomalies, distinct, groups, counter.counts(), counter.n_pixels
    )
    if not is_defined(levels, "AU-sPRO"):
        return np.nan
    return float(region_overlap_area(levels, max_fpr))


def saturation_areas(channels: ChannelsLike, saturation: Saturation) -> list[list[int]]:
    """Return the saturation area of every defect.

    Parameters
    ----------
    channels : list of length n
        As in `au_spro_score`.
    saturation : int, float or list of dict
        As in `au_spro_score`. Of a dict, ``pixel_value``, ``saturation_threshold`` and
        ``relative_saturation`` are read: a relative threshold times the area of the
        defect, rounded down but not to 0, or an absolute number of pixels.

    Returns
    -------
    areas : list of length n, of lists of int
        In pixels, one for each channel; an empty list for a good image.

    Raises
    ------
    ValueError
        If no entry has the value of some channel, or a threshold is out of range.

    Warns
    -----
    UserWarning
        If an absolute threshold of a list of dicts exceeds the area of a defect, which
        then has to be found in full: once, with the number of such defects.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import saturation_areas
    >>> channel = np.zeros((8, 8), np.uint8)
    >>> channel[:2, :5] = 254
    >>> rule = {"pixel_value": 254, "saturation_threshold": 0.75,
    ...         "relative_saturation": True}
    >>> saturation_areas([[channel], None], [rule])
    [[7], []]
    """
    rule = _Rule(saturation, len(channels))
    areas = []
    for index, entry in enumerate(channels):
        masks, values = read_channels(entry, f"channels[{index}]")
        areas.append(rule.areas(index, masks, values))
    rule.warn()
    return areas


def read_channels(entry: Any, what: str) -> tuple[list[NDArray[np.bool_]], list[int]]:
    """Return the defects of an image as bool masks, and the value of each."""
    if entry is None:
        return [], []
    if isinstance(entry, str | PathLike):
        if is_empty_path(entry):
            return [], []
        stack, pixel_values = read_mask_channels(entry)
        return list(stack), pixel_values.tolist()
    if not isinstance(entry, Iterable):
        raise ValueError(f"{what} is {entry!r}; pass its masks, a folder or None.")
    channels = [np.asarray(channel) for channel in entry]
    masks = [as_mask(channel, what) for channel in channels]
    return masks, [int(channel.max(initial=0)) for channel in channels]


class _Rule:
    """How large the saturation area of a channel is."""

    def __init__(self, saturation: Any, n_images: int) -> None:
        self._entries: dict[int, Mapping[str, Any]] | None = None
        self._areas: Sequence[Sequence[int]] | None = None
        self._exceeded: list[str] = []
        self._threshold = saturation
        if isinstance(saturation, Real):
            _check_threshold(self._threshold, not isinstance(saturation, Integral))
        elif len(saturation) and all(isinstance(s, Mapping) for s in saturation):
            self._entries = {entry["pixel_value"]: entry for entry in saturation}
        elif len(saturation) == n_images:
            self._areas = saturation
        else:
            raise ValueError(
                f"saturation has {len(saturation)} entries for {n_images} images."
            )

    def areas(
        self, index: int, masks: list[NDArray[np.bool_]], values: list[int]
    ) -> list[int]:
        """Return the areas of the channels of an image, in pixels."""
        sizes = [int(np.count_nonzero(mask)) for mask in masks]
        thresholds: list[tuple[float, bool]]
        if self._areas is not None:
            given = self._areas[index]
            if len(given) != len(masks):
                raise ValueError(
                    f"saturation[{index}] has {len(given)} areas for {len(masks)} "
                    "channels."
                )
            thresholds = [(int(area), False) for area in given]
        elif self._entries is not None:
            thresholds = [_entry(self._entries, index, value) for value in values]
            self._exceeded += [
                f"channels[{index}]: {threshold} > {size}"
                for size, (threshold, relative) in zip(sizes, thresholds, strict=True)
                if not relative and threshold > size
            ]
        else:
            relative = not isinstance(self._threshold, Integral)
            thresholds = [(self._threshold, relative)] * len(masks)
        return [
            _area(size, *threshold)
            for size, threshold in zip(sizes, thresholds, strict=True)
        ]

    def warn(self) -> None:
        """Warn once of the defects that are smaller than their saturation area."""
        if self._exceeded:
            shown = "; ".join(self._exceeded[:5])
            more = "; ..." if len(self._exceeded) > 5 else ""
            defects = plural(len(self._exceeded), "defect")
            warnings.warn(
                f"The saturation threshold exceeds the area of {defects}, in pixels: "
                f"{shown}{more}. Such a defect has to be found in full.",
                UserWarning,
                stacklevel=3,
            )


def _entry(
    entries: Mapping[int, Mapping[str, Any]], index: int, value: int
) -> tuple[float, bool]:
    if value not in entries:
        raise ValueError(
            f"channels[{index}] has the value {value}, which is the pixel_value of "
            f"no entry of saturation; those are {sorted(entries)}."
        )
    entry = entries[value]
    return entry["saturation_threshold"], entry["relative_saturation"]


def _area(size: int, threshold: float, relative: bool) -> int:
    _check_threshold(threshold, relative)
    area = int(threshold * size) if relative else min(int(threshold), size)
    return max(area, 1)


def _check_threshold(threshold: float, relative: bool) -> None:
    if not (0 < threshold <= 1 if relative else threshold >= 1):
        allowed = "a share in (0, 1]" if relative else "a number of pixels"
        raise ValueError(
            f"A saturation threshold is {threshold!r}; it must be {allowed}."
        )


class _ChannelGatherer:
    """Keep the pixels of channels, the highest of each with a share of the overlap."""

    def __init__(self) -> None:
        self._scores: list[Array] = []
        self._shares: list[NDArray[np.float64]] = []
        self._repeated: list[NDArray[np.bool_]] = []
        self._images: list[int] = []

    def add(
        self,
        values: Array,
        masks: list[NDArray[np.bool_]],
        areas: list[int],
        ignored: NDArray[np.bool_] | None,
        image: int,
    ) -> None:
        values = values.ravel()
        seen = np.zeros(values.size, bool)
        for mask, area in zip(masks, areas, strict=True):
            inside = mask if ignored is None else mask & ~ignored
            index = np.flatnonzero(inside)
            if not len(index):
                continue
            scores = values[index]
            area = min(area, len(index))
            shares = np.zeros(len(index))
            shares[np.argpartition(scores, len(scores) - area)[-area:]] = 1 / area
            self._scores.append(scores)
            self._shares.append(shares)
            self._repeated.append(seen[index])
            self._images.append(image)
            seen[index] = True

    def finish(self) -> Anomalies:
        if not self._scores:
            none = np.empty(0, np.int64)
            return Anomalies(np.empty(0, np.float32), none, none)
        sizes = [len(scores) for scores in self._scores]
        return Anomalies(
            np.concatenate(self._scores),
            np.repeat(np.arange(len(sizes)), sizes),
            np.array(self._images),
            np.concatenate(self._shares),
            np.concatenate(self._repeated),
        )


def _check_length(channels: ChannelsLike, n_maps: int) -> None:
    if isinstance(channels, str | PathLike) or len(channels) != n_maps:
        raise ValueError(
            f"channels must be a list with an entry for each of {n_maps} maps."
        )
