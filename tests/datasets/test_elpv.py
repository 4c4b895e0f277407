import importlib.util
import os

import numpy as np
import pytest

from skuad.datasets import list_categories, load_dataset, load_elpv
from skuad.utils._testing_trees import make_elpv


@pytest.fixture
def root(tmp_path):
    return make_elpv(tmp_path / "elpv")


def test_everything(root):
    data = load_elpv(root)
    assert data.category.tolist() == ["mono"] * 4 + ["poly"] * 2
    assert data.target.tolist() == [1, 1, 1, -1, 1, -1]
    assert data.defect_type.tolist() == ["good"] * 3 + [
        "defective",
        "good",
        "defective",
    ]
    np.testing.assert_allclose(data.probability, [0, 1 / 3, 0, 1, 0, 2 / 3])
    assert set(data.split) == {"all"} and not any(data.masks)
    assert all(os.path.exists(path) for path in data.images)


@pytest.mark.parametrize(
    ("threshold", "expected"), [(1, [1, 1, 1, -1]), (1 / 3, [1, 1, -1, -1])]
)
def test_threshold(root, threshold, expected):
    assert load_elpv(root, "mono", threshold=threshold).target.tolist() == expected


def test_return_X_y(root):
    images, y = load_elpv(root, "mono", return_X_y="labels")
    assert y.tolist() == [1, 1, 1, -1] and len(images) == 4
    assert load_elpv(root, "mono", return_X_y=True)[1] == ["", "", "", -1]


def test_by_name(root):
    assert len(load_dataset("elpv", root).images) == 6
    assert len(load_dataset("elpv", root, "poly").images) == 2
    assert list_categories("elpv") == ["mono", "poly"]


def test_the_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("skuad.datasets._elpv.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "skuad\[elpv\]"'):
        load_elpv()


@pytest.mark.skipif(
    importlib.util.find_spec("elpv_dataset") is None,
    reason="elpv-dataset, 92 MB of images, is not installed",
)
def test_the_real_images():
    data = load_elpv()
    assert len(data.images) == 2624 and (data.target == -1).sum() == 821


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/cell0001.png 0.5\n", "line 7: expected an image"),
        (
            "images/cell0001.png 1.5 mono\n",
            "line 7: .*got 'images/cell0001.png 1.5 mono'",
        ),
        ("images/cell0001.png x mono\n", "line 7"),
        ("images/cell0001.png 0 duo\n", "line 7"),
        (
            "images/cell9.png 0 mono\n",
            r"1 image of .* not found:\n.*cell9.png",
        ),
    ],
)
def test_damaged_labels(root, line, message):
    with open(os.path.join(root, "labels.csv"), "a") as file:
        file.write(line)
    with pytest.raises(ValueError, match=message):
        load_elpv(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"category": "multi"}, "unknown category of ELPV: 'multi'"),
        ({"threshold": 0}, "threshold must be above 0"),
        ({"threshold": 1.1}, "threshold must be above 0"),
        ({"return_X_y": "y"}, "return_X_y must be"),
    ],
)
def test_bad_arguments(root, options, message):
    with pytest.raises(ValueError, match=message):
        load_elpv(root, **options)


def test_no_labels(tmp_path):
    with pytest.raises(ValueError, match=r"should be in .*labels.csv"):
        load_elpv(tmp_path)
    (tmp_path / "labels.csv").touch()
    with pytest.raises(ValueError, match=r"labels.csv' is empty"):
        load_elpv(tmp_path)
