"""What is done with each image: detection, its map and its picture."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from skuad.base import pixel_threshold_of
from skuad.cli._console import Console, error_line
from skuad.cli._files import write_array
from skuad.cli._p_values import with_p_values
from skuad.cli._pictures import Pictures
from skuad.cli._stream import Detection, Record, decide, detect_each, without_path
from skuad.inference import regions_of
from skuad.io import read_image, write_image

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
        waiting: deque[Future[Record]] = deque()
        estimator = with_p_values(self.estimator)
        with ThreadPoolExecutor(_WRITERS) as writers:
            for detection in detect_each(estimator, paths, console):
                path, name = items[detection.index]
                record = self._record(detection, path)
                anomaly_map, most = detection.anomaly_map, _WAITING
                if anomaly_map is not None:
                    most = max(1, min(most, _PIXELS // anomaly_map.size))
                    if self.pictures is not None:
                        self.pictures.fix_colors(anomaly_map)
                waiting.append(writers.submit(self._write, record, name, detection))
                while waiting and (len(waiting) > most or waiting[0].done()):
                    yield waiting.popleft().result()  # raises what it raised
            while waiting:
                yield waiting.popleft().result()

    def _record(self, detection: Detection, path: str) -> Record:
        record = {**detection.record(self.threshold), "path": path}
        if detection.anomaly_map is None:
            return record
        if detection.p_value is not None:
            record["p_value"] = detection.p_value
        regions = regions_of(
            self.estimator, detection.anomaly_map, threshold=self.threshold
        )
        record["regions"] = None if regions is None else regions[:_MOST_REGIONS]
        return record

    def _write(self, record: Record, name: str, detection: Detection) -> Record:
        """Write map and picture; return the record, with an error if the image is gone."""
        if detection.anomaly_map is None:
            return record
        image = None
        if self.pictures is not None and self._is_drawn(detection):
            try:
                image = read_image(detection.path)
            except (OSError, ValueError) as error:
                fault = without_path(error_line(error), detection.path)
                failed = replace(detection, error=fault).record(self.threshold)
                return {**failed, "path": record["path"]}
        if self.map_format is not None:
            path = os.path.join(self.maps, f"{name}.{self.map_format}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            anomaly_map = detection.anomaly_map.astype(np.float32, copy=False)
            write = write_array if self.map_format == "npy" else write_image
            write(path, anomaly_map)
        if self.pictures is not None and image is not None:
            self.pictures.write(name, detection, image)
        return record

    def _is_drawn(self, detection: Detection) -> bool:
        if self.overlays == "anomalous":
            return decide(detection.score, self.threshold) == "anomalous"
        return self.overlays == "all"
