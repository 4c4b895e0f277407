"""The table of a run and its results.json.

``results.json`` has sorted keys. At the top:

categories
    One object per category, with the keys below.
failed
    Why other categories have no results.
command
    "demo" or "benchmark".
data
    What it was run on: the data set's name and folder.
mean
    Means of metrics and times over the categories that have them, and sums of counts.
seed
    The seed of every source of chance.
settings
    Parameters of the estimator, as text.
versions
    Of skuad, Python and the packages that compute.

Of a category:

image_roc_auc, pixel_roc_auc, pixel_average_precision, aupro
    Metrics in [0, 1], exact; null where one is not defined. AUPRO is up to a
    false-positive rate of 0.3. Data sets with metrics of their publisher have these,
    too: see `skuad.model_selection.run_benchmark`.
fit_seconds, ms_per_image, peak_memory_mb
    Of fit; of reading and scoring an image; of the process, in 1e6 bytes.
model
    The fitted estimator's file, below the folder of results.json.
n_anomalous, n_good, n_train
    Numbers of anomalous and good test images that were scored, and of training images.
n_detected, n_false_alarms
    How many anomalous and how many good test images were flagged; null without a
    threshold.
n_failed
    Number of test images that cannot be read.
subsets
    The same metrics and counts of parts of the test images, where a data set has some:
    kinds of anomalies in MVTec LOCO AD, conditions of light in MVTec AD 2.
threshold
    Anomaly score above which an image is flagged.
"""

import os
import platform
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import scipy
import sklearn

from skuad import __version__
from skuad.cli._files import write_json
from skuad.model_selection._benchmark_rows import Row

# Metrics that the table shows if they are there, with their headings; AUPRO once only.
_METRICS = {
    "image_roc_auc": ("image", "AUROC"),
    "pixel_roc_auc": ("pixel", "AUROC"),
    "aupro@0.05": ("AUPRO", "@0.05"),
    "aupro": ("", "AUPRO"),
    "au_spro": ("", "sPRO"),
    "seg_f1": ("pixel", "F1"),
}

# Of a row of `run_benchmark`: what is said elsewhere, and what subsets have in common.
_ELSEWHERE = {"category", "subset", "seed", "versions", "n_test", "n_unreadable"}
_OF_THE_WHOLE = {
    "fit_seconds",
    "ms_per_image",
    "n_train",
    "peak_memory_mb",
    "threshold",
}


def results_of(rows: list[Row]) -> tuple[dict[str, Row], Row]:
    """Turn the rows of `run_benchmark` into results by category, and their mean."""
    begins = [number for number, row in enumerate(rows) if row["subset"] == "all"]
    mean = {k: v for k, v in rows[begins[-1]].items() if k not in _ELSEWHERE}
    del mean["threshold"]
    if len(begins) > 1:  # the last ones are means
        rows = rows[: begins[-1]]
    results: dict[str, Row] = {}
    for row in rows:
        name, subset = row["category"], row["subset"]
        found = {key: value for key, value in row.items() if key not in _ELSEWHERE}
        if subset == "all":
            model = os.path.join("models", f"{name}.joblib")
            results[name] = {**found, "n_failed": row["n_unreadable"], "model": model}
        else:
            for key in _OF_THE_WHOLE:
                del found[key]
            results[name].setdefault("subsets", {})[subset] = found
    return results, mean


def table(results: dict[str, Row], mean: Row, *, first: str) -> list[str]:
    """Lay out the results of categories as lines of text.

    Parameters
    ----------
    results : dict of {str: dict}
    mean : dict
        See `results_of`.
    first : str
        Heading of the first column.
    """
    metrics = [name for name in _METRICS if name in mean]
    if "aupro@0.05" in metrics:
        metrics.remove("aupro")
    tops, heads = zip(*(_METRICS[name] for name in metrics), strict=True)
    rows: list[tuple[str, ...]] = [
        ("", *tops, "ms per", "", "false", "defects"),
        (first, *heads, "image", "threshold", "alarms", "found"),
    ]
    for name, found in results.items():
        rows.append(_row(name, found, metrics))
        for subset, part in found.get("subsets", {}).items():
            rows.append(_row(f"  {subset.removesuffix('_anomalies')}", part, metrics))
    rules = [2]
    if len(results) > 1:
        rules.append(len(rows) + 1)
        rows.append(_row("mean", mean, metrics))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
    for number in rules:
        lines.insert(number, "-" * len(lines[0]))
    return lines


def _row(name: str, found: Row, metrics: Iterable[str]) -> tuple[str, ...]:
    return (
        name,
        *(_number(found.get(metric, np.nan), ".3f") for metric in metrics),
        _number(found.get("ms_per_image"), ".1f", ""),
        _number(found.get("threshold"), ".4g", ""),
        _share(found["n_false_alarms"], found["n_good"]),
        _share(found["n_detected"], found["n_anomalous"]),
    )


def _number(value: float | None, form: str, nothing: str = "-") -> str:
    return nothing if value is None or np.isnan(value) else f"{value:{form}}"


def _share(count: float, total: int) -> str:
    return "-" if np.isnan(count) else f"{count} of {total}"


def write_results(
    out: str,
    categories: dict[str, Row],
    mean: Row,
    failed: dict[str, str],
    *,
    command: str,
    data: dict[str, Any],
    estimator: Any,
    seed: int,
) -> str:
    """Write results.json; see the module for its keys.

    Returns
    -------
    str
        Its path.
    """
    path = os.path.join(out, "results.json")
    settings = estimator.get_params(deep=True)
    content = {
        "categories": categories,
        "command": command,
        "data": data,
        "failed": failed,
        "mean": mean,
        "seed": seed,
        "settings": {name: " ".join(repr(v).split()) for name, v in settings.items()},
        "versions": {
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "scipy": scipy.__version__,
            "skuad": __version__,
        },
    }
    write_json(path, content)
    return path
