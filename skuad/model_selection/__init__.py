"""Splitters for data of which only the good images are learnt from."""

from skuad.model_selection._kfold import GoodTrainKFold
from skuad.model_selection._predefined import GoodTrainPredefinedSplit
from skuad.model_selection._shuffle import GoodTrainShuffleSplit

__all__ = [
    "GoodTrainKFold",
    "GoodTrainPredefinedSplit",
    "GoodTrainShuffleSplit",
]
