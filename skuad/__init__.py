"""Unsupervised anomaly detection on industrial images, as scikit-learn estimators."""

__version__ = "0.3.0"
