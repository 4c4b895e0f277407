"""From anomaly maps to masks, regions and decisions."""

from skuad.postprocessing._decision import MapDecision, clean_mask, mask_regions
from skuad.postprocessing._smooth import SmoothMaps

__all__ = ["MapDecision", "SmoothMaps", "clean_mask", "mask_regions"]
