"""PaDiM: what is normal depends on the place; thresholds are those of unseen images."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, ShuffleSplit

from skuad.detectors import Augmented, PaDiM, RegionOfInterest, Tiled
from skuad.feature_extraction import FilterBankEmbedder, upsample_map
from skuad.utils._testing_images import make_images

IMAGES = make_images(13)
RATE = {"false_alarm_rate": 0.1, "random_state": 0}


def refitted_scores(detector, images, folds):
    """Return held-out scores of detectors fitted without the fold."""
    scores = {}
    for train, test in folds:
        fold = clone(detector).set_params(calibration=None).fit(images[train])
        scores |= zip(test.tolist(), fold.score_samples(images[test]), strict=True)
    return [scores[number] for number in sorted(scores)]


def test_maps_are_mahalanobis_distances_at_each_position():
    detector = PaDiM(n_features=9, **RATE).fit(IMAGES)
    chosen = detector.feature_indices_
    assert len(set(chosen.tolist())) == 9
    features = np.stack(
        [item.values[..., chosen] for item in FilterBankEmbedder().transform(IMAGES)]
    )
    new = make_images(1, seed=5)
    query = FilterBankEmbedder().transform(new)[0].values[..., chosen]
    expected = np.empty(query.shape[:2])
    for place in np.ndindex(expected.shape):
        known = features[(slice(None), *place)].astype(np.float64)
        covariance = np.cov(known, rowvar=False) + 0.01 * np.eye(9)
        away = query[place] - known.mean(axis=0)
        expected[place] = np.sqrt(away @ np.linalg.solve(covariance, away))
    assert_allclose(
        detector.transform(new)[0], upsample_map(expected, (48, 56)), rtol=1e-3
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of anomalib itself
def test_distances_equal_those_of_anomalib():
    import torch
    from anomalib.models.components import MultiVariateGaussian
    from anomalib.models.image.padim.anomaly_map import AnomalyMapGenerator

    # anomalib adds 0.01, and 1e-5 for stability, to the diagonal.
    detector = PaDiM(reg_covar=0.01 + 1e-5, **RATE).fit(IMAGES)
    new = make_images(2, seed=5)
    as_tensors = [
        torch.from_numpy(np.stack([item.values for item in features])).permute(
            0, 3, 1, 2
        )
        for features in map(FilterBankEmbedder().transform, (IMAGES, new))
    ]
    moments = MultiVariateGaussian().fit(as_tensors[0].contiguous())
    expected = AnomalyMapGenerator.compute_distance(as_tensors[1], moments)
    actual = [upsample_map(grid, (48, 56)) for grid in expected[:, 0].numpy()]
    assert_allclose(detector.transform(new), actual, rtol=1e-3)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "embedded anew"])
@pytest.mark.parametrize(
    ("calibration", "folds"),
    [
        ("auto", LeaveOneOut()),
        ("leave_one_out", LeaveOneOut()),
        (4, KFold(4)),
        (ShuffleSplit(6, test_size=2, train_size=7, random_state=0),) * 2,
    ],
    ids=["auto", "leave one out", "folds", "subsets"],
)
def test_threshold_is_that_of_detectors_fitted_anew(calibration, folds, kept):
    n_features = 12 if kept else 6  # 13 images are more than twice 6.
    detector = PaDiM(n_features=n_features, calibration=calibration, **RATE)
    expected = refitted_scores(detector, IMAGES, folds.split(IMAGES))
    assert_allclose(
        detector.fit(IMAGES).offset_,
        np.quantile(expected, 0.1, method="weibull"),
        rtol=1e-4,
    )


@pytest.mark.parametrize("n_features", [12, 2], ids=["small groups", "large groups"])
def test_groups_are_held_out_together(n_features):
    groups = np.repeat([3, 1, 2, 5, 4], [1, 2, 3, 3, 4])
    detector = PaDiM(n_features=n_features, **RATE)
    folds = GroupKFold(5).split(IMAGES, groups=groups)
    expected = refitted_scores(detector, IMAGES, folds)
    assert_allclose(
        detector.fit(IMAGES, groups=groups).offset_,
        np.quantile(expected, 0.1, method="weibull"),
        rtol=1e-4,
    )


def test_the_wrong_thing_in_a_known_place_is_an_anomaly():
    rng = np.random.default_rng(0)
    images = rng.normal(0.5, 0.02, (14, 64, 64)).clip(0, 1)
    moved = images[13:].copy()
    images[:, 16:32, 16:32] = 1
    moved[:, 32:48, 32:48] = 1
    detector = PaDiM(**RATE).fit(images[:12])
    assert detector.predict(moved)[0] == -1
    good, bad = detector.transform([images[12], moved[0]])
    for place in (slice(20, 28), slice(36, 44)):
        assert bad[place, place].min() > 5 * good.max()


def test_an_image_of_another_size_lies_on_the_same_grid():
    rng = np.random.default_rng(0)
    images = np.repeat(rng.random((10, 8, 10)), 16, 1).repeat(16, 2)
    detector = PaDiM(FilterBankEmbedder(16), **RATE).fit(images)
    assert detector.grid_shape_ == (8, 10)
    # Twice the cells: each position takes that of the two which begins at its centre.
    larger = images[:2].repeat(2, 1).repeat(2, 2)
    maps = detector.transform(larger)
    assert maps.shape == (2, 256, 320)
    features = FilterBankEmbedder(16).transform(larger)[0].values
    picked = detector._on_grid(FilterBankEmbedder(16).transform(larger)[0])
    assert_array_equal(picked.values, features[1::2, 1::2])


def test_line_scans_and_tiles_and_copies():
    from skuad.augmentation import ExposureShift

    scans = np.random.default_rng(0).normal(size=(30, 64))
    scans[:, :32] += 5
    detector = PaDiM(**RATE).fit(scans)
    swapped = scans[:1, ::-1]
    assert detector.transform(swapped).shape == (1, 64)
    assert detector.predict(swapped)[0] == -1
    for outer in (
        Tiled(PaDiM(random_state=0), tile=24, false_alarm_rate=0.1),
        Augmented(PaDiM(random_state=0), ExposureShift(), false_alarm_rate=0.1),
    ):
        fitted = outer.fit(IMAGES)
        plain = outer.set_params(detector=_FoldsByRefitting(random_state=0))
        assert_allclose(fitted.offset_, plain.fit(IMAGES).offset_, rtol=1e-4)


class _FoldsByRefitting(PaDiM):
    """The slow way to held-out scores."""

    def _score_fold(self, images, learned, train, test):
        fold = clone(self).set_params(calibration=None)
        return fold.fit(images.subset(train).data).score_samples(
            images.subset(test).data
        )


def _padded_images():
    """Images of three sizes, one of them wide; none fills the corner of a tile."""
    sizes = [(64, 48)] * 6 + [(40, 64)] + [(24, 48)] * 3
    rng = np.random.default_rng(0)
    return [rng.random(size).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("n_features", [20, 3], ids=["kept", "embedded anew"])
@pytest.mark.parametrize("calibration", [10, 3])
@pytest.mark.parametrize("grouped", [False, True])
def test_thresholds_of_regions_that_differ(n_features, calibration, grouped):
    images = _padded_images()
    groups = np.arange(10) // 2 if grouped else None
    offsets = [
        Tiled(
            inner(n_features=n_features, random_state=0),
            tile=64,
            false_alarm_rate=0.1,
            calibration=3 if grouped else calibration,
        )
        .fit(images, groups=groups)
        .offset_
        for inner in (PaDiM, _FoldsByRefitting)
    ]
    assert_allclose(*offsets, rtol=1e-4)


def test_padding_is_not_learnt():
    images = _padded_images()
    tiled = Tiled(PaDiM(calibration=None), tile=64, calibration=None).fit(images)
    counts = tiled.detector_.counts_.reshape(8, 8)
    expected = np.zeros((8, 8))
    for image in images:
        expected[: image.shape[0] // 8, : image.shape[1] // 8] += 1
    assert_array_equal(counts, expected)
    # The corner, of which nothing is known, takes the value of its neighbours.
    (anomaly_map,) = tiled.transform(np.random.default_rng(1).random((1, 64, 64)))
    assert np.isfinite(anomaly_map).all() and anomaly_map[48:, 56:].min() > 0
    bright = [image + 5 for image in images[6:]]
    other = Tiled(PaDiM(calibration=None), tile=64, calibration=None)
    other.fit([*images[:6], *bright])
    below = np.s_[48:, :48]  # where the others are padded
    for good in images[:2]:
        maps = [one.transform([good])[0][below] for one in (tiled, other)]
        assert_allclose(*maps, rtol=1e-3)


def test_outside_of_a_region_plays_no_part():
    roi = np.zeros((64, 96), bool)
    roi[:, :48] = True
    images = make_images(10, size=(64, 96))
    cluttered = images.copy()
    cluttered[:, :, 80:] = 0
    clean, dirty = (
        RegionOfInterest(PaDiM(random_state=0), roi, false_alarm_rate=0.1).fit(X)
        for X in (images, cluttered)
    )
    maps = clean.transform(images)
    assert (maps[:, ~roi] == 0).all()
    assert_allclose(dirty.transform(cluttered), maps, rtol=1e-2)
    assert_allclose(dirty.offset_, clean.offset_, rtol=1e-2)


def test_each_image_is_embedded_once(monkeypatch):
    calls = []
    embed = FilterBankEmbedder._embed
    monkeypatch.setattr(
        FilterBankEmbedder,
        "_embed",
        lambda self, images: calls.append(len(images)) or embed(self, images),
    )
    PaDiM(**RATE).fit(IMAGES)
    assert sum(calls) == len(IMAGES)


def test_choice_of_features_follows_the_seed():
    first, again, other = (
        PaDiM(n_features=8, calibration=None, random_state=seed).fit(IMAGES)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first.feature_indices_, again.feature_indices_)
    assert (first.feature_indices_ != other.feature_indices_).any()
    every = PaDiM(n_features=None, calibration=None).fit(IMAGES)
    assert len(every.feature_indices_) == 24


def test_saved_file_gives_equal_bits(tmp_path):
    detector = PaDiM(**RATE).fit(IMAGES)
    joblib.dump(detector, tmp_path / "line.joblib")
    loaded = joblib.load(tmp_path / "line.joblib")
    assert_array_equal(loaded.transform(IMAGES), detector.transform(IMAGES))
    assert loaded.offset_ == detector.offset_


def test_too_little_memory_is_told(monkeypatch):
    monkeypatch.setattr("skuad.neighbors._memory.available_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match=r"24 features at 42 positions.*n_features"):
        PaDiM(**RATE).fit(IMAGES)
