"""What every network needs of torch: a device, a dtype, one copy per process."""

import sys
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MAX_NETWORKS = 4
_networks: OrderedDict[Hashable, Any] = OrderedDict()
_fitting_sizes: dict[Hashable, int] = {}
_lock = threading.RLock()


def resolve_device(device: str) -> str:
    """Return the device to use: ``"auto"`` is the first GPU, or else the CPU.

    Raises
    ------
    ValueError
        If the device is asked for and absent.
    """
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, present in available.items() if present)
    kind = device.partition(":")[0]
    if not available.get(kind, False):
        raise ValueError(
            f"device={device!r} is not available on this machine: use device='auto', "
            "which takes a GPU where there is one and the CPU elsewhere"
        )
    return device


def resolve_dtype(dtype: str, device: str) -> str:
    """Return the name of the dtype: ``"auto"`` is bfloat16 on GPUs that compute in it."""
    import torch

    if dtype != "auto":
        return dtype
    native = (
        device.startswith("cuda") and torch.cuda.get_device_capability(device)[0] >= 8
    )
    return "bfloat16" if native else "float32"


def load_network(key: Hashable, build: Callable[[], _Result]) -> _Result:
    """Return the network of this key; it is built on first use and kept.

    A few networks are kept per process, the least recently used goes first. None is ever
    part of an estimator, so that clones and pickles stay small.
    """
    with _lock:
        if key not in _networks:
            _networks[key] = build()
        _networks.move_to_end(key)
        while len(_networks) > _MAX_NETWORKS:
            _networks.popitem(last=False)
        network: _Result = _networks[key]
        return network


def forget_networks() -> None:
    """Drop every network that this process holds."""
    with _lock:
        _networks.clear()


def run_in_batches(
    run: Callable[[list[_Item]], list[_Result]], items: list[_Item], *, key: Hashable
) -> list[_Result]:
    """Run a function on a list; where memory does not suffice, in smaller parts.

    Parameters
    ----------
    run : callable
        From a list to a list of results, one per item.
    items : list
        The items.
    key : tuple
        Of the network: the size that did fit is remembered for it.

    Returns
    -------
    results : list
    """
    results: list[_Result] = []
    while len(results) < len(items):
        size = min(_fitting_sizes.get(key, len(items)), len(items) - len(results))
        try:
            results += run(items[len(results) : len(results) + size])
            continue
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise MemoryError(
                    "not even one image fits into memory: lower image_size, cut the "
                    "images into tiles, or take another device"
                ) from error
        # Outside of the handler, which holds on to the failed run's tensors.
        _fitting_sizes[key] = _shrink(size)
    return results


def _shrink(size: int) -> int:
    torch = sys.modules.get("torch")  # other runtimes run out of memory too
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = (size + 1) // 2
    warnings.warn(
        f"a batch of {size} does not fit into memory: going on with batches of {half}. "
        f"Set batch_size={half} or lower",
        RuntimeWarning,
        stacklevel=3,
    )
    return half


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory does not suffice."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    # torch's allocator on the CPU raises a plain RuntimeError.
    return isinstance(error, MemoryError) or any(
        text in str(error) for text in ("out of memory", "can't allocate memory")
    )
