"""What metrics accept as the truth: masks, mask paths and labels."""

import warnings
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from skuad.io import read_mask
from skuad.io._sequence import without_index
from skuad.metrics._maps import Maps
from skuad.utils._targets import is_empty_path
from skuad.utils._text import plural
from skuad.utils._typing import Array, MasksLike, TargetsLike

#: The entry of an image that is anomalous, nobody having drawn where.
UNKNOWN = -1
#: Anomalous pixels, None for a good image, or `UNKNOWN`.
Mask: TypeAlias = NDArray[np.bool_] | int | None

_CODING = "+1 for a normal image and -1 for an anomalous one, as in scikit-learn"


class Masks(Sequence[Mask]):
    """One mask per image, opened on access.

    An item is None for a good image, `UNKNOWN` for an anomalous image of unknown
    extent, and a bool array (H, W) otherwise.

    Parameters
    ----------
    entries : sequence
        Arrays, None or +1, `UNKNOWN`, or paths ('' for a good image).
    what : str
        What the masks are, for messages.
    """

    def __init__(self, entries: MasksLike, what: str = "y_true") -> None:
        self._entries = entries
        self._what = what

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Mask:  # type: ignore[override]  # no slices
        entry = self._entries[index]
        if entry is None:
            return None
        if isinstance(entry, str | PathLike):
            return None if is_empty_path(entry) else read_mask(entry)
        if _is_number(entry):
            return UNKNOWN if entry == UNKNOWN else None
        return as_mask(entry, f"{self._what}[{index}]")

    def is_anomalous(self, index: int) -> bool:
        """Whether an image is anomalous: its mask has at least one pixel."""
        mask = self[index]
        return mask is not None and bool(np.any(mask))  # UNKNOWN is not zero


def as_mask(mask: npt.ArrayLike, what: str) -> NDArray[np.bool_]:
    """Return a mask as a bool array (H, W), from any array of numbers or bools."""
    mask = np.asarray(mask)
    if mask.dtype.kind not in "biuf":
        raise ValueError(
            f"{what} has dtype {mask.dtype}; a mask is an array of numbers or bools, "
            "anomalous where it is not zero."
        )
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        raise ValueError(f"{what} contains NaN.")
    if mask.ndim == 1:
        mask = mask[None]
    if mask.ndim != 2:
        raise ValueError(f"{what} has shape {mask.shape}; a mask has shape (H, W).")
    return mask if mask.dtype == bool else mask != 0


def masks_from(
    y_true: TargetsLike, *, what: str = "y_true", is_batch: bool = False
) -> Masks:
    """Read y_true as one mask per image.

    Parameters
    ----------
    y_true : array of shape (n, H, W) or (n, w), list or 1-D array
        Masks, or for every image a mask (H, W), None or +1 (good), -1 (anomalous, of
        unknown extent) or the path of a mask.
    what : str
        What the masks are, for messages.
    is_batch : bool, default=False
        Whether y_true is part of a list, so that its entries may all happen to be -1.

    Returns
    -------
    masks : Masks

    Raises
    ------
    ValueError
        If y_true holds a label per image, or an entry is no mask.
    """
    entries = as_sequence(y_true, what)
    all_unknown = isinstance(entries, list) and all(
        _is_number(entry) and entry == UNKNOWN for entry in entries
    )
    if _holds_labels(entries) and not (is_batch and all_unknown):
        values = np.unique(np.asarray(entries))[:5].tolist()
        raise ValueError(
            f"{what} holds one number per image ({values}), but pixel metrics need a "
            "mask per image: where an image is anomalous, not only whether. Labels "
            f"({_CODING}) are for the image metrics."
        )
    if isinstance(entries, np.ndarray) and entries.dtype != object and entries.ndim > 1:
        if entries.ndim > 3:
            raise ValueError(
                f"{what} has shape {entries.shape}; masks have shape (n, H, W), or "
                "(n, w) for line scans."
            )
        return Masks(entries, what)
    for index, entry in enumerate(entries):
        if _is_number(entry) and entry not in (1, UNKNOWN):
            raise ValueError(
                f"{what}[{index}] is {entry!r}; in a list of masks None is a good "
                "image and -1 an anomalous one of unknown extent."
            )
    return Masks(entries, what)


def ignored_from(ignore: MasksLike, maps: Maps) -> Sequence[Mask]:
    """Read the pixels to ignore, one mask or None per map.

    Parameters
    ----------
    ignore : array of shape (H, W), or masks as `masks_from` reads them
        One 2-D array holds for every image, unless the maps are line scans.
    maps : Maps

    Returns
    -------
    ignored : sequence
    """
    if isinstance(ignore, np.ndarray) and ignore.ndim == 2 and not maps.are_rows:
        return [as_mask(ignore, "ignore")] * len(maps)
    ignored = masks_from(ignore, what="ignore")
    if len(ignored) != len(maps):
        raise ValueError(f"ignore has {len(ignored)} masks for {len(maps)} maps.")
    return ignored


def image_labels(y_true: TargetsLike) -> NDArray[np.int64]:
    """Label every image: +1 normal, -1 anomalous.

    Parameters
    ----------
    y_true : array-like
        Labels +1 / -1, or masks in any form that `masks_from` reads.

    Returns
    -------
    labels : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If the labels are anything but +1 and -1, such as 0/1.
    """
    truth = as_sequence(y_true, "y_true")
    if _holds_labels(truth):
        return _check_labels(np.asarray(truth).reshape(len(truth)))
    masks = masks_from(truth)
    anomalous = [masks.is_anomalous(index) for index in range(len(masks))]
    return np.where(anomalous, -1, 1).astype(np.int64)


def warn_unknown(count: int) -> None:
    """Warn once of the images that pixel metrics leave out."""
    if count:
        warnings.warn(
            f"{plural(count, 'anomalous image')} of unknown extent (-1) left out of the "
            "pixel metrics.",
            UserWarning,
            stacklevel=2,
        )


def _check_labels(labels: Array) -> NDArray[np.int64]:
    values = np.unique(labels)
    if not np.isin(values, (-1, 1)).all():
        raise ValueError(
            f"The labels are {values[:5].tolist()}; they must be {_CODING}. From 0/1 "
            "with 1 anomalous: np.where(y == 1, -1, 1)."
        )
    return labels.astype(np.int64)


def as_sequence(y_true: Any, what: str) -> Any:
    """Return y_true, or its entries where it can be gone over only once."""
    y_true = without_index(y_true)
    if isinstance(y_true, str | PathLike):
        raise ValueError(f"{what} is one path; pass a list of paths.")
    if y_true is None or not isinstance(y_true, Iterable):
        raise ValueError(f"{what} is {y_true!r}; pass one entry per image.")
    return y_true if hasattr(y_true, "__getitem__") else list(y_true)


def _holds_labels(y_true: Any) -> bool:
    """Whether there is one number per image; an array (n, 1) counts as labels."""
    if isinstance(y_true, np.ndarray) and y_true.dtype.kind in "biufc":
        return y_true.ndim == 1 or y_true.shape[1:] == (1,)
    return len(y_true) > 0 and all(_is_number(entry) for entry in y_true)


def _is_number(entry: Any) -> bool:
    return isinstance(entry, int | float | np.number | np.bool_) or (
        isinstance(entry, np.ndarray) and entry.ndim == 0
    )
