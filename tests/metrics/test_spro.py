import cv2
import metric_reference as reference
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from strategies import DTYPES, anomaly_map, examples

from skuad.metrics import au_spro_score, aupro_score, saturation_areas


@st.composite
def loco_data(draw):
    """Maps, overlapping channels, areas and ignored pixels."""
    dtype = draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    maps, channels, areas, ignore = [], [], [], []
    for _ in range(draw(st.integers(1, 3))):
        shape = draw(st.tuples(st.integers(2, 7), st.integers(2, 7)))
        maps.append(draw(anomaly_map(shape, dtype)))
        masks = [rng.random(shape) < 0.3 for _ in range(draw(st.integers(0, 3)))]
        channels.append([mask for mask in masks if mask.any()])
        areas.append([int(rng.integers(1, 12)) for _ in channels[-1]])
        ignored = rng.random(shape) < 0.2
        ignore.append(ignored if draw(st.booleans()) else None)
    return maps, channels, areas, ignore


def is_defined(channels, ignore):
    anomalous = normal = 0
    for masks, ignored in zip(channels, ignore, strict=True):
        if not masks:
            normal += 1
            continue
        seen = np.ones(masks[0].shape, bool) if ignored is None else ~ignored
        union = np.any(masks, axis=0)
        anomalous += (union & seen).sum()
        normal += (~union & seen).sum()
    return anomalous > 0 and normal > 0


@examples(200)
@given(loco_data())
def test_au_spro_equals_the_reference(data):
    maps, channels, areas, ignore = data
    assume(is_defined(channels, ignore))
    assume(any(i is None or not i.all() for i in ignore))
    for limit in (0.05, 0.3, 1.0):
        np.testing.assert_allclose(
            au_spro_score(
                channels, maps, saturation=areas, max_fpr=limit, ignore=ignore
            ),
            reference.au_spro(maps, channels, areas, limit, ignore),
            rtol=0,
            atol=1e-9,
        )


def test_without_saturation_separate_regions_give_aupro():
    rng = np.random.default_rng(0)
    maps = rng.random((2, 20, 20)).astype(np.float32)
    first, second = np.zeros((2, 20, 20), bool)
    first[2:5, 2:5], second[10:12, 3:9] = True, True
    score = au_spro_score([[first, second], None], maps, saturation=1.0, max_fpr=0.3)
    assert score == pytest.approx(aupro_score([first | second, None], maps), abs=1e-12)


def test_overlapping_pixels_are_counted_once_as_anomalous():
    # Four pixels, two of them in both channels: two are left as normal ones.
    first, second = np.array([[1, 1, 0, 0, 0]]), np.array([[0, 1, 1, 0, 0]])
    values = np.array([[3.0, 2, 1, 4, 0]])
    score = au_spro_score([[first, second]], [values], saturation=1.0, max_fpr=1.0)
    assert score == pytest.approx(0.5)


LOCO = [
    {"pixel_value": 255, "saturation_threshold": 6, "relative_saturation": False},
    {"pixel_value": 9, "saturation_threshold": 0.33, "relative_saturation": True},
    {"pixel_value": 8, "saturation_threshold": 0.01, "relative_saturation": True},
]


def channel(value, n_pixels):
    array = np.zeros((5, 5), np.uint8)
    array.ravel()[:n_pixels] = value
    return array


def test_saturation_areas_follow_the_rules_of_loco():
    channels = [
        [channel(255, 20), channel(9, 10)],
        None,
        [channel(255, 4), channel(8, 5)],
        "",
    ]
    # Relative areas are rounded down, and none exceeds the defect or is empty.
    with pytest.warns(UserWarning, match=r"1 defect.*channels\[2\]: 6 > 4") as record:
        assert saturation_areas(channels, LOCO) == [[6, 3], [], [4, 1], []]
    assert len(record) == 1 and record[0].filename == __file__
    with pytest.warns(UserWarning, match="1 defect") as record:
        au_spro_score(channels, np.zeros((4, 5, 5)), saturation=LOCO)
    assert len(record) == 1 and record[0].filename == __file__
    assert saturation_areas(channels, 7) == [[7, 7], [], [4, 5], []]
    assert saturation_areas(channels, 0.5) == [[10, 5], [], [2, 2], []]
    assert saturation_areas(channels, 1.0) == [[20, 10], [], [4, 5], []]
    assert saturation_areas(channels, 1) == [[1, 1], [], [1, 1], []]


def test_the_three_ways_to_give_saturation_agree():
    rng = np.random.default_rng(0)
    channels = [[channel(255, 20), channel(9, 10)], None]
    maps = rng.random((2, 5, 5))
    score = au_spro_score(channels, maps, saturation=LOCO)
    areas = saturation_areas(channels, LOCO)
    assert score == au_spro_score(channels, maps, saturation=areas)


def test_channel_folders(tmp_path):
    rng = np.random.default_rng(0)
    channels = [channel(255, 20), channel(9, 10)]
    for index, image in enumerate(channels):
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
    maps = rng.random((2, 5, 5))
    expected = au_spro_score([channels, None], maps, saturation=LOCO)
    for entry in (tmp_path, str(tmp_path), np.stack(channels)):
        assert au_spro_score([entry, ""], maps, saturation=LOCO) == expected


@pytest.mark.parametrize(
    "saturation, message",
    [
        (0, "number of pixels"),
        (-3, "number of pixels"),
        (0.0, "share"),
        (1.5, "share"),
        (LOCO[:1], r"channels\[0\] has the value 9.*\[255\]"),
        ([[1, 2]], "1 entries for 2 images"),
        ([[1], []], r"saturation\[0\] has 1 areas for 2"),
        ([[1, 0], []], "number of pixels"),
    ],
)
def test_saturation_that_says_nothing_raises(saturation, message):
    channels = [[channel(255, 20), channel(9, 10)], None]
    with pytest.raises(ValueError, match=message):
        au_spro_score(channels, np.zeros((2, 5, 5)), saturation=saturation)


def test_bad_input_raises():
    maps = np.zeros((2, 5, 5))
    good = [[channel(255, 3)], None]
    for channels, message in [
        (good[:1], "each of 2"),
        ("folder", "each of 2"),
        ([[channel(255, 3)[:4]], None], r"channels\[0\] has shape \(4, 5\)"),
        ([-1, None], r"channels\[0\] is -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            au_spro_score(channels, maps, saturation=1.0)
    with pytest.raises(ValueError, match="max_fpr"):
        au_spro_score(good, maps, saturation=1.0, max_fpr=0)
    with pytest.raises(ValueError, match=r"maps\[1\] contains NaN"):
        au_spro_score(good, np.stack([maps[0], maps[0] + np.nan]), saturation=1.0)


@pytest.mark.parametrize(
    "channels, missing",
    [([None, None], "anomalous"), ([[channel(1, 25)], [channel(1, 25)]], "normal")],
)
def test_undefined(channels, missing):
    with pytest.warns(UndefinedMetricWarning, match=f"no {missing} pixel"):
        assert np.isnan(au_spro_score(channels, np.zeros((2, 5, 5)), saturation=5))
