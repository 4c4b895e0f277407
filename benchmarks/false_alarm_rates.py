"""Does the false-alarm rate that is asked for hold on unseen good images?

    python -m benchmarks.false_alarm_rates --repetitions 100 --n-jobs 2 --out rates.json

Every repetition makes a data set of its own (seeds count up from ``--first-seed``), fits
every detector with ``false_alarm_rate=0.1`` on the good training images, and counts how
many unseen good images it flags. Rendered images are used, since their training and
test images are exchangeable. There are 49 training images by default: the threshold is
then the 5th lowest of the held-out scores, whose expected rate is 5 / (49 + 1) exactly,
without interpolation. With so few images a single threshold is far from its rate (by
0.04 or so), which is why the mean over repetitions counts, with its standard error from
the scatter between repetitions.
"""

import argparse
import json
import sys
import time

import cv2
import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skuad.datasets import make_defect_images
from skuad.detectors import PatchDetector, PatchKNN, Tiled
from skuad.preprocessing import GrayWorld

RATE = 0.1
TEXTURES = ("noise", "weave", "brushed", "printed")


class PixelZScore(BaseEstimator):
    """A detector of foreign make: how far each pixel is from its usual value."""

    def fit(self, X, y=None):
        X = np.asarray(X, np.float32)
        self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0) + 1
        return self

    def transform(self, X):
        distance = np.abs(np.asarray(X, np.float32) - self.mean_) / self.scale_
        return distance.max(axis=-1)

    def score_samples(self, X):
        return -self.transform(X).mean(axis=(1, 2))


def detectors(seed):
    """Detectors by name, with one seed and `RATE`."""
    knn = PatchKNN(random_state=seed)
    ours = {"false_alarm_rate": RATE, "random_state": seed}
    tiles = {"tile": 32, "false_alarm_rate": RATE}
    forest = IsolationForest(n_estimators=30, random_state=seed)
    return {
        "PatchKNN greedy": PatchKNN(**ours),
        "PatchKNN random": PatchKNN(coreset="random", **ours),
        "PatchDetector IsolationForest": PatchDetector(estimator=forest, **ours),
        "Tiled PatchKNN": Tiled(knn, **tiles),
        "Tiled Pipeline": Tiled(make_pipeline(GrayWorld(), knn), **tiles),
        "Tiled foreign": Tiled(PixelZScore(), **tiles),
    }


def one_repetition(seed, *, n_train, n_test, size, names=None):
    """Share of unseen good images that each detector flags, on data of one seed."""
    cv2.setNumThreads(1)
    data = make_defect_images(
        TEXTURES[seed % len(TEXTURES)],
        n_train=n_train,
        n_good=n_test,
        n_defective=0,
        size=size,
        random_state=seed,
    )
    rates = {}
    with threadpool_limits(1):
        for name, detector in detectors(seed).items():
            if names is None or name in names:
                detector.fit(data.train)
                rates[name] = float(np.mean(detector.predict(data.test) == -1))
    return rates


def measure(seeds, *, n_train, n_test, size, n_jobs=None, names=None):
    """Rates of every detector as arrays with one entry per repetition."""
    repetitions = Parallel(n_jobs=n_jobs)(
        delayed(one_repetition)(
            seed, n_train=n_train, n_test=n_test, size=size, names=names
        )
        for seed in seeds
    )
    return {
        name: np.array([rates[name] for rates in repetitions])
        for name in repetitions[0]
    }


def summary(rates):
    """Mean, standard error and agreement with `RATE`, from rates by repetition."""
    mean = float(np.mean(rates))
    standard_error = float(np.std(rates, ddof=1) / np.sqrt(len(rates)))
    return {
        "mean": mean,
        "standard_error": standard_error,
        "n_standard_errors": (mean - RATE) / standard_error,
        "agrees": abs(mean - RATE) <= 2 * standard_error,
        "by_repetition": np.asarray(rates).tolist(),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--n-train", type=int, default=49)
    parser.add_argument("--n-test", type=int, default=100)
    parser.add_argument("--size", type=int, default=64, help="of the images, in pixels")
    parser.add_argument("--n-jobs", type=int, default=None)
    parser.add_argument("--detector", action="append", help="only this one; repeatable")
    parser.add_argument("--out", help="JSON file")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    rates = measure(
        range(options.first_seed, options.first_seed + options.repetitions),
        n_train=options.n_train,
        n_test=options.n_test,
        size=options.size,
        n_jobs=options.n_jobs,
        names=options.detector,
    )
    results = {name: summary(values) for name, values in rates.items()}
    print(
        f"{options.repetitions} repetitions, {options.n_train} training and "
        f"{options.n_test} unseen good images of {options.size} x {options.size} pixels, "
        f"false_alarm_rate={RATE}; {time.perf_counter() - start:.0f} s\n"
    )
    print(f"{'detector':32}{'rate':>8}{'SE':>9}{'(rate - 0.1) / SE':>20}")
    for name, result in results.items():
        print(
            f"{name:32}{result['mean']:8.4f}{result['standard_error']:9.4f}"
            f"{result['n_standard_errors']:+20.2f}"
            f"{'' if result['agrees'] else '  does not agree'}"
        )
    if options.out:
        settings = {"rate": RATE, **vars(options)}
        with open(options.out, "w") as file:
            json.dump({"settings": settings, "results": results}, file, indent=1)
    return 0 if all(result["agrees"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
