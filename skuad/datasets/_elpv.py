"""ELPV: solar cells in electroluminescence images, from the package elpv-dataset."""

import os
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from skuad.datasets._bunch import (
    ANOMALOUS,
    GOOD,
    Loaded,
    Part,
    check_options,
    make_bunch,
)
from skuad.datasets._files import check_root
from skuad.datasets._names import check_name
from skuad.utils._text import plural
from skuad.utils._typing import StrPath

KINDS = ("mono", "poly")


def load_elpv(
    root: StrPath | None = None,
    category: str = "all",
    *,
    threshold: float = 0.5,
    return_X_y: bool | str = False,
    as_frame: bool = False,
) -> Loaded:
    """List the solar cells of ELPV [1]_: 2624 gray images with a defect probability.

    The images come with the package elpv-dataset (``pip install "skuad[elpv]"``, CC
    BY-NC-SA 4.0). No image is opened. There are neither masks nor a split: see
    `skuad.model_selection` for splitters that train on good images.

    Parameters
    ----------
    root : str or PathLike, default=None
        A folder with ``labels.csv`` and ``images``. None for that of the installed
        package.
    category : {"all", "mono", "poly"}, default="all"
        Monocrystalline or polycrystalline cells, or both.
    threshold : float, default=0.5
        A cell is anomalous if its defect probability, which is 0, 1/3, 2/3 or 1, is at
        least this; above 0 and at most 1.
    return_X_y : bool or {"masks", "labels"}, default=False
        "labels" returns the images and +1 or -1. True or "masks" returns a list in the
        coding of masks: '' for a good image, -1 for an anomalous one of unknown extent.
    as_frame : bool, default=False
        As in `load_mvtec_ad`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of `load_mvtec_ad`; `split` is "all", `masks` are '' and `defect_type` is
        "good" or "defective". In addition:

        probability : ndarray of shape (n_images,), dtype float64
            The defect probability.
    (images, y) : tuple if `return_X_y` is not False
        The paths and their target.

    Raises
    ------
    ImportError
        If `root` is None and the package is not installed.
    FileNotFoundError, NotADirectoryError
        If `root` is not a folder.
    ValueError
        If a category is unknown, or ``labels.csv`` is missing or damaged, or names
        images that are not there.

    References
    ----------
    .. [1] S. Deitsch et al., "Automatic classification of defective photovoltaic module
       cells in electroluminescence images", Solar Energy 185, 2019.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_elpv, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("elpv", root)
    ...     data = load_elpv(root, "mono")
    >>> data.probability.round(2).tolist(), data.target.tolist()
    ([0.0, 0.33, 0.0, 1.0], [1, 1, 1, -1])
    """
    check_options("raise", return_X_y)
    check_name(category, ("all", *KINDS), "category of ELPV")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold!r}")
    root = _installed() if root is None else check_root(root)
    images, probability, kinds = _read_labels(root)
    parts = []
    for kind in KINDS if category == "all" else (category,):
        for target, defect_type in ((GOOD, "good"), (ANOMALOUS, "defective")):
            anomalous = probability >= threshold
            keep = (kinds == kind) & (anomalous == (target == ANOMALOUS))
            part = Part(images[keep].tolist(), target, "all", defect_type)
            part.category = kind
            part.extra["probability"] = probability[keep].tolist()
            parts.append(part)
    return make_bunch(
        parts, name="elpv", descr=_DESCR, return_X_y=return_X_y, as_frame=as_frame
    )


def _installed() -> str:
    """Return the data folder of the package, without importing it."""
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            'load_elpv() needs elpv-dataset: pip install "skuad[elpv]". Or give the '
            "folder of a copy as root"
        )
    return os.path.join(next(iter(spec.submodule_search_locations)), "data")


def _read_labels(
    root: str,
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.str_]]:
    """Return the paths, defect probabilities and kinds of the cells."""
    path = os.path.join(root, "labels.csv")
    if not os.path.exists(path):
        raise ValueError(
            f"the labels of ELPV should be in {path!r}, which is not there"
        )
    present = set()
    folder = os.path.join(root, "images")
    if os.path.isdir(folder):
        present = {f"images/{name}" for name in os.listdir(folder)}
    names, probability, kinds, lacking = [], [], [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != 3 or not _is_share(fields[1]) or fields[2] not in KINDS:
                raise ValueError(
                    f"{path!r}, line {number}: expected an image, a probability from 0 "
                    f"to 1 and 'mono' or 'poly', got {line.strip()!r}"
                )
            if fields[0] not in present:
                lacking.append(os.path.join(root, *fields[0].split("/")))
            names.append(os.path.join(root, *fields[0].split("/")))
            probability.append(float(fields[1]))
            kinds.append(fields[2])
    if lacking or not names:
        raise ValueError(
            f"{plural(len(lacking), 'image')} of {path!r} not found:\n"
            + "\n".join(lacking)
            if lacking
            else f"{path!r} is empty"
        )
    return np.array(names), np.array(probability), np.array(kinds)


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


_DESCR = """ELPV: 2624 solar cells of 44 modules, 300 x 300 pixels, gray

Each cell has a defect probability from an expert's grading: 0, 1/3, 2/3 or 1. There are
no masks.
Source: https://github.com/zae-bayern/elpv-dataset
Licence: CC BY-NC-SA 4.0.
"""
