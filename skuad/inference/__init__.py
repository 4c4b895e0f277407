"""Scores, decisions and maps out of any fitted detector, ours or another."""

from skuad.base import threshold_of
from skuad.inference._infer import Inference, infer, infer_stream
from skuad.inference._regions import regions_of
from skuad.inference._warm_up import warm_up

__all__ = [
    "Inference",
    "infer",
    "infer_stream",
    "regions_of",
    "threshold_of",
    "warm_up",
]
