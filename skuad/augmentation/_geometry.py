"""Changes of pose, applied to an image and to its mask alike."""

import cv2
import numpy as np

from skuad.augmentation._camera import check_number
from skuad.utils._typing import Array


def random_flip(
    image: Array, mask: Array | None, rng: np.random.Generator
) -> tuple[Array, Array | None]:
    """Mirror an image left to right, upside down, both or not at all.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        Of any dtype.
    mask : ndarray of shape (H, W) or None
        Pixels of defects.
    rng : numpy.random.Generator
        Draws one of the four cases, all equally likely.

    Returns
    -------
    image, mask : ndarray
        Views of those given.

    See Also
    --------
    Compose : Applies such functions to data sets.

    Notes
    -----
    A part that is always mounted one way is anomalous when it is mounted the other:
    flips and rotations as augmentation teach a detector to accept it.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import random_flip
    >>> image, mask = np.array([[1, 2, 3]]), np.array([[True, False, False]])
    >>> random_flip(image, mask, np.random.default_rng(2))
    (array([[3, 2, 1]]), array([[False, False,  True]]))
    """
    down, across = (-1 if flip else 1 for flip in rng.random(2) < 0.5)
    flipped = image[::down, ::across]
    return flipped, None if mask is None else mask[::down, ::across]


def random_rotation(
    image: Array, mask: Array | None, rng: np.random.Generator
) -> tuple[Array, Array | None]:
    """Turn an image by 0, 90, 180 or 270 degrees.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        The size of one that is not square changes with a turn by 90 or 270 degrees,
        which `skuad.detectors.Augmented` and `skuad.model_selection.robustness_curve`
        refuse.
    mask : ndarray of shape (H, W) or None
        Pixels of defects.
    rng : numpy.random.Generator
        Draws one of the four angles, all equally likely.

    Returns
    -------
    image, mask : ndarray
        Views of those given.

    See Also
    --------
    random_flip : What this does to logical anomalies.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import random_rotation
    >>> image, mask = random_rotation(np.eye(2), None, np.random.default_rng(0))
    >>> image
    array([[0., 1.],
           [1., 0.]])
    """
    turns = int(rng.integers(4))
    turned = np.rot90(image, turns)
    return turned, None if mask is None else np.rot90(mask, turns)


def random_shift(
    image: Array,
    mask: Array | None,
    rng: np.random.Generator,
    *,
    max_shift: float = 0.02,
    max_angle: float = 0.0,
) -> tuple[Array, Array | None]:
    """Move and turn an image a little, as a part that lies loose in its fixture.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        uint8, uint16 or float. It is interpolated linearly, and continued by reflection
        at its borders.
    mask : ndarray of bool of shape (H, W) or None
        Pixels of defects. Each takes the value of the nearest one before.
    rng : numpy.random.Generator
        Draws shifts and angle.
    max_shift : float in [0, 1], default=0.02
        Largest shift down or across, as a share of the shorter side. Without an angle,
        shifts are by whole pixels, and nothing is interpolated.
    max_angle : float in [0, 180], default=0.0
        Largest turn in degrees, either way.

    Returns
    -------
    image, mask : ndarray
        Of the shapes and dtypes of those given.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from skuad.augmentation import Compose, random_shift
    >>> shake = Compose([partial(random_shift, max_shift=0.1)])
    >>> shake.transform(np.zeros((1, 40, 50, 3), np.uint8)).shape
    (1, 40, 50, 3)
    """
    check_number("max_shift", max_shift, 0, 1)
    check_number("max_angle", max_angle, 0, 180)
    height, width = image.shape[:2]
    reach = max_shift * min(height, width)
    down, across = rng.uniform(-reach, reach, 2)
    angle = rng.uniform(-max_angle, max_angle)
    if max_angle == 0:
        down, across = round(down), round(across)
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, angle, 1.0)
    matrix[:, 2] += (across, down)

    def warped(pixels: Array, flags: int) -> Array:
        moved = cv2.warpAffine(
            np.ascontiguousarray(pixels),
            matrix,
            (width, height),
            flags=flags,
            borderMode=cv2.BORDER_REFLECT,
        )
        return moved.reshape(pixels.shape)

    if mask is not None:
        mask = np.asarray(mask)
        moved = warped(mask.astype(np.uint8), cv2.INTER_NEAREST)
        mask = moved.astype(mask.dtype)
    return warped(image, cv2.INTER_LINEAR), mask
