"""Several augmenters in a row, and the preset for industrial cameras."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from skuad.augmentation._base import SEED, Augmenter
from skuad.augmentation._camera_transformers import (
    ChannelGain,
    ExposureShift,
    Gamma,
    JPEGCompression,
    SensorNoise,
)
from skuad.augmentation._lens_transformers import DefocusBlur, MotionBlur, Vignette
from skuad.augmentation._ranges import IntegerRange, NumberRange
from skuad.utils._typing import Array

#: A function that changes image and mask, such as `random_flip`.
Augmentation: TypeAlias = Callable[
    [Array, Array | None, np.random.Generator], tuple[Array, Array | None]
]


class Compose(Augmenter):
    """Apply augmenters, and functions that change image and mask, one after the other.

    Parameters
    ----------
    augmenters : list
        Augmenters of this package, whose own `random_state` is not used, and functions
        ``f(image, mask, rng) -> (image, mask)`` such as `random_flip`. A function
        gets images (H, W, C) and masks (H, W) or None.
    random_state : int, default=0
        Seed. What is drawn for an image depends on the seed and the image's pixels
        alone.

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
    make_industrial_camera_augmenter : A ready-made list.
    skuad.detectors.Augmented : Where an augmenter belongs. As a step of a pipeline it
        would also change the images that are predicted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import Compose, ExposureShift, random_flip
    >>> augmenter = Compose([random_flip, ExposureShift(stops=1)], random_state=3)
    >>> X, masks = np.array([[[1, 2], [3, 4]]], np.uint8), np.array([[[0, 1], [0, 0]]])
    >>> images, moved = augmenter.augment(X, masks)
    >>> images.tolist(), moved[0].tolist()
    ([[[6, 8], [2, 4]]], [[0, 0], [0, 1]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "augmenters": [list, tuple],
        "random_state": SEED,
    }

    def __init__(
        self, augmenters: Sequence[Augmenter | Augmentation], *, random_state: int = 0
    ):
        self.augmenters = augmenters
        self.random_state = random_state

    def _validate_params(self) -> None:
        super()._validate_params()
        for augmenter in self.augmenters:
            if isinstance(augmenter, Augmenter):
                augmenter._validate_params()
            elif not callable(augmenter):
                raise ValueError(
                    f"augmenters holds {augmenter!r}: give augmenters of "
                    "skuad.augmentation, or functions f(image, mask, rng)"
                )

    @property
    def changes_masks(self) -> bool:
        """Whether one of the augmenters moves pixels or adds defects."""
        return not all(
            isinstance(augmenter, Augmenter) and not augmenter.changes_masks
            for augmenter in self.augmenters
        )

    def _change_both(
        self, image: Array, mask: Array | None, rng: np.random.Generator
    ) -> tuple[Array, Array | None]:
        for augmenter in self.augmenters:
            if isinstance(augmenter, Augmenter):
                image, mask = augmenter._change_both(image, mask, rng)
            else:
                image, mask = augmenter(image, mask, rng)
        return image, mask


def make_industrial_camera_augmenter(
    *,
    vignette: NumberRange | None = (0.0, 0.15),
    defocus: NumberRange | None = (0.0, 1.0),
    motion: NumberRange | None = (0.0, 2.0),
    exposure: NumberRange | None = (-0.25, 0.25),
    read_noise: NumberRange | None = (0.0, 0.008),
    shot_noise: NumberRange | None = (0.0, 0.015),
    tint: NumberRange | None = (0.94, 1.06),
    gamma: NumberRange | None = (0.92, 1.08),
    jpeg_quality: IntegerRange | None = (75, 98),
    random_state: int = 0,
) -> Compose:
    """Make an augmenter with what drifts in an industrial camera and its light.

    There are no flips and no rotations: where parts are mounted one way, they would
    make anomalies of good parts.

    Parameters
    ----------
    vignette : float, (low, high) or None, default=(0, 0.15)
        `Vignette`: share of the light that is missing in the corners. For this and the
        others, None leaves the effect out, and of a range a value is drawn per image.
    defocus : float, (low, high) or None, default=(0, 1)
        `DefocusBlur`: radius in pixels.
    motion : float, (low, high) or None, default=(0, 2)
        `MotionBlur`: length in pixels, along the rows.
    exposure : float, (low, high) or None, default=(-0.25, 0.25)
        `ExposureShift`: stops.
    read_noise, shot_noise : float or (low, high), default=(0, 0.008), (0, 0.015)
        `SensorNoise`; it is left out if one of them is None.
    tint : float, (low, high) or None, default=(0.94, 1.06)
        `ChannelGain`: factors of red and of blue.
    gamma : float, (low, high) or None, default=(0.92, 1.08)
        `Gamma`.
    jpeg_quality : int, (low, high) or None, default=(75, 98)
        `JPEGCompression`.
    random_state : int, default=0
        Seed.

    Returns
    -------
    augmenter : Compose
        The effects in the order in which light meets them: lens, movement, exposure,
        sensor, white balance, tone curve, file.

    Examples
    --------
    >>> from skuad.augmentation import make_industrial_camera_augmenter
    >>> augmenter = make_industrial_camera_augmenter(motion=None, jpeg_quality=None)
    >>> [type(step).__name__ for step in augmenter.augmenters]
    ['Vignette', 'DefocusBlur', 'ExposureShift', 'SensorNoise', 'ChannelGain', 'Gamma']
    """
    steps: list[Augmenter] = []
    if vignette is not None:
        steps.append(Vignette(strength=vignette))
    if defocus is not None:
        steps.append(DefocusBlur(radius=defocus))
    if motion is not None:
        steps.append(MotionBlur(length=motion))
    if exposure is not None:
        steps.append(ExposureShift(stops=exposure))
    if read_noise is not None and shot_noise is not None:
        steps.append(SensorNoise(read=read_noise, shot=shot_noise))
    if tint is not None:
        steps.append(ChannelGain(red=tint, blue=tint))
    if gamma is not None:
        steps.append(Gamma(gamma=gamma))
    if jpeg_quality is not None:
        steps.append(JPEGCompression(quality=jpeg_quality))
    return Compose(steps, random_state=random_state)
