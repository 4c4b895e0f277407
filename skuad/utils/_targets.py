"""What y says about an image: good, or anomalous."""

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.io._sequence import without_index
from skuad.utils._typing import Array, StrPath, TargetsLike


def anomalous(
    y: TargetsLike, n_samples: int, *, strict: bool = False
) -> NDArray[np.bool_]:
    """Return which images y marks as anomalous, without reading a mask file.

    Parameters
    ----------
    y : None, array-like of {1, -1}, array of masks, or list
        +1 good and -1 anomalous; masks, non-zero where anomalous, as an array (n, H, W)
        or (n, W) for line scans; or a list whose items are a mask (H, W), None (good),
        -1 (anomalous, extent unknown), or the path of a mask ('' for a good image).
    n_samples : int
        Number of images.
    strict : bool, default=False
        Whether labels other than +1 and -1, such as 0/1, are an error. Otherwise they
        only warn, and mark no image.

    Returns
    -------
    ndarray of bool of shape (n_samples,)

    Raises
    ------
    ValueError
        If the lengths differ, or a target is 0 (unknown) among labels of +1 and -1.
    """
    if y is None:
        return np.zeros(n_samples, bool)
    items = _items(y)
    if len(items) != n_samples:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[n_samples, len(items)]}"
        )
    if (
        isinstance(items, np.ndarray)
        and items.dtype.kind not in "OUT"
        and items.ndim > 1
    ):
        if items.shape[1:] == (1,):
            return _from_labels(items.ravel(), strict)
        return np.any(items.reshape(n_samples, -1), axis=1)
    if all(
        np.ndim(item) == 0 and isinstance(item, int | float | np.number | np.bool_)
        for item in items
    ):
        return _from_labels(np.asarray(items), strict)
    return np.array([_is_anomalous(item) for item in items], np.bool_)


def _items(y: Any) -> list[Any] | tuple[Any, ...] | Array:
    y = without_index(y)
    return y if isinstance(y, list | tuple | np.ndarray) else np.asarray(y)


def _from_labels(labels: Array, strict: bool) -> NDArray[np.bool_]:
    values = set(np.unique(labels).tolist())
    if values <= {1, -1}:
        return labels == -1
    if values <= {-1, 0, 1} and (-1 in values or values == {0}):
        raise ValueError(
            f"y has {int((labels == 0).sum())} targets of 0 (unknown): leave those images "
            "out; +1 is good and -1 anomalous"
        )
    if strict:
        raise ValueError(
            f"the labels in y are {sorted(values)[:5]}: code them as +1 (good) and -1 "
            "(anomalous). From 0/1 labels: np.where(is_defect, -1, 1)"
        )
    warnings.warn(
        "y is not coded as +1 (good) and -1 (anomalous), so fit uses all images as good. "
        "From 0/1 labels: np.where(is_defect, -1, 1)",
        UserWarning,
        stacklevel=5,
    )
    return np.zeros(len(labels), bool)


def is_empty_path(path: StrPath) -> bool:
    """Whether a path stands for a good image; an empty `Path` is a dot."""
    return os.fspath(path) in ("", ".")


def _is_anomalous(item: Any) -> bool:
    if item is None:
        return False
    if isinstance(item, str | os.PathLike):
        return not is_empty_path(item)
    item = np.asarray(item)
    if item.ndim == 0 and item not in (1, -1):
        raise ValueError(f"y has the target {item}: +1 is good and -1 anomalous")
    return bool(item == -1) if item.ndim == 0 else bool(item.any())
