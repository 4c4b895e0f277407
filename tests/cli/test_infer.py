import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skuad.base import detect
from skuad.cli._files import list_images, output_names
from skuad.cli._job import Job
from skuad.cli._model import with_tiles
from skuad.cli._parallel import _chunks
from skuad.cli._stream import without_path
from skuad.detectors import PatchKNN, RegionOfInterest, Tiled
from skuad.inference import threshold_of
from skuad.io import find_images, read_image, write_image
from skuad.postprocessing import mask_regions
from skuad.preprocessing import GrayWorld
from skuad.utils import false_alarm_offset


def read_lines(out):
    with open(os.path.join(out, "predictions.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture
def mixed(test_images, tmp_path):
    """Six images of which the second is truncated and the fourth is gray."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number, path in enumerate(find_images(test_images, recursive=True)[:4] * 2):
        if number < 6:
            shutil.copy(path, folder / f"{number}.png")
    with open(folder / "1.png", "r+b") as file:
        file.truncate(300)
    write_image(folder / "3.png", read_image(folder / "2.png")[:, :, 0])
    return folder


def test_predictions_are_those_of_the_library(run, model, test_images, tmp_path):
    paths = find_images(test_images, recursive=True)
    code, out, err = run("infer", model, test_images, "-r", "--out", tmp_path)
    assert (code, err) == (0, "")
    detector = joblib.load(model)
    lines = read_lines(tmp_path)
    assert [line["path"] for line in lines] == paths
    assert [line["score"] for line in lines] == (
        -detector.score_samples(paths)
    ).tolist()
    decisions = ["good" if p == 1 else "anomalous" for p in detector.predict(paths)]
    assert [line["decision"] for line in lines] == decisions
    assert {line["threshold"] for line in lines} == {-detector.offset_}
    assert {tuple(line) for line in lines} == {
        ("path", "score", "threshold", "decision", "regions")
    }
    for line, expected in zip(lines, detector.transform(paths), strict=True):
        regions = mask_regions(expected, expected > -detector.offset_)
        assert line["regions"] == json.loads(json.dumps(regions))
    flagged = decisions.count("anomalous")
    assert 0 < flagged < len(paths)
    assert out.startswith(f"{flagged} of {len(paths)} images ")
    assert f"predictions  {tmp_path}{os.sep}predictions.jsonl" in out
    highest = max(lines, key=lambda line: line["score"])
    assert out.splitlines()[1].endswith(highest["path"])


def test_pictures_and_maps(run, model, test_images, tmp_path):
    run("infer", model, test_images, "-r", "--out", tmp_path, "--maps")
    paths = find_images(test_images, recursive=True)
    for path, expected in zip(paths, joblib.load(model).transform(paths), strict=True):
        name = os.path.splitext(os.path.relpath(path, test_images))[0]
        anomaly_map = np.load(tmp_path / "maps" / f"{name}.npy")
        assert anomaly_map.dtype == np.float32
        np.testing.assert_array_equal(anomaly_map, expected)
        assert read_image(tmp_path / "overlays" / f"{name}.png").shape[2] == 3


def test_no_pictures(run, model, good, tmp_path):
    _, out, _ = run("infer", model, good, "--out", tmp_path, "--no-overlays")
    assert os.listdir(tmp_path) == ["predictions.jsonl"]
    assert "overlays" not in out


@pytest.mark.parametrize("which", ["model", "tiled_model"])
def test_bad_images_are_reported_and_the_rest_goes_on(
    run, which, mixed, tmp_path, request
):
    model = request.getfixturevalue(which)
    out = tmp_path / "out"
    code, stdout, err = run("infer", model, mixed, "--out", out, "--maps")
    assert code == 1
    assert "2 images failed" in stdout
    lines = read_lines(out)
    assert [line["path"] for line in lines] == find_images(mixed)
    assert ["error" in line for line in lines] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    for index, fault in (
        (1, "the file is truncated"),
        (3, "the image has 1 channel, but 3 are expected"),
    ):
        assert lines[index]["score"] is lines[index]["decision"] is None
        assert lines[index]["error"].startswith(fault)
    reports = err.splitlines()
    assert len(reports) == 2
    for index, report in zip((1, 3), reports, strict=True):
        assert report.startswith(f"skuad: error: {mixed}{os.sep}{index}.png: ")
    whole = [line for line in lines if "error" not in line]
    scores = [score for _, score in detect(joblib.load(model), _paths(whole))]
    assert [line["score"] for line in whole] == scores
    assert len(os.listdir(out / "maps")) == len(os.listdir(out / "overlays")) == 4


def _paths(lines):
    return [line["path"] for line in lines]


def test_lines_are_written_as_it_goes(run, model, good, tmp_path, monkeypatch):
    seen = {}

    def write(self, name, detection, image):
        seen[int(name)] = len(read_lines(tmp_path))

    monkeypatch.setattr("skuad.cli._pictures.Pictures.write", write)
    monkeypatch.setattr("skuad.cli._job._WAITING", 2)
    run("infer", model, good, "--out", tmp_path)
    assert sorted(seen) == list(range(9))
    for number, n_lines in seen.items():
        # Never one more than there are pictures; two may wait for theirs.
        assert number - 2 <= n_lines <= number


def test_an_image_that_vanishes_after_it_was_scored(
    run, model, good, tmp_path, monkeypatch
):
    """As where others empty the folder; it does not end the run."""
    folder, out = tmp_path / "new", tmp_path / "o"
    shutil.copytree(good, folder)
    look = Job._record

    def record(self, detection, path):
        if detection.index == 3:
            os.remove(path)
        return look(self, detection, path)

    monkeypatch.setattr(Job, "_record", record)
    code, _, err = run("infer", model, folder, "--out", out, "--maps")
    assert code == 1
    lines = read_lines(out)
    assert ["error" in line for line in lines] == [n == 3 for n in range(9)]
    assert lines[3]["score"] is lines[3]["decision"] is None
    assert lines[3]["path"] == str(folder / "3.png")
    assert err.startswith(f"skuad: error: {folder}{os.sep}3.png: No such file")
    assert err.count("\n") == 1
    assert len(os.listdir(out / "maps")) == len(os.listdir(out / "overlays")) == 8
    monkeypatch.setattr(np, "save", lambda *_: open(tmp_path / "no" / "where"))
    assert run("infer", model, folder, "--out", out, "--maps")[0] == 2


def test_pictures_of_what_is_anomalous_only(run, model, test_images, tmp_path):
    command = ["infer", model, "-r", test_images, "--out", tmp_path]
    run(*command, "--overlays", "anomalous")
    flagged = [line for line in read_lines(tmp_path) if line["decision"] == "anomalous"]
    assert 0 < len(flagged) < 5
    pictures = [path for path in (tmp_path / "overlays").rglob("*.png")]
    names = sorted(path.stem for path in pictures)
    assert names == sorted(Path(line["path"]).stem for line in flagged)


def test_a_folder_of_pictures_is_named_if_there_is_one(run, model, good, tmp_path):
    command = ["infer", model, good, "--out", tmp_path, "--json"]
    options = ("--overlays", "anomalous", "--calibrate", good)
    assert "overlays" not in json.loads(run(*command, *options)[1])
    assert "overlays" in json.loads(run(*command)[1])


def test_large_maps_do_not_wait_in_numbers(run, model, good, tmp_path, monkeypatch):
    ahead = []
    monkeypatch.setattr("skuad.cli._job._PIXELS", 64 * 64)
    look = Job._record

    def record(self, detection, path):
        ahead.append(detection.index - len(read_lines(tmp_path)))
        return look(self, detection, path)

    monkeypatch.setattr(Job, "_record", record)
    run("infer", model, good, "--out", tmp_path)
    assert len(ahead) == 9 and max(ahead) <= 2


def test_a_file_without_a_threshold(run, good, tmp_path):
    path = tmp_path / "m.joblib"
    joblib.dump(PatchKNN(calibration=None).fit(find_images(good)), path)
    code, out, err = run("infer", path, good, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("9 images scored; no threshold, so no decisions")
    lines = read_lines(tmp_path / "out")
    assert {line["decision"] for line in lines} == {None}
    assert {line["threshold"] for line in lines} == {None}
    assert len(os.listdir(tmp_path / "out" / "overlays")) == 9


class TestTiles:
    def test_stride_and_reduce_of_a_tiled_file(
        self, run, tiled_model, test_images, tmp_path
    ):
        paths = find_images(test_images, recursive=True)
        code, _, err = run(
            *("infer", tiled_model, *paths, "--out", tmp_path, "--maps"),
            *("--tile-stride", "16", "--tile-reduce", "max", "--tile-size", "48"),
        )
        assert code == 0
        assert err == (
            "skuad: warning: the threshold was set with stride 48 and reduce blend: "
            "the false-alarm rate may be another. Set the threshold anew with "
            "--calibrate GOOD_IMAGES\n"
        )
        pipe = joblib.load(tiled_model)
        pipe.set_params(tiled__stride=16, tiled__reduce="max")
        lines = read_lines(tmp_path)
        assert [line["score"] for line in lines] == (
            -pipe.score_samples(paths)
        ).tolist()
        assert {line["threshold"] for line in lines} == {-pipe[-1].offset_}
        assert lines[0]["decision"] in ("good", "anomalous")
        maps = [np.load(tmp_path / "maps" / f"{n}.npy") for n in output_names(paths)]
        np.testing.assert_array_equal(maps, pipe.transform(paths))

    def test_what_is_no_change_is_no_warning(self, run, tiled_model, good, tmp_path):
        options = ("--tile-stride", "48", "--tile-reduce", "blend")
        code, _, err = run("infer", tiled_model, good, "--out", tmp_path, *options)
        assert (code, err) == (0, "")

    def test_the_size_of_fitted_tiles_stays(self, fails, tiled_model, good, tmp_path):
        message = fails(
            "infer", tiled_model, good, "--out", tmp_path, "--tile-size", "32"
        )
        assert (
            "fitted on tiles of 48 pixels, which --tile-size cannot change" in message
        )
        assert "larger than the tiles (48 pixels)" in fails(
            "infer", tiled_model, good, "--out", tmp_path, "--tile-stride", "49"
        )

    def test_an_untiled_file_gives_scores_without_decisions(
        self, run, model, test_images, tmp_path
    ):
        code, out, err = run(
            *("infer", model, test_images, "-r", "--out", tmp_path, "--maps"),
            *("--tile-size", "48"),
        )
        assert code == 0
        assert err.count("\n") == 1
        assert "fitted on whole images" in err
        assert "--calibrate GOOD_IMAGES" in err
        lines = read_lines(tmp_path)
        assert {line["decision"] for line in lines} == {None}
        assert {line["threshold"] for line in lines} == {None}
        assert all(line["score"] > 0 for line in lines)
        assert "no decisions" in out
        assert len(find_images(tmp_path / "overlays", recursive=True)) == len(lines)

    def test_an_untiled_file_is_calibrated_on_good_images(
        self, run, model, good, test_images, tmp_path
    ):
        code, _, err = run(
            *("infer", model, test_images, "-r", "--out", tmp_path),
            *("--tile-size", "48", "--calibrate", good),
        )
        assert (code, err) == (0, "")
        tiled = with_tiles(joblib.load(model), tile=48, stride=None, reduce="blend")
        expected = false_alarm_offset(tiled.score_samples(find_images(good)), 0.1)
        lines = read_lines(tmp_path)
        assert {line["threshold"] for line in lines} == {-expected}
        assert all(
            line["decision"] == ("anomalous" if line["score"] > -expected else "good")
            for line in lines
        )

    def test_stride_alone_does_not_tile(self, fails, model, good, tmp_path):
        message = fails("infer", model, good, "--out", tmp_path, "--tile-stride", "8")
        assert "give --tile-size too" in message


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: make_pipeline(GrayWorld(), d)])
@pytest.mark.parametrize("roi", [False, True])
def test_with_tiles_equals_a_tiled_detector(wrap, roi, good, test_images):
    """A bank of all patches of whole images, run on tiles as `Tiled` would."""
    images, paths = find_images(good), find_images(test_images, recursive=True)
    detector = PatchKNN(coreset=None, false_alarm_rate=0.2, calibration=KFold(3))
    if roi:
        mask = np.zeros((64, 64), bool)
        mask[10:60, 5:40] = True
        detector = RegionOfInterest(detector, roi=mask, false_alarm_rate=0.2)
    estimator = wrap(detector).fit(images)
    before = [score for _, score in detect(estimator, paths)]
    tiled = with_tiles(estimator, tile=48, stride=16, reduce="mean")
    reference = Tiled(
        PatchKNN(coreset=None), tile=48, fit_on="images", calibration=None
    )
    reference.set_params(stride=16, reduce="mean")
    if roi:
        reference = RegionOfInterest(reference, roi=mask, calibration=None)
    reference = wrap(reference).fit(images)
    for (found, score), (expected, its_score) in zip(
        detect(tiled, paths), detect(reference, paths), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
        assert score == its_score
    assert [score for _, score in detect(estimator, paths)] == before
    assert threshold_of(tiled) is None
    assert threshold_of(estimator) is not None


def test_a_new_threshold_without_tiles(run, model, good, test_images, tmp_path):
    code, _, err = run(
        *("infer", model, test_images, "-r", "--out", tmp_path),
        *("--calibrate", good, "--false-alarm-rate", "0.2"),
    )
    assert (code, err) == (0, "")
    scores = joblib.load(model).score_samples(find_images(good))
    assert read_lines(tmp_path)[0]["threshold"] == -false_alarm_offset(scores, 0.2)


def test_a_rate_without_images_to_set_it_on(fails, model, good, tmp_path):
    message = fails(
        "infer", model, good, "--out", tmp_path, "--false-alarm-rate", "0.1"
    )
    assert "needs --calibrate" in message


class TestFiles:
    def test_there_is_none(self, fails, model, good, tmp_path):
        message = fails("infer", tmp_path / "m.joblib", good, "--out", tmp_path)
        assert message.startswith("there is no file")
        near = fails("infer", f"{model}x", good, "--out", tmp_path)
        assert near.endswith(f"Did you mean {model!r}?")

    def test_it_is_a_folder(self, fails, model, good, tmp_path):
        message = fails("infer", good, model, "--out", tmp_path)
        assert message == (
            f"{good!r} is a folder: the file that `skuad fit` wrote comes first, then "
            "the images"
        )
        message = fails("infer", os.path.dirname(model), good, "--out", tmp_path)
        assert message.endswith(f"is a folder: give the file in it, {model!r}")

    def test_it_is_empty(self, fails, good, tmp_path):
        (tmp_path / "m.joblib").write_bytes(b"")
        message = fails("infer", tmp_path / "m.joblib", good, "--out", tmp_path)
        assert "is empty: `skuad fit` writes it anew" in message

    @pytest.mark.parametrize("content", [b"import numpy as np, os", b"\xff\xd8\xff"])
    def test_something_else_is_in_it(self, run, fails, good, tmp_path, content):
        path = tmp_path / "m.joblib"
        path.write_bytes(content)
        command = ("infer", path, good, "--out", tmp_path)
        message = fails(*command)
        assert (
            message
            == f"{str(path)!r} is not a file that `skuad fit` or joblib.dump wrote"
        )
        _, _, err = run(*command, "-v")
        assert err.startswith("Traceback")
        assert err.endswith(f"skuad: error: {message}\n")

    def test_it_needs_a_package(self, fails, good, tmp_path):
        path = tmp_path / "m.joblib"
        path.write_bytes(b"\x80\x04cnowhere.to_be_found\nDetector\n.")
        message = fails("infer", path, good, "--out", tmp_path)
        assert "needs other packages" in message
        assert message.endswith("No module named 'nowhere'")

    @pytest.mark.parametrize("size", [3, 100, 5000, -1])
    def test_it_is_cut_off(self, fails, model, good, tmp_path, size):
        path = tmp_path / "m.joblib"
        with open(model, "rb") as file:
            path.write_bytes(file.read()[:size])
        message = fails("infer", path, good, "--out", tmp_path)
        assert message.endswith(
            "is incomplete or damaged: copy it again, or fit it anew"
        )

    @pytest.mark.parametrize("content", [{"a": 1}, StandardScaler()])
    def test_it_holds_no_detector(self, fails, good, tmp_path, content):
        path = tmp_path / "m.joblib"
        joblib.dump(content, path)
        message = fails("infer", path, good, "--out", tmp_path)
        assert f"holds no detector of skuad, but {type(content).__name__}: " in message

    def test_it_is_not_fitted(self, fails, good, tmp_path):
        path = tmp_path / "m.joblib"
        joblib.dump(make_pipeline(GrayWorld(), PatchKNN()), path)
        assert "is not fitted" in fails("infer", path, good, "--out", tmp_path)


def test_the_output_is_checked_before_the_work(
    fails, model, good, tmp_path, monkeypatch
):
    def never(*args, **options):
        raise AssertionError("images were scored")

    monkeypatch.setattr("skuad.cli._job.detect_each", never)
    monkeypatch.setattr("skuad.cli._infer.detect", never)
    (tmp_path / "file").write_bytes(b"")
    for options in ([], ["--calibrate", good]):
        message = fails("infer", model, good, "--out", tmp_path / "file", *options)
        assert message.endswith("file' is a file: choose a folder with --out")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/1.png", "a/2.png"], ["1", "2"]),
        (["a/1.png"], ["1"]),
        (["a/1.png", "b/1.png"], ["a/1", "b/1"]),
        (["a/1.png", "1.png"], ["a/1", "1"]),
        (["a/1.png", "a/1.jpg", "a/2.jpg"], ["1.png", "1.jpg", "2"]),
        (["a/x.png", "a/X.jpg"], ["x.png", "X.jpg"]),
        (["a.png", "a.jpg", "a.png.bmp"], ["a.png", "a.jpg", "a.png.bmp"]),
        (["a", "a.png", "b"], ["a", "a.png", "b"]),
    ],
)
def test_outputs_have_names_of_their_own(paths, names):
    assert output_names(paths) == [name.replace("/", os.sep) for name in names]


def test_globs_take_images_only_and_every_file_counts_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.png", "b/10.JPG", "b/notes.txt", "b/c/3.tif", "plain"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [path.replace(os.sep, "/") for path in list_images(["b/*"])]
    assert sorted(found) == ["b/10.JPG", "b/2.png"]
    assert len(list_images(["**/*"])) == 3
    assert list_images(["plain", "./plain", "plain"]) == ["plain"]
    assert [os.path.basename(path) for path in list_images(["b", "b/*"])] == [
        "2.png",
        "10.JPG",
    ]


class Eager(OutlierMixin, TransformerMixin, BaseEstimator):
    """A foreign detector that notes how many images it is given at once."""

    given = ()

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        images = list(X)
        Eager.given += (len(images),)
        return [image.mean(axis=2) for image in images]


def test_a_foreign_detector_is_given_a_few_images_at_a_time(
    run, good, test_images, tmp_path
):
    tiled = Tiled(Eager(), tile=64, fit_on="images", calibration=None)
    path = tmp_path / "m.joblib"
    joblib.dump(tiled.fit(find_images(good)), path)
    many = find_images(good) * 5
    for number, image in enumerate(many):
        shutil.copy(image, tmp_path / f"{number:02d}.png")
    Eager.given = ()
    code, _, _ = run("infer", path, tmp_path, "--out", tmp_path / "out")
    assert code == 0
    assert max(Eager.given) <= 16
    assert sum(Eager.given) == len(many)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_interrupt_leaves_whole_lines(model, good, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        shutil.copy(os.path.join(good, "0.png"), many / f"{number}.png")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "skuad", "infer", model, many, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    predictions = out / "predictions.jsonl"
    while not (predictions.exists() and predictions.stat().st_size > 1000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == (
        f"skuad: interrupted: what is done is in {predictions}: go on with --resume\n"
    )
    lines = read_lines(out)
    assert 0 < len(lines) < 300
    pictures = os.listdir(out / "overlays")
    assert 0 <= len(pictures) - len(lines) <= 10
    assert all(name.endswith(".png") and name[0] != "." for name in pictures)


def test_what_an_earlier_run_left(run, model, good, test_images, tmp_path):
    command = ("infer", model, good, "--out", tmp_path)
    assert run(*command, "--csv", "--maps")[2] == ""
    code, _, err = run(*command, "--csv", "--maps")  # all are written anew
    assert (code, err) == (0, "")
    image = find_images(good)[0]
    _, out, err = run("infer", model, image, "--out", tmp_path, "--no-overlays")
    assert not (tmp_path / "predictions.csv").exists()
    assert len(read_lines(tmp_path)) == 1
    assert out.startswith("0 of 1 image is anomalous (score above ")
    assert err == (
        f"skuad: warning: 18 pictures and maps of an earlier run lie in {str(tmp_path)!r} "
        "too: remove them, or choose another folder with --out\n"
    )
    assert run(*command, "--resume")[2] == ""  # then they belong to it


def test_processes_take_few_images_at_first():
    sizes = [len(part) for part in _chunks(list(range(200)))]
    assert sum(sizes) == 200
    assert sizes[:8] == [1] * 8
    assert sizes == [*sorted(sizes[:-1]), sizes[-1]]
    assert max(sizes) == 16


def test_interrupted_before_an_image_is_done(run, model, good, tmp_path, monkeypatch):
    def interrupted(job, items):
        raise KeyboardInterrupt

    monkeypatch.setattr("skuad.cli._job.Job.run", interrupted)
    code, _, err = run("infer", model, good, "--out", tmp_path)
    assert (code, err) == (130, "skuad: interrupted: no image is done\n")


def test_an_image_is_named_once(run, model, tmp_path):
    write_image(tmp_path / "tiny.png", np.zeros((5, 5, 3), np.uint8))
    code, out, err = run(
        *("infer", model, tmp_path / "tiny.png", "--out", tmp_path, "--tile-size", "8")
    )
    assert code == 1
    assert out.startswith("1 image failed\n")
    last = err.splitlines()[-1]
    assert last.count("tiny.png") == 1
    assert last.startswith(f"skuad: error: {tmp_path}{os.sep}tiny.png: tile at row 0")
    assert without_path("image 0 (a.png) is 5 x 5", "a.png") == "the image is 5 x 5"
