"""Tiny models of the real open_clip, with saved random weights."""

import json
import os
from functools import cache
from typing import Any

_TEXT = {
    "context_length": 77,
    "vocab_size": 49408,
    "width": 16,
    "heads": 2,
    "layers": 1,
}
_VIT = {"image_size": 64, "layers": 4, "width": 32, "patch_size": 8, "head_width": 16}
_RESNET = {
    "image_size": 64,
    "layers": [1, 1, 1, 1],
    "width": 16,
    "head_width": 16,
    "patch_size": None,
}
_TIMM = {"image_size": 160, "timm_pool": "", "timm_proj": "linear"}

#: Parts of the configuration of every tiny model.
MODELS: dict[str, dict[str, Any]] = {
    "vit": {"vision_cfg": _VIT},
    "vit-quickgelu": {"vision_cfg": _VIT, "quick_gelu": True},
    "vit-coca": {"vision_cfg": {**_VIT, "attentional_pool": True}},
    "resnet": {"vision_cfg": _RESNET},
    "timm-vit": {"vision_cfg": {**_TIMM, "timm_model_name": "test_vit"}},
    "timm-convnext": {
        "vision_cfg": {**_TIMM, "timm_model_name": "test_convnext"},
        "custom_text": True,
    },
}


@cache
def tiny_openclip(kind: str, folder: str) -> dict[str, Any]:
    """Save a tiny model, once per process.

    Parameters
    ----------
    kind : str
        A key of `MODELS`.
    folder : str
        Where to.

    Returns
    -------
    parameters : dict
        ``model_name`` is the path of its configuration, ``pretrained`` that of its
        weights.
    """
    import open_clip
    import torch

    name = os.path.join(folder, f"skuad-{kind}")
    config = {"embed_dim": 24, "text_cfg": _TEXT, **MODELS[kind]}
    with open(f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    kwargs = {key: value for key, value in config.items() if key != "custom_text"}
    kind_of_model = (
        open_clip.CustomTextCLIP if "custom_text" in config else open_clip.CLIP
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind_of_model(**kwargs)
        for parameter in model.parameters():
            # Untrained, layer norms and biases are ones and zeros: any mistake is hidden.
            if parameter.ndim == 1:
                parameter.data += 0.1 * torch.randn_like(parameter)
        if kind.startswith("vit"):
            # What all patches share keeps the first norm from hiding how far one is off.
            table = model.visual.positional_embedding
            table.data += torch.randn(table.shape[1])
    torch.save(model.state_dict(), f"{name}.pt")
    return {"model_name": f"{name}.json", "pretrained": f"{name}.pt"}
