"""Detectors: an anomaly map and a score for every image."""

from skuad.detectors._anomalib import AnomalibCheckpointDetector
from skuad.detectors._anomalib_aliases import (
    DinomalyCheckpoint,
    EfficientAdCheckpoint,
    PadimCheckpoint,
    PatchcoreCheckpoint,
    ReverseDistillationCheckpoint,
)
from skuad.detectors._augmented import Augmented
from skuad.detectors._foreground_only import ForegroundOnly
from skuad.detectors._openclip_patch_knn import OpenCLIPPatchKNN
from skuad.detectors._openclip_prompt_score import OpenCLIPPromptScore
from skuad.detectors._padim import PaDiM
from skuad.detectors._patch import PatchDetector
from skuad.detectors._patch_knn import PatchKNN
from skuad.detectors._region_of_interest import RegionOfInterest
from skuad.detectors._registry import DetectorTags, list_detectors
from skuad.detectors._tiled import Tiled

__all__ = [
    "AnomalibCheckpointDetector",
    "Augmented",
    "DetectorTags",
    "DinomalyCheckpoint",
    "EfficientAdCheckpoint",
    "ForegroundOnly",
    "OpenCLIPPatchKNN",
    "OpenCLIPPromptScore",
    "PaDiM",
    "PadimCheckpoint",
    "PatchDetector",
    "PatchKNN",
    "PatchcoreCheckpoint",
    "RegionOfInterest",
    "ReverseDistillationCheckpoint",
    "Tiled",
    "list_detectors",
]
