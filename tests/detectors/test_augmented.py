"""Augmented: what is learnt, what is held out, and what the threshold promises."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skuad.augmentation import (
    Compose,
    ExposureShift,
    JPEGCompression,
    SensorNoise,
    random_rotation,
)
from skuad.datasets import make_defect_images
from skuad.detectors import Augmented, PatchKNN, RegionOfInterest
from skuad.io import write_image
from skuad.preprocessing import GrayWorld, WhiteBalance
from skuad.utils._testing_images import make_images

KNN = PatchKNN(coreset=None, calibration=None, random_state=0)
SHIFT = ExposureShift(stops=(-0.5, 0.5))


class MeanColour(BaseEstimator):
    """A foreign detector that keeps the images that it was fitted on."""

    fitted_on = None

    def fit(self, X, y=None):
        self.images_ = [np.asarray(image) for image in X]
        self.mean_ = np.mean([image.mean() for image in self.images_])
        if MeanColour.fitted_on is not None:
            MeanColour.fitted_on.append(self.images_)
        return self

    def transform(self, X):
        return [np.abs(image.mean(axis=2) - self.mean_) for image in X]


def test_it_fits_on_originals_and_copies():
    images = make_images(5)
    detector = Augmented(MeanColour(), SHIFT, n_copies=2, calibration=None).fit(images)
    learned = detector.detector_.images_
    assert len(learned) == 15
    np.testing.assert_array_equal(learned[::3], images)
    for copy in (1, 2):
        expected, _ = SHIFT.augment(images, copy=copy)
        np.testing.assert_array_equal(learned[copy::3], expected)


def test_predicted_images_are_not_augmented():
    images = make_images(8)
    detector = Augmented(KNN, SHIFT, n_copies=3, calibration=None).fit(images)
    # Each training image is in the bank, as it is.
    assert np.abs(detector.transform(images)).max() < 1e-5
    copies, _ = SHIFT.augment(images, copy=3)
    assert np.abs(detector.transform(copies)).max() < 1e-5
    assert detector.transform(SHIFT.augment(images, copy=4)[0]).max() > 0.1


def test_no_copies_is_the_detector_itself():
    images = make_images(12)
    alone = PatchKNN(random_state=0, calibration=4).fit(images)
    inner = PatchKNN(random_state=0)
    detector = Augmented(inner, SHIFT, n_copies=0, calibration=4).fit(images)
    np.testing.assert_array_equal(detector.transform(images), alone.transform(images))
    np.testing.assert_allclose(detector.offset_, alone.offset_)


@pytest.mark.parametrize("calibrate_on", ["originals", "copies"])
def test_whole_images_are_held_out(calibrate_on):
    """No copy of a held-out image is among those that its detector learns from."""
    images = make_images(9)
    detector = Augmented(
        MeanColour(), SHIFT, n_copies=2, calibrate_on=calibrate_on, calibration=KFold(3)
    )
    MeanColour.fitted_on = []
    try:
        detector.fit(images)
        fits = MeanColour.fitted_on
    finally:
        MeanColour.fitted_on = None
    assert [len(fit) for fit in fits] == [27, 18, 18, 18]
    scores = []
    for (train, test), fit in zip(KFold(3).split(images), fits[1:], strict=True):
        np.testing.assert_array_equal(fit[::3], images[train])
        held_out = images[test]
        if calibrate_on == "copies":
            held_out, _ = SHIFT.augment(held_out, copy=1)
        fold = MeanColour().fit(fit)
        scores += [-one.max() for one in fold.transform(held_out)]
    rate = detector.false_alarm_rate
    expected = np.quantile(scores, rate, method="weibull")
    np.testing.assert_allclose(detector.offset_, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "inner",
    [
        KNN,
        make_pipeline(GrayWorld(), KNN),
        make_pipeline(WhiteBalance("reference"), KNN),
    ],
)
def test_held_out_scores_are_those_of_a_refit(inner):
    """What is reused between folds changes nothing."""
    images = make_images(8)
    detector = Augmented(inner, SHIFT, n_copies=1, calibration=KFold(2)).fit(images)
    scores = []
    for train, test in KFold(2).split(images):
        fold = Augmented(clone(inner), SHIFT, n_copies=1, calibration=None)
        scores += list(fold.fit(images[train]).score_samples(images[test]))
    expected = np.quantile(scores, 0.01, method="weibull")
    np.testing.assert_allclose(detector.offset_, expected, rtol=1e-5)


def test_thresholds_hold_for_what_they_are_set_on():
    """Mean rates on unseen images, over data sets: of originals, and of copies."""
    rates = {"originals": [], "copies": []}
    for seed in range(8):
        data = make_defect_images(
            "noise", n_train=19, n_good=20, n_defective=0, size=32, random_state=seed
        )
        drifted, _ = SHIFT.augment(data.test, copy=9)
        for calibrate_on, found in rates.items():
            detector = Augmented(
                KNN,
                SHIFT,
                n_copies=2,
                calibrate_on=calibrate_on,
                false_alarm_rate=0.2,
            ).fit(data.train)
            test = data.test if calibrate_on == "originals" else drifted
            found.append((detector.predict(test) == -1).mean())
    for calibrate_on, found in rates.items():
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        assert abs(np.mean(found) - 0.2) < 3 * error + 0.01, calibrate_on


def test_paths_and_order(tmp_path):
    images = make_images(6)
    paths = [str(tmp_path / f"{number}.png") for number in range(6)]
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    detector = Augmented(KNN, SensorNoise(), n_copies=2, false_alarm_rate=0.2)
    expected = clone(detector).fit(images).transform(images)
    np.testing.assert_array_equal(clone(detector).fit(paths).transform(paths), expected)
    reverse = clone(detector).fit(images[::-1]).transform(images)
    np.testing.assert_allclose(reverse, expected, atol=1e-5)


def test_a_region_of_interest_holds_for_copies():
    images = make_images(6)
    roi = np.zeros((48, 56), bool)
    roi[:, :28] = True
    detector = RegionOfInterest(Augmented(KNN, SHIFT, n_copies=1), roi).fit(images)
    both = np.concatenate([images, SHIFT.augment(images, copy=1)[0]])
    expected = RegionOfInterest(KNN, roi).fit(both)
    seen = make_images(4, seed=1)
    np.testing.assert_allclose(
        detector.transform(seen), expected.transform(seen), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_copies": -1}, "'n_copies'"),
        ({"augmenter": random_rotation}, "'augmenter'"),
        ({"augmenter": JPEGCompression(quality=0)}, "'quality'"),
        ({"calibrate_on": "all"}, "'calibrate_on'"),
        ({"calibrate_on": "copies", "n_copies": 0}, "n_copies is 0"),
        (
            {"augmenter": Compose([random_rotation])},
            r"image \d: Compose made an image of shape \(56, 48, 3\)",
        ),
    ],
)
def test_bad_parameters(parameters, message):
    arguments = {"detector": KNN, "augmenter": SHIFT} | parameters
    with pytest.raises(ValueError, match=message):
        Augmented(**arguments).fit(make_images(8))
