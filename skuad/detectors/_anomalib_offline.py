"""Build a network without its constructor fetching anything."""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn, TypeAlias
from unittest.mock import patch

_Function: TypeAlias = Callable[..., Any]
#: From a function to what stands in for it.
_Replace: TypeAlias = Callable[[_Function], _Function]


class _NoWeights(dict[str, Any]):
    """Stands for weights that would have been downloaded."""


@contextmanager
def no_downloads(model_class: type) -> Iterator[None]:
    """Keep constructors in this thread from fetching pretrained weights or data.

    The weights come from the checkpoint afterwards. timm builds its networks without
    weights, weights of torchvision are left out, data sets for training are not
    fetched, and any other look-up on the network fails at once. Other threads are not
    affected.

    Parameters
    ----------
    model_class : type
        The class of anomalib that is being built.
    """
    import timm
    import torch
    from torchvision.models import WeightsEnum

    def without_pretrained(original: _Function) -> _Function:
        return lambda *args, **kwargs: original(
            *args[:1], **{**kwargs, "pretrained": False}
        )

    def without_weights(original: _Function) -> _Function:
        return lambda *args, **kwargs: _NoWeights()

    def load_unless_absent(original: _Function) -> _Function:
        def load_state_dict(
            module: Any, state_dict: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if not isinstance(state_dict, _NoWeights):
                return original(module, state_dict, *args, **kwargs)
            return None

        return load_state_dict

    def nothing(original: _Function) -> _Function:
        return lambda *args, **kwargs: None

    def refuse(original: _Function) -> _Function:
        def raise_error(*args: Any, **kwargs: Any) -> NoReturn:
            raise OSError("the network is not used when a checkpoint is loaded")

        return raise_error

    replacements: list[tuple[Any, str, _Replace]] = [
        (timm, "create_model", without_pretrained),
        (WeightsEnum, "get_state_dict", without_weights),
        (torch.nn.Module, "load_state_dict", load_unless_absent),
        (socket.socket, "connect", refuse),
        (socket, "getaddrinfo", refuse),
    ]
    module = sys.modules[model_class.__module__]
    if hasattr(module, "download_and_extract"):
        replacements.append((module, "download_and_extract", nothing))
    thread = threading.get_ident()
    with ExitStack() as stack:
        for owner, name, replace in replacements:
            function = _in_thread(thread, getattr(owner, name), replace)
            stack.enter_context(patch.object(owner, name, function))
        yield


def _in_thread(thread: int, original: _Function, replace: _Replace) -> _Function:
    """Return a function that is replaced in one thread and stays as it is in others."""
    replaced = replace(original)

    def function(*args: Any, **kwargs: Any) -> Any:
        chosen = replaced if threading.get_ident() == thread else original
        return chosen(*args, **kwargs)

    return function
