import metric_reference as reference
import numpy as np
import pytest
from hypothesis import assume, given
from strategies import data_set, examples

from skuad.metrics import (
    aupro_score,
    pixel_roc_auc_score,
    pixel_roc_curve,
    pro_curve,
)


@examples(100)
@given(data_set(with_ignore=True))
def test_the_areas_are_those_of_the_scores(data):
    maps, masks, ignore = data
    _, truth = reference.pooled(maps, masks, ignore)
    assume(truth.any() and not truth.all())
    for max_points in (None, 1000):
        fpr, tpr, _ = pixel_roc_curve(masks, maps, max_points=max_points, ignore=ignore)
        area = pixel_roc_auc_score(masks, maps, ignore=ignore)
        assert np.trapezoid(tpr, fpr) == pytest.approx(area, abs=1e-9)
        fpr, pro, _ = pro_curve(masks, maps, max_points=max_points, ignore=ignore)
        for limit in (0.3, 1.0):
            area = aupro_score(masks, maps, max_fpr=limit, ignore=ignore)
            assert reference.area_up_to(fpr, pro, limit) == pytest.approx(
                area, abs=1e-9
            )


@examples(100)
@given(data_set())
def test_every_point_is_that_of_its_threshold(data):
    maps, masks, _ = data
    scores, truth = reference.pooled(maps, masks)
    assume(truth.any() and not truth.all())
    fpr, tpr, thresholds = pixel_roc_curve(masks, maps, max_points=None)
    assert (np.diff(thresholds) < 0).all()
    for x, y, threshold in zip(fpr, tpr, thresholds, strict=True):
        assert x == pytest.approx(np.mean(scores[~truth] >= threshold))
        assert y == pytest.approx(np.mean(scores[truth] >= threshold))
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_thinning_keeps_the_ends_and_nearly_the_area():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 100, 100))
    masks = rng.random(maps.shape) < 0.1
    maps[masks] += 1.5
    for curve in (pixel_roc_curve, pro_curve):
        x, y, thresholds = curve(masks, maps, max_points=None)
        few = curve(masks, maps, max_points=50)
        assert len(x) > 2000 and 25 < len(few[0]) <= 50
        assert (few[0][0], few[1][0], few[0][-1], few[1][-1]) == (0, 0, 1, 1)
        assert np.trapezoid(few[1], few[0]) == pytest.approx(
            np.trapezoid(y, x), abs=2e-3
        )
        assert set(few[2]) <= set(thresholds)


def test_max_points_out_of_range_raises():
    for curve in (pixel_roc_curve, pro_curve):
        with pytest.raises(ValueError, match="max_points"):
            curve([None], np.zeros((1, 2, 2)), max_points=1)
