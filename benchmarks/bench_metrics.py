"""Metrics on anomaly maps: time and memory, beside their peers on the same data.

The peers run in the same process and on the same maps, so that the ratios hold on any
machine. A peer that is not installed is left out.
"""

import cv2
import numpy as np

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
    params = ([2, 20, 83],)
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
    params = (["uint8", "float16", "float32", "float64"],)
    param_names = ("dtype",)

    def setup(self, dtype):
        self.maps, self.masks = make_maps(20, dtype=dtype)

    def time_four_metrics(self, dtype):
        map_metrics(self.masks, self.maps, FOUR)


class Intervals:
    timeout = 600

    def setup(self):
        self.maps, self.masks = make_maps(20)
        self.types = np.arange(20) % 4

    def time_by_type(self):
        metrics_by_type(self.masks, self.maps, self.types, FOUR, random_state=0)


class Peers:
    """What the four metrics together are measured against."""

    params = ([2, 20, 83],)
    param_names = ("n_images",)
    timeout = 1800
    number = 1
    repeat = 1
    warmup_time = 0

    def setup(self, n_images):
        self.maps, self.masks = make_maps(n_images)

    def time_scikit_learn_roc_auc(self, n_images):
        from sklearn.metrics import roc_auc_score

        roc_auc_score(self.masks.ravel(), self.maps.ravel())

    def time_anomalib_aupro(self, n_images):
        try:
            import torch
            from anomalib.metrics.aupro import _AUPRO
        except ImportError as error:
            raise NotImplementedError("anomalib is not installed") from error
        metric = _AUPRO(fpr_limit=0.3)
        metric.update(torch.from_numpy(self.maps), torch.from_numpy(self.masks).int())
        metric.compute()


def main():
    """Print the times of one run, and their ratios."""
    from time import perf_counter

    for n_images in (2, 20, 83):
        ours, peers = Metrics(), Peers()
        ours.setup(n_images)
        peers.maps, peers.masks = ours.maps, ours.masks
        runs = {
            "skuad, four metrics": ours.time_four_metrics,
            "skuad, four metrics in two passes": ours.time_two_passes_over_batches,
            "skuad, AUPRO": ours.time_aupro,
            "skuad, AUPIMO": ours.time_aupimo,
            "skuad, AU-sPRO": ours.time_au_spro,
            "scikit-learn, AUROC": peers.time_scikit_learn_roc_auc,
            "anomalib, AUPRO": peers.time_anomalib_aupro,
        }
        print(f"{n_images} maps, {ours.masks.mean():.1%} anomalous")
        first = None
        for name, run in runs.items():
            start = perf_counter()
            try:
                run(n_images)
            except NotImplementedError as error:
                print(f"  {name:36} {error}")
                continue
            seconds = perf_counter() - start
            first = first or seconds
            print(f"  {name:36} {seconds:8.2f} s  {seconds / first:6.1f}")


if __name__ == "__main__":
    main()
