"""skuad weights: list, check, add."""

import json

import pytest

from skuad.cli import main

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SKUAD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "net.pth").write_bytes(b"abc")
    return tmp_path


def _give(capsys, *argv):
    code = main(["weights", *map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_add_list_check(folder, capsys):
    options = ["--name", "resnet18", "--sha256", ABC, "--licence", "MIT"]
    code, added = _give(capsys, "add", folder / "net.pth", *options)
    assert (code, added["sha256"]) == (0, ABC)
    assert main(["weights"]) == 0
    out = capsys.readouterr().out
    for text in ("resnet18", ABC[:16], "MIT", str(folder / "weights")):
        assert text in out
    code, found = _give(capsys, "check")
    states = {each["name"]: each["state"] for each in found["weights"]}
    assert (code, states["resnet18"]) == (0, "as recorded")
    (folder / "weights" / "resnet18.pth").write_bytes(b"abd")
    code, found = _give(capsys, "check")
    states = {each["name"]: each["state"] for each in found["weights"]}
    assert (code, states["resnet18"]) == (1, "DAMAGED OR REPLACED")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["add"], "needs a FILE"),
        (["add", "{}/absent.pth"], "No such file"),
        (["add", "{}/net.pth", "--sha256", "00"], "Nothing was copied"),
        (["list", "{}/net.pth"], "takes no file"),
        (["chekc"], "Did you mean 'check'"),
    ],
)
def test_mistakes_are_told_in_one_line(folder, capsys, argv, message):
    assert main(["weights", *(text.format(folder) for text in argv)]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not (folder / "weights").exists()
