"""What planted defects look like: for each kind, its material and where it lies."""

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import Array

_Rng: TypeAlias = np.random.Generator
_Float: TypeAlias = NDArray[np.float32]
_Layer: TypeAlias = Callable[
    [_Float, _Float, _Float, int, Array, _Rng], tuple[Array, _Float]
]

# ---- the kinds: (patch, y, x, size, source, rng) -> (material, weight) ---------------
# patch is the float32 surrounding of the place, y and x its coordinates relative to it,
# size the shorter side of the whole image, source where pasted material comes from.


def _scratch(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Draw a thin, slightly bent groove, darker or brighter than its surrounding."""
    length = size * rng.uniform(0.16, 0.42)
    half_width = max(0.75, size * rng.uniform(0.0035, 0.007))
    along, across = _turned(y, x, rng.uniform(0, np.pi))
    t = along / length
    bend = size * rng.uniform(-0.12, 0.12)
    path = bend * t * t + 0.006 * size * np.sin(2 * np.pi * (t + rng.random()))
    taper = 1 - 0.5 * np.minimum(np.abs(2 * t), 1) ** 3
    offset = across - path
    depth = np.minimum(half_width * taper - np.abs(offset), length / 2 - np.abs(along))
    level = patch.mean()
    contrast = np.clip(rng.uniform(1.6, 2.6) * _roughness(patch), 22, 85)
    sign = -1 if level > 185 else 1 if level < 20 + contrast else rng.choice([-1, 1])
    wear = 1 + 0.25 * np.sin(2 * np.pi * (t * rng.uniform(1, 3) + rng.random()))
    # One wall of the groove catches the light, the other lies in shadow.
    relief = 1 + 0.3 * np.clip(offset / half_width, -1, 1)
    material = patch + (sign * contrast * wear * relief)[..., None]
    return material, _ramp(depth, 1.0)


def _stain(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Spill a translucent liquid: a tint of uneven density, sometimes with a rim."""
    depth, radius = _blob(y, x, size * rng.uniform(0.035, 0.085), rng)
    tint = np.array(_STAINS[rng.integers(len(_STAINS))], dtype=np.float32)
    if patch.shape[2] == 1:
        tint = tint.mean(keepdims=True)
    density = 0.8 + 0.14 * _smooth_noise(depth.shape, radius / 3, rng)
    if rng.random() < 0.5:
        density = density + 0.45 * np.exp(-((depth / (0.18 * radius)) ** 2))
    density = np.clip(density, 0.4, 1.3)[..., None]
    return patch * (1 - density * (1 - tint)), _ramp(depth, 3.0)


_STAINS = (
    (0.84, 0.70, 0.52),  # rust, coffee
    (0.66, 0.66, 0.70),  # oil
    (0.70, 0.78, 0.92),  # coolant
    (1.30, 1.28, 1.22),  # dried residue
)


def _cut_paste(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Paste a piece of other material, or a turned piece of the image itself."""
    depth, _ = _blob(y, x, size * rng.uniform(0.04, 0.085), rng)
    height, width = patch.shape[:2]
    side = max(height, width)
    short = [max(side - length, 0) for length in source.shape[:2]]
    if any(short):
        source = np.pad(source, ((0, short[0]), (0, short[1]), (0, 0)), "symmetric")
    top = rng.integers(source.shape[0] - side + 1)
    left = rng.integers(source.shape[1] - side + 1)
    piece = source[top : top + side, left : left + side]
    piece = np.rot90(piece, int(rng.integers(1, 4)))[:height, :width].astype(np.float32)
    # Equal mean colour: what is wrong is the structure, not the brightness.
    gain = (patch.mean((0, 1)) + 1) / (piece.mean((0, 1)) + 1) * rng.uniform(0.9, 1.1)
    return piece * gain, _ramp(depth, 2.0)


def _blur(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Wear the surface smooth."""
    depth, _ = _blob(y, x, size * rng.uniform(0.04, 0.085), rng)
    sigma = max(1.2, size * rng.uniform(0.012, 0.02))
    smooth = cv2.GaussianBlur(patch, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return smooth.reshape(patch.shape), _ramp(depth, 4.0)


def _hole(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Punch a small dark hole whose far wall catches some light."""
    depth, radius = _blob(y, x, size * rng.uniform(0.024, 0.05), rng, ragged=0.09)
    towards, _ = _turned(y, x, rng.uniform(0, 2 * np.pi))
    wall = np.clip(towards / radius, -1, 1)
    level = rng.uniform(0.22, 0.5) + 0.14 * wall
    colour = patch.mean((0, 1))
    material = level[..., None] * (colour + 0.4 * (patch - colour))
    return material, _ramp(depth, 1.5)


def _crack(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Break the surface: a dark, jagged line that gets thinner and may fork."""
    length = size * rng.uniform(0.18, 0.42)
    half_width = max(0.75, size * rng.uniform(0.0025, 0.005))
    branches = [_jagged(length, rng.uniform(0, 2 * np.pi), rng)]
    branches[0] -= (branches[0].min(axis=0) + branches[0].max(axis=0)) / 2
    if rng.random() < 0.6:
        points = branches[0]
        fork = int(rng.integers(2, len(points) - 1))
        onward = points[fork] - points[fork - 1]
        turn = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        heading = np.arctan2(onward[0], onward[1]) + turn
        branches.append(points[fork] + _jagged(0.35 * length, heading, rng))
    depth = np.full(np.broadcast_shapes(y.shape, x.shape), -np.inf, np.float32)
    for points in branches:
        taper = np.linspace(1, 0.6, len(points) - 1) * half_width
        for start, stop, width in zip(points[:-1], points[1:], taper, strict=True):
            distance = _distance_to_segment(y, x, start, stop)
            np.maximum(depth, np.float32(width) - distance, out=depth)
    level = patch.mean()
    shade = rng.uniform(0.15, 0.45)
    material = patch * shade if level > 40 else patch + 40 + 40 * shade
    return material, _ramp(depth, 1.0)


def _dent(
    patch: _Float, y: _Float, x: _Float, size: int, source: Array, rng: _Rng
) -> tuple[Array, _Float]:
    """Push the surface in: one wall turns to the light, the other away from it."""
    depth, radius = _blob(y, x, size * rng.uniform(0.035, 0.075), rng)
    towards, _ = _turned(y, x, rng.uniform(0, 2 * np.pi))
    inside = np.clip(depth / radius, 0, 1)
    # The slope of a smooth pit is zero at its rim and at its bottom.
    slope = 4 * (towards / radius) * inside
    contrast = np.clip(rng.uniform(1.4, 2.2) * _roughness(patch), 26, 70)
    shaded = patch * (1 - 0.12 * inside[..., None]) + (contrast * slope)[..., None]
    return shaded, _ramp(depth, 3.0)


# kind: (layer, furthest extent from its centre as a fraction of the image's size)
KINDS: dict[str, tuple[_Layer, float]] = {
    "scratch": (_scratch, 0.26),
    "stain": (_stain, 0.26),
    "cut_paste": (_cut_paste, 0.26),
    "blur": (_blur, 0.26),
    "hole": (_hole, 0.2),
    "crack": (_crack, 0.36),
    "dent": (_dent, 0.26),
}


# ---- shapes --------------------------------------------------------------------------


def _blob(
    y: _Float, x: _Float, radius: float, rng: _Rng, ragged: float = 0.2
) -> tuple[Array, float]:
    """Return the depth (pixels inside the outline; negative outside) and the radius."""
    radius = max(radius, 2.6)
    stretch = np.sqrt(rng.uniform(1.0, 1.9))
    u, v = _turned(y, x, rng.uniform(0, np.pi))
    u, v = u / stretch, v * stretch
    angle = np.arctan2(v, u)
    outline = np.ones_like(angle)
    for order in range(1, 7):
        amplitude = ragged * rng.standard_normal() / order**0.7
        outline += amplitude * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return radius * np.clip(outline, 0.5, 1.8) - np.hypot(u, v), radius


def _jagged(length: float, heading: float, rng: _Rng) -> NDArray[np.float64]:
    """Return the corners (y, x) of a line that wanders, from the origin."""
    n_pieces = int(rng.integers(8, 15))
    headings = heading + 0.55 * rng.standard_normal(n_pieces)
    steps = rng.uniform(0.5, 1.5, n_pieces)
    steps *= length / steps.sum()
    moves = np.stack([np.sin(headings), np.cos(headings)], axis=1) * steps[:, None]
    return np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])


def _distance_to_segment(
    y: _Float, x: _Float, start: NDArray[np.float64], stop: NDArray[np.float64]
) -> _Float:
    """Return the distance of every pixel to a segment between two points (y, x)."""
    (y0, x0), (dy, dx) = start.astype(np.float32), (stop - start).astype(np.float32)
    t = ((y - y0) * dy + (x - x0) * dx) / max(dy * dy + dx * dx, np.float32(1e-6))
    t = np.clip(t, 0, 1)
    return np.hypot(y - y0 - t * dy, x - x0 - t * dx)


def _turned(y: _Float, x: _Float, angle: float) -> tuple[_Float, _Float]:
    """Return the coordinates along and across a direction."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _ramp(depth: Array, width: float) -> _Float:
    """Return the blending weight: 0.5 on the outline, 0 to 1 over `width` pixels."""
    return np.clip(depth / np.float32(width) + 0.5, 0, 1).astype(np.float32)


def _smooth_noise(shape: tuple[int, ...], sigma: float, rng: _Rng) -> _Float:
    """Return Gaussian noise of unit variance and a correlation length of `sigma`."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), max(sigma, 0.8))
    smooth = np.asarray(blurred, np.float32)
    return smooth / max(float(smooth.std()), 1e-6)


def _roughness(patch: _Float) -> float:
    """Return the standard deviation of the brightness, in gray levels."""
    return float(patch.mean(axis=2).std())
