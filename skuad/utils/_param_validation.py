"""The private names of scikit-learn that skuad uses, in one place."""

from sklearn.base import _fit_context
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)

__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "StrOptions",
    "_MultimetricScorer",
    "_fit_context",
    "validate_parameter_constraints",
    "validate_params",
]
