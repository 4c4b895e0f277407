"""ForegroundOnly: what lies behind the object raises no alarm."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from skuad.detectors import (
    Augmented,
    ForegroundOnly,
    PaDiM,
    PatchDetector,
    PatchKNN,
    RegionOfInterest,
    Tiled,
)
from skuad.feature_extraction import FilterBankEmbedder
from skuad.io import write_image
from skuad.postprocessing import MapDecision, SmoothMaps
from skuad.preprocessing import HomomorphicFilter
from skuad.utils._testing_images import make_images

SIZE, SIDE = 160, 56
RATE = {"false_alarm_rate": 0.1}
KNN = PatchKNN(FilterBankEmbedder(4), coreset="random", random_state=0)


def make_parts(n, *, seed=0):
    """Return textured parts somewhere on a dark belt, and where they lie."""
    rng = np.random.default_rng(seed)
    images = rng.normal(20, 2, (n, SIZE, SIZE, 3))
    textures = make_images(n, size=(SIDE, SIDE), seed=seed) / 4 + 150
    corners = rng.integers(40, SIZE - SIDE - 40, (n, 2))
    for image, texture, (y, x) in zip(images, textures, corners, strict=True):
        image[y : y + SIDE, x : x + SIDE] = texture
    return images.clip(0, 255).astype(np.uint8), corners


IMAGES, CORNERS = make_parts(12)
NEW, NEW_CORNERS = make_parts(3, seed=1)


def test_junk_on_the_belt_is_no_anomaly_and_a_defect_on_the_part_is():
    junk, defective = NEW.copy(), NEW.copy()
    for image, other, (y, x) in zip(junk, defective, NEW_CORNERS, strict=True):
        image[5:8, 5:8] = 60
        other[y + 20 : y + 30, x + 20 : x + 30] = [200, 20, 200]
    plain = PatchKNN(FilterBankEmbedder(4), coreset=None, calibration=None).fit(IMAGES)
    assert (plain.score_samples(junk) < 1.5 * plain.score_samples(NEW)).all()
    detector = ForegroundOnly(KNN, **RATE).fit(IMAGES)
    assert_allclose(detector.score_samples(junk), detector.score_samples(NEW), rtol=0.1)
    assert (detector.transform(junk)[:, :9, :9] == 0).all()
    assert_array_equal(detector.predict(defective), -1)
    for anomaly_map, (y, x) in zip(
        detector.transform(defective), NEW_CORNERS, strict=True
    ):
        peak = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert np.abs(np.subtract(peak, (y + 25, x + 25))).max() < 12


def test_masks_cover_the_part_and_little_more():
    detector = ForegroundOnly(KNN, **RATE).fit(IMAGES)
    masks = detector.foreground_masks(NEW)
    assert masks.shape == NEW.shape[:3]
    for mask, (y, x) in zip(masks, NEW_CORNERS, strict=True):
        assert mask[y : y + SIDE, x : x + SIDE].all()
        wide = np.zeros_like(mask)
        wide[y - 24 : y + SIDE + 24, x - 24 : x + SIDE + 24] = True
        assert not mask[~wide].any()


def test_bank_holds_patches_of_the_part_only():
    detector = ForegroundOnly(
        PatchKNN(FilterBankEmbedder(4), coreset=None, calibration=None),
        calibration=None,
    ).fit(IMAGES)
    n_inside = sum(mask[2::4, 2::4].sum() for mask in detector.foreground_masks(IMAGES))
    assert len(detector.detector_.estimator_.bank_) == n_inside


class Brightness(BaseEstimator):
    """A foreign detector."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return [np.asarray(image, np.float32)[..., 0] for image in X]


class KnowsNoRegions(Brightness):
    """A foreign detector that yields maps by itself."""

    def detect(self, X):
        return ((anomaly_map, 1.0) for anomaly_map in self.transform(X))


@pytest.mark.parametrize(
    "inner",
    [
        PatchDetector(FilterBankEmbedder(4)),
        PaDiM(FilterBankEmbedder(4), random_state=0),
        Tiled(KNN, tile=64),
        make_pipeline(HomomorphicFilter(), KNN),
        MapDecision(KNN, SmoothMaps(2)),
        Brightness(),
        KnowsNoRegions(),
    ],
    ids=lambda inner: type(inner).__name__,
)
def test_any_detector_sees_the_part_only(inner):
    detector = ForegroundOnly(inner, FilterBankEmbedder(4), **RATE).fit(IMAGES)
    assert detector.component_ is not None
    masks = detector.foreground_masks(NEW)
    maps, scores = zip(*detector.detect(NEW), strict=True)
    assert (np.stack(maps)[~masks] == 0).all()
    assert all(one[mask].max() > 0 for one, mask in zip(maps, masks, strict=True))
    one_by_one = [detector.score_samples(image[None])[0] for image in NEW]
    assert_array_equal(one_by_one, -np.array(scores))


def test_containers_agree_and_the_file_is_complete(tmp_path):
    detector = ForegroundOnly(KNN, **RATE).fit(IMAGES)
    maps = detector.transform(NEW)
    paths = [str(tmp_path / f"{i}.png") for i in range(len(NEW))]
    for path, image in zip(paths, NEW, strict=True):
        write_image(path, image)
    assert_array_equal(detector.transform(paths), maps)
    joblib.dump(detector, tmp_path / "line.joblib")
    loaded = joblib.load(tmp_path / "line.joblib")
    assert_array_equal(loaded.transform(list(NEW)), maps)
    assert_array_equal(loaded.foreground_masks(NEW), detector.foreground_masks(NEW))


@pytest.mark.parametrize(
    "X",
    [make_images(8, size=(96, 96)), np.random.default_rng(0).normal(size=(12, 64))],
    ids=["texture", "line scans"],
)
def test_without_an_object_the_whole_image_counts(X):
    detector = ForegroundOnly(KNN, **RATE).fit(X)
    assert detector.component_ is None
    assert detector.foreground_masks(X).all()
    plain = KNN.__class__(**KNN.get_params(deep=False)).set_params(calibration=None)
    assert_array_equal(detector.transform(X), plain.fit(X).transform(X))


def test_an_image_without_the_part_is_looked_at_as_a_whole():
    empty = np.random.default_rng(5).normal(20, 2, (1, SIZE, SIZE, 3)).astype(np.uint8)
    detector = ForegroundOnly(KNN, **RATE).fit(IMAGES)
    assert detector.foreground_masks(empty).all()
    assert detector.predict(empty)[0] == -1


def test_inside_a_region_of_interest():
    roi = np.zeros((SIZE, SIZE), bool)
    roi[:, : SIZE // 2] = True
    outer = RegionOfInterest(ForegroundOnly(KNN), roi, **RATE).fit(IMAGES)
    maps = outer.transform(NEW)
    masks = outer.detector_.foreground_masks(NEW)
    assert (maps[~(masks & roi)] == 0).all()
    assert maps[masks & roi].max() > 0
    assert_allclose(-outer.score_samples(NEW), maps.max(axis=(1, 2)))


def test_turned_copies_have_masks_of_their_own():
    from functools import partial

    from skuad.augmentation import Compose, random_shift

    turn = Compose([partial(random_shift, max_shift=0, max_angle=180)], random_state=0)
    detector = Augmented(ForegroundOnly(KNN), turn, n_copies=2, **RATE).fit(IMAGES)
    turned = np.rot90(NEW, axes=(1, 2))
    plain = ForegroundOnly(KNN, **RATE).fit(IMAGES)
    assert detector.detector_.component_ is not None
    assert detector.score_samples(turned).mean() > plain.score_samples(turned).mean()


def test_the_embedder_of_the_detector_is_found(tmp_path):
    inner = make_pipeline(HomomorphicFilter(), Tiled(PatchKNN(FilterBankEmbedder(4))))
    detector = ForegroundOnly(inner, calibration=None).fit(IMAGES)
    assert detector.embedder_.stride == 4
    detector = ForegroundOnly(PatchKNN(memory=str(tmp_path)), calibration=None)
    assert detector.fit(IMAGES).embedder_.memory == str(tmp_path)
    detector = ForegroundOnly(Brightness(), calibration=None).fit(IMAGES)
    assert detector.embedder_.stride == 8


def test_memory_spares_the_second_embedding(tmp_path, monkeypatch):
    calls = []
    embed = FilterBankEmbedder._embed
    monkeypatch.setattr(
        FilterBankEmbedder,
        "_embed",
        lambda self, images: calls.append(len(images)) or embed(self, images),
    )
    knn = PatchKNN(FilterBankEmbedder(4), memory=str(tmp_path), random_state=0)
    detector = ForegroundOnly(knn, **RATE).fit(IMAGES)
    detector.transform(NEW)
    assert sum(calls) == len(IMAGES) + len(NEW)


class OfAnotherLibrary(BaseEstimator):
    """An embedder with nothing but fit and embed."""

    def fit(self, X, y=None):
        return self

    def embed(self, X):
        return FilterBankEmbedder(4).embed(X)


def test_an_embedder_with_fit_and_embed_only():
    options = {"calibration": None}
    detector = ForegroundOnly(KNN, OfAnotherLibrary(), **options).fit(IMAGES)
    plain = ForegroundOnly(KNN, **options).fit(IMAGES)
    assert_array_equal(detector.foreground_masks(NEW), plain.foreground_masks(NEW))
