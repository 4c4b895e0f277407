"""A network that turns images of any sizes into grids of patch features."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.io._scale import unit_float
from skuad.utils._typing import Array

if TYPE_CHECKING:
    import torch
    from typing_extensions import Self

Layers: TypeAlias = Sequence[int] | None
Merge: TypeAlias = Literal["concatenate", "mean"]


class PatchNetwork(ABC):
    """A network that turns a batch of images into grids of patch features.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    mean, std : sequence of 3 floats
        Of the channels of the images that the network was trained on, in [0, 1].
    reductions : list of int
        Stride of every layer, in pixels.
    """

    def __init__(
        self,
        model: Any,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        reductions: Sequence[int],
    ):
        self.model = model
        self.mean, self.std = mean, std
        self.reductions = list(reductions)
        self.is_grid_of_tokens = len(set(self.reductions)) == 1
        self.default_average = 1 if self.is_grid_of_tokens else 3

    @abstractmethod
    def default_layers(self) -> list[int]:
        """Return the indices of the layers that are used unless others are asked for."""

    @abstractmethod
    def grids(self, x: torch.Tensor, layers: Layers) -> list[torch.Tensor]:
        """Return the features of the layers, as a list of (B, C, h, w)."""

    def resolve_layers(self, layers: Layers) -> list[int]:
        """Return the indices of layers, ascending and not negative."""
        n_layers = len(self.reductions)
        chosen = self.default_layers() if layers is None else list(layers)
        if not chosen:
            raise ValueError("layers is empty: name at least one, or give None")
        for layer in chosen:
            if not isinstance(layer, Integral) or not -n_layers <= layer < n_layers:
                raise ValueError(
                    f"layers={chosen} has {layer}, but this network has the layers "
                    f"0 to {n_layers - 1}, of strides {self.reductions}"
                )
        return sorted({layer % n_layers for layer in chosen})

    def layers_of_strides(self, *strides: int) -> list[int]:
        """Return the indices of the layers of these strides, in pixels."""
        return [i for i, r in enumerate(self.reductions) if r in strides]

    def stride(self, layers: Layers) -> int:
        """Return the coarsest stride of these layers: inputs are multiples of it."""
        return max(self.reductions[layer] for layer in self.resolve_layers(layers))

    def to(self, device: str, dtype: str) -> Self:
        """Move the network; return it."""
        import torch

        self.device, self.dtype = torch.device(device), getattr(torch, dtype)
        self.model = self.model.to(self.device, self.dtype).eval().requires_grad_(False)
        as_planes = [torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std)]
        self._mean, self._std = (planes.to(self.device) for planes in as_planes)
        return self

    def embed(
        self,
        images: Sequence[Array],
        shape: tuple[int, int],
        *,
        layers: Layers,
        average: int | None,
        data_range: float | None = None,
        merge: Merge = "concatenate",
    ) -> list[NDArray[np.float32]]:
        """Embed images (H, W, C) of any sizes at one input size.

        Returns
        -------
        features : list of ndarray of float32 of shape (h, w, d)
        """
        import torch
        from torch.nn import functional

        average = self.default_average if average is None else average
        with torch.inference_mode():
            x = self.prepare(images, shape, data_range)
            grids = [grid.float() for grid in self.grids(x, layers)]
            if average > 1:
                grids = [
                    functional.avg_pool2d(
                        grid,
                        average,
                        stride=1,
                        padding=average // 2,
                        count_include_pad=True,
                    )
                    for grid in grids
                ]
            finest = max((grid.shape[2:] for grid in grids), key=lambda s: s[0] * s[1])
            grids = [
                grid
                if grid.shape[2:] == finest
                else functional.interpolate(grid, finest, mode="bilinear")
                for grid in grids
            ]
            features = self._merge(grids, merge).permute(0, 2, 3, 1).contiguous()
            return list(features.cpu().numpy())

    def _merge(self, grids: list[torch.Tensor], merge: Merge) -> torch.Tensor:
        """Put the features of several layers together."""
        import torch

        if merge == "concatenate":
            return torch.cat(grids, 1)
        widths = [grid.shape[1] for grid in grids]
        if len(set(widths)) > 1:
            raise ValueError(
                f"merge='mean' takes layers of one number of features, but these have "
                f"{widths}: choose other layers, or merge='concatenate'"
            )
        return torch.stack(grids).mean(0)

    def prepare(
        self,
        images: Sequence[Array],
        shape: tuple[int, int],
        data_range: float | None = None,
    ) -> torch.Tensor:
        """Return images (H, W, C) of any sizes as one input, (B, 3, h, w)."""
        import torch

        inputs = [self._as_input(image, shape, data_range) for image in images]
        return torch.cat(inputs).to(self.dtype)

    def _as_input(
        self, image: Array, shape: tuple[int, int], data_range: float | None
    ) -> torch.Tensor:
        """Resize without cropping, scale and normalise: (1, 3, h, w)."""
        import torch
        from torch.nn import functional

        _check_pixels(image)
        image = image[..., :3] if image.shape[2] == 4 else image
        # torch resizes 8-bit images several times faster than floats.
        is_8_bit = image.dtype == np.uint8
        pixels = image if is_8_bit else unit_float(image, data_range=data_range)
        x = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        x = x.permute(2, 0, 1)[None]
        if x.dtype == torch.uint8 and self.device.type != "cpu":
            x = x.float() / 255
        if tuple(x.shape[2:]) != shape:
            x = functional.interpolate(x, shape, mode="bicubic", antialias=True)
        if x.dtype == torch.uint8:
            x = x.float() / 255
        return (x.clamp(0, 1).expand(-1, 3, -1, -1) - self._mean) / self._std


def _check_pixels(image: Array) -> None:
    """Refuse what is neither gray nor colour; warn of floats beyond the unit range.

    A line scan may hold any values.
    """
    if image.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"a network takes images of 1, 3 or 4 channels (the fourth is left out), not "
            f"{image.shape[2]}: choose channels, or take FilterBankEmbedder"
        )
    if image.dtype.kind == "f" and image.shape[0] > 1:
        low, high = float(image.min()), float(image.max())
        if low < -1 or high > 2:
            warnings.warn(
                f"pixels go from {low:.4g} to {high:.4g}, but a network takes floats "
                "from 0 to 1, and what is outside is cut off: scale the images, or give "
                "them as uint8 or uint16",
                UserWarning,
                stacklevel=2,
            )
