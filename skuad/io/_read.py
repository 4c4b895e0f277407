"""Reading one image file."""

import os
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.io._formats import Header, read_header
from skuad.utils._typing import Array, StrPath

_DTYPES = (np.uint8, np.uint16, np.float32)
_READS_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")  # spares a pass over the pixels

# EXIF orientation: (transpose, then flip code of cv2.flip); None does nothing.
_ORIENTATIONS = {
    1: (False, None),
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}


def read_image(path: StrPath) -> Array:
    """Read an image file as an array in RGB order.

    The pixels are as stored: 16 bits stay 16 bits and an alpha channel is kept. The
    EXIF orientation is applied, so that the array is upright. Of a file with several
    pages or frames, the first is read.

    Parameters
    ----------
    path : str or path-like
        A PNG, JPEG, BMP, TIFF or WebP file. Its content counts, not its suffix.

    Returns
    -------
    ndarray of shape (H, W), (H, W, 3) or (H, W, 4)
        Gray, RGB or RGBA; of dtype uint8, uint16 or float32. A palette becomes RGB
        (RGBA if it has transparent entries), black and white becomes 0 and 255, CMYK
        becomes RGB, gray with alpha becomes RGBA, and float64 becomes float32.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If the path is a folder.
    ValueError
        If the file is empty, truncated, damaged, of another kind, or holds pixels of
        another dtype (int32, say). The message names the file and the fault.

    See Also
    --------
    find_images : The image files of a folder.
    select_readable : The files of a list that can be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skuad.io import read_image, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "part.png")
    ...     write_image(path, np.full((4, 6, 3), 65535, dtype=np.uint16))
    ...     image = read_image(path)
    >>> image.shape, image.dtype
    ((4, 6, 3), dtype('uint16'))
    """
    path = str(os.fsdecode(path))  # messages show no np.str_('...')
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"{path!r} is a folder, not an image file. find_images({path!r}) lists "
            "the images in it."
        )
    # Not imread, which fails on non-ASCII paths on Windows.
    data = _read_bytes(path)
    try:
        header = read_header(data.data)
        image = _decode(data, header)
    except ValueError as error:
        raise ValueError(
            f"Cannot read {path!r}: the file {error}. Replace or remove it; "
            "select_readable(paths, on_error='skip') leaves such files out."
        ) from error
    return _orient(image, header.orientation)


_LARGEST_BUFFER = 1 << 24
_BLOCK = 100_000  # bytes
_buffers = threading.local()


def _read_bytes(path: str) -> NDArray[np.uint8]:
    """Read a file into a buffer of this thread, which holds until the next call.

    Fresh memory would cost more than the reading, as the system clears every page.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe is to wait for it
        raise OSError(f"Cannot read {path!r}: it is no ordinary file")
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        buffer = getattr(_buffers, "data", None)
        if buffer is None or len(buffer) < size:
            buffer = np.empty(size, dtype=np.uint8)
            if size <= _LARGEST_BUFFER:
                _buffers.data = buffer
        data, n_read = buffer[:size], 0
        while n_read < size:
            n_new = file.readinto(data.data[n_read:])
            if not n_new:
                break
            n_read += n_new
    return data[:n_read]


def _decode(data: NDArray[np.uint8], header: Header) -> Array:
    flags = cv2.IMREAD_UNCHANGED
    swapped = True
    if header.colors == "rgb":
        flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
        # Of a BMP file the decoder swaps in a second array, which takes longer.
        swapped = not _READS_RGB or header.kind == "BMP"
        flags |= cv2.IMREAD_COLOR if swapped else cv2.IMREAD_COLOR_RGB
    if header.patch is not None:
        position, replacement = header.patch
        data[position : position + len(replacement)] = tuple(replacement)
    try:
        with _quiet_opencv():
            image = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise ValueError(f"cannot be decoded ({error.err or error})") from error
    if image is None:
        raise ValueError(
            f"is a {header.kind} file that cannot be decoded: it is damaged, or of a "
            "variant that OpenCV does not know"
        )
    if image.dtype == np.float64:
        image = image.astype(np.float32)
    if image.dtype not in _DTYPES:
        raise ValueError(
            f"holds pixels of dtype {image.dtype}, where uint8, uint16 or float32 is "
            "needed: convert it"
        )
    if image.ndim == 3 and swapped:
        _swap_red_and_blue(image)
    return image


def _swap_red_and_blue(image: Array) -> None:
    """Turn BGR into RGB, or BGRA into RGBA, in place."""
    code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    # By blocks, as OpenCV copies what it is to convert in place, and a large copy
    # takes fresh memory.
    n_rows = max(1, _BLOCK // image[0].nbytes)
    for start in range(0, len(image), n_rows):
        block = image[start : start + n_rows]
        cv2.cvtColor(block, code, dst=block)


def _orient(image: Array, orientation: int) -> Array:
    transpose, flip = _ORIENTATIONS[orientation]
    if transpose:
        image = cv2.transpose(image)
    return image if flip is None else cv2.flip(image, flip)


# cv2.utils.logging came with OpenCV 5; 4 has the two functions at the top.
_log = getattr(cv2.utils, "logging", cv2)
_SILENT = 0
_quiet_lock = threading.Lock()
_quiet_state = {"depth": 0, "level": 0}


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    # What OpenCV logs on a file it cannot decode is in our exception. Its log level
    # belongs to the process, so threads that decode at once count themselves in and
    # out, or the last one would restore the silence of the one before.
    with _quiet_lock:
        if _quiet_state["depth"] == 0:
            _quiet_state["level"] = _log.setLogLevel(_SILENT)
        _quiet_state["depth"] += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_state["depth"] -= 1
            if _quiet_state["depth"] == 0:
                _log.setLogLevel(_quiet_state["level"])


def select_readable(
    paths: Iterable[StrPath], *, on_error: Literal["raise", "skip"] = "raise"
) -> tuple[list[str], list[str]]:
    """Split a list of image files into those that can be read and the others.

    Each file is decoded once, which is the only sure way to know.

    Parameters
    ----------
    paths : iterable of str or path-like
        The files.
    on_error : {"raise", "skip"}, default="raise"
        What to do about a file that cannot be read: raise its error, or leave the
        file out and warn once about all of them.

    Returns
    -------
    readable : list of str
        The files that can be read, in the order given.
    skipped : list of str
        The files that cannot.

    Raises
    ------
    OSError or ValueError
        What `read_image` raises, under ``on_error="raise"``.

    Warns
    -----
    UserWarning
        Under ``on_error="skip"``, with the number of files left out and their names.

    See Also
    --------
    read_image : Read one file.

    Examples
    --------
    >>> import os, tempfile, warnings
    >>> import numpy as np
    >>> from skuad.io import select_readable, write_image
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     good, bad = (os.path.join(folder, name) for name in ("1.png", "2.png"))
    ...     write_image(good, np.zeros((2, 2), dtype=np.uint8))
    ...     open(bad, "wb").close()
    ...     readable, skipped = select_readable([good, bad], on_error="skip")
    ...     readable == [good], skipped == [bad]
    (True, True)
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise ValueError(
            f"paths must be a list of paths, got the single path {paths!r}: [path]?"
        )
    readable, skipped, faults = [], [], []
    for path in map(os.fsdecode, paths):
        try:
            read_image(path)
        except (OSError, ValueError) as error:
            if on_error == "raise":
                raise
            skipped.append(path)
            faults.append(str(error).partition(" Replace or remove it;")[0])
        else:
            readable.append(path)
    if skipped:
        warnings.warn(
            f"{len(skipped)} of {len(skipped) + len(readable)} image files cannot be "
            "read and are left out:\n" + "\n".join(faults),
            UserWarning,
            stacklevel=2,
        )
    return readable, skipped
