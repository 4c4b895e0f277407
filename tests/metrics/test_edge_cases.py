"""What the metrics do where others fail silently."""

from functools import partial

import cv2
import metric_reference as reference
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from skuad.metrics import (
    aupimo_score,
    aupro_score,
    image_average_precision_score,
    image_f1_max_score,
    image_roc_auc_score,
    map_metrics,
    metrics_by_image,
    metrics_by_type,
    pixel_average_precision_score,
    pixel_f1_max_score,
    pixel_roc_auc_score,
    pixel_roc_curve,
    pro_curve,
    seg_f1_score,
)

RANKING = {
    "auroc": pixel_roc_auc_score,
    "ap": pixel_average_precision_score,
    "f1_max": pixel_f1_max_score,
    "aupro": aupro_score,
    "aupimo": aupimo_score,
}
ALL = {
    **RANKING,
    "seg_f1": partial(seg_f1_score, threshold=0.5),
    "roc_curve": pixel_roc_curve,
    "pro_curve": pro_curve,
    "map_metrics": map_metrics,
    "by_image": metrics_by_image,
    "by_type": partial(metrics_by_type, n_resamples=0),
}
IMAGE = {
    "auroc": image_roc_auc_score,
    "ap": image_average_precision_score,
    "f1_max": image_f1_max_score,
}


def parametrize(metrics):
    return pytest.mark.parametrize("metric", metrics.values(), ids=metrics.keys())


@pytest.fixture
def maps():
    return np.random.default_rng(0).random((3, 6, 8))


@pytest.fixture
def masks():
    masks = np.zeros((3, 6, 8), bool)
    masks[1, 1:3, 2:4] = masks[2, 4, 5] = True
    return masks


@parametrize(RANKING)
def test_no_anomalous_pixel(metric, maps):
    with pytest.warns(UndefinedMetricWarning, match="no anomalous"):
        assert np.isnan(metric([None, None, np.zeros((6, 8))], maps)).all()


@parametrize(RANKING)
def test_no_normal_pixel(metric, maps):
    with pytest.warns(UndefinedMetricWarning, match="no normal"):
        assert np.isnan(metric(np.ones((3, 6, 8)), maps)).all()


def test_seg_f1_without_an_anomalous_pixel(maps):
    with pytest.warns(UndefinedMetricWarning, match="no anomalous"):
        assert np.isnan(seg_f1_score([None] * 3, maps, threshold=0.5))


def test_curves_without_an_anomalous_pixel(maps):
    for curve in (pixel_roc_curve, pro_curve):
        with pytest.warns(UndefinedMetricWarning, match="no anomalous"):
            assert [len(part) for part in curve([None] * 3, maps)] == [0, 0, 0]


def test_ignoring_all_anomalous_pixels_leaves_the_metric_undefined(maps, masks):
    with pytest.warns(UndefinedMetricWarning, match="no anomalous"):
        assert np.isnan(aupro_score(masks, maps, ignore=masks))


def test_an_image_that_is_anomalous_in_full_is_one_region(maps):
    masks = [np.ones((6, 8)), None, None]
    score = aupro_score(masks, maps)
    assert score == pytest.approx(reference.aupro(maps, masks, 0.3), abs=1e-12)
    high = maps.copy()
    high[0] += 1
    assert aupro_score(masks, high) == pytest.approx(1, abs=1e-12)


@parametrize(ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("image", [0, 1])
def test_a_map_with_nan_or_infinity_is_named(metric, bad, image, maps, masks):
    maps[image, 1, 2] = bad
    with pytest.raises(ValueError, match=rf"maps\[{image}\] contains NaN or inf"):
        metric(masks, maps)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
def test_a_constant_map(dtype, masks):
    maps = np.full((3, 6, 8), 3, dtype)
    assert pixel_roc_auc_score(masks, maps) == 0.5
    for limit in (0.05, 0.3, 1.0):
        assert aupro_score(masks, maps, max_fpr=limit) == pytest.approx(limit / 2)


def test_maps_of_different_sizes(maps, masks):
    maps = [maps[0], maps[1, :, :5], maps[2, :5]]
    masks = [None, masks[1, :, :5], masks[2, :5]]
    expected = reference.aupro(maps, masks, 0.3)
    assert aupro_score(masks, maps) == pytest.approx(expected, abs=1e-12)


@parametrize(ALL)
def test_a_mask_of_another_size_raises(metric, maps, masks):
    with pytest.raises(ValueError, match=r"y_true\[1\] has shape \(3, 4\).*resize"):
        metric([None, masks[1, ::2, ::2], None], maps)


@parametrize(ALL)
def test_ignored_pixels_of_another_size_raise(metric, maps, masks):
    with pytest.raises(ValueError, match=r"ignore\[\d\] has shape \(3, 4\)"):
        metric(masks, maps, ignore=np.zeros((3, 4)))


@parametrize(ALL)
def test_lengths_must_agree(metric, maps, masks):
    with pytest.raises(ValueError, match="2 masks for 3 maps"):
        metric(masks[:2], maps)
    with pytest.raises(ValueError, match="ignore has 2 masks for 3 maps"):
        metric(masks, maps, ignore=[None, None])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "int64"])
def test_integer_maps(dtype, maps, masks):
    maps = (maps * 100).astype(dtype)
    expected = aupro_score(masks, maps.astype(np.float64))
    assert aupro_score(masks, maps) == expected


def test_bool_maps(maps, masks):
    found = maps > 0.7
    assert aupro_score(masks, found) == aupro_score(masks, found.astype(float))
    assert seg_f1_score(masks, found, threshold=1) == seg_f1_score(
        masks, maps, threshold=np.nextafter(0.7, 1)
    )


@pytest.mark.parametrize("mark", [np.uint8(255), np.uint8(1), 1.0, -1, np.uint16(700)])
def test_masks_are_anomalous_where_not_zero(mark, maps, masks):
    marked = masks * np.asarray(mark)
    assert aupro_score(marked, maps) == aupro_score(masks, maps)


@parametrize(RANKING)
def test_scores_are_neither_transformed_nor_normalised(metric, maps, masks):
    # An increasing function that takes the scores out of [0, 1] changes nothing;
    # one per image, as normalising each image would be, does.
    kwargs = {"fpr_bounds": (0.01, 0.5)} if metric is aupimo_score else {}
    score = np.ravel(metric(masks, maps, **kwargs))[0]
    moved = np.ravel(metric(masks, np.exp(20 * maps) - 3, **kwargs))[0]
    assert score == moved
    maps[0] *= 5
    assert np.ravel(metric(masks, maps, **kwargs))[0] < score


def test_a_tie_astride_the_limit_counts_in_part():
    # Half of the normal pixels tie with the only anomalous one: up to the limit
    # of 0.25 the recall climbs to one half.
    maps, masks = np.array([[[1, 1, 1, 0, 0]]]), np.array([[[1, 0, 0, 0, 0]]])
    assert aupro_score(masks, maps, max_fpr=0.25) == pytest.approx(0.25)


@parametrize(IMAGE)
@pytest.mark.parametrize("labels", [[0, 1, 0], [1, 0, 0], [True, False, True]])
def test_image_labels_of_0_and_1_raise(metric, labels):
    with pytest.raises(ValueError, match=r"\+1 for a normal image and -1"):
        metric(labels, [0.1, 0.2, 0.3])


@parametrize(ALL)
@pytest.mark.parametrize("labels", [[1, -1, 1], [0, 1, 0], np.array([[1], [-1], [1]])])
def test_pixel_metrics_say_why_they_need_masks(metric, labels, maps):
    with pytest.raises(ValueError, match=r"pixel metrics need a\s+mask per image"):
        metric(labels, maps)


@parametrize(ALL)
def test_an_image_of_unknown_extent_is_left_out_with_a_warning(metric, maps, masks):
    entries = [*masks, -1]
    more = np.concatenate([maps, maps[:1]])
    with pytest.warns(UserWarning, match="1 anomalous image.* left out") as caught:
        score = metric(entries, more)
    assert len([w for w in caught if "left out" in str(w.message)]) == 1
    if metric in RANKING.values():
        expected = metric(masks, maps)
        np.testing.assert_array_equal(score, expected)


def test_an_image_of_unknown_extent_counts_in_image_metrics(masks):
    entries = [None, masks[1], None, -1]
    assert image_roc_auc_score(entries, [0.1, 0.9, 0.5, 0.3]) == 0.75


@pytest.mark.parametrize("entry", [0, 2, np.int64(0)])
def test_other_numbers_in_a_list_of_masks_raise(entry, maps, masks):
    with pytest.raises(ValueError, match=r"y_true\[1\] is .*None is a good"):
        aupro_score([None, entry, masks[2]], maps)


def test_plus_one_in_a_list_of_masks_is_a_good_image(maps, masks):
    assert aupro_score([1, 1, masks[2]], maps) == aupro_score(
        [None, None, masks[2]], maps
    )


def test_line_scans(maps, masks):
    rows, row_masks = maps[:, 0], masks[:, 1]
    images, image_masks = rows[:, None], row_masks[:, None]
    score = aupro_score(row_masks, rows, ignore=rows > 0.9)
    assert score == aupro_score(image_masks, images, ignore=images > 0.9)
    assert aupro_score(list(row_masks), list(rows)) == aupro_score(image_masks, images)


def test_one_ignore_mask_holds_for_all_images(maps, masks):
    border = np.ones((6, 8), bool)
    border[1:5, 1:7] = False
    score = aupro_score(masks, maps, ignore=border)
    assert score == aupro_score(masks, maps, ignore=[border] * 3)
    inner = aupro_score(masks[:, 1:5, 1:7], maps[:, 1:5, 1:7])
    assert score == pytest.approx(inner, abs=1e-12)


def test_a_region_cut_by_ignored_pixels_stays_one():
    mask = np.array([[1, 1, 1, 0, 1, 0]])
    values = np.array([[5.0, 9, 4, 1, 0, 2]])
    cut = np.array([[0, 1, 0, 0, 0, 0]])
    # Region one keeps two pixels, both above all normal ones; region two has none.
    assert aupro_score([mask], [values], ignore=[cut], max_fpr=1.0) == 0.5


def test_mask_paths(tmp_path, maps, masks):
    path = str(tmp_path / "mask.png")
    cv2.imwrite(path, masks[1].astype(np.uint8) * 255)
    folder = tmp_path / "channels"
    folder.mkdir()
    single = masks[2].copy()
    cv2.imwrite(str(folder / "0.png"), single.astype(np.uint8))
    other = np.zeros_like(single)
    other[0, 0] = True
    cv2.imwrite(str(folder / "1.png"), other.astype(np.uint8) * 7)
    expected = aupro_score([None, masks[1], single | other], maps)
    paths = ["", path, str(folder)]
    for entries in (
        paths,
        np.array(paths),
        pd.Series(paths),
        [None, tmp_path / "mask.png", folder],
    ):
        assert aupro_score(entries, maps) == expected
    assert image_roc_auc_score(paths, [0.1, 0.3, 0.9]) == 1


def test_one_path_or_nothing_raises(maps):
    with pytest.raises(ValueError, match="one path"):
        aupro_score("mask.png", maps)
    with pytest.raises(ValueError, match="y_true is None"):
        aupro_score(None, maps)


def test_a_missing_mask_file_is_named(tmp_path, maps):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        aupro_score([None, None, tmp_path / "absent.png"], maps)


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((3, 6, 8, 1)), r"maps has shape \(3, 6, 8, 1\)"),
        (np.zeros(3), r"maps has shape \(3,\)"),
        (np.zeros((3, 6, 8), complex), "dtype complex"),
        (np.full((3, 6, 8), "a"), "dtype <U1"),
        ([np.zeros((6, 8, 1))] * 3, r"maps\[0\] has shape"),
    ],
)
def test_other_maps_raise(bad, message, masks):
    with pytest.raises(ValueError, match=message):
        aupro_score(masks, bad)


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((3, 6, 8, 1)), r"y_true has shape \(3, 6, 8, 1\)"),
        ([None, None, np.zeros((6, 8, 3))], r"y_true\[2\] has shape \(6, 8, 3\)"),
        ([None, None, np.full((6, 8), np.nan)], r"y_true\[2\] contains NaN"),
        ([None, None, np.full((6, 8), "x")], r"y_true\[2\] has dtype"),
    ],
)
def test_other_masks_raise(bad, message, maps):
    with pytest.raises(ValueError, match=message):
        aupro_score(bad, maps)


@pytest.mark.parametrize("max_fpr", [0, -0.1, 1.1, "0.3", None, np.nan])
def test_limits_out_of_range_raise(max_fpr, maps, masks):
    with pytest.raises(ValueError, match="max_fpr"):
        aupro_score(masks, maps, max_fpr=max_fpr)


@pytest.mark.parametrize("threshold", [None, np.nan, "0.5"])
def test_thresholds_that_are_no_numbers_raise(threshold, maps, masks):
    with pytest.raises(ValueError, match="threshold"):
        seg_f1_score(masks, maps, threshold=threshold)


def test_ignore_of_unknown_extent_raises(maps, masks):
    with pytest.raises(ValueError, match=r"ignore\[1\] is -1"):
        aupro_score(masks, maps, ignore=[None, -1, np.zeros((6, 8))])


def test_generators_are_read_once(maps, masks):
    score = aupro_score((m for m in masks), (m for m in maps))
    assert score == aupro_score(masks, maps)
