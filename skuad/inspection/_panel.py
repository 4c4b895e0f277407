"""An image, its overlay and the colour scale side by side, and sheets of pictures."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.inspection._heat import full_heat
from skuad.inspection._overlay import (
    FOUND,
    RIM,
    TRUTH,
    Rgb,
    displayable,
    of_shape,
    outline,
    overlay,
)
from skuad.utils._typing import Array

_PAPER = (250, 250, 250)
_INK = (38, 38, 48)
_FAINT = (128, 128, 138)

_LINE = cv2.LINE_AA
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Pixels of the longer side; smaller images are enlarged.
_LEAST_SIDE = 256


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
    anomaly_map = of_shape(anomaly_map, shape, "anomaly map").astype(np.float32)
    vmax = full_heat(anomaly_map.max(), threshold, vmin, vmax)
    scale = max(1.0, _LEAST_SIDE / max(shape))
    size = tuple(max(8, round(scale * side)) for side in shape)
    if size != shape:
        plain = _resize(plain, size, cv2.INTER_NEAREST)
        anomaly_map = _resize(anomaly_map, size, cv2.INTER_LINEAR)
    heat = overlay(plain, anomaly_map, threshold=threshold, vmin=vmin, vmax=vmax)
    if mask is not None:
        truth = (of_shape(mask, shape, "mask") != 0).astype(np.uint8)
        truth = _resize(truth, size, cv2.INTER_NEAREST)
        outline(plain, truth != 0, TRUTH, clearance=True)
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


def _resize(values: Array, size: tuple[int, ...], interpolation: int) -> Array:
    return cv2.resize(values, size[::-1], interpolation=interpolation)


def _paper(height: int, width: int) -> Rgb:
    sheet = np.empty((height, width, 3), np.uint8)
    sheet[0] = _PAPER
    sheet[1:] = sheet[0]  # copies rows, which is quicker than pixel by pixel
    return sheet


def _text(
    canvas: Rgb,
    text: str,
    place: tuple[int, int],
    unit: float,
    color: tuple[int, int, int] = _INK,
) -> None:
    thickness = max(1, round(unit))
    cv2.putText(canvas, text, place, _FONT, 0.4 * unit, color, thickness, _LINE)


def _caption(text: str, width: int, unit: float) -> Rgb:
    strip = _paper(round(24 * unit), width)
    (needed, _), _ = cv2.getTextSize(text, _FONT, 0.4 * unit, max(1, round(unit)))
    fitting = unit * min(1.0, (width - 2) / max(needed, 1))
    _text(strip, text, (0, round(18 * unit)), fitting)
    return strip


def _color_bar(
    height: int, unit: float, threshold: float | None, vmin: float, vmax: float
) -> Rgb:
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
        cv2.line(canvas, (0, y), (bar_width - 1, y), RIM, thick + 2)
        cv2.line(canvas, (0, y), (bar_width - 1, y), FOUND, thick)
        if height > 4 * line:
            y = min(max(y + line // 2, 2 * line), height - line - 4)
            _text(canvas, f"{threshold:.3g}", (left, y), unit)
    return canvas
