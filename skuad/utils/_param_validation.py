"""The private names of scikit-learn that skuad uses, in one place."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sklearn import base
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.utils import _param_validation
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
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

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _FitContext(Protocol):
    def __call__(
        self, *, prefer_skip_nested_validation: bool
    ) -> Callable[[_Function], _Function]: ...


class _ValidateParams(Protocol):
    def __call__(
        self,
        parameter_constraints: dict[str, Any],
        *,
        prefer_skip_nested_validation: bool,
    ) -> Callable[[_Function], _Function]: ...


# scikit-learn has no type hints: without these, what is decorated would lose its own.
_fit_context: _FitContext = base._fit_context
validate_params: _ValidateParams = _param_validation.validate_params
