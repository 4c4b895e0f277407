import cv2
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.inspection import CategoryReport
from skuad.inspection._report_pictures import take_picture
from skuad.io import write_image
from skuad.metrics import aupro_score, image_roc_auc_score, metrics_by_type
from skuad.preprocessing import GrayWorld

DATA = make_defect_images("weave", n_train=9, n_good=4, n_defective=6, size=48)


@pytest.fixture(scope="module")
def detector():
    detector = PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0)
    return detector.fit(DATA.train)


def decode(jpeg):
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def test_measures_are_those_of_the_library(detector):
    report = CategoryReport.from_estimator(
        detector, DATA.test, DATA.masks, types=DATA.defect_type, n_resamples=50
    )
    maps, scores = detector.transform(DATA.test), -detector.score_samples(DATA.test)
    np.testing.assert_array_equal(report.labels, DATA.target)
    np.testing.assert_allclose(report.scores, scores)
    assert report.threshold == -detector.offset_
    values = report.estimates["all"]
    assert values["aupro"].value == aupro_score(DATA.masks, maps)
    assert values["image_roc_auc"].value == image_roc_auc_score(DATA.target, scores)
    assert all(low < high for _, low, high in values.values())
    types = DATA.defect_type
    by_type = metrics_by_type(DATA.masks, maps, types, "aupro", n_resamples=0)
    assert set(report.estimates) == set(by_type)
    for name, group in by_type.items():
        assert report.estimates[name]["aupro"].value == group["aupro"].value
    assert dict(report.facts)["training images"] == "9"
    assert report.settings["coreset"] == "'random'"


def test_examples_are_those_next_to_being_wrong(detector):
    report = CategoryReport.from_estimator(
        detector, DATA.test, DATA.masks, n_examples=3, n_resamples=0
    )
    for kind, label, sign in [("anomalous", -1, 1), ("good", 1, -1)]:
        order = [
            i for i in np.argsort(sign * report.scores) if report.labels[i] == label
        ]
        assert [p.index for p in report.pictures[kind]] == order[:3]
    assert np.isnan(report.estimates["all"]["aupro"].low)


def test_pictures_show_the_image_the_true_defect_and_the_heat():
    image = np.full((60, 80, 3), 100, np.uint8)
    mask, anomaly_map = np.zeros((60, 80)), np.zeros((60, 80), np.float32)
    mask[20:30, 20:40] = 1
    anomaly_map[20:30, 20:40] = 4.0
    colors = {"threshold": 2.0, "vmin": 0.0, "vmax": 4.0}
    picture = take_picture(0, image, anomaly_map, mask, **colors)
    shown, heat = decode(picture.image), decode(picture.heat)
    assert shown.shape == heat.shape == (288, 384, 3)
    assert np.abs(heat[:60].astype(int) - 100).max() < 12
    middle = np.s_[25 * 288 // 60, 30 * 384 // 80]
    assert np.ptp(heat[middle].astype(int)) > 60  # in colour
    cyan = shown.astype(int)
    assert (cyan[..., 2] - cyan[..., 0] > 120).any()
    plain = take_picture(0, image, anomaly_map, **colors)
    assert np.abs(decode(plain.image).astype(int) - 100).max() < 12


def test_paths_are_read_only_where_they_are_shown(detector, tmp_path):
    paths = []
    for number, image in enumerate(DATA.test):
        paths.append(tmp_path / DATA.defect_type[number] / f"{number}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        write_image(paths[-1], image)
    pipe = make_pipeline(GrayWorld(), detector)
    found = pipe.transform(paths)
    scores = -pipe.score_samples(paths)
    shown = [int(np.argmax(np.where(DATA.target == 1, scores, -np.inf)))]
    shown.append(int(np.argmin(np.where(DATA.target == -1, scores, np.inf))))
    for number, path in enumerate(paths):
        if number not in shown:
            path.write_bytes(b"")
    report = CategoryReport.from_predictions(
        paths, found, DATA.target, scores=scores, estimator=pipe, n_examples=1
    )
    assert report.names[0] == "good/0.png"
    assert sorted(p.index for part in report.pictures.values() for p in part) == sorted(
        shown
    )
    assert report.threshold == -detector.offset_
    assert sorted(report.estimates["all"]) == ["image_roc_auc"]
    assert list(report.curves) == ["image_roc"]


def test_defects_that_nobody_drew_count_for_images_only(detector):
    maps, scores = detector.transform(DATA.test), -detector.score_samples(DATA.test)
    truth = [
        None if label == 1 else m
        for label, m in zip(DATA.target, DATA.masks, strict=True)
    ]
    last = len(truth) - 1
    truth[last] = -1
    options = {"scores": scores, "n_resamples": 0}
    report = CategoryReport.from_predictions(DATA.test, maps, truth, **options)
    assert report.n_unknown == 1
    values = report.estimates["all"]
    assert values["aupro"].value == aupro_score(truth[:last], maps[:last])
    assert values["image_roc_auc"].value == image_roc_auc_score(DATA.target, scores)
    assert (report.threshold, report.facts, report.settings) == (None, [], {})


def test_only_good_images_and_only_line_scans(detector):
    good = DATA.test[DATA.target == 1]
    report = CategoryReport.from_estimator(detector, good, np.ones(len(good)))
    assert report.estimates == {"all": {}}
    assert (report.curves, report.pictures["anomalous"]) == ({}, [])
    rng = np.random.default_rng(0)
    rows = rng.random((30, 64)).astype(np.float32)
    lines = PatchKNN(coreset="random", false_alarm_rate=0.2).fit(rows[:20])
    report = CategoryReport.from_estimator(lines, rows[20:], [1] * 5 + [-1] * 5)
    assert decode(report.pictures["good"][0].heat).shape == (24, 384, 3)


def test_a_type_may_be_called_all(detector):
    types = ["all" if label == -1 else "" for label in DATA.target]
    report = CategoryReport.from_estimator(
        detector, DATA.test, DATA.masks, types=types, n_resamples=0
    )
    assert list(report.estimates) == ["all", "(all)"]


def test_pictures_are_outlined_at_the_threshold_that_is_asked_for(detector):
    def heat(threshold):
        report = CategoryReport.from_estimator(
            detector, DATA.test, DATA.target, threshold=threshold, n_resamples=0
        )
        assert report.threshold == threshold or threshold is None
        return [decode(p.heat) for p in report.pictures["anomalous"]]

    own, same, lower = heat(None), heat(-detector.offset_), heat(0.0)
    np.testing.assert_array_equal(own, same)
    assert not np.array_equal(own, lower)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scores": [0.0]}, "1 scores for 10 images"),
        ({"types": ["a"]}, "1 types for 10 images"),
        ({"names": ["a"]}, "1 names for 10 images"),
        ({"maps": []}, "0 maps for 10 images"),
        ({"y_true": [1, -1]}, "2 entries of y for 10 images"),
        ({"scores": [np.nan] * 10}, "scores contains NaN"),
    ],
)
def test_what_does_not_fit_together(change, message):
    arguments = {
        "X": DATA.test,
        "maps": np.zeros(DATA.test.shape[:3], np.float32),
        "y_true": DATA.target,
        "scores": np.zeros(10),
    }
    with pytest.raises(ValueError, match=message):
        CategoryReport.from_predictions(**(arguments | change))
