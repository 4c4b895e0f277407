"""What sensor, electronics and file do to an image, as seeded transformers."""

from typing import Any, ClassVar

import numpy as np

from skuad.augmentation._base import DATA_RANGE, SEED, Augmenter
from skuad.augmentation._camera import (
    adjust_gamma,
    exposure_shift,
    jpeg_compress,
    random_channel_gain,
)
from skuad.augmentation._noise import sensor_noise
from skuad.augmentation._ranges import (
    IntegerRange,
    NumberRange,
    draw,
    draw_integer,
    integral,
    real,
)
from skuad.utils._typing import Array


class JPEGCompression(Augmenter):
    """Store every image as a JPEG and read it back.

    Parameters
    ----------
    quality : int or (low, high), default=(60, 95)
        From 1 (worst) to 100, or a range to draw it from, per image and uniformly.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.
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
    jpeg_compress : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import JPEGCompression
    >>> X = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    >>> JPEGCompression(quality=(50, 90)).fit_transform(X).shape
    (2, 16, 16, 3)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "quality": integral(1, 100),
        "random_state": SEED,
        "data_range": DATA_RANGE,
    }

    def __init__(
        self,
        quality: IntegerRange = (60, 95),
        *,
        random_state: int = 0,
        data_range: int | None = None,
    ):
        self.quality = quality
        self.random_state = random_state
        self.data_range = data_range

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        quality = draw_integer(self.quality, rng)
        return jpeg_compress(image, quality, data_range=self.data_range)


class ChannelGain(Augmenter):
    """Tint every image, as a change of the light's colour temperature does.

    Parameters
    ----------
    red : float or (low, high), default=(0.9, 1.1)
        Positive factor of the red channel relative to green, or a range to draw it from,
        per image and uniformly. Warmer light has more red and less blue.
    blue : float or (low, high), default=(0.9, 1.1)
        The same for the blue channel, drawn by itself.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.
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
    random_channel_gain : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Notes
    -----
    Gray images, and so line scans, pass unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import ChannelGain
    >>> ChannelGain(red=1.1, blue=0.9).transform(np.full((1, 1, 1, 3), 100, np.uint8))
    array([[[[110, 100,  90]]]], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "red": real(0, None, "neither"),
        "blue": real(0, None, "neither"),
        "random_state": SEED,
        "data_range": DATA_RANGE,
    }

    def __init__(
        self,
        red: NumberRange = (0.9, 1.1),
        blue: NumberRange = (0.9, 1.1),
        *,
        random_state: int = 0,
        data_range: int | None = None,
    ):
        self.red = red
        self.blue = blue
        self.random_state = random_state
        self.data_range = data_range

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        return random_channel_gain(
            image,
            red=self.red,
            blue=self.blue,
            random_state=rng,
            data_range=self.data_range,
        )


class ExposureShift(Augmenter):
    """Expose every image longer or shorter.

    Parameters
    ----------
    stops : float or (low, high), default=(-0.5, 0.5)
        Logarithm to the base 2 of the change, in [-16, 16], or a range to draw it from,
        per image and uniformly.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.
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
    exposure_shift : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import ExposureShift
    >>> ExposureShift(stops=-1).transform(np.full((1, 1, 1), 200, np.uint8))
    array([[[100]]], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "stops": real(-16, 16),
        "random_state": SEED,
        "data_range": DATA_RANGE,
    }

    def __init__(
        self,
        stops: NumberRange = (-0.5, 0.5),
        *,
        random_state: int = 0,
        data_range: int | None = None,
    ):
        self.stops = stops
        self.random_state = random_state
        self.data_range = data_range

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        stops = draw(self.stops, rng)
        return exposure_shift(image, stops, data_range=self.data_range)


class SensorNoise(Augmenter):
    """Add the noise of an image sensor to every image.

    Parameters
    ----------
    read : float or (low, high), default=(0.0, 0.01)
        Standard deviation of the noise in the dark, as a share of full scale, in
        [0, 0.5], or a range to draw it from, per image and uniformly.
    shot : float or (low, high), default=(0.0, 0.02)
        Standard deviation of the photon noise at full scale, as a share of it, in
        [0, 0.5], or a range.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.
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
    sensor_noise : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import SensorNoise
    >>> noisy = SensorNoise(read=0.02, shot=0).transform(np.full((1, 99, 99), 0.5))
    >>> round(float(noisy.std()), 3)
    0.02
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "read": real(0, 0.5),
        "shot": real(0, 0.5),
        "random_state": SEED,
        "data_range": DATA_RANGE,
    }

    def __init__(
        self,
        read: NumberRange = (0.0, 0.01),
        shot: NumberRange = (0.0, 0.02),
        *,
        random_state: int = 0,
        data_range: int | None = None,
    ):
        self.read = read
        self.shot = shot
        self.random_state = random_state
        self.data_range = data_range

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        read, shot = draw(self.read, rng), draw(self.shot, rng)
        return sensor_noise(
            image, read, shot, random_state=rng, data_range=self.data_range
        )


class Gamma(Augmenter):
    """Raise the pixels of every image, as shares of full scale, to a power.

    Parameters
    ----------
    gamma : float or (low, high), default=(0.8, 1.25)
        The power, in (0, 10], or a range to draw it from, per image and uniformly: above
        1 the middle tones get darker, below 1 brighter.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone, so neither on the order nor on the batch.
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
    adjust_gamma : The function.
    skuad.detectors.Augmented : Where an augmenter belongs: a step of a pipeline would
        also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import Gamma
    >>> Gamma(gamma=2).transform(np.full((1, 1, 1), 0.5))
    array([[[0.25]]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "gamma": real(0, 10, "right"),
        "random_state": SEED,
        "data_range": DATA_RANGE,
    }

    def __init__(
        self,
        gamma: NumberRange = (0.8, 1.25),
        *,
        random_state: int = 0,
        data_range: int | None = None,
    ):
        self.gamma = gamma
        self.random_state = random_state
        self.data_range = data_range

    def _change(self, image: Array, rng: np.random.Generator) -> Array:
        gamma = draw(self.gamma, rng)
        return adjust_gamma(image, gamma, data_range=self.data_range)
