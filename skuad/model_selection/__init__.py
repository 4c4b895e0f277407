"""Splitters that train on good images only, and benchmarks over data sets."""

from skuad.model_selection._benchmark import run_benchmark
from skuad.model_selection._benchmark_errors import BenchmarkError
from skuad.model_selection._kfold import GoodTrainKFold
from skuad.model_selection._predefined import GoodTrainPredefinedSplit
from skuad.model_selection._robustness import (
    RobustnessResult,
    robustness_by_condition,
    robustness_curve,
)
from skuad.model_selection._shuffle import GoodTrainShuffleSplit

__all__ = [
    "BenchmarkError",
    "GoodTrainKFold",
    "GoodTrainPredefinedSplit",
    "GoodTrainShuffleSplit",
    "RobustnessResult",
    "robustness_by_condition",
    "robustness_curve",
    "run_benchmark",
]
