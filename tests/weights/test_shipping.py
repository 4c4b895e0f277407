"""A fitted pipeline is copied to another machine, with its weights or without."""

import io
import os
import pickle
import shutil
import subprocess
import sys

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline

from skuad.calibration import DriftMonitor
from skuad.cli import main
from skuad.detectors import PatchKNN, Tiled
from skuad.feature_extraction import TimmEmbedder
from skuad.io import write_image
from skuad.preprocessing import GrayWorld
from skuad.utils import trusted_types
from skuad.utils._testing import tiny_timm_weights
from skuad.utils._testing_images import make_images
from skuad.utils._torch import forget_networks
from skuad.weights import (
    WeightsChangedError,
    WeightsNotFoundError,
    check_weights,
    relocate_weights,
)

IMAGES = make_images(8, size=(64, 64))
NEW = make_images(3, size=(64, 64), seed=7)

#: Fits, in a process of its own.
_AT_THE_DESK = """
import sys
import joblib, numpy
from sklearn.pipeline import make_pipeline
from skuad.calibration import DriftMonitor
from skuad.detectors import PatchKNN, Tiled
from skuad.feature_extraction import TimmEmbedder
from skuad.preprocessing import GrayWorld

folder, weights, store = sys.argv[1:]
images, new = numpy.load(f"{folder}/images.npy"), numpy.load(f"{folder}/new.npy")
embedder = TimmEmbedder(
    "test_vit", weights=weights, dtype="float32", store_weights=store == "True"
)
detector = Tiled(PatchKNN(embedder, coreset="random", random_state=0), tile=48)
pipe = make_pipeline(GrayWorld(), detector.set_params(false_alarm_rate=0.2)).fit(images)
joblib.dump(pipe, f"{folder}/line.joblib")
numpy.savez(f"{folder}/desk.npz", maps=pipe.transform(new), scores=pipe.score_samples(new))
"""
#: Runs in a new process that has no network: any connection is an error.
_AT_THE_LINE = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("a connection was tried")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import joblib, numpy

folder = sys.argv[1]
pipe, new = joblib.load(f"{folder}/line.joblib"), numpy.load(f"{folder}/new.npy")
numpy.savez(f"{folder}/line.npz", maps=pipe.transform(new), scores=pipe.score_samples(new))
"""


@pytest.fixture
def weights(tmp_path):
    """Return a file of weights of one's own, which may be moved and broken."""
    return str(shutil.copy(tiny_timm_weights("test_vit"), tmp_path / "net.pth"))


def _pipeline(weights, **params):
    embedder = TimmEmbedder("test_vit", weights=weights, dtype="float32", **params)
    detector = PatchKNN(embedder, coreset="random", random_state=0)
    return make_pipeline(
        GrayWorld(), Tiled(detector, tile=48, false_alarm_rate=0.2)
    ).fit(IMAGES)


@pytest.mark.parametrize("store", [False, True], ids=["weights apart", "stored"])
def test_equal_bits_in_a_new_process_without_network(weights, tmp_path, store):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "new.npy", NEW)
    desk = [sys.executable, "-c", _AT_THE_DESK, str(tmp_path), weights, str(store)]
    subprocess.run(desk, check=True)
    if store:
        os.remove(weights)
    subprocess.run([sys.executable, "-c", _AT_THE_LINE, str(tmp_path)], check=True)
    desk, line = np.load(tmp_path / "desk.npz"), np.load(tmp_path / "line.npz")
    np.testing.assert_array_equal(line["maps"], desk["maps"])
    np.testing.assert_array_equal(line["scores"], desk["scores"])


def test_a_file_holds_the_network_on_demand_only(weights):
    size = os.path.getsize(weights)
    without = len(pickle.dumps(_pipeline(weights)))
    stored = len(pickle.dumps(_pipeline(weights, store_weights=True)))
    assert without < size / 2
    assert size < stored - without < size * 1.1


def test_loading_touches_no_weights(weights, tmp_path):
    content = pickle.dumps(_pipeline(weights))
    (tmp_path / "net.pth").unlink()
    pickle.loads(content)


def _moved(weights, tmp_path, content=None):
    """Return a loaded pipeline, in a process that has not seen its weights."""
    estimator = pickle.loads(pickle.dumps(_pipeline(weights)))
    shutil.move(weights, tmp_path / "moved.pth")
    if content is not None:
        (tmp_path / "net.pth").write_bytes(content)
    forget_networks()
    return estimator


def test_missing_weights_are_named_with_what_helps(weights, tmp_path):
    estimator = _moved(weights, tmp_path)
    with pytest.raises(WeightsNotFoundError, match="relocate_weights") as caught:
        estimator.predict(NEW)
    sha256 = next(
        iter(
            check_weights(relocate_weights(estimator, tmp_path / "moved.pth")).values()
        )
    )
    assert sha256 in str(caught.value)
    assert str(weights) in str(caught.value)


def test_relocated_weights_give_the_same(weights, tmp_path):
    expected = _pipeline(weights).transform(NEW)
    estimator = _moved(weights, tmp_path)
    relocate_weights(estimator, tmp_path / "moved.pth")
    np.testing.assert_array_equal(estimator.transform(NEW), expected)


def test_other_weights_are_refused(weights, tmp_path):
    estimator = _moved(weights, tmp_path, content=b"something else")
    with pytest.raises(WeightsChangedError, match=r"not the file .* was fitted with"):
        estimator.predict(NEW)
    with pytest.raises(WeightsChangedError, match="expected"):
        check_weights(estimator)
    with pytest.raises(WeightsChangedError, match="is expected"):
        relocate_weights(estimator, tmp_path / "net.pth")


def test_a_part_finds_its_own_weights_again(weights, tmp_path):
    embedder = TimmEmbedder("test_vit", weights=weights).fit(IMAGES)
    moved, other = shutil.move(weights, tmp_path / "moved.pth"), tmp_path / "other.pth"
    other.write_bytes(b"something else")
    with pytest.raises(WeightsChangedError, match="expected"):
        embedder.relocate_weights(other)
    assert embedder.relocate_weights(moved) is embedder
    assert embedder.check_weights().weights_path_ == str(moved)


def test_a_damaged_copy_of_the_weights_is_refused(weights):
    embedder = TimmEmbedder("test_vit", weights=weights, store_weights=True).fit(IMAGES)
    embedder.check_weights().weights_[1000] ^= 1
    with pytest.raises(WeightsChangedError, match="the stored copy of the weights"):
        embedder.check_weights()
    embedder.set_params(store_weights=False).fit(IMAGES)
    assert not hasattr(embedder, "weights_")


def test_weights_are_read_from_memory_where_the_network_is_loaded(weights, tmp_path):
    """A copy that is made while a service runs shares the network."""
    estimator = _pipeline(weights)
    content = pickle.dumps(estimator)
    embedder = pickle.loads(content)[-1].detector_.embedder_
    assert embedder._network()[0] is estimator[-1].detector_.embedder_._network()[0]


def test_skops_loads_it_with_only_the_types_of_skuad_trusted(weights):
    estimator = _pipeline(weights, store_weights=True)
    content = skops.io.dumps(estimator)
    untrusted = skops.io.get_untrusted_types(data=content)
    assert untrusted
    assert set(untrusted) <= set(trusted_types())
    back = skops.io.loads(content, trusted=trusted_types())
    np.testing.assert_array_equal(back.transform(NEW), estimator.transform(NEW))


def test_trusted_types_are_estimators_only():
    from importlib import import_module

    from sklearn.base import BaseEstimator

    for name in trusted_types():
        module, _, kind = name.rpartition(".")
        assert module.startswith("skuad.")
        assert issubclass(getattr(import_module(module), kind), BaseEstimator)


def test_skops_saves_a_monitor_that_goes_on():
    detector = PatchKNN(calibration=None).fit(make_images(10))
    monitor = DriftMonitor(detector, random_state=0).fit(make_images(10, seed=3))
    monitor.observe(make_images(3, seed=1))
    content = skops.io.dumps(monitor)
    back = skops.io.loads(content, trusted=trusted_types())
    more = make_images(3, seed=2)
    np.testing.assert_array_equal(back.observe(more), monitor.observe(more))
    assert back.shift() == monitor.shift()
    assert back.history()[1].tolist() == monitor.history()[1].tolist()


def test_skops_refuses_what_is_not_trusted():
    class Stranger(PatchKNN):
        """A class that runs code of its own."""

    Stranger.__module__ = "stranger"
    with pytest.raises(Exception, match=r"stranger\.Stranger|Stranger"):
        skops.io.load(io.BytesIO(skops.io.dumps(Stranger())), trusted=trusted_types())


def test_infer_says_once_that_weights_are_missing(weights, tmp_path, capsys):
    joblib.dump(_pipeline(weights), tmp_path / "m.joblib")
    for number, image in enumerate(NEW):
        write_image(tmp_path / f"{number}.png", image)
    os.remove(weights)
    forget_networks()
    command = ["infer", tmp_path / "m.joblib", tmp_path, "--out", tmp_path / "out"]
    assert main([os.fspath(argument) for argument in command]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        "skuad: error: the weights of this TimmEmbedder are missing"
    )
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
