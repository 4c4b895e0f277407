"""Networks: a detector from files to maps against the bare forward pass; bfloat16.

Ratios are of CPU times that were taken in turns in one process, on one thread.
"""

import os
import pickle
import tempfile
import time

import cv2
import numpy as np
from sklearn.base import clone

from benchmarks.bench_pipeline import make_photo, paired_ratio
from skuad.detectors import PatchKNN
from skuad.feature_extraction import TimmEmbedder
from skuad.io import write_image

BATCH = 8
N_IMAGES = 16


class _Networks:
    """A folder of photographs, and weights of a vision transformer at random."""

    def setup(self, *parameters):
        try:
            import timm
            import torch
        except ImportError as error:
            raise NotImplementedError("timm or torch is not installed") from error

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        self.folder = tempfile.TemporaryDirectory()
        self.paths = [
            os.path.join(self.folder.name, f"{number:02}.png")
            for number in range(N_IMAGES)
        ]
        for number, path in enumerate(self.paths):
            write_image(path, make_photo(256, 256, number))
        torch.manual_seed(0)
        self.weights = os.path.join(self.folder.name, "vit.pth")
        model = timm.create_model("vit_base_patch16_224", pretrained=False)
        torch.save(model.state_dict(), self.weights)

    def teardown(self, *parameters):
        self.folder.cleanup()

    def embedder(self, network, **params):
        if network == "vit_base_patch16_224":
            params["weights"] = self.weights
        return TimmEmbedder(
            network, image_size=(256, 256), device="cpu", batch_size=BATCH, **params
        )

    def forward(self, embedder):
        """Return a function that only runs the network, on ready batches."""
        import torch

        network, _ = embedder._network()
        layers = network.resolve_layers(embedder.layers)
        x = torch.randn(BATCH, 3, 256, 256).to(network.dtype)

        def run():
            with torch.inference_mode():
                for _ in range(N_IMAGES // BATCH):
                    network.grids(x, layers)

        return run


class EndToEnd(_Networks):
    """Throughput from files to maps, as a share of that of the bare network."""

    params = (["tf_efficientnet_lite0", "vit_base_patch16_224"],)
    param_names = ("network",)
    timeout = 600

    def track_share_of_forward(self, network):
        embedder = self.embedder(network)
        detector = PatchKNN(embedder, coreset_ratio=0.1, calibration=None)
        detector.fit(self.paths)
        bare = self.forward(embedder)
        return 1 / paired_ratio(
            lambda: detector.score_samples(self.paths), bare, n_pairs=3
        )

    track_share_of_forward.unit = "share"

    def track_share_of_forward_without_search(self, network):
        """Reading, resizing and the network only."""
        embedder = self.embedder(network)
        bare = self.forward(embedder)
        return 1 / paired_ratio(
            lambda: list(embedder.embed(self.paths)), bare, n_pairs=3
        )

    track_share_of_forward_without_search.unit = "share"


class HalfPrecision(_Networks):
    """bfloat16 against float32, both from images to features."""

    timeout = 600

    def track_speedup(self):
        images = np.stack([make_photo(256, 256, number) for number in range(BATCH)])
        name = "vit_base_patch16_224"
        exact, half = (
            self.embedder(name, dtype=dtype) for dtype in ("float32", "bfloat16")
        )
        return 1 / paired_ratio(
            lambda: list(half.embed(images)),
            lambda: list(exact.embed(images)),
            n_pairs=3,
        )

    track_speedup.unit = "times"


class Copies(_Networks):
    """Clones and pickles of a detector on a network."""

    params = (["clone", "clone of fitted", "pickle", "pickle of fitted"],)
    param_names = ("what",)

    def track_milliseconds(self, what):
        detector = PatchKNN(self.embedder("tf_efficientnet_lite0"), calibration=None)
        if "fitted" in what:
            detector.fit(self.paths)
        function = clone if "clone" in what else pickle.dumps
        start = time.perf_counter()
        for _ in range(20):
            function(detector)
        return 1000 * (time.perf_counter() - start) / 20

    track_milliseconds.unit = "ms"


def main():
    """Print every figure, without asv."""
    for benchmark in (EndToEnd, HalfPrecision, Copies):
        for parameter in getattr(benchmark, "params", [[None]])[0]:
            arguments = () if parameter is None else (parameter,)
            made = benchmark()
            made.setup(*arguments)
            for name in dir(made):
                if name.startswith("track_"):
                    value = getattr(made, name)(*arguments)
                    print(f"{benchmark.__name__}.{name}({parameter}): {value:.3f}")
            made.teardown(*arguments)


if __name__ == "__main__":
    main()
