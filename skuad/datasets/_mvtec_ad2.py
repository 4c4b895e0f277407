"""MVTec AD 2: changing light, and test images whose labels only the publisher has."""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skuad.datasets._bunch import ANOMALOUS, GOOD, UNKNOWN, Loaded, Part
from skuad.datasets._files import pair_masks, require_folder
from skuad.datasets._layout import Layout, load_layout
from skuad.io import find_images
from skuad.utils._typing import Array, IntArray, StrPath

#: The splits without labels, and how many images each category has in either of them.
PRIVATE_SPLITS = ("test_private", "test_private_mixed")
PRIVATE_IMAGES = {
    "can": 321,
    "fabric": 314,
    "fruit_jelly": 255,
    "rice": 277,
    "sheet_metal": 142,
    "vial": 276,
    "wallplugs": 232,
    "walnuts": 228,
}


def load_mvtec_ad2(
    root: StrPath,
    category: str | Sequence[str],
    *,
    split: str = "public",
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the images of MVTec AD 2 [1]_: 8 objects under changing light.

    No image is opened, and nothing is downloaded: get the data set from
    https://www.mvtec.com/company/research/datasets/mvtec-ad-2 (CC BY-NC-SA 4.0).

    Parameters
    ----------
    root : str or PathLike
        The folder that holds the categories.
    category : str or sequence of str
        A category such as "vial", several, or "all" for every one on disk.
    split : str, default="public"
        "train", "validation", "test_public" ("test" for short), "test_private" or
        "test_private_mixed"; "public" stands for the first three, which are labelled,
        "private" for the last two, which are not, and "all" for all of them.
    missing_mask : {"raise", "zero", "skip"}, default="raise"
        As in `load_mvtec_ad`.
    return_X_y : bool or {"masks", "labels"}, default=False
        As in `load_mvtec_ad`. Unlabelled images have no masks to return.
    as_frame : bool, default=False
        As in `load_mvtec_ad`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of `load_mvtec_ad`, but the `target` of images of the private splits is 0
        and their `defect_type` "unknown", and images of one scene have one number in
        `groups`. In addition:

        condition : ndarray of shape (n_images,), dtype str
            The light: "regular", "overexposed", "underexposed", "shift_1", ...; "mixed"
            where the publisher does not tell.
    (images, y) : tuple if `return_X_y` is not False
        As of `load_mvtec_ad`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError
        As `load_mvtec_ad`, and if masks of unlabelled images are asked for.

    See Also
    --------
    score_by_condition : A metric for each condition.
    write_submission : Results in the layout of the publisher's server.

    References
    ----------
    .. [1] L. Heckler-Kram, J.-H. Neudeck, U. Scheler, R. König and C. Steger, "The
       MVTec AD 2 Dataset: Advanced Scenarios for Unsupervised Anomaly Detection",
       arXiv:2503.21622, 2025.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_mvtec_ad2, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("mvtec_ad2", root, "vial")
    ...     test = load_mvtec_ad2(root, "vial", split="test")
    ...     private = load_mvtec_ad2(root, "vial", split="test_private")
    >>> test.condition[:3].tolist(), private.target.tolist()
    (['overexposed', 'regular', 'shift_1'], [0, 0])
    """
    return load_layout(
        MVTEC_AD2,
        root,
        category,
        split=split,
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def score_by_condition(
    metric: Callable[[Any, Any], float],
    y_true: Sequence[Any] | Array,
    y_pred: Sequence[Any] | Array,
    condition: npt.ArrayLike,
) -> dict[str, float]:
    """Compute a metric for each lighting condition: how robust a detector is.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred) -> float``, of maps or of scores.
    y_true, y_pred : sequence
        What `metric` takes, one entry per image.
    condition : array-like of shape (n_images,)
        The condition of each image, from `load_mvtec_ad2`.

    Returns
    -------
    dict of str to float
        The value for each condition, "regular" first, and for "all" images together.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> from sklearn.metrics import accuracy_score
    >>> from skuad.datasets import score_by_condition
    >>> score_by_condition(
    ...     accuracy_score, [1, -1, -1], [1, -1, 1], ["regular", "shift_1", "shift_1"]
    ... )
    {'regular': 1.0, 'shift_1': 0.5, 'all': 0.6666666666666666}
    """
    condition = np.asarray(condition)
    if not len(y_true) == len(y_pred) == len(condition):
        raise ValueError(
            f"y_true, y_pred and condition differ in length: {len(y_true)}, "
            f"{len(y_pred)}, {len(condition)}"
        )
    names = sorted(
        dict.fromkeys(condition.tolist()), key=lambda name: name != "regular"
    )
    table = {}
    for name in names:
        keep = np.flatnonzero(condition == name)
        table[name] = metric(_take(y_true, keep), _take(y_pred, keep))
    table["all"] = metric(y_true, y_pred)
    return table


def _take(values: Sequence[Any] | Array, keep: IntArray) -> list[Any] | Array:
    if isinstance(values, np.ndarray):
        return values[keep]
    return [values[i] for i in keep]


def _list_parts(folder: str, split: str) -> list[Part]:
    if split in PRIVATE_SPLITS:
        images = find_images(require_folder(os.path.join(folder, split), split))
        # Both splits hold the same scenes.
        return [_part(images, UNKNOWN, split, "unknown", scenes="private")]
    place = require_folder(os.path.join(folder, split, "good"), f"{split} images")
    parts = [_part(find_images(place), GOOD, split, "good", scenes=f"{split}/good")]
    if split == "test_public":
        public = os.path.join(folder, split)
        place = require_folder(os.path.join(public, "bad"), "defective images")
        images = find_images(place)
        part = _part(images, ANOMALOUS, split, "bad", scenes=f"{split}/bad")
        part.masks, part.orphans = pair_masks(
            images, os.path.join(public, "ground_truth", "bad")
        )
        parts.append(part)
    return parts


def _part(
    images: list[str], target: int, split: str, defect_type: str, *, scenes: str
) -> Part:
    """Return a part with the scene and the light from names such as 007_shift_1.png."""
    groups, conditions = [], []
    for image in images:
        stem = os.path.splitext(os.path.basename(image))[0]
        match = re.fullmatch(r"(\d+)_(.+)", stem)
        groups.append((scenes, match[1] if match else stem))
        conditions.append(match[2] if match else "unknown")
    return Part(
        images,
        target,
        split,
        defect_type,
        groups=groups,
        extra={"condition": conditions},
    )


MVTEC_AD2 = Layout(
    name="mvtec_ad2",
    title="MVTec AD 2",
    categories=tuple(PRIVATE_IMAGES),
    splits=("train", "validation", "test_public", *PRIVATE_SPLITS),
    several={
        "public": ("train", "validation", "test_public"),
        "private": PRIVATE_SPLITS,
        "test": ("test_public",),
    },
    markers=("train", "test_public", *PRIVATE_SPLITS),
    list_parts=_list_parts,
    descr="""MVTec AD 2: over 8000 images of 8 objects under changing light

Layout: <category>/{train,validation}/good, <category>/test_public/{good,bad},
<category>/test_public/ground_truth/bad/<stem>_mask.png, and without labels
<category>/{test_private,test_private_mixed}. Images are named <scene>_<light>.png.
Metrics: AU-PRO up to a false-positive rate of 0.05, and SegF1. Results on the private
splits come from https://benchmark.mvtec.com.
Source: https://www.mvtec.com/company/research/datasets/mvtec-ad-2
Licence: CC BY-NC-SA 4.0.
""",
)
