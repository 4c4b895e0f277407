import sys

import pytest
import torch

from skuad.utils._torch import (
    forget_networks,
    load_network,
    resolve_device,
    resolve_dtype,
    run_in_batches,
)


def test_auto_takes_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert resolve_dtype("auto", "cuda") == "float32"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert resolve_dtype("auto", "cuda") == "bfloat16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    assert resolve_dtype("auto", "cpu") == "float32"


def test_networks_are_built_once_and_the_oldest_goes():
    forget_networks()
    built = []
    for number in (0, 1, 2, 3, 0, 4, 0, 1):
        load_network(("test", number), lambda number=number: built.append(number))
    assert built == [0, 1, 2, 3, 4, 1]
    forget_networks()


def test_a_network_that_fails_to_build_is_tried_again():
    forget_networks()
    with pytest.raises(ZeroDivisionError):
        load_network(("test",), lambda: 1 / 0)
    assert load_network(("test",), lambda: "network") == "network"
    forget_networks()


def test_size_that_fits_is_remembered(monkeypatch):
    monkeypatch.setattr("skuad.utils._torch._fitting_sizes", {})
    sizes = []

    def run(items):
        sizes.append(len(items))
        if len(items) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return [-item for item in items]

    with (
        pytest.warns(RuntimeWarning, match="batch of 9 does not fit"),
        pytest.warns(RuntimeWarning, match="batch of 5 does not fit"),
    ):
        assert run_in_batches(run, list(range(9)), key=("a",)) == [-i for i in range(9)]
    assert sizes == [9, 5, 3, 3, 3]
    del sizes[:]
    run_in_batches(run, list(range(4)), key=("a",))
    assert sizes == [3, 1]


def test_one_item_that_does_not_fit(monkeypatch):
    monkeypatch.setattr("skuad.utils._torch._fitting_sizes", {})

    def run(items):
        raise MemoryError

    with pytest.raises(MemoryError, match=r"not even one image.*image_size"):
        run_in_batches(run, [0], key=("b",))


@pytest.mark.parametrize("has_torch", [True, False])
def test_other_errors_pass(has_torch, monkeypatch):
    def run(items):
        raise RuntimeError("shapes do not match")

    if not has_torch:
        monkeypatch.setitem(sys.modules, "torch", None)  # an import of it fails
    with pytest.raises(RuntimeError, match="shapes"):
        run_in_batches(run, [0, 1], key=("c",))


def test_memory_that_does_not_suffice_without_torch(monkeypatch):
    monkeypatch.setattr("skuad.utils._torch._fitting_sizes", {})
    monkeypatch.setitem(sys.modules, "torch", None)

    def run(items):
        if len(items) > 1:
            raise MemoryError
        return items

    with pytest.warns(RuntimeWarning, match="batch of 2 does not fit"):
        assert run_in_batches(run, [0, 1], key=("d",)) == [0, 1]
