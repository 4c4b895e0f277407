"""Thresholds of a checkpoint, in the units of its raw scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PREFIX = "post_processor."


@dataclass(frozen=True)
class Thresholds:
    """Raw scores above these are anomalous; NaN where the checkpoint has none."""

    image: float = float("nan")
    pixel: float = float("nan")


def thresholds_of(
    state_dict: Mapping[str, Any], settings: Mapping[str, Any]
) -> Thresholds:
    """Return the thresholds that anomalib's post-processor decides by.

    anomalib flags an image if its score, moved by the threshold and divided by the range
    of scores seen in validation, exceeds one minus the sensitivity. This is a threshold
    on the raw score. Where one of image and pixel threshold lacks, the other stands in.

    Parameters
    ----------
    state_dict : dict of str to tensor
        Of the whole module, with the buffers ``post_processor.*``.
    settings : dict
        The post-processor's settings; by default sensitivities of 0.5, which move
        nothing.

    Returns
    -------
    Thresholds
    """
    nan = float("nan")

    def buffer(name: str) -> float:
        return float(state_dict.get(_PREFIX + name, nan))

    raw = {kind: buffer(f"_{kind}_threshold") for kind in ("image", "pixel")}
    if settings.get("enable_threshold_matching", True):
        image, pixel = raw["image"], raw["pixel"]
        raw = {
            "image": pixel if image != image else image,
            "pixel": image if pixel != pixel else pixel,
        }
    if settings.get("enable_normalization", True):
        for kind in raw:
            moved = 0.5 - settings.get(f"{kind}_sensitivity", 0.5)
            if moved:
                raw[kind] += moved * (buffer(f"{kind}_max") - buffer(f"{kind}_min"))
    return Thresholds(**raw)


def settings_of(post_processor: Any) -> dict[str, Any]:
    """Return the settings of a post-processor, as a checkpoint would hold them."""
    names = (
        "enable_threshold_matching",
        "enable_normalization",
        "image_sensitivity",
        "pixel_sensitivity",
    )
    return {
        name: getattr(post_processor, name)
        for name in names
        if hasattr(post_processor, name)
    }
