"""Checks that an image transformer or map detector keeps its promises on images.

They stand beside scikit-learn's own battery, which feeds 2-D arrays, and serve
detectors of other libraries too: see `parametrize_with_image_checks`.
"""

import os
import pickle
import re
import tempfile
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from skuad.io import ImageSequence, write_image
from skuad.utils._testing import make_images

__all__ = ["image_checks", "parametrize_with_image_checks"]

_N_TRAIN = 8


def parametrize_with_image_checks(estimators, *, rtol=0.0):
    """Parametrize a pytest function with all checks of all estimators.

    Parameters
    ----------
    estimators : list of estimator
        Instances: map detectors (outlier detectors whose ``transform`` gives maps) or
        image transformers.
    rtol : float, default=0.0
        Relative tolerance of values that must not depend on the batch or the container;
        0 wants equal bits. Networks in float32 need 1e-4.

    Returns
    -------
    decorator : pytest.mark.parametrize

    Examples
    --------
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.utils.estimator_checks import parametrize_with_image_checks
    >>> @parametrize_with_image_checks([PatchKNN(random_state=0)])
    ... def test_images(estimator, check):
    ...     check(estimator)
    """
    import pytest

    return pytest.mark.parametrize(
        ("estimator", "check"),
        [
            pytest.param(
                estimator, check, id=f"{_short_name(estimator)}-{check.func.__name__}"
            )
            for estimator in estimators
            for check in image_checks(estimator, rtol=rtol)
        ],
    )


def image_checks(estimator, *, rtol=0.0) -> list:
    """List the checks that apply to an estimator, each a function of it.

    Parameters
    ----------
    estimator : estimator
        A map detector or an image transformer.
    rtol : float, default=0.0
        See `parametrize_with_image_checks`.

    Returns
    -------
    checks : list of callable
    """
    checks = _COMMON_CHECKS + (
        _DETECTOR_CHECKS if _is_detector(estimator) else _TRANSFORMER_CHECKS
    )
    return [partial(check, rtol=rtol) for check in checks]


def _is_detector(estimator):
    return get_tags(estimator).estimator_type == "outlier_detector"


def _short_name(estimator):
    # Files by their names: parallel test runs have folders of their own.
    name = re.sub(r"'[^']*[/\\]([^'/\\]*)'", r"'\1'", str(estimator))
    return " ".join(name.split())[:60]


def _fitted(estimator, X, y=None):
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    inner = {
        name: 0 for name in estimator.get_params() if name.endswith("__random_state")
    }
    return estimator.set_params(**inner).fit(X, y)


def _values(output):
    """Output of transform as a list of arrays, whatever it is a sequence of."""
    return [np.asarray(item) for item in output]


def _assert_same(actual, expected, rtol):
    actual, expected = _values(actual), _values(expected)
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


class _SavedImages:
    """Images in PNG files of a temporary folder."""

    def __init__(self, images):
        self.images = images

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        paths = []
        for number, image in enumerate(self.images):
            paths.append(os.path.join(self.folder.name, f"{number}.png"))
            write_image(paths[-1], image)
        return paths

    def __exit__(self, *error):
        self.folder.cleanup()


# ---------------------------------------------------------------- transformers and all


def check_input_is_unchanged(estimator, *, rtol):
    """Neither fit nor transform writes into the images."""
    images = make_images(_N_TRAIN)
    before = images.copy()
    _fitted(estimator, images).transform(images)
    np.testing.assert_array_equal(images, before)


def check_containers_agree(estimator, *, rtol):
    """A stack, a list, paths and a lazy sequence give the same."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    expected = fitted.transform(images[:3])
    _assert_same(fitted.transform(list(images[:3])), expected, rtol)
    with _SavedImages(images) as paths:
        _assert_same(fitted.transform(paths[:3]), expected, rtol)
        _assert_same(fitted.transform(np.array(paths[:3])), expected, rtol)
        _assert_same(fitted.transform(ImageSequence(paths)[:3]), expected, rtol)
        from_paths = _fitted(estimator, paths)
        _assert_same(from_paths.transform(paths[:3]), expected, rtol)


def check_batch_does_not_matter(estimator, *, rtol):
    """An image gives the same alone, in a batch, and in any order."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    together = _values(fitted.transform(images))
    alone = [_values(fitted.transform(images[i : i + 1]))[0] for i in range(_N_TRAIN)]
    _assert_same(alone, together, rtol)
    _assert_same(_values(fitted.transform(images[::-1]))[::-1], together, rtol)


def check_dtypes(estimator, *, rtol):
    """Gray and colour images of uint8, uint16 and float are accepted."""
    for channels in (1, 3):
        for dtype in (np.uint8, np.uint16, np.float32, np.float64):
            images = make_images(_N_TRAIN, channels=channels, dtype=dtype)
            for item in _values(_fitted(estimator, images).transform(images[:2])):
                assert np.isfinite(item.astype(np.float64)).all()


def check_pickle(estimator, *, rtol):
    """A pickled copy of the fitted estimator gives equal bits."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    copy = pickle.loads(pickle.dumps(fitted))
    _assert_same(copy.transform(images), fitted.transform(images), 0)


def check_refit(estimator, *, rtol):
    """A second fit forgets the first."""
    images = make_images(_N_TRAIN)
    fresh = _fitted(estimator, images)
    again = _fitted(estimator, make_images(_N_TRAIN, seed=1)).fit(images)
    _assert_same(again.transform(images), fresh.transform(images), rtol)


def check_pipeline(estimator, *, rtol):
    """In a pipeline the estimator does what it does alone."""
    images = make_images(_N_TRAIN)
    expected = _fitted(estimator, images).transform(images)
    pipeline = make_pipeline(FunctionTransformer(), estimator)
    _assert_same(_fitted(pipeline, images).transform(images), expected, rtol)


def check_bad_images(estimator, *, rtol):
    """What is no image, and an image unlike the others, raises and is named."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    for X, message in [
        ("part.png", "one path"),
        (images[0], "ambiguous"),
        (images[0, :, :, 0], "Reshape"),
        ([*images[:2], "part.png"], "mixes paths and arrays"),
        ([*images[:2], images[0, :, :0]], r"image 2.*empty"),
        ([], "0 sample"),
        (images[:0], "0 sample"),
        (images.astype(np.int64), "int64"),
    ]:
        _assert_raises(message, fitted.transform, X)
        _assert_raises(message, lambda X=X: list(clone(estimator).fit(X).transform(X)))
    floats = make_images(_N_TRAIN, dtype=np.float32)
    fitted_on_floats = _fitted(estimator, floats)
    floats[2, 5, 5] = np.nan
    _assert_raises("image 2.*NaN", fitted_on_floats.transform, list(floats))
    gray = images[0, :, :, 0]
    _assert_raises("channels", lambda: list(fitted.transform([*images[:2], gray])))
    with _SavedImages(images) as paths:
        with open(paths[3], "r+b") as file:
            file.truncate(os.path.getsize(paths[3]) // 2)
        _assert_raises("3.png", lambda: list(fitted.transform(paths)))


def _assert_raises(pattern, function, *arguments):
    import pytest

    with pytest.raises(ValueError, match=f"(?s){pattern}"):
        function(*arguments)


# ---------------------------------------------------------------------- transformers


def check_lazy(estimator, *, rtol):
    """Paths give a lazy sequence that can be indexed, sliced and pickled."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    with _SavedImages(images) as paths:
        lazy = fitted.transform(paths)
        assert isinstance(lazy, ImageSequence)
        assert len(pickle.dumps(lazy)) < images.nbytes
        expected = _values(fitted.transform(images))
        _assert_same(pickle.loads(pickle.dumps(lazy)), expected, rtol)
        _assert_same(lazy[[2, 0]], [expected[2], expected[0]], rtol)
        _assert_same([lazy[-1]], expected[-1:], rtol)


def check_later_changes_do_not_reach_lazy_results(estimator, *, rtol):
    """Changing the estimator leaves a sequence that it returned as it was."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    expected = fitted.transform(images)
    with _SavedImages(images) as paths:
        lazy = fitted.transform(paths)
        fitted.fit(make_images(_N_TRAIN, channels=1))
        _assert_same(lazy, expected, rtol)


# ------------------------------------------------------------------------- detectors


def check_maps_have_the_image_size(estimator, *, rtol):
    """Maps are float32 at the size of each image, in the container of X."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    maps = fitted.transform(images)
    assert isinstance(maps, np.ndarray)
    assert maps.shape == images.shape[:3]
    assert maps.dtype == np.float32
    ragged = [images[0], make_images(1, size=(61, 37))[0], images[1][:, :31]]
    maps = fitted.transform(ragged)
    assert isinstance(maps, list)
    assert [one.shape for one in maps] == [image.shape[:2] for image in ragged]
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in maps)


def check_signs(estimator, *, rtol):
    """A defect lowers the score and raises the map where it is."""
    images = make_images(24)
    fitted = _fitted(estimator, images)
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


def check_views_agree(estimator, *, rtol):
    """Detect, transform and score_samples tell the same, image by image."""
    images = make_images(_N_TRAIN)
    fitted = _fitted(estimator, images)
    if not hasattr(fitted, "detect"):
        return
    maps, scores = zip(*fitted.detect(images), strict=True)
    _assert_same(fitted.transform(images), maps, 0)
    np.testing.assert_array_equal(fitted.score_samples(images), -np.array(scores))


def check_defects_in_training_are_left_out(estimator, *, rtol):
    """Labels, masks and mask paths keep anomalous images out of fit."""
    images = make_images(_N_TRAIN)
    polluted = np.concatenate([images, make_images(2, seed=3)])
    polluted[-2:, 16:32, 16:32] = 255
    masks = np.zeros(polluted.shape[:3], bool)
    masks[-2:, 16:32, 16:32] = True
    expected = _fitted(estimator, images)
    for y in (
        np.r_[np.ones(_N_TRAIN, int), -1, -1],
        masks,
        [None] * _N_TRAIN + [masks[-1], -1],
        [""] * _N_TRAIN + ["a.png", "b.png"],
    ):
        fitted = _fitted(estimator, polluted, y)
        _assert_same(fitted.transform(images), expected.transform(images), rtol)
        np.testing.assert_allclose(fitted.offset_, expected.offset_, rtol=rtol)


def check_threshold_is_on_unseen_images(estimator, *, rtol):
    """The threshold is not set on images that were learnt by heart."""
    images = make_images(40, size=(32, 32))
    fitted = _fitted(estimator, images[:20])
    # 20 further good images at a rate of at most 0.1 or so: 12 flagged is no chance.
    assert (fitted.predict(images[20:]) == -1).sum() < 12


_COMMON_CHECKS = [
    check_input_is_unchanged,
    check_containers_agree,
    check_batch_does_not_matter,
    check_dtypes,
    check_pickle,
    check_refit,
    check_pipeline,
    check_bad_images,
]
_TRANSFORMER_CHECKS = [
    check_lazy,
    check_later_changes_do_not_reach_lazy_results,
]
_DETECTOR_CHECKS = [
    check_maps_have_the_image_size,
    check_signs,
    check_views_agree,
    check_defects_in_training_are_left_out,
    check_threshold_is_on_unseen_images,
]
