"""skuad doctor: what is installed, what computes, and what is wrong with it."""

import os
import platform
import time
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator
from importlib import metadata

import cv2
import joblib
import threadpoolctl

import skuad
from skuad import __version__
from skuad.cli._console import Console
from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.weights import PACKAGES, weights_folders
from skuad.weights._find import SUFFIXES

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
# So many images of so many pixels a side are timed.
_SIDE, _N_IMAGES = 256, 20


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    installed = _versions((*_PACKAGES, *_OPENCV, *_OPTIONAL))
    faults = [*opencv_faults(installed), *_weights_faults()]
    machine = {**_machine(), **_devices("torch" in installed)}
    weights, speed = dict(_weights()), measure_speed()
    where = os.path.dirname(skuad.__file__)
    facts = [
        ("skuad", f"{__version__}, {where}"),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
        *installed.items(),
        ("not here", ", ".join(n for n in _OPTIONAL if n not in installed) or "-"),
        *machine.items(),
    ]
    for folder in weights_folders():
        state = "" if folder.is_dir() else " (is not there)"
        facts.append(("weights in", f"{folder}{state}"))
    facts += [("weights", f"{name}: {path}") for name, path in weights.items()]
    console.facts(
        [
            *facts,
            (
                "speed",
                f"{speed['images_per_second']:.0f} images of {_SIDE} x {_SIDE} a second "
                "(PatchKNN, default)",
            ),
        ]
    )
    for fault in faults:
        console.tell(f"fault: {fault}")
    if not faults:
        console.say("No fault found.")
    console.give(
        {
            "skuad": __version__,
            "versions": installed,
            "machine": machine,
            "weights": weights,
            "faults": faults,
            **speed,
        }
    )
    return 1 if faults else 0


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


def _machine() -> dict[str, str]:
    blas = {
        f"{pool['internal_api']}: {pool['num_threads']}"
        for pool in threadpoolctl.threadpool_info()
    }
    return {
        "cores": f"{joblib.cpu_count()} of {os.cpu_count()}",
        "threads": f"OpenCV: {cv2.getNumThreads()}, {', '.join(sorted(blas)) or 'no BLAS'}",
    }


def _devices(has_torch: bool) -> dict[str, str]:
    if not has_torch:
        return {"devices": "CPU (torch, which networks need, is not installed)"}
    import torch

    found = [
        f"cuda:{number} ({torch.cuda.get_device_name(number)})"
        for number in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append("mps")
    return {"devices": ", ".join(["CPU", *found])}


def _weights() -> Iterator[tuple[str, str]]:
    """Yield the name and the path of files of weights that are found by name."""
    for folder in weights_folders():
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.suffix in SUFFIXES:
                    yield path.stem, str(path)
    for name, package in PACKAGES.items():
        file = package.path()
        if file is not None and file.is_file():
            yield name, str(file)


def measure_speed() -> dict[str, float]:
    """Time the default detector on images that are made here."""
    data = make_defect_images(
        "noise", n_train=5, n_good=_N_IMAGES, n_defective=1, size=_SIDE, random_state=0
    )
    detector = PatchKNN(calibration=None, random_state=0).fit(data.train)
    images = data.test[:_N_IMAGES]
    detector.transform(images[:2])
    begun = time.perf_counter()
    detector.transform(images)
    seconds = time.perf_counter() - begun
    return {"images_per_second": len(images) / seconds}
