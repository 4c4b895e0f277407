"""Real checkpoints of the real anomalib: what was saved is what is run."""

import inspect
import pickle
import subprocess
import sys
import threading
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from anomalib_checkpoints import (
    MODELS,
    anomalib_models,
    calibrate,
    images,
    make_model,
    raw_output,
    save_checkpoint,
    untrained_backbones,
)
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skuad.detectors import (
    AnomalibCheckpointDetector,
    PadimCheckpoint,
    PatchcoreCheckpoint,
    RegionOfInterest,
    Tiled,
)
from skuad.detectors._anomalib_offline import no_downloads
from skuad.model_selection import GoodTrainKFold
from skuad.preprocessing import GrayWorld, MaxRGB
from skuad.utils._testing_anomalib import tiny_padim
from skuad.utils._testing_images import make_images
from skuad.utils._torch import forget_networks
from skuad.weights import relocate_weights
from skuad.weights._digest import read_sha256

X = images(3, seed=5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function from the name of a model to the model and its checkpoint."""
    folder, made = tmp_path_factory.mktemp("anomalib"), {}

    def get(name):
        if name not in made:
            model = make_model(name)
            if name != "EfficientAd":  # whose network is slow; its thresholds stay NaN
                calibrate(model, images(4))
            made[name] = model, save_checkpoint(model, folder / f"{name}.ckpt")
        return made[name]

    return get


def own_loader(name, path):
    """What anomalib gives for a checkpoint, by its own documented call."""
    with untrained_backbones(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(anomalib_models(), name).load_from_checkpoint(path)


def fitted(path, **kwargs):
    return AnomalibCheckpointDetector(path, device="cpu", **kwargs).fit(X)


# ------------------------------------------------------------ equal in a new process

_NEW_PROCESS = """
import sys
lookups = []
sys.addaudithook(
    lambda event, args: lookups.append(args)
    if event in ("socket.connect", "socket.getaddrinfo") else None
)
import warnings
import joblib, numpy as np
folder, *names = sys.argv[1:]
X = np.load(folder + "/X.npy")
from skuad.detectors import AnomalibCheckpointDetector
warnings.simplefilter("ignore")
for name in names:
    detector = AnomalibCheckpointDetector(f"{folder}/{name}.ckpt", device="cpu").fit(X)
    assert detector.model_name_ == name
    maps, scores = zip(*detector.detect(np.load(f"{folder}/{name}.npy")))
    np.savez(f"{folder}/{name}.npz", maps=maps, scores=scores)
loaded = joblib.load(folder + "/detector.joblib")
np.save(folder + "/loaded.npy", loaded.transform(X))
assert not lookups, lookups
"""


def test_scores_and_maps_are_those_of_the_model_that_was_saved(saved, tmp_path):
    """In a new process, for six models, with no look-up on the network."""
    np.save(tmp_path / "X.npy", X)
    # Of the size at which a map is the network's own.
    own = {
        "EfficientAd": images(1, size=(256, 256)),
        "Dinomaly": images(2, size=(70, 70)),
    }
    for name in MODELS:
        (tmp_path / f"{name}.ckpt").symlink_to(saved(name)[1])
        np.save(tmp_path / f"{name}.npy", own.get(name, X))
    detector = fitted(saved("Padim")[1])
    joblib.dump(detector, tmp_path / "detector.joblib")
    subprocess.run(
        [sys.executable, "-c", _NEW_PROCESS, str(tmp_path), *MODELS], check=True
    )
    for name in MODELS:
        found = np.load(tmp_path / f"{name}.npz")
        scores, maps = raw_output(saved(name)[0], own.get(name, X))
        np.testing.assert_allclose(found["scores"], scores, rtol=1e-4)
        found_maps = found["maps"]
        if name == "Dinomaly":  # its network sees a crop in the middle, 56 x 56
            found_maps = found_maps[:, 7:63, 7:63]
        np.testing.assert_allclose(found_maps, maps, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(
        np.load(tmp_path / "loaded.npy"), detector.transform(X)
    )


def test_maps_at_the_network_s_size_are_its_own(saved):
    model, path = saved("EfficientAd")
    image = images(1, size=(256, 256))
    with pytest.warns(UserWarning, match="no threshold"):
        detector = fitted(path)
    _, maps = raw_output(model, image)
    np.testing.assert_allclose(detector.transform(image), maps, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(200, 150), (64, 128)])
def test_maps_grow_with_the_image(saved, shape):
    model, path = saved("Padim")
    image = images(1, size=shape)
    (anomaly_map,) = fitted(path).transform(image)
    _, (expected,) = raw_output(model, image)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(expected)[None, None], shape, mode="bilinear"
    )[0, 0]
    np.testing.assert_allclose(anomaly_map, expected, rtol=1e-3)


def test_maps_shrink_with_the_image(saved):
    model, path = saved("Padim")
    image = images(1, size=(16, 32))
    (anomaly_map,) = fitted(path).transform(image)
    _, (expected,) = raw_output(model, image)
    expected = expected.reshape(16, 4, 32, 2).mean((1, 3))
    np.testing.assert_allclose(anomaly_map, expected, rtol=1e-4)


# ------------------------------------------------- what anomalib's own loader gets wrong


def test_pre_processing_is_restored(saved):
    """anomalib builds the network for its default size before it reads the file's."""
    model, path = saved("ReverseDistillation")
    expected, _ = raw_output(model, X)
    own, _ = raw_output(own_loader("ReverseDistillation", path), X)
    assert not np.allclose(own, expected, rtol=1e-3)
    scores = -fitted(path).score_samples(X)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_images_are_resized_as_in_training(saved):
    """anomalib's model(x), exports and inferencers resize without antialiasing."""
    model, path = saved("Padim")
    large = images(2, size=(256, 320))
    x = torch.from_numpy(large).permute(0, 3, 1, 2) / 255
    expected, _ = raw_output(model, large)
    with torch.no_grad():
        own = model.model(model.pre_processor(x)).pred_score.reshape(-1)
    assert not np.allclose(own, expected, rtol=0.05)
    scores = -fitted(path).score_samples(large)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_network_is_in_evaluation_mode(saved):
    _, path = saved("Padim")
    assert own_loader("Padim", path).model.training
    network, _ = fitted(path)._network()
    assert not any(module.training for module in network.model.modules())


def test_backbone_is_not_fetched_again(saved, monkeypatch):
    import timm

    asked, original = [], timm.create_model

    def create_model(name, pretrained=False, **kwargs):
        asked.append(pretrained)
        return original(name, pretrained=False, **kwargs)

    _, path = saved("Stfpm")
    monkeypatch.setattr(timm, "create_model", create_model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anomalib_models().Stfpm.load_from_checkpoint(path)
    assert any(asked)
    asked.clear()
    forget_networks()
    fitted(path)
    assert asked and not any(asked)


def test_tiles_stand_in_for_the_tiler(tmp_path):
    """A checkpoint does not record anomalib's tiler; Tiled cuts the same tiles."""
    from anomalib.data.utils.tiler import Tiler

    large = images(2, size=(128, 128), seed=7)
    model = make_model("Stfpm", (128, 128))
    path = save_checkpoint(model, tmp_path / "tiled.ckpt")
    model.model.tiler = Tiler(tile_size=64, stride=64)
    _, expected = raw_output(model, large)
    _, own = raw_output(own_loader("Stfpm", path), large)
    tiled = Tiled(
        AnomalibCheckpointDetector(path, image_size=64),
        tile=64,
        stride=64,
        calibration=None,
    )
    maps = tiled.fit(large).transform(large)
    # Features are interpolated across the seams there, and here they are not.
    away = np.zeros((128, 128), bool)
    for y in (0, 64):
        for x in (0, 64):
            away[y + 8 : y + 56, x + 8 : x + 56] = True
    expected, maps, own = (values[:, away] for values in (expected, maps, own))
    difference = np.abs(maps - expected).max()
    assert difference < 0.01 * expected.max()
    assert np.abs(own - expected).max() > 5 * difference


def test_checkpoints_without_thresholds_say_so(tmp_path):
    """anomalib compares raw scores with 0.5 then, and flags everything."""
    path = save_checkpoint(make_model("Padim"), tmp_path / "new.ckpt")
    own = own_loader("Padim", path).eval()
    with torch.no_grad():
        assert own(torch.from_numpy(X).permute(0, 3, 1, 2) / 255).pred_label.all()
    with pytest.warns(UserWarning, match=r"new\.ckpt has no threshold"):
        detector = fitted(path)
    assert np.isnan(detector.offset_)
    assert np.isfinite(detector.score_samples(X)).all()
    with pytest.raises(ValueError, match="false_alarm_rate"):
        detector.predict(X)
    calibrated = AnomalibCheckpointDetector(path, false_alarm_rate=0.1)
    assert (calibrated.fit(images(20, seed=1)).predict(X) == 1).any()


def test_scores_are_not_cut(saved):
    """anomalib's normalised scores are 0 or 1 for all that validation did not see."""
    model, path = saved("Padim")
    odd = np.concatenate([X, 255 - X, X // 2, X[:, ::-1] // 4])
    own = own_loader("Padim", path).eval()
    with torch.no_grad():
        x = torch.from_numpy(odd.copy()).permute(0, 3, 1, 2) / 255
        clamped = own(x).pred_score
    assert len(torch.unique(clamped)) < len(odd) - 2
    scores = -fitted(path).score_samples(odd)
    assert len(np.unique(scores)) == len(odd)
    np.testing.assert_allclose(scores, raw_output(model, odd)[0], rtol=1e-4)


def test_centre_crop_lies_in_the_middle_of_the_map(saved):
    """anomalib gives the map of the crop, as if it were one of the whole image."""
    model, path = saved("Dinomaly")
    image = images(1, size=(70, 70))
    (expected,) = raw_output(model, image)[1]
    assert expected.shape == (56, 56)
    (anomaly_map,) = fitted(path).transform(image)
    np.testing.assert_allclose(anomaly_map[7:63, 7:63], expected, rtol=1e-4, atol=1e-6)
    anomaly_map[7:63, 7:63] = 0
    assert not anomaly_map.any()
    # Twice the size: everything is twice as far from the border.
    (anomaly_map,) = fitted(path).transform(images(1, size=(140, 140)))
    assert (anomaly_map[14:126, 14:126] > 0).all()
    anomaly_map[14:126, 14:126] = 0
    assert not anomaly_map.any()


def test_image_size_shows_the_whole_image(saved):
    _, path = saved("Dinomaly")
    (anomaly_map,) = fitted(path, image_size=70).transform(images(1, size=(70, 90)))
    assert anomaly_map.shape == (70, 90)
    assert (anomaly_map > 0).all()


# --------------------------------------------------------------------------- threshold


def test_threshold_is_that_of_anomalib(saved):
    """predict decides as anomalib does, sensitivity included."""
    model, path = saved("Padim")
    x = torch.from_numpy(X).permute(0, 3, 1, 2) / 255
    for sensitivity in (0.5, 0.9, 0.1):
        model.post_processor.image_sensitivity = sensitivity
        other = save_checkpoint(model, Path(path).with_name(f"{sensitivity}.ckpt"))
        with torch.no_grad():
            flagged = model.eval()(x).pred_label.reshape(-1).numpy()
        detector = fitted(other)
        np.testing.assert_array_equal(detector.predict(X) == -1, flagged)
    model.post_processor.image_sensitivity = 0.5
    assert fitted(path).offset_ == -float(model.post_processor.image_threshold)
    assert fitted(path).pixel_threshold_ == float(model.post_processor.pixel_threshold)


def test_missing_threshold_is_matched(tmp_path):
    model = make_model("Padim")
    model.post_processor._pixel_threshold.copy_(torch.tensor(7.0))
    path = save_checkpoint(model, tmp_path / "pixel.ckpt")
    assert fitted(path).offset_ == -7


def test_fit_sets_the_threshold_on_good_images_only(saved):
    _, path = saved("Padim")
    good = images(10, seed=1)
    bad = np.full((2, 64, 64, 3), 255, np.uint8)
    detector = AnomalibCheckpointDetector(path, false_alarm_rate=0.2)
    expected = detector.fit(good).offset_
    y = np.r_[np.ones(10, int), -1, -1]
    assert detector.fit(np.concatenate([good, bad]), y).offset_ == expected
    np.testing.assert_array_equal(detector.predict(bad), -1)


# ---------------------------------------------------------------------- in scikit-learn


def test_unfitted_use():
    with pytest.raises(NotFittedError):
        AnomalibCheckpointDetector("padim.ckpt").transform(X)


def test_aliases_insist_on_their_class(saved):
    _, path = saved("Padim")
    assert PadimCheckpoint(path).fit(X).model_name_ == "Padim"
    with pytest.raises(ValueError, match=r"Padim\.ckpt holds a Padim, not a Patchcore"):
        PatchcoreCheckpoint(path).fit(X)
    with pytest.raises(ValueError, match="takes a Patchcore"):
        PatchcoreCheckpoint(path, model="Padim").fit(X)
    with pytest.raises(ValueError, match="did you mean Patchcore"):
        fitted(path, model="PatchCore")
    with pytest.raises(ValueError, match="holds a Padim, not a Stfpm"):
        fitted(path, model="Stfpm")


def test_stored_weights_need_no_file(saved, tmp_path):
    _, path = saved("Padim")
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes(Path(path).read_bytes())
    detector = fitted(copy, store_weights=True)
    expected = detector.transform(X)
    content = pickle.dumps(detector)
    copy.unlink()
    forget_networks()
    np.testing.assert_array_equal(pickle.loads(content).transform(X), expected)
    without = fitted(path)
    assert len(pickle.dumps(without)) < 10_000 < len(content)
    assert without.weights_sha256_ == read_sha256(path)


def test_moved_checkpoint_is_found_again(saved, tmp_path):
    _, path = saved("Padim")
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes(Path(path).read_bytes())
    pipeline = make_pipeline(GrayWorld(), PadimCheckpoint(copy)).fit(X)
    expected = pipeline.transform(X)
    copy.rename(tmp_path / "moved.ckpt")
    forget_networks()
    with pytest.raises(FileNotFoundError, match="relocate_weights"):
        pipeline.transform(X)
    relocate_weights(pipeline, tmp_path / "moved.ckpt")
    np.testing.assert_array_equal(pipeline.transform(X), expected)


def test_search_over_preprocessing(saved):
    pipeline = Pipeline(
        [("light", GrayWorld()), ("detect", PadimCheckpoint(saved("Padim")[1]))]
    )
    bad = images(4, seed=2)
    bad[:, 20:40, 20:40] = [255, 0, 0]
    search = GridSearchCV(
        pipeline,
        {"light": [GrayWorld(), MaxRGB(), "passthrough"]},
        cv=GoodTrainKFold(2),
        scoring="roc_auc",
        error_score="raise",
    )
    y = np.r_[np.ones(8, int), -np.ones(4, int)]
    search.fit(np.concatenate([images(8), bad]), y)
    assert search.best_score_ > 0.9
    assert search.transform(bad).shape == (4, 64, 64)


def test_tiles_of_large_images(saved):
    _, path = saved("Padim")
    large = images(6, size=(128, 192), seed=3)
    tiled = Tiled(PadimCheckpoint(path), tile=64, false_alarm_rate=0.2).fit(large)
    maps = tiled.transform(large)
    assert maps.shape == large.shape[:3]
    (corner,) = PadimCheckpoint(path).fit(X).transform(large[:1, :64, :64])
    np.testing.assert_allclose(maps[0, :64, :64], corner, rtol=1e-4)
    assert set(tiled.predict(large)) <= {1, -1}


def test_region_of_interest(saved):
    roi = np.zeros((64, 64), bool)
    roi[10:30, 20:50] = True
    detector = PadimCheckpoint(saved("Padim")[1])
    inside = RegionOfInterest(detector, roi, calibration=None).fit(X)
    maps = inside.transform(X)
    assert not maps[:, ~roi].any()
    np.testing.assert_allclose(-inside.score_samples(X), maps.max((1, 2)))


def test_gray_alpha_and_other_channels(saved):
    detector = AnomalibCheckpointDetector(saved("Padim")[1])
    gray = make_images(2, size=(64, 64), channels=1)
    colour = np.repeat(gray[..., None], 3, axis=3)
    expected = detector.fit(colour).transform(colour)
    np.testing.assert_array_equal(detector.fit(gray).transform(gray), expected)
    alpha = np.concatenate([colour, gray[..., None]], axis=3)
    np.testing.assert_array_equal(detector.fit(alpha).transform(alpha), expected)
    with pytest.raises(ValueError, match="2 channels"):
        detector.fit(alpha[..., :2])


def test_models_without_maps_say_so(tmp_path):
    """Ganomaly gives scores only."""
    model = make_model("Ganomaly")
    path = save_checkpoint(calibrate(model, X), tmp_path / "x.ckpt")
    with pytest.warns(UserWarning, match="Ganomaly scores images and gives no maps"):
        detector = fitted(path)
    assert not detector.has_maps_
    scores = -detector.score_samples(X)
    np.testing.assert_allclose(scores, raw_output(model, X)[0], rtol=1e-4)
    maps = detector.transform(X)
    np.testing.assert_array_equal(
        maps, np.broadcast_to(scores.astype(np.float32)[:, None, None], (3, 64, 64))
    )


# --------------------------------------------------------------------------- bad files


def rewritten(path, target, change):
    """Save a checkpoint again after a change to its dictionary."""
    checkpoint = torch.load(path, weights_only=False)
    torch.save(change(checkpoint), target)
    return str(target)


class _Runs:
    """Pickled code that leaves a trace if it is run."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_code_in_a_file_is_not_run(saved, tmp_path):
    def plant(checkpoint):
        checkpoint["hyper_parameters"]["extra"] = _Runs(tmp_path / "trace")
        return checkpoint

    path = rewritten(saved("Padim")[1], tmp_path / "evil.ckpt", plant)
    with pytest.raises(
        ValueError, match=r"evil\.ckpt holds pickled .*open.*trust=True"
    ):
        fitted(path)
    assert not (tmp_path / "trace").exists()


def test_old_checkpoint_with_pickled_pre_processing(saved, tmp_path):
    model, path = saved("ReverseDistillation")

    def as_of_old(checkpoint):
        del checkpoint["anomalib_pre_processor_config"]
        checkpoint["hyper_parameters"]["pre_processor"] = model.pre_processor
        return checkpoint

    old = rewritten(path, tmp_path / "old.ckpt", as_of_old)
    with pytest.raises(ValueError, match=r"PreProcessor.*trust=True"):
        fitted(old)
    scores = -fitted(old, trust=True).score_samples(X)
    np.testing.assert_allclose(scores, raw_output(model, X)[0], rtol=1e-4)


def test_exported_module_needs_trust(saved, tmp_path):
    model, _ = saved("Padim")
    path = model.to_torch(tmp_path)
    with pytest.raises(ValueError, match=r"model\.pt holds pickled .*trust=True"):
        fitted(path)
    detector = PadimCheckpoint(path, trust=True).fit(X)
    scores, maps = raw_output(model, X)
    np.testing.assert_allclose(-detector.score_samples(X), scores, rtol=1e-4)
    np.testing.assert_allclose(detector.transform(X), maps, rtol=1e-4)
    assert detector.offset_ == -float(model.post_processor.image_threshold)
    with pytest.raises(ValueError, match="holds a Padim, not a Patchcore"):
        PatchcoreCheckpoint(path, trust=True).fit(X)


def test_unrecorded_pre_processing_warns(saved, tmp_path):
    def forget(checkpoint):
        checkpoint["anomalib_pre_processor_config"] = {"transform": None}
        return checkpoint

    path = rewritten(saved("Patchcore")[1], tmp_path / "x.ckpt", forget)
    with pytest.warns(UserWarning, match="does not record its pre-processing"):
        fitted(path)


def test_files_that_are_no_checkpoints(saved, tmp_path):
    _, path = saved("Padim")
    content = Path(path).read_bytes()
    for name, data, message in [
        ("text.ckpt", b"hello", "not a checkpoint"),
        ("empty.ckpt", b"", "not a checkpoint"),
        ("cut.ckpt", content[: len(content) // 2], "truncated"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=rf"{name} is {message}"):
            fitted(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "photos.ckpt", "w") as file:
        file.writestr("photo.png", b"pixels")
    middle = content.index(b"data.pkl") + 100
    damaged = content[:middle] + bytes(100) + content[middle + 100 :]
    (tmp_path / "damaged.ckpt").write_bytes(damaged)
    for name in ("photos.ckpt", "damaged.ckpt"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a checkpoint"):
            fitted(tmp_path / name)
    torch.save(torch.load(path)["state_dict"], tmp_path / "alone.ckpt")
    with pytest.raises(ValueError, match=r"alone\.ckpt is a state_dict alone"):
        fitted(tmp_path / "alone.ckpt")
    torch.save({"epoch": 3}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="holds the keys"):
        fitted(tmp_path / "other.ckpt")
    with pytest.raises(FileNotFoundError, match="absent"):
        fitted(tmp_path / "absent.ckpt")


def test_weights_that_do_not_fit(saved, tmp_path):
    _, path = saved("Padim")

    def lose(checkpoint):
        del checkpoint["state_dict"]["model.idx"]
        return checkpoint

    def reshape(checkpoint):
        checkpoint["hyper_parameters"]["n_features"] = 5
        return checkpoint

    def unknown(checkpoint):
        checkpoint["state_dict"] = {"model.strange": torch.zeros(1)}
        checkpoint["hyper_parameters"] = {"strange": 1}
        return checkpoint

    for change, message in [
        (lose, "model.idx"),
        (reshape, "does not fit Padim"),
        (unknown, "pass model="),
    ]:
        other = rewritten(path, tmp_path / "other.ckpt", change)
        with pytest.raises(ValueError, match=message):
            fitted(other, model="Padim" if change is lose else None)


@pytest.mark.parametrize(
    ("version", "message"), [("2.1.0", "2.1.0 is installed"), ("3.0.1", "below 3")]
)
def test_other_versions_of_anomalib(saved, monkeypatch, version, message):
    import skuad.detectors._anomalib_file as module

    _, path = saved("Padim")
    forget_networks()
    monkeypatch.setattr(module, "version", lambda name: version)
    with pytest.raises(ImportError, match=rf"{message}.*skuad\[anomalib\]"):
        fitted(path)


def test_anomalib_is_not_installed(saved, monkeypatch):
    import skuad.detectors._anomalib_file as module

    def version(name):
        raise module.PackageNotFoundError(name)

    _, path = saved("Padim")
    forget_networks()
    monkeypatch.setattr(module, "version", version)
    with pytest.raises(ImportError, match=r"needs anomalib.*skuad\[anomalib\]"):
        fitted(path)


# --------------------------------------------------------------------------- internals


def test_other_threads_may_download():
    """Loading in one thread leaves what other threads do alone."""
    import timm

    Stfpm = anomalib_models().Stfpm

    original, seen = timm.create_model, []
    timm.create_model = lambda name, pretrained=False: seen.append(pretrained)
    try:
        with no_downloads(Stfpm):
            timm.create_model("x", pretrained=True)
            other = threading.Thread(
                target=timm.create_model, args=("x",), kwargs={"pretrained": True}
            )
            other.start()
            other.join()
    finally:
        timm.create_model = original
    assert seen == [False, True]


def test_networks_are_recognised_by_their_arguments():
    """No two classes of anomalib are built with the same arguments."""
    from skuad.detectors._anomalib_recognition import recognise_class

    models = anomalib_models()
    for name in models.__all__:
        arguments = inspect.signature(getattr(models, name)).parameters
        checkpoint = {"state_dict": {}, "hyper_parameters": dict.fromkeys(arguments)}
        assert recognise_class(checkpoint, "x.ckpt", models) == name
    checkpoint = {"state_dict": {}}
    path = "results/Draem/MVTec/latest/weights/lightning/model.ckpt"
    assert recognise_class(checkpoint, path, models) == "Draem"


def test_tiny_checkpoint_of_the_batteries_is_like_a_real_one(saved, tmp_path):
    tiny = torch.load(tiny_padim(tmp_path))
    real = torch.load(saved("Padim")[1])
    assert tiny["state_dict"].keys() == real["state_dict"].keys()
    assert tiny.keys() <= real.keys()
    assert tiny["hyper_parameters"] == real["hyper_parameters"]
