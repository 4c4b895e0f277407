import numpy as np
import pytest

from skuad.inspection._screen import fit_to_screen

SIDES = {"least": 200, "largest": 640}


def test_no_peak_is_lost_where_pictures_are_smaller_than_images():
    image = np.zeros((2000, 3000, 3), np.uint8)
    anomaly_map, mask = np.zeros((2, 2000, 3000), np.float32)
    anomaly_map[1234, 777] = 5.0
    mask[1234, 777] = 1
    image, anomaly_map, mask = fit_to_screen(image, anomaly_map, mask, **SIDES)
    assert image.shape[:2] == anomaly_map.shape == mask.shape == (427, 640)
    assert (anomaly_map.max(), mask.max()) == (5.0, 1)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((300, 400), (300, 400)),
        ((50, 100), (100, 200)),
        ((1, 900), (24, 640)),  # a line scan, as a band
        ((1, 400), (24, 400)),
    ],
)
def test_sizes(shape, expected):
    image, anomaly_map = np.zeros((*shape, 3), np.uint8), np.ones(shape)
    image, anomaly_map, mask = fit_to_screen(image, anomaly_map, None, **SIDES)
    assert image.shape == (*expected, 3) and anomaly_map.shape == expected
    assert mask is None and (anomaly_map == 1).all()
