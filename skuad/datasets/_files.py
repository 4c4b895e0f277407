"""Folders and files by name: what is where, and which mask goes with which image."""

import difflib
import os
from collections.abc import Iterable, Sequence

from skuad.datasets._bunch import ANOMALOUS, GOOD, Part
from skuad.datasets._names import nearest_path
from skuad.io import IMAGE_SUFFIXES, find_images, natural_key
from skuad.utils._typing import StrPath


def check_root(root: StrPath) -> str:
    """Return the root as str, or raise if it is not a folder."""
    root = str(os.fsdecode(root))  # os.scandir takes numpy.str_ for bytes
    if os.path.isdir(root):
        return root
    if os.path.exists(root):
        raise NotADirectoryError(f"{root!r} is a file; the root must be a folder")
    parent, name = os.path.split(os.path.abspath(root))
    while not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    raise FileNotFoundError(
        f"there is no folder {root!r}: {parent!r} has no {name!r}.{nearest_path(root)}"
    )


def describe_folder(folder: str) -> str:
    """Name what is in a folder, for an error."""
    names = [f"{name}/" for name in subfolders(folder)]
    if not names:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    return shown or "nothing"


def subfolders(folder: str) -> list[str]:
    """List the names of the sub-folders in natural order, hidden ones passed over."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # os.path.isdir, as entry.is_dir() raises on a link that points to itself.
            if not entry.name.startswith(".") and os.path.isdir(entry.path):
                names.append(entry.name)
    return sorted(names, key=natural_key)


def good_first(names: Iterable[str], good: Sequence[str] = ("good",)) -> list[str]:
    """Sort names so that those of good images come before those of defects."""
    return sorted(names, key=lambda name: name not in good)  # stable


def require_folder(folder: str, what: str) -> str:
    """Return the folder, or raise and say what was found in its place."""
    if os.path.isdir(folder):
        return folder
    parent, name = os.path.split(folder)
    while not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    near = difflib.get_close_matches(name, subfolders(parent), n=1)
    hint = f" Did you rename it to {near[0]!r}?" if near else ""
    raise ValueError(
        f"{what} should be in {folder!r}, but {parent!r} has no folder {name!r}; "
        f"found {describe_folder(parent)}.{hint}"
    )


# ---- masks ---------------------------------------------------------------------------


def pair_masks(images: list[str], folder: str) -> tuple[list[str], list[str]]:
    """Find the mask of each image in a folder of masks, by name.

    The mask of ``007.png`` is, in this order: the folder ``007`` (one file per defect),
    a file ``007`` or a file ``007_mask``, with any image suffix.

    Parameters
    ----------
    images : list of str
        Paths of images, all from one folder.
    folder : str
        The folder with their masks; it need not exist.

    Returns
    -------
    masks : list of str
        A path for each image, '' where none was found.
    orphans : list of str
        Masks that no image goes with.
    """
    channels, files = _masks_in(folder)
    masks, used = [], set()
    for image in images:
        stem = os.path.splitext(os.path.basename(image))[0]
        mask = channels.get(stem) or files.get(stem) or files.get(f"{stem}_mask") or ""
        masks.append(mask)
        used.add(mask)
    left_over = [*channels.values(), *files.values()]
    return masks, [path for path in left_over if path not in used]


def _masks_in(folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return stem -> path of the channel folders and of the mask files in a folder."""
    if not os.path.isdir(folder):
        return {}, {}
    channels = {name: os.path.join(folder, name) for name in subfolders(folder)}
    files: dict[str, str] = {}
    for path in find_images(folder) if has_images(folder) else ():
        stem = os.path.splitext(os.path.basename(path))[0]
        if stem in files:
            raise ValueError(
                f"two masks have one name and differ in the suffix only: "
                f"{files[stem]!r} and {path!r}"
            )
        files[stem] = path
    return channels, files


def has_images(folder: str) -> bool:
    """Return whether an image file lies directly in the folder."""
    with os.scandir(folder) as entries:
        return any(
            entry.name.lower().endswith(IMAGE_SUFFIXES)
            and not entry.name.startswith(".")
            and not os.path.isdir(entry.path)
            for entry in entries
        )


# ---- parts ---------------------------------------------------------------------------


def class_parts(
    folder: str, masks: str | None, split: str, good: Sequence[str] = ("good",)
) -> list[Part]:
    """Return a part for each class folder of a split, good images first.

    Parameters
    ----------
    folder : str
        The folder of the split, with a folder for each class.
    masks : str or None
        The folder with a folder of masks for each defect; None if there are no masks.
    split : str
        Name of the split.
    good : tuple of str, default=("good",)
        Names of the folders with good images.

    Returns
    -------
    list of Part
        Masks of a defect that has no images are orphans of the last part.
    """
    names = good_first(subfolders(require_folder(folder, f"the split {split!r}")), good)
    if not names:
        raise ValueError(f"the split {split!r} in {folder!r} has no folder of images")
    parts = []
    for name in names:
        images = find_images(os.path.join(folder, name))
        if name in good:
            parts.append(Part(images, GOOD, split))
        elif masks is None:
            parts.append(Part(images, ANOMALOUS, split, defect_type=name))
        else:
            paired, orphans = pair_masks(images, os.path.join(masks, name))
            parts.append(
                Part(images, ANOMALOUS, split, name, masks=paired, orphans=orphans)
            )
    if masks is not None and os.path.isdir(masks):
        for name in subfolders(masks):
            if name not in names:
                parts[-1].orphans += pair_masks([], os.path.join(masks, name))[1]
    return parts
