"""Checks of what a map detector promises."""

from typing import Any

import numpy as np

from skuad.utils._checking import (
    assert_same,
    fit_clone,
    training_images,
)
from skuad.utils._testing_images import make_images


def check_maps_have_the_image_size(estimator: Any, *, rtol: float) -> None:
    """Maps are float32 at the size of each image, in the container of X."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    maps = fitted.transform(images)
    assert isinstance(maps, np.ndarray)
    assert maps.shape == images.shape[:3]
    assert maps.dtype == np.float32
    ragged = [images[0], make_images(1, size=(61, 37))[0], images[1][:, :31]]
    maps = fitted.transform(ragged)
    assert isinstance(maps, list)
    assert [one.shape for one in maps] == [image.shape[:2] for image in ragged]
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in maps)


def check_signs(estimator: Any, *, rtol: float) -> None:
    """A defect lowers the score and raises the map where it is."""
    images = make_images(24)
    fitted = fit_clone(estimator, images)
    defective = make_images(2, seed=1)
    defective[1, 16:32, 16:32] = [255, 0, 255]
    scores = fitted.score_samples(defective)
    assert scores.shape == (2,)
    assert scores[1] < scores[0]
    decision = fitted.decision_function(defective)
    np.testing.assert_allclose(decision, scores - fitted.offset_)
    assert fitted.predict(defective)[1] == -1
    assert set(fitted.predict(images)) <= {1, -1}
    anomaly_map = fitted.transform(defective)[1]
    inside = anomaly_map[16:32, 16:32].mean()
    anomaly_map[8:40, 8:40] = np.nan
    assert inside > np.nanmean(anomaly_map)


def check_views_agree(estimator: Any, *, rtol: float) -> None:
    """Detect, transform and score_samples tell the same, image by image."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    if not hasattr(fitted, "detect"):
        return
    maps, scores = zip(*fitted.detect(images), strict=True)
    assert_same(fitted.transform(images), maps, 0)
    np.testing.assert_array_equal(fitted.score_samples(images), -np.array(scores))


def check_defects_in_training_are_left_out(estimator: Any, *, rtol: float) -> None:
    """Labels, masks and mask paths keep anomalous images out of fit."""
    images = training_images()
    polluted = np.concatenate([images, make_images(2, seed=3)])
    polluted[-2:, 16:32, 16:32] = 255
    masks = np.zeros(polluted.shape[:3], bool)
    masks[-2:, 16:32, 16:32] = True
    expected = fit_clone(estimator, images)
    for y in (
        np.r_[np.ones(len(images), int), -1, -1],
        masks,
        [None] * len(images) + [masks[-1], -1],
        [""] * len(images) + ["a.png", "b.png"],
    ):
        fitted = fit_clone(estimator, polluted, y)
        assert_same(fitted.transform(images), expected.transform(images), rtol)
        np.testing.assert_allclose(fitted.offset_, expected.offset_, rtol=rtol)


def check_threshold_is_on_unseen_images(estimator: Any, *, rtol: float) -> None:
    """The threshold is not set on images that were learnt by heart."""
    images = make_images(40, size=(32, 32))
    fitted = fit_clone(estimator, images[:20])
    # 20 further good images at a rate of at most 0.1 or so: 12 flagged is no chance.
    assert (fitted.predict(images[20:]) == -1).sum() < 12
