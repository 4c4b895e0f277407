"""Metrics on anomaly maps: time and memory, beside their peers on the same data.

The peers run in the same process and on the same maps, so that the ratios hold on any
machine. A peer that is not installed is left out.
"""

from functools import partial
from importlib.util import find_spec

import cv2
import numpy as np

from benchmarks.bench_pipeline import paired_ratio
from skuad.metrics import (
    MapMetrics,
    au_spro_score,
    aupimo_score,
    aupro_score,
    map_metrics,
    metrics_by_type,
)

FOUR = ["pixel_roc_auc", "pixel_average_precision", "pixel_f1_max", "aupro"]


def make_maps(n_images, size=1024, dtype="float32", seed=0):
    """Smooth maps and 2 % of anomalous pixels: a third of the images is good."""
    rng = np.random.default_rng(seed)
    maps = np.empty((n_images, size, size), np.float32)
    masks = np.zeros((n_images, size, size), np.uint8)
    for index in range(n_images):
        coarse = rng.gamma(4, 0.05, (size // 8, size // 8)).astype(np.float32)
        smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
        maps[index] = cv2.GaussianBlur(smooth, (0, 0), 4)
        for _ in range(rng.integers(1, 5) if index >= n_images // 3 else 0):
            centre = tuple(map(int, rng.integers(size // 20, size, 2)))
            axes = tuple(map(int, rng.integers(size // 100 + 1, size // 8, 2)))
            defect = np.zeros((size, size), np.uint8)
            cv2.ellipse(defect, centre, axes, 30, 0, 360, 1, -1)
            masks[index] |= defect
            blurred = cv2.GaussianBlur(defect.astype(np.float32), (0, 0), 6)
            maps[index] += blurred * np.float32(rng.uniform(0.05, 0.4))
    if np.dtype(dtype).kind == "u":
        maps *= np.iinfo(dtype).max / maps.max()
    return maps.astype(dtype), masks


class Metrics:
    """Maps of 1024 x 1024 with 2 % of anomalous pixels; all four metrics at once."""

    params = ([2, 20],)
    param_names = ("n_images",)
    timeout = 600

    def setup(self, n_images):
        self.maps, self.masks = make_maps(n_images)

    def time_four_metrics(self, n_images):
        map_metrics(self.masks, self.maps, FOUR)

    def time_aupro(self, n_images):
        aupro_score(self.masks, self.maps)

    def time_aupimo(self, n_images):
        aupimo_score(self.masks, self.maps)

    def time_au_spro(self, n_images):
        channels = [[mask] if mask.any() else None for mask in self.masks]
        au_spro_score(channels, self.maps, saturation=0.5)

    def time_two_passes_over_batches(self, n_images):
        metrics = MapMetrics(FOUR, two_pass=True)
        for some, truth in zip(self.maps, self.masks, strict=True):
            metrics.update(some[None], truth[None])
        metrics.start_second_pass()
        for some in self.maps:
            metrics.update(some[None])
        metrics.compute()

    def peakmem_reference(self, n_images):
        """The inputs alone."""

    def peakmem_four_metrics(self, n_images):
        map_metrics(self.masks, self.maps, FOUR)


class Dtypes:
    """The four metrics of 20 maps of each dtype."""

    params = (["uint8", "float16", "float32", "float64"],)
    param_names = ("dtype",)

    def setup(self, dtype):
        self.maps, self.masks = make_maps(20, dtype=dtype)

    def time_four_metrics(self, dtype):
        map_metrics(self.masks, self.maps, FOUR)


class Intervals:
    """The four metrics of 20 maps with intervals, of four types of defects."""

    timeout = 600

    def setup(self):
        self.maps, self.masks = make_maps(20)
        self.types = np.arange(20) % 4

    def time_by_type(self):
        metrics_by_type(self.masks, self.maps, self.types, FOUR, random_state=0)


def scikit_learn_roc_auc(masks, maps):
    from sklearn.metrics import roc_auc_score

    roc_auc_score(masks.ravel(), maps.ravel())


def anomalib_aupro(masks, maps):
    import torch
    from anomalib.metrics.aupro import _AUPRO

    metric = _AUPRO(fpr_limit=0.3)
    metric.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
    metric.compute()


class BesidePeers:
    """CPU time of one metric of a peer over that of four of skuad together, 20 maps."""

    params = (["scikit-learn, AUROC", "anomalib, AUPRO"],)
    param_names = ("peer",)
    timeout = 1800
    unit = "ratio"

    def setup(self, peer):
        if "anomalib" in peer and find_spec("anomalib") is None:
            raise NotImplementedError("anomalib is not installed")
        self.maps, self.masks = make_maps(20)

    def track_ratio(self, peer):
        run = anomalib_aupro if "anomalib" in peer else scikit_learn_roc_auc
        return paired_ratio(
            lambda: run(self.masks, self.maps),
            lambda: map_metrics(self.masks, self.maps, FOUR),
            n_pairs=1,
        )


def main():
    """Print the times of one run, and their ratios."""
    from time import perf_counter

    for n_images in (2, 20, 83):
        ours = Metrics()
        ours.setup(n_images)
        pixels = ours.masks, ours.maps
        runs = {
            "skuad, four metrics": partial(ours.time_four_metrics, n_images),
            "skuad, four metrics in two passes": partial(
                ours.time_two_passes_over_batches, n_images
            ),
            "skuad, AUPRO": partial(ours.time_aupro, n_images),
            "skuad, AUPIMO": partial(ours.time_aupimo, n_images),
            "skuad, AU-sPRO": partial(ours.time_au_spro, n_images),
            "scikit-learn, AUROC": partial(scikit_learn_roc_auc, *pixels),
            "anomalib, AUPRO": partial(anomalib_aupro, *pixels),
        }
        print(f"{n_images} maps, {ours.masks.mean():.1%} anomalous")
        first = None
        for name, run in runs.items():
            start = perf_counter()
            try:
                run()
            except ImportError as error:
                print(f"  {name:36} {error}")
                continue
            seconds = perf_counter() - start
            first = first or seconds
            print(f"  {name:36} {seconds:8.2f} s  {seconds / first:6.1f}")


if __name__ == "__main__":
    main()
