"""Estimators from the arguments of a command."""

import ast
import difflib
import inspect
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skuad.base import final_step
from skuad.cli._console import Failure
from skuad.cli._model import check_stride, load_file, makes_maps
from skuad.datasets._names import check_name, did_you_mean
from skuad.detectors import RegionOfInterest, Tiled, list_detectors
from skuad.io import read_image
from skuad.preprocessing import GrayWorld, HomomorphicFilter, MaxRGB
from skuad.utils.discovery import all_estimators

_PREPROCESSING = {
    "gray-world": GrayWorld,
    "max-rgb": MaxRGB,
    "homomorphic": HomomorphicFilter,
}
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def build_estimator(
    args: Namespace, extra: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()
) -> Any:
    """Make the estimator that the arguments of a command describe.

    Parameters
    ----------
    args : Namespace
    extra : dict of {str: object}, default=()
        Settings beside those of ``--set``, which they override.

    Returns
    -------
    estimator
        A detector, or a pipeline that ends in one if there is preprocessing.

    Raises
    ------
    Failure
        If arguments do not go together.
    ValueError
        If there is no such detector or parameter, or a value is not valid.
    """
    settings = {**read_settings(args.set), **dict(extra)}
    if args.pipeline is not None:
        estimator = _from_function(args, settings)
        return _checked(_apply_options(estimator, args, settings))
    detector = _apply_options(_detector(args, settings), args, settings)
    # What surrounds a detector sets the threshold in its place.
    rate = getattr(final_step(detector), "false_alarm_rate", args.usual_rate)
    if args.tile_size is not None:
        check_stride(args.tile_stride, args.tile_size)
        _check_untiled(detector, args.tile_size)
        detector = Tiled(
            detector,
            tile=args.tile_size,
            stride=args.tile_stride,
            reduce=args.tile_reduce or "blend",
            false_alarm_rate=rate,
        )
    elif args.tile_stride is not None or args.tile_reduce is not None:
        raise Failure("--tile-stride and --tile-reduce need --tile-size")
    if args.roi is not None:
        # The mask itself, not its path: the file has to do without it elsewhere.
        roi = _read_roi(args.roi)
        detector = RegionOfInterest(detector, roi=roi, false_alarm_rate=rate)
    steps = [_PREPROCESSING[name]() for name in args.preprocess]
    return _checked(make_pipeline(*steps, detector) if steps else detector)


def _read_roi(path: str) -> NDArray[np.bool_]:
    """Read where to look: what is brighter than half the brightest, as JPEG is noisy."""
    if os.path.isdir(path):
        raise Failure(f"{path!r} is a folder: give --roi the file of a mask")
    image = read_image(path)
    if image.ndim == 3:
        image = image[..., :3].max(axis=2)  # alpha is no part of the mask
    roi = image > image.max() / 2
    if roi.all():
        raise Failure(f"{path!r} leaves nothing out: a mask is black where not to look")
    if not roi.any():
        raise Failure(f"{path!r} leaves all out: a mask is white where to look")
    return roi


def _checked(estimator: Any) -> Any:
    """Have the values of all parameters checked, which fit would do, only later."""
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        if hasattr(part, "_validate_params") and not isinstance(part, type):
            part._validate_params()
    return estimator


def find_detector(name: str) -> type:
    """Return a detector's class by its name."""
    known = {found.name: found.estimator for found in list_detectors()}
    return known[check_name(name, known, "detector")]


def read_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; later ones win.

    Values are Python literals, JSON's ``true``, ``false`` and ``null``, or else text.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.replace("_", "").isalnum():
            raise Failure(
                f"--set takes PARAM=VALUE, such as n_neighbors=3; got {pair!r}"
            )
        settings[name] = read_value(value)
    return settings


def read_value(text: str) -> Any:
    """Read a value: a Python literal, a word of JSON, or text."""
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def apply_settings(estimator: Any, settings: Mapping[str, Any]) -> Any:
    """Set parameters of an estimator; a value may be the name of an estimator."""
    # Shorter names first: a new part takes the settings that follow.
    for name in sorted(settings, key=lambda name: name.count("__")):
        known = estimator.get_params(deep=True)
        _check_parameter(name, known, type(estimator).__name__)
        estimator.set_params(**{name: _as_part(settings[name])})
    return estimator


def _apply_options(estimator: Any, args: Namespace, settings: Mapping[str, Any]) -> Any:
    """Set parameters that have options of their own, in all parts; settings win."""
    options = {
        "false_alarm_rate": args.false_alarm_rate,
        "max_patches": args.max_patches,
        "random_state": args.seed,
    }
    for parameter, value in options.items():
        if value is None:
            continue
        known = estimator.get_params(deep=True)
        names = [name for name in known if name.split("__")[-1] == parameter]
        if not names and parameter != "random_state":  # not all is left to chance
            option = "--" + parameter.replace("_", "-")
            raise Failure(f"{option} is nothing that {type(estimator).__name__} has")
        names = [name for name in names if name not in settings]
        estimator.set_params(**dict.fromkeys(names, value))
    return estimator


def _check_untiled(detector: Any, size: int) -> None:
    parts = {"": detector, **detector.get_params(deep=True)}
    for name, part in parts.items():
        if isinstance(part, Tiled):
            tile = f"{name}__tile".removeprefix("__")
            raise Failure(
                f"there are tiles of {part.tile} pixels already: change them with "
                f"--set {tile}={size} in place of --tile-size"
            )


def _detector(args: Namespace, settings: dict[str, Any]) -> Any:
    """Make the detector itself, without tiles or preprocessing."""
    name = args.detector or "PatchKNN"
    if os.path.isfile(name):
        return apply_settings(clone(load_file(name)), settings)
    cls = find_detector(name)
    own = inspect.signature(cls).parameters
    common = {"false_alarm_rate": args.usual_rate, "random_state": 0}
    common = {name: value for name, value in common.items() if name in own}
    settings = {**common, **settings}
    first = {key: value for key, value in settings.items() if "__" not in key}
    for key in first:
        _check_parameter(key, own, cls.__name__)
    lacking = [
        key
        for key, each in own.items()
        if each.default is each.empty and key not in first
    ]
    if lacking:
        raise Failure(
            f"{cls.__name__} needs {lacking[0]!r}: give it with --set {lacking[0]}=..."
        )
    detector = cls(**{key: _as_part(value) for key, value in first.items()})
    # An embedder that is left to the default is made in fit: nested parameters need it.
    _make_default_parts(detector, settings)
    return apply_settings(
        detector, {key: value for key, value in settings.items() if "__" in key}
    )


def _make_default_parts(detector: Any, settings: Mapping[str, Any]) -> None:
    parts = {key.split("__")[0] for key in settings if "__" in key}
    if "embedder" in parts and getattr(detector, "embedder", 0) is None:
        detector.set_params(embedder=_as_part("FilterBankEmbedder"))


def _check_parameter(name: str, known: Iterable[str], owner: str) -> None:
    if name not in known:
        raise Failure(
            f"{owner} has no parameter {name!r}.{did_you_mean(name, known)} "
            f"Known: {', '.join(sorted(known))}"
        )


def _as_part(value: Any) -> Any:
    """Make an estimator of its name; leave all else as it is."""
    if isinstance(value, str) and value[:1].isupper():
        known = dict(all_estimators())
        if value in known:
            return known[value]()
        # It may be some other text, unless it is as good as the name.
        near = difflib.get_close_matches(value, known, n=1, cutoff=0.8)
        if near:
            raise Failure(f"there is no estimator {value!r}. Did you mean {near[0]!r}?")
    return value


def _from_function(args: Namespace, settings: Mapping[str, Any]) -> Any:
    """Call the user's function."""
    others = {
        "--detector": args.detector,
        "--roi": args.roi,
        "--preprocess": args.preprocess or None,
        "--tile-size": args.tile_size,
        "--tile-stride": args.tile_stride,
        "--tile-reduce": args.tile_reduce,
    }
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise Failure(
            f"{given[0]} and --pipeline do not go together: put it into the function"
        )
    module, _, function = args.pipeline.partition(":")
    if not module or not function:
        raise Failure(f"--pipeline takes MODULE:FUNCTION, got {args.pipeline!r}")
    sys.path.insert(0, os.getcwd())
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise Failure(
            f"there is no module {error.name!r} in this folder or installed"
        ) from error
    finally:
        sys.path.pop(0)
    make = getattr(found, function, None)
    if make is None:
        hint = did_you_mean(function, [n for n in dir(found) if n[:1] != "_"])
        raise Failure(f"{found.__file__!r} has no function {function!r}.{hint}")
    estimator = make()
    if not hasattr(estimator, "get_params") or not hasattr(estimator, "fit"):
        raise Failure(
            f"{args.pipeline} returned no estimator, but {type(estimator).__name__}"
        )
    if not makes_maps(estimator):
        raise Failure(
            f"{args.pipeline} returned no detector, but "
            f"{type(final_step(estimator)).__name__}: end in one of `skuad detectors`, "
            "or in one of your own with its method detect"
        )
    return apply_settings(estimator, settings)
