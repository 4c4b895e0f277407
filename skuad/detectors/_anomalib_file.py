"""Checkpoints of anomalib as plain data: no code of a file runs unless it is trusted."""

import pickle
import warnings
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, BinaryIO

from skuad.weights._holder import WeightsSource

# The oldest release whose checkpoints hold plain data, and the first that is unknown.
_OLDEST, _TOO_NEW = (2, 7), (3,)
# What reading a damaged file raises.
_DAMAGED = RuntimeError, EOFError, KeyError, OSError, pickle.UnpicklingError


def require_anomalib(needed_by: str) -> ModuleType:
    """Import anomalib's models, or say what to install.

    Raises
    ------
    ImportError
        If anomalib is not installed, too old or too new.
    """
    advice = 'pip install "skuad[anomalib]"'
    try:
        installed = version("anomalib")
    except PackageNotFoundError as error:
        raise ImportError(f"{needed_by} needs anomalib: {advice}") from error
    numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdigit())
    if not _OLDEST <= numbers < _TOO_NEW:
        raise ImportError(
            f"{needed_by} works with anomalib 2.7 or later, below 3, but {installed} is "
            f"installed: {advice}"
        )
    with warnings.catch_warnings():
        # Of its own modules and theirs: no user can do anything about them.
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        import anomalib.models

    return anomalib.models


def read_checkpoint(source: WeightsSource, *, trust: bool) -> dict[str, Any]:
    """Read a file that anomalib or Lightning wrote.

    Parameters
    ----------
    source : skuad.weights.WeightsSource
        The file.
    trust : bool
        Whether a file that needs pickled Python objects may be loaded. Loading it runs
        whatever code it holds.

    Returns
    -------
    checkpoint : dict
        With ``state_dict`` and ``hyper_parameters``, or, of an exported file, with the
        module itself under ``model``.

    Raises
    ------
    ValueError
        If the file is truncated, is no checkpoint, holds weights only, or needs pickled
        objects and is not trusted.
    """
    import torch

    with source.open() as file, torch.serialization.safe_globals(_safe_globals()):
        _require_torch_file(file, source.path)
        unsafe = _unsafe_globals(file, source.path)
        if unsafe and not trust:
            raise ValueError(_untrusted(source.path, unsafe))
        try:
            checkpoint = torch.load(file, map_location="cpu", weights_only=not unsafe)
        except _DAMAGED as error:
            raise ValueError(_unreadable(source.path, error)) from error
        except (AttributeError, ImportError) as error:
            raise ValueError(
                f"{source.path} needs Python classes that are not installed ({error}): "
                "load it where it was made, or save it with the installed anomalib"
            ) from error
    if isinstance(checkpoint, dict) and (
        isinstance(checkpoint.get("model"), torch.nn.Module)
        or isinstance(checkpoint.get("state_dict"), dict)
    ):
        return checkpoint
    raise ValueError(_no_checkpoint(source.path, checkpoint))


def _safe_globals() -> list[Any]:
    import anomalib.models
    from anomalib.models.components import AnomalibModule
    from anomalib.utils import serialization

    extra = [
        item
        for name in anomalib.models.__all__
        if issubclass(model := getattr(anomalib.models, name), AnomalibModule)
        for item in model.checkpoint_safe_globals()
    ]
    return [
        *serialization.ANOMALIB_SAFE_GLOBALS,
        *serialization.NUMPY_SAFE_GLOBALS,
        *extra,
    ]


def _require_torch_file(file: BinaryIO, path: str) -> None:
    is_whole = zipfile.is_zipfile(file)
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    if not is_whole:
        raise ValueError(
            f"{path} is truncated: copy it again"
            if head == b"PK"
            else f"{path} is not a checkpoint: anomalib writes .ckpt (Lightning), .pt "
            "(exported), .xml (OpenVINO) and .onnx files"
        )


def _unsafe_globals(file: BinaryIO, path: str) -> list[str]:
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except (*_DAMAGED, ValueError) as error:
        raise ValueError(_unreadable(path, error)) from error
    finally:
        file.seek(0)
    return sorted(names)


def _unreadable(path: str, error: Exception) -> str:
    return (
        f"{path} cannot be read as a checkpoint: it is damaged, or no file of torch "
        f"({str(error).partition(chr(10))[0]})"
    )


def _untrusted(path: str, unsafe: list[str]) -> str:
    listed = ", ".join(unsafe[:5]) + (", ..." if len(unsafe) > 5 else "")
    return (
        f"{path} holds pickled Python objects beside weights ({len(unsafe)} kinds: "
        f"{listed}). Loading them runs code that whoever made the file chose. If you made "
        "it, or trust its maker as you trust a program, pass trust=True; otherwise ask "
        "for a .ckpt of anomalib 2.7 or later, which holds plain data only"
    )


def _no_checkpoint(path: str, found: Any) -> str:
    if isinstance(found, dict) and found and _are_tensors(found.values()):
        return (
            f"{path} is a state_dict alone: it has the weights, but not the settings of "
            "the model, its pre-processing and its thresholds. Give the .ckpt file that "
            "anomalib's Engine writes, or the .pt of its export"
        )
    what = f"the keys {list(found)[:5]}" if isinstance(found, dict) else type(found)
    return f"{path} is not a checkpoint of anomalib: it holds {what}"


def _are_tensors(values: Iterable[Any]) -> bool:
    import torch

    return all(isinstance(value, torch.Tensor) for value in values)
