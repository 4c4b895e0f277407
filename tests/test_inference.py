"""Scores, decisions and maps out of any detector."""

import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skuad.detectors import PatchKNN, Tiled
from skuad.inference import infer, infer_stream, regions_of
from skuad.io import write_image
from skuad.postprocessing import MapDecision
from skuad.preprocessing import GrayWorld
from skuad.utils._testing_images import make_images

IMAGES = make_images(12, seed=5)
NEW = make_images(7, seed=6)


def _fitted(**params):
    return PatchKNN(false_alarm_rate=0.2, random_state=0, **params).fit(IMAGES)


@pytest.fixture(scope="module")
def detector():
    return _fitted()


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_results_are_those_of_the_estimator(detector, batch_size):
    result = infer(detector, NEW, include_maps=True, batch_size=batch_size)
    np.testing.assert_array_equal(result.scores, -detector.score_samples(NEW))
    np.testing.assert_array_equal(result.labels, detector.predict(NEW))
    np.testing.assert_array_equal(result.maps, detector.transform(NEW))


def test_maps_are_kept_on_demand_only(detector):
    assert infer(detector, NEW).maps is None


@pytest.mark.parametrize("kind", ["pipeline", "tiled", "search"])
def test_compositions(kind):
    inner = PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0)
    estimator = {
        "pipeline": make_pipeline(GrayWorld(), inner),
        "tiled": Tiled(inner, tile=32, false_alarm_rate=0.2),
        "search": GridSearchCV(
            inner, {"n_neighbors": [1]}, scoring=lambda *args: 0.0, cv=2
        ),
    }[kind].fit(IMAGES)
    result = infer(estimator, list(NEW))
    np.testing.assert_array_equal(result.labels, estimator.predict(list(NEW)))


def test_without_threshold_there_are_no_labels():
    assert infer(_fitted(calibration=None), NEW).labels is None


@pytest.mark.parametrize("kind", ["alone", "pipeline", "search"])
def test_regions_are_by_the_rules_of_a_decision(kind):
    decision = MapDecision(PatchKNN(random_state=0), min_area=500, false_alarm_rate=0.1)
    estimator = {
        "alone": decision,
        "pipeline": make_pipeline(GrayWorld(), decision),
        "search": GridSearchCV(
            decision, {"closing": [2]}, scoring=lambda *args: 0.0, cv=2
        ),
    }[kind].fit(make_images(20, seed=5))
    last = getattr(estimator, "best_estimator_", estimator)
    last = last[-1] if kind == "pipeline" else last
    images = NEW[:4].copy()
    images[1, 20:24, 20:24] = 150
    images[2, 10:20, 10:20] = 255
    maps = infer(estimator, images, include_maps=True).maps
    found = [regions_of(estimator, one) for one in maps]
    seen = GrayWorld().fit_transform(images) if kind == "pipeline" else images
    assert found == last.regions(seen)
    assert (len(found[1]), len(found[2])) == (0, 1)
    assert (maps[1] > -last.offset_).any()  # a region, but a small one
    # Another threshold of images takes the place of its own, but not that of pixels.
    assert regions_of(estimator, maps[2], threshold=1e9) == []
    last.threshold = -last.offset_
    assert regions_of(estimator, maps[2], threshold=1e9) == found[2]


def test_regions_of_a_detector_are_what_is_above_its_threshold(detector):
    (one,) = infer(detector, NEW[2:3], include_maps=True).maps
    one[:] = 0
    one[4:7, 5:9] = -2 * detector.offset_
    (region,) = regions_of(detector, one)
    assert (region["box"], region["area"]) == ((4, 5, 7, 9), 12)
    assert regions_of(detector, 0 * one) == []
    assert regions_of(_fitted(calibration=None), one) is None
    assert len(regions_of(_fitted(calibration=None), one, threshold=1e-6)) == 1


def test_an_endless_stream_is_taken_one_by_one(detector):
    taken = []

    def camera():
        for number in itertools.count():
            taken.append(number)
            yield NEW[number % len(NEW)]

    results = list(itertools.islice(infer_stream(detector, camera()), 20))
    assert [result.index for result in results] == list(range(20))
    assert len(taken) == 20
    assert results[0].score == results[7].score
    assert results[3].anomaly_map.shape == NEW.shape[1:3]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_image_that_fails_is_told_and_the_others_go_on(
    detector, tmp_path, batch_size
):
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path, image in zip(paths, NEW, strict=True):
        write_image(path, image)
    paths[2].write_bytes(paths[2].read_bytes()[:100])
    results = list(
        infer_stream(detector, paths, on_error="yield", batch_size=batch_size)
    )
    assert [result.index for result in results] == list(range(7))
    assert [r.index for r in results if r.error is not None] == [2]
    assert str(paths[2]) in str(results[2].error)
    expected = -detector.score_samples(NEW)
    good = [result.score for result in results if result.error is None]
    np.testing.assert_allclose(good, np.delete(expected, 2))
    with pytest.raises(ValueError, match=r"2\.png"):
        list(infer_stream(detector, paths))


class Foreign:
    """A detector of foreign make, by the mean of the pixels."""

    takes = (list, np.ndarray)
    calls = ()

    def decision_function(self, batch):
        self.calls = (*self.calls, type(batch))
        if not isinstance(batch, self.takes):
            raise TypeError(f"no {type(batch).__name__}")
        return np.array([np.mean(image) for image in batch])


class WithMaps(Foreign):
    def predict_anomaly_map(self, batch):
        return [np.asarray(image, float).mean(axis=-1) for image in batch]


class OnStacks(WithMaps):
    takes = np.ndarray


class MapsOnly:
    def predict_anomaly_map(self, batch):
        return np.asarray(batch, float).mean(axis=-1)


class Outliers(OutlierMixin, BaseEstimator):
    def decision_function(self, batch):
        return np.array([100 - np.mean(image) for image in batch])


MEANS = NEW.mean(axis=(1, 2, 3))


@pytest.mark.parametrize("higher", [True, False])
def test_sign_of_a_foreign_score(higher):
    result = infer(Foreign(), NEW, higher_is_anomalous=higher)
    np.testing.assert_allclose(result.scores, MEANS if higher else -MEANS)


def test_sign_of_an_unknown_score_is_asked_for():
    with pytest.raises(TypeError, match="higher_is_anomalous=True"):
        infer(Foreign(), NEW)


def test_outlier_detectors_of_scikit_learn_are_known():
    result = infer(Outliers(), NEW)
    np.testing.assert_allclose(result.scores, MEANS - 100)
    np.testing.assert_array_equal(result.labels, np.where(MEANS > 100, -1, 1))


def test_pipelines_of_scikit_learn_and_tables_of_pandas():
    import pandas as pd

    X = pd.DataFrame(NEW.reshape(len(NEW), -1)[:, :5].astype(float))
    pipe = make_pipeline(StandardScaler(), IsolationForest(random_state=0))
    pipe.fit(X.to_numpy())
    result = infer(pipe, X, batch_size=2)
    np.testing.assert_allclose(result.scores, -pipe.decision_function(X.to_numpy()))
    np.testing.assert_array_equal(result.labels, pipe.predict(X.to_numpy()))


def test_the_highest_pixel_scores_an_image_where_there_are_maps_only():
    result = infer(MapsOnly(), NEW, include_maps=True)
    np.testing.assert_allclose(result.scores, [m.max() for m in result.maps])


def test_a_stack_is_tried_after_a_list_and_the_choice_is_kept():
    detector = OnStacks()
    result = infer(detector, NEW, batch_size=3, higher_is_anomalous=True)
    np.testing.assert_allclose(result.scores, MEANS)
    assert detector.calls == (list, np.ndarray, np.ndarray, np.ndarray)


def test_lists_of_several_sizes_are_not_stacked():
    with pytest.raises(ValueError, match=r"neither a list.*no list.*several sizes"):
        infer(OnStacks(), [NEW[0], NEW[1][:20]], higher_is_anomalous=True)


def test_both_messages_are_shown():
    class Broken(Foreign):
        takes = str

    with pytest.raises(TypeError, match=r"no list.*no ndarray") as caught:
        infer(Broken(), NEW, higher_is_anomalous=True)
    assert "no list" in str(caught.value.__cause__)


def test_errors_of_any_kind_are_told():
    class Broken(Foreign):
        def decision_function(self, batch):
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "odd")

    with pytest.raises(ValueError, match=r"neither a list .*odd.* nor an array"):
        infer(Broken(), NEW, higher_is_anomalous=True)


def test_other_faults_are_not_hidden():
    class Broken(Foreign):
        def decision_function(self, batch):
            raise OSError("camera gone")

    with pytest.raises(OSError, match="camera gone"):
        infer(Broken(), NEW, higher_is_anomalous=True)


@pytest.mark.parametrize(
    ("method", "result", "message"),
    [
        ("decision_function", np.zeros(3), r"shape \(3,\) for 7 images"),
        ("predict_anomaly_map", np.zeros((3, 48, 56)), "3 maps for 7 images"),
        ("predict_anomaly_map", np.zeros((7, 24, 28)), r"map 0 has .*\(24, 28\)"),
    ],
)
def test_results_of_a_wrong_shape(method, result, message):
    detector = WithMaps()
    setattr(detector, method, lambda batch: result)
    with pytest.raises(ValueError, match=message):
        infer(detector, NEW, higher_is_anomalous=True, input="list")


@pytest.mark.parametrize(
    ("X", "params", "error", "message"),
    [
        (NEW, {"input": "array"}, ValueError, "input must be one of"),
        (NEW, {"batch_size": 0}, ValueError, "batch_size"),
        ("part.png", {}, TypeError, "put it into a list"),
    ],
)
def test_bad_input(detector, X, params, error, message):
    with pytest.raises(error, match=message):
        infer(detector, X, **params)


def test_what_is_no_detector():
    with pytest.raises(TypeError, match=r"GrayWorld .* is no detector"):
        infer(GrayWorld(), NEW)
