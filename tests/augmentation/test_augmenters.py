"""Augmenters: what is drawn depends on the image alone; masks follow the pixels."""

from functools import partial

import numpy as np
import pytest
from sklearn.base import clone

from skuad.augmentation import (
    ChannelGain,
    Compose,
    DefocusBlur,
    ExposureShift,
    Gamma,
    JPEGCompression,
    MotionBlur,
    SensorNoise,
    Vignette,
    adjust_gamma,
    defocus_blur,
    exposure_shift,
    jpeg_compress,
    make_industrial_camera_augmenter,
    motion_blur,
    random_channel_gain,
    random_flip,
    random_rotation,
    random_shift,
    vignette,
)
from skuad.io import ImageSequence, write_image
from skuad.utils._testing_images import make_images

AUGMENTERS = [
    ChannelGain(),
    DefocusBlur(),
    ExposureShift(),
    Gamma(),
    JPEGCompression(),
    MotionBlur(angle=(0, 180)),
    SensorNoise(),
    Vignette(),
    make_industrial_camera_augmenter(),
    Compose([random_flip, partial(random_shift, max_shift=0.1, max_angle=10)]),
]


def ids(augmenter):
    return type(augmenter).__name__


@pytest.mark.parametrize("augmenter", AUGMENTERS, ids=ids)
def test_images_are_drawn_apart(augmenter):
    """Copies, seeds and images differ; order, batch and repetition do not matter."""
    images = make_images(6, size=(40, 44))
    first = augmenter.transform(images)
    np.testing.assert_array_equal(augmenter.transform(images), first)
    np.testing.assert_array_equal(augmenter.transform(images[::-1])[::-1], first)
    copies = [augmenter.augment(images, copy=copy)[0] for copy in range(4)]
    np.testing.assert_array_equal(copies[0], first)
    other_seed = clone(augmenter).set_params(random_state=7).transform(images)
    different = {copy.tobytes() for copy in [*copies, other_seed]}
    assert len(different) == 5


def test_each_image_has_its_own_exposure():
    images = np.full((30, 5, 5), 0.5)
    images[:, 0, 0] += np.linspace(0, 1e-6, 30)
    gains = ExposureShift(stops=(-1, 1)).transform(images)[:, 2, 2] / 0.5
    assert len(np.unique(gains.round(4))) > 25
    assert 0.5 <= gains.min() < 0.7 < 1.4 < gains.max() <= 2


@pytest.mark.parametrize(
    ("augmenter", "function"),
    [
        (JPEGCompression(quality=40), lambda i: jpeg_compress(i, 40)),
        (Vignette(strength=0.5), lambda i: vignette(i, 0.5)),
        (
            ChannelGain(red=1.1, blue=0.9),
            lambda i: random_channel_gain(i, red=1.1, blue=0.9),
        ),
        (ExposureShift(stops=1), lambda i: exposure_shift(i, 1)),
        (DefocusBlur(radius=2), lambda i: defocus_blur(i, 2)),
        (MotionBlur(length=6, angle=30), lambda i: motion_blur(i, 6, 30)),
        (Gamma(gamma=2), lambda i: adjust_gamma(i, 2)),
    ],
    ids=lambda item: "",
)
def test_numbers_are_used_as_they_are(augmenter, function):
    images = make_images(3)
    expected = [function(image) for image in images]
    np.testing.assert_array_equal(augmenter.transform(images), expected)
    masks = [np.eye(48, 56), None, -1]
    changed, same = augmenter.augment(images, masks)
    np.testing.assert_array_equal(changed, expected)
    assert same[1] is None and same[2] == -1
    np.testing.assert_array_equal(same[0], masks[0])


def test_both_ends_of_integers_are_drawn():
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16), np.uint8)
    found = JPEGCompression(quality=(30, 31)).transform(images)
    low, high = (JPEGCompression(quality=q).transform(images) for q in (30, 31))
    is_low = (found == low).all(axis=(1, 2))
    assert 5 < is_low.sum() < 35
    np.testing.assert_array_equal(found[~is_low], high[~is_low])


@pytest.mark.parametrize(
    ("augmenter", "message"),
    [
        (JPEGCompression(quality=0), "'quality' parameter of JPEGCompression"),
        (JPEGCompression(quality=101), "or a pair"),
        (JPEGCompression(quality=(90, 60)), "'quality'"),
        (JPEGCompression(quality=(50.5, 60)), "'quality'"),
        (JPEGCompression(quality=(50, 60, 70)), "'quality'"),
        (JPEGCompression(quality="90"), "'quality'"),
        (Vignette(strength=1.0), "'strength'"),
        (Vignette(strength=(-0.1, 0.5)), "'strength'"),
        (ChannelGain(red=0.0), "'red'"),
        (ExposureShift(stops=(0, np.nan)), "'stops'"),
        (SensorNoise(read=0.6), "'read'"),
        (SensorNoise(data_range=0), "'data_range'"),
        (DefocusBlur(radius=-1), "'radius'"),
        (MotionBlur(angle=400), "'angle'"),
        (Gamma(gamma=0), "'gamma'"),
        (Gamma(random_state=-1), "'random_state'"),
        (Gamma(random_state=None), "'random_state'"),
        (Compose([Gamma(gamma=0)]), "'gamma' parameter of Gamma"),
        (Compose(["flip"]), "augmenters holds 'flip'"),
        (Compose(random_flip), "'augmenters'"),
    ],
    ids=lambda item: str(item).partition(" at 0x")[0],
)
def test_bad_parameters(augmenter, message):
    images = make_images(2)
    for call in (augmenter.fit, augmenter.transform, augmenter.augment):
        with pytest.raises(ValueError, match=message):
            call(images)


# ---- geometry ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        random_flip,
        random_rotation,
        partial(random_shift, max_shift=0.2),
        partial(random_shift, max_shift=0.1, max_angle=30),
    ],
)
def test_the_mask_moves_with_the_image(function):
    square = np.zeros((60, 60, 3), np.float32)
    square[15:30, 20:45] = 1
    mask = square[..., 0] > 0
    seen = set()
    for seed in range(12):
        image, moved = function(square, mask, np.random.default_rng(seed))
        assert image.dtype == np.float32 and moved.dtype == bool
        assert image.shape == square.shape and moved.shape == mask.shape
        # At the edge interpolation makes values in between.
        assert ((image[..., 0] > 0.5) != moved).sum() <= 60
        assert abs(int(moved.sum()) - int(mask.sum())) < 40
        seen.add(moved.tobytes())
        alone, nothing = function(square, None, np.random.default_rng(seed))
        np.testing.assert_array_equal(alone, image)
        assert nothing is None
    assert len(seen) >= 3


def test_shifts_by_whole_pixels_keep_the_pixels():
    image = make_images(1, size=(50, 70))[0]
    moved, _ = random_shift(image, None, np.random.default_rng(0), max_shift=0.1)
    inner = moved[5:-5, 5:-5]
    places = [
        (y, x)
        for y in range(11)
        for x in range(11)
        if (image[y : y + 40, x : x + 60] == inner).all()
    ]
    assert len(places) == 1 and places != [(5, 5)]


def test_compose_applies_all_in_order():
    images, masks = make_images(4), np.zeros((4, 48, 56), bool)
    masks[:, :5, :9] = True
    both, moved = Compose([random_flip, ExposureShift(stops=-1)]).augment(images, masks)
    flipped, expected = Compose([random_flip]).augment(images, masks)
    np.testing.assert_array_equal(both, [exposure_shift(i, -1) for i in flipped])
    np.testing.assert_array_equal(moved, expected)
    assert Compose([random_flip]).changes_masks
    assert Compose([Compose([random_flip])]).changes_masks
    assert not make_industrial_camera_augmenter().changes_masks


def test_the_preset_leaves_out_what_is_none():
    names = ["vignette", "defocus", "motion", "exposure", "read_noise", "tint"]
    nothing = make_industrial_camera_augmenter(
        **dict.fromkeys([*names, "gamma", "jpeg_quality"])
    )
    images = make_images(2)
    np.testing.assert_array_equal(nothing.transform(images), images)
    dark = make_industrial_camera_augmenter(
        **dict.fromkeys([*names[1:], "gamma", "jpeg_quality"]), vignette=0.5
    )
    np.testing.assert_array_equal(
        dark.transform(images), [vignette(image, 0.5) for image in images]
    )


# ---- containers ----------------------------------------------------------------------


def test_masks_and_images_from_files(tmp_path):
    images = make_images(3)
    mask = np.zeros((48, 56), np.uint8)
    mask[3:9, 4:40] = 255
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    write_image(tmp_path / "mask.png", mask)
    augmenter = Compose([random_flip, SensorNoise()])
    expected, moved = augmenter.augment(images, [mask > 0, None, -1])
    for X in (paths, ImageSequence(paths), list(images)):
        found, masks = augmenter.augment(X, [str(tmp_path / "mask.png"), "", -1])
        assert isinstance(found, list)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(masks[0], moved[0])
        assert masks[1:] == [None, -1]


def test_line_scans_and_their_masks():
    X = np.random.default_rng(0).random((5, 30))
    masks = X > 0.9
    images, moved = Compose([random_flip]).augment(X, masks)
    assert images.shape == (5, 30) and [mask.shape for mask in moved] == [(1, 30)] * 5
    np.testing.assert_array_equal(images > 0.9, np.concatenate(moved))


def test_no_masks_give_none():
    assert make_industrial_camera_augmenter().augment(make_images(2))[1] is None


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([None], "1 masks for 2 images"),
        ([None, np.zeros((48, 55))], r"image 1: a mask of shape \(48, 55\)"),
    ],
)
def test_bad_masks(masks, message):
    with pytest.raises(ValueError, match=message):
        Vignette().augment(list(make_images(2)), masks)
