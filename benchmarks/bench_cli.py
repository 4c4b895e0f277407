"""The command line: how much it adds to the library, and how soon it helps.

Throughput is a ratio of times that were taken in turns in one process: of CPU times
without pictures, and of wall-clock times with them, since they are drawn by a thread of
their own.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time

import joblib

from benchmarks.bench_pipeline import make_photo, paired_ratio
from skuad.base import detect
from skuad.cli import main
from skuad.detectors import PatchKNN
from skuad.io import find_images, write_image

N_IMAGES = 24


class Infer:
    """`skuad infer` on a folder, beside the library on the same files."""

    timeout = 600
    params = (256, 512)
    param_names = ("side",)

    def setup(self, side):
        self.folder = tempfile.TemporaryDirectory()
        root = self.folder.name
        self.images = os.path.join(root, "images")
        os.mkdir(self.images)
        for number in range(N_IMAGES):
            path = os.path.join(self.images, f"{number:02d}.png")
            write_image(path, make_photo(side, side, number))
        self.out = os.path.join(root, "out")
        self.model = os.path.join(root, "m.joblib")
        detector = PatchKNN(calibration=5, false_alarm_rate=0.1, random_state=0)
        joblib.dump(detector.fit(find_images(self.images)[:10]), self.model)

    def teardown(self, side):
        self.folder.cleanup()

    def library(self):
        for _ in detect(joblib.load(self.model), find_images(self.images)):
            pass

    def infer(self, *options):
        command = ["infer", self.model, self.images, "--out", self.out, "-q", *options]
        with contextlib.redirect_stdout(io.StringIO()):
            if main(command):
                raise RuntimeError("skuad infer failed")

    def track_throughput(self, side):
        """Images per second, as a share of the library's; the aim is 0.9."""
        return 1 / paired_ratio(
            lambda: self.infer("--no-overlays"), self.library, n_pairs=4
        )

    def track_throughput_with_overlays(self, side):
        """The same, with a picture drawn and written for each image."""
        seconds = [[], []]
        for _ in range(4):
            for function, record in zip(
                (self.infer, self.library), seconds, strict=True
            ):
                start = time.perf_counter()
                function()
                record.append(time.perf_counter() - start)
        return min(seconds[1]) / min(seconds[0])


class Help:
    """`skuad --help` in a new process."""

    def track_seconds(self):
        """Seconds; the aim is 0.5."""
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "skuad", "--help"],
                stdout=subprocess.DEVNULL,
                check=True,
            )
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    track_seconds.unit = "seconds"


if __name__ == "__main__":
    print(f"help: {Help().track_seconds():.2f} s")
    for side in Infer.params:
        bench = Infer()
        bench.setup(side)
        print(
            f"{side} x {side}: {bench.track_throughput(side):.2f} of the library, "
            f"{bench.track_throughput_with_overlays(side):.2f} with overlays"
        )
        bench.teardown(side)
