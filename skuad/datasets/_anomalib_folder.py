"""A data set as a folder that anomalib can train on."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skuad.io import read_mask, write_image
from skuad.io._images import as_images
from skuad.utils._targets import anomalous
from skuad.utils._typing import Array, ImagesLike, StrPath, TargetsLike


def export_anomalib_folder(
    folder: StrPath,
    train: ImagesLike,
    test: ImagesLike | None = None,
    y_test: TargetsLike = None,
) -> dict[str, str]:
    """Write images as the folders that ``anomalib.data.Folder`` reads.

    Parameters
    ----------
    folder : str or path-like
        Where to; made if it is not there. It must be empty.
    train : images
        Good images to train on, of uint8 or uint16; see `skuad.base.validate_images`.
    test : images or None, default=None
        Images on which anomalib validates, and sets its threshold.
    y_test : array-like of {1, -1}, masks or None, default=None
        What the test images show. With masks of all anomalous images anomalib sets a
        threshold of pixels, too. None is all good.

    Returns
    -------
    arguments : dict
        Keyword arguments for ``anomalib.data.Folder``, beside its ``name``.

    Raises
    ------
    FileExistsError
        If the folder is not empty.
    ValueError
        If images or targets are not what they should be.

    See Also
    --------
    skuad.detectors.AnomalibCheckpointDetector : The trained model as a detector.

    Examples
    --------
    >>> import os, tempfile
    >>> from skuad.datasets import export_anomalib_folder, make_defect_images
    >>> data = make_defect_images(n_train=3, size=64, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     arguments = export_anomalib_folder(
    ...         folder, data.train, data.test, data.masks
    ...     )
    ...     len(os.listdir(os.path.join(folder, arguments["normal_dir"])))
    3
    >>> arguments["abnormal_dir"], arguments["mask_dir"]
    ('test/defective', 'ground_truth/defective')
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} is not empty: images of another data set would be mixed in. Give a "
            "new folder"
        )
    train_images = as_images(train)
    arguments = {"root": str(folder), "normal_dir": "train/good"}
    if test is None:
        _write(folder / "train/good", enumerate(train_images))
        return arguments
    test_images = as_images(test)
    targets: Any = y_test  # one entry for each image, as `anomalous` checks
    is_bad = anomalous(y_test, len(test_images), strict=True)
    _write(folder / "train/good", enumerate(train_images))
    good, bad = np.flatnonzero(~is_bad).tolist(), np.flatnonzero(is_bad).tolist()
    if good:
        arguments["normal_test_dir"] = "test/good"
        _write(folder / "test/good", ((n, test_images[n]) for n in good))
    if bad:
        arguments["abnormal_dir"] = "test/defective"
        _write(folder / "test/defective", ((n, test_images[n]) for n in bad))
        masks = [mask for n in bad if (mask := _as_mask(targets[n])) is not None]
        if len(masks) == len(bad):
            arguments["mask_dir"] = "ground_truth/defective"
            _write(folder / "ground_truth/defective", zip(bad, masks, strict=True))
    return arguments


def _write(folder: Path, images: Iterable[tuple[int, Array]]) -> None:
    folder.mkdir(parents=True)
    for number, image in images:
        write_image(folder / f"{number:06d}.png", image)


def _as_mask(item: Any) -> NDArray[np.uint8] | None:
    """Return a mask as 0 and 255, or None if the extent is not known."""
    if isinstance(item, str | os.PathLike):
        item = read_mask(item)
    item = np.asarray(item)
    return None if item.ndim == 0 else np.where(item != 0, 255, 0).astype(np.uint8)
