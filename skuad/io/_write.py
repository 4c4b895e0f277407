"""Writing files so that an interrupted write leaves no half file behind."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cv2
import joblib
import numpy as np

from skuad.io._find import IMAGE_SUFFIXES
from skuad.utils._typing import Array, StrPath

_DEEP: dict[str, tuple[type[np.generic], ...]] = {
    ".png": (np.uint16,),
    ".tif": (np.uint16, np.float32),
}
_DEEP[".tiff"] = _DEEP[".tif"]
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")


@contextmanager
def atomic_path(path: StrPath) -> Iterator[str]:
    """Give a temporary path to write to, which becomes `path` when all went well.

    The temporary file lies in the same folder, so that moving it is one step of the
    file system: whoever opens `path` sees the old content or the new, never a part.
    On any error, a keyboard interrupt included, it is removed and `path` is left as
    it was. A process that is killed outright leaves the temporary file, whose name
    begins with a dot, and not half of `path`.

    Parameters
    ----------
    path : str or path-like
        Where the file shall be in the end. A link keeps pointing where it does.

    Yields
    ------
    str
        The temporary path, with the suffix of `path`. Nothing is there yet.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or if nothing was written.
    OSError
        If `path` is a folder or a device, or cannot be written; it names `path`.

    Examples
    --------
    >>> import os, tempfile
    >>> from skuad.io import atomic_path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "report.txt")
    ...     with atomic_path(path) as temporary, open(temporary, "w") as file:
    ...         _ = file.write("12 parts, 1 defect")
    ...     os.listdir(folder)
    ['report.txt']
    """
    path = os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"Cannot write {path!r}: there is no folder {folder!r}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"Cannot write {path!r}: it is a folder")
    if os.path.exists(path) and not os.path.isfile(path):  # it would be replaced
        raise OSError(f"Cannot write {path!r}: it is no ordinary file, but a device")
    stem, suffix = os.path.splitext(name)
    # Not tempfile: its files can be read by their owner only, and would stay so.
    temporary = os.path.join(folder, f".{stem[:64]}-{secrets.token_hex(8)}{suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        number = _error_number(error)
        if number is not None:
            raise OSError(number, os.strerror(number), path) from error
        raise


def _error_number(error: BaseException) -> int | None:
    """Return the number of a system's error that does not say which file it is about."""
    if not isinstance(error, OSError) or error.filename is not None:
        return None
    if error.errno is None and "requested and" in str(error):  # NumPy, of a full disk
        return errno.ENOSPC
    return error.errno


def write_image(path: StrPath, image: Array) -> None:
    """Write an image to a file in one step, see `atomic_path`.

    Parameters
    ----------
    path : str or path-like
        Where to; the suffix says which format. JPEG is written at quality 95, WebP
        without loss.
    image : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA. uint8; uint16 in PNG and TIFF, float32 in TIFF. An alpha
        channel goes into PNG, TIFF and WebP.

    Raises
    ------
    ValueError
        If the suffix is unknown, the image has another shape or dtype, or the format
        cannot hold it.

    See Also
    --------
    read_image : The way back.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skuad.io import read_image, write_image
    >>> image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "part.png")
    ...     write_image(path, image)
    ...     np.array_equal(read_image(path), image)
    True
    """
    path = os.fsdecode(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in IMAGE_SUFFIXES:
        raise ValueError(
            f"Cannot write {path!r}: the suffix must be one of "
            f"{', '.join(IMAGE_SUFFIXES)}."
        )
    image = np.asarray(image)
    fault = _unwritable(image, suffix)
    if fault:
        raise ValueError(f"Cannot write {path!r}: {fault}.")
    with atomic_path(path) as temporary:
        # imencode, as imwrite fails on non-ASCII paths on Windows.
        _, data = cv2.imencode(suffix, _to_bgr(image), _options(image, suffix))
        data.tofile(temporary)


def _unwritable(image: Array, suffix: str) -> str | None:
    channels = image.shape[2:] or (1,)
    if image.ndim not in (2, 3) or channels[0] not in (1, 3, 4) or image.size == 0:
        return (
            "the image must have shape (H, W), (H, W, 3) or (H, W, 4), got "
            f"{image.shape}"
        )
    allowed: tuple[type[np.generic], ...] = (np.uint8, *_DEEP.get(suffix, ()))
    if image.dtype not in allowed:
        names = " or ".join(np.dtype(dtype).name for dtype in allowed)
        return f"a {suffix} file holds {names}, and the image is {image.dtype}"
    if channels[0] == 4 and suffix in _WITHOUT_ALPHA:
        return f"a {suffix} file has no alpha channel; write image[..., :3]"
    return None


def _options(image: Array, suffix: str) -> list[int]:
    if suffix == ".png" and hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.11
        # As quick as OpenCV's own choice, and overlays are half as large.
        return [
            *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
            *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT),
            *(cv2.IMWRITE_PNG_COMPRESSION, 1),
        ]
    if image.dtype == np.float32:  # OpenCV 4 would store float colours in 24 bits
        return [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    return []


def _to_bgr(image: Array) -> Array:
    channels = 1 if image.ndim == 2 else image.shape[2]
    image = np.ascontiguousarray(image)
    if channels == 1:
        return image.reshape(image.shape[:2])
    code = cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA
    return cv2.cvtColor(image, code)


def dump_atomically(obj: Any, path: StrPath) -> None:
    """Store an object with joblib in one step, see `atomic_path`.

    Parameters
    ----------
    obj : object
        A fitted estimator, say.
    path : str or path-like
        Where to. The suffix chooses the compression, as in `joblib.dump`.

    Examples
    --------
    >>> import os, tempfile
    >>> import joblib
    >>> from skuad.io import dump_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "detector.joblib")
    ...     dump_atomically({"offset_": -0.5}, path)
    ...     joblib.load(path)
    {'offset_': -0.5}
    """
    with atomic_path(path) as temporary:
        joblib.dump(obj, temporary)
