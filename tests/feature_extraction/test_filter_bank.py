import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import correlate1d

from skuad.feature_extraction import _filter_bank as module
from skuad.feature_extraction import filter_bank, upsample_map

# Features of a gray image, by what a gain and an offset do to them.
GRAY_LOGS = [1, 2, 5, 8, 11, 14, 17]
GRAY_SHAPES = [3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19]


def texture(shape, seed=0):
    """Smooth noise from 0.2 to 0.8 or so, float64."""
    image = np.random.default_rng(seed).standard_normal(shape)
    image = cv2.GaussianBlur(image, (0, 0), 1.2).reshape(shape)
    return 0.5 + 0.12 * image / image.std()


def reference(image, stride=8):
    """Compute the features plainly, in float64, from an image in the unit range."""

    def gaussian(values, sigmas):
        for axis, sigma in enumerate(sigmas):
            radius = int(np.ceil(3 * sigma))
            kernel = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
            values = correlate1d(values, kernel / kernel.sum(), axis, mode="reflect")
        return values

    def pool(values):
        cell = []
        for axis, size in enumerate(values.shape):
            n = max(1, int(np.floor(size / stride + 0.5)))
            edges = np.arange(n + 1) * size / n
            total = np.concatenate([[0], np.cumsum(np.ones(size))])
            sums = np.insert(np.cumsum(values, axis), 0, 0, axis)
            at = np.apply_along_axis(
                lambda line, e=edges, t=total: np.interp(e, t, line), axis, sums
            )
            values = np.diff(at, axis=axis) * n / size
            cell.append(size / n)
        return gaussian(values, [np.sqrt(36 - c**2 / 12) / c for c in cell])

    def gradient(values, axis):
        values = correlate1d(values, [-0.5, 0, 0.5], axis, mode="reflect")
        return correlate1d(values, [0.25, 0.5, 0.25], 1 - axis, mode="reflect")

    floor = 0.5 / 255
    if image.shape[2] == 3:
        red, green, blue = np.moveaxis(image, 2, 0)
        colours = [(red + green + blue) / 3, red - green, (red + green) / 2 - blue]
        luminance = colours[0]
    else:
        colours = list(np.moveaxis(image, 2, 0))
        luminance = np.mean(colours, axis=0)
    means = [pool(colour) for colour in colours]
    features = means + [
        np.log(
            pool((colour - colour.mean()) ** 2) - (mean - colour.mean()) ** 2 + floor**2
        )
        / 2
        for colour, mean in zip(colours, means, strict=True)
    ]
    for scale in (0.5, 1, 2):
        smooth = gaussian(luminance, (scale, scale))
        dy, dx = (scale * gradient(smooth, axis) for axis in (0, 1))
        laplacian = scale**2 * sum(
            correlate1d(smooth, [1, -2, 1], axis, mode="reflect") for axis in (0, 1)
        )
        xx, yy, xy = pool(dx**2), pool(dy**2), pool(dx * dy)
        energy = xx + yy + floor**2
        curvature = pool(laplacian**2) + floor**2
        features += [
            np.log(energy) / 2,
            (xx - yy) / energy,
            2 * xy / energy,
            np.log(curvature) / 2,
            np.log(pool(abs(dx) + abs(dy)) ** 2 + floor**2) / 2 - np.log(energy) / 2,
            np.log(pool(abs(laplacian)) ** 2 + floor**2) / 2 - np.log(curvature) / 2,
        ]
    return np.stack(features, axis=2)


@pytest.mark.parametrize("stride", [3, 8])
@pytest.mark.parametrize(
    "shape",
    [(32, 40, 1), (37, 29, 3), (16, 16, 3), (1, 45, 1), (61, 5, 2), (24, 30, 5)],
)
def test_features_agree_with_a_plain_float64_computation(shape, stride):
    image = texture(shape)
    features = filter_bank(image, stride=stride)
    assert features.dtype == np.float32
    assert_allclose(features, reference(image, stride), atol=2e-4)


@pytest.mark.parametrize(
    ("shape", "n_features"),
    [
        ((24, 40), 20),
        ((24, 40, 1), 20),
        ((24, 40, 2), 22),
        ((24, 40, 3), 24),
        ((24, 40, 4), 24),
        ((24, 40, 5), 28),
        ((24, 40, 70), 158),
    ],
)
def test_number_of_features(shape, n_features):
    assert filter_bank(texture(shape)).shape == (3, 5, n_features)


def test_alpha_is_ignored():
    image = texture((32, 32, 4))
    assert_array_equal(filter_bank(image), filter_bank(image[..., :3]))


def test_gray_as_colour_has_the_same_luminance_and_structure():
    image = texture((40, 48)).astype(np.float32)
    gray, colour = filter_bank(image), filter_bank(np.dstack([image] * 3))
    same = [0, 3, *range(6, 24)]
    assert_allclose(colour[..., same], gray, atol=1e-4)
    assert_allclose(colour[..., [1, 2]], 0, atol=1e-7)


def test_many_channels_are_smoothed_alike():
    """OpenCV's limit of 128 channels does not show."""
    image = texture((24, 40, 70)).astype(np.float32)
    few = filter_bank(image[..., 64:])
    assert_allclose(filter_bank(image)[..., 64:70], few[..., :6], atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "full_scale", "data_range"),
    [(np.uint8, 255, None), (np.uint16, 65535, None), (np.uint16, 4095, 4095)],
)
def test_integers_are_scaled_to_the_unit_range(dtype, full_scale, data_range):
    image = np.rint(texture((32, 40, 3)) * full_scale).astype(dtype)
    assert_allclose(
        filter_bank(image, data_range=data_range),
        filter_bank(image.astype(np.float64) / full_scale),
        atol=1e-3,
    )


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize("feature", [0, 1, 2, 5, 8])
@pytest.mark.parametrize(
    ("shape", "centre"),
    [
        ((256, 256), (100, 164)),
        ((120, 333), (61, 240)),
        ((301, 97), (215, 38)),
        ((64, 511), (30, 400)),
    ],
)
def test_response_to_a_square_is_centred_on_it(shape, centre, feature, stride):
    image = np.full(shape, 100, np.uint8)
    (y, x), radius = centre, 7
    image[y - radius : y + radius, x - radius : x + radius] = 200
    features = filter_bank(image, stride=stride)[..., feature]
    response = upsample_map(abs(features - np.median(features)), shape)
    rows, columns = np.indices(shape) + 0.5
    centroid = [(axis * response).sum() / response.sum() for axis in (rows, columns)]
    assert_allclose(centroid, centre, atol=stride / 4)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("stride", [5, 8])
def test_moving_by_one_stride_moves_the_grid_by_one_cell(axis, stride):
    image = texture((25 * stride, 26 * stride, 3))
    length = image.shape[axis] - stride
    here = np.take(image, np.arange(length), axis)
    there = np.take(image, np.arange(stride, stride + length), axis)
    here, there = filter_bank(here, stride=stride), filter_bank(there, stride=stride)
    margin = 6  # beyond the reach of the mirrored border
    inner = slice(margin, -margin)
    here, there = np.moveaxis(here, axis, 0), np.moveaxis(there, axis, 0)
    assert_allclose(
        here[margin + 1 : -margin, inner], there[margin : -margin - 1, inner], atol=1e-4
    )


def test_mirror_image():
    image = texture((48, 61, 3))
    features = filter_bank(image)
    mirrored = filter_bank(image[:, ::-1])[:, ::-1]
    signs = np.ones(24)
    signs[[8, 14, 20]] = -1  # sines of twice the angle
    assert_allclose(mirrored, features * signs, atol=1e-4)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 150])
def test_dominant_direction(degrees):
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:96, :96]
    image = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / 12)
    inner = filter_bank(0.5 + 0.4 * image)[5:7, 5:7]
    expected = [np.cos(2 * angle), np.sin(2 * angle)]
    for first in (3, 9, 15):
        assert_allclose(inner[..., first : first + 2].mean((0, 1)), expected, atol=0.05)


def test_gain():
    image = texture((64, 72))
    features, half = filter_bank(image), filter_bank(image / 2)
    assert_allclose(half[..., 0], features[..., 0] / 2, rtol=1e-5)
    assert_allclose(
        half[..., GRAY_LOGS], features[..., GRAY_LOGS] - np.log(2), atol=0.02
    )
    assert_allclose(half[..., GRAY_SHAPES], features[..., GRAY_SHAPES], atol=0.05)


@pytest.mark.parametrize(("offset", "atol"), [(0.1, 1e-4), (-3, 1e-3), (1000, 0.05)])
def test_offset_changes_nothing_but_the_mean(offset, atol):
    image = texture((64, 72))
    features, shifted = filter_bank(image), filter_bank(image + offset)
    assert_allclose(shifted[..., 0], features[..., 0] + offset, rtol=1e-5)
    assert_allclose(shifted[..., 1:], features[..., 1:], atol=atol)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_constant_image(value):
    features = filter_bank(np.full((40, 40, 3), value, np.uint8))
    floor = np.log(0.5 / 255)
    assert_allclose(features[..., 0], value / 255, atol=1e-6)
    assert_allclose(features[..., [3, 4, 5, 6, 9]], floor, atol=1e-5)
    assert_allclose(features[..., [7, 8, 10, 11]], 0, atol=1e-6)


@pytest.mark.parametrize("height", [1, 77.7, 1234.5, 54321])
def test_rounding_of_a_flat_side_leaves_no_negative_variance(height):
    image = np.zeros((200, 200), np.float32)
    image[:, 100:] = height
    deviation = filter_bank(image)[:, 20:, 1]
    assert (deviation >= np.float32(np.log(0.5 / 255)) - 1e-5).all()


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("pixels", [1, 500, 3000])
@pytest.mark.parametrize(
    ("shape", "stride"),
    [((97, 64, 3), 8), ((83, 131), 8), ((40, 33, 5), 3), ((64, 257, 3), 16)],
)
def test_strips_give_the_same_bits(monkeypatch, shape, stride, pixels, n_threads):
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    expected = filter_bank(image, stride=stride)
    before = cv2.getNumThreads()
    cv2.setNumThreads(n_threads)
    try:
        monkeypatch.setattr(module, "_STRIP_PIXELS", pixels)
        result = filter_bank(image, stride=stride)
    finally:
        cv2.setNumThreads(before)
    assert_array_equal(result, expected)


@pytest.mark.parametrize("width", [*range(1, 20), 100, 5000])
@pytest.mark.parametrize("turned", [False, True])
def test_line_scans(width, turned):
    image = np.random.default_rng(width).standard_normal((1, width))
    features = filter_bank(image.T if turned else image)
    n_cells = max(1, int(width / 8 + 0.5))
    assert features.shape == ((n_cells, 1, 20) if turned else (1, n_cells, 20))
    assert np.isfinite(features).all()


@settings(deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 9), st.integers(1, 30), st.sampled_from([1, 2, 3, 4])),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_finite_floats_give_finite_features(image):
    features = filter_bank(image)
    assert np.isfinite(features).all()
    for first in range(features.shape[2] - 18, features.shape[2], 6):
        assert abs(features[..., first + 1 : first + 3]).max() <= 1.001


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("extreme", ["max", "tiny", "smallest_subnormal"])
def test_extreme_values(dtype, extreme):
    value = getattr(np.finfo(dtype), extreme)
    y, x = np.mgrid[:24, :31]
    image = np.where((x // 2 + y // 3) % 2, value, -value).astype(dtype)
    assert np.isfinite(filter_bank(image)).all()


def test_any_memory_layout_and_input_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (96, 80, 3), np.uint8)
    expected = filter_bank(image)
    image.setflags(write=False)
    padded = np.zeros((192, 90, 4), np.uint8)
    padded[::2, 5:85, 1:] = image
    for layout in (image, np.asfortranarray(image), padded[::2, 5:85, 1:]):
        assert_array_equal(filter_bank(layout), expected)
    floats = texture((40, 40, 3)).astype(np.float32)
    copied = floats.copy()
    filter_bank(floats)
    assert_array_equal(floats, copied)


def test_float_images_are_not_written_to_when_gray():
    """A contiguous plane of a float image is a view, which must not be shifted."""
    image = texture((40, 40)).astype(np.float32)
    copied = image.copy()
    filter_bank(image)
    assert_array_equal(image, copied)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (4, 4, 0), (1, 4, 4, 3)])
def test_shapes_that_are_no_image(shape):
    with pytest.raises(ValueError, match="image must be"):
        filter_bank(np.zeros(shape))


def test_dtypes_that_are_no_image():
    with pytest.raises(TypeError, match="uint8, uint16 or float"):
        filter_bank(np.zeros((32, 32), np.int32))
