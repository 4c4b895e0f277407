"""Reports: time and size of one on 500 images, whose maps are there already.

``python -m benchmarks.bench_report`` prints both, with scoring too.
"""

import os
import tempfile
import time

import numpy as np

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.inspection import CategoryReport, write_report

N_IMAGES, SIDE = 500, 256


def make_category(n_images=N_IMAGES, side=SIDE):
    """Make images, half of them defective, and fit a detector on good ones."""
    data = make_defect_images(
        "weave",
        n_train=20,
        n_good=n_images // 2,
        n_defective=n_images - n_images // 2,
        size=side,
        random_state=0,
    )
    detector = PatchKNN(coreset="random", coreset_ratio=0.02, random_state=0)
    return data, detector.set_params(false_alarm_rate=0.05).fit(data.train)


class Report:
    """A report from maps and scores."""

    timeout = 600

    def setup_cache(self):
        data, detector = make_category()
        maps = np.stack(detector.transform(data.test))
        return data, detector, maps, maps.max(axis=(1, 2))

    def make(self, made, folder):
        """Write a report; return its path."""
        data, detector, maps, scores = made
        report = CategoryReport.from_predictions(
            data.test,
            maps,
            data.masks,
            scores=scores,
            estimator=detector,
            types=data.defect_type,
        )
        path = os.path.join(folder, "report.html")
        write_report(path, report)
        return path

    def time_report(self, made):
        with tempfile.TemporaryDirectory() as folder:
            self.make(made, folder)

    def track_megabytes(self, made):
        with tempfile.TemporaryDirectory() as folder:
            return os.path.getsize(self.make(made, folder)) / 1e6

    track_megabytes.unit = "MB"


def main():
    data, detector = make_category()
    with tempfile.TemporaryDirectory() as folder:
        begun, cpu = time.perf_counter(), time.process_time()
        report = CategoryReport.from_estimator(
            detector, data.test, data.masks, types=data.defect_type
        )
        write_report(os.path.join(folder, "report.html"), report)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        detector.score_samples(data.test)
        scoring = time.perf_counter() - begun
        size = os.path.getsize(os.path.join(folder, "report.html")) / 1e6
        print(
            f"report of {N_IMAGES} images of {SIDE} x {SIDE} pixels: {seconds:.1f} s "
            f"({cpu:.1f} s of CPU time), of them {scoring:.1f} s for scoring; {size:.1f} MB"
        )
        write_report(os.path.join(folder, "report.html"), [report] * 15)
        size = os.path.getsize(os.path.join(folder, "report.html")) / 1e6
        print(f"report of 15 such categories: {size:.1f} MB")


if __name__ == "__main__":
    main()
