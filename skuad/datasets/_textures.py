"""Textures to plant defects in: rendered ones, and photographs of real ones.

A rendered family is a function ``(size, look, rng) -> (reflectance, foreground)``. All
images of a data set get an equal generator `look`, which draws what they share
(colours, period, printed pattern), and a generator `rng` of their own for what varies
(phase, pose, grain). `photograph` then adds light and camera, from the same `rng`.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import FloatArray

#: The photographs of scikit-image, and a tint for each: they are gray.
TINTS = {
    "brick": (1.0, 0.74, 0.64),
    "grass": (0.66, 0.92, 0.52),
    "gravel": (0.97, 0.94, 0.86),
}

#: Reflectance from 0 to 255, and where the part is; None for everywhere.
Rendered: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_] | None]


def photograph(
    reflectance: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    noise: float = 2.0,
    light: float = 0.06,
) -> NDArray[np.uint8]:
    """Light a surface a little differently each time and record it with noise.

    Parameters
    ----------
    reflectance : ndarray of shape (height, width) or (height, width, 3), float32
        The surface, from 0 to 255.
    rng : numpy.random.Generator
        Draws exposure, direction of light and sensor noise.
    noise : float, default=2.0
        Standard deviation of the sensor noise, in gray levels.
    light : float, default=0.06
        Half range of the exposure, and of the fall-off of light across the image.

    Returns
    -------
    ndarray of shape (height, width, 3), dtype uint8
        The image.
    """
    height, width = reflectance.shape[:2]
    fall_y, fall_x = rng.uniform(-light, light, 2).astype(np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    lit = (1 + rng.uniform(-light, light)) * (1 + fall_y * y) * (1 + fall_x * x)
    if reflectance.ndim == 2:
        reflectance = reflectance[..., None]
    image = reflectance * lit.astype(np.float32)[..., None]
    # Most of the noise is common to the channels, as after demosaicing.
    luma = rng.standard_normal((height, width, 1), dtype=np.float32)
    chroma = rng.standard_normal((height, width, 3), dtype=np.float32)
    image = image + np.float32(noise) * (0.9 * luma + 0.45 * chroma)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


# ---- rendered families ---------------------------------------------------------------


def _noise(size: int, look: np.random.Generator, rng: np.random.Generator) -> Rendered:
    """Render the grain of leather, cast metal or foam: a sum of Gaussian fields."""
    colour = look.uniform(90, 170) * _tint(look, 0.16)
    grain = size * look.uniform(0.008, 0.016)
    contrast = look.uniform(11, 18)
    stretch = look.uniform(1.0, 1.7)
    field = np.float32(0)
    for octave, weight in enumerate((0.8, 1.0, 0.5, 0.3)):
        sigma = max(grain * 2.2 ** (octave - 1), 0.6)
        field += weight * gaussian_field((size, size), sigma, sigma * stretch, rng)
    field = np.tanh(field / 1.6) * 1.3  # leather has flat tops and narrow pits
    return colour + contrast * field[..., None], None


def _weave(size: int, look: np.random.Generator, rng: np.random.Generator) -> Rendered:
    """Render a fabric: warp and weft threads in a plain or twill weave."""
    period = max(5.0, size * look.uniform(0.034, 0.052))
    warp_colour = look.uniform(120, 185) * _tint(look, 0.14)
    weft_colour = warp_colour * (1 + look.uniform(-0.18, 0.18, 3))
    twill = look.integers(2)
    u, v = _posed(size, rng, turn=0.03, shift=period * 4)
    wobble = gaussian_field(
        (2 * size, size), size / 8, size / 8, rng
    )  # threads are not straight
    u, v = u / period, v / period
    u += 0.12 * wobble[:size]
    v += 0.12 * wobble[size:]
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    over = (column + row) % 2 == 0 if not twill else (column + row) % 4 < 2
    across = np.where(over, u - column, v - row) - 0.5
    along = np.where(over, v - row, u - column) - 0.5
    shade = np.sqrt(np.maximum(1 - 3.2 * across**2, 0.08)) * (1 - 0.5 * along**2)
    thickness = 1 + 0.05 * rng.standard_normal((2, 256), dtype=np.float32)
    thread = np.where(over, thickness[0][column % 256], thickness[1][row % 256])
    colour = np.where(over[..., None], warp_colour, weft_colour)
    fibre = 1 + 0.06 * gaussian_field((size, size), 0.8, 0.8, rng)
    cloth = colour * (shade * thread * fibre)[..., None]
    return cv2.GaussianBlur(cloth.astype(np.float32), (0, 0), 0.6), None


def _brushed(
    size: int, look: np.random.Generator, rng: np.random.Generator
) -> Rendered:
    """Render brushed metal: long fine lines under a soft band of reflected light."""
    colour = look.uniform(125, 175) * _tint(look, 0.05)
    direction = look.integers(2)
    contrast = look.uniform(9, 15)
    fine = gaussian_field((size, size), 0.7, size * 0.11, rng)
    coarse = gaussian_field((size, size), size * 0.012, size * 0.3, rng)
    lines = fine + 0.7 * coarse
    x = np.linspace(-1, 1, size, dtype=np.float32)
    band = np.exp(-(((x - rng.uniform(-0.6, 0.6)) / 0.7) ** 2))
    if direction:
        lines, band = lines.T, band[:, None]
    else:
        band = band[None, :]
    metal = colour + contrast * lines[..., None]
    return metal * (0.9 + 0.22 * band)[..., None], None


def _printed(
    size: int, look: np.random.Generator, rng: np.random.Generator
) -> Rendered:
    """Render a printed part on a tray: border, ring, bars and a code, posed anew."""
    tray = look.uniform(30, 60) * _tint(look, 0.1)
    plastic = look.uniform(150, 200) * _tint(look, 0.25)
    ink = look.uniform(25, 70) * _tint(look, 0.5)
    half_y, half_x = look.uniform(0.34, 0.42, 2)
    flip = 1 if look.integers(2) else -1
    bars = look.uniform(0.008, 0.028, 24)
    code = look.random((8, 8)) < 0.5
    u, v = _posed(size, rng, turn=0.05, shift=0.025 * size)
    u, v = u * (flip / size), v / size
    corner = 0.05
    beyond_y = np.maximum(np.abs(v) - half_y + corner, 0)
    beyond_x = np.maximum(np.abs(u) - half_x + corner, 0)
    inside = corner - np.hypot(beyond_y, beyond_x)
    part = inside > 0
    print_ = np.abs(inside - 0.035) < 0.006  # a line along the border
    ring = np.hypot(v + half_y - 0.16, u + half_x - 0.16)
    print_ |= np.abs(ring - 0.07) < 0.014
    print_ |= ring < 0.025
    edges = np.cumsum(bars)
    stripe = np.searchsorted(
        edges / edges[-1], (u + half_x - 0.07) / (2 * half_x - 0.14)
    )
    in_bars = (v > half_y - 0.2) & (v < half_y - 0.07) & (stripe % 2 == 0)
    print_ |= in_bars & (stripe > 0) & (stripe < len(bars))
    row = np.floor((v + half_y - 0.08) / 0.024).astype(np.int32)
    column = np.floor((half_x - 0.08 - u) / 0.024).astype(np.int32)
    in_code = (row >= 0) & (row < 8) & (column >= 0) & (column < 8)
    print_ |= in_code & code[row % 8, column % 8]
    grain = gaussian_field((size, size), 1.0, 1.0, rng)
    bevel = 1 - 0.25 * (inside < 0.012)
    colour = np.where(part[..., None], plastic * bevel[..., None], tray)
    fade = rng.uniform(0.82, 0.98)  # the ink does not cover equally well every time
    colour = np.where(
        (print_ & part)[..., None], fade * ink + (1 - fade) * colour, colour
    )
    colour = colour * (1 + 0.02 * grain[..., None])
    blurred = cv2.GaussianBlur(colour.astype(np.float32), (0, 0), max(0.7, size / 300))
    return blurred, inside > 0.012


FAMILIES = {
    "noise": _noise,
    "weave": _weave,
    "brushed": _brushed,
    "printed": _printed,
}


def render(
    family: str, size: int, look: np.random.Generator, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Return one image (size, size, 3) uint8 and its foreground or None."""
    reflectance, foreground = FAMILIES[family](size, look, rng)
    return photograph(reflectance.astype(np.float32), rng), foreground


# ---- real textures -------------------------------------------------------------------


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Return the bundled photographs of real textures: name -> (512, 512) uint8."""
    from skimage import data

    return {name: getattr(data, name)() for name in TINTS}


def tinted(
    gray: NDArray[np.uint8], name: str, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a crop of a photograph, tinted, under slightly different light."""
    tint = np.array(TINTS[name], dtype=np.float32)
    tint = tint * (1 + rng.uniform(-0.01, 0.01, 3).astype(np.float32))
    return photograph(gray[..., None].astype(np.float32) * tint, rng)


# ---- pieces --------------------------------------------------------------------------


def gaussian_field(
    shape: tuple[int, int], sigma_y: float, sigma_x: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a stationary Gaussian field of about unit variance, smooth over sigma.

    A wide kernel is applied to a coarser grid, which is then interpolated: the cost
    does not depend on sigma.
    """
    steps = [max(1, int(sigma / 2.5)) for sigma in (sigma_y, sigma_x)]
    kernels = [
        cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma / step)) + 1, sigma / step)
        for sigma, step in zip((sigma_y, sigma_x), steps, strict=True)
    ]
    margins = [len(kernel) // 2 for kernel in kernels]
    height, width = (
        -(-length // step) + 2 + 2 * margin
        for length, step, margin in zip(shape, steps, margins, strict=True)
    )
    noise = rng.standard_normal((height, width), dtype=np.float32)
    field = cv2.sepFilter2D(noise, cv2.CV_32F, kernels[1], kernels[0])
    field = field[margins[0] : height - margins[0], margins[1] : width - margins[1]]
    field = field / np.sqrt((kernels[0] ** 2).sum() * (kernels[1] ** 2).sum())
    if steps != [1, 1]:
        scaled = (field.shape[1] * steps[1], field.shape[0] * steps[0])
        field = cv2.resize(
            field.astype(np.float32), scaled, interpolation=cv2.INTER_CUBIC
        )
    top, left = ((field.shape[i] - shape[i]) // 2 for i in (0, 1))
    return field[top : top + shape[0], left : left + shape[1]].astype(np.float32)


def _posed(
    size: int, rng: np.random.Generator, *, turn: float, shift: float
) -> tuple[FloatArray, FloatArray]:
    """Return pixel coordinates about the centre of an object, turned and shifted."""
    angle = rng.uniform(-turn, turn)
    dy, dx = rng.uniform(-shift, shift, 2)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    y = np.arange(size, dtype=np.float32)[:, None] - np.float32(size / 2 + dy)
    x = np.arange(size, dtype=np.float32)[None, :] - np.float32(size / 2 + dx)
    return cos * x + sin * y, cos * y - sin * x


def _tint(look: np.random.Generator, strength: float) -> NDArray[np.float32]:
    """Return a colour of mean brightness 1."""
    colour = 1 + strength * look.uniform(-1, 1, 3)
    return (colour / colour.mean()).astype(np.float32)
