"""Find the estimators of the library."""

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

from sklearn.base import BaseEstimator

_NOT_SEARCHED = {"base", "cli", "utils"}


def all_estimators() -> list[tuple[str, type]]:
    """List the public estimators.

    Returns
    -------
    estimators : list of (name, class)
        Sorted by name.

    Examples
    --------
    >>> from skuad.utils.discovery import all_estimators
    >>> [name for name, _ in all_estimators() if name.startswith("Gray")]
    ['GrayWorld']
    """
    found = {}
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and issubclass(value, BaseEstimator):
                found[name] = value
    return sorted(found.items())


def public_modules() -> list[ModuleType]:
    """Import the public subpackages and modules, and list them."""
    import skuad

    return [
        import_module(f"skuad.{info.name}")
        for info in pkgutil.iter_modules(skuad.__path__)
        if not info.name.startswith("_") and info.name not in _NOT_SEARCHED
    ]


def trusted_types() -> list[str]:
    """List the types of skuad that a saved estimator may hold.

    They are what `skops.io.load` wants as `trusted`; whatever else a file holds is then
    refused, and named.

    Returns
    -------
    names : list of str
        Full names of all estimators of skuad, those inside others included.

    Examples
    --------
    >>> from skuad.utils import trusted_types
    >>> "skuad.detectors._patch_knn.PatchKNN" in trusted_types()
    True
    """
    public_modules()
    found, waiting = set(), [BaseEstimator]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        waiting += kinds
        found |= {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds}
    return sorted(name for name in found if name.startswith("skuad."))
