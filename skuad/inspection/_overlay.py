"""Pictures of anomaly maps: heat over the image, and outlines."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.inspection._heat import full_heat
from skuad.utils._typing import Array, FloatArray

#: A picture of shape (H, W, 3).
Rgb: TypeAlias = NDArray[np.uint8]

# Outlines have to stand out from any image and from the heat: white for what was found,
# cyan (which the heat colours never take) for the truth, both on a dark rim.
FOUND = (255, 255, 255)
TRUTH = (0, 229, 255)
RIM = (16, 16, 24)


def displayable(image: ArrayLike) -> NDArray[np.uint8]:
    """Turn an image of any kind into 8-bit RGB for the eye.

    Parameters
    ----------
    image : array-like of shape (H, W) or (H, W, C)
        uint8 is kept. uint16 is scaled by the smallest number of bits that holds its
        highest value, so that a 12-bit camera's images are not dark. Floats in [0, 1]
        are scaled by 255, others from their lowest to their highest value. The alpha
        channel of four is ignored; 2 channels, or 5 and more, are averaged.

    Returns
    -------
    picture : ndarray of uint8 of shape (H, W, 3)

    Raises
    ------
    ValueError
        If the image has another number of dimensions or no pixels.
    """
    values = np.asarray(image)
    if values.ndim not in (2, 3) or values.size == 0:
        raise ValueError(
            f"an image has the shape (H, W) or (H, W, C), but this one {values.shape}"
        )
    if values.ndim == 2:
        values = values[:, :, None]
    if values.shape[2] in (3, 4):
        values = values[:, :, :3]
    elif values.shape[2] > 1:
        mean = values.mean(axis=2, keepdims=True)
        is_integer = values.dtype.kind in "ui"
        values = mean.round().astype(values.dtype) if is_integer else mean
    pixels = _to_uint8(values)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels.copy()


def _to_uint8(image: Array) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype == bool:
        return image.astype(np.uint8) * 255
    if image.dtype.kind in "ui":
        low, high = 0, 2 ** max(8, int(image.max()).bit_length()) - 1
    else:
        # NaN and infinity belong to no picture, but must not spoil the rest of it.
        image = np.nan_to_num(image.astype(np.float64), posinf=1.0, neginf=0.0)
        low, high = min(0.0, image.min()), max(1.0, image.max())
        if low < 0 or high > 1:
            low, high = image.min(), image.max()
    unit = (image.astype(np.float64) - low) / max(high - low, np.finfo(float).tiny)
    return np.round(255 * np.clip(unit, 0, 1)).astype(np.uint8)


def overlay(
    image: ArrayLike,
    anomaly_map: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    threshold: float | None = None,
    vmin: float = 0.0,
    vmax: float | None = None,
) -> NDArray[np.uint8]:
    """Lay an anomaly map over its image as heat.

    Low values leave the image as it is; with rising values it turns violet, red, orange
    and light yellow. The pixels above the threshold are outlined in white, the true
    defects in cyan.

    Parameters
    ----------
    image : array-like of shape (H, W) or (H, W, C)
        uint8, uint16 or float; gray, RGB or RGBA.
    anomaly_map : array-like of shape (H, W)
        High is anomalous.
    mask : array-like of shape (H, W) or None, default=None
        True mask, non-zero inside defects.
    threshold : float or None, default=None
        Pixels above it are outlined.
    vmin : float, default=0.0
        The value of no heat.
    vmax : float or None, default=None
        The value of full heat. By default it lies half as far above the threshold as
        `vmin` lies below it; without a threshold it is the map's maximum. Give the same
        two to all images of a set, or their colours cannot be compared.

    Returns
    -------
    picture : ndarray of uint8 of shape (H, W, 3)
        RGB.

    Raises
    ------
    ValueError
        If the map or the mask has another size than the image.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.inspection import overlay
    >>> image = np.full((32, 48), 128, np.uint8)
    >>> anomaly_map = np.zeros((32, 48), np.float32)
    >>> anomaly_map[8:16, 8:16] = 3.0
    >>> overlay(image, anomaly_map, threshold=2.0).shape
    (32, 48, 3)
    """
    picture = displayable(image)
    anomaly_map = of_shape(anomaly_map, picture.shape[:2], "anomaly map")
    vmax = full_heat(anomaly_map.max(), threshold, vmin, vmax)
    heat = _heat(anomaly_map, vmin, vmax)
    pixels, heat = picture.reshape(-1, 3), heat.ravel()
    warm = np.flatnonzero(heat > _WARM)  # few, as a rule
    if warm.size > 0.2 * heat.size:
        pixels[:] = _with_heat(pixels, heat)
    elif warm.size:
        pixels[warm] = _with_heat(pixels[warm], heat[warm])
    if mask is not None:
        truth = of_shape(mask, picture.shape[:2], "mask") != 0
        outline(picture, truth, TRUTH, clearance=True)
    if threshold is not None:
        outline(picture, anomaly_map > threshold, FOUND)
    return picture


# Less heat than that leaves the image as it is.
_WARM = 0.1


def _heat_colors() -> NDArray[np.float32]:
    """Table of 256 RGB colours, ever lighter, from dark violet to light yellow."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    plasma = cv2.applyColorMap(ramp, cv2.COLORMAP_PLASMA)[:, 0, ::-1]
    # Its blue end would only darken the image.
    return plasma[np.linspace(50, 255, 256).round().astype(int)].astype(np.float32)


_HEAT = _heat_colors()


def _heat(anomaly_map: Array, vmin: float, vmax: float) -> NDArray[np.float32]:
    """Map [vmin, vmax] to [0, 1]; a map without any range has no heat."""
    if not vmax > vmin:
        return np.zeros(anomaly_map.shape, np.float32)
    unit = (anomaly_map.astype(np.float32) - vmin) / np.float32(vmax - vmin)
    return np.clip(np.nan_to_num(unit), 0, 1)


def _with_heat(colors: Rgb, heat: NDArray[np.float32]) -> Rgb:
    """Lay heat (n,) over pixels of an image (n, 3)."""
    # The image turns gray as it warms up, so that heat is the only colour there.
    gray = cv2.cvtColor(colors[None], cv2.COLOR_RGB2GRAY)[0, :, None].astype(np.float32)
    weight = _smooth_step(heat, _WARM, 0.6)[:, None]
    base = colors + 0.85 * np.minimum(2 * weight, 1) * (gray - colors)
    # Light and dark of the image still show through the hottest spots.
    hot = _HEAT[np.round(255 * heat).astype(np.uint8)] * (0.7 + 0.3 * gray / 255)
    weight *= 0.72
    return np.round(base + weight * (hot - base)).astype(np.uint8)


def _smooth_step(values: FloatArray, low: float, high: float) -> FloatArray:
    unit = np.clip((values - low) / (high - low), 0, 1)
    return unit * unit * (3 - 2 * unit)


def of_shape(values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    values = np.asarray(values)
    if values.shape != shape:
        raise ValueError(
            f"the {what} has shape {values.shape}, but the image is {shape[0]} x "
            f"{shape[1]} pixels: they must be the same"
        )
    return values


def outline(
    picture: Rgb, mask: Array, color: tuple[int, int, int], clearance: bool = False
) -> None:
    """Draw the border of a mask, on request so far outside that no defect is hidden."""
    mask = mask.astype(np.uint8)
    width = max(1, round(max(picture.shape[:2]) / 400))
    if clearance:
        side = 2 * width + 5
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        mask = cv2.dilate(mask, disk)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, RIM, width + 2)
    cv2.drawContours(picture, contours, -1, color, width)
