import pickle

import cv2
import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skuad.feature_extraction import (
    FeatureMap,
    FilterBankEmbedder,
    _filter_bank_embedder,
    filter_bank,
)


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 45, 3), np.uint8)


@pytest.fixture
def count(monkeypatch):
    """How often the features of an image were computed."""
    calls = []

    def counted(image, **options):
        calls.append(image.shape)
        return filter_bank(image, **options)

    monkeypatch.setattr(_filter_bank_embedder, "filter_bank", counted)
    return calls


def test_one_feature_map_per_image(stack):
    images = [stack[0], stack[1, :20, :31], stack[2]]
    features = FilterBankEmbedder(stride=4).fit_transform(images)
    for item, image in zip(features, images, strict=True):
        assert isinstance(item, FeatureMap)
        assert item.image_shape == image.shape[:2]
        assert_array_equal(item, filter_bank(image, stride=4))


def test_stack_list_and_paths_agree(stack, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, stack, strict=True):
        cv2.imwrite(str(path), image[..., ::-1])
    embedder = FilterBankEmbedder().fit(stack)
    for X in (stack, list(stack), paths):
        features = embedder.transform(X)
        assert len(features) == 3
        for item, image in zip(features, stack, strict=True):
            assert_array_equal(item, filter_bank(image))


def test_line_scans_give_one_array():
    rows = np.random.default_rng(0).random((5, 100))
    features = FilterBankEmbedder().fit_transform(rows)
    assert features.shape == (5, 1, 13, 20)
    assert_array_equal(features[3], filter_bank(rows[3:4]))


def test_data_range():
    images = np.full((1, 16, 16), 4095, np.uint16)
    features = FilterBankEmbedder(data_range=4095).fit_transform(images)
    assert_array_equal(features[0].values[..., 0], 1)


@pytest.mark.parametrize("shape", [(15, 64), (64, 15), (1, 1)])
def test_small_images_are_named(shape):
    images = [np.zeros((16, 16), np.uint8), np.zeros(shape, np.uint8)]
    embedder = FilterBankEmbedder().fit(images[:1])
    with pytest.raises(ValueError, match=r"image 1 .*16 x 16 or more"):
        embedder.transform(images)


@pytest.mark.parametrize(
    "parameters", [{"stride": 0}, {"stride": 2.5}, {"data_range": 0}, {"memory": 3}]
)
def test_parameters_are_checked(parameters, stack):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        FilterBankEmbedder(**parameters).fit(stack)


@pytest.mark.parametrize("as_path", [True, False])
def test_memory_is_keyed_on_pixels_and_parameters(stack, tmp_path, count, as_path):
    memory = str(tmp_path) if as_path else joblib.Memory(tmp_path, verbose=0)
    embedder = FilterBankEmbedder(memory=memory).fit(stack)
    first = embedder.transform(stack)
    assert len(count) == 3
    again = clone(embedder).transform(stack[::-1].copy())
    assert len(count) == 3
    assert_array_equal(again[0], first[2])
    FilterBankEmbedder(stride=4, memory=memory).fit_transform(stack)
    assert len(count) == 6
    stack[0, 0, 0, 0] ^= 1
    embedder.transform(stack)
    assert len(count) == 7
    assert_array_equal(first[1], filter_bank(stack[1]))


class AllAtOnce(FilterBankEmbedder):
    batch_size = 8
    sizes = ()

    def _embed(self, images):
        type(self).sizes = [*self.sizes, len(images)]
        return super()._embed(images)


class OnlyCaches:
    """A memory that has what scikit-learn asks for, and nothing else."""

    def __init__(self):
        self.results = {}

    def cache(self, function, ignore):
        def cached(*key, **ignored):
            if key not in self.results:
                self.results[key] = function(*key, **ignored)
            return self.results[key]

        return cached


@pytest.mark.parametrize(
    ("make_memory", "sizes"), [(str, [3, 1]), (lambda folder: OnlyCaches(), [1] * 4)]
)
def test_what_is_not_in_the_memory_is_embedded_together(
    stack, tmp_path, make_memory, sizes
):
    AllAtOnce.sizes = ()
    embedder = AllAtOnce(memory=make_memory(tmp_path)).fit(stack[:1])
    images = np.concatenate([stack, stack[:1] // 2])
    for n_images in (3, 4, 4):
        found = embedder.transform(images[:n_images])
    assert AllAtOnce.sizes == sizes
    for one, image in zip(found, images, strict=True):
        assert_array_equal(one, filter_bank(image))


def test_pickle(stack):
    embedder = FilterBankEmbedder(stride=4).fit(stack)
    loaded = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(loaded.transform(stack)[1], embedder.transform(stack)[1])
