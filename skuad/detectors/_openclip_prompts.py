"""Prompts that tell good from anomalous, and their features in OpenCLIP's text space."""

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skuad.feature_extraction._openclip import NO_VISION, read_openclip_weights
from skuad.feature_extraction._openclip_config import is_config_file, library_name
from skuad.utils._typing import StrPath
from skuad.weights._holder import WeightsSource
from skuad.weights._read import load_strictly

if TYPE_CHECKING:
    import torch

# A search or cross-validation fits many clones with the same texts.
_MAX_KNOWN = 64
_known: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
_lock = threading.Lock()

# The compositional prompt ensemble of WinCLIP.
_GOOD_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
_ANOMALOUS_STATES = (
    "damaged {}",
    "{} with flaw",
    "{} with defect",
    "{} with damage",
)
_TEMPLATES = (
    "a cropped photo of the {}.",
    "a cropped photo of a {}.",
    "a close-up photo of a {}.",
    "a close-up photo of the {}.",
    "a bright photo of a {}.",
    "a bright photo of the {}.",
    "a dark photo of the {}.",
    "a dark photo of a {}.",
    "a jpeg corrupted photo of a {}.",
    "a jpeg corrupted photo of the {}.",
    "a blurry photo of the {}.",
    "a blurry photo of a {}.",
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of a small {}.",
    "a photo of the small {}.",
    "a photo of a large {}.",
    "a photo of the large {}.",
    "a photo of the {} for visual inspection.",
    "a photo of a {} for visual inspection.",
    "a photo of the {} for anomaly detection.",
    "a photo of a {} for anomaly detection.",
)


def prompt_ensemble(class_name: str) -> dict[str, list[str]]:
    """Compose the prompts of WinCLIP: every state of the object in every template.

    Parameters
    ----------
    class_name : str
        What is to be seen, such as ``"metal nut"``.

    Returns
    -------
    prompts : dict
        Lists of prompts by ``"normal"`` and ``"anomalous"``.

    References
    ----------
    .. [1] J. Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and
       Segmentation", CVPR 2023, https://arxiv.org/abs/2303.14814
    """
    states = {"normal": _GOOD_STATES, "anomalous": _ANOMALOUS_STATES}
    return {
        name: [
            template.format(state.format(class_name))
            for state in listed
            for template in _TEMPLATES
        ]
        for name, listed in states.items()
    }


def check_prompts(prompts: Sequence[str], name: str) -> list[str]:
    """Return prompts as a list; raise a ValueError if there is none to read."""
    if isinstance(prompts, str) or not all(isinstance(one, str) for one in prompts):
        raise ValueError(f"{name}={prompts!r} is no list of texts")
    texts = list(prompts)
    if not texts:
        raise ValueError(
            f"{name} is empty: give at least one text, or None for the ensemble"
        )
    for text in texts:
        if not text.strip():
            raise ValueError(f"{name}={texts!r} has an empty text")
    return texts


def text_features(
    prompts: Iterable[Sequence[str]],
    model_name: StrPath,
    config: dict[str, Any],
    source: WeightsSource,
) -> NDArray[np.float32]:
    """Encode sets of prompts: the direction of the mean of each set's unit vectors.

    Parameters
    ----------
    prompts : list of list of str
        One list per set.
    model_name : str or path-like
        Names the tokenizer.
    config : dict
        See `read_openclip_config`.
    source : WeightsSource
        The weights of both towers; only that of text is kept, and only meanwhile.

    Returns
    -------
    features : ndarray of float32 of shape (n_sets, n_dimensions)
        Of unit length.
    """
    sets = tuple(map(tuple, prompts))
    key = (
        source.sha256,
        json.dumps(config, sort_keys=True),
        os.fspath(model_name),
        sets,
    )
    with _lock:
        if key not in _known:
            _known[key] = _encode(sets, model_name, config, source)
        _known.move_to_end(key)
        while len(_known) > _MAX_KNOWN:
            _known.popitem(last=False)
        return _known[key].copy()


def _encode(
    prompts: Sequence[Sequence[str]],
    model_name: StrPath,
    config: dict[str, Any],
    source: WeightsSource,
) -> NDArray[np.float32]:
    import torch
    from torch.nn import functional

    tokenize = get_tokenizer(model_name, config["model"])
    model = _text_model(config["model"], source)
    with torch.inference_mode():
        encoded = [model.encode_text(tokenize(list(texts))) for texts in prompts]
        means = [functional.normalize(texts, dim=-1).mean(0) for texts in encoded]
        return functional.normalize(torch.stack(means), dim=-1).numpy()


def get_tokenizer(
    model_name: StrPath, model: dict[str, Any]
) -> "Callable[[list[str]], torch.Tensor]":
    """Return the model's own tokenizer, without a network.

    Raises
    ------
    ImportError
        If it is one of the package transformers, and that is not installed.
    OSError
        If it is not in the local cache.
    """
    import open_clip

    text = model["text_cfg"]
    named = text.get("hf_tokenizer_name")
    if is_config_file(model_name):
        if not named:
            length = text.get("context_length", 77)
            options = text.get("tokenizer_kwargs") or {}
            return open_clip.SimpleTokenizer(context_length=length, **options)
        name = f"local-dir:{os.path.dirname(os.path.abspath(model_name))}"
    else:
        name = library_name(model_name)
    if not named:
        return open_clip.get_tokenizer(name)
    try:
        return open_clip.get_tokenizer(name, local_files_only=True)
    except ImportError as error:
        raise ImportError(
            f"the tokenizer of {model_name} needs transformers: pip install transformers"
        ) from error
    except OSError as error:
        raise OSError(
            f"the tokenizer {named} of {model_name} is not in the local cache, and "
            "nothing is downloaded: fetch its files on a machine with a network, put them "
            "beside the model's open_clip_config.json, and pass the path of that file as "
            "model_name"
        ) from error


def _text_model(model: dict[str, Any], source: WeightsSource) -> Any:
    """Build a model that encodes text only, and load its weights strictly."""
    import open_clip
    import torch
    from open_clip.model import convert_to_custom_text_state_dict

    text = {**model["text_cfg"], "hf_model_pretrained": False, "output_tokens": False}
    is_apart = (
        model.get("custom_text", False)
        or "multimodal_cfg" in model
        or "hf_model_name" in text
    )
    kind = open_clip.CustomTextCLIP if is_apart else open_clip.CLIP
    quick_gelu = model.get("quick_gelu", False)
    built = kind(model["embed_dim"], NO_VISION, text, quick_gelu=quick_gelu)
    built.visual = torch.nn.Identity()
    del built.logit_scale
    state_dict = read_openclip_weights(source)
    if is_apart:
        state_dict = convert_to_custom_text_state_dict(state_dict)
    others = ("visual.", "text_decoder.", "logit_scale", "logit_bias")
    state_dict = {
        name: tensor
        for name, tensor in state_dict.items()
        if not name.startswith(others)
        # What transformers saved as a buffer before version 4.31.
        and name != "text.transformer.embeddings.position_ids"
    }
    load_strictly(built, state_dict, source)
    return built.eval().requires_grad_(False)
