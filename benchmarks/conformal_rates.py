"""Do the false-alarm rates that are promised hold, and what do they cost in defects?

    python -m benchmarks.conformal_rates rates --repetitions 200
    python -m benchmarks.conformal_rates defects
    python -m benchmarks.conformal_rates elpv

``rates``: rendered good images of 32 x 32 pixels; a Gaussian for every pixel, plain, on
tiles and behind `GrayWorld`, and (``--patch-knn``) `PatchKNN`; at rates of 0.01, 0.05 and
0.1.

- K folds: every repetition makes 99 training and 100 test images of its own, fits
  `ConformalDetector` with five folds, and counts the p-values up to each rate. The mean
  over repetitions is compared with the marginal level k / (n + 1) and with the proven
  bound, given the standard error between repetitions.
- Held out: per seed a detector is fitted on 30 images and scores a large
  pool of good ones; every repetition calibrates on 299 of them, which no other
  repetition uses, with the guarantees "marginal" and "high_probability". The rate is
  counted on 10,000 further images. For "high_probability", the number of repetitions
  above the rate is put to an exact binomial test of the share ``1 - confidence``.

``defects`` and ``elpv``: rate asked, rate seen on good images and share of defective
images found, for conformal thresholds, the mean + 3 sigma rule on held-out scores and on
the scores of the training images, and a contamination quantile.
"""

import argparse
import sys
import time
import warnings

import cv2
import numpy as np
from scipy.stats import binomtest
from sklearn.base import BaseEstimator
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skuad.calibration import ConformalDetector
from skuad.calibration._rates import cross_conformal_bound
from skuad.datasets import load_elpv, make_defect_images
from skuad.detectors import PatchKNN, Tiled
from skuad.preprocessing import GrayWorld
from skuad.utils import CalibrationWarning

RATES = (0.01, 0.05, 0.1)
TEXTURES = ("noise", "weave", "brushed", "printed")
SIZE = 32


class PixelGaussian(BaseEstimator):
    """How far each pixel is from its usual value; as fast as a detector can be."""

    def fit(self, X, y=None):
        X = np.asarray(X, np.float32)
        self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0) + 1
        return self

    def transform(self, X):
        distance = np.abs(np.asarray(X, np.float32) - self.mean_) / self.scale_
        return distance.max(axis=-1)

    def score_samples(self, X):
        return -self.transform(X).max(axis=(1, 2))


def detectors(seed):
    """Detectors by name."""
    pixels = PixelGaussian()
    return {
        "plain": pixels,
        "tiled": Tiled(pixels, tile=SIZE // 2, calibration=None),
        "pipelined": make_pipeline(GrayWorld(), pixels),
        "PatchKNN": PatchKNN(coreset="random", calibration=None, random_state=seed),
    }


def good_images(seed, n_train, n_test):
    """Good images (n, 32, 32, 3): blurred noise under varying light; 30 us each."""
    rng = np.random.default_rng(seed)
    n = n_train + n_test
    grain = 1 + 2 * rng.random()
    # One tall picture for all: blurring is across their borders, which they share
    # with their neighbours, so that every other strip is thrown away.
    noise = rng.standard_normal((n, 2 * SIZE, SIZE), dtype=np.float32)
    noise = cv2.GaussianBlur(noise.reshape(-1, SIZE), (0, 0), grain)
    noise = noise.reshape(n, 2 * SIZE, SIZE)[:, SIZE // 2 : -SIZE // 2]
    light = rng.uniform(0.9, 1.1, (n, 1, 1, 1)).astype(np.float32)
    tint = rng.uniform(0.7, 1, 3).astype(np.float32)
    images = (128 + 30 * grain * noise[..., None]) * light * tint
    images += rng.standard_normal(images.shape, dtype=np.float32)
    images = np.clip(images, 0, 255).astype(np.uint8)
    return images[:n_train], images[n_train:]


class ScoreIsPixel(BaseEstimator):
    """A fitted detector of images of one pixel that holds their score."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X, np.float32)

    def score_samples(self, X):
        return -np.asarray(X, np.float64)[:, 0]


def folded_rates(detector, seed, *, n_train=99, n_test=100):
    """Rates of one repetition over five folds, and the proven bounds."""
    train, test = good_images(seed, n_train, n_test)
    conformal = ConformalDetector(detector, false_alarm_rate=RATES[-1]).fit(train)
    p_values = conformal.p_values(test)
    return [np.mean(p_values <= rate) for rate in RATES]


def folded_bounds(n_train=99, n_folds=5):
    sizes = [len(part) for part in np.array_split(np.arange(n_train), n_folds)]
    return [cross_conformal_bound(rate, n_train, sizes) for rate in RATES]


def held_out_rates(detector, seed, *, n_repetitions, n_calibration, n_test):
    """Rates by repetition and rate, for both guarantees, of one detector."""
    n_pool = n_repetitions * n_calibration
    train, pool = good_images(seed, 30, n_pool + n_test)
    scores = -detector.fit(train).score_samples(pool)[:, None]
    test = scores[n_pool:]
    rates = {}
    for guarantee in ("marginal", "high_probability"):
        rates[guarantee] = np.empty((n_repetitions, len(RATES)))
        for i in range(n_repetitions):
            calibration = scores[i * n_calibration : (i + 1) * n_calibration]
            for j, rate in enumerate(RATES):
                conformal = ConformalDetector(
                    ScoreIsPixel().fit(None),
                    cv="prefit",
                    guarantee=guarantee,
                    false_alarm_rate=rate,
                ).fit(calibration)
                flagged = conformal.predict(test) == -1
                rates[guarantee][i, j] = flagged.mean()
    return rates


def measure_rates(
    n_repetitions,
    names,
    first_seed=0,
    n_calibration=299,
    n_test=10_000,
    per_detector=20,
):
    print(
        f"{'detector':11}{'guarantee':22}{'asked':>6}{'expected':>10}{'seen':>9}",
        end="",
    )
    print(f"{'SE':>9}{'bound':>8}{'above':>7}{'p(above)':>10}", flush=True)
    bounds = folded_bounds()
    for name in names:
        seen = np.array(
            [
                folded_rates(detectors(seed)[name], seed)
                for seed in range(first_seed, first_seed + n_repetitions)
            ]
        )
        for j, rate in enumerate(RATES):
            expected = np.floor(rate * 100 + 1e-9) / 100
            print_row(name, "marginal, 5 folds", rate, expected, seen[:, j], bounds[j])
        parts = [
            held_out_rates(
                detectors(seed)[name],
                1000 + first_seed + seed,
                n_repetitions=per_detector,
                n_calibration=n_calibration,
                n_test=n_test,
            )
            for seed in range(-(-n_repetitions // per_detector))
        ]
        for guarantee in parts[0]:
            seen = np.concatenate([part[guarantee] for part in parts])
            for j, rate in enumerate(RATES):
                expected = np.nan
                if guarantee == "marginal":
                    n = n_calibration + 1
                    expected = np.floor(rate * n + 1e-9) / n
                print_row(name, guarantee, rate, expected, seen[:, j], rate)


def print_row(name, guarantee, rate, expected, seen, bound):
    above = int((seen > rate).sum())
    test = ""
    if guarantee == "high_probability":
        p = binomtest(above, len(seen), 0.05, alternative="greater").pvalue
        test = f"{p:10.3f}"
    error = seen.std(ddof=1) / np.sqrt(len(seen))
    print(
        f"{name:11}{guarantee:22}{rate:6.2f}{expected:10.4f}{seen.mean():9.4f}"
        f"{error:9.4f}{bound:8.3f}{above:7d}{test}",
        flush=True,
    )


def rules(detector, train, test):
    """Flags of test images by rule."""
    folds = ConformalDetector(detector, false_alarm_rate=0.1).fit(train)
    p_values = folds.p_values(test)
    flags = {f"conformal, 5 folds, {rate:.0%}": p_values <= rate for rate in RATES}
    split = ShuffleSplit(1, test_size=0.5, random_state=0)
    held = ConformalDetector(detector, false_alarm_rate=0.1, cv=split).fit(train)
    p_values = held.p_values(test)
    for rate in RATES:
        if len(held.calibration_scores_) >= 1 / rate - 1:
            flags[f"conformal, half held out, {rate:.0%}"] = p_values <= rate
    final = folds.detector_
    scores, learnt = final.score_samples(test), final.score_samples(train)
    for name, known in (
        ("held-out scores", folds.calibration_scores_),
        ("training scores", learnt),
    ):
        flags[f"mean + 3 sigma, {name}"] = scores < known.mean() - 3 * known.std()
    for rate in RATES:
        low = np.percentile(learnt, 100 * rate)
        flags[f"contamination, {rate:.0%}"] = scores < low
    return flags


def measure_rules(sets, detector):
    """Print rate seen and defects found by rule, with errors between data sets."""
    seen, found = {}, {}
    for train, test, target in sets:
        for name, flagged in rules(detector, train, test).items():
            seen.setdefault(name, []).append(flagged[target == 1].mean())
            found.setdefault(name, []).append(flagged[target == -1].mean())
    print("| rule | false alarms | defects found |\n| --- | --- | --- |")
    for name in seen:
        cells = []
        for values in (seen[name], found[name]):
            error = np.std(values, ddof=1) / np.sqrt(len(values))
            cells.append(f"{np.mean(values):.1%} ± {error:.1%}")
        print(f"| {name} | {cells[0]} | {cells[1]} |", flush=True)


def planted_sets(n_sets=20):
    for seed in range(n_sets):
        data = make_defect_images(
            TEXTURES[seed % len(TEXTURES)],
            n_train=199,
            n_good=200,
            n_defective=50,
            size=64,
            random_state=seed,
        )
        yield data.train, data.test, data.target


def elpv_sets(n_sets=5, n_train=399):
    data = load_elpv(category="mono")
    images = np.stack([cv2.imread(path, 0)[::3, ::3] for path in data.images])
    good = np.flatnonzero(data.probability == 0)
    bad = np.flatnonzero(data.probability == 1)
    for seed in range(n_sets):
        order = np.random.default_rng(seed).permutation(good)
        test = np.concatenate([order[n_train:], bad])
        yield images[order[:n_train]], images[test], data.target[test]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["rates", "defects", "elpv"])
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--patch-knn", action="store_true", help="slower")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", CalibrationWarning)
    cv2.setNumThreads(1)
    start = time.perf_counter()
    knn = PatchKNN(coreset="random", calibration=None, random_state=0)
    with threadpool_limits(1):
        if options.what == "rates":
            names = (
                ["PatchKNN"] if options.patch_knn else ["plain", "pipelined", "tiled"]
            )
            measure_rates(options.repetitions, names, options.first_seed)
        elif options.what == "defects":
            measure_rules(planted_sets(), knn)
        else:
            measure_rules(elpv_sets(), knn)
    print(f"{time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
