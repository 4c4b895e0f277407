"""The estimators that an estimator is made of."""

from collections.abc import Iterable, Iterator
from typing import Any

from sklearn.base import BaseEstimator


def parts(value: Any, seen: set[int] | None = None) -> Iterator[BaseEstimator]:
    """Yield an estimator and every one in its attributes, each object once.

    Parameters
    ----------
    value : estimator, or dict, list or tuple with estimators
        A detector, a pipeline, a search, ...
    seen : set of int or None, default=None
        What was met already.

    Yields
    ------
    estimator
    """
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    if isinstance(value, BaseEstimator):
        seen.add(id(value))
        yield value
        inner: Iterable[Any] = vars(value).values()
    elif isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    else:
        return
    for part in inner:
        yield from parts(part, seen)
