import os
import shutil
from pathlib import Path

import pytest

from skuad.datasets import load_image_folder
from skuad.utils._testing_trees import (
    make_btad,
    make_folder,
    make_mvtec_ad,
    make_mvtec_loco,
    write_good,
    write_mask,
)

BLOCK = (slice(0, 2), slice(0, 2))


def relative(paths, root):
    return [Path(path).relative_to(root).as_posix() if path else "" for path in paths]


def test_names_of_ones_own_without_masks(tmp_path):
    make_folder(tmp_path, good="in spec")
    data = load_image_folder(tmp_path, good="In Spec")
    assert relative(data.images, tmp_path) == [
        "in spec/Bild 1.PNG",
        "in spec/Bild 2.jpg",
        "in spec/Bild 10.bmp",
        "dent/größe 1.png",
        "dent/größe 2.TIF",
        "scratch/größe 1.png",
        "scratch/größe 2.TIF",
    ]
    assert data.target.tolist() == [1, 1, 1, -1, -1, -1, -1]
    assert data.defect_type.tolist() == ["good"] * 3 + ["dent"] * 2 + ["scratch"] * 2
    assert set(data.split) == {"all"} and not any(data.masks)
    assert set(data.category) == {tmp_path.name} and data.name == "image_folder"
    _, y = load_image_folder(tmp_path, good="in spec", return_X_y=True)
    assert y == ["", "", "", -1, -1, -1, -1]
    _, y = load_image_folder(tmp_path, good="in spec", return_X_y="labels")
    assert y.tolist() == data.target.tolist()


@pytest.mark.parametrize("masks", ["masks", "Ground_Truth", "mask"])
def test_masks_are_found(tmp_path, masks):
    make_folder(tmp_path, masks=masks)
    data = load_image_folder(tmp_path)
    assert relative(data.masks, tmp_path) == [
        "",
        "",
        "",
        f"{masks}/dent/größe 1.png",
        f"{masks}/dent/größe 2.png",
        f"{masks}/scratch/größe 1.png",
        f"{masks}/scratch/größe 2.png",
    ]
    data = load_image_folder(tmp_path, masks=False)
    assert len(data.images) == 7 and not any(data.masks)


def test_masks_of_another_name_or_place(tmp_path):
    make_folder(tmp_path / "images", masks="Befund")
    expected = load_image_folder(tmp_path / "images", masks="Befund").masks
    assert sum(map(bool, expected)) == 4
    shutil.move(tmp_path / "images/Befund", tmp_path / "elsewhere")
    for masks in ("../elsewhere", tmp_path / "elsewhere"):
        data = load_image_folder(tmp_path / "images", masks=masks)
        assert [bool(mask) for mask in data.masks] == [bool(mask) for mask in expected]
    with pytest.raises(ValueError, match="no folder of masks 'Befund'"):
        load_image_folder(tmp_path / "images", masks="Befund")


def test_like_mvtec(tmp_path):
    folder = make_mvtec_ad(tmp_path)
    data = load_image_folder(folder)
    assert data.split.tolist() == ["train"] * 3 + ["test"] * 5
    assert data.target.tolist() == [1] * 5 + [-1] * 3
    assert relative(data.masks[5:], folder) == [
        "ground_truth/broken_large/000_mask.png",
        "ground_truth/broken_large/001_mask.png",
        "ground_truth/contamination/000_mask.png",
    ]
    assert len(load_image_folder(folder, split="train").images) == 3
    assert len(load_image_folder(tmp_path, "bottle", split="test").images) == 5
    make_mvtec_ad(tmp_path, "other")
    data = load_image_folder(tmp_path, "all")
    assert data.category.tolist() == ["bottle"] * 8 + ["other"] * 8


def test_channel_folders_and_validation(tmp_path):
    folder = make_mvtec_loco(tmp_path)
    data = load_image_folder(folder)
    assert list(dict.fromkeys(data.split)) == ["train", "validation", "test"]
    assert relative(data.masks[-4:], folder) == [
        "ground_truth/logical_anomalies/000",
        "ground_truth/logical_anomalies/001",
        "ground_truth/structural_anomalies/000",
        "ground_truth/structural_anomalies/001",
    ]


def test_folders_below_a_class(tmp_path):
    folder = make_mvtec_loco(tmp_path, layout="relative")
    data = load_image_folder(folder, split="test")
    assert data.defect_type.tolist() == [
        "good",
        "logical_anomalies/missing_almonds",
        "logical_anomalies/missing_almonds",
        "structural_anomalies/mixed",
        "structural_anomalies/mixed",
    ]
    assert all(data.masks[1:])


def test_stems_that_repeat(tmp_path):
    data = load_image_folder(make_btad(tmp_path), split="test")
    assert data.target.tolist() == [1, 1, -1, -1]
    assert [Path(mask).name for mask in data.masks] == ["", "", "0000.bmp", "0001.bmp"]


def test_masks_all_together(tmp_path):
    for name in ("1.png", "2.png"):
        write_good(tmp_path, "ok", name)
    write_good(tmp_path, "dent", "2.png")  # a good image has the same name
    write_good(tmp_path, "hole", "3.png")
    write_mask(BLOCK, tmp_path, "masks", "2.png")
    write_mask(BLOCK, tmp_path, "masks", "3_mask.png")
    write_mask(BLOCK, tmp_path, "masks", "1.png")  # of a good image: not left over
    data = load_image_folder(tmp_path)
    assert relative(data.masks[2:], tmp_path) == ["masks/2.png", "masks/3_mask.png"]
    write_mask(BLOCK, tmp_path, "masks", "4.png")
    with pytest.raises(ValueError, match=r"1 mask without an image:\n.*4.png"):
        load_image_folder(tmp_path)
    write_good(tmp_path, "hole", "2.png")
    with pytest.raises(ValueError, match=r"cannot be told apart: .*dent.*hole"):
        load_image_folder(tmp_path)


def test_missing_and_left_over_masks(tmp_path):
    make_folder(tmp_path, masks="masks")
    os.remove(tmp_path / "masks/dent/größe 1.png")
    write_mask(BLOCK, tmp_path, "masks", "dent", "x.png")
    write_mask(BLOCK, tmp_path, "masks", "blister", "y.png")
    with pytest.raises(ValueError) as error:
        load_image_folder(tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == "1 anomalous image without a mask:"
    assert [Path(line).name for line in lines[1:-1]] == [
        "größe 1.png",
        "2 masks without an image:",
        "x.png",
        "y.png",
    ]
    with pytest.warns(UserWarning, match=r"1 anomalous.*: left out; 2 mask") as record:
        assert len(load_image_folder(tmp_path, missing_mask="skip").images) == 6
    assert record[0].filename == __file__


def test_bad_chooses(tmp_path):
    make_folder(tmp_path)
    data = load_image_folder(tmp_path, bad="dent")
    assert data.defect_type.tolist() == ["good"] * 3 + ["dent"] * 2
    data = load_image_folder(tmp_path, good=["ok", "dent"], bad=["scratch"])
    assert data.target.tolist() == [1] * 5 + [-1] * 2


def test_paths_below_the_root(tmp_path):
    for line in ("line 1", "line 2"):
        make_folder(tmp_path / line)
    data = load_image_folder(tmp_path, good="line 2/OK", bad="line 2/dent")
    assert data.target.tolist() == [1, 1, 1, -1, -1]
    assert all("line 2" in path for path in data.images)


def test_images_in_the_root(tmp_path):
    write_good(tmp_path, "1.png")
    with pytest.raises(ValueError, match=r"give good='.'"):
        load_image_folder(tmp_path)
    assert load_image_folder(tmp_path, good=".").target.tolist() == [1]
    write_good(tmp_path, "dent", "1.png")
    assert load_image_folder(tmp_path, good=".").target.tolist() == [1, -1]


def test_images_directly_in_a_split(tmp_path):
    for name in ("1.png", "2.png"):
        write_good(tmp_path, "train", name)
        write_good(tmp_path, "test", name)
    data = load_image_folder(tmp_path)
    assert data.target.tolist() == [1, 1, 0, 0]
    assert data.defect_type.tolist() == ["good", "good", "unknown", "unknown"]
    with pytest.raises(ValueError, match="2 of 4 images are unlabelled"):
        load_image_folder(tmp_path, return_X_y=True)
    _, y = load_image_folder(tmp_path, return_X_y="labels")
    assert y.tolist() == [1, 1, 0, 0]


def test_links_in_a_circle(tmp_path):
    make_folder(tmp_path)
    try:
        (tmp_path / "dent/loop").symlink_to(tmp_path)
        (tmp_path / "self").symlink_to(tmp_path / "self")
    except OSError:
        pytest.skip("the file system has no symlinks")
    assert len(load_image_folder(tmp_path).images) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"good": "in spec"},
            "no folder 'in spec' with images in .*Found: 'dent', 'OK'",
        ),
        ({"good": "scratsch"}, "Did you mean 'scratch'"),
        ({"bad": ["dent", "hole"]}, "no folder 'hole' with images"),
        ({"split": "train"}, "unknown split: 'train'.*Known: 'all'"),
        ({"category": "OKK"}, "unknown folder in .*: 'OKK'. Did you mean 'OK'"),
        ({"missing_mask": "no"}, "unknown missing_mask"),
        ({"return_X_y": 3}, "return_X_y must be one of"),
    ],
)
def test_bad_arguments(tmp_path, options, message):
    make_folder(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_image_folder(tmp_path, **options)


def test_nothing_good(tmp_path):
    with pytest.raises(ValueError, match=r"no good images.*no image at all"):
        load_image_folder(tmp_path)
    make_folder(tmp_path, good="fine")
    with pytest.raises(
        ValueError, match=r"looked for folders named 'good', 'ok'.*'fine'"
    ):
        load_image_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_image_folder(tmp_path / "missing")


def test_all_names_every_category_without_good_images(tmp_path):
    make_folder(tmp_path / "line 1")
    (tmp_path / "notes").mkdir()
    assert set(load_image_folder(tmp_path, "all").category) == {"line 1"}
    make_folder(tmp_path / "line 2", good="fine")
    with pytest.raises(ValueError, match=r"^no good images in .*line 2"):
        load_image_folder(tmp_path, "all")
    make_folder(tmp_path / "line 3", good="ça va")
    with pytest.raises(ValueError, match=r"several.*\n.*line 2.*\n.*line 3.*'ça va'"):
        load_image_folder(tmp_path, "all")
    with pytest.raises(ValueError, match=r"no sub-folder of .* holds images"):
        load_image_folder(tmp_path / "notes", "all")
