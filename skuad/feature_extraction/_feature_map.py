"""One image's patch features, with the size of the image that they describe."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from skuad.utils._typing import Array


class FeatureMap:
    """The patch features of one image.

    Parameters
    ----------
    values : array-like of shape (h, w, d)
        One feature vector per patch; kept as contiguous float32. The h x w patches
        tile the image: patch (i, j) covers the rows [i * H / h, (i + 1) * H / h) and
        the columns [j * W / w, (j + 1) * W / w).
    image_shape : tuple of int
        The image's own height H and width W, in pixels; further entries are dropped.

    Raises
    ------
    ValueError
        If `values` is not 3-D or has no patch or no feature.

    See Also
    --------
    upsample_map : From one value per patch to one value per pixel.
    coverage : From a pixel mask to one share per patch.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.feature_extraction import FeatureMap
    >>> features = FeatureMap(np.zeros((4, 6, 48)), image_shape=(32, 50, 3))
    >>> features.shape, features.image_shape, features.rows.shape
    ((4, 6, 48), (32, 50), (24, 48))
    >>> np.asarray(features).dtype
    dtype('float32')
    """

    __slots__ = ("image_shape", "values")

    def __init__(self, values: ArrayLike, image_shape: Sequence[int]):
        patches = np.ascontiguousarray(values, dtype=np.float32)
        if patches.ndim != 3 or patches.size == 0:
            raise ValueError(
                "values must be (h, w, d) with at least one patch and one feature, "
                f"got shape {patches.shape}."
            )
        height, width = image_shape[:2]
        self.values = patches
        self.image_shape = (int(height), int(width))

    @property
    def shape(self) -> tuple[int, ...]:
        """Grid height, grid width and number of features."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """Number of axes of the values, 3."""
        return self.values.ndim

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the values, float32."""
        return self.values.dtype

    @property
    def rows(self) -> NDArray[np.float32]:
        """The patches as rows, row by row of the grid: a view of shape (h * w, d)."""
        return self.values.reshape(-1, self.values.shape[2])

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> Array:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"FeatureMap(shape={self.shape}, image_shape={self.image_shape})"
