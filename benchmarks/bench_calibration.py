"""Calibration: what a promise costs over one fit, and a drift monitor per image."""

import time

import numpy as np

from skuad.calibration import ConformalDetector, DriftMonitor
from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN


class CrossFit:
    """CPU time of five folds over what they consist of, 50 images of 256 x 256.

    "one fit" is the ratio to one fit without a threshold; "parts" the ratio to the
    embedding of all images and K + 1 fits of the detector to features that are there.
    """

    params = (["one fit", "parts"],)
    param_names = ("reference",)
    unit = "ratio"
    timeout = 600

    def setup(self, reference):
        self.images = make_defect_images(n_train=50, n_good=0, n_defective=0).train

    def track_ratio(self, reference):
        knn = PatchKNN(calibration=None, random_state=0)
        conformal = ConformalDetector(knn, false_alarm_rate=0.1)
        whole = _least_seconds(lambda: conformal.fit(self.images))
        one = _least_seconds(lambda: knn.fit(self.images))
        if reference == "one fit":
            return whole / one
        embedding = _least_seconds(lambda: list(knn.embedder_.embed(self.images)))
        held_out = _least_seconds(lambda: knn.score_samples(self.images))
        # A fold fits to four fifths of the images and scores the others.
        return whole / (embedding + 6 * (one - embedding) + held_out - embedding)


class Drift:
    """CPU time of a monitor per score, at the end of a long epoch."""

    params = ([1000, 10_000, 100_000],)
    param_names = ("epoch",)
    unit = "microseconds"

    def track_update(self, epoch):
        rng = np.random.default_rng(0)
        monitor = DriftMonitor(epoch=epoch, random_state=0)
        monitor.fit_scores(rng.standard_normal(80))
        monitor.update(rng.standard_normal(epoch - 1000))
        scores = rng.standard_normal(1000)
        start = time.process_time()
        monitor.update(scores)
        return 1e6 * (time.process_time() - start) / len(scores)


def _least_seconds(function, n_times=3):
    seconds = []
    for _ in range(n_times):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)
