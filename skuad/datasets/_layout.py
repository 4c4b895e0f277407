"""Data sets with one folder per category: finding it, and listing what is in it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from skuad.datasets._bunch import Loaded, Part, check_options, make_bunch
from skuad.datasets._files import check_root, describe_folder, subfolders
from skuad.datasets._names import check_name, did_you_mean
from skuad.utils._typing import StrPath


@dataclass(frozen=True)
class Layout:
    """How a publisher lays out a data set with one folder per category."""

    name: str
    title: str
    categories: tuple[str, ...]
    splits: tuple[str, ...]
    markers: tuple[str, ...]
    """Folders of which every category has one: what a category is recognised by."""
    list_parts: Callable[..., list[Part]]
    """``list_parts(folder, split)`` -> the parts of one split of a category."""
    descr: str
    bases: tuple[str, ...] = ("",)
    """Where below the root the categories may lie."""
    several: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names that stand for several splits."""
    describe: Callable[[str], dict[str, Any]] = field(default=lambda folder: {})
    """``describe(folder)`` -> metadata of a category, for the Bunch."""


def load_layout(
    layout: Layout,
    root: StrPath,
    category: str | Sequence[str],
    *,
    split: str,
    missing_mask: str,
    return_X_y: bool | str,
    as_frame: bool,
    **options: Any,
) -> Loaded:
    """List a category, several, or all of a data set, and return its Bunch."""
    check_options(missing_mask, return_X_y)
    several = {"all": layout.splits, **layout.several}
    check_name(split, (*several, *layout.splits), f"split of {layout.title}")
    splits = several.get(split, (split,))
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
        stacklevel=5,
        **metadata,
    )


# ---- categories ----------------------------------------------------------------------


def find_categories(
    layout: Layout, root: StrPath, category: str | Sequence[str]
) -> dict[str, str]:
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


def list_categories_in(layout: Layout, root: StrPath) -> list[str]:
    """List the categories of a data set that are on disk."""
    root = check_root(root)
    return _categories_in(layout, _find_base(layout, root, None))


def _find_base(layout: Layout, root: str, wanted: list[str] | None) -> str:
    """Return the folder that holds the categories: the root, as a rule."""

    def fits(base: str) -> bool:
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
            f"with a folder {_markers(layout)} in them; found {describe_folder(root)}"
        )
    raise ValueError(_no_category(layout, root, wanted[0]))


def _no_category(layout: Layout, base: str, name: str) -> str:
    """Say why the base has no such category."""
    folder = os.path.join(base, name)
    if name and os.path.isdir(folder):
        return (
            f"{folder!r} is not laid out as {layout.title}: looked for a folder "
            f"{_markers(layout)} in it; found {describe_folder(folder)}"
        )
    found = _categories_in(layout, base)
    if name in layout.categories:
        return (
            f"the category {name!r} of {layout.title} is not in {base!r}: "
            f"found {', '.join(map(repr, found)) or describe_folder(base)}"
        )
    known = dict.fromkeys([*layout.categories, *found])
    return (
        f"unknown category of {layout.title}: {name!r}.{did_you_mean(name, known)} "
        f"Known: {', '.join(map(repr, known))}. A category of your own needs a folder "
        f"{folder!r} with a folder {_markers(layout)} in it"
    )


def _markers(layout: Layout) -> str:
    return " or ".join(map(repr, layout.markers))


def _is_category(layout: Layout, folder: str) -> bool:
    return any(os.path.isdir(os.path.join(folder, name)) for name in layout.markers)


def _has_category(layout: Layout, base: str, name: str) -> bool:
    return name not in ("", ".", "..") and _is_category(
        layout, os.path.join(base, name)
    )


def _categories_in(layout: Layout, base: str) -> list[str]:
    found = [
        name
        for name in subfolders(base)
        if _is_category(layout, os.path.join(base, name))
    ]
    own = [name for name in found if name not in layout.categories]
    return [name for name in layout.categories if name in found] + own
