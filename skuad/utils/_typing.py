"""Names for what public signatures take and return."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: A path, as `open` takes it.
StrPath: TypeAlias = str | PathLike[str]
#: An array whose dtype is not stated.
Array: TypeAlias = NDArray[Any]
#: An array of float32 or float64.
FloatArray: TypeAlias = NDArray[np.floating[Any]]
#: An array of integers of any width.
IntArray: TypeAlias = NDArray[np.integer[Any]]
#: Row numbers.
IndexArray: TypeAlias = NDArray[np.intp]
#: What draws random numbers, as scikit-learn takes it.
RandomStateLike: TypeAlias = int | np.random.RandomState | None
#: A path or an array of shape (H, W) or (H, W, C).
ImageLike: TypeAlias = StrPath | Array
#: Row numbers of a training side and a test side.
Fold: TypeAlias = tuple[IndexArray, IndexArray]
#: Images: paths and arrays in a sequence, or one array of shape (n, H, W[, C]).
ImagesLike: TypeAlias = Sequence[ImageLike] | Array
#: Masks in a sequence, or one array of shape (n, H, W); None is a good image and -1 an
#: anomalous one of unknown extent.
MasksLike: TypeAlias = Sequence[ImageLike | int | None] | Array
#: The y of fit: labels of +1 and -1, masks, or a list of both; None says nothing.
TargetsLike: TypeAlias = ArrayLike | MasksLike | None
#: An anomaly map (H, W) and the score of its image, both high where anomalous.
MapAndScore: TypeAlias = tuple[NDArray[np.float32], float]
#: How the values of a map give a score: a share is that of the highest values.
Pool: TypeAlias = Literal["max", "mean"] | float
#: Anomaly maps (H, W) in a sequence, or one array of shape (n, H, W).
MapsLike: TypeAlias = Sequence[Array] | Array
