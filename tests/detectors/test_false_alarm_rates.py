"""Thresholds hold on unseen good images: a small run of the script in benchmarks/."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from skuad.base import MapDetector

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "false_alarm_rates.py"
# The threshold is the second lowest of 19 held-out scores: a rate of 2 / 20.
N_TRAIN, N_TEST, N_REPETITIONS = 19, 50, 12


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def _mean_rate(script, name, n_repetitions=N_REPETITIONS):
    rates = script["measure"](
        range(n_repetitions),
        n_train=N_TRAIN,
        n_test=N_TEST,
        size=48,
        names=[name],
    )
    return rates[name].mean()


@pytest.mark.parametrize(
    "name",
    [
        "PatchKNN greedy",
        "PatchKNN random",
        "PatchDetector IsolationForest",
        "Tiled PatchKNN",
        "Tiled Pipeline",
        "Tiled foreign",
    ],
)
def test_rate_on_unseen_good_images(script, name):
    # The rate of a threshold has a beta distribution, and N_TEST images sample it.
    variance = 0.1 * 0.9 * (1 / (N_TRAIN + 2) + 1 / N_TEST)
    standard_error = np.sqrt(variance / N_REPETITIONS)
    assert abs(_mean_rate(script, name) - 0.1) < 3 * standard_error


@pytest.mark.parametrize("name", ["PatchKNN greedy", "Tiled PatchKNN"])
def test_thresholds_from_memorised_images_would_be_noticed(script, name, monkeypatch):
    def memorised(self, images, folds, learned):
        return self._scores(images)

    monkeypatch.setattr(MapDetector, "_held_out_scores", memorised)
    assert _mean_rate(script, name, n_repetitions=2) > 0.5
