"""Images to patch features."""

from skuad.feature_extraction._feature_map import FeatureMap
from skuad.feature_extraction._grid import coverage, grid_shape, upsample_map

__all__ = ["FeatureMap", "coverage", "grid_shape", "upsample_map"]
