import os
import re

import pytest

from skuad.cli import main
from skuad.datasets import make_defect_images
from skuad.io import write_image

FITTING = re.compile(r"^skuad: ([^\n]*: )?fitting \w+ on \d+ images\n", re.MULTILINE)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Root of a data set in the layout of MVTec AD, with the category "part"."""
    root = tmp_path_factory.mktemp("data")
    data = make_defect_images("weave", n_train=9, n_good=2, n_defective=3, size=64)

    def write(image, *place):
        path = root.joinpath("part", *place)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)

    for number, image in enumerate(data.train):
        write(image, "train", "good", f"{number}.png")
    for number, image in enumerate(data.test):
        kind = data.defect_type[number]
        write(image, "test", kind, f"{number}.png")
        if kind != "good":
            mask = data.masks[number].astype("uint8") * 255
            write(mask, "ground_truth", kind, f"{number}_mask.png")
    return root


@pytest.fixture
def good(tree):
    return str(tree / "part" / "train" / "good")


@pytest.fixture
def test_images(tree):
    return str(tree / "part" / "test")


def _fitted(tree, path, *arguments):
    good = str(tree / "part" / "train" / "good")
    arguments = ["--out", str(path), "--false-alarm-rate", "0.1", *arguments]
    assert main(["fit", good, *arguments]) == 0
    return str(path)


@pytest.fixture(scope="session")
def model(tree, tmp_path_factory):
    """File of a detector of whole images."""
    return _fitted(tree, tmp_path_factory.mktemp("model") / "m.joblib")


@pytest.fixture(scope="session")
def tiled_model(tree, tmp_path_factory):
    """File of a detector on tiles of 48 pixels, after white balance."""
    path = tmp_path_factory.mktemp("model") / "tiled.joblib"
    return _fitted(tree, path, "--preprocess", "gray-world", "--tile-size", "48")


@pytest.fixture
def run(capsys):
    """Run a command line; return its exit code, stdout and stderr.

    The line that says what is fitted, where there is no terminal, is left out.
    """

    def run(*arguments):
        capsys.readouterr()
        code = main([os.fspath(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, FITTING.sub("", captured.err)

    return run


@pytest.fixture
def fails(run):
    """Run a command line that must fail with one line on stderr; return the line."""

    def fails(*arguments):
        code, out, err = run(*arguments)
        assert code == 2, (code, out, err)
        assert out == ""
        assert err.startswith("skuad: error: ")
        assert err.count("\n") == 1, err
        return err.removeprefix("skuad: error: ").rstrip("\n")

    return fails
