import os
from pathlib import Path

import numpy as np
import pytest

from skuad.datasets import load_btad
from skuad.io import read_image, read_mask
from skuad.utils._testing_trees import make_btad


@pytest.mark.parametrize("category", ["01", "02", "03"])
def test_images_and_masks_go_together(tmp_path, category):
    make_btad(tmp_path, category)
    data = load_btad(tmp_path, category)
    assert data.target.tolist() == [1] * 5 + [-1] * 2
    assert data.split.tolist() == ["train"] * 3 + ["test"] * 4
    assert data.defect_type.tolist() == ["good"] * 5 + ["ko"] * 2
    for image, mask in zip(data.images[-2:], data.masks[-2:], strict=True):
        assert Path(image).parent.name == Path(mask).parent.name == "ko"
        pixels = read_image(image)
        np.testing.assert_array_equal(
            read_mask(mask, shape=pixels.shape[:2]), pixels.max(axis=2) >= 200
        )
    assert Path(mask).suffix == (".bmp" if category == "03" else ".png")


def test_a_good_image_never_takes_the_mask_of_its_stem(tmp_path):
    make_btad(tmp_path, "01")
    data = load_btad(tmp_path, "01", split="test")
    assert data.target.tolist() == [1, 1, -1, -1]
    assert [bool(mask) for mask in data.masks] == [False, False, True, True]
    assert Path(data.images[0]).stem == Path(data.images[2]).stem


def test_missing_mask(tmp_path):
    make_btad(tmp_path, "03")
    os.remove(tmp_path / "03/ground_truth/ko/0001.bmp")
    with pytest.raises(ValueError, match=r"1 anomalous image.*\n.*0001.bmp"):
        load_btad(tmp_path, "03")


def test_unknown_category(tmp_path):
    make_btad(tmp_path, "03")
    with pytest.raises(ValueError, match="the category '01' of BTAD is not in"):
        load_btad(tmp_path, "01")
    with pytest.raises(ValueError, match="unknown category of BTAD: '3'"):
        load_btad(tmp_path, "3")
