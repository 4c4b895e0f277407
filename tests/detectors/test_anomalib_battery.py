"""The battery for images on the six models; that of scikit-learn runs on a Padim."""

import pytest
from anomalib_checkpoints import MODELS, make_model, save_checkpoint

from skuad import detectors
from skuad.utils.estimator_checks import image_checks

# A network that was never trained need not find a defect.
_TRAINED = {"check_signs"}
# It takes a second for an image, and cannot be made smaller: two checks do.
_OF_EFFICIENT_AD = {"check_batch_does_not_matter", "check_maps_have_the_image_size"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("battery"), {}

    def get(name):
        if name not in made:
            made[name] = save_checkpoint(make_model(name), folder / f"{name}.ckpt")
        return made[name]

    return get


def _cases():
    for name in MODELS:
        alias = getattr(detectors, f"{name}Checkpoint", None)
        alias = alias or detectors.AnomalibCheckpointDetector
        for check in image_checks(alias("x.ckpt"), rtol=1e-4):
            known = check.func.__name__
            if known in _TRAINED and name not in ("Padim", "Patchcore"):
                continue
            if name == "EfficientAd" and known not in _OF_EFFICIENT_AD:
                continue
            yield pytest.param(name, alias, check, id=f"{name}-{known}")


@pytest.mark.parametrize(("name", "alias", "check"), list(_cases()))
def test_image_battery(name, alias, check, checkpoint, monkeypatch):
    if name == "EfficientAd":
        monkeypatch.setattr("skuad.utils._checking.N_TRAIN", 2)
    detector = alias(checkpoint(name), false_alarm_rate=0.1, batch_size=3, device="cpu")
    check(detector)
