"""Defects planted into good images, with exact masks."""

import difflib

import cv2
import numpy as np

#: No pixel further than this many pixels from the mask is changed (soft edges).
SOFT_EDGE = 4

#: Smallest image, in pixels along its shorter side, that takes a defect.
MIN_SIZE = 32

# A draw whose mask changes by less than this, in gray levels, is drawn again: the same
# blur that shows on a print cannot be seen on the bare sheet beside it.
_VISIBLE = 6.0
_DRAWS = 10


def plant_defect(image, kind, rng, *, foreground=None, donor=None):
    """Plant one defect of a kind at a random place.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3), dtype uint8
        A good image, at least 32 pixels high and wide. It is not changed.
    kind : {"scratch", "stain", "cut_paste", "blur", "hole"}
        What to plant. Sizes scale with the shorter side of the image, contrasts with
        the fluctuation of the texture around the defect.
    rng : numpy.random.Generator
        Draws place, shape and strength.
    foreground : ndarray of shape (height, width), dtype bool, default=None
        Where a defect may be, such as the part on its background; None for anywhere.
    donor : ndarray of shape (h, w) or (h, w, 3), dtype uint8, default=None
        Foreign material for "cut_paste", of any size. None pastes a turned piece of
        `image` itself: wrong structure in the right colours. Other kinds ignore it.

    Returns
    -------
    image : ndarray, shaped as `image`, dtype uint8
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
    """
    _check_image(image, "image")
    if kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown defect {kind!r}; there are {list(_KINDS)}.{hint}")
    if min(image.shape[:2]) < MIN_SIZE:
        raise ValueError(
            f"a defect needs an image of at least {MIN_SIZE} x {MIN_SIZE} pixels, "
            f"got {image.shape[0]} x {image.shape[1]}"
        )
    places = _places(image.shape[:2], foreground)
    pixels = image if image.ndim == 3 else image[..., None]
    source = pixels if donor is None else _as_channels(donor, pixels.shape[2])
    strongest, best = 0.0, None
    for _ in range(_DRAWS):
        window, patch, mask = _draw(pixels, source, kind, rng, places, foreground)
        if not mask.any():
            continue
        change = np.abs(patch.astype(np.int16) - pixels[window])[mask].mean()
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


def defect_kinds():
    """List the kinds of defects that `plant_defect` knows."""
    return list(_KINDS)


def _draw(pixels, source, kind, rng, places, foreground):
    """Draw one defect: its window of the image, the new pixels there and the mask."""
    layer, reach = _KINDS[kind]
    size = min(pixels.shape[:2])
    place = int(places[rng.integers(len(places))])
    cy, cx = divmod(place, pixels.shape[1])
    half = int(np.ceil(reach * size)) + 2 * SOFT_EDGE
    rows = slice(max(cy - half, 0), min(cy + half + 1, pixels.shape[0]))
    columns = slice(max(cx - half, 0), min(cx + half + 1, pixels.shape[1]))
    window = (rows, columns)
    patch = pixels[window].astype(np.float32)
    y = np.arange(rows.start - cy, rows.stop - cy, dtype=np.float32)[:, None]
    x = np.arange(columns.start - cx, columns.stop - cx, dtype=np.float32)[None, :]
    material, weight = layer(patch, y, x, size, source, rng)
    if foreground is not None:
        weight = weight * foreground[window]
    mask = weight >= 0.5
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SOFT_EDGE + 1,) * 2)
    near = cv2.dilate(mask.astype(np.uint8), kernel)
    blended = patch + (weight * near)[..., None] * (material - patch)
    return window, np.clip(np.rint(blended), 0, 255).astype(np.uint8), mask


# ---- the kinds: (patch, y, x, size, source, rng) -> (material, weight) ---------------
# patch is the float32 surrounding of the place, y and x its coordinates relative to it,
# size the shorter side of the whole image, source where pasted material comes from.


def _scratch(patch, y, x, size, source, rng):
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


def _stain(patch, y, x, size, source, rng):
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


def _cut_paste(patch, y, x, size, source, rng):
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
    piece = np.rot90(piece, rng.integers(1, 4))[:height, :width].astype(np.float32)
    # Equal mean colour: what is wrong is the structure, not the brightness.
    gain = (patch.mean((0, 1)) + 1) / (piece.mean((0, 1)) + 1) * rng.uniform(0.9, 1.1)
    return piece * gain, _ramp(depth, 2.0)


def _blur(patch, y, x, size, source, rng):
    """Wear the surface smooth."""
    depth, _ = _blob(y, x, size * rng.uniform(0.04, 0.085), rng)
    sigma = max(1.2, size * rng.uniform(0.012, 0.02))
    smooth = cv2.GaussianBlur(patch, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return smooth.reshape(patch.shape), _ramp(depth, 4.0)


def _hole(patch, y, x, size, source, rng):
    """Punch a small dark hole whose far wall catches some light."""
    depth, radius = _blob(y, x, size * rng.uniform(0.024, 0.05), rng, ragged=0.09)
    towards, _ = _turned(y, x, rng.uniform(0, 2 * np.pi))
    wall = np.clip(towards / radius, -1, 1)
    level = rng.uniform(0.22, 0.5) + 0.14 * wall
    colour = patch.mean((0, 1))
    material = level[..., None] * (colour + 0.4 * (patch - colour))
    return material, _ramp(depth, 1.5)


# kind: (layer, furthest extent from its centre as a fraction of the image's size)
_KINDS = {
    "scratch": (_scratch, 0.26),
    "stain": (_stain, 0.26),
    "cut_paste": (_cut_paste, 0.26),
    "blur": (_blur, 0.26),
    "hole": (_hole, 0.2),
}


# ---- shapes --------------------------------------------------------------------------


def _blob(y, x, radius, rng, ragged=0.2):
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


def _turned(y, x, angle):
    """Return the coordinates along and across a direction."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _ramp(depth, width):
    """Return the blending weight: 0.5 on the outline, 0 to 1 over `width` pixels."""
    return np.clip(depth / np.float32(width) + 0.5, 0, 1).astype(np.float32)


def _smooth_noise(shape, sigma, rng):
    """Return Gaussian noise of unit variance and a correlation length of `sigma`."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), max(sigma, 0.8))
    return noise / max(float(noise.std()), 1e-6)


def _roughness(patch):
    """Return the standard deviation of the brightness, in gray levels."""
    return float(patch.mean(axis=2).std())


# ---- arguments -----------------------------------------------------------------------


def _check_image(image, name):
    ok = isinstance(image, np.ndarray) and image.dtype == np.uint8
    if not ok or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(
            f"{name} must be a uint8 array (height, width) or (height, width, 3), got "
            f"{getattr(image, 'dtype', type(image).__name__)} "
            f"{getattr(image, 'shape', '')}"
        )


def _as_channels(donor, n_channels):
    _check_image(donor, "donor")
    if donor.ndim == 2:
        donor = donor[..., None]
    if donor.shape[2] == n_channels:
        return donor
    if n_channels == 3:
        return np.repeat(donor, 3, axis=2)
    return cv2.cvtColor(donor, cv2.COLOR_RGB2GRAY)[..., None]


def _places(shape, foreground):
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
