import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from skuad.datasets import make_defect_images
from skuad.datasets._generated import _Crops
from skuad.datasets._textures import FAMILIES, TINTS, gaussian_field, photographs

TEXTURES = [*FAMILIES, *TINTS]


@pytest.mark.parametrize("size", [32, 33, 128])
@pytest.mark.parametrize("texture", ["procedural", *TEXTURES])
def test_shapes_and_dtypes(texture, size):
    data = make_defect_images(texture, n_train=3, n_good=2, n_defective=6, size=size)
    assert data.train.shape == (3, size, size, 3) and data.train.dtype == np.uint8
    assert data.test.shape == (8, size, size, 3) and data.test.dtype == np.uint8
    assert data.target.tolist() == [1, 1, -1, -1, -1, -1, -1, -1]
    assert data.masks.shape == (8, size, size) and data.masks.dtype == bool
    assert data.masks.any(axis=(1, 2)).tolist() == [False] * 2 + [True] * 6
    assert data.defect_type.tolist() == [
        *["good", "good", "scratch", "stain", "cut_paste", "blur", "hole", "scratch"]
    ]
    assert data.texture in TEXTURES and repr(data.texture) in data.DESCR


def test_return_X_y():
    options = {"n_train": 3, "n_good": 2, "n_defective": 2, "size": 32}
    data = make_defect_images("noise", **options)
    everything = np.concatenate([data.train, data.test])
    for return_X_y in (True, "masks"):
        X, y = make_defect_images("noise", return_X_y=return_X_y, **options)
        np.testing.assert_array_equal(X, everything)
        np.testing.assert_array_equal(y[3:], data.masks)
        assert y.shape == (7, 32, 32) and y.dtype == bool and not y[:3].any()
    X, y = make_defect_images("noise", return_X_y="labels", **options)
    np.testing.assert_array_equal(X, everything)
    assert y.tolist() == [1] * 5 + [-1] * 2


def test_parts_can_be_empty():
    data = make_defect_images("noise", n_train=0, n_good=0, n_defective=0, size=32)
    assert data.train.shape == data.test.shape == (0, 32, 32, 3)
    X, y = make_defect_images(n_good=0, n_defective=0, size=32, return_X_y=True)
    assert len(X) == len(y) == 20


@pytest.mark.parametrize("texture", TEXTURES)
def test_random_state(texture):
    options = {"n_train": 1, "n_good": 1, "n_defective": 2, "size": 64}
    first = make_defect_images(texture, random_state=3, **options)
    again = make_defect_images(texture, random_state=3, **options)
    state = np.random.RandomState(3)
    from_state = make_defect_images(texture, random_state=state, **options)
    later = make_defect_images(texture, random_state=state, **options)
    for key in ("train", "test", "masks"):
        np.testing.assert_array_equal(first[key], again[key])
        np.testing.assert_array_equal(first[key], from_state[key])
        assert (first[key] != later[key]).any()
    images = np.concatenate([first.train, first.test])
    assert len(np.unique(images.reshape(4, -1), axis=0)) == 4


def test_random_state_none_differs():
    options = {"n_good": 0, "n_defective": 0, "size": 32, "random_state": None}
    assert (
        make_defect_images(**options).train != make_defect_images(**options).train
    ).any()


@pytest.mark.parametrize("texture", TEXTURES)
def test_an_image_does_not_depend_on_their_number(texture):
    few = make_defect_images(texture, n_train=2, n_good=3, n_defective=4, size=128)
    many = make_defect_images(texture, n_train=20, n_good=12, n_defective=9, size=128)
    np.testing.assert_array_equal(few.train, many.train[:2])
    np.testing.assert_array_equal(few.test[:3], many.test[:3])
    np.testing.assert_array_equal(few.test[3:], many.test[12:16])
    np.testing.assert_array_equal(few.masks[3:], many.masks[12:16])


def test_procedural_picks_every_family():
    picked = {
        make_defect_images(
            n_train=0, n_good=0, n_defective=0, size=32, random_state=seed
        ).texture
        for seed in range(40)
    }
    assert picked == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_and_good_test_images_are_exchangeable(family):
    """The rank of a training statistic among test ones is uniform, over data sets."""
    ranks = {"mean": [], "detail": []}
    for seed in range(60):
        data = make_defect_images(
            family, n_train=1, n_good=9, n_defective=0, size=32, random_state=seed
        )
        images = np.concatenate([data.train, data.test]).astype(float)
        detail = np.abs(np.diff(images, axis=1)).mean((1, 2, 3))
        for name, values in (("mean", images.mean((1, 2, 3))), ("detail", detail)):
            ranks[name].append((values[1:] < values[0]).mean())
    for name, values in ranks.items():
        assert abs(np.mean(values) - 0.5) < 4 * 0.32 / np.sqrt(60), name


@pytest.mark.parametrize("family", FAMILIES)
def test_images_of_a_family_vary_but_share_their_look(family):
    data = make_defect_images(family, n_train=12, n_good=0, n_defective=0, size=64)
    colours = data.train.mean((1, 2))
    other = make_defect_images(
        family, n_train=1, n_good=0, n_defective=0, size=64, random_state=1
    ).train.mean((1, 2))
    assert 0.5 < colours.std(0).max() < 15
    assert np.abs(colours.mean(0) - other).max() > 5
    for i in range(11):
        a, b = data.train[i].ravel(), data.train[i + 1].ravel()
        if family != "printed":  # the same part each time, in another pose
            assert abs(np.corrcoef(a - a.mean(), b - b.mean())[0, 1]) < 0.6


def test_defects_lie_on_the_printed_part():
    data = make_defect_images("printed", n_train=0, n_good=0, n_defective=20, size=128)
    on_tray = data.masks[:, :4].any() or data.masks[:, -4:].any()
    assert not on_tray


@pytest.mark.parametrize("size", [40, 100, 128, 256])
def test_photographs_never_overlap_across_the_split(size):
    ramp = np.arange(512 * 512).reshape(512, 512)  # every pixel has a number of its own
    crops = _Crops("brick", ramp, size, seed=0)
    seen = {}

    def look(crop, name, rng):
        seen.setdefault(part, []).append(crop)
        return crop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skuad.datasets._generated.tinted", look)
        for part in (1, 2, 3):
            for i in range(30):
                crops(part, i)
    assert all(crop.shape == (size, size) for part in seen for crop in seen[part])
    train = np.unique(np.concatenate([crop.ravel() for crop in seen[1]]))
    test = np.unique(np.concatenate([crop.ravel() for crop in seen[2] + seen[3]]))
    assert np.intersect1d(train, test).size == 0

    room = len(crops.cells[False])
    assert room == (256 // size) * (512 // size)
    for parts in (seen[1][:room], seen[2][: room // 2] + seen[3][: room // 2]):
        pixels = np.concatenate([crop.ravel() for crop in parts])
        assert len(np.unique(pixels)) == pixels.size, "they lie side by side"


def test_descr_tells_of_overlap():
    def descr(**options):
        return make_defect_images("grass", size=128, **options).DESCR

    few = {"n_train": 8, "n_good": 4, "n_defective": 4}
    assert "No two images overlap" in descr(**few)
    assert "room for 8" in descr(**few | {"n_train": 9})
    assert "the training images overlap" in descr(**few | {"n_train": 9})
    assert "the test images overlap" in descr(**few | {"n_good": 5})
    both = descr(**few | {"n_train": 9, "n_good": 5})
    assert "the training and the test images overlap" in both


def test_the_photographs_are_the_bundled_ones():
    for name, photo in photographs().items():
        assert photo.shape == (512, 512) and photo.dtype == np.uint8, name


@pytest.mark.parametrize("sigmas", [(0.7, 0.7), (1, 12), (40, 3), (6.3, 6.3)])
def test_gaussian_fields_are_stationary(sigmas):
    fields = np.array(
        [
            gaussian_field((24, 31), *sigmas, np.random.default_rng(seed))
            for seed in range(400)
        ]
    )
    assert fields.shape == (400, 24, 31) and fields.dtype == np.float32
    np.testing.assert_allclose(fields.mean((1, 2)).mean(), 0, atol=0.2)
    np.testing.assert_allclose(fields.std(0).mean(), 1, atol=0.08)
    edge, middle = fields[:, 0].std(), fields[:, 12].std()
    np.testing.assert_allclose(edge / middle, 1, atol=0.12)


# The mean gray level of each quadrant of a training image, a good and five defective
# test images, and the areas of the masks, for two seeds. Not a digest of the pixels:
# NumPy's and OpenCV's vectorised exp, sin and convolutions differ in the last bit
# between processors and versions, and then single gray levels differ too.
FROZEN = json.loads((Path(__file__).parent / "frozen_images.json").read_text())


def quadrants(image):
    small = cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA)
    return small.mean(axis=2).round(1).ravel().tolist()


@pytest.mark.parametrize("texture", TEXTURES)
def test_the_generator_is_frozen(texture):
    for random_state, frozen in enumerate(FROZEN[texture]):
        data = make_defect_images(
            texture,
            n_train=1,
            n_good=1,
            n_defective=5,
            size=96,
            random_state=random_state,
        )
        images = [data.train[0], *data.test]
        np.testing.assert_allclose(
            [quadrants(image) for image in images], frozen["quadrants"], atol=0.3
        )
        np.testing.assert_allclose(
            data.masks.sum((1, 2)), frozen["areas"], rtol=0.05, atol=3
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texture": "gras"}, "unknown texture: 'gras'. Did you mean 'grass'"),
        ({"kinds": ["scratch", "crck"]}, "unknown kind of defect: 'crck'"),
        ({"kinds": []}, "kinds is empty"),
        ({"size": 31}, "'size' parameter"),
        ({"n_train": -1}, "'n_train' parameter"),
        ({"return_X_y": "mask"}, "'return_X_y' parameter"),
        ({"texture": "brick", "size": 257}, "size must be at most 256, got 257"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_defect_images(**options)


def test_some_kinds_only():
    data = make_defect_images("noise", n_defective=3, size=32, kinds=["hole", "blur"])
    assert data.defect_type[-3:].tolist() == ["hole", "blur", "hole"]
    data = make_defect_images("noise", n_defective=0, size=32, kinds=[])
    assert len(data.test) == 10
