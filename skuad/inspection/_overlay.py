"""Pictures of anomaly maps: heat over the image, outlines, side by side."""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.inspection._heat import full_heat
from skuad.utils._typing import Array, FloatArray

#: A picture of shape (H, W, 3).
_Rgb: TypeAlias = NDArray[np.uint8]

# Outlines have to stand out from any image and from the heat: white for what was found,
# cyan (which the heat colours never take) for the truth, both on a dark rim.
_FOUND = (255, 255, 255)
_TRUTH = (0, 229, 255)
_RIM = (16, 16, 24)
_PAPER = (250, 250, 250)
_INK = (38, 38, 48)
_FAINT = (128, 128, 138)

_LINE = cv2.LINE_AA
_FONT = cv2.FONT_HERSHEY_SIMPLEX


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
    anomaly_map = _of_shape(anomaly_map, picture.shape[:2], "anomaly map")
    vmax = full_heat(anomaly_map.max(), threshold, vmin, vmax)
    heat = _heat(anomaly_map, vmin, vmax)
    pixels, heat = picture.reshape(-1, 3), heat.ravel()
    warm = np.flatnonzero(heat > _WARM)  # few, as a rule
    if warm.size > 0.2 * heat.size:
        pixels[:] = _with_heat(pixels, heat)
    elif warm.size:
        pixels[warm] = _with_heat(pixels[warm], heat[warm])
    if mask is not None:
        truth = _of_shape(mask, picture.shape[:2], "mask") != 0
        _outline(picture, truth, _TRUTH, clearance=True)
    if threshold is not None:
        _outline(picture, anomaly_map > threshold, _FOUND)
    return picture


def panel(
    image: ArrayLike,
    anomaly_map: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    threshold: float | None = None,
    vmin: float = 0.0,
    vmax: float | None = None,
    caption: str | None = None,
) -> NDArray[np.uint8]:
    """Show an image, its `overlay` and the colour scale side by side.

    The true defects are outlined in the image, what was found in the overlay, where
    nothing else shall hide the heat.

    Parameters
    ----------
    image, anomaly_map, mask, threshold, vmin, vmax
        See `overlay`.
    caption : str or None, default=None
        A line of ASCII text below.

    Returns
    -------
    picture : ndarray of uint8 of shape (height, width, 3)
        RGB. Small images are enlarged.

    Raises
    ------
    ValueError
        If the map or the mask has another size than the image.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.inspection import panel
    >>> image = np.full((256, 256), 128, np.uint8)
    >>> picture = panel(image, np.zeros((256, 256)), threshold=2.0, caption="good")
    >>> picture.shape[0] > 256, picture.shape[1] > 2 * 256
    (True, True)
    """
    plain = displayable(image)
    shape = plain.shape[:2]
    anomaly_map = _of_shape(anomaly_map, shape, "anomaly map").astype(np.float32)
    vmax = full_heat(anomaly_map.max(), threshold, vmin, vmax)
    scale = max(1.0, _LEAST_SIDE / max(shape))
    size = tuple(max(8, round(scale * side)) for side in shape)
    if size != shape:
        plain = _resize(plain, size, cv2.INTER_NEAREST)
        anomaly_map = _resize(anomaly_map, size, cv2.INTER_LINEAR)
    heat = overlay(plain, anomaly_map, threshold=threshold, vmin=vmin, vmax=vmax)
    if mask is not None:
        truth = (_of_shape(mask, shape, "mask") != 0).astype(np.uint8)
        truth = _resize(truth, size, cv2.INTER_NEAREST)
        _outline(plain, truth != 0, _TRUTH, clearance=True)
    unit = max(1.0, max(size) / 320)  # lettering and gaps grow with the picture
    margin = round(8 * unit)
    parts = [plain, heat, _color_bar(size[0], unit, threshold, vmin, vmax)]
    width = sum(part.shape[1] for part in parts) + 2 * margin
    below = [_caption(caption, width, unit)] if caption else []
    height = size[0] + sum(part.shape[0] for part in below)
    picture = _paper(height + 2 * margin, width + 2 * margin)
    left = margin
    for part in parts:
        picture[margin : margin + size[0], left : left + part.shape[1]] = part
        left += part.shape[1] + margin
    for part in below:
        picture[margin + size[0] : margin + height, margin : margin + width] = part
    return picture


def montage(pictures: Sequence[NDArray[np.uint8]], n_columns: int) -> NDArray[np.uint8]:
    """Put pictures on one sheet, row by row.

    Parameters
    ----------
    pictures : list of ndarray of uint8 of shape (H, W, 3)
        RGB, of any sizes.
    n_columns : int
        Number of pictures in a row.

    Returns
    -------
    sheet : ndarray of uint8 of shape (height, width, 3)

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.inspection import montage
    >>> montage([np.zeros((20, 30, 3), np.uint8)] * 5, n_columns=2).shape
    (60, 60, 3)
    """
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    n_rows = -(-len(pictures) // n_columns)
    sheet = _paper(n_rows * height, n_columns * width)
    for number, picture in enumerate(pictures):
        y, x = (number // n_columns) * height, (number % n_columns) * width
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


_LEAST_SIDE = 256
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


def _with_heat(colors: _Rgb, heat: NDArray[np.float32]) -> _Rgb:
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


def _of_shape(values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    values = np.asarray(values)
    if values.shape != shape:
        raise ValueError(
            f"the {what} has shape {values.shape}, but the image is {shape[0]} x "
            f"{shape[1]} pixels: they must be the same"
        )
    return values


def _resize(values: Array, size: tuple[int, ...], interpolation: int) -> Array:
    return cv2.resize(values, size[::-1], interpolation=interpolation)


def _outline(
    picture: _Rgb, mask: Array, color: tuple[int, int, int], clearance: bool = False
) -> None:
    """Draw the border of a mask, on request so far outside that no defect is hidden."""
    mask = mask.astype(np.uint8)
    width = max(1, round(max(picture.shape[:2]) / 400))
    if clearance:
        side = 2 * width + 5
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        mask = cv2.dilate(mask, disk)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, _RIM, width + 2)
    cv2.drawContours(picture, contours, -1, color, width)


def _paper(height: int, width: int) -> _Rgb:
    sheet = np.empty((height, width, 3), np.uint8)
    sheet[0] = _PAPER
    sheet[1:] = sheet[0]  # copies rows, which is quicker than pixel by pixel
    return sheet


def _text(
    canvas: _Rgb,
    text: str,
    place: tuple[int, int],
    unit: float,
    color: tuple[int, int, int] = _INK,
) -> None:
    thickness = max(1, round(unit))
    cv2.putText(canvas, text, place, _FONT, 0.4 * unit, color, thickness, _LINE)


def _caption(text: str, width: int, unit: float) -> _Rgb:
    strip = _paper(round(24 * unit), width)
    (needed, _), _ = cv2.getTextSize(text, _FONT, 0.4 * unit, max(1, round(unit)))
    fitting = unit * min(1.0, (width - 2) / max(needed, 1))
    _text(strip, text, (0, round(18 * unit)), fitting)
    return strip


def _color_bar(
    height: int, unit: float, threshold: float | None, vmin: float, vmax: float
) -> _Rgb:
    """Draw the scale as it looks on middle gray, with the threshold marked."""
    bar_width, width = round(14 * unit), round(66 * unit)
    canvas = _paper(height, width)
    if not vmax > vmin:
        return canvas
    ramp = np.linspace(vmax, vmin, height, dtype=np.float32)[:, None]
    gray = np.full((height, bar_width), 150, np.uint8)
    canvas[:, :bar_width] = overlay(
        gray, np.repeat(ramp, bar_width, axis=1), vmin=vmin, vmax=vmax
    )
    left = bar_width + round(5 * unit)
    line = round(11 * unit)
    _text(canvas, f"{vmax:.3g}+", (left, line), unit, _FAINT)
    _text(canvas, f"{vmin:.3g}", (left, height - 2), unit, _FAINT)
    if threshold is not None and vmin < threshold < vmax:
        y = round((height - 1) * (vmax - threshold) / (vmax - vmin))
        thick = max(1, round(unit))
        cv2.line(canvas, (0, y), (bar_width - 1, y), _RIM, thick + 2)
        cv2.line(canvas, (0, y), (bar_width - 1, y), _FOUND, thick)
        if height > 4 * line:
            y = min(max(y + line // 2, 2 * line), height - line - 4)
            _text(canvas, f"{threshold:.3g}", (left, y), unit)
    return canvas
