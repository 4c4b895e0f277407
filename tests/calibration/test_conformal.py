"""ConformalDetector: what is held out, who scores it, and what follows."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline

from skuad.calibration import ConformalDetector
from skuad.datasets import make_defect_images
from skuad.detectors import PatchDetector, PatchKNN, RegionOfInterest, Tiled
from skuad.feature_extraction import FilterBankEmbedder
from skuad.io import _sequence as sequence_module
from skuad.io import write_image
from skuad.model_selection import GoodTrainKFold
from skuad.preprocessing import GrayWorld
from skuad.utils import CalibrationWarning
from skuad.utils._testing_images import make_images

IMAGES, NEW = make_images(24, size=(32, 40)), make_images(6, size=(32, 40), seed=1)
NEW[0, 8:20, 8:20] = [255, 0, 255]
KNN = PatchKNN(coreset="random", random_state=0)
HALF = ShuffleSplit(1, test_size=0.5, random_state=0)


class Brightness(BaseEstimator):
    """A foreign detector: its map is the first channel, its score the map's mean."""

    n_fits = 0

    def fit(self, X, y=None):
        type(self).n_fits += 1
        self.mean_ = float(np.mean([np.mean(image) for image in X]))
        return self

    def transform(self, X):
        return [np.asarray(image, np.float32)[..., 0] - self.mean_ for image in X]

    def score_samples(self, X):
        return -np.array([one.mean(dtype=np.float64) for one in self.transform(X)])


DETECTORS = {
    "plain": KNN,
    "tiled": Tiled(KNN, tile=20),
    "pipelined": make_pipeline(GrayWorld(), KNN),
    "foreign": Brightness(),
}
every_detector = pytest.mark.parametrize(
    "detector", DETECTORS.values(), ids=DETECTORS.keys()
)


def _bare(detector):
    """Clone without the threshold, which is not needed and may want more images."""
    detector = clone(detector)
    names = [name for name in detector.get_params() if name.endswith("calibration")]
    return detector.set_params(**dict.fromkeys(names))


@every_detector
def test_folds_compare_an_image_with_scores_of_the_same_fold_detector(detector):
    conformal = ConformalDetector(detector, false_alarm_rate=0.2).fit(IMAGES)
    below = np.zeros(len(NEW))
    for train, test in KFold(5).split(IMAGES):
        fold = _bare(detector).fit(IMAGES[train])
        held_out, new = fold.score_samples(IMAGES[test]), fold.score_samples(NEW)
        np.testing.assert_allclose(
            conformal.calibration_scores_[test], held_out, rtol=1e-6
        )
        below += (held_out[:, None] <= new).sum(axis=0)
    p_values = (1 + below) / (len(IMAGES) + 1)
    np.testing.assert_allclose(conformal.p_values(NEW), p_values)
    flagged = conformal.predict(NEW) == -1
    assert flagged[0]
    np.testing.assert_array_equal(flagged, p_values <= 0.2)
    assert 0.2 < conformal.rate_bound_ < 1
    final = _bare(detector).fit(IMAGES)
    np.testing.assert_allclose(
        conformal.transform(NEW), final.transform(NEW), rtol=1e-5
    )


@every_detector
def test_a_single_split_takes_the_order_statistic(detector):
    conformal = ConformalDetector(detector, false_alarm_rate=0.2, cv=HALF).fit(IMAGES)
    ((train, test),) = HALF.split(IMAGES)
    fold = _bare(detector).fit(IMAGES[np.sort(train)])
    held_out = np.sort(fold.score_samples(IMAGES[test]))
    assert conformal.offset_ == pytest.approx(held_out[1], rel=1e-6)  # 0.2 * 13 = 2.6
    assert conformal.rate_bound_ == 0.2
    np.testing.assert_array_equal(
        conformal.predict(NEW) == -1, conformal.p_values(NEW) <= 0.2
    )
    peaks = np.sort([-one.max() for one in fold.transform(IMAGES[test])])
    assert conformal.pixel_offset_ == pytest.approx(peaks[1], rel=1e-6)
    masks, maps = conformal.predict_mask(NEW), conformal.transform(NEW)
    np.testing.assert_array_equal(masks, np.array(maps) > -conformal.pixel_offset_)


def test_prefit_calibrates_on_everything_and_fits_nothing():
    fitted = Brightness().fit(IMAGES[:12])
    n_fits = Brightness.n_fits
    conformal = ConformalDetector(fitted, false_alarm_rate=0.1, cv="prefit")
    conformal.fit(IMAGES[12:])
    assert Brightness.n_fits == n_fits
    assert conformal.offset_ == fitted.score_samples(IMAGES[12:]).min()
    frozen = ConformalDetector(FrozenEstimator(fitted), false_alarm_rate=0.1, cv=HALF)
    frozen.fit(IMAGES)
    assert (
        frozen.offset_
        == fitted.score_samples(IMAGES)[next(HALF.split(IMAGES))[1]].min()
    )


def test_without_a_guarantee_one_detector_decides():
    conformal = ConformalDetector(KNN, false_alarm_rate=0.1, guarantee=None).fit(IMAGES)
    folded = ConformalDetector(KNN, false_alarm_rate=0.1).fit(IMAGES)
    assert conformal.offset_ == folded.offset_
    assert conformal.fold_detectors_ == []
    assert np.isnan(conformal.rate_bound_)
    np.testing.assert_array_equal(
        conformal.score_samples(NEW), conformal.detector_.score_samples(NEW)
    )


class CountingEmbedder(FilterBankEmbedder):
    seen = ()

    def _embed(self, arrays):
        type(self).seen = [*self.seen, *(array.tobytes() for array in arrays)]
        return super()._embed(arrays)


class EightAtOnce(FilterBankEmbedder):
    batch_size = 8
    sizes = ()

    def _embed(self, arrays):
        type(self).sizes = [*self.sizes, len(arrays)]
        return super()._embed(arrays)


@pytest.mark.parametrize("guarantee", ["marginal", None])
def test_batches_stay_as_large_as_those_of_the_detector(guarantee, monkeypatch):
    detector = PatchKNN(EightAtOnce(), coreset="random", random_state=0)
    conformal = ConformalDetector(detector, false_alarm_rate=0.2, guarantee=guarantee)
    for look in (conformal.fit, conformal.score_samples):
        EightAtOnce.sizes = ()
        look(IMAGES)
        assert EightAtOnce.sizes == [8, 8, 8]
    with monkeypatch.context() as context:  # nothing is hashed where nothing is shared
        context.setattr("skuad.feature_extraction._base._digest", None)
        EightAtOnce.sizes = ()
        conformal.detector_.score_samples(IMAGES)
    assert EightAtOnce.sizes == [8, 8, 8]
    assert (conformal.detector_.memory is None) == (guarantee is None)
    assert (conformal.detector_.embedder_.memory is None) == (guarantee is None)


@pytest.mark.parametrize("guarantee", ["marginal", None])
@pytest.mark.parametrize("kind", ["plain", "tiled", "pipelined"])
def test_images_are_read_and_embedded_once(kind, guarantee, tmp_path, monkeypatch):
    paths = [str(tmp_path / f"{i}.png") for i in range(len(IMAGES) + len(NEW))]
    for path, image in zip(paths, [*IMAGES, *NEW], strict=True):
        write_image(path, image)
    read = []
    original = sequence_module.read_image
    monkeypatch.setattr(
        sequence_module, "read_image", lambda path: read.append(path) or original(path)
    )
    detector = clone(DETECTORS[kind])
    name = next(n for n in detector.get_params() if n.endswith("embedder"))
    detector.set_params(**{name: CountingEmbedder()})
    CountingEmbedder.seen = ()
    conformal = ConformalDetector(detector, false_alarm_rate=0.2, guarantee=guarantee)
    conformal.fit(paths[: len(IMAGES)])
    per_image = 4 if kind == "tiled" else 1
    assert len(CountingEmbedder.seen) == per_image * len(IMAGES)
    assert len(set(CountingEmbedder.seen)) == len(CountingEmbedder.seen)
    # Beside, every estimator looks at the first image to learn its kind.
    assert len(read) <= len(IMAGES) + 5
    CountingEmbedder.seen, read[:] = (), []
    conformal.predict(paths[len(IMAGES) :])
    assert len(CountingEmbedder.seen) == per_image * len(NEW)
    assert len(read) == len(NEW)


def test_threads_change_nothing_and_a_pickle_holds_no_features():
    one = ConformalDetector(KNN, false_alarm_rate=0.2).fit(IMAGES)
    two = ConformalDetector(KNN, false_alarm_rate=0.2, n_jobs=2).fit(IMAGES)
    np.testing.assert_array_equal(one.p_values(NEW), two.p_values(NEW))
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(one.score_samples(NEW), again.score_samples(NEW))
    parts = [one.detector_, *one.fold_detectors_]
    assert len(pickle.dumps(one)) < 1.5 * sum(len(pickle.dumps(p)) for p in parts)


def test_high_probability_takes_a_lower_threshold():
    options = {"false_alarm_rate": 0.3, "cv": HALF}
    marginal = ConformalDetector(Brightness(), **options).fit(IMAGES)
    confident = ConformalDetector(
        Brightness(), guarantee="high_probability", **options
    ).fit(IMAGES)
    # Of 12: the 3rd lowest, and the largest k with P(Binomial(12, 0.3) < k) <= 0.05.
    scores = np.sort(confident.calibration_scores_)
    assert marginal.offset_ == scores[2]
    assert confident.offset_ == scores[0]
    np.testing.assert_array_equal(
        confident.predict(NEW) == -1, confident.p_values(NEW) <= 0.3
    )


def test_groups_are_held_out_together_and_count_once():
    groups = np.repeat(np.arange(6), [1, 1, 1, 1, 1, 19])
    conformal = ConformalDetector(Brightness(), false_alarm_rate=0.2, cv=3)
    conformal.fit(IMAGES, groups=groups)
    assert conformal.n_calibration_ == 6
    with pytest.raises(ValueError, match=r"6 good groups of images .* it takes 9"):
        clone(conformal).set_params(false_alarm_rate=0.1).fit(IMAGES, groups=groups)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="splits a group"):
        clone(conformal).set_params(cv=HALF).fit(IMAGES, groups=groups)
    with pytest.raises(ValueError, match="1 group of good images"):
        conformal.fit(IMAGES, groups=np.zeros(24))
    with pytest.raises(ValueError, match="one group for each"):
        conformal.fit(IMAGES, groups=groups[:-1])
    # Groups of one image are like none at all.
    split = GroupShuffleSplit(1, test_size=0.5, random_state=0)
    alone = ConformalDetector(Brightness(), false_alarm_rate=0.2, cv=split)
    alone.fit(IMAGES, groups=np.arange(24))
    ((train, test),) = split.split(IMAGES, groups=np.arange(24))
    scores = Brightness().fit(IMAGES[train]).score_samples(IMAGES[test])
    assert alone.offset_ == np.sort(scores)[1]


def test_p_values_with_groups_average_within_each():
    groups = np.repeat(np.arange(6), [1, 1, 1, 1, 1, 19])
    fitted = Brightness().fit(IMAGES)
    conformal = ConformalDetector(fitted, cv="prefit", false_alarm_rate=0.3)
    conformal.fit(IMAGES, groups=groups)
    scores = fitted.score_samples(IMAGES)
    for score, p_value in zip(
        fitted.score_samples(NEW), conformal.p_values(NEW), strict=True
    ):
        shares = [(scores[groups == lot] <= score).mean() for lot in range(6)]
        assert p_value == pytest.approx((1 + sum(shares)) / 7)
        assert (p_value <= 0.3) == (score < conformal.offset_)


def test_high_probability_draws_one_image_of_each_group():
    groups = np.repeat(np.arange(12), 2)
    fitted = Brightness().fit(IMAGES)
    drawn = [
        ConformalDetector(
            fitted,
            cv="prefit",
            false_alarm_rate=0.3,
            guarantee="high_probability",
            random_state=seed,
        )
        .fit(IMAGES, groups=groups)
        .calibration_scores_
        for seed in (0, 0, 1)
    ]
    scores = fitted.score_samples(IMAGES).reshape(12, 2)
    assert all((scores[i] == drawn[0][i]).any() for i in range(12))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"24 good images .* 1\.00%: it takes 99\. .* 4\.00 % marginal, 11\.7"),
        ({"guarantee": "high_probability", "cv": HALF}, "95% confidence: it takes 299"),
        ({"guarantee": "high_probability"}, "cv makes 5 folds"),
        ({"tail": "gpd"}, "extrapolates"),
        ({"tail": "gpd", "guarantee": None}, "40 held-out scores"),
        ({"false_alarm_rate": 0.2, "pixel_rate": 0.001}, "0.10%: it takes 999"),
        ({"false_alarm_rate": 0.2, "cv": TimeSeriesSplit(3)}, "held out 0 or 1 times"),
        ({"false_alarm_rate": 0.2, "cv": ShuffleSplit(9)}, "hold every image out once"),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate"),
        ({"false_alarm_rate": 1.0}, "false_alarm_rate"),
        ({"confidence": 1.0}, "confidence"),
        ({"cv": 1}, "cv"),
    ],
)
def test_what_cannot_be_promised_raises(options, message):
    with pytest.raises(ValueError, match=message):
        ConformalDetector(Brightness(), **options).fit(IMAGES)


def test_too_few_images_raise_before_anything_is_fitted():
    n_fits = Brightness.n_fits
    with pytest.raises(ValueError, match="it takes 99"):
        ConformalDetector(Brightness()).fit(IMAGES)
    assert Brightness.n_fits == n_fits


class Constant(Brightness):
    value = 0.0

    def score_samples(self, X):
        return np.full(len(X), self.value)


def test_equal_and_missing_scores():
    conformal = ConformalDetector(Constant(), false_alarm_rate=0.2)
    with pytest.warns(CalibrationWarning, match="24 held-out scores are equal"):
        conformal.fit(IMAGES)
    assert (conformal.predict(NEW) == 1).all()
    assert (conformal.p_values(NEW) == 1).all()

    class Nan(Constant):
        value = np.nan

    y = np.r_[-1, -1, np.ones(22)]
    with pytest.raises(ValueError, match="image 2, which was held out, is NaN"):
        ConformalDetector(Nan(), false_alarm_rate=0.2).fit(IMAGES, y)


def test_pixel_rate_is_that_of_risk_control():
    """Summed over held-out images, with one more wholly flagged, it is the rate."""
    fitted = Brightness().fit(IMAGES)
    conformal = ConformalDetector(
        fitted, cv="prefit", false_alarm_rate=0.1, pixel_rate=0.1
    ).fit(IMAGES)
    shares = conformal.predict_mask(IMAGES).mean(axis=(1, 2))
    bound = (shares.sum() + 1) / (len(IMAGES) + 1)
    assert 0.09 < bound <= 0.1
    folds = ConformalDetector(Brightness(), false_alarm_rate=0.1, pixel_rate=0.1)
    assert folds.fit(IMAGES).pixel_offset_ == pytest.approx(
        conformal.pixel_offset_, rel=0.05
    )


def test_tail_extrapolates_and_says_how_far():
    images = make_images(60, size=(16, 16))
    options = {"guarantee": None, "tail": "gpd", "random_state": 0, "cv": 3}
    conformal = ConformalDetector(Brightness(), false_alarm_rate=0.001, **options)
    conformal.fit(images)
    assert conformal.offset_ < conformal.calibration_scores_.min()
    low, high = conformal.offset_interval_
    assert low <= conformal.offset_ <= high
    low, high = conformal.rate_interval_
    assert low <= 0.001 < high
    assert np.isnan(conformal.rate_bound_)
    bright = np.clip(images[:2].astype(int) + 90, 0, 255).astype(np.uint8)
    assert conformal.p_values(bright).max() < 1 / 61
    n_fits = Brightness.n_fits
    with pytest.raises(ValueError, match=r"below the 33\.3% .* use tail='empirical'"):
        clone(conformal).set_params(false_alarm_rate=0.4).fit(images)
    with pytest.raises(ValueError, match="cannot weigh groups"):
        clone(conformal).fit(images, groups=np.arange(60))
    with pytest.raises(ValueError, match="but there are 39"):
        clone(conformal).fit(images[:39])
    assert Brightness.n_fits == n_fits


def test_a_search_is_given_the_defects_to_compare_with():
    data = make_defect_images("noise", n_train=12, n_good=0, n_defective=4, size=32)
    X = np.concatenate([data.train, data.test])
    y = np.r_[np.ones(12, int), -np.ones(4, int)]
    search = GridSearchCV(
        PatchDetector(false_alarm_rate=0.2),
        {"pool": ["max", "mean"]},
        scoring="roc_auc",
        cv=GoodTrainKFold(2),
    )
    conformal = ConformalDetector(search, false_alarm_rate=0.2, cv=2).fit(X, y)
    assert len(conformal.calibration_scores_) == conformal.n_images_ == 12
    assert conformal.detector_.best_params_["pool"] in ("max", "mean")
    np.testing.assert_array_equal(
        conformal.predict(X) == -1, conformal.p_values(X) <= 0.2
    )
    with pytest.raises(ValueError, match="all 4 images as anomalous"):
        conformal.fit(X[12:], y[12:])


@pytest.mark.parametrize("kind", ["plain", "tiled", "pipelined"])
@pytest.mark.parametrize("cv", [5, HALF])
def test_errors_name_the_image_as_the_user_counts(kind, cv):
    images = [*IMAGES]
    images[10] = np.full((32, 40, 3), np.nan)
    conformal = ConformalDetector(DETECTORS[kind], false_alarm_rate=0.2, cv=cv)
    with pytest.raises(ValueError, match=r"^image 10[:,]"):
        conformal.fit(images, np.r_[-np.ones(3), np.ones(21)])


class OfAnotherLibrary(BaseEstimator):
    """An embedder with nothing but fit and embed."""

    def fit(self, X, y=None):
        return self

    def embed(self, X):
        return FilterBankEmbedder().embed(X)


def test_an_embedder_without_a_memory():
    detector = PatchKNN(OfAnotherLibrary(), coreset="random", random_state=0)
    conformal = ConformalDetector(detector, false_alarm_rate=0.2).fit(IMAGES)
    plain = ConformalDetector(KNN, false_alarm_rate=0.2).fit(IMAGES)
    np.testing.assert_array_equal(conformal.p_values(NEW), plain.p_values(NEW))


def test_inside_a_detector_that_owns_the_threshold():
    corner = np.zeros((32, 40), bool)
    corner[:16, :16] = True
    inner = ConformalDetector(KNN, false_alarm_rate=0.2)
    outer = RegionOfInterest(inner, corner, false_alarm_rate=0.2).fit(IMAGES)
    plain = RegionOfInterest(KNN, corner, false_alarm_rate=0.2).fit(IMAGES)
    np.testing.assert_array_equal(outer.transform(NEW), plain.transform(NEW))
    assert outer.offset_ == pytest.approx(plain.offset_, rel=0.2)
