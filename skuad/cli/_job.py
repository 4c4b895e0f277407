"""What is done with each image: detection, its map and its picture."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline

from skuad.base import final_step, pixel_threshold_of
from skuad.cli._console import Console
from skuad.cli._files import write_array
from skuad.cli._pictures import Pictures
from skuad.cli._stream import Detection, Record, decide, detect_each
from skuad.inference import regions_of
from skuad.io import write_image
from skuad.utils._typing import Array, ImagesLike

#: Path of an image, and the name of its outputs.
Item: TypeAlias = tuple[str, str]

# Regions of an image that are written down; noise has thousands.
_MOST_REGIONS = 50
# Threads that write files.
_WRITERS = 2
# Images that may wait for them, since a network gives the maps of a batch at once; large
# ones, of more pixels than that together, have to take turns.
_WAITING, _PIXELS = 8, 1 << 25


class Job:
    """Detects, and writes what belongs to an image; it travels to other processes.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    threshold : float or None
    out : str
        Absolute path of a folder that is there; it gets overlays/ and maps/.
    overlays : {"all", "anomalous", "none"}
        Which images get a picture. Without a threshold no image is anomalous.
    map_format : {"npy", "tiff"} or None
        None writes no maps.
    verbose : bool
        Whether tracebacks of errors are printed.
    """

    def __init__(
        self,
        estimator: Any,
        threshold: float | None,
        *,
        out: str,
        overlays: Literal["all", "anomalous", "none"],
        map_format: Literal["npy", "tiff"] | None,
        verbose: bool,
    ) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.maps = os.path.join(out, "maps")
        self.map_format = map_format
        self.verbose = verbose
        self.overlays = overlays
        self.pictures = None
        if overlays != "none":
            self.pictures = Pictures(
                os.path.join(out, "overlays"),
                threshold,
                pixel_threshold=pixel_threshold_of(estimator, threshold),
            )

    def run(self, items: Sequence[Item]) -> Iterator[Record]:
        """Yield a record for predictions.jsonl per image, in order.

        Parameters
        ----------
        items : list of (path, name)
            Image files, and the names of their outputs.
        """
        # Absolute, for a process that works elsewhere.
        paths = [os.path.abspath(path) for path, _ in items]
        console = Console(verbose=self.verbose)
        # Files are written while the next images are looked at: drawing and encoding
        # let go of Python's lock.
        waiting: deque[tuple[Record, Future[None]]] = deque()
        with ThreadPoolExecutor(_WRITERS) as writers:
            for detection in detect_each(self.estimator, paths, console):
                path, name = items[detection.index]
                record = self._record(detection, path)
                anomaly_map, most = detection.anomaly_map, _WAITING
                if anomaly_map is not None:
                    most = max(1, min(most, _PIXELS // anomaly_map.size))
                    if self.pictures is not None:
                        self.pictures.fix_colors(anomaly_map)
                waiting.append((record, writers.submit(self._write, name, detection)))
                while waiting and (len(waiting) > most or waiting[0][1].done()):
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())

    def _record(self, detection: Detection, path: str) -> Record:
        record = {**detection.record(self.threshold), "path": path}
        if detection.anomaly_map is None:
            return record
        return {**record, **self._details(detection.path, detection.anomaly_map)}

    def _write(self, name: str, detection: Detection) -> None:
        if detection.anomaly_map is None:
            return
        if self.map_format is not None:
            path = os.path.join(self.maps, f"{name}.{self.map_format}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            anomaly_map = detection.anomaly_map.astype(np.float32, copy=False)
            write = write_array if self.map_format == "npy" else write_image
            write(path, anomaly_map)
        if self.pictures is not None and self._is_drawn(detection):
            self.pictures.write(name, detection)

    def _is_drawn(self, detection: Detection) -> bool:
        if self.overlays == "anomalous":
            return decide(detection.score, self.threshold) == "anomalous"
        return self.overlays == "all"

    def _details(self, path: str, anomaly_map: Array) -> Record:
        details: Record = {}
        if hasattr(final_step(self.estimator), "p_values"):
            (p_value,) = p_values(self.estimator, [path])
            details["p_value"] = float(p_value)
        regions = regions_of(self.estimator, anomaly_map, threshold=self.threshold)
        details["regions"] = None if regions is None else regions[:_MOST_REGIONS]
        return details


def _finished(record: Record, writing: Future[None]) -> Record:
    writing.result()  # raises what it raised
    return record


def p_values(estimator: Any, X: ImagesLike) -> Array:
    """P-values of images, from the detector in which an estimator ends."""
    if isinstance(estimator, Pipeline):
        steps = estimator[:-1]
        return p_values(estimator[-1], steps.transform(X) if len(steps) else X)
    if hasattr(estimator, "best_estimator_"):
        return p_values(estimator.best_estimator_, X)
    return estimator.p_values(X)
