"""Generated data sets: good images of a texture, and ones with planted defects."""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from skuad.augmentation._defects import MIN_SIZE, defect_kinds, plant_defect
from skuad.datasets._bunch import Loaded
from skuad.datasets._names import check_name
from skuad.datasets._textures import FAMILIES, TINTS, photographs, render, tinted
from skuad.utils._param_validation import Interval, StrOptions, validate_params
from skuad.utils._typing import RandomStateLike

# Textures in which a turned piece of the image itself is wrong; the grain of the others
# looks the same from every side.
_DIRECTED = {"brick", "weave", "brushed", "printed"}

# What `kinds=None` plants: fixed, as the data sets of given seeds are.
_DEFAULT_KINDS = ("scratch", "stain", "cut_paste", "blur", "hole")

# Branches of the seed: what all images share, and one for each part of the data set.
_LOOK, _TRAIN, _GOOD, _DEFECTIVE = range(4)
# An image, its foreground if it has one, and the generator that drew it.
_Drawn: TypeAlias = tuple[
    NDArray[np.uint8], NDArray[np.bool_] | None, np.random.Generator
]


@validate_params(
    {
        "n_train": [Interval(Integral, 0, None, closed="left")],
        "n_good": [Interval(Integral, 0, None, closed="left")],
        "n_defective": [Interval(Integral, 0, None, closed="left")],
        "size": [Interval(Integral, MIN_SIZE, None, closed="left")],
        "kinds": [None, "array-like"],
        "random_state": ["random_state"],
        "return_X_y": ["boolean", StrOptions({"masks", "labels"})],
    },
    prefer_skip_nested_validation=True,
)
def make_defect_images(
    texture: str = "procedural",
    *,
    n_train: int = 20,
    n_good: int = 10,
    n_defective: int = 20,
    size: int = 256,
    kinds: Sequence[str] | None = None,
    random_state: RandomStateLike = 0,
    return_X_y: bool | str = False,
) -> Loaded:
    """Make good images of a texture, and test images with planted defects.

    Every image has light and sensor noise of its own; defects have exact masks.

    Parameters
    ----------
    texture : str, default="procedural"
        Rendered textures, independent from image to image: "noise" (leather, cast
        metal), "weave" (a fabric), "brushed" (metal), "printed" (a part on a tray,
        in a slightly different pose each time; defects lie on the part), or
        "procedural" for the one of them that `random_state` picks. Training and test
        images come from one generator, so good images are exchangeable across the
        split: use these to test rates.

        Photographs that come with scikit-image, 512 x 512 pixels, tinted: "brick",
        "grass" or "gravel". Training images are cut from the upper half, test images
        from the lower half, so no pixel is on both sides of the split.
    n_train, n_good, n_defective : int, default=20, 10, 20
        Number of good training images, good test images and defective test images.
    size : int, default=256
        Height and width, at least 32; photographs allow at most 256.
    kinds : sequence of str, default=None
        Kinds of defects, taken in turn, of those of
        `skuad.augmentation.plant_defect`. None is "scratch", "stain", "cut_paste",
        "blur" and "hole".
    random_state : int, RandomState instance or None, default=0
        An int gives the same images in every call. Rendered image number i does not
        depend on how many are asked for.
    return_X_y : bool or {"masks", "labels"}, default=False
        If True or "masks", return all images, training images first, with their masks;
        "labels" gives +1 (good) and -1 (anomalous) instead of masks.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        train : ndarray of shape (n_train, size, size, 3), dtype uint8
            Good images.
        test : ndarray of shape (n_good + n_defective, size, size, 3), dtype uint8
            The good images, then the defective ones.
        target : ndarray of shape (n_good + n_defective,), dtype int64
            +1 for good test images, -1 for anomalous ones.
        masks : ndarray of shape (n_good + n_defective, size, size), dtype bool
            True where a test image shows a defect.
        defect_type : ndarray of shape (n_good + n_defective,), dtype str
            "good" or the kind of the defect.
        texture : str
            The texture; for "procedural" the one that was picked.
        DESCR : str
            How the images were made, and whether crops of photographs overlap.
    (X, y) : tuple if `return_X_y` is not False
        Images (n_train + n_good + n_defective, size, size, 3) and the masks
        (n, size, size) or labels (n,) that go with them.

    Raises
    ------
    ValueError
        If a texture or kind is unknown, or `size` is too small, or too large for a
        photograph.

    Notes
    -----
    The generator is frozen: results on these images stay comparable between versions
    of skuad. Other versions of NumPy or OpenCV and other processors round differently,
    so single gray levels may differ between machines.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> data = make_defect_images("weave", n_train=4, n_good=2, n_defective=5, size=64)
    >>> data.train.shape, data.test.shape, data.masks.shape
    ((4, 64, 64, 3), (7, 64, 64, 3), (7, 64, 64))
    >>> data.defect_type.tolist()
    ['good', 'good', 'scratch', 'stain', 'cut_paste', 'blur', 'hole']
    >>> X, y = make_defect_images("printed", size=48, return_X_y="labels")
    >>> X.shape, (y == -1).sum()
    ((50, 48, 48, 3), np.int64(20))
    """
    check_name(texture, ["procedural", *FAMILIES, *TINTS], "texture")
    kinds = list(_DEFAULT_KINDS if kinds is None else kinds)
    for kind in kinds:
        check_name(kind, defect_kinds(), "kind of defect")
    if n_defective and not kinds:
        raise ValueError("kinds is empty, and defective images were asked for")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    if texture == "procedural":
        texture = list(FAMILIES)[_generator(seed, _LOOK).integers(len(FAMILIES))]
    source: Callable[[int, int], _Drawn]
    if texture in FAMILIES:
        source = partial(_rendered, texture, size, seed)
        donor = partial(_rendered_donor, texture, size)
        descr = _RENDERED_DESCR.format(texture=texture)
    else:
        photos = photographs()
        crops = _Crops(texture, photos[texture], size, seed)
        source = crops
        donor = partial(_cropped_donor, texture, photos)
        descr = _PHOTOGRAPH_DESCR.format(texture=texture) + crops.describe_overlap(
            n_train, n_good + n_defective
        )

    train = np.empty((n_train, size, size, 3), dtype=np.uint8)
    for i in range(n_train):
        train[i] = source(_TRAIN, i)[0]
    test = np.empty((n_good + n_defective, size, size, 3), dtype=np.uint8)
    masks = np.zeros((n_good + n_defective, size, size), dtype=bool)
    for i in range(n_good):
        test[i] = source(_GOOD, i)[0]
    for i in range(n_defective):
        kind = kinds[i % len(kinds)]
        image, foreground, rng = source(_DEFECTIVE, i)
        piece = donor(rng) if kind == "cut_paste" else None
        test[n_good + i], masks[n_good + i] = plant_defect(
            image, kind, rng, foreground=foreground, donor=piece
        )
    target = np.repeat(np.array([1, -1]), [n_good, n_defective])
    if return_X_y is not False:
        y = np.concatenate([np.zeros((n_train, size, size), dtype=bool), masks])
        if return_X_y == "labels":
            y = np.concatenate([np.ones(n_train, dtype=target.dtype), target])
        return np.concatenate([train, test]), y
    planted = [kinds[i % len(kinds)] for i in range(n_defective)]
    return Bunch(
        train=train,
        test=test,
        target=target,
        masks=masks,
        defect_type=np.array(["good"] * n_good + planted, dtype=str),
        texture=texture,
        DESCR=descr,
    )


def _generator(seed: int, *branch: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=branch))


def _rendered(family: str, size: int, seed: int, part: int, i: int) -> _Drawn:
    """Render image i of a part; return it, its foreground and its generator."""
    look, rng = _generator(seed, _LOOK), _generator(seed, part, i)
    image, foreground = render(family, size, look, rng)
    return image, foreground, rng


def _rendered_donor(
    family: str, size: int, rng: np.random.Generator
) -> NDArray[np.uint8] | None:
    """Render foreign material, or None for the image itself, half of the time."""
    if family in _DIRECTED and rng.random() < 0.5:
        return None
    others = [name for name in FAMILIES if name != family]
    other = others[rng.integers(len(others))]
    look = np.random.default_rng(rng.integers(2**32))
    return render(other, size, look, rng)[0]


def _cropped_donor(
    name: str, photos: dict[str, NDArray[np.uint8]], rng: np.random.Generator
) -> NDArray[np.uint8] | None:
    """Return another photograph, or None for the image itself, half of the time."""
    if name in _DIRECTED and rng.random() < 0.5:
        return None
    others = [other for other in photos if other != name]
    other = others[rng.integers(len(others))]
    return tinted(photos[other], other, rng)


class _Crops:
    """Cuts of a photograph: training images above the middle, test images below.

    As long as there is room, the images of a half lie side by side. The good test
    images fill the lower half from one end, the defective ones from the other. What
    finds no room is cut anywhere in the half.
    """

    def __init__(
        self, name: str, photo: NDArray[np.uint8], size: int, seed: int
    ) -> None:
        self.name, self.size, self.seed = name, size, seed
        middle = photo.shape[0] // 2
        if size > middle:
            raise ValueError(
                f"the photograph {name!r} is {photo.shape[0]} x {photo.shape[1]} and "
                f"each side of the split gets one half: size must be at most {middle}, "
                f"got {size}. Rendered textures have no limit."
            )
        self.halves = {False: photo[:middle], True: photo[middle:]}
        rows, columns = middle // size, photo.shape[1] // size
        slack = (middle - rows * size, photo.shape[1] - columns * size)
        look = _generator(seed, _LOOK)
        self.cells = {}
        for is_test in (False, True):
            top, left = look.integers(0, slack[0] + 1), look.integers(0, slack[1] + 1)
            order = look.permutation(rows * columns)
            self.cells[is_test] = [
                (top + size * (cell // columns), left + size * (cell % columns))
                for cell in order.tolist()
            ]

    def __call__(self, part: int, i: int) -> _Drawn:
        """Cut image i of a part; return it, no foreground, and its generator."""
        rng = _generator(self.seed, part, i)
        is_test = part != _TRAIN
        half, cells = self.halves[is_test], self.cells[is_test]
        if i < len(cells):
            top, left = cells[-1 - i] if part == _DEFECTIVE else cells[i]
        else:
            top, left = (rng.integers(0, side - self.size + 1) for side in half.shape)
        crop = half[top : top + self.size, left : left + self.size]
        return tinted(crop, self.name, rng), None, rng

    def describe_overlap(self, n_train: int, n_test: int) -> str:
        """Say which crops overlap each other."""
        room = len(self.cells[False])
        parts = {"training": n_train, "test": n_test}
        crowded = [part for part, n in parts.items() if n > room]
        if not crowded:
            return "No two images overlap.\n"
        return (
            f"A half has room for {room} images side by side: the "
            f"{' and the '.join(crowded)} images overlap among themselves.\n"
        )


_RENDERED_DESCR = """Rendered images of the texture {texture!r} with planted defects

Each image is rendered anew from a seed of its own. Good training and good test images
are independent and identically distributed.
"""

_PHOTOGRAPH_DESCR = """Crops of the photograph {texture!r} with planted defects

The photograph comes with scikit-image; it is gray and was tinted. Training images are
cut from its upper half, test images from its lower half: they share no pixel. Foreign
material in "cut_paste" comes from the other photographs.
"""
