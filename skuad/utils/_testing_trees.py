"""Small data sets in the publishers' real layouts, for tests and examples.

Every function writes one category, with the hard cases of the real data set, clutter
that a loader has to pass over, and images with a few pixels. Defects are bright blocks.
"""

import csv
import json
import os
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.utils._typing import Array, StrPath

Block: TypeAlias = tuple[slice, slice]
"""Rows and columns of a defect."""

SIZE = (32, 40)
"""Height and width of the images."""


def make_mvtec_ad(
    root: StrPath, category: str = "bottle", *, suffix: str = ".png"
) -> str:
    """Write a category of MVTec AD; return its folder.

    Three training images whose natural order is not the alphabetical one, two good and
    three defective test images.
    """
    folder = os.path.join(root, category)
    for name in ("1", "2", "10"):
        write_good(folder, "train", "good", name + suffix)
    for name in ("000", "001"):
        write_good(folder, "test", "good", name + suffix)
    for defect, name in (
        ("broken_large", "000"),
        ("broken_large", "001"),
        ("contamination", "000"),
    ):
        block = write_bad(folder, "test", defect, name + suffix)
        write_mask(block, folder, "ground_truth", defect, name + "_mask.png")
    write_clutter(folder, "train", "good")
    write_clutter(folder, "test", "broken_large")
    write_clutter(folder, "ground_truth", "broken_large")
    write_clutter(folder, "test")
    return folder


def make_mvtec_loco(
    root: StrPath, category: str = "breakfast_box", *, layout: str = "channels"
) -> str:
    """Write a category of MVTec LOCO AD; return its folder.

    With "channels", the real layout, image 000 of the logical anomalies has three
    overlapping channels, two of them with the pixel value 1. "relative" and "suffix"
    are older copies: an anomaly folder one level deeper, and one mask per image at the
    same relative path, or with the suffix ``_mask``.
    """
    folder = os.path.join(root, category)
    for name in ("000", "001", "002"):
        write_good(folder, "train", "good", name + ".png")
    write_good(folder, "validation", "good", "000.png")
    write_good(folder, "test", "good", "000.png")
    kinds = {"logical_anomalies": "missing_almonds", "structural_anomalies": "mixed"}
    for kind, defect in kinds.items():
        for name in ("000", "001"):
            if layout == "channels":
                block = write_bad(folder, "test", kind, name + ".png")
                _write_channels(block, name, folder, "ground_truth", kind, name)
            else:
                block = write_bad(folder, "test", kind, defect, name + ".png")
                mask = name + (".png" if layout == "relative" else "_mask.png")
                write_mask(block, folder, "ground_truth", kind, defect, mask)
    config = [
        {
            "defect_name": "missing_almonds",
            "pixel_value": 1,
            "saturation_threshold": 0.5,
            "relative_saturation": True,
        },
        {
            "defect_name": "toaster",
            "pixel_value": 255,
            "saturation_threshold": 4,
            "relative_saturation": False,
        },
    ]
    with open(os.path.join(folder, "defects_config.json"), "w") as file:
        json.dump(config, file)
    write_clutter(folder, "test", "logical_anomalies")
    if layout == "channels":
        write_clutter(folder, "ground_truth", "logical_anomalies")
        write_clutter(folder, "ground_truth", "logical_anomalies", "000")
    return folder


def _write_channels(block: Block, name: str, *where: StrPath) -> None:
    """Write the channels of one mask: a quarter of the block each, and overlapping."""
    rows, columns = block
    half = (slice(rows.start, rows.start + 4), slice(columns.start, columns.start + 4))
    write_mask(block, *where, "000.png", value=1)
    if name == "000":
        write_mask(half, *where, "001.png", value=1)
        corner = (slice(0, 2), slice(0, 3))
        write_mask(corner, *where, "002.png", value=255)


def make_mvtec_ad2(root: StrPath, category: str = "vial") -> str:
    """Write a category of MVTec AD 2; return its folder.

    Stems repeat between good and bad, scenes between lighting conditions and between
    the two private splits, which are flat and have no labels. Images are gray.
    """
    folder = os.path.join(root, category)
    for index in range(3):
        write_good(folder, "train", "good", f"{index:03d}_regular.png", gray=True)
    write_good(folder, "validation", "good", "000_regular.png", gray=True)
    conditions = ("regular", "overexposed", "underexposed", "shift_1", "shift_10")
    for condition in conditions:
        name = f"000_{condition}"
        write_good(folder, "test_public", "good", name + ".png", gray=True)
        block = write_bad(folder, "test_public", "bad", name + ".png", gray=True)
        mask = name + "_mask.png"
        write_mask(block, folder, "test_public", "ground_truth", "bad", mask)
    for index in range(2):
        write_bad(folder, "test_private", f"{index:03d}_regular.png", gray=True)
        write_bad(folder, "test_private_mixed", f"{index:03d}_mixed.png", gray=True)
    write_clutter(folder, "test_public", "bad")
    write_clutter(folder, "test_private")
    return folder


def make_visa(root: StrPath, category: str = "candle", *, layout: str = "raw") -> str:
    """Write a category of VisA; return its folder.

    "raw" is the publisher's archive: the splits are in CSV files only, to which another
    category is appended. "converted" and "1cls" are what the publisher's script makes
    of it, without and with a folder for the kind of split. Images end in ``.JPG``.
    """
    if layout != "raw":
        base = os.path.join(root, "visa_pytorch", *(["1cls"] * (layout == "1cls")))
        folder = os.path.join(base, category)
        for name in ("0001", "0002", "0010"):
            write_good(folder, "train", "good", name + ".JPG")
        write_good(folder, "test", "good", "0003.JPG")
        for name in ("000", "001"):
            block = write_bad(folder, "test", "bad", name + ".JPG")
            write_mask(block, folder, "ground_truth", "bad", name + ".png")
        return folder
    folder = os.path.join(root, category)
    rows = []
    for name, split in (
        ("0001", "train"),
        ("0002", "train"),
        ("0010", "train"),
        ("0003", "test"),
    ):
        write_good(folder, "Data", "Images", "Normal", name + ".JPG")
        image = f"{category}/Data/Images/Normal/{name}.JPG"
        rows.append([category, split, "normal", image, ""])
    for name in ("000", "001"):
        block = write_bad(folder, "Data", "Images", "Anomaly", name + ".JPG")
        write_mask(block, folder, "Data", "Masks", "Anomaly", name + ".png", value=2)
        image = f"{category}/Data/Images/Anomaly/{name}.JPG"
        mask = f"{category}/Data/Masks/Anomaly/{name}.png"
        rows.append([category, "test", "anomaly", image, mask])
    write_clutter(folder, "Data", "Images", "Normal")
    _append_csv(os.path.join(root, "split_csv", "1cls.csv"), rows)
    # In the two-class splits, the first defective image is for training.
    rows = [list(row) for row in rows]
    rows[4][1] = "train"
    for name in ("2cls_highshot", "2cls_fewshot"):
        _append_csv(os.path.join(root, "split_csv", name + ".csv"), rows)
    return folder


def _append_csv(path: str, rows: list[list[str]]) -> None:
    is_new = not os.path.exists(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["object", "split", "label", "image", "mask"])
        writer.writerows(rows)


def make_btad(root: StrPath, category: str = "03") -> str:
    """Write a category of BTAD; return its folder.

    Good and defective images have equal stems; masks of 03 are BMP files, and so are
    its images.
    """
    folder = os.path.join(root, category)
    image, mask = (".png", ".png") if category == "02" else (".bmp", ".png")
    if category == "03":
        mask = ".bmp"
    for name in ("0000", "0001", "0002"):
        write_good(folder, "train", "ok", name + image)
    for name in ("0000", "0001"):
        write_good(folder, "test", "ok", name + image)
        block = write_bad(folder, "test", "ko", name + image)
        write_mask(block, folder, "ground_truth", "ko", name + mask)
    write_clutter(folder, "test", "ko")
    return folder


def make_elpv(root: StrPath) -> str:
    """Write solar cells as the package elpv-dataset does; return the folder."""
    rows = []
    for i, (probability, kind) in enumerate(
        [
            (0.0, "mono"),
            (0.0, "poly"),
            (0.3333333333333333, "mono"),
            (0.6666666666666666, "poly"),
            (1.0, "mono"),
            (0.0, "mono"),
        ],
        start=1,
    ):
        name = f"cell{i:04d}.png"
        write = write_bad if probability == 1 else write_good
        write(root, "images", name, gray=True)
        rows.append(f"images/{name}  {probability}   {kind}\n")
    with open(os.path.join(root, "labels.csv"), "w") as file:
        file.writelines(rows)
    return os.fspath(root)


def make_folder(
    root: StrPath,
    *,
    good: str = "OK",
    bad: Sequence[str] = ("dent", "scratch"),
    masks: str | None = None,
) -> str:
    """Write a folder of the user's own, without a split; return it.

    The names have spaces and letters beyond ASCII; the suffixes are in upper and lower
    case.
    """
    for name in ("Bild 1.PNG", "Bild 2.jpg", "Bild 10.bmp"):
        write_good(root, good, name)
    for defect in bad:
        for name in ("größe 1.png", "größe 2.TIF"):
            block = write_bad(root, defect, name)
            if masks is not None:
                write_mask(block, root, masks, defect, name[:7] + ".png")
    write_clutter(root, good)
    return os.fspath(root)


# ---- files ---------------------------------------------------------------------------


def write_good(*path: StrPath, gray: bool = False) -> str:
    """Write an image without a defect; return its path."""
    return _write(_texture(path, gray), *path)


def write_bad(*path: StrPath, gray: bool = False) -> Block:
    """Write an image with a bright block; return the block, a pair of slices."""
    image = _texture(path, gray)
    rng = _generator(path)
    top, left = rng.integers(2, SIZE[0] - 12), rng.integers(2, SIZE[1] - 12)
    block = (slice(top, top + 9), slice(left, left + 8))
    image[block] += np.uint8(110)
    _write(image, *path)
    return block


def write_mask(block: Block, *path: StrPath, value: int = 255) -> str:
    """Write a mask that marks a block; return its path."""
    mask = np.zeros(SIZE, dtype=np.uint8)
    mask[block] = value
    return _write(mask, *path)


def write_clutter(*folder: StrPath) -> None:
    """Write what operating systems leave in a folder, and a hidden folder."""
    parent = os.path.join(*folder)
    os.makedirs(os.path.join(parent, ".thumbnails"), exist_ok=True)
    for name in ("Thumbs.db", ".DS_Store", "._000.png", ".thumbnails/000.png"):
        with open(os.path.join(parent, name), "wb") as file:
            file.write(b"no image")


def write_damaged(*path: StrPath) -> str:
    """Write a PNG file that breaks off; return its path."""
    name = write_good(*path)
    with open(name, "rb") as file:
        data = file.read()
    with open(name, "wb") as file:
        file.write(data[: len(data) // 2])
    return name


def _write(image: Array, *path: StrPath) -> str:
    name = os.path.join(*path)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    suffix = os.path.splitext(name)[1]
    with open(name, "wb") as file:
        file.write(cv2.imencode(suffix, image)[1].tobytes())
    return name


def _texture(path: Sequence[StrPath], gray: bool) -> NDArray[np.uint8]:
    shape = SIZE if gray else (*SIZE, 3)
    return _generator(path).integers(90, 130, shape, dtype=np.uint8)


def _generator(path: Sequence[StrPath]) -> np.random.Generator:
    """Return a generator that depends on the path below the root only."""
    return np.random.default_rng(list("/".join(map(str, path[1:])).encode()))
