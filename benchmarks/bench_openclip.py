"""OpenCLIP's ViT-B-16, weights at random: files to maps, bfloat16, texts and windows.

Ratios are of CPU times that were taken in turns in one process, on one thread.
"""

import os

import numpy as np

from benchmarks import bench_networks
from benchmarks.bench_pipeline import make_photo, paired_ratio
from skuad.detectors import OpenCLIPPatchKNN, OpenCLIPPromptScore
from skuad.feature_extraction import OpenCLIPEmbedder

SIDE = 224


class _OpenCLIP(bench_networks._Networks):
    def setup(self, *parameters):
        try:
            import open_clip
            import torch
        except ImportError as error:
            raise NotImplementedError("open_clip is not installed") from error

        super().setup(*parameters)
        torch.manual_seed(0)
        config = open_clip.get_model_config("ViT-B-16")
        self.weights = os.path.join(self.folder.name, "ViT-B-16.pth")
        torch.save(open_clip.CLIP(**config).state_dict(), self.weights)

    @property
    def settings(self):
        return {
            "pretrained": self.weights,
            "image_size": (SIDE, SIDE),
            "device": "cpu",
            "batch_size": bench_networks.BATCH,
        }

    def embedder(self, **parameters):
        return OpenCLIPEmbedder(**self.settings, layers=[5, 8], **parameters)

    def forward(self, embedder):
        """Return a function that only runs the network, on ready batches."""
        import torch

        network, _ = embedder._network()
        x = torch.randn(bench_networks.BATCH, 3, SIDE, SIDE).to(network.dtype)

        def run():
            with torch.inference_mode():
                for _ in range(bench_networks.N_IMAGES // bench_networks.BATCH):
                    network.grids(x, [5, 8])

        return run


class OpenCLIPEndToEnd(_OpenCLIP):
    """Throughput from files to maps, as a share of that of the bare network."""

    timeout = 600

    def track_share_of_forward(self):
        detector = OpenCLIPPatchKNN(
            **self.settings, layers=[5, 8], calibration=None, random_state=0
        ).fit(self.paths)
        run = self.forward(self.embedder())
        return 1 / paired_ratio(
            lambda: detector.score_samples(self.paths), run, n_pairs=3
        )

    track_share_of_forward.unit = "share"


class OpenCLIPHalfPrecision(_OpenCLIP):
    """bfloat16 against float32, both from images to features."""

    timeout = 600

    def track_speedup(self):
        batch = bench_networks.BATCH
        images = np.stack([make_photo(SIDE, SIDE, number) for number in range(batch)])
        exact, half = (self.embedder(dtype=dtype) for dtype in ("float32", "bfloat16"))
        return 1 / paired_ratio(
            lambda: list(half.embed(images)),
            lambda: list(exact.embed(images)),
            n_pairs=5,
        )

    track_speedup.unit = "times"


class OpenCLIPPrompts(_OpenCLIP):
    """What windows cost: time of maps in that of one pass through the network."""

    params = ([None, (2, 3)],)
    param_names = ("windows",)
    timeout = 600

    def track_passes(self, windows):
        batch = bench_networks.BATCH
        images = np.stack([make_photo(SIDE, SIDE, number) for number in range(batch)])
        detector = OpenCLIPPromptScore(**self.settings, windows=windows).fit(None)
        embedder = OpenCLIPEmbedder(**self.settings, layers=[-1])
        return paired_ratio(
            lambda: detector.score_samples(images),
            lambda: list(embedder.embed(images)),
            n_pairs=2,
        )

    track_passes.unit = "passes"


def main():
    """Print every figure, without asv."""
    for benchmark in (OpenCLIPEndToEnd, OpenCLIPHalfPrecision, OpenCLIPPrompts):
        for parameter in getattr(benchmark, "params", [[()]])[0]:
            arguments = () if parameter == () else (parameter,)
            made = benchmark()
            made.setup(*arguments)
            for name in dir(made):
                if name.startswith("track_"):
                    value = getattr(made, name)(*arguments)
                    print(f"{benchmark.__name__}.{name}{arguments}: {value:.3f}")
            made.teardown(*arguments)


if __name__ == "__main__":
    main()
