"""SmoothMaps and MapDecision."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skuad.detectors import PatchDetector, PatchKNN, Tiled
from skuad.feature_extraction import FilterBankEmbedder
from skuad.postprocessing import MapDecision, SmoothMaps, clean_mask, mask_regions
from skuad.preprocessing import GrayWorld
from skuad.utils._testing_images import make_images

IMAGES = make_images(20)
FOLDS = 20  # of "auto"
DEFECTIVE = IMAGES[:2].copy()
DEFECTIVE[0, 16:32, 16:32] = [255, 0, 255]


def test_smoothing_is_a_gaussian():
    maps = np.random.default_rng(0).normal(size=(2, 40, 50))
    expected = [gaussian_filter(one, 2, mode="reflect", truncate=4) for one in maps]
    np.testing.assert_allclose(SmoothMaps(sigma=2).transform(maps), expected, atol=2e-3)
    np.testing.assert_array_equal(SmoothMaps(sigma=0).transform(maps), maps)


def test_smoothing_of_line_scans_stays_in_the_line():
    rows = np.zeros((3, 30))
    rows[1, 15] = 1
    smooth = SmoothMaps(sigma=2).transform(rows)
    assert (smooth[[0, 2]] == 0).all()
    assert smooth[1].sum() == pytest.approx(1)


def test_threshold_is_set_on_processed_maps_of_held_out_images():
    decision = MapDecision(PatchDetector(), SmoothMaps(2), false_alarm_rate=0.1)
    decision.fit(IMAGES)
    scores = np.empty(len(IMAGES))
    for train, test in KFold(FOLDS).split(IMAGES):
        fold = PatchDetector(calibration=None).fit(IMAGES[train])
        maps = SmoothMaps(2).transform(fold.transform(IMAGES[test]))
        scores[test] = -maps.max(axis=(1, 2))
    expected = np.quantile(scores, 0.1, method="weibull")
    np.testing.assert_allclose(decision.offset_, expected, rtol=1e-6)


class HoldsNan(PatchDetector):
    """A detector whose map of a dark image is NaN."""

    def _detect_fold(self, images, learned, train, test):
        found = super()._detect_fold(images, learned, train, test)
        for number, (anomaly_map, score) in zip(test, found, strict=True):
            yield anomaly_map * (np.nan if images[number].max() == 0 else 1), score


def test_a_map_that_cannot_be_processed_is_named():
    images = [*IMAGES]
    images[7] = np.zeros_like(images[7])
    decision = MapDecision(HoldsNan(), SmoothMaps(2))
    with pytest.raises(ValueError, match=r"^the map of image 7: Input X contains NaN"):
        decision.fit(images, np.r_[-1, -1, np.ones(18)])


def test_errors_name_the_image_as_the_user_counts():
    images = [*IMAGES]
    images[7] = np.full(images[7].shape, np.nan)
    with pytest.raises(ValueError, match=r"^image 7: "):
        MapDecision(PatchDetector()).fit(images, np.r_[-1, -1, np.ones(18)])


class CountedEmbedder(FilterBankEmbedder):
    """A filter bank that counts the images that it has embedded."""

    n_embedded = 0

    def _embed(self, images):
        CountedEmbedder.n_embedded += len(images)
        return super()._embed(images)


@pytest.mark.parametrize("tile", [None, 32])
def test_images_are_embedded_no_more_often_than_by_the_detector_itself(tile):
    """The folds of the threshold are those of the inner detector's own sample."""
    detector = PatchKNN(CountedEmbedder(), random_state=0)
    if tile:
        detector = Tiled(detector, tile=tile)
    CountedEmbedder.n_embedded = 0
    detector.fit(IMAGES)
    n_embedded = CountedEmbedder.n_embedded
    decision = MapDecision(detector, SmoothMaps(sigma=1)).fit(IMAGES)
    assert CountedEmbedder.n_embedded == 2 * n_embedded
    assert np.isfinite(decision.offset_)


def test_an_image_is_flagged_exactly_if_its_mask_has_a_pixel():
    inner = make_pipeline(GrayWorld(), Tiled(PatchKNN(random_state=0), tile=32))
    decision = MapDecision(inner, SmoothMaps(1), false_alarm_rate=0.3).fit(IMAGES)
    images = np.concatenate([DEFECTIVE, make_images(20, seed=1)])
    flagged = decision.predict(images) == -1
    assert 0 < flagged.sum() < len(images)
    np.testing.assert_array_equal(
        decision.predict_mask(images).any(axis=(1, 2)), flagged
    )


def test_regions_outline_the_defect():
    decision = MapDecision(PatchKNN(random_state=0), false_alarm_rate=0.1).fit(IMAGES)
    mask = decision.predict_mask(DEFECTIVE)[0]
    assert mask[16:32, 16:32].mean() > 0.9
    regions = decision.regions(DEFECTIVE)[0]
    assert regions[0]["peak"] == decision.transform(DEFECTIVE)[0].max()
    y0, x0, y1, x1 = regions[0]["box"]
    assert y0 <= 18 and x0 <= 18 and y1 >= 30 and x1 >= 30
    assert sum(region["area"] for region in regions) == mask.sum()


def test_threshold_of_pixels_and_missing_threshold():
    decision = MapDecision(PatchDetector(), calibration=None).fit(IMAGES)
    with pytest.raises(ValueError, match="has no threshold"):
        decision.predict_mask(DEFECTIVE)
    decision.set_params(threshold=3.0)
    np.testing.assert_array_equal(
        decision.predict_mask(DEFECTIVE), decision.transform(DEFECTIVE) > 3.0
    )


def test_clean_mask():
    mask = np.zeros((20, 20), bool)
    mask[2:6, 2:6] = True
    mask[3, 3] = False
    mask[2:6, 8:10] = True
    mask[15, 15] = True
    assert clean_mask(mask, fill_holes=True)[3, 3]
    assert not clean_mask(mask, min_area=2)[15, 15]
    assert clean_mask(mask, min_area=2)[2, 2]
    assert label(mask)[1] == 3
    assert label(clean_mask(mask, closing=4))[1] == 2
    # Nothing is lost by closing, also at the border.
    border = np.zeros((20, 20), bool)
    border[0, :] = True
    assert (clean_mask(border, closing=5) >= border).all()
    np.testing.assert_array_equal(clean_mask(mask), mask)


def test_mask_regions_of_touching_corners_are_one():
    mask = np.eye(4, dtype=bool)
    anomaly_map = np.arange(16.0).reshape(4, 4)
    (region,) = mask_regions(anomaly_map, mask)
    assert region == {
        "area": 4,
        "box": (0, 0, 4, 4),
        "peak": 15.0,
        "peak_at": (3, 3),
        "mean": 7.5,
    }
    assert mask_regions(anomaly_map, np.zeros((4, 4), bool)) == []
