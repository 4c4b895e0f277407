import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from skuad.datasets import load_mvtec_ad
from skuad.io import read_image, read_mask
from skuad.utils._testing_trees import (
    make_mvtec_ad,
    write_damaged,
    write_good,
    write_mask,
)


@pytest.fixture
def root(tmp_path):
    make_mvtec_ad(tmp_path / "data", "bottle")
    return tmp_path / "data"


def relative(paths, root):
    return [Path(path).relative_to(root).as_posix() if path else "" for path in paths]


def test_everything(root):
    data = load_mvtec_ad(root, "bottle")
    assert relative(data.images, root / "bottle") == [
        "train/good/1.png",
        "train/good/2.png",
        "train/good/10.png",
        "test/good/000.png",
        "test/good/001.png",
        "test/broken_large/000.png",
        "test/broken_large/001.png",
        "test/contamination/000.png",
    ]
    assert data.target.tolist() == [1] * 5 + [-1] * 3
    assert relative(data.masks, root / "bottle") == [""] * 5 + [
        "ground_truth/broken_large/000_mask.png",
        "ground_truth/broken_large/001_mask.png",
        "ground_truth/contamination/000_mask.png",
    ]
    assert data.defect_type.tolist() == ["good"] * 5 + [
        "broken_large",
        "broken_large",
        "contamination",
    ]
    assert data.split.tolist() == ["train"] * 3 + ["test"] * 5
    assert data.category.tolist() == ["bottle"] * 8
    assert data.groups.tolist() == list(range(8))
    assert data.name == "mvtec_ad" and "CC BY-NC-SA" in data.DESCR
    for key in ("images", "masks", "defect_type", "split", "category"):
        assert isinstance(data[key], np.ndarray) and data[key].dtype.kind == "U", key
    assert data.target.dtype == data.groups.dtype == np.int64


def test_images_and_masks_go_together(root):
    data = load_mvtec_ad(root, "bottle", split="test")
    for image, mask in zip(data.images, data.masks, strict=True):
        pixels = read_image(image)
        marked = read_mask(mask, shape=pixels.shape[:2])
        assert marked.any() == bool(mask)
        np.testing.assert_array_equal(marked, pixels.max(axis=2) >= 200)


@pytest.mark.parametrize("split", ["train", "test"])
def test_split(root, split):
    whole = load_mvtec_ad(root, "bottle")
    data = load_mvtec_ad(root, "bottle", split=split)
    keep = whole.split == split
    for key in ("images", "target", "masks", "defect_type", "split", "category"):
        np.testing.assert_array_equal(data[key], whole[key][keep])


def test_return_X_y(root):
    data = load_mvtec_ad(root, "bottle")
    for return_X_y in (True, "masks"):
        images, y = load_mvtec_ad(root, "bottle", return_X_y=return_X_y)
        np.testing.assert_array_equal(images, data.images)
        np.testing.assert_array_equal(y, data.masks)
    images, y = load_mvtec_ad(root, "bottle", return_X_y="labels")
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(y, data.target)


def test_as_frame(root):
    import pandas

    data = load_mvtec_ad(root, "bottle", as_frame=True)
    columns = "images target masks defect_type split category groups".split()
    assert data.frame.columns.tolist() == columns and len(data.frame) == 8
    for column in columns:
        np.testing.assert_array_equal(data.frame[column], data[column])
    images, y = load_mvtec_ad(root, "bottle", as_frame=True, return_X_y=True)
    assert isinstance(images, pandas.Series) and isinstance(y, pandas.Series)
    assert y.tolist() == data.masks.tolist()


def test_pandas_only_if_asked_for(root, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    load_mvtec_ad(root, "bottle")
    with pytest.raises(ImportError, match="as_frame=True needs pandas"):
        load_mvtec_ad(root, "bottle", as_frame=True)


def test_several_categories(root):
    for name in ("zipper", "cable", "my_part"):
        make_mvtec_ad(root, name)
    (root / "license.txt").write_text("x")
    (root / "notes").mkdir()
    data = load_mvtec_ad(root, "all")
    names = ["bottle", "cable", "zipper", "my_part"]
    assert data.category.tolist() == np.repeat(names, 8).tolist()
    assert data.groups.tolist() == list(range(32))
    one = load_mvtec_ad(root, "my_part")
    np.testing.assert_array_equal(data.images[24:], one.images)
    some = load_mvtec_ad(root, ["zipper", "bottle"], split="train")
    assert some.category.tolist() == ["zipper"] * 3 + ["bottle"] * 3


def test_no_image_is_opened(root, monkeypatch):
    write_damaged(root, "bottle", "train", "good", "3.png")

    def no_open(*args, **kwargs):
        raise AssertionError("a file was opened")

    for name in ("numpy.fromfile", "builtins.open", "cv2.imread", "cv2.imdecode"):
        monkeypatch.setattr(name, no_open)
    data = load_mvtec_ad(os.fspath(root), "bottle")
    assert len(data.images) == 9


def test_ten_thousand_files_in_a_second(tmp_path):
    for folder in ("train/good", "test/good", "test/bad", "ground_truth/bad"):
        (tmp_path / "tile" / folder).mkdir(parents=True)
    for i in range(4000):
        (tmp_path / "tile/train/good" / f"{i}.png").touch()
        (tmp_path / "tile/test/bad" / f"{i}.png").touch()
        (tmp_path / "tile/ground_truth/bad" / f"{i}_mask.png").touch()
    (tmp_path / "tile/test/good/1.png").touch()
    start = time.process_time()
    data = load_mvtec_ad(tmp_path, "tile")
    assert time.process_time() - start < 1
    assert len(data.images) == 8001
    assert data.images[2].endswith("2.png") and data.masks[-1].endswith("3999_mask.png")


# ---- masks ---------------------------------------------------------------------------


def test_all_missing_and_left_over_masks_are_listed(root):
    bottle = root / "bottle"
    os.remove(bottle / "ground_truth/broken_large/001_mask.png")
    os.remove(bottle / "ground_truth/contamination/000_mask.png")
    block = (slice(0, 2), slice(0, 2))
    write_mask(block, bottle, "ground_truth", "broken_large", "017_mask.png")
    write_mask(block, bottle, "ground_truth", "crack", "000_mask.png")
    with pytest.raises(ValueError) as error:
        load_mvtec_ad(root, "bottle")
    lines = str(error.value).replace(os.sep, "/").splitlines()
    assert lines[0] == "2 anomalous images without a mask:"
    assert lines[1].endswith("test/broken_large/001.png")
    assert lines[2].endswith("test/contamination/000.png")
    assert lines[3] == "2 masks without an image:"
    assert lines[4].endswith("ground_truth/broken_large/017_mask.png")
    assert lines[5].endswith("ground_truth/crack/000_mask.png")
    load_mvtec_ad(root, "bottle", split="train")


def test_missing_masks_kept(root):
    os.remove(root / "bottle/ground_truth/broken_large/001_mask.png")
    with pytest.warns(UserWarning, match=r"^1 anomalous image without a mask: anom"):
        data = load_mvtec_ad(root, "bottle", missing_mask="zero", split="test")
    assert data.target.tolist() == [1, 1, -1, -1, -1]
    assert [bool(mask) for mask in data.masks] == [False, False, True, False, True]
    with pytest.warns(UserWarning, match="anomalous all the same"):
        _, y = load_mvtec_ad(
            root, "bottle", missing_mask="zero", split="test", return_X_y=True
        )
    assert isinstance(y, list) and y == ["", "", data.masks[2], -1, data.masks[4]]


def test_missing_masks_skipped(root):
    os.remove(root / "bottle/ground_truth/broken_large/001_mask.png")
    with pytest.warns(UserWarning, match=r"1 anomalous .*: left out") as record:
        data = load_mvtec_ad(root, "bottle", missing_mask="skip", split="test")
    assert record[0].filename == __file__
    assert data.target.tolist() == [1, 1, -1, -1]
    assert data.groups.tolist() == [0, 1, 2, 3]
    assert all(data.masks[2:])


def test_no_ground_truth_at_all(root):
    shutil.rmtree(root / "bottle/ground_truth")
    with pytest.raises(ValueError, match=r"^3 anomalous"):
        load_mvtec_ad(root, "bottle")


def test_masks_that_differ_in_the_suffix_only(root):
    block = (slice(0, 2), slice(0, 2))
    write_mask(block, root, "bottle", "ground_truth", "broken_large", "000_mask.bmp")
    with pytest.raises(ValueError, match=r"differ in the suffix only.*000_mask"):
        load_mvtec_ad(root, "bottle")


# ---- wrong folders and names ---------------------------------------------------------


def test_root_one_level_off_is_recognised(root):
    expected = load_mvtec_ad(root, "bottle")
    for wrong in (root.parent, root / "bottle"):
        data = load_mvtec_ad(wrong, "bottle")
        assert relative(data.images, root) == relative(expected.images, root)
    assert len(load_mvtec_ad(root.parent, "all").images) == 8


def test_root_of_another_category(root):
    with pytest.raises(ValueError, match=r"folder of one category, 'bottle'; give the"):
        load_mvtec_ad(root / "bottle", "cable")
    with pytest.raises(ValueError, match="folder of one category"):
        load_mvtec_ad(root / "bottle", "all")


def test_root_inside_a_category(root):
    with pytest.raises(ValueError, match="lies inside the folder of a category"):
        load_mvtec_ad(root / "bottle" / "test", "bottle")


def test_root_above_two_copies(root):
    shutil.copytree(root, root.parent / "copy")
    with pytest.raises(ValueError, match=r"several folders.*copy"):
        load_mvtec_ad(root.parent, "bottle")


def test_no_such_root(root):
    with pytest.raises(FileNotFoundError, match=r"Did you mean '.*bottle'\?$"):
        load_mvtec_ad(root / "botle" / "x", "bottle")
    with pytest.raises(NotADirectoryError, match="is a file"):
        load_mvtec_ad(root / "bottle/train/good/1.png", "bottle")


@pytest.mark.parametrize(
    ("category", "message"),
    [
        ("botle", "unknown category of MVTec AD: 'botle'. Did you mean 'bottle'"),
        ("Metal_Nut", "Did you mean 'metal_nut'"),
        ("cable", "the category 'cable' .* is not in .*: found 'bottle'"),
        ("", "unknown category"),
        ([], "must be a name, a list of names or 'all'"),
        ([3], "must be a name"),
        (["bottle", "pil"], "Did you mean 'pill'"),
    ],
)
def test_unknown_category(root, category, message):
    with pytest.raises(ValueError, match=message):
        load_mvtec_ad(root, category)


def test_nothing_here(tmp_path):
    with pytest.raises(ValueError, match="found no category of MVTec AD"):
        load_mvtec_ad(tmp_path, "all")
    (tmp_path / "bottle/trian").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"not laid out as MVTec AD.*found 'trian/'"):
        load_mvtec_ad(tmp_path, "bottle")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, "unknown split of MVTec AD: 'tset'. Did you mean 'test'"),
        ({"split": None}, "unknown split"),
        ({"missing_mask": "rais"}, "missing_mask: 'rais'. Did you mean 'raise'"),
        ({"return_X_y": "mask"}, "return_X_y must be one of"),
    ],
)
def test_unknown_options(root, options, message):
    with pytest.raises(ValueError, match=message):
        load_mvtec_ad(root, "bottle", **options)


@pytest.mark.parametrize("folder", ["train/good", "test/good", "test/broken_large"])
def test_empty_folder(root, folder):
    for path in (root / "bottle" / folder).iterdir():
        if path.suffix == ".png":
            path.unlink()
    with pytest.raises(ValueError, match=rf"No image found in .*{folder[-4:]}"):
        load_mvtec_ad(root, "bottle")


def test_renamed_folder(root):
    (root / "bottle/train/good").rename(root / "bottle/train/goood")
    with pytest.raises(ValueError, match=r"no folder 'good'.*Did you rename it to"):
        load_mvtec_ad(root, "bottle")
    shutil.rmtree(root / "bottle/test")
    with pytest.raises(ValueError, match=r"no folder 'test'; found 'ground_truth/'"):
        load_mvtec_ad(root, "bottle", split="test")


# ---- files and links -----------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".PNG", ".jpg", ".JPEG", ".bmp", ".Tif", ".webp"])
def test_suffixes(tmp_path, suffix):
    make_mvtec_ad(tmp_path, "pill", suffix=suffix)
    data = load_mvtec_ad(tmp_path, "pill")
    assert len(data.images) == 8 and all(path.endswith(suffix) for path in data.images)


def test_names_with_spaces_and_other_letters(tmp_path):
    root = tmp_path / "Prüfung 質検 2"
    make_mvtec_ad(root, "Blech größe 1")
    data = load_mvtec_ad(root, "Blech größe 1", split="test")
    assert read_mask(data.masks[-1]).any()


def test_links_in_a_circle(root):
    try:
        (root / "bottle/test/broken_large/loop").symlink_to(root / "bottle/test")
        (root / "bottle/test/self").symlink_to(root / "bottle/test/self")
        (root / "bottle/ground_truth/self").symlink_to(
            root / "bottle/ground_truth/self"
        )
    except OSError:
        pytest.skip("the file system has no symlinks")
    assert len(load_mvtec_ad(root, "bottle").images) == 8


def test_a_mask_of_the_plain_name(root):
    bottle = root / "bottle"
    (bottle / "ground_truth/contamination/000_mask.png").rename(
        bottle / "ground_truth/contamination/000.png"
    )
    data = load_mvtec_ad(root, "bottle")
    assert relative(data.masks[-1:], bottle) == ["ground_truth/contamination/000.png"]


def test_more_good_images_change_nothing_else(root):
    before = load_mvtec_ad(root, "bottle", split="test")
    write_good(root, "bottle", "train", "good", "11.png")
    after = load_mvtec_ad(root, "bottle", split="test")
    np.testing.assert_array_equal(before.images, after.images)
