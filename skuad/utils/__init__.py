"""Thresholds, threads, and types for saved files."""

from skuad.utils._threads import limit_threads
from skuad.utils._thresholds import (
    CalibrationWarning,
    false_alarm_offset,
    images_needed,
)
from skuad.utils.discovery import trusted_types

__all__ = [
    "CalibrationWarning",
    "false_alarm_offset",
    "images_needed",
    "limit_threads",
    "trusted_types",
]
