import contextlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from skuad.neighbors import _exact, _products, _ranking, nearest_neighbors
from skuad.neighbors._exact import PreparedBank
from skuad.neighbors._products import (
    group_minima,
    group_norms,
    product_errors,
    query_factors,
)


def direct_neighbors(queries, bank, k, mask=None):
    """Measure every row directly, one query at a time."""
    distances, indices = [], []
    for query in queries:
        difference = bank - query
        squared = np.einsum("ij,ij->i", difference, difference)
        if mask is not None:
            squared[~mask] = np.inf
        order = np.argsort(squared, kind="stable")[:k]
        indices.append(order)
        distances.append(np.sqrt(squared[order]))
    return np.array(distances), np.array(indices)


@contextlib.contextmanager
def small_blocks(*, query_block=8, query_span=24, max_pairs=40):
    """Make a small problem cross every boundary between blocks."""
    with (
        mock.patch.multiple(
            _exact,
            _QUERY_BLOCK=query_block,
            _QUERY_SPAN=query_span,
            MAX_PAIRS=max_pairs,
        ),
        mock.patch.multiple(_ranking, MAX_PAIRS=max_pairs, _PRODUCT_PAIRS=16),
        mock.patch.object(_products, "_BANK_BLOCK", 64),
    ):
        yield


def rows(kind, n, d, rng, dtype):
    if kind == "normal":
        X = rng.normal(size=(n, d))
    elif kind == "lattice":
        X = rng.integers(-1, 2, size=(n, d))
    elif kind == "near duplicates":
        # Around points far from each other, so that no centring helps.
        points = np.random.default_rng(d).normal(size=(3, d))
        X = points[rng.integers(3, size=n)] + 3e-7 * rng.normal(size=(n, d))
    elif kind == "far from zero":
        X = 1e4 + rng.normal(size=(n, d))
    elif kind == "outliers":
        X = rng.normal(size=(n, d)) * np.where(rng.random((n, 1)) < 0.1, 1e5, 1)
    return X.astype(dtype)


kinds = st.sampled_from(
    ["normal", "lattice", "near duplicates", "far from zero", "outliers"]
)


@settings(deadline=None, max_examples=150)
@given(
    kind=kinds,
    n_bank=st.integers(1, 300),
    n_queries=st.integers(0, 60),
    n_features=st.integers(1, 70),
    k=st.integers(1, 12),
    masked=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_direct_search_bit_by_bit(
    kind, n_bank, n_queries, n_features, k, masked, dtype, seed
):
    rng = np.random.default_rng(seed)
    bank = rows(kind, n_bank, n_features, rng, dtype)
    queries = rows(kind, n_queries, n_features, rng, dtype)
    queries[::3] = bank[rng.integers(n_bank, size=len(queries[::3]))]
    mask = rng.random(n_bank) < 0.5 if masked else None
    n_allowed = n_bank if mask is None else mask.sum()
    k = min(k, n_allowed)
    if k == 0:
        return
    with small_blocks():
        distances, indices = nearest_neighbors(queries, bank, k, mask=mask)
    assert distances.dtype == dtype
    assert distances.shape == indices.shape == (n_queries, k)
    if n_queries:
        expected_distances, expected = direct_neighbors(queries, bank, k, mask)
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_array_equal(distances, expected_distances)


@pytest.mark.parametrize("k", [1, 9])
@pytest.mark.parametrize("n_features", [3, 48, 385])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scipy(k, n_features, dtype):
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(9000, n_features)).astype(dtype)
    queries = rng.normal(size=(700, n_features)).astype(dtype)
    distances, indices = nearest_neighbors(queries, bank, k)
    reference = cdist(queries.astype(np.float64), bank.astype(np.float64))
    expected = np.argsort(reference, axis=1)[:, :k]
    assert np.mean(indices == expected) > 0.999
    np.testing.assert_allclose(
        distances,
        np.take_along_axis(reference, expected, axis=1),
        rtol=1e-5 if dtype == np.float32 else 1e-12,
    )


@pytest.mark.parametrize("kind", ["near duplicates", "normal", "outliers"])
@pytest.mark.parametrize("k", [1, 4])
def test_a_query_gets_the_same_bits_alone_and_in_a_batch(kind, k):
    rng = np.random.default_rng(1)
    prepared = PreparedBank(rows(kind, 2500, 130, rng, np.float32))
    queries = rows(kind, 1000, 130, rng, np.float32)
    distances, indices = prepared.search(queries, k)
    for part in (slice(0, 1), slice(3, 10), slice(500, 1000), slice(999, 1000)):
        some, rows_ = prepared.search(queries[part], k)
        np.testing.assert_array_equal(some, distances[part])
        np.testing.assert_array_equal(rows_, indices[part])
    for i in range(0, 1000, 50):
        one, row = prepared.search(queries[i : i + 1], k)
        np.testing.assert_array_equal(one[0], distances[i])
        np.testing.assert_array_equal(row[0], indices[i])


def test_a_far_off_center_costs_no_accuracy():
    rng = np.random.default_rng(2)
    bank = rng.integers(0, 50, size=(500, 8)).astype(np.float32)
    queries = rng.integers(0, 50, size=(60, 8)).astype(np.float32)
    near = nearest_neighbors(queries, bank, 3)
    far = nearest_neighbors(queries + 2**17, bank + 2**17, 3)
    np.testing.assert_array_equal(near[0], far[0])
    np.testing.assert_array_equal(near[1], far[1])


def test_equal_rows_come_in_order_and_are_searched_once():
    bank = np.tile(np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]), (1000, 1))
    prepared = PreparedBank(bank)
    assert len(prepared.rows) == 3
    distances, indices = prepared.search(np.zeros((2, 2)), 1003)
    assert (distances[:, :1000] == 0).all()
    np.testing.assert_array_equal(indices[0, :1000], np.arange(0, 3000, 3))
    np.testing.assert_array_equal(indices[0, 1000:], [1, 2, 4])


def test_of_tied_rows_the_lowest_allowed_one_wins():
    bank = np.array([[1.0], [0.0], [-1.0], [1.0]])
    mask = np.array([False, False, True, True])
    assert nearest_neighbors([[0.0]], bank, mask=mask)[1] == [[2]]
    bank = np.array([[1.0], [-1.0], [1.0]])
    assert nearest_neighbors([[0.0]], bank)[1] == [[0]]
    mask = np.array([False, True, True])
    assert nearest_neighbors([[0.0]], bank, mask=mask)[1] == [[1]]


def test_few_candidates_are_measured_directly():
    # Else the search would be right, but slow.
    rng = np.random.default_rng(3)
    bank = rng.normal(size=(5000, 64)).astype(np.float32)
    bank[17] *= 1e4
    queries = rng.normal(size=(256, 64)).astype(np.float32)
    with mock.patch.object(
        _ranking, "direct_squared", wraps=_ranking.direct_squared
    ) as direct:
        nearest_neighbors(queries, bank, 5)
    n_measured = sum(len(call.args[1]) for call in direct.call_args_list)
    # All rows of the group of the outlier are within its bound, and few others.
    assert n_measured < 256 * (64 + 1.5 * 5)


@pytest.mark.parametrize("kind", ["normal", "near duplicates", "outliers", "lattice"])
@pytest.mark.parametrize("n_features", [1, 40, 700])
def test_products_are_within_their_bound(kind, n_features):
    rng = np.random.default_rng(4)
    bank = rows(kind, 400, n_features, rng, np.float32)
    queries = rows(kind, 100, n_features, rng, np.float32)
    prepared = PreparedBank(bank)
    bank = bank[prepared.rows].astype(np.float64)
    factors, norms = query_factors(queries, prepared.center)
    products = prepared.factors[: len(bank)] @ factors.T
    row_norms = group_norms(prepared.factors, len(bank), 1)[: len(bank)]
    errors = product_errors(row_norms, norms, n_features)
    centered = queries.astype(np.float64) - prepared.center.astype(np.float64)
    true = cdist(bank, queries.astype(np.float64), "sqeuclidean")
    true -= np.square(centered).sum(axis=1)
    assert (np.abs(products - true) <= errors).all()


def test_dtype_is_float32_only_if_both_are():
    single = np.eye(3, dtype=np.float32)
    assert nearest_neighbors(single, single)[0].dtype == np.float32
    assert nearest_neighbors(single, np.eye(3))[0].dtype == np.float64
    assert nearest_neighbors([[1, 0, 0]], single)[0].dtype == np.float64


def test_inputs_are_left_alone():
    rng = np.random.default_rng(5)
    bank, queries = rng.normal(size=(50, 4)), rng.normal(size=(9, 4))
    copies = bank.copy(), queries.copy()
    bank.flags.writeable = queries.flags.writeable = False
    mask = np.arange(50) % 2 == 0
    mask.flags.writeable = False
    nearest_neighbors(queries, bank, 2, mask=mask)
    np.testing.assert_array_equal(bank, copies[0])
    np.testing.assert_array_equal(queries, copies[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_neighbors": 0}, "between 1 and"),
        ({"n_neighbors": 4}, "may be neighbours, 3"),
        ({"n_neighbors": 2, "mask": np.array([True, False, False])}, "neighbours, 1"),
        ({"mask": np.array([1, 0, 1])}, "one boolean"),
        ({"mask": np.array([True, False])}, "one boolean"),
        ({"queries": np.zeros((1, 3))}, "queries have 3 features, the bank has 2"),
        ({"queries": np.full((1, 2), np.nan)}, "queries contains NaN"),
        ({"bank": np.full((1, 2), np.inf)}, "bank contains infinity"),
        ({"bank": np.zeros((0, 2))}, "minimum of 1"),
        ({"bank": np.float32([[0, 0], [1e30, 1], [2, 2]])}, None),
        (
            {
                "bank": np.float32([[0, 0], [1e30, 1], [2, 2]]),
                "queries": np.float32([[0, 0]]),
            },
            "values of bank overflow float32",
        ),
        (
            {
                "bank": np.float32([[0, 0], [0, 1]]),
                "queries": np.float32([[1e30, 0]]),
            },
            "values of queries overflow float32",
        ),
    ],
)
def test_errors(change, message):
    arguments = {"queries": np.zeros((1, 2)), "bank": np.zeros((3, 2))} | change
    if message is None:
        nearest_neighbors(**arguments)
    else:
        with pytest.raises(ValueError, match=message):
            nearest_neighbors(**arguments)


@pytest.mark.parametrize("k", [1, 6])
def test_products_that_are_off_by_their_bound_change_nothing(k):
    rng = np.random.default_rng(6)
    bank = rows("near duplicates", 1500, 30, rng, np.float32)
    queries = rows("near duplicates", 64, 30, rng, np.float32)
    prepared = PreparedBank(bank)

    def worse_minima(factors, query_factors_, group, excluded, buffer):
        minima = group_minima(factors, query_factors_, group, excluded, buffer)
        norms = np.square(query_factors_[:, :-1]).sum(axis=1)
        bank_norms = group_norms(factors, len(prepared.rows), group)
        errors = product_errors(bank_norms, norms, 30)
        return minima + (0.9 * rng.choice([-1, 1], size=minima.shape) * errors)

    with mock.patch.object(_exact, "group_minima", worse_minima):
        distances, indices = prepared.search(queries, k)
    expected_distances, expected = direct_neighbors(queries, bank, k)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(distances, expected_distances)
