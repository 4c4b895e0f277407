"""Threads: how many there are, and the same results in any of them; processes."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info

from skuad.detectors import OpenCLIPPatchKNN, PatchKNN, Tiled
from skuad.feature_extraction import TimmEmbedder
from skuad.inference import infer, infer_stream, warm_up
from skuad.io import write_image
from skuad.preprocessing import GrayWorld
from skuad.utils import limit_threads
from skuad.utils._testing_images import make_images
from skuad.utils._testing_openclip import tiny_openclip
from skuad.utils._torch import forget_networks

IMAGES = make_images(8, size=(64, 64), seed=5)
SIZES = [(64, 64), (48, 80), (96, 64), (64, 96)]
NEW = [make_images(1, size=size, seed=number)[0] for number, size in enumerate(SIZES)]


def counts():
    """Numbers of threads that this thread would take."""
    blas = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
    return {"cv2": cv2.getNumThreads(), "blas": blas, "torch": torch.get_num_threads()}


ONE = {"cv2": 1, "blas": {1}, "torch": 1}
TWO = {"cv2": 2, "blas": {2}, "torch": 2}
THREE = {"cv2": 3, "blas": {3}, "torch": 3}


@pytest.fixture
def three():
    """Whatever the machine has: a number that nobody else sets."""
    with limit_threads(3):
        yield


def test_all_libraries_are_bounded_together_and_go_back(three):
    with limit_threads(2):
        assert counts() == TWO
        with limit_threads(1):
            assert counts() == ONE
        assert counts() == TWO
    assert counts() == THREE


def test_libraries_go_back_after_a_fault(three):
    with pytest.raises(OSError, match="camera"), limit_threads(1):
        raise OSError("camera")
    assert counts() == THREE


def test_threads_that_begin_within_a_limit_are_under_it(three):
    with limit_threads(1), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: counts(), range(4))) == [ONE] * 4


def test_limits_that_overlap_in_several_threads_go_back(three):
    """The first to begin is the first to end, and the other still holds."""
    before = counts()
    entered, may_end = threading.Event(), threading.Event()

    def other():
        with limit_threads(1):
            entered.set()
            may_end.wait(30)
            return counts()

    with ThreadPoolExecutor(1) as pool:
        with limit_threads(2):
            seen = pool.submit(other)
            assert entered.wait(30)
        may_end.set()
        assert seen.result() == ONE
    assert counts() == before


@pytest.mark.parametrize("n_threads", [0, 1.5, "2"])
def test_a_bad_number_of_threads(n_threads):
    with pytest.raises(ValueError, match="n_threads must be 1 or more"):
        infer(PatchKNN(), [], n_threads=n_threads)


class Counts:
    """A detector that notes how many threads it may take."""

    def __init__(self):
        self.seen = []

    def decision_function(self, batch):
        self.seen.append(counts())
        return np.zeros(len(batch))


def test_infer_is_bounded_and_what_is_between_two_results_is_not(three):
    detector, between = Counts(), []
    for _ in infer_stream(detector, NEW, higher_is_anomalous=True, n_threads=1):
        between.append(counts())
    assert detector.seen == [ONE] * 4
    assert between == [THREE] * 4
    detector = Counts()
    infer(detector, NEW, higher_is_anomalous=True, n_threads=2)
    assert detector.seen == [TWO]


def test_the_first_image_of_a_network_is_bounded_too(tmp_path):
    """Where torch is not imported before the network is loaded."""
    import joblib

    joblib.dump(_fitted("network"), tmp_path / "part.joblib")
    program = f"""
import sys
import joblib, numpy as np
from skuad.feature_extraction import _network
from skuad.inference import infer
detector = joblib.load({str(tmp_path / "part.joblib")!r})
assert "torch" not in sys.modules
embed = _network.PatchNetwork.embed
def spy(*args, **kwargs):
    import torch
    print(torch.get_num_threads())
    return embed(*args, **kwargs)
_network.PatchNetwork.embed = spy
infer(detector, np.zeros((1, 64, 64, 3), np.uint8), n_threads=3)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert run.stdout.split() == ["3"], run.stderr


# --- predict is safe in threads and processes


def _fitted(kind, folder=None):
    common = {"coreset": "random", "false_alarm_rate": 0.2, "random_state": 0}
    bank = PatchKNN(**common)
    if kind == "filter bank":
        return bank.fit(IMAGES)
    if kind == "tiled":
        return Tiled(bank, tile=32, stride=24, false_alarm_rate=0.2).fit(IMAGES)
    if kind == "pipeline":
        return make_pipeline(GrayWorld(), bank).fit(IMAGES)
    if kind == "network":
        return PatchKNN(TimmEmbedder(device="cpu"), **common).fit(IMAGES)
    model = tiny_openclip("vit", str(folder))
    return OpenCLIPPatchKNN(**model, layers=[1, 3], device="cpu", **common).fit(IMAGES)


KINDS = ["filter bank", "tiled", "pipeline", "network", "openclip"]


@pytest.mark.parametrize("kind", KINDS)
def test_threads_give_the_results_of_one(kind, tmp_path_factory):
    """Images of several sizes at once, the network being loaded by the threads."""
    detector = _fitted(kind, tmp_path_factory.mktemp("openclip"))

    def run(number):
        image = NEW[number % len(NEW)]
        return detector.transform([image])[0], detector.predict([image])[0]

    with limit_threads(1):
        alone = [run(number) for number in range(4)]
        forget_networks()
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(run, range(32)))
    for number, (anomaly_map, label) in enumerate(together):
        np.testing.assert_array_equal(anomaly_map, alone[number % 4][0])
        assert label == alone[number % 4][1]


def test_a_network_is_loaded_once_by_many_threads(monkeypatch):
    detector, built = _fitted("network"), []
    build = TimmEmbedder._build_network
    monkeypatch.setattr(
        TimmEmbedder,
        "_build_network",
        lambda self, source: built.append(1) or build(self, source),
    )
    forget_networks()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda image: detector.predict([image]), NEW))
    assert len(built) == 1


def test_images_of_files_in_threads(tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(4)]
    for path, image in zip(paths, NEW, strict=True):
        write_image(path, image)
    detector = _fitted("filter bank")
    alone = detector.score_samples(paths)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda p: detector.score_samples([p])[0], paths * 8))
    np.testing.assert_array_equal(together, np.tile(alone, 8))


def test_processes_of_joblib():
    detector = _fitted("network")
    with limit_threads(1):
        alone = detector.score_samples(NEW)
    together = Parallel(n_jobs=2)(delayed(_score)(detector, NEW, 1) for _ in range(4))
    np.testing.assert_array_equal(together, [alone] * 4)


def _score(detector, images, n_threads):
    return -infer(detector, images, n_threads=n_threads).scores


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            "fork",
            marks=pytest.mark.skipif(
                not hasattr(os, "fork"), reason="the system has no fork"
            ),
        ),
        "spawn",
    ],
)
def test_processes_of_multiprocessing(method, tmp_path):
    """In a program of its own: a fork of the tests would take their threads along."""
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing
import numpy as np
from skuad.utils import limit_threads
from skuad.utils._testing_images import make_images
from skuad.detectors import PatchKNN
from skuad.feature_extraction import TimmEmbedder
from skuad.inference import warm_up

NEW = make_images(4, size=(64, 64), seed=6)

def score(detector, image):
    with limit_threads(1):
        return detector.score_samples([image])[0]

if __name__ == "__main__":
    embedder = TimmEmbedder(device="cpu")
    detector = PatchKNN(embedder, coreset="random", calibration=None, random_state=0)
    with limit_threads(1):
        detector.fit(make_images(4, size=(64, 64)))
    warm_up(detector, (64, 64, 3), n_threads=1)  # the network has been used
    alone = [score(detector, image) for image in NEW]
    context = multiprocessing.get_context({method!r})
    with context.Pool(2) as pool:
        waiting = pool.starmap_async(score, [(detector, image) for image in NEW])
        np.testing.assert_array_equal(waiting.get(timeout=90), alone)
    print("done")
""")
    run = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=180
    )
    assert run.stdout == "done\n", run.stderr


# --- warm_up


@pytest.mark.parametrize("kind", ["network", "tiled", "pipeline"])
def test_warming_up_loads_the_network_and_changes_nothing(kind, monkeypatch):
    detector = _fitted(kind)
    before = detector.score_samples(NEW[:1])
    forget_networks()
    assert warm_up(detector, (64, 64, 3), n_threads=1) > 0
    monkeypatch.setattr(TimmEmbedder, "_build_network", None)  # not built again
    np.testing.assert_allclose(detector.score_samples(NEW[:1]), before, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_warming_up_takes_the_dtype_of_the_training_images(dtype):
    """Another one would warn."""
    images = make_images(8, dtype=dtype)
    bank = PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0)
    warm_up(make_pipeline(GrayWorld(), bank).fit(images), images.shape[1:])


@pytest.mark.parametrize("shape", [(64,), (64, 0), (64.0, 64), (1, 64, 64, 3)])
def test_warming_up_with_what_is_no_shape(shape):
    with pytest.raises(ValueError, match="image_shape="):
        warm_up(_fitted("filter bank"), shape)


def test_warming_up_with_other_channels():
    with pytest.raises(ValueError, match="channel"):
        warm_up(_fitted("filter bank"), (64, 64))
