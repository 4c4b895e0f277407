"""One category of a data set: fit, score the test images, measure."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skuad.cli._files import output_names
from skuad.cli._fit import fit_on_files
from skuad.cli._model import save_estimator
from skuad.cli._pictures import Pictures
from skuad.cli._stream import decide, detect_each
from skuad.inference import threshold_of
from skuad.io import read_mask
from skuad.metrics import image_roc_auc_score, map_metrics


@dataclass
class Category:
    """The images of one category.

    Attributes
    ----------
    name : str
    train : list of str
        Good images to learn from.
    test : list of str
        Images to score.
    target : list of int
        +1 for good test images, -1 for anomalous ones.
    masks : list of str
        Mask files of the test images, '' for none.
    kinds : list of str
        Kinds of defects of the test images.
    """

    name: str
    train: list
    test: list
    target: list
    masks: list
    kinds: list


def score_category(estimator, category, *, out, predictions, overview, n_jobs, console):
    """Fit an estimator on a category, write its outputs and measure it.

    Parameters
    ----------
    estimator : estimator
        Is fitted.
    category : Category
    out : str
        Folder; models/NAME.joblib and overlays/NAME/ are written in it.
    predictions : JsonLines
        Gets a line per test image.
    overview : Overview
        Gets the pictures.
    n_jobs : int or None
    console : Console

    Returns
    -------
    results : dict
        As `results.json` has it, see `skuad.cli._results`.
    """
    begun = time.perf_counter()
    what = f"{category.name}: fitting"
    fit_on_files(estimator, category.train, console=console, n_jobs=n_jobs, what=what)
    fit_seconds = time.perf_counter() - begun
    model = os.path.join(out, "models", f"{category.name}.joblib")
    os.makedirs(os.path.dirname(model), exist_ok=True)
    save_estimator(estimator, model)

    threshold = threshold_of(estimator)
    pictures = Pictures(os.path.join(out, "overlays", category.name), threshold)
    names = output_names(category.test)
    done, scores, n_failed, seconds = [], [], 0, 0.0
    with (
        MapFile(out) as maps,
        console.progress(
            total=len(category.test), what=f"{category.name}: scoring"
        ) as progress,
    ):
        for detection in detect_each(estimator, category.test, console):
            index = detection.index
            kind = category.kinds[index]
            predictions.write(
                {
                    "category": category.name,
                    "defect_type": kind,
                    **detection.record(threshold),
                }
            )
            progress.update()
            if detection.error is not None:
                progress.clear()
                console.tell(f"error: {detection.path}: {detection.error}")
                n_failed += 1
                continue
            done.append(index)
            scores.append(detection.score)
            maps.append(detection.anomaly_map)
            seconds += detection.seconds
            mask = None
            if category.masks[index]:
                mask = read_mask(
                    category.masks[index], shape=detection.anomaly_map.shape
                )
            picture = pictures.write(names[index], detection, mask=mask, caption=kind)
            overview.add(category.name, kind, picture)
        results = _measure(category, done, scores, maps, threshold)
    return {
        **results,
        "fit_seconds": fit_seconds,
        "model": os.path.relpath(model, out),
        "ms_per_image": 1000 * seconds / max(len(done), 1),
        "n_failed": n_failed,
        "n_train": len(category.train),
    }


def _measure(category, done, scores, maps, threshold):
    """Metrics of the images that were scored; NaN where one is not defined."""
    target = np.array([category.target[i] for i in done], np.int64)
    good = target == 1
    flagged = np.array([decide(s, threshold) == "anomalous" for s in scores], bool)
    image_roc_auc, pixels = np.nan, {}
    if good.any() and not good.all():
        image_roc_auc = image_roc_auc_score(target, np.array(scores))
    truth = [None if category.target[i] == 1 else category.masks[i] or -1 for i in done]
    if any(isinstance(mask, str) for mask in truth):
        pixels = map_metrics(truth, maps, ["pixel_roc_auc", "aupro"])
    return {
        "aupro": pixels.get("aupro", np.nan),
        "image_roc_auc": image_roc_auc,
        "n_anomalous": int((~good).sum()),
        "n_detected": None if threshold is None else int(flagged[~good].sum()),
        "n_false_alarms": None if threshold is None else int(flagged[good].sum()),
        "n_good": int(good.sum()),
        "pixel_roc_auc": pixels.get("pixel_roc_auc", np.nan),
        "threshold": threshold,
    }


class MapFile(Sequence):
    """Anomaly maps in a nameless file: the metrics pass over them twice.

    Parameters
    ----------
    folder : str
        Where the file lies as long as it is needed.
    """

    def __init__(self, folder):
        self._file = tempfile.TemporaryFile(dir=folder)
        self._shapes, self._offsets = [], [0]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def __len__(self):
        return len(self._shapes)

    def __getitem__(self, index):
        shape = self._shapes[index]
        self._file.seek(self._offsets[index])
        values = np.frombuffer(self._file.read(4 * int(np.prod(shape))), np.float32)
        return values.reshape(shape)

    def append(self, anomaly_map):
        """Add a map (H, W); it is kept as float32."""
        values = np.ascontiguousarray(anomaly_map, np.float32)
        self._file.seek(self._offsets[-1])
        self._file.write(values)
        self._shapes.append(values.shape)
        self._offsets.append(self._offsets[-1] + values.nbytes)
