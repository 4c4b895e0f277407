import numpy as np
import pytest

from skuad.inspection import displayable, montage, overlay, panel

CYAN, WHITE = (0, 229, 255), (255, 255, 255)


def _has_color(picture, color):
    return (picture == color).all(axis=2).any()


@pytest.fixture
def spot():
    anomaly_map = np.zeros((64, 96), np.float32)
    anomaly_map[20:40, 30:60] = 4.0
    return anomaly_map


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((4, 5), 7, np.uint8), 7),
        (np.full((4, 5, 1), 7, np.uint8), 7),
        (np.full((4, 5, 4), 7, np.uint8), 7),
        (np.full((4, 5, 3), 0.2), 51),
        (np.full((4, 5, 3), 0.2, np.float16), 51),
        (np.full((4, 5), 4095, np.uint16), 255),
        (np.full((4, 5), 65535, np.uint16), 255),
        (np.full((4, 5), 255, np.uint16), 255),
        (np.ones((4, 5), bool), 255),
        (np.zeros((4, 5, 6)), 0),
        (np.full((4, 5, 2), 100, np.uint8), 100),
        (np.full((4, 5, 6), 100, np.uint8), 100),
    ],
)
def test_displayable_keeps_what_is_seen(image, expected):
    picture = displayable(image)
    assert picture.shape == (4, 5, 3)
    assert picture.dtype == np.uint8
    assert (picture == expected).all()


def test_displayable_stretches_floats_beyond_the_unit_range():
    picture = displayable(np.array([[-3.0, 0.0, 3.0]]))
    assert picture[0, :, 0].tolist() == [0, 128, 255]


def test_displayable_survives_nan():
    picture = displayable(np.array([[np.nan, 0.5, np.inf]]))
    assert picture[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("shape", [(4,), (2, 4, 4, 3), (0, 4), (4, 0, 3)])
def test_displayable_refuses_what_is_no_image(shape):
    with pytest.raises(ValueError, match="an image has the shape"):
        displayable(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_overlay_takes_every_kind_of_image(spot, dtype, channels):
    image = np.ones((*spot.shape, *channels), dtype)
    picture = overlay(image, spot, threshold=2.0, mask=spot > 0)
    assert picture.shape == (*spot.shape, 3)
    assert picture.dtype == np.uint8


def test_overlay_leaves_the_image_alone_where_the_map_is_low(spot):
    image = np.random.default_rng(0).integers(0, 256, (*spot.shape, 3), np.uint8)
    before = image.copy()
    picture = overlay(image, spot)
    cold = spot == 0
    np.testing.assert_array_equal(picture[cold], image[cold])
    assert (picture[~cold] != image[~cold]).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(image, before)


def test_overlay_outlines_what_was_found_and_the_truth_in_colours_of_their_own(spot):
    image = np.full(spot.shape, 90, np.uint8)
    assert not _has_color(overlay(image, spot), WHITE)
    found = overlay(image, spot, threshold=2.0)
    assert _has_color(found, WHITE)
    assert not _has_color(found, CYAN)
    assert not _has_color(overlay(image, spot, threshold=5.0), WHITE)
    assert _has_color(overlay(image, spot, mask=spot > 0), CYAN)


def test_overlay_colours_depend_on_the_scale_and_not_on_the_rest_of_the_map(spot):
    image = np.full(spot.shape, 90, np.uint8)
    other = spot.copy()
    other[:5, :5] = 100.0
    first, second = (overlay(image, each, vmax=6.0) for each in (spot, other))
    np.testing.assert_array_equal(first[20:40], second[20:40])
    hotter = overlay(image, spot, vmax=4.0)
    assert (hotter[30, 45] != first[30, 45]).any()


def test_overlay_gets_lighter_as_the_map_rises():
    ramp = np.linspace(0, 1, 200, dtype=np.float32)[None].repeat(8, axis=0)
    light = overlay(np.full(ramp.shape, 60, np.uint8), ramp, vmax=1.0)
    light = light[4].astype(float) @ [0.299, 0.587, 0.114]
    assert light[-1] > 110
    assert (np.diff(light[100:]) > -1).all()


@pytest.mark.parametrize("value", [0.0, 2.5, -1.0])
def test_a_map_without_any_range_is_no_error(value):
    image = np.full((32, 32), 90, np.uint8)
    anomaly_map = np.full((32, 32), value, np.float32)
    assert overlay(image, anomaly_map).shape == (32, 32, 3)
    assert panel(image, anomaly_map).ndim == 3


def test_negative_maps_have_heat_too():
    image = np.full((32, 32), 90, np.uint8)
    anomaly_map = np.full((32, 32), -9.0, np.float32)
    anomaly_map[8:16, 8:16] = -2.0
    picture = overlay(image, anomaly_map, threshold=-4.0, vmin=-8.0)
    assert (picture[28, 28] == 90).all()
    assert (picture[12, 12] != 90).any()


@pytest.mark.parametrize("function", [overlay, panel])
def test_sizes_that_differ_are_named(function, spot):
    image = np.zeros((64, 95), np.uint8)
    with pytest.raises(ValueError, match=r"map has shape \(64, 96\).* 64 x 95"):
        function(image, spot)
    with pytest.raises(ValueError, match="mask has shape"):
        function(np.zeros((64, 96), np.uint8), spot, mask=np.zeros((3, 3)))


def test_panel_shows_truth_on_the_image_and_findings_on_the_overlay(spot):
    image = np.full((256, 256), 90, np.uint8)
    anomaly_map = np.zeros((256, 256), np.float32)
    anomaly_map[100:140, 100:140] = 4.0
    picture = panel(image, anomaly_map, mask=anomaly_map > 0, threshold=2.0)
    left, right = picture[:264, 8:264], picture[:264, 272:528]
    assert _has_color(left, CYAN)
    assert not _has_color(right, CYAN)
    assert _has_color(right[80:160, 80:160], WHITE)
    assert not _has_color(left[80:160, 80:160], WHITE)


def test_panel_enlarges_small_images_and_line_scans():
    small = panel(np.zeros((16, 24), np.uint8), np.zeros((16, 24)), threshold=1.0)
    assert small.shape[1] > 2 * 256
    line = panel(np.zeros((1, 600)), np.zeros((1, 600)), mask=np.ones((1, 600)))
    assert line.shape[1] > 2 * 600


def test_a_caption_is_drawn_and_a_long_one_is_shrunk():
    arguments = np.full((256, 256), 90, np.uint8), np.zeros((256, 256))
    bare, short, long = (
        panel(*arguments, caption=caption) for caption in (None, "good", "good " * 60)
    )
    assert short.shape[0] > bare.shape[0]
    assert long.shape == short.shape
    right_edge = long[:, -6:]
    assert (right_edge == right_edge[0, 0]).all()


def test_montage_keeps_every_picture_in_its_place():
    pictures = [np.full((4 + i, 6, 3), 10 * i, np.uint8) for i in range(3)]
    sheet = montage(pictures, n_columns=2)
    assert sheet.shape == (12, 12, 3)
    np.testing.assert_array_equal(sheet[:5, 6:], pictures[1])
    np.testing.assert_array_equal(sheet[6:, :6], pictures[2])
