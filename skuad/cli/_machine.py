"""What the machine computes with: threads, devices, weights and speed."""

import os
import time
from collections.abc import Iterator

import cv2
import joblib
import threadpoolctl

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.weights import PACKAGES, weights_folders
from skuad.weights._find import SUFFIXES

# So many images of so many pixels a side are timed.
SIDE, _N_IMAGES = 256, 20


def threads() -> dict[str, str]:
    blas = {
        f"{pool['internal_api']}: {pool['num_threads']}"
        for pool in threadpoolctl.threadpool_info()
    }
    return {
        "cores": f"{joblib.cpu_count()} of {os.cpu_count()}",
        "threads": f"OpenCV: {cv2.getNumThreads()}, {', '.join(sorted(blas)) or 'no BLAS'}",
    }


def devices(has_torch: bool) -> dict[str, str]:
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


def weights() -> Iterator[tuple[str, str]]:
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
        "noise", n_train=5, n_good=_N_IMAGES, n_defective=1, size=SIDE, random_state=0
    )
    detector = PatchKNN(calibration=None, random_state=0).fit(data.train)
    images = data.test[:_N_IMAGES]
    detector.transform(images[:2])
    begun = time.perf_counter()
    detector.transform(images)
    seconds = time.perf_counter() - begun
    return {"images_per_second": len(images) / seconds}
