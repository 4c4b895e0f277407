import os
from pathlib import Path

import numpy as np
import pytest

from skuad.datasets import load_mvtec_ad2, score_by_condition
from skuad.io import read_image, read_mask
from skuad.utils._testing_trees import make_mvtec_ad2


@pytest.fixture
def root(tmp_path):
    make_mvtec_ad2(tmp_path / "ad2", "vial")
    return tmp_path / "ad2"


def test_public(root):
    data = load_mvtec_ad2(root, "vial")
    assert dict(zip(*np.unique(data.split, return_counts=True), strict=True)) == {
        "train": 3,
        "validation": 1,
        "test_public": 10,
    }
    assert (data.target == 1).sum() == 9 and (data.target == -1).sum() == 5
    assert set(data.defect_type) == {"good", "bad"}


def test_stems_that_repeat(root):
    data = load_mvtec_ad2(root, "vial", split="test")
    assert data.split.tolist() == ["test_public"] * 10
    stems = [Path(path).stem for path in data.images]
    assert stems[:5] == stems[5:], "good and bad images have equal names"
    assert not any(data.masks[:5])
    for image, mask in zip(data.images[5:], data.masks[5:], strict=True):
        assert Path(mask).stem == Path(image).stem + "_mask"
        pixels = read_image(image)
        np.testing.assert_array_equal(read_mask(mask), pixels >= 200)


def test_conditions_and_scenes(root):
    data = load_mvtec_ad2(root, "vial", split="all")
    test = data.split == "test_public"
    conditions = ["overexposed", "regular", "shift_1", "shift_10", "underexposed"]
    assert data.condition[test].tolist() == conditions * 2
    good, bad = test & (data.target == 1), test & (data.target == -1)
    assert len(set(data.groups[good])) == len(set(data.groups[bad])) == 1
    assert set(data.groups[good]).isdisjoint(data.groups[bad])
    assert len(set(data.groups[data.split == "train"])) == 3


def test_private_splits_are_never_good(root):
    data = load_mvtec_ad2(root, "vial", split="private")
    assert data.split.tolist() == ["test_private"] * 2 + ["test_private_mixed"] * 2
    assert data.target.tolist() == [0] * 4
    assert data.defect_type.tolist() == ["unknown"] * 4 and not any(data.masks)
    assert data.condition.tolist() == ["regular"] * 2 + ["mixed"] * 2
    assert data.groups.tolist() == [0, 1, 0, 1], "both hold the same scenes"
    for split in ("private", "test_private", "test_private_mixed", "all"):
        with pytest.raises(ValueError, match="images are unlabelled and have no masks"):
            load_mvtec_ad2(root, "vial", split=split, return_X_y=True)
    _, y = load_mvtec_ad2(root, "vial", split="private", return_X_y="labels")
    assert y.tolist() == [0] * 4


def test_missing_masks_of_the_private_splits_are_no_fault(root):
    os.remove(root / "vial/test_public/ground_truth/bad/000_regular_mask.png")
    assert len(load_mvtec_ad2(root, "vial", split="private").images) == 4
    with pytest.raises(ValueError, match="1 anomalous"):
        load_mvtec_ad2(root, "vial")


def test_names_of_another_kind(root):
    good = root / "vial/test_public/good"
    (good / "000_regular.png").rename(good / "extra.png")
    data = load_mvtec_ad2(root, "vial", split="test")
    assert data.condition[:5].tolist().count("unknown") == 1


def test_the_frame_has_the_condition(root):
    frame = load_mvtec_ad2(root, "vial", as_frame=True).frame
    assert frame["condition"].value_counts()["shift_10"] == 2


def test_unknown_split(root):
    with pytest.raises(ValueError, match=r"'privat'. Did you mean 'private'"):
        load_mvtec_ad2(root, "vial", split="privat")


def test_score_by_condition():
    condition = ["shift_1", "regular", "regular", "overexposed"]
    maps = [np.full((2, 3), value) for value in (1.0, 2.0, 4.0, 8.0)]

    def metric(y_true, y_pred):
        assert len(y_true) == len(y_pred)
        return float(np.sum(y_pred))

    for y_pred in (maps, np.array(maps)):
        table = score_by_condition(metric, np.zeros(4), y_pred, condition)
        assert table == {"regular": 36, "overexposed": 48, "shift_1": 6, "all": 90}
        assert next(iter(table)) == "regular" and list(table)[-1] == "all"
    with pytest.raises(ValueError, match="differ in length: 3, 4, 4"):
        score_by_condition(metric, np.zeros(3), maps, condition)
