"""MVTec LOCO AD: logical and structural anomalies, with a channel for each defect."""

import json
import os
from collections.abc import Sequence
from typing import Any

from skuad.datasets._bunch import ANOMALOUS, GOOD, Loaded, Part
from skuad.datasets._files import (
    good_first,
    has_images,
    pair_masks,
    require_folder,
    subfolders,
)
from skuad.datasets._layout import Layout, load_layout
from skuad.io import find_images
from skuad.utils._typing import StrPath


def load_mvtec_loco(
    root: StrPath,
    category: str | Sequence[str],
    *,
    split: str = "all",
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the images of MVTec LOCO AD [1]_: logical and structural anomalies.

    No image is opened, and nothing is downloaded: get the data set from
    https://www.mvtec.com/company/research/datasets/mvtec-loco (CC BY-NC-SA 4.0).

    Parameters
    ----------
    root : str or PathLike
        The folder that holds the categories.
    category : str or sequence of str
        A category such as "juice_bottle", several, or "all" for every one on disk.
    split : {"all", "train", "validation", "test"}, default="all"
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
        As of `load_mvtec_ad`, but `split` may be "validation" (good images),
        `defect_type` is "good", "logical_anomalies" or "structural_anomalies", and
        `masks` are folders with one file per defect. In addition:

        defects_config : list of dict
            The publisher's entry for every pixel value of the masks, with
            `defect_name`, `pixel_value`, `saturation_threshold` and
            `relative_saturation`: the `saturation` of `skuad.metrics.au_spro_score`,
            whose `channels` are the `masks`. Empty if the category has no
            ``defects_config.json``; for several categories, a dict of lists.
    (images, y) : tuple if `return_X_y` is not False
        As of `load_mvtec_ad`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError
        As `load_mvtec_ad`, and if defects_config.json is damaged.

    See Also
    --------
    skuad.metrics.au_spro_score : The metric for this data set.

    References
    ----------
    .. [1] P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger and C. Steger, "Beyond
       Dents and Scratches: Logical Constraints in Unsupervised Anomaly Detection and
       Localization", International Journal of Computer Vision 130, 2022.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_mvtec_loco, make_fake_tree
    >>> from skuad.io import read_mask
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("mvtec_loco", root, "breakfast_box")
    ...     data = load_mvtec_loco(root, "breakfast_box", split="test")
    ...     logical = data.masks[data.defect_type == "logical_anomalies"]
    ...     areas = [int(read_mask(mask).sum()) for mask in logical]
    >>> areas
    [78, 72]
    """
    return load_layout(
        MVTEC_LOCO,
        root,
        category,
        split=split,
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def _list_parts(folder: str, split: str) -> list[Part]:
    if split != "test":
        place = require_folder(os.path.join(folder, split, "good"), f"{split} images")
        return [Part(find_images(place), GOOD, split)]
    test = require_folder(os.path.join(folder, "test"), "test images")
    parts = []
    for kind in good_first(subfolders(test)):
        place = os.path.join(test, kind)
        if kind == "good":
            parts.append(Part(find_images(place), GOOD, split))
        else:
            parts += _anomalies(place, os.path.join(folder, "ground_truth", kind), kind)
    if not parts:
        raise ValueError(f"the test images in {test!r} are in no folder")
    return parts


def _anomalies(folder: str, masks: str, kind: str) -> list[Part]:
    """Return the parts of one kind of anomalies; older copies have them by defect."""
    defects = [n for n in subfolders(folder) if has_images(os.path.join(folder, n))]
    parts = []
    if not defects or has_images(folder):
        images = find_images(folder)
        paired, orphans = pair_masks(images, masks)
        orphans = [path for path in orphans if os.path.basename(path) not in defects]
        parts.append(Part(images, ANOMALOUS, "test", kind, paired, orphans))
    for defect in defects:
        images = find_images(os.path.join(folder, defect))
        paired, orphans = pair_masks(images, os.path.join(masks, defect))
        parts.append(Part(images, ANOMALOUS, "test", kind, paired, orphans))
    return parts


def _describe(folder: str) -> dict[str, Any]:
    path = os.path.join(folder, "defects_config.json")
    if not os.path.exists(path):
        return {"defects_config": []}
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path!r}, line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    if not isinstance(entries, list):
        raise ValueError(f"{path!r} must hold a list of defects")
    seen = set()
    for i, entry in enumerate(entries):
        lacking = sorted(_KEYS - set(entry if isinstance(entry, dict) else ()))
        if lacking:
            raise ValueError(f"{path!r}, entry {i}: no {', '.join(map(repr, lacking))}")
        value = entry["pixel_value"]
        if not isinstance(value, int) or not 1 <= value <= 255 or value in seen:
            raise ValueError(
                f"{path!r}, entry {i}: pixel_value must be an integer from 1 to 255 "
                f"that no other entry has, got {value!r}"
            )
        seen.add(value)
    return {"defects_config": entries}


_KEYS = {"defect_name", "pixel_value", "saturation_threshold", "relative_saturation"}

MVTEC_LOCO = Layout(
    name="mvtec_loco",
    title="MVTec LOCO AD",
    categories=(
        "breakfast_box",
        "juice_bottle",
        "pushpins",
        "screw_bag",
        "splicing_connectors",
    ),
    splits=("train", "validation", "test"),
    markers=("train",),
    list_parts=_list_parts,
    describe=_describe,
    descr="""MVTec LOCO AD: 3644 images of 5 objects, logical and structural anomalies

Layout: <category>/{train,validation}/good, <category>/test/{good,logical_anomalies,
structural_anomalies}, <category>/ground_truth/<kind>/<stem>/ with one file per defect,
and <category>/defects_config.json. Report AU-sPRO for logical and good images and for
structural and good images, and the mean of the two.
Source: https://www.mvtec.com/company/research/datasets/mvtec-loco
Licence: CC BY-NC-SA 4.0.
""",
)
