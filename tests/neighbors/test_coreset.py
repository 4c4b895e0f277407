from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from skuad.neighbors import _coreset, k_center_greedy, random_coreset


def sequential(X, n_centers, start):
    """Farthest-first traversal, one row at a time, in float64."""
    X = np.asarray(X, dtype=np.float64)
    chosen = [start]
    squared = np.full(len(X), np.inf)
    while len(chosen) < n_centers:
        squared = np.minimum(squared, ((X - X[chosen[-1]]) ** 2).sum(axis=1))
        squared[chosen] = -1
        chosen.append(int(squared.argmax()))
    return np.array(chosen)


@settings(deadline=None, max_examples=150)
@given(
    n=st.integers(1, 300),
    d=st.integers(1, 6),
    levels=st.integers(1, 6),
    share=st.floats(0.0, 1.0),
    scale=st.sampled_from([1.0, 0.25, 2.0**60, 2.0**-70]),
    shift=st.sampled_from([0.0, 7.0, 4096.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**31),
)
def test_on_a_lattice_full_of_ties_and_duplicates(
    n, d, levels, share, scale, shift, dtype, seed
):
    rng = np.random.default_rng(seed)
    X = ((rng.integers(0, levels, size=(n, d)) + shift) * scale).astype(dtype)
    n_centers = max(1, round(share * n))
    with mock.patch.multiple(_coreset, _BLOCK=64, _MIN_POOL=8):
        indices = k_center_greedy(X, n_centers, random_state=seed)
    assert indices.dtype == np.intp
    np.testing.assert_array_equal(indices, sequential(X, n_centers, indices[0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(3000, 2), (2500, 24), (1500, 200)])
def test_equals_one_by_one_selection(n, d, dtype):
    X = np.random.default_rng(0).normal(size=(n, d)).astype(dtype) + 5
    indices = k_center_greedy(X, n // 8, random_state=0)
    expected = sequential(X, n // 8, indices[0])
    # Neighbouring picks may swap where float32 cannot tell them apart.
    assert np.mean(indices == expected) > 0.99
    assert len(np.intersect1d(indices, expected)) > 0.995 * len(expected)


def test_radius_is_that_of_one_by_one_selection_on_clusters():
    rng = np.random.default_rng(1)
    centers = 10 * rng.normal(size=(30, 40))
    X = centers[rng.integers(30, size=4000)] + rng.normal(size=(4000, 40))
    X = X.astype(np.float32)
    indices = k_center_greedy(X, 400, random_state=3)
    expected = sequential(X, 400, indices[0])
    radius, reference = (cdist(X, X[i]).min(axis=1).max() for i in (indices, expected))
    assert radius <= reference * (1 + 1e-5)


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_cancellation(offset):
    # The spread around each point is far below the rounding of its square.
    rng = np.random.default_rng(2)
    X = 1e-4 * rng.normal(size=(600, 5))
    X += offset * rng.normal(size=(3, 5))[rng.integers(3, size=600)]
    indices = k_center_greedy(X, 300, random_state=0)
    # Not equal: float32 cannot tell which row of a far cluster is the farthest.
    expected = sequential(X, 300, indices[0])
    radius, reference = (cdist(X, X[i]).min(axis=1).max() for i in (indices, expected))
    assert radius < 1.1 * reference


def test_a_beginning_is_the_coreset_of_that_size():
    X = np.random.default_rng(3).normal(size=(500, 3))
    long = k_center_greedy(X, 500, random_state=1)
    np.testing.assert_array_equal(np.sort(long), np.arange(500))
    for n_centers in (1, 2, 77):
        short = k_center_greedy(X, n_centers, random_state=1)
        np.testing.assert_array_equal(short, long[:n_centers])


def test_all_rows_equal():
    indices = k_center_greedy(np.ones((20, 3)), 20, random_state=0)
    start = indices[0]
    np.testing.assert_array_equal(indices[1:], np.delete(np.arange(20), start))


def test_negative_zero_equals_zero():
    X = np.array([[0.0, 1.0], [-0.0, 1.0], [3.0, 1.0], [0.0, 1.0]])
    indices = k_center_greedy(X, 4, random_state=0)
    np.testing.assert_array_equal(indices, sequential(X, 4, indices[0]))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_extreme_scales(scale):
    X = np.random.default_rng(4).normal(size=(300, 4))
    reference = k_center_greedy(X, 60, random_state=0)
    scaled = k_center_greedy(X * scale, 60, random_state=0)
    assert len(np.intersect1d(reference, scaled)) >= 59


def test_random_state_draws_the_start_only():
    X = np.random.default_rng(5).normal(size=(200, 2))
    first = k_center_greedy(X, 50, random_state=7)
    np.testing.assert_array_equal(first, k_center_greedy(X, 50, random_state=7))
    starts = {int(k_center_greedy(X, 1, random_state=i)[0]) for i in range(30)}
    assert len(starts) > 10


def test_inputs_are_left_alone():
    X = np.random.default_rng(6).normal(size=(100, 3)).astype(np.float32)
    copy = X.copy()
    X.flags.writeable = False
    k_center_greedy(X, 10, random_state=0)
    np.testing.assert_array_equal(X, copy)


def test_random_coreset():
    X = np.zeros((100, 2))
    indices = random_coreset(X, 30, random_state=0)
    assert len(np.unique(indices)) == 30
    np.testing.assert_array_equal(indices[:5], random_coreset(X, 5, random_state=0))
    assert not np.array_equal(indices, random_coreset(X, 30, random_state=1))


@pytest.mark.parametrize("select", [k_center_greedy, random_coreset])
@pytest.mark.parametrize(
    ("X", "n_centers", "error", "message"),
    [
        (np.zeros((3, 2)), 0, ValueError, "between 1 and"),
        (np.zeros((3, 2)), 4, ValueError, "number of rows, 3"),
        (np.zeros((3, 2)), 2.0, TypeError, "integer, got 2.0"),
        (np.zeros((3, 2)), True, TypeError, "integer, got True"),
        (np.full((3, 2), np.nan), 1, ValueError, "NaN"),
        (np.zeros(3), 1, ValueError, "2D array"),
    ],
)
def test_errors(select, X, n_centers, error, message):
    with pytest.raises(error, match=message):
        select(X, n_centers)
