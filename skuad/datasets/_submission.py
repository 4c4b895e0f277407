"""Results on the private splits of MVTec AD 2, as the publisher's server wants them."""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skuad.datasets._files import check_root, subfolders
from skuad.datasets._mvtec_ad2 import PRIVATE_IMAGES, PRIVATE_SPLITS, load_mvtec_ad2
from skuad.io import atomic_path, read_image, write_image
from skuad.utils._typing import Array, StrPath

_MAPS, _DECISIONS = "anomaly_images", "anomaly_images_thresholded"
# Height and width.
_Size: TypeAlias = tuple[int, int]


def write_submission(
    folder: StrPath,
    data: Bunch,
    maps: Iterable[Array],
    thresholds: float | Mapping[str, float],
) -> int:
    """Write anomaly maps of the private splits of MVTec AD 2 for its server [1]_.

    Maps go to ``anomaly_images/<category>/<split>/<stem>.tiff`` (float16), decisions to
    ``anomaly_images_thresholded/<category>/<split>/<stem>.png`` (0 and 255). Call it
    once for all categories, or for one after the other. Written files are complete
    even if the call is interrupted.

    Parameters
    ----------
    folder : str or PathLike
        Where to write; made if need be.
    data : :class:`~sklearn.utils.Bunch`
        Images of private splits, from ``load_mvtec_ad2(..., split="private")``.
    maps : iterable of ndarray of shape (height, width)
        The map of each image of `data`, in this order, at the image's own size. Taken
        one by one: a generator need not hold them all.
    thresholds : float or dict of str to float
        Pixels with a score above it are anomalous; one number, or one per category.
        They must be fixed on good images beforehand.

    Returns
    -------
    int
        The number of maps written.

    Raises
    ------
    ValueError
        If an image is not of a private split, a threshold is missing, the number of
        maps is not that of the images, or a map has another size than its image, or
        values that are not finite, or too large for float16 (65504): divide all maps
        and thresholds by one number then, the metrics do not change.

    See Also
    --------
    check_submission : What is missing or wrong.

    References
    ----------
    .. [1] https://benchmark.mvtec.com

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skuad.datasets import load_mvtec_ad2, make_fake_tree, write_submission
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = make_fake_tree("mvtec_ad2", folder, "vial")
    ...     data = load_mvtec_ad2(folder, "vial", split="private")
    ...     maps = (np.zeros((32, 40)) for _ in data.images)
    ...     out = os.path.join(folder, "out")
    ...     n_written = write_submission(out, data, maps, {"vial": 0.5})
    ...     places = sorted(os.listdir(out))
    >>> n_written, places
    (4, ['anomaly_images', 'anomaly_images_thresholded'])
    """
    private = np.isin(data.split, PRIVATE_SPLITS)
    if not private.all():
        raise ValueError(
            f"{(~private).sum()} of {len(private)} images are of other splits than "
            f"{PRIVATE_SPLITS}: load_mvtec_ad2(..., split='private')"
        )
    if not isinstance(thresholds, Mapping):
        thresholds = dict.fromkeys(data.category.tolist(), thresholds)
    lacking = sorted(set(data.category.tolist()) - set(thresholds))
    if lacking:
        raise ValueError(f"no threshold for {', '.join(map(repr, lacking))}")
    written, maps = 0, iter(maps)
    for image, category, split in _rows(data):
        anomaly_map = next(maps, None)
        if anomaly_map is None:
            raise ValueError(f"{written} maps for {len(data.images)} images")
        half = _as_half(anomaly_map, image)
        # Decided on the map as given: rounded to float16, it may cross the threshold.
        decision = np.where(np.asarray(anomaly_map) > thresholds[category], 255, 0)
        stem = os.path.splitext(os.path.basename(image))[0]
        _write_tiff(_place(folder, _MAPS, category, split, f"{stem}.tiff"), half)
        path = _place(folder, _DECISIONS, category, split, f"{stem}.png")
        write_image(path, decision.astype(np.uint8))
        written += 1
    if next(maps, None) is not None:
        raise ValueError(f"more maps than the {written} images")
    return written


def check_submission(folder: StrPath, root: StrPath | None = None) -> list[str]:
    """Say what is missing or wrong in the results for the server of MVTec AD 2.

    Parameters
    ----------
    folder : str or PathLike
        What `write_submission` wrote.
    root : str or PathLike, default=None
        The data set: names and sizes are compared with its images. Without it, the
        files are counted only.

    Returns
    -------
    list of str
        One line for each fault, in the order of the folders; empty if the results can
        be handed in.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `folder` is not a folder.

    See Also
    --------
    write_submission : Write the results.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import check_submission
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_submission(folder)
    ['anomaly_images/: missing', 'anomaly_images_thresholded/: missing']
    """
    folder = check_root(folder)
    faults = _unexpected(folder, (_MAPS, _DECISIONS))
    expected = None if root is None else _expected(root)
    for kind, suffix in ((_MAPS, ".tiff"), (_DECISIONS, ".png")):
        top = os.path.join(folder, kind)
        if not os.path.isdir(top):
            faults.append(f"{kind}/: missing")
            continue
        faults += _unexpected(top, PRIVATE_IMAGES, kind)
        for category, count in PRIVATE_IMAGES.items():
            if not os.path.isdir(os.path.join(top, category)):
                faults.append(f"{kind}/{category}/: missing")
                continue
            below = os.path.join(top, category)
            faults += _unexpected(below, PRIVATE_SPLITS, f"{kind}/{category}")
            for split in PRIVATE_SPLITS:
                where = f"{kind}/{category}/{split}"
                sizes = None if expected is None else expected[category, split]
                faults += _check_split(
                    os.path.join(below, split), where, suffix, count, sizes
                )
    return faults


def _check_split(
    folder: str, where: str, suffix: str, count: int, sizes: dict[str, _Size] | None
) -> list[str]:
    """Return the faults of one folder of results; sizes: stem -> (height, width)."""
    if not os.path.isdir(folder):
        return [f"{where}/: missing"]
    faults, stems = [], set()
    for name in sorted(os.listdir(folder)):
        stem, found = os.path.splitext(name)
        if found != suffix or (sizes is not None and stem not in sizes):
            faults.append(f"{where}/{name}: does not belong here")
            continue
        stems.add(stem)
        size = None if sizes is None else sizes[stem]
        fault = _check_file(os.path.join(folder, name), suffix, size)
        if fault:
            faults.append(f"{where}/{name}: {fault}")
    if sizes is None and len(stems) != count:
        faults.append(f"{where}/: {count} files are needed, found {len(stems)}")
    if sizes is not None:
        lacking = [stem for stem in sizes if stem not in stems]
        faults += [f"{where}/{stem}{suffix}: missing" for stem in lacking]
    return faults


def _check_file(path: str, suffix: str, size: _Size | None) -> str | None:
    """Return what is wrong with a file, or None."""
    try:
        image = _read_tiff(path) if suffix == ".tiff" else read_image(path)
    except ValueError as error:
        return f"cannot be read: {error}"
    if image.ndim != 2:
        return f"must have two dimensions, has shape {image.shape}"
    if size is not None and image.shape != size:
        return (
            f"is {image.shape[0]} x {image.shape[1]}, its image {size[0]} x {size[1]}"
        )
    if suffix == ".png":
        values = np.unique(image)
        if image.dtype != np.uint8 or not np.isin(values, (0, 255)).all():
            return f"must be uint8 with 0 and 255, is {image.dtype} with {values[:5]}"
        return None
    if image.dtype != np.float16:
        return f"must be float16, is {image.dtype}"
    return None if np.isfinite(image).all() else "holds values that are not finite"


def _unexpected(folder: str, known: Iterable[str], where: str = "") -> list[str]:
    """Return a fault for everything in a folder that does not belong there."""
    names = sorted(set(os.listdir(folder)) - set(known))
    is_folder = set(subfolders(folder))
    return [
        f"{os.path.join(where, name)}{'/' if name in is_folder else ''}: "
        "does not belong here"
        for name in names
    ]


def _expected(root: StrPath) -> dict[tuple[str, str], dict[str, _Size]]:
    """Return (category, split) -> stem -> size of the image, from the data set."""
    data = load_mvtec_ad2(root, list(PRIVATE_IMAGES), split="private")
    expected: dict[tuple[str, str], dict[str, _Size]] = {
        (c, s): {} for c in PRIVATE_IMAGES for s in PRIVATE_SPLITS
    }
    for image, category, split in _rows(data):
        stem = os.path.splitext(os.path.basename(image))[0]
        expected[category, split][stem] = _image_size(image)
    return expected


# ---- files ---------------------------------------------------------------------------


def _place(*path: StrPath) -> str:
    joined = os.path.join(*[os.fspath(part) for part in path])
    os.makedirs(os.path.dirname(joined), exist_ok=True)
    return joined


def _rows(data: Bunch) -> Iterator[tuple[str, str, str]]:
    """Yield (image, category, split) as plain str."""
    columns = (data[key].tolist() for key in ("images", "category", "split"))
    yield from zip(*columns, strict=True)


def _as_half(anomaly_map: Array, image: str) -> NDArray[np.float16]:
    """Return a map as float16, or raise if the server would not take it."""
    anomaly_map = np.asarray(anomaly_map)
    size = _image_size(image)
    if anomaly_map.shape != size:
        raise ValueError(
            f"the map of {image!r} has shape {anomaly_map.shape}, the image {size}"
        )
    if not np.isfinite(anomaly_map).all():
        raise ValueError(f"the map of {image!r} holds values that are not finite")
    largest = float(np.abs(anomaly_map).max())
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(
            f"the map of {image!r} holds {largest:g}, float16 ends at 65504: divide "
            "all maps and thresholds by one number"
        )
    return anomaly_map.astype(np.float16)


def _image_size(path: str) -> _Size:
    """Return (height, width) from the header of a PNG file."""
    with open(path, "rb") as file:
        header = file.read(24)
    if not header.startswith(b"\x89PNG\r\n\x1a\n") or len(header) < 24:
        return read_image(path).shape[:2]
    width, height = struct.unpack(">II", header[16:24])
    return height, width


def _write_tiff(path: str, half: NDArray[np.float16]) -> None:
    # OpenCV cannot write float16; tifffile is a dependency of scikit-image.
    import tifffile

    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, half, photometric="minisblack")


def _read_tiff(path: str) -> Array:
    import tifffile

    try:
        return tifffile.imread(path)
    except Exception as error:  # tifffile raises whatever a damaged file leads to
        raise ValueError(f"{type(error).__name__}: {error}") from error
