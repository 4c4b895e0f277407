import pickle
import sys
from unittest import mock

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.utils.estimator_checks import check_estimator

from skuad.neighbors import (
    NearestNeighborDetector,
    _memory,
    k_center_greedy,
    nearest_neighbors,
)
from skuad.neighbors._memory import available_memory


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(400, 6))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "detector",
    [
        NearestNeighborDetector(),
        NearestNeighborDetector(coreset="random"),
        NearestNeighborDetector(3, coreset=None),
    ],
)
def test_passes_the_whole_battery_of_scikit_learn(detector):
    results = check_estimator(detector, on_fail=None, on_skip=None)
    assert [r for r in results if r["status"] != "passed"] == []
    reference = check_estimator(
        EllipticEnvelope(support_fraction=1.0), on_fail=None, on_skip=None
    )
    names = {r["check_name"] for r in results}
    assert names >= {r["check_name"] for r in reference}
    assert len(results) >= len(reference)


@pytest.mark.parametrize("coreset", ["greedy", "random", None])
def test_bank_holds_training_rows(X, coreset):
    detector = NearestNeighborDetector(coreset=coreset, random_state=0).fit(X)
    np.testing.assert_array_equal(detector.bank_, X[detector.bank_indices_])
    assert len(detector.bank_) == (40 if coreset else 400)
    assert not np.shares_memory(detector.bank_, X)


def test_greedy_bank_is_the_greedy_coreset(X):
    detector = NearestNeighborDetector(coreset_ratio=0.2, random_state=3).fit(X)
    expected = k_center_greedy(X, 80, random_state=3)
    np.testing.assert_array_equal(detector.bank_indices_, expected)


@pytest.mark.parametrize("n_neighbors", [1, 4])
def test_score_is_minus_the_mean_distance(X, n_neighbors):
    detector = NearestNeighborDetector(n_neighbors, random_state=0).fit(X)
    new = np.random.default_rng(1).normal(size=(30, 6))
    distances, indices = nearest_neighbors(new, detector.bank_, n_neighbors)
    scores = detector.score_samples(new)
    np.testing.assert_array_equal(scores, -distances.mean(axis=1))
    np.testing.assert_array_equal(detector.kneighbors(new)[1], indices)
    assert detector.kneighbors(new, 7)[0].shape == (30, 7)
    np.testing.assert_array_equal(
        detector.decision_function(new), scores - detector.offset_
    )
    np.testing.assert_array_equal(
        detector.predict(new), np.where(scores < detector.offset_, -1, 1)
    )


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.5])
def test_contamination_is_the_share_of_flagged_training_rows(X, contamination):
    detector = NearestNeighborDetector(contamination=contamination, random_state=0)
    assert np.mean(detector.fit_predict(X) == -1) == contamination


def test_without_contamination_training_rows_are_not_scored(X):
    detector = NearestNeighborDetector(contamination=None, random_state=0).fit(X)
    assert detector.offset_ == 0.0
    np.testing.assert_array_equal(
        detector.decision_function(X), detector.score_samples(X)
    )


def test_bank_is_never_smaller_than_the_neighbors(X):
    detector = NearestNeighborDetector(5, coreset_ratio=1e-6, random_state=0).fit(X)
    assert len(detector.bank_) == 5
    with pytest.raises(ValueError, match="n_neighbors=500 needs as many training rows"):
        NearestNeighborDetector(500).fit(X)


def test_mask_leaves_the_rows_of_an_image_out(X):
    image = np.repeat(np.arange(20), 20)
    detector = NearestNeighborDetector(coreset=None, contamination=None).fit(X)
    rows = X[image == 3]
    mask = image[detector.bank_indices_] != 3
    held_out = detector.score_samples(rows, mask=mask)
    refitted = clone(detector).fit(X[image != 3]).score_samples(rows)
    np.testing.assert_array_equal(held_out, refitted)
    assert (detector.score_samples(rows) == 0).all()
    assert not np.isin(
        detector.kneighbors(rows, mask=mask)[1], np.flatnonzero(~mask)
    ).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_have_the_dtype_of_the_bank(X, dtype):
    detector = NearestNeighborDetector(random_state=0).fit(X.astype(dtype))
    assert detector.bank_.dtype == dtype
    for rows in (X.astype(np.float32), X):
        assert detector.score_samples(rows).dtype == dtype
        assert detector.decision_function(rows).dtype == dtype


def test_pickled_state_is_arrays_and_numbers_and_gives_equal_bits(X):
    detector = NearestNeighborDetector(2, random_state=0).fit(X)
    for value in detector.__getstate__().values():
        assert value is None or isinstance(value, np.ndarray | int | float | str)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    assert len(pickle.dumps(detector)) < 2 * detector.bank_.nbytes


@pytest.mark.parametrize(
    ("coreset", "advice"),
    [
        ("greedy", 'coreset="random"'),
        ("random", "Lower coreset_ratio"),
        (None, "below 1"),
    ],
)
def test_a_bank_larger_than_memory_is_refused(X, coreset, advice, monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 3000)
    detector = NearestNeighborDetector(coreset=coreset)
    message = r"needs \d+\.\d GB of memory, 0\.0 GB are available\. .*" + advice
    with pytest.raises(MemoryError, match=message):
        detector.fit(X)
    monkeypatch.setattr(_memory, "available_memory", lambda: None)
    detector.fit(X)


def test_available_memory_is_plausible():
    available = available_memory()
    assert available is None or 2**20 < available < 2**50


def test_memory_of_a_container_is_what_it_is_allowed(tmp_path, monkeypatch):
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("3000000\n")
    (group / "memory.current").write_text("2500000\n")
    (group / "memory.stat").write_text("anon 9\ninactive_file 100000\n")
    monkeypatch.setattr(
        "skuad.neighbors._memory.Path", lambda path: tmp_path / path.lstrip("/")
    )
    assert available_memory() is None  # there is no meminfo
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemAvailable:    9000 kB\n")
    assert available_memory() == 600_000
    (group / "memory.max").write_text("max\n")
    assert available_memory() == 9_216_000


def test_missing_faiss_is_named(X):
    detector = NearestNeighborDetector(algorithm="faiss")
    with (
        mock.patch.dict(sys.modules, {"faiss": None}),
        pytest.raises(ImportError, match="pip install faiss-cpu"),
    ):
        detector.fit(X)


def test_faiss_finds_most_neighbors():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8000, 8)).astype(np.float32)
    new = rng.normal(size=(200, 8)).astype(np.float32)
    settings = {"coreset": None, "contamination": None}
    exact = NearestNeighborDetector(3, **settings).fit(X)
    approximate = NearestNeighborDetector(3, algorithm="faiss", **settings).fit(X)
    distances, indices = approximate.kneighbors(new)
    found = indices == exact.kneighbors(new)[1]
    assert found.mean() > 0.8
    assert (distances[found] == exact.kneighbors(new)[0][found]).all()
    again = pickle.loads(pickle.dumps(approximate))
    np.testing.assert_array_equal(again.kneighbors(new)[1], indices)
    assert (approximate.kneighbors(new, 4000)[1] >= 0).all()
    with pytest.raises(ValueError, match='algorithm="exact"'):
        approximate.kneighbors(new, mask=np.ones(8000, dtype=bool))
    with pytest.raises(ValueError, match="n_neighbors=8001 must be between 1 and"):
        approximate.kneighbors(new, 8001)
    small = [clone(detector).fit(X[:50]) for detector in (exact, approximate)]
    for ours, theirs in zip(*(one.kneighbors(new) for one in small), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_neighbors": 0},
        {"n_neighbors": 1.5},
        {"coreset": "other"},
        {"coreset_ratio": 0.0},
        {"coreset_ratio": 1.1},
        {"algorithm": "other"},
        {"contamination": 0.6},
    ],
)
def test_parameters_are_checked_in_fit(X, parameters):
    detector = NearestNeighborDetector(**parameters)
    with pytest.raises(ValueError, match=next(iter(parameters))):
        detector.fit(X)
