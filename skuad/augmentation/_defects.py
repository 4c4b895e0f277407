"""Defects planted into good images, with exact masks."""

import difflib
from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.augmentation._defect_layers import KINDS
from skuad.preprocessing._pixels import full_scale
from skuad.utils._typing import Array, IndexArray

#: No pixel further than this many pixels from the mask is changed (soft edges).
SOFT_EDGE = 4

#: Smallest image, in pixels along its shorter side, that takes a defect.
MIN_SIZE = 32

# A draw whose mask changes by less than this, in gray levels, is drawn again: the same
# blur that shows on a print cannot be seen on the bare sheet beside it.
_VISIBLE = 6.0
_DRAWS = 10

_Window: TypeAlias = tuple[slice, slice]


def plant_defect(
    image: Array,
    kind: str,
    rng: int | np.random.Generator = 0,
    *,
    foreground: NDArray[np.bool_] | None = None,
    donor: Array | None = None,
    data_range: int | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Plant one defect of a kind at a random place.

    Parameters
    ----------
    image : ndarray of shape (height, width), (height, width, 1) or (height, width, 3)
        A good image, gray or RGB, at least 32 pixels high and wide; uint8, uint16 or
        float in [0, 1]. It is not changed.
    kind : str
        What to plant:

        - "scratch": a thin, slightly bent groove;
        - "crack": a jagged, dark line that may fork;
        - "stain": a translucent liquid;
        - "hole": a small dark hole;
        - "dent": a shallow pit, lit from one side;
        - "cut_paste": a piece of other material, or of the image itself, turned;
        - "blur": a place that is worn smooth.

        Sizes scale with the shorter side of the image, contrasts with the fluctuation
        of the texture around the defect.
    rng : int or numpy.random.Generator, default=0
        Draws place, shape and strength.
    foreground : ndarray of shape (height, width), dtype bool, default=None
        Where a defect may be, such as the part on its background; None for anywhere.
    donor : ndarray of shape (h, w), (h, w, 1) or (h, w, 3), default=None
        Foreign material for "cut_paste", of any size, in the dtype of `image`. None
        pastes a turned piece of `image` itself: wrong structure in the right colours.
        Other kinds ignore it.
    data_range : int, default=None
        Largest value of a uint16 image, such as 4095 for a 12-bit camera; 65535 by
        default.

    Returns
    -------
    image : ndarray, of the shape and dtype of `image`
        The image with the defect.
    mask : ndarray of shape (height, width), dtype bool
        The pixels that show at least as much of the defect as of the good image (its
        blending weight is 0.5 or more). Edges are soft: pixels up to ``SOFT_EDGE`` (4)
        pixels from the mask may change a little, those further away do not change.

    Raises
    ------
    ValueError
        If an argument is not of the kind described above, or the image cannot show the
        defect anywhere: a blur changes nothing in a flat image.

    See Also
    --------
    random_defect : The same for `Compose`.
    skuad.datasets.make_defect_images : Whole data sets.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.augmentation import plant_defect
    >>> image = np.full((64, 64, 3), 180, np.uint8)
    >>> defective, mask = plant_defect(image, "crack", 0)
    >>> bool((defective != image)[mask].any()), bool((defective == image)[0].all())
    (True, True)
    """
    _check_image(image, "image")
    rng = np.random.default_rng(rng)
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown defect {kind!r}; there are {list(KINDS)}.{hint}")
    if min(image.shape[:2]) < MIN_SIZE:
        raise ValueError(
            f"a defect needs an image of at least {MIN_SIZE} x {MIN_SIZE} pixels, "
            f"got {image.shape[0]} x {image.shape[1]}"
        )
    places = _places(image.shape[:2], foreground)
    pixels = image if image.ndim == 3 else image[..., None]
    source = pixels if donor is None else _as_channels(donor, pixels)
    # All that follows counts in levels from 0 to 255.
    limit = full_scale(image.dtype, data_range)
    if image.dtype != np.uint8:
        source = source * np.float32(255 / limit)
    strongest, best = 0.0, None
    for _ in range(_DRAWS):
        window, patch, mask = _draw(
            pixels, source, kind, rng, places, foreground, limit
        )
        if not mask.any():
            continue
        difference = patch.astype(np.float64) - pixels[window]
        change = np.abs(difference)[mask].mean() * (255 / limit)
        if change > strongest:
            strongest, best = change, (window, patch, mask)
        if change >= _VISIBLE:
            break
    if best is None:
        raise ValueError(f"this image cannot show a defect of the kind {kind!r}")
    window, patch, mask = best
    defective = image.copy()
    defective[window] = patch.reshape(image[window].shape)
    full_mask = np.zeros(image.shape[:2], dtype=bool)
    full_mask[window] = mask
    return defective, full_mask


def defect_kinds() -> list[str]:
    """List the kinds of defects that `plant_defect` knows.

    Returns
    -------
    kinds : list of str
        Their names.
    """
    return list(KINDS)


def random_defect(
    image: Array,
    mask: Array | None,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] | None = None,
    foreground: NDArray[np.bool_] | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Plant one defect of a random kind, for `Compose`.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        See `plant_defect`.
    mask : ndarray of bool of shape (H, W) or None
        Defects that the image has already.
    rng : numpy.random.Generator
        Draws kind, place, shape and strength.
    kinds : sequence of str, default=None
        Kinds to draw from; all if None.
    foreground : ndarray of bool of shape (H, W), default=None
        Where a defect may be; anywhere if None.

    Returns
    -------
    image : ndarray
        The image with the defect.
    mask : ndarray of bool of shape (H, W)
        The defect's pixels, and those of `mask`.

    Raises
    ------
    ValueError
        As of `plant_defect`.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from skuad.augmentation import Compose, random_defect
    >>> planter = Compose([partial(random_defect, kinds=["scratch", "dent"])])
    >>> images, masks = planter.augment(np.full((2, 64, 64), 120, np.uint8))
    >>> images.shape, [mask.shape for mask in masks]
    ((2, 64, 64), [(64, 64), (64, 64)])
    """
    kinds = defect_kinds() if kinds is None else list(kinds)
    kind = kinds[rng.integers(len(kinds))]
    image, planted = plant_defect(image, kind, rng, foreground=foreground)
    return image, planted if mask is None else planted | (np.asarray(mask) != 0)


def _draw(
    pixels: Array,
    source: Array,
    kind: str,
    rng: np.random.Generator,
    places: IndexArray,
    foreground: NDArray[np.bool_] | None,
    limit: float,
) -> tuple[_Window, Array, NDArray[np.bool_]]:
    """Draw one defect: its window of the image, the new pixels there and the mask."""
    layer, reach = KINDS[kind]
    size = min(pixels.shape[:2])
    place = int(places[rng.integers(len(places))])
    cy, cx = divmod(place, pixels.shape[1])
    half = int(np.ceil(reach * size)) + 2 * SOFT_EDGE
    rows = slice(max(cy - half, 0), min(cy + half + 1, pixels.shape[0]))
    columns = slice(max(cx - half, 0), min(cx + half + 1, pixels.shape[1]))
    window = (rows, columns)
    patch = pixels[window].astype(np.float32) * np.float32(255 / limit)
    y = np.arange(rows.start - cy, rows.stop - cy, dtype=np.float32)[:, None]
    x = np.arange(columns.start - cx, columns.stop - cx, dtype=np.float32)[None, :]
    material, weight = layer(patch, y, x, size, source, rng)
    if foreground is not None:
        weight = weight * foreground[window]
    mask = weight >= 0.5
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SOFT_EDGE + 1,) * 2)
    near = cv2.dilate(mask.astype(np.uint8), kernel)
    weight = (weight * near)[..., None]
    blended = patch + weight * (material - patch)
    blended = np.clip(blended * np.float32(limit / 255), 0, limit)
    if pixels.dtype.kind == "u":
        blended = np.rint(blended)
    # Scaling to and fro must not touch the pixels beside the defect.
    changed = np.where(weight > 0, blended.astype(pixels.dtype), pixels[window])
    return window, changed, mask


# ---- arguments -----------------------------------------------------------------------


def _check_image(image: Any, name: str) -> None:
    ok = isinstance(image, np.ndarray) and (
        image.dtype in (np.uint8, np.uint16) or image.dtype.kind == "f"
    )
    if not ok or image.ndim not in (2, 3) or (*image.shape, 1)[2] not in (1, 3):
        raise ValueError(
            f"{name} must be an array (height, width) or (height, width, 3) of uint8, "
            f"uint16 or float, got {getattr(image, 'dtype', type(image).__name__)} "
            f"{getattr(image, 'shape', '')}"
        )


def _as_channels(donor: Array, pixels: Array) -> Array:
    """Return a donor with as many channels as the image has."""
    _check_image(donor, "donor")
    if donor.dtype != pixels.dtype:
        raise ValueError(
            f"donor is {donor.dtype}, but the image is {pixels.dtype}: convert one of them"
        )
    if donor.ndim == 2:
        donor = donor[..., None]
    if donor.shape[2] == pixels.shape[2]:
        return donor
    if pixels.shape[2] == 3:
        return np.repeat(donor, 3, axis=2)
    if donor.dtype.kind == "f":
        donor = donor.astype(np.float32)
    return cv2.cvtColor(donor, cv2.COLOR_RGB2GRAY)[..., None]


def _places(shape: tuple[int, ...], foreground: NDArray[np.bool_] | None) -> IndexArray:
    """Return the flat indices of the pixels that can be the centre of a defect."""
    margin = min(shape) // 10
    allowed = np.zeros(shape, dtype=bool)
    allowed[margin : shape[0] - margin, margin : shape[1] - margin] = True
    if foreground is not None:
        foreground = np.asarray(foreground)
        if foreground.dtype != bool or foreground.shape != shape:
            raise ValueError(
                f"foreground must be a bool array of shape {shape}, got "
                f"{foreground.dtype} {foreground.shape}"
            )
        if not foreground.any():
            raise ValueError("foreground is False everywhere: no place for a defect")
        allowed &= foreground
        if not allowed.any():
            allowed = foreground
    return np.flatnonzero(allowed)
