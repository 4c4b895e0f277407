"""PatchDetector and PatchKNN: any estimator on patches, thresholds on unseen images."""

import joblib
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, clone
from sklearn.covariance import EllipticEnvelope, LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skuad.detectors import PatchDetector, PatchKNN, Tiled
from skuad.detectors._row_scores import row_scores
from skuad.feature_extraction import FilterBankEmbedder, upsample_map
from skuad.utils import CalibrationWarning
from skuad.utils._testing_images import make_images

IMAGES = make_images(20)
FOLDS = 20  # of "auto"
DEFECTIVE = IMAGES[:1].copy()
DEFECTIVE[0, 16:32, 16:32] = [255, 0, 255]

ESTIMATORS = [
    LocalOutlierFactor(novelty=True),
    IsolationForest(n_estimators=20, random_state=0),
    OneClassSVM(kernel="linear", nu=0.05),
    GaussianMixture(3, reg_covar=1e-3, random_state=0),
    KernelDensity(),
    LedoitWolf(),
    EllipticEnvelope(support_fraction=0.9, random_state=0),
    PCA(0.9),
    make_pipeline(StandardScaler(), PCA(0.9)),
    make_pipeline(PCA(8), IsolationForest(n_estimators=20, random_state=0)),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_any_estimator_finds_a_defect(estimator):
    detector = PatchDetector(estimator=estimator, false_alarm_rate=0.1).fit(IMAGES)
    assert detector.predict(DEFECTIVE)[0] == -1
    peak = np.unravel_index(detector.transform(DEFECTIVE)[0].argmax(), (48, 56))
    assert 12 <= peak[0] < 36
    assert 12 <= peak[1] < 36


def test_row_scores_of_each_kind():
    rng = np.random.default_rng(0)
    train, rows = rng.normal(size=(200, 4)), rng.normal(size=(10, 4))
    covariance = LedoitWolf().fit(train)
    centred = rows - covariance.location_
    np.testing.assert_allclose(
        row_scores(covariance, rows),
        np.sqrt(np.einsum("ij,jk,ik->i", centred, covariance.precision_, centred)),
        rtol=1e-6,
    )
    pca = PCA(2).fit(train)
    centred = rows - pca.mean_
    residual = centred - centred @ pca.components_.T @ pca.components_
    np.testing.assert_allclose(
        row_scores(pca, rows), np.linalg.norm(residual, axis=1), rtol=1e-6
    )
    density = GaussianMixture().fit(train)
    np.testing.assert_allclose(
        row_scores(density, rows), -density.score_samples(rows), rtol=1e-6
    )


def test_an_estimator_that_cannot_score_says_so():
    with pytest.raises(TypeError, match=r"LocalOutlierFactor.*novelty=True"):
        PatchDetector(estimator=LocalOutlierFactor()).fit(IMAGES)
    with pytest.raises(TypeError, match="CannotScore cannot score"):
        PatchDetector(estimator=CannotScore()).fit(IMAGES)


class CannotScore:
    def get_params(self, deep=True):
        return {}

    def set_params(self):
        return self

    def fit(self, X, y=None):
        return self


def _threshold_from_scratch(detector, images, folds, rate):
    scores = np.empty(len(images))
    for train, test in folds:
        fold = clone(detector).set_params(calibration=None)
        scores[test] = fold.fit(images[train]).score_samples(images[test])
    return np.quantile(scores, rate, method="weibull")


@pytest.mark.parametrize("max_patches", [200_000, 150], ids=["all", "sample"])
def test_threshold_is_that_of_detectors_fitted_without_the_image(max_patches):
    detector = PatchDetector(
        false_alarm_rate=0.1, max_patches=max_patches, random_state=0
    ).fit(IMAGES)
    expected = _threshold_from_scratch(
        detector, IMAGES, KFold(FOLDS).split(IMAGES), rate=0.1
    )
    # A fold of a sample has fewer rows than a sample of a fold, but as many an image.
    rtol = 1e-5 if max_patches > len(IMAGES) * 42 else 0.3
    np.testing.assert_allclose(detector.offset_, expected, rtol=rtol)


@pytest.mark.parametrize("coreset", [None, "random"])
@pytest.mark.parametrize("scaling", [None, "unit"])
def test_leave_one_out_passes_over_the_own_rows(coreset, scaling):
    detector = PatchKNN(
        coreset=coreset, scaling=scaling, false_alarm_rate=0.1, random_state=0
    ).fit(IMAGES)
    features = FilterBankEmbedder().transform(IMAGES)
    rows = np.concatenate([item.rows for item in features])
    if scaling == "unit":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    image = np.repeat(np.arange(len(IMAGES)), len(features[0].rows))
    bank = detector.estimator_.bank_indices_
    scores = []
    for number in range(len(IMAGES)):
        others = bank[image[bank] != number]
        distance = cdist(rows[image == number], rows[others]).min(axis=1)
        grid = distance.reshape(features[0].shape[:2])
        scores.append(-upsample_map(grid, (48, 56)).max())
    expected = np.quantile(scores, 0.1, method="weibull")
    np.testing.assert_allclose(detector.offset_, expected, rtol=1e-4)


def test_threshold_is_not_set_on_images_learnt_by_heart():
    detector = PatchKNN(coreset=None, false_alarm_rate=0.1).fit(IMAGES)
    # Not exactly 0 with every BLAS: some round a row otherwise if there are more rows.
    np.testing.assert_allclose(detector.score_samples(IMAGES), 0, atol=1e-4)
    assert detector.offset_ < -1


@pytest.mark.parametrize("contamination", [0.05, 0.25])
def test_contamination_is_the_share_of_flagged_training_images(contamination):
    detector = PatchDetector(contamination=contamination).fit(IMAGES)
    assert (detector.predict(IMAGES) == -1).sum() == contamination * len(IMAGES)


def test_few_images_are_told():
    with pytest.warns(CalibrationWarning, match="20 good images .* 1.00% takes 99"):
        PatchDetector().fit(IMAGES)


def test_one_image():
    with pytest.raises(ValueError, match="2 good images or more"):
        PatchKNN().fit(IMAGES[:1])
    detector = PatchKNN(calibration=None).fit(IMAGES[:1])
    assert detector.transform(IMAGES[:2]).shape == (2, 48, 56)
    for method in (detector.predict, detector.decision_function):
        with pytest.raises(ValueError, match="has no threshold"):
            method(IMAGES[:2])


def test_groups_are_held_out_together():
    groups = np.repeat(np.arange(5), 4)
    first = PatchDetector(calibration=5, false_alarm_rate=0.1).fit(
        np.repeat(IMAGES[:5], 4, axis=0), groups=groups
    )
    # Every image is there four times: without groups each would know its copies.
    known = PatchDetector(
        calibration=KFold(5, shuffle=True, random_state=0), false_alarm_rate=0.1
    ).fit(np.repeat(IMAGES[:5], 4, axis=0))
    assert first.offset_ < known.offset_


def test_folds_in_parallel_give_the_same():
    one, two = (
        PatchKNN(n_jobs=n_jobs, false_alarm_rate=0.1, random_state=0).fit(IMAGES)
        for n_jobs in (None, 2)
    )
    assert one.offset_ == two.offset_


def test_memory_embeds_each_image_once(tmp_path, monkeypatch):
    calls = []
    embed = FilterBankEmbedder._embed
    monkeypatch.setattr(
        FilterBankEmbedder,
        "_embed",
        lambda self, images: calls.append(len(images)) or embed(self, images),
    )
    plain = PatchKNN(random_state=0).fit(IMAGES)
    calls.clear()
    cached = PatchKNN(memory=str(tmp_path), random_state=0).fit(IMAGES)
    cached = PatchKNN(memory=str(tmp_path), n_neighbors=1, random_state=0).fit(IMAGES)
    maps = cached.transform(IMAGES)
    assert sum(calls) == len(IMAGES)
    np.testing.assert_array_equal(maps, plain.transform(IMAGES))
    calls.clear()
    PatchKNN(FilterBankEmbedder(stride=4), memory=str(tmp_path)).fit(IMAGES[:2])
    assert sum(calls) == 2


def test_small_images_and_mixes_are_named():
    with pytest.raises(ValueError, match=r"image 1 is 8 x 56 pixels.*16 x 16"):
        PatchKNN().fit([IMAGES[0], IMAGES[1][:8], IMAGES[2]])
    with pytest.raises(ValueError, match=r"image 2: the image has 1 channel, but 3"):
        PatchKNN().fit([IMAGES[0], IMAGES[1], IMAGES[2][..., 0]])


def test_errors_name_the_image_as_the_user_counts():
    images = [*IMAGES]
    images[5] = np.full(images[5].shape, np.nan)
    with pytest.raises(ValueError, match=r"^image 5: "):
        PatchKNN().fit(images, np.r_[-1, -1, np.ones(len(images) - 2)])


class Failing(PatchDetector):
    def _held_out_scores(self, images, folds, learned):
        raise ValueError("no memory left")


@pytest.mark.parametrize("fails", ["folds", "scores"])
def test_a_fit_that_fails_leaves_no_threshold_of_another(fails):
    detector = PatchDetector().fit(IMAGES)
    threshold, bank = detector.offset_, detector.estimator_
    if fails == "folds":  # before anything is learnt
        with pytest.raises(ValueError, match="n_splits"):
            detector.set_params(calibration=len(IMAGES)).fit(IMAGES[:5])
        assert detector.estimator_ is bank
    else:
        detector.__class__ = Failing
        with pytest.raises(ValueError, match="no memory left"):
            detector.fit(IMAGES[:5])
    assert threshold != 0 and np.isnan(detector.offset_)
    with pytest.raises(ValueError, match=r"no threshold.* fit failed"):
        detector.predict(IMAGES)


class OfAnotherLibrary(BaseEstimator):
    """An embedder with nothing but fit and embed."""

    def fit(self, X, y=None):
        return self

    def embed(self, X):
        return FilterBankEmbedder().embed(X)


def test_an_embedder_with_fit_and_embed_only(tmp_path):
    maps = [
        PatchDetector(embedder, memory=tmp_path).fit(IMAGES).transform(IMAGES)
        for embedder in (OfAnotherLibrary(), FilterBankEmbedder())
    ]
    np.testing.assert_array_equal(*maps)


def test_saved_file_gives_equal_bits(tmp_path):
    detector = PatchKNN(n_neighbors=3, random_state=0).fit(IMAGES)
    joblib.dump(detector, tmp_path / "line.joblib")
    loaded = joblib.load(tmp_path / "line.joblib")
    np.testing.assert_array_equal(
        loaded.transform(DEFECTIVE), detector.transform(DEFECTIVE)
    )
    assert loaded.offset_ == detector.offset_


def test_fit_predict_leaves_out_marked_defects():
    X = np.concatenate([IMAGES, DEFECTIVE])
    y = np.r_[np.ones(len(IMAGES), int), -1]
    detector = PatchKNN(coreset=None, false_alarm_rate=0.1)
    assert detector.fit_predict(X, y)[-1] == -1


def test_set_output_takes_the_default_only():
    detector = PatchDetector().set_output(transform="default")
    with pytest.raises(ValueError, match="pandas"):
        detector.set_output(transform="pandas")


def test_nan_scores_set_no_threshold():
    class Nan(PatchDetector):
        def _score_fold(self, images, learned, train, test):
            return np.full(len(test), np.nan)

    with pytest.raises(ValueError, match=r"20 held-out images have the score NaN"):
        Nan().fit(IMAGES)


def test_the_number_of_images_is_known_of_inner_detectors_too():
    y = np.r_[-1, np.ones(len(IMAGES) - 1)]
    tiled = Tiled(PatchDetector(), tile=IMAGES.shape[1], calibration=None)
    tiled.fit(IMAGES, y)
    assert tiled.n_images_ == len(IMAGES) - 1
    assert tiled.detector_.n_images_ % tiled.n_images_ == 0
