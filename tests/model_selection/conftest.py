"""Images with defects, and a detector that is fast."""

import sys
from pathlib import Path

import numpy as np
import pytest

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.io import write_image

# Worker processes import the helpers, and tests are imported without their folder on
# the path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def images():
    """Eighteen good and twelve defective images with their masks."""
    return make_defect_images(
        "noise", n_train=12, n_good=6, n_defective=12, size=48, return_X_y="masks"
    )


@pytest.fixture
def files(images, tmp_path):
    """Paths of the images and of their masks, '' for a good image."""
    paths, masks = [], []
    for number, (image, mask) in enumerate(zip(*images, strict=True)):
        paths.append(str(tmp_path / f"{number}.png"))
        write_image(paths[-1], image)
        masks.append(str(tmp_path / f"{number}_mask.png") if mask.any() else "")
        if mask.any():
            write_image(masks[-1], mask.astype(np.uint8))
    return paths, masks


@pytest.fixture
def detector():
    return PatchKNN(calibration=None, coreset="random", random_state=0)
