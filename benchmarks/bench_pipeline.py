"""The whole pipeline: memory over paths, tiles, 12 megapixels, calibration, import.

Ratios are of CPU times that were taken in turns in one process, so that other load on
the machine touches both sides. Memory is the peak of a process of its own: the file is
also a script that does one step, ``python bench_pipeline.py fit FOLDER 500``.
"""

import json
import os
import resource
import subprocess
import sys
import time

import cv2
import joblib
import numpy as np
from sklearn.pipeline import make_pipeline

from skuad.base import MapDetector
from skuad.detectors import PatchKNN, Tiled
from skuad.metrics import make_map_scorer
from skuad.preprocessing import GrayWorld, extract_tile, iter_tile_coords

N_DEFECTIVE = 10


def make_photo(height, width, seed):
    """Make a textured uint8 RGB image, quickly."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 160, (height // 4, width // 4, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(image, rng.integers(0, 8, image.shape, np.uint8))


def paired_ratio(measured, reference, *, n_pairs):
    """Ratio of the least CPU times of two functions that are called in turns."""
    seconds = [[], []]
    for function in (measured, reference):
        function()
    for _ in range(n_pairs):
        for function, record in zip((measured, reference), seconds, strict=True):
            start = time.process_time()
            function()
            record.append(time.process_time() - start)
    return min(seconds[0]) / min(seconds[1])


def memory_pipeline():
    """Make the pipeline with a bank so small that 50 images fill it."""
    knn = PatchKNN(max_patches=10_000, random_state=0)
    return make_pipeline(GrayWorld(), Tiled(knn, tile=256, false_alarm_rate=0.1))


def run_step(step, folder, n_images):
    """Run one step on the first images of a folder, by their paths."""
    paths = [os.path.join(folder, f"{i:03}.png") for i in range(n_images)]
    model = os.path.join(folder, "model.joblib")
    if step == "save":
        joblib.dump(memory_pipeline().fit(paths), model)
    elif step == "fit":
        memory_pipeline().fit(paths)
    elif step == "predict":
        joblib.load(model).predict(paths)
    elif step == "aupro":
        masks = [os.path.join(folder, "mask.png")] * N_DEFECTIVE
        masks += [""] * (n_images - N_DEFECTIVE)
        # Maps beyond the limit go to a temporary file.
        scorer = make_map_scorer("aupro", memory_limit=16 * 2**20)
        scorer(joblib.load(model), paths, masks)


def peak_memory(step, folder, n_images):
    """Return the peak memory of a process that runs a step, in MiB."""
    command = [sys.executable, __file__, step, folder, str(n_images)]
    one_thread = {
        name: "1"
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    result = subprocess.run(
        command, env={**os.environ, **one_thread}, check=True, capture_output=True
    )
    return json.loads(result.stdout)


class Memory:
    """Peak memory of GrayWorld and Tiled(PatchKNN) over paths, above that of imports.

    The bank and the maps in memory are bounded, so the number of images should not
    matter. What the scorer counts is buffered, up to 128 MiB, which 256 of these images
    fill.
    """

    params = (["fit", "predict", "aupro"], [50, 500])
    param_names = ("step", "images")
    unit = "MiB"
    timeout = 1800
    size = 512

    def setup_cache(self):
        folder = os.path.join(os.getcwd(), "images")
        os.makedirs(folder, exist_ok=True)
        for i in range(max(self.params[1])):
            image = make_photo(self.size, self.size, seed=i)
            if i < N_DEFECTIVE:
                image[:16, :16] = 255
            cv2.imwrite(os.path.join(folder, f"{i:03}.png"), image)
        mask = np.zeros((self.size, self.size), np.uint8)
        mask[:16, :16] = 255
        cv2.imwrite(os.path.join(folder, "mask.png"), mask)
        run_step("save", folder, 20)
        return folder

    setup_cache.timeout = 600

    def track_peak(self, folder, step, n_images):
        return peak_memory(step, folder, n_images) - peak_memory("import", folder, 0)


class CheapDetector(MapDetector):
    """A detector that costs about as much as a few filters of the image."""

    def __init__(self, *, false_alarm_rate=0.01, contamination=None, calibration=None):
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _fit_images(self, images):
        self.fitted_ = True

    def _detect(self, images):
        for image in images:
            gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
            anomaly_map = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 4))
            yield anomaly_map, float(anomaly_map.max())


class TilesOfALargeImage:
    """What tiles cost over the detector on the tiles, cut and in memory."""

    params = (["cheap", "PatchKNN"],)
    param_names = ("detector",)
    unit = "ratio"
    timeout = 600

    def setup(self, name):
        cv2.setNumThreads(1)
        self.image = make_photo(4096, 4096, seed=0)
        coords = iter_tile_coords(4096, 4096, tile=512, stride=512)
        self.tiles = [
            np.ascontiguousarray(extract_tile(self.image, y, x, tile=512))
            for y, x in coords
        ]
        inner = CheapDetector()
        if name == "PatchKNN":
            inner = PatchKNN(max_patches=20_000, random_state=0)
        tiled = Tiled(inner, tile=512, calibration=None)
        self.tiled = tiled.fit([self.image[:1024, :1024]])

    def track_ratio(self, name):
        return paired_ratio(
            lambda: self.tiled.transform([self.image]),
            lambda: self.tiled.detector_.transform(self.tiles),
            n_pairs=20 if name == "cheap" else 3,
        )


class TwelveMegapixels:
    """The default on photographs of an industrial camera: 8 of 4096 x 3000 pixels."""

    params = (["auto", None],)
    param_names = ("calibration",)
    timeout = 1800
    number = repeat = 1
    warmup_time = 0

    def setup(self, calibration):
        self.images = [make_photo(3000, 4096, seed=i) for i in range(8)]
        self.detector = Tiled(
            PatchKNN(random_state=0),
            tile=512,
            false_alarm_rate=0.2,
            calibration=calibration,
        )
        self.fitted = Tiled(PatchKNN(random_state=0), calibration=None)
        self.fitted.fit(self.images[:2])

    def time_fit(self, _):
        self.detector.fit(self.images)

    def time_transform(self, _):
        self.fitted.transform(self.images)


class Calibration:
    """What the threshold costs: fitting with it over fitting without, 50 images."""

    params = (["greedy", "random"],)
    param_names = ("coreset",)
    unit = "ratio"
    timeout = 600

    def track_ratio(self, coreset):
        images = np.stack([make_photo(256, 256, seed=i) for i in range(50)])
        detector = PatchKNN(coreset=coreset, false_alarm_rate=0.1, random_state=0)
        bare = PatchKNN(coreset=coreset, calibration=None, random_state=0)
        return paired_ratio(
            lambda: detector.fit(images), lambda: bare.fit(images), n_pairs=3
        )


class Import:
    """CPU time of an import over that of ``import sklearn``."""

    params = (["skuad", "skuad.detectors", "skuad.metrics"],)
    param_names = ("module",)
    unit = "seconds"

    def track_over_sklearn(self, module):
        statement = (
            "import time, sklearn; start = time.process_time(); "
            f"import {module}; print(time.process_time() - start)"
        )
        return min(
            float(subprocess.check_output([sys.executable, "-c", statement]))
            for _ in range(5)
        )


if __name__ == "__main__":
    cv2.setNumThreads(1)
    run_step(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    # Linux gives KiB.
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
