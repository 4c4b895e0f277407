"""Pictures of images and their anomaly maps."""

from skuad.inspection._drift_display import DriftDisplay
from skuad.inspection._map_display import AnomalyMapDisplay
from skuad.inspection._overlay import displayable, montage, overlay, panel
from skuad.inspection._pro_curve_display import ProCurveDisplay
from skuad.inspection._robustness_display import RobustnessDisplay
from skuad.inspection._roc_curve_display import PixelRocCurveDisplay

__all__ = [
    "AnomalyMapDisplay",
    "DriftDisplay",
    "PixelRocCurveDisplay",
    "ProCurveDisplay",
    "RobustnessDisplay",
    "displayable",
    "montage",
    "overlay",
    "panel",
]
