"""scikit-learn's searches over paths and masks, with folds and scorers of ours."""

import numpy as np
import pytest
from scipy.stats import randint
from search_helpers import CountingEmbedder
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN, Tiled
from skuad.io import write_image
from skuad.metrics import (
    aupro_score,
    aupro_scorer,
    image_roc_auc_scorer,
    make_map_scorer,
    pixel_roc_auc_scorer,
)
from skuad.model_selection import (
    GoodTrainKFold,
    GoodTrainPredefinedSplit,
    GoodTrainShuffleSplit,
)
from skuad.postprocessing import MapDecision, SmoothMaps
from skuad.preprocessing import GrayWorld

SCORER = make_map_scorer(["aupro", "pixel_roc_auc", "image_roc_auc"])
METRICS = ["aupro", "pixel_roc_auc", "image_roc_auc"]
GRID = {"n_neighbors": [1, 3]}


def search_of(detector, grid=GRID, **options):
    options = {"cv": GoodTrainKFold(3), "refit": "aupro", **options}
    return GridSearchCV(detector, grid, scoring=SCORER, **options)


def means(search):
    return np.array([search.cv_results_[f"mean_test_{name}"] for name in METRICS])


def by_hand(detector, X, masks, grid=GRID):
    """Mean AUPRO over folds, without a search."""
    result = []
    for n_neighbors in grid["n_neighbors"]:
        scores = []
        for train, test in GoodTrainKFold(3).split(X, masks):
            fitted = clone(detector).set_params(n_neighbors=n_neighbors).fit(X[train])
            scores.append(aupro_score(masks[test], fitted.transform(X[test])))
        result.append(np.mean(scores))
    return np.array(result)


@pytest.fixture(scope="module")
def reference(images):
    X, masks = images
    detector = PatchKNN(calibration=None, coreset="random", random_state=0)
    return search_of(detector).fit(X, masks)


def test_grid_search_equals_a_loop(reference, detector, images):
    np.testing.assert_allclose(means(reference)[0], by_hand(detector, *images))
    best = int(np.argmax(means(reference)[0]))
    assert reference.best_index_ == best
    assert reference.best_score_ == means(reference)[0][best]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_paths(reference, detector, files, n_jobs):
    paths, masks = files
    for X, y in [(paths, masks), (np.array(paths), np.array(masks))]:
        search = search_of(detector, n_jobs=n_jobs).fit(X, y)
        np.testing.assert_array_equal(means(search), means(reference))


def test_masks_in_a_list(reference, detector, images):
    X, masks = images
    y = [mask if mask.any() else None for mask in masks]
    np.testing.assert_array_equal(
        means(search_of(detector).fit(X, y)), means(reference)
    )


def test_refit_leaves_defects_out(reference, images):
    X, masks = images
    good = ~masks.any(axis=(1, 2))
    expected = clone(reference.best_estimator_).fit(X[good])
    defects = X[~good]
    np.testing.assert_array_equal(
        reference.transform(defects), expected.transform(defects)
    )


def test_the_search_is_itself_scored(reference, images):
    X, masks = images
    assert SCORER(reference, X, masks)["aupro"] == reference.score(X, masks)
    maps = reference.best_estimator_.transform(X)
    assert aupro_score(masks, maps) == reference.score(X, masks)


def test_nested_parameters(images):
    X, masks = images
    pipeline = Pipeline(
        [
            ("light", GrayWorld()),
            ("tiled", Tiled(PatchKNN(coreset="random", random_state=0), tile=32)),
        ]
    )
    grid = {
        "tiled__detector__n_neighbors": [1, 3],
        "tiled__calibration": [None],
        "light": [GrayWorld(), "passthrough"],
    }
    search = search_of(pipeline, grid, error_score="raise").fit(X, masks)
    assert len(np.unique(means(search)[0])) > 1
    plain = Tiled(
        PatchKNN(coreset="random", random_state=0, n_neighbors=3),
        tile=32,
        calibration=None,
    )
    scores = cross_validate(plain, X, masks, scoring=SCORER, cv=GoodTrainKFold(3))
    row = [
        p["tiled__detector__n_neighbors"] == 3 and p["light"] == "passthrough"
        for p in search.cv_results_["params"]
    ].index(True)
    assert means(search)[0][row] == pytest.approx(
        scores["test_aupro"].mean(), abs=1e-12
    )


def test_parameters_of_a_decision(images):
    X, masks = images
    decision = MapDecision(PatchKNN(coreset="random", random_state=0), SmoothMaps())
    grid = {"postprocess__sigma": [0, 2], "calibration": [None], "pool": ["max", 0.1]}
    search = search_of(decision, grid).fit(X, masks)
    values = means(search)
    sigma = np.array([p["postprocess__sigma"] for p in search.cv_results_["params"]])
    assert (values[0][sigma == 0] != values[0][sigma == 2]).all()


def test_cross_validate_and_its_relatives(reference, detector, files):
    paths, masks = files
    result = cross_validate(
        detector,
        paths,
        masks,
        scoring=SCORER,
        cv=GoodTrainKFold(3),
        return_estimator=True,
        return_indices=True,
    )
    assert result["test_aupro"].mean() == means(reference)[0][0]
    for number, fitted in enumerate(result["estimator"]):
        test = result["indices"]["test"][number]
        X, y = [paths[i] for i in test], [masks[i] for i in test]
        assert aupro_scorer(fitted, X, y) == result["test_aupro"][number]
    scores = cross_val_score(
        detector,
        paths,
        masks,
        scoring=pixel_roc_auc_scorer,
        cv=GoodTrainShuffleSplit(3),
    )
    assert scores.shape == (3,) and (scores > 0.5).all()
    folds = ["train"] * 12 + ["test"] * 18
    (score,) = cross_val_score(
        detector,
        paths,
        masks,
        scoring=image_roc_auc_scorer,
        cv=GoodTrainPredefinedSplit(folds),
    )
    fitted = clone(detector).fit(paths[:12])
    assert score == image_roc_auc_scorer(fitted, paths[12:], masks[12:])


def test_randomized_search(detector, files):
    search = RandomizedSearchCV(
        detector,
        {"n_neighbors": randint(1, 6), "coreset_ratio": [0.1, 0.5]},
        n_iter=3,
        scoring=SCORER,
        refit="image_roc_auc",
        cv=GoodTrainShuffleSplit(2, random_state=0),
        n_jobs=2,
        random_state=0,
    ).fit(*files)
    assert search.best_score_ == means(search)[2].max()


@pytest.mark.parametrize("kind", [HalvingGridSearchCV, HalvingRandomSearchCV])
def test_halving_by_patches(kind, detector, files):
    search = kind(
        detector,
        {"n_neighbors": [1, 2, 3, 5]},
        resource="max_patches",
        min_resources=50,
        max_resources=400,
        factor=2,
        scoring=aupro_scorer,
        cv=GoodTrainKFold(2),
        return_train_score=False,
        random_state=0,
        error_score="raise",
    )
    if kind is HalvingRandomSearchCV:
        search.set_params(n_candidates=4)
    results = search.fit(*files).cv_results_
    assert search.n_resources_ == [50, 100, 200]
    assert [p["max_patches"] for p in results["params"][:1]] == [50]
    assert np.isfinite(results["mean_test_score"]).all()
    assert search.best_estimator_.max_patches == 200
    last = results["iter"] == 2
    assert search.best_score_ == results["mean_test_score"][last].max()


@pytest.mark.parametrize("scorer", [aupro_scorer, image_roc_auc_scorer])
@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_halving_by_samples_says_when_a_fold_has_no_defect(
    detector, files, scorer, error_score
):
    paths, masks = files
    search = HalvingGridSearchCV(
        detector,
        {"n_neighbors": [1, 2, 3, 5]},
        resource="n_samples",
        min_resources=6,
        factor=2,
        scoring=scorer,
        cv=GoodTrainKFold(3),
        return_train_score=False,
        random_state=2,
        error_score=error_score,
    )
    with pytest.raises(ValueError, match=r"a part of 2 out of 10 .* resource='max_pat"):
        search.fit(paths, masks)
    search.set_params(min_resources=24).fit(paths, masks)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_train_scores_are_refused(detector, images):
    """Halving searches ask for them by default."""
    search = search_of(detector, return_train_score=True)
    with pytest.raises(ValueError, match=r"12 good and 0 .* return_train_score=False"):
        search.fit(*images)


def test_halving_draws_with_an_ellipsis():
    """What the guard of test sets goes by; it fails if scikit-learn changes it."""
    from sklearn.utils import resample

    class Index(np.ndarray):
        def __getitem__(self, key):
            keys.append(key)
            return np.asarray(self)[key]

    keys = []
    resample(np.arange(9).view(Index), replace=False, n_samples=3, random_state=0)
    assert len(keys) == 1
    assert isinstance(keys[0], tuple) and keys[0][1] is Ellipsis


@pytest.mark.parametrize("y", [0, 1], ids=["0/1", "1/0"])
def test_labels_of_another_coding_raise(y, detector, images):
    X, masks = images
    labels = np.where(masks.any(axis=(1, 2)), 1 - y, y)
    search = GridSearchCV(
        detector, GRID, scoring=image_roc_auc_scorer, cv=GoodTrainKFold(3)
    )
    with pytest.raises(ValueError, match=r"code them as \+1"):
        search.fit(X, labels)
    search.set_params(cv=KFold(3, shuffle=True), scoring=SCORER, refit="aupro")
    with (
        pytest.warns(UserWarning, match="not coded"),
        pytest.raises(ValueError, match="pixel metrics need a mask"),
    ):
        search.fit(X, labels)


CACHE_GRID = {"n_neighbors": [1, 2, 3]}


@pytest.fixture
def many(tmp_path):
    """36 images in files."""
    X, masks = make_defect_images(
        "noise", n_train=12, n_good=12, n_defective=12, size=48, return_X_y="masks"
    )
    paths = []
    for number, image in enumerate(X):
        paths.append(str(tmp_path / f"{number}.png"))
        write_image(paths[-1], image)
    return X, paths, masks


def cached_detector(tmp_path, memory="cache", **options):
    memory = None if memory is None else str(tmp_path / memory)
    embedder = CountingEmbedder(log=str(tmp_path / "log"), memory=memory)
    return PatchKNN(embedder, coreset="random", random_state=0, **options)


def test_a_search_embeds_each_image_once(many, tmp_path):
    X, paths, masks = many
    detector = cached_detector(tmp_path)
    search = search_of(detector, CACHE_GRID).fit(paths, masks)
    assert detector.embedder.n_embedded() == 36
    again = search_of(detector, CACHE_GRID).fit(X, masks)
    assert detector.embedder.n_embedded() == 36
    np.testing.assert_array_equal(means(again), means(search))
    uncached = search_of(cached_detector(tmp_path, None), CACHE_GRID).fit(X, masks)
    np.testing.assert_array_equal(means(uncached), means(search))
    # 3 candidates in 3 folds: 16 good images to train on and 36 to score, and a refit.
    assert detector.embedder.n_embedded() == 36 + 3 * (48 + 36) + 24


def test_the_detectors_own_memory_does_the_same(many, tmp_path):
    X, _, masks = many
    detector = cached_detector(tmp_path, None)
    detector.set_params(memory=str(tmp_path / "cache"))
    search_of(make_pipeline(GrayWorld(), detector), {
        "patchknn__n_neighbors": [1, 2, 3]}).fit(X, masks)  # fmt: skip
    assert detector.embedder.n_embedded() == 36


def test_a_search_with_two_workers_embeds_few_images_twice(many, tmp_path):
    _, paths, masks = many
    detector = cached_detector(tmp_path)
    search = search_of(detector, CACHE_GRID, n_jobs=2).fit(paths, masks)
    # Both may miss the same image at the same time, but no image is missed later.
    assert 36 <= detector.embedder.n_embedded() <= 72
    n_embedded = detector.embedder.n_embedded()
    again = search_of(detector, CACHE_GRID, n_jobs=2).fit(paths, masks)
    assert detector.embedder.n_embedded() == n_embedded
    np.testing.assert_array_equal(means(again), means(search))


def test_the_cache_follows_the_pixels(many, tmp_path):
    X, paths, _ = many
    detector = cached_detector(tmp_path).fit(paths)
    assert detector.embedder.n_embedded() == 36
    write_image(paths[3], X[3][::-1])
    detector.fit(paths)
    assert detector.embedder.n_embedded() == 37
    np.testing.assert_array_equal(
        detector.transform(paths[:6]),
        cached_detector(tmp_path, None).fit(paths).transform(paths[:6]),
    )


def test_the_cache_follows_parameters_and_version(many, tmp_path, monkeypatch):
    import skuad

    X, _, _ = many
    embedder = cached_detector(tmp_path).embedder
    for n_embedded, change in [
        (2, {}),
        (2, {}),
        (4, {"stride": 4}),
        (4, {"stride": 8}),
    ]:
        embedder.set_params(**change).transform(X[:2])
        assert embedder.n_embedded() == n_embedded
    monkeypatch.setattr(skuad, "__version__", "of the future")
    embedder.transform(X[:2])
    assert embedder.n_embedded() == 6
