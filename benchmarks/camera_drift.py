"""What helps when the camera drifts: white balance, filters, or augmentation?

    python -m benchmarks.camera_drift --seeds 2

Detectors are fitted on images of a steady camera, and evaluated on images of the same
kind after one drift each, and after all of them together as the preset draws them. The
drifts are fixed here and are not tuned; the last one is also what `Augmented` learns
from, with other random numbers, so its column says what can be had if the drift is known
in advance. The tables are Markdown: means over rendered textures and seeds.
"""

import argparse
import time

import cv2
import numpy as np
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skuad.augmentation import (
    ChannelGain,
    DefocusBlur,
    ExposureShift,
    JPEGCompression,
    SensorNoise,
    Vignette,
    make_industrial_camera_augmenter,
)
from skuad.datasets import make_defect_images
from skuad.detectors import Augmented, PatchKNN
from skuad.model_selection import robustness_curve
from skuad.preprocessing import GrayWorld, HomomorphicFilter, MaxRGB, WhiteBalance

RATE = 0.05
TEXTURES = ("noise", "weave", "brushed", "printed")
DRIFTS = {
    "warmer light": lambda _: ChannelGain(red=1.08, blue=0.93),
    "less light": lambda _: ExposureShift(stops=-0.25),
    "darker corners": lambda _: Vignette(strength=0.2),
    "defocus": lambda _: DefocusBlur(radius=1.0),
    "sensor noise": lambda _: SensorNoise(read=0.01, shot=0.015),
    "JPEG, quality 75": lambda _: JPEGCompression(quality=75),
    "all, at random": lambda _: make_industrial_camera_augmenter(random_state=1),
}


def detectors(seed):
    """Detectors by name, each with a false-alarm rate of `RATE`."""
    knn = PatchKNN(false_alarm_rate=RATE, random_state=seed)
    preset = make_industrial_camera_augmenter(random_state=0)
    options = {"n_copies": 3, "false_alarm_rate": RATE}
    return {
        "`PatchKNN()` alone": knn,
        "`GrayWorld`": make_pipeline(GrayWorld(), knn),
        "`MaxRGB`": make_pipeline(MaxRGB(), knn),
        '`WhiteBalance("reference")`': make_pipeline(WhiteBalance("reference"), knn),
        "`HomomorphicFilter`": make_pipeline(HomomorphicFilter(), knn),
        "`Augmented`": Augmented(knn, preset, **options),
        '`Augmented(calibrate_on="copies")`': Augmented(
            knn, preset, calibrate_on="copies", **options
        ),
        "the same round `GrayWorld`": Augmented(
            make_pipeline(GrayWorld(), knn), preset, calibrate_on="copies", **options
        ),
    }


def evaluate(texture, seed, *, n_train, n_test, size):
    """Rows of `robustness_curve` for every detector, on one texture and seed."""
    data = make_defect_images(
        texture,
        n_train=n_train,
        n_good=n_test,
        n_defective=n_test,
        size=size,
        random_state=seed,
    )
    found = {}
    for name, detector in detectors(seed).items():
        detector.fit(data.train)
        result = robustness_curve(
            detector, data.test, data.masks, DRIFTS, [1], metrics="aupro"
        )
        found[name] = result.rows
    return found


def table(runs, quantity, percent):
    """Markdown of one quantity: detectors down, drifts across."""
    lines = [
        f"| | none | {' | '.join(DRIFTS)} |",
        "| --- " * (2 + len(DRIFTS)) + "|",
    ]
    for name in runs[0]:
        values = np.array([[row[quantity] for row in run[name]] for run in runs])
        means = values.mean(axis=0)
        cells = [f"{100 * v:.0f} %" if percent else f"{v:.2f}" for v in means]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--n-train", type=int, default=40)
    parser.add_argument("--n-test", type=int, default=20, help="good, and defective")
    parser.add_argument(
        "--size", type=int, default=128, help="of the images, in pixels"
    )
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    start = time.perf_counter()
    with threadpool_limits(1):
        runs = [
            evaluate(
                texture,
                seed,
                n_train=options.n_train,
                n_test=options.n_test,
                size=options.size,
            )
            for seed in range(options.seeds)
            for texture in TEXTURES
        ]
    print(
        f"Means over {len(TEXTURES)} textures and {options.seeds} seeds, "
        f"{options.n_train} training, {options.n_test} good and {options.n_test} "
        f"defective test images each, {options.size} x {options.size} pixels; "
        f"`false_alarm_rate={RATE}`.\n"
    )
    for title, quantity, percent in (
        ("False-alarm rate", "false_alarm_rate", True),
        ("Defective images found", "detection_rate", True),
        ("AUPRO", "aupro", False),
    ):
        print(f"{title}:\n\n{table(runs, quantity, percent)}\n")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
