"""Scorers: one map per image, exact metrics, and errors that say why."""

import pickle
import tempfile
import warnings
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin, clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline

from skuad.base import MapDetector
from skuad.datasets import make_defect_images
from skuad.detectors import PatchDetector, PatchKNN, RegionOfInterest, Tiled
from skuad.io import write_image
from skuad.metrics import _scorers as scorers_module
from skuad.metrics import (
    aupro_scorer,
    get_map_scorer,
    get_map_scorer_names,
    image_roc_auc_scorer,
    make_map_scorer,
    map_metrics,
    pixel_roc_auc_scorer,
)
from skuad.metrics._spool import MapSpool
from skuad.model_selection import GoodTrainKFold
from skuad.postprocessing import MapDecision, SmoothMaps
from skuad.preprocessing import GrayWorld

PIXEL = ["pixel_roc_auc", "pixel_average_precision", "pixel_f1_max", "aupro"]
PIXEL += ["aupro@0.05", "aupimo"]
IMAGE = ["image_roc_auc", "image_average_precision", "image_f1_max"]
DATA = make_defect_images("noise", n_train=6, n_good=3, n_defective=5, size=48)
LABELS = DATA.target
MASKS = DATA.masks


class Dummy(MapDetector):
    """Its map is the image's first channel; it counts the maps that it makes."""

    n_maps = 0

    def __init__(self, *, false_alarm_rate=0.1, contamination=None, calibration=None):
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _fit_images(self, images):
        self.fitted_ = True

    def _detect(self, images):
        for image in images:
            type(self).n_maps += 1
            anomaly_map = image[:, :, 0].astype(np.float32)
            yield anomaly_map, float(anomaly_map.std())


class Foreign(OutlierMixin, TransformerMixin, BaseEstimator):
    """Maps and scores by scikit-learn's method names, and no `detect`."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return [np.asarray(x)[..., 0] / 255 for x in X]

    def score_samples(self, X):
        return np.array([-np.mean(x) for x in X])


inner = partial(PatchKNN, calibration=None, coreset="random", random_state=0)
ESTIMATORS = {
    "detector": inner(),
    "any estimator": PatchDetector(calibration=None, random_state=0),
    "dummy": Dummy(),
    "pipeline": make_pipeline(GrayWorld(), inner()),
    "smoothed pipeline": make_pipeline(inner(), SmoothMaps(1)),
    "tiled": Tiled(inner(), tile=32, calibration=None),
    "tiled pipeline": Tiled(make_pipeline(GrayWorld(), inner()), tile=32),
    "decision": MapDecision(inner(), SmoothMaps(sigma=2), pool=0.1, calibration=None),
    "dummy in all": MapDecision(Tiled(Dummy(), tile=32), SmoothMaps(sigma=2)),
    "region": RegionOfInterest(inner(), [(0, 0), (40, 0), (40, 40)], calibration=None),
    "foreign": Foreign(),
    "tiled foreign": Tiled(Foreign(), tile=32, calibration=None),
    "search": GridSearchCV(
        inner(),
        {"n_neighbors": [1, 3]},
        scoring=aupro_scorer,
        cv=GoodTrainKFold(2),
    ),
}


def as_paths(folder, masks=MASKS):
    """Write masks; a channel folder for every second one, as LOCO has them."""
    paths = []
    for number, mask in enumerate(masks):
        path = Path(folder) / f"{number}.png"
        if not mask.any():
            path = ""
        elif number % 2:
            path = path.with_suffix("")
            path.mkdir()
            first = mask & (np.arange(mask.shape[1]) < mask.shape[1] // 2)
            write_image(path / "0.png", first.astype(np.uint8))
            write_image(path / "1.png", mask.astype(np.uint8) * 7)
        else:
            write_image(path, mask.astype(np.uint8) * 255)
        paths.append(str(path))
    return paths


@pytest.fixture(scope="module")
def fitted():
    return inner().fit(DATA.train)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_kind_of_estimator(name):
    estimator = clone(ESTIMATORS[name])
    if name == "search":
        X, y = np.concatenate([DATA.train, DATA.test]), np.zeros((14, 48, 48), bool)
        y[6:] = MASKS
        estimator.fit(X, y)
    else:
        estimator.fit(DATA.train)
    maps = estimator.transform(DATA.test)
    final = getattr(estimator, "best_estimator_", estimator)
    if name == "smoothed pipeline":  # its last step has maps, but no scores
        scores = np.max(maps, axis=(1, 2))
    else:
        scores = -final.score_samples(DATA.test)
    expected = map_metrics(MASKS, maps, PIXEL + IMAGE, scores=scores)
    values = make_map_scorer(PIXEL + IMAGE)(estimator, DATA.test, MASKS)
    assert list(values) == PIXEL + IMAGE
    assert values == {metric: expected[metric] for metric in values}
    for metric in PIXEL + IMAGE:
        value = get_map_scorer(metric)(estimator, DATA.test, MASKS)
        assert value == values[metric]
        assert type(value) is float


def test_every_coding_of_masks(fitted, tmp_path):
    scorer = make_map_scorer(["aupro", "pixel_roc_auc", "image_roc_auc"])
    expected = scorer(fitted, DATA.test, MASKS)
    paths = as_paths(tmp_path)
    for y in (
        MASKS.astype(np.uint8) * 255,
        list(MASKS),
        [mask if mask.any() else None for mask in MASKS],
        paths,
        np.array(paths),
        np.array(paths, object),
        pd.Series(paths),
        [Path(path) for path in paths],
        [mask if number < 5 else path for number, (mask, path) in
         enumerate(zip(MASKS, paths, strict=True))],
    ):  # fmt: skip
        assert scorer(fitted, DATA.test, y) == expected
    for image_metric in IMAGE:
        scorer = get_map_scorer(image_metric)
        expected = scorer(fitted, DATA.test, MASKS)
        for y in (LABELS, LABELS.tolist(), LABELS[:, None], paths, pd.Series(LABELS)):
            assert scorer(fitted, DATA.test, y) == expected


def test_paths_of_images_and_line_scans(fitted, tmp_path):
    for number, image in enumerate(DATA.test):
        write_image(tmp_path / f"{number}.png", image)
    X = [str(tmp_path / f"{number}.png") for number in range(8)]
    scorer = make_map_scorer(PIXEL + IMAGE)
    assert scorer(fitted, X, MASKS) == scorer(fitted, DATA.test, MASKS)
    rng = np.random.default_rng(0)
    rows, y = rng.random((20, 30)), np.zeros((20, 30))
    y[15:, 3:9] = 1
    detector = inner().fit(rows[:10])
    expected = map_metrics(
        y[10:],
        detector.transform(rows[10:]),
        PIXEL + IMAGE,
        scores=-detector.score_samples(rows[10:]),
    )
    values = scorer(detector, rows[10:], y[10:])
    assert values == {metric: expected[metric] for metric in values}


def test_each_image_is_detected_once(monkeypatch):
    monkeypatch.setattr(Dummy, "n_maps", 0)
    detector = Dummy().fit(DATA.train)
    make_map_scorer(PIXEL + IMAGE)(detector, DATA.test, MASKS)
    assert Dummy.n_maps == len(DATA.test)
    scorer = make_map_scorer(PIXEL + IMAGE, memory_limit=0)
    scorer(make_pipeline(GrayWorld(), detector), DATA.test, MASKS)
    assert Dummy.n_maps == 2 * len(DATA.test)


@pytest.mark.parametrize("memory_limit", [0, 3 * 48 * 48 * 4, 10**9])
def test_maps_on_disk_give_the_same_values(fitted, memory_limit):
    expected = make_map_scorer(PIXEL + IMAGE)(fitted, DATA.test, MASKS)
    scorer = make_map_scorer(PIXEL + IMAGE, memory_limit=memory_limit)
    assert scorer(fitted, DATA.test, MASKS) == expected


def test_memory_is_bounded():
    """With a limit of nothing, at most a few maps are alive at a time."""
    alive, counts = weakref.WeakValueDictionary(), []

    class Watched(Dummy):
        def _detect(self, images):
            for number, (anomaly_map, score) in enumerate(super()._detect(images)):
                alive[number] = anomaly_map
                counts.append(len(alive))
                yield anomaly_map, score

    masks = np.zeros((80, 48, 48), bool)
    masks[7, 10:15, 10:15] = True
    detector = Watched().fit(DATA.train)
    scorer = make_map_scorer(PIXEL, memory_limit=0)
    scorer(detector, np.tile(DATA.test, (10, 1, 1, 1)), masks)
    assert len(counts) == 80 and max(counts) < 5


def test_spool_is_a_sequence_and_cleans_up(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rng = np.random.default_rng(0)
    maps = [rng.random((size, 9), np.float32) for size in (4, 3, 7, 1)]
    buffer = maps[0].copy()
    with MapSpool(memory_limit=200) as spool:
        spool.append(buffer)
        buffer[:] = 0  # the caller may use its array again
        for anomaly_map in maps[1:]:
            spool.append(anomaly_map)
        assert len(spool) == 4 and spool._file is not None
        for _ in range(2):
            for read, anomaly_map in zip(spool, maps, strict=True):
                np.testing.assert_array_equal(read, anomaly_map)
        np.testing.assert_array_equal(spool[-1], maps[-1])
    assert spool._file.closed
    assert not list(tmp_path.iterdir())


def test_unknown_extent_is_left_out_of_pixel_metrics(fitted):
    y = [mask if mask.any() else None for mask in MASKS]
    y[5] = -1
    known = [i for i in range(8) if i != 5]
    scorer = make_map_scorer(["aupro", "image_roc_auc"])
    with pytest.warns(UserWarning, match=r"1 anomalous image of unknown") as seen:
        values = scorer(fitted, DATA.test, y)
    assert len(seen) == 1
    assert values["aupro"] == aupro_scorer(fitted, DATA.test[known], MASKS[known])
    expected = image_roc_auc_scorer(fitted, DATA.test, MASKS)
    assert values["image_roc_auc"] == expected
    assert image_roc_auc_scorer(fitted, DATA.test, y) == expected


def test_masks_beside_labels(fitted):
    scorer = make_map_scorer(["aupro", "image_roc_auc"])
    expected = scorer(fitted, DATA.test, MASKS)
    assert scorer(fitted, DATA.test, LABELS, masks=MASKS) == expected
    assert scorer(fitted, DATA.test, None, masks=MASKS) == expected
    lacking = [*MASKS[:-1], None]
    with pytest.warns(UserWarning, match="1 anomalous image"):
        values = scorer(fitted, DATA.test, LABELS, masks=lacking)
    assert values["image_roc_auc"] == expected["image_roc_auc"]
    assert values["aupro"] == aupro_scorer(fitted, DATA.test[:-1], MASKS[:-1])
    with pytest.raises(ValueError, match=r"y\[3\] is \+1 .*masks\[3\] marks a defect"):
        scorer(fitted, DATA.test, np.where(np.arange(8) < 5, 1, LABELS), masks=MASKS)
    with pytest.raises(ValueError, match=r"labels are \[0, 1\]"):
        scorer(fitted, DATA.test, (LABELS == -1).astype(int), masks=MASKS)


def test_ignored_pixels(fitted):
    maps = fitted.transform(DATA.test)
    scores = -fitted.score_samples(DATA.test)
    frame = np.ones((48, 48), np.uint8)
    frame[4:-4, 4:-4] = 0
    expected = map_metrics(MASKS, maps, PIXEL, ignore=frame)
    values = make_map_scorer(PIXEL, ignore=frame.tolist())(fitted, DATA.test, MASKS)
    assert values == {metric: expected[metric] for metric in PIXEL}
    assert values != make_map_scorer(PIXEL)(fitted, DATA.test, MASKS)
    ignore = [None, frame, *[None] * 6]
    expected = map_metrics(MASKS, maps, PIXEL + IMAGE, scores=scores, ignore=ignore)
    scorer = make_map_scorer(PIXEL + IMAGE)
    values = scorer(fitted, DATA.test, MASKS, ignore=ignore)
    assert values == {metric: expected[metric] for metric in values}
    with pytest.raises(ValueError, match=r"ignore\[0\] has shape \(3, 3\)"):
        make_map_scorer("aupro", ignore=np.ones((3, 3)))(fitted, DATA.test, MASKS)
    with pytest.raises(ValueError, match=r"ignore\[2\] is -1"):
        scorer(fitted, DATA.test, MASKS, ignore=[None, None, -1, *[None] * 5])


PIXEL_NEEDS = "pixel metrics need a mask per image"


@pytest.mark.parametrize(
    ("metrics", "y", "message"),
    [
        ("aupro", LABELS, PIXEL_NEEDS),
        (["image_roc_auc", "aupro"], LABELS.tolist(), PIXEL_NEEDS),
        ("aupro", pd.Series(LABELS), PIXEL_NEEDS),
        ("aupro", -np.ones(8), PIXEL_NEEDS),
        ("image_roc_auc", (LABELS == -1).astype(int), r"From 0/1 with 1 anomalous"),
        ("image_roc_auc", (LABELS == -1).tolist(), r"labels are \["),
        ("pixel_roc_auc", (LABELS == -1).astype(int), r"\+1 for a normal image"),
        ("image_roc_auc", [1, 1, 0, -1, -1, -1, -1, -1], r"labels are \[-1, 0, 1\]"),
        ("aupro", [None, None, 0, *MASKS[3:]], r"y\[2\] is 0"),
        ("aupro", [None] * 8, "aupro cannot be computed from 8 good and 0 defective"),
        ("aupro", np.zeros((8, 48, 48)), "8 good and 0 defective images"),
        ("image_f1_max", np.ones(8), "8 good and 0 defective"),
        ("image_f1_max", -np.ones(8), "0 good and 8 defective"),
        (["aupimo", "aupro"], [MASKS[7]] * 8, "aupimo cannot .* 0 good and 8 defect"),
        ("aupro", [None] * 7 + [-1], "0 anomalous pixels of known truth in 8 images"),
        ("aupro", np.ones((8, 48, 48)), "from 0 normal and"),
        ("aupro", MASKS[:, :-1], r"y\[0\] has shape \(47, 48\)"),
        (
            "aupro",
            [*MASKS[:6], MASKS[6].T[:9], MASKS[7]],
            r"y\[6\] has shape \(9, 48\)",
        ),
        ("aupro", MASKS[:-1], "inconsistent numbers of samples"),
        ("aupro", None, "y is None"),
        ("aupro", ["", "no/such/mask.png", *[""] * 6], "no mask at"),
    ],
)
@pytest.mark.filterwarnings("ignore:1 anomalous image:UserWarning")
def test_errors_say_why(fitted, metrics, y, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        make_map_scorer(metrics)(fitted, DATA.test, y)


def test_errors_of_y_come_before_any_work(monkeypatch):
    monkeypatch.setattr(Dummy, "n_maps", 0)
    detector = Dummy().fit(DATA.train)
    for y in (LABELS, [None] * 8, np.where(LABELS == -1, 1, 0)):
        with pytest.raises(ValueError):
            aupro_scorer(detector, DATA.test, y)
    assert Dummy.n_maps == 0


def test_empty_mask_files_are_good_images(fitted, tmp_path):
    """That the only defects' masks are empty shows once they are read."""
    write_image(tmp_path / "mask.png", np.zeros((48, 48), np.uint8))
    y = [""] * 7 + [str(tmp_path / "mask.png")]
    with pytest.raises(ValueError, match="0 anomalous pixels"):
        aupro_scorer(fitted, DATA.test, y)


def test_maps_that_are_wrong_are_named():
    class Nan(Dummy):
        def _detect(self, images):
            for number, (anomaly_map, score) in enumerate(super()._detect(images)):
                yield np.where(number == 6, np.nan, anomaly_map), score

    with pytest.raises(ValueError, match=r"maps\[6\] contains NaN"):
        aupro_scorer(Nan().fit(DATA.train), DATA.test, MASKS)

    class Few(Foreign):
        def transform(self, X):
            return super().transform(X)[:5]

    with pytest.raises(ValueError, match="5 maps for 8 images"):
        aupro_scorer(Few(), DATA.test, MASKS)

    class Many(Foreign):
        def transform(self, X):
            return super().transform(X) * 2

        score_samples = property()

    with pytest.raises(ValueError, match="more than 8 maps for 8 images"):
        aupro_scorer(Many(), DATA.test, MASKS)


def test_names():
    assert get_map_scorer_names() == sorted([*PIXEL[:4], "aupimo", *IMAGE])
    for name in get_map_scorer_names():
        ready = getattr(scorers_module, f"{name}_scorer")
        assert ready.metrics == name
    assert repr(make_map_scorer(("aupro", "aupimo"))).endswith("(['aupro', 'aupimo'])")
    for wrong in ("auroc", ["aupro", "auroc"], []):
        with pytest.raises(ValueError, match=r"no metric 'auroc'|empty"):
            make_map_scorer(wrong)
    with pytest.raises(ValueError, match="must be a str"):
        get_map_scorer(["aupro"])
    with pytest.raises(ValueError, match="memory_limit is -1"):
        make_map_scorer("aupro", memory_limit=-1)


@pytest.mark.parametrize("metrics", ["aupro", ["aupro", "image_roc_auc"]])
def test_scorers_are_pickled_and_cloned(fitted, metrics):
    scorer = make_map_scorer(metrics, ignore=np.eye(48))
    expected = scorer(fitted, DATA.test, MASKS)
    for copied in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copied(fitted, DATA.test, MASKS) == expected
        assert repr(copied) == repr(scorer)


def test_metadata_routing(fitted):
    X = np.concatenate([DATA.train, DATA.test])
    masks = [None] * 9 + list(MASKS[3:])
    labels = np.repeat([1, -1], [9, 5])
    corner = np.zeros((48, 48), bool)
    corner[:9, :9] = True
    ignore = [corner] * 14
    scorer = make_map_scorer(["aupro", "image_roc_auc"])
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        scorer.set_score_request(masks=True)
    plain = cross_validate(
        inner(), X, masks, scoring=scorer, cv=GoodTrainKFold(2), error_score="raise"
    )
    options = {"cv": GoodTrainKFold(2), "error_score": "raise"}
    with config_context(enable_metadata_routing=True):
        asked = scorer.set_score_request(masks=True)
        routed = cross_validate(
            inner(), X, labels, scoring=asked, params={"masks": masks}, **options
        )
        for key in ("test_aupro", "test_image_roc_auc"):
            np.testing.assert_array_equal(routed[key], plain[key])
        with pytest.raises(UnsetMetadataPassedError, match="masks"):
            cross_validate(
                inner(), X, labels, scoring=scorer, params={"masks": masks}, **options
            )
        asked = aupro_scorer.set_score_request(masks="drawn", ignore=True)
        search = GridSearchCV(inner(), {"pool": ["max"]}, scoring=asked, **options)
        search.fit(X, labels, drawn=masks, ignore=ignore)
        both = [mean_of(X, masks, ignore, *split) for split in
                GoodTrainKFold(2).split(X, labels)]  # fmt: skip
        assert search.best_score_ == pytest.approx(np.mean(both), abs=1e-15)
        score = search.score(X, labels, drawn=masks, ignore=ignore)
        assert score == aupro_scorer(search, X, masks, ignore=ignore)
        with pytest.raises(TypeError, match="sample_weight"):
            scorer.set_score_request(sample_weight=True)
    # The ready-made scorer is as it was.
    assert aupro_scorer._requests == {"masks": None, "ignore": None}


def mean_of(X, masks, ignore, train, test):
    return aupro_scorer(
        inner().fit(X[train]),
        X[test],
        [masks[i] for i in test],
        ignore=[ignore[i] for i in test],
    )


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_nan_never_turns_into_a_rank(error_score):
    """scikit-learn's folds: the first test set has good images only."""
    X = np.concatenate([DATA.train, DATA.test])
    masks = [None] * 9 + list(MASKS[3:])
    search = GridSearchCV(
        inner(),
        {"n_neighbors": [1, 2]},
        scoring=make_map_scorer(["aupro"]),
        refit="aupro",
        cv=KFold(3),
        error_score=error_score,
    )
    with pytest.raises(ValueError, match="aupro cannot be computed from 5 good and 0"):
        search.fit(X, masks)
    # Of a scorer that is no dict scikit-learn makes nan, and says so, unless told not
    # to.
    search.set_params(scoring=aupro_scorer, refit=True)
    if error_score == "raise":
        with pytest.raises(ValueError, match="cannot be computed"):
            search.fit(X, masks)
    else:
        with pytest.warns(UserWarning, match="Scoring failed|non-finite") as caught:
            search.fit(X, masks)
        assert any("cannot be computed" in str(w.message) for w in caught)


def test_searches_see_a_scorer_of_several_metrics_as_their_own():
    X = np.concatenate([DATA.train, DATA.test])
    masks = [None] * 9 + list(MASKS[3:])
    scorer = make_map_scorer(["aupro", "image_roc_auc"])
    search = GridSearchCV(
        inner(),
        {"n_neighbors": [1, 2, 0]},
        scoring=scorer,
        refit="aupro",
        cv=GoodTrainKFold(2),
        return_train_score=False,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, masks)  # n_neighbors=0 fails to fit
    assert any("2 fits failed" in str(w.message) for w in caught)
    results = search.cv_results_
    assert np.isnan(results["mean_test_aupro"]).tolist() == [False, False, True]
    assert results["rank_test_aupro"][2] == 3
    assert search.score(X, masks) == aupro_scorer(search, X, masks)
    assert list(search.scorer_) == ["aupro", "image_roc_auc"]
    search.set_params(refit=True, param_grid={"n_neighbors": [1]})
    with pytest.raises(ValueError, match="refit must be set to a scorer key"):
        search.fit(X, masks)


def test_scorers_of_single_metrics_in_a_dict():
    X = np.concatenate([DATA.train, DATA.test])
    masks = [None] * 9 + list(MASKS[3:])
    scoring = {"p": pixel_roc_auc_scorer, "i": image_roc_auc_scorer}
    each = cross_validate(inner(), X, masks, scoring=scoring, cv=GoodTrainKFold(2))
    scorer = make_map_scorer(["pixel_roc_auc", "image_roc_auc"])
    both = cross_validate(inner(), X, masks, scoring=scorer, cv=GoodTrainKFold(2))
    np.testing.assert_array_equal(each["test_p"], both["test_pixel_roc_auc"])
    np.testing.assert_array_equal(each["test_i"], both["test_image_roc_auc"])
