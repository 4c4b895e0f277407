"""What `skuad benchmark` keeps beside its table: models, pictures, lines per image."""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import cv2

from skuad.base import final_step, pixel_threshold_of
from skuad.cli._console import Console, one_line
from skuad.cli._files import output_names, write_json_lines
from skuad.cli._model import save_estimator
from skuad.cli._pictures import Pictures
from skuad.cli._stream import Detection, Record, without_path
from skuad.inference import threshold_of
from skuad.inspection import montage
from skuad.io import atomic_path, read_image, read_mask, write_image
from skuad.model_selection._benchmark_data import Category
from skuad.model_selection._benchmark_store import Store
from skuad.utils._typing import Array

FOLDER = "categories"
"""Below OUT: what is known of the categories that are finished."""
# Pictures of a category on the overview.
_ON_OVERVIEW = 6
# The longest side of one, in pixels.
_SIDE_ON_OVERVIEW = 600


class Outputs:
    """Writes a model per category, and a line and a picture per image.

    It observes `skuad.model_selection.run_benchmark`, also in other processes.

    Parameters
    ----------
    out : str
        Folder to write to.
    console : Console
        Hears of images that cannot be read.
    """

    def __init__(self, out: str, console: Console) -> None:
        self.out = out
        self.console = console

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.console.take_warnings()  # of the process that it was sent to

    def forget_all_but_whole(self, names: Iterable[str]) -> None:
        """Have categories run again of which a file is missing."""
        folder = os.path.join(self.out, FOLDER)
        store = Store(folder)
        for name in names:
            if not (
                os.path.exists(self._lines(name)) and os.path.exists(self._model(name))
            ):
                store.forget(name)

    def begin(self, category: Category, estimator: Any) -> None:
        """Say what is fitted, where there is no progress bar."""
        # The files of this category are overwritten: no other result has them now.
        Store(os.path.join(self.out, FOLDER)).forget(category.name)
        if not self.console.quiet and not sys.stderr.isatty():
            name = type(final_step(estimator)).__name__
            n_images = len(category.train)
            self.console.tell(f"{category.name}: fitting {name} on {n_images} images")
        self._records: list[Record] = []
        self._pictures: Pictures | None = None
        self._names = output_names(category.test)

    def scored(
        self,
        category: Category,
        estimator: Any,
        index: int,
        anomaly_map: Array,
        score: float,
    ) -> None:
        """Draw an image."""
        threshold = threshold_of(estimator)
        if self._pictures is None:
            folder = os.path.join(self.out, "overlays", category.name)
            pixel_threshold = pixel_threshold_of(estimator)
            self._pictures = Pictures(
                folder, threshold, pixel_threshold=pixel_threshold
            )
        detection = Detection(index, category.test[index], anomaly_map, score, 0.0)
        mask, kind, name = None, category.kinds[index], self._names[index]
        if isinstance(category.masks[index], str):
            mask = read_mask(category.masks[index], shape=anomaly_map.shape)
        image = read_image(detection.path)
        path = self._pictures.write(name, detection, image, mask=mask, caption=kind)
        self._records.append(
            {
                "category": category.name,
                "defect_type": kind,
                **detection.record(threshold),
                "overlay": os.path.relpath(path, self.out),
            }
        )

    def end(self, category: Category, estimator: Any) -> None:
        """Write the model, and the lines of all images at once."""
        for path, fault in category.unreadable.items():
            fault = without_path(one_line(fault), path)
            self.console.fault(path, fault)
            failed = Detection(0, path, None, None, 0.0, fault)
            record = failed.record(threshold_of(estimator))
            self._records.append({"category": category.name, **record})
        for path in (self._model(category.name), self._lines(category.name)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        save_estimator(estimator, self._model(category.name))
        write_json_lines(self._lines(category.name), self._records)

    def join(self, names: Iterable[str]) -> str:
        """Put the lines of categories into one file; return its path."""
        path = os.path.join(self.out, "predictions.jsonl")
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            for name in names:
                with open(self._lines(name), "rb") as lines:
                    shutil.copyfileobj(lines, file)
        return path

    def _model(self, name: str) -> str:
        return os.path.join(self.out, "models", f"{name}.joblib")

    def _lines(self, name: str) -> str:
        return os.path.join(self.out, FOLDER, f"{name}.jsonl")


def write_overview(out: str, predictions: str) -> str | None:
    """Write a sheet with the first picture of every kind of defect in every category.

    Parameters
    ----------
    out : str
        Folder of the results.
    predictions : str
        Path of predictions.jsonl.

    Returns
    -------
    path : str or None
        None if there is nothing to show.
    """
    first: dict[str, dict[str, str]] = {}
    with open(predictions, encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            kinds = first.setdefault(record["category"], {})
            if "overlay" in record and len(kinds) < _ON_OVERVIEW:
                kinds.setdefault(record["defect_type"], record["overlay"])
    pictures = []
    for picture in (p for kinds in first.values() for p in kinds.values()):
        with suppress(FileNotFoundError):  # somebody tidied up
            pictures.append(_shrink(read_image(os.path.join(out, picture))))
    path = os.path.join(out, "overview.png")
    if not pictures:
        with suppress(FileNotFoundError):  # of an earlier run
            os.remove(path)
        return None
    write_image(path, montage(pictures, n_columns=3))
    return path


def _shrink(picture: Array) -> Array:
    """Bring a picture to a size of which a sheet takes many."""
    height, width = picture.shape[:2]
    scale = _SIDE_ON_OVERVIEW / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
