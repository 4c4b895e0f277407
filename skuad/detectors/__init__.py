"""Detectors: an anomaly map and a score for every image."""

from skuad.detectors._augmented import Augmented
from skuad.detectors._patch import PatchDetector
from skuad.detectors._patch_knn import PatchKNN
from skuad.detectors._region_of_interest import RegionOfInterest
from skuad.detectors._tiled import Tiled

__all__ = ["Augmented", "PatchDetector", "PatchKNN", "RegionOfInterest", "Tiled"]
