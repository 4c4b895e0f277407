"""Detectors of files: loaded, and run on tiles of another kind."""

import glob
import os
import warnings
from argparse import Namespace
from collections.abc import Iterator
from copy import copy
from typing import Any

import joblib
import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skuad import __version__
from skuad.base import MetaMapDetector, final_step
from skuad.cli._console import Console, Failure, one_line
from skuad.datasets._names import nearest_path
from skuad.detectors import Tiled
from skuad.io import dump_atomically

_VERSION = "skuad_version_"

# What joblib.dump begins a file with: pickle, zlib, gzip, bz2, lzma, xz and lz4.
_BEGINNINGS = (
    b"\x80",
    b"x",
    b"\x1f\x8b",
    b"BZ",
    b"]\x00",
    b"\xfd7zXZ",
    b"\x04\x22M\x18",
)


def check_stride(stride: int | None, tile: int) -> None:
    """Raise if tiles do not touch."""
    if stride is not None and stride > tile:
        raise Failure(
            f"--tile-stride {stride} is larger than the tiles ({tile} pixels): pixels "
            "between them would be left out"
        )


def load_estimator(path: str) -> Any:
    """Load a fitted estimator from a file.

    Raises
    ------
    Failure
        If there is no such file, or something else is in it.
    """
    estimator = load_file(path)
    try:
        check_is_fitted(final_step(estimator))
    except NotFittedError:
        raise Failure(
            f"the {type(estimator).__name__} in {path!r} is not fitted: fit it before "
            "it is saved"
        ) from None
    return estimator


def load_file(path: str) -> Any:
    """Load an estimator that makes maps, fitted or not.

    Raises
    ------
    Failure
        If there is no such file, or something else is in it.
    """
    try:
        estimator = joblib.load(path)
    except FileNotFoundError:
        raise Failure(
            f"there is no file {path!r}: `skuad fit` writes one.{nearest_path(path)}"
        ) from None
    except IsADirectoryError:
        files = sorted(glob.glob(os.path.join(glob.escape(path), "*.joblib")))
        advice = "the file that `skuad fit` wrote comes first, then the images"
        if files:
            advice = f"give the file in it, {files[0]!r}"
        raise Failure(f"{path!r} is a folder: {advice}") from None
    except (KeyboardInterrupt, MemoryError, PermissionError):
        raise
    except Exception as error:  # unpickling fails in any way whatever
        raise Failure(f"{path!r} {_fault(path, error)}") from error
    if not makes_maps(estimator):
        raise Failure(
            f"{path!r} holds no detector of skuad, but {type(estimator).__name__}: "
            "`skuad fit` writes one"
        )
    written = getattr(estimator, _VERSION, __version__)
    if written != __version__:
        warnings.warn(
            f"{path!r} was written by skuad {written}, and this is {__version__}: "
            "scores may be others. Fit it anew to be sure",
            UserWarning,
            stacklevel=2,
        )
    return estimator


def _fault(path: str, error: Exception) -> str:
    """Say why a file cannot be loaded."""
    with open(path, "rb") as file:
        begin = file.read(max(map(len, _BEGINNINGS)))
    if not begin:
        return "is empty: `skuad fit` writes it anew"
    if not begin.startswith(_BEGINNINGS):
        return "is not a file that `skuad fit` or joblib.dump wrote"
    if isinstance(error, ImportError | AttributeError):
        return f"needs other packages, or other versions of them: {one_line(error)}"
    return "is incomplete or damaged: copy it again, or fit it anew"


def save_estimator(estimator: Any, path: str) -> None:
    """Store a fitted estimator, with the version of skuad that fitted it."""
    setattr(estimator, _VERSION, __version__)
    dump_atomically(estimator, path)


def _chain(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and all in it that its images pass."""
    yield estimator
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from _chain(step)
    for name in ("best_estimator_", "estimator", "detector_"):
        if hasattr(estimator, name):
            yield from _chain(getattr(estimator, name))


def makes_maps(estimator: Any) -> bool:
    """Whether there is a detector in an estimator, fitted or not."""
    return any(hasattr(part, "detect") for part in _chain(estimator))


def find_tiled(estimator: Any) -> Tiled | None:
    """Return the fitted `Tiled` that images pass, or None."""
    return next((part for part in _chain(estimator) if isinstance(part, Tiled)), None)


def with_tiles(estimator: Any, **tiles: Any) -> Any:
    """Run a detector that was fitted on whole images on tiles, without refitting.

    Parameters
    ----------
    estimator : estimator
        Fitted. It is not changed.
    **tiles
        `tile`, `stride` and `reduce` of `Tiled`.

    Returns
    -------
    estimator
        What comes before the detector sees whole images, as it did in fit. It has no
        threshold, since the one there was holds for whole images.
    """
    if isinstance(estimator, Pipeline):
        *steps, (name, last) = estimator.steps
        return Pipeline([*steps, (name, with_tiles(last, **tiles))])
    if hasattr(estimator, "best_estimator_"):
        return with_tiles(estimator.best_estimator_, **tiles)
    if isinstance(estimator, MetaMapDetector):  # a region of interest, a decision
        outer = copy(estimator)
        outer.detector_ = with_tiles(outer.detector_, **tiles)
        outer.offset_ = np.nan
        return outer
    tiled = Tiled(estimator, calibration=None, **tiles)
    tiled.detector_, tiled.offset_ = estimator, np.nan
    tiled.tile_shape_ = (tiled.tile, tiled.tile)
    for name in ("false_alarm_rate", "n_channels_in_", "image_dtype_"):
        if hasattr(estimator, name):
            setattr(tiled, name, getattr(estimator, name))
    return tiled


def override_tiles(estimator: Any, args: Namespace, console: Console) -> Any:
    """Apply the arguments on tiles to a loaded estimator.

    Returns
    -------
    estimator
        May be the given one, changed in memory.

    Raises
    ------
    Failure
        If the file's tiles cannot be changed so.
    """
    given = {"stride": args.tile_stride, "reduce": args.tile_reduce}
    given = {name: value for name, value in given.items() if value is not None}
    tiled = find_tiled(estimator)
    if tiled is None and args.tile_size is not None:
        check_stride(args.tile_stride, args.tile_size)
        if not args.calibrate:
            console.warn(
                f"{args.model!r} was fitted on whole images, for which its threshold "
                "holds: decisions on tiles are null. Set a threshold with --calibrate "
                "GOOD_IMAGES"
            )
        return with_tiles(
            estimator,
            tile=args.tile_size,
            stride=args.tile_stride,
            reduce=args.tile_reduce or "blend",
        )
    if tiled is None:
        if given:
            raise Failure(
                f"{args.model!r} was fitted on whole images: to run it on tiles, give "
                "--tile-size too"
            )
        return estimator
    if args.tile_size not in (None, tiled.tile):
        raise Failure(
            f"{args.model!r} was fitted on tiles of {tiled.tile} pixels, which "
            "--tile-size cannot change: leave it out, or fit anew with `skuad fit "
            f"--tile-size {args.tile_size}`"
        )
    check_stride(args.tile_stride, tiled.tile)
    fitted = {"stride": tiled.stride or tiled.tile, "reduce": tiled.reduce}
    changed = {name: value for name, value in given.items() if value != fitted[name]}
    if changed and not args.calibrate:
        was = " and ".join(f"{name} {fitted[name]}" for name in changed)
        console.warn(
            f"the threshold was set with {was}: the false-alarm rate may be another. "
            "Set the threshold anew with --calibrate GOOD_IMAGES"
        )
    tiled.set_params(**changed)
    return estimator
