import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from skuad.datasets import list_categories, load_visa
from skuad.io import read_image, read_mask
from skuad.utils._testing_trees import make_visa

LAYOUTS = ["raw", "converted", "1cls"]


@pytest.fixture(params=LAYOUTS)
def root(request, tmp_path):
    make_visa(tmp_path / "visa", "candle", layout=request.param)
    make_visa(tmp_path / "visa", "pcb1", layout=request.param)
    return tmp_path / "visa"


@pytest.fixture
def raw(tmp_path):
    make_visa(tmp_path / "visa", "candle")
    make_visa(tmp_path / "visa", "pcb1")
    return tmp_path / "visa"


def test_everything(root):
    data = load_visa(root, "candle")
    stems = ["0001", "0002", "0010", "0003", "000", "001"]
    assert [Path(path).name for path in data.images] == [f"{s}.JPG" for s in stems]
    assert data.split.tolist() == ["train"] * 3 + ["test"] * 3
    assert data.target.tolist() == [1, 1, 1, 1, -1, -1]
    assert data.defect_type.tolist() == ["good"] * 4 + ["bad"] * 2
    for image, mask in zip(data.images[-2:], data.masks[-2:], strict=True):
        pixels = read_image(image)
        block = read_mask(mask, shape=pixels.shape[:2])
        assert block.sum() == 72 and pixels[block].mean() > 180
    assert len(load_visa(root, "candle", split="train").images) == 3


def test_several_categories(root):
    data = load_visa(root, "all", split="test")
    assert data.category.tolist() == ["candle"] * 3 + ["pcb1"] * 3
    assert list_categories("visa", root) == ["candle", "pcb1"]


def test_root_one_level_off(root):
    assert len(load_visa(root.parent, "candle").images) == 6
    converted = Path(load_visa(root, "pcb1").images[0]).parents[3]
    if converted.name == "1cls":
        assert len(load_visa(converted, "pcb1").images) == 6
        assert len(load_visa(converted / "pcb1", "pcb1").images) == 6


@pytest.mark.parametrize("protocol", ["2cls_highshot", "2cls_fewshot"])
def test_protocols_of_two_classes(raw, protocol):
    data = load_visa(raw, "candle", split="train", protocol=protocol)
    assert data.target.tolist() == [1, 1, 1, -1]
    assert load_visa(
        raw, "candle", split="test", protocol=protocol
    ).target.tolist() == [
        1,
        -1,
    ]


def test_converted_for_two_classes(tmp_path):
    folder = Path(make_visa(tmp_path, "candle", layout="1cls"))
    with pytest.raises(ValueError, match="not converted for protocol='2cls_highshot'"):
        load_visa(tmp_path / "visa_pytorch/1cls", "candle", protocol="2cls_highshot")
    other = tmp_path / "visa_pytorch/2cls_highshot/candle"
    shutil.copytree(folder, other)
    (other / "train/bad").mkdir()
    shutil.move(other / "test/bad/000.JPG", other / "train/bad")
    masks = other / "ground_truth"
    for split, name in (("train", "000.png"), ("test", "001.png")):
        (masks / split / "bad").mkdir(parents=True)
        shutil.move(masks / "bad" / name, masks / split / "bad")
    (masks / "bad").rmdir()
    data = load_visa(tmp_path, "candle", protocol="2cls_highshot")
    assert data.target.tolist() == [1, 1, 1, -1, 1, -1]
    assert [Path(mask).name for mask in data.masks if mask] == ["000.png", "001.png"]
    assert load_visa(tmp_path, "candle").target.tolist() == [1, 1, 1, 1, -1, -1]


def test_all_missing_images_are_listed(raw):
    os.remove(raw / "candle/Data/Images/Normal/0001.JPG")
    os.remove(raw / "candle/Data/Images/Normal/0010.JPG")
    with pytest.raises(ValueError, match=r"2 images of .*1cls.csv") as error:
        load_visa(raw, "candle")
    lines = str(error.value).splitlines()
    assert [Path(line).name for line in lines[1:]] == ["0001.JPG", "0010.JPG"]
    load_visa(raw, "pcb1")


def test_missing_mask(raw):
    os.remove(raw / "candle/Data/Masks/Anomaly/001.png")
    with pytest.raises(ValueError, match=r"1 anomalous image without a mask:\n.*001"):
        load_visa(raw, "candle")
    with pytest.warns(UserWarning, match="left out"):
        assert len(load_visa(raw, "candle", missing_mask="skip").images) == 5


def test_missing_csv(raw):
    shutil.rmtree(raw / "split_csv")
    with pytest.raises(ValueError, match=r"splits of VisA should be in .*1cls.csv"):
        load_visa(raw, "candle")


GOOD_ROW = "candle,train,normal,candle/Data/Images/Normal/0001.JPG,\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object,split\n", r"1cls.csv', line 1: columns must be .* got \['object'"),
        (GOOD_ROW, "line 1: columns must be"),
        ("HEAD" + GOOD_ROW + "candle,train\n", "line 3: 5 columns are needed, got 2"),
        (
            "HEAD" + GOOD_ROW + "\n" + GOOD_ROW.replace("train", "tain"),
            "line 4, column 'split': 'tain' is not one of",
        ),
        ("HEAD" + GOOD_ROW.replace("normal", "ok"), "line 2, column 'label': 'ok'"),
        ("HEAD" + 'candle,"\0', r"line 2: .*"),
        ("HEAD", "has no row for 'candle' and 'train'"),
    ],
)
def test_damaged_csv(raw, text, message):
    text = text.replace("HEAD", "object,split,label,image,mask\n")
    (raw / "split_csv/1cls.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_visa(raw, "candle")


def test_csv_that_is_no_text(raw):
    (raw / "split_csv/1cls.csv").write_bytes(b"object,\xff\xfe\n")
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        load_visa(raw, "candle")


def test_csv_of_a_spreadsheet(raw):
    """With a byte-order mark and Windows line ends."""
    path = raw / "split_csv/1cls.csv"
    text = path.read_bytes().decode().replace("\r\n", "\n").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load_visa(raw, "candle").images) == 6


def test_rows_in_any_order(raw):
    expected = load_visa(raw, "candle")
    path = raw / "split_csv/1cls.csv"
    head, *rows = path.read_text().splitlines()
    np.random.default_rng(0).shuffle(rows)
    path.write_text("\n".join([head, *rows]))
    np.testing.assert_array_equal(load_visa(raw, "candle").images, expected.images)


def test_unknown_protocol(raw):
    with pytest.raises(ValueError, match="protocol of VisA: '2cls'"):
        load_visa(raw, "candle", protocol="2cls")
