"""Homomorphic filtering as a transformer."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils import Tags

from skuad.base import ImageTransformer
from skuad.preprocessing._homomorphic_filter import homomorphic_filter
from skuad.utils._param_validation import Interval
from skuad.utils._typing import Array, ImagesLike, TargetsLike

if TYPE_CHECKING:
    from typing_extensions import Self


class HomomorphicFilter(ImageTransformer):
    """Even out slow changes of illumination and strengthen the detail.

    Parameters
    ----------
    cutoff : float, default=4.0
        Frequency between low and high, in periods along the longer side of the image.
        Defects much larger than 1 / (4 `cutoff`) of that side are evened out as well.
    gamma_low : float in [0, 10], default=0.5
        Factor of the lowest frequencies; 1 leaves them as they are, 0 removes them.
    gamma_high : float in [0, 10], default=1.5
        Factor of the highest frequencies; 1 leaves the contrast of details as it is.
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
    homomorphic_filter : The function, with formula and source.

    Notes
    -----
    Images must not have negative values. The mean luminance of an image is kept, and
    its colours keep their hue.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.preprocessing import HomomorphicFilter
    >>> light = np.linspace(0.2, 0.8, 64)
    >>> X = np.tile(light, (1, 48, 1))
    >>> filtered = HomomorphicFilter(gamma_high=1.0).fit_transform(X)
    >>> bool(np.ptp(filtered) < np.ptp(X))
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "cutoff": [Interval(Real, 0, None, closed="neither")],
        "gamma_low": [Interval(Real, 0, 10, closed="both")],
        "gamma_high": [Interval(Real, 0, 10, closed="both")],
        "data_range": [Interval(Integral, 1, 65535, closed="both"), None],
    }

    def __init__(
        self,
        *,
        cutoff: float = 4.0,
        gamma_low: float = 0.5,
        gamma_high: float = 1.5,
        data_range: int | None = None,
    ):
        self.cutoff = cutoff
        self.gamma_low = gamma_low
        self.gamma_high = gamma_high
        self.data_range = data_range

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def fit(self, X: ImagesLike, y: TargetsLike = None) -> "Self":
        """Check the parameters and, of an array, that nothing is negative.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`. Images in files and lists are looked at
            by `transform`.
        y : None
            Ignored.

        Returns
        -------
        self : HomomorphicFilter
        """
        super().fit(X, y)
        if hasattr(self, "n_features_in_") and np.asarray(X).min() < 0:
            raise ValueError("Negative values in data passed to HomomorphicFilter.fit")
        return self

    def _transform_image(self, image: Array) -> Array:
        return homomorphic_filter(
            image,
            cutoff=self.cutoff,
            gamma_low=self.gamma_low,
            gamma_high=self.gamma_high,
            data_range=self.data_range,
        )
