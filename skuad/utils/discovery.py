"""Find the estimators of the library."""

import inspect
import pkgutil
from importlib import import_module

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
    >>> [name for name, _ in all_estimators() if name.startswith("Patch")]
    ['PatchDetector', 'PatchKNN']
    """
    found = {}
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and issubclass(value, BaseEstimator):
                found[name] = value
    return sorted(found.items())


def public_modules() -> list:
    """Import the public subpackages and modules, and list them."""
    import skuad

    return [
        import_module(f"skuad.{info.name}")
        for info in pkgutil.iter_modules(skuad.__path__)
        if not info.name.startswith("_") and info.name not in _NOT_SEARCHED
    ]
