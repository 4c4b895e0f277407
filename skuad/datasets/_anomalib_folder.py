"""A data set as a folder that anomalib can train on."""

import os
from pathlib import Path

import numpy as np

from skuad.io import read_mask, write_image
from skuad.io._images import as_images
from skuad.utils._targets import anomalous


def export_anomalib_folder(folder, train, test=None, y_test=None) -> dict:
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
    train = as_images(train)
    if test is not None:
        test = as_images(test)
        is_bad = anomalous(y_test, len(test), strict=True)
    arguments = {"root": str(folder), "normal_dir": "train/good"}
    _write(folder / "train/good", train, range(len(train)))
    if test is None:
        return arguments
    if not is_bad.all():
        arguments["normal_test_dir"] = "test/good"
        _write(folder / "test/good", test, np.flatnonzero(~is_bad))
    bad = np.flatnonzero(is_bad)
    if len(bad):
        arguments["abnormal_dir"] = "test/defective"
        _write(folder / "test/defective", test, bad)
        masks = [_as_mask(y_test[number]) for number in bad]
        if all(mask is not None for mask in masks):
            arguments["mask_dir"] = "ground_truth/defective"
            _write(
                folder / "ground_truth/defective", dict(zip(bad, masks, strict=True))
            )
    return arguments


def _write(folder, images, numbers=None):
    folder.mkdir(parents=True)
    for number in images if numbers is None else numbers:
        write_image(folder / f"{number:06d}.png", images[number])


def _as_mask(item):
    """Return a mask as 0 and 255, or None if the extent is not known."""
    if isinstance(item, str | os.PathLike):
        item = read_mask(item)
    item = np.asarray(item)
    return None if item.ndim == 0 else np.where(item != 0, 255, 0).astype(np.uint8)
