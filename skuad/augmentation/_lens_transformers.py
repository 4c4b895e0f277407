"""What happens before the sensor, as seeded transformers."""

from typing import Any, ClassVar

import numpy as np

from skuad.augmentation._base import SEED, Augmenter
from skuad.augmentation._blur import defocus_blur, motion_blur
from skuad.augmentation._ranges import NumberRange, draw, real
from skuad.augmentation._vignette import vignette
from skuad.utils._typing import Array


class Vignette(Augmenter):
    """Darken every image towards its corners.

    Parameters
    ----------
    strength : float or (low, high), default=(0.0, 0.3)
        Share of the light that is missing in the corners, in [0, 1), or a range to draw
        it from, per image and uniformly.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.

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
    vignette : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import Vignette
    >>> Vignette(strength=0.3).transform(np.full((1, 5, 5), 200, np.uint8))[0, 0]
    array([140, 159, 166, 159, 140], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "strength": real(0, 1, "left"),
        "random_state": SEED,
    }

    def __init__(self, strength: NumberRange = (0.0, 0.3), *, random_state: int = 0):
        self.strength = strength
        self.random_state = random_state

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        return vignette(image, draw(self.strength, rng))


class DefocusBlur(Augmenter):
    """Blur every image as a lens does that is out of focus.

    Parameters
    ----------
    radius : float or (low, high), default=(0.0, 2.0)
        Radius of the circle of confusion in pixels, in [0, 100], or a range to draw it
        from, per image and uniformly. Up to 0.5 nothing changes.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.

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
    defocus_blur : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import DefocusBlur
    >>> X = np.zeros((1, 1, 5))
    >>> X[0, 0, 2] = 1
    >>> DefocusBlur(radius=1).transform(X).round(2)
    array([[[0.  , 0.2 , 0.61, 0.2 , 0.  ]]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "radius": real(0, 100),
        "random_state": SEED,
    }

    def __init__(self, radius: NumberRange = (0.0, 2.0), *, random_state: int = 0):
        self.radius = radius
        self.random_state = random_state

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        return defocus_blur(image, draw(self.radius, rng))


class MotionBlur(Augmenter):
    """Blur every image of a part that moves during the exposure.

    Parameters
    ----------
    length : float or (low, high), default=(0.0, 5.0)
        The way that a point travels, in pixels, in [0, 200], or a range to draw it from,
        per image and uniformly.
    angle : float or (low, high), default=0.0
        Direction in degrees, in [-360, 360], or a range: 0 is along the rows, 90 along
        the columns.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.

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
    motion_blur : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import MotionBlur
    >>> X = np.zeros((1, 1, 5))
    >>> X[0, 0, 2] = 1
    >>> MotionBlur(length=2).transform(X).round(2)
    array([[[0.  , 0.25, 0.5 , 0.25, 0.  ]]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "length": real(0, 200),
        "angle": real(-360, 360),
        "random_state": SEED,
    }

    def __init__(
        self,
        length: NumberRange = (0.0, 5.0),
        angle: NumberRange = 0.0,
        *,
        random_state: int = 0,
    ):
        self.length = length
        self.angle = angle
        self.random_state = random_state

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        length, angle = draw(self.length, rng), draw(self.angle, rng)
        return motion_blur(image, length, angle)
