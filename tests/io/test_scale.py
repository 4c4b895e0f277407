import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skuad.io._scale import unit_float


@pytest.mark.parametrize(
    ("dtype", "data_range", "full_scale"),
    [
        (np.uint8, None, 255),
        (np.uint8, 100, 255),
        (np.uint16, None, 65535),
        (np.uint16, 4095, 4095),
        (">u2", 4095, 4095),
        (np.float16, 4095, 1),
        (np.float32, None, 1),
        (np.float64, 4095, 1),
        (">f8", None, 1),
    ],
)
def test_full_scale_is_one(dtype, data_range, full_scale):
    scaled = unit_float(np.array([[0, full_scale]], dtype), data_range=data_range)
    assert scaled.dtype == np.dtype(np.float32)
    assert_array_equal(scaled, [[0, 1]])


def test_no_copy_of_float32():
    image = np.zeros(3, np.float32)
    assert unit_float(image) is image


def test_huge_float64_saturates_without_a_warning():
    scaled = unit_float(np.array([1e300, -1e300]))
    assert np.isfinite(scaled).all()
    assert_array_equal(np.sign(scaled), [1, -1])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint32, complex, object])
def test_other_dtypes_are_rejected(dtype):
    with pytest.raises(TypeError, match="uint8, uint16 or float"):
        unit_float(np.zeros(3, dtype))


@pytest.mark.parametrize("data_range", [0, -1, np.inf, np.nan])
def test_data_range_must_be_positive_and_finite(data_range):
    with pytest.raises(ValueError, match="data_range"):
        unit_float(np.zeros(3, np.uint16), data_range=data_range)
