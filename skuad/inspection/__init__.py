"""Pictures of images and their anomaly maps, and reports."""

from skuad.inspection._drift_display import DriftDisplay
from skuad.inspection._map_display import AnomalyMapDisplay
from skuad.inspection._overlay import displayable, overlay
from skuad.inspection._panel import montage, panel
from skuad.inspection._pro_curve_display import ProCurveDisplay
from skuad.inspection._report import write_report
from skuad.inspection._report_category import CategoryReport
from skuad.inspection._robustness_display import RobustnessDisplay
from skuad.inspection._roc_curve_display import PixelRocCurveDisplay

__all__ = [
    "AnomalyMapDisplay",
    "CategoryReport",
    "DriftDisplay",
    "PixelRocCurveDisplay",
    "ProCurveDisplay",
    "RobustnessDisplay",
    "displayable",
    "montage",
    "overlay",
    "panel",
    "write_report",
]
