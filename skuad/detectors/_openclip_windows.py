"""What OpenCLIP sees at every place of an image, in the space that it shares with text."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from skuad.feature_extraction._openclip import OpenCLIPNetwork

# Of the softmax over the two texts, as in WinCLIP.
_TEMPERATURE = 0.07


def image_and_patch_features(
    network: OpenCLIPNetwork, x: torch.Tensor, windows: Sequence[int]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Features of images and of their places, comparable to those of text.

    Parameters
    ----------
    network : OpenCLIPNetwork
        The image tower.
    x : torch.Tensor of shape (B, 3, H, W)
        Images, normalised.
    windows : list of int
        Sides of windows, in patches; empty for the patches themselves.

    Returns
    -------
    of_image : torch.Tensor of shape (B, d)
    of_places : list of torch.Tensor of shape (B, n, m, d)
        Per side of windows, one vector for each position of a window; or one tensor with
        a vector for each patch.

    Notes
    -----
    A window is seen as in WinCLIP: all tokens outside of it are left out, and the class
    token is taken. Patches alone are seen by a transformer of open_clip through its last
    half of blocks with values that attend to values, as in CLIP Surgery; by any other
    tower as if the patch filled the image.
    """
    import torch

    tower = network.tower(x.shape[2:])
    if hasattr(tower, "trunk"):
        return _of_timm(tower, x, max(network.reductions))
    if hasattr(tower, "attnpool"):
        return _of_resnet(tower, x)
    tokens, grid = tower._embeds(x), tower.grid_size
    if not windows:
        last, local = _values_to_values(tower.transformer.resblocks, tokens)
        # Pooled alone, a patch is seen as if it filled the image.
        alone = local[:, 1:].flatten(0, 1)[:, None].expand(-1, 2, -1)
        return _pooled(tower, last), [_pooled(tower, alone).unflatten(0, (-1, *grid))]
    of_places = []
    for side in windows:
        numbers, shape = window_numbers(grid, side)
        inside = tokens[:, 1 + torch.tensor(numbers, device=x.device)]
        first = tokens[:, None, :1].expand(-1, len(numbers), -1, -1)
        seen = torch.cat([first, inside], 2).flatten(0, 1)
        features = _pooled(tower, tower.transformer(seen))
        of_places.append(features.unflatten(0, (len(tokens), *shape)))
    return _pooled(tower, tower.transformer(tokens)), of_places


def window_numbers(
    grid: tuple[int, int], side: int
) -> tuple[list[list[int]], tuple[int, int]]:
    """List the patches in every window on a grid, by number.

    Returns
    -------
    numbers : list of list of int
        One list per window, row by row.
    shape : tuple of int
        Number of windows down and across. A window is no larger than the grid.
    """
    height, width = grid
    down, across = min(side, height), min(side, width)
    shape = height - down + 1, width - across + 1
    numbers = [
        [(top + i) * width + left + j for i, j in product(range(down), range(across))]
        for top, left in product(range(shape[0]), range(shape[1]))
    ]
    return numbers, shape


def mean_over_windows(scores: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Harmonic mean, for each patch, over the windows that it lies in.

    Parameters
    ----------
    scores : torch.Tensor of shape (B, n, m)
        Of windows at every position; above 0.
    grid : tuple of int
        Height and width of the grid of patches.

    Returns
    -------
    means : torch.Tensor of shape (B, h, w)
    """
    import torch
    from torch.nn import functional

    down, across = grid[0] - scores.shape[1] + 1, grid[1] - scores.shape[2] + 1
    spread = torch.ones(1, 1, down, across, device=scores.device)
    both = torch.stack([1 / scores, torch.ones_like(scores)], 1).flatten(0, 1)
    total = functional.conv_transpose2d(both[:, None], spread)[:, 0].unflatten(
        0, (-1, 2)
    )
    return total[:, 1] / total[:, 0]


def anomalous_share(features: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Return the softmax of the similarities with two texts, at the second one."""
    import torch
    from torch.nn import functional

    similarity = functional.normalize(features.float(), dim=-1) @ texts.T
    return torch.sigmoid((similarity[..., 1] - similarity[..., 0]) / _TEMPERATURE)


def _pooled(tower: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Pool a transformer's tokens and project them into the space of text."""
    return tower._pool(tokens)[0] @ tower.proj


def _values_to_values(
    blocks: Any, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the last tokens, and those of a path that stays in place.

    On that path the last half of the blocks only add what attention of values to values
    brings, by the values of the path that the network was trained on.
    """
    from torch.nn import functional

    n_first = len(blocks) // 2
    for block in blocks[:n_first]:
        tokens = block(tokens)
    local = tokens
    for block in blocks[n_first:]:
        attention = block.attn
        weight = attention.in_proj_weight.chunk(3)[2]
        bias = attention.in_proj_bias.chunk(3)[2]
        values = functional.linear(block.ln_1(tokens), weight, bias)
        heads = values.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)
        heads = functional.scaled_dot_product_attention(heads, heads, heads)
        local = local + block.ls_1(attention.out_proj(heads.transpose(1, 2).flatten(2)))
        tokens = block(tokens)
    return tokens, local


def _of_timm(
    tower: Any, x: torch.Tensor, stride: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    trunk = tower.trunk
    features = trunk.forward_features(x)
    if features.ndim == 3:
        n_first = trunk.num_prefix_tokens
        grid = x.shape[2] // stride, x.shape[3] // stride
        # As many first tokens as the pooling expects.
        alone = features[:, n_first:].flatten(0, 1)[:, None].expand(-1, n_first + 1, -1)
    elif getattr(trunk, "output_fmt", "NCHW") == "NHWC":
        grid = features.shape[1:3]
        alone = features.flatten(0, 2)[:, None, None]
    else:
        grid = features.shape[2:]
        alone = features.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None]
    of_image, of_patches = (
        tower.head(trunk.forward_head(one)) for one in (features, alone)
    )
    return of_image, [of_patches.unflatten(0, (len(x), *grid))]


def _of_resnet(tower: Any, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    output = tower.forward_intermediates(x, indices=[4])
    grid = output["image_intermediates"][0].permute(0, 2, 3, 1)
    # Attention on one place alone gives its value.
    pooling = tower.attnpool
    return output["image_features"], [pooling.c_proj(pooling.v_proj(grid))]
