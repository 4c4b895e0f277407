"""Promises about false alarms, and whether they still hold."""

from skuad.calibration._conformal import ConformalDetector
from skuad.calibration._drift import DriftMonitor
from skuad.calibration._rates import achievable_rates

__all__ = ["ConformalDetector", "DriftMonitor", "achievable_rates"]
