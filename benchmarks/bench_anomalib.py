"""Checkpoints of anomalib: what loading and running costs, beside anomalib's own way.

The models have random weights: what they cost does not depend on that.
"""

import os
import tempfile
import time
import warnings

import numpy as np

_MODELS = ["Padim", "Patchcore", "Stfpm", "ReverseDistillation", "Dinomaly"]


class _Checkpoint:
    """A checkpoint and its model, at anomalib's usual sizes."""

    params = (_MODELS,)
    param_names = ("model",)
    unit = "ratio"
    timeout = 600

    def setup(self, name):
        try:
            import anomalib  # noqa: F401
        except ImportError as error:
            raise NotImplementedError("anomalib is not installed") from error
        import torch

        from skuad.utils._torch import forget_networks

        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        forget_networks()
        self.folder = tempfile.TemporaryDirectory()
        self.model = _make_model(name)
        self.path = _save(self.model, os.path.join(self.folder.name, "model.ckpt"))
        size = (320, 400, 3)
        self.images = np.random.default_rng(0).integers(0, 256, (8, *size), np.uint8)

    def teardown(self, name):
        self.folder.cleanup()


class Load(_Checkpoint):
    """Loading over ``torch.load`` and construction of the model without downloads."""

    def track_ratio(self, name):
        import anomalib.models
        import torch

        from skuad.detectors._anomalib_offline import no_downloads
        from skuad.detectors._anomalib_torch import load_torch_network
        from skuad.weights._holder import WeightsSource

        source = WeightsSource("", self.path)
        model_class = getattr(anomalib.models, name)

        def own():
            checkpoint = torch.load(self.path, weights_only=False)
            with no_downloads(model_class):
                model_class(
                    pre_processor=self.model.pre_processor,
                    visualizer=False,
                    **checkpoint["hyper_parameters"],
                )

        def ours():
            load_torch_network(
                source, model=None, image_size=None, trust=False, needed_by="benchmark"
            )

        return _ratio(ours, own)


class Run(_Checkpoint):
    """Maps and scores of 8 images over those of anomalib's ``TorchInferencer``.

    "one by one" is what the inferencer does with images; "batch" gives it all 8 as one
    tensor. Its maps stay at the network's size; ours are resized to the images'.
    """

    params = (_MODELS, ["one by one", "batch"])
    param_names = ("model", "inferencer")

    def setup(self, name, inferencer):
        super().setup(name)

    def teardown(self, name, inferencer):
        super().teardown(name)

    def track_ratio(self, name, inferencer):
        import torch
        from anomalib.deploy import TorchInferencer

        from skuad.detectors import AnomalibCheckpointDetector

        os.environ["TRUST_REMOTE_CODE"] = "1"
        exported = self.model.to_torch(self.folder.name)
        own = TorchInferencer(exported, device="cpu")
        detector = AnomalibCheckpointDetector(self.path, device="cpu", batch_size=8)
        detector.fit(self.images[:1])

        def run_own():
            with torch.inference_mode():
                if inferencer == "batch":
                    x = torch.from_numpy(self.images).permute(0, 3, 1, 2) / 255
                    own.predict(x)
                else:
                    for image in self.images:
                        own.predict(image)

        return _ratio(lambda: list(detector.detect(self.images)), run_own)


def _make_model(name):
    import anomalib.models
    import torch

    from skuad.detectors._anomalib_offline import no_downloads

    model_class = getattr(anomalib.models, name)
    settings = {"backbone": "resnet18"}
    if name == "Dinomaly":
        settings = {"encoder_name": "vit_small_patch14_reg4_dinov2"}
    with no_downloads(model_class):
        model = model_class(visualizer=False, evaluator=False, **settings)
    torch.manual_seed(0)
    if name in ("Padim", "Patchcore"):
        x = torch.rand(4 if name == "Padim" else 2, 3, 256, 256)
        model.model.train()
        model.model(x)
        if name == "Padim":
            model.model.fit()
        else:
            bank = torch.vstack(model.model.embedding_store)
            model.model.memory_bank = bank[:1000].clone()
            model.model.embedding_store.clear()
    for buffer in ("image", "pixel"):
        getattr(model.post_processor, f"_{buffer}_threshold").fill_(0.5)
        getattr(model.post_processor, f"{buffer}_min").fill_(0.0)
        getattr(model.post_processor, f"{buffer}_max").fill_(1.0)
    return model.eval()


def _save(model, path):
    from lightning.pytorch import Trainer

    trainer = Trainer(
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path, weights_only=True)
    return path


def _ratio(ours, other, n_times=5):
    """Least CPU time of one function over that of another, run in turns."""
    least = [np.inf, np.inf]
    for _ in range(n_times):
        for i, function in enumerate((ours, other)):
            start = time.process_time()
            function()
            least[i] = min(least[i], time.process_time() - start)
    return least[0] / least[1]
