"""Coresets and exact nearest-neighbour search: estimators and functions of rows."""

from skuad.neighbors._coreset import k_center_greedy, random_coreset
from skuad.neighbors._detector import NearestNeighborDetector
from skuad.neighbors._exact import nearest_neighbors
from skuad.neighbors._reweight import reweighted_distance

__all__ = [
    "NearestNeighborDetector",
    "k_center_greedy",
    "nearest_neighbors",
    "random_coreset",
    "reweighted_distance",
]
