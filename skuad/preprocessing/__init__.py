"""Image preprocessing: white balance, homomorphic filtering, tiling."""

from skuad.preprocessing._gains import (
    apply_channel_gains,
    gray_world_white_balance,
    max_rgb_white_balance,
)
from skuad.preprocessing._homomorphic import HomomorphicFilter
from skuad.preprocessing._homomorphic_filter import homomorphic_filter
from skuad.preprocessing._stitching import stitch_maps
from skuad.preprocessing._tile_stack import TileStack
from skuad.preprocessing._tiler import Tiler
from skuad.preprocessing._tiling import extract_tile, iter_tile_coords
from skuad.preprocessing._white_balance import GrayWorld, MaxRGB, WhiteBalance

__all__ = [
    "GrayWorld",
    "HomomorphicFilter",
    "MaxRGB",
    "TileStack",
    "Tiler",
    "WhiteBalance",
    "apply_channel_gains",
    "extract_tile",
    "gray_world_white_balance",
    "homomorphic_filter",
    "iter_tile_coords",
    "max_rgb_white_balance",
    "stitch_maps",
]
