"""Image preprocessing: white balance, homomorphic filtering, tiling."""

from skuad.preprocessing._tiling import extract_tile, iter_tile_coords, stitch_maps

__all__ = ["extract_tile", "iter_tile_coords", "stitch_maps"]
