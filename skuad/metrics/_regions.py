"""Connected regions of a mask."""

import cv2
import numpy as np


def label_regions(mask):
    """Number the 8-connected regions of a mask.

    Parameters
    ----------
    mask : ndarray of shape (H, W), dtype bool

    Returns
    -------
    labels : ndarray of shape (H, W), dtype int32
        0 outside, 1 to `n_regions` inside.
    n_regions : int
    """
    n_labels, labels = cv2.connectedComponents(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    return labels, n_labels - 1
