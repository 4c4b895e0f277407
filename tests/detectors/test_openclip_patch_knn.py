import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skuad.detectors import OpenCLIPPatchKNN, OpenCLIPPromptScore, PatchKNN, Tiled
from skuad.feature_extraction import OpenCLIPEmbedder
from skuad.io import write_image
from skuad.metrics import make_map_scorer
from skuad.model_selection import GoodTrainShuffleSplit
from skuad.preprocessing import GrayWorld
from skuad.utils._testing_images import make_images
from skuad.utils._testing_openclip import tiny_openclip
from skuad.weights import WeightsChangedError, check_weights, relocate_weights

_IN_A_NEW_PROCESS = """
import socket, sys

def blocked(*args, **kwargs):
    raise AssertionError("the network is asked")

socket.socket.connect = socket.getaddrinfo = blocked
import joblib, numpy as np
detector = joblib.load(sys.argv[1])
with np.load(sys.argv[2]) as data:
    images = data["images"]
np.savez(
    sys.argv[3], maps=detector.transform(images), scores=detector.score_samples(images)
)
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_openclip("vit", str(tmp_path_factory.mktemp("openclip")))


def _with_defects(n):
    images = make_images(n, size=(64, 96), seed=1)
    images[:, 16:32, 32:48] = [255, 0, 255]
    return images


def _assert_equal_in_a_new_process(detector, images, folder):
    joblib.dump(detector, folder / "detector.joblib")
    np.savez(folder / "images.npz", images=images)
    files = [folder / name for name in ("detector.joblib", "images.npz", "found.npz")]
    subprocess.run([sys.executable, "-c", _IN_A_NEW_PROCESS, *files], check=True)
    with np.load(files[-1]) as found:
        np.testing.assert_array_equal(found["maps"], detector.transform(images))
        np.testing.assert_array_equal(found["scores"], detector.score_samples(images))


def test_it_is_patch_knn_on_the_embedder(tiny):
    images, bad = make_images(5), _with_defects(1)
    own = {"layers": [1, 2], "image_size": 64, "average": 3}
    shared = {"n_neighbors": 2, "coreset_ratio": 0.2, "calibration": None}
    flat = OpenCLIPPatchKNN(**tiny, **own, **shared, random_state=0).fit(images)
    nested = PatchKNN(OpenCLIPEmbedder(**tiny, **own), **shared, random_state=0)
    np.testing.assert_array_equal(
        flat.transform(bad), nested.fit(images).transform(bad)
    )


def test_it_has_the_parameters_and_defaults_of_both():
    flat = OpenCLIPPatchKNN().get_params()
    both = {**PatchKNN().get_params(), **OpenCLIPEmbedder().get_params()}
    both.pop("embedder")
    assert flat == both


def test_flagship_pipeline_is_searched_and_shipped(tiny, tmp_path):
    """Fitted, searched, dumped and loaded in a new process without a network."""
    good, bad = make_images(8, size=(64, 96)), _with_defects(4)
    images = np.concatenate([good, bad])
    masks = [None] * 8 + [np.zeros((64, 96), bool) for _ in range(4)]
    for mask in masks[8:]:
        mask[16:32, 32:48] = True
    detector = OpenCLIPPatchKNN(**tiny, random_state=0, memory=tmp_path / "cache")
    pipe = make_pipeline(GrayWorld(), Tiled(detector, tile=48, false_alarm_rate=0.2))
    search = GridSearchCV(
        pipe,
        {
            "tiled__detector__layers": [[0], [1, 2]],
            "tiled__detector__image_size": [32, 64],
        },
        scoring=make_map_scorer(["pixel_roc_auc", "image_roc_auc"]),
        refit="pixel_roc_auc",
        cv=GoodTrainShuffleSplit(1, random_state=0),
        error_score="raise",
    ).fit(images, masks)
    assert search.best_score_ > 0.9
    assert list(search.predict(bad)) == [-1] * 4
    _assert_equal_in_a_new_process(search, bad, tmp_path)
    assert list(check_weights(search.best_estimator_)) == [tiny["pretrained"]]


@pytest.mark.parametrize("kind", [OpenCLIPPatchKNN, OpenCLIPPromptScore])
def test_stored_weights_need_no_file(kind, tiny, tmp_path):
    files = {}
    for name, path in tiny.items():
        files[name] = tmp_path / Path(path).name
        files[name].write_bytes(Path(path).read_bytes())
    detector = kind(**files, store_weights=True, false_alarm_rate=0.3)
    detector.fit(make_images(4))
    for path in files.values():
        path.unlink()
    _assert_equal_in_a_new_process(detector, make_images(2, seed=1), tmp_path)


def test_weights_that_moved_or_changed(tiny, tmp_path):
    images = make_images(4)
    original = Path(tiny["pretrained"]).read_bytes()
    (tmp_path / "a.pt").write_bytes(original)
    detector = OpenCLIPPatchKNN(tiny["model_name"], tmp_path / "a.pt", calibration=None)
    expected = detector.fit(images).transform(images)
    (tmp_path / "a.pt").rename(tmp_path / "b.pt")
    with pytest.raises(FileNotFoundError, match=r"a\.pt.*relocate_weights"):
        detector.transform(images)
    relocate_weights(detector, tmp_path / "b.pt")
    np.testing.assert_array_equal(detector.transform(images), expected)
    (tmp_path / "b.pt").write_bytes(original[:-1])
    with pytest.raises(WeightsChangedError):
        detector.transform(images)


def test_a_fitted_detector_holds_no_network(tiny):
    detector = OpenCLIPPatchKNN(**tiny, calibration=None).fit(make_images(2))
    assert len(pickle.dumps(detector)) < 0.1 * Path(tiny["pretrained"]).stat().st_size
    assert clone(detector).get_params() == detector.get_params()


@pytest.mark.parametrize("detector", [OpenCLIPPatchKNN, OpenCLIPPromptScore])
def test_paths_of_images_give_what_arrays_give(detector, tiny, tmp_path):
    images = make_images(3)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    fitted = detector(**tiny, false_alarm_rate=0.3).fit(images)
    np.testing.assert_array_equal(fitted.transform(paths), fitted.transform(images))


@pytest.mark.parametrize("size", [(96, 96), (64, 192), (201, 70)])
def test_a_bright_square_peaks_where_it_is(tiny, size):
    good = make_images(6, size=size)
    bad = good[:1].copy()
    y, x = size[0] // 2, size[1] // 4
    bad[0, y : y + 24, x : x + 24] = 255
    detector = OpenCLIPPatchKNN(**tiny, calibration=None, random_state=0).fit(good)
    peak = np.unravel_index(detector.transform(bad)[0].argmax(), size)
    assert y - 8 <= peak[0] < y + 32
    assert x - 8 <= peak[1] < x + 32
