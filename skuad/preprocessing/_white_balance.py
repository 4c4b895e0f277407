"""White balance as transformers."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from skuad.base import ImageTransformer
from skuad.io._images import Images
from skuad.preprocessing._gains import (
    apply_channel_gains,
    channel_sums,
    gray_world_gains,
    gray_world_white_balance,
    is_gray,
    max_rgb_white_balance,
)
from skuad.preprocessing._pixels import check_pixels, full_scale
from skuad.utils._param_validation import Interval, StrOptions
from skuad.utils._typing import Array

_PERCENTILE = [Interval(Real, 0, 100, closed="right")]
_DATA_RANGE = [Interval(Integral, 1, 65535, closed="both"), None]


class GrayWorld(ImageTransformer):
    """White balance of each image by the means of its channels.

    Parameters
    ----------
    exclude_saturated : bool, default=False
        Whether to leave out pixels that are saturated in any channel when the means
        are taken: a large highlight pulls the colours of the whole image otherwise.
    data_range : int, default=None
        Largest value of uint16 images, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Attributes
    ----------
    n_channels_in_ : int
        Number of channels of the images seen during `fit`.
    image_dtype_ : str
        Their kind of dtype: "uint8", "uint16" or "float".
    n_features_in_ : int
        Length of the line scans seen during `fit`, if X was an array of them.

    See Also
    --------
    gray_world_white_balance : The function, with formula and source.
    WhiteBalance : Other methods, "reference" among them.

    Notes
    -----
    Gray images, and so line scans, pass unchanged. A defect that covers much of an
    image changes its mean colour, and with it the balance of the rest;
    ``WhiteBalance(method="reference")`` does not have this problem.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import GrayWorld
    >>> X = np.full((1, 2, 2, 3), (60, 90, 120), dtype=np.uint8)
    >>> GrayWorld().fit_transform(X)[0, 0, 0]
    array([90, 90, 90], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "exclude_saturated": ["boolean"],
        "data_range": _DATA_RANGE,
    }

    def __init__(
        self, *, exclude_saturated: bool = False, data_range: int | None = None
    ):
        self.exclude_saturated = exclude_saturated
        self.data_range = data_range

    def _transform_image(self, image: Array) -> Array:
        return gray_world_white_balance(
            image,
            exclude_saturated=self.exclude_saturated,
            data_range=self.data_range,
        )


class MaxRGB(ImageTransformer):
    """White balance of each image by the brightest values of its channels.

    Parameters
    ----------
    percentile : float in (0, 100], default=99.5
        Which percentile counts as the maximum of a channel. At 100 a single hot pixel
        tints the image.
    data_range : int, default=None
        Largest value of uint16 images, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Attributes
    ----------
    n_channels_in_ : int
        Number of channels of the images seen during `fit`.
    image_dtype_ : str
        Their kind of dtype: "uint8", "uint16" or "float".
    n_features_in_ : int
        Length of the line scans seen during `fit`, if X was an array of them.

    See Also
    --------
    max_rgb_white_balance : The function, with formula and source.
    WhiteBalance : Other methods, "reference" among them.

    Notes
    -----
    Gray images, and so line scans, pass unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import MaxRGB
    >>> X = np.full((1, 2, 2, 3), (60, 90, 120), dtype=np.uint8)
    >>> MaxRGB().fit_transform(X)[0, 0, 0]
    array([120, 120, 120], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "percentile": _PERCENTILE,
        "data_range": _DATA_RANGE,
    }

    def __init__(self, *, percentile: float = 99.5, data_range: int | None = None):
        self.percentile = percentile
        self.data_range = data_range

    def _transform_image(self, image: Array) -> Array:
        return max_rgb_white_balance(
            image, percentile=self.percentile, data_range=self.data_range
        )


class WhiteBalance(ImageTransformer):
    """White balance by each image's own colours, or by those of good images.

    Parameters
    ----------
    method : {"gray_world", "max_rgb", "reference"}, default="gray_world"
        "gray_world" brings the means of an image's channels together, "max_rgb" their
        brightest values. "reference" learns gains in `fit`, from the channel means of
        all good images, and applies the same gains to every image. It corrects a
        camera's constant tint and leaves differences between images, which may be the
        defects, as they are; it does not correct a light that changes.
    percentile : float in (0, 100], default=99.5
        Which percentile counts as the brightest value; for "max_rgb".
    exclude_saturated : bool, default=False
        Whether to leave out pixels that are saturated in any channel when means are
        taken; for "gray_world" and "reference".
    data_range : int, default=None
        Largest value of uint16 images, such as 4095 for a 12-bit camera; 65535 by
        default. Other dtypes do not depend on it.

    Attributes
    ----------
    gains_ : ndarray of shape (3,) or (1,)
        Factors of the colour channels; only for "reference". 1 for gray images.
    n_channels_in_ : int
        Number of channels of the images seen during `fit`.
    image_dtype_ : str
        Their kind of dtype: "uint8", "uint16" or "float".
    n_features_in_ : int
        Length of the line scans seen during `fit`, if X was an array of them.

    See Also
    --------
    GrayWorld, MaxRGB : The first two methods by name.
    apply_channel_gains : What "reference" does to an image.

    Notes
    -----
    Gray images, and so line scans, pass unchanged. `fit` goes through the images one
    by one and keeps only the sums of their channels; every pixel counts the same.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import WhiteBalance
    >>> X = np.full((3, 2, 2, 3), (60, 90, 120), dtype=np.uint8)
    >>> X[2] = (90, 90, 90)  # a defect
    >>> balance = WhiteBalance(method="reference").fit(X, y=[1, 1, -1])
    >>> balance.gains_
    array([1.5 , 1.  , 0.75])
    >>> balance.transform(X)[2, 0, 0]
    array([135,  90,  68], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"gray_world", "max_rgb", "reference"})],
        "percentile": _PERCENTILE,
        "exclude_saturated": ["boolean"],
        "data_range": _DATA_RANGE,
    }

    def __init__(
        self,
        method: Literal["gray_world", "max_rgb", "reference"] = "gray_world",
        *,
        percentile: float = 99.5,
        exclude_saturated: bool = False,
        data_range: int | None = None,
    ):
        self.method = method
        self.percentile = percentile
        self.exclude_saturated = exclude_saturated
        self.data_range = data_range

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.method == "reference"
        return tags

    def _fit_images(self, images: Images) -> None:
        if self.n_channels_in_ == 1:
            self.gains_: NDArray[np.float64] = np.ones(1)
            return
        total, n_pixels = np.zeros(3), 0
        for image in images:
            image = check_pixels(image)
            sums, n = channel_sums(
                image,
                exclude_saturated=self.exclude_saturated,
                data_range=self.data_range,
            )
            # Images of several dtypes may be mixed.
            total += sums / full_scale(image.dtype, self.data_range)
            n_pixels += n
        self.gains_ = gray_world_gains(total / n_pixels)

    def _transform_image(self, image: Array) -> Array:
        if is_gray(image):
            return image
        if self.method == "gray_world":
            return gray_world_white_balance(
                image,
                exclude_saturated=self.exclude_saturated,
                data_range=self.data_range,
            )
        if self.method == "max_rgb":
            return max_rgb_white_balance(
                image, percentile=self.percentile, data_range=self.data_range
            )
        return apply_channel_gains(image, self.gains_, data_range=self.data_range)
