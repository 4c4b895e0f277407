"""The other way: anomalib trains on a data set of ours, and a detector comes back."""

import warnings

import numpy as np
from anomalib_checkpoints import anomalib_models

from skuad.datasets import export_anomalib_folder, make_defect_images
from skuad.detectors import PadimCheckpoint


def test_train_with_anomalib_and_come_back(tmp_path):
    data = make_defect_images(
        n_train=12, n_good=6, n_defective=6, size=64, random_state=0
    )
    arguments = export_anomalib_folder(
        tmp_path / "data", data.train, data.test, data.masks
    )
    models = anomalib_models()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from anomalib.data import Folder
        from anomalib.engine import Engine

        model = models.Padim(
            backbone="resnet18",
            layers=["layer1"],
            n_features=12,
            pre_trained=False,
            pre_processor=models.Padim.configure_pre_processor((64, 64)),
            visualizer=False,
        )
        datamodule = Folder(
            name="ours",
            train_batch_size=4,
            eval_batch_size=4,
            num_workers=0,
            val_split_mode="same_as_test",
            **arguments,
        )
        engine = Engine(
            default_root_dir=tmp_path / "results",
            accelerator="cpu",
            max_epochs=1,
            enable_progress_bar=False,
        )
        engine.fit(model, datamodule=datamodule)
        outputs = engine.predict(model, dataloaders=datamodule.test_dataloader())
    path = engine.trainer.checkpoint_callback.best_model_path
    detector = PadimCheckpoint(path, device="cpu").fit(data.train[:1])
    assert detector.offset_ == -float(model.post_processor.image_threshold)
    assert np.isfinite(detector.pixel_threshold_)
    own = {
        image_path: bool(label)
        for batch in outputs
        for image_path, label in zip(batch.image_path, batch.pred_label, strict=True)
    }
    decisions = detector.decision_function(list(own))
    # anomalib's threshold is the score of one of these images, up to rounding.
    clear = np.abs(decisions) > 1e-4 * abs(detector.offset_)
    assert clear.sum() >= len(own) - 1
    np.testing.assert_array_equal(
        (decisions < 0)[clear], np.array(list(own.values()))[clear]
    )
    assert 0 < (decisions < 0).sum() < len(own)
