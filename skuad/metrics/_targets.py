"""What metrics accept as the truth: masks, mask paths and labels."""

import warnings
from collections.abc import Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path

import cv2
import numpy as np

#: The entry of an image that is anomalous, nobody having drawn where.
UNKNOWN = -1

_CODING = "+1 for a normal image and -1 for an anomalous one, as in scikit-learn"


class Masks(Sequence):
    """One mask per image, opened on access.

    An item is None for a good image, `UNKNOWN` for an anomalous image of unknown
    extent, and a bool array (H, W) otherwise.

    Parameters
    ----------
    entries : sequence
        Arrays, None, `UNKNOWN`, or paths ('' for a good image).
    what : str
        What the masks are, for messages.
    """

    def __init__(self, entries, what="y_true"):
        self._entries = entries
        self._what = what

    def __len__(self):
        return len(self._entries)

    def __getitem__(self, index):
        entry = self._entries[index]
        if entry is None:
            return None
        if isinstance(entry, str | PathLike):
            return read_mask(entry) if fspath(entry) else None
        if _is_number(entry):
            return UNKNOWN
        mask = np.asarray(entry)
        if mask.dtype.kind not in "biuf":
            raise ValueError(
                f"{self._what}[{index}] has dtype {mask.dtype}; a mask is an array of "
                "numbers or bools, anomalous where it is not zero."
            )
        if mask.dtype.kind == "f" and np.isnan(mask).any():
            raise ValueError(f"{self._what}[{index}] contains NaN.")
        if mask.ndim == 1:
            mask = mask[None]
        if mask.ndim != 2:
            raise ValueError(
                f"{self._what}[{index}] has shape {mask.shape}; a mask has shape "
                "(H, W)."
            )
        return mask if mask.dtype == bool else mask != 0

    def is_anomalous(self, index):
        """Whether an image is anomalous: its mask has at least one pixel."""
        mask = self[index]
        return mask is UNKNOWN or (mask is not None and bool(mask.any()))


def read_mask(path):
    """Read a mask file, or the union of the channels in a folder.

    Parameters
    ----------
    path : str or PathLike
        An image file, or a folder with one image file per channel (MVTec LOCO).

    Returns
    -------
    mask : ndarray of shape (H, W), dtype bool
        True where any channel is not zero.
    """
    path = Path(path)
    if not path.is_dir():
        return _read_nonzero(path)
    return np.logical_or.reduce(read_channels(path))


def read_channels(folder):
    """Read the channels of an MVTec LOCO folder, one bool array (H, W) each."""
    files = sorted(file for file in Path(folder).iterdir() if file.is_file())
    if not files:
        raise ValueError(f"The folder of mask channels {folder} is empty.")
    channels = [_read_nonzero(file) for file in files]
    if len({channel.shape for channel in channels}) > 1:
        raise ValueError(f"The mask channels in {folder} differ in size.")
    return channels


def _read_nonzero(path):
    if not path.exists():
        raise FileNotFoundError(f"There is no mask at {path}.")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"The mask {path} cannot be read as an image.")
    if image.ndim == 3:
        image = image[..., :3].any(axis=2)  # an alpha channel marks no defect
    return image != 0


def masks_from(y_true, *, what="y_true"):
    """Read y_true as one mask per image.

    Parameters
    ----------
    y_true : array of shape (n, H, W) or (n, w), list or 1-D array
        See the user guide: arrays, None, -1, or paths.
    what : str
        What the masks are, for messages.

    Returns
    -------
    masks : Masks

    Raises
    ------
    ValueError
        If y_true holds a label per image, or an entry is no mask.
    """
    _reject_bare(y_true, what)
    if hasattr(y_true, "iloc"):  # a pandas Series
        y_true = y_true.to_numpy()
    if isinstance(y_true, np.ndarray) and y_true.dtype.kind in "biufc":
        if y_true.ndim == 1:
            raise ValueError(_labels_message(y_true, what))
        if y_true.ndim not in (2, 3):
            raise ValueError(
                f"{what} has shape {y_true.shape}; masks have shape (n, H, W), or "
                "(n, w) for line scans."
            )
        return Masks(y_true, what)
    entries = list(y_true)
    if entries and all(_is_number(entry) for entry in entries):
        raise ValueError(_labels_message(np.asarray(entries), what))
    for index, entry in enumerate(entries):
        if _is_number(entry) and entry != UNKNOWN:
            raise ValueError(
                f"{what}[{index}] is {entry!r}; in a list of masks None is a good "
                "image and -1 an anomalous one of unknown extent."
            )
    return Masks(entries, what)


def image_labels(y_true):
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
    _reject_bare(y_true, "y_true")
    if hasattr(y_true, "iloc"):
        y_true = y_true.to_numpy()
    is_array = isinstance(y_true, np.ndarray) and y_true.dtype.kind in "biufc"
    if not is_array:
        y_true = list(y_true)
        if y_true and all(_is_number(entry) for entry in y_true):
            y_true, is_array = np.asarray(y_true), True
    if is_array and y_true.ndim == 1:
        return _check_labels(y_true)
    masks = masks_from(y_true)
    anomalous = [masks.is_anomalous(index) for index in range(len(masks))]
    return np.where(anomalous, -1, 1).astype(np.int64)


def ignored_from(ignore, maps):
    """Read the pixels to ignore, one mask per map.

    Parameters
    ----------
    ignore : array of shape (H, W), or masks as `masks_from` reads them
        One 2-D array holds for every image, unless the maps are line scans.
    maps : Maps

    Returns
    -------
    ignored : sequence of (bool array or None)
    """
    n = len(maps)
    if isinstance(ignore, np.ndarray) and ignore.ndim == 2 and not maps.are_rows:
        return [ignore != 0] * n
    ignored = masks_from(ignore, what="ignore")
    if len(ignored) != n:
        raise ValueError(f"ignore has {len(ignored)} masks for {n} maps.")
    return ignored


def warn_unknown(count):
    """Warn once of the images that pixel metrics leave out."""
    if count:
        warnings.warn(
            f"{count} anomalous image(s) of unknown extent (-1) are left out of the "
            "pixel metrics.",
            UserWarning,
            stacklevel=3,
        )


def _check_labels(labels):
    values = np.unique(labels)
    if not np.isin(values, (-1, 1)).all():
        raise ValueError(
            f"The labels are {values[:5].tolist()}; they must be {_CODING}. From 0/1 "
            "with 1 anomalous: np.where(y == 1, -1, 1)."
        )
    return labels.astype(np.int64)


def _labels_message(labels, what):
    return (
        f"{what} holds one number per image ({np.unique(labels)[:5].tolist()}), but "
        "pixel metrics need a mask per image: where an image is anomalous, not only "
        f"whether. Labels ({_CODING}) are for the image metrics."
    )


def _reject_bare(y_true, what):
    if isinstance(y_true, str | PathLike):
        raise ValueError(f"{what} is one path; pass a list of paths.")
    if y_true is None:
        raise ValueError(f"{what} is None; metrics need the truth.")
    if not isinstance(y_true, Iterable):
        raise ValueError(f"{what} is {y_true!r}; pass one entry per image.")


def _is_number(entry):
    return isinstance(entry, int | float | np.number | np.bool_) or (
        isinstance(entry, np.ndarray) and entry.ndim == 0
    )
