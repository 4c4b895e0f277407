"""Backbones of timm as patch networks."""

from __future__ import annotations

import difflib
import sys
from collections.abc import KeysView, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skuad.feature_extraction._patch_network import Layers, PatchNetwork
from skuad.utils._torch import is_out_of_memory
from skuad.weights import PACKAGES, WeightsNotFoundError, find_weights
from skuad.weights._holder import WeightsSource
from skuad.weights._read import load_strictly, read_state_dict

if TYPE_CHECKING:
    import torch


class TimmNetwork(PatchNetwork):
    """A backbone of timm; layers are indices into its ``feature_info``."""

    def __init__(self, model: Any):
        config = model.pretrained_cfg
        if not hasattr(model, "forward_intermediates") or not model.feature_info:
            raise ValueError(
                f"timm gives no features of {config['architecture']} by layer: take "
                "another model"
            )
        super().__init__(
            model,
            mean=config["mean"],
            std=config["std"],
            reductions=[info["reduction"] for info in model.feature_info],
        )

    def default_layers(self) -> list[int]:
        """Return the last layer of a ViT, strides 8 and 16 of a CNN."""
        if self.is_grid_of_tokens:
            return [-1]
        return self.layers_of_strides(8, 16) or [-1]

    def grids(self, x: torch.Tensor, layers: Layers) -> list[torch.Tensor]:
        """Return the features of the layers, as a list of (B, C, h, w)."""
        try:
            grids: list[torch.Tensor] = self.model.forward_intermediates(
                x,
                indices=self.resolve_layers(layers),
                norm=self.is_grid_of_tokens,
                stop_early=True,
                output_fmt="NCHW",
                intermediates_only=True,
            )
        except (AssertionError, RuntimeError) as error:
            size, made_for = tuple(x.shape[2:]), self.model.pretrained_cfg["input_size"]
            if is_out_of_memory(error) or size == made_for[1:]:
                raise
            raise ValueError(
                f"{self.model.pretrained_cfg['architecture']} cannot take images at "
                f"{size[0]} x {size[1]} pixels ({error}): it was made for "
                f"image_size={made_for[1:]}, to which an image of any size is resized"
            ) from error
        return grids


def build_timm_network(model_name: str, source: WeightsSource) -> TimmNetwork:
    """Build a backbone and load its weights strictly, its classifier left out."""
    model = create_backbone(model_name)
    state_dict = read_state_dict(source)
    if source.sha256 in {package.sha256 for package in PACKAGES.values()}:
        # The packages' names are those of another implementation, in the same order.
        names = _names_with_classifier(model_name)
        if len(names) == len(state_dict):
            state_dict = dict(zip(names, state_dict.values(), strict=True))
    expected = model.state_dict()
    if not _fits(expected, _without_classifier(state_dict, model_name, expected)):
        state_dict = _as_timm_names_it(state_dict, model, source)
    state_dict = _without_classifier(state_dict, model_name, expected)
    load_strictly(model, state_dict, source)
    return TimmNetwork(model)


def _fits(
    expected: Mapping[str, torch.Tensor], state_dict: Mapping[str, torch.Tensor]
) -> bool:
    return expected.keys() == state_dict.keys() and all(
        expected[name].shape == state_dict[name].shape for name in expected
    )


def _as_timm_names_it(
    state_dict: dict[str, torch.Tensor], model: Any, source: WeightsSource
) -> dict[str, torch.Tensor]:
    """Convert a checkpoint of the original authors, such as facebook's DINOv2."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return state_dict
    try:
        converted: dict[str, torch.Tensor] = convert(dict(state_dict), model)
    except (KeyError, IndexError, AttributeError, ValueError, RuntimeError) as error:
        # The function takes for granted that the architecture is the right one.
        load_strictly(model, state_dict, source)
        raise ValueError(f"{source.path} cannot be converted: {error}") from error
    return converted


def _without_classifier(
    state_dict: dict[str, torch.Tensor],
    model_name: str,
    expected: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    if state_dict.keys() <= expected.keys():
        return state_dict
    classifier = _names_with_classifier(model_name) - expected.keys()
    prefixes = {name.rpartition(".")[0] + "." for name in classifier} | {"head."}
    return {
        name: tensor
        for name, tensor in state_dict.items()
        if name in expected or not name.startswith(tuple(prefixes))
    }


@lru_cache(maxsize=8)
def _names_with_classifier(model_name: str) -> KeysView[str]:
    """Return the names of all tensors of a model, in order, without making them."""
    import torch

    with torch.device("meta"):
        names: KeysView[str] = create_model(model_name).state_dict().keys()
    return names


def create_backbone(model_name: str) -> Any:
    """Create a network without classifier, for images of any size; weights are random."""
    model = create_model(model_name, num_classes=0)
    if hasattr(model, "dynamic_img_size"):
        model = create_model(model_name, num_classes=0, dynamic_img_size=True)
    return model


def create_model(model_name: str, **kwargs: Any) -> Any:
    """Create a network of timm; weights are random."""
    import timm

    check_model_name(model_name)
    return timm.create_model(model_name, pretrained=False, **kwargs)


def check_model_name(model_name: str) -> None:
    """Raise a ValueError, with the nearest names, if timm has no such model."""
    import timm

    name = model_name.partition(".")[0]
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3, 0.5)
        raise ValueError(
            f"timm has no model {model_name!r}"
            + (f": did you mean {' or '.join(near)}?" if near else "")
        )


def find_timm_weights(model_name: str) -> Path:
    """Find the weights of a model by its name, in the cache of the hub at last.

    Raises
    ------
    WeightsNotFoundError
        If there are none; the message says which file to fetch.
    """
    try:
        return find_weights(model_name)
    except WeightsNotFoundError:
        check_model_name(model_name)
    from timm.models import get_pretrained_cfg

    published = get_pretrained_cfg(model_name)
    if published is None or not published.hf_hub_id:
        return find_weights(model_name)
    from huggingface_hub import try_to_load_from_cache

    for file in ("model.safetensors", "pytorch_model.bin"):
        path = try_to_load_from_cache(published.hf_hub_id, file)
        if isinstance(path, str):
            return Path(path)
    return find_weights(
        model_name,
        advice="The file is model.safetensors of "
        f"https://huggingface.co/{published.hf_hub_id}. ",
    )
