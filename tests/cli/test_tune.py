import json
import os
import shutil

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skuad.cli._grid import read_grid
from skuad.datasets import load_mvtec_ad
from skuad.detectors import PatchKNN
from skuad.io import write_image
from skuad.metrics import get_map_scorer
from skuad.model_selection import GoodTrainKFold

GRID = ("--grid", "n_neighbors=1,3", "--grid", "pool=max,mean")
COMMON = ("--category", "part", "--folds", "2", "--false-alarm-rate", "0.2")


def read_results(out):
    with open(out / "tune.json", encoding="utf-8") as file:
        return json.load(file)


@pytest.mark.parametrize("metric", ["aupro", "image_roc_auc"])
def test_scores_are_those_of_a_grid_search(run, tree, tmp_path, metric):
    command = ["tune", "mvtec_ad", tree, *COMMON, "--out", tmp_path, *GRID]
    code, out, err = run(*command, "--metric", metric)
    assert (code, err) == (0, "")
    data = load_mvtec_ad(tree, "part", split="all")
    y = data.target
    if metric == "aupro":
        y = load_mvtec_ad(tree, "part", split="all", return_X_y="masks")[1]
    search = GridSearchCV(
        PatchKNN(calibration=None, random_state=0),
        {"n_neighbors": [1, 3], "pool": ["max", "mean"]},
        scoring=get_map_scorer(metric),
        cv=GoodTrainKFold(2),
        refit=False,
    ).fit(data.images, y)
    expected = {
        str(parameters): mean
        for parameters, mean in zip(
            search.cv_results_["params"],
            search.cv_results_["mean_test_score"],
            strict=True,
        )
    }
    results = read_results(tmp_path)
    found = {str(each["parameters"]): each["mean"] for each in results["candidates"]}
    assert found == pytest.approx(expected)
    means = [each["mean"] for each in results["candidates"]]
    assert means == sorted(means, reverse=True)
    assert results["metric"] == metric
    best = results["best"]["parameters"]
    row = next(
        line for line in out.splitlines() if line[:1].isdigit() and "max" in line
    )
    assert len(row.split()) == 4
    detector = joblib.load(tmp_path / "models" / "part.joblib")
    assert (detector.n_neighbors, detector.pool) == tuple(best.values())
    good = data.images[data.target == 1]
    again = PatchKNN(**best, false_alarm_rate=0.2, random_state=0).fit(good)
    assert detector.offset_ == again.offset_


def test_finished_folds_are_kept(run, tree, tmp_path, monkeypatch):
    fit, n_fits = PatchKNN.fit, [0]

    def counted(self, *args, **kwargs):
        n_fits[0] += self.calibration is None  # not the best one's
        if n_fits[0] == 3:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(PatchKNN, "fit", counted)
    command = ["tune", "mvtec_ad", tree, *COMMON, "--out", tmp_path, *GRID]
    code, _, err = run(*command)
    assert code == 130
    assert "the same command goes on" in err
    assert not (tmp_path / "tune.json").exists()
    code, _, _ = run(*command)
    assert code == 0
    assert n_fits[0] == 3 + 6  # of 8 folds, 2 had been finished
    data = load_mvtec_ad(tree, "part", split="test")
    os.utime(data.images[0])  # another file: its folds are no longer those
    run(*command)
    assert n_fits[0] == 9 + 8
    os.utime(data.masks[data.target == -1][0])  # its image is in the test part of one
    run(*command)
    assert n_fits[0] == 17 + 4


def test_a_folder_of_parts(run, fails, tree, tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    shutil.copytree(tree / "part" / "test", root / "a")
    shutil.copytree(tree / "part" / "train" / "good", root / "a" / "good" / "more")
    shutil.copytree(root / "a", root / "b")
    command = ("tune", "folder", root, *COMMON[2:], "--grid", "n_neighbors=1,3")
    command += ("--metric", "image_roc_auc", "--out", out, "--category")
    for wanted, models in ((["a"], ["a.joblib"]), (["all"], ["a.joblib", "b.joblib"])):
        assert run(*command, *wanted)[0] == 0
        assert sorted(os.listdir(out / "models")) == models
    assert "--category is one sub-folder, or all" in fails(*command, "a", "b")


def test_what_the_cache_had_and_which_is_best(run, tree, tmp_path):
    command = (
        "tune",
        "mvtec_ad",
        tree,
        *COMMON,
        "--out",
        tmp_path,
        "--metric",
        "aupro",
    )
    _, out, _ = run(*command, "--grid", "n_neighbors=1")
    assert out.startswith("1 combination, 2 folds of 14 images: aupro\n")
    assert "from the cache" not in out
    _, out, _ = run(*command, "--grid", "n_neighbors=1,3")
    assert out.splitlines()[:2] == [
        "2 combinations, 2 folds of 14 images: aupro",
        f"2 of 4 folds from the cache, {tmp_path / 'cache'}",
    ]
    best = read_results(tmp_path)["best"]["parameters"]
    assert f"\nbest     n_neighbors={best['n_neighbors']}\nmodel    " in out


def test_images_that_cannot_be_used_are_left_out(run, tree, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(tree / "part" / "train" / "good", root / "good")
    shutil.copytree(tree / "part" / "test" / "stain", root / "bad")
    for path in sorted((root / "bad").iterdir()):
        shutil.copy(path, root / "bad" / f"more{path.name}")
    command = ("tune", "folder", root, *COMMON[2:], "--out", tmp_path / "o")
    command += ("--grid", "n_neighbors=1")
    assert run(*command)[0] == 0
    expected = read_results(tmp_path / "o")["best"]["scores"]
    (root / "bad" / "text.jpg").write_text("no image")
    write_image(root / "bad" / "zgray.png", np.zeros((64, 64), np.uint8))
    code, _, err = run(*command)
    assert code == 1
    text, gray, counted = err.splitlines()
    assert "text.jpg" in text
    assert "zgray.png' has 1 channel, and" in gray
    assert "2 of 1" in counted
    assert read_results(tmp_path / "o")["best"]["scores"] == expected


def test_mistakes_are_found_before_anything_is_written(fails, tree, tmp_path):
    root, out = tmp_path / "root", tmp_path / "o"
    shutil.copytree(tree / "part" / "test", root)
    shutil.copytree(tree / "part" / "train" / "good", root / "good" / "more")
    command = ("tune", "folder", root, *COMMON[2:], "--out", out, "--grid")
    message = fails(*command, "n_neighbors=1", "--metric", "aupro")
    assert message == (
        "aupro takes masks, and 'root' has none: give --metric image_roc_auc"
    )
    assert "'n_neighbors' parameter" in fails(*command, "n_neighbors=a,b")
    assert "'stride' parameter" in fails(*command, "embedder__stride=0,4")
    command = ("tune", "mvtec_ad", tree, "--out", out, "--grid", "n_neighbors=1")
    assert "give the categories with --category, of: part" in fails(*command)
    assert not out.exists()


class TestGrid:
    def test_arguments(self):
        found = read_grid(["a=1,2", "b=greedy,None,true", "c=(1,2),(3,4)"])
        assert len(found) == 12
        assert {"a": 2, "b": None, "c": (3, 4)} in found
        assert {"a": 1, "b": True, "c": (1, 2)} in found
        assert len(read_grid(["a=1,2,3", "b=1,2,3"], n_iter=4)) == 4
        assert len(read_grid(["a=1,2,3"], n_iter=9)) == 3

    @pytest.mark.parametrize(
        ("name", "text"),
        [("g.json", '{"a": [1, null]}'), ("g.yaml", "a: [1, null]\n")],
    )
    def test_files(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        assert read_grid([str(tmp_path / name)]) == [{"a": 1}, {"a": None}]

    def test_wrong_ones(self, fails, tree, tmp_path):
        common = ("tune", "mvtec_ad", tree, *COMMON, "--out", tmp_path / "o")
        assert "takes PARAM=V1,V2" in fails(*common, "--grid", "n_neighbors")
        assert "there is no file" in fails(*common, "--grid", "none.json")
        (tmp_path / "g.json").write_text('{"a": 1}')
        assert "values are lists" in fails(*common, "--grid", tmp_path / "g.json")
        (tmp_path / "g.json").write_text("{")
        assert "is no JSON" in fails(*common, "--grid", tmp_path / "g.json")
        (tmp_path / "g.yml").write_text("a: [1, 2\nb: }\n")
        assert "is no YAML" in fails(*common, "--grid", tmp_path / "g.yml")
        assert "Did you mean 'n_neighbors'?" in fails(*common, "--grid", "n_neighbor=1")
        message = fails(*common, *GRID, "--metric", "aupr")
        assert "There is no metric 'aupr'. Did you mean 'aupro'?" in message
        message = fails(*common, *GRID, "--folds", "9")
        assert "'part' has 11 good and 3 defective images" in message
        assert not (tmp_path / "o").exists()
