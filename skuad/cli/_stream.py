"""Detection image by image: one that fails does not stop the others."""

import os
import re
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from skuad.base import detect
from skuad.cli._console import Console, error_line
from skuad.utils._typing import Array

#: A line of predictions.jsonl.
Record: TypeAlias = dict[str, Any]

# So many images are given to a detector at once: enough to fill the batches of a
# network, and few enough that an estimator that is not lazy holds few of them.
_CHUNK = 16


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
    rest: list[float]
    index, size = 0, _CHUNK
    while index < len(paths):
        end = min(index + size, len(paths))
        begun = time.perf_counter()
        try:
            for anomaly_map, score, *rest in detect(estimator, paths[index:end]):
                seconds = time.perf_counter() - begun
                p_value = rest[0] if rest else None
                yield Detection(
                    *(index, paths[index], anomaly_map, float(score), seconds),
                    p_value=p_value,
                )
                index += 1
                begun = time.perf_counter()
            if index < end:
                raise ValueError(
                    f"the detector gave nothing for {end - index} image(s)"
                )
        except Exception as error:
            if end - index > 1:
                # The fault may lie in any image that the detector was at: they are
                # taken one by one until it shows.
                size = 1
                continue
            if console.verbose:
                traceback.print_exc()
            seconds = time.perf_counter() - begun
            fault = without_path(error_line(error), paths[index])
            yield Detection(index, paths[index], None, None, seconds, fault)
            index, size = index + 1, _CHUNK


def without_path(fault: str, path: str) -> str:
    """Leave out of a message the image it is about, which stands beside it."""
    name = re.escape(path)
    return re.sub(rf"^(image \d+ \({name}\)(: |, )|Cannot read '{name}': )+", "", fault)
