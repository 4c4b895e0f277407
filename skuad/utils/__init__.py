"""What every part of the library shares."""

from skuad.utils._thresholds import (
    CalibrationWarning,
    false_alarm_offset,
    images_needed,
)

__all__ = ["CalibrationWarning", "false_alarm_offset", "images_needed"]
