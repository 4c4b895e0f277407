"""What a benchmark runs on: the categories of a data set, as images and truth."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.datasets import list_categories, load_dataset
from skuad.datasets._registry import dataset_name
from skuad.utils._typing import Array, StrPath

_HELD_OUT = 3
"""Of images without a split, one good image in so many is held out."""


@dataclass
class Category:
    """The images of one category."""

    name: str
    train: Any
    """Good images to learn from, in any form that estimators take."""
    test: Any
    """Images to score."""
    target: NDArray[np.int64]
    """+1 for a good test image, -1 for an anomalous one."""
    masks: list[Any]
    """For every test image its mask, or the path of it; None for a good image, -1
    where the extent is unknown."""
    subsets: dict[str, NDArray[np.intp]] = field(default_factory=dict)
    """Name -> indices of test images that are measured apart."""
    saturation: list[dict[str, Any]] = field(default_factory=list)
    """Content of MVTec LOCO's defects_config.json, if there is one."""
    dataset: str = ""
    """Name of the data set."""
    kinds: list[str] = field(default_factory=list)
    """Kind of defect of every test image, if the data say."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Path -> fault of test images that were left out."""


def find_categories(
    dataset: str | Mapping[str, Any],
    root: StrPath | None,
    categories: str | Sequence[str] | None,
    options: Mapping[str, Any] | None,
) -> dict[str, Callable[[], Category]]:
    """List what to run on, without opening an image.

    Parameters
    ----------
    dataset : str, Bunch or mapping of str to Bunch
    root : path-like or None
    categories : str, sequence of str or None
    options : dict or None
        See `run_benchmark` for all of them.

    Returns
    -------
    dict of {str: callable}
        A function without arguments that returns the `Category`, by name. It may
        raise: what is wrong with one category does not concern the others.

    Raises
    ------
    ValueError
        If the arguments do not go together, or a category is unknown.
    """
    options = dict(options or {})
    if isinstance(dataset, str):
        return _by_name(dataset, root, categories, options)
    if root is not None or options:
        raise ValueError(
            "root and dataset_options are for a data set that is given by its name"
        )
    if not isinstance(dataset, Mapping):
        raise ValueError(
            "dataset must be the name of a data set, what a loader of skuad.datasets "
            f"returns, or a dict of those, got {type(dataset).__name__}"
        )
    parts = by_category(dataset) if _is_bunch(dataset) else dict(dataset)
    if not parts:
        raise ValueError("dataset has no category")
    return {
        name: partial(_load, name, partial(parts.get, name))
        for name in _wanted(categories, parts)
    }


def _load(name: str, load: Callable[[], Any]) -> Category:
    """Make a category from what a function gives."""
    return make_category(name, load())


def _by_name(
    dataset: str,
    root: StrPath | None,
    categories: str | Sequence[str] | None,
    options: dict[str, Any],
) -> dict[str, Callable[[], Category]]:
    for name in ("split", "return_X_y", "as_frame"):
        if name in options:
            raise ValueError(f"a benchmark chooses {name!r} of the data set itself")
    dataset = dataset_name(dataset)
    known = list_categories(dataset, root)  # raises if there is no such data set
    if dataset == "image_folder":
        data = load_dataset(dataset, root, _only(categories), **options)
        return find_categories(by_category(data), None, None, None)
    if categories in (None, "all"):
        wanted = known
    else:
        wanted = [categories] if isinstance(categories, str) else list(categories)
    loaders: dict[str, Callable[[], Category]] = {}
    for name in wanted:
        load = partial(load_dataset, dataset, root, name, **options)
        if name not in known:
            load()  # its error lists the known names
        loaders[name] = partial(_load, name, load)
    return loaders


def _only(categories: str | Sequence[str] | None) -> str | None:
    if categories is None or isinstance(categories, str):
        return categories
    raise ValueError(
        "of a folder of your own, categories is the name of one sub-folder, 'all' of "
        f"them, or None for the folder itself; got {categories!r}"
    )


def _wanted(
    categories: str | Sequence[str] | None, parts: Mapping[str, Any]
) -> list[str]:
    if categories in (None, "all"):
        return list(parts)
    wanted = [categories] if isinstance(categories, str) else list(categories)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        raise ValueError(f"no category {unknown[0]!r} among {list(parts)}")
    return wanted


def _is_bunch(data: Mapping[str, Any]) -> bool:
    return "images" in data or "train" in data


def by_category(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a Bunch of several categories, by name."""
    names = data.get("category")
    if names is None:
        return {str(data.get("name", data.get("texture", "data"))): data}
    names, parts = np.asarray(names), {}
    for name in dict.fromkeys(names.tolist()):
        keep = np.flatnonzero(names == name)
        part = {
            key: _take(values, keep) if _is_column(values, len(names)) else values
            for key, values in data.items()
        }
        config = part.get("defects_config")
        if isinstance(config, Mapping):
            part["defects_config"] = config.get(name) or []
        parts[name] = part
    return parts


def _is_column(values: Any, n_images: int) -> bool:
    return isinstance(values, list | np.ndarray) and len(values) == n_images


def make_category(name: str, data: Mapping[str, Any]) -> Category:
    """Split the images of one category into those to learn from and those to score.

    Parameters
    ----------
    name : str
    data : mapping
        A Bunch of a loader, or of `make_defect_images`.

    Returns
    -------
    Category

    Raises
    ------
    ValueError
        If there are no images to learn from, or none to score.
    """
    if "train" in data and "test" in data:  # generated: split, and in memory
        target = np.asarray(data["target"])
        masks = data.get("masks")
        return Category(
            name,
            data["train"],
            data["test"],
            target,
            _truth(target, masks),
            kinds=_list(data.get("defect_type")),
        )
    lacking = [key for key in ("images", "target") if key not in data]
    if lacking:
        raise ValueError(
            f"the data of {name!r} lack {' and '.join(map(repr, lacking))}; there are "
            f"{', '.join(map(repr, data))}"
        )
    target = np.asarray(data["target"])
    train, test = _split(target, data.get("split"))
    if not len(train) or not len(test):
        raise ValueError(
            f"{name!r} has {len(train)} good training images and {len(test)} labelled "
            "test images; a benchmark takes both"
        )
    masks = data.get("masks")
    masks = None if masks is None else _take(masks, test)
    subsets, key = {}, None
    if "condition" in data:
        key = "condition"
        subsets = _conditions(np.asarray(data["condition"])[test])
    elif data.get("name") == "mvtec_loco":
        key = "defect_type"
        subsets = _kinds(np.asarray(data[key])[test], target[test])
    return Category(
        name,
        _take(data["images"], train),
        _take(data["images"], test),
        target[test],
        _truth(target[test], masks),
        subsets,
        list(data.get("defects_config") or []),
        str(data.get("name", "")),
        kinds=_list(_take(data["defect_type"], test) if "defect_type" in data else []),
    )


def leave_out(category: Category, faults: Mapping[int, Exception]) -> Category:
    """Return a category without the test images that have a fault.

    Raises
    ------
    ValueError
        If none is left.
    """
    kept = [index for index in range(len(category.target)) if index not in faults]
    unreadable = {}
    for index, fault in faults.items():
        name = f"image {index}"
        if isinstance(category.test, list | np.ndarray):
            image = category.test[index]
            if isinstance(image, str | os.PathLike):
                name = str(os.fsdecode(image))
        # Of an array, a number is that in a part of the images.
        text = re.sub(r"^image \d+: ", "", str(fault))
        unreadable[name] = re.sub(r"^image \d+ (?!\()", "the image ", text)
    if not kept:
        raise ValueError(
            f"none of the {len(category.target)} test images of {category.name!r} can "
            f"be scored: {next(iter(unreadable.values()))}"
        )
    return replace(
        category,
        test=_take(category.test, kept),
        target=category.target[kept],
        masks=_take(category.masks, kept),
        kinds=_take(category.kinds, kept) if category.kinds else [],
        subsets={
            name: np.flatnonzero(np.isin(kept, indices))
            for name, indices in category.subsets.items()
        },
        unreadable=unreadable,
    )


def _split(
    target: NDArray[np.int64], split: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of good training images and of labelled test images."""
    split = np.full(len(target), "all") if split is None else np.asarray(split)
    is_test = np.char.startswith(split.astype(str), "test")
    train = np.flatnonzero((split == "train") & (target == 1))
    test = np.flatnonzero(is_test & (target != 0))
    if len(train) or len(test):
        return train, test
    # Neighbouring images are often alike, so the last ones are held out together.
    good = np.flatnonzero(target == 1)
    n_train = max(len(good) - len(good) // _HELD_OUT, min(len(good), 2))
    bad = np.flatnonzero(target == -1)
    return good[:n_train], np.concatenate([good[n_train:], bad])


def _truth(target: NDArray[np.int64], masks: Any) -> list[Any]:
    """Return the mask of every image in the coding of the metrics."""
    if masks is None:
        return [None if label == 1 else -1 for label in target]
    truth: list[Any] = []
    for label, mask in zip(target, masks, strict=True):
        if label == 1:
            truth.append(None)
        elif isinstance(mask, str | os.PathLike):
            truth.append(os.fspath(mask) or -1)
        else:
            truth.append(-1 if mask is None else mask)
    return truth


def _conditions(conditions: Array) -> dict[str, NDArray[np.intp]]:
    """Return the images of each lighting condition, the regular one first."""
    names = sorted(dict.fromkeys(conditions.tolist()), key=lambda c: c != "regular")
    return {name: np.flatnonzero(conditions == name) for name in names}


def _kinds(kinds: Array, target: NDArray[np.int64]) -> dict[str, NDArray[np.intp]]:
    """Return, for each kind of anomaly, its images and the good ones."""
    names = dict.fromkeys(kinds[target == -1].tolist())
    return {name: np.flatnonzero((kinds == name) | (target == 1)) for name in names}


def _list(values: Any) -> list[Any]:
    return np.asarray(values).tolist() if values is not None else []


def _take(values: Any, indices: Any) -> Any:
    if isinstance(values, list | tuple):
        return [values[i] for i in indices]
    if hasattr(values, "iloc"):
        values = values.to_numpy()
    return values[indices]
