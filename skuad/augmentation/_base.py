"""What all augmenters share: randomness that depends on the image alone."""

import os
import zlib
from numbers import Integral
from typing import Any, Literal

import numpy as np

from skuad.base import ImageTransformer, validate_images
from skuad.io import ImageSequence, read_mask
from skuad.utils._param_validation import Interval
from skuad.utils._targets import is_empty_path
from skuad.utils._typing import Array, ImageLike, ImagesLike, MasksLike

SEED = [Interval(Integral, 0, None, closed="left")]
DATA_RANGE = [Interval(Integral, 1, 65535, closed="both"), None]


def image_generator(
    image: Array, random_state: int, copy: int = 0
) -> np.random.Generator:
    """Make the generator of an image, which neither order nor batch changes.

    Parameters
    ----------
    image : ndarray
        The checksum of its bytes is the digest.
    random_state : int
    copy : int, default=0
        Number of the augmented copy.

    Returns
    -------
    rng : numpy.random.Generator
        Seeded with `random_state`, `copy` and the digest.
    """
    # A checksum is enough: two images that share it only share their random numbers.
    digest = zlib.crc32(np.ascontiguousarray(image).data)
    return np.random.default_rng(np.random.SeedSequence([random_state, copy, digest]))


def augment_alike(
    augmenter: Any, image: Array, mask: Array | None = None, *, copy: int = 0, name: str
) -> tuple[Array, Array | None]:
    """Augment an image and its mask by an augmenter that must keep the size.

    Raises
    ------
    ValueError
        If it does not; `name` says which image it was.
    """
    augmented, mask = augmenter.augment_image(image, mask, copy=copy)
    if augmented.shape != image.shape:
        raise ValueError(
            f"{name}: {type(augmenter).__name__} made an image of shape "
            f"{augmented.shape} out of one of shape {image.shape}. The size must stay, so "
            "that maps and masks fit: leave out what crops, resizes or turns by 90 degrees"
        )
    return augmented, mask


class Augmenter(ImageTransformer):
    """Base of augmenters: transformers of images whose parameters are drawn per image.

    A subclass has the parameter `random_state` and writes ``_change(image, rng)``, or
    ``_change_both(image, mask, rng)`` if it moves pixels.
    """

    @property
    def changes_masks(self) -> bool:
        """Whether pixels move or defects are added, so that masks have to follow."""
        return False

    def augment_image(
        self, image: Array, mask: Array | None = None, *, copy: int = 0
    ) -> tuple[Array, Array | None]:
        """Augment one image and its mask.

        Parameters
        ----------
        image : ndarray of shape (H, W) or (H, W, C)
            uint8, uint16 or float.
        mask : ndarray of shape (H, W) or None, default=None
            Pixels of defects.
        copy : int, default=0
            Each number gives another copy; 0 is the one that `transform` gives.

        Returns
        -------
        image : ndarray
        mask : ndarray or None
            As given, unless the augmenter moves pixels or adds defects.
        """
        rng = image_generator(image, self.random_state, copy)
        return self._change_both(image, mask, rng)

    def augment(
        self, X: ImagesLike, masks: MasksLike | None = None, *, copy: int = 0
    ) -> tuple[Array | list[Array], list[Array | int | None] | None]:
        """Augment images together with their masks.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`. Files are read.
        masks : array-like of length n or None, default=None
            For every image a mask (H, W), the path of one, None or '' (good), or -1
            (anomalous, nobody having drawn where).
        copy : int, default=0
            Each number gives another copy; 0 is the one that `transform` gives.

        Returns
        -------
        images : ndarray or list of ndarray
            A stack or line scans as an array, anything else as a list.
        masks : list or None
            For every image a mask, None or -1; None if none were given and none are
            made.
        """
        self._validate_params()
        images = validate_images(self, X, reset=False)
        if masks is not None and len(masks) != len(images):
            raise ValueError(
                f"there are {len(masks)} masks for {len(images)} images: give one per "
                "image, None for a good image"
            )
        augmented: list[Array] = []
        changed_masks: list[Array | int | None] = []

        def step(image: Array) -> Array:
            number = len(augmented)
            entry = None if masks is None else _mask_of(masks[number], image.shape[:2])
            drawn = entry if isinstance(entry, np.ndarray) else None
            image, mask = self.augment_image(image, drawn, copy=copy)
            augmented.append(image)
            changed_masks.append(entry if mask is None and drawn is None else mask)
            return image

        result = images.map(step)
        if isinstance(result, ImageSequence):
            result = list(result)
        has_masks = masks is not None or any(m is not None for m in changed_masks)
        return result, changed_masks if has_masks else None

    def _transform_image(self, image: Array) -> Array:
        return self.augment_image(image)[0]

    def _change_both(
        self, image: Array, mask: Array | None, rng: np.random.Generator
    ) -> tuple[Array, Array | None]:
        return self._change(image, rng), mask


def _mask_of(
    entry: ImageLike | int | None, shape: tuple[int, ...]
) -> Array | Literal[-1] | None:
    """Return a mask, None for a good image, or -1."""
    if entry is None:
        return None
    if isinstance(entry, str | os.PathLike):
        return None if is_empty_path(entry) else read_mask(entry, shape=shape)
    entry = np.asarray(entry)
    if entry.ndim == 0:
        return -1 if entry == -1 else None
    mask = np.atleast_2d(entry)
    if mask.shape != shape:
        raise ValueError(f"a mask of shape {mask.shape} for an image of shape {shape}")
    return mask
