import json
import os
import shutil
import signal
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from skuad.cli import main
from skuad.cli._arguments import build_parser
from skuad.cli._build import build_estimator
from skuad.detectors import PatchKNN, RegionOfInterest, Tiled
from skuad.io import find_images, read_image, write_image
from skuad.preprocessing import GrayWorld, HomomorphicFilter


def build(*options):
    return build_estimator(build_parser().parse_args(["fit", "x", "--out=y", *options]))


def test_the_file_holds_the_fitted_estimator(model, good):
    detector = joblib.load(model)
    assert isinstance(detector, PatchKNN)
    again = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(find_images(good))
    assert detector.offset_ == again.offset_
    np.testing.assert_array_equal(
        detector.score_samples(find_images(good)),
        again.score_samples(find_images(good)),
    )


def test_what_is_printed(run, good, tmp_path):
    path = tmp_path / "m.joblib"
    code, out, err = run("fit", good, "--out", path)
    assert code == 0
    assert out.splitlines()[0] == "images        9"
    threshold = -joblib.load(path).offset_
    assert f"threshold     {threshold:.4g}" in out
    assert "10.00% of good images (9 images support no less; 1.00% takes 99)" in out
    assert f"written       {path} (" in out
    assert err.startswith("skuad: warning: 9 good images support")
    assert err.count("\n") == 1
    code, out, err = run("fit", good, "--out", path, "--false-alarm-rate", "0.2")
    assert "20.00% of good images (9 images support 10.00%)" in out
    assert err == ""


def test_all_options_reach_the_estimator(run, good, tmp_path):
    roi = np.zeros((64, 64), np.uint8)
    roi[:, :32] = 255
    write_image(tmp_path / "roi.png", roi)
    path = tmp_path / "m.joblib"
    options = ["--tile-size", "48", "--tile-stride", "16", "--tile-reduce", "max"]
    options += ["--preprocess", "gray-world", "--preprocess", "homomorphic"]
    options += ["--false-alarm-rate", "0.2", "--max-patches", "300", "--seed", "3"]
    options += ["--roi", tmp_path / "roi.png", "--n-jobs", "2"]
    code, _, err = run("fit", good, "--out", path, *options)
    assert (code, err) == (0, "")
    os.remove(tmp_path / "roi.png")
    pipe = joblib.load(path)
    assert isinstance(pipe, Pipeline)
    assert isinstance(pipe[0], GrayWorld)
    assert isinstance(pipe[1], HomomorphicFilter)
    region = pipe[2]
    assert isinstance(region, RegionOfInterest)
    assert region.false_alarm_rate == 0.2
    tiled = region.detector_
    assert isinstance(tiled, Tiled)
    assert (tiled.tile, tiled.stride, tiled.reduce) == (48, 16, "max")
    knn = tiled.detector_
    assert isinstance(knn, PatchKNN)
    assert (knn.max_patches, knn.random_state) == (300, 3)
    maps = pipe.transform(find_images(good)[:1])
    assert (maps[0][:, 40:] == 0).all()
    assert (maps[0][:, :24] > 0).any()


def test_files_globs_and_folders_are_the_same(run, good, tmp_path, monkeypatch):
    offsets = set()
    monkeypatch.chdir(os.path.dirname(good))
    for number, images in enumerate(
        [[good], ["good"], ["good/*.png"], find_images(good), [good, "good/0.png"]]
    ):
        path = tmp_path / f"{number}.joblib"
        assert run("fit", *images, "--out", path)[0] == 0
        offsets.add(joblib.load(path).offset_)
    assert len(offsets) == 1


@pytest.fixture
def spoiled(good, tmp_path):
    folder = tmp_path / "spoiled"
    shutil.copytree(good, folder)
    with open(folder / "4.png", "r+b") as file:
        file.truncate(300)
    return folder


def test_a_truncated_image_is_named(fails, spoiled, tmp_path):
    message = fails("fit", spoiled, "--out", tmp_path / "m.joblib")
    assert "4.png" in message
    assert "truncated" in message
    assert message.endswith("leave such files out with --on-error skip")
    assert not (tmp_path / "m.joblib").exists()


def test_skipped_images_are_counted_and_listed(run, spoiled, tmp_path):
    path = tmp_path / "m.joblib"
    code, out, err = run(
        *("fit", spoiled, "--out", path, "--on-error", "skip"),
        *("--false-alarm-rate", "0.2"),
    )
    assert code == 0
    assert out.splitlines()[0] == "images        8"
    listed, counted = err.splitlines()
    assert "left out: " in listed
    assert "4.png" in listed
    assert counted == "skuad: warning: 1 of 9 files is left out"


def test_nothing_readable(run, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    options = ("--out", tmp_path / "m.joblib", "--on-error", "skip")
    code, _, err = run("fit", tmp_path, *options)
    assert code == 2
    assert err.splitlines()[-1] == "skuad: error: none of the 1 files can be read"


def test_wrong_images(fails, good, tree, tmp_path, monkeypatch):
    out = ("--out", tmp_path / "m.joblib")
    monkeypatch.chdir(tree)
    assert fails("fit", "par", *out) == (
        "there is no file or folder 'par'. Did you mean 'part'?"
    )
    assert "no image matches the pattern 'part/*.png'" in fails(
        "fit", "part/*.png", *out
    )
    (tmp_path / "lots" / "1").mkdir(parents=True)
    shutil.copy(f"{good}/0.png", tmp_path / "lots" / "1")
    assert "--recursive searches" in fails("fit", tmp_path / "lots", *out)
    shutil.rmtree(tmp_path / "lots")
    (tmp_path / "empty").mkdir()
    assert "it is empty" in fails("fit", tmp_path / "empty", *out)
    message = fails("fit", f"{good}/0.png", *out)
    assert message.startswith("1 good image, but a threshold takes 2 or more")
    assert os.listdir(tmp_path) == ["empty"]


def test_two_images_will_do(run, good, tmp_path):
    images = find_images(good)[:2]
    code, out, err = run("fit", *images, "--out", tmp_path / "m.joblib")
    assert code == 0
    assert "33.33% of good images" in out
    assert err.count("\n") == 1


def test_gray_among_colour_is_named(fails, good, tmp_path):
    write_image(tmp_path / "gray.png", np.zeros((64, 64), np.uint8))
    message = fails("fit", good, tmp_path / "gray.png", "--out", tmp_path / "m.joblib")
    assert "gray.png" in message
    assert "1 channel, but 3 are expected" in message


def test_tile_options_that_do_not_go_together(fails, good, tmp_path):
    out = ("--out", tmp_path / "m.joblib")
    assert "need --tile-size" in fails("fit", good, *out, "--tile-stride", "8")
    assert "larger than the tiles" in fails(
        "fit", good, *out, "--tile-size", "8", "--tile-stride", "9"
    )


def test_masks_that_are_none(fails, good, tmp_path):
    roi = tmp_path / "roi.png"
    command = ("fit", good, "--out", tmp_path / "m.joblib", "--roi")
    write_image(roi, np.full((64, 64), 9, np.uint8))
    assert fails(*command, roi).startswith(f"{str(roi)!r} leaves nothing out")
    write_image(roi, np.zeros((64, 64), np.uint8))
    assert fails(*command, roi).startswith(f"{str(roi)!r} leaves all out")
    assert fails(*command, good) == (
        f"{good!r} is a folder: give --roi the file of a mask"
    )


@pytest.mark.parametrize("bright", [1, 255])
def test_a_mask_is_bright_where_to_look(tmp_path, bright):
    mask = np.zeros((64, 64), bool)
    mask[10:30, 7:50] = True
    write_image(tmp_path / "roi.png", np.uint8(bright) * mask)
    assert (build(f"--roi={tmp_path / 'roi.png'}").roi == mask).all()


def test_a_mask_as_a_jpeg(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 7:50] = 255
    write_image(tmp_path / "roi.jpg", mask)
    stored = read_image(tmp_path / "roi.jpg")
    assert ((stored > 0) != (mask > 0)).any()  # JPEG has other values around edges
    assert (build(f"--roi={tmp_path / 'roi.jpg'}").roi == (mask > 0)).all()


def test_the_output_is_checked_before_the_work(fails, good, tmp_path, monkeypatch):
    def never(*args, **options):
        raise AssertionError("the images were read")

    monkeypatch.setattr("skuad.cli._fit.readable_images", never)
    message = fails("fit", good, "--out", tmp_path)
    assert "is a folder: give a file" in message
    assert "is a device" in fails("fit", good, "--out", os.devnull)
    (tmp_path / "file").write_bytes(b"")
    message = fails("fit", good, "--out", tmp_path / "file" / "m.joblib")
    assert (
        message == f"{str(tmp_path / 'file')!r} is a file: choose a folder with --out"
    )
    message = fails("fit", good, "--out", tmp_path / "file" / "below" / "m.joblib")
    assert "would lie in a file: choose a folder with --out" in message


@pytest.mark.skipif(os.name == "nt", reason="needs the permissions of POSIX")
def test_a_read_only_folder(good, tmp_path):
    tmp_path.chmod(0o555)
    command = [sys.executable, "-m", "skuad", "fit", good]
    command += ["--out", str(tmp_path / "m.joblib")]
    if os.geteuid() == 0:  # without this capability root obeys permissions, too
        command[:0] = ["setpriv", "--bounding-set", "-dac_override"]
        command[1:1] = ["--inh-caps", "-dac_override"]
    end = subprocess.run(command, capture_output=True, text=True)
    assert (end.returncode, end.stdout) == (2, "")
    assert "(Permission denied): choose another with --out" in end.stderr
    assert end.stderr.count("\n") == 1
    assert not os.listdir(tmp_path)


def test_a_full_disk_leaves_the_old_file(fails, good, tmp_path, monkeypatch):
    path = tmp_path / "m.joblib"
    path.write_bytes(b"old")

    def full(obj, file):
        with open(file, "wb") as half:
            half.write(b"half")
        raise OSError(28, "No space left on device", file)

    monkeypatch.setattr("joblib.dump", full)
    message = fails("fit", good, "--out", path, "--false-alarm-rate", "0.2")
    assert message.startswith("No space left on device")
    assert os.listdir(tmp_path) == ["m.joblib"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_interrupt_leaves_nothing_half_written(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        image = rng.integers(0, 256, (256, 256, 3), np.uint8)
        write_image(tmp_path / f"{number}.png", image)
    out = tmp_path / "out" / "m.joblib"
    process = subprocess.Popen(
        [sys.executable, "-m", "skuad", "fit", "-q", tmp_path, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not out.parent.exists():  # which is made just before the images are read
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "skuad: interrupted\n")
    assert os.listdir(out.parent) == []


def test_a_data_set_is_not_learnt_with_its_defects(fails, run, tree, good, tmp_path):
    out = ("--out", tmp_path / "m.joblib")
    for folder in (tree, tree / "part", tree / "part" / "train"):
        assert fails("fit", folder, *out) == (
            f"no image lies directly in '{folder}': give the good ones, {good!r}"
        )
    message = fails("fit", tree / "part", "-r", *out)
    assert "('train/good') and others ('ground_truth/" in message
    assert message.endswith(f"give the good ones, {good!r}")
    shutil.copytree(good, tmp_path / "good" / "monday")
    shutil.copytree(good, tmp_path / "good" / "tuesday")
    code, stdout, _ = run("fit", tmp_path / "good", "-r", *out)
    assert (code, stdout.splitlines()[0]) == (0, "images        18")


def test_it_says_what_it_does_without_a_terminal(good, tmp_path, capsys):
    command = ["fit", good, "--out", str(tmp_path / "m.joblib")]
    command += ["--false-alarm-rate", "0.1"]
    main(command)
    assert capsys.readouterr().err == "skuad: fitting PatchKNN on 9 images\n"
    main([*command, "-q"])
    assert capsys.readouterr().err == ""


class TestDetectors:
    def test_by_name_with_settings(self, run, good, tmp_path):
        path = tmp_path / "m.joblib"
        code, _, _ = run(
            *("fit", good, "--out", path, "--detector", "PaDiM", "--seed", "4"),
            *("--set", "n_features=12", "--set", "embedder__stride=16"),
            *("--set", "pool=mean", "--false-alarm-rate", "0.2"),
        )
        assert code == 0
        detector = joblib.load(path)
        assert type(detector).__name__ == "PaDiM"
        assert (detector.n_features, detector.embedder.stride) == (12, 16)
        assert (detector.pool, detector.random_state) == ("mean", 4)
        assert detector.false_alarm_rate == 0.2

    def test_a_part_by_its_name(self, run, good, tmp_path):
        path = tmp_path / "m.joblib"
        code, _, _ = run(
            *("fit", good, "--out", path, "--detector", "Tiled"),
            *("--set", "tile=48", "--set", "detector=PatchKNN"),
            *("--set", "detector__n_neighbors=2"),
            *("--set", "detector__embedder=FilterBankEmbedder"),
            *("--set", "detector__embedder__stride=16"),
        )
        assert code == 0
        tiled = joblib.load(path)
        assert tiled.detector_.n_neighbors == 2
        assert tiled.detector_.embedder.stride == 16

    def test_the_settings_of_a_file(self, run, tiled_model, good, tmp_path):
        path = tmp_path / "m.joblib"
        code, _, _ = run(
            *("fit", good, "--out", path, "--detector", tiled_model),
            *("--set", "tiled__detector__n_neighbors=2"),
        )
        assert code == 0
        pipe = joblib.load(path)
        assert isinstance(pipe[0], GrayWorld)
        assert pipe[1].detector_.n_neighbors == 2
        assert pipe[1].tile == 48

    def test_options_of_a_file(self, tiled_model, fails, good, tmp_path):
        found = build(f"--detector={tiled_model}")
        tiled = found[1]
        assert (tiled.false_alarm_rate, tiled.detector.random_state) == (0.1, 0)
        options = ("--false-alarm-rate=0.3", "--seed=5", "--max-patches=70")
        tiled = build(f"--detector={tiled_model}", *options)[1]
        assert (tiled.false_alarm_rate, tiled.detector.random_state) == (0.3, 5)
        assert tiled.detector.max_patches == 70
        setting = "--set=tiled__false_alarm_rate=0.2"
        tiled = build(f"--detector={tiled_model}", *options, setting)[1]
        assert (tiled.false_alarm_rate, tiled.detector.random_state) == (0.2, 5)
        message = fails(
            *("fit", good, "--out", tmp_path / "m.joblib", "--detector", tiled_model),
            *("--tile-size", "32"),
        )
        assert message == (
            "there are tiles of 48 pixels already: change them with --set "
            "tiled__tile=32 in place of --tile-size"
        )

    def test_what_surrounds_a_detector_has_its_rate(self, model, tmp_path):
        mask = np.zeros((64, 64), np.uint8)
        mask[9:] = 255
        write_image(tmp_path / "roi.png", mask)
        around = ("--tile-size=32", f"--roi={tmp_path / 'roi.png'}")
        for options, rate in (
            ([], 0.01),
            (["--set=false_alarm_rate=0.2"], 0.2),
            ([f"--detector={model}"], 0.1),
            ([f"--detector={model}", "--false-alarm-rate=0.3"], 0.3),
        ):
            found = build(*around, *options)
            assert found.false_alarm_rate == found.detector.false_alarm_rate == rate

    def test_the_seed_reaches_all_parts(self):
        options = ("--detector=Tiled", "--set=tile=48", "--set=detector=PatchKNN")
        assert build(*options, "--seed=4").detector.random_state == 4
        assert build("--seed=4").random_state == 4
        assert build().random_state == 0

    def test_a_function_of_the_user(self, run, good, tmp_path, monkeypatch):
        (tmp_path / "my_line.py").write_text(
            "from sklearn.pipeline import make_pipeline\n"
            "from skuad.preprocessing import GrayWorld\n"
            "from skuad.detectors import PatchKNN\n"
            "def make():\n"
            "    return make_pipeline(GrayWorld(), PatchKNN(false_alarm_rate=0.2))\n"
            "def number():\n"
            "    return 3\n"
            "def forest():\n"
            "    from sklearn.ensemble import IsolationForest\n"
            "    return make_pipeline(GrayWorld(), IsolationForest())\n"
            "def search():\n"
            "    from sklearn.model_selection import GridSearchCV\n"
            "    return GridSearchCV(PatchKNN(), {'n_neighbors': [1, 2]})\n"
        )
        monkeypatch.chdir(tmp_path)
        code, out, _ = run(
            *("fit", good, "--out", "m.joblib", "--pipeline", "my_line:make"),
            *("--set", "patchknn__n_neighbors=2"),
        )
        assert code == 0
        assert "20.00% of good images" in out
        options = ("--pipeline=my_line:make", "--false-alarm-rate=0.3", "--seed=4")
        assert build(*options)[1].false_alarm_rate == 0.3
        assert build(*options)[1].random_state == 4
        assert joblib.load("m.joblib")[1].n_neighbors == 2

        def message(*options):
            code, _, err = run("fit", good, "--out", "n.joblib", *options)
            assert (code, err.count("\n")) == (2, 1)
            return err

        assert "there is no module 'my_lines'" in message("--pipeline", "my_lines:make")
        assert "Did you mean 'make'?" in message("--pipeline", "my_line:mak")
        assert "takes MODULE:FUNCTION" in message("--pipeline", "my_line")
        assert "returned no estimator, but int" in message(
            "--pipeline", "my_line:number"
        )
        assert "do not go together" in message(
            "--pipeline", "my_line:make", "--tile-size", "9"
        )
        assert "returned no detector, but IsolationForest: end in one of" in message(
            "--pipeline", "my_line:forest"
        )
        assert (
            build("--pipeline=my_line:search", "--seed=4").estimator.random_state == 4
        )

    @pytest.mark.parametrize(
        ("options", "part"),
        [
            (("--detector", "PatchKN"), "Did you mean 'PatchKNN'?"),
            (("--set", "n_neighbours=2"), "Did you mean 'n_neighbors'?"),
            (("--set", "embedder__strid=2"), "Did you mean 'embedder__stride'?"),
            (("--set", "n_neighbors"), "takes PARAM=VALUE"),
            (("--set", "embedder=FilterBankEmbeder"), "mean 'FilterBankEmbedder'?"),
            (("--detector=Tiled", "--set=detector=PatchKN"), "mean 'PatchKNN'?"),
            (("--set", "n_neighbors=many"), "'n_neighbors' parameter of PatchKNN"),
            (("--detector", "Tiled"), "Tiled needs 'detector': give it with --set"),
            (
                ("--detector", "PaDiM", "--max-patches", "9"),
                "is nothing that PaDiM has",
            ),
        ],
    )
    def test_wrong_ones(self, run, good, tmp_path, options, part):
        code, _, err = run("fit", good, "--out", tmp_path / "m.joblib", *options)
        assert (code, err.count("\n")) == (2, 1)
        assert part in err
        assert os.listdir(tmp_path) == []


def test_results_for_machines(run, good, tmp_path):
    path = tmp_path / "m.joblib"
    code, out, _ = run("fit", good, "--out", path, "--json")
    assert code == 0
    assert json.loads(out) == {
        "false_alarm_rate": 0.1,  # 9 images support no less
        "false_alarm_rate_asked_for": 0.01,
        "n_images": 9,
        "threshold": -joblib.load(path).offset_,
        "written": str(path),
    }
