"""Images to learn from: no defects by accident."""

import os
from collections.abc import Iterable, Sequence

from skuad.cli._console import Failure
from skuad.cli._files import list_images
from skuad.datasets._folder import GOOD_NAMES
from skuad.io import IMAGE_SUFFIXES

# Data sets have their good images no deeper than that.
_DEPTH = 3


def good_images(arguments: Sequence[str], *, recursive: bool) -> list[str]:
    """List the images of good parts that a command line names.

    Raises
    ------
    Failure
        If a folder holds no image itself, and there is one below it to give instead;
        or if its sub-folders would be searched, and look like good and bad ones.
    """
    for folder in arguments:
        if not os.path.isdir(folder):
            continue
        found = _folders_with_images(folder)
        if found.get(".") and not recursive:
            continue
        good = [name for name in found if _is_good(name)]
        others = [name for name in found if name not in good]
        if good and (others or not recursive):
            raise Failure(_advice(folder, good, others, recursive))
    return list_images(arguments, recursive=recursive)


def _is_good(name: str) -> bool:
    return any(part.casefold() in GOOD_NAMES for part in name.split(os.sep))


def _advice(
    folder: str, good: Iterable[str], others: Sequence[str], recursive: bool
) -> str:
    # What is for training comes first, and the shortest path.
    first = min(good, key=lambda name: ("train" not in name.split(os.sep), len(name)))
    give = os.path.join(folder, first)
    if recursive:
        return (
            f"{folder!r} has folders of good images ({first!r}) and others "
            f"({others[0]!r}), which --recursive would learn as good: give the good "
            f"ones, {give!r}"
        )
    return f"no image lies directly in {folder!r}: give the good ones, {give!r}"


def _folders_with_images(root: str) -> dict[str, int]:
    """Return the folders of images below a root, as paths below it, and how many."""
    found = {}
    for folder, names, files in os.walk(root):
        below = os.path.relpath(folder, root)
        names[:] = sorted(name for name in names if name[:1] != ".")
        if below.count(os.sep) + 1 >= _DEPTH and below != ".":
            names.clear()
        n_images = sum(
            name[:1] != "." and name.lower().endswith(IMAGE_SUFFIXES) for name in files
        )
        if n_images:
            found[below] = n_images
    return found
