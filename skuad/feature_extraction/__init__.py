"""Images to patch features."""

from skuad.feature_extraction._feature_map import FeatureMap
from skuad.feature_extraction._filter_bank import filter_bank
from skuad.feature_extraction._filter_bank_embedder import FilterBankEmbedder
from skuad.feature_extraction._grid import coverage, grid_shape, upsample_map
from skuad.feature_extraction._openclip_embedder import OpenCLIPEmbedder
from skuad.feature_extraction._timm_embedder import TimmEmbedder

__all__ = [
    "FeatureMap",
    "FilterBankEmbedder",
    "OpenCLIPEmbedder",
    "TimmEmbedder",
    "coverage",
    "filter_bank",
    "grid_shape",
    "upsample_map",
]
