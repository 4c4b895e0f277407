"""Finding the image files of a folder."""

import os
import re

from skuad.utils._text import plural
from skuad.utils._typing import StrPath

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Suffixes of the files that `find_images` lists, in lower case."""


def find_images(folder: StrPath, recursive: bool = False) -> list[str]:
    """List the image files of a folder in natural order.

    Files are taken by suffix (``.png``, ``.jpg``, ``.jpeg``, ``.bmp``, ``.tif``,
    ``.tiff`` or ``.webp``, in upper or lower case). Hidden files and folders, whose
    name begins with a dot, are passed over, as is whatever else lies there
    (``Thumbs.db``, text files).

    Parameters
    ----------
    folder : str or path-like
        The folder.
    recursive : bool, default=False
        Whether to look into its sub-folders too, those behind links included.

    Returns
    -------
    list of str
        The paths, each beginning with `folder`, so sorted that ``img2.png`` comes
        before ``img10.png``; the order does not depend on the file system.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    NotADirectoryError
        If the path is a file.
    ValueError
        If the folder holds no image; the message names what was found.

    See Also
    --------
    read_image : Read one of the files.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skuad.io import find_images, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["img10.png", "img2.png", "IMG1.PNG"]:
    ...         write_image(os.path.join(folder, name), np.zeros((2, 2), np.uint8))
    ...     [os.path.basename(path) for path in find_images(folder)]
    ['IMG1.PNG', 'img2.png', 'img10.png']
    """
    folder = str(os.fsdecode(folder))  # os.scandir takes numpy.str_ for bytes
    images: list[str] = []
    others: list[str] = []
    subfolders: list[str] = []
    _scan(folder, recursive, images, others, subfolders, seen=set())
    if not images:
        raise ValueError(_nothing_found(folder, recursive, others, subfolders))
    return sorted(images, key=lambda path: natural_key(os.path.relpath(path, folder)))


def _scan(
    folder: str,
    recursive: bool,
    images: list[str],
    others: list[str],
    subfolders: list[str],
    seen: set[str],
) -> None:
    seen.add(os.path.realpath(folder))  # a link to a parent would never end
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # is_dir() raises on a link that points to itself.
            if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                subfolders.append(entry.path)
                if recursive and os.path.realpath(entry.path) not in seen:
                    _scan(entry.path, True, images, others, subfolders, seen)
            elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                images.append(entry.path)
            else:
                others.append(entry.path)


def natural_key(path: str) -> tuple[list[list[str | int]], str]:
    """Return a key that sorts paths as people do: numbers by value, case ignored.

    Parameters
    ----------
    path : str
        A path or a name. Its parts are compared one by one, so that a folder's files
        stay together.

    Returns
    -------
    tuple
        Compares with the keys of other paths.

    Examples
    --------
    >>> from skuad.io import natural_key
    >>> sorted(["img10.png", "img2.png", "IMG1.PNG"], key=natural_key)
    ['IMG1.PNG', 'img2.png', 'img10.png']
    """
    parts: list[list[str | int]] = [
        [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", part.casefold())]
        for part in path.split(os.sep)
    ]
    return parts, path  # the path itself decides between img1 and img01


def _nothing_found(
    folder: str, recursive: bool, others: list[str], subfolders: list[str]
) -> str:
    where = "in it or its sub-folders" if recursive else "directly in it"
    message = (
        f"No image found in {folder!r}: looked for {', '.join(IMAGE_SUFFIXES)} {where}"
    )
    if others:
        names = sorted(os.path.relpath(path, folder) for path in others)
        more = ", ..." if len(names) > 5 else ""
        message += (
            f"; found {plural(len(names), 'other file')}: {', '.join(names[:5])}{more}"
        )
    elif not subfolders:
        message += "; it is empty"
    if subfolders and not recursive:
        message += (
            f"; it has {plural(len(subfolders), 'sub-folder')}, which recursive=True "
            "searches"
        )
    return message + "."
