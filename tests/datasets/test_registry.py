import numpy as np
import pytest

from skuad.datasets import list_categories, list_datasets, load_dataset, load_mvtec_ad
from skuad.utils._testing_trees import make_folder, make_mvtec_ad


def test_load_dataset_is_the_data_set_of_that_name(tmp_path):
    make_mvtec_ad(tmp_path, "bottle")
    by_name = load_dataset("mvtec_ad", tmp_path, "bottle", split="test")
    directly = load_mvtec_ad(tmp_path, "bottle", split="test")
    assert by_name.keys() == directly.keys()
    np.testing.assert_array_equal(by_name.images, directly.images)


def test_data_sets_without_categories(tmp_path):
    make_folder(tmp_path)
    assert len(load_dataset("image_folder", tmp_path).images) == 7
    assert list_categories("image_folder") == []


def test_unknown_names(tmp_path):
    with pytest.raises(ValueError, match=r"unknown data set: 'mvtecad'. Did you mean"):
        load_dataset("mvtecad", tmp_path, "bottle")
    with pytest.raises(ValueError, match="unknown data set"):
        list_categories("nothing")
    with pytest.raises(
        ValueError, match="has categories: give one of 'bottle', 'cable'"
    ):
        load_dataset("mvtec_ad", tmp_path)


def test_data_sets_lie_on_the_own_disk():
    with pytest.raises(
        ValueError, match="'visa' needs a root: the folder where it lies"
    ):
        load_dataset("visa")


def test_categories(tmp_path):
    assert len(list_categories("mvtec_ad")) == 15
    make_mvtec_ad(tmp_path, "zipper")
    make_mvtec_ad(tmp_path, "mine")
    make_mvtec_ad(tmp_path, "bottle")
    assert list_categories("mvtec_ad", tmp_path) == ["bottle", "zipper", "mine"]


def test_every_data_set_is_listed():
    assert "mvtec_ad" in list_datasets() and "image_folder" in list_datasets()


def test_a_folder_has_two_names(tmp_path):
    make_folder(tmp_path)
    data, same = (load_dataset(name, tmp_path) for name in ("folder", "image_folder"))
    assert data.images.tolist() == same.images.tolist()
    assert data.name == "image_folder"
    assert list_categories("folder") == []
    assert "folder" not in list_datasets()
