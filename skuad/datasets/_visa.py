"""VisA: the publisher's archive with its splits in CSV files, or converted."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace

from skuad.datasets._bunch import ANOMALOUS, GOOD, Loaded, Part
from skuad.datasets._files import class_parts, require_folder
from skuad.datasets._layout import Layout, load_layout
from skuad.datasets._names import check_name
from skuad.io import natural_key
from skuad.utils._text import plural
from skuad.utils._typing import StrPath

PROTOCOLS = ("1cls", "2cls_highshot", "2cls_fewshot")
_COLUMNS = ["object", "split", "label", "image", "mask"]
_LABELS = {"normal": GOOD, "anomaly": ANOMALOUS}


def load_visa(
    root: StrPath,
    category: str | Sequence[str],
    *,
    split: str = "all",
    protocol: str = "1cls",
    missing_mask: str = "raise",
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the images of VisA [1]_: 12 objects, from circuit boards to pasta.

    Reads the publisher's archive, whose splits are in ``split_csv``, and what the
    publisher's script makes of it (``visa_pytorch``). No image is opened, and nothing
    is downloaded: get the data set from https://github.com/amazon-science/spot-diff
    (CC BY 4.0).

    Parameters
    ----------
    root : str or PathLike
        The folder that holds the categories, or the one above it.
    category : str or sequence of str
        A category such as "pcb1", several, or "all" for every one on disk.
    split : {"all", "train", "test"}, default="all"
        Which images to list.
    protocol : {"1cls", "2cls_highshot", "2cls_fewshot"}, default="1cls"
        The publisher's way of splitting: training images are all good ("1cls"), or
        some of them are anomalous.
    missing_mask : {"raise", "zero", "skip"}, default="raise"
        As in `load_mvtec_ad`.
    return_X_y : bool or {"masks", "labels"}, default=False
        As in `load_mvtec_ad`.
    as_frame : bool, default=False
        As in `load_mvtec_ad`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of `load_mvtec_ad`; `defect_type` is "good" or "bad".
    (images, y) : tuple if `return_X_y` is not False
        As of `load_mvtec_ad`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError
        As `load_mvtec_ad`, and if the CSV file is missing or damaged, or names images
        that are not there.

    References
    ----------
    .. [1] Y. Zou, J. Jeong, L. Pemula, D. Zhang and O. Dabeer, "SPot-the-Difference
       Self-Supervised Pre-training for Anomaly Detection and Segmentation", ECCV 2022.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_visa, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("visa", root, "candle")
    ...     data = load_visa(root, "candle")
    >>> data.split.tolist(), data.target.tolist()
    (['train', 'train', 'train', 'test', 'test', 'test'], [1, 1, 1, 1, -1, -1])
    """
    check_name(protocol, PROTOCOLS, "protocol of VisA")
    return load_layout(
        replace(VISA, bases=_bases(protocol)),
        root,
        category,
        split=split,
        missing_mask=missing_mask,
        return_X_y=return_X_y,
        as_frame=as_frame,
        protocol=protocol,
    )


def _list_parts(folder: str, split: str, protocol: str = "1cls") -> list[Part]:
    base, category = os.path.split(folder)
    if not os.path.isdir(os.path.join(folder, "Data")):
        return _converted_parts(folder, split, protocol)
    path = os.path.join(base, "split_csv", f"{protocol}.csv")
    if not os.path.exists(path):
        raise ValueError(
            f"the splits of VisA should be in {path!r}, which is not there; it belongs "
            "to the publisher's archive and to github.com/amazon-science/spot-diff"
        )
    rows = [row for row in _read_csv(path) if row[:2] == [category, split]]
    if not rows:
        raise ValueError(f"{path!r} has no row for {category!r} and {split!r}")
    rows.sort(key=lambda row: natural_key(row[3]))
    # One look into each folder is faster than one at each file.
    present: dict[str, set[str]] = {}
    lacking, parts = [], []
    for label, target in _LABELS.items():
        images, masks = [], []
        for row in rows:
            if row[2] != label:
                continue
            image, mask = (
                os.path.join(base, *entry.split("/")) if entry else ""
                for entry in row[3:]
            )
            if not _is_present(image, present):
                lacking.append(image)
            images.append(image)
            masks.append(mask if mask and _is_present(mask, present) else "")
        if images and target == GOOD:
            parts.append(Part(images, GOOD, split))
        elif images:
            parts.append(Part(images, ANOMALOUS, split, "bad", masks))
    if lacking:
        raise ValueError(
            f"{plural(len(lacking), 'image')} of {path!r} not found:\n"
            + "\n".join(lacking)
        )
    return parts


def _is_present(path: str, present: dict[str, set[str]]) -> bool:
    folder, name = os.path.split(path)
    if folder not in present:
        present[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    return name in present[folder]


def _read_csv(path: str) -> list[list[str]]:
    """Return the rows of a CSV file, each [object, split, label, image, mask]."""
    allowed = {1: ("train", "test"), 2: tuple(_LABELS)}
    rows = []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            for row in reader:
                where = f"{path!r}, line {reader.line_num}"
                if reader.line_num == 1:
                    if row != _COLUMNS:
                        raise ValueError(
                            f"{where}: columns must be {_COLUMNS}, got {row}"
                        )
                    continue
                if not row:
                    continue
                if len(row) != len(_COLUMNS):
                    raise ValueError(
                        f"{where}: {len(_COLUMNS)} columns are needed, got {len(row)}"
                    )
                for column, names in allowed.items():
                    if row[column] not in names:
                        raise ValueError(
                            f"{where}, column {_COLUMNS[column]!r}: {row[column]!r} is "
                            f"not one of {names}"
                        )
                rows.append(row)
        except csv.Error as error:
            raise ValueError(f"{path!r}, line {reader.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path!r} is no text in UTF-8: {error}") from error
    return rows


def _converted_parts(folder: str, split: str, protocol: str) -> list[Part]:
    """Return the parts of what the publisher's script writes."""
    of_base = os.path.basename(os.path.dirname(folder))
    if (of_base if of_base in PROTOCOLS else "1cls") != protocol:
        raise ValueError(
            f"{folder!r} is not converted for protocol={protocol!r}: it should lie in "
            f"a folder {protocol!r}"
        )
    masks: str | None = os.path.join(folder, "ground_truth")
    if protocol != "1cls":
        masks = os.path.join(folder, "ground_truth", split)
    elif split == "train":
        masks = None  # all good
    place = require_folder(os.path.join(folder, split), f"the split {split!r}")
    return class_parts(place, masks, split)


def _bases(protocol: str) -> tuple[str, ...]:
    """Return where the categories may lie below the root."""
    converted = ("visa_pytorch", "VisA_pytorch")
    below = [os.path.join(folder, protocol) for folder in converted]
    return ("", protocol, *below, *converted)


VISA = Layout(
    name="visa",
    title="VisA",
    categories=(
        "candle",
        "capsules",
        "cashew",
        "chewinggum",
        "fryum",
        "macaroni1",
        "macaroni2",
        "pcb1",
        "pcb2",
        "pcb3",
        "pcb4",
        "pipe_fryum",
    ),
    splits=("train", "test"),
    markers=("Data", "train"),
    list_parts=_list_parts,
    bases=_bases("1cls"),
    descr="""VisA: 10821 images of 12 objects, 1200 of them anomalous

Layout: <category>/Data/Images/{Normal,Anomaly}, <category>/Data/Masks/Anomaly and
split_csv/{1cls,2cls_highshot,2cls_fewshot}.csv; or converted,
1cls/<category>/{train,test}/{good,bad} and 1cls/<category>/ground_truth/bad.
Source: https://github.com/amazon-science/spot-diff
Licence: CC BY 4.0.
""",
)
