"""Image towers of OpenCLIP as patch networks, at any image size."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skuad.feature_extraction._patch_network import Layers, PatchNetwork
from skuad.weights._holder import WeightsSource
from skuad.weights._read import load_strictly, read_state_dict

if TYPE_CHECKING:
    import torch

_MAX_SIZES = 8
# open_clip builds both towers at once; the one that is not wanted costs nothing.
NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}
NO_VISION = {"image_size": 1, "patch_size": 1, "width": 64, "layers": 1}


class OpenCLIPNetwork(PatchNetwork):
    """An image tower of OpenCLIP: a native ViT, a ResNet or a backbone of timm."""

    def __init__(self, tower: Any, *, mean: Sequence[float], std: Sequence[float]):
        super().__init__(tower, mean=mean, std=std, reductions=_reductions(tower))
        pooler = getattr(tower, "attn_pool", None)
        # The last norm of a tower that pools by attention belongs to the pooled tokens.
        self.is_normalized = self.is_grid_of_tokens and pooler is None
        self._towers: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._lock = threading.Lock()

    def default_layers(self) -> list[int]:
        """Return the blocks at half and three quarters of a ViT, strides 8 and 16."""
        if not self.is_grid_of_tokens:
            return self.layers_of_strides(8, 16)
        depth = len(self.reductions)
        return [max(0, depth // 2 - 1), max(0, 3 * depth // 4 - 1)]

    def grids(self, x: torch.Tensor, layers: Layers) -> list[torch.Tensor]:
        """Return the features of the layers, as a list of (B, C, h, w)."""
        return self.tower(x.shape[2:]).forward_intermediates(
            x,
            indices=self.resolve_layers(layers),
            # open_clip 3.3 has it the wrong way round for a ResNet.
            stop_early=not hasattr(self.model, "attnpool"),
            normalize_intermediates=self.is_normalized,
            intermediates_only=True,
            output_fmt="NCHW",
        )["image_intermediates"]

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the images that the tower is made for."""
        return _pair(self.model.image_size)

    def tower(self, shape: Sequence[int]) -> Any:
        """Return the tower for inputs of this height and width.

        It shares its weights with the original but for the tables of positions, which
        are resampled from the original's: towers of several sizes can run at once.
        """
        size = _pair(shape)
        with self._lock:
            if size not in self._towers:
                self._towers[size] = _resized(self.model, size)
            self._towers.move_to_end(size)
            while len(self._towers) > _MAX_SIZES:
                self._towers.popitem(last=False)
            return self._towers[size]


def build_openclip_network(
    config: dict[str, Any], source: WeightsSource
) -> OpenCLIPNetwork:
    """Build an image tower and load its weights strictly; text is left out."""
    tower = create_tower(config["model"])
    state_dict = read_openclip_weights(source)
    prefix = "visual."
    state_dict = {
        name.removeprefix(prefix): tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }
    load_strictly(tower, state_dict, source)
    return OpenCLIPNetwork(tower, mean=config["mean"], std=config["std"])


def create_tower(model: dict[str, Any]) -> Any:
    """Create the image tower of a model's configuration; weights are random."""
    import open_clip

    vision = {**model["vision_cfg"], "timm_model_pretrained": False}
    quick_gelu = model.get("quick_gelu", False)
    return open_clip.CLIP(
        model["embed_dim"], vision, NO_TEXT, quick_gelu=quick_gelu
    ).visual


def read_openclip_weights(source: WeightsSource) -> dict[str, torch.Tensor]:
    """Read the tensors of both towers by name; see `read_state_dict`."""
    state_dict = read_state_dict(source)
    return {name.removeprefix("module."): value for name, value in state_dict.items()}


def _reductions(tower: Any) -> list[int]:
    if hasattr(tower, "trunk"):
        return [info["reduction"] for info in tower.trunk.feature_info]
    if hasattr(tower, "transformer"):
        return [max(tower.patch_size)] * len(tower.transformer.resblocks)
    return [4, 4, 8, 16, 32]


def _resized(tower: Any, shape: tuple[int, int]) -> Any:
    """Copy a tower for inputs of another size; weights are shared."""
    shared = {id(parameter): parameter for parameter in tower.parameters()}
    tower = copy.deepcopy(tower, shared)
    if hasattr(tower, "trunk"):
        tower.set_input_size(shape)
    elif hasattr(tower, "transformer"):
        grid = tuple(
            side // patch for side, patch in zip(shape, tower.patch_size, strict=True)
        )
        _resample_positions(tower, tuple(tower.grid_size), grid)
        tower.grid_size, tower.image_size = grid, shape
    else:
        own = tuple(side // 32 for side in _pair(tower.image_size))
        _resample_positions(tower.attnpool, own, tuple(side // 32 for side in shape))
        tower.image_size = shape
    return tower


def _resample_positions(
    module: Any, old_grid: tuple[int, ...], new_grid: tuple[int, ...]
) -> None:
    """Resample a table of positions, its first row apart, as open_clip does."""
    import torch
    from torch.nn import functional

    if old_grid == new_grid:
        return
    table = module.positional_embedding
    grid = table[1:].float().reshape(1, *old_grid, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, new_grid, mode="bicubic", antialias=True)
    rows = grid.permute(0, 2, 3, 1).reshape(-1, table.shape[1]).to(table.dtype)
    module.positional_embedding = torch.nn.Parameter(
        torch.cat([table[:1], rows]), requires_grad=False
    )


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width
