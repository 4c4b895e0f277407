"""Tiled: maps of any image size, thresholds of whole images."""

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skuad.base import ImageTransformer, MapDetector
from skuad.detectors import PatchDetector, PatchKNN, Tiled
from skuad.detectors._tiles import TileSource
from skuad.io import ImageSequence, write_image
from skuad.io import _sequence as sequence_module
from skuad.io._images import as_images
from skuad.preprocessing import GrayWorld, HomomorphicFilter
from skuad.utils._testing_images import make_images

IMAGES = make_images(12, size=(80, 112))
FOLDS = 12  # of "auto"


class Brightness(BaseEstimator):
    """A foreign detector: its map is the first channel, its score the map's mean."""

    def fit(self, X, y=None):
        self.shape_ = np.asarray(X).shape
        return self

    def transform(self, X):
        return [np.asarray(image, np.float32)[..., 0] for image in X]

    def score_samples(self, X):
        return -np.array([image.mean() for image in self.transform(X)])


def test_a_stride_that_leaves_pixels_out_is_refused_before_images_are_read():
    sequence = ImageSequence(["missing.png"] * 3)

    class Unread(Tiled):
        def _fit_images(self, images):
            images.data = sequence
            images.kind = "lazy"
            return super()._fit_images(images)

    with pytest.raises(ValueError, match="Lower the stride"):
        Unread(Brightness(), tile=16, stride=17).fit(IMAGES)


class Identity(MapDetector):
    """A detector of ours whose map is the first channel."""

    _parameter_constraints = {}  # noqa: RUF012

    def __init__(self, calibration=None):
        self.calibration = calibration

    contamination = None

    def _fit_images(self, images):
        self.n_images_ = len(images)

    def _detect(self, images):
        for image in images:
            anomaly_map = image[..., 0].astype(np.float32)
            yield anomaly_map, float(anomaly_map.max())


@pytest.mark.parametrize("reduce", ["blend", "mean", "max"])
@pytest.mark.parametrize(("tile", "stride"), [(32, None), (32, 20), (32, 1), (200, 3)])
@pytest.mark.parametrize("inner", [Identity(), Brightness()], ids=["ours", "foreign"])
def test_an_identity_comes_back(inner, tile, stride, reduce):
    """No tile is off by a pixel, at any size: mixed, small, one row high."""
    shapes = [(33, 40), (32, 32), (7, 90), (64, 1)]
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    tiled = Tiled(inner, tile=tile, stride=stride, reduce=reduce, calibration=None)
    maps = tiled.fit(images).transform(images)
    for anomaly_map, image in zip(maps, images, strict=True):
        np.testing.assert_allclose(anomaly_map, image[..., 0], rtol=1e-5)


def test_tiles_are_no_larger_than_the_largest_training_image():
    small = [IMAGES[0][:40], IMAGES[1][:, :50]]
    tiled = Tiled(Brightness(), tile=100, calibration=None).fit(small)
    assert tiled.tile_shape_ == (80, 100)
    assert tiled.detector_.shape_ == (3, 80, 100, 3)


class Area(Identity):
    """A detector of ours whose score is the number of pixels that it looks at."""

    def _detect(self, images):
        for number, (anomaly_map, _) in enumerate(super()._detect(images)):
            roi = images.roi(number)
            yield anomaly_map, float(anomaly_map.size if roi is None else roi.sum())


def test_the_padding_of_a_small_image_counts_neither_in_fit_nor_in_the_score():
    sizes = [(64, 64), (64, 64), (40, 64), (64, 24)]
    images = [np.zeros((*size, 3), np.uint8) for size in sizes]
    knn = PatchKNN(coreset=None, calibration=None)
    tiled = Tiled(knn, tile=64, calibration=None).fit(images)
    n_patches = sum(height // 8 * (width // 8) for height, width in sizes)
    assert tiled.detector_.n_patches_ == n_patches
    scores = -Tiled(Area(), tile=64, calibration=None).fit(images).score_samples(images)
    assert scores.tolist() == [height * width for height, width in sizes]


def test_tiles_that_are_padded_alike_share_their_region():
    images = [np.zeros((64, 64), np.uint8), *(np.zeros((40, 64), np.uint8),) * 4]
    shapes = {number: image.shape for number, image in enumerate(images)}
    tiles = TileSource(
        as_images(images), tile=(64, 64), stride=(64, 64), image_shapes=shapes
    )
    assert tiles.roi(0) is None
    assert len({id(tiles.roi(number)) for number in range(1, 5)}) == 1
    assert tiles.roi(1).sum() == 40 * 64


def test_a_stride_that_leaves_holes_raises():
    with pytest.raises(ValueError, match="stride=40 is larger than tile=32"):
        Tiled(Identity(), tile=32, stride=40).fit(IMAGES)


@pytest.mark.parametrize(
    ("score_reduce", "numpy"), [("max", np.max), ("mean", np.mean)]
)
def test_score_is_reduced_over_tiles(score_reduce, numpy):
    tiled = Tiled(Brightness(), tile=56, score_reduce=score_reduce, calibration=None)
    score = -tiled.fit(IMAGES).score_samples(IMAGES[:1])[0]
    corners = [(y, x) for y in (0, 24) for x in (0, 56)]
    tiles = [IMAGES[0, y : y + 56, x : x + 56, 0].mean() for y, x in corners]
    assert score == pytest.approx(numpy(tiles))


def test_fit_on():
    tiled = Tiled(Brightness(), tile=56, calibration=None)
    assert tiled.fit(IMAGES).detector_.shape_ == (48, 56, 56, 3)
    tiled.set_params(fit_on="images")
    assert tiled.fit(IMAGES).detector_.shape_ == (12, 80, 112, 3)


@pytest.mark.parametrize(
    "inner",
    [
        PatchDetector(),
        make_pipeline(GrayWorld(), PatchDetector(contamination=0.2)),
        Brightness(),
    ],
    ids=["detector", "pipeline", "foreign"],
)
def test_threshold_is_that_of_whole_images_held_out(inner):
    tiled = Tiled(inner, tile=48, stride=32, false_alarm_rate=0.2).fit(IMAGES)
    scores = np.empty(len(IMAGES))
    for train, test in KFold(FOLDS).split(IMAGES):
        fold = clone(tiled).set_params(calibration=None).fit(IMAGES[train])
        scores[test] = fold.score_samples(IMAGES[test])
    expected = np.quantile(scores, 0.2, method="weibull")
    np.testing.assert_allclose(tiled.offset_, expected, rtol=1e-6)


def test_inner_detectors_are_fitted_without_a_threshold():
    inner = make_pipeline(GrayWorld(), PatchKNN(contamination=0.1, random_state=0))
    tiled = Tiled(inner, tile=64).fit(IMAGES)
    assert np.isnan(tiled.detector_[-1].offset_)
    assert inner[-1].contamination == 0.1


class Double(ImageTransformer):
    """A step that would show if it were applied twice."""

    def _transform_image(self, image):
        return (image // 4) * 2


@pytest.mark.parametrize("inner", [Brightness(), Identity()], ids=["foreign", "ours"])
def test_steps_of_an_inner_pipeline_are_applied_once(inner):
    seen = []

    class Records(type(inner)):
        def fit(self, X, y=None):
            seen.append(np.asarray(X).max())
            return super().fit(X)

        def _fit_images(self, images):
            seen.append(max(image.max() for image in images))

    Tiled(make_pipeline(Double(), Records()), tile=56, calibration=None).fit(IMAGES)
    assert seen[-1] == (IMAGES.max() // 4) * 2


def test_groups_reach_the_folds():
    pieces = np.repeat(IMAGES[:4], 3, axis=0)
    one, other = (
        Tiled(PatchDetector(), tile=56, calibration=4, false_alarm_rate=0.1)
        for _ in range(2)
    )
    one.fit(pieces, groups=np.repeat(np.arange(4), 3))
    other.fit(pieces[[0, 3, 6, 9] * 3])
    assert one.offset_ < other.offset_


@pytest.fixture
def paths(tmp_path):
    names = [str(tmp_path / f"{i}.png") for i in range(len(IMAGES))]
    for name, image in zip(names, IMAGES, strict=True):
        write_image(name, image)
    return names


def test_pipeline_over_paths_equals_arrays_and_survives_a_dump(paths, tmp_path):
    pipeline = make_pipeline(
        GrayWorld(),
        HomomorphicFilter(),
        Tiled(PatchKNN(random_state=0), tile=64, false_alarm_rate=0.2),
    )
    from_arrays = clone(pipeline).fit(IMAGES)
    pipeline.fit(paths)
    assert pipeline[-1].offset_ == from_arrays[-1].offset_
    maps = pipeline.transform(paths)
    np.testing.assert_array_equal(np.stack(maps), from_arrays.transform(IMAGES))
    joblib.dump(pipeline, tmp_path / "line.joblib")
    loaded = joblib.load(tmp_path / "line.joblib")
    np.testing.assert_array_equal(loaded.transform(paths), maps)
    np.testing.assert_array_equal(loaded.predict(paths), pipeline.predict(paths))


def test_each_file_is_read_once_to_predict(paths, monkeypatch):
    tiled = Tiled(PatchDetector(), tile=64, false_alarm_rate=0.2).fit(paths)
    reads = []
    read_image = sequence_module.read_image
    monkeypatch.setattr(
        sequence_module,
        "read_image",
        lambda path: reads.append(path) or read_image(path),
    )
    tiled.score_samples(ImageSequence(paths))
    assert reads == paths


def test_an_unreadable_file_is_named(paths):
    with open(paths[5], "r+b") as file:
        file.truncate(300)
    with pytest.raises(ValueError, match=r"5\.png"):
        Tiled(PatchDetector(), tile=64).fit(paths)


def test_errors_inside_a_tile_name_image_and_tile():
    class Fails(Identity):
        def _detect(self, images):
            for number in range(len(images)):
                raise ValueError(images.describe(number))
            yield

    tiled = Tiled(Fails(), tile=64, calibration=None).fit(IMAGES)
    with pytest.raises(ValueError, match="image 0, tile at row 0, column 0"):
        tiled.transform(IMAGES)
