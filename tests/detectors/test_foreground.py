"""The first component of patches: it finds an object, and only where there is one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from skuad.detectors._foreground import (
    foreground_grid,
    learn_foreground,
    otsu_threshold,
    pixel_mask,
)

SHAPE = (14, 18)


def make_grids(n=4, *, places=None, noise=0.3, n_features=6, seed=0):
    """Return grids of features with an object of 6 x 7 patches, and its masks."""
    rng = np.random.default_rng(seed)
    towards = rng.normal(size=n_features)
    masks = np.zeros((n, *SHAPE), bool)
    for i in range(n):
        y, x = places[i] if places else (rng.integers(2, 6), rng.integers(2, 9))
        masks[i, y : y + 6, x : x + 7] = True
    grids = masks[..., None] * 3 * towards + 5
    grids = grids + rng.normal(scale=noise, size=grids.shape)
    return list(grids.astype(np.float32)), masks


def test_object_is_found_wherever_it_lies():
    grids, masks = make_grids()
    component, threshold = learn_foreground(grids)
    for grid, mask in zip(grids, masks, strict=True):
        assert_array_equal(grid @ component > threshold, mask)
        found = foreground_grid(grid, component, threshold)
        # One patch wider all round.
        assert found[mask].all()
        assert found.sum() == 8 * 9


def test_component_is_that_of_scikit_learn():
    grids, _ = make_grids()
    component, _ = learn_foreground(grids)
    rows = np.concatenate([grid[1:-1, 2:-2].reshape(-1, 6) for grid in grids])
    expected = PCA(1, svd_solver="full").fit(rows).components_[0]
    assert_allclose(component, expected * np.sign(expected @ component), atol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_given_threshold_counts_from_the_mean(sign):
    grids, masks = make_grids()
    grids = [sign * grid for grid in grids]
    component, threshold = learn_foreground(grids, threshold=0.5)
    rows = np.concatenate([grid[1:-1, 2:-2].reshape(-1, 6) for grid in grids])
    assert threshold - rows.mean(axis=0) @ component == pytest.approx(0.5, abs=1e-3)
    assert_array_equal(grids[0] @ component > threshold, masks[0])


def test_no_object_where_there_is_none():
    rng = np.random.default_rng(0)
    texture = [rng.normal(size=(*SHAPE, 6)).astype(np.float32) for _ in range(4)]
    assert learn_foreground(texture) == (None, None)
    constant = [np.ones((*SHAPE, 6), np.float32)]
    assert learn_foreground(constant) == (None, None)
    coarse, _ = make_grids()
    assert learn_foreground([grid[::2, ::2] for grid in coarse]) == (None, None)
    # Two halves: neither keeps to the middle.
    half, _ = make_grids()
    for grid in half:
        grid[:, :9] = 0
        grid[:, 9:] = 4
    assert learn_foreground(half) == (None, None)
    # What fills the image in one direction reaches its rim.
    band, _ = make_grids()
    for grid in band:
        grid[:] = 0
        grid[:, 6:12] = 4
    assert learn_foreground(band) == (None, None)


def test_holes_and_gaps_belong_to_the_object():
    component = np.ones(1, np.float32)
    values = np.zeros((*SHAPE, 1), np.float32)
    values[2:11, 3:13] = 1
    values[4:9, 5:11] = 0
    found = foreground_grid(values, component, 0.5)
    assert found[1:12, 2:14].all()
    assert found.sum() == 11 * 12


def test_otsu_is_the_split_of_least_variance():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 80), rng.normal(7, 1, 40)])
    threshold, separation = otsu_threshold(values)
    within = [
        sum(part.var() * len(part) for part in (values[below], values[~below]))
        for below in (values <= cut for cut in np.sort(values)[:-1])
    ]
    best = np.sort(values)[int(np.argmin(within))]
    assert values[values < threshold].max() == best
    assert separation == pytest.approx(1 - min(within) / (values.var() * len(values)))
    assert otsu_threshold(np.linspace(0, 1, 999))[1] == pytest.approx(0.75, abs=1e-3)
    assert otsu_threshold(np.zeros(5)) == (0, 0)


def test_pixels_take_the_value_of_their_patch():
    grid = np.array([[True, False], [False, True]])
    mask = pixel_mask(grid, (5, 4))
    assert_array_equal(mask[0], [True, True, False, False])
    assert_array_equal(mask[:, 0], [True, True, False, False, False])
