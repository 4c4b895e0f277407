"""PatchKNN on a pretrained network against anomalib's Patchcore and Padim.

The same network (EfficientNet-Lite0, strides 8 and 16, ImageNet weights), the same
images at the same size (256 x 256), raw scores, maps at the image's own size:

- hazelnut: a folder in the layout of MVTec AD. Every training image but a third, drawn
  anew for each seed, trains; that third joins the good test images. Differences are
  paired by seed, with a 95 % interval of Student's t.
- elpv mono, elpv poly: solar cells of the package elpv-dataset. Of the cells of defect
  probability 0, 25 % are held out; 100 of the others, drawn anew for each seed, train.
  Cells of probability 1 are the defective ones.

- planted: the planted defects of ``quality_detectors.py``, three textures a seed, whose
  figures are averaged.

What chose the defaults of `PatchKNN` (scaling and pooling) are the planted defects of
``quality_detectors.py`` and elpv poly (``--pools``); hazelnut and elpv mono chose
nothing.

    export OMP_NUM_THREADS=1 TQDM_DISABLE=1
    python -m benchmarks.quality_networks hazelnut --root HAZELNUT
    python -m benchmarks.quality_networks elpv-mono
    python -m benchmarks.quality_networks elpv-poly --pools
    python -m benchmarks.quality_networks planted --pools --seeds 3
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import t as student
from sklearn.model_selection import ShuffleSplit

from benchmarks.quality_detectors import planted
from skuad.base import detect
from skuad.datasets import load_elpv, load_mvtec_ad
from skuad.detectors import PatchKNN
from skuad.feature_extraction import TimmEmbedder
from skuad.io import read_image, read_mask
from skuad.metrics import aupro_score, image_roc_auc_score, pixel_roc_auc_score
from skuad.weights import find_weights

SIZE = (256, 256)
METRICS = ("image AUROC", "pixel AUROC", "AUPRO")
TIMES = ("fit s", "ms per image")


class Skuad:
    """`PatchKNN`, with any parameters."""

    def __init__(self, seed, **params):
        embedder = TimmEmbedder(image_size=SIZE, device="cpu")
        params = {"calibration": None, "random_state": seed, **params}
        self.detector = PatchKNN(embedder, **params)

    def fit(self, paths):
        self.detector.fit(paths)

    def detect(self, paths):
        return detect(self.detector, paths)


class Anomalib:
    """One of anomalib's models, trained as its Lightning module does, on the CPU."""

    # torch is imported on use: asv imports this file too, with or without it.

    def __init__(self, seed):
        import torch

        torch.manual_seed(seed)
        self.model = self.make_model()
        network = self.model.feature_extractor.feature_extractor
        packaged = torch.load(find_weights("efficientnet_lite0"), weights_only=True)
        # The package has the same tensors in the same order, by other names.
        names = network.state_dict()
        tensors = dict(zip(names, packaged.values(), strict=False))
        network.load_state_dict(tensors, strict=True)

    def batches(self, paths, batch_size=8):
        """Yield normalised batches and the images' own sizes."""
        import torch

        for start in range(0, len(paths), batch_size):
            images = [
                image if isinstance(image, np.ndarray) else read_image(image)
                for image in paths[start : start + batch_size]
            ]
            tensors = [
                torch.nn.functional.interpolate(
                    torch.from_numpy(image).permute(2, 0, 1)[None],
                    SIZE,
                    mode="bicubic",
                    antialias=True,
                )
                for image in map(as_rgb, images)
            ]
            x = (torch.cat(tensors).float() / 255 - 0.5) / 0.5
            yield x, [image.shape[:2] for image in images]

    def fit(self, paths):
        import torch

        self.model.train()
        self.model.feature_extractor.eval()
        with torch.no_grad():
            for x, _ in self.batches(paths):
                self.model(x)
            self.finish()
        self.model.eval()

    def detect(self, paths):
        import torch

        with torch.no_grad():
            for x, shapes in self.batches(paths):
                output = self.model(x)
                for values, score, shape in zip(
                    output.anomaly_map, output.pred_score.ravel(), shapes, strict=True
                ):
                    own_size = cv2.resize(values[0].numpy(), shape[::-1])
                    yield own_size, float(score)


class Patchcore(Anomalib):
    """anomalib's Patchcore with its defaults: coreset 10 %, 9 neighbours."""

    def make_model(self):
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        return PatchcoreModel(
            ["blocks.2", "blocks.4"], "tf_efficientnet_lite0", pre_trained=False
        )

    def finish(self):
        self.model.subsample_embedding(0.1)


class Padim(Anomalib):
    """anomalib's Padim with 100 features."""

    def make_model(self):
        from anomalib.models.image.padim.torch_model import PadimModel

        return PadimModel(
            "tf_efficientnet_lite0",
            ["blocks.2", "blocks.4"],
            pre_trained=False,
            n_features=100,
        )

    def finish(self):
        self.model.fit()


METHODS = {
    "skuad PatchKNN": Skuad,
    "anomalib Patchcore": Patchcore,
    "anomalib Padim": Padim,
}
POOLS = {
    f"PatchKNN pool={pool!r}": lambda seed, pool=pool: Skuad(seed, pool=pool)
    for pool in ("max", "reweighted", 0.001, 0.01, 0.03, "mean")
}


def as_rgb(image):
    return np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image


def hazelnut(root, seed):
    """Return training paths, test paths, labels (-1 is defective) and masks."""
    root = Path(root)
    data = load_mvtec_ad(root.parent, root.name)
    images, masks = np.asarray(data.images, object), np.asarray(data.masks, object)
    is_train = np.asarray(data.split) == "train"
    train = np.flatnonzero(is_train)
    kept, moved = next(ShuffleSplit(1, test_size=16, random_state=seed).split(train))
    test = np.r_[train[moved], np.flatnonzero(~is_train)]
    arrays = [
        read_mask(masks[i]) if masks[i] else np.zeros(read_image(images[i]).shape[:2])
        for i in test
    ]
    arrays = [np.asarray(mask) > 0 for mask in arrays]
    labels = np.where([mask.any() for mask in arrays], -1, 1)
    return list(images[train[kept]]), list(images[test]), labels, arrays


def elpv(kind, seed):
    """Return training paths, test paths, labels (-1 is defective) and no masks."""
    data = load_elpv(category=kind)
    images = np.asarray(data.images, object)
    good = np.flatnonzero(np.asarray(data.probability) == 0)
    bad = np.flatnonzero(np.asarray(data.probability) == 1)
    rest, test = next(ShuffleSplit(1, test_size=0.25, random_state=0).split(good))
    train = np.random.default_rng(seed).choice(good[rest], 100, replace=False)
    labels = np.r_[np.ones(len(test), int), np.full(len(bad), -1)]
    return list(images[train]), list(images[np.r_[good[test], bad]]), labels, None


def splits(data, root, seed):
    """Return the data sets that are averaged, as `hazelnut` and `elpv` give them."""
    if data == "hazelnut":
        return [hazelnut(root, seed)]
    if data == "planted":
        return [
            (train, test, np.where([mask.any() for mask in masks], -1, 1), masks)
            for train, test, masks in planted(seed)
        ]
    return [elpv(data.removeprefix("elpv-"), seed)]


def evaluate(method, train, test, labels, masks):
    """Metrics and times of one method, by name."""
    start = time.process_time()
    method.fit(train)
    fitted = time.process_time()
    maps, scores = zip(*method.detect(test), strict=True)
    image_time = (time.process_time() - fitted) / len(test)
    results = {"image AUROC": image_roc_auc_score(labels, np.array(scores))}
    if masks is not None:
        results["pixel AUROC"] = pixel_roc_auc_score(masks, list(maps))
        results["AUPRO"] = aupro_score(masks, list(maps))
    return {**results, "fit s": fitted - start, "ms per image": 1000 * image_time}


def interval(differences):
    """Mean and half the width of the 95 % interval of the mean."""
    n = len(differences)
    error = np.std(differences, ddof=1) / np.sqrt(n)
    return np.mean(differences), student.ppf(0.975, n - 1) * error


def table(results, reference):
    """Markdown: mean and deviation of every method, and paired differences to one."""
    names = [name for name in (*METRICS, *TIMES) if name in results[reference]]
    lines = [f"| method | {' | '.join(names)} |", "| --- " * (1 + len(names)) + "|"]
    for method, values in results.items():
        cells = [
            f"{np.mean(values[name]):.3f} ± {np.std(values[name], ddof=1):.3f}"
            if name in METRICS
            else f"{np.mean(values[name]):.1f}"
            for name in names
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    for method, values in results.items():
        if method == reference:
            continue
        cells = []
        for name in names:
            if name in METRICS:
                mean, half = interval(
                    np.subtract(results[reference][name], values[name])
                )
                cells.append(f"{mean:+.3f} ± {half:.3f}")
            else:
                ratio = np.mean(results[reference][name]) / np.mean(values[name])
                cells.append(f"{ratio:.2f} times")
        lines.append(f"| {reference} minus {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "data", choices=["hazelnut", "elpv-mono", "elpv-poly", "planted"]
    )
    parser.add_argument("--root", help="of hazelnut: the category's folder")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--pools", action="store_true", help="compare pools of PatchKNN"
    )
    parser.add_argument("--method", action="append", help="only this one; repeatable")
    parser.add_argument("--out", help="JSON file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    methods = POOLS if options.pools else METHODS
    methods = {k: v for k, v in methods.items() if k in (options.method or methods)}
    results = {name: {} for name in methods}
    for seed in range(options.seeds):
        found = splits(options.data, options.root, seed)
        for name, make in methods.items():
            values = [evaluate(make(seed), *split) for split in found]
            for metric in values[0]:
                mean = np.mean([value[metric] for value in values])
                results[name].setdefault(metric, []).append(mean)
            print(seed, name, {k: round(v[-1], 4) for k, v in results[name].items()})
    n_train, n_test = (sum(len(split[part]) for split in found) for part in (0, 1))
    n_bad = sum(int(np.sum(split[2] == -1)) for split in found)
    print(
        f"\n{options.data}: {n_train} training images, {n_test - n_bad} good and "
        f"{n_bad} defective test images, {options.seeds} seeds\n"
    )
    print(table(results, next(iter(results))))
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
