import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from skuad.feature_extraction import coverage, grid_shape, upsample_map
from skuad.feature_extraction._grid import area_mean, cell_weights

SHAPES = [
    ((3, 5), (37, 61)),
    ((2, 7), (16, 16)),
    ((1, 13), (1, 100)),
    ((1, 12_500), (1, 100_000)),
    ((4, 1), (33, 3)),
    ((1, 1), (17, 5)),
    ((5, 3), (4003, 20)),
    ((6, 6), (6, 6)),
    ((37, 37), (10, 24)),
]


def area_mean_loop(values, shape):
    """Every pixel's overlap with every cell, one by one."""
    (height, width), (h, w) = values.shape, shape
    means = np.zeros(shape)
    for i in range(h):
        for j in range(w):
            top, bottom = i * height / h, (i + 1) * height / h
            left, right = j * width / w, (j + 1) * width / w
            weights = np.zeros(values.shape)
            for y in range(height):
                for x in range(width):
                    dy = min(bottom, y + 1) - max(top, y)
                    dx = min(right, x + 1) - max(left, x)
                    weights[y, x] = max(dy, 0) * max(dx, 0)
            means[i, j] = (weights * values).sum() / weights.sum()
    return means


@pytest.mark.parametrize(
    ("image_shape", "stride", "expected"),
    [
        ((256, 256), 8, (32, 32)),
        ((256, 100, 3), 8, (32, 13)),
        ((1, 3), 8, (1, 1)),
        ((12, 11), 8, (2, 1)),
        ((7, 9), 1, (7, 9)),
        ((5, 7), 1000, (1, 1)),
    ],
)
def test_grid_shape(image_shape, stride, expected):
    assert grid_shape(image_shape, stride) == expected


@pytest.mark.parametrize(("shape", "image_shape"), SHAPES)
def test_upsampling_interpolates_between_the_centres_of_cells(shape, image_shape):
    grid = np.random.default_rng(0).standard_normal(shape)
    y, x = (
        (np.arange(size) + 0.5) * n_cells / size - 0.5
        for size, n_cells in zip(image_shape, shape, strict=True)
    )
    expected = map_coordinates(
        grid, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest"
    )
    result = upsample_map(grid, image_shape)
    assert result.dtype == np.float32
    assert result.shape == image_shape
    assert_allclose(result, expected, atol=1e-5)


def test_upsampling_to_the_same_size_gives_a_copy():
    grid = np.ones((3, 4), np.float32)
    result = upsample_map(grid, (3, 4))
    result[:] = 0
    assert grid.all()


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
)
def test_area_mean_is_the_mean_of_every_cell(size, shape):
    values = np.random.default_rng(0).random(size, np.float32)
    assert_allclose(area_mean(values, shape), area_mean_loop(values, shape), rtol=1e-5)


@given(size=st.integers(1, 5000), n_cells=st.integers(1, 600), cut=st.integers(0, 600))
def test_weights_cover_every_pixel_alike_and_may_be_cut(size, n_cells, cut):
    weights = cell_weights(size, n_cells)
    assert weights.shape == (n_cells, size)
    assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert_allclose(weights.sum(axis=0), n_cells / size, rtol=1e-4)
    cut %= n_cells
    part = cell_weights(size, n_cells, cut, n_cells)
    assert_array_equal(part.data, weights[cut:].data)
    assert part.shape[1] == size - cut * size // n_cells


def test_coverage_is_a_share_per_cell():
    mask = np.zeros((16, 24), bool)
    mask[:8, :4] = True
    mask[8:, 16:] = True
    assert_array_equal(coverage(mask, (2, 3)), [[0.5, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("shape", [(3, 5), (7, 11), (1, 1), (50, 50)])
def test_coverage_of_full_and_empty_masks_is_exact(shape):
    assert_allclose(coverage(np.ones((37, 41)), shape), 1, rtol=1e-6)
    assert coverage(np.ones((37, 41)), shape).max() <= 1
    assert not coverage(np.zeros((37, 41)), shape).any()


def test_coverage_counts_any_nonzero_value_as_inside():
    mask = np.array([[0, 255], [2, 0]], np.uint8)
    assert coverage(mask, (1, 1)) == 0.5


@pytest.mark.parametrize("function", [upsample_map, coverage])
@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 2, 2)])
def test_anything_but_a_plane_is_rejected(function, shape):
    with pytest.raises(ValueError, match="must be 2-D and not empty"):
        function(np.zeros(shape), (4, 4))
