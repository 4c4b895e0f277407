"""skuad doctor: what is installed, what computes, and what is wrong with it."""

import os
import platform
from argparse import Namespace
from collections.abc import Collection, Iterable
from importlib import metadata

import skuad
from skuad import __version__
from skuad.cli._console import Console

_PACKAGES = ("numpy", "scipy", "scikit-learn", "joblib", "scikit-image")
_OPTIONAL = (
    "torch timm open-clip-torch anomalib openvino skops matplotlib pandas dask "
    "distributed"
).split()
_OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    installed = _versions((*_PACKAGES, *_OPENCV, *_OPTIONAL))
    faults = [*opencv_faults(installed), *_weights_faults()]
    where = os.path.dirname(skuad.__file__)
    facts = [
        ("skuad", f"{__version__}, {where}"),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
        *installed.items(),
        ("not here", ", ".join(n for n in _OPTIONAL if n not in installed) or "-"),
    ]
    found: dict[str, object] = {"skuad": __version__, "versions": installed}
    try:
        more, results = _look_at_machine("torch" in installed)
    except ImportError as error:  # a package that is there, and broken
        faults.append(_import_fault(error, installed))
    else:
        facts += more
        found |= results
    console.facts(facts)
    for fault in faults:
        console.tell(f"fault: {fault}")
    if not faults:
        console.say("No fault found.")
    console.give({**found, "faults": faults})
    return 1 if faults else 0


def _look_at_machine(
    has_torch: bool,
) -> tuple[list[tuple[str, str]], dict[str, object]]:
    """Return what is told, and what is given to machines, of what computes."""
    from skuad.cli import _machine
    from skuad.weights import weights_folders

    machine = {**_machine.threads(), **_machine.devices(has_torch)}
    weights, speed = dict(_machine.weights()), _machine.measure_speed()
    facts = [*machine.items()]
    for folder in weights_folders():
        state = "" if folder.is_dir() else " (is not there)"
        facts.append(("weights in", f"{folder}{state}"))
    facts += [("weights", f"{name}: {path}") for name, path in weights.items()]
    rate, side = speed["images_per_second"], _machine.SIDE
    facts.append(
        ("speed", f"{rate:.0f} images of {side} x {side} a second (PatchKNN, default)")
    )
    return facts, {"machine": machine, "weights": weights, **speed}


def _import_fault(error: ImportError, installed: Collection[str]) -> str:
    """Say what helps if something cannot be imported, most often OpenCV."""
    opencv = [name for name in _OPENCV if name in installed]
    return (
        f"an import fails ({error}). If it is one of OpenCV: pip uninstall -y "
        f"{' '.join(opencv or _OPENCV)} && pip install opencv-python-headless"
    )


def opencv_faults(installed: Collection[str]) -> list[str]:
    """Say whether packages overwrite each other's files.

    Parameters
    ----------
    installed : collection of str
        Names of installed packages.
    """
    found = [name for name in _OPENCV if name in installed]
    if len(found) < 2:
        return []
    return [
        f"{' and '.join(found)} overwrite each other's files, and an update of one "
        f"breaks the other: pip uninstall -y {' '.join(found)} && pip install "
        "opencv-python-headless"
    ]


def _weights_faults() -> list[str]:
    """Name the folders of the environment variable that are not there."""
    listed = os.environ.get("SKUAD_WEIGHTS", "").split(os.pathsep)
    return [
        f"SKUAD_WEIGHTS names {folder!r}, and there is no such folder"
        for folder in listed
        if folder and not os.path.isdir(os.path.expanduser(folder))
    ]


def _versions(names: Iterable[str]) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
