"""How often a drift monitor alarms on a stable line, and how soon on a drifting one.

    python -m benchmarks.drift_alarms

Stable: `DriftMonitor` is calibrated on 80 scores and sees 10^6 more of the same law, in
epochs of 1000 with a threshold of 20, so that alarms are frequent enough to be counted:
each epoch alarms with a probability of at most 0.05. Every epoch of one run shares the
calibration, so runs of 50 epochs with calibration scores of their own are counted, and
the bound is compared with their mean, given the standard error between runs.

Drift: `PatchKNN` is fitted on rendered images, 80 more are the calibration, and the
monitor has its default threshold, 1000. After 0, 100 or 1000 further images the gain of
the camera rises or falls by 5 %; the delay is the number of images from there to the
alarm. A second monitor is given the mean gray level of each image as its score.
"""

import argparse
import sys
import time

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.conformal_rates import good_images
from skuad.calibration import DriftMonitor
from skuad.detectors import PatchKNN


def stable(n_runs=20, n_epochs=50, epoch=1000, threshold=20):
    """Share of epochs with an alarm, by run."""
    shares = []
    for seed in range(n_runs):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor(threshold=threshold, epoch=epoch, random_state=seed)
        monitor.fit_scores(rng.standard_normal(80))
        monitor.update(rng.standard_normal(n_epochs * epoch))
        shares.append(len(monitor.alarms_) / n_epochs)
    shares = np.array(shares)
    error = shares.std(ddof=1) / np.sqrt(n_runs)
    print(
        f"stable, {n_runs * n_epochs * epoch} scores: alarms in {shares.mean():.4f} of "
        f"epochs (standard error {error:.4f}), at most {1 / threshold:.4f} promised"
    )
    return shares.mean() <= 1 / threshold + 2 * error


def alarms_at_default(n_images=1_000_000):
    monitor = DriftMonitor(random_state=0)
    rng = np.random.default_rng(0)
    start = time.process_time()
    monitor.fit_scores(rng.standard_normal(80)).update(rng.standard_normal(n_images))
    seconds = time.process_time() - start
    print(
        f"stable, defaults, {n_images} scores: {len(monitor.alarms_)} alarms; "
        f"{1e6 * seconds / n_images:.1f} microseconds of CPU per score"
    )


def with_gain(images, gain):
    return np.clip(np.rint(images * np.float32(gain)), 0, 255).astype(np.uint8)


def delays(gain=1.05, n_runs=20, n_after=1000):
    for n_before in (0, 100, 1000):
        found = {}
        for seed in range(n_runs):
            train, line = good_images(seed, 30, 80 + n_before + n_after)
            detector = PatchKNN(coreset="random", calibration=None, random_state=seed)
            detector.fit(train)
            line[80 + n_before :] = with_gain(line[80 + n_before :], gain)
            for name, scores in (
                ("scores", detector.score_samples(line)),
                ("gray level", line.mean(axis=(1, 2, 3))),
            ):
                monitor = DriftMonitor(random_state=seed).fit_scores(scores[:80])
                if monitor.update(scores[80 : 80 + n_before]).any():
                    print(f"false alarm in run {seed}")
                alarm = monitor.update(scores[80 + n_before :])
                delay = alarm.argmax() + 1 if alarm.any() else np.inf
                found.setdefault(name, []).append(delay)
        for name, values in found.items():
            report(name, gain, n_before, n_after, values)


def report(name, gain, n_before, n_after, values):
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), method="nearest")
    print(
        f"{name}, gain x {gain} after {n_before} images: {np.isfinite(values).sum()} of "
        f"{len(values)} runs alarm within {n_after}; delay {middle:.0f} images (median), "
        f"{low:.0f} to {high:.0f} (10th to 90th percentile)",
        flush=True,
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        kept = stable(options.runs)
        alarms_at_default()
        for gain in (1.05, 0.95):
            delays(gain, options.runs)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
