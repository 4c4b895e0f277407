"""Finding a data set's folders on disk, and pairing images with masks by name."""

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from skuad.datasets._bunch import check_options, make_bunch
from skuad.datasets._names import check_name, did_you_mean
from skuad.io import IMAGE_SUFFIXES, find_images
from skuad.io._read import _natural_key


@dataclass(frozen=True)
class Layout:
    """How a publisher lays out a data set with one folder per category."""

    name: str
    title: str
    categories: tuple
    splits: tuple
    marker: str
    """A folder that every category has: what a category is recognised by."""
    list_parts: Callable
    """``list_parts(folder, split)`` -> the parts of one split of a category."""
    descr: str
    bases: tuple = ("",)
    """Where below the root the categories may lie."""
    describe: Callable = field(default=lambda folder: {})
    """``describe(folder)`` -> metadata of a category, for the Bunch."""


def load_layout(
    layout, root, category, *, split, missing_mask, return_X_y, as_frame, **options
):
    """List a category, several, or all of a data set, and return its Bunch."""
    check_options(missing_mask, return_X_y)
    if split != "all":
        check_name(split, ("all", *layout.splits), f"split of {layout.title}")
    splits = layout.splits if split == "all" else (split,)
    parts, metadata = [], {}
    for name, folder in find_categories(layout, root, category).items():
        for each in splits:
            for part in layout.list_parts(folder, each, **options):
                part.category = name
                parts.append(part)
        metadata[name] = layout.describe(folder)
    if isinstance(category, str) and category != "all":
        metadata = metadata[category]
    else:
        keys = dict.fromkeys(key for entry in metadata.values() for key in entry)
        metadata = {
            key: {name: entry.get(key) for name, entry in metadata.items()}
            for key in keys
        }
    return make_bunch(
        parts,
        name=layout.name,
        descr=layout.descr,
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
        **metadata,
    )


# ---- categories ----------------------------------------------------------------------


def find_categories(layout, root, category):
    """Return category -> folder for what was asked for.

    Categories that are not the publisher's are accepted if their folder is there and
    laid out alike.

    Parameters
    ----------
    layout : Layout
        The data set.
    root : str or PathLike
        The folder that holds the categories. The folder above it, and the folder of
        the very category, are recognised too.
    category : str or sequence of str
        A category, several, or "all" for every one on disk.

    Returns
    -------
    dict of str to str
        In the order asked for; for "all" the publisher's order, then others.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such root.
    ValueError
        If a category is unknown or not laid out as expected, or the root is wrong.
    """
    root = check_root(root)
    if isinstance(category, str):
        wanted = None if category == "all" else [category]
    else:
        wanted = list(category)
        if not wanted or not all(isinstance(item, str) for item in wanted):
            raise ValueError(
                f"category must be a name, a list of names or 'all', got {category!r}"
            )
    base = _find_base(layout, root, wanted)
    if wanted is None:
        wanted = _categories_in(layout, base)
    folders = {}
    for name in wanted:
        if not _has_category(layout, base, name):
            raise ValueError(_no_category(layout, base, name))
        folders[name] = os.path.join(base, name)
    return folders


def list_categories_in(layout, root):
    """List the categories of a data set that are on disk."""
    root = check_root(root)
    return _categories_in(layout, _find_base(layout, root, None))


def check_root(root):
    """Return the root as str, or raise if it is not a folder."""
    root = os.fsdecode(root)
    if os.path.isdir(root):
        return root
    if os.path.exists(root):
        raise NotADirectoryError(f"{root!r} is a file; the root must be a folder")
    parent, name = os.path.split(os.path.abspath(root))
    while not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    hint = did_you_mean(name, subfolders(parent))
    raise FileNotFoundError(
        f"there is no folder {root!r}: {parent!r} has no {name!r}.{hint}"
    )


def _find_base(layout, root, wanted):
    """Return the folder that holds the categories: the root, as a rule."""

    def fits(base):
        if wanted is None:
            return bool(_categories_in(layout, base))
        return any(_has_category(layout, base, name) for name in wanted)

    for below in layout.bases:
        base = os.path.join(root, below) if below else root
        if os.path.isdir(base) and fits(base):
            return base
    if _is_category(layout, root):  # one level too low
        parent, name = os.path.split(os.path.abspath(root))
        if wanted == [name]:
            return parent
        raise ValueError(
            f"the root {root!r} is the folder of one category, {name!r}; give the "
            f"folder above it: {parent!r}"
        )
    above = os.path.dirname(os.path.abspath(root))
    if _is_category(layout, above):  # two levels too low
        raise ValueError(
            f"the root {root!r} lies inside the folder of a category, {above!r}; give "
            f"the folder that holds the categories: {os.path.dirname(above)!r}"
        )
    bases = [
        os.path.join(root, name, below) if below else os.path.join(root, name)
        for name in subfolders(root)
        for below in layout.bases
    ]
    # By their real path: a link to a copy is no second copy.
    found = {os.path.realpath(b): b for b in bases if os.path.isdir(b) and fits(b)}
    hits = list(found.values())
    if len(hits) == 1:  # one level too high
        return hits[0]
    if hits:
        raise ValueError(
            f"several folders below the root {root!r} are laid out as {layout.title}: "
            f"{', '.join(map(repr, hits))}; give one of them as the root"
        )
    if wanted is None:
        raise ValueError(
            f"found no category of {layout.title} in {root!r}: looked for sub-folders "
            f"with a folder {layout.marker!r} in them; found {_found(root)}"
        )
    raise ValueError(_no_category(layout, root, wanted[0]))


def _no_category(layout, base, name):
    """Say why the base has no such category."""
    folder = os.path.join(base, name)
    if name and os.path.isdir(folder):
        return (
            f"{folder!r} is not laid out as {layout.title}: looked for a folder "
            f"{layout.marker!r} in it; found {_found(folder)}"
        )
    found = _categories_in(layout, base)
    if name in layout.categories:
        return (
            f"the category {name!r} of {layout.title} is not in {base!r}: "
            f"found {', '.join(map(repr, found)) or _found(base)}"
        )
    known = dict.fromkeys([*layout.categories, *found])
    return (
        f"unknown category of {layout.title}: {name!r}.{did_you_mean(name, known)} "
        f"Known: {', '.join(map(repr, known))}. A category of your own needs a folder "
        f"{folder!r} with a folder {layout.marker!r} in it"
    )


def _is_category(layout, folder):
    return os.path.isdir(os.path.join(folder, layout.marker))


def _has_category(layout, base, name):
    return name not in ("", ".", "..") and _is_category(
        layout, os.path.join(base, name)
    )


def _categories_in(layout, base):
    found = [
        name
        for name in subfolders(base)
        if _is_category(layout, os.path.join(base, name))
    ]
    own = [name for name in found if name not in layout.categories]
    return [name for name in layout.categories if name in found] + own


def _found(folder):
    names = [f"{name}/" for name in subfolders(folder)]
    if not names:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    return shown or "nothing"


# ---- folders -------------------------------------------------------------------------


def subfolders(folder):
    """List the names of the sub-folders in natural order, hidden ones passed over."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # os.path.isdir, as entry.is_dir() raises on a link that points to itself.
            if not entry.name.startswith(".") and os.path.isdir(entry.path):
                names.append(entry.name)
    return sorted(names, key=_natural_key)


def good_first(names, good=("good",)):
    """Sort names so that those of good images come before those of defects."""
    return sorted(names, key=lambda name: name not in good)  # stable


def require_folder(folder, what):
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
        f"found {_found(parent)}.{hint}"
    )


# ---- masks ---------------------------------------------------------------------------


def pair_masks(images, folder):
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


def _masks_in(folder):
    """Return stem -> path of the channel folders and of the mask files in a folder."""
    if not os.path.isdir(folder):
        return {}, {}
    channels = {name: os.path.join(folder, name) for name in subfolders(folder)}
    files = {}
    for path in find_images(folder) if has_images(folder) else ():
        stem = os.path.splitext(os.path.basename(path))[0]
        if stem in files:
            raise ValueError(
                f"two masks have one name and differ in the suffix only: "
                f"{files[stem]!r} and {path!r}"
            )
        files[stem] = path
    return channels, files


def has_images(folder):
    """Return whether an image file lies directly in the folder."""
    with os.scandir(folder) as entries:
        return any(
            entry.name.lower().endswith(IMAGE_SUFFIXES)
            and not entry.name.startswith(".")
            and not os.path.isdir(entry.path)
            for entry in entries
        )
