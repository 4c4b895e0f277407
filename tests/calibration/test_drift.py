"""DriftMonitor: p-values, the capital, alarms, and what it remembers."""

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, ShuffleSplit

from skuad.calibration import ConformalDetector, DriftMonitor
from skuad.calibration._martingale import (
    bets,
    first_stakes,
    play,
    ranked_p_value,
    uniform,
)
from skuad.calibration._shift import population_stability_index
from skuad.detectors import PatchKNN
from skuad.feature_extraction import FilterBankEmbedder
from skuad.io import ImageSequence, read_image, write_image
from skuad.utils._testing import instances
from skuad.utils._testing_images import make_images
from skuad.utils._torch import forget_networks
from skuad.weights import WeightsChangedError

RNG = np.random.default_rng(0)
STABLE = RNG.normal(size=6000)
KNN = PatchKNN(coreset="random", calibration=None, random_state=0)


def _monitor(**options):
    return DriftMonitor(random_state=0, **options).fit_scores(STABLE[:200])


def test_p_values_rank_a_score_among_all_so_far():
    scores = RNG.integers(0, 8, 300).astype(float)  # many ties
    ranked = np.empty(300)
    for n, score in enumerate(scores):
        p = ranked_p_value(ranked, n, score, 0.3)
        lower = (scores[:n] < score).sum()
        equal = (scores[: n + 1] == score).sum()
        assert p == pytest.approx((lower + 0.3 * equal) / (n + 1))
        np.testing.assert_array_equal(ranked[: n + 1], np.sort(scores[: n + 1]))


@pytest.mark.parametrize("values", [STABLE, np.round(STABLE), np.zeros(3000)])
def test_p_values_of_exchangeable_scores_are_uniform_whatever_the_ties(values):
    ranked, p_values = np.empty(len(values)), []
    for n, score in enumerate(values):
        p_values.append(ranked_p_value(ranked, n, score, uniform(5, n)))
    assert kstest(p_values[100:], "uniform").pvalue > 0.01
    assert abs(np.corrcoef(p_values[100:-1], p_values[101:])[0, 1]) < 0.05


def test_ties_are_broken_by_uniform_numbers():
    numbers = [uniform(seed, i) for seed in (0, 1, 2**31) for i in range(2000)]
    assert len(set(numbers)) == len(numbers)
    assert kstest(numbers, "uniform").pvalue > 0.01


def test_bets_are_fair():
    """Each bet, and the capital over two images, is 1 on average, and never negative."""
    p = (np.arange(4000) + 0.5) / 4000
    payoffs = np.array([bets(one) for one in p])
    assert payoffs.min() >= 0
    np.testing.assert_allclose(payoffs.mean(axis=0), 1, rtol=0.01)
    stakes, first = play(first_stakes(), 0.01)
    assert stakes.sum() == pytest.approx(1)
    second = [play(stakes, one)[1] for one in p]
    assert np.mean(second) == pytest.approx(1, rel=0.01)
    assert first > 1 and second[0] > 1 > np.median(second)


def test_alarms_within_an_epoch_are_as_rare_as_promised():
    threshold, epoch, alarms = 5, 100, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor(threshold=threshold, epoch=epoch, random_state=seed)
        monitor.fit_scores(rng.normal(size=80)).update(rng.normal(size=5 * epoch))
        alarms += len(monitor.alarms_)
    # Up to 0.2 of 300 epochs; those of a run share their calibration.
    assert 10 < alarms < 0.2 * 300 + 20
    assert monitor.average_run_length_ == 400


@pytest.mark.parametrize(
    ("drifted", "n_images"),
    [
        (STABLE - 1, 150),
        (STABLE + 1, 150),
        (3 * STABLE, 250),
        (STABLE / 4, 250),
        (STABLE - 8, 25),
    ],
    ids=["lower", "higher", "wider", "narrower", "far"],
)
def test_changes_are_found(drifted, n_images):
    monitor = _monitor()
    assert not monitor.update(STABLE[200:1200]).any()
    alarm = monitor.update(drifted[1200 : 1200 + n_images])
    assert alarm[-1]
    assert monitor.alarms_ == [1000 + alarm.argmax()]
    assert not monitor.restart().alarm_


def test_one_at_a_time_over_a_restored_copy_is_the_same(tmp_path):
    together, alone = _monitor(epoch=150), _monitor(epoch=150)
    alarm = together.update(STABLE[200:600])
    path = tmp_path / "monitor.joblib"
    one_by_one = []
    for number, score in enumerate(STABLE[200:600]):
        if number % 100 == 50:
            joblib.dump(alone, path)
            alone = joblib.load(path)
        one_by_one.extend(alone.update([score]))
    np.testing.assert_array_equal(alarm, one_by_one)
    assert alone.log_capital_ == together.log_capital_
    np.testing.assert_array_equal(alone._stakes, together._stakes)
    assert alone.n_in_epoch_ == 400 % 150 and alone.n_seen_ == 400


def test_memory_is_bounded_and_the_history_is_thinned():
    monitor = _monitor(epoch=100)
    size = len(pickle.dumps(monitor))
    monitor.update(STABLE)
    assert len(pickle.dumps(monitor)) < 1.01 * size  # alarms are kept by number
    images, log_capital = monitor.history()
    assert len(images) == len(log_capital) == 1500  # stretches of four
    assert images[-1] == 5996
    again = _monitor(epoch=100)
    each = [
        again.update([score]) is not None and again.log_capital_ for score in STABLE
    ]
    np.testing.assert_array_equal(log_capital, np.reshape(each, (-1, 4)).max(axis=1))


def test_shift_of_scores():
    monitor = _monitor()
    monitor.update(STABLE[200:1200])
    stable = monitor.shift()
    assert set(stable) == {"psi", "psi_by_chance"}
    assert stable["psi"] < 3 * stable["psi_by_chance"] < 0.25
    monitor.restart().update(STABLE[200:1200] - 1)
    assert monitor.shift()["psi"] > 0.25
    expected, seen = np.array([50, 50]), np.array([80, 20])
    psi = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert population_stability_index(100 * expected, 100 * seen) == pytest.approx(
        psi, rel=0.01
    )


def test_images_are_scored_and_described():
    images = make_images(50, size=(40, 40))
    monitor = DriftMonitor(KNN.fit(images[:10]), threshold=100, random_state=0)
    monitor.fit(images[10:])
    scores = np.sort(KNN.score_samples(images[10:]))
    np.testing.assert_array_equal(monitor.calibration_scores_, scores)
    line = make_images(60, size=(40, 40), seed=1)
    assert not monitor.observe(line).any()
    stable = monitor.shift()
    assert stable["mean_shift"] < 3 * stable["mean_shift_by_chance"]
    monitor.restart()
    bright = np.clip(line * 1.3, 0, 255).astype(np.uint8)
    assert monitor.observe(bright)[-1]
    drifted = monitor.shift()
    assert drifted["mean_shift"] > 5 * stable["mean_shift"]
    assert drifted["covariance_shift"] > stable["covariance_shift"]
    assert monitor.n_seen_ == 120 and monitor.n_in_epoch_ == 60


def test_a_split_fits_the_detector_without_the_calibration():
    images = make_images(20, size=(32, 32))
    split = ShuffleSplit(1, test_size=0.5, random_state=0)
    y = np.r_[np.ones(18, int), -1, -1]
    monitor = DriftMonitor(KNN, cv=split, random_state=0).fit(images, y)
    ((_, test),) = split.split(images[:18])
    fold = ConformalDetector(KNN, cv=split, false_alarm_rate=0.2).fit(images[:18])
    np.testing.assert_allclose(
        monitor.calibration_scores_, np.sort(fold.calibration_scores_), rtol=0.2
    )
    assert len(monitor.calibration_scores_) == len(test)
    with pytest.raises(ValueError, match="cv makes 3 folds"):
        DriftMonitor(KNN, cv=KFold(3)).fit(images)


def test_bad_input():
    with pytest.raises(ValueError, match="has no detector"):
        DriftMonitor().fit(make_images(3))
    with pytest.raises(NotFittedError):
        DriftMonitor().restart()
    monitor = _monitor()
    with pytest.raises(ValueError, match="score 1 is NaN"):
        monitor.update([0.0, np.nan])
    assert monitor.n_seen_ == 0
    with pytest.raises(ValueError, match="calibrated on scores"):
        monitor.observe(make_images(3))
    with pytest.raises(ValueError, match="too few"):
        monitor.fit_scores([1.0])
    with pytest.raises(ValueError, match=r"shape \(n,\)"):
        monitor.fit_scores(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="threshold"):
        DriftMonitor(threshold=1).fit_scores(STABLE)
    equal = DriftMonitor(random_state=0).fit_scores(np.zeros(50))
    assert not equal.update(np.zeros(500)).any()
    assert equal.update(np.full(200, -1.0)).any()


def test_paths_give_what_arrays_give_and_are_read_once(tmp_path, monkeypatch):
    data = make_images(12, size=(300, 280))  # larger than what is described
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path, image in zip(paths, data, strict=True):
        write_image(path, image)
    read = []
    monkeypatch.setattr(
        "skuad.io._sequence.read_image",
        lambda path: read.append(path) or read_image(path),
    )
    monitors = []
    for X in (data, paths):
        detector = clone(KNN).fit(X[:6])
        read.clear()
        monitor = DriftMonitor(detector, random_state=0).fit(X[6:9])
        monitor.observe(X[9:])
        monitors.append(monitor)
    assert len(read) <= 6 + 2  # and two looks at what kind of image it is
    assert monitors[0].log_capital_ == monitors[1].log_capital_
    assert monitors[0].shift() == monitors[1].shift()


def test_the_network_that_describes_images_is_that_of_fit(tmp_path):
    import timm  # noqa: F401 -- without it there is no instance

    embedder = instances()["TimmEmbedder"][0]
    weights = tmp_path / "network.pth"
    content = Path(embedder.weights).read_bytes()
    weights.write_bytes(content)
    images = make_images(8, size=(64, 64))
    detector = clone(KNN).fit(images[:4])
    monitor = DriftMonitor(
        detector, embedder=clone(embedder).set_params(weights=weights)
    )
    monitor.fit(images[4:6])
    weights.write_bytes(content[::-1])
    forget_networks()
    with pytest.raises(WeightsChangedError):
        monitor.observe(images[6:])
    monitor.set_params(embedder__store_weights=True)
    weights.write_bytes(content)
    monitor.fit(images[4:6])
    weights.unlink()
    forget_networks()
    assert len(monitor.observe(images[6:])) == 2


@pytest.mark.parametrize(
    "images",
    [
        RNG.random((4, 64, 2048)).astype(np.float32),  # 8 pixels high when shrunk
        RNG.random((4, 300, 300, 6)).astype(np.float32),
        RNG.random((4, 300, 300)).astype(np.float16),
    ],
    ids=["elongated", "6 channels", "float16"],
)
def test_what_the_detector_takes_is_described(images):
    monitor = DriftMonitor(clone(KNN).fit(images[:2])).fit(images[:2])
    monitor.observe(images[2:])
    assert "mean_shift" in monitor.shift()


class OneFeature(FilterBankEmbedder):
    def _embed(self, images):
        return [values[..., :1] for values in super()._embed(images)]


def test_an_embedder_of_one_feature():
    images = make_images(8)
    monitor = DriftMonitor(clone(KNN).fit(images[:4]), embedder=OneFeature())
    monitor.fit(images[:4]).observe(images[4:])
    assert monitor.shift()["covariance_shift"] > 0


class EightAtOnce(FilterBankEmbedder):
    batch_size = 8


@pytest.mark.parametrize("embedder", [FilterBankEmbedder(), EightAtOnce()])
def test_batches_are_read_once(embedder):
    images, read = make_images(16), []

    class Source:
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            read.append(index)
            return images[index]

    detector = PatchKNN(EightAtOnce(), calibration=None, random_state=0).fit(images)
    monitor = DriftMonitor(detector, embedder=embedder).fit(images)
    monitor.observe(ImageSequence(Source()))
    assert sorted(read) == list(range(16))


def test_errors_name_the_image_as_the_user_counts():
    images = [*make_images(6)]
    images[5] = np.full((32, 32, 3), np.nan)
    with pytest.raises(ValueError, match=r"^image 5: "):
        DriftMonitor(clone(KNN).fit(images[:5])).fit(images, [-1, -1, 1, 1, 1, 1])
