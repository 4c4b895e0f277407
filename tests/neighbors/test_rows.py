import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuad.neighbors._rows import coarse_center, first_equal_row


@settings(deadline=None)
@given(
    n=st.integers(1, 200),
    d=st.integers(1, 5),
    levels=st.integers(1, 4),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**31),
)
def test_first_equal_row(n, d, levels, dtype, seed):
    X = np.random.default_rng(seed).integers(0, levels, size=(n, d)).astype(dtype)
    expected = [int(np.flatnonzero((X == row).all(axis=1))[0]) for row in X]
    np.testing.assert_array_equal(first_equal_row(X), expected)


def test_thousands_of_lattice_rows_are_told_apart():
    grid = np.stack(np.meshgrid(*[np.arange(12.0)] * 4), axis=-1).reshape(-1, 4)
    X = np.concatenate([grid, grid]).astype(np.float32)
    np.testing.assert_array_equal(first_equal_row(X), np.tile(np.arange(len(grid)), 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_center_is_near_the_mean_and_keeps_a_lattice_exact(dtype):
    X = np.random.default_rng(0).integers(1000, 1016, size=(500, 6)).astype(dtype)
    center = coarse_center(X)
    assert center.dtype == dtype
    assert (np.abs(center - X.mean(axis=0)) <= X.std()).all()
    np.testing.assert_array_equal(center, np.round(center))


def test_center_of_equal_rows_is_the_row():
    X = np.full((5, 2), 0.1, dtype=np.float32)
    assert (X - coarse_center(X) == 0).all()


def test_differences_have_no_negative_zero():
    X = np.array([[0.0, -0.0], [-0.0, 0.0], [0.0, 0.0], [0.0, 9.0]])
    difference = X - coarse_center(X)
    assert not np.signbit(difference[difference == 0]).any()
