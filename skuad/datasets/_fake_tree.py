"""Small data sets in the publishers' layouts, to try things out without the real one."""

import os
from collections.abc import Callable
from typing import Any

from skuad.datasets._names import check_name
from skuad.utils import _testing_trees as trees
from skuad.utils._typing import StrPath

# name of the data set: (writes a category, category by default)
_MAKERS: dict[str, tuple[Callable[..., str], str | None]] = {
    "mvtec_ad": (trees.make_mvtec_ad, "bottle"),
    "mvtec_loco": (trees.make_mvtec_loco, "breakfast_box"),
    "mvtec_ad2": (trees.make_mvtec_ad2, "vial"),
    "visa": (trees.make_visa, "candle"),
    "btad": (trees.make_btad, "03"),
    "elpv": (trees.make_elpv, None),
    "image_folder": (trees.make_folder, None),
}


def make_fake_tree(
    name: str, root: StrPath, category: str | None = None, **options: Any
) -> str:
    """Write a small data set that is laid out as the publisher's, with noise for images.

    The images are gray or coloured noise of 32 x 40 pixels, defects are bright blocks.
    Files and folders are named and sorted as in the real data set, with its pitfalls:
    clutter of operating systems, names that repeat, suffixes in upper case.

    Parameters
    ----------
    name : str
        Name of the data set, see `list_datasets`.
    root : path-like
        Where to; is made if it is not there. Existing files of the same names are
        overwritten.
    category : str, default=None
        The category to write; None for one of the publisher's. "elpv" has none; of
        "image_folder" it is a folder below `root`, None for `root` itself.
    **options
        `suffix` of images ("mvtec_ad"); `layout`: "channels", "relative" or "suffix"
        ("mvtec_loco"), "raw", "converted" or "1cls" ("visa"); `good`, `bad` and `masks`,
        names of folders ("image_folder").

    Returns
    -------
    str
        The folder of the category, or `root` where there are none.

    Raises
    ------
    ValueError
        If there is no such data set, or it has no categories.

    See Also
    --------
    make_defect_images : Images that look like surfaces, with planted defects.

    Examples
    --------
    >>> import os, tempfile
    >>> from skuad.datasets import make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     folder = make_fake_tree("btad", root, "03")
    ...     sorted(os.listdir(folder)), sorted(os.listdir(f"{folder}/train/ok"))
    (['ground_truth', 'test', 'train'], ['0000.bmp', '0001.bmp', '0002.bmp'])
    """
    make, default = _MAKERS[check_name(name, _MAKERS, "data set")]
    root = str(os.fsdecode(root))
    if name == "image_folder":
        return make(
            root if category is None else os.path.join(root, category), **options
        )
    if default is None:
        if category is not None:
            raise ValueError(f"{name!r} has no folders of categories")
        return make(root, **options)
    return make(root, default if category is None else category, **options)
