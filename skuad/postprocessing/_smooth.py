"""Smoothing of anomaly maps."""

from numbers import Real
from typing import Any, ClassVar

import cv2
import numpy as np

from skuad.base import ImageTransformer
from skuad.utils._param_validation import Interval
from skuad.utils._typing import Array


class SmoothMaps(ImageTransformer):
    """Smooth anomaly maps with a Gaussian.

    It learns nothing, and so can follow a detector in a pipeline, or be the
    `postprocess` of `MapDecision`.

    Parameters
    ----------
    sigma : float, default=4.0
        Standard deviation in pixels; 4 is the value of the PatchCore paper [1]_. 0
        changes nothing.

    References
    ----------
    .. [1] Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR
       2022, https://arxiv.org/abs/2106.08265

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.postprocessing import SmoothMaps
    >>> maps = np.zeros((1, 9, 9))
    >>> maps[0, 4, 4] = 1
    >>> smooth = SmoothMaps(sigma=1).transform(maps)
    >>> bool(smooth[0, 4, 4] < 0.2), round(float(smooth.sum()), 3)
    (True, 1.0)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "sigma": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, sigma: float = 4.0):
        self.sigma = sigma

    def _transform_image(self, image: Array) -> Array:
        if self.sigma == 0:
            return image.copy()
        pixels = image.astype(np.float32) if image.dtype == np.float16 else image
        smooth = cv2.GaussianBlur(
            pixels, (0, 0), self.sigma, borderType=cv2.BORDER_REFLECT
        )
        return smooth.reshape(image.shape).astype(image.dtype, copy=False)
