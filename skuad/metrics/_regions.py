"""Connected regions of a mask."""

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import IntArray


def label_regions(mask: NDArray[np.bool_]) -> tuple[IntArray, NDArray[np.int32], int]:
    """Find the 8-connected regions of a mask.

    Parameters
    ----------
    mask : ndarray of shape (H, W), dtype bool

    Returns
    -------
    index : ndarray of shape (n_pixels,)
        Where the mask is True, in the flattened mask.
    labels : ndarray of shape (n_pixels,), dtype int32
        The region of each of these pixels, from 0.
    n_regions : int
    """
    index = np.flatnonzero(mask)
    if not len(index):
        return index, np.empty(0, np.int32), 0
    # Only the rows with a defect need labels.
    top, bottom = index[0] // mask.shape[1], index[-1] // mask.shape[1] + 1
    rows = np.ascontiguousarray(mask[top:bottom]).view(np.uint8)
    n_labels, labels = cv2.connectedComponents(rows, connectivity=8)
    return index, labels.ravel()[index - top * mask.shape[1]] - 1, n_labels - 1
