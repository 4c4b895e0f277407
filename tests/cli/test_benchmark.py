import json
import os
import re
import shutil

import joblib
import numpy as np
import pytest

from skuad.cli._benchmark_outputs import write_overview
from skuad.cli._pictures import Pictures, color_scale
from skuad.cli._results import results_of, table
from skuad.cli._stream import Detection
from skuad.datasets import load_mvtec_ad, make_defect_images
from skuad.detectors import PatchKNN
from skuad.io import read_image, read_mask, write_image
from skuad.metrics import (
    aupro_score,
    image_roc_auc_score,
    pixel_average_precision_score,
    pixel_roc_auc_score,
)
from skuad.model_selection._benchmark_rows import means
from skuad.utils import _testing_trees as trees

RATE = ("--false-alarm-rate", "0.1")


def read_results(out):
    with open(out / "results.json", encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def reference(tree):
    """Metrics of the category, computed by hand."""
    train = load_mvtec_ad(tree, "part", split="train").images
    test = load_mvtec_ad(tree, "part", split="test")
    detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(train)
    maps = detector.transform(test.images)
    scores = -detector.score_samples(test.images)
    masks = [read_mask(path, shape=(64, 64)) for path in test.masks.tolist()]
    flagged = detector.predict(test.images) == -1
    return {
        "aupro": aupro_score(masks, maps),
        "image_roc_auc": image_roc_auc_score(test.target, scores),
        "model": os.path.join("models", "part.joblib"),
        "n_anomalous": 3,
        "n_detected": int(flagged[test.target == -1].sum()),
        "n_failed": 0,
        "n_false_alarms": int(flagged[test.target == 1].sum()),
        "n_good": 2,
        "n_train": 9,
        "pixel_average_precision": pixel_average_precision_score(masks, maps),
        "pixel_roc_auc": pixel_roc_auc_score(masks, maps),
        "threshold": -detector.offset_,
    }


def test_benchmark_gives_the_metrics_of_the_library(run, tree, tmp_path, reference):
    out = tmp_path / "out"
    command = ["benchmark", "mvtec_ad", tree, "--category", "part", "--out", out]
    code, stdout, err = run(*command, *RATE)
    assert (code, err) == (0, "")
    results = read_results(out)
    category = results["categories"]["part"]
    for name in ("fit_seconds", "ms_per_image", "peak_memory_mb"):
        assert category.pop(name) > 0
    assert category == pytest.approx(reference)
    assert results["data"] == {"name": "mvtec_ad", "root": str(tree)}
    assert (results["command"], results["seed"]) == ("benchmark", 0)
    assert results["settings"]["false_alarm_rate"] == "0.1"
    assert "skuad" in results["versions"]
    assert results["mean"]["aupro"] == pytest.approx(reference["aupro"])
    assert "no masks" not in stdout
    row = next(line for line in stdout.splitlines() if line.startswith("part"))
    assert f"{reference['image_roc_auc']:.3f}" in row
    assert f"{reference['aupro']:.3f}" in row
    assert f"{reference['n_false_alarms']} of 2" in row
    assert row.endswith(f"{reference['n_detected']} of 3")


def test_what_lies_in_the_folder(run, tree, tmp_path):
    command = ["benchmark", "mvtec_ad", tree, "--category", "part", "--out", tmp_path]
    run(*command, *RATE)
    assert sorted(os.listdir(tmp_path)) == [
        "categories",
        "models",
        "overlays",
        "overview.png",
        "predictions.jsonl",
        "results.json",
    ]
    assert isinstance(joblib.load(tmp_path / "models" / "part.joblib"), PatchKNN)
    assert read_image(tmp_path / "overview.png").ndim == 3
    with open(tmp_path / "predictions.jsonl") as file:
        lines = [json.loads(line) for line in file]
    assert [line["defect_type"] for line in lines][:2] == ["good", "good"]
    assert {line["category"] for line in lines} == {"part"}
    pictures = tmp_path / "overlays" / "part"
    assert len(os.listdir(pictures / "good")) == 2
    for line in lines:
        name = os.path.splitext(os.path.basename(line["path"]))[0]
        assert (pictures / line["defect_type"] / f"{name}.png").exists()
    text = (tmp_path / "results.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_a_folder_without_a_split_and_without_masks(run, tree, tmp_path):
    root = tmp_path / "mine"
    shutil.copytree(tree / "part" / "train" / "good", root / "OK")
    shutil.copytree(tree / "part" / "test" / "stain", root / "bad")
    code, out, err = run("benchmark", "folder", root, "--out", tmp_path / "o", *RATE)
    assert code == 0
    assert "'mine' has no training split: 6 good images to learn from, 3 held" in err
    results = read_results(tmp_path / "o")["categories"]["mine"]
    assert (results["n_train"], results["n_good"], results["n_anomalous"]) == (6, 3, 1)
    assert results["aupro"] is results["pixel_roc_auc"] is None
    assert 0 <= results["image_roc_auc"] <= 1
    assert " - " in out.splitlines()[3]
    assert out.splitlines()[4] == (
        "-: there are no masks of the defects, so no metrics of pixels"
    )


def test_a_defect_of_unknown_extent_counts_for_image_metrics_only(run, tree, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(tree, root)
    command = ["benchmark", "mvtec_ad", root, "--category", "part"]
    found = []
    for policy in ("skip", "zero"):
        shutil.rmtree(root / "part" / "ground_truth" / "stain", ignore_errors=True)
        out = tmp_path / policy
        code, _, err = run(*command, "--out", out, "--missing-mask", policy, *RATE)
        assert code == 0
        assert "without a mask" in err
        found.append(read_results(out)["categories"]["part"])
    skipped, kept = found
    assert (skipped["n_anomalous"], kept["n_anomalous"]) == (2, 3)
    assert kept["aupro"] == pytest.approx(skipped["aupro"])
    assert kept["pixel_roc_auc"] == pytest.approx(skipped["pixel_roc_auc"])
    code, _, err = run(*command, "--out", tmp_path / "out")
    assert code == 2
    assert err.count("\n") == 1
    assert "--missing-mask zero keeps such images" in err


def test_a_test_image_that_cannot_be_read(run, tree, tmp_path):
    shutil.copytree(tree, tmp_path / "data")
    folder = tmp_path / "data" / "part" / "test" / "good"
    name = sorted(os.listdir(folder))[0]
    (folder / name).write_bytes(b"")
    gray = tmp_path / "data" / "part" / "test" / "good" / "z.png"
    write_image(gray, np.zeros((64, 64), np.uint8))
    code, _, err = run(
        *("benchmark", "mvtec_ad", tmp_path / "data", "--category", "part"),
        *("--out", tmp_path / "out", *RATE),
    )
    assert code == 1
    assert f"error: {folder / name}: the file is empty (0 bytes)\n" in err
    results = read_results(tmp_path / "out")["categories"]["part"]
    assert f"error: {gray}: the image has 1 channel, but 3 are expected: " in err
    assert (results["n_good"], results["n_failed"]) == (1, 2)


def test_wrong_names_are_found_before_the_work(fails, tree, tmp_path):
    out = ("--out", tmp_path / "out")
    assert "Did you mean 'mvtec_ad'?" in fails("benchmark", "mvtec-ad", tree, *out)
    assert "Did you mean 'part'?" in fails(
        "benchmark", "mvtec_ad", tree, "--category", "parts", *out
    )
    message = fails("benchmark", "mvtec_ad", tree, *out)
    assert message == "give the categories with --category, of: part; or all"
    message = fails("benchmark", "mvtec_ad", tmp_path, *out)
    assert message.startswith("found no category of MVTec AD in")
    assert "nowhere" in fails("benchmark", "folder", tmp_path / "nowhere", *out)
    shutil.copytree(tree / "part" / "train", tmp_path / "only" / "train")
    message = fails("benchmark", "folder", tmp_path / "only", *out)
    assert "'only' has 9 good training images and 0 labelled test images" in message
    assert os.listdir(tmp_path) == ["only"]


@pytest.fixture
def two(tree, tmp_path):
    """A data set of two categories."""
    for name in ("bolt", "nut"):
        shutil.copytree(tree / "part", tmp_path / "data" / name)
    return tmp_path / "data"


def times(out):
    """Return when the files of a run were written."""
    files = [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in files}


def test_an_interrupted_run_goes_on(run, two, tmp_path, monkeypatch):
    out = tmp_path / "out"
    command = ["benchmark", "mvtec_ad", two, "--category", "all", "--out", out, *RATE]
    expected = run(*command[:-3], tmp_path / "whole", *RATE)
    draw = Pictures.write

    def interrupted(self, name, detection, *args, **options):
        if "nut" in detection.path:
            raise KeyboardInterrupt
        return draw(self, name, detection, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Pictures, "write", interrupted)
        code, stdout, err = run(*command)
    assert (code, stdout) == (130, "")
    assert err == (
        "skuad: interrupted: finished categories are kept: the same command goes on\n"
    )
    assert not (out / "results.json").exists()
    assert not (out / "predictions.jsonl").exists()
    before = times(out)
    assert run(*command)[0] == expected[0] == 0
    after = times(out)
    assert {name for name, time in before.items() if after[name] != time} == set()
    for name in ("bolt", "nut"):
        found, once = (
            read_results(folder)["categories"][name]
            for folder in (out, tmp_path / "whole")
        )
        for key in ("aupro", "image_roc_auc", "threshold", "n_detected"):
            assert found[key] == once[key]
    text = (out / "predictions.jsonl").read_text()
    assert text == (tmp_path / "whole" / "predictions.jsonl").read_text()


def test_what_is_run_again(run, two, tmp_path):
    out = tmp_path / "out"
    command = ["benchmark", "mvtec_ad", two, "--category", "all", "--out", out, *RATE]
    first = run(*command)
    assert first[0] == 0
    models = [out / "models" / f"{name}.joblib" for name in ("bolt", "nut")]

    def fitted_by(*arguments):
        before = [path.stat().st_mtime_ns if path.exists() else 0 for path in models]
        assert run(*command, *arguments)[0] == 0
        return [
            path.stat().st_mtime_ns != time
            for path, time in zip(models, before, strict=True)
        ]

    assert fitted_by() == [False, False]
    assert fitted_by("--no-resume") == [True, True]
    assert fitted_by("--set", "n_neighbors=2") == [True, True]
    # The files of the first settings were overwritten.
    assert fitted_by() == [True, True]
    models[1].unlink()
    assert fitted_by() == [False, True]


def test_several_categories_at_once(run, two, tmp_path):
    command = ["benchmark", "mvtec_ad", two, "--category", "all", *RATE]
    found = []
    for name, n_jobs in (("one", "1"), ("two", "2")):
        assert run(*command, "--out", tmp_path / name, "--n-jobs", n_jobs)[0] == 0
        found.append((tmp_path / name / "predictions.jsonl").read_text())
        assert (tmp_path / name / "overview.png").exists()
    assert found[0] == found[1]


def test_a_category_that_fails_does_not_stop_the_others(run, fails, two, tmp_path):
    first = sorted((two / "bolt" / "train" / "good").iterdir())[0]
    first.write_bytes(b"")
    command = ["benchmark", "mvtec_ad", two, "--out", tmp_path / "out", *RATE]
    code, _, err = run(*command, "--category", "bolt", "nut")
    assert code == 1
    assert re.search(rf"^skuad: error: bolt: .*{first}.*is empty", err, re.MULTILINE)
    results = read_results(tmp_path / "out")
    assert (list(results["categories"]), list(results["failed"])) == (["nut"], ["bolt"])
    assert "is empty" in fails(*command, "--category", "bolt")


def test_kinds_of_anomalies_apart(run, tmp_path):
    trees.make_mvtec_loco(str(tmp_path / "data"), "pushpins")
    command = ["benchmark", "mvtec_loco", tmp_path / "data", "--category", "all"]
    code, out, _ = run(*command, "--out", tmp_path / "out", *RATE)
    assert code == 0
    results = read_results(tmp_path / "out")["categories"]["pushpins"]
    parts = results["subsets"]
    assert list(parts) == ["logical_anomalies", "structural_anomalies"]
    mean = np.mean([part["au_spro"] for part in parts.values()])
    assert results["au_spro"] == pytest.approx(mean)
    assert [line.split()[0] for line in out.splitlines()[3:6]] == [
        *("pushpins", "logical", "structural")
    ]


def test_demo(run, tmp_path, monkeypatch):
    def smaller(texture, *, random_state):
        sizes = {"n_train": 9, "n_good": 1, "n_defective": 2, "size": 64}
        return make_defect_images(texture, random_state=random_state, **sizes)

    monkeypatch.setattr("skuad.cli._demo.make_defect_images", smaller)
    monkeypatch.chdir(tmp_path)
    code, out, err = run("demo", "--texture", "brick", "weave", "--seed", "1")
    assert (code, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines() if line[:1].isalpha()]
    assert names[:5] == ["PatchKNN", "texture", "brick", "weave", "mean"]
    assert "skuad-demo/overview.png" in out
    results = read_results(tmp_path / "skuad-demo")
    assert sorted(results["categories"]) == ["brick", "weave"]
    assert (results["command"], results["seed"]) == ("demo", 1)
    command = next(
        line for line in out.splitlines() if line.startswith("  skuad infer")
    )
    assert run(*command.split()[1:])[0] == 0
    data = smaller("brick", random_state=1)
    stored = tmp_path / "skuad-demo" / "images" / "brick" / "test" / "good" / "000.png"
    np.testing.assert_array_equal(read_image(stored), data.test[0])
    listed = load_mvtec_ad(tmp_path / "skuad-demo" / "images", "brick", split="test")
    assert listed.target.tolist() == [1, -1, -1]
    masks = [read_mask(path) for path in listed.masks[1:].tolist()]
    np.testing.assert_array_equal(masks, data.masks[1:])


def test_demo_knows_its_textures(fails, tmp_path):
    message = fails("demo", "--texture", "gras", "--out", tmp_path / "out")
    assert "Did you mean 'grass'?" in message
    assert not (tmp_path / "out").exists()


def test_pictures_are_shrunk_on_the_overview(tmp_path):
    with open(tmp_path / "lines.jsonl", "w") as file:
        for number, shape in enumerate([(1120, 2330, 3), (200, 300, 3)]):
            write_image(tmp_path / f"{number}.png", np.full(shape, 90, np.uint8))
            record = {"category": "a", "defect_type": str(number)}
            print(json.dumps({**record, "overlay": f"{number}.png"}), file=file)
    sheet = read_image(write_overview(str(tmp_path), str(tmp_path / "lines.jsonl")))
    assert sheet.shape == (288, 3 * 600, 3)
    assert (sheet[:200, 600:900] == 90).all()


def test_large_images_are_shrunk_on_pictures_and_no_peak_is_lost(tmp_path):
    path = str(tmp_path / "large.png")
    write_image(path, np.full((3000, 1500), 90, np.uint8))
    anomaly_map = np.zeros((3000, 1500), np.float32)
    anomaly_map[1501, 700] = 9.0
    detection = Detection(0, path, anomaly_map, 9.0, 0.1)
    pictures = Pictures(str(tmp_path), threshold=3.0)
    path = pictures.write("a/b", detection, read_image(path))
    assert path == str(tmp_path / "a" / "b.png")
    picture = read_image(path)
    assert max(picture.shape) < 1600
    heat = picture[400:800, 660:1260]  # without the colour bar, which has a white mark
    assert (heat == (255, 255, 255)).all(axis=2).any()


def test_the_table():
    row = {
        "category": "a",
        "subset": "all",
        "n_test": 14,
        "n_good": 10,
        "n_anomalous": 4,
        "n_false_alarms": 1,
        "n_detected": 3,
        "image_roc_auc": 0.9,
        "pixel_roc_auc": np.nan,
        "aupro": np.nan,
        "threshold": 1.5,
        "fit_seconds": 1.0,
        "ms_per_image": 10.0,
        "peak_memory_mb": 300.0,
        "n_train": 20,
        "n_unreadable": 0,
        "seed": 0,
        "versions": "",
    }
    part = {**row, "subset": "logical_anomalies", "n_anomalous": 2, "n_detected": 1}
    second = {**row, "category": "b", "aupro": 0.5}
    for name in ("threshold", "n_false_alarms", "n_detected"):
        second[name] = np.nan
    rows = [row, part, second]
    results, mean = results_of([*rows, *means(rows)])
    assert list(results["a"]["subsets"]) == ["logical_anomalies"]
    assert (mean["n_good"], mean["aupro"]) == (20, 0.5)
    lines = table(results, mean, first="part")
    assert len({len(line) for line in lines}) == 1
    assert max(map(len, lines)) <= 80
    assert lines[3].split() == [
        *("a", "0.900", "-", "-", "10.0", "1.5", "1", "of", "10", "3", "of", "4")
    ]
    assert lines[4].split()[:2] == ["logical", "0.900"]
    assert lines[4].split()[-3:] == ["1", "of", "2"]
    assert lines[-1].split()[:4] == ["mean", "0.900", "-", "0.500"]


@pytest.mark.parametrize("threshold", [4.0, 0.0, -3.0, None])
def test_the_threshold_lies_inside_the_colour_scale(threshold):
    first_map = np.linspace(-9, 2, 12, dtype=np.float32).reshape(3, 4)
    low, high = color_scale(threshold, first_map)
    assert low < (2.0 if threshold is None else threshold) < high
    if threshold == 4.0:  # one file, the same colours in every run
        assert color_scale(threshold, first_map + 1) == (low, high)


def test_no_colour_scale_for_a_constant_map_is_no_error():
    low, high = color_scale(None, np.zeros((3, 4), np.float32))
    assert low < high
