"""Metrics of anomaly maps and of image scores, exact with ties."""

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
)

__all__ = [
    "aupro_score",
    "image_average_precision_score",
    "image_f1_max_score",
    "image_roc_auc_score",
    "pixel_average_precision_score",
    "pixel_f1_max_score",
    "pixel_roc_auc_score",
]
