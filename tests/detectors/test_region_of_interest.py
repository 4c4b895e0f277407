"""RegionOfInterest: what lies outside plays no part."""

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from skuad.detectors import PatchDetector, PatchKNN, RegionOfInterest, Tiled
from skuad.detectors._region_of_interest import region_mask
from skuad.io import write_image
from skuad.postprocessing import MapDecision, SmoothMaps
from skuad.preprocessing import GrayWorld
from skuad.utils._testing_images import make_images

IMAGES = make_images(12, size=(64, 96))
ROI = np.zeros((64, 96), bool)
ROI[:, :48] = True
# What the filters of a patch inside can see ends well before this column.
CLUTTERED = IMAGES.copy()
CLUTTERED[:, :, 80:] = np.random.default_rng(0).integers(0, 256, (12, 64, 16, 3))


class Brightness(BaseEstimator):
    def fit(self, X, y=None):
        self.n_ = len(X)
        return self

    def transform(self, X):
        return [np.asarray(image, np.float32)[..., 0] for image in X]


DETECTORS = [
    PatchKNN(random_state=0),
    PatchKNN(coreset="random", random_state=0),
    PatchDetector(),
    Tiled(PatchKNN(random_state=0), tile=32),
    Tiled(PatchKNN(random_state=0), tile=40, stride=24),
    make_pipeline(GrayWorld(), PatchDetector()),
    Tiled(make_pipeline(GrayWorld(), PatchDetector()), tile=32),
    MapDecision(PatchDetector()),
    Brightness(),
    Tiled(Brightness(), tile=32),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: str(d).split("\n")[0])
def test_outside_is_zero_and_changes_nothing(detector):
    whole_image_balance = "steps=[('grayworld'" in repr(detector)[:30]
    fitted = RegionOfInterest(detector, ROI, false_alarm_rate=0.1).fit(IMAGES)
    maps = fitted.transform(IMAGES)
    assert (maps[:, ~ROI] == 0).all()
    assert maps[:, ROI].max() > 0
    if whole_image_balance:
        return
    cluttered = RegionOfInterest(detector, ROI, false_alarm_rate=0.1).fit(CLUTTERED)
    # The filter bank subtracts the image's mean colour before it squares: rounding.
    close = {"rtol": 1e-4}
    np.testing.assert_allclose(cluttered.transform(CLUTTERED), maps, **close)
    np.testing.assert_allclose(
        cluttered.score_samples(CLUTTERED), fitted.score_samples(IMAGES), **close
    )
    np.testing.assert_allclose(cluttered.offset_, fitted.offset_, **close)


def test_bank_holds_patches_inside_only():
    roi = ROI.copy()
    fitted = RegionOfInterest(PatchKNN(coreset=None), roi).fit(IMAGES)
    assert fitted.detector_.n_patches_ == 12 * 8 * 6
    assert len(fitted.detector_.estimator_.bank_) == 12 * 8 * 6


def test_tiles_wholly_outside_are_not_run():
    fitted = RegionOfInterest(Tiled(Brightness(), tile=32), ROI).fit(IMAGES)
    # Two rows of tiles; the third column lies outside.
    assert fitted.detector_.detector_.n_ == 12 * 2 * 2


def test_a_defect_inside_is_found():
    defective = IMAGES[:1].copy()
    defective[0, 20:36, 12:28] = [255, 0, 255]
    fitted = RegionOfInterest(PatchKNN(random_state=0), ROI, false_alarm_rate=0.1)
    assert fitted.fit(IMAGES).predict(defective)[0] == -1
    peak = np.unravel_index(fitted.transform(defective)[0].argmax(), ROI.shape)
    assert 16 <= peak[0] < 40
    assert 8 <= peak[1] < 32


def test_forms_of_a_region(tmp_path):
    polygon = [(0, 0), (47, 0), (47, 63), (0, 63)]
    write_image(tmp_path / "roi.png", ROI.astype(np.uint8) * 255)
    for roi in (ROI, ROI.astype(int) * 7, polygon, tmp_path / "roi.png"):
        np.testing.assert_array_equal(region_mask(roi, (64, 96)), ROI)


@pytest.mark.parametrize(
    ("roi", "message"),
    [
        (np.ones((64, 90)), r"64 x 90 pixels, but the image 64 x 96"),
        (np.zeros((64, 96)), "no pixel"),
        ([(200, 200), (300, 200), (300, 300)], "no pixel"),
        ([(0, 0), (5, 5)], "3 points or more"),
        (np.ones(5), "mask \\(H, W\\) or a polygon"),
    ],
)
def test_bad_regions(roi, message):
    with pytest.raises(ValueError, match=message):
        RegionOfInterest(PatchDetector(), roi).fit(IMAGES)


def test_an_image_of_another_size_is_named():
    fitted = RegionOfInterest(PatchDetector(), ROI).fit(IMAGES)
    with pytest.raises(ValueError, match=r"image 1: .*32 x 96.*64 x 96"):
        fitted.transform([IMAGES[0], IMAGES[1][:32]])


def test_the_padding_of_tiles_is_not_inside():
    images = [IMAGES[0][:32, :32], *(image[:16, :32] for image in IMAGES[:4])]
    inner = RegionOfInterest(PatchDetector(calibration=None), np.ones((32, 32)))
    tiled = Tiled(inner, tile=32, calibration=None).fit(images)
    assert tiled.detector_.detector_.n_patches_ == 4 * 4 + 4 * 2 * 4


@pytest.mark.parametrize("inner", [PatchDetector(), Tiled(PatchDetector(), tile=32)])
def test_regions_that_do_not_overlap(inner):
    nested = RegionOfInterest(RegionOfInterest(inner, ROI), ~ROI)
    with pytest.raises(ValueError, match="no pixel lies inside both"):
        nested.fit(IMAGES)


def test_errors_name_the_image_as_the_user_counts():
    images = [*IMAGES]
    images[5] = np.full((64, 96, 3), np.nan)
    with pytest.raises(ValueError, match=r"^image 5: "):
        RegionOfInterest(PatchDetector(), ROI).fit(images, np.r_[-1, -1, np.ones(10)])


def test_region_is_stored_in_the_file(tmp_path):
    write_image(tmp_path / "roi.png", ROI.astype(np.uint8) * 255)
    fitted = RegionOfInterest(PatchDetector(), str(tmp_path / "roi.png")).fit(IMAGES)
    joblib.dump(fitted, tmp_path / "line.joblib")
    maps = fitted.transform(IMAGES)
    (tmp_path / "roi.png").unlink()
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "line.joblib").transform(IMAGES), maps
    )


def test_outside_is_no_maximum_of_negative_maps():
    inner = Tiled(PatchDetector(estimator=OneClassSVM(nu=0.1)), tile=32)
    fitted = RegionOfInterest(inner, ROI, false_alarm_rate=0.1).fit(IMAGES)
    maps = fitted.transform(IMAGES)
    assert maps[:, ROI].min() < 0
    assert (maps[:, ~ROI].max(axis=1) <= maps[:, ROI].min(axis=1)).all()


def test_smoothing_inside_does_not_leak_out():
    inner = MapDecision(PatchDetector(), SmoothMaps(4), pool="mean")
    fitted = RegionOfInterest(inner, ROI, false_alarm_rate=0.1).fit(IMAGES)
    maps = fitted.transform(IMAGES)
    assert (maps[:, ~ROI] == 0).all()
    np.testing.assert_allclose(
        -fitted.score_samples(IMAGES), maps[:, ROI].mean(axis=1), rtol=1e-5
    )


def test_line_scans_have_no_region():
    lines = np.random.default_rng(0).random((20, 96)).astype(np.float32)
    detector = RegionOfInterest(PatchKNN(coreset="random", false_alarm_rate=0.2), ROI)
    with pytest.raises(ValueError, match="set roi=None"):
        detector.fit(lines)
    fitted = detector.set_params(roi=None).fit(lines)
    assert fitted.transform(lines).shape == (20, 96)
