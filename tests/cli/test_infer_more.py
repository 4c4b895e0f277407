"""skuad infer: tables, maps, resumed, watching, parallel runs, what is in the way."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline

from skuad.calibration import ConformalDetector
from skuad.cli._files import write_json_lines
from skuad.cli._parallel import _run
from skuad.cli._predictions import done_before, records_at
from skuad.cli._watch import Watcher
from skuad.detectors import PatchKNN
from skuad.io import find_images, read_image
from skuad.postprocessing import MapDecision
from skuad.preprocessing import GrayWorld

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


def read_lines(out):
    with open(os.path.join(out, "predictions.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def start(*arguments, **options):
    command = [sys.executable, "-m", "skuad", *map(os.fspath, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


def test_a_table_and_maps_as_tiff(run, model, test_images, tmp_path):
    options = ("--csv", "--maps", "--map-format", "tiff", "--no-overlays", "--json")
    (tmp_path / "new").mkdir()
    paths = find_images(test_images, recursive=True)
    (tmp_path / "new" / "broken.png").write_bytes(b"")
    code, out, _ = run(
        *("infer", model, *paths, tmp_path / "new", "--out", tmp_path / "o", *options)
    )
    assert code == 1
    lines = read_lines(tmp_path / "o")
    with open(tmp_path / "o" / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [line["path"] for line in lines]
    for row, line in zip(rows[:-1], lines[:-1], strict=True):
        assert float(row["score"]) == line["score"]
        assert row["decision"] == line["decision"]
        assert int(row["n_regions"]) == len(line["regions"])
        assert row["error"] == row["p_value"] == ""
    assert "is empty" in rows[-1]["error"]
    maps = find_images(tmp_path / "o" / "maps", recursive=True)
    assert len(maps) == len(paths)
    highest = sorted(float(read_image(path).max()) for path in maps)
    assert highest == sorted(np.float32(line["score"]) for line in lines[:-1])
    results = json.loads(out)
    assert (results["n_images"], results["n_failed"]) == (len(paths) + 1, 1)
    assert results["table"] == str(tmp_path / "o" / "predictions.csv")


@pytest.mark.skipif(sys.platform != "linux", reason="names are no bytes elsewhere")
def test_names_that_are_no_text(run, model, good, tmp_path):
    path = os.fsencode(tmp_path / "new") + b"/t\xfcr.png"
    os.mkdir(tmp_path / "new")
    shutil.copy(os.path.join(good, "0.png"), path)
    out = tmp_path / "o"
    assert run("infer", model, tmp_path / "new", "--out", out, "--csv")[0] == 0
    (line,) = read_lines(out)
    assert os.fsencode(line["path"]) == path
    assert path in (out / "predictions.csv").read_bytes()


@pytest.mark.parametrize("cv", [2, ShuffleSplit(1, test_size=5, random_state=0)])
def test_p_values_of_a_detector_that_has_them(
    run, good, test_images, tmp_path, monkeypatch, cv
):
    detector = ConformalDetector(
        PatchKNN(calibration=None, random_state=0),
        false_alarm_rate=0.5,
        cv=cv,
        pixel_rate=0.2,
    )
    detector = make_pipeline(GrayWorld(), detector).fit(find_images(good))
    joblib.dump(detector, tmp_path / "m.joblib")
    views, n_views = ConformalDetector._views, []

    def counted(self, images):
        for found in views(self, images):
            n_views.append(found)
            yield found

    monkeypatch.setattr(ConformalDetector, "_views", counted)
    run("infer", tmp_path / "m.joblib", test_images, "-r", "--out", tmp_path / "o")
    lines = read_lines(tmp_path / "o")
    assert len(n_views) == len(lines)  # no image is looked at twice
    paths = [line["path"] for line in lines]
    assert [-line["score"] for line in lines] == detector.score_samples(paths).tolist()
    X, detector = detector[0].transform(paths), detector[1]
    assert [line["p_value"] for line in lines] == detector.p_values(X).tolist()
    for line, mask in zip(lines, detector.predict_mask(X), strict=True):
        assert sum(region["area"] for region in line["regions"]) == mask.sum()
    assert detector.pixel_offset_ != detector.offset_


def test_regions_are_those_of_the_detector(run, good, test_images, tmp_path):
    detector = MapDecision(
        PatchKNN(random_state=0), min_area=9, closing=3, false_alarm_rate=0.3
    ).fit(find_images(good))
    joblib.dump(detector, tmp_path / "m.joblib")
    run("infer", tmp_path / "m.joblib", test_images, "-r", "--out", tmp_path / "o")
    lines = read_lines(tmp_path / "o")
    expected = detector.regions([line["path"] for line in lines])
    assert [line["regions"] for line in lines] == json.loads(json.dumps(expected))
    assert any(line["regions"] for line in lines)


def test_pictures_outline_the_pixels_of_the_regions(run, good, test_images, tmp_path):
    """By the threshold of pixels, where a detector has one of its own."""

    def outlined(**params):
        detector = MapDecision(
            PatchKNN(random_state=0), false_alarm_rate=0.3, **params
        ).fit(find_images(good))
        joblib.dump(detector, tmp_path / "m.joblib")
        run("infer", tmp_path / "m.joblib", test_images, "-r", "--out", tmp_path / "o")
        overlays = sorted((tmp_path / "o" / "overlays").rglob("*.png"))
        return [(read_image(path) == 255).all(axis=2).sum() for path in overlays]

    never, own = outlined(threshold=1e6), outlined()
    assert sum(never) < sum(own)


class TestResume:
    def test_only_the_rest_is_done(self, run, model, good, tmp_path, monkeypatch):
        out = tmp_path / "o"
        paths = find_images(good)
        run("infer", model, *paths[:4], "--out", out)
        first = read_lines(out)
        with open(out / "predictions.jsonl", "a") as file:
            file.write('{"path": "cut o')
        os.remove(out / "overlays" / "0.png")
        code, stdout, err = run("infer", model, good, "--out", out, "--resume")
        assert (code, err) == (0, "")
        lines = read_lines(out)
        assert lines[:4] == first
        assert [line["path"] for line in lines] == paths
        assert "0.png" not in os.listdir(out / "overlays")
        assert "4 of them were done before" in stdout
        code, stdout, _ = run("infer", model, good, "--out", out, "--resume", "--json")
        assert (code, json.loads(stdout)["n_images"]) == (0, 9)
        assert read_lines(out) == lines

    def test_it_holds_no_more_than_a_line(self, tmp_path):
        records = [
            {"path": "a", "threshold": 1.0, "score": 0.1},
            {"path": "b", "threshold": 1.0, "error": "it is empty"},
            {"path": "a", "threshold": 1.0, "score": 0.2},  # written anew, and watched
            {"path": "b", "threshold": 1.0, "score": 0.3},
        ]
        path = str(tmp_path / "predictions.jsonl")
        assert done_before(path, 1.0) == {}
        write_json_lines(path, records)
        with open(path, "a") as file:
            file.write('{"path": "c"')
        done = done_before(path, 1.0)
        assert done == {"a": 3, "b": 4}
        assert list(records_at(path, done.values())) == records[2:]

    def test_an_image_that_failed_is_tried_again(self, run, model, good, tmp_path):
        folder, out = tmp_path / "new", tmp_path / "o"
        shutil.copytree(good, folder)
        (folder / "3.png").write_bytes(b"")
        assert run("infer", model, folder, "--out", out)[0] == 1
        shutil.copy(os.path.join(good, "3.png"), folder / "3.png")
        assert run("infer", model, folder, "--out", out, "--resume")[0] == 0
        lines = read_lines(out)
        assert len(lines) == 9
        assert not any("error" in line for line in lines)

    def test_lines_of_something_else(self, fails, run, model, good, tmp_path):
        run("infer", model, good, "--out", tmp_path)
        before = (tmp_path / "predictions.jsonl").read_bytes()
        options = ("--out", tmp_path, "--resume")
        message = fails("infer", model, good, *options, "--calibrate", good)
        assert "was written with the threshold" in message
        assert (tmp_path / "predictions.jsonl").read_bytes() == before
        (tmp_path / "predictions.jsonl").write_text("nothing\n")
        message = fails("infer", model, good, *options)
        assert "line 1, is not what `skuad infer` wrote" in message


def test_pictures_of_an_earlier_run_are_no_images(run, fails, model, good, tmp_path):
    folder = tmp_path / "new"
    shutil.copytree(good, folder)
    for _ in range(2):
        assert run("infer", model, folder, "-r", "--out", folder)[0] == 0
        assert len(read_lines(folder)) == 9
    message = fails("infer", model, folder / "overlays", "--out", folder)
    assert "no images but those that are in" in message


class TestParallel:
    def test_results_are_equal(self, run, model, test_images, tmp_path):
        (tmp_path / "broken.png").write_bytes(b"")
        images = (test_images, tmp_path / "broken.png")
        common = ("infer", model, *images, "-r", "--maps")
        code, _, errors = run(*common, "--out", tmp_path / "1")
        assert code == 1
        code, _, same = run(*common, "--out", tmp_path / "2", "--jobs", "2")
        assert (code, same) == (1, errors)
        assert read_lines(tmp_path / "1") == read_lines(tmp_path / "2")
        files = [*(tmp_path / "1" / "maps").rglob("*.npy")]
        files += (tmp_path / "1" / "overlays").rglob("*.png")
        assert len(files) == 2 * 5
        for path in files:
            other = tmp_path / "2" / path.relative_to(tmp_path / "1")
            assert path.read_bytes() == other.read_bytes()

    def test_on_dask(self, model, good, tmp_path, run):
        import distributed  # noqa: F401 -- the command, in its own process, needs it

        (tmp_path / "broken.png").write_bytes(b"")
        common = ("infer", model, tmp_path / "broken.png", good, "--out")
        code, _, errors = run(*common, tmp_path / "1")
        assert code == 1
        process = start(*common, tmp_path / "2", "--backend", "dask", "--jobs", "2")
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (1, errors)
        assert read_lines(tmp_path / "1") == read_lines(tmp_path / "2")
        assert len([*(tmp_path / "2" / "overlays").rglob("*.png")]) == 9

    @POSIX
    def test_ctrl_c_on_dask_is_one_line(self, model, good, tmp_path):
        import distributed  # noqa: F401

        (tmp_path / "new").mkdir()
        for number in range(400):
            shutil.copy(os.path.join(good, "0.png"), tmp_path / "new" / f"{number}.png")
        process = start(
            *("infer", model, tmp_path / "new", "--out", tmp_path / "o"),
            *("--backend", "dask", "--jobs", "2"),
            start_new_session=True,
        )
        predictions, deadline = (
            tmp_path / "o" / "predictions.jsonl",
            time.monotonic() + 60,
        )
        while not predictions.exists() or not predictions.read_bytes():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, workers included
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert re.fullmatch(r"skuad: interrupted: [^\n]*--resume\n", err)

    def test_a_warning_is_one_line_and_said_once(self, capsys):
        class Dark:
            verbose = False

            def run(self, chunk):
                for path in chunk:
                    warnings.warn(
                        f"image 0 ({path}) is dark:\n  light it", stacklevel=1
                    )
                    yield {"path": path}

        for chunk in (["a", "b"], ["c"]):
            assert _run(Dark(), chunk) == [{"path": path} for path in chunk]
        warning = "skuad: warning: image 0 (a) is dark: light it\n"
        assert capsys.readouterr() == ("", warning)

    def test_what_does_not_go_together(self, fails, model, good, tmp_path):
        common = ("infer", model, good, "--out", tmp_path)
        assert "needs --backend dask" in fails(*common, "--scheduler", "tcp://a:1")
        assert "leave --jobs" in fails(*common, "--watch", "--jobs", "2")
        dask = ("--backend", "dask", "--scheduler", "tcp://a:1", "--jobs", "2")
        assert "leave --jobs out" in fails(*common, *dask)
        nowhere = ("infer", model, "nowhere", "--out", tmp_path, "--watch")
        assert "there is no folder 'nowhere'" in fails(*nowhere)


class TestWatcher:
    @pytest.fixture
    def now(self):
        return [0.0]

    @pytest.fixture
    def watcher(self, tmp_path, now):
        return Watcher([str(tmp_path)], recursive=False, clock=lambda: now[0])

    def test_a_half_written_file_is_waited_for(self, watcher, now, good, tmp_path):
        with open(os.path.join(good, "0.png"), "rb") as file:
            content = file.read()
        path = tmp_path / "a.png"
        path.write_bytes(content[:500])
        for now[0] in (0.0, 0.5, 1.0):  # it no longer grows, but is not whole
            assert list(watcher.ready()) == []
        path.write_bytes(content)
        now[0] = 1.5
        assert list(watcher.ready()) == []
        now[0] = 2.0
        assert list(watcher.ready()) == [(str(path), "a")]
        now[0] = 9.0
        assert list(watcher.ready()) == []
        os.utime(path, ns=(1, 1))  # written anew
        assert list(watcher.ready()) == []
        now[0] = 10.0
        assert list(watcher.ready()) == [(str(path), "a")]

    def test_a_broken_file_is_given_out_in_the_end(self, watcher, now, tmp_path):
        (tmp_path / "a.png").write_bytes(b"no image")
        (tmp_path / "notes.txt").write_bytes(b"")
        for now[0] in (0.0, 1.0, 9.0):
            assert list(watcher.ready()) == []
        now[0] = 10.1
        assert list(watcher.ready()) == [(str(tmp_path / "a.png"), "a")]

    def test_names_do_not_clash(self, watcher, now, good, tmp_path):
        names = []
        for suffix in ("png", "PNG", "bmp"):
            shutil.copy(os.path.join(good, "0.png"), tmp_path / f"a.{suffix}")
            list(watcher.ready())
            now[0] += 1
            names += [name for _, name in watcher.ready()]
        assert names == ["a", "a.PNG", "a.bmp"]

    def test_names_of_an_earlier_run_are_taken(self, now, good, tmp_path):
        done = {str(tmp_path / "a.png")}
        for name in ("a.png", "a.bmp"):
            shutil.copy(os.path.join(good, "0.png"), tmp_path / name)
        watcher = Watcher(
            [str(tmp_path)], recursive=False, done=done, clock=lambda: now[0]
        )
        list(watcher.ready())
        now[0] = 1.0
        assert list(watcher.ready()) == [(str(tmp_path / "a.bmp"), "a.bmp")]

    def test_a_file_that_changed_just_now_has_to_settle(
        self, watcher, now, good, tmp_path
    ):
        shutil.copy(os.path.join(good, "0.png"), tmp_path / "a.png")
        for now[0] in (0.0, 0.1, 0.3):
            assert list(watcher.ready()) == []
        now[0] = 0.5
        assert [name for _, name in watcher.ready()] == ["a"]

    def test_files_that_were_moved_away_are_forgotten(
        self, watcher, now, good, tmp_path
    ):
        for number in range(5):
            shutil.copy(os.path.join(good, "0.png"), tmp_path / f"{number}.png")
            list(watcher.ready())
            now[0] += 1
            assert len(list(watcher.ready())) == 1
            os.remove(tmp_path / f"{number}.png")
        list(watcher.ready())
        for kept in (watcher._given, watcher._seen, watcher._names, watcher._taken):
            assert not kept

    def test_a_folder_that_goes_away_may_come_back(self, now, good, tmp_path):
        camera, moved = tmp_path / "camera", tmp_path / "moved"
        shutil.copytree(good, camera)
        watcher = Watcher([str(camera)], recursive=False, clock=lambda: now[0])
        list(watcher.ready())
        now[0] = 1.0
        assert len(list(watcher.ready())) == 9
        camera.rename(moved)
        assert list(watcher.ready()) == []
        moved.rename(camera)
        assert list(watcher.ready()) == []

    def test_files_are_read_when_they_are_asked_for(
        self, watcher, now, good, tmp_path, monkeypatch
    ):
        read = []
        monkeypatch.setattr(
            "skuad.cli._watch._is_readable", lambda p: not read.append(p)
        )
        for number in range(5):
            shutil.copy(os.path.join(good, "0.png"), tmp_path / f"{number}.png")
        list(watcher.ready())
        now[0] = 1.0
        assert next(watcher.ready()) == (str(tmp_path / "0.png"), "0")
        assert len(read) == 1


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_a_folder(model, good, tmp_path, number):
    camera, out = tmp_path / "camera", tmp_path / "out"
    camera.mkdir()
    contents = []
    for path in find_images(good)[:3]:
        with open(path, "rb") as file:
            contents.append(file.read())

    def write():
        for index, content in enumerate(contents):
            with open(camera / f"{index}.png", "wb", buffering=0) as file:
                for begin in range(0, len(content), len(content) // 4):
                    file.write(content[begin : begin + len(content) // 4])
                    time.sleep(0.05)

    process = start("infer", model, camera, "--out", out, "--watch", "--csv")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        deadline = time.monotonic() + 60
        predictions = out / "predictions.jsonl"
        while not predictions.exists() or len(read_lines(out)) < len(contents):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        writer.join()
        process.kill()
    assert process.returncode == 0
    assert stderr == f"skuad: watching {camera}; Ctrl-C ends it\n"
    assert "of 3 images are anomalous" in stdout
    lines = read_lines(out)
    assert {os.path.basename(line["path"]) for line in lines} == {
        *("0.png", "1.png", "2.png")
    }
    detector = joblib.load(model)
    for line in lines:
        assert line["score"] == -detector.score_samples([line["path"]])[0]
    assert len(os.listdir(out / "overlays")) == 3
    assert (out / "predictions.csv").exists()


@POSIX
@pytest.mark.parametrize(
    ("room", "option", "n_lines"), [(400, "--maps", [0]), (1000, "-q", range(1, 9))]
)
def test_a_full_disk_leaves_nothing_half_written(
    model, good, tmp_path, room, option, n_lines
):
    """No file may grow beyond some bytes, as on a disk without room."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    # A measurement of coverage would fail to write, too.
    quiet = {name: os.environ[name] for name in os.environ if "COVERAGE" not in name}
    process = start(
        *("infer", model, good, "--out", tmp_path, "--no-overlays", option),
        preexec_fn=limit,
        env=quiet,
    )
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (2, "")
    assert re.match(
        rf"skuad: error: (No space left on device|File too large)\W+'{tmp_path}/.*\n$",
        stderr,
    )
    assert len(read_lines(tmp_path)) in n_lines  # raises on half a line
    for _, _, names in os.walk(tmp_path):
        assert set(names) <= {"predictions.jsonl"}


def test_a_file_of_another_version(run, model, good, tmp_path):
    detector = joblib.load(model)
    detector.skuad_version_ = "0.0.1"
    joblib.dump(detector, tmp_path / "m.joblib")
    code, _, err = run("infer", tmp_path / "m.joblib", good, "--out", tmp_path / "o")
    assert code == 0
    assert err.count("\n") == 1
    assert "was written by skuad 0.0.1, and this is" in err
