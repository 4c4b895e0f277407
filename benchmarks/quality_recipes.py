"""Published recipes on one network: PaDiM, SubspaceAD, AnomalyDINO.

The network is EfficientNet-Lite0 (strides 8 and 16, ImageNet weights) at 256 x 256
pixels, for lack of the transformers that two of the papers use: what is compared is the
recipe, not the paper. The splits are those of ``quality_networks.py``: a folder in the
layout of MVTec AD, a third of whose training images, drawn anew for each seed, is held
out as good test images. Few-shot recipes learn from 4 of the training images.

    export OMP_NUM_THREADS=1
    python -m benchmarks.quality_recipes HAZELNUT --seeds 5
"""

import argparse
from functools import partial
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from sklearn.decomposition import PCA

from benchmarks.quality_networks import METRICS, evaluate, hazelnut, table
from skuad.augmentation import Compose, random_shift
from skuad.base import detect
from skuad.detectors import Augmented, ForegroundOnly, PaDiM, PatchDetector, PatchKNN
from skuad.feature_extraction import TimmEmbedder

SHOTS = 4


class Recipe:
    """A detector that learns from the first images, or from all."""

    def __init__(self, detector, n_images=None):
        self.detector = detector.set_params(calibration=None)
        self.n_images = n_images

    def fit(self, paths):
        self.detector.fit(paths[: self.n_images])

    def detect(self, paths):
        return detect(self.detector, paths)


def recipes(embedder, seed):
    """Return the recipes by name."""
    turns = Compose(
        [partial(random_shift, max_shift=0, max_angle=180)], random_state=seed
    )
    subspace = PatchDetector(
        embedder, PCA(0.99), scaling=None, pool=0.01, random_state=seed
    )
    knn = PatchKNN(embedder, random_state=seed)
    dino = PatchKNN(embedder, coreset=None, scaling="unit", pool=0.01)
    return {
        "PatchKNN": Recipe(knn),
        "PatchKNN, background left out": Recipe(ForegroundOnly(knn)),
        "PaDiM": Recipe(PaDiM(embedder, random_state=seed)),
        "SubspaceAD": Recipe(subspace),
        "AnomalyDINO, 4 images": Recipe(
            Augmented(ForegroundOnly(dino), turns, n_copies=8), SHOTS
        ),
        "the same without rotations": Recipe(ForegroundOnly(dino), SHOTS),
        "the same without masks": Recipe(Augmented(dino, turns, n_copies=8), SHOTS),
        "the same without either": Recipe(dino, SHOTS),
        "SubspaceAD, 4 images, rotated": Recipe(
            Augmented(subspace, turns, n_copies=8), SHOTS
        ),
    }


def main():
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", help="the category's folder")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    results = {}
    with TemporaryDirectory() as memory:
        embedder = TimmEmbedder(image_size=(256, 256), device="cpu", memory=memory)
        for seed in range(options.seeds):
            split = hazelnut(options.root, seed)
            for name, recipe in recipes(embedder, seed).items():
                values = results.setdefault(name, {})
                for metric, value in evaluate(recipe, *split).items():
                    if metric in METRICS:
                        values.setdefault(metric, []).append(value)
                print(seed, name, {k: np.round(v[-1], 4) for k, v in values.items()})
    print(table(results, "PatchKNN"))


if __name__ == "__main__":
    main()
