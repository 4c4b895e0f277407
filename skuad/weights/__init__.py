"""Files of network weights: where they are looked for, and what a detector keeps of them.

Nothing is ever downloaded, and no network runs on random weights by accident.
"""

from skuad.weights._find import (
    WeightsNotFoundError,
    find_weights,
    weights_folders,
)
from skuad.weights._holder import (
    WeightsChangedError,
    WeightsHolder,
    check_weights,
    relocate_weights,
)
from skuad.weights._packages import PACKAGES, WeightsPackage
from skuad.weights._store import WeightsRecord, add_weights, list_weights

__all__ = [
    "PACKAGES",
    "WeightsChangedError",
    "WeightsHolder",
    "WeightsNotFoundError",
    "WeightsPackage",
    "WeightsRecord",
    "add_weights",
    "check_weights",
    "find_weights",
    "list_weights",
    "relocate_weights",
    "weights_folders",
]
