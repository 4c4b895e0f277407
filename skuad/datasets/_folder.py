"""Folders of the user's own: any names for good and bad, with masks or without."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from skuad.datasets._bunch import ANOMALOUS, GOOD, UNKNOWN, Loaded, Part, make_bunch
from skuad.datasets._files import check_root, has_images, pair_masks, subfolders
from skuad.datasets._names import check_name, did_you_mean
from skuad.io import find_images
from skuad.utils._typing import StrPath

GOOD_NAMES = ("good", "ok", "normal")
MASK_NAMES = ("ground_truth", "masks", "mask")
SPLITS = ("train", "validation", "val", "test")


def load_image_folder(
    root: StrPath,
    category: str | None = None,
    *,
    good: str | Sequence[str] | None = None,
    bad: str | Sequence[str] | None = None,
    masks: StrPath | Literal[False] | None = None,
    split: str = "all",
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the images of a folder of your own, sorted into good and defective ones.

    Every folder below `root` that holds images is a class, however deep it lies. If its
    path begins with "train", "validation", "val" or "test", that is its split::

        root/OK/*.png                    root/train/good/*.png
        root/scratch/*.png               root/test/good/*.png
        root/masks/scratch/*.png         root/test/scratch/*.png
                                         root/ground_truth/scratch/*_mask.png

    Images directly in "train", "validation" or "val" are good; those directly in "test"
    are unlabelled. No image is opened.

    Parameters
    ----------
    root : str or PathLike
        The folder.
    category : str, default=None
        A folder below `root` to list in its place; "all" lists every one that holds
        images.
    good : str or sequence of str, default=None
        Names of the folders with good images, or their paths below `root`; "." stands
        for images directly in `root`. None for "good", "ok" and "normal". Upper and
        lower case do not matter.
    bad : str or sequence of str, default=None
        Names or paths of the folders with defective images; then others are passed
        over. None for every folder that is not good.
    masks : str, PathLike or False, default=None
        The folder with the masks: its name, or its path below `root`. In it, masks lie
        in folders named as the classes or, if no two defective images have the same
        name, all together. The mask of ``7.jpg`` is a folder ``7`` with one file per
        defect, a file ``7.png`` or ``7_mask.png``, with any suffix. None takes
        "ground_truth", "masks" or "mask" if there is one; False takes none.
    split : {"all", "train", "validation", "val", "test"}, default="all"
        Which images to list. Images without a split belong to "all" only.
    missing_mask : {"raise", "zero", "skip"}, default="raise"
        What to do about anomalous images whose mask is missing, and masks without an
        image, if there are masks at all: raise an error that lists them; keep the
        images, still anomalous, with unknown extent, and warn; or leave them out and
        warn.
    return_X_y : bool or {"masks", "labels"}, default=False
        If True or "masks", return the images and their masks; "labels" gives the
        target instead of masks.
    as_frame : bool, default=False
        Add a pandas DataFrame `frame`; with `return_X_y`, return pandas Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of `load_mvtec_ad`. `target` is +1 for good images, -1 for anomalous and 0
        for unlabelled ones; `defect_type` is "good", the path of the class or
        "unknown"; `split` is "all" for images without a split.
    (images, y) : tuple if `return_X_y` is not False
        The paths and the masks or the target. For an anomalous image without a mask,
        `y` holds -1, and is a list.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `root` is not a folder.
    ValueError
        If no good images are found (for "all": in any category, and all of those are
        named), a given folder is not there, or images and masks do not match.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_image_folder, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("image_folder", root, good="in spec", bad=["dent"])
    ...     data = load_image_folder(root, good="in spec")
    >>> data.target.tolist(), data.defect_type[-1]
    ([1, 1, 1, -1, -1], np.str_('dent'))
    """
    root = check_root(root)
    if category is None:
        folders = {os.path.basename(os.path.abspath(root)): root}
    elif category == "all":
        folders = {name: os.path.join(root, name) for name in subfolders(root)}
    else:
        check_name(category, subfolders(root), f"folder in {root!r}")
        folders = {category: os.path.join(root, category)}
    if category == "all":
        folders = {name: f for name, f in folders.items() if any(_walk(f, f, set()))}
    parts, faults = [], []
    for name, folder in folders.items():
        try:
            found = _list_folder(folder, _names(good), _names(bad), masks)
        except _NoGoodImages as fault:
            faults.append(str(fault))
            continue
        for part in found:
            part.category = name
        parts += found
    if category == "all" and not folders:
        raise ValueError(f"no sub-folder of {root!r} holds images")
    if len(faults) > 1:
        raise ValueError("\n".join(["several categories lack good images:", *faults]))
    if faults:
        raise ValueError(faults[0])
    if split != "all":
        check_name(split, dict.fromkeys(["all", *(p.split for p in parts)]), "split")
        parts = [part for part in parts if part.split == split]
    return make_bunch(
        parts,
        name="image_folder",
        descr=f"Images of the folder {root}\n",
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


class _NoGoodImages(ValueError):
    """A folder without good images."""


@dataclass
class _Class:
    """A folder with images of one kind."""

    folder: str
    path: str
    """Its path below the root, with '/' between names; '.' for the root."""

    @property
    def split(self) -> str:
        first = self.path.split("/")[0]
        return first if first in SPLITS else "all"

    @property
    def name(self) -> str:
        """The path without the split; '' for images directly in a split or the root."""
        if self.split != "all":
            return self.path[len(self.split) + 1 :]
        return "" if self.path == "." else self.path

    def matches(self, names: Iterable[str]) -> str | None:
        """Return the name that this class goes by, or None."""
        own = {self.path, self.name, self.name.split("/")[0]} - {""}
        own = {item.casefold() for item in own}
        return next((name for name in names if name.casefold() in own), None)


def _names(names: str | Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    names = [names] if isinstance(names, str | os.PathLike) else names
    return [os.fsdecode(name).replace(os.sep, "/").rstrip("/") for name in names]


def _list_folder(
    root: str,
    good: list[str] | None,
    bad: list[str] | None,
    masks: StrPath | Literal[False] | None,
) -> list[Part]:
    """Return the parts of one folder: by split, good ones first, in natural order."""
    mask_folders = _mask_folders(root, masks)
    classes = list(_walk(root, root, {os.path.realpath(f) for f in mask_folders}))
    parts, matched = [], set()
    for each in classes:
        is_good = each.matches(good or GOOD_NAMES)
        is_bad = each.matches(bad) if bad is not None and not is_good else None
        matched |= {is_good, is_bad}
        if is_good or (each.name == "" and each.split not in ("all", "test")):
            parts.append((each, Part(find_images(each.folder), GOOD, each.split)))
        elif each.name == "" and each.split == "test":
            part = Part(find_images(each.folder), UNKNOWN, each.split, "unknown")
            parts.append((each, part))
        elif each.name == "" and bad is None:
            raise ValueError(
                f"images lie directly in {root!r}: give good='.' if they are good"
            )
        elif is_bad or bad is None:
            part = Part(find_images(each.folder), ANOMALOUS, each.split, each.name)
            parts.append((each, part))
    for name in [*(good or ()), *(bad or ())]:
        if name not in matched:
            paths = [each.path for each in classes]
            raise ValueError(
                f"no folder {name!r} with images in {root!r}."
                f"{did_you_mean(name, paths)} Found: {', '.join(map(repr, paths))}"
            )
    if not any(part.target == GOOD for _, part in parts):
        found = ", ".join(repr(each.path) for each in classes) or "no image at all"
        raise _NoGoodImages(
            f"no good images in {root!r}: looked for folders named "
            f"{', '.join(map(repr, good or GOOD_NAMES))}; found {found}. Say which "
            "hold good images: good='...'"
        )
    if mask_folders and masks is not False:
        _find_masks(parts, mask_folders)
    order = ["all", *SPLITS]
    return sorted(  # stable
        (part for _, part in parts),
        key=lambda part: (order.index(part.split), -part.target),
    )


def _walk(folder: str, root: str, passed_over: set[str]) -> Iterator[_Class]:
    """Yield a class for every folder that holds images; links may lead in a circle."""
    passed_over = passed_over | {os.path.realpath(folder)}
    if has_images(folder):
        path = os.path.relpath(folder, root).replace(os.sep, "/")
        yield _Class(folder, path)
    for name in subfolders(folder):
        below = os.path.join(folder, name)
        if os.path.realpath(below) not in passed_over:
            yield from _walk(below, root, passed_over)


def _mask_folders(root: str, masks: StrPath | Literal[False] | None) -> list[str]:
    """Return the folders with masks, in the root or in one of its splits."""
    places = [root, *(os.path.join(root, s) for s in SPLITS)]
    if masks is None or masks is False:
        names = [
            (place, name)
            for place in places
            if os.path.isdir(place)
            for name in subfolders(place)
            if name.casefold() in MASK_NAMES
        ]
        return [os.path.join(*pair) for pair in names]
    masks = os.fsdecode(masks)
    folders = [os.path.join(place, masks) for place in places]
    folders = [folder for folder in folders if os.path.isdir(folder)]
    if not folders:
        hint = did_you_mean(masks, subfolders(root))
        raise ValueError(f"there is no folder of masks {masks!r} in {root!r}.{hint}")
    return folders


def _find_masks(parts: list[tuple[_Class, Part]], mask_folders: list[str]) -> None:
    """Give the anomalous parts their masks, and the last of them what is left over."""
    together, used = [], set()
    for each, part in parts:
        if part.target != ANOMALOUS:
            used |= {os.path.join(f, p) for f in mask_folders for p in _below(each)}
            continue
        places = [os.path.join(f, p) for f in mask_folders for p in _below(each)]
        place = next((place for place in places if os.path.isdir(place)), None)
        if place is None:
            together.append(part)
        else:
            part.masks, part.orphans = pair_masks(part.images, place)
            used |= {place, *part.masks, *part.orphans}
    bad = [part for _, part in parts if part.target == ANOMALOUS]
    if not bad:
        return
    for folder in mask_folders:
        _pair_together(folder, together, parts, used)
    for part in together:
        part.masks = part.masks or [""] * len(part.images)
    for folder in mask_folders:
        for each in _walk(folder, folder, set()):
            if each.folder != folder and each.folder not in used:
                bad[-1].orphans += find_images(each.folder)


def _below(each: _Class) -> list[str]:
    """Return where the masks of a class may lie below a folder of masks."""
    return [
        path for path in dict.fromkeys([each.path, each.name]) if path not in ("", ".")
    ]


def _pair_together(
    folder: str, together: list[Part], parts: list[tuple[_Class, Part]], used: set[str]
) -> None:
    """Pair images of several classes with masks that lie in one folder."""
    if not has_images(folder):
        return
    images = [image for part in together for image in part.images]
    stems: dict[str, str] = {}
    for image in images:
        first = stems.setdefault(_stem(image), image)
        if first != image:
            raise ValueError(
                f"the masks in {folder!r} cannot be told apart: {first!r} and "
                f"{image!r} have the same name. Sort the masks into folders named as "
                "the classes"
            )
    masks, orphans = pair_masks(images, folder)
    good = {_stem(i) for _, p in parts if p.target != ANOMALOUS for i in p.images}
    good |= {f"{stem}_mask" for stem in good}
    used.update(masks)
    position = 0
    for part in together:
        part.masks = masks[position : position + len(part.images)]
        position += len(part.images)
    left_over = [o for o in orphans if _stem(o) not in good and not os.path.isdir(o)]
    bad = [part for _, part in parts if part.target == ANOMALOUS]
    bad[-1].orphans += left_over


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
