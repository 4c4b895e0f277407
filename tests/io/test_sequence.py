"""Lazy sequences and the recognition of X."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing

from skuad.io import ImageSequence, write_image
from skuad.io._images import as_images


@pytest.fixture
def paths(tmp_path):
    names = [str(tmp_path / f"part {i} ü.png") for i in range(5)]
    for i, name in enumerate(names):
        write_image(name, np.full((4, 6), i, np.uint8))
    return names


def _add_one(image):
    return image + 1


def test_reads_on_access_only(paths):
    sequence = ImageSequence([*paths, "missing.png"]).then(_add_one)
    assert [int(image[0, 0]) for image in sequence[:5]] == [1, 2, 3, 4, 5]
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        sequence[5]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (slice(1, 4, 2), [1, 3]),
        ([4, 0], [4, 0]),
        (np.array([True, False, False, True, False]), [0, 3]),
        (slice(None, None, -1), [4, 3, 2, 1, 0]),
    ],
)
def test_indexing_stays_lazy_and_nests(paths, key, expected):
    part = ImageSequence(paths)[key]
    assert isinstance(part, ImageSequence)
    assert [int(image[0, 0]) for image in part] == expected
    assert int(part[-1][0, 0]) == expected[-1]
    assert int(part[::-1][0][0, 0]) == expected[-1]


def test_scikit_learn_splits_stay_lazy(paths):
    sequence = ImageSequence(paths)
    train, test = next(KFold(5).split(sequence))
    part = _safe_indexing(sequence, train)
    assert isinstance(part, ImageSequence)
    assert [int(image[0, 0]) for image in part] == [1, 2, 3, 4]
    assert len(_safe_indexing(sequence, test)) == 1


def test_pickle_holds_no_pixels(paths):
    sequence = ImageSequence(paths).then(_add_one)
    data = pickle.dumps(sequence)
    assert len(data) < 2000
    assert int(pickle.loads(data)[2][0, 0]) == 3


def test_errors_of_steps_name_the_file(paths):
    def fail(image):
        if image[0, 0] == 3:
            raise ValueError("too dark")
        return image

    with pytest.raises(ValueError, match=r"image 3 \(.*part 3 ü\.png\): too dark"):
        list(ImageSequence(paths)[1:].then(fail))


def test_converts_to_an_array(paths):
    assert np.asarray(ImageSequence(paths)).shape == (5, 4, 6)


@pytest.mark.parametrize(
    "container",
    [list, tuple, np.array, pd.Series, lambda x: np.array(x, object), ImageSequence],
)
def test_paths_in_any_container(paths, container):
    images = as_images(container(paths))
    assert images.kind == "lazy"
    assert images[4].shape == (4, 6, 1)


def test_kinds():
    image = np.zeros((5, 6), np.uint8)
    assert as_images(np.zeros((2, 5, 6))).kind == "stack"
    assert as_images(np.zeros((2, 5, 6, 3))).kind == "stack"
    assert as_images([image, image]).kind == "list"
    assert as_images(np.zeros((5, 6))).kind == "rows"
    assert as_images([[0.0, 1.0], [2.0, 3.0]]).kind == "rows"
    assert as_images(np.zeros((2, 5, 6)).tolist()).kind == "stack"
    assert as_images(pd.DataFrame(np.zeros((5, 6)))).kind == "rows"


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((5, 6), np.uint8), r"one gray image.*X\[None\]"),
        (np.zeros((5, 6), np.uint16), r"one gray image.*X\[None\]"),
        (np.zeros((5, 6, 3)), r"ambiguous.*X\[None\]"),
        ("a.png", "one path 'a.png'"),
        ([np.zeros((5, 6)), "a.png"], "mixes paths and arrays: item 1 is a path"),
        ([], "0 sample"),
        (np.empty((1, 2, 3), object), "object array"),
    ],
)
def test_what_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        as_images(X)


def test_another_dtype_warns_once():
    images = as_images([np.zeros((5, 6)), np.zeros((5, 6), np.uint8)] * 3)
    images.dtype = "float"
    with pytest.warns(UserWarning, match="image 1 is uint8, but .* float") as caught:
        list(images)
    assert len(caught) == 1


def test_an_index_error_of_a_step_does_not_end_the_sequence():
    def fail(image):
        raise IndexError

    with pytest.raises(IndexError):
        list(ImageSequence([np.zeros((2, 2))]).then(fail))


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4"])
def test_any_byte_order(dtype):
    stack = np.arange(60).reshape(3, 4, 5).astype(dtype)
    image = as_images(stack)[1]
    assert image.dtype.isnative
    np.testing.assert_array_equal(image[:, :, 0], stack[1])


def test_a_part_of_the_images_keeps_their_numbers():
    X = [np.full((2, 2), float(number)) for number in range(6)]
    for images in (as_images(X), as_images(np.array(X)), as_images(ImageSequence(X))):
        part = images.subset([1, 3, 4, 5]).subset([False, True, True, False])
        assert [part.describe(i) for i in range(2)] == ["image 3", "image 4"]
        sequence = part.as_sequence()[::-1]
        assert [sequence.describe(i) for i in range(2)] == ["image 4", "image 3"]
        assert [float(image.max()) for image in sequence] == [4, 3]


def test_a_region_lies_inside_those_of_the_images():
    class Halves(list):
        def roi(self, index):
            region = np.zeros((4, 6), bool)
            region[:, 3 * index : 3 * index + 3] = True
            return region

    roi = np.zeros((4, 6), bool)
    roi[:2, :4] = True
    images = ImageSequence(Halves([np.zeros((4, 6))] * 2))
    for number in range(2):
        inside = roi & images.roi(number)
        np.testing.assert_array_equal(images.with_roi(roi).roi(number), inside)
    roi[:, 3:] = False
    np.testing.assert_array_equal(images.with_roi(roi).roi(1), roi)


def test_arrays_keep_their_dtype():
    assert np.asarray(ImageSequence([np.zeros((2, 2), np.uint8)])).dtype == np.uint8
