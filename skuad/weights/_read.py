"""Files of weights to dictionaries of tensors."""

import pickle
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

from skuad.weights._holder import WeightsSource

if TYPE_CHECKING:
    import torch


def read_state_dict(source: WeightsSource) -> "dict[str, torch.Tensor]":
    """Read tensors by name from a file of torch or safetensors; no code of it is run.

    Parameters
    ----------
    source : WeightsSource
        A checkpoint may hold its tensors under ``state_dict`` or ``model``.

    Returns
    -------
    state_dict : dict of str to torch.Tensor
        On the CPU.

    Raises
    ------
    ValueError
        If the file is truncated, holds other things than tensors, or none.
    """
    with source.open() as file:
        head = file.read(9)
        file.seek(0)
        try:
            state: Any = (
                _read_safetensors(file) if head[8:] == b"{" else _read_torch(file)
            )
        except (
            OSError,
            RuntimeError,
            ValueError,
            EOFError,
            LookupError,
            struct.error,
            pickle.UnpicklingError,
        ) as error:
            raise ValueError(
                f"{source.path} cannot be read as weights: it is truncated, or no file of "
                f"safetensors or torch with tensors only ({_first_line(error)}). Fetch it "
                "again and compare its SHA-256 with the publisher's"
            ) from error
    for name in ("state_dict", "model", "teacher"):
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict) or not state or not _are_tensors(state.values()):
        raise ValueError(f"{source.path} holds no tensors by name")
    return state


def _read_safetensors(file: BinaryIO) -> "dict[str, torch.Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(file.read())
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _read_torch(file: BinaryIO) -> Any:
    import torch

    return torch.load(file, map_location="cpu", weights_only=True)


def _are_tensors(values: Iterable[Any]) -> bool:
    import torch

    return all(isinstance(value, torch.Tensor) for value in values)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def load_strictly(
    model: "torch.nn.Module",
    state_dict: "dict[str, torch.Tensor]",
    source: WeightsSource,
) -> None:
    """Load weights into a network; every tensor must be there, of the right shape.

    Raises
    ------
    ValueError
        If they are of another architecture: the first difference is named.
    """
    expected = model.state_dict()
    for name, tensor in expected.items():
        found = state_dict.get(name)
        if found is None or found.shape != tensor.shape:
            has = "lacks it" if found is None else f"has {tuple(found.shape)}"
            raise ValueError(
                f"{source.path} is of another architecture: {type(model).__name__} wants "
                f"{name} of shape {tuple(tensor.shape)}, but the file {has}"
            )
    for name in state_dict:
        if name not in expected:
            raise ValueError(
                f"{source.path} is of another architecture: it has {name}, which "
                f"{type(model).__name__} does not know"
            )
    model.load_state_dict(state_dict, strict=True)
