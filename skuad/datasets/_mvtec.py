"""MVTec AD."""

import os
from collections.abc import Sequence

from skuad.datasets._bunch import GOOD, Loaded, Part
from skuad.datasets._files import class_parts, require_folder
from skuad.datasets._layout import Layout, load_layout
from skuad.io import find_images
from skuad.utils._typing import StrPath


def load_mvtec_ad(
    root: StrPath,
    category: str | Sequence[str],
    *,
    split: str = "all",
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the images of MVTec AD [1]_: 15 objects and textures with masks.

    No image is opened, and nothing is downloaded: get the data set from
    https://www.mvtec.com/company/research/datasets/mvtec-ad (CC BY-NC-SA 4.0).

    Parameters
    ----------
    root : str or PathLike
        The folder that holds the categories.
    category : str or sequence of str
        A category such as "bottle", several, or "all" for every one on disk. A folder
        of your own, laid out alike, is accepted too.
    split : {"all", "train", "test"}, default="all"
        Which images to list.
    missing_mask : {"raise", "zero", "skip"}, default="raise"
        What to do about anomalous images whose mask is missing, and masks without an
        image: raise an error that lists them; keep the images, still anomalous, with
        unknown extent, and warn; or leave the images out and warn.
    return_X_y : bool or {"masks", "labels"}, default=False
        If True or "masks", return the images and their masks; "labels" gives the
        target instead of masks.
    as_frame : bool, default=False
        Add a pandas DataFrame `frame` with one row per image; with `return_X_y`, return
        pandas Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        images : ndarray of shape (n_images,), dtype str
            Paths of the images: training images first, good before defective ones, in
            natural order (2.png before 10.png).
        target : ndarray of shape (n_images,), dtype int64
            +1 for good images, -1 for anomalous ones.
        masks : ndarray of shape (n_images,), dtype str
            Paths of the masks, '' for an image without one; see `skuad.io.read_mask`.
        defect_type : ndarray of shape (n_images,), dtype str
            "good", or the name of the defect.
        split : ndarray of shape (n_images,), dtype str
            "train" or "test".
        category : ndarray of shape (n_images,), dtype str
            The category.
        groups : ndarray of shape (n_images,), dtype int64
            Images with equal numbers show one object; here every image has its own.
        name, DESCR : str
            Name and description of the data set.
        frame : DataFrame of shape (n_images, 7)
            Only with `as_frame`: the columns above.
    (images, y) : tuple if `return_X_y` is not False
        The paths, and as `y` the paths of the masks ('' for a good image), or +1 and -1
        for "labels". If the extent of an anomaly is unknown, `y` is a list in which -1
        stands for its mask.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `root` is not a folder.
    ValueError
        If a category, split or option is unknown, the folders are not laid out as
        expected, a folder holds no image, or images and masks do not match.

    See Also
    --------
    skuad.io.read_mask : Read a mask.

    References
    ----------
    .. [1] P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger and C. Steger, "The MVTec
       Anomaly Detection Dataset: A Comprehensive Real-World Dataset for Unsupervised
       Anomaly Detection", International Journal of Computer Vision 129, 2021.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_mvtec_ad, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("mvtec_ad", root, "bottle")
    ...     data = load_mvtec_ad(root, "bottle", split="test")
    ...     images, masks = load_mvtec_ad(root, "bottle", return_X_y=True)
    >>> dict(zip(data.defect_type.tolist(), data.target.tolist()))
    {'good': 1, 'broken_large': -1, 'contamination': -1}
    """
    return load_layout(
        MVTEC_AD,
        root,
        category,
        split=split,
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _list_parts(folder: str, split: str) -> list[Part]:
    if split == "train":
        train = require_folder(os.path.join(folder, "train", "good"), "training images")
        return [Part(find_images(train), GOOD, split)]
    return class_parts(
        os.path.join(folder, "test"), os.path.join(folder, "ground_truth"), split
    )


MVTEC_AD = Layout(
    name="mvtec_ad",
    title="MVTec AD",
    categories=(
        "bottle",
        "cable",
        "capsule",
        "carpet",
        "grid",
        "hazelnut",
        "leather",
        "metal_nut",
        "pill",
        "screw",
        "tile",
        "toothbrush",
        "transistor",
        "wood",
        "zipper",
    ),
    splits=("train", "test"),
    markers=("train",),
    list_parts=_list_parts,
    descr="""MVTec AD: 5354 images of 10 objects and 5 textures, 73 types of defects

Layout: <category>/train/good, <category>/test/{good,<defect>} and
<category>/ground_truth/<defect>/<stem>_mask.png.
Source: https://www.mvtec.com/company/research/datasets/mvtec-ad
Licence: CC BY-NC-SA 4.0.
""",
)
