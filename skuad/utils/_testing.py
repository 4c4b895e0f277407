"""A tiny, real instance of every public estimator, for the batteries of checks."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from typing import Any

#: Package that the instances of a class run on; without it there are none.
NEEDS = {
    "AnomalibCheckpointDetector": "anomalib",
    "OpenCLIPEmbedder": "open_clip",
    "OpenCLIPPatchKNN": "open_clip",
    "OpenCLIPPromptScore": "open_clip",
    "TimmEmbedder": "timm",
}
#: Classes that only insist on the kind of checkpoint. Their batteries are beside the
#: other tests of checkpoints, since the networks of some of them are large.
CHECKPOINT_ALIASES = {
    "DinomalyCheckpoint",
    "EfficientAdCheckpoint",
    "PadimCheckpoint",
    "PatchcoreCheckpoint",
    "ReverseDistillationCheckpoint",
}


def instances() -> dict[str, list[Any]]:
    """Map the name of every public estimator class to instances of it.

    The instances have real parts and default parameters, but for the false-alarm rate:
    scikit-learn's battery wants some training sample flagged. Networks are tiny ones of
    the real libraries with saved random weights. A class whose package in `NEEDS` is not
    installed has an empty list.
    """
    from sklearn.base import clone
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest
    from sklearn.model_selection import ShuffleSplit
    from sklearn.pipeline import make_pipeline

    from skuad import augmentation
    from skuad.calibration import ConformalDetector, DriftMonitor
    from skuad.detectors import (
        Augmented,
        ForegroundOnly,
        PaDiM,
        PatchDetector,
        PatchKNN,
        RegionOfInterest,
        Tiled,
    )
    from skuad.feature_extraction import FilterBankEmbedder
    from skuad.neighbors import NearestNeighborDetector
    from skuad.postprocessing import MapDecision, SmoothMaps
    from skuad.preprocessing import (
        GrayWorld,
        HomomorphicFilter,
        MaxRGB,
        Tiler,
        WhiteBalance,
    )

    rate: dict[str, Any] = {"false_alarm_rate": 0.1}
    # The battery seeds the outer estimator only, and of a greedy bank no training row
    # need be far away.
    inner = PatchKNN(coreset="random", random_state=0)
    networks = _networks()
    found: dict[str, list[Any]] = {
        "Augmented": [
            Augmented(inner, augmentation.ExposureShift(), n_copies=1, **rate)
        ],
        "ChannelGain": [augmentation.ChannelGain()],
        "Compose": [augmentation.make_industrial_camera_augmenter()],
        "ConformalDetector": [ConformalDetector(inner, false_alarm_rate=0.25)],
        "DefocusBlur": [augmentation.DefocusBlur()],
        "DriftMonitor": [
            DriftMonitor(inner, cv=ShuffleSplit(1, test_size=0.5, random_state=0))
        ],
        "ExposureShift": [augmentation.ExposureShift()],
        "FilterBankEmbedder": [FilterBankEmbedder()],
        "ForegroundOnly": [ForegroundOnly(inner, **rate)],
        "Gamma": [augmentation.Gamma()],
        "GrayWorld": [GrayWorld()],
        "HomomorphicFilter": [HomomorphicFilter()],
        "JPEGCompression": [augmentation.JPEGCompression()],
        "MapDecision": [MapDecision(inner, SmoothMaps(sigma=1), **rate)],
        "MaxRGB": [MaxRGB()],
        "MotionBlur": [augmentation.MotionBlur(angle=(0, 180))],
        "NearestNeighborDetector": [NearestNeighborDetector()],
        "PaDiM": [PaDiM(**rate)],
        "PatchDetector": [
            PatchDetector(**rate),
            PatchDetector(estimator=IsolationForest(n_estimators=5), **rate),
            PatchDetector(estimator=PCA(0.9), **rate),
        ],
        "PatchKNN": [PatchKNN(**rate), PatchKNN(coreset="random", **rate)],
        "RegionOfInterest": [RegionOfInterest(inner, **rate)],
        "SensorNoise": [augmentation.SensorNoise()],
        "SmoothMaps": [SmoothMaps()],
        "Tiled": [
            Tiled(inner, **rate),
            Tiled(make_pipeline(GrayWorld(), inner), **rate),
        ],
        "Tiler": [Tiler()],
        "Vignette": [augmentation.Vignette()],
        "WhiteBalance": [WhiteBalance(), WhiteBalance(method="reference")],
    }
    for embedder in networks["TimmEmbedder"][:1]:
        embedder = clone(embedder).set_params(layers=[1], image_size=(32, 32))
        found["PatchKNN"].append(PatchKNN(embedder, coreset="random", **rate))
    return found | networks | _openclip_instances()


def _openclip_instances() -> dict[str, list[Any]]:
    """Make estimators by tiny models of OpenCLIP, one image at a time."""
    if not find_spec("open_clip"):
        return {}
    from skuad.detectors import OpenCLIPPatchKNN, OpenCLIPPromptScore
    from skuad.feature_extraction import OpenCLIPEmbedder
    from skuad.utils._testing_openclip import tiny_openclip

    folder = _temporary_folder()
    tiny: dict[str, Any] = {"image_size": (64, 64), "batch_size": 1}
    vit: dict[str, Any] = {
        **tiny_openclip("vit", folder),
        "image_size": (32, 32),
        "batch_size": 1,
    }
    return {
        "OpenCLIPEmbedder": [
            OpenCLIPEmbedder(**tiny_openclip(kind, folder), **tiny)
            for kind in ("vit", "resnet", "timm-vit")
        ],
        "OpenCLIPPatchKNN": [
            OpenCLIPPatchKNN(**vit, layers=[1], coreset="random", false_alarm_rate=0.1)
        ],
        "OpenCLIPPromptScore": [
            # To an untrained network, texts mean nothing: two by which a defect stands
            # out.
            OpenCLIPPromptScore(
                **vit,
                normal_prompts=["crack"],
                anomalous_prompts=["bad"],
                windows=None,
                pool="both",
                false_alarm_rate=0.1,
            )
        ],
    }


def _networks() -> dict[str, list[Any]]:
    """Make estimators by tiny networks, one image at a time."""
    from skuad.detectors import AnomalibCheckpointDetector
    from skuad.feature_extraction import TimmEmbedder

    networks: dict[str, list[Any]] = {name: [] for name in NEEDS}
    if find_spec(NEEDS["AnomalibCheckpointDetector"]):
        from skuad.utils._testing_anomalib import tiny_padim

        padim = tiny_padim(_temporary_folder())
        networks["AnomalibCheckpointDetector"] = [
            AnomalibCheckpointDetector(padim, batch_size=1, false_alarm_rate=0.1)
        ]
    if find_spec(NEEDS["TimmEmbedder"]):
        networks["TimmEmbedder"] = [
            TimmEmbedder(
                name,
                weights=tiny_timm_weights(name),
                image_size=(64, 64),
                batch_size=1,
            )
            for name in ("test_efficientnet", "test_vit")
        ]
    return networks


@cache
def _temporary_folder() -> str:
    folder = tempfile.mkdtemp(prefix="skuad-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def tiny_timm_weights(model_name: str) -> str:
    """Save random weights of a model of timm, once per process; return the path."""
    import timm
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(model_name, pretrained=False)
    path = os.path.join(_temporary_folder(), f"{model_name}.pth")
    torch.save(model.state_dict(), path)
    return path
