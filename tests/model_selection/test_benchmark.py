"""Benchmarks: the table, resuming, errors, every way to give a data set."""

import glob
import json
import os
import subprocess
import sys
import warnings
from typing import ClassVar

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skuad.datasets import (
    load_dataset,
    load_mvtec_ad,
    load_mvtec_ad2,
    load_mvtec_loco,
    make_defect_images,
    score_by_condition,
)
from skuad.detectors import PatchKNN
from skuad.io import ImageSequence
from skuad.metrics import (
    au_spro_score,
    aupro_score,
    map_metrics,
    pixel_roc_auc_score,
    seg_f1_score,
)
from skuad.model_selection import BenchmarkError, run_benchmark
from skuad.model_selection._benchmark_store import Store
from skuad.preprocessing import GrayWorld
from skuad.utils import _testing_trees as trees

TIMES = {"fit_seconds", "ms_per_image", "peak_memory_mb"}


class Recording(PatchKNN):
    """Writes down what it is fitted on, and stops where it is told to."""

    fitted: ClassVar[list] = []
    stop_at = None

    def fit(self, X, y=None, *, groups=None):
        path = str(X[0])
        if self.stop_at is not None and self.stop_at in path:
            raise KeyboardInterrupt
        if "broken" in path:
            raise RuntimeError("this one fails")
        self.fitted.append(path)
        return super().fit(X, y, groups=groups)


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    monkeypatch.setattr(Recording, "fitted", [])
    monkeypatch.setattr(Recording, "stop_at", None)
    return Recording


@pytest.fixture
def root(tmp_path):
    for category in ("bottle", "cable", "tile"):
        trees.make_mvtec_ad(os.fspath(tmp_path / "data"), category)
    return tmp_path / "data"


def detector(**params):
    return PatchKNN(random_state=0, **params)


def without_times(table):
    return [{k: v for k, v in row.items() if k not in TIMES} for row in table]


def assert_same(table, other):
    np.testing.assert_equal(without_times(table), without_times(other))


def fit_and_maps(data):
    """Fit on the training images of a Bunch; return the fitted one, and test maps."""
    model = detector().fit(data.images[data.split == "train"])
    test = np.char.startswith(data.split, "test")
    return model, test, model.transform(data.images[test])


# ---- the table -----------------------------------------------------------------------


def test_a_row_is_what_one_computes_by_hand(root):
    table = run_benchmark(detector(), "mvtec_ad", root, "bottle")
    assert len(table) == 1
    row = table[0]
    data = load_mvtec_ad(root, "bottle")
    model, test, maps = fit_and_maps(data)
    images, target, masks = (data[k][test] for k in ("images", "target", "masks"))
    names = ["pixel_roc_auc", "pixel_average_precision", "aupro", "image_roc_auc"]
    expected = map_metrics(masks, maps, names, scores=-model.score_samples(images))
    assert {name: row[name] for name in names} == expected
    flagged = model.predict(images) == -1
    assert row["n_false_alarms"] == flagged[target == 1].sum()
    assert row["n_detected"] == flagged[target == -1].sum()
    assert row["threshold"] == -model.offset_
    counts = [row[k] for k in ("n_train", "n_test", "n_good", "n_anomalous", "seed")]
    assert counts == [3, 5, 2, 3, 0]
    assert (row["category"], row["subset"]) == ("bottle", "all")
    assert all(0 < row[name] < np.inf for name in TIMES)
    assert "scikit-learn" in row["versions"]


def test_means_over_categories(root):
    table = run_benchmark(detector(), "mvtec_ad", root)
    *rows, mean = table
    assert [row["category"] for row in table] == ["bottle", "cable", "tile", "mean"]
    assert mean["n_test"] == 15 and mean["seed"] == 0
    assert mean["aupro"] == pytest.approx(np.mean([row["aupro"] for row in rows]))
    assert mean["peak_memory_mb"] == max(row["peak_memory_mb"] for row in rows)
    assert set(mean) == set(rows[0])


def test_loco_apart(tmp_path):
    trees.make_mvtec_loco(os.fspath(tmp_path), "pushpins")
    table = run_benchmark(
        detector(), "mvtec_loco", tmp_path, metrics=["aupro", "au_spro", "au_spro@0.3"]
    )
    subsets = ["all", "logical_anomalies", "structural_anomalies"]
    assert [row["subset"] for row in table] == subsets
    data = load_mvtec_loco(tmp_path, "pushpins")
    _, test, maps = fit_and_maps(data)
    for row in table[1:]:
        kinds = data.defect_type[test]
        keep = np.flatnonzero((kinds == "good") | (kinds == row["subset"]))
        masks, part = data.masks[test][keep], [maps[i] for i in keep]
        assert row["n_test"] == 3
        assert row["aupro"] == aupro_score(masks, part)
        for name, limit in (("au_spro", 0.05), ("au_spro@0.3", 0.3)):
            assert row[name] == au_spro_score(
                masks, part, saturation=data.defects_config, max_fpr=limit
            )
    for name in ("au_spro", "au_spro@0.3"):
        assert table[0][name] == pytest.approx((table[1][name] + table[2][name]) / 2)


def test_loco_of_several_categories_in_one_bunch(tmp_path):
    for category in ("pushpins", "screw_bag"):
        trees.make_mvtec_loco(os.fspath(tmp_path), category)
    data = load_mvtec_loco(tmp_path, "all")
    table = run_benchmark(detector(), data)
    assert len(table) == 9 and "au_spro" in table[0]
    assert_same(table, run_benchmark(detector(), "mvtec_loco", tmp_path))
    os.remove(tmp_path / "pushpins/defects_config.json")
    table = run_benchmark(detector(), "mvtec_loco", tmp_path)
    assert "au_spro" not in table[0] and "au_spro" in table[3]
    assert table[-1]["au_spro"] == table[5]["au_spro"]
    with pytest.raises(BenchmarkError, match="needs the saturation thresholds"):
        run_benchmark(detector(), "mvtec_loco", tmp_path, metrics="au_spro")


def test_ad2_by_condition(tmp_path):
    trees.make_mvtec_ad2(os.fspath(tmp_path), "vial")
    table = run_benchmark(detector(), "mvtec_ad2", tmp_path)
    data = load_mvtec_ad2(tmp_path, "vial")
    model, test, maps = fit_and_maps(data)
    expected = score_by_condition(
        pixel_roc_auc_score, data.masks[test], maps, data.condition[test]
    )
    assert {row["subset"]: row["pixel_roc_auc"] for row in table} == expected
    assert [row["subset"] for row in table][:2] == ["all", "regular"]
    row = table[0]
    assert row["n_test"] == 10 and row["n_train"] == 3
    assert row["aupro@0.05"] == aupro_score(data.masks[test], maps, max_fpr=0.05)
    assert row["seg_f1"] == seg_f1_score(
        data.masks[test], maps, threshold=-model.offset_
    )


def test_as_frame(root):
    import pandas

    frame = run_benchmark(detector(), "mvtec_ad", root, as_frame=True)
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 4
    assert frame["n_false_alarms"].dtype.kind == "i"
    assert frame["aupro"].dtype == float


def test_as_frame_without_pandas(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install "skuad\[frame\]"'):
        run_benchmark(Recording(), "mvtec_ad", root, as_frame=True)
    assert not Recording.fitted


def test_without_threshold_or_masks(root):
    data = load_mvtec_ad(root, "bottle")
    del data["masks"]
    row = run_benchmark(detector(calibration=None), data)[0]
    for name in ("threshold", "n_false_alarms", "n_detected", "aupro"):
        assert np.isnan(row[name])
    assert row["image_roc_auc"] > 0.5


@pytest.mark.filterwarnings("ignore:1 anomalous image")
@pytest.mark.filterwarnings("ignore:.*unknown extent")
def test_masks_that_are_missing(tmp_path):
    trees.make_mvtec_loco(os.fspath(tmp_path), "pushpins")
    expected = run_benchmark(detector(), "mvtec_loco", tmp_path)
    lost = "pushpins/ground_truth/structural_anomalies/001"
    for file in glob.glob(str(tmp_path / lost / "*.png")):
        os.remove(file)
    os.rmdir(tmp_path / lost)
    with pytest.raises(BenchmarkError, match="1 anomalous image"):
        run_benchmark(detector(), "mvtec_loco", tmp_path)
    options = {"missing_mask": "zero"}
    table = run_benchmark(detector(), "mvtec_loco", tmp_path, dataset_options=options)
    assert without_times(table[1:2]) == without_times(expected[1:2])
    assert table[2]["n_anomalous"] == 2, "it is still anomalous"
    assert table[2]["au_spro"] != expected[2]["au_spro"]


def test_one_kind_of_images_only(root):
    data = load_mvtec_ad(root, "bottle")
    keep = (data.split == "train") | (data.target == 1)
    data = {key: data[key][keep] for key in ("images", "target", "masks", "split")}
    row = run_benchmark(detector(), data)[0]
    assert np.isnan([row["image_roc_auc"], row["aupro"]]).all()
    assert row["n_anomalous"] == row["n_detected"] == 0


def test_pipelines_have_a_threshold(root):
    pipeline = make_pipeline(GrayWorld(), detector())
    row = run_benchmark(pipeline, "mvtec_ad", root, "tile")[0]
    assert row["threshold"] > 0 and row["seed"] == 0


def test_seeds(root):
    estimator = make_pipeline(GrayWorld(), PatchKNN(coreset="random"))
    tables = [
        run_benchmark(estimator, "mvtec_ad", root, "tile", random_state=seed)
        for seed in (0, 0, 1)
    ]
    assert [table[0]["seed"] for table in tables] == [0, 0, 1]
    assert_same(tables[0], tables[1])
    assert tables[0][0]["aupro"] != tables[2][0]["aupro"]
    assert estimator[-1].random_state is None, "the estimator itself is left alone"
    assert run_benchmark(estimator, "mvtec_ad", root, "tile")[0]["seed"] is None


# ---- data sets -----------------------------------------------------------------------


def test_every_way_to_give_the_data(root):
    expected = run_benchmark(detector(), "mvtec_ad", root, ["cable", "tile"])
    data = load_mvtec_ad(root, ["cable", "tile"])
    bunches = {name: load_mvtec_ad(root, name) for name in ("cable", "tile")}
    lazy = {
        name: {**bunch, "images": ImageSequence(bunch.images)}
        for name, bunch in bunches.items()
    }
    for dataset in (data, bunches, lazy):
        assert_same(run_benchmark(detector(), dataset), expected)
    one = run_benchmark(detector(), bunches, categories="tile")
    assert_same(one, expected[1:2])


def test_generated_images():
    data = make_defect_images("weave", n_train=6, n_good=2, n_defective=5, size=48)
    row = run_benchmark(detector(), data)[0]
    assert row["category"] == "weave"
    model = detector().fit(data.train)
    assert row["aupro"] == aupro_score(data.masks, model.transform(data.test))


def test_anomalous_training_images_are_left_out(tmp_path):
    trees.make_visa(os.fspath(tmp_path), "candle")
    options = {"protocol": "2cls_fewshot"}
    row = run_benchmark(detector(), "visa", tmp_path, dataset_options=options)[0]
    assert (row["n_train"], row["n_good"], row["n_anomalous"]) == (3, 1, 1)


def test_unlabelled_images_are_not_used(tmp_path):
    trees.make_mvtec_ad2(os.fspath(tmp_path), "vial")
    data = load_mvtec_ad2(tmp_path, "vial", split="all")
    table = run_benchmark(detector(), data)
    assert table[0]["n_test"] == 10
    assert "mixed" not in {row["subset"] for row in table}
    data = load_mvtec_ad2(tmp_path, "vial", split="private")
    with pytest.raises(BenchmarkError, match="0 good training images and 0 labelled"):
        run_benchmark(detector(), data)


def test_elpv_and_folders_have_no_split(tmp_path):
    trees.make_elpv(os.fspath(tmp_path / "elpv"))
    _, y = load_dataset("elpv", tmp_path / "elpv", "mono", return_X_y="labels")
    assert (y == 1).sum() == 3
    row = run_benchmark(detector(), "elpv", tmp_path / "elpv", "mono")[0]
    assert (row["n_train"], row["n_good"], row["n_anomalous"]) == (2, 1, 1)
    for line in ("line 1", "line 2"):
        trees.make_folder(os.fspath(tmp_path / "lines" / line), masks="masks")
    table = run_benchmark(detector(), "image_folder", tmp_path / "lines", "all")
    assert [row["category"] for row in table] == ["line 1", "line 2", "mean"]
    one = run_benchmark(detector(), "image_folder", tmp_path / "lines", "line 1")
    assert_same(one, table[:1])
    inside = run_benchmark(detector(), "folder", tmp_path / "lines/line 1")
    assert_same(inside, one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mvtec_ad", "root", "botle"), "Did you mean 'bottle'"),
        (("mvtec_dd", "root"), "Did you mean 'mvtec_ad'"),
        (({"x": {}}, "root"), "root and dataset_options are for a data set"),
        (({"x": {"images": [], "target": []}}, None, "y"), "no category 'y'"),
        (({},), "dataset has no category"),
        ((3,), "got int"),
    ],
)
def test_bad_data_sets(root, arguments, message):
    arguments = [root if argument == "root" else argument for argument in arguments]
    with pytest.raises(ValueError, match=message):
        run_benchmark(detector(), *arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error": "ignore"}, "unknown error"),
        ({"metrics": "auc"}, "There is no metric 'auc'"),
        ({"metrics": "au_spro@x"}, "is no number"),
        ({"dataset_options": {"split": "test"}}, "chooses 'split'"),
    ],
)
def test_bad_options(root, options, message):
    with pytest.raises(ValueError, match=message):
        run_benchmark(detector(), "mvtec_ad", root, **options)


# ---- resuming ------------------------------------------------------------------------


def run(root, out, **params):
    return run_benchmark(Recording(random_state=0, **params), "mvtec_ad", root, out=out)


def categories_fitted():
    names = [os.path.relpath(path).split(os.sep) for path in Recording.fitted]
    return [next(n for n in ("bottle", "cable", "tile") if n in p) for p in names]


def test_an_interruption_loses_nothing(root, tmp_path, monkeypatch):
    expected = run_benchmark(detector(), "mvtec_ad", root)
    out = tmp_path / "results"
    monkeypatch.setattr(Recording, "stop_at", f"tile{os.sep}")
    with pytest.raises(KeyboardInterrupt):
        run(root, out)
    assert len(os.listdir(out)) == 2 and categories_fitted() == ["bottle", "cable"]
    Recording.stop_at = None
    table = run(root, out)
    assert categories_fitted() == ["bottle", "cable", "tile"]
    assert_same(table, expected)
    again = run(root, out)
    assert len(Recording.fitted) == 3
    np.testing.assert_equal(again, table)


def test_a_process_that_is_killed(root, tmp_path):
    out = tmp_path / "results"
    code = f"""
import os
from skuad.detectors import PatchKNN
from skuad.model_selection import run_benchmark
import skuad.model_selection._benchmark as module
def killed(*args, _run=module.run_category, **options):
    if args[1].name == "tile":
        os.kill(os.getpid(), 9)
    return _run(*args, **options)
module.run_category = killed
run_benchmark(PatchKNN(random_state=0), "mvtec_ad", {str(root)!r}, out={str(out)!r})
"""
    environment = {**os.environ, "PYTHONHASHSEED": "123", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -9
    before = {name: os.stat(out / name).st_mtime_ns for name in os.listdir(out)}
    assert len(before) == 2
    table = run_benchmark(detector(), "mvtec_ad", root, out=out)
    after = {name: os.stat(out / name).st_mtime_ns for name in os.listdir(out)}
    assert len(after) == 3 and before.items() <= after.items()
    assert_same(table, run_benchmark(detector(), "mvtec_ad", root))


def test_what_makes_a_run_another_one(root, tmp_path):
    out = tmp_path / "results"
    first = run(root, out)
    assert len(Recording.fitted) == 3
    run(root, out, n_neighbors=2)
    assert len(Recording.fitted) == 6, "another parameter"
    run(root, out)
    assert len(Recording.fitted) == 6, "both are kept"
    trees.write_good(os.fspath(root), "bottle", "train", "good", "11.png")
    run(root, out)
    assert categories_fitted()[6:] == ["bottle"], "another image"
    os.utime(root / "tile/ground_truth/contamination/000_mask.png", ns=(1, 1))
    run(root, out)
    assert categories_fitted()[7:] == ["tile"], "another mask"
    os.utime(root / "tile/test/good/000.png", ns=(1, 1))
    run(root, out)
    assert categories_fitted()[8:] == ["tile"], "another test image"
    estimator = Recording(random_state=0)
    run_benchmark(estimator, "mvtec_ad", root, "cable", out=out, metrics="aupro")
    run_benchmark(estimator, "mvtec_ad", root, "cable", out=out, random_state=1)
    run_benchmark(estimator, "mvtec_ad", root, "cable", out=out, resume=False)
    assert categories_fitted()[9:] == ["cable"] * 3
    assert_same(run(root, out)[1:2], first[1:2])
    assert_same(
        run_benchmark(detector(), "mvtec_ad", root, "cable", out=out), first[1:2]
    )
    assert len(glob.glob(str(out / "cable-*.json"))) == 5, "another class"


def test_channels_of_a_mask_count(tmp_path):
    trees.make_mvtec_loco(os.fspath(tmp_path / "data"), "pushpins")
    for _ in range(2):
        run_benchmark(detector(), "mvtec_loco", tmp_path / "data", out=tmp_path / "out")
        file = "pushpins/ground_truth/logical_anomalies/000/002.png"
        os.utime(tmp_path / "data" / file, ns=(1, 1))
    assert len(os.listdir(tmp_path / "out")) == 2


def test_the_files(root, tmp_path):
    out = tmp_path / "results"
    table = run_benchmark(detector(calibration=None), "mvtec_ad", root, "tile", out=out)
    (name,) = os.listdir(out)
    content = json.loads((out / name).read_text())
    assert name.startswith("tile-") and content["category"] == "tile"
    assert content["settings"]["n_neighbors"] == "1"
    assert content["rows"][0]["threshold"] is None, "JSON has no nan"
    again = run_benchmark(detector(calibration=None), "mvtec_ad", root, "tile", out=out)
    np.testing.assert_equal(again, table)
    (out / name).write_text('{"rows": [1,')
    with pytest.raises(ValueError, match=r"tile-.*line 1, column 13.*Remove the file"):
        run_benchmark(detector(calibration=None), "mvtec_ad", root, "tile", out=out)


def test_parameters_that_cannot_be_pickled(root, tmp_path):
    estimator = detector(embedder=lambda image: image)
    with pytest.raises(ValueError, match=r"parameter 'embedder'.*give out=None"):
        run_benchmark(estimator, "mvtec_ad", root, out=tmp_path)


# ---- errors and jobs -----------------------------------------------------------------


@pytest.fixture
def broken(root):
    trees.make_mvtec_ad(os.fspath(root), "broken")
    trees.make_mvtec_ad(os.fspath(root), "hollow")
    for path in glob.glob(str(root / "hollow/test/*/*.png")):
        os.remove(path)
    return root


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_an_error_does_not_stop_the_others(broken, tmp_path, n_jobs):
    out = tmp_path / "results"
    with pytest.raises(BenchmarkError, match="2 of 5 categories failed") as caught:
        run_benchmark(Recording(), "mvtec_ad", broken, out=out, n_jobs=n_jobs)
    error = caught.value
    assert set(error.errors) == {"broken", "hollow"}
    assert "RuntimeError: this one fails" in str(error)
    assert error.reasons["broken"] == "RuntimeError: this one fails"
    assert "Traceback" in error.errors["broken"]
    assert "No image found" in error.errors["hollow"]
    names = [row["category"] for row in error.results]
    assert names == ["bottle", "cable", "tile", "mean"]
    (file,) = glob.glob(str(out / "broken-*.json"))
    with open(file) as stream:
        assert "this one fails" in json.load(stream)["error"]
    Recording.fitted.clear()
    with pytest.raises(BenchmarkError):
        run_benchmark(Recording(), "mvtec_ad", broken, out=out)
    assert not Recording.fitted, "finished ones are not run again, failed ones are"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_errors_at_once(broken, n_jobs):
    def raised(names):
        run_benchmark(
            Recording(), "mvtec_ad", broken, names, error="raise", n_jobs=n_jobs
        )

    with pytest.raises(RuntimeError, match="this one fails"):
        raised(["broken", "bottle"])
    with pytest.raises(ValueError, match="No image found"):
        raised(["bottle", "hollow"])
    assert not Recording.fitted


def test_an_image_that_cannot_be_read(root):
    path = trees.write_damaged(os.fspath(root), "cable", "test", "good", "002.png")
    with pytest.raises(BenchmarkError, match="'cable': ValueError") as caught:
        run_benchmark(detector(), "mvtec_ad", root)
    assert path in str(caught.value)


@pytest.mark.parametrize("lazy", [False, True])
def test_images_that_cannot_be_read_are_left_out(tmp_path, lazy):
    trees.make_mvtec_loco(os.fspath(tmp_path), "pushpins")
    damaged = trees.write_damaged(
        os.fspath(tmp_path), "pushpins", "test", "logical_anomalies", "001.png"
    )
    data = load_mvtec_loco(tmp_path, "pushpins")
    if lazy:
        data.images = ImageSequence(data.images)
    table = run_benchmark(detector(), {"pushpins": data}, unreadable="skip")
    assert [row["n_unreadable"] for row in table] == [1, 1, 1]
    os.remove(damaged)
    for name in os.listdir(tmp_path / "pushpins/ground_truth/logical_anomalies/001"):
        os.remove(tmp_path / "pushpins/ground_truth/logical_anomalies/001" / name)
    os.rmdir(tmp_path / "pushpins/ground_truth/logical_anomalies/001")
    expected = run_benchmark(detector(), "mvtec_loco", tmp_path)
    assert_same(table, [{**row, "n_unreadable": 1} for row in expected])


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.kinds = []

    def begin(self, category, estimator):
        assert not category.unreadable

    def scored(self, category, estimator, index, anomaly_map, score):
        self.kinds.append(category.kinds[index])

    def end(self, category, estimator):
        assert category.kinds == self.kinds
        self.unreadable = category.unreadable


@pytest.mark.filterwarnings("ignore::skuad.utils.CalibrationWarning")
def test_images_that_cannot_be_scored_are_left_out():
    data = make_defect_images("weave", n_train=12, n_good=3, n_defective=3, size=64)
    (expected,) = run_benchmark(detector(), data)
    kinds, images = list(data.defect_type), list(data.test)
    data.test = [images[0], images[0][:, :, 0], *images[1:], images[0][:3]]
    for name, value in [("target", 1), ("defect_type", "x"), ("masks", None)]:
        first, *others = data[name]
        data[name] = [first, value, *others, value]
    with pytest.raises(BenchmarkError, match="1 channel, but 3 are expected"):
        run_benchmark(detector(), data)
    heard = Listener()
    (row,) = run_benchmark(detector(), data, unreadable="skip", observer=heard)
    assert_same([row], [{**expected, "n_unreadable": 2}])
    assert heard.kinds == kinds
    assert set(heard.unreadable) == {"image 1", "image 7"}
    assert heard.unreadable["image 1"].startswith("the image has 1 channel, but")
    assert heard.unreadable["image 7"].startswith("the image is 3 x 64 pixels")


def test_a_category_of_which_nothing_can_be_read(root):
    for path in glob.glob(str(root / "tile/test/*/*.png")):
        open(path, "wb").close()
    with pytest.raises(BenchmarkError, match="none of the 5 test images of 'tile'"):
        run_benchmark(detector(), "mvtec_ad", root, "tile", unreadable="skip")


class Diary:
    """Writes what it is told into a folder, since it may be in another process."""

    def __init__(self, folder):
        self.folder = folder

    def begin(self, category, estimator):
        assert not hasattr(estimator, "offset_")
        self.write(category.name, "begin", len(category.train))

    def scored(self, category, estimator, index, anomaly_map, score):
        assert anomaly_map.max() == pytest.approx(score)
        kind, image = category.kinds[index], category.test[index]
        self.write(category.name, kind, image, score > -estimator.offset_)

    def end(self, category, estimator):
        self.write(category.name, "end", category.target.tolist())

    def write(self, name, *what):
        with open(self.folder / name, "a") as file:
            print(*what, file=file)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_an_observer_hears_of_every_image(root, tmp_path, n_jobs):
    diary = tmp_path / "diary"
    diary.mkdir()
    options = {"out": tmp_path / "out", "n_jobs": n_jobs, "observer": Diary(diary)}
    table = run_benchmark(detector(), "mvtec_ad", root, ["cable", "tile"], **options)
    data = load_mvtec_ad(root, "tile")
    model, test, _ = fit_and_maps(data)
    flagged = model.predict(data.images[test]) == -1
    columns = zip(data.defect_type[test], data.images[test], flagged, strict=True)
    lines = [" ".join(map(str, line)) for line in columns]
    expected = ["begin 3", *lines, f"end {data.target[test].tolist()}"]
    assert (diary / "tile").read_text().splitlines() == expected
    assert sorted(os.listdir(diary)) == ["cable", "tile"]
    again = run_benchmark(detector(), "mvtec_ad", root, ["cable", "tile"], **options)
    assert_same(again, table)
    assert (diary / "tile").read_text().splitlines() == expected, "nothing was run"


def test_jobs_give_the_same(root):
    expected = run_benchmark(detector(), "mvtec_ad", root)
    assert_same(run_benchmark(detector(), "mvtec_ad", root, n_jobs=2), expected)


class Terminal:
    """Standard error as a terminal."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress(root, monkeypatch, n_jobs):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_benchmark(detector(), "mvtec_ad", root, n_jobs=n_jobs)
        assert "15/15" in screen.text
        screen.text = ""
        run_benchmark(detector(), "mvtec_ad", root, n_jobs=n_jobs, verbose=0)
    assert screen.text == ""


def test_no_progress_where_there_is_no_terminal(root, capfd):
    run_benchmark(detector(), "mvtec_ad", root, "tile")
    assert capfd.readouterr().err == ""


def test_a_store_without_a_folder_leaves_the_working_directory_alone(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "weave-0123456789ab.json"
    file.write_text("{}")
    store = Store(None)
    store.forget("weave")
    assert file.exists() and store.read("weave", "0123456789ab") is None


@pytest.mark.parametrize("other", ["a_b", "a  b", "a/b", "A B"])
def test_categories_of_similar_names_are_kept_apart(tmp_path, other):
    store, key = Store(tmp_path), "0123456789ab" * 2
    for name in ("a b", other):
        store.write(name, key, {"rows": [name]})
    assert store.read("a b", key) == ["a b"]
    store.forget("a b")
    assert store.read("a b", key) is None and store.read(other, key) == [other]
