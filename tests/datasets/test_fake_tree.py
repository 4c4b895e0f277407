import os
from pathlib import Path

import pytest

from skuad.datasets import (
    list_categories,
    list_datasets,
    load_dataset,
    make_fake_tree,
)


@pytest.mark.parametrize("name", list_datasets())
@pytest.mark.parametrize("kind", [str, Path])
def test_every_data_set(name, kind, tmp_path):
    folder = make_fake_tree(name, kind(tmp_path / "a" / "b"))
    assert isinstance(folder, str) and os.path.isdir(folder)
    known = list_categories(name)
    category = (
        os.path.basename(folder) if name not in ("elpv", "image_folder") else None
    )
    assert category is None or category in known
    data = load_dataset(name, tmp_path / "a" / "b", category)
    assert {1, -1} <= set(data.target)


def test_categories_and_options(tmp_path):
    for category in ("line 1", "line 2"):
        folder = make_fake_tree("image_folder", tmp_path, category, good="fine")
        assert folder == str(tmp_path / category)
    data = load_dataset("image_folder", tmp_path, "all", good="fine")
    assert set(data.category) == {"line 1", "line 2"}
    make_fake_tree("visa", tmp_path / "visa", "pcb1", layout="1cls")
    assert (tmp_path / "visa/visa_pytorch/1cls/pcb1/train/good").is_dir()


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'mvtec_ad'"):
        make_fake_tree("mvtec_da", tmp_path)
    with pytest.raises(ValueError, match="'elpv' has no folders of categories"):
        make_fake_tree("elpv", tmp_path, "mono")
