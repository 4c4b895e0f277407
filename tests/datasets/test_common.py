"""What every adapter owes its user, over all of them."""

import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Bunch

from skuad import datasets
from skuad.datasets import list_categories, list_datasets, load_dataset
from skuad.detectors import PatchKNN
from skuad.io import read_image, read_mask
from skuad.metrics import make_map_scorer
from skuad.model_selection import GoodTrainKFold, GoodTrainPredefinedSplit
from skuad.utils import _testing_trees as trees

# name of the data set: (writes a category, category, splits)
CASES = {
    "mvtec_ad": (trees.make_mvtec_ad, "tile", ["train", "test"]),
    "mvtec_loco": (
        trees.make_mvtec_loco,
        "screw_bag",
        ["train", "validation", "test"],
    ),
    "mvtec_ad2": (
        trees.make_mvtec_ad2,
        "can",
        ["train", "validation", "test_public", "test_private", "test_private_mixed"],
    ),
    "visa": (trees.make_visa, "pcb4", ["train", "test"]),
    "btad": (trees.make_btad, "02", ["train", "test"]),
    "elpv": (lambda root, category: trees.make_elpv(root), "mono", []),
    "image_folder": (
        lambda root, category: trees.make_folder(
            os.path.join(root, category), masks="masks"
        ),
        "line 1",
        [],
    ),
}
WITH_LAYOUT = [name for name in CASES if name not in ("elpv", "image_folder")]
COLUMNS = ["images", "target", "masks", "defect_type", "split", "category", "groups"]


@pytest.fixture
def root(name, tmp_path):
    make, category, _ = CASES[name]
    make(os.fspath(tmp_path / "data"), category)
    return tmp_path / "data"


@pytest.fixture
def load(name, root):
    return partial(load_dataset, name, root, CASES[name][1])


every = pytest.mark.parametrize("name", CASES)
layouts = pytest.mark.parametrize("name", WITH_LAYOUT)


def test_every_data_set_is_tested_here():
    assert sorted(CASES) == sorted(list_datasets())
    loaders = {name for name in datasets.__all__ if name.startswith("load_")}
    assert loaders == {f"load_{name}" for name in CASES} | {"load_dataset"}


@every
def test_the_bunch(name, load):
    data = load()
    assert isinstance(data, Bunch) and data.name == name and len(data.DESCR) > 20
    n_images = len(data.images)
    for key in COLUMNS:
        assert isinstance(data[key], np.ndarray) and data[key].shape == (n_images,)
        assert data[key].dtype.kind == ("i" if key in ("target", "groups") else "U")
    assert set(data.target) == {1, -1}
    assert set(data.category) == {CASES[name][1]}
    assert all(Path(path).is_file() for path in data.images)
    assert all(Path(path).exists() for path in data.masks if path)
    assert not any(data.masks[data.target == 1])
    assert (data.defect_type == "good").tolist() == (data.target == 1).tolist()
    assert len(set(data.images.tolist())) == n_images
    assert set(data.groups) == set(range(len(set(data.groups))))
    if name != "elpv":
        assert all(data.masks[data.target == -1])


@every
def test_masks_have_the_size_of_their_image(name, load):
    data = load()
    for image, mask in zip(data.images, data.masks, strict=True):
        shape = read_image(image).shape[:2]
        assert read_mask(mask, shape=shape).any() == bool(mask)


@every
def test_splits(name, load):
    _, _, splits = CASES[name]
    everything = load(split="all") if name != "elpv" else load()
    found = list(dict.fromkeys(everything.split.tolist()))
    assert found == (splits or ["all"])
    for split in splits:
        part = load(split=split)
        keep = everything.split == split
        for key in ("images", "target", "masks", "defect_type"):
            np.testing.assert_array_equal(part[key], everything[key][keep])
    if splits:
        assert set(load(split="train").target) == {1}
        assert set(load(split="test").target) == {1, -1}


@every
def test_return_X_y(name, load):
    data = load()
    images, y = load(return_X_y="labels")
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(y, data.target)
    images, y = load(return_X_y=True)
    np.testing.assert_array_equal(images, data.images)
    assert [entry != "" for entry in y] == (data.target == -1).tolist()
    if name != "elpv":
        assert isinstance(y, np.ndarray)


@every
def test_as_frame(name, load):
    import pandas

    data = load(as_frame=True)
    assert data.frame.columns[:7].tolist() == COLUMNS
    for column in data.frame:
        np.testing.assert_array_equal(data.frame[column], data[column])
    images, y = load(as_frame=True, return_X_y="labels")
    assert isinstance(images, pandas.Series) and isinstance(y, pandas.Series)


@every
def test_no_image_is_opened(name, load, monkeypatch):
    expected = load()
    images = {*expected.images.tolist(), *expected.masks.tolist()}
    opened = open

    def only_tables(file, *args, **kwargs):
        assert os.fspath(file) not in images, f"{file} was opened"
        return opened(file, *args, **kwargs)

    def never(*args, **kwargs):
        raise AssertionError("an image was opened")

    monkeypatch.setattr("builtins.open", only_tables)
    for function in ("numpy.fromfile", "cv2.imread", "cv2.imdecode"):
        monkeypatch.setattr(function, never)
    np.testing.assert_array_equal(load().images, expected.images)


@every
def test_the_order_does_not_depend_on_the_file_system(name, load, monkeypatch):
    expected = load()
    scandir, listdir = os.scandir, os.listdir

    class Reversed:
        def __init__(self, path):
            self.entries = scandir(path)

        def __enter__(self):
            return iter(list(self.entries)[::-1])

        def __exit__(self, *error):
            self.entries.close()

    monkeypatch.setattr(os, "scandir", Reversed)
    monkeypatch.setattr(os, "listdir", lambda path: listdir(path)[::-1])
    data = load()
    for key in COLUMNS:
        np.testing.assert_array_equal(data[key], expected[key])


@every
@pytest.mark.parametrize("kind", [str, Path, np.str_])
def test_kinds_of_paths(name, root, kind):
    category = CASES[name][1]
    data = load_dataset(name, kind(root), category)
    assert all(type(path) is str for path in data.images.tolist())
    assert all(path.startswith(os.fspath(root)) for path in data.images.tolist())
    assert read_mask(data.masks[-1] or "", shape=trees.SIZE).shape == trees.SIZE


@every
def test_relative_roots(name, root, monkeypatch):
    monkeypatch.chdir(root.parent)
    data = load_dataset(name, "data", CASES[name][1])
    assert all(Path(path).is_file() for path in data.images)


@every
def test_names_with_spaces_and_other_letters(name, tmp_path):
    make, category, _ = CASES[name]
    make(os.fspath(tmp_path / "Prüf ling" / "検査"), category)
    data = load_dataset(name, tmp_path / "Prüf ling" / "検査", category)
    assert all(Path(path).is_file() for path in data.images)


@every
def test_files_of_the_operating_system_are_passed_over(name, load):
    data = load()
    for path in (*data.images, *data.masks):
        assert not Path(path).name.startswith((".", "Thumbs"))


@layouts
def test_one_level_off(name, root):
    category = CASES[name][1]
    expected = [Path(path).name for path in load_dataset(name, root, category).images]
    for wrong in (root.parent, root / category):
        data = load_dataset(name, wrong, category)
        assert [Path(path).name for path in data.images] == expected


@layouts
def test_categories(name, root):
    assert list_categories(name, root) == [CASES[name][1]]
    assert CASES[name][1] in list_categories(name)
    for category in ("all", [CASES[name][1]]):
        data = load_dataset(name, root, category)
        assert set(data.category) == {CASES[name][1]}
    with pytest.raises(ValueError, match="unknown category of"):
        load_dataset(name, root, CASES[name][1] + "x")


@layouts
def test_a_category_of_ones_own(name, tmp_path):
    make, category, _ = CASES[name]
    make(os.fspath(tmp_path), "my own")
    data = load_dataset(name, tmp_path, "my own")
    assert set(data.category) == {"my own"}
    with pytest.raises(ValueError, match=r"is not in .*: found 'my own'"):
        load_dataset(name, tmp_path, category)


@layouts
def test_unknown_split(name, load):
    with pytest.raises(ValueError, match=r"unknown split of .* Did you mean 'train'"):
        load(split="tarin")


@every
def test_missing_root(name, root):
    missing = root / "not" / "there"
    with pytest.raises(FileNotFoundError, match="'not'"):
        load_dataset(name, missing, CASES[name][1])


@layouts
def test_empty_root(name, tmp_path):
    with pytest.raises(ValueError, match="found no category of"):
        load_dataset(name, tmp_path, "all")


@pytest.mark.parametrize("name", [n for n in CASES if n != "elpv"])
def test_missing_masks(name, load):
    data = load()
    lost = data.masks[data.target == -1][:2].tolist()
    images = data.images[data.target == -1][:2].tolist()
    for path in lost:
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    with pytest.raises(ValueError, match=r"^2 anomalous images without") as error:
        load()
    assert str(error.value).splitlines()[1:3] == images
    with pytest.warns(UserWarning, match=r"^2 anomalous"):
        kept = load(missing_mask="zero")
    np.testing.assert_array_equal(kept.images, data.images)
    np.testing.assert_array_equal(kept.target, data.target)
    with pytest.warns(UserWarning, match=r"^2 anomalous"):
        _, y = load(missing_mask="zero", return_X_y=True)
    assert y.count(-1) == 2
    with pytest.warns(UserWarning, match=r"^2 anomalous"):
        skipped = load(missing_mask="skip")
    assert set(data.images) - set(skipped.images) == set(images)


@every
def test_grid_search_runs_on_it(name, load, root):
    has_masks = name != "elpv"
    if not has_masks:
        load = partial(load_dataset, name, root, "all")  # defects in both folds
    images, y = load(return_X_y=True)
    metrics = ["image_roc_auc", *(["aupro"] * has_masks)]
    search = GridSearchCV(
        PatchKNN(coreset=None, calibration=None),
        {"n_neighbors": [1, 2]},
        scoring=make_map_scorer(metrics),
        refit=metrics[-1],
        cv=GoodTrainKFold(2, shuffle=True, random_state=0),
    )
    search.fit(images, y)
    for metric in metrics:
        scores = search.cv_results_[f"mean_test_{metric}"]
        assert scores.shape == (2,) and ((scores >= 0) & (scores <= 1)).all()
    assert search.best_estimator_.transform(images[:1])[0].ndim == 2
    if has_masks:
        assert search.best_score_ > 0.5, "the defects are bright blocks"


@layouts
def test_grid_search_over_the_split_of_the_publisher(name, load):
    data = load()
    fold = np.where(np.char.startswith(data.split, "test"), 0, -1)
    search = GridSearchCV(
        PatchKNN(coreset=None, calibration=None),
        {"n_neighbors": [1, 2]},
        scoring=make_map_scorer("aupro"),
        cv=GoodTrainPredefinedSplit(fold),
        error_score="raise",
    )
    images, masks = load(return_X_y=True)
    search.fit(images, masks)
    assert search.n_splits_ == 1 and search.best_score_ > 0.5
