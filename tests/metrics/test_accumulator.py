import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from strategies import data_set, examples

from skuad.metrics import (
    MapMetrics,
    aupimo_score,
    aupro_score,
    image_average_precision_score,
    image_f1_max_score,
    image_roc_auc_score,
    map_metrics,
    pixel_average_precision_score,
    pixel_f1_max_score,
    pixel_roc_auc_score,
)

PIXEL = ["pixel_roc_auc", "pixel_average_precision", "pixel_f1_max"]
PIXEL += ["aupro", "aupro@0.05", "aupimo"]
IMAGE = ["image_roc_auc", "image_average_precision", "image_f1_max"]


def one_by_one(maps, masks, scores, ignore):
    f1, threshold = pixel_f1_max_score(masks, maps, ignore=ignore)
    image_f1, image_threshold = image_f1_max_score(masks, scores)
    return {
        "pixel_roc_auc": pixel_roc_auc_score(masks, maps, ignore=ignore),
        "pixel_average_precision": pixel_average_precision_score(
            masks, maps, ignore=ignore
        ),
        "pixel_f1_max": f1,
        "pixel_f1_max_threshold": threshold,
        "aupro": aupro_score(masks, maps, ignore=ignore),
        "aupro@0.05": aupro_score(masks, maps, max_fpr=0.05, ignore=ignore),
        "aupimo": aupimo_score(masks, maps, ignore=ignore),
        "image_roc_auc": image_roc_auc_score(masks, scores),
        "image_average_precision": image_average_precision_score(masks, scores),
        "image_f1_max": image_f1,
        "image_f1_max_threshold": image_threshold,
    }


def batches(data, sizes):
    start = 0
    for size in sizes:
        stop = start + size
        yield [None if part is None else part[start:stop] for part in data]
        start = stop


@examples(80)
@given(data_set(max_images=6, with_ignore=True), st.booleans(), st.data())
def test_batches_equal_all_at_once(data, two_pass, drawn):
    maps, masks, ignore = data
    has_defect = [m is not None and m.any() for m in masks]
    assume(any(has_defect) and not all(has_defect))
    # Leave some pixel of each kind.
    ignore = [
        i if i is None or not d else i & ~m
        for i, d, m in zip(ignore, has_defect, masks, strict=True)
    ]
    ignore = [None if not d else i for i, d in zip(ignore, has_defect, strict=True)]
    scores = np.array([float(m.max()) for m in maps])
    expected = one_by_one(maps, masks, scores, ignore)
    cut = drawn.draw(st.integers(0, len(maps)))
    sizes = [size for size in (cut, len(maps) - cut) if size]
    metrics = MapMetrics(PIXEL + IMAGE, two_pass=two_pass)
    for some, truth, score, ignored in batches((maps, masks, scores, ignore), sizes):
        metrics.update(some, truth, scores=score, ignore=ignored)
    if two_pass:
        metrics.start_second_pass()
        for some, _, _, ignored in batches((maps, masks, scores, ignore), sizes):
            metrics.update(some, ignore=ignored)
    values = metrics.compute()
    assert values == pytest.approx(expected, abs=1e-12)
    assert metrics.compute() == values
    together = map_metrics(masks, maps, PIXEL + IMAGE, scores=scores, ignore=ignore)
    assert together == pytest.approx(expected, abs=1e-12)
    assert list(together) == list(values)


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
def test_large_batches(dtype):
    rng = np.random.default_rng(0)
    maps = (rng.normal(size=(6, 500, 300)) * 20 + 100).clip(0, 255).astype(dtype)
    masks = np.zeros(maps.shape, bool)
    masks[3:, 100:130, 50:90] = True
    expected = map_metrics(masks, maps, PIXEL)
    metrics = MapMetrics(PIXEL)
    buffer = np.empty((2, 500, 300), dtype)
    for start in (0, 2, 4):
        buffer[:] = maps[start : start + 2]  # a caller may use its arrays again
        metrics.update(buffer, masks[start : start + 2])
    assert metrics.compute() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
def test_memory_does_not_grow_with_the_normal_pixels(dtype):
    import pickle

    metrics = MapMetrics("aupro")
    maps = np.random.default_rng(0).random((1, 200, 200)).astype(dtype)
    mask = np.zeros((200, 200), bool)
    mask[:5, :5] = True
    metrics.update([*maps, *maps], [mask, None])
    size = len(pickle.dumps(metrics))
    for _ in range(20):
        metrics.update(maps, [None])
    assert len(pickle.dumps(metrics)) < size + 1000


def test_two_passes_keep_no_normal_pixel():
    import pickle

    metrics = MapMetrics("aupro", two_pass=True)
    mask = np.zeros((200, 200), bool)
    mask[:5, :5] = True
    metrics.update(np.zeros((2, 200, 200), np.float32), [mask, None])
    assert len(pickle.dumps(metrics)) < 4000


def test_maps_of_several_dtypes():
    rng = np.random.default_rng(0)
    masks = rng.random((4, 9, 9)) < 0.2
    masks[0] = False
    values = rng.integers(0, 50, size=masks.shape)
    maps = [values[0].astype("uint8"), values[1].astype("float16"), *values[2:] / 2]
    metrics = MapMetrics(PIXEL)
    for some, mask in zip(maps, masks, strict=True):
        metrics.update([some], [mask])
    exact = [np.asarray(some, np.float64) for some in maps]
    assert metrics.compute() == pytest.approx(map_metrics(masks, exact, PIXEL))
    assert map_metrics(masks, maps, PIXEL) == metrics.compute()


def test_labels_for_image_metrics():
    metrics = MapMetrics("image_roc_auc")
    metrics.update(labels=[1, -1], scores=[0.1, 0.4])
    metrics.update(labels=[1, -1], scores=[0.3, 0.2])
    assert metrics.compute() == {"image_roc_auc": 0.75}
    assert map_metrics([1, -1], metrics="image_roc_auc", scores=[0, 1]) == {
        "image_roc_auc": 1
    }


def test_unknown_extent_is_warned_of_once():
    maps, mask = np.arange(12.0).reshape(3, 2, 2), np.array([[0, 0], [0, 1]])
    metrics = MapMetrics(["aupro", "pixel_roc_auc", "image_roc_auc"])
    for index, truth in enumerate([None, mask, -1]):
        metrics.update(maps[index : index + 1], [truth], scores=[index])
    with pytest.warns(UserWarning, match="1 anomalous image") as caught:
        values = metrics.compute()
    assert len(caught) == 1
    assert values["pixel_roc_auc"] == pixel_roc_auc_score([None, mask], maps[:2])
    assert values["image_roc_auc"] == 1


def test_labels_for_pixel_metrics_raise():
    maps = np.zeros((2, 3, 3))
    for labels in ([-1, -1], [1, -1], np.array([-1, -1])):
        with pytest.raises(ValueError, match="need a mask per image"):
            map_metrics(labels, maps)
    for labels in ([1, -1], np.array([-1, -1])):
        with pytest.raises(ValueError, match="need a mask per image"):
            MapMetrics().update(maps, labels)


def test_undefined_metrics_are_nan():
    with pytest.warns(UndefinedMetricWarning):
        values = map_metrics([None], np.zeros((1, 2, 2)), PIXEL + IMAGE, scores=[0])
    assert len(values) == 11 and all(np.isnan(value) for value in values.values())


def test_wrong_use_raises():
    maps, masks = np.zeros((2, 3, 3)), np.ones((2, 3, 3))
    with pytest.raises(ValueError, match=r"no metric 'auroc'\..* are pixel_roc_auc"):
        MapMetrics("auroc")
    with pytest.raises(ValueError, match=r"no metric 'pixel_roc_auc@0\.1'"):
        MapMetrics("pixel_roc_auc@0.1")
    with pytest.raises(ValueError, match="max_fpr is 2"):
        MapMetrics("aupro@2")
    with pytest.raises(ValueError, match="no number"):
        MapMetrics("aupro@x")
    with pytest.raises(ValueError, match="empty"):
        MapMetrics([])
    with pytest.raises(ValueError, match="nothing to compute"):
        MapMetrics().compute()
    with pytest.raises(ValueError, match="need maps and masks"):
        MapMetrics().update(maps)
    with pytest.raises(ValueError, match="need scores"):
        map_metrics(masks, maps, ["aupro", "image_roc_auc"])
    with pytest.raises(ValueError, match="no second pass"):
        MapMetrics().start_second_pass()


def test_a_second_pass_that_differs_raises():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((3, 4, 4)), np.zeros((3, 4, 4))
    masks[0, 0, :3] = 1
    metrics = MapMetrics(two_pass=True)
    metrics.update(maps, masks)
    with pytest.raises(ValueError, match="0 of 3 images"):
        metrics.compute()
    metrics.start_second_pass()
    with pytest.raises(ValueError, match="no second pass"):
        metrics.start_second_pass()
    with pytest.raises(ValueError, match="needs the maps"):
        metrics.update()
    metrics.update(maps[:2])
    with pytest.raises(ValueError, match="2 of 3 images"):
        metrics.compute()
    with pytest.raises(ValueError, match="more images"):
        metrics.update(maps[:2])
    metrics = MapMetrics(two_pass=True)
    metrics.update(maps, masks)
    metrics.start_second_pass()
    metrics.update(maps - 5)
    with pytest.raises(ValueError, match="other maps"):
        metrics.compute()
