"""Robustness curves: against metrics and decisions of images corrupted by hand."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skuad.augmentation import (
    Compose,
    ExposureShift,
    Vignette,
    random_defect,
    random_flip,
    random_rotation,
)
from skuad.datasets import load_mvtec_ad2, make_defect_images, make_fake_tree
from skuad.detectors import PatchKNN, Tiled
from skuad.io import write_image
from skuad.metrics import aupro_score, image_roc_auc_score
from skuad.model_selection import robustness_by_condition, robustness_curve
from skuad.preprocessing import GrayWorld

DATA = make_defect_images("noise", n_train=20, n_good=5, n_defective=5, size=48)
KNN = PatchKNN(coreset="random", false_alarm_rate=0.1, random_state=0)
EFFECTS = {"brighter": ExposureShift, "corners": Vignette}


@pytest.fixture(scope="module")
def detector():
    return KNN.fit(DATA.train)


def test_rows_are_what_one_finds_by_hand(detector):
    result = robustness_curve(
        detector,
        DATA.test,
        DATA.masks,
        EFFECTS,
        {"brighter": [0.1, 1.0], "corners": [0.5]},
        metrics=["aupro", "image_roc_auc"],
    )
    augmenters = [None, ExposureShift(0.1), ExposureShift(1.0), Vignette(0.5)]
    assert result.metrics == ["aupro", "image_roc_auc"]
    assert [(row["corruption"], row["severity"]) for row in result.rows] == [
        *[("none", 0.0), ("brighter", 0.1), ("brighter", 1.0), ("corners", 0.5)]
    ]
    for row, augmenter in zip(result.rows, augmenters, strict=True):
        X = DATA.test if augmenter is None else augmenter.transform(DATA.test)
        flagged = detector.predict(X) == -1
        assert row["n_good"] == row["n_anomalous"] == 5
        assert row["false_alarm_rate"] == flagged[:5].mean()
        assert row["detection_rate"] == flagged[5:].mean()
        assert row["aupro"] == aupro_score(DATA.masks, detector.transform(X))
        scores = -detector.score_samples(X)
        assert row["image_roc_auc"] == image_roc_auc_score(DATA.target, scores)
    assert result.rows[2]["false_alarm_rate"] > result.rows[0]["false_alarm_rate"]


def test_masks_move_with_the_pixels(detector):
    flip = {"flip": lambda severity: random_flip}
    result = robustness_curve(
        detector, DATA.test, DATA.masks, flip, [1], metrics="aupro"
    )
    images, masks = Compose([random_flip]).augment(DATA.test, DATA.masks)
    expected = aupro_score(np.array(masks), detector.transform(images))
    assert result.rows[1]["aupro"] == expected
    assert abs(result.rows[1]["aupro"] - result.rows[0]["aupro"]) < 0.2


def test_planted_defects_make_good_images_anomalous(detector):
    good, planted = DATA.test[:5], {"planted": lambda severity: random_defect}
    y = [None, None, None, None, np.eye(48)]
    result = robustness_curve(detector, good, y, planted, [1], metrics="pixel_roc_auc")
    assert [row["n_anomalous"] for row in result.rows] == [1, 5]


@pytest.mark.parametrize("kind", ["pipeline", "search", "tiled"])
def test_estimators_round_others(kind):
    estimator = make_pipeline(GrayWorld(), KNN)
    if kind == "search":
        estimator = GridSearchCV(
            estimator, {"patchknn__n_neighbors": [1]}, scoring=lambda *_: 0.0, cv=2
        )
    elif kind == "tiled":
        estimator = Tiled(KNN, tile=32, false_alarm_rate=0.1)
    estimator.fit(DATA.train)
    rows = robustness_curve(
        estimator, DATA.test, DATA.target, EFFECTS, [0.3], metrics="image_roc_auc"
    ).rows
    for row, augmenter in zip(rows, [None, *EFFECTS.values()], strict=True):
        X = DATA.test if augmenter is None else augmenter(0.3).transform(DATA.test)
        flagged = estimator.predict(X)[:5] == -1
        assert row["false_alarm_rate"] == flagged.mean()


def test_containers_agree(detector, tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(10)]
    for path, image in zip(paths, DATA.test, strict=True):
        write_image(path, image)
    results = [
        robustness_curve(detector, X, y, {"flip": lambda _: random_flip}, [1]).rows
        for X, y in [
            (DATA.test, DATA.masks),
            (list(DATA.test), [m if m.any() else None for m in DATA.masks]),
            (paths, list(DATA.masks)),
        ]
    ]
    assert results[0] == results[1] == results[2]


def test_line_scans():
    X = np.random.default_rng(0).random((12, 40))
    detector = PatchKNN(false_alarm_rate=0.2, random_state=0).fit(X)
    rows = robustness_curve(detector, X, np.ones(12), EFFECTS, [0.5], metrics=()).rows
    assert rows[1]["false_alarm_rate"] == (detector.predict(X * 2**0.5) == -1).mean()


def test_default_effects_and_good_images_alone(detector):
    result = robustness_curve(detector, DATA.test[:4], np.ones(4), metrics=())
    assert len(result.rows) == 1 + 8 * 3 and result.metrics == []
    assert all(np.isnan(row["detection_rate"]) for row in result.rows)
    worst = {}
    for row in result.rows:
        worst.setdefault(row["corruption"], []).append(row["false_alarm_rate"])
    assert max(max(rates) for rates in worst.values()) == 1.0


def test_no_threshold_gives_no_rates():
    detector = PatchKNN(calibration=None, random_state=0).fit(DATA.train)
    (row,) = robustness_curve(detector, DATA.test, DATA.masks, {}, []).rows
    assert np.isnan(row["false_alarm_rate"]) and row["aupro"] > 0.5


def test_lighting_conditions_of_mvtec_ad2(tmp_path):
    make_fake_tree("mvtec_ad2", tmp_path, "vial")
    train = load_mvtec_ad2(tmp_path, "vial", split="train")
    data = load_mvtec_ad2(tmp_path, "vial", split="test")
    detector = PatchKNN(coreset="random", calibration=None, random_state=0)
    detector.fit(train.images)
    result = robustness_by_condition(
        detector, data.images, data.masks, data.condition, metrics="image_roc_auc"
    )
    names = [row["corruption"] for row in result.rows]
    assert names[0] == "regular" and set(names) == set(data.condition.tolist())
    for row in result.rows:
        keep = data.condition == row["corruption"]
        scores = -detector.score_samples(data.images[keep])
        expected = image_roc_auc_score(data.target[keep], scores)
        assert row["image_roc_auc"] == expected
        assert row["n_good"] + row["n_anomalous"] == keep.sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augmenters": ExposureShift}, "augmenters must be a dict"),
        ({"severities": None}, "severities is None"),
        ({"severities": {"brighter": [1]}}, "no entry for 'corners'"),
        ({"augmenters": {"jpeg": lambda s: "jpeg"}}, "augmenters holds 'jpeg'"),
        ({"augmenters": {"dark": lambda s: Vignette(2.0)}}, "'strength'"),
        ({"y": DATA.target}, "one number per image"),
        ({"y": np.arange(10) % 2}, r"code them as \+1"),
        ({"metrics": "auc"}, "no metric 'auc'"),
        (
            {
                "augmenters": {"turn": lambda s: random_rotation},
                "X": DATA.test[:, :, :40],
                "y": DATA.masks[:, :, :40],
            },
            r"turn at 0.5: .*shape \(40, 48, 3\) out of one of shape \(48, 40, 3\)",
        ),
    ],
)
def test_bad_arguments(detector, change, message):
    arguments = {"X": DATA.test, "y": DATA.masks, "augmenters": EFFECTS}
    arguments = {**arguments, "severities": [0.5]} | change
    with pytest.raises(ValueError, match=message):
        robustness_curve(detector, **arguments)


@pytest.mark.parametrize(
    ("condition", "message"),
    [(["regular"] * 9, "one per image"), (["a"] * 5 + ["b"] * 5, "condition a: .*")],
)
def test_bad_conditions(detector, condition, message):
    with pytest.raises(ValueError, match=message):
        robustness_by_condition(detector, DATA.test, DATA.masks, condition)
