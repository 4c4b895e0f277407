"""Real checkpoints of anomalib, made in a second each, without a network."""

import warnings
from contextlib import contextmanager

import numpy as np
import torch

MODELS = (
    "Patchcore",
    "Padim",
    "Stfpm",
    "ReverseDistillation",
    "EfficientAd",
    "Dinomaly",
)


def anomalib_models():
    """Import anomalib when a test needs it: each worker of pytest that does waits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anomalib.models

        return anomalib.models


@contextmanager
def untrained_backbones():
    import timm

    original = timm.create_model
    timm.create_model = lambda name, pretrained=False, **kw: original(name, **kw)
    try:
        yield
    finally:
        timm.create_model = original


def make_model(name, size=None, **kwargs):
    """Build a small model of anomalib and fill what training would have filled."""
    make = getattr(anomalib_models(), name)
    size = size or {"Dinomaly": (70, 70), "EfficientAd": (256, 256)}.get(name, (64, 64))
    settings = {
        "Patchcore": {"backbone": "resnet18", "layers": ["layer1"]},
        "Padim": {"backbone": "resnet18", "layers": ["layer1"], "n_features": 12},
        "Stfpm": {"backbone": "resnet18"},
        "ReverseDistillation": {"backbone": "resnet18"},
        "EfficientAd": {},
        "Dinomaly": {"encoder_name": "vit_small_patch14_reg4_dinov2"},
    }.get(name, {})
    crop = {"crop_size": 56} if name == "Dinomaly" else {}
    if "pre_processor" not in kwargs:
        kwargs["pre_processor"] = make.configure_pre_processor(size, **crop)
    torch.manual_seed(0)
    with untrained_backbones(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(visualizer=False, **{**settings, **kwargs})
    x = torch.from_numpy(images(8)).permute(0, 3, 1, 2) / 255
    x = model.pre_processor(x) if model.pre_processor is not None else x
    fill = {"Patchcore": _fill_bank, "Padim": _fill_bank, "EfficientAd": _fill_ead}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fill.get(name, lambda model, x: None)(model, x)
    return model


def _fill_bank(model, x):
    model.model.train()
    model.model(x)
    if model.name == "Padim":
        model.model.fit()
    else:
        model.model.subsample_embedding(sampling_ratio=0.2)
    model._is_fitted = torch.tensor([True])


@torch.no_grad()
def _fill_ead(model, x):
    x = x[:2]
    features = model.model.teacher(x)
    mean_std = model.model.mean_std
    mean_std["mean"].data.copy_(features.mean((0, 2, 3))[None, :, None, None])
    mean_std["std"].data.copy_(features.std((0, 2, 3))[None, :, None, None])
    model.eval()
    for kind, values in zip(
        ("st", "ae"), model.model.get_maps(x, normalize=False), strict=True
    ):
        model.model.quantiles[f"qa_{kind}"].data.copy_(values.quantile(0.9))
        model.model.quantiles[f"qb_{kind}"].data.copy_(values.quantile(0.995))


def images(n, size=(64, 64), seed=0):
    """Textured images, all alike."""
    from skuad.utils._testing_images import make_images

    return make_images(n, size=size, seed=seed)


@torch.no_grad()
def raw_output(model, X):
    """Raw scores (n,) and maps (n, h, w) or None, as in training and validation."""
    model.eval()
    x = torch.from_numpy(np.ascontiguousarray(X)).permute(0, 3, 1, 2) / 255
    if model.pre_processor is not None:
        x = model.pre_processor.transform(x)
    output = model.model(x)
    scores = output.pred_score.reshape(len(X)).double().numpy()
    maps = output.anomaly_map
    if maps is not None:
        maps = maps.reshape(len(X), *maps.shape[-2:]).numpy()
    return scores, maps


def calibrate(model, X):
    """Set the buffers that validation on these images would leave behind."""
    scores, maps = raw_output(model, X)
    post = model.post_processor
    values = {"image": scores, "pixel": scores if maps is None else maps}
    for kind, found in values.items():
        middle = float(np.quantile(found, 0.6))
        getattr(post, f"_{kind}_threshold").copy_(torch.tensor(middle))
        getattr(post, f"{kind}_min").copy_(torch.tensor(float(found.min())))
        getattr(post, f"{kind}_max").copy_(torch.tensor(float(found.max())))
    return model


def save_checkpoint(model, path):
    """Save as Lightning does at the end of training."""
    from lightning.pytorch import Trainer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            logger=False,
            accelerator="cpu",
            devices=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(path, weights_only=True)
    return str(path)
