"""Quality of the detectors on the default embedder, on planted defects.

Two data sets, neither of which chose anything (see ``quality_planted_defects.py`` for
what was tuned on what):

- planted: the three photographs of ``planted_defects.py``, whose seed 0 is the fixed
  one, with five training crops each;
- generated: `skuad.datasets.make_defect_images` of every texture, with 20 training
  images (10 of a photograph).

The table has the mean over textures, and its standard deviation over seeds of the data.
Run it from the root of the repository: ``python -m benchmarks.quality_detectors``.
"""

import argparse
import json
import os
import time

import numpy as np

from benchmarks.planted_defects import TINTS, make_planted_defects, photographs
from skuad.base import detect
from skuad.datasets import make_defect_images
from skuad.detectors import PatchDetector, PatchKNN
from skuad.metrics import aupro_score, image_roc_auc_score, pixel_roc_auc_score

DETECTORS = {
    "PatchKNN()": lambda: PatchKNN(calibration=None, random_state=0),
    'PatchKNN(scaling="standard")': lambda: PatchKNN(
        scaling="standard", calibration=None, random_state=0
    ),
    'PatchKNN(coreset="random")': lambda: PatchKNN(
        coreset="random", calibration=None, random_state=0
    ),
    "PatchDetector()": lambda: PatchDetector(calibration=None, random_state=0),
}
METRICS = ("pixel AUROC", "AUPRO", "image AUROC", "fit s", "ms per image")
PHOTOGRAPHS = ("brick", "grass", "gravel")
RENDERED = ("noise", "weave", "brushed", "printed")


def planted(seed):
    """Yield (training images, test images, masks) of every photograph."""
    sets = make_planted_defects(photographs(), TINTS, seed=seed)
    for train, test in sets.values():
        yield train, [item[1] for item in test], np.stack([item[2] for item in test])


def generated(seed):
    """Yield (training images, test images, masks) of every texture."""
    for texture in PHOTOGRAPHS + RENDERED:
        n_train = 10 if texture in PHOTOGRAPHS else 20
        data = make_defect_images(texture, n_train=n_train, random_state=seed)
        yield list(data.train), list(data.test), data.masks


def evaluate(detector, train, test, masks):
    """Metrics of a detector on one texture, in the order of `METRICS`."""
    start = time.process_time()
    detector.fit(train)
    fit_time = time.process_time() - start
    start = time.process_time()
    maps, scores = zip(*detect(detector, test), strict=True)
    image_time = (time.process_time() - start) / len(test)
    return [
        pixel_roc_auc_score(masks, list(maps)),
        aupro_score(masks, list(maps)),
        image_roc_auc_score(masks, np.array(scores)),
        fit_time,
        1000 * image_time,
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", help="write OUT.json and OUT.md")
    options = parser.parse_args()
    lines = [
        f"| data | detector | {' | '.join(METRICS)} |",
        "| --- " * (2 + len(METRICS)) + "|",
    ]
    results = {}
    for data in (planted, generated):
        for name, make in DETECTORS.items():
            by_seed = np.array(
                [
                    np.mean([evaluate(make(), *item) for item in data(seed)], axis=0)
                    for seed in range(options.seeds)
                ]
            )
            results[f"{data.__name__}: {name}"] = by_seed.tolist()
            spread = (
                by_seed.std(axis=0, ddof=1) if options.seeds > 1 else by_seed[0] * 0
            )
            cells = [
                f"{mean:.3f} ± {deviation:.3f}"
                for mean, deviation in zip(
                    by_seed.mean(axis=0)[:3], spread[:3], strict=True
                )
            ] + [f"{value:.1f}" for value in by_seed.mean(axis=0)[3:]]
            lines.append(f"| {data.__name__} | `{name}` | {' | '.join(cells)} |")
            lines.append(
                f"| {data.__name__}, seed 0 | `{name}` | "
                + " | ".join(f"{value:.3f}" for value in by_seed[0][:3])
                + " | | |"
            )
            print(*lines[-2:], sep="\n", flush=True)
    if options.out:
        os.makedirs(os.path.dirname(os.path.abspath(options.out)), exist_ok=True)
        with open(f"{options.out}.json", "w") as file:
            json.dump({"metrics": METRICS, "by_seed": results}, file, indent=1)
        with open(f"{options.out}.md", "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
