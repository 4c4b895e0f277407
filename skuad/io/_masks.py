"""Reading ground-truth masks: a file, or a folder with one channel per defect."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skuad.io._find import find_images
from skuad.io._read import read_image
from skuad.utils._typing import Array, StrPath


def read_mask(
    path: StrPath, *, shape: Sequence[int] | None = None
) -> NDArray[np.bool_]:
    """Read a ground-truth mask, whatever way its publisher stored it.

    A pixel is anomalous if any channel of the file, or of any file of the folder, is
    greater than zero. There is no threshold: masks of MVTec LOCO AD mark the defect
    with a value that names its type and that may be 1 [1]_.

    Parameters
    ----------
    path : str or PathLike
        An image file, or a folder that holds one image per defect (a channel), as
        MVTec LOCO AD has. An alpha channel is no part of the mask. The empty string
        stands for an image without defects and needs `shape`.
    shape : tuple of (height, width), default=None
        The size of the image that the mask belongs to. If given, a mask of another
        size is an error; masks are never resized.

    Returns
    -------
    ndarray of shape (height, width), dtype bool
        True where the image is anomalous.

    Raises
    ------
    FileNotFoundError
        If there is neither a file nor a folder at `path`.
    ValueError
        If a file is no readable image, a folder holds no image, the channels of a
        folder differ in size, or the mask does not have the given `shape`.

    References
    ----------
    .. [1] P. Bergmann et al., "Beyond Dents and Scratches: Logical Constraints in
       Unsupervised Anomaly Detection and Localization", International Journal of
       Computer Vision 130, 2022.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from skuad.io import read_mask, write_image
    >>> channel = np.zeros((4, 6), np.uint8)
    >>> channel[1, 2:4] = 1
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "000.png"
    ...     write_image(path, channel)
    ...     int(read_mask(path, shape=(4, 6)).sum()), int(read_mask(folder).sum())
    (2, 2)
    """
    if isinstance(path, str) and path == "":
        if shape is None:
            raise ValueError(
                "an empty mask path needs the image's shape=(height, width)"
            )
        return np.zeros(tuple(shape), dtype=bool)
    mask = np.any([values > 0 for _, values in _read_files(path)], axis=0)
    if shape is not None and mask.shape != tuple(shape):
        raise ValueError(
            f"the mask {os.fspath(path)!r} is {_size(mask)}, its image "
            f"{shape[0]} x {shape[1]} (height x width); masks are never resized"
        )
    return mask


def read_mask_channels(
    path: StrPath,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Read the defects of one image apart: a folder with one file per defect.

    Parameters
    ----------
    path : str or PathLike
        A channel folder, or one image file, which is then the only channel.

    Returns
    -------
    channels : ndarray of shape (n_channels, height, width), dtype bool
        True where the channel's defect is; channels may overlap. They come in the
        natural order of the file names.
    values : ndarray of shape (n_channels,), dtype int64
        The one positive value of each channel, which in MVTec LOCO AD names the type
        of the defect; 0 for a channel without a marked pixel.

    Raises
    ------
    FileNotFoundError
        If there is neither a file nor a folder at `path`.
    ValueError
        If a file is no readable image, a folder holds no image, the channels differ in
        size, or a channel has more than one positive value.
    """
    channels, values = [], []
    for channel_path, image in _read_files(path):
        channel = image > 0
        value = int(image.max(initial=0))
        if (image[channel] != value).any():
            positive = np.unique(image[channel]).tolist()
            raise ValueError(
                f"the mask channel {os.fspath(channel_path)!r} must have one positive "
                f"value, the type of its defect; found {positive[:10]}"
            )
        channels.append(channel)
        values.append(value)
    return np.stack(channels), np.array(values, dtype=np.int64)


def _read_files(path: StrPath) -> list[tuple[str, Array]]:
    """Return the (path, values) of the file, or of every file of the folder."""
    path = str(os.fsdecode(path))  # os.scandir takes numpy.str_ for bytes
    paths = find_images(path) if os.path.isdir(path) else [path]
    files = [(channel_path, _read_values(channel_path)) for channel_path in paths]
    first_path, first = files[0]
    for channel_path, values in files[1:]:
        if values.shape != first.shape:
            raise ValueError(
                f"the channels of {os.fspath(path)!r} differ in size: "
                f"{Path(first_path).name} is {_size(first)}, "
                f"{Path(channel_path).name} is {_size(values)} (height x width)"
            )
    return files


def _read_values(path: str) -> Array:
    """Return the largest colour channel of a file as (height, width)."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"no mask at {os.fspath(path)!r}")
    image = read_image(path)
    if image.ndim == 2:
        return image
    colours = image[..., :3] if image.shape[2] == 4 else image
    return colours.max(axis=2)


def _size(mask: Array) -> str:
    return " x ".join(map(str, mask.shape))
