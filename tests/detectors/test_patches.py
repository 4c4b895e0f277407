"""The sample of patches: bounded, uniform, stratified."""

import tracemalloc

import numpy as np
import pytest

from skuad.detectors._patches import PatchLayout, collect_patches
from skuad.feature_extraction import FeatureMap


def _features(shapes):
    """Yield feature maps whose rows tell image and position."""
    for number, (h, w) in enumerate(shapes):
        values = np.empty((h, w, 2))
        values[..., 0] = number
        values[..., 1] = np.arange(h * w).reshape(h, w)
        yield FeatureMap(values, (8 * h, 8 * w))


def _collect(shapes, max_patches, roi=lambda number: None, seed=0):
    return collect_patches(
        _features(shapes),
        roi,
        n_images=len(shapes),
        max_patches=max_patches,
        random_state=np.random.RandomState(seed),
    )


def test_everything_is_kept_in_order_if_it_fits():
    sample = _collect([(2, 3), (4, 1), (1, 1)], 11)
    assert sample.is_complete
    np.testing.assert_array_equal(sample.rows[:, 0], np.repeat([0, 1, 2], [6, 4, 1]))
    np.testing.assert_array_equal(sample.rows[:, 1], [*range(6), *range(4), 0])
    np.testing.assert_array_equal(sample.image, sample.rows[:, 0])


@pytest.mark.parametrize("n_images", [7, 60])
def test_every_image_gives_the_same_share(n_images):
    shapes = [(10, 10), (20, 10)] * n_images
    sample = _collect(shapes, 15 * n_images)  # a twentieth of all patches
    assert len(sample.rows) == 15 * n_images
    assert not sample.is_complete
    counts = np.bincount(sample.image, minlength=2 * n_images)
    assert abs(counts[0::2] - 5).max() <= 1
    assert abs(counts[1::2] - 10).max() <= 1
    assert (np.diff(sample.image) >= 0).all()
    np.testing.assert_array_equal(sample.image, sample.rows[:, 0])
    assert len(np.unique(sample.rows, axis=0)) == len(sample.rows)


def test_every_patch_is_as_likely():
    times_seen = np.zeros(24)
    for seed in range(2000):
        rows = _collect([(2, 6)] * 2, 6, seed=seed).rows
        times_seen[(12 * rows[:, 0] + rows[:, 1]).astype(int)] += 1
    # 500 expected of each; the standard deviation of a count is below 20.
    assert abs(times_seen - 500).max() < 90


def _peak_memory(n_images):
    shapes = [(20, 20)] * n_images
    tracemalloc.start()
    _collect(shapes, 2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_number_of_images():
    # What remains is a layout per image, a few hundred bytes.
    assert _peak_memory(400) < _peak_memory(40) + 400 * 1000


def test_a_sample_larger_than_memory_raises_before_it_is_drawn(monkeypatch):
    monkeypatch.setattr("skuad.neighbors._memory.available_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match=r"4000 patches needs .*Lower max_patches"):
        _collect([(20, 20)] * 10, 10**9)
    _collect([(20, 20)] * 10, 100)


def test_layout_of_a_region():
    features = next(_features([(2, 3)]))
    roi = np.zeros((16, 24), bool)
    roi[:, :13] = True  # the second column of patches by five eighths
    layout = PatchLayout(features, roi)
    assert layout.n_patches == 4
    np.testing.assert_array_equal(layout.rows(features)[:, 1], [0, 1, 3, 4])
    anomaly_map, score = layout.map_and_score(np.array([1, 2, 3, 4], np.float32), "max")
    assert (anomaly_map[:, 13:] == 0).all()
    assert (anomaly_map[:, :13] > 0).all()
    assert score == 4


def test_a_region_smaller_than_half_a_patch_still_counts():
    features = next(_features([(2, 3)]))
    roi = np.zeros((16, 24), bool)
    roi[9:11, 9:11] = True
    layout = PatchLayout(features, roi)
    assert layout.n_patches == 1
    anomaly_map, score = layout.map_and_score(np.array([5], np.float32), "mean")
    np.testing.assert_array_equal(anomaly_map != 0, roi)
    assert score == 5


def test_outside_is_not_above_a_negative_inside():
    features = next(_features([(2, 3)]))
    roi = np.zeros((16, 24), bool)
    roi[:, :8] = True
    anomaly_map, _ = PatchLayout(features, roi).map_and_score(
        np.array([-3, -2], np.float32), "max"
    )
    assert anomaly_map[~roi].max() <= anomaly_map[roi].min()


def test_images_of_one_region_share_their_layout():
    roi = np.zeros((16, 24), bool)
    roi[:, :8] = True
    same = _collect([(2, 3)] * 6, 100, lambda number: roi).layouts
    assert all(layout is same[0] for layout in same)
    moved = [np.roll(roi, 8 * number, axis=1) for number in range(3)]
    other = _collect([(2, 3)] * 6, 100, lambda number: moved[number % 3].copy()).layouts
    for number, layout in enumerate(other):
        np.testing.assert_array_equal(layout.roi, moved[number % 3])
