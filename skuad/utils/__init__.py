"""What every part of the library shares."""

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
    "trusted_types",
]
