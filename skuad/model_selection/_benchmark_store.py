"""Results of a benchmark on disk: one file per category, never a half one."""

import hashlib
import json
import os
import pickle
import re
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone

from skuad import __version__
from skuad.io import atomic_path
from skuad.model_selection._benchmark_data import Category
from skuad.model_selection._benchmark_rows import Row
from skuad.utils._typing import StrPath

_N_DIGITS = 12


def settings_of(estimator: Any) -> dict[str, str]:
    """Return the parameters of an estimator as text, for people."""
    settings = {"estimator": type(estimator).__name__}
    for name, value in sorted(estimator.get_params(deep=True).items()):
        settings[name] = " ".join(repr(value).split())
    return settings


def fingerprint(estimator: Any, category: Category, **settings: Any) -> str:
    """Return a name for a result that no other result has.

    It depends on the class of the estimator and all its parameters, on the images and
    masks (on those in files by path, size and time of change), on how they are split,
    and on the version of skuad. It is the same in another process.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    category : Category
    **settings
        Whatever else the result depends on.

    Returns
    -------
    str
        Hexadecimal digits.

    Raises
    ------
    ValueError
        If a parameter cannot be pickled.
    """
    estimator = clone(estimator)
    kind = type(estimator)
    parts = {
        "skuad": __version__,
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "settings": _hash(settings),
        "category": category.name,
        "train": _hash_images(category.train),
        "test": _hash_images(category.test),
        "target": _hash(np.asarray(category.target, np.int64)),
        "masks": _hash([state_of(mask) for mask in category.masks]),
        "subsets": _hash({k: np.asarray(v) for k, v in category.subsets.items()}),
        "saturation": _hash(category.saturation),
    }
    for name, value in estimator.get_params(deep=True).items():
        try:
            parts[f"param {name}"] = _hash(value)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"the parameter {name!r} of {kind.__name__} cannot be pickled "
                f"({error}), so a changed one could not be told from it: "
                "give out=None, or a function of a module in place of a local one"
            ) from error
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * _N_DIGITS]


def _hash(value: Any) -> str:
    return joblib.hash(value, hash_name="sha1")


def _hash_images(images: Any) -> str:
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OUT":
        return _hash(images)
    if isinstance(images, np.ndarray | list | tuple):
        return _hash([state_of(image) for image in images])
    return _hash(images)


def state_of(item: Any) -> Any:
    """Return what tells an image or a mask from another, without opening a file."""
    if not isinstance(item, str | os.PathLike):
        return item
    path = os.path.abspath(os.fsdecode(item))
    if not os.path.isdir(path):
        return path, *_stat(path)
    with os.scandir(path) as entries:  # a channel folder
        files = sorted(entry.path for entry in entries)
    return path, [(file, *_stat(file)) for file in files]


def _stat(path: str) -> tuple[int, int] | tuple[None]:
    try:
        state = os.stat(path)
    except OSError:  # whoever opens it will say so
        return (None,)
    return state.st_size, state.st_mtime_ns


class Store:
    """A folder with a file for each category.

    Parameters
    ----------
    folder : path-like or None
        Is made if it is not there. With None nothing is stored.

    Notes
    -----
    The fingerprint is part of a file's name, so results of other estimators or of other
    data can lie in the same folder and are neither read nor overwritten.
    """

    def __init__(self, folder: StrPath | None) -> None:
        self.folder = None if folder is None else os.fsdecode(folder)
        if self.folder is not None:
            os.makedirs(self.folder, exist_ok=True)

    def read(self, name: str, key: str) -> list[Row] | None:
        """Return the rows of a category, or None if it is not finished.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        if self.folder is None:
            return None
        path = _path(self.folder, name, key)
        if not os.path.exists(path):
            return None
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path!r}, line {error.lineno}, column {error.colno}: {error.msg}. "
                "Remove the file, and the category is run again"
            ) from error
        if content.get("fingerprint") != key or "rows" not in content:
            return None
        return content["rows"]

    def forget(self, name: str) -> None:
        """Remove all results of a category, so that it is run again."""
        if self.folder is None:
            return
        pattern = re.escape(_stem(name)) + rf"-[0-9a-f]{{{_N_DIGITS}}}\.json"
        for file in os.listdir(self.folder):
            if re.fullmatch(pattern, file):
                os.remove(os.path.join(self.folder, file))

    def write(self, name: str, key: str, content: dict[str, Any]) -> None:
        """Store the result of a category, in one step."""
        if self.folder is None:
            return
        content = {"category": name, "fingerprint": key, **content}
        with atomic_path(_path(self.folder, name, key)) as temporary:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2, allow_nan=False)
                file.write("\n")


def _path(folder: str, name: str, key: str) -> str:
    """Return the file of a category."""
    return os.path.join(folder, f"{_stem(name)}-{key[:_N_DIGITS]}.json")


def _stem(name: str) -> str:
    """Return a file name for a category that no other category has."""
    stem = re.sub(r"[^\w.-]+", "_", name)[:100]
    if stem == name:
        return stem
    return f"{stem}~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
