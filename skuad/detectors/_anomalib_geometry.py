"""Which part of an image a network of anomalib sees, and its map at the image's size."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.feature_extraction import upsample_map

#: The part of an image that a network sees: top, left, bottom and right.
Box: TypeAlias = tuple[int, int, int, int]
#: What a network says of an image: its map at the image's size, if any, and its score.
RawResult: TypeAlias = tuple[NDArray[np.float32] | None, float]

_CROPS = ("CenterCrop", "ExportableCenterCrop")
_PADS = ("SquarePad",)


def transform_steps(transform: Any) -> list[Any]:
    """List the steps of a transform of torchvision, nested ones too."""
    if transform is None:
        return []
    if type(transform).__name__ == "Compose":
        return [step for part in transform.transforms for step in transform_steps(part)]
    return [transform]


def with_image_size(transform: Any, image_size: int | Sequence[int]) -> Any:
    """Return a transform that resizes the whole image to another size, without a crop.

    Parameters
    ----------
    transform : torchvision transform or None
        What the checkpoint was trained with; its normalisation is kept.
    image_size : int or (int, int)
        Side of a square, or height and width, in pixels.
    """
    from torchvision.transforms import v2

    steps = transform_steps(transform)
    resizes = [step for step in steps if isinstance(step, v2.Resize)]
    how: dict[str, Any] = {"antialias": True}
    if resizes:
        how["interpolation"] = resizes[0].interpolation
        how["antialias"] = resizes[0].antialias
    if isinstance(image_size, int | np.integer):
        image_size = (image_size, image_size)
    kept = [
        step
        for step in steps
        if step not in resizes and type(step).__name__ not in _CROPS + _PADS
    ]
    return v2.Compose([v2.Resize([int(side) for side in image_size], **how), *kept])


def seen_box(steps: list[Any], image_shape: tuple[int, int]) -> Box:
    """Return the box of the image that a chain of transforms keeps.

    Parameters
    ----------
    steps : list of transforms
        See `transform_steps`.
    image_shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    box : (y0, x0, y1, x1)
        In pixels of the image, with exclusive ends. A padded image reaches outside.
    """
    import torch

    start, scale = np.zeros(2), np.ones(2)
    size = np.array(image_shape)
    for step in steps:
        kind = type(step).__name__
        shape = torch.Size([1, 3, *size.tolist()])
        after = np.array(step(torch.zeros(shape)).shape[-2:])
        if kind in _CROPS + _PADS:
            margin = size - after
            cut = np.where(margin > 0, np.round(margin / 2), -(-margin // 2))
            start = start + cut * scale
        else:
            scale = scale * size / after
        size = after
    ends = np.round(np.concatenate([start, start + size * scale])).astype(int)
    y0, x0, y1, x1 = ends.tolist()
    return y0, x0, y1, x1


def map_at_image_size(
    anomaly_map: NDArray[np.float32], image_shape: tuple[int, int], box: Box
) -> NDArray[np.float32]:
    """Resize a network's map to the part of the image that it saw.

    Parameters
    ----------
    anomaly_map : ndarray of float32 of shape (h, w)
        At the network's size.
    image_shape : (int, int)
        Height and width of the image.
    box : (y0, x0, y1, x1)
        What the network saw, see `seen_box`.

    Returns
    -------
    anomaly_map : ndarray of float32 of shape (H, W)
        Bilinear where it grows, averaged over areas where it shrinks. Pixels that the
        network did not see are zero, or the lowest value of the map if it is negative.
    """
    y0, x0, y1, x1 = box
    resized = _resize(anomaly_map, (max(y1 - y0, 1), max(x1 - x0, 1)))
    height, width = image_shape
    if box == (0, 0, height, width):
        return resized
    unseen = min(float(anomaly_map.min()), 0.0)
    full = np.full(image_shape, unseen, np.float32)
    top, left = max(y0, 0), max(x0, 0)
    part = resized[top - y0 : height - y0, left - x0 : width - x0]
    full[top : top + part.shape[0], left : left + part.shape[1]] = part
    return full


def _resize(
    anomaly_map: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Resize; bilinear interpolation alone would miss peaks where the map shrinks."""
    anomaly_map = np.ascontiguousarray(anomaly_map, np.float32)
    height, width = np.minimum(anomaly_map.shape, shape).tolist()
    if (height, width) != anomaly_map.shape:
        shrunk = cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_AREA)
        return upsample_map(shrunk, shape)
    return upsample_map(anomaly_map, shape)
