"""BTAD: three products of a real line."""

import os
from collections.abc import Sequence

from skuad.datasets._bunch import GOOD, Loaded, Part
from skuad.datasets._files import class_parts, require_folder
from skuad.datasets._layout import Layout, load_layout
from skuad.io import find_images
from skuad.utils._typing import StrPath


def load_btad(
    root: StrPath,
    category: str | Sequence[str],
    *,
    split: str = "all",
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the images of BTAD [1]_: the products 01, 02 and 03, with masks.

    No image is opened, and nothing is downloaded: get the data set by way of
    https://github.com/pankajmishra000/VT-ADL (CC BY-SA 4.0).

    Parameters
    ----------
    root : str or PathLike
        The folder that holds the categories.
    category : str or sequence of str
        "01", "02" or "03", several, or "all" for every one on disk.
    split : {"all", "train", "test"}, default="all"
        Which images to list.
    missing_mask : {"raise", "zero", "skip"}, default="raise"
        As in `load_mvtec_ad`.
    return_X_y : bool or {"masks", "labels"}, default=False
        As in `load_mvtec_ad`.
    as_frame : bool, default=False
        As in `load_mvtec_ad`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of `load_mvtec_ad`; `defect_type` is "good" or "ko".
    (images, y) : tuple if `return_X_y` is not False
        As of `load_mvtec_ad`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError
        As `load_mvtec_ad`.

    References
    ----------
    .. [1] P. Mishra, R. Verk, D. Fornasier, C. Piciarelli and G. L. Foresti, "VT-ADL: A
       Vision Transformer Network for Image Anomaly Detection and Localization", IEEE
       International Symposium on Industrial Electronics, 2021.

    Examples
    --------
    >>> import os, tempfile
    >>> from skuad.datasets import load_btad, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("btad", root, "03")
    ...     data = load_btad(root, "03", split="test")
    >>> [os.path.basename(path) for path in data.masks]
    ['', '', '0000.bmp', '0001.bmp']
    """
    return load_layout(
        BTAD,
        root,
        category,
        split=split,
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _list_parts(folder: str, split: str) -> list[Part]:
    if split == "train":
        train = require_folder(os.path.join(folder, "train", "ok"), "training images")
        return [Part(find_images(train), GOOD, split)]
    return class_parts(
        os.path.join(folder, "test"),
        os.path.join(folder, "ground_truth"),
        split,
        good=("ok",),
    )


BTAD = Layout(
    name="btad",
    title="BTAD",
    categories=("01", "02", "03"),
    splits=("train", "test"),
    markers=("train",),
    list_parts=_list_parts,
    descr="""BTAD (beanTech): 2830 images of 3 industrial products

Layout: <category>/train/ok, <category>/test/{ok,ko} and
<category>/ground_truth/ko/<stem>.{png,bmp}. Good and defective images share names.
Source: https://github.com/pankajmishra000/VT-ADL
Licence: CC BY-SA 4.0, as its authors state there.
""",
)
