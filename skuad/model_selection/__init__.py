"""Splitters that train on good images only, and benchmarks over data sets."""

from skuad.model_selection._benchmark import BenchmarkError, run_benchmark
from skuad.model_selection._kfold import GoodTrainKFold
from skuad.model_selection._predefined import GoodTrainPredefinedSplit
from skuad.model_selection._shuffle import GoodTrainShuffleSplit

__all__ = [
    "BenchmarkError",
    "GoodTrainKFold",
    "GoodTrainPredefinedSplit",
    "GoodTrainShuffleSplit",
    "run_benchmark",
]
