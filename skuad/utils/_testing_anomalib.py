"""A tiny checkpoint of anomalib, written without importing anomalib, which takes long."""

import os
from typing import Any


def tiny_padim(folder: str) -> str:
    """Write the checkpoint of a Padim on a backbone of random weights; return its path.

    The keys and settings are those that anomalib writes; a test compares them.
    """
    import timm
    import torch

    from skuad.utils._testing_images import make_images

    n_features = 12
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = timm.create_model(
            "resnet18", pretrained=False, features_only=True, out_indices=[1]
        ).eval()
        index = torch.randperm(64)[:n_features]
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    # Other images than those of the checks, whose scores would be those of memory.
    x = (
        torch.from_numpy(make_images(16, size=(32, 32), seed=9)).permute(0, 3, 1, 2)
        / 255
    )
    planes = [torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std)]
    with torch.no_grad():
        features = backbone((x - planes[0]) / planes[1])[0][:, index].flatten(2)
    centred = features - features.mean(0)
    covariance = torch.einsum("ncp,ndp->pcd", centred, centred) / (len(x) - 1)
    covariance += 0.01 * torch.eye(n_features)
    offsets = torch.arange(33) - 16.0
    bell = torch.exp(-(offsets**2) / (2 * 4.0**2))
    kernel = torch.outer(bell, bell) / bell.sum() ** 2
    state_dict = {
        "_is_fitted": torch.tensor([True]),
        **{
            f"post_processor.{name}": torch.tensor(value)
            for name, value in [
                ("_image_threshold", 6.0),
                ("_pixel_threshold", 6.0),
                ("image_min", 1.0),
                ("image_max", 10.0),
                ("pixel_min", 1.0),
                ("pixel_max", 10.0),
            ]
        },
        "model.idx": index,
        **{
            f"model.feature_extractor.feature_extractor.{name}": value
            for name, value in backbone.state_dict().items()
        },
        "model.anomaly_map_generator.blur.kernel": kernel[None, None],
        "model.gaussian.mean": features.mean(0),
        "model.gaussian.inv_covariance": torch.linalg.inv(covariance),
    }
    steps = [
        _transform("Resize", size=[32, 32], interpolation="bilinear", antialias=True),
        _transform("Normalize", mean=mean, std=std),
    ]
    checkpoint = {
        "state_dict": state_dict,
        "hyper_parameters": {
            "backbone": "resnet18",
            "layers": ["layer1"],
            "pre_trained": True,
            "n_features": n_features,
        },
        "anomalib_components_enabled": {"pre_processor": True, "post_processor": True},
        "anomalib_pre_processor_config": {
            "transform": _transform("Compose", transforms=steps)
        },
        "anomalib_post_processor_config": {"image_sensitivity": 0.5},
    }
    path = os.path.join(folder, "padim.ckpt")
    torch.save(checkpoint, path)
    return path


def _transform(name: str, **settings: Any) -> dict[str, Any]:
    return {"class_path": f"torchvision.transforms.v2.{name}", "init_args": settings}
