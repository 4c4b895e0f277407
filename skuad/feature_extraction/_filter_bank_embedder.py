"""The filter bank as a transformer: the embedder that needs no weights."""

import os
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skuad.feature_extraction._base import Embedder, MemoryLike
from skuad.feature_extraction._filter_bank import filter_bank
from skuad.utils._param_validation import HasMethods, Interval
from skuad.utils._typing import Array


class FilterBankEmbedder(Embedder):
    """Describe patches by colour and structure, without any trained weights.

    A start where there are no weights: see `filter_bank` for the features and their
    source. It learns nothing.

    Parameters
    ----------
    stride : int, default=8
        Size of a patch, in pixels.
    data_range : float or None, default=None
        The value of a uint16 image that stands for full scale: 65535 by default, 4095
        for a 12-bit camera.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache: an image is embedded once for given pixels and parameters.

    See Also
    --------
    filter_bank : The features of one image.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.feature_extraction import FilterBankEmbedder
    >>> images = np.zeros((2, 64, 96, 3), np.uint8)
    >>> FilterBankEmbedder().transform(images)[0]
    FeatureMap(shape=(8, 12, 24), image_shape=(64, 96))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "stride": [Interval(Integral, 1, None, closed="left")],
        "data_range": [Interval(Real, 0, None, closed="neither"), None],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
    }

    min_size = 16

    def __init__(
        self,
        stride: int = 8,
        *,
        data_range: float | None = None,
        memory: MemoryLike = None,
    ):
        self.stride = stride
        self.data_range = data_range
        self.memory = memory

    def _embed(self, images: list[Array]) -> list[NDArray[np.float32]]:
        return [
            filter_bank(image, stride=self.stride, data_range=self.data_range)
            for image in images
        ]
