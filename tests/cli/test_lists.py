"""Commands that say what there is: datasets, detectors, doctor, completion."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from skuad.cli._doctor import opencv_faults
from skuad.datasets import list_datasets, make_fake_tree
from skuad.detectors import list_detectors


def test_detectors(run, fails):
    code, out, err = run("detectors")
    assert (code, err) == (0, "")
    for found in list_detectors():
        assert f"\n{found.name} " in out
    tags = json.loads(run("detectors", "--json")[1])
    assert tags["PaDiM"]["backend"] == "numpy"
    _, out, _ = run("detectors", "PatchKNN")
    assert "\nn_neighbors       1\n" in out
    assert "Did you mean 'PatchKNN'?" in fails("detectors", "PatchKn")


def test_datasets(run):
    code, out, err = run("datasets")
    assert (code, err) == (0, "")
    names = {line.split()[0] for line in out.splitlines() if line}
    assert {*list_datasets()} - {"image_folder"} <= names
    assert "folder" in names


def test_a_data_set_is_checked(run, fails, tree, tmp_path):
    code, out, err = run("datasets", "mvtec_ad", tree)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].split() == ["part", *"9 2 3 0 3 0".split()]
    shutil.copytree(tree, tmp_path / "data")
    folder = tmp_path / "data" / "part" / "ground_truth"
    kind = sorted(os.listdir(folder))[0]
    shutil.rmtree(folder / kind)
    code, out, err = run("datasets", "mvtec_ad", tmp_path / "data", "--json")
    assert code == 0
    (counts,) = json.loads(out)["categories"]
    assert (counts["n_masks"], counts["n_without_mask"]) == (2, 1)
    assert "1 defective image without a mask" in err
    make_fake_tree("image_folder", tmp_path / "mine")
    code, out, _ = run("datasets", "folder", tmp_path / "mine", "--json")
    (counts,) = json.loads(out)["categories"]
    assert counts["n_good"] > 0
    _, out, _ = run("datasets", "image_folder", tmp_path / "mine")  # Python's name
    kinds = ", ".join(f"{k} ({n})" for k, n in sorted(counts["defect_types"].items()))
    assert out.splitlines()[-1] == f"defective in mine: {kinds}"
    assert fails("datasets", tmp_path / "mine").endswith(
        f"the data set comes first: skuad datasets folder {tmp_path / 'mine'}"
    )
    assert "Did you mean 'mvtec_ad'?" in fails("datasets", "mvtec-ad", tree)
    assert "nowhere" in fails("datasets", "folder", tmp_path / "nowhere")
    assert "give the folder too" in fails("datasets", "visa")


class TestDoctor:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(
            "skuad.cli._machine.measure_speed", lambda: {"images_per_second": 3.0}
        )

    def test_what_it_says(self, run, tmp_path, monkeypatch):
        (tmp_path / "mine.safetensors").write_bytes(b"")
        monkeypatch.setenv("SKUAD_WEIGHTS", str(tmp_path))
        code, out, err = run("doctor")
        assert (code, err) == (0, "")
        for part in ("scikit-learn", "devices", "threads", "3 images of 256"):
            assert part in out
        assert f"mine: {tmp_path}{os.sep}mine.safetensors\n" in out
        assert out.endswith("No fault found.\n")
        found = json.loads(run("doctor", "--json")[1])
        assert found["images_per_second"] == 3.0
        assert "numpy" in found["versions"]

    def test_faults(self, run, tmp_path, monkeypatch):
        monkeypatch.setenv("SKUAD_WEIGHTS", str(tmp_path / "gone"))
        code, out, err = run("doctor")
        assert code == 1
        assert "No fault" not in out
        assert err.startswith("skuad: fault: SKUAD_WEIGHTS names")

    def test_two_packages_of_opencv(self):
        assert opencv_faults(["opencv-python-headless", "numpy"]) == []
        (fault,) = opencv_faults(["opencv-python", "opencv-python-headless"])
        assert "overwrite each other's files" in fault
        assert fault.endswith("pip install opencv-python-headless")

    def test_an_opencv_that_cannot_be_loaded(self, tmp_path):
        """In a process of its own: here it is loaded."""
        text = "raise ImportError('libGL.so.1: cannot open shared object file')"
        (tmp_path / "cv2.py").write_text(text)
        end = subprocess.run(
            [sys.executable, "-m", "skuad", "doctor"],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert end.returncode == 1
        assert "scikit-learn" in end.stdout and "No fault" not in end.stdout
        assert end.stderr.startswith("skuad: fault: an import fails (libGL.so.1")
        assert end.stderr.endswith("pip install opencv-python-headless\n")
        assert end.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["skuad", "inf"], {"infer"}),
        (["skuad", "infer", "--resu"], {"--resume"}),
        (["skuad", "fit", "--preprocess", "gr"], {"gray-world"}),
        (["skuad", "completion", ""], {"bash", "zsh"}),
        (["skuad", "fit", "x"], set()),
    ],
)
def test_completion_in_bash(run, words, expected):
    code, script, _ = run("completion", "bash")
    assert code == 0
    line = " ".join(f"'{word}'" for word in words)
    script += f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _skuad\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    result = subprocess.run(
        ["bash"], input=script, capture_output=True, text=True, check=True
    )
    assert set(result.stdout.split()) == expected


def test_completion_in_zsh_is_that_of_bash(run):
    bash, zsh = run("completion", "bash")[1], run("completion", "zsh")[1]
    assert zsh == f"autoload -U +X bashcompinit && bashcompinit\n{bash}"
