import metric_reference as reference
import numpy as np
import pytest
from hypothesis import assume, given
from sklearn.metrics import average_precision_score, roc_auc_score
from strategies import data_set, examples

from skuad.metrics import (
    aupro_score,
    pixel_average_precision_score,
    pixel_f1_max_score,
    pixel_roc_auc_score,
    seg_f1_score,
)

TOLERANCE = {"rtol": 0, "atol": 1e-9}


def assume_defined(maps, masks, ignore):
    scores, truth = reference.pooled(maps, masks, ignore)
    assume(truth.any() and not truth.all())
    return scores, truth


@examples(150)
@given(data_set(with_ignore=True))
def test_metrics_equal_the_reference(data):
    maps, masks, ignore = data
    scores, truth = assume_defined(*data)
    np.testing.assert_allclose(
        pixel_roc_auc_score(masks, maps, ignore=ignore),
        reference.roc_auc(scores, truth),
        **TOLERANCE,
    )
    np.testing.assert_allclose(
        pixel_average_precision_score(masks, maps, ignore=ignore),
        reference.average_precision(scores, truth),
        **TOLERANCE,
    )
    best = pixel_f1_max_score(masks, maps, ignore=ignore)
    np.testing.assert_allclose(best, reference.f1_max(scores, truth), **TOLERANCE)
    at_best = seg_f1_score(masks, maps, threshold=best.threshold, ignore=ignore)
    np.testing.assert_allclose(at_best, best.score, **TOLERANCE)


@examples(150)
@given(data_set(with_ignore=True))
def test_aupro_equals_the_reference(data):
    maps, masks, ignore = data
    assume_defined(*data)
    for limit in (0.05, 0.3, 0.37, 1.0):
        np.testing.assert_allclose(
            aupro_score(masks, maps, max_fpr=limit, ignore=ignore),
            reference.aupro(maps, masks, limit, ignore),
            **TOLERANCE,
        )


@examples(100)
@given(data_set(with_ignore=True))
def test_seg_f1_equals_the_reference(data):
    maps, masks, ignore = data
    scores, truth = assume_defined(*data)
    for threshold in (-0.3, 0.5, float(np.median(scores))):
        np.testing.assert_allclose(
            seg_f1_score(masks, maps, threshold=threshold, ignore=ignore),
            reference.f1(scores, truth, threshold),
            **TOLERANCE,
        )


@examples(50)
@given(data_set(dtypes=("float32", "float64", "uint8")))
def test_metrics_equal_scikit_learn(data):
    maps, masks, _ = data
    scores, truth = assume_defined(*data)
    assert abs(pixel_roc_auc_score(masks, maps) - roc_auc_score(truth, scores)) < 1e-12
    expected = average_precision_score(truth, scores)
    assert abs(pixel_average_precision_score(masks, maps) - expected) < 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_large_maps_equal_scikit_learn(dtype):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 600, 400)).astype(dtype)
    masks = rng.random(maps.shape) < 0.02
    maps[masks] += 1
    truth, scores = masks.ravel(), maps.ravel()
    assert abs(pixel_roc_auc_score(masks, maps) - roc_auc_score(truth, scores)) < 1e-12
    expected = average_precision_score(truth, scores)
    assert abs(pixel_average_precision_score(masks, maps) - expected) < 1e-12


def test_a_threshold_is_not_rounded_to_the_dtype_of_the_map():
    value = np.float32(0.1)  # a little more than 0.1
    maps, masks = np.array([[[value, 0]]], np.float32), np.array([[[1, 0]]])
    assert seg_f1_score(masks, maps, threshold=0.1) == 1
    assert seg_f1_score(masks, maps, threshold=float(value)) == 1
    above = float(np.nextafter(float(value), 1))
    assert seg_f1_score(masks, maps, threshold=above) == 0


def test_inputs_are_not_changed():
    rng = np.random.default_rng(0)
    maps, masks = rng.normal(size=(2, 9, 9)), rng.random((2, 9, 9)) < 0.2
    before = maps.copy(), masks.copy()
    maps.flags.writeable = masks.flags.writeable = False
    aupro_score(masks, maps)
    seg_f1_score(masks, maps, threshold=0.5)
    np.testing.assert_array_equal((maps, masks), before)


def test_scores_of_a_large_range_are_told_apart():
    maps = np.array([[[1e30, 1e-30, 1e-38, -1e30, 0.0, 2e-38]]], np.float32)
    masks = np.array([[[1, 1, 0, 0, 0, 0]]])
    assert pixel_roc_auc_score(masks, maps) == 1
    assert pixel_f1_max_score(masks, maps) == (1, float(np.float32(1e-30)))
