"""The table of a run and its results.json.

``results.json`` has sorted keys. At the top:

categories
    One object per category, with the keys below.
command
    "demo" or "benchmark".
data
    What it was run on: the data set's name and folder.
mean
    Means of image_roc_auc, pixel_roc_auc, aupro and ms_per_image over the categories that
    have them, and sums of all counts.
seed
    The seed of every source of chance.
settings
    Parameters of the estimator, as text.
versions
    Of skuad, Python and the packages that compute.

Of a category:

aupro, image_roc_auc, pixel_roc_auc
    Metrics in [0, 1], exact; null where one is not defined. AUPRO is up to a
    false-positive rate of 0.3.
fit_seconds, ms_per_image
    Times; the latter for reading an image and detection.
model
    The fitted estimator's file, below the folder of results.json.
n_anomalous, n_good, n_train
    Numbers of anomalous and good test images that were scored, and of training images.
n_detected, n_false_alarms
    How many anomalous and how many good test images were flagged; null without a
    threshold.
n_failed
    Number of test images that could not be scored.
threshold
    Anomaly score above which an image is flagged.
"""

import os
import platform

import cv2
import numpy as np
import scipy
import sklearn

from skuad import __version__
from skuad.cli._files import write_json

_MEANS = ("image_roc_auc", "pixel_roc_auc", "aupro", "ms_per_image")
_COUNTS = (
    "n_anomalous",
    "n_detected",
    "n_false_alarms",
    "n_failed",
    "n_good",
    "n_train",
)


def mean_of(categories: dict) -> dict:
    """Means of the metrics and sums of the counts over categories."""
    summary = {}
    for name in _MEANS:
        values = [results[name] for results in categories.values()]
        values = [value for value in values if not np.isnan(value)]
        summary[name] = float(np.mean(values)) if values else np.nan
    for name in _COUNTS:
        values = [results[name] for results in categories.values()]
        summary[name] = None if None in values else sum(values)
    return summary


def table(categories: dict, *, first: str) -> list[str]:
    """Lay out the results of categories as lines of text.

    Parameters
    ----------
    categories : dict of {str: dict}
        Results by category.
    first : str
        Heading of the first column.
    """
    top = ("", "image", "pixel", "", "ms per", "", "false", "defects")
    heads = (first, "AUROC", "AUROC", "AUPRO", "image", "threshold", "alarms", "found")
    rows = [top, heads, *(_row(name, results) for name, results in categories.items())]
    if len(categories) > 1:
        rows.append(_row("mean", mean_of(categories)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    lines.insert(2, rule)
    if len(categories) > 1:
        lines.insert(-1, rule)
    return lines


def _row(name, results):
    threshold = results.get("threshold")
    return (
        name,
        *(_metric(results[key]) for key in ("image_roc_auc", "pixel_roc_auc", "aupro")),
        f"{results['ms_per_image']:.1f}",
        "" if threshold is None else f"{threshold:.4g}",
        _share(results["n_false_alarms"], results["n_good"]),
        _share(results["n_detected"], results["n_anomalous"]),
    )


def _metric(value):
    return "-" if np.isnan(value) else f"{value:.3f}"


def _share(count, total):
    return "-" if count is None else f"{count} of {total}"


def write_results(out, categories, *, command, data, estimator, seed) -> str:
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
        "mean": mean_of(categories),
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
