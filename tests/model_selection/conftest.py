"""Images with defects, and a detector that is fast."""

import pytest

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN


@pytest.fixture(scope="session")
def images():
    """Eighteen good and twelve defective images with their masks."""
    return make_defect_images(
        "noise", n_train=12, n_good=6, n_defective=12, size=48, return_X_y="masks"
    )


@pytest.fixture
def detector():
    return PatchKNN(calibration=None, coreset="random", random_state=0)
