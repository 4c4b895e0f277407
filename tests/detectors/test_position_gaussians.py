"""Gaussians of positions, compared with NumPy's own covariance, position by position."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skuad.detectors import _position_gaussians
from skuad.detectors._position_gaussians import (
    PositionMoments,
    held_out_distances,
    inverse_scatter,
    mahalanobis_distances,
    whitening_matrices,
)

N, POSITIONS, FEATURES = 14, 7, 5
REG_COVAR = 0.01


def make_rows(n_images=N, seed=0):
    """Return correlated features, their mean far from zero."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_images, POSITIONS, FEATURES))
    mixing = rng.normal(size=(POSITIONS, FEATURES, FEATURES))
    rows = np.einsum("npf,pfg->npg", rows, mixing) + 100 * rng.normal(size=FEATURES)
    return rows.astype(np.float32)


def moments_of(rows, inside=None, at_once=4):
    """Return mean, scatter and counts from batches."""
    if inside is None:
        inside = np.ones(rows.shape[:2], bool)
    moments = PositionMoments(POSITIONS, FEATURES)
    for start in range(0, len(rows), at_once):
        batch = slice(start, start + at_once)
        moments.add(rows[batch], inside[batch])
    return (*moments.result(), moments.counts)


def slow_distances(train, rows, inside=None):
    """Return Mahalanobis distances (n, positions) by np.cov and np.linalg.inv."""
    if inside is None:
        inside = np.ones(train.shape[:2], bool)
    distances = np.empty(rows.shape[:2])
    for position in range(rows.shape[1]):
        known = train[inside[:, position], position].astype(np.float64)
        covariance = np.zeros((FEATURES, FEATURES))
        if len(known) > 1:
            covariance = np.cov(known, rowvar=False)
        precision = np.linalg.inv(covariance + REG_COVAR * np.eye(FEATURES))
        away = rows[:, position] - known.mean(axis=0)
        distances[:, position] = np.sqrt(
            np.einsum("ij,jk,ik->i", away, precision, away)
        )
    return distances


@pytest.fixture(params=[2**22, 60], ids=["one block", "blocks"])
def block_size(request, monkeypatch):
    """Cut the positions into blocks or not."""
    monkeypatch.setattr(_position_gaussians, "_BLOCK", request.param)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("n_images", [1, 2, 4, N], ids="{} images".format)
def test_distances_are_those_of_np_cov(n_images):
    rows = make_rows(n_images)
    mean, scatter, counts = moments_of(rows)
    assert (counts == n_images).all()
    whitening = whitening_matrices(scatter, counts, REG_COVAR)
    new = make_rows(3, seed=1)
    actual = [
        mahalanobis_distances(one, mean.astype(np.float32), whitening) for one in new
    ]
    assert_allclose(actual, slow_distances(rows, new), rtol=1e-4)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("n_held_out", [1, 2, 6, N - 1])
@pytest.mark.parametrize("invert_anew", [False, True])
def test_held_out_distances_are_those_of_a_fit_without_them(n_held_out, invert_anew):
    rows = make_rows()
    mean, scatter, counts = moments_of(rows)
    inverse = None
    if not invert_anew:
        inverse = inverse_scatter(scatter, counts - n_held_out, REG_COVAR)
    held_out = np.zeros(N, bool)
    held_out[np.random.default_rng(0).permutation(N)[:n_held_out]] = True
    inside = np.ones((n_held_out, POSITIONS), bool)
    actual = held_out_distances(
        rows[held_out], inside, mean, scatter, counts, REG_COVAR, inverse=inverse
    )
    assert_allclose(actual, slow_distances(rows[~held_out], rows[held_out]), rtol=1e-5)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("n_held_out", [1, 3, 6])
def test_images_count_where_they_are_inside(n_held_out):
    rows, held_out = make_rows(), np.arange(N) < n_held_out
    inside = np.random.default_rng(1).random((N, POSITIONS)) < 0.6
    inside[-2:] = True  # no position is left without any
    inside[:, 0] = True
    mean, scatter, counts = moments_of(rows, inside)
    assert_allclose(counts, inside.sum(axis=0))
    whitening = whitening_matrices(scatter, counts, REG_COVAR)
    actual = [
        mahalanobis_distances(one, mean.astype(np.float32), whitening) for one in rows
    ]
    assert_allclose(actual, slow_distances(rows, rows, inside), rtol=1e-4)
    inverse = None
    if n_held_out == 1:
        inverse = inverse_scatter(scatter, counts - 1, REG_COVAR)
    actual = held_out_distances(
        rows[held_out],
        inside[held_out],
        mean,
        scatter,
        counts,
        REG_COVAR,
        inverse=inverse,
    )
    expected = slow_distances(rows[~held_out], rows[held_out], inside[~held_out])
    assert_allclose(actual, expected * inside[held_out], rtol=1e-5)


def test_a_feature_that_never_changes_does_no_harm():
    rows = make_rows()
    rows[..., 2] = 7
    mean, scatter, counts = moments_of(rows)
    inverse = inverse_scatter(scatter, counts - 1, REG_COVAR)
    inside = np.ones((1, POSITIONS), bool)
    actual = held_out_distances(
        rows[:1], inside, mean, scatter, counts, REG_COVAR, inverse=inverse
    )
    assert_allclose(actual, slow_distances(rows[1:], rows[:1]), rtol=1e-5)
