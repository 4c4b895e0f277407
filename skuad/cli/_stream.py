"""Detection image by image: one that fails does not stop the others."""

import os
import re
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from skuad.base._detect import detect_each as each_or_error
from skuad.cli._console import Console, error_line
from skuad.utils._typing import Array

#: A line of predictions.jsonl.
Record: TypeAlias = dict[str, Any]


@dataclass
class Detection:
    """What was found in one image.

    Attributes
    ----------
    index : int
        Number of the image.
    path : str
    anomaly_map : ndarray of float32 of shape (H, W), or None if it failed
    score : float or None
        High is anomalous.
    seconds : float
        Time for reading the image and detection.
    error : str or None
        Why it failed.
    p_value : float or None
        From a detector that has them, see `skuad.cli._p_values`.
    """

    index: int
    path: str
    anomaly_map: Array | None
    score: float | None
    seconds: float
    error: str | None = None
    p_value: float | None = None

    def record(self, threshold: float | None) -> Record:
        """Describe it for predictions.jsonl."""
        if self.error is not None:
            return {
                "path": os.fspath(self.path),
                "score": None,
                "threshold": threshold,
                "decision": None,
                "error": self.error,
            }
        return {
            "path": os.fspath(self.path),
            "score": self.score,
            "threshold": threshold,
            "decision": decide(self.score, threshold),
        }


def decide(score: float | None, threshold: float | None) -> str | None:
    """Return "anomalous" above the threshold, else "good"; None without a threshold."""
    if score is None or threshold is None:
        return None
    return "anomalous" if score > threshold else "good"


def detect_each(
    estimator: Any, paths: Sequence[str], console: Console
) -> Iterator[Detection]:
    """Yield what is found in every image, in order, errors included.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    paths : list of str
        Image files.
    console : Console
        Gets the tracebacks of errors if it is verbose.

    Yields
    ------
    Detection
    """
    begun = time.perf_counter()
    rest: list[float]
    for index, (path, found) in enumerate(
        zip(paths, each_or_error(estimator, paths), strict=True)
    ):
        seconds = time.perf_counter() - begun
        if isinstance(found, Exception):
            if console.verbose:
                traceback.print_exception(found)
            fault = without_path(error_line(found), path)
            yield Detection(index, path, None, None, seconds, fault)
        else:
            anomaly_map, score, *rest = found
            p_value = rest[0] if rest else None
            yield Detection(
                index, path, anomaly_map, float(score), seconds, p_value=p_value
            )
        begun = time.perf_counter()


def without_path(fault: str, path: str) -> str:
    """Leave out of a message the image it is about, which stands beside it."""
    named = rf"image \d+ \({re.escape(path)}\)"
    fault = re.sub(rf"^({named}(: |, )|Cannot read '{re.escape(path)}': )+", "", fault)
    return re.sub(rf"^{named}(?= )", "the image", fault)
