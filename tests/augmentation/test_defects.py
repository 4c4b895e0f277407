import cv2
import numpy as np
import pytest

from skuad.augmentation import Compose, defect_kinds, plant_defect, random_defect
from skuad.augmentation._defects import SOFT_EDGE
from skuad.datasets._textures import gaussian_field

KINDS = defect_kinds()
SIZES = [(32, 32), (32, 200), (61, 47), (256, 256)]


def textured(shape, channels, seed=0):
    rng = np.random.default_rng(seed)
    field = 120 + 22 * gaussian_field(shape, 1.0, 1.0, rng)
    image = field if channels is None else field[..., None] * np.array([1, 0.9, 0.8])
    return np.clip(image, 0, 255).astype(np.uint8)


def test_the_kinds():
    assert KINDS == [
        *["scratch", "stain", "cut_paste", "blur", "hole", "crack", "dent"]
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("shape", SIZES)
def test_the_mask_is_exact(kind, channels, shape):
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SOFT_EDGE + 1,) * 2)
    for seed in range(8):
        image = textured(shape, channels, seed)
        before = image.copy()
        defective, mask = plant_defect(image, kind, np.random.default_rng(seed))
        np.testing.assert_array_equal(image, before)
        assert defective.shape == image.shape and defective.dtype == np.uint8
        assert mask.shape == shape and mask.dtype == bool
        change = np.abs(defective.astype(int) - image).reshape(*shape, -1).max(axis=2)
        near = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
        assert change[~near].max(initial=0) == 0
        assert (change[mask] > 0).mean() > 0.75, "the mask covers what changed"
        assert change[mask].mean() >= 6, "the defect can be seen"
        assert change[mask].mean() > 2 * change[near & ~mask].mean()
        assert 4 <= mask.sum() < 0.2 * mask.size


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_grows_with_the_image(kind):
    areas = [
        np.median(
            [
                plant_defect(
                    textured((size, size), 3), kind, np.random.default_rng(seed)
                )[1].mean()
                for seed in range(9)
            ]
        )
        for size in (128, 384)
    ]
    assert 0.4 < areas[1] / areas[0] < 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_seeds(kind):
    image = textured((64, 64), 3)
    first, again, other = (
        plant_defect(image, kind, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_defects_stay_on_the_foreground(kind):
    image = textured((96, 96), 3)
    foreground = np.zeros((96, 96), bool)
    foreground[20:50, 40:80] = True
    for seed in range(10):
        defective, mask = plant_defect(
            image, kind, np.random.default_rng(seed), foreground=foreground
        )
        assert mask.any() and not mask[~foreground].any()
        np.testing.assert_array_equal(defective[~foreground], image[~foreground])


def test_a_foreground_at_the_border_of_the_image():
    image = textured((64, 64), None)
    foreground = np.zeros((64, 64), bool)
    foreground[:3] = True
    mask = plant_defect(image, "hole", np.random.default_rng(0), foreground=foreground)[
        1
    ]
    assert mask[:3].any() and not mask[3:].any()


@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("donor_channels", [None, 3])
@pytest.mark.parametrize("donor_shape", [(5, 7), (64, 64), (300, 90)])
def test_cut_paste_takes_any_donor(channels, donor_channels, donor_shape):
    image = np.full((64, 64) if channels is None else (64, 64, 3), 120, np.uint8)
    donor = np.zeros(donor_shape, np.uint8)
    donor[::2] = 200
    if donor_channels:
        donor = np.dstack([donor] * 3)
    defective, mask = plant_defect(
        image, "cut_paste", np.random.default_rng(3), donor=donor
    )
    pasted = defective[mask].astype(int)
    assert pasted.std() > 40, "the stripes of the donor are there"
    assert 60 < pasted.mean() < 180, "in the brightness of the image"


def test_colours_of_gray_images_do_not_change():
    gray = np.dstack([textured((64, 64), None)] * 3)
    for kind in set(KINDS) - {"stain"}:
        defective, _ = plant_defect(gray, kind, np.random.default_rng(0))
        assert np.ptp(defective.astype(int), axis=2).max() <= 1, kind


@pytest.mark.parametrize("kind", ["scratch", "stain", "hole", "crack", "dent"])
@pytest.mark.parametrize("level", [25, 128, 235])
def test_flat_images(kind, level):
    image = np.full((48, 48), level, np.uint8)
    defective, mask = plant_defect(image, kind, np.random.default_rng(0))
    assert np.abs(defective[mask].astype(int) - level).mean() > 3


def test_what_a_flat_image_cannot_show():
    with pytest.raises(ValueError, match="cannot show a defect of the kind 'blur'"):
        plant_defect(np.full((48, 48), 9, np.uint8), "blur", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "scrach"}, "unknown defect 'scrach'.*Did you mean 'scratch'"),
        ({"kind": None}, "unknown defect None"),
        ({"image": np.zeros((31, 200), np.uint8)}, "at least 32 x 32 pixels, got 31"),
        ({"image": np.zeros((64, 64), int)}, "uint16 or float, got int64"),
        ({"image": np.zeros((64, 64, 4), np.uint8)}, r"got uint8 \(64, 64, 4\)"),
        ({"image": [[0]]}, "got list"),
        ({"donor": np.zeros((64, 64))}, "donor is float64, but the image is uint8"),
        ({"donor": np.zeros((64, 64), int)}, "donor must be an array"),
        ({"foreground": np.ones((64, 63), bool)}, r"bool array of shape \(64, 64\)"),
        ({"foreground": np.ones((64, 64))}, "got float64"),
        ({"foreground": np.zeros((64, 64), bool)}, "False everywhere"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"image": textured((64, 64), None), "kind": "cut_paste"} | change
    with pytest.raises(ValueError, match=message):
        plant_defect(rng=np.random.default_rng(0), **arguments)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_other_dtypes_get_the_same_defect(kind, dtype):
    image = textured((96, 96), 3)
    scale = 257 if dtype == np.uint16 else 1 / 255
    scaled = (image * dtype(scale)).astype(dtype)
    expected, expected_mask = plant_defect(image, kind, 3)
    defective, mask = plant_defect(scaled, kind, 3)
    assert defective.dtype == dtype
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_allclose(defective / scale, expected, atol=0.51)
    far = (expected == image).all(axis=2) & ~mask
    assert (defective == scaled)[far].mean() > 0.99


def test_a_12_bit_image_stays_in_its_range():
    image = (textured((64, 64), None).astype(np.uint16) * 16).clip(0, 4095)
    defective, mask = plant_defect(image, "scratch", 0, data_range=4095)
    assert defective.max() <= 4095
    change = np.abs(defective.astype(int) - image)[mask].mean()
    assert 16 * 6 < change < 4095


def test_random_defects_of_a_data_set():
    X = np.stack([textured((64, 64), 3, seed) for seed in range(8)])
    old = np.zeros((64, 64), bool)
    old[:2] = True
    planter = Compose([random_defect], random_state=1)
    images, masks = planter.augment(X, [old, *[None] * 7])
    assert images.shape == X.shape
    assert masks[0][:2].all() and masks[0][2:].any()
    for image, before, mask in zip(images[1:], X[1:], masks[1:], strict=True):
        assert (image != before).any(axis=2)[mask].mean() > 0.75
    again, _ = planter.augment(X[::-1], [*[None] * 7, old])
    np.testing.assert_array_equal(again[::-1], images)
