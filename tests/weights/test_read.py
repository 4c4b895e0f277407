"""Files of weights give tensors by name, and run no code."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from skuad.weights._digest import read_sha256
from skuad.weights._holder import WeightsSource
from skuad.weights._read import load_strictly, read_state_dict

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def _source(path):
    return WeightsSource(read_sha256(path), str(path))


def _assert_read(path):
    found = read_state_dict(_source(path))
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("key", [None, "state_dict", "model", "teacher"])
def test_files_of_torch(tmp_path, key):
    content = TENSORS if key is None else {key: TENSORS, "epoch": 3}
    torch.save(content, tmp_path / "net.pth")
    _assert_read(tmp_path / "net.pth")


def test_files_of_torch_before_zip(tmp_path):
    torch.save(TENSORS, tmp_path / "net.pth", _use_new_zipfile_serialization=False)
    _assert_read(tmp_path / "net.pth")


def test_safetensors_whatever_the_suffix(tmp_path):
    save_file(TENSORS, tmp_path / "net.bin")
    _assert_read(tmp_path / "net.bin")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_a_truncated_file_is_named(tmp_path, kind, share):
    path = tmp_path / "net.pth"
    (torch.save if kind == "torch" else save_file)(TENSORS, path)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(
        ValueError, match=r"net\.pth cannot be read.*truncated.*SHA-256"
    ):
        read_state_dict(_source(path))


class _Code:
    def __reduce__(self):
        return os.mkdir, ("made by the file",)


@pytest.mark.parametrize("save", [torch.save, "pickle"])
def test_code_in_a_file_is_not_run(tmp_path, monkeypatch, save):
    monkeypatch.chdir(tmp_path)
    if save == "pickle":
        (tmp_path / "net.pth").write_bytes(pickle.dumps(_Code(), protocol=2))
    else:
        save({"a": _Code()}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        read_state_dict(_source(tmp_path / "net.pth"))
    assert os.listdir(tmp_path) == ["net.pth"]


@pytest.mark.parametrize("content", [{}, {"a": 1}, [torch.ones(2)]])
def test_a_file_without_tensors_by_name(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        read_state_dict(_source(tmp_path / "net.pth"))


def test_the_first_difference_is_named(tmp_path):
    source = WeightsSource("", "net.pth")
    model = torch.nn.Linear(3, 2)
    right = model.state_dict()
    for state, message in [
        ({"bias": right["bias"]}, r"Linear wants weight of shape \(2, 3\).* lacks it"),
        ({**right, "bias": torch.ones(4)}, r"bias of shape \(2,\), but .* has \(4,\)"),
        ({**right, "more": torch.ones(4)}, "it has more, which Linear does not know"),
    ]:
        with pytest.raises(ValueError, match=rf"net\.pth is of another.*{message}"):
            load_strictly(model, state, source)
