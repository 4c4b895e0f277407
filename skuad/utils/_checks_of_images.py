"""Checks of what every estimator on images promises, and of image transformers."""

import os
import pickle
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skuad.io import ImageSequence
from skuad.utils._checking import (
    arrays,
    assert_raises,
    assert_same,
    fit_clone,
    saved_images,
    training_images,
)


def check_input_is_unchanged(estimator: Any, *, rtol: float) -> None:
    """Neither fit nor transform writes into the images."""
    images = training_images()
    before = images.copy()
    fit_clone(estimator, images).transform(images)
    np.testing.assert_array_equal(images, before)


def check_containers_agree(estimator: Any, *, rtol: float) -> None:
    """A stack, a list, paths and a lazy sequence give the same."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    expected = fitted.transform(images[:3])
    assert_same(fitted.transform(list(images[:3])), expected, rtol)
    with saved_images(images) as paths:
        assert_same(fitted.transform(paths[:3]), expected, rtol)
        assert_same(fitted.transform(np.array(paths[:3])), expected, rtol)
        assert_same(fitted.transform(ImageSequence(paths)[:3]), expected, rtol)
        from_paths = fit_clone(estimator, paths)
        assert_same(from_paths.transform(paths[:3]), expected, rtol)


def check_batch_does_not_matter(estimator: Any, *, rtol: float) -> None:
    """An image gives the same alone, in a batch, and in any order."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    together = arrays(fitted.transform(images))
    alone = [arrays(fitted.transform(images[i : i + 1]))[0] for i in range(len(images))]
    assert_same(alone, together, rtol)
    assert_same(arrays(fitted.transform(images[::-1]))[::-1], together, rtol)


def check_dtypes(estimator: Any, *, rtol: float) -> None:
    """Gray and colour images of uint8, uint16 and float are accepted."""
    for channels in (1, 3):
        for dtype in (np.uint8, np.uint16, np.float32, np.float64):
            images = training_images(channels=channels, dtype=dtype)
            for item in arrays(fit_clone(estimator, images).transform(images[:2])):
                assert np.isfinite(item.astype(np.float64)).all()


def check_pickle(estimator: Any, *, rtol: float) -> None:
    """A pickled copy of the fitted estimator gives equal bits."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    copy = pickle.loads(pickle.dumps(fitted))
    assert_same(copy.transform(images), fitted.transform(images), 0)


def check_refit(estimator: Any, *, rtol: float) -> None:
    """A second fit forgets the first."""
    images = training_images()
    fresh = fit_clone(estimator, images)
    again = fit_clone(estimator, training_images(seed=1)).fit(images)
    assert_same(again.transform(images), fresh.transform(images), rtol)


def check_pipeline(estimator: Any, *, rtol: float) -> None:
    """In a pipeline the estimator does what it does alone."""
    images = training_images()
    expected = fit_clone(estimator, images).transform(images)
    pipeline = make_pipeline(FunctionTransformer(), estimator)
    assert_same(fit_clone(pipeline, images).transform(images), expected, rtol)


def check_bad_images(estimator: Any, *, rtol: float) -> None:
    """What is no image, and an image unlike the others, raises and is named."""
    images = training_images()
    fitted = fit_clone(estimator, images)
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
        assert_raises(message, fitted.transform, X)
        assert_raises(message, lambda X=X: list(clone(estimator).fit(X).transform(X)))
    floats = training_images(dtype=np.float32)
    fitted_on_floats = fit_clone(estimator, floats)
    floats[2, 5, 5] = np.nan
    assert_raises("image 2.*NaN", fitted_on_floats.transform, list(floats))
    gray = images[0, :, :, 0]
    assert_raises("channel", lambda: list(fitted.transform([*images[:2], gray])))
    with saved_images(images) as paths:
        with open(paths[3], "r+b") as file:
            file.truncate(os.path.getsize(paths[3]) // 2)
        assert_raises("3.png", lambda: list(fitted.transform(paths)))


def check_lazy(estimator: Any, *, rtol: float) -> None:
    """Paths give a lazy sequence that can be indexed, sliced and pickled."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    with saved_images(images) as paths:
        lazy = fitted.transform(paths)
        assert isinstance(lazy, ImageSequence)
        assert len(pickle.dumps(lazy)) < images.nbytes
        expected = arrays(fitted.transform(images))
        assert_same(pickle.loads(pickle.dumps(lazy)), expected, rtol)
        assert_same(lazy[[2, 0]], [expected[2], expected[0]], rtol)
        assert_same([lazy[-1]], expected[-1:], rtol)


def check_later_changes_do_not_reach_lazy_results(
    estimator: Any, *, rtol: float
) -> None:
    """Changing the estimator leaves a sequence that it returned as it was."""
    images = training_images()
    fitted = fit_clone(estimator, images)
    expected = fitted.transform(images)
    with saved_images(images) as paths:
        lazy = fitted.transform(paths)
        fitted.fit(training_images(channels=1))
        assert_same(lazy, expected, rtol)
