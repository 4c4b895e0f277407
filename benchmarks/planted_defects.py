"""Photographs of real textures with planted defects: the data of the quality benchmark.

Per texture, five overlapping good crops from the upper half of the photograph to fit
on, and from the lower half eight good crops and a few of every kind of defect to test.
"""

import cv2
import numpy as np
import skimage.data
from scipy.ndimage import label

SIZE = 256
KINDS = ("cutpaste", "selfpaste", "scratch", "stain", "blur", "bright")
TINTS = {
    "brick": (1.0, 0.72, 0.62),
    "grass": (0.62, 0.9, 0.5),
    "gravel": (0.95, 0.93, 0.85),
}


def photographs():
    """The three gray photographs of scikit-image, 512 x 512 uint8, by name."""
    return {name: getattr(skimage.data, name)() for name in TINTS}


def make_planted_defects(textures, tints, *, seed=0, n_per_kind=4):
    """Good training crops and labelled test crops of every texture.

    Parameters
    ----------
    textures : dict of str to ndarray of uint8, shape (512, 512)
        Gray photographs.
    tints : dict of str to tuple of float
        Factors for red, green and blue, by which a photograph becomes a colour image.

    Returns
    -------
    sets : dict of str to (train, test)
        ``train`` is a list of images (256, 256, 3) of uint8; ``test`` a list of
        (kind, image, mask), where kind is one of `KINDS` or ``"good"``.
    """
    sets = {}
    for name, texture in textures.items():
        rng = np.random.default_rng(seed)
        train = [
            _tinted(texture[:SIZE, x : x + SIZE], tints[name], rng)
            for x in (0, 64, 128, 192, 256)
        ]
        donors = [
            _tinted(textures[other][128:384, 128:384], tints[name], rng)
            for other in textures
            if other != name
        ]

        def lower_crop(texture=texture, tint=tints[name], rng=rng):
            x = int(rng.integers(0, 257))
            return _tinted(texture[SIZE:, x : x + SIZE], tint, rng)

        test = []
        for kind in KINDS:
            for _ in range(n_per_kind):
                test.append((kind, *plant(lower_crop(), kind, rng, donors)))
        for _ in range(8):
            test.append(("good", lower_crop(), np.zeros((SIZE, SIZE), bool)))
        sets[name] = train, test
    return sets


def plant(image, kind, rng, donors):
    """One defect of a kind in an image: the image with it, and its mask."""
    image = image.astype(np.float32)
    radius = rng.integers(8, 20)
    if kind == "cutpaste":  # a piece of another texture, at this one's mean colour
        mask = _blob(rng, radius)
        donor = donors[rng.integers(len(donors))].astype(np.float32)
        donor = donor * (image.mean((0, 1)) / donor.mean((0, 1)))
        image = _blend(image, donor, mask, 1.5)
    elif kind == "selfpaste":  # the texture itself, turned: structure alone changes
        mask = _blob(rng, radius + 4)
        donor = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        donor = np.roll(donor, rng.integers(20, 200, 2), (0, 1))
        image = _blend(image, donor, mask, 1.5)
    elif kind == "scratch":
        mask = _scratch(rng)
        change = rng.choice([-1, 1]) * rng.uniform(45, 75)
        image = _blend(image, image + change, mask, 0.8)
    elif kind == "stain":
        mask = _blob(rng, radius)
        tint = (0.85, 0.75, 0.55) if rng.random() < 0.5 else (0.7, 0.75, 0.9)
        image = _blend(image, image * np.array(tint, np.float32), mask, 2)
    elif kind == "blur":
        mask = _blob(rng, radius)
        image = _blend(image, cv2.GaussianBlur(image, (0, 0), 2.5), mask, 1.5)
    elif kind == "bright":
        mask = _blob(rng, radius)
        image = image * (1 + _soft(mask, 2) * rng.choice([-0.25, 0.25]))
    else:
        raise ValueError(f"unknown kind of defect: {kind!r}")
    return np.clip(image, 0, 255).astype(np.uint8), mask


def _tinted(gray, tint, rng):
    image = gray[..., None] * np.array(tint, np.float32)
    image += rng.normal(0, 2.0, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def _blob(rng, radius):
    while True:
        noise = rng.standard_normal((SIZE, SIZE)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), radius / 3)
        cy, cx = rng.integers(40, SIZE - 40, 2)
        y, x = np.mgrid[:SIZE, :SIZE]
        level = noise / noise.std() * 0.25 * radius + radius - np.hypot(y - cy, x - cx)
        regions, n_regions = label(level > 0)
        if n_regions:
            return regions == 1 + np.bincount(regions.ravel())[1:].argmax()


def _scratch(rng):
    middle = rng.integers(30, SIZE - 30, 2)
    angle = rng.uniform(0, np.pi)
    length = rng.integers(40, 110)
    t = np.linspace(-length / 2, length / 2, 30)
    bend = rng.uniform(-0.008, 0.008) * t * t
    x = middle[0] + t * np.cos(angle) - bend * np.sin(angle)
    y = middle[1] + t * np.sin(angle) + bend * np.cos(angle)
    points = np.stack([x, y], 1).astype(np.int32)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.polylines(mask, [points], False, 1, int(rng.integers(2, 4)))
    return mask > 0


def _blend(image, other, mask, sigma):
    alpha = _soft(mask, sigma)
    return image * (1 - alpha) + other * alpha


def _soft(mask, sigma):
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)[..., None]
