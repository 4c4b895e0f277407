import json
import os
from pathlib import Path

import numpy as np
import pytest

from skuad.datasets import load_mvtec_loco
from skuad.io import read_image, read_mask
from skuad.io._masks import read_mask_channels
from skuad.metrics import au_spro_score, saturation_areas
from skuad.utils._testing_trees import make_mvtec_loco, write_mask


@pytest.fixture
def root(tmp_path):
    make_mvtec_loco(tmp_path / "loco", "pushpins")
    return tmp_path / "loco"


def names(paths):
    return [Path(path).as_posix().partition("pushpins/")[2] for path in paths]


def test_everything(root):
    data = load_mvtec_loco(root, "pushpins")
    assert data.split.tolist() == ["train"] * 3 + ["validation"] + ["test"] * 5
    assert data.target.tolist() == [1] * 5 + [-1] * 4
    kinds = ["logical_anomalies"] * 2 + ["structural_anomalies"] * 2
    assert data.defect_type.tolist() == ["good"] * 5 + kinds
    assert names(data.masks[-4:]) == [
        "ground_truth/logical_anomalies/000",
        "ground_truth/logical_anomalies/001",
        "ground_truth/structural_anomalies/000",
        "ground_truth/structural_anomalies/001",
    ]
    assert len(load_mvtec_loco(root, "pushpins", split="validation").images) == 1


def test_the_union_of_channels_is_exact(root):
    data = load_mvtec_loco(root, "pushpins", split="test")
    for image, path, kind in zip(
        data.images[1:], data.masks[1:], data.defect_type[1:], strict=True
    ):
        pixels = read_image(image)
        expected = pixels.max(axis=2) >= 200  # the bright block
        if path.endswith("000"):
            expected[:2, :3] = True  # the third channel, of value 255
        mask = read_mask(path, shape=pixels.shape[:2])
        np.testing.assert_array_equal(mask, expected, err_msg=kind)
        assert mask.any()


def test_the_config_is_what_the_metric_takes(root):
    data = load_mvtec_loco(root, "pushpins", split="test")
    names = {e["pixel_value"]: e["defect_name"] for e in data.defects_config}
    assert names == {1: "missing_almonds", 255: "toaster"}
    areas = saturation_areas(data.masks, data.defects_config)
    # Half of the channels of value 1; 4 pixels of the other, which has 6.
    assert areas == [[], [36, 8, 4], [36], [36, 8, 4], [36]]
    channels, _ = read_mask_channels(data.masks[1])
    assert (channels[0] & channels[1]).sum() == 16, "they overlap"
    maps = [read_image(image).max(axis=2) * 1.0 for image in data.images]
    score = au_spro_score(data.masks, maps, saturation=data.defects_config)
    assert 0.5 < score < 1, "the third channel marks no bright block"


@pytest.mark.parametrize("layout", ["relative", "suffix"])
def test_older_copies(tmp_path, layout):
    make_mvtec_loco(tmp_path, "pushpins", layout=layout)
    data = load_mvtec_loco(tmp_path, "pushpins", split="test")
    assert data.target.tolist() == [1, -1, -1, -1, -1]
    assert set(data.defect_type[1:]) == {"logical_anomalies", "structural_anomalies"}
    end = "000.png" if layout == "relative" else "000_mask.png"
    first = f"ground_truth/logical_anomalies/missing_almonds/{end}"
    assert names(data.masks[1:2]) == [first]
    assert all(read_mask(path).sum() == 72 for path in data.masks[1:])


def test_the_channel_folder_comes_first(root):
    kind = root / "pushpins/ground_truth/logical_anomalies"
    write_mask((slice(0, 1), slice(0, 1)), kind, "000.png")
    with pytest.raises(ValueError, match=r"1 mask without an image:\n.*000.png"):
        load_mvtec_loco(root, "pushpins")
    with pytest.warns(UserWarning, match="1 mask"):
        data = load_mvtec_loco(root, "pushpins", split="test", missing_mask="zero")
    assert data.masks[1].endswith("000")


def test_missing_channel_folder(root):
    folder = root / "pushpins/ground_truth/structural_anomalies/001"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    with pytest.raises(ValueError, match=r"1 anomalous image without a mask:\n.*001"):
        load_mvtec_loco(root, "pushpins")


def test_configs_of_several_categories(root):
    make_mvtec_loco(root, "screw_bag")
    os.remove(root / "screw_bag/defects_config.json")
    data = load_mvtec_loco(root, "all")
    assert list(data.defects_config) == ["pushpins", "screw_bag"]
    values = [entry["pixel_value"] for entry in data.defects_config["pushpins"]]
    assert values == [1, 255]
    assert data.defects_config["screw_bag"] == []
    assert load_mvtec_loco(root, "screw_bag").defects_config == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[\n  {"defect_name": ]', r"defects_config.json', line 2, column 19"),
        ("{}", "must hold a list"),
        ("[3]", "entry 0: no 'defect_name'"),
        (
            '[{"defect_name": "a", "pixel_value": 1}]',
            "entry 0: no 'relative_saturation'",
        ),
    ],
)
def test_damaged_config(root, content, message):
    (root / "pushpins/defects_config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_mvtec_loco(root, "pushpins")


@pytest.mark.parametrize("values", [[0], [256], [3, 3], ["1"], [1.5]])
def test_pixel_values_of_the_config(root, values):
    entry = {"defect_name": "a", "saturation_threshold": 1, "relative_saturation": True}
    entries = [entry | {"pixel_value": value} for value in values]
    (root / "pushpins/defects_config.json").write_text(json.dumps(entries))
    with pytest.raises(
        ValueError, match="pixel_value must be an integer from 1 to 255"
    ):
        load_mvtec_loco(root, "pushpins")
