"""What every adapter returns: a Bunch of paths, put together from its parts."""

import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skuad.datasets._names import check_name
from skuad.utils._optional import import_optional
from skuad.utils._text import plural
from skuad.utils._typing import Array

GOOD, ANOMALOUS, UNKNOWN = 1, -1, 0

MISSING_MASK = ("raise", "zero", "skip")
RETURN_X_Y = (False, True, "masks", "labels")
#: A Bunch, or (images, y) where `return_X_y` asks for it: a union would have to be
#: taken apart by every caller.
Loaded: TypeAlias = Any


@dataclass
class Part:
    """Images of one split that are alike: one folder of a data set, as a rule."""

    images: list[str]
    target: int
    split: str
    defect_type: str | list[str] = "good"
    masks: list[str] | None = None
    """A path for every image, '' where none was found; None if there is nothing to
    find: good images, or a data set without masks."""
    orphans: list[str] = field(default_factory=list)
    """Masks that no image goes with."""
    groups: Sequence[Hashable] | None = None
    """A hashable key for every image; images with equal keys belong together."""
    extra: dict[str, list[Any]] = field(default_factory=dict)
    """Further columns: name -> one value for every image."""
    category: str = ""


def make_bunch(
    parts: list[Part],
    *,
    name: str,
    descr: str,
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
    stacklevel: int = 4,
    **metadata: Any,
) -> Loaded:
    """Put the parts of a data set together.

    Parameters
    ----------
    parts : list of Part
        The parts, in the order of the result.
    name, descr : str
        Name and description of the data set.
    missing_mask : {"raise", "zero", "skip"}, default="raise"
        What to do about anomalous images whose mask is missing.
    return_X_y : bool or {"masks", "labels"}, default=False
        Return (images, y) instead of a Bunch.
    as_frame : bool, default=False
        Add a pandas DataFrame, or return pandas Series.
    stacklevel : int, default=4
        Where a warning is to point, counted from `make_bunch`'s own helper.
    **metadata
        Further entries of the Bunch.

    Returns
    -------
    :class:`~sklearn.utils.Bunch` or (images, y)
        See the adapters.

    Raises
    ------
    ValueError
        If masks are missing or left over, or an option is unknown.
    """
    check_options(missing_mask, return_X_y)
    columns = _columns(parts)
    keep = _settle_masks(parts, columns, missing_mask, stacklevel)
    columns = {key: values[keep] for key, values in columns.items()}
    if return_X_y is not False:
        return _images_and_y(columns, return_X_y, as_frame)
    columns["groups"] = np.unique(columns["groups"], return_inverse=True)[1].ravel()
    bunch = Bunch(**columns, name=name, DESCR=descr, **metadata)
    if as_frame:
        bunch.frame = _pandas().DataFrame(columns)
    return bunch


def check_options(missing_mask: str, return_X_y: bool | str) -> None:
    """Raise if an option of an adapter is unknown."""
    check_name(missing_mask, MISSING_MASK, "missing_mask")
    if return_X_y not in RETURN_X_Y:
        raise ValueError(f"return_X_y must be one of {RETURN_X_Y}, got {return_X_y!r}")


def _columns(parts: list[Part]) -> dict[str, Array]:
    """Return one array per column over all parts."""
    sizes = [len(part.images) for part in parts]
    total = sum(sizes)

    def join(values: Iterable[Iterable[str]]) -> NDArray[np.str_]:
        return np.array([item for part in values for item in part], dtype=str)

    def repeat(values: list[Any], dtype: type) -> Array:
        return np.repeat(np.array(values, dtype=dtype), sizes)

    columns = {
        "images": join(part.images for part in parts),
        "target": repeat([part.target for part in parts], np.int64),
        "masks": join(part.masks or [""] * len(part.images) for part in parts),
        "defect_type": join(
            [part.defect_type] * len(part.images)
            if isinstance(part.defect_type, str)
            else part.defect_type
            for part in parts
        ),
        "split": repeat([part.split for part in parts], str),
        "category": repeat([part.category for part in parts], str),
    }
    # Keys of groups get numbers in the order of their first image.
    numbers: dict[Hashable, int] = {}
    groups = np.empty(total, dtype=np.int64)
    position = 0
    for part in parts:
        for i in range(len(part.images)):
            own = position if part.groups is None else (part.category, part.groups[i])
            groups[position] = numbers.setdefault(own, len(numbers))
            position += 1
    columns["groups"] = groups
    for key in dict.fromkeys(key for part in parts for key in part.extra):
        columns[key] = np.array(
            [
                item
                for part in parts
                for item in part.extra.get(key, [""] * len(part.images))
            ]
        )
    return columns


def _settle_masks(
    parts: list[Part], columns: dict[str, Array], missing_mask: str, stacklevel: int
) -> NDArray[np.bool_]:
    """Apply the policy on missing masks; return which images to keep."""
    searched = np.repeat(
        [part.masks is not None for part in parts], [len(part.images) for part in parts]
    ).astype(bool)
    lacking = searched & (columns["masks"] == "") & (columns["target"] == ANOMALOUS)
    orphans = [mask for part in parts for mask in part.orphans]
    lines, n_lacking = [], int(lacking.sum())
    if n_lacking:
        lines.append(f"{plural(n_lacking, 'anomalous image')} without a mask:")
        lines.extend(columns["images"][lacking])
    if orphans:
        lines.append(f"{plural(len(orphans), 'mask')} without an image:")
        lines.extend(orphans)
    if lines and missing_mask == "raise":
        raise ValueError(
            "\n".join(lines) + "\nIf that is known, missing_mask='zero' keeps such "
            "images (anomalous, extent unknown), missing_mask='skip' leaves them out."
        )
    if lines:
        fate = "left out" if missing_mask == "skip" else "anomalous all the same"
        warnings.warn(
            f"{plural(n_lacking, 'anomalous image')} without a mask: {fate}; "
            f"{plural(len(orphans), 'mask')} without an image: not used",
            UserWarning,
            stacklevel=stacklevel,
        )
    return ~lacking if missing_mask == "skip" else np.ones(len(lacking), dtype=bool)


def _images_and_y(
    columns: dict[str, Array], return_X_y: bool | str, as_frame: bool
) -> tuple[Any, Any]:
    images, target, masks = columns["images"], columns["target"], columns["masks"]
    if return_X_y == "labels":
        y = target
    elif (target == UNKNOWN).any():
        raise ValueError(
            f"{(target == UNKNOWN).sum()} of {len(target)} images are unlabelled and "
            "have no masks to return; return_X_y='labels' gives their target as 0"
        )
    else:
        y = masks
        unknown_extent = (target == ANOMALOUS) & (masks == "")
        if unknown_extent.any():
            y = masks.tolist()
            for i in np.flatnonzero(unknown_extent):
                y[i] = ANOMALOUS
    if as_frame:
        pandas = _pandas()
        return pandas.Series(images, name="images"), pandas.Series(y, name="y")
    return images, y


def _pandas() -> Any:
    return import_optional("pandas", extra="frame", needed_by="as_frame=True")
