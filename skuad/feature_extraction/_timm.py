"""Backbones of timm as patch networks."""

import difflib
import sys

from skuad.feature_extraction._network import PatchNetwork
from skuad.weights import PACKAGES, WeightsNotFoundError, find_weights
from skuad.weights._read import load_strictly, read_state_dict


class TimmNetwork(PatchNetwork):
    """A backbone of timm; layers are indices into its ``feature_info``."""

    def __init__(self, model):
        config = model.pretrained_cfg
        super().__init__(
            model,
            mean=config["mean"],
            std=config["std"],
            reductions=[info["reduction"] for info in model.feature_info],
        )

    def default_layers(self):
        """Return the last layer of a ViT, strides 8 and 16 of a CNN."""
        return [-1] if self.is_grid_of_tokens else self.layers_of_strides(8, 16)

    def grids(self, x, layers):
        """Return the features of the layers, as a list of (B, C, h, w)."""
        return self.model.forward_intermediates(
            x,
            indices=self.resolve_layers(layers),
            norm=self.is_grid_of_tokens,
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )


def build_timm_network(model_name, source) -> TimmNetwork:
    """Build a backbone and load its weights strictly, its classifier left out."""
    model = create_backbone(model_name)
    state_dict = read_state_dict(source)
    if source.sha256 in {package.sha256 for package in PACKAGES.values()}:
        # The packages' names are those of another implementation, in the same order.
        names = create_model(model_name).state_dict()
        if len(names) == len(state_dict):
            state_dict = dict(zip(names, state_dict.values(), strict=True))
    expected = model.state_dict()
    if not expected.keys() <= state_dict.keys():
        convert = getattr(
            sys.modules[type(model).__module__], "checkpoint_filter_fn", None
        )
        state_dict = state_dict if convert is None else convert(state_dict, model)
    classifiers = model.pretrained_cfg.get("classifier") or ()
    classifiers = [classifiers] if isinstance(classifiers, str) else classifiers
    state_dict = {
        name: tensor
        for name, tensor in state_dict.items()
        if name in expected
        or not any(name.startswith(f"{c}.") for c in (*classifiers, "head"))
    }
    load_strictly(model, state_dict, source)
    return TimmNetwork(model)


def create_backbone(model_name):
    """Create a network without classifier, for images of any size; weights are random."""
    model = create_model(model_name, num_classes=0)
    if hasattr(model, "dynamic_img_size"):
        model = create_model(model_name, num_classes=0, dynamic_img_size=True)
    return model


def create_model(model_name, **kwargs):
    """Create a network of timm; weights are random.

    Raises
    ------
    ValueError
        If timm has no such model; the nearest names are given.
    """
    import timm

    name = model_name.partition(".")[0]
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3, 0.5)
        raise ValueError(
            f"timm has no model {model_name!r}"
            + (f": did you mean {' or '.join(near)}?" if near else "")
        )
    return timm.create_model(model_name, pretrained=False, **kwargs)


def find_timm_weights(model_name):
    """Find the weights of a model by its name, in the cache of the hub at last.

    Raises
    ------
    WeightsNotFoundError
        If there are none; the message says which file to fetch.
    """
    try:
        return find_weights(model_name)
    except WeightsNotFoundError:
        config = create_model(model_name, num_classes=0).pretrained_cfg
    hub_id = config.get("hf_hub_id")
    if not hub_id:
        return find_weights(model_name)
    from huggingface_hub import try_to_load_from_cache

    for file in ("model.safetensors", "pytorch_model.bin"):
        path = try_to_load_from_cache(hub_id, file)
        if isinstance(path, str):
            return path
    return find_weights(
        model_name,
        advice=f"The file is model.safetensors of https://huggingface.co/{hub_id}. ",
    )
