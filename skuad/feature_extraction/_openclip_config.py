"""Models of OpenCLIP: their configurations, and where their weights are."""

import difflib
import json
import os
from pathlib import Path
from typing import Any

from skuad.utils._typing import StrPath
from skuad.weights import WeightsNotFoundError, find_weights


def read_openclip_config(model_name: StrPath, pretrained: StrPath) -> dict[str, Any]:
    """Return what has to be known of a model beside its weights.

    Parameters
    ----------
    model_name : str or path-like
        A model of open_clip, or a JSON file with the configuration of one.
    pretrained : str or path-like
        A tag of the model, or weights.

    Returns
    -------
    config : dict
        ``"model"``, as open_clip has it, and ``"mean"`` and ``"std"`` of the channels.

    Raises
    ------
    ValueError
        If there is no such model; the nearest names are given.
    """
    import open_clip

    if is_config_file(model_name):
        content = _read_json(model_name)
        model = content.get("model_cfg", content)
        preprocessing = content.get("preprocess_cfg", {})
    else:
        name = library_name(model_name)
        model = open_clip.get_model_config(name)
        preprocessing = _preprocessing(name, pretrained)
        # Some of the tags were trained with another activation than the model's own.
        if preprocessing.get("quick_gelu"):
            model["quick_gelu"] = True
    return {
        "model": model,
        "mean": list(preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN)),
        "std": list(preprocessing.get("std", open_clip.OPENAI_DATASET_STD)),
    }


def find_openclip_weights(model_name: StrPath, pretrained: StrPath) -> Path:
    """Find the weights of a model, without a network.

    Parameters
    ----------
    model_name : str or path-like
        A model of open_clip, or a JSON file.
    pretrained : str or path-like
        A path, a name for `skuad.weights.find_weights`, or a tag of the model: a file
        ``MODEL.TAG.safetensors`` (or another suffix) in one of skuad's folders, or what
        open_clip has downloaded before.

    Raises
    ------
    WeightsNotFoundError
        If there are none; the message says which file to fetch.
    """
    if is_config_file(model_name):
        return find_weights(pretrained)
    name, tag = library_name(model_name), os.fspath(pretrained)
    published = _tag_config(name, tag)
    if not published:
        return find_weights(pretrained, advice=_known_tags(name, tag))
    try:
        return find_weights(f"{name}.{tag}")
    except WeightsNotFoundError:
        found = _cached_by_hub(published) or _cached_by_url(published)
    if found is not None:
        return found
    return find_weights(f"{name}.{tag}", advice=_where_published(published))


def is_config_file(model_name: StrPath) -> bool:
    """Whether a model is given by a file with its configuration."""
    return os.fspath(model_name).endswith(".json")


def library_name(model_name: StrPath) -> str:
    """Return the name of a model as open_clip has it."""
    import open_clip

    name = os.fspath(model_name).replace("/", "-")
    known = open_clip.list_models()
    if name not in known:
        by_lower = {other.lower(): other for other in known}
        near = difflib.get_close_matches(name.lower(), by_lower, 3, 0.5)
        near = [by_lower[other] for other in near]
        raise ValueError(
            f"open_clip has no model {os.fspath(model_name)!r}"
            + (f": did you mean {' or '.join(near)}?" if near else "")
            + " A JSON file with a model's configuration will do as well"
        )
    return name


def _read_json(path: StrPath) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    model = content.get("model_cfg", content) if isinstance(content, dict) else {}
    for key in ("embed_dim", "vision_cfg", "text_cfg"):
        if key not in model:
            raise ValueError(
                f"{path} is no configuration of OpenCLIP: it lacks {key!r}"
            )
    return content


def _tag_config(name: str, tag: str) -> dict[str, Any]:
    from open_clip.pretrained import get_pretrained_cfg

    return get_pretrained_cfg(name, tag)


def _preprocessing(name: str, pretrained: StrPath) -> dict[str, Any]:
    """Return mean and std of a tag; of a file, those that the model's tags agree on."""
    import open_clip

    published = _tag_config(name, os.fspath(pretrained))
    if published:
        return published
    tags = open_clip.list_pretrained_tags_by_model(name)
    values = {(c["mean"], c["std"]) for c in (_tag_config(name, tag) for tag in tags)}
    return dict(zip(("mean", "std"), *values, strict=True)) if len(values) == 1 else {}


def _cached_by_hub(published: dict[str, Any]) -> Path | None:
    if not published.get("hf_hub"):
        return None
    from huggingface_hub import try_to_load_from_cache

    repository, files = _files_on_hub(published)
    for file in files:
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str):
            return Path(path)
    return None


def _files_on_hub(published: dict[str, Any]) -> tuple[str, list[str]]:
    repository, file = os.path.split(published["hf_hub"])
    if file:
        return repository, [os.path.splitext(file)[0] + ".safetensors", file]
    names = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
    return repository, list(names)


def _cached_by_url(published: dict[str, Any]) -> Path | None:
    # OpenAI's own files are TorchScript archives: code, not tensors by name.
    if not published.get("url") or "openaipublic" in published["url"]:
        return None
    path = Path("~/.cache/clip", os.path.basename(published["url"])).expanduser()
    return path if path.is_file() else None


def _where_published(published: dict[str, Any]) -> str:
    if published.get("hf_hub"):
        repository, files = _files_on_hub(published)
        return f"The file is {files[0]} of https://huggingface.co/{repository}. "
    return f"The file is {published['url']}. "


def _known_tags(name: str, tag: str) -> str:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(name)
    if not tags:
        return f"open_clip knows no weights of {name}. "
    near = difflib.get_close_matches(tag, tags, 3, 0.5) or sorted(tags)
    return f"open_clip's tags of {name} are such as {', '.join(near)}. "
