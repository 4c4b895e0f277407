"""Networks that anomalib exported to OpenVINO and ONNX."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from anomalib_checkpoints import calibrate, images, make_model

from skuad.detectors import AnomalibCheckpointDetector, PadimCheckpoint
from skuad.utils._torch import forget_networks
from skuad.weights import WeightsChangedError

X = images(3, seed=5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    model = calibrate(make_model("Padim"), images(4))
    model.post_processor.image_sensitivity = 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx = model.to_onnx(folder, input_size=(64, 64))
        xml = model.to_openvino(folder, input_size=(64, 64))
    return model, {"onnx": str(onnx), "xml": str(xml)}


@pytest.mark.parametrize("kind", ["onnx", "xml"])
def test_raw_scores_and_maps(exported, kind):
    """What is exported is normalised and cut; what is given is not."""
    model, paths = exported
    odd = np.concatenate([X, 255 - X, X // 2])
    detector = AnomalibCheckpointDetector(paths[kind]).fit(X)
    x = torch.from_numpy(odd).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = model.model(model.pre_processor(x))
        labels = model.eval()(x).pred_label.reshape(-1).numpy()
    scores = -detector.score_samples(odd)
    np.testing.assert_allclose(scores, expected.pred_score.reshape(-1), rtol=1e-3)
    maps = detector.transform(odd)
    np.testing.assert_allclose(maps, expected.anomaly_map[:, 0], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(detector.predict(odd) == -1, labels)
    pixel = float(model.post_processor.pixel_threshold)
    assert detector.pixel_threshold_ == pytest.approx(pixel, rel=1e-5)
    assert detector.backend_ == "openvino"
    other = detector.transform([images(1, size=(50, 90))[0]])
    assert other[0].shape == (50, 90)


def test_what_an_exported_file_does_not_say(exported, tmp_path):
    _, paths = exported
    with pytest.raises(ValueError, match="does not say whether it is a Padim"):
        PadimCheckpoint(paths["xml"]).fit(X)
    with pytest.raises(ValueError, match="image_size does not go with"):
        AnomalibCheckpointDetector(paths["xml"], image_size=64).fit(X)
    (tmp_path / "x.onnx").write_bytes(b"hello")
    with pytest.raises(ValueError, match="cannot be read by OpenVINO"):
        AnomalibCheckpointDetector(tmp_path / "x.onnx").fit(X)


def test_changed_weights_are_noticed(exported, tmp_path):
    _, paths = exported
    for path in Path(paths["xml"]).parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    detector = AnomalibCheckpointDetector(tmp_path / "model.xml").fit(X)
    content = bytearray((tmp_path / "model.bin").read_bytes())
    content[1000] ^= 1
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(WeightsChangedError, match=r"model\.bin beside"):
        detector.transform(X)


def test_openvino_is_not_installed(exported, monkeypatch):
    _, paths = exported
    forget_networks()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r"needs openvino.*skuad\[openvino\]"):
        AnomalibCheckpointDetector(paths["xml"]).fit(X)


def test_crops_are_refused(tmp_path):
    """Nothing in an exported file says where the map of a crop lies."""
    from anomalib_checkpoints import anomalib_models
    from torchvision.transforms import v2

    steps = [v2.Resize((80, 80)), v2.CenterCrop(64)]
    processor = anomalib_models().Padim.configure_pre_processor((64, 64))
    processor = type(processor)(transform=v2.Compose(steps))
    model = make_model("Padim", pre_processor=processor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = model.to_onnx(tmp_path, input_size=(96, 96))
    with pytest.raises(ValueError, match="cuts off the rim"):
        AnomalibCheckpointDetector(path).fit(X)
