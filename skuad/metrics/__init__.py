"""Metrics of anomaly maps and of image scores, exact with ties."""

from skuad.metrics._accumulator import MapMetrics, map_metrics
from skuad.metrics._aupimo import aupimo_score
from skuad.metrics._breakdown import metrics_by_image, metrics_by_type
from skuad.metrics._curves import pixel_roc_curve, pro_curve
from skuad.metrics._image import (
    image_average_precision_score,
    image_f1_max_score,
    image_roc_auc_score,
)
from skuad.metrics._pixel import (
    aupro_score,
    pixel_average_precision_score,
    pixel_f1_max_score,
    pixel_roc_auc_score,
    seg_f1_score,
)
from skuad.metrics._scorers import (
    aupimo_scorer,
    aupro_scorer,
    get_map_scorer,
    get_map_scorer_names,
    image_average_precision_scorer,
    image_f1_max_scorer,
    image_roc_auc_scorer,
    make_map_scorer,
    pixel_average_precision_scorer,
    pixel_f1_max_scorer,
    pixel_roc_auc_scorer,
)
from skuad.metrics._spro import au_spro_score, saturation_areas

__all__ = [
    "MapMetrics",
    "au_spro_score",
    "aupimo_score",
    "aupimo_scorer",
    "aupro_score",
    "aupro_scorer",
    "get_map_scorer",
    "get_map_scorer_names",
    "image_average_precision_score",
    "image_average_precision_scorer",
    "image_f1_max_score",
    "image_f1_max_scorer",
    "image_roc_auc_score",
    "image_roc_auc_scorer",
    "make_map_scorer",
    "map_metrics",
    "metrics_by_image",
    "metrics_by_type",
    "pixel_average_precision_score",
    "pixel_average_precision_scorer",
    "pixel_f1_max_score",
    "pixel_f1_max_scorer",
    "pixel_roc_auc_score",
    "pixel_roc_auc_scorer",
    "pixel_roc_curve",
    "pro_curve",
    "saturation_areas",
    "seg_f1_score",
]
